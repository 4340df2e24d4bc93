//! Is the journal of a run that is over still all that was recorded?
//!
//! `state.json` says up to where the journal went when the run ended. One that was cut since, or copied before the run's
//! end, is told by its length alone, so every reader looks at that. A line that was changed is found by reading all of
//! them: [`RunStore::inspect`](crate::RunStore::inspect) does, and so does looking for what to clean up.
//!
//! Where lines are lost, counters and totals are those of the lines that are left, so that whatever is shown of the run
//! tells of the same items. Nothing is repaired, and the stored ones stay as they are.

use std::fs;

use serde::de::IgnoredAny;

use crate::altered::Depth;
use crate::error::{At, FileAction, Result, StateError};
use crate::job::Job;
use crate::journal::Checkpoint;
use crate::journal::reader::{JournalReader, JournalReport};
use crate::layout::RunDir;
use crate::replay::{self, Replay};
use crate::settle::Settled;
use crate::state::RunState;

/// Reads the journal of a run that is over, if nothing was found yet, and tells what is wrong with it; and whether the
/// plan is another one.
pub(crate) fn look<J: Job>(dir: &RunDir, found: &mut Settled<J>) {
    // One that is missing is told by whoever needs it.
    if let Err(changed @ StateError::PlanChanged { .. }) = replay::check_plan(dir) {
        found.problems.push(changed);
    }
    let state = &mut found.summary.state;
    // One that is too short was read when that was seen.
    let seen = is_known(&found.problems) || !is_long_enough(dir, state.journal);
    if !state.status.is_over() || seen {
        return;
    }
    found.problems.extend(of_ended(dir, state, Depth::Content));
}

/// Whether these tell of lines that are lost.
pub(crate) fn is_known(problems: &[StateError]) -> bool {
    problems
        .iter()
        .any(|problem| matches!(problem, StateError::JournalDamaged { .. }))
}

/// What is wrong with the journal of this run, which is over. If lines are lost, its counters become those of the others.
pub(crate) fn of_ended<J: Job>(dir: &RunDir, state: &mut RunState<J>, depth: Depth) -> Option<StateError> {
    if depth == Depth::Length && is_long_enough(dir, state.journal) {
        return None;
    }
    let damage = match read(dir, replay::recorded(dir, state)) {
        Ok(damage) => damage?,
        Err(error) => return Some(error),
    };
    if let Ok(replay) = Replay::<J>::from_scratch(dir) {
        state.progress = replay.progress;
    }
    Some(damage)
}

fn is_long_enough(dir: &RunDir, recorded: Checkpoint) -> bool {
    fs::metadata(dir.journal()).is_ok_and(|found| found.is_file() && found.len() >= recorded.bytes)
}

/// Reads every line; what they say does not matter.
fn read(dir: &RunDir, recorded: Checkpoint) -> Result<Option<StateError>> {
    let path = dir.journal();
    let mut reader = JournalReader::<IgnoredAny>::open(&path, Checkpoint::default())?;
    while reader.next_line().at(FileAction::Read, &path)?.is_some() {}
    Ok(told(dir, &reader.report(), reader.valid(), recorded))
}

/// The damage of a journal that was read up to `end`, and must go up to `recorded` at least.
pub(crate) fn told(
    dir: &RunDir,
    report: &JournalReport,
    end: Checkpoint,
    recorded: Checkpoint,
) -> Option<StateError> {
    let cut = (end.seq < recorded.seq).then(|| {
        let reason = format!("it ends there, but {} lines were recorded", recorded.seq);
        (end.seq + 1, reason)
    });
    let faults = report.faults.len() + usize::from(cut.is_some());
    let first = report.faults.first();
    let (line, reason) = first.map(|fault| (fault.line, fault.kind.to_string())).or(cut)?;
    Some(StateError::JournalDamaged {
        path: dir.journal(),
        faults,
        line,
        reason,
    })
}
