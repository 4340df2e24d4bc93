//! The gym from outside: over HTTP and over standard input and output, as clients meet it.
//!
//! `world` checks the sample data and its description, `protocol` MCP in both eras, `stdio` the other
//! transport, `rest` the interface for verifiers, `isolation` that databases never meet, `speed` prints times.

#![allow(
    unreachable_pub,
    missing_docs,
    reason = "a test binary has no public interface"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::format_push_string,
    reason = "a panic is how a test fails, a print how it reports"
)]

mod client;
mod isolation;
mod protocol;
mod rest;
mod speed;
mod stdio;
mod world;
