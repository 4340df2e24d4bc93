//! Following a run live: every event as it is recorded, log lines as they are written, and its end.
//!
//! File notifications wake the follower within a fraction of a millisecond; a slow poll runs always, because
//! notifications can be missing (other machines, exhausted limits) and the death of a worker makes none. What wakes it
//! decides nothing: it looks at the files each time, from where it stopped. The end is told last, when everything that
//! was written before has been.
//!
//! Reading the logs is `log_tail`'s.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::de::DeserializeOwned;

use crate::classify::LeaseSign;
use crate::error::{At, FileAction, Result};
use crate::ids::RunId;
use crate::job::Job;
use crate::journal::Checkpoint;
use crate::journal::reader::JournalReader;
use crate::layout::RunDir;
use crate::lock::LeaseProbe;
use crate::log_tail::{LogLines, LogTail};
use crate::platform::{self, FileVersion};
use crate::state::RunSummary;
use crate::state_file::{self, Found};
use crate::store::RunStore;
use crate::view::Recorded;

/// How often to look without being woken: with notifications, and without.
const NET: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(100));

/// How long to wait, after the ending is stored, for its writer to let go of the run, and how often to look.
const LETTING_GO: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(2));

/// What happened to a run that is followed.
pub enum Followed<J: Job> {
    /// An event was recorded.
    Event(Recorded<J::Event>),
    /// Lines were added to a log.
    Log(LogLines),
    /// The run is over, and everything has been told. Comes again for whoever asks on.
    Over(Box<RunSummary<J>>),
    /// Nothing, for as long as was asked.
    Quiet,
}

/// A run that is followed; see [`RunStore::follow`].
pub struct Follow<J: Job> {
    store: RunStore<J>,
    id: RunId,
    dir: RunDir,
    journal: JournalTail,
    logs: Option<LogTail>,
    pending: VecDeque<Followed<J>>,
    /// Made when somebody waits for the first time: who only looks from time to time needs none.
    waker: Option<Waker>,
    /// What time it was when.
    began: (Instant, DateTime<Utc>),
    state: Option<FileVersion>,
    over_since: Option<Instant>,
    over: Option<RunSummary<J>>,
}

impl<J: Job> RunStore<J> {
    /// Follows a run from its first event to its end; a run that is over is told in one go. `now` is the time at the
    /// call. Dropping it ends the following and nothing else.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn follow(&self, id: &RunId, now: DateTime<Utc>) -> Result<Follow<J>> {
        let dir = self.dirs().run(id);
        self.read(id, now)?;
        Ok(Follow {
            store: self.clone(),
            id: id.clone(),
            journal: JournalTail::default(),
            logs: None,
            pending: VecDeque::new(),
            waker: None,
            began: (Instant::now(), now),
            state: None,
            over_since: None,
            over: None,
            dir,
        })
    }
}

impl<J: Job> Follow<J> {
    /// The run that is followed.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Tells what is added to these logs too.
    #[must_use]
    pub fn with_logs(mut self, logs: LogTail) -> Self {
        self.logs = Some(logs);
        self
    }

    /// Leaves out the events that are there already.
    pub fn only_new(mut self) -> Result<Self> {
        self.journal.skip(&self.dir)?;
        Ok(self)
    }

    /// The next thing that happens, or [`Followed::Quiet`] after `patience`.
    ///
    /// # Errors
    /// I/O errors; [`UnknownRun`](crate::StateError::UnknownRun) if the run was removed meanwhile.
    pub fn next_within(&mut self, patience: Duration) -> Result<Followed<J>> {
        match self.next(patience) {
            Err(_) if !self.dir.path().exists() => Err(self.store.unknown(self.id.as_str())),
            outcome => outcome,
        }
    }

