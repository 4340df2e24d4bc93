//! The runner with invented models and gyms: every way a trial, or a run, can end. Model clients against
//! real sockets: what they send, understand, and make of a bad world.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected stops"
)]

mod budgets;
mod fakes;
mod gym_connections;
mod gym_http;
mod gym_stdio;
mod gym_stub;
mod gym_tools;
mod gym_wire;
mod healing;
mod judging;
mod models;
mod outcomes;
mod replaying;
mod running;
mod steps;
