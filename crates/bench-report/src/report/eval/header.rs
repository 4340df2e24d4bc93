//! The header of a log: what was tried with which model, and what came of it.

use bench_core::Outcome;
use bench_core::statistics::Mean;
use serde_json::{Map, Value, json};

use super::sample::{PASSED, Sample, VERIFIERS};
use super::spent::{Bill, Spent};
use super::{events, lean, model_name, sample_id};
use crate::report::{Model, Report};

/// What the samples add up to.
#[derive(Default)]
pub(super) struct Results {
    scored: u32,
    unscored: u32,
    without_error: u32,
    judges: Bill,
}

impl Results {
    /// Those of one.
    pub(super) fn of(sample: &Sample<'_>) -> Self {
        let outcome = sample.trial.outcome;
        let scored = u32::from(outcome.is_scored());
        Self {
            scored,
            unscored: 1 - scored,
            without_error: u32::from(!matches!(outcome, Outcome::Errored | Outcome::Cancelled)),
            judges: sample.judges().clone(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.scored += other.scored;
        self.unscored += other.unscored;
        self.without_error += other.without_error;
        self.judges.add_all(&other.judges);
    }
}

/// The header.
pub(super) fn header(report: &Report, model: &Model, results: &Results) -> Value {
    let run = &report.run;
    let broken = (status(&run.status) == "error")
        .then(|| events::as_error(run.error.as_deref().unwrap_or("the run could not finish")));
    lean(json!({
        "version": 2,
        "status": status(&run.status),
        "eval": eval(report, model),
        "plan": {"name": "plan", "steps": [{"solver": "bench", "params": {}, "params_passed": {}}], "config": {}},
        "results": {
            "total_samples": model.totals.trials_total,
            "completed_samples": results.without_error,
            "scores": scores(model, results),
        },
        "stats": stats(report, model, &results.judges),
        "error": broken,
        "invalidated": false,
    }))
}

/// Inspect's word for how a run stands.
fn status(status: &str) -> &'static str {
    match status {
        "completed" => "success",
        "failed" => "error",
        "cancelled" => "cancelled",
        _ => "started",
    }
}

/// What was tried.
fn eval(report: &Report, model: &Model) -> Value {
    let run = &report.run;
    let place = report.models.iter().position(|other| other == model).unwrap_or(0);
    // The same each time, so that Inspect knows a log that was written anew.
    let id = format!("{}_{}", run.run_id, place + 1);
    let (program, version) = report.made_by.split_once(' ').unwrap_or((&report.made_by, ""));
    let ids: Vec<String> = report
        .scenarios
        .iter()
        .map(|scenario| sample_id(&scenario.scenario_id))
        .collect();
    json!({
        "eval_id": id,
        "run_id": run.run_id,
        "created": events::time(run.started_at),
        "task": run.harness_name,
        "task_id": id,
        "task_version": 0,
        "task_attribs": {},
        "task_args": {},
        "task_args_passed": {},
        "dataset": {"name": run.harness_name, "samples": ids.len(), "sample_ids": ids, "shuffled": false},
        "model": model_name(&model.totals.model),
        "model_generate_config": {},
        "model_args": {},
        "config": {"epochs": run.repetitions},
        "packages": {program: version},
        "metadata": lean(json!({
            "model": model.totals.model,
            "label": run.label,
            "status": run.status,
            "gyms": run.gyms,
            "sources": run.sources,
            "outcomes": model.totals.outcomes,
            "problems": (!report.problems.is_empty()).then_some(&report.problems),
        })),
        "scorers": [{"name": PASSED}, {"name": VERIFIERS}],
    })
}

fn scores(model: &Model, results: &Results) -> Value {
    let known = &model.statistics;
    let score = |name: &str, metric: &str, mean: Option<&Mean>| {
        lean(json!({
            "name": name,
            "scorer": name,
            "scored_samples": results.scored,
            "unscored_samples": results.unscored,
            "params": {},
            "metrics": metrics(metric, mean),
            "metadata": mean.is_some_and(|mean| mean.few_scenarios).then(|| json!({"few_scenarios": true})),
        }))
    };
    json!([
        score(PASSED, "accuracy", known.pass_rate.as_ref()),
        score(VERIFIERS, "mean", known.verifier_rate.as_ref()),
    ])
}

/// A rate, what is known of its error, and its interval.
fn metrics(name: &str, mean: Option<&Mean>) -> Value {
    let Some(mean) = mean else {
        return json!({});
    };
    let values = [
        (name, Some(mean.rate)),
        ("stderr", mean.standard_error),
        ("low_95", Some(mean.interval.low)),
        ("high_95", Some(mean.interval.high)),
    ];
    let metric = |(name, value): (&str, Option<f64>)| {
        let value = value?;
        Some((
            name.to_owned(),
            json!({"name": name, "value": value, "params": {}}),
        ))
    };
    Value::Object(values.into_iter().filter_map(metric).collect::<Map<_, _>>())
}

fn stats(report: &Report, model: &Model, judges: &Bill) -> Value {
    let run = &report.run;
    let totals = &model.totals;
    let paid = totals.cost.filter(|cost| cost.unknown_calls == 0);
    let mut bill = judges.clone();
    bill.add(
        &totals.model,
        Spent {
            usage: totals.usage,
            usd: paid.map(|cost| cost.usd.saturating_sub(judges.known_usd())),
        },
    );
    json!({
        "started_at": events::time(run.started_at),
        "completed_at": run.completed_at.map(events::time).unwrap_or_default(),
        "model_usage": bill.value(),
        "role_usage": judges.as_judge(),
    })
}
