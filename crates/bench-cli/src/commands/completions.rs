//! `bench-cli completions`: a completion script.

use std::io::Write;

use crate::app;
use crate::args::extras::CompletionsArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Writes the script of a shell.
pub(super) fn cmd(args: &CompletionsArgs, cx: &mut Context) -> Result<Exit, CliError> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut app::command(), "bench-cli", &mut script);
    cx.out.write_all(&script)?;
    Ok(Exit::Success)
}
