//! What is known of one run, as a value: made by a thread, drawn by the screen.

use std::collections::HashMap;
use std::sync::Arc;

use bench_core::event::{Event, TrialFinished};
use bench_core::session::{Session, Totals};
use bench_core::statistics::{self, Mean};
use bench_core::{Outcome, Plan, TrialId, Usd};
use bench_report::causes::{self, CauseCount};
use bench_report::text::clean_line;
use chrono::{DateTime, Utc};

use crate::dashboard::home::row::{Row, Waiting};
use crate::dashboard::look::Sign;

/// The matrix of a run: scenario × model × repetition. Does not change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) scenarios: Vec<String>,
    pub(crate) models: Vec<String>,
    pub(crate) runs: usize,
    /// A trial for each place, scenario by scenario, in it model by model; none where the run has no such trial.
    trials: Vec<Option<TrialId>>,
    index: HashMap<TrialId, usize>,
}

impl Grid {
    /// The matrix of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        let (models, runs) = (plan.models.len(), plan.runs as usize);
        let mut trials = vec![None; plan.scenarios.len() * models * runs];
        let mut index = HashMap::new();
        for trial in plan.trials() {
            let at = (trial.scenario * models + trial.model) * runs + trial.repetition as usize - 1;
            if let Some(place) = trials.get_mut(at) {
                *place = Some(trial.id.clone());
                index.insert(trial.id, at);
            }
        }
        Self {
            scenarios: plan
                .scenarios
                .iter()
                .map(|s| clean_line(&s.scenario_id))
                .collect(),
            models: plan
                .models
                .iter()
                .map(|m| clean_line(&m.model.to_string()))
                .collect(),
            runs,
            trials,
            index,
        }
    }

    /// The place of a scenario, a model and a repetition from 0.
    pub(crate) fn at(&self, scenario: usize, model: usize, repetition: usize) -> usize {
        (scenario * self.models.len() + model) * self.runs + repetition
    }

    /// The trial of a place.
    pub(crate) fn trial(&self, at: usize) -> Option<&TrialId> {
        self.trials.get(at)?.as_ref()
    }

    /// The place of a trial.
    pub(crate) fn place(&self, trial: &TrialId) -> Option<usize> {
        self.index.get(trial).copied()
    }

    /// Places.
    pub(crate) fn len(&self) -> usize {
        self.trials.len()
    }
}

/// Where the trials of a run stand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Places {
    pub(crate) grid: Arc<Grid>,
    signs: Vec<Sign>,
    ends: HashMap<usize, Arc<TrialFinished>>,
}

impl Places {
    /// Before anything has happened.
    pub(crate) fn new(grid: Grid) -> Self {
        Self {
            signs: vec![Sign::Pending; grid.len()],
            ends: HashMap::new(),
            grid: Arc::new(grid),
        }
    }

    /// Takes in an event.
    pub(crate) fn event(&mut self, event: &Event) {
        if let Event::RunStarted { .. } = event {
            return self.begin_again();
        }
        let Some(at) = event.trial().and_then(|trial| self.grid.place(trial)) else {
            return;
        };
        let sign = match event {
            Event::TrialStarted { .. } | Event::TrialRetried { .. } => Sign::Running,
            Event::TrialInterrupted(_) => Sign::Pending,
            Event::TrialFinished(end) => {
                self.ends.insert(at, Arc::new(end.clone()));
                sign_of(end.outcome)
            }
            _ => return,
        };
        if let Some(place) = self.signs.get_mut(at) {
            *place = sign;
        }
    }

    /// What has no verdict is tried again.
    fn begin_again(&mut self) {
        self.ends.retain(|_, end| end.outcome.is_verdict());
        for (at, sign) in self.signs.iter_mut().enumerate() {
            *sign = self
                .ends
                .get(&at)
                .map_or(Sign::Pending, |end| sign_of(end.outcome));
        }
    }

    /// How a trial stands.
    pub(crate) fn sign(&self, at: usize) -> Sign {
        self.signs.get(at).copied().unwrap_or(Sign::Pending)
    }

    /// How a trial ended.
    pub(crate) fn end(&self, at: usize) -> Option<&TrialFinished> {
        self.ends.get(&at).map(Arc::as_ref)
    }

