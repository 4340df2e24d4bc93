//! `bench-cli check`.

use std::path::PathBuf;

use clap::Args;

use super::EnvFileArgs;
use super::run::GymChoiceArgs;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Harness file (JSON or JSONL), or a folder of them
    #[arg(value_name = "HARNESS", required = true)]
    pub(crate) harness: Vec<PathBuf>,
    /// Look at the files only: reach no gym, try nothing
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) env_file: EnvFileArgs,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymChoiceArgs,
}
