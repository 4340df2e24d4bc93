//! End-to-end tests: the real binary against real servers, good and bad, as a user would see them.
//!
//! | module | subject |
//! |---|---|
//! | `equipment` | the stubs themselves: what they say on the wire |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod equipment;
