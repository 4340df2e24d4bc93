//! A small run with every outcome, for the tests of this module.

use std::sync::Arc;

use bench_core::record::FileRef;
use bench_core::session::{self, Totals};
use bench_core::transcript::Entry;
use bench_core::{Session, Usd, VerdictStatus};
use serde_json::Value;

use super::build::{Sources, report as build};
use super::*;

const MODELS: [&str; 2] = ["anthropic:claude", "openai:gpt"];
/// Scenarios, and how each of two repetitions ended, model by model.
const ENDS: [(&str, [[Outcome; 2]; 2]); 4] = {
    use Outcome::{Cancelled, Errored, Failed, Limit, Passed, Unscored};
    [
        ("create-bug", [[Passed, Passed], [Passed, Passed]]),
        ("assign", [[Passed, Failed], [Failed, Errored]]),
        ("close", [[Limit, Failed], [Cancelled, Unscored]]),
        ("label", [[Passed, Passed], [Errored, Errored]]),
    ]
};

/// Its files: every trial has the same record, but for its name, and says the same.
pub(crate) struct Fixture {
    said: Vec<String>,
    verifier: String,
}

impl Fixture {
    /// Transcripts in which a tool answers this.
    pub(crate) fn saying(said: &[&str]) -> Self {
        Self {
            said: said.iter().map(ToString::to_string).collect(),
            verifier: "exists".into(),
        }
    }
}

impl Files for Fixture {
    fn record(&self, trial: &TrialId) -> Result<Option<TrialRecord>, String> {
        let verdict = |status| bench_core::Verdict {
            verifier: self.verifier.clone(),
            verifier_type: "database_state".into(),
            gym: None,
            status,
            comparison: "equals".into(),
            expected: Value::from(1),
            actual: Value::from(self.said.concat()),
            asked: "SELECT 1".into(),
            took_ms: 1,
            judge: None,
        };
        let errored = VerdictStatus::Errored {
            error: "no such table".into(),
            permanent: true,
        };
        let mut timeline = crate::steps::tests::timeline();
        timeline.checks[0].verifier.clone_from(&self.verifier);
        Ok(Some(TrialRecord {
            timeline: Some(timeline),
            verdicts: [VerdictStatus::True, VerdictStatus::False, errored]
                .map(verdict)
                .into(),
            ..crate::trial::tests::record_of(trial)
        }))
    }

    fn transcript(&self, _: &TrialId) -> Result<Option<Lines>, String> {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let line = move |text: String| {
            let entry = Entry::ToolResult {
                turn: 1,
                call_id: "1".into(),
                tool: "get_issue".into(),
                gym: "tracker".into(),
                is_error: false,
                text,
                structured: Value::Null,
                cut_bytes: 0,
                took_ms: 3,
            };
            Ok(Line { at, entry })
        };
        Ok(Some(Box::new(self.said.clone().into_iter().map(line))))
    }

    fn transcript_path(&self, trial: &TrialId) -> String {
        format!("trials/{trial}.jsonl")
    }
}

/// The run with these files; `rename` says anew what models, scenarios and causes are called.
pub(crate) fn report_of(files: &Fixture, rename: impl Fn(&str) -> String) -> Report {
    report_with(files, rename, |_, _| true)
}

