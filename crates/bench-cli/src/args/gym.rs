//! `bench-cli gym …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::EnvFileArgs;

/// What to do with gyms.
#[derive(Debug, Subcommand)]
pub(crate) enum GymCommand {
    /// List the gyms that `run` could use here
    List(GymListArgs),
    /// List the tools of a gym
    Tools(GymToolsArgs),
    /// Call a tool of a gym on a fresh database
    Call(GymCallArgs),
    /// Serve the built-in tracker until interrupted
    Serve(GymServeArgs),
}

/// Where gyms are found.
#[derive(Debug, Args)]
pub(crate) struct GymFileArgs {
    /// Gym file [default: gyms.json in the current folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) gym_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) env_file: EnvFileArgs,
}

/// Arguments of `gym list`.
#[derive(Debug, Args)]
pub(crate) struct GymListArgs {
    #[command(flatten)]
    pub(crate) file: GymFileArgs,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `gym tools`.
#[derive(Debug, Args)]
pub(crate) struct GymToolsArgs {
    /// Name of the gym
    #[arg(value_name = "GYM", default_value = "tracker")]
    pub(crate) gym: String,
    #[command(flatten)]
    pub(crate) file: GymFileArgs,
    /// One JSON document, with the schemas of the arguments
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `gym call`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bench-cli gym call tracker get_issue --arg issueIdOrKey=WEB-1
  bench-cli gym call tracker delete_issue --arg issueIdOrKey=WEB-1 --sql 'SELECT count(*) FROM issue'")]
pub(crate) struct GymCallArgs {
    /// Name of the gym
    #[arg(value_name = "GYM")]
    pub(crate) gym: String,
    /// Name of the tool
    #[arg(value_name = "TOOL", required_unless_present = "sql")]
    pub(crate) tool: Option<String>,
    /// Its arguments, a JSON object
    #[arg(value_name = "JSON", conflicts_with = "arg")]
    pub(crate) arguments: Option<String>,
    /// One argument; the value is JSON if it reads as JSON, else text; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) arg: Vec<String>,
    /// Then ask the gym's SQL runner
    #[arg(long, value_name = "QUERY")]
    pub(crate) sql: Option<String>,
    #[command(flatten)]
    pub(crate) file: GymFileArgs,
    /// One JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `gym serve`.
#[derive(Debug, Args)]
pub(crate) struct GymServeArgs {
    /// Port on the loopback address; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value = "8765", conflicts_with = "stdio")]
    pub(crate) port: u16,
    /// Speak MCP on stdin and stdout instead, with one database
    #[arg(long)]
    pub(crate) stdio: bool,
}
