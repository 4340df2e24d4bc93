//! The values of a report, from what is known of a run.

use std::collections::BTreeMap;

use bench_core::session::{self, Row};
use bench_core::statistics;
use bench_core::steps::{Timeline, Track};
use bench_core::{Outcome, Plan, Session, TrialId, TrialRecord, VerdictStatus};
use chrono::{DateTime, Utc};

use super::{Cell, Check, Ended, FORMAT, Files, Model, Report, Run, Scenario, Steps, Trial, Verdict};
use crate::{causes, scenarios, steps, summary, text};

/// Longest value of a verdict, in characters.
const LONGEST: usize = 1_000;
/// Problems that are told; the others are counted.
const MOST_PROBLEMS: usize = 50;

/// What a report is made of.
pub struct Sources<'a> {
    /// The program that makes it, with its version.
    pub made_by: String,
    /// When it is made.
    pub made_at: DateTime<Utc>,
    /// The run itself.
    pub run: Run,
    /// Totals per model, and per scenario and model.
    pub session: &'a Session,
    /// The plan, if it can be read: it knows the order of trials and the names of scenarios.
    pub plan: Option<&'a Plan>,
    /// The last end of each trial.
    pub trials: Vec<Ended>,
    /// What is wrong with the run's files.
    pub problems: Vec<String>,
}

/// Reads the record of each trial and puts everything together.
pub fn report(sources: Sources<'_>, files: &dyn Files) -> Report {
    let Sources {
        session,
        plan,
        mut problems,
        ..
    } = sources;
    let mut ended = sources.trials;
    in_order(&mut ended, plan);
    let causes = causes::group(ended.iter().map(|ended| &ended.end));
    let trials: Vec<Trial> = ended
        .into_iter()
        .map(|ended| trial(ended, files, &mut problems))
        .collect();
    if let Some(hidden @ 1..) = problems.len().checked_sub(MOST_PROBLEMS) {
        problems.truncate(MOST_PROBLEMS);
        problems.push(format!("… and {}", text::count(hidden, "further problem")));
    }
    let known = statistics::model::of(session);
    let models = session.models.iter().cloned().zip(known);
    let notes = summary::notes(session, sources.run.retry.as_ref());
    Report {
        format: FORMAT,
        made_by: sources.made_by,
        made_at: sources.made_at,
        run: sources.run,
        models: models
            .map(|(totals, statistics)| Model { totals, statistics })
            .collect(),
        notes,
        causes,
        scenarios: grid(session, plan, &trials),
        trials,
        problems,
    }
}

/// The plan's order: one full repetition before the next. By name where there is no plan.
fn in_order(ended: &mut [Ended], plan: Option<&Plan>) {
    let trials = plan.map(Plan::trials).unwrap_or_default();
    let place: BTreeMap<&TrialId, usize> = trials.iter().enumerate().map(|(n, t)| (&t.id, n)).collect();
    ended.sort_by(|a, b| {
        let key = |ended: &Ended| place.get(&ended.end.trial).copied().unwrap_or(usize::MAX);
        (key(a), &a.end.trial).cmp(&(key(b), &b.end.trial))
    });
}