    /// Why trials have no verdict, most frequent first.
    pub(crate) fn causes(&self) -> Vec<CauseCount> {
        let mut ends: Vec<_> = self.ends.iter().collect();
        ends.sort_unstable_by_key(|(at, _)| **at);
        causes::group(ends.into_iter().map(|(_, end)| end.as_ref()))
    }

    /// The run is over: what has not ended is not under way any more.
    pub(crate) fn over(&mut self) {
        for sign in self.signs.iter_mut().filter(|sign| **sign == Sign::Running) {
            *sign = Sign::Pending;
        }
    }
}

/// The sign of an outcome.
pub(crate) fn sign_of(outcome: Outcome) -> Sign {
    match outcome {
        Outcome::Passed => Sign::Passed,
        Outcome::Failed => Sign::Failed,
        Outcome::Limit => Sign::Limit,
        Outcome::Errored => Sign::Errored,
        Outcome::Cancelled => Sign::Cancelled,
        _ => Sign::Unscored,
    }
}

/// A trial under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnderWay {
    pub(crate) trial: TrialId,
    /// Where it stands in the grid.
    pub(crate) at: Option<usize>,
    pub(crate) wait: Option<Waiting>,
}

impl UnderWay {
    /// The trial, and what it waits for.
    pub(crate) fn words(&self, now: DateTime<Utc>) -> String {
        match &self.wait {
            Some(wait) => format!("{}  {}", self.trial, wait.words_alone(now)),
            None => format!("{}  at work", self.trial),
        }
    }

    /// Whether nobody works for it.
    pub(crate) fn is_idle(&self) -> bool {
        self.wait.as_ref().is_some_and(|waiting| waiting.wait.idle)
    }
}

/// Where one trial stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    pub(crate) sign: Sign,
    pub(crate) end: Option<Arc<TrialFinished>>,
    /// What it waits for.
    pub(crate) wait: Option<Waiting>,
}

impl Default for Standing {
    /// It has not begun.
    fn default() -> Self {
        Self {
            sign: Sign::Pending,
            end: None,
            wait: None,
        }
    }
}

/// Everything the screen shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    /// What the list shows of the run.
    pub(crate) row: Row,
    pub(crate) places: Places,
    /// One row per model.
    pub(crate) models: Vec<ModelRow>,
    /// Trials under way, the one that waits longest first.
    pub(crate) under_way: Vec<UnderWay>,
    /// Trials at work, and trials that wait for their turn.
    pub(crate) busy_and_idle: (usize, usize),
    /// Trials that may be at work at once.
    pub(crate) slots: usize,
    pub(crate) causes: Vec<CauseCount>,
    /// Requests in a minute to providers that have refused some.
    pub(crate) paces: Vec<(String, f64)>,
    pub(crate) cost: Option<String>,
    pub(crate) budget: Option<Usd>,
}

impl Picture {
    /// How a trial stands: one that only waits for its turn has a sign of its own.
    pub(crate) fn sign(&self, at: usize) -> Sign {
        let waits = |trial: &UnderWay| trial.at == Some(at) && trial.is_idle();
        match self.places.sign(at) {
            Sign::Running if self.under_way.iter().any(waits) => Sign::Waiting,
            sign => sign,
        }
    }

    /// Where a trial stands.
    pub(crate) fn standing(&self, trial: &TrialId) -> Standing {
        let Some(at) = self.places.grid.place(trial) else {
            return Standing::default();
        };
        let under_way = self.under_way.iter().find(|other| other.trial == *trial);
        Standing {
            sign: self.sign(at),
            end: self.places.ends.get(&at).cloned(),
            wait: under_way.and_then(|trial| trial.wait.clone()),
        }
    }
}

/// What a model achieved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelRow {
    pub(crate) totals: Totals,
    /// How often it passes, and the interval of that, with scenarios as clusters; none without a trial that counts.
    pub(crate) rate: Option<Mean>,
}

/// One row per model.
pub(crate) fn model_rows(session: &Session) -> Vec<ModelRow> {
    let rows = session.models.iter().map(|totals| ModelRow {
        rate: statistics::mean(&statistics::model::tallies(session, &totals.model)),
        totals: Totals {
            model: clean_line(&totals.model),
            ..totals.clone()
        },
    });
    rows.collect()
}