/// … of only those scenarios and models that `has` says, as a run has them that tries again what failed.
fn report_with(files: &Fixture, rename: impl Fn(&str) -> String, has: impl Fn(&str, &str) -> bool) -> Report {
    let mut trials = Vec::new();
    let (mut cells, mut models) = (Vec::new(), MODELS.map(|name| totals(&rename(name))));
    for (scenario, ends) in ENDS {
        let tried = MODELS.into_iter().zip(ends).enumerate();
        for (n, (model, ends)) in tried.filter(|(_, (model, _))| has(scenario, model)) {
            let mut cell = totals(&rename(model));
            for (repetition, outcome) in (1..).zip(ends) {
                let slug = model.split(':').next().unwrap();
                let mut ended = ended(&format!("{scenario}~{slug}~{repetition}"), outcome);
                ended.end.scenario_id = rename(scenario);
                ended.end.model = rename(model);
                ended.end.repetition = repetition;
                ended.end.cause = ended.end.cause.map(|cause| rename(&cause));
                count(&mut cell, outcome);
                count(&mut models[n], outcome);
                trials.push(ended);
            }
            cells.push(session::Cell {
                scenario_id: rename(scenario),
                totals: cell,
            });
        }
    }
    let session = Session {
        format: 1,
        harness_name: rename("quickstart"),
        label: None,
        runs: 2,
        models: models.into(),
        cells,
        databases: Vec::new(),
    };
    let sources = Sources {
        made_by: "bench-cli 0.1.0".into(),
        made_at: "2026-01-02T04:00:00Z".parse().unwrap(),
        run: run(&session, &rename),
        session: &session,
        plan: None,
        trials,
        problems: Vec::new(),
    };
    build(sources, files)
}

/// The run as it is.
pub(crate) fn report() -> Report {
    report_of(&Fixture::saying(&["done"]), str::to_owned)
}

/// The same, to be shared.
pub(crate) fn shared(files: Fixture, rename: impl Fn(&str) -> String) -> (Arc<Report>, Arc<dyn Files>) {
    (Arc::new(report_of(&files, rename)), Arc::new(files))
}

fn run(session: &Session, rename: &impl Fn(&str) -> String) -> Run {
    let mut outcomes = OutcomeCounts::default();
    for model in &session.models {
        let counts = &model.outcomes;
        outcomes.passed += counts.passed;
        outcomes.failed += counts.failed;
        outcomes.limit += counts.limit;
        outcomes.errored += counts.errored;
        outcomes.unscored += counts.unscored;
        outcomes.cancelled += counts.cancelled;
    }
    Run {
        run_id: "run_20260102_030405_0badcafe".into(),
        harness_name: session.harness_name.clone(),
        label: None,
        status: "completed".into(),
        partial: false,
        error: None,
        started_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        completed_at: Some("2026-01-02T03:14:05Z".parse().unwrap()),
        starts: vec!["2026-01-02T03:04:05Z".parse().unwrap()],
        changes: vec![Changed {
            at: "2026-01-02T03:04:06Z".parse().unwrap(),
            changes: vec![Change {
                what: "max_turns",
                from: "200".into(),
                to: "2".into(),
            }],
        }],
        retry: None,
        repetitions: session.runs,
        trials_total: 16,
        outcomes,
        cost: session.cost(),
        gyms: vec![rename("gym tracker: built in")],
        sources: vec![rename("quickstart.json")],
        folder: rename("results/runs/run_20260102_030405_0badcafe"),
    }
}

fn totals(model: &str) -> Totals {
    Totals {
        model: model.to_owned(),
        usage: Usage {
            input_tokens: Some(10_000),
            output_tokens: Some(500),
            ..Usage::default()
        },
        cost: Some(Cost {
            usd: Usd::from(if model.starts_with('a') { 0.35 } else { 0.2 }),
            unknown_calls: 0,
        }),
        ..Totals::default()
    }
}

fn count(totals: &mut Totals, outcome: Outcome) {
    totals.trials_total += 1;
    let counts = &mut totals.outcomes;
    *match outcome {
        Outcome::Passed => &mut counts.passed,
        Outcome::Failed => &mut counts.failed,
        Outcome::Limit => &mut counts.limit,
        Outcome::Errored => &mut counts.errored,
        Outcome::Unscored => &mut counts.unscored,
        _ => &mut counts.cancelled,
    } += 1;
}

