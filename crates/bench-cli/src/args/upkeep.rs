//! `bench-cli cleanup` and `prune`: keeping the folder of results in order.

use chrono::TimeDelta;
use clap::Args;

use super::life::span;
use super::runs::StaleArgs;

/// Arguments of `cleanup`.
#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    #[command(flatten)]
    pub(crate) stale: StaleArgs,
    /// Do it; without this it is only shown
    #[arg(long)]
    pub(crate) no_dry_run: bool,
    /// End overdue runs too, as `kill` does
    #[arg(long)]
    pub(crate) kill_overdue: bool,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").args(["run", "older_than", "keep"]).required(true).multiple(true))]
pub(crate) struct PruneArgs {
    /// These runs, whatever their age: ids, prefixes that fit no other, or `latest`
    #[arg(value_name = "RUN", conflicts_with_all = ["older_than", "keep"])]
    pub(crate) run: Vec<String>,
    /// Only runs that ended longer ago, such as 30d or 12h [default: any age]
    #[arg(long, value_name = "TIME", value_parser = days)]
    pub(crate) older_than: Option<TimeDelta>,
    /// Keep the newest N, whatever their age [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Do it; without this it is only shown
    #[arg(long)]
    pub(crate) no_dry_run: bool,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

fn days(text: &str) -> Result<TimeDelta, String> {
    let span = span(text)?;
    TimeDelta::from_std(span).map_err(|error| error.to_string())
}
