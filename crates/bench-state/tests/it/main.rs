//! The store as an embedder sees it: an ordinary life, finding runs, refusals, the deaths of workers, what passes for their death and is not, damaged, moved and
//! foreign files, files of released versions, background runs, resuming, what is recorded after the end, cleaning up, locks that somebody keeps, root in the store of somebody else, results of the old tool, what a reader may touch, and random histories against a model.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the way tests do"
)]

mod afterwards;
mod background;
mod cleaning;
mod damage;
mod deaths;
mod finding;
mod following;
mod formats;
mod job;
mod journals;
mod lies;
mod life;
mod locked;
mod model;
#[cfg(unix)]
mod moved;
mod old_tool;
#[cfg(unix)]
mod owners;
mod reading;
mod refusals;
mod resuming;
