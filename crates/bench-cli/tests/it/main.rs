//! The program from outside: the binary with arguments in, both streams and the exit code out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod background;
mod checking;
mod damage;
mod help;
mod mistakes;
mod models;
mod quickstart;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A fresh folder to run the program in.
struct Bed {
    dir: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// With a file in it.
    fn with(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // As a usual umask has it: a `.env` that others may write to is left out.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program with a bare environment: nothing of the tester's machine changes what it says.
    fn command(&self, args: &str) -> Command {
        let mut command = with_default_signals(env!("CARGO_BIN_EXE_bench-cli"));
        command
            .args(args.split_whitespace())
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::null());
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COLUMNS", "100");
        command
    }

    fn output(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Everything that a person sees: the command, both streams, the exit code.
    fn bench(&self, args: &str) -> String {
        let output = self.output(args);
        let stream = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
        let (out, err) = (stream(&output.stdout), stream(&output.stderr));
        format!(
            "$ bench-cli {args}\n{out}--- stderr\n{err}--- exit {}",
            output.status.code().unwrap()
        )
    }
}

/// A program that no signal passes by, also where whoever runs the tests ignores some (`nohup`, or `&` in a script):
/// children inherit that.
fn with_default_signals(program: &str) -> Command {
    const HUP_INT_QUIT_TERM: u64 = 0b100_0000_0000_0111;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    if mask & HUP_INT_QUIT_TERM == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}

/// Replaces what differs from run to run.
fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"run_\d{8}_\d{6}_[0-9a-f]{8}", "run_ID");
    settings.add_filter(r" +\d+(\.\d+)?m?s\b", " TIME");
    settings.add_filter(r"MCP \d{4}-\d\d-\d\d", "MCP DATE");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "INSTANT");
    settings.add_filter(r"tracker \d+\.\d+\.\d+", "tracker VERSION");
    settings.add_filter(r"\d+ tools", "N tools");
    settings
}
