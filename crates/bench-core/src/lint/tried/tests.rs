//! What trials of `noop` and `oracle` say, and what they must not say.

use serde_json::json;

use super::*;
use crate::harness::{Harness, Source};
use crate::problem::Problems;

/// A scenario with a verifier of each of these kinds: `state`, `order`, `guard`, `tool` (its result), `answer`.
fn scenario(kinds: &[&str]) -> Scenario {
    let verifier = |kind: &&str| {
        let (of, config) = match *kind {
            "answer" => ("response_check", json!({"contains": "x"})),
            "tool" => ("tool_result", json!({"tool": "get", "expected_value": 1})),
            _ => {
                let operator = if *kind == "order" { ">" } else { "=" };
                let config =
                    json!({"query": "SELECT a FROM t", "expected_value": 1, "comparison_type": operator});
                ("database_state", config)
            }
        };
        json!({"verifier_type": of, "name": kind, "guard": *kind == "guard", "validation_config": config})
    };
    let verifiers: Vec<Value> = kinds.iter().map(verifier).collect();
    let scenario = json!({"scenario_id": "s", "prompts": [{"prompt_text": "x"}], "verifiers": verifiers});
    let text = json!({"scenarios": [scenario]}).to_string();
    let no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let harness = Harness::from_sources("h", &[Source::new("h.json", text)], &no_files).unwrap();
    harness.scenarios.into_iter().next().unwrap()
}

fn record(outcome: &str, cause: Option<&str>, verdicts: &[&str]) -> TrialRecord {
    let verdict = |said: &&str| match said.strip_prefix("error") {
        None => json!({"verifier": "v", "verifier_type": "t", "verdict": said, "comparison": "equals",
            "expected": 1, "actual": 0}),
        Some(rest) => {
            let error = match rest {
                ": nothing" => "cannot tell whether null greater_than 1",
                _ => "no such column",
            };
            json!({"verifier": "v", "verifier_type": "t", "verdict": "errored", "error": error,
            "permanent": rest != " for now"})
        }
    };
    let verdicts: Vec<Value> = verdicts.iter().map(verdict).collect();
    serde_json::from_value(json!({
        "format": 1, "trial": "s~m~1", "scenario_id": "s", "model": "m", "repetition": 1, "attempt": 1,
        "outcome": outcome, "cause": cause, "verdicts": verdicts, "turns": 1, "tool_calls": 0, "tool_errors": 0,
        "started_at": "2026-01-01T00:00:00Z", "completed_at": "2026-01-01T00:00:00Z", "took_ms": 1,
    }))
    .unwrap()
}

