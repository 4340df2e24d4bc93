//! One file per command: ask the libraries, render, write.

mod attach;
mod background;
mod check;
mod cleanup;
mod compare;
mod completions;
mod doctor;
mod evidence;
mod execute;
mod gate;
mod gym;
mod kill;
mod list;
mod logs;
mod man;
mod models;
mod older;
mod page;
mod prune;
mod reach;
mod refused;
mod report;
mod rescore;
mod resume;
mod run;
mod schema;
mod show;
mod start;
mod sweep;
mod view;

pub(crate) use background::this_program;
pub(crate) use list::row as row_of;
pub(crate) use older::row as row_of_older;
pub(crate) use refused::{Refused, because_of, of as refused_of, used_up_by};
pub(crate) use show::write_trial;
pub(crate) use sweep::quietly as sweep_quietly;

use crate::args::Command;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// What a command that shows first and changes nothing says if there is something to be changed.
pub(crate) const REPEAT: &str = "repeat with `--no-dry-run`";

/// Does what was asked.
pub(crate) fn run(command: Command, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => run::cmd(&args, cx),
        Command::List(args) => list::cmd(&args, cx),
        Command::Show(args) => show::cmd(&args, cx),
        Command::Logs(args) => logs::cmd(&args, cx),
        Command::Attach(args) => attach::attach(&args, cx),
        Command::View(args) => view::cmd(&args, cx),
        Command::Kill(args) => kill::cmd(&args, cx),
        Command::Resume(args) => resume::resume(&args, cx),
        Command::Retry(args) => resume::retry(&args, cx),
        Command::Rescore(args) => rescore::cmd(&args, cx),
        Command::Compare(args) => compare::cmd(&args, cx),
        Command::Report(args) => report::cmd(&args, cx),
        Command::Cleanup(args) => cleanup::cmd(&args, cx),
        Command::Prune(args) => prune::cmd(&args, cx),
        Command::Worker(args) => background::work(&args, cx),
        Command::Check(args) => check::cmd(&args, cx),
        Command::Gym(command) => gym::cmd(&command, cx),
        Command::Models(args) => models::cmd(&args, cx),
        Command::Schema(args) => schema::cmd(&args, cx),
        Command::Doctor(args) => doctor::cmd(&args, cx),
        Command::Completions(args) => completions::cmd(&args, cx),
        Command::Man(args) => man::cmd(&args, cx),
    }
}

/// Writes one JSON document.
fn write_json(value: &impl serde::Serialize, cx: &mut Context) -> Result<(), CliError> {
    use std::io::Write;
    let text = bench_report::json::pretty(value)
        .map_err(|error| CliError::unfinished("cannot write the result as JSON").because(error))?;
    writeln!(cx.out, "{text}")?;
    Ok(())
}
