//! `bench-cli check`: what is wrong with a harness, without trying any model.

use std::io::Write;

use bench_core::Problem;
use bench_core::lint::lint;
use bench_report::text;
use bench_runner::{load_harness, load_sources};
use serde_json::json;

use super::write_json;
use crate::args::check::CheckArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::problems;

/// Loads the harness and looks at it. Faults of either kind give exit code 1.
pub(super) fn cmd(args: &CheckArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let (scenarios, faults) = match load_harness(&args.harness, &cx.cwd) {
        Ok(harness) => {
            let sources = load_sources(&args.harness, &cx.cwd).unwrap_or_else(|(_, readable)| readable);
            let mut faults = lint(&harness, &sources);
            faults.extend(harness.warnings);
            (harness.scenarios.len(), faults)
        }
        Err(problems) => (0, problems.0),
    };
    if args.json {
        write_json(&json!({"scenarios": scenarios, "problems": faults}), cx)?;
    } else {
        write_text(scenarios, &faults, cx)?;
    }
    Ok(if faults.is_empty() {
        Exit::Success
    } else {
        Exit::Gate
    })
}

fn write_text(scenarios: usize, faults: &[Problem], cx: &mut Context) -> Result<(), CliError> {
    if faults.is_empty() {
        writeln!(
            cx.out,
            "{}: nothing to complain about",
            text::count(scenarios, "scenario")
        )?;
    } else {
        write!(cx.out, "{}", problems::text(faults, cx.out_look.width))?;
    }
    Ok(())
}
