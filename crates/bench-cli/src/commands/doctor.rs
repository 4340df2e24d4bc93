//! `bench-cli doctor`: is everything there that runs need?

use std::fs::TryLockError;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bench_gym::{GymOptions, GymServer};
use bench_report::table::{Column, Table};
use bench_report::text;
use bench_runner::env::Environment;
use bench_runner::model::providers;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use tokio::runtime::Builder;

use super::write_json;
use crate::args::extras::DoctorArgs;
use crate::context::Context;
use crate::environment::{self, EnvFile};
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint;

/// Open files that one trial may need at once: connections, pipes, its own files.
const FILES_PER_TRIAL: u64 = 12;
/// Open files that the program needs beside trials.
const FILES_BESIDE: u64 = 64;
/// What `--max-concurrency` is without being given.
const CONCURRENCY: u64 = 8;

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Fine unless it is needed.
    Missing,
    /// Runs will not work.
    Fault,
}

/// Looks, and says what it found. A fault gives exit code 1.
pub(super) fn cmd(args: &DoctorArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let env_file = EnvFile::of(&args.env_file, &[], cx);
    let environment = environment::read(env_file.as_ref(), &[], cx)?;
    let mut findings = vec![version(), results(&cx.results_dir()), open_files(), tracker()];
    findings.push(variables(env_file.as_ref(), cx));
    findings.extend(models(&environment));
    findings.extend([
        program("npx", "MCP servers from npm", cx),
        program("uvx", "MCP servers from PyPI", cx),
    ]);
    if args.json {
        write_json(&findings, cx)?;
    } else {
        let mut table = Table::new([
            Column::word("what"),
            Column::word("state"),
            Column::text("detail"),
        ]);
        for finding in &findings {
            let state = match finding.state {
                State::Ok => "✓ ok",
                State::Missing => "· missing",
                State::Fault => "✗ fault",
            };
            table.row([
                finding.what.to_owned(),
                state.to_owned(),
                text::clean_line(&finding.detail),
            ]);
        }
        write!(cx.out, "{}", paint::table(&table.render(cx.out_look.width)))?;
    }
    let fault = findings.iter().any(|finding| finding.state == State::Fault);
    Ok(if fault { Exit::Gate } else { Exit::Success })
}

impl Finding {
    fn new(what: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self {
            what,
            state,
            detail: detail.into(),
        }
    }
}

fn version() -> Finding {
    let detail = format!(
        "{} on {} {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    Finding::new("bench-cli", State::Ok, detail)
}

/// Whether runs can be written and locked there, tried in the folder itself or where it would be made.
fn results(dir: &Path) -> Finding {
    let nearest = dir.ancestors().find(|path| path.exists());
    let Some(place) = nearest.filter(|path| path.is_dir()) else {
        let in_the_way = nearest.unwrap_or(dir).display();
        return Finding::new(
            "results",
            State::Fault,
            format!("{in_the_way} is no folder; choose another with --results"),
        );
    };
    let state = if place == dir {
        "writable"
    } else {
        "not there yet, can be made"
    };
    match try_locks(place) {
        Ok(true) => Finding::new(
            "results",
            State::Ok,
            format!("{}: {state}, file locks work", dir.display()),
        ),
        Ok(false) => {
            let detail = format!(
                "{}: file locks do nothing here; choose a local disk with --results",
                dir.display()
            );
            Finding::new("results", State::Fault, detail)
        }
        Err(error) => Finding::new("results", State::Fault, format!("{}: {error}", dir.display())),
    }
}

/// Whether a lock on a fresh file keeps out a second one.
fn try_locks(dir: &Path) -> std::io::Result<bool> {
    let file = tempfile::NamedTempFile::new_in(dir)?;
    file.as_file().lock()?;
    let second = file.reopen()?;
    Ok(matches!(second.try_lock(), Err(TryLockError::WouldBlock)))
}

fn open_files() -> Finding {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Finding::new("open files", State::Ok, "no limit");
    };
    let trials = limit.saturating_sub(FILES_BESIDE) / FILES_PER_TRIAL;
    let detail = format!("at most {limit}: enough for about {trials} trials at once");
    if trials < CONCURRENCY {
        Finding::new(
            "open files",
            State::Fault,
            format!("{detail}; raise it with `ulimit -n 4096`"),
        )
    } else {
        Finding::new("open files", State::Ok, detail)
    }
}

fn tracker() -> Finding {
    let started = Instant::now();
    let tried = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|rt| {
            let tried = rt.block_on(async {
                let server = GymServer::start(GymOptions::default())
                    .await
                    .map_err(|error| error.to_string())?;
                server.shutdown().await;
                Ok(())
            });
            rt.shutdown_timeout(Duration::from_secs(1));
            tried
        });
    match tried {
        Ok(()) => {
            let detail = format!(
                "started and stopped in {}",
                text::short_duration(started.elapsed())
            );
            Finding::new("gym tracker", State::Ok, detail)
        }
        Err(error) => Finding::new("gym tracker", State::Fault, error),
    }
}

/// The file that variables were read from.
fn variables(file: Option<&EnvFile>, cx: &Context) -> Finding {
    let detail = match file {
        Some(file) if file.taken().is_none() => {
            return Finding::new("env file", State::Missing, file.warning(cx).unwrap_or_default());
        }
        Some(EnvFile {
            path, found: true, ..
        }) => {
            format!("{}, found upward from the current folder", path.display())
        }
        Some(EnvFile { path, .. }) => path.display().to_string(),
        None => "none read; variables of the process only".to_owned(),
    };
    Finding::new("env file", State::Ok, detail)
}

fn models(environment: &Environment) -> Vec<Finding> {
    let supported = providers(environment)
        .into_iter()
        .filter(|provider| provider.supported);
    supported
        .map(|provider| {
            if provider.configured {
                return Finding::new("models", State::Ok, provider.provider.name());
            }
            let detail = format!("{}: set {}", provider.provider, provider.missing.join(" and "));
            Finding::new("models", State::Missing, detail)
        })
        .collect()
}

fn program(name: &'static str, what_for: &str, cx: &Context) -> Finding {
    match find_program(name, cx.variables.get("PATH").map_or("", String::as_str)) {
        Some(path) => Finding::new(name, State::Ok, path.display().to_string()),
        None => Finding::new(name, State::Missing, format!("only needed for {what_for}")),
    }
}

fn find_program(name: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_tried_without_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let results_dir = dir.path().join("a/results");
        let finding = results(&results_dir);
        assert_eq!(finding.state, State::Ok, "{finding:?}");
        assert!(!results_dir.exists());
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "nothing is left behind"
        );
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(results(&file.join("results")).state, State::Fault);
    }

    #[test]
    fn programs_are_found_on_the_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("npx"), "").unwrap();
        let path = format!("/nonexistent:{}", dir.path().display());
        assert_eq!(find_program("npx", &path), Some(dir.path().join("npx")));
        assert_eq!(find_program("uvx", &path), None);
    }
}
