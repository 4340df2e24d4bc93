//! `bench-cli show`: a run, or one of its trials.

use std::io::{Read, Write};

use bench_core::TrialRecord;
use bench_core::event::TrialFinished;
use bench_core::transcript::{Entry, Line};
use bench_report::conversation::{self, Detail};
use bench_report::{steps, text, trial};
use bench_runner::BenchJob;
use bench_runner::evidence::{Records, SUFFIX};
use bench_state::{Depth, ItemId, RunView, StateError};
use serde_json::json;

use super::page::Page;
use super::{evidence, older, refused, sweep, write_json};
use crate::args::runs::ShowArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint;
use crate::sink::Sink;

/// Trials that an error message names.
const MOST_NAMED: usize = 8;

/// Shows a run, or with `--trial` one trial of it.
pub(super) fn cmd(args: &ShowArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let id = match store.resolve(&args.run) {
        Ok(id) => id,
        Err(error) => return older::show(&store, &args.run, args.json, error, cx),
    };
    let view = store.inspect(&id, cx.now)?;
    sweep::leftovers(&store, cx);
    match &args.trial {
        Some(wanted) if args.raw => show_raw(&view, &find_trial(&view, wanted)?, args.json, cx)?,
        Some(wanted) => show_trial(&view, &find_trial(&view, wanted)?, args, cx)?,
        None if args.json => write_json(&Page::read(&view)?.document(), cx)?,
        None => {
            let text = Page::read(&view)?.with_facts(cx);
            write!(cx.out, "{text}")?;
        }
    }
    Ok(Exit::Success)
}

/// The trial of that id, else the only one of that scenario, or of that scenario and model, else the only one that begins so.
pub(super) fn find_trial(view: &RunView<BenchJob>, wanted: &str) -> Result<ItemId, CliError> {
    let plan = view.plan()?;
    let trials = plan.trials().into_iter().map(|trial| {
        let scenario = plan.scenarios.get(trial.scenario);
        let scenario = scenario.map_or("", |scenario| scenario.scenario_id.as_str());
        (trial.id.to_string(), scenario)
    });
    let trials: Vec<(String, &str)> = trials.collect();
    let ids: Vec<&String> = trials.iter().map(|(id, _)| id).collect();
    let fitting = fitting(&trials, wanted);
    if let [only] = fitting.as_slice() {
        return Ok(only.parse()?);
    }
    let (message, named) = if fitting.is_empty() {
        (format!("run `{}` has no trial `{wanted}`", view.id()), ids)
    } else {
        (
            format!("`{wanted}` fits {} trials of run `{}`", fitting.len(), view.id()),
            fitting,
        )
    };
    let shown: Vec<&str> = named.iter().take(MOST_NAMED).map(|id| id.as_str()).collect();
    let more = if named.len() > MOST_NAMED { ", …" } else { "" };
    Err(CliError::usage(message).hint(format!("one of {}{more}", shown.join(", "))))
}

/// The ids of trials, each with its scenario, that are meant: whole parts of an id win over longer ones that begin so.
fn fitting<'a>(trials: &'a [(String, &str)], wanted: &str) -> Vec<&'a String> {
    let parts = format!("{}~", wanted.trim_end_matches('~'));
    let rank = |(id, scenario): &(String, &str)| match () {
        () if id == wanted => Some(0),
        () if *scenario == wanted || id.starts_with(&parts) => Some(1),
        () if id.starts_with(wanted) => Some(2),
        () => None,
    };
    let best = trials.iter().filter_map(rank).min();
    let fits = |trial: &&(String, &str)| best.is_some() && rank(trial) == best;
    trials.iter().filter(fits).map(|(id, _)| id).collect()
}

fn show_trial(
    view: &RunView<BenchJob>,
    id: &ItemId,
    args: &ShowArgs,
    cx: &mut Context,
) -> Result<(), CliError> {
    if args.json
        && let Some(record) = view.item(id)?
    {
        warn(view, id, &mut cx.err)?;
        let lines = view.item_log::<Line>(id)?.into_iter().flatten();
        let lines = lines.collect::<Result<Vec<_>, StateError>>()?;
        return write_json(&json!({"record": record, "transcript": lines}), cx);
    }
    let detail = if args.full { Detail::Full } else { Detail::Brief };
    write_trial(view, id, detail, cx.out_look.width, (&mut cx.out, &mut cx.err))
}

