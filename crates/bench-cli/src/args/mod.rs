//! Arguments as typed: one file per command. Nothing here looks at the world; a command resolves its arguments.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are help texts, which are no Markdown"
)]

pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod extras;
pub(crate) mod gym;
pub(crate) mod life;
pub(crate) mod report;
pub(crate) mod rescore;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod upkeep;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Benchmark LLM agents that use MCP tools.
///
/// You write down what an agent should achieve; each model tries it against a real tool server with a fresh database
/// each time; verifiers look at the final state. Runs never get stuck and never lose finished work.
#[derive(Debug, Parser)]
#[command(name = "bench-cli", version, max_term_width = 100, propagate_version = false)]
#[command(after_help = exit::HELP, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Arguments of every command.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Folder of results [default: BENCH_RESULTS, else ./results]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Everywhere")]
    pub(crate) results: Option<PathBuf>,
    /// Colour; NO_COLOR is respected [default: auto]
    #[arg(
        long,
        value_name = "auto|always|never",
        global = true,
        help_heading = "Everywhere"
    )]
    #[arg(
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) color: ColorWhen,
}

/// Where variables come from beside the process. Shared by all commands that read them.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EnvFileArgs {
    /// Read variables (API keys, …) from a file; variables that are already set win [default: the nearest .env, from
    /// the folder of the harness (or the current one) upward]
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Read no .env
    #[arg(long, conflicts_with = "env_file")]
    pub(crate) no_env_file: bool,
}

impl EnvFileArgs {
    /// Whether nothing was said about it.
    pub(crate) fn is_silent(&self) -> bool {
        self.env_file.is_none() && !self.no_env_file
    }
}

/// The same for commands that go on from a run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EnvFileAgainArgs {
    /// Read variables from this file [default: the one that the run was started with]
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Read none
    #[arg(long, conflicts_with = "env_file")]
    no_env_file: bool,
}

impl EnvFileAgainArgs {
    /// What was typed.
    pub(crate) fn typed(&self) -> EnvFileArgs {
        EnvFileArgs {
            env_file: self.env_file.clone(),
            no_env_file: self.no_env_file,
        }
    }
}

/// When output has colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Into pipes and files too.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try models on the scenarios of harness files
    Run(Box<run::RunArgs>),
    /// List runs, newest first
    List(runs::ListArgs),
    /// Show the results of a run, or of one of its trials
    Show(runs::ShowArgs),
    /// Show the logs of a run's trials
    Logs(runs::LogsArgs),
    /// Watch a run until it is over, and end as `run` would; Ctrl-C ends the watching only
    Attach(life::AttachArgs),
    /// The dashboard: runs in progress and completed ones, live; `view list` as text
    View(life::ViewArgs),
    /// Ask runs to end, and see to it that they do
    Kill(life::KillArgs),
    /// Continue a run that is over: every trial without a verdict is run
    Resume(life::ResumeArgs),
    /// Try the trials of a run that did not pass again, as a new run
    Retry(life::RetryArgs),
    /// Judge a run again without asking its models, as a new run, and show what has changed
    Rescore(rescore::RescoreArgs),
    /// Compare models of a run, or runs, with a verdict and a gate
    Compare(compare::CompareArgs),
    /// Make a document of a run: HTML, Markdown, JUnit XML, CSV, JSON or Inspect log
    Report(report::ReportArgs),
    /// Put right runs that are not as they should be, and what they left; shows it first
    Cleanup(upkeep::CleanupArgs),
    /// Remove finished runs, old or named ones; shows them first
    Prune(upkeep::PruneArgs),
    /// The process behind a background run.
    #[command(hide = true)]
    Worker(life::WorkerArgs),
    /// Find faults in harness files, on their gyms, without paying a model
    Check(check::CheckArgs),
    /// Look at gyms, call their tools, or serve the built-in one
    #[command(subcommand)]
    Gym(gym::GymCommand),
    /// Show which models can be asked here, and what others lack
    Models(extras::ModelsArgs),
    /// Print the JSON Schema of harness, gym or model files, or of reports
    Schema(extras::SchemaArgs),
    /// Look whether everything that runs need is there
    Doctor(extras::DoctorArgs),
    /// Print a completion script for a shell
    Completions(extras::CompletionsArgs),
    /// Print the manual, or write its pages to a folder
    Man(extras::ManArgs),
}

impl Command {
    /// Whether it reads files by names that are relative to the current folder, or starts processes in it.
    pub(crate) fn reads_the_folder(&self) -> bool {
        !matches!(
            self,
            Self::List(_)
                | Self::Show(_)
                | Self::Logs(_)
                | Self::Attach(_)
                | Self::Compare(_)
                | Self::Kill(_)
                | Self::Cleanup(_)
                | Self::Prune(_)
                | Self::Doctor(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
