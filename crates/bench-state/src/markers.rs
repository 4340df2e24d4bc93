//! Which runs may not be over: one empty file each in `.store/active`, so that they are found among any number of
//! runs that are.
//!
//! A marker is there before its run can be seen running, and goes only after its ending is stored; so a crash leaves a
//! marker too many, never one too few, and a reader removes it. Nothing else depends on markers, and the folder may be
//! deleted at any time: it is made anew from the runs.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::durable;
use crate::error::Result;
use crate::ids::RunId;
use crate::job::Job;
use crate::layout::{RunDir, STAGED, StoreDirs};
use crate::lock::LeaseProbe;
use crate::state_file::{self, Found};

/// Makes sure that the folder exists and is complete. Once it does, this costs one look.
pub(crate) fn ensure(store: &StoreDirs) -> Result<()> {
    let home = store.active();
    if home.is_dir() || !store.own().is_dir() {
        return Ok(());
    }
    let staging = store
        .own()
        .join(format!("{STAGED}active-{}", Uuid::new_v4().simple()));
    let built = build(store, &staging).and_then(|()| durable::publish_folder(&staging, &home));
    if built.is_err() {
        durable::remove_folder(&staging)?;
    }
    match built {
        // Another process was quicker, and has put markers in it.
        Err(_) if home.is_dir() => Ok(()),
        outcome => outcome,
    }
}

fn build(store: &StoreDirs, staging: &Path) -> Result<()> {
    durable::create_folder(staging)?;
    for id in store.run_ids(|_, _| {})? {
        if may_run(&store.run(&id)) {
            drop(durable::create_file(&staging.join(id.as_str()), b"")?);
        }
    }
    durable::sync_folder(staging)
}

/// Whether a look at the run is worth it. It is, where nothing can be said.
fn may_run(dir: &RunDir) -> bool {
    #[derive(Deserialize)]
    struct OnlyEnd {
        completed_at: Option<DateTime<Utc>>,
    }
    let state = durable::read(&dir.state(), durable::STATE_LIMIT).ok().flatten();
    let end = state.and_then(|state| serde_json::from_slice::<OnlyEnd>(&state).ok());
    end.is_none_or(|end| end.completed_at.is_none())
}

/// The runs that may not be over, newest first; `None` if that is not known.
pub(crate) fn ids(store: &StoreDirs) -> Result<Option<Vec<RunId>>> {
    store.marked_ids()
}

/// Marks a run, durably, before it is running.
pub(crate) fn put(dir: &RunDir) -> Result<()> {
    let marker = dir.marker();
    if let Err(error) = durable::create_file(marker, b"")
        && !marker.exists()
    {
        return Err(error);
    }
    match marker.parent() {
        Some(folder) => durable::sync_folder(folder),
        None => Ok(()),
    }
}

/// Unmarks a run whose ending is stored, by who stored it: no new worker can have begun, because the lease is not free.
pub(crate) fn remove(dir: &RunDir) {
    if let Err(error) = durable::remove_file(dir.marker()) {
        tracing::debug!(%error, "a marker stays; a later reader removes it");
    }
}

/// Marks a run that was found running without a marker: copied here, for example.
pub(crate) fn heal(dir: &RunDir) {
    let missing = !dir.marker().exists() && dir.marker().parent().is_some_and(Path::is_dir);
    if missing && let Err(error) = put(dir) {
        tracing::debug!(%error, "a run under way stays unmarked");
    }
}

/// Removes the marker of a run that is over, or not there at all, as a crash may leave one.
pub(crate) fn drop_stale<J: Job>(store: &StoreDirs, id: &RunId) {
    let (dir, staging) = (store.run(id), store.staging(id));
    // In this order: a run that is being created moves from the one to the other.
    if !staging.path().exists() && !dir.path().exists() {
        remove(&dir);
        return;
    }
    // Whoever resumes it needs the lease first, and marks it then: holding it, nobody's marker is taken away.
    if let Ok(LeaseProbe::Free(_held)) = LeaseProbe::of(&dir.lease())
        && let Ok(Found::Good(state)) = state_file::read::<J>(&dir)
        && state.status.is_over()
    {
        remove(&dir);
    }
}
