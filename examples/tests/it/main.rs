//! Everything in this folder is checked here, and run by `run-all`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected stops"
)]

mod docs;
mod played;
mod shape;
