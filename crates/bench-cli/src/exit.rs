//! How the program ends: five exit codes, the same for every command.

use std::process::ExitCode;

/// The result of a command, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and the gate was met if there was one.
    Success = 0,
    /// A gate was not met, or a check found faults.
    Gate = 1,
    /// Wrong usage or wrong input: nothing was done.
    Usage = 2,
    /// It could not be finished.
    Unfinished = 3,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What the help says about them, and about the environment.
pub(crate) const HELP: &str = "\
Exit codes:  0 done, 1 gate not met or faults found, 2 usage or input error,
             3 could not finish, 130 interrupted
Environment: BENCH_RESULTS, NO_COLOR, BENCH_LOG (such as debug), and the keys of the providers";
