//! `bench-cli list`, `show` and `logs`: looking at runs.

use chrono::TimeDelta;
use clap::{Args, ValueEnum};

/// Arguments of `list`.
#[derive(Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Only runs that stand there
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<StatusFilter>,
    /// At most N of them; 0 for all
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: usize,
    /// Exit with 1 if any run is shown, for monitors
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) stale: StaleArgs,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// When a run has been silent for too long. Shared with `cleanup`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct StaleArgs {
    /// Hours without a sign of work from which a run counts as overdue
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) stale_hours: u32,
}

impl StaleArgs {
    /// The same as a span of time.
    pub(crate) fn threshold(self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.stale_hours))
    }
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
    /// Its worker lives, but has recorded nothing for --stale-hours.
    Overdue,
}

impl StatusFilter {
    /// The word in `state.json`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Overdue => "overdue",
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
    /// With --trial: what went over the wire to the model, instead
    #[arg(long, requires = "trial", conflicts_with = "full")]
    pub(crate) raw: bool,
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
    /// Go on until the run is over; Ctrl-C ends the watching only
    #[arg(long, short)]
    pub(crate) follow: bool,
}