/// Writes what is known of a trial as text: its record, tables in so many columns, and what was said. Warnings and what is
/// missing go to the second stream.
pub(crate) fn write_trial(
    view: &RunView<BenchJob>,
    id: &ItemId,
    detail: Detail,
    columns: usize,
    (out, err): (&mut Sink, &mut Sink),
) -> Result<(), CliError> {
    let end = warn(view, id, err)?;
    let lines = view.item_log::<Line>(id)?;
    if let Some(record) = view.item(id)? {
        write_record(&record, columns, out)?;
        return write_conversation(lines.into_iter().flatten(), detail, (out, err));
    }
    if let Some(end) = end {
        return Err(CliError::unfinished(format!(
            "the record of trial `{id}` is lost; by the journal of the run it ended as `{}`",
            end.outcome.name()
        )));
    }
    let lines = lines.ok_or_else(|| CliError::usage(format!("trial `{id}` has not begun")))?;
    if view.summary().state.status.is_over() {
        let again = match refused::of(view) {
            None => format!(", which `resume {}` runs again", view.id()),
            Some(_) => String::new(),
        };
        writeln!(err, "the run ended before this trial{again}; what was said:")?;
    } else {
        writeln!(err, "this trial is not over; what was said so far:")?;
    }
    write_conversation(lines, detail, (out, err))
}

/// How a trial ended, and warnings of what is not as it was then.
fn warn(view: &RunView<BenchJob>, id: &ItemId, err: &mut Sink) -> Result<Option<TrialFinished>, CliError> {
    evidence::warn(view, err)?;
    let end = evidence::end_of(view, id)?;
    if let Some(end) = &end {
        for problem in evidence::problems(view, end, (Depth::Content, Depth::Content))? {
            evidence::warning(&problem, err)?;
        }
    }
    Ok(end)
}

/// Everything that went over the wire to the trial's model.
fn show_raw(view: &RunView<BenchJob>, id: &ItemId, json: bool, cx: &mut Context) -> Result<(), CliError> {
    let mut content = Vec::new();
    if let Some(mut file) = view.item_file(id, SUFFIX)? {
        file.read_to_end(&mut content).map_err(|error| {
            CliError::unfinished(format!("cannot read the evidence of trial `{id}`")).because(error)
        })?;
    }
    let (records, damaged): (Vec<_>, Vec<_>) = Records::of(&content).partition(Result::is_ok);
    let records = records.into_iter().flatten();
    if json {
        write_json(&records.collect::<Vec<_>>(), cx)?;
    } else {
        for record in records {
            write!(cx.out, "{}", bench_report::evidence::record(&record))?;
        }
    }
    if content.is_empty() {
        let why = bench_report::evidence::WHY_NONE;
        writeln!(cx.err, "no request of trial `{id}` was kept: {why}")?;
    }
    if !damaged.is_empty() {
        let count = text::count(damaged.len(), "record");
        writeln!(
            cx.err,
            "{count} torn or damaged, as a crash leaves them; the others are shown"
        )?;
    }
    Ok(())
}

fn write_record(record: &TrialRecord, columns: usize, out: &mut Sink) -> Result<(), CliError> {
    write!(out, "{}", trial::facts(record))?;
    if !record.verdicts.is_empty() {
        let table = trial::verdicts(record).render(columns);
        write!(out, "\n{}", paint::table(&table))?;
        let judged = trial::judgements(&record.verdicts);
        if !judged.is_empty() {
            write!(out, "\n{judged}")?;
        }
    }
    if let Some(timeline) = &record.timeline {
        writeln!(out, "\nstep by step (tool calls)")?;
        for line in steps::lines(timeline, record.tool_calls) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

fn write_conversation(
    lines: impl IntoIterator<Item = Result<Line, StateError>>,
    detail: Detail,
    (out, err): (&mut Sink, &mut Sink),
) -> Result<(), CliError> {
    for (n, line) in lines.into_iter().enumerate() {
        match line {
            // The beginning needs no heading; each further one, of an attempt or after a resume, does.
            Ok(line) if n == 0 && matches!(line.entry, Entry::Attempt { .. }) => {}
            Ok(line) => write!(out, "{}", conversation::entry(&line, detail))?,
            // One damaged line does not hide the others.
            Err(error) => writeln!(err, "{}", text::clean_line(&error.to_string()))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_win_over_longer_ones() {
        let trials = [
            ("create-bug~gpt-4o~1", "create-bug"),
            ("create-bug~gpt-4o~10", "create-bug"),
            ("create-bug-2~gpt-4o~1", "create-bug-2"),
            ("create-bug-2~gpt-4o-mini~1", "create-bug-2"),
            ("a-b-0badcafe~gpt-4o~1", "a/b"),
        ];
        let trials = trials.map(|(id, scenario)| (id.to_owned(), scenario));
        for (wanted, want) in [
            ("create-bug~gpt-4o~1", &trials[..1]),
            ("create-bug", &trials[..2]),
            ("create-bug~", &trials[..2]),
            ("create-bug-2~gpt-4o", &trials[2..3]),
            ("create-bug-", &trials[2..4]),
            ("create", &trials[..4]),
            ("a/b", &trials[4..]),
            ("a-", &trials[4..]),
            ("b", &[]),
        ] {
            let want: Vec<&String> = want.iter().map(|(id, _)| id).collect();
            assert_eq!(fitting(&trials, wanted), want, "{wanted}");
        }
    }
}