fn trial(ended: Ended, files: &dyn Files, problems: &mut Vec<String>) -> Trial {
    let Ended { at, end } = ended;
    let record = match files.record(&end.trial) {
        Ok(Some(record)) => Some(record),
        Ok(None) => {
            problems.push(format!("the record of trial `{}` is lost", end.trial));
            None
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let mut usage = end.usage;
    usage += end.retried_usage;
    let timeline = record.as_ref().and_then(|record| record.timeline.as_ref());
    let steps = timeline.map(|timeline| step_by_step(timeline, end.tool_calls));
    Trial {
        scenario_id: end.scenario_id,
        model: end.model,
        repetition: end.repetition,
        attempt: end.attempt,
        outcome: end.outcome,
        cause: end.cause,
        verifiers_passed: end.verifiers_passed,
        verifiers_total: end.verifiers_total,
        turns: end.turns,
        tool_calls: end.tool_calls,
        usage,
        cost: end.cost,
        completed_at: at,
        took_ms: end.took_ms,
        tried_again: (!end.tried_again.is_nothing()).then_some(end.tried_again),
        verdicts: record.map(verdicts).unwrap_or_default(),
        steps,
        transcript_bytes: end.transcript.len,
        trial: end.trial,
    }
}

fn verdicts(record: TrialRecord) -> Vec<Verdict> {
    record.verdicts.into_iter().map(verdict).collect()
}

fn step_by_step(timeline: &Timeline, tool_calls: u32) -> Steps {
    let short = |text: &str| text::shorten(&text::clean(text), LONGEST).into_owned();
    let check = |track: &Track| Check {
        verifier: short(&track.verifier),
        first_held: track.first_held(),
        held_from: track.held_from(),
        lost: track.lost(),
        left_out: track.left_out.as_deref().map(short),
        words: steps::words(track),
    };
    Steps {
        last_step: timeline.last_step,
        all_held: timeline.all_held(),
        calls_after: timeline.calls_after(tool_calls),
        words: steps::summary(timeline, tool_calls),
        checks: timeline.checks.iter().map(check).collect(),
    }
}

fn verdict(said: bench_core::Verdict) -> Verdict {
    let short = |text: &str| text::shorten(&text::clean(text), LONGEST).into_owned();
    let (verdict, actual) = match &said.status {
        VerdictStatus::True => ("true", said.actual.to_string()),
        VerdictStatus::False => ("false", said.actual.to_string()),
        VerdictStatus::Errored { error, .. } => ("errored", error.clone()),
        _ => ("unknown", said.actual.to_string()),
    };
    let judged = said.judge.map(|judge| {
        let score = judge
            .score
            .map_or_else(|| "no score".to_owned(), |score| format!("{score} of 10"));
        short(&format!(
            "{score} from {}: {}",
            judge.model,
            judge.reasoning.trim()
        ))
    });
    Verdict {
        verifier: short(&said.verifier),
        verifier_type: said.verifier_type,
        verdict,
        comparison: short(&said.comparison),
        expected: short(&said.expected.to_string()),
        actual: short(&actual),
        judged,
    }
}

/// Scenarios with a cell per model.
fn grid(session: &Session, plan: Option<&Plan>, trials: &[Trial]) -> Vec<Scenario> {
    let mut look_at: BTreeMap<(&str, &str), &TrialId> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| trial.outcome != Outcome::Passed) {
        let place = (trial.scenario_id.as_str(), trial.model.as_str());
        look_at.entry(place).or_insert(&trial.trial);
    }
    let names: BTreeMap<&str, &str> = plan
        .iter()
        .flat_map(|plan| &plan.scenarios)
        .map(|scenario| (scenario.scenario_id.as_str(), scenario.name.as_str()))
        .collect();
    let scenario = |row: Row<'_>| {
        let id = row.scenario_id;
        let name = names.get(id).filter(|name| !name.is_empty() && **name != id);
        let cells = row.cells.iter().zip(&session.models).map(|(found, of)| Cell {
            look_at: look_at
                .get(&(id, of.model.as_str()))
                .map(|trial| (*trial).clone()),
            ..cell(&of.model, *found)
        });
        let cells: Vec<Cell> = cells.collect();
        Scenario {
            scenario_id: id.to_owned(),
            name: name.map(|name| (*name).to_owned()),
            all_passed: cells.iter().all(|cell| cell.outcomes.passed == cell.trials_total),
            cells,
        }
    };
    session.rows().into_iter().map(scenario).collect()
}

/// What became of a model in a scenario; none where the run has no trial of the two.
fn cell(model: &str, found: Option<&session::Cell>) -> Cell {
    let tried = found.filter(|cell| cell.totals.trials_total > 0);
    let outcomes = tried.map(|cell| cell.totals.outcomes).unwrap_or_default();
    Cell {
        model: model.to_owned(),
        trials_total: tried.map_or(0, |cell| cell.totals.trials_total),
        outcomes,
        pass_rate: outcomes.pass_rate(),
        brief: tried.map_or_else(
            || scenarios::NOT_THERE.to_owned(),
            |cell| scenarios::brief(&cell.totals),
        ),
        words: tried.map_or_else(|| "not in this run".to_owned(), scenarios::cell_text),
        look_at: None,
    }
}
