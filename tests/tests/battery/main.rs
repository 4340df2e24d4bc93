//! The battery: faults given to the real binary from outside. Each stage attacks promises of the run store; none may
//! leave a run that is stuck, half written or wrongly told, or lose what was reported as done.
//!
//! | module | what happens | promise that it attacks |
//! |---|---|---|
//! | `world` | — | a run of three trials on two gyms, made for breaking |
//! | `killed` | `kill -9` at every file-system call of every kind of process | a dead worker's run is over at once, with a cause; finished trials are kept, and `resume` runs the others only |
//! | `refused` | every writing call fails once: `EIO`, `ENOSPC`, `EMFILE`… | a clear error with the path; success is never claimed for what is not written; old runs stay as they are |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod killed;
mod refused;
mod world;
