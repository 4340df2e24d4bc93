//! `bench-cli check`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Harness file (JSON or JSONL), or a folder of them
    #[arg(value_name = "HARNESS", required = true)]
    pub(crate) harness: Vec<PathBuf>,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}
