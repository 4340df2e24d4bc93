//! From the arguments of the process to its exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;
use crate::commands;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;

/// What is said without being asked for: trouble in our own crates. What libraries say, ours say better.
const DEFAULT_LOG: &str = "off,bench_cli=warn,bench_runner=warn,bench_state=warn,bench_gym=warn";

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error).into(),
    };
    match Context::of_process(&cli.global, cli.command.reads_the_folder()) {
        Ok(mut cx) => run(cli, &mut cx).into(),
        Err(error) => {
            let text = render::error::text(&error, crate::context::PLAIN_WIDTH);
            // With stderr gone there is nobody left to tell; the exit code still does.
            write!(anstream::stderr(), "{text}").unwrap_or_default();
            error.exit().into()
        }
    }
}

fn run(cli: Cli, cx: &mut Context) -> Exit {
    log_to(cx);
    let result = commands::run(cli.command, cx).and_then(|exit| {
        cx.out.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit,
        Err(error) => {
            report(&error, cx);
            error.exit()
        }
    }
}

/// Help and versions are data, everything else that clap says is talk.
fn not_parsed(error: &clap::Error) -> Exit {
    let text = error.render();
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let written = if asked_for {
        write!(anstream::stdout(), "{}", text.ansi())
    } else {
        write!(anstream::stderr(), "{}", text.ansi())
    };
    match written.map_err(CliError::from) {
        Ok(()) if asked_for => Exit::Success,
        Ok(()) => Exit::Usage,
        Err(error) => error.exit(),
    }
}

fn report(error: &CliError, cx: &mut Context) {
    let text = render::error::text(error, cx.err_look.width);
    // With stderr gone there is nobody left to tell; the exit code still does.
    write!(cx.err, "{text}").unwrap_or_default();
}

fn log_to(cx: &Context) {
    let filter = cx.variables.get("BENCH_LOG").map_or(DEFAULT_LOG, String::as_str);
    let err = cx.err.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(move || err.clone())
        .with_target(false)
        .without_time()
        .finish();
    // Fails only if a subscriber is already set, which this program never does.
    tracing::subscriber::set_global_default(subscriber).unwrap_or_default();
}

/// Used by `man` and `completions` too.
pub(crate) fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
