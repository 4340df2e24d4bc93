//! One session with one gym, opened and closed as a trial would.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bench_core::TrialId;
use bench_report::text;
use bench_runner::Scratch;
use bench_runner::gym::{Gym, GymError, GymSession, OpenRequest};
use tokio::runtime::{Builder, Runtime};

use crate::args::gym::GymFileArgs;
use crate::commands::reach::Reach;
use crate::context::Context;
use crate::environment::{self, EnvFile};
use crate::error::CliError;
use crate::signals::Signals;
use crate::sink::Sink;
use crate::worlds;

/// How long opening and closing may take each; `npx` may download a server meanwhile.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The trial and run under which the gym is opened.
const NAME: &str = "gym-call";

/// What is done with the open session.
pub(super) trait Work<T>: AsyncFnOnce(&dyn GymSession) -> Result<T, GymError> {}
impl<T, F: AsyncFnOnce(&dyn GymSession) -> Result<T, GymError>> Work<T> for F {}

/// Opens a gym on a fresh database, does `work`, and closes it in any case.
pub(super) fn with_session<T>(
    name: &str,
    file: &GymFileArgs,
    cx: &Context,
    work: impl Work<T>,
) -> Result<T, CliError> {
    let spec = worlds::one(name, file.gym_config.as_deref(), cx)?;
    let env_file = EnvFile::of(&file.env_file, &[], cx);
    let environment = environment::read(env_file.as_ref(), &[], cx)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(no_runtime)?;
        let reach = Reach::open(std::slice::from_ref(&spec), 1, &environment).await?;
        let done = tokio::select! {
            done = in_session(&reach, cx.err.clone(), work) => done,
            name = signals.next() => Err(CliError::interrupted(name)),
        };
        if let Some(left) = reach.close().await {
            // stderr is gone: nobody to tell.
            writeln!(cx.err.clone(), "{left}").unwrap_or_default();
        }
        done
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// A runtime on this thread.
pub(super) fn runtime() -> Result<Runtime, CliError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(no_runtime)
}

/// Why there is no runtime or no signal handler.
pub(super) fn no_runtime(error: std::io::Error) -> CliError {
    CliError::unfinished("cannot set up the event loop").because(error)
}

async fn in_session<T>(reach: &Reach, err: Sink, work: impl Work<T>) -> Result<T, CliError> {
    let scratch = Scratch::default(); // to outlive the session
    let Some(gym) = reach.gyms.first() else {
        return Err(CliError::unfinished("the gym could not be set up"));
    };
    let session = open(gym.as_ref(), &scratch, err.clone()).await.map_err(failed)?;
    let done = work(session.as_ref()).await;
    let closed = tokio::time::timeout(TIMEOUT, session.close()).await;
    if let Ok(Err(error)) = closed {
        writeln!(err.clone(), "{}", text::clean_line(&error.to_string()))?;
    }
    done.map_err(failed)
}

async fn open(gym: &dyn Gym, scratch: &Scratch, err: Sink) -> Result<Box<dyn GymSession>, GymError> {
    let failed = |reason: String| GymError::Open {
        gym: gym.spec().name.clone(),
        reason,
    };
    let request = OpenRequest {
        run_id: NAME.to_owned(),
        trial: NAME
            .parse::<TrialId>()
            .map_err(|error| failed(error.to_string()))?,
        scratch: scratch.clone(),
        report: Arc::new(|_| Box::pin(async {})),
        log: Arc::new(move |line| {
            // A server's own words; with stderr gone nobody wants them.
            writeln!(err.clone(), "  {}", text::clean_line(line)).unwrap_or_default();
        }),
        timeout: TIMEOUT,
    };
    let opened = tokio::time::timeout(TIMEOUT, gym.open(&request)).await;
    opened.unwrap_or_else(|_| Err(failed(format!("no answer within {} s", TIMEOUT.as_secs()))))
}

#[expect(clippy::needless_pass_by_value, reason = "used as `map_err(failed)`")]
fn failed(error: GymError) -> CliError {
    CliError::unfinished(error.to_string())
}
