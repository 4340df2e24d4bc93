//! `bench-cli list`, `show` and `logs`: looking at runs.

use clap::{Args, ValueEnum};

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only runs that stand there
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<StatusFilter>,
    /// At most N of them; 0 for all
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: usize,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFilter {
    /// Its worker is at it.
    Running,
    /// Everything planned was done, whatever the verdicts.
    Completed,
    /// The run itself broke.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl StatusFilter {
    /// The word in `state.json`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Id of a run, a prefix that fits no other, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Show this trial: its verdicts and everything that was said
    #[arg(long, value_name = "TRIAL")]
    pub(crate) trial: Option<String>,
    /// With --trial: nothing shortened or left out
    #[arg(long, requires = "trial")]
    pub(crate) full: bool,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Id of a run, a prefix that fits no other, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Only this trial
    #[arg(long, value_name = "TRIAL")]
    pub(crate) trial: Option<String>,
}
