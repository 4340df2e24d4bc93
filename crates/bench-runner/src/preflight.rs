//! The preflight: every gym is reached once before the first trial, so that a run that cannot work ends
//! before it costs anything. Without a run, [`offered_tools`] does the same for whoever wants to know the tools.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bench_core::{Event, GymSpec, TrialId};
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::dispatch::{Dispatcher, Reporter};
use crate::durations::millis;
use crate::env::Environment;
use crate::gym::deadlines::{CLOSE_TIMEOUT, not_opened, open_limit, session_limit};
use crate::gym::{Gym, GymError, OpenRequest, server_of};
use crate::journal::MemoryJournal;
use crate::process;
use crate::runner::RunError;
use crate::scratch::Scratch;

/// Gyms that are reached at once.
const AT_ONCE: usize = 16;

/// The trial id under which gyms are opened before the first trial; their log has its name.
pub const PREFLIGHT: &str = "preflight";

/// The names of the tools that gyms offer.
#[derive(Debug, Default)]
pub struct Offered(HashMap<GymSpec, Vec<String>>);

impl Offered {
    /// Those of a gym; of one that was not reached, none.
    pub fn by(&self, gym: &GymSpec) -> &[String] {
        self.0.get(&server_of(gym)).map_or(&[], Vec::as_slice)
    }

    /// Whether a gym was reached: none without tools counts as that.
    pub fn reached(&self, gym: &GymSpec) -> bool {
        self.0.contains_key(&server_of(gym))
    }
}

/// Opens every gym, lists its tools and closes it, without a run. Returns the tools, and why each of the others was not
/// reached.
///
/// Of gyms that differ only in what their databases hold, one stands for all. `run_id` reaches child processes as
/// `BENCH_RUN_ID`; what still bears it afterwards is ended, so no run of this process may have the same at the same time.
///
/// # Errors
/// [`RunError::Thread`] if no thread can be started.
pub async fn offered_tools(
    gyms: &[Arc<dyn Gym>],
    run_id: &str,
    env: &Environment,
) -> Result<(Offered, Vec<GymError>), RunError> {
    let journal = Box::new(MemoryJournal::default());
    let secrets = env.secrets().clone();
    let started = Dispatcher::start(journal, Vec::new(), secrets, CancellationToken::new());
    let (reporter, dispatcher) = started.map_err(RunError::Thread)?;
    let reached = reach_all(gyms, run_id, &reporter).await;
    drop(reporter);
    let run_id = run_id.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        process::end_of_run(&run_id);
        dispatcher.finish()
    });
    drop(ended.await); // what was written in memory is not looked at
    Ok(reached)
}

/// Opens every gym, lists its tools and closes it. Returns the tools, or every failure.
///
/// Of gyms that differ only in what their databases hold, one stands for all.
pub(crate) async fn preflight(
    gyms: &[Arc<dyn Gym>],
    run_id: &str,
    reporter: &Reporter,
) -> Result<Offered, Vec<GymError>> {
    let (offered, failures) = reach_all(gyms, run_id, reporter).await;
    if failures.is_empty() {
        Ok(offered)
    } else {
        Err(failures)
    }
}

async fn reach_all(gyms: &[Arc<dyn Gym>], run_id: &str, reporter: &Reporter) -> (Offered, Vec<GymError>) {
    let mut servers = HashSet::new();
    let distinct = gyms.iter().filter(|gym| servers.insert(server_of(gym.spec())));
    let reaching: Vec<_> = distinct
        .map(|gym| reach(gym.as_ref(), run_id, reporter).boxed())
        .collect();
    let reached: Vec<_> = stream::iter(reaching).buffered(AT_ONCE).collect().await;
    let mut offered = Offered::default();
    let mut failures = Vec::new();
    for reached in reached {
        match reached {
            Ok((gym, tools)) => drop(offered.0.insert(gym, tools)),
            Err(error) => failures.push(error),
        }
    }
    (offered, failures)
}

async fn reach(gym: &dyn Gym, run_id: &str, reporter: &Reporter) -> Result<(GymSpec, Vec<String>), GymError> {
    let name = gym.spec().name.clone();
    let failed = |reason: String| GymError::Open {
        gym: name.clone(),
        reason,
    };
    let started = Instant::now();
    let trial: TrialId = PREFLIGHT.parse().map_err(|error| failed(format!("{error}")))?;
    let request = OpenRequest {
        run_id: run_id.to_owned(),
        scratch: Scratch::of_run(run_id),
        report: reporter.for_gyms(),
        log: reporter.for_log(&trial),
        trial,
        timeout: session_limit(gym.spec()),
    };
    let _admission = gym.admit(&request).await;
    let limit = open_limit(gym.spec());
    let opened = timeout(limit, gym.open(&request)).await;
    let session = opened.unwrap_or_else(|_| Err(not_opened(&name, limit)))?;
    let event = Event::GymReached {
        gym: gym.spec().key.clone(),
        protocol: session.protocol().to_owned(),
        server: session.server(),
        tools: u32::try_from(session.tools().len()).unwrap_or(u32::MAX),
        connections: session.connections(),
        took_ms: millis(started.elapsed()),
    };
    let tools: Vec<String> = session.tools().iter().map(|tool| tool.name.clone()).collect();
    match timeout(CLOSE_TIMEOUT, session.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => reporter.log(&request.trial, &problem.to_string()),
        Err(_) => reporter.log(&request.trial, &format!("gym `{name}` is not closed yet")),
    }
    if tools.is_empty() {
        return Err(failed("it offers no tools".into()));
    }
    reporter.note(event).await;
    Ok((server_of(gym.spec()), tools))
}
