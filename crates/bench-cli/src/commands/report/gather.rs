//! What a report says of a run, read from its folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use bench_core::event::{Event, TrialFinished};
use bench_core::transcript::Line;
use bench_core::{Plan, TrialId, TrialRecord};
use bench_report::report::build::{self, Sources};
use bench_report::report::{Changed, Ended, Files, Lines, Report, Run, talk};
use bench_runner::{BenchJob, item_id};
use bench_state::{Depth, RunView};
use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use crate::commands::evidence::{self, in_words};
use crate::commands::{list, page};
use crate::error::CliError;
use crate::several;
use crate::worlds;

/// Bytes of the longest transcript that is read ahead.
const LONGEST_AHEAD: u64 = 1_000_000;

/// A report, and the files that it is written from.
pub(super) struct Gathered {
    pub(super) report: Arc<Report>,
    pub(super) files: Arc<RunFiles>,
}

impl Gathered {
    /// The run's id.
    pub(super) fn run_id(&self) -> &str {
        &self.report.run.run_id
    }

    /// The run is not over.
    pub(super) fn is_partial(&self) -> bool {
        self.report.run.partial
    }
}

/// Reads the run.
pub(super) fn gather(view: RunView<BenchJob>, now: DateTime<Utc>) -> Result<Gathered, CliError> {
    let session = view.session()?;
    let mut problems: Vec<String> = view.problems().iter().map(in_words).collect();
    // The results can be told without it.
    let plan = view.plan().map_err(|error| problems.push(in_words(&error))).ok();
    let (mut last, mut starts) = (BTreeMap::new(), Vec::new());
    let (mut holds, mut changes) = (plan.clone(), Vec::new());
    for recorded in view.events()? {
        let recorded = recorded?;
        match recorded.event {
            Event::TrialFinished(end) => {
                let at = recorded.at;
                last.insert(end.trial.clone(), Ended { at, end });
            }
            Event::RunStarted { .. } => {
                starts.push(recorded.at);
                // What has no verdict is tried again from here on.
                last.retain(|_, ended: &mut Ended| ended.end.outcome.is_verdict());
            }
            Event::PlanChanged(said) => {
                let Some(plan) = &mut holds else { continue };
                let (at, words) = (recorded.at, said.in_words(plan));
                changes.push(Changed { at, changes: words });
                said.apply(plan);
            }
            _ => {}
        }
    }
    let ends: Vec<&TrialFinished> = last.values().map(|ended| &ended.end).collect();
    // Verdicts are told from the record, which is in memory from here on; of transcripts only some are shown.
    let depth = (Depth::Content, Depth::Length);
    problems.extend(evidence::problems_of_all(&view, &ends, depth)?);
    let sources = Sources {
        made_by: format!("bench-cli {}", env!("CARGO_PKG_VERSION")),
        made_at: now,
        run: Run {
            changes,
            ..run(&view, plan.as_ref(), starts, &session)
        },
        session: &session,
        plan: plan.as_ref(),
        trials: last.into_values().collect(),
        problems,
    };
    let files = Arc::new(RunFiles(view));
    let report = Arc::new(build::report(sources, &*files));
    Ok(Gathered { report, files })
}

fn run(
    view: &RunView<BenchJob>,
    plan: Option<&Plan>,
    starts: Vec<DateTime<Utc>>,
    session: &bench_core::Session,
) -> Run {
    let summary = view.summary();
    let state = &summary.state;
    Run {
        run_id: state.id.to_string(),
        harness_name: session.harness_name.clone(),
        label: session.label.clone(),
        status: list::row(summary).status,
        partial: !state.status.is_over(),
        error: page::error(&state.status),
        started_at: state.started_at,
        completed_at: state.status.completed_at(),
        starts,
        changes: Vec::new(),
        retry: list::retry(summary, plan),
        repetitions: session.runs,
        trials_total: state.progress.trials_total,
        outcomes: state.progress.outcomes,
        cost: session.cost(),
        gyms: plan.map(worlds::lines).unwrap_or_default(),
        sources: plan.map(harness_files).unwrap_or_default(),
        folder: view.dir().display().to_string(),
    }
}

/// `examples/quickstart/a.json (SHA-256 0123456789ab…)`, as seen from the folder of the launch.
fn harness_files(plan: &Plan) -> Vec<String> {
    let file = |source: &bench_core::harness::SourceRef| {
        let inside = source.path.strip_prefix(&plan.launch_dir);
        let path = inside.map_or(source.path.as_str(), |path| path.trim_start_matches('/'));
        let hash: String = source.sha256.chars().take(12).collect();
        format!("{path} (SHA-256 {hash}…)")
    };
    plan.sources.iter().map(file).collect()
}

/// The files of a run's trials.
pub(super) struct RunFiles(RunView<BenchJob>);

impl RunFiles {
    /// Has the transcripts that a page folds in brought into memory, which reads them one after the other. What cannot be
    /// read is told there.
    pub(super) fn read_ahead(&self, report: &Report) {
        let chosen = talk::chosen(&report.trials, talk::ROOM);
        let trials = report.trials.iter().zip(chosen);
        // Of longer ones a page has the beginning only.
        let whole = trials.filter(|(trial, chosen)| *chosen && trial.transcript_bytes <= LONGEST_AHEAD);
        let trials: Vec<&TrialId> = whole.map(|(trial, _)| &trial.trial).collect();
        several::each(&trials, |trial| {
            let lines = item_id(trial)
                .ok()
                .and_then(|id| self.0.item_log::<IgnoredAny>(&id).ok()?);
            lines.into_iter().flatten().count()
        });
    }
}

impl Files for RunFiles {
    fn record(&self, trial: &TrialId) -> Result<Option<TrialRecord>, String> {
        let id = item_id(trial).map_err(|error| error.to_string())?;
        self.0.item(&id).map_err(|error| in_words(&error))
    }

    fn transcript(&self, trial: &TrialId) -> Result<Option<Lines>, String> {
        let id = item_id(trial).map_err(|error| error.to_string())?;
        let lines = self.0.item_log::<Line>(&id).map_err(|error| in_words(&error))?;
        let words = |line: Result<Line, _>| line.map_err(|error| in_words(&error));
        Ok(lines.map(|lines| Box::new(lines.map(words)) as Lines))
    }

    fn transcript_path(&self, trial: &TrialId) -> String {
        format!("trials/{trial}.jsonl")
    }
}
