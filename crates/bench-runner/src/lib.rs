//! Runs benchmarks: lets each model of a plan try each scenario against its gyms, checks the final
//! state, and reports what happened. No terminal, no arguments, no paths inside a run folder.
//!
//! | part | what it does |
//! |---|---|
//! | [`Runner`] | a plan in, trials in parallel, an end that is always told |
//! | [`model`] | the seam for models, and the clients |
//! | [`gym`] | the seam for gyms: HTTP, stdio |
//! | [`verify`] | verifiers on the final state |
//! | [`journal`] | where a run is written down: the dispatcher's seam to the disk |
//! | [`evidence`] | what went over the wire, written down and read |
//! | [`offered_tools`] | the tools that gyms offer, without a run |
//! | [`load_harness`], [`load_gyms`], [`load_models`], [`load_prices`] | harness, gym, model and price files from the disk |
//! | [`mod@env`] | variables and secrets as values |

mod agent;
mod cut;
mod dispatch;
mod durations;
mod earlier;
pub mod env;
pub mod evidence;
pub mod gym;
mod job;
pub mod journal;
mod judging;
mod ledger;
mod load;
pub mod model;
mod preflight;
pub mod process;
mod rate;
mod recording;
mod runner;
mod scratch;
mod secrets;
mod slots;
mod spend;
mod trial;
pub mod verify;
mod watch;

pub use dispatch::{Listener, Reporter};
pub use earlier::{Earlier, remove_databases};
pub use job::{BenchJob, OVER_BUDGET, RunSummary, StoreJournal, UNKNOWN_TOOLS, item_id};
pub use journal::{Journal, JournalError, MemoryJournal, SyncTrial, TrialFiles};
pub use load::{load_gyms, load_harness, load_models, load_prices};
pub use preflight::{Offered, PREFLIGHT, offered_tools};
pub use recording::{Recording, RecordingError, trial_record};
pub use runner::{RunEnd, RunError, Runner, RunnerBuilder};
pub use scratch::{Scratch, scratch_folders, sweep_scratch};
pub use trial::DEFAULT_SYSTEM_PROMPT;