fn said(scenario: &Scenario, noop: &TrialRecord, oracle: Option<&TrialRecord>) -> String {
    let problems = Problems(tried(scenario, Some(noop), oracle, &[]));
    let text = problems.to_string();
    let lines = text
        .lines()
        .map(|line| line.split_once("): ").unwrap().1.to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_scenario_is_quiet() {
    let scenario = scenario(&["state", "guard", "tool", "answer"]);
    let noop = record("failed", None, &["false", "true", "error for now", "false"]);
    let oracle = record("passed", None, &["true", "true", "true", "true"]);
    assert_eq!(said(&scenario, &noop, Some(&oracle)), "");
    assert_eq!(
        said(&scenario, &noop, None),
        "",
        "a tool may have nothing to read yet"
    );
    let untold = record("errored", Some("gym `x` is away"), &[]);
    assert_eq!(said(&scenario, &untold, None), "");
    assert_eq!(came_to_nothing(&untold), Some("gym `x` is away"));
}

#[test]
fn what_is_true_without_doing_anything() {
    let scenario = scenario(&["state", "guard", "answer"]);
    let all = [
        said(
            &scenario,
            &record("passed", None, &["true", "true", "true"]),
            None,
        ),
        said(
            &scenario,
            &record("failed", None, &["true", "true", "false"]),
            None,
        ),
        said(
            &scenario,
            &record("failed", None, &["false", "false", "true"]),
            None,
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    doing nothing passes it (hint: at least one verifier has to be false before the first step)
    the verifier `state` is true before the first step (hint: ask for what has to change; for what must not change, write `"guard": true`)
    the verifier `guard` is a guard, and false before the first step: equals 1, found 0 (hint: a guard protects what is so already; take `guard` away, or mend the check)
    "#);
}

#[test]
fn checks_without_a_verdict() {
    let scenario = scenario(&["state", "tool"]);
    let broken = record("errored", Some("verifier"), &["error", "true"]);
    let fine = record("passed", None, &["true", "true"]);
    let all = [
        said(&scenario, &broken, None),
        said(&scenario, &broken, Some(&broken)),
        said(&scenario, &broken, Some(&fine)),
        said(
            &scenario,
            &record("failed", None, &["error", "false"]),
            Some(&fine),
        ),
    ];
    insta::assert_snapshot!(all.join("\n--\n"), @r#"
    the verifier `state` gives no verdict: no such column (hint: trials with it are errored, whatever a model does)
    the verifier `tool` is true before the first step (hint: ask for what has to change; for what must not change, write `"guard": true`)
    --
    the verifier `state` gives no verdict: no such column (hint: trials with it are errored, whatever a model does)
    the verifier `tool` is true before the first step (hint: ask for what has to change; for what must not change, write `"guard": true`)
    --
    a model that does nothing is not counted: the verifier `state` gives no verdict then: no such column (hint: make it false: such as coalesce(…, 0) in SQL, or a further verifier that is)
    the verifier `tool` is true before the first step (hint: ask for what has to change; for what must not change, write `"guard": true`)
    --
    "#);
}

#[test]
fn what_is_not_there_yet_may_come() {
    let counted = scenario(&["order", "state"]);
    let noop = record("failed", None, &["error: nothing", "false"]);
    assert_eq!(said(&counted, &noop, None), "");
    let wrong = record("failed", None, &["error", "false"]);
    assert_ne!(said(&counted, &wrong, None), "", "any other error stays");
    let all = [
        said(
            &counted,
            &noop,
            Some(&record("errored", None, &["error: nothing", "true"])),
        ),
        said(
            &scenario(&["order"]),
            &record("errored", None, &["error: nothing"]),
            None,
        ),
        said(
            &scenario(&["state"]),
            &record("errored", None, &["error for now"]),
            None,
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    the verifier `order` gives no verdict: cannot tell whether null greater_than 1 (hint: trials with it are errored, whatever a model does)
    a model that does nothing is not counted: the verifier `order` gives no verdict then: cannot tell whether null greater_than 1 (hint: make it false: such as coalesce(…, 0) in SQL, or a further verifier that is)
    the verifier `state` gives no verdict: no such column (hint: check again: if it stays so, trials with it are errored)
    ");
}

#[test]
fn solutions_that_do_not_pass() {
    let scenario = scenario(&["state", "answer"]);
    let noop = record("failed", None, &["false", "false"]);
    let all = [
        record("failed", None, &["false", "true"]),
        record("failed", None, &["false", "false"]),
        record("limit", Some("turn limit reached (1 turns)"), &["false", "true"]),
        record(
            "errored",
            Some("oracle: the call that gives `new` failed: no such project"),
            &[],
        ),
    ]
    .map(|oracle| said(&scenario, &noop, Some(&oracle)));
    insta::assert_snapshot!(all.join("\n"), @r"
    its own solution does not pass it: the verifier `state`: equals 1, found 0 (hint: `bench-cli run … --model oracle`, then `show latest --trial …`, tells what happened)
    its own solution does not pass it: the verifier `state`: equals 1, found 0, and another verifier is false (hint: `bench-cli run … --model oracle`, then `show latest --trial …`, tells what happened)
    its own solution does not pass it: turn limit reached (1 turns) (hint: raise the limit)
    its own solution cannot be played: oracle: the call that gives `new` failed: no such project (hint: `bench-cli run … --model oracle`, then `show latest --trial …`, tells what happened)
    ");
}

#[test]
fn one_cause_is_told_once() {
    let scenario = scenario(&["state"]);
    let verifier = &scenario.verifiers[0];
    let known = [Problem::warning(
        scenario.place_of(verifier),
        "the query touches no table",
    )];
    let noop = record("failed", None, &["true"]);
    let oracle = record("failed", None, &["false"]);
    assert_eq!(tried(&scenario, Some(&noop), Some(&oracle), &known), []);
    assert_eq!(tried(&scenario, Some(&noop), None, &[]).len(), 1);
}

#[test]
fn a_query_that_is_refused_is_more_than_a_doubt_about_it() {
    let scenario = scenario(&["state", "order"]);
    let place = scenario.place_of(&scenario.verifiers[0]);
    let noop = record("errored", None, &["error", "false"]);
    let doubt = [Problem::warning(place.clone(), "the query changes the database")];
    let told = tried(&scenario, Some(&noop), None, &doubt);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].severity, &told[0].place), (Severity::Error, &place));
    assert!(told[0].message.contains("gives no verdict"), "{told:?}");
    let certain = [Problem::error(place, "it can never be true")];
    assert_eq!(tried(&scenario, Some(&noop), None, &certain), []);
}

#[test]
fn of_a_part_of_a_scenario_the_outcome_says_nothing() {
    let scenario = scenario(&["state", "guard", "order"]);
    let part = |outcome, verdicts: &[&str]| {
        let problems = tried_in_part(&scenario, &record(outcome, None, verdicts), &[]);
        problems
            .into_iter()
            .map(|problem| problem.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        part("passed", &["true", "true", "error"]),
        [
            "the verifier `order` gives no verdict: no such column",
            "the verifier `state` is true before the first step"
        ]
    );
    assert_eq!(part("failed", &["false", "true", "error: nothing"]), [""; 0]);
    let untold = record("errored", Some("gym `x` is away"), &[]);
    assert_eq!(tried_in_part(&scenario, &untold, &[]), []);
}
