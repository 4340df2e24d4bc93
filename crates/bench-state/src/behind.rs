//! A `state.json` that says that the run is over, while the journal tells of more.
//!
//! What is recorded after the end of a run goes into the journal first, so a crash leaves the snapshots behind. So does a
//! `state.json` that was put back from a copy made before the run was resumed. The journal is right: its later lines
//! count, and where they tell of a later worker, it is that one's ending which holds.
//!
//! Most runs that are over need no look at all: their journal is as long as `state.json` says.

use std::fs;

use serde::de::IgnoredAny;

use crate::damage;
use crate::error::{At, FileAction, Result, StateError};
use crate::job::Job;
use crate::journal::line::Said;
use crate::journal::reader::JournalReader;
use crate::layout::RunDir;
use crate::replay::{self, Replay};
use crate::state::RunState;

/// Takes in what the journal of this run, which is over, has beyond its `state.json`. Afterwards it is running, if a
/// later worker took it up and noted no ending.
pub(crate) fn catch_up<J: Job>(dir: &RunDir, state: &mut RunState<J>, problems: &mut Vec<StateError>) {
    let longer =
        fs::metadata(dir.journal()).is_ok_and(|found| found.is_file() && found.len() > state.journal.bytes);
    if !longer {
        return;
    }
    match take_in(dir, state) {
        Ok(damage) => problems.extend(damage),
        Err(error) => problems.push(error),
    }
}

fn take_in<J: Job>(dir: &RunDir, state: &mut RunState<J>) -> Result<Option<StateError>> {
    let recorded = replay::recorded(dir, state);
    let path = dir.journal();
    let mut reader = JournalReader::<IgnoredAny>::open(&path, state.journal)?;
    let (mut is_more, mut is_known) = (false, false);
    while let Some(line) = reader.next_line().at(FileAction::Read, &path)? {
        is_more = true;
        // Its worker wrote both, and left these lines out of the snapshot: it could not add them up.
        is_known |= line.generation <= state.generation
            && matches!(line.said, Said::Store(note) if note.ending().is_some());
    }
    if !is_more || is_known {
        return Ok(damage::told(dir, &reader.report(), reader.valid(), recorded));
    }
    let replay = Replay::<J>::onto(dir, state)?;
    let damage = replay.damage(dir, recorded);
    replay.apply_after_end(state);
    Ok(damage)
}
