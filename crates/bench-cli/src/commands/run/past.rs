//! What trials of earlier runs needed: read from the results folder for an estimate.
//!
//! Reading ends soon, however many runs there are: with the newest [`MOST_RUNS`], with enough trials of every scenario and
//! model of the plan, or when [`LONGEST`] is over. Nothing on the disk is changed.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bench_core::estimate::{PastJudging, PastTrial};
use bench_core::event::TrialFinished;
use bench_core::plan::PlannedScenario;
use bench_core::{Event, ModelRef, ModelSpec, Plan};
use bench_runner::{BenchJob, item_id};
use bench_state::{RunStore, RunView, StateError};
use serde::Serialize;

use crate::context::Context;

/// Of so many runs the results are looked at: the newest.
const MOST_RUNS: usize = 1000;
/// No older runs are read once each scenario has so many trials with each model.
const ENOUGH: usize = 50;
/// No further run is read after this time.
const LONGEST: Duration = Duration::from_millis(1500);

const TOOK_LONG: &str = "reading took long";

/// What was found.
#[derive(Default)]
pub(super) struct Past {
    /// Newest runs first.
    pub(super) trials: Vec<PastTrial>,
    pub(super) read: Read,
}

/// How far was read.
#[derive(Default, Serialize)]
pub(super) struct Read {
    /// Runs that were looked at, newest first.
    pub(super) runs: usize,
    /// Older runs.
    pub(super) older_runs: usize,
    /// Why none of those was, if there are any.
    pub(super) ended_by: Option<&'static str>,
    /// Runs that could not be read.
    pub(super) unreadable_runs: usize,
}

/// Reads what was needed by trials that say something of this plan.
pub(super) fn read(plan: &Plan, cx: &Context) -> Result<Past, StateError> {
    let began = Instant::now();
    let store = RunStore::<BenchJob>::open(cx.results_dir())?;
    let listing = store.list_without_settling(Some(MOST_RUNS), cx.now)?;
    let wanted = Wanted::of(plan);
    let (mut past, mut open) = (Past::default(), wanted.open(plan));
    past.read.unreadable_runs = listing.problems.len();
    past.read.older_runs = listing.not_shown;
    if listing.not_shown > 0 {
        past.read.ended_by = Some("only the newest are read");
    }
    let all = listing.runs.len();
    for (index, run) in listing.runs.iter().enumerate() {
        let late = began.elapsed() > LONGEST;
        if late || open.is_empty() {
            past.read.older_runs += all - index;
            past.read.ended_by = Some(if late { TOOK_LONG } else { "these are enough" });
            break;
        }
        past.read.runs += 1;
        let id = &run.state.id;
        let trials = store
            .read_without_settling(id, cx.now)
            .and_then(|view| trials(&view, &wanted, began));
        match trials {
            Ok(trials) => {
                for trial in &trials {
                    count(&mut open, trial);
                }
                past.trials.extend(trials);
            }
            Err(error) => {
                tracing::debug!(%error, run = %id, "not used for the estimate");
                past.read.unreadable_runs += 1;
            }
        }
    }
    if began.elapsed() > LONGEST {
        past.read.ended_by = Some(TOOK_LONG); // the last one may not have been read to its end
    }
    Ok(past)
}

/// Scenarios and models that say something of the plan.
struct Wanted<'p> {
    judge: Option<&'p ModelSpec>,
    specs: &'p [ModelSpec],
    models: Vec<String>,
    scenarios: Vec<String>,
}

/// How many trials each scenario and model still lacks.
type Open = BTreeMap<(String, String, String), usize>;

impl<'p> Wanted<'p> {
    fn of(plan: &'p Plan) -> Self {
        let scenarios = plan.scenarios.iter().map(|s| s.scenario_id.clone());
        Self {
            judge: plan.judge.as_ref(),
            specs: &plan.models,
            models: plan.models.iter().map(|spec| spec.model.to_string()).collect(),
            scenarios: scenarios.collect(),
        }
    }

    fn open(&self, plan: &Plan) -> Open {
        let cells = plan.scenarios.iter().flat_map(|scenario| {
            let key = |model: &String| {
                let (id, sha) = (&scenario.scenario_id, &scenario.origin.sha256);
                ((id.clone(), sha.clone(), model.clone()), ENOUGH)
            };
            self.models.iter().map(key)
        });
        cells.collect()
    }

    fn takes(&self, scenario: &str, model: &str) -> bool {
        self.models.iter().any(|wanted| wanted == model)
            || (!is_local(model) && self.scenarios.iter().any(|wanted| wanted == scenario))
    }

