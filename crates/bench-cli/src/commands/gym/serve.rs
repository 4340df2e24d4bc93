//! `bench-cli gym serve`: the built-in tracker for others.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use bench_gym::{GymError, GymOptions, GymServer, serve_stdio};

use super::session::{no_runtime, runtime};
use crate::args::gym::GymServeArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Signals;

/// Under which a stdio gym is told the database of its trial.
const DATABASE_ID: &str = "BENCH_DATABASE_ID";

/// Serves until interrupted, which is how it is meant to end.
pub(super) fn cmd(args: &GymServeArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(no_runtime)?;
        tokio::select! {
            served = serve(args, cx) => served,
            _signal = signals.next() => Ok(()),
        }
    });
    // A read of stdin cannot be interrupted; it must not hold up the end.
    runtime.shutdown_background();
    served.map(|()| Exit::Success)
}

async fn serve(args: &GymServeArgs, cx: &mut Context) -> Result<(), CliError> {
    let mut options = GymOptions::default();
    if args.stdio {
        if let Some(id) = cx.variables.get(DATABASE_ID) {
            let bad = |error| CliError::usage(format!("`{DATABASE_ID}` names no database")).because(error);
            options.database = id.parse().map_err(bad)?;
        }
        return serve_stdio(options).await.map_err(failed);
    }
    options.addr = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let mut server = GymServer::start(options).await.map_err(failed)?;
    writeln!(
        cx.out,
        "mcp         {}\nsql-runner  {}",
        server.url(),
        server.sql_runner_url()
    )?;
    cx.out.flush()?;
    writeln!(cx.err, "one database per `x-database-id` header; Ctrl-C ends it")?;
    server.wait().await;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "used as `map_err(failed)`")]
fn failed(error: GymError) -> CliError {
    let message = error.to_string();
    match std::error::Error::source(&error) {
        Some(source) => CliError::unfinished(message).because(source),
        None => CliError::unfinished(message),
    }
}
