//! What a run costs: counted per call, trial, model and run, also across a worker that was killed.

use bench_tests::bed::{PATIENCE, Shot, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, RetryAfter, Script, Turn, call};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{answers, harness, scenario};

/// One trial of two tool calls and an answer. Its last request is not answered the first time.
fn hangs_once() -> (ModelStub, TestBed) {
    far(Turn::say("done").after([Fault::Hang]))
}

/// One trial of two tool calls and this.
fn far(last: Turn) -> (ModelStub, TestBed) {
    let calls = || Turn::call([call("list_projects", json!({}))]);
    let stub = ModelStub::start(Script {
        conversations: vec![Conversation::when("[far]", [calls(), calls(), last])],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("far", [answers("done")])]));
    let price = json!({"model": "openai:m", "input": 1000, "output": 0, "source": "test"});
    bed.write_json("prices.json", &json!({"prices": [price]}));
    (stub, bed)
}

fn show(bed: &TestBed) -> Value {
    let shot = bed.bench("show latest --json");
    assert_eq!(shot.code, Some(0), "{shot}");
    serde_json::from_str(&shot.stdout).unwrap()
}

/// Dollars of the replies in a transcript, one after another.
fn replies(transcript: &[Value]) -> Vec<f64> {
    let replies = transcript.iter().filter(|line| line["type"] == "assistant");
    replies.map(|line| line["cost_usd"].as_f64().unwrap()).collect()
}

#[test]
fn what_a_killed_worker_paid_is_counted_with_the_call_that_was_under_way() {
    let (stub, bed) = hangs_once();
    let started = bed.start("run harness.json --model openai:m --prices prices.json --ui plain --json");
    stub.await_calls(3, PATIENCE);
    started.signal(Signal::KILL);
    started.finish(PATIENCE);
    let run = bed.the_run();
    let paid = replies(&run.transcript("far~openai-m~1"));
    assert_eq!(paid.len(), 2, "every reply outlives the worker");

    let page = show(&bed);
    assert_eq!(
        (&page["cost"]["usd"], &page["trials_not_counted"]),
        (&json!(0.0), &json!(1))
    );
    let shown = bed.bench("show latest").stdout;
    assert!(
        shown.contains("1 trial without an end not counted: `resume` finds what they cost"),
        "{shown}"
    );

    let resumed = bed.bench("resume --ui quiet");
    assert_eq!(resumed.code, Some(0), "{resumed}");
    let all = replies(&run.transcript("far~openai-m~1"));
    assert_eq!(all.len(), 5, "two, then all three");
    let page = show(&bed);
    let cost = &page["cost"];
    assert_eq!(cost["unknown_calls"], 1, "{cost}");
    let sum: f64 = all.iter().sum();
    assert!(
        (cost["usd"].as_f64().unwrap() - sum).abs() < 1e-9,
        "{cost} is not {sum}"
    );
    assert_eq!(page["trials_not_counted"], 0);
    assert_eq!(run.session()["models"][0]["cost"], *cost);
    let record = &run.trials()["far~openai-m~1"];
    assert_eq!(
        record["cost"]["unknown_calls"], 0,
        "the trial itself knows what it paid: {record}"
    );
    assert!(
        bed.bench("show latest")
            .stdout
            .contains("+ 1 call of unknown cost")
    );
    // Counted once, however often it is resumed.
    bed.bench("resume --ui quiet");
    assert_eq!(show(&bed)["cost"], *cost);
    let interrupted = run
        .events()
        .into_iter()
        .filter(|event| event["event"] == "trial_interrupted");
    assert_eq!(interrupted.count(), 1);
}

/// Dollars that are known, and calls that are not.
fn cost(bed: &TestBed) -> (f64, u64) {
    let cost = show(bed)["cost"].clone();
    (
        cost["usd"].as_f64().unwrap(),
        cost["unknown_calls"].as_u64().unwrap(),
    )
}

fn assert_over_budget(bed: &TestBed, shot: &Shot) {
    assert_eq!(shot.code, Some(3), "{shot}");
    let state = bed.the_run().state();
    assert_eq!(
        (&state["status"], &state["cause"]),
        (&json!("cancelled"), &json!("budget")),
        "{state}"
    );
}