fn ended(trial: &str, outcome: Outcome) -> Ended {
    let mut end = crate::causes::tests::trial(trial, outcome, None);
    if matches!(outcome, Outcome::Limit | Outcome::Errored | Outcome::Cancelled) {
        end.cause = Some(format!("{} it was", outcome.name()));
    }
    end.took_ms = 1_500;
    end.transcript = FileRef {
        len: 500,
        sha256: "0".repeat(64),
    };
    let place = u32::try_from(trial.len()).unwrap();
    Ended {
        at: "2026-01-02T03:05:00Z".parse::<DateTime<Utc>>().unwrap()
            + chrono::TimeDelta::seconds(i64::from(place * 11)),
        end,
    }
}

#[test]
fn every_trial_and_cell_is_there_once() {
    let report = report();
    assert_eq!(report.trials.len(), 16);
    let cells: u32 = report
        .scenarios
        .iter()
        .flat_map(|scenario| &scenario.cells)
        .map(|cell| cell.trials_total)
        .sum();
    assert_eq!(cells, 16);
    let assign = report
        .scenarios
        .iter()
        .find(|s| s.scenario_id == "assign")
        .unwrap();
    assert!(!assign.all_passed);
    let looked_at: Vec<_> = assign.cells.iter().map(|cell| cell.look_at.as_ref()).collect();
    let named: Vec<_> = looked_at
        .into_iter()
        .map(|trial| trial.map(TrialId::as_str))
        .collect();
    assert_eq!(named, [Some("assign~anthropic~2"), Some("assign~openai~1")]);
    assert_eq!(assign.cells[1].words, "✗ 0/1 passed, 1 errored");
    assert_eq!(report.trials[0].verdicts.len(), 3);
    assert_eq!(report.causes.len(), 3);
}

/// Cells are found by their names: where the first model has none, those of the second stay where they are.
#[test]
fn what_a_model_was_not_tried_in_moves_no_verdict_of_another() {
    let has = |scenario: &str, model: &str| match model {
        "anthropic:claude" => scenario == "label",
        _ => scenario != "close",
    };
    let report = report_with(&Fixture::saying(&[]), str::to_owned, has);
    let told = report.scenarios.iter().map(|scenario| {
        let cells = scenario.cells.iter().map(|cell| {
            let Cell {
                model, brief, words, ..
            } = cell;
            format!("{model} {brief} ({words}) {:?}", cell.look_at)
        });
        let cells: Vec<String> = cells.collect();
        format!("{}: {}", scenario.scenario_id, cells.join("; "))
    });
    let told: Vec<String> = told.collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    create-bug: anthropic:claude — (not in this run) None; openai:gpt ✓ 2/2 (✓ 2/2 passed) None
    assign: anthropic:claude — (not in this run) None; openai:gpt ✗ 0/1 !1 (✗ 0/1 passed, 1 errored) Some(TrialId("assign~openai~1"))
    label: anthropic:claude ✓ 2/2 (✓ 2/2 passed) None; openai:gpt !2 (! 2 errored) Some(TrialId("label~openai~1"))
    "#);
    let mut markdown = Vec::new();
    markdown::write(&report, &mut markdown).unwrap();
    let markdown = String::from_utf8(markdown).unwrap();
    assert!(markdown.contains("| `assign` | — | ✗ 0/1 !1 |"), "{markdown}");
}

#[test]
fn values_serialize_flat_and_named() {
    let value = serde_json::to_value(report()).unwrap();
    assert_eq!(value["format"], 1);
    assert_eq!(value["run"]["passed"], 7);
    assert_eq!(value["models"][0]["model"], "anthropic:claude");
    assert!(value["models"][0]["statistics"]["pass_rate"]["interval"]["low"].is_f64());
    assert_eq!(value["trials"][0]["verdicts"][1]["verdict"], "false");
    let steps = &value["trials"][0]["steps"];
    assert_eq!(steps["checks"][1]["lost"], serde_json::json!([3]));
    assert_eq!(steps["checks"][0]["held_from"], 2);
    assert_eq!(steps["all_held"], 2);
}
