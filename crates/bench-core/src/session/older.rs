//! Results of the Python tool that came before, as totals: its `session.json`, read leniently, since several versions of
//! it wrote them.
//!
//! One form has a row per run with the verifiers of each scenario, the other a row per trial with `success`. Neither
//! says what was asked, how it was judged, or what it cost.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cell, FORMAT, OutcomeCounts, Session, Totals};

/// One try of a scenario, as the older tool wrote it down.
struct Tried {
    scenario: String,
    model: String,
    verifiers_passed: u32,
    verifiers_total: u32,
    outcome: OutcomeCounts,
}

impl Session {
    /// The totals of an older `session.json`; none if no trial is written down in it.
    ///
    /// A try passed if it has verifiers and all of them were true; with an error it could not be judged.
    pub fn of_older_tool(document: &Value) -> Option<Self> {
        let rows = document.get("runs")?.as_array()?;
        let tried: Vec<Tried> = rows.iter().flat_map(tries).collect();
        if tried.is_empty() {
            return None;
        }
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let cells = cells(&tried);
        let most = cells.iter().map(|cell| cell.totals.trials_total).max();
        Some(Self {
            format: FORMAT,
            harness_name: text("harness_name")
                .or_else(|| text("session_name"))
                .unwrap_or_default(),
            label: None,
            runs: most.unwrap_or_default(),
            models: sums(&tried),
            cells,
            databases: Vec::new(),
        })
    }
}

/// The tries of one row of `runs`.
fn tries(row: &Value) -> Vec<Tried> {
    let text = |name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let Some(model) = text("model") else {
        return Vec::new();
    };
    let model = match text("provider") {
        Some(provider) => format!("{provider}:{model}"),
        None => model.to_owned(),
    };
    let one = |scenario: &str, passed: u32, total: u32, outcome| Tried {
        scenario: scenario.to_owned(),
        model: model.clone(),
        verifiers_passed: passed,
        verifiers_total: total,
        outcome,
    };
    if let Some(scenarios) = row.get("scenarios").and_then(Value::as_array) {
        let broke_at = text("failed_scenario_id");
        let each = scenarios.iter().filter_map(|scenario| {
            let id = scenario.get("scenario_id")?.as_str()?;
            let count = |name| {
                scenario
                    .get(name)
                    .and_then(Value::as_u64)
                    .and_then(|n| n.try_into().ok())
            };
            let (passed, total) = (
                count("verifiers_passed").unwrap_or(0),
                count("verifiers_total").unwrap_or(0),
            );
            Some(one(
                id,
                passed,
                total,
                judged(passed, total, broke_at == Some(id)),
            ))
        });
        return each.collect();
    }
    let (Some(id), Some(success)) = (text("scenario_id"), row.get("success").and_then(Value::as_bool)) else {
        return Vec::new();
    };
    let outcome = judged(u32::from(success), 1, !success && text("error").is_some());
    vec![one(id, 0, 0, outcome)]
}

fn judged(passed: u32, total: u32, broke: bool) -> OutcomeCounts {
    let mut counts = OutcomeCounts::default();
    let counter = match () {
        () if broke => &mut counts.errored,
        () if total == 0 => &mut counts.unscored,
        () if passed >= total => &mut counts.passed,
        () => &mut counts.failed,
    };
    *counter = 1;
    counts
}

/// One per scenario and model, in the order in which they come first.
fn cells(tried: &[Tried]) -> Vec<Cell> {
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut cells: Vec<Cell> = Vec::new();
    for one in tried {
        let at = *places.entry((&one.scenario, &one.model)).or_insert_with(|| {
            cells.push(Cell {
                scenario_id: one.scenario.clone(),
                totals: of_model(&one.model),
            });
            cells.len() - 1
        });
        add(&mut cells[at].totals, one);
    }
    cells
}

/// One per model, in the order in which they come first.
fn sums(tried: &[Tried]) -> Vec<Totals> {
    let mut models: Vec<Totals> = Vec::new();
    for one in tried {
        let at = models
            .iter()
            .position(|totals| totals.model == one.model)
            .unwrap_or_else(|| {
                models.push(of_model(&one.model));
                models.len() - 1
            });
        add(&mut models[at], one);
    }
    models
}

fn of_model(model: &str) -> Totals {
    Totals {
        model: model.to_owned(),
        ..Totals::default()
    }
}

fn add(totals: &mut Totals, one: &Tried) {
    let (counts, more) = (&mut totals.outcomes, &one.outcome);
    totals.trials_total += 1;
    counts.passed += more.passed;
    counts.failed += more.failed;
    counts.errored += more.errored;
    counts.unscored += more.unscored;
    if more.scored() > 0 {
        totals.verifiers_passed = totals.verifiers_passed.saturating_add(one.verifiers_passed);
        totals.verifiers_total = totals.verifiers_total.saturating_add(one.verifiers_total);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(document: &Value) -> Vec<String> {
        let session = Session::of_older_tool(document).unwrap();
        let cell = |cell: &Cell| {
            let OutcomeCounts {
                passed,
                failed,
                errored,
                unscored,
                ..
            } = cell.totals.outcomes;
            let counts = format!("{passed} passed {failed} failed {errored} errored {unscored} unscored");
            format!("{} {}: {counts}", cell.scenario_id, cell.totals.model)
        };
        session.cells.iter().map(cell).collect()
    }

    #[test]
    fn rows_of_runs_have_a_try_for_each_scenario() {
        let scenario = |id: &str, passed: u32, total: u32| json!({"scenario_id": id, "verifiers_passed": passed, "verifiers_total": total});
        let run = |scenarios: Value| json!({"provider": "openai", "model": "gpt-4o", "status": "completed", "scenarios": scenarios});
        let mut broken = run(json!([scenario("a", 2, 2), scenario("b", 0, 2)]));
        broken["status"] = "failed".into();
        broken["failed_scenario_id"] = "b".into();
        let document = json!({"harness_name": "jira", "runs": [
            run(json!([scenario("a", 2, 2), scenario("b", 1, 2), scenario("c", 0, 0)])), broken,
        ]});
        assert_eq!(
            told(&document),
            [
                "a openai:gpt-4o: 2 passed 0 failed 0 errored 0 unscored",
                "b openai:gpt-4o: 0 passed 1 failed 1 errored 0 unscored",
                "c openai:gpt-4o: 0 passed 0 failed 0 errored 1 unscored",
            ]
        );
        let session = Session::of_older_tool(&document).unwrap();
        assert_eq!((session.harness_name.as_str(), session.runs), ("jira", 2));
        let all = &session.models[0];
        assert_eq!((all.trials_total, all.outcomes.scored()), (5, 3));
        assert_eq!(
            (all.verifiers_passed, all.verifiers_total),
            (5, 6),
            "errored ones do not count"
        );
    }

    #[test]
    fn rows_of_trials_say_success_or_an_error() {
        let row = |scenario: &str, success: bool, error: Value| json!({"model": "m", "scenario_id": scenario, "run_number": 1, "success": success, "error": error});
        let document = json!({"session_name": "sdk", "runs": [
            row("a", true, Value::Null), row("a", false, Value::Null), row("a", false, "server down".into()),
        ]});
        assert_eq!(told(&document), ["a m: 1 passed 1 failed 1 errored 0 unscored"]);
    }

    #[test]
    fn a_file_without_trials_has_no_totals() {
        for document in [
            json!({}),
            json!({"runs": []}),
            json!({"runs": [{}, 7, {"model": "m"}]}),
            json!(null),
        ] {
            assert_eq!(Session::of_older_tool(&document), None, "{document}");
        }
    }
}
