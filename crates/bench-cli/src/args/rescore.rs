//! `bench-cli rescore`.

use std::path::PathBuf;

use clap::Args;

use super::EnvFileAgainArgs;
use super::run::{ProgressArgs, RunBudgetArgs};

/// Arguments of `rescore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything but the verifiers stays as it was recorded, and no model is asked: no key is needed, nothing is paid. Only
checks that a model judges ask their judge again, which costs.

Examples:
  bench-cli rescore latest --harness harness.json
  bench-cli rescore run_20260102 --json | tail -n 1 | jq .rescore.changed")]
pub(crate) struct RescoreArgs {
    /// Id of a run, a prefix that fits no other, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Judge with the verifiers of this harness file or folder; repeatable [default: those that the run had]
    #[arg(long, value_name = "HARNESS")]
    pub(crate) harness: Vec<PathBuf>,
    /// Another judge, for checks with a comparison_prompt, as `run` takes it [default: the one that the run had]
    #[arg(long, value_name = "MODEL")]
    pub(crate) judge_model: Option<String>,
    /// Model file for the judge [default: models.json beside the harness, else in the current folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) models_file: Option<PathBuf>,
    /// Prices per million tokens for the judge, before the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Also look at the verifiers after each tool call, as `run` does with it [default: as the run did]
    #[arg(long)]
    pub(crate) verify_each_step: bool,
    #[command(flatten)]
    pub(crate) budget: RunBudgetArgs,
    /// Start it in the background, print its id and return; `show` tells what has changed
    #[arg(long)]
    pub(crate) background: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    /// One event a line on stdout, the summary last
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) env_file: EnvFileAgainArgs,
}
