//! A run that is over, as a recording: which of its trials can be played again, and what was said in them.
//!
//! What plays it is `replay`, in [`crate::model`]. A repetition plays the recorded one of its number, or else
//! those that are there in turn: a recording of chosen trials may have only the third. More repetitions than were recorded are
//! told as a problem ([`Recording::copies`]), because copies of a trial tell nothing.

mod asked;

use std::collections::BTreeMap;
use std::path::Path;

use bench_core::event::TrialFinished;
use bench_core::plan::PlannedScenario;
use bench_core::record::FileRef;
use bench_core::transcript::{Entry, Line};
use bench_core::{Outcome, Place, Plan, Problem, TrialRecord, Usage};
use bench_state::{Depth, ItemRef, RunId, RunStore, RunView, StateError};
use chrono::Utc;
use thiserror::Error;

use crate::earlier::Earlier;
use crate::job::{BenchJob, item_id};
use crate::model::{AssistantTurn, Raw, RecordedAnswer};

/// Why a run cannot be played again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It cannot be read, or there is none.
    #[error("cannot play the run `{run}`")]
    Read {
        /// As it was named.
        run: String,
        /// What is wrong with it.
        source: Box<StateError>,
    },
    /// Its worker is at it.
    #[error("the run `{run}` is still running: only one that is over can be played")]
    NotOver {
        /// The run.
        run: RunId,
    },
    /// It has no trial of that model.
    #[error("the run `{run}` has nothing of a model `{model}` to play; it has `{}`", models.join("`, `"))]
    NoModel {
        /// The run.
        run: RunId,
        /// The model that was asked for.
        model: String,
        /// Those that it has.
        models: Vec<String>,
    },
    /// No trial of it was ever begun.
    #[error("nothing was said in the run `{run}`: there is nothing to play")]
    Empty {
        /// The run.
        run: RunId,
    },
}

/// A run that is over.
pub struct Recording {
    view: RunView<BenchJob>,
    plan: Plan,
    /// Trials in which something was said, by model, scenario and repetition.
    trials: BTreeMap<(String, String, u32), TrialFinished>,
}

impl Recording {
    /// Opens a run by its id, by a prefix that fits no other, or as `latest`. Changes nothing. Blocking.
    ///
    /// # Errors
    /// If there is no such run in the folder of results, if it is not over, or if nothing was said in it.
    pub fn open(results: &Path, run: &str) -> Result<Self, RecordingError> {
        let read = |source| RecordingError::Read {
            run: run.to_owned(),
            source: Box::new(source),
        };
        let store = RunStore::<BenchJob>::open(results).map_err(read)?;
        let id = store.resolve(run).map_err(read)?;
        let view = store.read_without_settling(&id, Utc::now()).map_err(read)?;
        if !view.summary().state.status.is_over() {
            return Err(RecordingError::NotOver { run: id });
        }
        let plan = view.plan().map_err(read)?;
        let events = view
            .events()
            .map_err(read)?
            .map(|line| line.map(|line| line.event));
        let earlier = Earlier::of(events.collect::<Result<Vec<_>, _>>().map_err(read)?);
        let trials: BTreeMap<_, _> = earlier
            .finished()
            .filter(|end| was_tried(end))
            .map(|end| {
                (
                    (end.model.clone(), end.scenario_id.clone(), end.repetition),
                    end.clone(),
                )
            })
            .collect();
        if trials.is_empty() {
            return Err(RecordingError::Empty { run: id });
        }
        Ok(Self { view, plan, trials })
    }

    /// The run's name.
    pub fn run(&self) -> &RunId {
        self.view.id()
    }

    /// What was run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The models with a trial to play, as `provider:name`, in the order of its plan.
    pub fn models(&self) -> Vec<String> {
        let names = self.plan.models.iter().map(|spec| spec.model.to_string());
        names
            .filter(|name| self.trials.keys().any(|(model, _, _)| model == name))
            .collect()
    }

    /// Refuses a model without a trial to play.
    pub fn check_model(&self, model: &str) -> Result<(), RecordingError> {
        let models = self.models();
        if models.iter().any(|known| known == model) {
            return Ok(());
        }
        Err(RecordingError::NoModel {
            run: self.run().clone(),
            model: model.to_owned(),
            models,
        })
    }

    /// A problem for each scenario in which a model was never recorded.
    pub fn lacks(&self, model: &str, scenarios: &[PlannedScenario]) -> Vec<Problem> {
        let lacking = scenarios
            .iter()
            .filter(|scenario| self.trial(model, &scenario.scenario_id, 1).is_none());
        let problem = |scenario: &PlannedScenario| {
            let message = format!("run `{}` has no trial of it with `{model}` to play", self.run());
            let hint = "leave it out with --scenario, --tag or --limit, or play a run that has it";
            Problem::error(scenario.place(), message).hint(hint)
        };
        lacking.map(problem).collect()
    }

    /// A problem where more repetitions are asked for than were recorded: the rest would be copies, which tell nothing and
    /// look like certainty. Scenarios without any are those that it [lacks](Self::lacks).
    pub fn copies(&self, model: &str, scenarios: &[PlannedScenario], runs: u32) -> Option<Problem> {
        let recorded = |scenario: &&PlannedScenario| {
            let key = |repetition| (model.to_owned(), scenario.scenario_id.clone(), repetition);
            self.trials.range(key(0)..=key(u32::MAX)).count()
        };
        let there = scenarios.iter().filter(|scenario| recorded(scenario) > 0);
        let fewest = there.min_by_key(recorded)?;
        let n = recorded(&fewest);
        (u32::try_from(n).unwrap_or(u32::MAX) < runs).then(|| {
            let (run, id) = (self.run(), &fewest.scenario_id);
            let plural = if n == 1 { "" } else { "s" };
            let message = format!(
                "run `{run}` has {n} repetition{plural} of `{id}` with `{model}`, and {runs} are asked for: more would be \
                 copies, and no repetitions"
            );
            let hint = format!("`--runs {n}` plays what was recorded; more repetitions need a run with the model itself");
            Problem::error(Place::default(), message).hint(hint)
        })
    }

