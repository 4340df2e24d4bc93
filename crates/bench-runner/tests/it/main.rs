//! The runner with invented models and gyms: every way a trial, or a run, can end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected stops"
)]

mod fakes;
mod outcomes;
mod running;
