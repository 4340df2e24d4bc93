//! `bench-cli gym call`: one tool call on a fresh database, and what the database says then.

use std::io::Write;
use std::time::Duration;

use bench_core::Limits;
use bench_report::text;
use bench_runner::gym::{ToolDeadline, ToolOutput};
use serde_json::{Map, Value, json};

use super::session::with_session;
use crate::args::gym::GymCallArgs;
use crate::commands::write_json;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Calls the tool, asks the SQL runner, prints both answers. A tool that answers with an error gives exit code 1.
pub(super) fn cmd(args: &GymCallArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let arguments = arguments(args)?;
    let (output, rows) = with_session(&args.gym, &args.file, cx, async |session| {
        let output = match &args.tool {
            Some(tool) => Some(session.call_tool(tool, arguments, deadline()).await?),
            None => None,
        };
        let rows = match &args.sql {
            Some(query) => Some(session.query(query).await?),
            None => None,
        };
        Ok((output, rows))
    })?;
    let failed = output.as_ref().is_some_and(|output| output.is_error);
    if args.json {
        write_json(&document(output.as_ref(), rows.as_ref()), cx)?;
    } else {
        write_text(output.as_ref(), rows.as_ref(), cx)?;
    }
    Ok(if failed { Exit::Gate } else { Exit::Success })
}

fn document(output: Option<&ToolOutput>, rows: Option<&Value>) -> Value {
    let tool = output.map(
        |output| json!({"is_error": output.is_error, "text": output.text, "structured": output.structured}),
    );
    json!({"tool": tool, "sql": rows})
}

fn write_text(output: Option<&ToolOutput>, rows: Option<&Value>, cx: &mut Context) -> Result<(), CliError> {
    if let Some(output) = output {
        if output.is_error {
            writeln!(cx.err, "the tool answered with an error:")?;
        }
        writeln!(cx.out, "{}", text::clean(output.text.trim_end()))?;
    }
    if let Some(rows) = rows {
        let rows = serde_json::to_string_pretty(rows).unwrap_or_default();
        writeln!(cx.out, "{}", text::clean(&rows))?;
    }
    Ok(())
}

fn deadline() -> ToolDeadline {
    let limits = Limits::default();
    ToolDeadline {
        idle: Duration::from_secs_f64(limits.tool_timeout_seconds),
        total: Duration::from_secs_f64(limits.tool_timeout_max_seconds),
    }
}

/// The arguments of the call, from a JSON object or from `KEY=VALUE`s.
fn arguments(args: &GymCallArgs) -> Result<Map<String, Value>, CliError> {
    if let Some(text) = &args.arguments {
        return serde_json::from_str(text)
            .map_err(|error| CliError::usage("the arguments are no JSON object").because(error));
    }
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value_of(value))),
        _ => Err(CliError::usage(format!("`--arg {text}` is not KEY=VALUE"))),
    };
    args.arg.iter().map(pair).collect()
}

/// JSON where it reads as JSON, else the text itself.
fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::gym::GymCommand;
    use crate::args::{Cli, Command};

    fn parse(args: &[&str]) -> Result<Value, String> {
        let words = ["bench-cli", "gym", "call", "tracker"].iter().chain(args);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Gym(GymCommand::Call(args)) = cli.command else {
            return Err("not a call".into());
        };
        arguments(&args)
            .map(Value::Object)
            .map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn arguments_are_json_where_they_read_as_json() {
        let args = [
            "t",
            "--arg",
            "n=1",
            "--arg",
            "key=WEB-1",
            "--arg",
            "list=[1,\"a\"]",
            "--arg",
            "eq=a=b",
        ];
        assert_eq!(
            parse(&args).unwrap(),
            json!({"n": 1, "key": "WEB-1", "list": [1, "a"], "eq": "a=b"})
        );
        assert_eq!(parse(&["t", r#"{"a": null}"#]).unwrap(), json!({"a": null}));
        assert_eq!(
            parse(&["--sql", "SELECT 1"]).unwrap(),
            json!({}),
            "SQL alone calls nothing"
        );
        for wrong in [
            vec!["t", "[1]"],
            vec!["t", "{"],
            vec!["t", "--arg", "a"],
            vec!["t", "--arg", "=1"],
            vec![],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
