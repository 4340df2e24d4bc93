//! Bringing a run into the world: put together where nobody looks, then moved into place in one step.
//!
//! The lease is taken before the run is visible, so that there is no instant in which a reader could find it
//! running without a worker. What a crash leaves behind is a staging folder, never half a run.

use chrono::{DateTime, Utc};

use crate::active::ActiveRun;
use crate::durable;
use crate::error::{Result, StateError};
use crate::format::{self, FORMAT, StoreNote};
use crate::ids::RunId;
use crate::items::ItemRef;
use crate::job::Job;
use crate::journal::line;
use crate::journal::writer::JournalWriter;
use crate::layout::{RunDir, StoreDirs};
use crate::lock::Lease;
use crate::markers;
use crate::platform;
use crate::recorder::Shared;
use crate::state::RunState;
use crate::state_file;
use crate::status::RunStatus;

/// Creates a run and takes it up.
pub(crate) fn create<J: Job>(
    store: &StoreDirs,
    plan: &J::Plan,
    summary: J::Summary,
    now: DateTime<Utc>,
) -> Result<ActiveRun<J>> {
    let (id, now) = (unused_id(store, now), format::to_millis(now));
    prepare(store)?;
    markers::ensure(store)?;
    let (staging, home) = (store.staging(&id), store.run(&id));
    let staged = stage::<J>(&staging, &id, plan, summary, now)
        .and_then(|parts| markers::put(&home).map(|()| parts))
        .and_then(|parts| durable::publish_folder(staging.path(), home.path()).map(|()| parts));
    match staged {
        Ok(Parts {
            lease,
            mut journal,
            state,
            session,
        }) => {
            journal.moved_to(home.journal());
            ActiveRun::begin(Shared::new(home, journal, state, session), lease)
        }
        Err(error) => {
            // Only tidiness: whatever stays is in staging and belongs to nobody.
            markers::remove(&home);
            if let Err(left) = durable::remove_folder(staging.path()) {
                tracing::debug!(error = %left, "staging folder left behind");
            }
            Err(error)
        }
    }
}

/// A name that no run has. Names have 20 random bits for each quarter of a millisecond: few, where a program creates
/// thousands of runs at what it says is the same time.
fn unused_id(store: &StoreDirs, now: DateTime<Utc>) -> RunId {
    const TRIES: usize = 100;
    let mut names = std::iter::repeat_with(|| RunId::generate(now)).take(TRIES);
    let unused = names.find(|id| !platform::is_there(store.run(id).path()));
    unused.unwrap_or_else(|| RunId::generate(now))
}

/// Makes sure that the store's folders exist and that this version may write to it.
pub(crate) fn prepare(store: &StoreDirs) -> Result<()> {
    durable::ensure_folder(&store.own(), store.root())?;
    durable::ensure_folder(&store.runs(), store.root())?;
    if check_writable(store)? {
        return Ok(());
    }
    durable::replace(&store.format(), format!("{FORMAT}\n").as_bytes())
}

/// Refuses a store that a newer version wrote to; otherwise says whether it has a format yet.
pub(crate) fn check_writable(store: &StoreDirs) -> Result<bool> {
    let path = store.format();
    let Some(text) = durable::read(&path, durable::LIMIT)? else {
        return Ok(false);
    };
    match String::from_utf8_lossy(&text).trim().parse::<u32>() {
        Ok(found) if found > FORMAT => Err(StateError::NewerFormat {
            path,
            found,
            known: FORMAT,
        }),
        Ok(_) => Ok(true),
        Err(_) => Err(StateError::Inconsistent {
            path,
            reason: "it is not a format number".to_owned(),
        }),
    }
}

struct Parts<J: Job> {
    lease: Lease,
    journal: JournalWriter,
    state: RunState<J>,
    session: J::Session,
}

/// Writes the whole run into its staging folder.
fn stage<J: Job>(
    dir: &RunDir,
    id: &RunId,
    plan: &J::Plan,
    summary: J::Summary,
    now: DateTime<Utc>,
) -> Result<Parts<J>> {
    durable::create_folder(dir.path())?;
    let lease = Lease::create(&dir.lease())?;
    lease.reserve(&dir.lease())?;
    drop(durable::create_file(&dir.state_lock(), b"")?);
    durable::create_folder(&dir.items())?;
    durable::create_folder(&dir.logs())?;
    let mut plan_text = format!("{:#}", format::to_value("plan", plan)?);
    plan_text.push('\n');
    drop(durable::create_file(&dir.plan(), plan_text.as_bytes())?);

    let worker = platform::this_worker();
    let mut journal = JournalWriter::create(&dir.journal())?;
    let begun = StoreNote::Begun {
        format: FORMAT,
        run_id: id.clone(),
        summary: format::to_value("summary", &summary)?,
        worker: worker.clone(),
        plan: Some(Box::new(ItemRef::of(plan_text.as_bytes()))),
    };
    journal.append(1, [(now, line::note_members(&begun)?)])?;

    let (progress, session) = J::begin(plan);
    let state = RunState {
        id: id.clone(),
        status: RunStatus::Running,
        started_at: now,
        progress,
        summary,
        worker: Some(worker),
        generation: 1,
        updated_at: now,
        cancel_requested: None,
        journal: journal.end(),
        format: FORMAT,
    };
    state_file::write(dir, &state, &session)?;
    Ok(Parts {
        lease,
        journal,
        state,
        session,
    })
}
