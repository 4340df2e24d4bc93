//! Whether the files of a finished trial are still what the run wrote: its journal names their length and hash.

use bench_core::event::{Event, TrialFinished};
use bench_core::record::FileRef;
use bench_runner::BenchJob;
use bench_state::{Depth, ItemId, ItemRef, RunView};

use crate::error::CliError;

/// What is wrong with the record and the transcript of a finished trial, a sentence each.
pub(super) fn problems(
    view: &RunView<BenchJob>,
    finished: &TrialFinished,
    depth: Depth,
) -> Result<Vec<String>, CliError> {
    let Ok(id) = finished.trial.as_str().parse::<ItemId>() else {
        return Ok(Vec::new());
    };
    let mut altered = Vec::new();
    if let Some(written) = written(&finished.record) {
        altered.extend(view.altered_item(&id, &written, depth)?);
    }
    if let Some(written) = written(&finished.transcript) {
        altered.extend(view.altered_item_log(&id, &written, depth)?);
    }
    Ok(altered.iter().map(ToString::to_string).collect())
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