    fn next(&mut self, patience: Duration) -> Result<Followed<J>> {
        let started = Instant::now();
        loop {
            if let Some(next) = self.pending.pop_front() {
                return Ok(next);
            }
            if let Some(over) = &self.over {
                return Ok(Followed::Over(Box::new(over.clone())));
            }
            self.gather()?;
            if !self.pending.is_empty() || self.settle_over()? {
                continue;
            }
            let left = patience.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(Followed::Quiet);
            }
            match (self.over_since, &mut self.waker) {
                (Some(_), _) => thread::sleep(left.min(LETTING_GO.1)),
                (None, Some(waker)) => waker.wait(left),
                // What was written before it woke anybody is found by looking once more.
                (None, None) => self.waker = Some(Waker::on(&[self.dir.path(), &self.dir.logs()])),
            }
        }
    }

    /// Reads what is new.
    fn gather(&mut self) -> Result<()> {
        let events = self.journal.read::<J::Event>(&self.dir)?;
        self.pending.extend(events.into_iter().map(Followed::Event));
        if let Some(logs) = &mut self.logs {
            self.pending.extend(logs.poll()?.into_iter().map(Followed::Log));
        }
        Ok(())
    }

    /// Finds out whether the run is over; if so, reads the rest.
    fn settle_over(&mut self) -> Result<bool> {
        let held = LeaseProbe::of(&self.dir.lease())?.sign() == LeaseSign::Held;
        if held && !self.is_let_go_of()? {
            return Ok(false);
        }
        let view = self.store.read(&self.id, self.began.1 + self.began.0.elapsed())?;
        if !view.summary().state.status.is_over() {
            return Ok(false);
        }
        self.gather()?;
        if let Some(logs) = &mut self.logs {
            self.pending.extend(logs.drain()?.into_iter().map(Followed::Log));
        }
        self.over = Some(view.summary().clone());
        Ok(true)
    }

    /// Whether a run whose lease is held is over all the same, for so long that its holder must have been delayed.
    fn is_let_go_of(&mut self) -> Result<bool> {
        let path = self.dir.state();
        let version = platform::version_of(&path).at(FileAction::Open, &path)?;
        if version != self.state {
            self.state = version;
            let found = state_file::read::<J>(&self.dir)?;
            let over = matches!(found, Found::Good(state) if state.status.is_over());
            // Not over, or not any more: it was resumed.
            self.over_since = over.then(|| self.over_since.unwrap_or_else(Instant::now));
        }
        Ok(self
            .over_since
            .is_some_and(|since| since.elapsed() > LETTING_GO.0))
    }
}

/// Where the reading of a journal stopped.
#[derive(Debug, Default)]
struct JournalTail {
    read: Checkpoint,
}

impl JournalTail {
    /// The events after what was read before. A line that is still being written is left for the next time.
    fn read<E: DeserializeOwned>(&mut self, dir: &RunDir) -> Result<Vec<Recorded<E>>> {
        let path = dir.journal();
        let length = std::fs::metadata(&path).map(|found| found.len());
        // One that is gone is told by who opens it.
        if length.is_ok_and(|length| length <= self.read.bytes) {
            return Ok(Vec::new());
        }
        let mut reader = JournalReader::<E>::open(&path, self.read)?;
        let mut events = Vec::new();
        while let Some(line) = reader.next_line().at(FileAction::Read, &path)? {
            events.extend(Recorded::from_line(line));
        }
        self.read = reader.valid();
        Ok(events)
    }

    fn skip(&mut self, dir: &RunDir) -> Result<()> {
        self.read::<serde::de::IgnoredAny>(dir).map(drop)
    }
}

/// Wakes when something was written in one of its folders, or when it is time to look anyway.
struct Waker {
    woken: Receiver<()>,
    /// Kept for its threads; `None` if the system gives no notifications.
    watcher: Option<RecommendedWatcher>,
}

impl Waker {
    fn on(folders: &[&Path]) -> Self {
        // One note is as good as many.
        let (wake, woken) = mpsc::sync_channel(1);
        let notice = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_a_change(event.kind)) {
                // Full means that somebody is about to look; closed, that nobody will.
                let _ = wake.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(notice).and_then(|mut watcher| {
            for folder in folders {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(|error| tracing::debug!(%error, "no file notifications; looking more often instead"))
            .ok();
        Self { woken, watcher }
    }

    fn wait(&mut self, patience: Duration) {
        let net = if self.watcher.is_some() { NET.0 } else { NET.1 };
        if self.woken.recv_timeout(patience.min(net)) == Err(RecvTimeoutError::Disconnected) {
            self.watcher = None;
            thread::sleep(patience.min(NET.1));
        }
    }
}

/// Whether a notification is about something written. Our own reading makes notifications too.
fn is_a_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
