//! `compare`: who is better, what cannot be told, what cannot be compared, and the gate for scripts.

use std::time::Duration;

use bench_tests::bed::TestBed;
use serde_json::{Value, json};

use crate::harness::{answers, creates_issue, half_done, harness, scenario};

const EIGHT: [&str; 8] = ["one", "two", "three", "four", "five", "six", "seven", "eight"];

/// Eight scenarios that the oracle passes.
fn bed() -> TestBed {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness(EIGHT.map(creates_issue)));
    bed
}

/// Runs, and tells the id of the run.
fn run(bed: &TestBed, args: &str) -> String {
    let shot = bed.bench(&format!("run {args} --json"));
    let last: Value =
        serde_json::from_str(shot.stdout.lines().last().unwrap_or_default()).unwrap_or_default();
    last["run_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{shot}"))
        .to_owned()
}

fn compared(bed: &TestBed, args: &str) -> Value {
    let shot = bed.bench(&format!("compare {args} --json"));
    serde_json::from_str(&shot.stdout).unwrap_or_else(|error| panic!("{error}: {shot}"))
}

fn codes(bed: &TestBed, rows: &[(&str, i32)]) {
    for (args, code) in rows {
        let shot = bed.bench(&format!("compare {args}"));
        assert_eq!(shot.code, Some(*code), "{shot}");
    }
}

