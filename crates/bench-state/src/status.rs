//! Where a run stands and how it ended, as types that cannot contradict themselves.
//!
//! How these look in a file is said in `format`; how "running" is checked against reality in `classify`.

use chrono::{DateTime, Utc};

/// Where a run stands. One that is over always knows when it ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// Not over.
    Running,
    /// Ended, once and for all (only an explicit resume leads out of it).
    Over {
        /// When.
        completed_at: DateTime<Utc>,
        /// How.
        ending: Ending,
    },
}

impl RunStatus {
    /// `running`, `completed`, `failed` or `cancelled`: the word used in files and tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Over { ending, .. } => ending.word(),
        }
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Over { .. })
    }

    /// When the run ended; `None` while it runs.
    pub fn completed_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Running => None,
            Self::Over { completed_at, .. } => Some(*completed_at),
        }
    }

    /// How the run ended; `None` while it runs.
    pub fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Running => None,
            Self::Over { ending, .. } => Some(ending),
        }
    }
}

/// How a run ended. What the job found out is not in here: bad results do not make a failed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Everything planned was done.
    Completed,
    /// The run itself broke.
    Failed {
        /// What broke it.
        cause: Cause,
    },
    /// Somebody ended it.
    Cancelled {
        /// Who or what.
        reason: CancelReason,
    },
}

impl Ending {
    /// An ending for an error that the job met and reports in its own words.
    pub fn failed(message: impl Into<String>) -> Self {
        CauseKind::Error.because(message)
    }

    /// `completed`, `failed` or `cancelled`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// Why a run failed: a word for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The word; `cause` in `state.json`.
    pub kind: CauseKind,
    /// The sentence; `error` in `state.json`.
    pub message: String,
}

/// The word for why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CauseKind {
    /// The job reported an error.
    Error,
    /// The worker panicked.
    Panicked,
    /// The worker went on without ending its run.
    StoppedWithoutReporting,
    /// The worker of a background run did not come up.
    Launch,
    /// The worker is on another machine, silent for longer than whoever cleaned up was willing to wait.
    Unreachable,
    /// The worker is gone and left no ending: killed, out of memory, aborted.
    WorkerLost,
    /// The worker is gone because its machine was restarted.
    Rebooted,
    /// A word this version does not know, or one of the job's own.
    Other(String),
}

impl CauseKind {
    /// The word as written in files.
    pub fn code(&self) -> &str {
        match self {
            Self::Error => "error",
            Self::Panicked => "panicked",
            Self::StoppedWithoutReporting => "stopped_without_reporting",
            Self::Launch => "launch",
            Self::Unreachable => "unreachable",
            Self::WorkerLost => "worker_lost",
            Self::Rebooted => "rebooted",
            Self::Other(code) => code,
        }
    }

    /// The failed ending with this cause.
    pub fn because(self, message: impl Into<String>) -> Ending {
        Ending::Failed {
            cause: Cause {
                kind: self,
                message: message.into(),
            },
        }
    }
}

impl From<&str> for CauseKind {
    fn from(code: &str) -> Self {
        let known = [
            Self::Error,
            Self::Panicked,
            Self::StoppedWithoutReporting,
            Self::Launch,
            Self::Unreachable,
            Self::WorkerLost,
            Self::Rebooted,
        ];
        known
            .into_iter()
            .find(|kind| kind.code() == code)
            .unwrap_or_else(|| Self::Other(code.to_owned()))
    }
}

/// Who or what cancelled a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelReason {
    /// A signal to the worker: Ctrl-C, a closed terminal, a shutdown.
    Interrupted,
    /// Somebody asked for it through the store.
    Requested,
    /// A word this version does not know, or one of the job's own (a budget of the run, for example).
    Other(String),
}

impl CancelReason {
    /// The word as written in files; `cause` in `state.json`.
    pub fn code(&self) -> &str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Requested => "requested",
            Self::Other(code) => code,
        }
    }
}

impl From<&str> for CancelReason {
    fn from(code: &str) -> Self {
        let known = [Self::Interrupted, Self::Requested];
        known
            .into_iter()
            .find(|reason| reason.code() == code)
            .unwrap_or_else(|| Self::Other(code.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_causes_survive_the_way_to_disk_and_back() {
        for code in [
            "error",
            "panicked",
            "stopped_without_reporting",
            "launch",
            "unreachable",
            "worker_lost",
            "rebooted",
            "disk_on_fire",
        ] {
            assert_eq!(CauseKind::from(code).code(), code);
        }
        assert_eq!(CauseKind::from("worker_lost"), CauseKind::WorkerLost);
        for code in ["interrupted", "requested", "cost_limit"] {
            assert_eq!(CancelReason::from(code).code(), code);
        }
        assert_eq!(CancelReason::from("requested"), CancelReason::Requested);
    }
}
