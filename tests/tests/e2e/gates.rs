//! Exit codes for scripts: `--fail-under`, `--min-verdicts`, `--strict`.

use bench_tests::bed::TestBed;
use serde_json::json;

use crate::harness::{creates_issue, harness, scenario, sql};

/// Two scenarios: `good` passes with the oracle; `broken` cannot be judged.
fn bed() -> TestBed {
    let bed = TestBed::new();
    let mut broken = scenario("broken", [sql("SELECT x FROM nowhere", &json!(1))]);
    broken["solution"] = json!({"calls": [], "answer": "done"});
    bed.write_json("harness.json", &harness([creates_issue("good"), broken]));
    bed
}

#[test]
fn gates_decide_the_exit_code() {
    for (arguments, code) in [
        ("--model oracle --scenario good", 0),
        ("--model noop --scenario good", 0),
        ("--model oracle --scenario good --fail-under 1", 0),
        ("--model oracle --scenario good --fail-under 100%", 0),
        ("--model noop --scenario good --fail-under 0.5", 1),
        // Each model has to meet it.
        ("--model oracle --model noop --scenario good --fail-under 0.5", 1),
        // Half of the trials have no verdict: too few to say anything, whatever the rate.
        ("--model oracle --fail-under 0.5", 1),
        ("--model oracle --fail-under 0.5 --min-verdicts 0.5", 0),
        // Verdicts are a gate by themselves, too.
        ("--model oracle --min-verdicts 90%", 1),
        ("--model oracle --min-verdicts 0.5", 0),
        ("--model oracle", 0),
        ("--model oracle --strict", 3),
        ("--model oracle --scenario good --strict", 0),
    ] {
        let bed = bed();
        let shot = bed.bench(&format!("run harness.json --retries 0 --ui quiet {arguments}"));
        assert_eq!(shot.code, Some(code), "{arguments}: {shot}");
        assert_eq!(bed.the_run().status(), "completed", "{arguments}");
    }
}

#[test]
fn a_gate_that_is_not_met_says_so() {
    let bed = bed();
    insta::assert_snapshot!(bed.bench("run harness.json --model noop --scenario good --fail-under 0.5 --ui quiet").table(), @r"
    $ bench-cli run harness.json --model noop --scenario good --fail-under 0.5 --ui quiet
    exit 1
    ── stdout
    model  trials  passed  failed  pass rate (95%)  verifiers  turns  calls  tokens  time/trial
    ────
    noop  1/1  0  1  0.0% (0–79)  1/2  1  0  —  <took>
    few scenarios (1): the range is that of this one, and says nothing of others

    Not passed by every model:
    scenario  noop
    ────
    good  ✗ failed
    ── stderr
    gym tracker: built in (no other is named)
    run_YYYYMMDD_HHMMSS_xxxxxxxx: 1 trial, results/runs/run_YYYYMMDD_HHMMSS_xxxxxxxx

    completed · results/runs/run_YYYYMMDD_HHMMSS_xxxxxxxx
      bench-cli show run_YYYYMMDD_HHMMSS_xxxxxxxx
      bench-cli show run_YYYYMMDD_HHMMSS_xxxxxxxx --trial good~noop~1
    ✗ --fail-under: noop passed 0.0%, under 50.0%
    ");
}
