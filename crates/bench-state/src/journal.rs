//! The journal `events.jsonl`: the record that everything else about a run can be rebuilt from.
//!
//! One JSON object a line: `seq` (dense, from 1), `at`, `generation`, then either the job's event, its members
//! flat beside ours so that `jq 'select(.event == …)'` works, or `store`, a note of the store's own; last a
//! checksum of everything before it. A line counts when an fdatasync after it has returned.
//!
//! [`line`] turns one line into text and back, [`reader`] reads files that may be torn or damaged, [`writer`]
//! appends. What the events add up to is `replay`'s.

pub(crate) mod line;
pub(crate) mod reader;
pub(crate) mod writer;

use serde::{Deserialize, Serialize};

/// A place in the journal: everything before it has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Sequence number of the last line before it; 0 at the start.
    pub(crate) seq: u64,
    /// Its offset in bytes.
    pub(crate) bytes: u64,
}
