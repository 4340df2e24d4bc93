//! Checks by a local program: its exit status, and what it writes to standard output.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use bench_core::Setting;
use bench_core::verifier::CommandCheck;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;

use super::TrialEnd;
use super::finding::Finding;
use crate::process::{ChildSpec, CleanEnvironment, Marker, Spawned, spawn};

/// How long a program that is told to end may take.
const GRACE: Duration = Duration::from_secs(2);
/// What is read of its standard output, in bytes.
const STDOUT_LIMIT: u64 = 1024 * 1024;

/// How long the program may take.
pub(super) fn time_limit(check: &CommandCheck) -> Duration {
    Duration::try_from_secs_f64(check.timeout_seconds).unwrap_or(Duration::from_secs(60))
}

/// Runs the program. Not started, ended by a signal, or over its time: the check could not be executed.
pub(super) async fn check(check: &CommandCheck, end: &TrialEnd<'_>) -> Finding {
    let spec = match child(check, end) {
        Ok(spec) => spec,
        Err(problem) => return Finding::permanent(problem).asked(&check.command),
    };
    let asked = [std::slice::from_ref(&spec.program), &spec.args]
        .concat()
        .join(" ");
    let finding = match run(&spec, time_limit(check), end).await {
        Err(problem) => Finding::errored(problem),
        Ok((status, stdout)) => judge(check, status, stdout),
    };
    finding.asked(asked)
}

fn judge(check: &CommandCheck, status: ExitStatus, stdout: String) -> Finding {
    let Some(code) = status.code() else {
        return Finding::errored(format!("ended by {status}"));
    };
    match &check.stdout {
        Some(comparison) if code == check.exit_code => {
            Finding::compared(comparison, Value::String(stdout), false)
        }
        _ => Finding::known(
            code == check.exit_code,
            "exit status",
            json!(check.exit_code),
            json!(code),
        ),
    }
}

fn child(check: &CommandCheck, end: &TrialEnd<'_>) -> Result<ChildSpec, String> {
    let scratch = end.scratch.path().map_err(|error| error.to_string())?;
    let folder = scratch.to_string_lossy();
    let filled = |text: &String| text.replace("{{trial_dir}}", &folder);
    let variable = |(name, value): (&String, &String)| {
        let value = end.env.resolve(&Setting::Text(value.clone()));
        let value = value.map_err(|error| format!("variable `{name}` of the check: {error}"))?;
        Ok((name.clone(), filled(&value)))
    };
    let env: BTreeMap<String, String> = check.env.iter().map(variable).collect::<Result<_, String>>()?;
    // A program written as a path with folders is meant relative to the harness file, as `cwd` is.
    let program = filled(&check.command);
    let written_as_path = program.contains('/') && !program.starts_with('/');
    Ok(ChildSpec {
        program: if written_as_path {
            absolute(end.harness_dir.join(program))
                .to_string_lossy()
                .into_owned()
        } else {
            program
        },
        args: check.args.iter().map(filled).collect(),
        cwd: match &check.cwd {
            Some(cwd) => absolute(end.harness_dir.join(filled(cwd))),
            None => scratch.clone(),
        },
        env,
        stdin: false,
    })
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

async fn run(spec: &ChildSpec, limit: Duration, end: &TrialEnd<'_>) -> Result<(ExitStatus, String), String> {
    let marker = Marker::new(end.run_id, end.trial, "verifier");
    let children = CleanEnvironment::of(end.env);
    let spawned = spawn(spec, &children, &marker, Arc::clone(&end.log)).map_err(|e| e.to_string())?;
    let Spawned {
        stdout, mut guard, ..
    } = spawned;
    // The read ends with the program, not with the pipe: a grandchild may hold that open for ever.
    let reading = tokio::spawn(read(stdout));
    let waited = tokio::time::timeout(limit, guard.wait()).await;
    let words = guard.last_words(Duration::from_millis(200)).await;
    guard.end(GRACE).await;
    let stdout = tokio::time::timeout(GRACE, reading).await;
    match waited {
        Err(_) => Err(format!("ended after {} s without a result", limit.as_secs_f64())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(status)) if status.code().is_none() => Err(format!("ended by {status}: {words}")),
        Ok(Ok(status)) => {
            let text = stdout.ok().and_then(Result::ok).unwrap_or_default();
            Ok((status, text.trim().to_owned()))
        }
    }
}

async fn read(stdout: Option<ChildStdout>) -> String {
    let mut bytes = Vec::new();
    if let Some(stdout) = stdout {
        drop(stdout.take(STDOUT_LIMIT).read_to_end(&mut bytes).await); // what came before an error counts
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
