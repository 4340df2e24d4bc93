//! Crash-proof runs on plain files: a store whose runs can never get stuck and never lose finished work.
//!
//! A *run* is one execution of a *plan*. The process that executes it, its *worker*, records *events* and *items* as
//! it goes, and ends it. Whatever happens to the worker on the way, readers are told the truth: a run is running
//! while its worker lives, and over, with a cause, as soon as it does not. There is no daemon, no time-out after which
//! something is presumed dead, and nothing to clean up by hand.
//!
//! Nothing here knows what the work is. A [`Job`] says which types to store and how events add up; everything else is
//! the same for a benchmark, a download or a build.
//!
//! # Example: counting sheep
//!
//! ```
//! use bench_state::{Ending, Job, RunStore};
//! use chrono::{DateTime, Utc};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Plan { sheep: u32 }
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Summary { meadow: String }
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Progress { jumped: u32, of: u32 }
//! #[derive(Serialize, Deserialize)]
//! struct Session { heaviest_kg: u32 }
//! #[derive(Clone, Serialize, Deserialize)]
//! #[serde(tag = "event", rename_all = "snake_case")]
//! enum Event { Jumped { kg: u32 } }
//!
//! struct Counting;
//!
//! impl Job for Counting {
//!     type Plan = Plan;
//!     type Summary = Summary;
//!     type Progress = Progress;
//!     type Session = Session;
//!     type Event = Event;
//!     type Item = String;
//!
//!     fn begin(plan: &Plan) -> (Progress, Session) {
//!         (Progress { jumped: 0, of: plan.sheep }, Session { heaviest_kg: 0 })
//!     }
//!
//!     fn fold(progress: &mut Progress, session: &mut Session, event: &Event, _at: DateTime<Utc>) {
//!         let Event::Jumped { kg } = event;
//!         progress.jumped += 1;
//!         session.heaviest_kg = session.heaviest_kg.max(*kg);
//!     }
//! }
//!
//! # fn main() -> Result<(), bench_state::StateError> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let results = folder.path().join("results");
//! let store = RunStore::<Counting>::open(results)?;
//! let run = store.create(&Plan { sheep: 2 }, Summary { meadow: "north".into() }, Utc::now())?;
//!
//! for (name, kg) in [("dolly", 71), ("shaun", 64)] {
//!     run.put_item(&name.parse()?, &format!("{name} jumped"))?;
//!     run.record(Event::Jumped { kg }, Utc::now())?; // on the disk from here on
//!     run.snapshot_if_due(Utc::now())?;
//! }
//! # let id = run.id().clone();
//!
//! // Any process may look, at any time: this one still runs.
//! let seen = store.list(Some(10), Utc::now())?;
//! assert_eq!(seen.runs[0].state.status.word(), "running");
//! assert_eq!(seen.runs[0].state.progress.jumped, 2);
//!
//! run.finish(Ending::Completed, Utc::now())?;
//!
//! let run = store.read(&store.resolve("latest")?, Utc::now())?;
//! assert_eq!(run.summary().state.status.word(), "completed");
//! assert_eq!(run.session()?.heaviest_kg, 71);
//! assert_eq!(run.item(&"dolly".parse()?)?.as_deref(), Some("dolly jumped"));
//! # assert_eq!(run.id(), &id);
//! # Ok(())
//! # }
//! ```
//!
//! Had the process been killed inside the loop, the list would show the run as `failed` with cause `worker_lost`, with
//! every sheep that was recorded.
//!
//! # The rest of a run's life
//!
//! - **In the background.** [`ActiveRun::launch`] starts a program as the worker of a run that this process created (or
//!   resumed) and returns when it has taken over; [`RunStore::adopt`] is the worker's first call. See the example there.
//! - **Watched.** [`RunStore::follow`] tells every event as it is recorded, and the lines of logs; [`RunStore::unfinished`]
//!   finds what runs among any number of old runs.
//! - **Ended early.** [`RunStore::request_cancel`] asks, [`RunStore::signal`] insists, [`RunStore::wait_over`] waits.
//! - **Continued.** [`RunStore::resume`] takes up a run that is over, whatever ended it, with all its finished work.
//! - **Written up.** [`RunStore::add_after_end`] records what was done about a run later; it stays over.
//! - **Cleaned up.** [`RunStore::plan_cleanup`] finds what is not as it should be and changes nothing; [`RunStore::apply`]
//!   puts it right; [`RunStore::prune`] removes old runs, [`RunStore::remove`] named ones. Nothing depends on any being
//!   called.
//! - **What was before.** [`RunStore::legacy`] lists results of the Python tool in the same folder.
//!
//! # How it keeps its word
//!
//! - **Sign of life.** The worker holds a file lock, the *lease*, from before the run is visible until it ends or dies;
//!   the kernel frees it on any death. Process ids and ages decide nothing. (Where the worker is on another machine
//!   and locks cannot be trusted, its heartbeat does, and then a silent run is *unknown*, not dead.) A background worker
//!   is given the very lock that its launcher took, so there is no moment without a holder.
//! - **Settling.** [`RunStore::list`] and [`RunStore::read`] give a run without a worker its ending, under locks that
//!   let only one reader do it. Reading a run that is well writes nothing.
//! - **Commit point.** [`Recorder::record_batch`] returns after an fdatasync of the journal. `state.json` and
//!   `session.json` are snapshots, replaced in one step; readers add what the journal has beyond them.
//! - **One ending.** The [`CompletionGuard`] ends the run on every way out of its frame; the first ending stands.
//!
//! Everything blocks; there is no async, and no thread but the heartbeat of a run under way and the file watcher of a
//! follower. Times are arguments.

mod active;
mod afterwards;
mod altered;
mod behind;
mod cancel;
mod classify;
mod cleanup;
mod create;
mod damage;
mod debug;
mod durable;
mod error;
mod follow;
mod format;
mod heartbeat;
mod ids;
mod items;
mod job;
mod journal;
mod launch;
mod layout;
mod legacy;
mod lock;
mod log_index;
mod log_tail;
mod markers;
mod original;
mod platform;
#[cfg(test)]
mod process_tests;
mod prune;
mod recorder;
mod replay;
mod resume;
mod settle;
mod state;
mod state_file;
mod status;
mod store;
mod sweep;
mod view;
mod worker;

pub use active::{ActiveRun, CompletionGuard};
pub use altered::{Altered, Depth};
pub use cancel::Requested;
pub use classify::{HEARTBEAT_SECONDS, LeaseSign, SILENCE, Signs, Standing, classify};
pub use cleanup::{Action, Applied, CleanupPlan, CleanupRow, Subject, Why};
pub use error::{FileAction, Result, StateError};
pub use follow::{Follow, Followed};
pub use ids::{ItemId, RunId};
pub use items::{ItemFile, ItemLines, ItemLog, ItemRef, TextLog};
pub use job::Job;
pub use journal::reader::{FaultKind, JournalFault, JournalReport};
pub use launch::Launched;
pub use legacy::{LegacyFault, LegacyKind, LegacyListing, LegacyRow};
pub use log_index::ItemLogIndex;
pub use log_tail::{LogLines, LogSource, LogTail};
pub use platform::process::Signal;
pub use prune::Pruned;
pub use recorder::{Finished, Recorder};
pub use state::{CancelRequest, RunState, RunSummary};
pub use status::{CancelReason, Cause, CauseKind, Ending, RunStatus};
pub use store::{Listing, Problem, RunStore};
pub use view::{Events, Recorded, RunView};
pub use worker::Worker;
