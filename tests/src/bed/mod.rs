//! A folder of its own, the real binary, and everything that a user sees of it.
//!
//! | part | what it does |
//! |---|---|
//! | [`TestBed`] | a temporary folder with harness files, in which commands run |
//! | [`Shot`] | what one command printed and how it ended; shown with ids, paths and times filtered out |
//! | [`Started`] | a command that still runs |
//! | [`Terminal`] | a shell in a real terminal, which can be closed |
//! | [`RunFolder`] | what a run left on disk, read without the product's own code |
//! | [`GymServe`] | the tracker as a server of its own |
//! | [`binary`] | where the binary under test is, built at most once |

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub mod binary;
mod command;
mod filter;
mod gym_serve;
mod processes;
mod run_folder;
mod terminal;

pub use command::{Shot, Started};
pub use gym_serve::GymServe;
pub use processes::{await_none, is_alive, processes_of, processes_with, worker_lives};
pub use run_folder::RunFolder;
pub use terminal::Terminal;

/// No command of a test may take longer: what does has hung.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A folder in which commands run.
#[derive(Debug)]
pub struct TestBed {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Default for TestBed {
    fn default() -> Self {
        Self::new()
    }
}

impl TestBed {
    /// The same on a disk in memory, where there is one: for thousands of runs whose fsyncs need not reach a disk.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            Self::below(memory)
        } else {
            Self::new()
        }
    }

    /// An empty folder; an environment with nothing but `PATH`, `HOME` (the folder), `LANG` and `TZ`.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// The same in a folder below this one.
    pub fn below(parent: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bed-")
            .tempdir_in(parent)
            .expect("a temporary folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let home = folder.path().display().to_string();
        let environment = [
            ("PATH", path),
            ("HOME", home),
            ("LANG", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
        ];
        Self {
            folder,
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// Sets a variable for the commands that follow.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir().join(relative)
    }

    /// Writes a file, and the folders on the way to it.
    pub fn write(&self, relative: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        let parent = path.parent().expect("a path in the folder");
        fs::create_dir_all(parent).expect("the folders of a file");
        fs::write(&path, text).expect("a written file");
        path
    }

    /// Writes a JSON file.
    pub fn write_json(&self, relative: &str, value: &Value) -> PathBuf {
        self.write(relative, format!("{value:#}\n"))
    }

    /// Runs `bench-cli` with these arguments, split at spaces, until it ends.
    pub fn bench(&self, arguments: &str) -> Shot {
        self.start(arguments).finish(PATIENCE)
    }

    /// Starts `bench-cli` with these arguments, split at spaces.
    pub fn start(&self, arguments: &str) -> Started {
        let mut command = self.command();
        command.args(arguments.split_whitespace());
        let folder = self.dir().to_owned();
        Started::spawn(command, format!("bench-cli {arguments}"), folder)
    }

    /// Runs a command until it ends; `arguments` are only for show.
    pub fn run(&self, command: Command, arguments: &str) -> Shot {
        Started::spawn(command, format!("bench-cli {arguments}"), self.dir().to_owned()).finish(PATIENCE)
    }

    /// Starts another program; `line` is only for show.
    pub fn start_other(&self, command: Command, line: &str) -> Started {
        Started::spawn(command, line.to_owned(), self.dir().to_owned())
    }

    /// The same through another program, such as `strace`: its arguments come first.
    pub fn start_through(&self, wrapper: &[String], arguments: &str, stdin: impl Into<Stdio>) -> Started {
        let (program, first) = wrapper.split_first().expect("a program");
        let mut command = self.command_of(program);
        command
            .args(first)
            .arg(binary::bench_cli())
            .args(arguments.split_whitespace())
            .stdin(stdin);
        let line = format!("{} bench-cli {arguments}", wrapper.join(" "));
        Started::spawn(command, line, self.dir().to_owned())
    }

    /// `bench-cli` in this folder and environment, without arguments.
    pub fn command(&self) -> Command {
        self.command_of(binary::bench_cli())
    }

    /// Another program, such as a copy of `bench-cli`, in the same way.
    pub fn command_of(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = with_default_signals(program.as_ref());
        command
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.dir())
            .stdin(Stdio::null());
        command
    }

    /// The folder of results.
    pub fn results(&self) -> PathBuf {
        self.path("results")
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> Vec<RunFolder> {
        let Ok(entries) = fs::read_dir(self.results().join("runs")) else {
            return Vec::new();
        };
        let mut runs: Vec<PathBuf> = entries.map(|e| e.expect("a folder entry").path()).collect();
        runs.sort();
        runs.into_iter().map(RunFolder::at).collect()
    }

    /// The only run there is.
    pub fn the_run(&self) -> RunFolder {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "runs in {}", self.results().display());
        runs.remove(0)
    }
}

/// A program that no signal passes by, also where whoever runs the tests ignores some (`nohup`, or `&` in a script):
/// children inherit that.
fn with_default_signals(program: &OsStr) -> Command {
    const HUP_INT_QUIT_TERM: u64 = 0b100_0000_0000_0111;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if mask.unwrap_or(0) & HUP_INT_QUIT_TERM == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}