#[test]
fn a_budget_is_exceeded_by_no_more_than_a_call_in_each_slot_and_a_higher_one_goes_on() {
    let (stub, bed) = far(Turn::say("done"));
    let run = "run harness.json --model openai:m --prices prices.json --runs 6 --max-concurrency 3";
    let first = bed.bench(&format!("{run} --max-cost 0.75 --ui quiet"));
    assert_over_budget(&bed, &first);
    assert!(
        first
            .stderr
            .contains("of $0.7500; `resume` with a new budget (`--max-cost`"),
        "{first}"
    );
    let (paid, unknown) = cost(&bed);
    let sent = f64::from(u32::try_from(stub.requests().len()).unwrap());
    assert!((paid - sent * 0.1).abs() < 1e-9, "{sent} calls cost {paid}");
    assert!(paid > 0.4 && paid <= 0.75 + 3.0 * 0.1, "{paid}");
    assert_eq!(unknown, 0, "what is under way comes to its end");
    let again = bed.bench("resume --ui quiet");
    assert_over_budget(&bed, &again);
    assert!(cost(&bed).0 <= 0.75 + 3.0 * 0.1, "what was paid before counts");
    let more = bed.bench("resume --max-cost 9 --ui quiet");
    assert_eq!(more.code, Some(0), "{more}");
    assert!(more.stderr.contains("max_cost $0.7500 → $9.00"), "{more}");
    assert!(
        bed.the_run()
            .outcomes()
            .values()
            .all(|outcome| outcome == "passed")
    );
    let sent = f64::from(u32::try_from(stub.requests().len()).unwrap());
    assert!(
        (cost(&bed).0 - sent * 0.1).abs() < 1e-9,
        "nothing is lost: {sent} calls"
    );
}

#[test]
fn a_budget_holds_across_a_worker_that_was_killed() {
    let (stub, bed) = hangs_once();
    let started =
        bed.start("run harness.json --model openai:m --prices prices.json --max-cost 0.35 --ui plain --json");
    stub.await_calls(3, PATIENCE);
    started.signal(Signal::KILL);
    started.finish(PATIENCE);
    let resumed = bed.bench("resume --ui quiet");
    assert_over_budget(&bed, &resumed);
    let (paid, unknown) = cost(&bed);
    assert!(
        (paid - 0.2).abs() < 1e-9,
        "two calls, and one that was under way, which counts like them: {paid}"
    );
    assert_eq!(unknown, 1, "the one that was under way");
    let more = bed.bench("resume --max-cost 9 --ui quiet");
    assert_eq!(more.code, Some(0), "{more}");
    assert_eq!(cost(&bed).1, 1);
}

#[test]
fn tokens_and_time_of_a_run_are_bounded_too_and_dollars_need_a_price() {
    let (stub, bed) = far(Turn::say("done"));
    let refused = bed.bench("run harness.json --model openai:m --max-cost 5");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("nobody knows the price of `openai:m`"),
        "{refused}"
    );
    assert!(
        bed.runs().is_empty() && stub.requests().is_empty(),
        "nothing was begun"
    );

    stub.hold();
    let timed = bed.bench("run harness.json --model openai:m --max-duration 1s --ui quiet");
    assert_over_budget(&bed, &timed);
    stub.release();
    // Enough for two of its three calls.
    let tokens = bed.bench("resume --max-duration 1h --max-tokens-total 220 --ui quiet");
    assert_over_budget(&bed, &tokens);
    assert!(tokens.stderr.contains("of 220 tokens"), "{tokens}");
    let more = bed.bench("resume --max-tokens-total 100000 --ui quiet");
    assert_eq!(more.code, Some(0), "{more}");
}

