//! The battery: faults given to the real binary from outside. Each stage attacks promises of the run store; none may
//! leave a run that is stuck, half written or wrongly told, or lose what was reported as done. What they are made of is in
//! `bench_tests::battery`.
//!
//! | module | what happens | promise that it attacks |
//! |---|---|---|
//! | `killed` | `kill -9` at every file-system call of every kind of process | a dead worker's run is over at once, with a cause; finished trials are kept, and `resume` runs the others only |
//! | `refused` | every writing call fails once: `EIO`, `ENOSPC`, `EMFILE`… | a clear error with the path; success is never claimed for what is not written; old runs stay as they are |
//! | `no_room` | full disk, read-only disk, no permission, too few descriptors | the same, on real file systems; and the run says that this is why |
//! | `leftovers` | a run ends, normally or by force, while its servers hide behind shells and sessions | no process of it is left |
//! | `soaked` | for half a minute workers are killed at random while others list | the list is what a scan of the folder says, each time; a live worker is never taken for dead |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod killed;
mod leftovers;
mod no_room;
mod refused;
mod soaked;
