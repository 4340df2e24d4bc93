//! `bench-cli run`.

use std::path::PathBuf;
use std::time::Duration;

use bench_core::evidence::Keep;
use bench_core::limits::LimitOverrides;
use bench_core::plan::Budget;
use bench_core::{Gate, Usd};
use clap::{Args, ValueEnum};

use super::EnvFileArgs;
use super::life::span;

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bench-cli run examples/quickstart --model oracle --model noop
  bench-cli run harness.json --model gpt-4o --model claude-sonnet-4-5 --runs 8 --label nightly
  bench-cli run harness.json --model gpt-4o --runs 5 --background && bench-cli attach
  bench-cli run harness.json --model compatible:qwen2.5:7b --scenario 'create-*' --dry-run")]
pub(crate) struct RunArgs {
    /// Harness file (JSON or JSONL), or a folder of them
    #[arg(value_name = "HARNESS")]
    pub(crate) harness: Vec<PathBuf>,
    /// The same as HARNESS, for command lines of older tools
    #[arg(long, value_name = "FILE")]
    pub(crate) harness_file: Vec<PathBuf>,
    /// Only scenarios whose id matches this glob pattern; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(crate) scenario: Vec<String>,
    /// Only scenarios with this tag; repeatable
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Only the first N of the scenarios that are left
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) limit: Option<u32>,
    /// Try each scenario N times with each model [default: the harness's number_of_runs, else 1]
    #[arg(long, value_name = "N", alias = "repetitions", value_parser = at_least_one)]
    pub(crate) runs: Option<u32>,
    /// Start it in the background, print its id and return
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) background: bool,
    #[command(flatten)]
    pub(crate) models: ModelArgs,
    #[command(flatten)]
    pub(crate) gym: GymChoiceArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) gate: GateArgs,
    #[command(flatten)]
    pub(crate) budget: RunBudgetArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Who is tried, and how it is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Models")]
pub(crate) struct ModelArgs {
    /// provider:name, a well-known name such as gpt-4o, or a name of the model file, with settings behind it if you like:
    /// 'gpt-5?effort=high'; oracle plays the solutions, script:FILE a file, replay:RUN a recorded run, noop does nothing;
    /// repeatable
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// The model that judges answers, for checks with a comparison_prompt; the same words as --model
    #[arg(long, value_name = "MODEL")]
    pub(crate) judge_model: Option<String>,
    /// Sampling temperature [default: not sent]
    #[arg(long, value_name = "T", value_parser = not_negative, allow_negative_numbers = true)]
    pub(crate) temperature: Option<f64>,
    /// The most tokens of one reply [default: the provider's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_output_tokens: Option<u64>,
    /// System prompt, from a file; a scenario's own wins
    #[arg(long, value_name = "FILE")]
    pub(crate) system_prompt: Option<PathBuf>,
    /// Model file: models under names of their own [default: models.json beside the harness, else in the current folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) models_file: Option<PathBuf>,
    /// Prices per million tokens, before the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) env_file: EnvFileArgs,
    /// Treat this variable's value as a secret, whatever its name; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,
}

/// Which gym. Shared with the commands that look at gyms.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Gyms")]
pub(crate) struct GymChoiceArgs {
    /// A gym of the gym file, or `tracker`, the built-in one [default: the harness's own, the gym file's default, tracker]
    #[arg(long, value_name = "GYM")]
    pub(crate) gym: Option<String>,
    /// Gym file [default: gyms.json beside the harness, else in the current folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) gym_config: Option<PathBuf>,
}

/// Limits of each trial; a scenario's own win.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Limits per trial")]
pub(crate) struct LimitArgs {
    /// Model replies [default: 200]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_turns: Option<u32>,
    /// Tool calls, over all prompts [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) max_tool_calls: Option<u32>,
    /// Wall-clock time [default: 1800]
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub(crate) max_seconds: Option<f64>,
    /// Input and output tokens together [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// US dollars for its model calls [default: no limit]
    #[arg(long, value_name = "USD", value_parser = positive)]
    pub(crate) max_trial_cost: Option<f64>,
    /// Time for one tool call; progress notifications start it anew [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub(crate) tool_timeout: Option<f64>,
}

impl LimitArgs {
    /// What was typed of them.
    pub(crate) fn overrides(&self) -> LimitOverrides {
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

/// What the whole run may use up. Shared with the commands that go on with a run.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct RunBudgetArgs {
    /// End the run before its model calls cost more US dollars; resume with more to go on
    #[arg(long = "max-cost", value_name = "USD", value_parser = positive)]
    pub(crate) cost: Option<f64>,
    /// The same for input and output tokens
    #[arg(long = "max-tokens-total", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) tokens: Option<u64>,
    /// End the run after this time, such as 90s, 30m or 2h
    #[arg(long = "max-duration", value_name = "TIME", value_parser = some_time)]
    pub(crate) duration: Option<Duration>,
}

impl RunBudgetArgs {
    /// What was typed.
    pub(crate) fn budget(self) -> Budget {
        Budget {
            max_cost: self.cost.map(Usd::from),
            max_tokens_total: self.tokens,
            max_duration_seconds: self.duration.map(|time| time.as_secs_f64()),
        }
    }
}

/// How the run goes on, and when its exit code is not 0.
#[derive(Debug, Args)]
#[command(next_help_heading = "The run")]
pub(crate) struct GateArgs {
    /// Trials working at once, those that wait not counted
    #[arg(long, value_name = "N", default_value = "8", value_parser = at_least_one)]
    pub(crate) max_concurrency: u32,
    /// The same for gyms over stdio [default: 2 per processor]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_processes: Option<u32>,
    /// Further attempts of a trial after an infrastructure error
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) retries: u32,
    /// Keep what went over the wire to models, without secrets: off, errors (where no reply came), full
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "full",
        hide_possible_values = true
    )]
    pub(crate) evidence: KeepEvidence,
    /// Also look at the verifiers after each tool call, those that only read, to tell when each first held and whether
    /// it was lost. It changes no trial, and no limit counts its time
    #[arg(long)]
    pub(crate) verify_each_step: bool,
    #[command(flatten)]
    pub(crate) score: ScoreArgs,
    /// A name for this run in lists
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
}

