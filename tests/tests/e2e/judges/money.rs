//! What judging costs: estimated, counted, held to a budget, and found again after a kill.

use super::*;

#[test]
fn what_judging_needs_is_estimated_by_what_the_same_judge_needed() {
    let good = Turn::say(&opinion(9.0));
    let conversations = vec![
        judges("good", [Turn::say("8/10"), good.clone()]),
        says("good", "Web."),
        says("plain", "Mobile."),
    ];
    let scenarios = vec![
        scenario("good", [judged("good")]),
        scenario("plain", [answers("Mobile.")]),
    ];
    let (stub, bed) = bed(conversations, scenarios);
    let estimate = |args: &str| {
        let shot = bed.bench(&format!("{RUN} --dry-run --json {args}"));
        let plan: Value = serde_json::from_str(&shot.stdout).unwrap();
        plan["estimate"].clone()
    };
    let before = estimate("--runs 3");
    assert_eq!(before["judge"]["from"][0]["basis"], "nothing");
    assert_eq!(before["judge"]["cost_usd"]["unknown_trials"], 3);
    let done = bed.bench(&format!("{RUN} --ui quiet"));
    assert_eq!(done.code, Some(0), "{done}");

    let after = estimate("--runs 3 --max-cost 0.55");
    let cents = |sums: &Value| {
        let cost = &sums["cost_usd"];
        assert_eq!(cost["unknown_trials"], 0, "{cost}");
        (cost["median"].as_f64().unwrap() * 100.0).round()
    };
    let parts = [&after["models"][0], &after["judge"], &after["total"]];
    assert_eq!(
        parts.map(cents).map(f64::to_bits),
        [60.0, 30.0, 90.0].map(f64::to_bits)
    );
    assert_eq!(
        (&after["judge"]["trials"], &after["judge"]["calls"]["median"]),
        (&json!(3), &json!(6))
    );
    assert_eq!(after["cells"][1]["judging"], Value::Null, "nobody judges it");
    assert_eq!(
        after["budgets"][0]["ends_after_at_median"], 3,
        "judges are paid from it, too"
    );

    let sent = stub.requests().len();
    let other = RUN.replace("anthropic:j", "openai:m");
    let shown = bed.bench(&format!("{other} --dry-run"));
    let run = bed.the_run().id();
    let table: Vec<&str> = shown
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("model "))
        .collect();
    insta::assert_snapshot!(table.join("\n").replace(&run, "RUN"), @r"
    model           trials  model replies  input tokens  output tokens       cost
    ─────────────────────────────────────────────────────────────────────────────
    openai:m             2              2           200             20    $0.2000
    judge openai:m       1        unknown       unknown        unknown    unknown
    all                  2            ≥ 2         ≥ 200           ≥ 20  ≥ $0.2000
    estimated: median – 90th percentile of past trials, times the number of trials
      openai:m: 2 past trials of the same scenario and model, from RUN
      judge openai:m: no past run: unknown
    looked at the newest 1 run in results
    ");
    assert_eq!(stub.requests().len(), sent, "nobody is asked");
}

