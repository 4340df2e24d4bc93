//! `bench-cli`: the terminal's side of the benchmark runner.
//!
//! Arguments come in as typed ([`args`]), are resolved against the world by the command they belong to
//! ([`commands`]), the libraries do the work, and what they say is rendered ([`render`], [`progress`]) through one
//! pair of streams ([`context`]); the [`dashboard`] takes over the whole terminal. Data goes to stdout, talk to stderr. What a run is, how verdicts come about and
//! what lies on disk is the business of the other crates.

mod app;
mod args;
mod commands;
mod context;
mod dashboard;
mod environment;
mod error;
mod exit;
mod named_models;
mod prices;
mod progress;
mod render;
mod several;
mod signals;
mod sink;
mod worlds;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main()
}
