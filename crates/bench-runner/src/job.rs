//! Benchmark runs in the run store: what they keep there, and the journal that writes it.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use bench_core::plan::Selection;
use bench_core::record::FileRef;
use bench_core::{Event, Plan, Progress, Session, TrialId, TrialRecord, session};
use bench_state::{CancelReason, CauseKind, Ending, ItemId, ItemLog, ItemRef, Job, Recorder, TextLog};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::evidence;
use crate::gym::client::causes;
use crate::journal::{Journal, JournalError, SyncTrial, TrialFiles};
use crate::runner::{RunEnd, RunError};

/// How long lines of a transcript may lie in a buffer while a trial runs.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Why a run was cancelled whose budget was used up: `cause` in `state.json`.
pub const OVER_BUDGET: &str = "budget";

/// Why a run failed whose harness names tools that its gyms do not offer: `cause` in `state.json`. Its plan stays as it is,
/// so resuming it ends in the same way.
pub const UNKNOWN_TOOLS: &str = "unknown_tools";

/// A benchmark run, as the store knows it.
#[derive(Debug)]
pub struct BenchJob;

/// What lists show of a run beside its status and progress.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// What the user called the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the harness is called.
    pub harness_name: String,
    /// The models in one line: `oracle, noop`.
    pub model_summary: String,
    /// Repetitions of each scenario with each model.
    pub runs: u32,
    /// Its trials were chosen by how they had ended in another run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Selection>,
}

impl RunSummary {
    /// The summary of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            label: plan.label.clone(),
            harness_name: plan.harness_name.clone(),
            model_summary: plan.model_summary(),
            runs: plan.runs,
            retry: plan.selection(),
        }
    }
}

impl RunEnd {
    /// What the run's guard is to write down. `reason` is for a run that was cancelled.
    pub fn ending(&self, reason: CancelReason) -> Ending {
        match self {
            Self::Completed => Ending::Completed,
            Self::Cancelled => Ending::Cancelled { reason },
            Self::OverBudget { .. } => Ending::Cancelled {
                reason: CancelReason::from(OVER_BUDGET),
            },
            Self::Failed(error @ RunError::Tools { .. }) => {
                CauseKind::from(UNKNOWN_TOOLS).because(causes(error))
            }
            Self::Failed(error) => Ending::failed(causes(error)),
        }
    }
}

impl Job for BenchJob {
    type Plan = Plan;
    type Summary = RunSummary;
    type Progress = Progress;
    type Session = Session;
    type Event = Event;
    type Item = TrialRecord;

    fn begin(plan: &Plan) -> (Progress, Session) {
        session::begin(plan)
    }

    fn fold(progress: &mut Progress, session: &mut Session, event: &Event, _at: DateTime<Utc>) {
        session::fold(progress, session, event);
    }
}

/// Writes a run into the store.
pub struct StoreJournal {
    recorder: Recorder<BenchJob>,
    open: HashMap<TrialId, TrialLogs>,
    flushed: Instant,
}

#[derive(Default)]
struct TrialLogs {
    transcript: Option<ItemLog>,
    log: Option<TextLog>,
}

impl StoreJournal {
    /// Writes through this recorder. Whoever made the run keeps its guard.
    pub fn new(recorder: Recorder<BenchJob>) -> Self {
        Self {
            recorder,
            open: HashMap::new(),
            flushed: Instant::now(),
        }
    }

    fn transcript_of(&mut self, trial: &TrialId) -> Result<&mut ItemLog, JournalError> {
        let logs = self.open.entry(trial.clone()).or_default();
        match logs.transcript {
            Some(ref mut log) => Ok(log),
            ref mut none => Ok(none.insert(
                self.recorder
                    .item_log(&item_id(trial)?)
                    .map_err(JournalError::new)?,
            )),
        }
    }
}

/// A trial's name in the store.
pub fn item_id(trial: &TrialId) -> Result<ItemId, JournalError> {
    trial.as_str().parse().map_err(JournalError::new)
}

fn file_ref(item: ItemRef) -> FileRef {
    FileRef {
        len: item.len,
        sha256: item.sha256,
    }
}

/// Makes the files of one trial durable.
fn sync_trial(
    recorder: &Recorder<BenchJob>,
    record: &TrialRecord,
    logs: &mut TrialLogs,
) -> Result<TrialFiles, JournalError> {
    let transcript = match &mut logs.transcript {
        Some(log) => file_ref(log.sync().map_err(JournalError::new)?),
        None => FileRef::default(),
    };
    let item = recorder
        .put_item(&item_id(&record.trial)?, record)
        .map_err(JournalError::new)?;
    Ok(TrialFiles {
        record: file_ref(item),
        transcript,
    })
}

impl Journal for StoreJournal {
    fn transcript(&mut self, trial: &TrialId, lines: &[u8]) -> Result<(), JournalError> {
        let log = self.transcript_of(trial)?;
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let line: &RawValue = serde_json::from_slice(line).map_err(JournalError::new)?;
            log.append(line).map_err(JournalError::new)?;
        }
        Ok(())
    }

    fn keep_transcript(&mut self, trial: &TrialId) -> Result<(), JournalError> {
        self.transcript_of(trial)?.flush().map_err(JournalError::new)
    }

    fn log(&mut self, trial: &TrialId, text: &str) -> Result<(), JournalError> {
        let logs = self.open.entry(trial.clone()).or_default();
        let log = match logs.log {
            Some(ref mut log) => log,
            ref mut none => none.insert(
                self.recorder
                    .text_log(&item_id(trial)?)
                    .map_err(JournalError::new)?,
            ),
        };
        log.write_all(text.as_bytes()).map_err(JournalError::new)
    }

    fn evidence(&mut self, trial: &TrialId, record: &[u8]) -> Result<(), JournalError> {
        // Not kept open: it may come after the trial's end.
        let file = self.recorder.item_file(&item_id(trial)?, evidence::SUFFIX);
        let appended = file.and_then(|mut file| file.append(record));
        appended.map_err(JournalError::new)
    }

    fn finish_trial(&mut self, trial: &TrialId) -> Result<SyncTrial, JournalError> {
        self.transcript_of(trial)?; // one that said nothing has an empty transcript
        let mut logs = self.open.remove(trial).unwrap_or_default();
        let recorder = self.recorder.clone();
        Ok(Box::new(move |record| sync_trial(&recorder, record, &mut logs)))
    }

    fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
        // Readers take what a transcript gets after a wait was told for its end: what was said before has to be there.
        for (event, _) in events {
            if let Event::TrialWaiting { trial, .. } = event
                && let Some(logs) = self.open.get_mut(trial)
                && let Some(transcript) = &mut logs.transcript
            {
                transcript.flush().map_err(JournalError::new)?;
            }
        }
        self.recorder.record_batch(events).map_err(JournalError::new)
    }

    fn tick(&mut self, now: DateTime<Utc>) -> Result<(), JournalError> {
        if self.flushed.elapsed() >= FLUSH_EVERY {
            for logs in self.open.values_mut() {
                if let Some(transcript) = &mut logs.transcript {
                    transcript.flush().map_err(JournalError::new)?;
                }
            }
            self.flushed = Instant::now();
        }
        self.recorder
            .snapshot_if_due(now)
            .map(drop)
            .map_err(JournalError::new)
    }
}
