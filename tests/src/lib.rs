//! Test equipment: servers that play models and MCP servers, good and bad, and a bed for end-to-end tests.
//!
//! | part | what it is |
//! |---|---|
//! | [`model_stub`] | a model behind HTTP that plays a script, in two wire formats, and checks every request |
//! | [`mcp_echo`] | a small correct MCP server, for load |
//! | [`bad_gym`] | MCP servers with faults, over HTTP and over stdio |
//! | [`bed`] | a folder, the real binary, and what it printed, with everything that changes filtered out |
//! | [`battery`] | faults given to the real binary from outside, and what must hold afterwards |
//! | [`measure`] | what a child process cost: wall time, CPU, memory |
//! | `loopback` | one server, one thread, one runtime: stopping it closes every socket at once |
//!
//! Each server also exists as a small binary, so that it can run in a process of its own. The tests
//! themselves are in `tests/e2e` and `tests/battery`, the benchmarks are the binaries `perf` and
//! `dashboard-perf`. Nothing here is used by the product.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test equipment fails the test that it serves, with a message"
)]

pub mod bad_gym;
pub mod battery;
pub mod bed;
pub mod loopback;
pub mod mcp_echo;
pub mod measure;
pub mod model_stub;