#[test]
fn a_trial_ends_before_it_costs_more_than_it_may_and_is_judged() {
    let (stub, bed) = hangs_once();
    let run = "run harness.json --model openai:m --ui quiet --max-trial-cost 0.2";
    let refused = bed.bench(run);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("`--max-trial-cost` cannot be kept"),
        "{refused}"
    );
    assert!(
        bed.runs().is_empty() && stub.requests().is_empty(),
        "nothing was begun"
    );

    let mut far = scenario("far", [answers("done")]);
    far["limits"] = json!({"max_cost": 0.25});
    bed.write_json("harness.json", &harness([far]));
    let refused = bed.bench("run harness.json --model openai:m --ui quiet");
    let limit = "`limits.max_cost` of the scenario `far` cannot be kept";
    assert!(refused.stderr.contains(limit), "{refused}");

    let shot = bed.bench("run harness.json --model openai:m --prices prices.json --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let record = &bed.the_run().trials()["far~openai-m~1"];
    assert_eq!(record["outcome"], "limit", "{record}");
    let cause = "cost limit reached ($0.2000 of $0.2500)";
    assert_eq!(record["cause"], cause, "the third call would not fit");
    assert_eq!(record["verdicts"].as_array().map(Vec::len), Some(1), "{record}");
    assert_eq!(stub.requests().len(), 2);
}

#[test]
fn an_unknown_price_is_unknown() {
    let stub = ModelStub::start(Script {
        conversations: vec![Conversation::when("[near]", [Turn::say("done")])],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("near", [answers("done")])]));
    let shot = bed.bench("run harness.json --model openai:gpt-4o --model noop --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    let price = &run.json("plan.json")["models"][0]["price"];
    assert!(
        price.is_null(),
        "the provider's price does not hold at another address: {price}"
    );
    let models = &run.session()["models"];
    assert_eq!(models[0]["cost"], json!({"usd": 0.0, "unknown_calls": 1}));
    assert_eq!(
        models[1]["cost"],
        json!({"usd": 0.0, "unknown_calls": 0}),
        "nobody is paid"
    );
    assert!(shot.stdout.contains("unknown"), "{shot}");
}

/// Ends workers without a word at random moments, in parallel trials that get all kinds of answers that may have to be
/// paid, and resumes the run each time.
#[test]
fn what_is_told_covers_the_bill_however_often_a_worker_dies() {
    let again = Fault::Status {
        status: 500,
        retry_after: Some(RetryAfter::Seconds(0)),
    };
    let calls = || Turn::call([call("list_projects", json!({}))]);
    let names = ["[a]", "[b]", "[c]", "[d]", "[e]"];
    let conversation = |name: &str| {
        let turns = [
            calls().after([again.clone(), again.clone()]),
            calls().after([Fault::NotJson]),
            Turn::say("done").after([Fault::Reset, again.clone()]),
        ];
        Conversation::when(name, turns)
    };
    let stub = ModelStub::start(Script {
        conversations: names.map(conversation).into(),
    });
    let (_, bed) = hangs_once();
    let bed = bed.env("OPENAI_BASE_URL", stub.openai_url());
    let scenarios = names.map(|name| scenario(name.trim_matches(['[', ']']), [answers("done")]));
    bed.write_json("harness.json", &harness(scenarios));

    let (seed, slots) = (fastrand::u64(..), 4);
    let mut random = fastrand::Rng::with_seed(seed);
    let run =
        "run harness.json --model openai:m --model openai:m?stream=true --prices prices.json --ui quiet";
    stub.hold();
    let mut worker = bed.start(&format!("{run} --max-concurrency {slots}"));
    let deaths = 5;
    for _ in 0..deaths {
        let next = stub.stats().calls + random.u64(1..6);
        // However late the blow comes, there is something left to do.
        stub.answer_only(next + 1);
        stub.await_calls(next, PATIENCE);
        worker.signal(Signal::KILL);
        worker.finish(PATIENCE);
        worker = bed.start("resume --ui quiet");
    }
    stub.release();
    let last = worker.finish(PATIENCE);
    assert_eq!(last.code, Some(0), "seed {seed}: {last}");
    let (usd, unknown) = cost(&bed);
    let billed = stub.stats().calls;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few dimes"
    )]
    let told = (usd * 10.0).round() as u64 + unknown;
    let seen = format!("seed {seed}: {billed} requests, ${usd} and {unknown} of unknown cost");
    assert!(told >= billed, "less is told than was billed: {seen}");
    assert!(told <= billed + deaths * slots, "{seen}");
    assert!(usd > 2.9, "30 replies are known: {seen}");
}