#[test]
fn what_a_judge_was_paid_outlives_the_worker_and_a_budget_holds_for_it_too() {
    let conversations = vec![
        judges(
            "far",
            [Turn::say("hm"), Turn::say(&opinion(9.0)).after([Fault::Hang])],
        ),
        says("far", "Web."),
    ];
    let (stub, bed) = bed(conversations, vec![scenario("far", [judged("far")])]);
    let started = bed.start(&format!("{RUN} --ui plain --json"));
    // One to the model, two to the judge.
    stub.await_calls(3, PATIENCE);
    started.signal(Signal::KILL);
    started.finish(PATIENCE);
    let said = bed.the_run().transcript("far~openai-m~1");
    let lines = |kind: &str| said.iter().filter(|line| line["type"] == kind).count();
    assert_eq!(
        (lines("judge_asked"), lines("judge_replied")),
        (2, 1),
        "what was asked and paid outlives the worker"
    );

    // $0.15 are known of the killed worker, and a call that is not counts as much: the rest has room for the model's next
    // turn and one reply of the judge.
    let tight = bed.bench("resume --max-cost 0.45 --ui quiet");
    assert_eq!(tight.code, Some(3), "{tight}");
    assert!(
        tight
            .stderr
            .contains("of $0.4500; `resume` with a new budget (`--max-cost`"),
        "{tight}"
    );
    let state = bed.the_run().state();
    assert_eq!(
        (&state["status"], &state["cause"]),
        (&json!("cancelled"), &json!("budget"))
    );
    assert_eq!(
        bed.the_run().outcomes()["far~openai-m~1"],
        "cancelled",
        "open, not errored"
    );
    let (paid, unknown) = cost(&bed);
    assert!((paid - 0.3).abs() < 1e-9 && unknown == 1, "{paid}, {unknown}");

    let more = bed.bench("resume --max-cost 9 --ui quiet");
    assert_eq!(more.code, Some(0), "{more}");
    assert_eq!(bed.the_run().outcomes()["far~openai-m~1"], "passed");
    let (paid, unknown) = cost(&bed);
    let requests = stub.requests().into_iter();
    let sent = requests.map(|request| if request.body["model"] == "j" { 0.05 } else { 0.1 });
    let sent: f64 = sent.sum();
    assert!(
        (paid + 0.05 - sent).abs() < 1e-9 && unknown == 1,
        "{sent} were sent, {paid} are known"
    );
}

#[test]
fn a_judge_that_refuses_everything_is_not_paid_for_with_the_models_turns() {
    let conversations = vec![
        judges("far", [Turn::say(&opinion(9.0)).after([status(401)])]),
        says("far", "Web."),
    ];
    let (stub, bed) = bed(conversations, vec![scenario("far", [judged("far")])]);
    let shot = bed.bench(&format!("{RUN} --runs 5 --max-concurrency 1 --ui plain"));
    assert_eq!(shot.code, Some(3), "nothing could be judged: {shot}");
    assert!(
        bed.the_run()
            .outcomes()
            .values()
            .all(|outcome| outcome == "errored")
    );
    assert_eq!(stub.requests().len(), 2, "the model once, the judge once");
    let trials = bed.the_run().trials();
    let cause = trials["far~openai-m~5"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("not tried: the judge anthropic:j"), "{cause}");
    // The judge is asked again, and the model is not.
    let again = bed.bench("rescore latest --env-file keys.env --ui quiet --json");
    assert_eq!(again.code, Some(0), "{again}");
    assert_eq!(
        asked(&stub).len(),
        2,
        "of the one trial in which anything was said"
    );
}

#[test]
fn what_a_judge_costs_is_open_where_its_worker_was_killed_and_the_model_is_free() {
    let conversations = vec![judges("far", [Turn::say(&opinion(9.0))])];
    let (stub, bed) = bed(conversations, vec![scenario("far", [judged("far")])]);
    bed.write_json("play.json", &json!({"scenarios": {"far": [{"answer": "Web."}]}}));
    stub.hold();
    let run = RUN.replace("openai:m", "script:play.json");
    let started = bed.start(&format!("{run} --ui plain"));
    stub.await_calls(1, PATIENCE);
    started.signal(Signal::KILL);
    started.finish(PATIENCE);
    let shown = bed.bench("show latest").stdout;
    assert!(
        shown.contains("1 trial without an end not counted: `resume` finds what they cost"),
        "{shown}"
    );
    // Where nobody is paid, nothing is said of costs.
    let free = run.replace("anthropic:j", "script:judge.json");
    bed.write_json(
        "judge.json",
        &json!({"scenarios": {"far": [{"answer": opinion(9.0)}]}}),
    );
    let free = bed.bench(&format!("{free} --ui quiet"));
    assert_eq!(free.code, Some(0), "{free}");
    let shown = bed.bench("show latest").stdout;
    assert!(!shown.contains("cost "), "{shown}");
}