/// Of which requests to models evidence is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepEvidence {
    /// Of none.
    Off,
    /// Of those without a reply.
    Errors,
    /// Of all.
    Full,
}

impl KeepEvidence {
    /// The same for a plan.
    pub(crate) fn keep(self) -> Keep {
        match self {
            Self::Off => Keep::Off,
            Self::Errors => Keep::Errors,
            Self::Full => Keep::Full,
        }
    }
}

/// What the results have to be. Shared with the commands that end as `run` does.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScoreArgs {
    /// Exit with 1 if any model's pass rate is lower, such as 0.9 or 90%
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) fail_under: Option<f64>,
    /// Exit with 1 if fewer of a model's trials have a verdict; 90% with --fail-under
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) min_verdicts: Option<f64>,
    /// Exit with 3 if any trial errored
    #[arg(long)]
    pub(crate) strict: bool,
}

impl ScoreArgs {
    /// What was typed, and what holds already where nothing was.
    pub(crate) fn over(&self, gate: Gate) -> Gate {
        Gate {
            fail_under: self.fail_under.or(gate.fail_under),
            min_verdicts: self.min_verdicts.or(gate.min_verdicts),
            strict: self.strict || gate.strict,
        }
    }
}

/// What is shown meanwhile.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// Show what would be run, and what it will need by past runs; run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One event a line on stdout, the summary last; with --dry-run the plan and its estimate
    #[arg(long)]
    pub(crate) json: bool,
}

/// How progress is shown. Shared with the commands that run trials.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProgressArgs {
    /// Progress on stderr; auto is bars on a terminal, else plain; tui is the dashboard's view of the run
    #[arg(
        long,
        value_name = "auto|plain|tui|quiet",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) ui: Ui,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ui {
    /// Bars on a terminal, else plain.
    Auto,
    /// A line per finished trial.
    Plain,
    /// The dashboard's view of the run, on the whole terminal.
    Tui,
    /// Nothing but the result.
    Quiet,
}

pub(super) fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("must be a whole number from 1 on".into()),
    }
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    number(text)
        .filter(|n| *n > 0.0)
        .ok_or_else(|| "must be a number above 0".into())
}

/// A span of time that is not over at once.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = span(text)?;
    if time.is_zero() {
        return Err("must be more than no time".into());
    }
    Ok(time)
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text)
        .filter(|n| *n >= 0.0)
        .ok_or_else(|| "must be a number from 0 on".into())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A share of 1: `0.9` or `90%`.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent.trim_end()).map(|p| p / 100.0),
        None => number(text),
    };
    let inside = share.filter(|s| (0.0..=1.0).contains(s));
    inside.ok_or_else(|| "must be a share such as 0.9 or 90%".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(args: &str) -> Result<RunArgs, String> {
        let words = std::iter::once("bench-cli").chain(args.split_whitespace());
        match Cli::try_parse_from(words) {
            Ok(Cli {
                command: Command::Run(run),
                ..
            }) => Ok(*run),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_flags_of_the_older_tool_still_mean_the_same() {
        let args =
            parse("run --harness-file a.json --model gpt-4o --model claude-x --runs 3 --gym jira").unwrap();
        assert_eq!(args.harness_file, [PathBuf::from("a.json")]);
        assert_eq!(args.models.model, ["gpt-4o", "claude-x"]);
        assert_eq!(args.runs, Some(3));
        assert_eq!(parse("run a.json --repetitions 3").unwrap().runs, Some(3));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for args in [
            "run a --runs 0",
            "run a --runs -1",
            "run a --max-concurrency 0",
            "run a --max-seconds 0",
            "run a --max-seconds inf",
            "run a --temperature nan",
            "run a --temperature -0.1",
            "run a --fail-under 90",
            "run a --fail-under -1%",
            "run a --ui curses",
            "run a --max-cost 0",
            "run a --max-tokens-total 0",
            "run a --max-duration 0s",
            "run a --max-duration 0d",
        ] {
            assert!(parse(args).is_err(), "{args}");
        }
        assert!(parse("run a --max-duration 1s").is_ok());
        let args = parse("run a --fail-under 90% --min-verdicts 0.5 --temperature 0").unwrap();
        assert_eq!(
            (args.gate.score.fail_under, args.gate.score.min_verdicts),
            (Some(0.9), Some(0.5))
        );
        assert_eq!(args.models.temperature, Some(0.0));
    }
}
