//! Finds the binaries under test.
//!
//! `BENCH_CLI` names the one to test. Without it the one beside the test's own binary is brought up to
//! date by cargo, once per test run, in the profile that the test was built with: a test must never pass
//! against yesterday's product.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The product.
pub fn bench_cli() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("BENCH_CLI") {
        Some(path) => PathBuf::from(path),
        None => built("bench-cli"),
    })
}

/// One of this crate's own binaries, such as `bad-stdio-gym`; cargo builds those before the tests.
pub fn own(name: &str) -> PathBuf {
    let path = profile_folder().join(name);
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// `target/debug` or `target/release`: the test binary lies there or in its `deps`.
fn profile_folder() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of this test");
    let folder = exe.parent().expect("a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent().expect("a folder")
    } else {
        folder
    };
    folder.to_owned()
}

fn built(package: &str) -> PathBuf {
    let folder = profile_folder();
    let binary = folder.join(package);
    // Each test may be a process of its own; cargo is asked by the first one of a test run only.
    let stamp = folder.join(format!(".{package}-is-built"));
    let lock = File::create(folder.join(format!(".{package}-lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_default();
    if !run.is_empty() && fs::read_to_string(&stamp).is_ok_and(|built_for| built_for == run) {
        return binary;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The tests of the whole workspace want other features of its dependencies than the product alone.
    // Asked for in the same way, nothing is compiled twice by `cargo test --workspace`.
    let release = ["build", "--quiet", "--release", "--package", package];
    let debug = ["test", "--quiet", "--workspace", "--no-run"];
    let mut command = Command::new(cargo);
    command
        .args(if folder.ends_with("release") {
            &release[..]
        } else {
            &debug[..]
        })
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", folder.parent().expect("a target folder"));
    // Cargo tells a test about its package; some build scripts run anew where they are told of another.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
            .iter()
            .any(|told| name.starts_with(told))
        {
            command.env_remove(&*name);
        }
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "cargo could not build {package}");
    fs::write(stamp, run).expect("a stamp");
    binary
}