    /// The trial that a repetition plays: the recorded one of its number, else the recorded ones in turn.
    pub(crate) fn trial(&self, model: &str, scenario: &str, repetition: u32) -> Option<&TrialFinished> {
        let key = |repetition| (model.to_owned(), scenario.to_owned(), repetition);
        if let Some(same) = self.trials.get(&key(repetition)) {
            return Some(same);
        }
        let all: Vec<_> = self
            .trials
            .range(key(0)..=key(u32::MAX))
            .map(|(_, end)| end)
            .collect();
        let place = usize::try_from(repetition)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        all.get(place.checked_rem(all.len())?).copied()
    }

    /// How this very trial ended, as the journal says; none if nothing was said in it.
    pub fn ended(&self, model: &str, scenario: &str, repetition: u32) -> Option<&TrialFinished> {
        let key = (model.to_owned(), scenario.to_owned(), repetition);
        self.trials.get(&key)
    }

    /// The record of a trial, as the run wrote it. Blocking.
    ///
    /// # Errors
    /// Why there is none to rely on, for people: it was changed or is gone.
    pub fn record(&self, trial: &TrialFinished) -> Result<TrialRecord, String> {
        trial_record(&self.view, trial)
    }

    /// What was said in a trial. Blocking.
    ///
    /// # Errors
    /// Why it cannot be played, for people.
    pub(crate) fn tape(&self, trial: &TrialFinished) -> Result<Tape, String> {
        let id = item_id(&trial.trial).map_err(|error| error.to_string())?;
        let said = |error: StateError| error.to_string();
        if let Some(written) = written(&trial.transcript)
            && let Some(altered) = self
                .view
                .altered_item_log(&id, &written, Depth::Content)
                .map_err(said)?
        {
            return Err(altered.to_string());
        }
        let lines = self.view.item_log::<Line>(&id).map_err(said)?;
        let lines = lines.ok_or_else(|| format!("the transcript of trial `{id}` is gone"))?;
        let mut tape = Tape::of(lines.map(|line| line.map(|line| line.entry))).map_err(said)?;
        tape.trial = trial.trial.to_string();
        tape.cause.clone_from(&trial.cause);
        tape.outcome = Some(trial.outcome);
        Ok(tape)
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("run", self.run())
            .finish_non_exhaustive()
    }
}

/// The record of a trial, as the run wrote it. Blocking.
///
/// # Errors
/// Why there is none to rely on, for people: it was changed or is gone.
pub fn trial_record(view: &RunView<BenchJob>, trial: &TrialFinished) -> Result<TrialRecord, String> {
    let id = item_id(&trial.trial).map_err(|error| error.to_string())?;
    let said = |error: StateError| error.to_string();
    if let Some(written) = written(&trial.record)
        && let Some(altered) = view.altered_item(&id, &written, Depth::Content).map_err(said)?
    {
        return Err(altered.to_string());
    }
    let record = view.item(&id).map_err(said)?;
    record.ok_or_else(|| format!("there is no record of trial `{id}`"))
}

/// Whether anything happened in a trial that can happen again.
fn was_tried(end: &TrialFinished) -> bool {
    end.outcome != Outcome::Cancelled && (end.turns > 0 || end.outcome.is_verdict())
}

/// What the journal says of a file; none if there was no such file.
fn written(file: &FileRef) -> Option<ItemRef> {
    (!file.sha256.is_empty()).then(|| ItemRef {
        sha256: file.sha256.clone(),
        len: file.len,
    })
}

/// What was said in the attempt at a trial that counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tape {
    /// Its id, for people.
    pub(crate) trial: String,
    pub(crate) prompts: Vec<String>,
    pub(crate) replies: Vec<Reply>,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) cause: Option<String>,
}

/// One model reply, and what its calls were answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) turn: AssistantTurn,
    pub(crate) stop_reason: String,
    pub(crate) usage: Usage,
    pub(crate) answers: Vec<RecordedAnswer>,
}

impl Tape {
    /// Sorts the entries of a transcript. What stands before the last attempt counts no more.
    fn of<E>(entries: impl IntoIterator<Item = Result<Entry, E>>) -> Result<Self, E> {
        let mut tape = Self::default();
        for entry in entries {
            match entry? {
                Entry::Attempt { .. } => tape = Self::default(),
                Entry::User { text, .. } => tape.prompts.push(text),
                Entry::Assistant {
                    text,
                    reasoning,
                    tool_calls,
                    stop_reason,
                    usage,
                    raw,
                    ..
                } => tape.replies.push(Reply {
                    turn: AssistantTurn {
                        text,
                        reasoning,
                        tool_calls,
                        raw: Raw::rewritten(&raw),
                    },
                    stop_reason,
                    usage,
                    answers: Vec::new(),
                }),
                Entry::ToolResult {
                    is_error,
                    text,
                    structured,
                    ..
                } => {
                    let answer = RecordedAnswer {
                        is_error,
                        text,
                        structured,
                    };
                    tape.replies
                        .last_mut()
                        .into_iter()
                        .for_each(|reply| reply.answers.push(answer.clone()));
                }
                _ => {}
            }
        }
        Ok(tape)
    }
}
