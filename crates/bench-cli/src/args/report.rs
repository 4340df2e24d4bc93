//! `bench-cli report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the path of each file that it wrote. What was said in failed and errored trials is folded in, up to 20 MB; of the
others the file is named. A run that is not over is marked as partial.

Examples:
  bench-cli report latest
  bench-cli report latest -o results.html
  bench-cli report run_20260102 --template own.html")]
pub(crate) struct ReportArgs {
    /// Ids of runs, prefixes that fit no other, or `latest`: one file each
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: Vec<String>,
    /// What is made of it
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub(crate) format: ReportFormat,
    /// Write to this file; `-` for stdout [default: report-RUN.html in the current folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Own template (minijinja) instead of the built-in page, which it may extend
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page that needs no network and no script
    Html,
}

impl ReportFormat {
    /// How the names of such files end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
        }
    }
}
