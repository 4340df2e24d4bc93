//! `bench-cli report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the path of each file that it wrote. In a page, what was said in failed and errored trials is folded in, up to
20 MB; of the others the file is named. A run that is not over is marked as partial. An `.eval` file holds the trials of
one model with their transcripts: a run of several models makes one each.

Examples:
  bench-cli report latest
  bench-cli report latest --format md -o - >> $GITHUB_STEP_SUMMARY
  bench-cli report latest --format junit -o results.xml
  bench-cli report latest -o results.html
  bench-cli report latest --format eval && inspect view --log-dir .
  bench-cli report run_20260102 --template own.html")]
pub(crate) struct ReportArgs {
    /// Ids of runs, prefixes that fit no other, or `latest`: one file each
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: Vec<String>,
    /// What is made of it
    #[arg(long, value_name = "FORMAT", default_value = "html")]
    pub(crate) format: ReportFormat,
    /// Write to this file; `-` for stdout [default: report-RUN in the current folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// With html: own template (minijinja) instead of the built-in page, which it may extend
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page that needs no network and no script
    Html,
    /// Markdown, for a job summary or a comment
    #[value(alias = "markdown")]
    Md,
    /// JUnit XML: a suite per model, a case per trial
    Junit,
    /// A row per trial
    Csv,
    /// All values in one document; `schema report` describes it
    Json,
    /// Logs of Inspect AI, one per model, with transcripts
    #[value(alias = "inspect")]
    Eval,
}

impl ReportFormat {
    /// How the names of such files end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Md => "md",
            Self::Junit => "xml",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Eval => "eval",
        }
    }
}
