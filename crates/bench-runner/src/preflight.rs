//! The preflight: every gym is reached once before the first trial, so that a run that cannot work ends
//! before it costs anything.

use std::sync::Arc;
use std::time::Duration;

use bench_core::{Event, TrialId};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::agent::millis;
use crate::dispatch::Reporter;
use crate::gym::{Gym, GymError, OpenRequest};
use crate::trial::{not_opened, open_limit};

/// How long a gym may take to open, list its tools and close. `npx` may download a server meanwhile.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The trial id under which gyms are opened here.
const TRIAL: &str = "preflight";

/// Opens every gym, lists its tools and closes it, all at once. Returns every failure.
pub(crate) async fn preflight(
    gyms: &[Arc<dyn Gym>],
    run_id: &str,
    reporter: &Reporter,
) -> Result<(), Vec<GymError>> {
    let reached = join_all(gyms.iter().map(|gym| reach(gym.as_ref(), run_id, reporter))).await;
    let failures: Vec<GymError> = reached.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

async fn reach(gym: &dyn Gym, run_id: &str, reporter: &Reporter) -> Result<(), GymError> {
    let name = gym.spec().name.clone();
    let failed = |reason: String| GymError::Open {
        gym: name.clone(),
        reason,
    };
    let started = Instant::now();
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir();
    let scratch = scratch.map_err(|error| failed(format!("cannot make a scratch folder: {error}")))?;
    let trial: TrialId = TRIAL.parse().map_err(|error| failed(format!("{error}")))?;
    let request = OpenRequest {
        run_id: run_id.to_owned(),
        scratch: scratch.path().to_owned(),
        report: reporter.for_gyms(),
        log: reporter.for_log(&trial),
        trial,
        timeout: TIMEOUT,
    };
    let _admission = gym.admit(&request).await;
    let limit = open_limit(gym.spec(), TIMEOUT);
    let opened = timeout(limit, gym.open(&request)).await;
    let session = opened.unwrap_or_else(|_| Err(not_opened(&name, limit)))?;
    let event = Event::GymReached {
        gym: gym.spec().key.clone(),
        protocol: session.protocol().to_owned(),
        server: session.server(),
        tools: u32::try_from(session.tools().len()).unwrap_or(u32::MAX),
        took_ms: millis(started.elapsed()),
    };
    let no_tools = session.tools().is_empty();
    match timeout(TIMEOUT, session.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => reporter.log(&request.trial, &problem.to_string()),
        Err(_) => reporter.log(&request.trial, &format!("gym `{name}` is not closed yet")),
    }
    if no_tools {
        return Err(failed("it offers no tools".into()));
    }
    reporter.note(event).await;
    Ok(())
}
