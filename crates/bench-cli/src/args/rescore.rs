//! `bench-cli rescore`.

use std::path::PathBuf;

use clap::Args;

use super::EnvFileAgainArgs;
use super::run::ProgressArgs;

/// Arguments of `rescore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything but the verifiers stays as it was recorded, and no model is asked: no key is needed, nothing is paid.

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
