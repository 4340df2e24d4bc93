//! What a stage needs of the machine. Where it is missing the stage is skipped, with a line on stderr that says so;
//! what `.ci/run` installs must not be missing there.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

/// Something that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `strace`, allowed to trace its own children.
    Strace,
    /// To trace processes that are not one's children.
    Attach,
    /// To be root: for mounting, and for being somebody else.
    Root,
}

/// Whether something is missing; then it says so, past the test harness that would keep it to itself.
///
/// # Panics
/// On a build machine (`CI=true`) that lacks what can be installed there by name.
pub fn lacks(stage: &str, needs: &[Need]) -> bool {
    let Some(missing) = needs.iter().find(|need| !need.is_met()) else {
        return false;
    };
    let what = missing.what();
    let build_machine = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        !(build_machine && *missing == Need::Strace),
        "{stage} needs {what}, which a build machine can install"
    );
    writeln!(io::stderr(), "SKIPPED {stage}: needs {what}").ok();
    true
}

impl Need {
    fn what(self) -> &'static str {
        match self {
            Self::Strace => "strace",
            Self::Attach => "to trace other processes (root, or kernel.yama.ptrace_scope=0)",
            Self::Root => "root",
        }
    }

    fn is_met(self) -> bool {
        let root = rustix::process::geteuid().is_root();
        match self {
            Self::Strace => {
                let mut command = Command::new("strace");
                command
                    .args(["-qq", "-o", "/dev/null", "true"])
                    .stderr(Stdio::null());
                command.status().is_ok_and(|status| status.success())
            }
            Self::Attach => {
                let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
                root || matches!(scope.trim(), "" | "0")
            }
            Self::Root => root,
        }
    }
}