    /// Those models of an earlier plan that bear a wanted name, but were asked in another way or elsewhere.
    fn asked_otherwise(&self, then: &Plan) -> Vec<String> {
        let differs = |was: &&ModelSpec| {
            let same_name = self.specs.iter().find(|now| now.model == was.model);
            same_name.is_some_and(|now| !asked_alike(now, was))
        };
        let models = then.models.iter().filter(differs);
        models.map(|spec| spec.model.to_string()).collect()
    }
}

/// Whether two of one name are asked in the same way and in the same place.
fn asked_alike(one: &ModelSpec, other: &ModelSpec) -> bool {
    (&one.settings, &one.base_url) == (&other.settings, &other.base_url)
}

fn count(open: &mut Open, trial: &PastTrial) {
    let key = (
        trial.scenario_id.clone(),
        trial.sha256.clone(),
        trial.model.clone(),
    );
    if let Some(lacking) = open.get_mut(&key) {
        *lacking -= 1;
        if *lacking == 0 {
            open.remove(&key);
        }
    }
}

/// The trials of a run that say something. Its plan and its journal are read only if there are any.
fn trials(
    view: &RunView<BenchJob>,
    wanted: &Wanted<'_>,
    began: Instant,
) -> Result<Vec<PastTrial>, StateError> {
    let session = view.session()?;
    let mut cells = session.cells.iter();
    if !cells.any(|cell| cell.totals.turns > 0 && wanted.takes(&cell.scenario_id, &cell.totals.model)) {
        return Ok(Vec::new());
    }
    let plan = view.plan()?;
    let scenarios: HashMap<&str, &PlannedScenario> = plan
        .scenarios
        .iter()
        .map(|scenario| (scenario.scenario_id.as_str(), scenario))
        .collect();
    let same = |then: &&ModelSpec| {
        let now = wanted.judge;
        now.is_some_and(|now| now.model == then.model && asked_alike(now, then))
    };
    let same_judge = plan
        .judge
        .as_ref()
        .filter(same)
        .map(|judge| judge.model.to_string());
    let asked_otherwise = wanted.asked_otherwise(&plan);
    let mut trials = Vec::new();
    for recorded in view.events()? {
        if began.elapsed() > LONGEST {
            break;
        }
        let Event::TrialFinished(finished) = recorded?.event else {
            continue;
        };
        // Errored and cancelled ones did not need what they would have.
        let came_to_its_end = finished.outcome.is_verdict() && finished.turns > 0;
        if came_to_its_end && wanted.takes(&finished.scenario_id, &finished.model) {
            let scenario = scenarios.get(finished.scenario_id.as_str());
            let sha256 = scenario.map_or("", |scenario| &scenario.origin.sha256);
            let judge = same_judge
                .as_ref()
                .filter(|_| scenario.is_some_and(|s| s.asks_judge()));
            let judged = judge.and_then(|judge| judged(view, &finished, judge));
            let mut trial = past(view, finished, sha256, judged);
            if asked_otherwise.contains(&trial.model) {
                trial.model += " asked otherwise"; // another model, as far as its needs go
            }
            trials.push(trial);
        }
    }
    Ok(trials)
}

/// What judging a trial needed; none if its record is gone. The journal does not tell a judge's replies.
fn judged(view: &RunView<BenchJob>, finished: &TrialFinished, judge: &str) -> Option<PastJudging> {
    let record = view.item(&item_id(&finished.trial).ok()?).ok()??;
    let mut judging = PastJudging {
        judge: judge.to_owned(),
        ..PastJudging::default()
    };
    for said in record
        .verdicts
        .iter()
        .filter_map(|verdict| verdict.judge.as_ref())
    {
        judging.calls = judging.calls.saturating_add(said.replies);
        judging.usage += said.usage;
    }
    Some(judging)
}

fn past(
    view: &RunView<BenchJob>,
    finished: TrialFinished,
    sha256: &str,
    judged: Option<PastJudging>,
) -> PastTrial {
    PastTrial {
        run: view.id().to_string(),
        local: is_local(&finished.model),
        scenario_id: finished.scenario_id,
        sha256: sha256.to_owned(),
        model: finished.model,
        calls: finished.turns,
        usage: finished.usage,
        judged,
    }
}

fn is_local(model: &str) -> bool {
    model
        .parse::<ModelRef>()
        .is_ok_and(|model| model.provider.is_local())
}