#[test]
fn two_models_of_a_run_with_a_verdict_and_a_gate() {
    let bed = bed();
    let id = run(&bed, "harness.json --model oracle --model noop --runs 2");
    insta::assert_snapshot!(bed.bench("compare latest --fail-if-worse"), @r"
    $ bench-cli compare latest --fail-if-worse
    exit 1
    ── stdout
    run run_YYYYMMDD_HHMMSS_xxxxxxxx

       model   scenarios  trials  pass rate (95%)  no verdict
    ─────────────────────────────────────────────────────────
    A  oracle          8   16/16    100% (59–100)           0
    B  noop            8   16/16      0.0% (0–41)           0

    compared  scenarios    pass rate          difference (95%)      p  verdict
    ──────────────────────────────────────────────────────────────────────────
    B vs A            8  100% → 0.0%  −100.0 (−100.0 to −17.7)  0.008  worse

    B vs A: worse
      passes less often, by 100.0 points; chance does not explain it
      few scenarios (8): the range is wider than it had to be
      8 scenarios: 8 worse, 0 better, 0 the same

    scenario    A    B  change
    ──────────────────────────
    eight     2/2  0/2  −100.0
    five      2/2  0/2  −100.0
    four      2/2  0/2  −100.0
    one       2/2  0/2  −100.0
    seven     2/2  0/2  −100.0
    six       2/2  0/2  −100.0
    three     2/2  0/2  −100.0
    two       2/2  0/2  −100.0
    ── stderr
    ✗ --fail-if-worse: noop is worse than oracle by 100.0 points
    ");
    let turned = compared(&bed, &format!("{id}#noop latest#oracle"));
    let one = &turned["comparisons"][0];
    assert_eq!(
        (&one["verdict"], &one["difference"]),
        (&json!("better"), &json!(1.0))
    );
    assert_eq!((&one["test"]["gained"], &one["trials"]), (&json!(8), &json!(16)));
    assert_eq!(turned["sides"][0]["model"], "noop");
    codes(
        &bed,
        &[
            ("latest", 0),
            (
                "latest#noop latest#oracle --fail-if-worse --fail-under 100% --min-trials 16",
                0,
            ),
            ("latest --model noop --model oracle --fail-if-worse", 0),
            ("latest --fail-under 10%", 1),
            ("latest --min-trials 17", 1),
        ],
    );
    let json = compared(&bed, "latest --fail-if-worse --min-trials 17");
    assert_eq!(
        (&json["gate"]["met"], &json["gate"]["exit_code"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(
        json["gate"]["missed"].as_array().map(Vec::len),
        Some(2),
        "{json:#}"
    );
}

#[test]
fn two_runs_with_what_is_not_the_same() {
    let bed = bed();
    let before = run(&bed, "harness.json --model oracle --model noop");
    let mut changed = EIGHT.map(creates_issue);
    changed[0]["prompts"][0]["prompt_text"] = json!("Something else.");
    changed[1]["restricted_tools"] = json!(["get_issue"]);
    let mut changed = changed.to_vec();
    changed.push(creates_issue("nine"));
    bed.write_json("harness.json", &harness(changed));
    let after = run(&bed, "harness.json --model noop --max-turns 50 --runs 2");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("harness [0-9a-f]{8} → [0-9a-f]{8}", "harness BEFORE → AFTER");
    let _guard = settings.bind_to_scope();
    insta::assert_snapshot!(bed.bench(&format!("compare {before} {after}")), @r"
    $ bench-cli compare run_YYYYMMDD_HHMMSS_xxxxxxxx run_YYYYMMDD_HHMMSS_xxxxxxxx
    exit 0
    ── stdout
       run                           model  scenarios  trials  pass rate (95%)  no verdict
    ──────────────────────────────────────────────────────────────────────────────────────
    A  run_YYYYMMDD_HHMMSS_xxxxxxxx  noop           8     8/8      0.0% (0–41)           0
    B  run_YYYYMMDD_HHMMSS_xxxxxxxx  noop           9   18/18      0.0% (0–37)           0

    compared  scenarios    pass rate      difference (95%)      p  verdict
    ───────────────────────────────────────────────────────────────────────────
    B vs A            7  0.0% → 0.0%  0.0 (−46.1 to +46.1)  1.000  inconclusive

    B vs A: inconclusive
      nothing passed on either side: are gyms reached, keys right, checks sound?
      cannot tell: no difference is seen, which does not make them equal
      only 65.9 points or more would be found, 4 times out of 5
      finding 5.0 points takes 1216 scenarios: 1209 more trials of each
      whether more repetitions would do, two of each scenario could say
      few scenarios (7): the range is wider than it had to be
      7 scenarios: 0 worse, 0 better, 7 the same
      1 scenario left out: asked or judged otherwise
      1 scenario left out: only in B
      unequal repetitions (1 to 2): no more is believed than the fewest say
      not the same: harness BEFORE → AFTER
      not the same: prompts of 1 scenario (one)
      not the same: tools of 1 scenario (two)
      not the same: limits max_turns 200 → 50
      not the same: repetitions 1 → 2
    ");
    let gate = bed.bench(&format!("compare {before} {after} --fail-if-worse"));
    let why = "only 7 of 9 scenarios (77.8%) are compared, under 90.0%: 1 asked or judged otherwise, 1 only in B; \
               `--min-compared 77%` accepts it";
    assert!(gate.stderr.contains(why), "{gate}");
    assert_eq!(gate.code, Some(1), "{gate}");
    codes(
        &bed,
        &[(&format!("{before} {after} --fail-if-worse --min-compared 70%"), 0)],
    );
    let json = compared(&bed, &format!("{before} {after}"));
    let what = json["comparisons"][0]["differences"].as_array().unwrap();
    let what: Vec<&str> = what.iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(what, ["harness", "prompts", "tools", "limits", "repetitions"]);
    // The other way round there is a model that nobody is compared with.
    let turned = compared(&bed, &format!("{after} {before}"));
    assert_eq!(turned["left_out"], json!([format!("oracle in {before}")]));
    assert_eq!(turned["comparisons"].as_array().map(Vec::len), Some(1));
}

/// A model that plays a recording goes by the name of the recorded one.
#[test]
fn a_rescored_run_is_compared_with_the_one_it_judges() {
    let bed = bed();
    let recorded = run(
        &bed,
        "harness.json --model oracle --model noop --scenario one --scenario two",
    );
    let shot = bed.bench(&format!("rescore {recorded} --ui quiet"));
    assert_eq!(shot.code, Some(0), "{shot}");
    let json = compared(&bed, &format!("{recorded} latest"));
    let model = |one: &Value, side: &str| {
        let place = usize::try_from(one[side].as_u64().unwrap()).unwrap();
        json["sides"][place]["model"].as_str().unwrap().to_owned()
    };
    let pairs = json["comparisons"].as_array().unwrap().iter();
    let pairs: Vec<_> = pairs
        .map(|one| {
            (
                model(one, "baseline"),
                model(one, "candidate"),
                one["difference"].clone(),
            )
        })
        .collect();
    let played = |name: &str| (name.to_owned(), format!("replay:{recorded}/{name}"), json!(0.0));
    assert_eq!(pairs, [played("oracle"), played("noop")], "{json:#}");
}

#[test]
fn a_plan_that_cannot_be_read_is_told() {
    let bed = bed();
    let one = run(&bed, "harness.json --model oracle --scenario one");
    let two = run(&bed, "harness.json --model oracle --scenario one");
    let run = bed.runs().into_iter().find(|run| run.id() == one).unwrap();
    std::fs::write(run.path().join("plan.json"), "{").unwrap();
    let shot = bed.bench(&format!("compare {one} {two}"));
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stdout.contains("A does not say what was asked"), "{shot}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_reason() {
    let bed = bed();
    let one = run(&bed, "harness.json --model oracle --model noop --scenario one");
    let two = run(&bed, "harness.json --model oracle --scenario two");
    let said = |args: &str, code: i32, words: &str| {
        let shot = bed.bench(&format!("compare {args}"));
        assert_eq!(shot.code, Some(code), "{shot}");
        assert!(shot.stderr.contains(words), "{words}: {shot}");
    };
    said(&two, 2, "one run needs two models");
    said(&format!("{one} {two}"), 2, "no scenario in common");
    said(&format!("{one}#noop {one}#noop"), 2, "compared with itself");
    said(&format!("{one}#gpt {two}"), 2, "one of oracle, noop");
    said(&format!("{one} --model gpt"), 2, "no run has one model `gpt`");
    said("nothing-here", 2, "nothing-here");
}

/// What was tried again because it had failed passes more often by that alone: no comparison, no gate, and every display
/// says so.
#[test]
fn trials_that_were_chosen_by_how_they_had_ended_are_no_sample() {
    let bed = bed();
    let first = run(&bed, "harness.json --model oracle --model noop --fail-under 1%");
    let early = bed.bench(&format!("retry {first} --failed --fail-under 10%"));
    assert_eq!((early.code, bed.runs().len()), (Some(2), 1), "{early}");
    let retry = bed.bench(&format!("retry {first} --failed --ui quiet"));
    assert_eq!(
        retry.code,
        Some(3),
        "the gate of the run cannot be asked: {retry}"
    );
    insta::assert_snapshot!(bed.bench(&format!("compare {first} latest --fail-if-worse")), @r"
    $ bench-cli compare run_YYYYMMDD_HHMMSS_xxxxxxxx latest --fail-if-worse
    exit 2
    ── stderr
    error: `run_YYYYMMDD_HHMMSS_xxxxxxxx` cannot be compared: it has only trials that failed in run_YYYYMMDD_HHMMSS_xxxxxxxx, tried again; what failed by chance passes more often then
      try: `run` the harness again in full; `resume` tries trials without a verdict again in their own run
    ");
    let judged = bed.bench("rescore latest --ui quiet");
    assert!(
        judged.stdout.contains("their rates say nothing about a model"),
        "{judged}"
    );
    let again = bed.bench(&format!("compare {first} latest"));
    assert_eq!(
        again.code,
        Some(2),
        "what is judged again is chosen as before: {again}"
    );
}

#[test]
fn a_retry_is_called_one_wherever_its_rates_are_shown() {
    let bed = bed();
    let first = run(&bed, "harness.json --model noop --scenario one");
    bed.bench(&format!("retry {first} --failed --ui quiet"));
    let words = format!("only trials that failed in {first}, tried again");
    for args in [
        "show latest",
        "report latest --format md -o -",
        "report latest -o -",
        "report latest --format json -o -",
    ] {
        let shot = bed.bench(args);
        for words in [words.as_str(), "their rates say nothing about a model"] {
            assert!(shot.stdout.contains(words), "{words}: {shot}");
        }
    }
    let show: Value = serde_json::from_str(&bed.bench("show latest --json").stdout).unwrap();
    assert_eq!(show["retry"], json!({"of": first, "chosen": "failed"}));
    assert_eq!(show["notes"][0], words, "{show:#}");
    let list = bed.bench("list");
    assert_eq!(
        list.stdout.matches("retry:").count(),
        1,
        "only one of them is: {list}"
    );
}

#[test]
fn a_run_under_way_is_partial_and_meets_no_gate() {
    let (_stub, bed) = half_done();
    let whole = run(&bed, "harness.json --model openai:m --scenario quick");
    let live = bed.start("run harness.json --model openai:m --json");
    let line = live.stdout_line(Duration::from_secs(60), |line| line.contains("trial_finished"));
    let first: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(first["outcome"], "passed");
    let ids = bed.runs().into_iter().map(|run| run.id());
    let live_id = ids.into_iter().find(|id| *id != whole).unwrap();
    let shown = bed.bench(&format!("compare {whole} {live_id}"));
    assert_eq!(shown.code, Some(0), "{shown}");
    assert!(
        shown
            .stdout
            .contains("B is partial: running, 1 of 2 trials are over"),
        "{shown}"
    );
    assert!(shown.stdout.contains("1 scenario left out: only in B"), "{shown}");
    let gate = bed.bench(&format!("compare {whole} {live_id} --fail-if-worse"));
    assert_eq!(gate.code, Some(3), "{gate}");
    assert!(
        gate.stderr.contains("is running: a gate needs whole runs"),
        "{gate}"
    );
}

#[test]
fn results_of_the_older_tool_are_compared_with_each_other_and_with_ours() {
    let bed = bed();
    let older = |name: &str, passed: u32| {
        let rows =
            EIGHT.map(|id| json!({"scenario_id": id, "verifiers_total": 2, "verifiers_passed": passed}));
        let one = json!({"provider": "openai", "model": "gpt-4o", "status": "completed", "scenarios": rows});
        let session =
            json!({"created_at": "2025-10-30T10:00:00", "harness_name": "jira", "runs": [one, one]});
        bed.write_json(&format!("results/{name}/session.json"), &session);
    };
    older("jira_1", 2);
    older("jira_2", 1);
    insta::assert_snapshot!(bed.bench("compare jira_1 jira_2 --fail-if-worse"), @r"
    $ bench-cli compare jira_1 jira_2 --fail-if-worse
    exit 1
    ── stdout
       run     model          scenarios  trials  pass rate (95%)  no verdict
    ────────────────────────────────────────────────────────────────────────
    A  jira_1  openai:gpt-4o          8   16/16    100% (59–100)           0
    B  jira_2  openai:gpt-4o          8   16/16      0.0% (0–41)           0

    compared  scenarios    pass rate          difference (95%)      p  verdict
    ──────────────────────────────────────────────────────────────────────────
    B vs A            8  100% → 0.0%  −100.0 (−100.0 to −17.7)  0.008  worse

    B vs A: worse
      passes less often, by 100.0 points; chance does not explain it
      few scenarios (8): the range is wider than it had to be
      8 scenarios: 8 worse, 0 better, 0 the same
      A does not say what was asked: scenarios of one name are taken for the same
      B does not say what was asked: scenarios of one name are taken for the same

    scenario    A    B  change
    ──────────────────────────
    eight     2/2  0/2  −100.0
    five      2/2  0/2  −100.0
    four      2/2  0/2  −100.0
    one       2/2  0/2  −100.0
    seven     2/2  0/2  −100.0
    six       2/2  0/2  −100.0
    three     2/2  0/2  −100.0
    two       2/2  0/2  −100.0
    ── stderr
    ✗ --fail-if-worse: openai:gpt-4o in jira_2 is worse than openai:gpt-4o in jira_1 by 100.0 points
    ");
    let state = json!({"run_id": "bg_1", "status": "completed", "started_at": "2025-10-30T10:00:00",
        "completed_at": "2025-10-30T11:00:00", "session_dir": "/elsewhere/results/jira_1"});
    bed.write_json("results/background_runs/bg_1/state.json", &state);
    let json = compared(&bed, "jira_2 bg_1");
    assert_eq!(json["comparisons"][0]["difference"], 1.0, "{json:#}");
    let ours = run(&bed, "harness.json --model oracle");
    let json = compared(&bed, &format!("jira_2 {ours}"));
    assert_eq!(json["comparisons"][0]["verdict"], "better");
    assert_eq!(json["sides"][0]["older_tool"], true);
    bed.write_json("results/jira_3/session.json", &json!({"runs": []}));
    let empty = bed.bench("compare jira_2 jira_3");
    assert_eq!(empty.code, Some(2), "{empty}");
    assert!(empty.stderr.contains("no trial of `jira_3`"), "{empty}");
}

#[test]
fn trials_without_a_verdict_leave_nothing_to_tell() {
    let bed = TestBed::new();
    let mut broken = scenario("broken", [answers("done")]);
    broken["prompts"][0]["verifier"] = json!([crate::harness::sql("SELECT x FROM nowhere", &json!(1))]);
    bed.write_json("harness.json", &harness([broken]));
    run(&bed, "harness.json --model oracle --model noop --retries 0");
    let shot = bed.bench("compare latest --fail-if-worse");
    assert_eq!(shot.code, Some(3), "{shot}");
    assert!(
        shot.stderr.contains("no scenario has a verdict on both sides"),
        "{shot}"
    );
}
