//! Whether the files of a run are still what it wrote: its journal names length and hash of those of each finished trial,
//! and the store knows up to where the journal itself went.

use std::io::Write;

use bench_core::event::{Event, TrialFinished};
use bench_core::record::FileRef;
use bench_report::text;
use bench_runner::BenchJob;
use bench_state::{Depth, ItemId, ItemRef, RunView, StateError};

use crate::error::{CliError, sources};
use crate::several;
use crate::sink::Sink;

/// What is wrong with the record and the transcript of a finished trial, a sentence each; how closely each is looked at.
pub(super) fn problems(
    view: &RunView<BenchJob>,
    finished: &TrialFinished,
    (record, transcript): (Depth, Depth),
) -> Result<Vec<String>, CliError> {
    let Ok(id) = finished.trial.as_str().parse::<ItemId>() else {
        return Ok(Vec::new());
    };
    let mut altered = Vec::new();
    if let Some(written) = written(&finished.record) {
        altered.extend(view.altered_item(&id, &written, record)?);
    }
    if let Some(written) = written(&finished.transcript) {
        altered.extend(view.altered_item_log(&id, &written, transcript)?);
    }
    Ok(altered.iter().map(ToString::to_string).collect())
}

/// The same of many trials, in their order, as closely as whoever decides something looks at them: records are read,
/// transcripts are as long as they were.
pub(super) fn problems_before_deciding<'e>(
    view: &RunView<BenchJob>,
    ends: impl Iterator<Item = &'e TrialFinished>,
) -> Result<Vec<String>, CliError> {
    let ends: Vec<&TrialFinished> = ends.collect();
    problems_of_all(view, &ends, (Depth::Content, Depth::Length))
}

/// The same of many trials, in their order.
pub(super) fn problems_of_all(
    view: &RunView<BenchJob>,
    ends: &[&TrialFinished],
    depth: (Depth, Depth),
) -> Result<Vec<String>, CliError> {
    let mut all = Vec::new();
    for found in several::each(ends, |end| problems(view, end, depth)) {
        all.extend(found?);
    }
    Ok(all)
}

/// What makes the results of a run others than those that it recorded, a sentence each.
pub(super) fn damage(view: &RunView<BenchJob>) -> Vec<String> {
    let damage = view.problems().iter().filter(|problem| problem.is_damage());
    damage.map(in_words).collect()
}

/// Tells what is wrong with the files of a run, for commands that go on all the same.
pub(super) fn warn(view: &RunView<BenchJob>, err: &mut Sink) -> Result<(), CliError> {
    view.problems()
        .iter()
        .try_for_each(|problem| warning(&in_words(problem), err))
}

/// A warning, on a line of its own.
pub(super) fn warning(problem: &str, err: &mut Sink) -> Result<(), CliError> {
    Ok(writeln!(err, "warning: {}", text::clean_line(problem))?)
}

/// An error and everything below it.
pub(super) fn in_words(error: &StateError) -> String {
    let mut words = vec![error.to_string()];
    words.extend(sources(error));
    words.join(": ")
}

/// The end of a trial that its files are about; none if it is not over, or is tried again since.
pub(super) fn end_of(view: &RunView<BenchJob>, id: &ItemId) -> Result<Option<TrialFinished>, CliError> {
    let mut last = None;
    for recorded in view.events()? {
        match recorded?.event {
            Event::TrialFinished(finished) if finished.trial.as_str() == id.as_str() => last = Some(finished),
            // What has no verdict is tried again from here on.
            Event::RunStarted { .. } => last = last.filter(|end: &TrialFinished| end.outcome.is_verdict()),
            _ => {}
        }
    }
    Ok(last)
}

/// What the journal says of a file; none if there was no such file.
fn written(file: &FileRef) -> Option<ItemRef> {
    (!file.sha256.is_empty()).then(|| ItemRef {
        sha256: file.sha256.clone(),
        len: file.len,
    })
}
