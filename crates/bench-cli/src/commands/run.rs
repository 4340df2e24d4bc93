//! `bench-cli run`: try models on scenarios, here or in the background.
//!
//! | part | what it does |
//! |---|---|
//! | [`request`] | the arguments as typed, resolved: a plan and an environment |
//! | [`recorded`] | the runs that `replay` models play |
//! | [`dry_run`] | shows the plan, and what it will need, instead of running it |
//! | [`past`] | what trials of earlier runs needed |
//!
//! How a plan becomes a run is the business of [`super::start`].

mod dry_run;
mod past;
pub(super) mod recorded;
mod request;

use std::io::Write;

use bench_core::Problem;
use bench_report::text;

use super::start::{self, How, Start, tell};
use crate::args::run::RunArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::problems;
use crate::worlds;

/// Warnings that are shown; `check` shows all.
const MOST_WARNINGS: usize = 5;

/// Runs, and shows what came out of it.
pub(super) fn cmd(args: &RunArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let request = request::resolve(args, cx)?;
    warn(&request.warnings, cx);
    for line in request
        .variables_of
        .iter()
        .cloned()
        .chain(worlds::lines(&request.plan))
    {
        tell(&line, cx);
    }
    if args.output.dry_run {
        return dry_run::show(&request.plan, args.output.json, cx);
    }
    let how = How {
        background: args.background,
        ui: args.output.progress.ui,
        json: args.output.json,
    };
    start::start(Start::anew(request.plan, request.environment), how, cx)
}

/// Shows what was odd about the input.
pub(super) fn warn(warnings: &[Problem], cx: &mut Context) {
    let (shown, hidden) = warnings.split_at(warnings.len().min(MOST_WARNINGS));
    let text = problems::warnings(shown, cx.err_look.width);
    write!(cx.err, "{text}").unwrap_or_default(); // nobody there to be warned
    if !hidden.is_empty() {
        let hidden = text::count(hidden.len(), "more warning");
        tell(&format!("… and {hidden}; `bench-cli check` shows all"), cx);
    }
}
