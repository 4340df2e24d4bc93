//! `bench-cli attach`, `kill`, `resume`, `retry` and the hidden `worker`: the life of a run.

use std::time::Duration;

use bench_core::Usd;
use bench_core::limits::LimitOverrides;
use bench_state::RunId;
use clap::{Args, ValueEnum};

use super::EnvFileAgainArgs;
use super::run::{ProgressArgs, RunBudgetArgs, ScoreArgs, at_least_one, positive};

/// Arguments of `attach`.
#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// Id of a run, a prefix that fits no other, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// What is shown meanwhile: its logs, or on the whole terminal the dashboard's view of the run [default: plain]
    #[arg(
        long,
        value_name = "plain|tui",
        hide_possible_values = true,
        conflicts_with = "json"
    )]
    pub(crate) ui: Option<AttachUi>,
    #[command(flatten)]
    pub(crate) score: ScoreArgs,
    /// One event a line on stdout, the summary last
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `attach` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttachUi {
    /// Logs and progress, line by line.
    Plain,
    /// The dashboard's view of the run, on the whole terminal.
    Tui,
}

/// Arguments of `view`.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// Nothing: the dashboard; RUN: that run on it, or as text where there is no terminal; `list`: all runs as text
    #[arg(value_name = "list|RUN")]
    pub(crate) what: Option<String>,
    /// With list: at most N of them; 0 for all
    #[arg(long, value_name = "N", default_value = "50")]
    pub(crate) limit: usize,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `kill`.
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Ids of runs, prefixes that fit no other, or `latest`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) run: Vec<String>,
    /// How long running trials may take to stop, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = span)]
    pub(crate) grace: Duration,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Id of a run, a prefix that fits no other, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// Arguments of `retry`.
#[derive(Debug, Args)]
// It would be asked of trials that were chosen because they had not passed: whoever types it is told so.
#[command(
    mut_arg("fail_under", |arg| arg.hide(true)),
    after_help = "\
Its trials are chosen by how they had ended, so their rates say nothing about a model: it cannot be
compared, and no --fail-under can be asked of it. To measure, run the harness again in full."
)]
pub(crate) struct RetryArgs {
    /// Id of a run, a prefix that fits no other, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Only trials that errored, not those that never ended either
    #[arg(long)]
    pub(crate) errored: bool,
    /// Only trials that failed or hit a limit
    #[arg(long)]
    pub(crate) failed: bool,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// Where and how trials are run.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// Start it in the background, print its id and return
    #[arg(long)]
    pub(crate) background: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// One event a line on stdout, the summary last
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) env_file: EnvFileAgainArgs,
    // Last, because everything after its heading stands below it.
    #[command(flatten)]
    pub(crate) budgets: BudgetArgs,
    #[command(flatten)]
    pub(crate) budget: RunBudgetArgs,
    #[command(flatten)]
    pub(crate) score: ScoreArgs,
}

/// What may be said anew about a run; where nothing is, everything stays as it was.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Budgets and gate [default: as they were]")]
pub(crate) struct BudgetArgs {
    /// Trials working at once, those that wait not counted
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_concurrency: Option<u32>,
    /// The same for gyms over stdio
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_processes: Option<u32>,
    /// Further attempts of a trial after an infrastructure error
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// Model replies per trial; a scenario's own limits win
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_turns: Option<u32>,
    /// Tool calls per trial
    #[arg(long, value_name = "N")]
    pub(crate) max_tool_calls: Option<u32>,
    /// Wall-clock time per trial
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub(crate) max_seconds: Option<f64>,
    /// Input and output tokens per trial
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// US dollars for the model calls of a trial
    #[arg(long, value_name = "USD", value_parser = positive)]
    pub(crate) max_trial_cost: Option<f64>,
    /// Time for one tool call; progress notifications start it anew
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub(crate) tool_timeout: Option<f64>,
}

impl BudgetArgs {
    /// What was typed of the limits.
    pub(crate) fn limits(&self) -> LimitOverrides {
        LimitOverrides {
            max_turns: self.max_turns,
            max_tool_calls: self.max_tool_calls,
            max_seconds: self.max_seconds,
            max_tokens: self.max_tokens,
            max_cost: self.max_trial_cost.map(Usd::from),
            tool_timeout_seconds: self.tool_timeout,
            ..LimitOverrides::default()
        }
    }
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// The run that this process was started for.
    pub(crate) run: RunId,
}

/// A time such as `90s`, `5m`, `2h` or `30d`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a time such as 90s, 5m, 2h or 30d".to_owned();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // A thousand years are more than any date can take.
    let fits = number
        .checked_mul(seconds)
        .filter(|&seconds| seconds <= 31_557_600_000);
    fits.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("2h", 7_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "5",
            "s",
            "-5s",
            "5 s",
            "1.5h",
            "5x",
            "99999999999999999999d",
            "400000000000d",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
