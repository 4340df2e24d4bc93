//! `bench-cli run`: try models on scenarios, here and now.
//!
//! | part | what it does |
//! |---|---|
//! | [`request`] | the arguments as typed, resolved: a plan and an environment |
//! | [`dry_run`] | shows the plan instead of running it |
//! | [`execute`] | runs it, with the duty to end the run in the frame around it |
//! | [`gate`] | from results to the exit code |

mod dry_run;
mod execute;
mod gate;
mod request;

use std::io::Write;

use bench_core::Problem;
use bench_report::text;
use chrono::Utc;
use serde_json::json;

use super::page::Page;
use crate::args::run::RunArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{self, CODE, FAINT};
use crate::render::problems;
use crate::worlds;
use execute::{End, Ran};

/// Warnings that are shown; `check` shows all.
const MOST_WARNINGS: usize = 20;

/// Runs, and shows what came out of it.
pub(super) fn cmd(args: &RunArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let request = request::resolve(args, cx)?;
    warn(&request.warnings, cx);
    for line in worlds::lines(&request.plan) {
        tell(&line, cx);
    }
    if args.output.dry_run {
        return dry_run::show(&request.plan, args.output.json, cx);
    }
    let ran = execute::execute(request, &args.output, cx)?;
    let page = Page::read(&cx.store()?.read(&ran.id, Utc::now())?)?;
    if ran.reader_stuck {
        return Ok(gate::exit(&ran.end, &page.session, &args.gate).0);
    }
    show(&page, args.output.json, cx)?;
    end(ran, &page, args, cx)
}

fn warn(warnings: &[Problem], cx: &mut Context) {
    let (shown, hidden) = warnings.split_at(warnings.len().min(MOST_WARNINGS));
    let text = problems::warnings(shown, cx.err_look.width);
    write!(cx.err, "{text}").unwrap_or_default(); // nobody there to be warned
    if !hidden.is_empty() {
        let hidden = text::count(hidden.len(), "more warning");
        tell(&format!("… and {hidden}; `bench-cli check` shows all"), cx);
    }
}

/// Talk that must not end a run when nobody listens.
fn tell(line: &str, cx: &mut Context) {
    writeln!(cx.err, "{line}").unwrap_or_default();
}

fn show(page: &Page, json: bool, cx: &mut Context) -> Result<(), CliError> {
    let written = if json {
        let mut document = serde_json::to_value(page.document()).unwrap_or_default();
        document["event"] = json!("run_over");
        writeln!(cx.out, "{document}")
    } else {
        write!(cx.out, "{}", page.results(cx.out_look.width))
    };
    match written.map_err(CliError::from) {
        // The run is over and safe; its exit code matters more than a reader who left.
        Err(error) if error.exit() == Exit::Success => Ok(()),
        written => written,
    }
}

/// Says where everything is, what to type next, and why the exit code is not 0.
fn end(ran: Ran, page: &Page, args: &RunArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let (exit, misses) = gate::exit(&ran.end, &page.session, &args.gate);
    let folder = cx.shown(page.dir());
    tell(
        &format!("\n{} · {}", page.status(), paint::paint(FAINT, &folder)),
        cx,
    );
    let id = &ran.id;
    let mut next = vec![format!("bench-cli show {id}")];
    next.extend(
        page.worth_a_look()
            .map(|trial| format!("bench-cli show {id} --trial {trial}")),
    );
    for command in next {
        tell(&format!("  {}", paint::paint(CODE, &command)), cx);
    }
    for miss in misses {
        tell(&format!("{} {miss}", paint::signs("✗")), cx);
    }
    match ran.end {
        End::Failed(error) => Err(error),
        End::Completed | End::Cancelled => Ok(exit),
    }
}
