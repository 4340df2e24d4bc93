//! The public MCP conformance suite judges our MCP client.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{installed, node};

/// The client that the suite starts: an example of the runner, built by `tests/real/run`.
fn client() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let client = exe
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/conformance_client");
    assert!(client.exists(), "{} is not built", client.display());
    client
}

/// Runs one scenario of a suite and demands that every check of it passes.
fn conforms(real: &Path, suite: &str, scenario: &str, more: &[&str]) {
    let folder = real.join(suite);
    let output = Command::new(node(real))
        .arg(folder.join("node_modules/.bin/conformance"))
        .arg("client")
        .arg("--command")
        .arg(client())
        .args(["--scenario", scenario])
        .args(more)
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{suite} {scenario}:\n{said}");
    let passed = said
        .lines()
        .find(|line| line.contains("Passed:"))
        .unwrap_or_default();
    assert!(
        said.contains("0 failed") && !passed.contains(" 0/"),
        "{suite} {scenario}:\n{said}"
    );
    eprintln!("{suite} {scenario}: {}", passed.trim());
}

#[test]
fn the_handshake_era() {
    let Some(real) = installed("conformance::the_handshake_era") else {
        return;
    };
    for scenario in [
        "initialize",
        "tools_call",
        "sse-retry",
        "elicitation-sep1034-client-defaults",
    ] {
        conforms(&real, "conformance", scenario, &[]);
    }
}

#[test]
fn the_stateless_era() {
    let Some(real) = installed("conformance::the_stateless_era") else {
        return;
    };
    for scenario in ["tools_call", "request-metadata", "http-standard-headers"] {
        conforms(
            &real,
            "conformance-next",
            scenario,
            &["--spec-version", "2026-07-28"],
        );
    }
}
