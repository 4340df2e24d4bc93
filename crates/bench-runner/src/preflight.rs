//! The preflight: every gym is reached once before the first trial, so that a run that cannot work ends
//! before it costs anything.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bench_core::{Event, GymSpec, TrialId};
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout};

use crate::agent::millis;
use crate::dispatch::Reporter;
use crate::gym::{Gym, GymError, OpenRequest, server_of};
use crate::scratch::Scratch;
use crate::trial::{not_opened, open_limit, session_limit};

/// How long a gym may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Gyms that are reached at once.
const AT_ONCE: usize = 16;

/// The trial id under which gyms are opened here.
const TRIAL: &str = "preflight";

/// The names of the tools that gyms offer.
#[derive(Debug, Default)]
pub(crate) struct Offered(HashMap<GymSpec, Vec<String>>);

impl Offered {
    /// Those of a gym that was reached.
    pub(crate) fn by(&self, gym: &GymSpec) -> &[String] {
        self.0.get(&server_of(gym)).map_or(&[], Vec::as_slice)
    }
}

/// Opens every gym, lists its tools and closes it. Returns the tools, or every failure.
///
/// Of gyms that differ only in what their databases hold, one stands for all.
pub(crate) async fn preflight(
    gyms: &[Arc<dyn Gym>],
    run_id: &str,
    reporter: &Reporter,
) -> Result<Offered, Vec<GymError>> {
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
    if failures.is_empty() {
        Ok(offered)
    } else {
        Err(failures)
    }
}

async fn reach(gym: &dyn Gym, run_id: &str, reporter: &Reporter) -> Result<(GymSpec, Vec<String>), GymError> {
    let name = gym.spec().name.clone();
    let failed = |reason: String| GymError::Open {
        gym: name.clone(),
        reason,
    };
    let started = Instant::now();
    let trial: TrialId = TRIAL.parse().map_err(|error| failed(format!("{error}")))?;
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
