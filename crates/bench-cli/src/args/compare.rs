//! `bench-cli compare`.

use clap::Args;

use super::run::rate;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
The first is what the others are compared with: of one run its first model (or the first
--model), of several runs the first run, model by model; runs of one model each are compared
whatever their models are called. Only scenarios count that were asked and judged alike and
that both have a verdict in. What the numbers mean: docs/statistics.md. With any gate, runs that
are not completed are exit code 3.

Examples:
  bench-cli compare latest
  bench-cli compare run_20260102 latest --fail-if-worse
  bench-cli compare run_20260102#openai:gpt-5 latest#anthropic:claude-sonnet-4-5")]
pub(crate) struct CompareArgs {
    /// Ids of runs, prefixes that fit no other, `latest`, or results of the older tool; RUN#MODEL is one model of it
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Only this model, as tables show it, or a beginning that fits no other; repeatable
    #[arg(long = "model", value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gate: CompareGateArgs,
}

/// What has to come of it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Gate")]
pub(crate) struct CompareGateArgs {
    /// Exit with 1 if any is worse than the first; one that cannot be told is not
    #[arg(long)]
    pub(crate) fail_if_worse: bool,
    /// Exit with 1 if the pass rate of any that is compared with the first is lower, such as 0.9 or 90%
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) fail_under: Option<f64>,
    /// Exit with 1 if either side of a comparison has fewer trials with a verdict
    #[arg(long, value_name = "N")]
    pub(crate) min_trials: Option<u32>,
    /// With any of them: also exit with 1 if under 90%, or this, of the scenarios of both sides are compared
    #[arg(long, value_name = "SHARE", value_parser = rate)]
    pub(crate) min_compared: Option<f64>,
    /// With any of them: also exit with 1 if under 90%, or this, of a side's trials have a verdict
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) min_verdicts: Option<f64>,
}

impl CompareGateArgs {
    /// Whether anything is asked.
    pub(crate) fn asks(&self) -> bool {
        self.fail_if_worse
            || self.fail_under.is_some()
            || self.min_trials.is_some()
            || self.min_compared.is_some()
            || self.min_verdicts.is_some()
    }
}
