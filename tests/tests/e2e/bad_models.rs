//! Bad models: each ends in the right outcome, soon, and the trials beside it are unharmed.

use std::time::Duration;

use bench_tests::bed::{RunFolder, Shot, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Reply, RetryAfter, Script, Turn, call, status};
use serde_json::{Value, json};

use crate::harness::{answers, harness, one_new_issue, scenario};

/// A conversation of the scenario `id`.
fn when(id: &str, turns: impl Into<Vec<Turn>>) -> Conversation {
    Conversation::when(&format!("[{id}]"), turns)
}

/// A finished run, and who played in it.
struct Played {
    stub: ModelStub,
    shot: Shot,
    run: RunFolder,
    _bed: TestBed, // keeps the folder
}

/// Runs scenarios, each played by the conversation of its name over both wire formats, with the tracker and
/// one attempt each.
fn play(scenarios: Vec<Value>, conversations: Vec<Conversation>) -> Played {
    let stub = ModelStub::start(Script { conversations });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai")
        .env("ANTHROPIC_BASE_URL", stub.url())
        .env("ANTHROPIC_API_KEY", "sk-canary-anthropic");
    bed.write_json("harness.json", &harness(scenarios));
    let shot = bed.bench(
        "run harness.json --model openai:m --model anthropic:m --max-concurrency 16 --retries 0 --ui quiet",
    );
    let run = bed.the_run();
    assert_eq!(run.status(), "completed", "{shot}");
    assert_eq!(run.left_behind(), [""; 0], "left behind");
    assert_eq!(stub.refusals(), [""; 0], "a provider would refuse this");
    Played {
        stub,
        shot,
        run,
        _bed: bed,
    }
}

#[test]
fn a_provider_that_refuses_schemas_is_sent_them_without_what_it_refuses_and_everybody_is_told() {
    let refusal = "Invalid JSON payload received. Unknown name \"additionalProperties\" at \
        'tools[0].function_declarations[0].parameters': Cannot find field.";
    let turn = Turn::say("done").after([Fault::Refusal(refusal.into())]);
    let stub = ModelStub::start(Script::always([turn]));
    let bed = TestBed::new()
        .env("GOOGLE_BASE_URL", stub.url())
        .env("GOOGLE_API_KEY", "sk-canary-google");
    bed.write_json("harness.json", &harness(vec![says_done("s")]));
    let shot =
        bed.bench("run harness.json --model google:m --runs 3 --max-concurrency 1 --retries 0 --ui plain");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    assert_eq!(run.state()["progress"]["passed"], 3, "{shot}");
    let events = run.events();
    let adjusted = |event: &&Value| event["event"] == "tool_schemas_adjusted";
    let told: Vec<&Value> = events.iter().filter(adjusted).collect();
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    let tools = told["changes"].as_array().unwrap();
    assert_eq!(tools[0]["removed"][0], "/additionalProperties", "{told}");
    let line = format!("google:m: schemas of {} tools are sent without", tools.len());
    assert_eq!(shot.to_string().matches(&line).count(), 1, "{shot}");
    for trial in run.trials().keys() {
        let entries = run.transcript(trial);
        let says = |entry: &&Value| {
            entry["text"]
                .as_str()
                .unwrap_or_default()
                .contains("/additionalProperties")
        };
        assert_eq!(entries.iter().filter(says).count(), 1, "{trial}: {entries:?}");
    }
    let page = bed.bench("show latest");
    let line = "tools    google:m: schemas sent without what the provider refuses: ";
    assert_eq!(page.stdout.matches(line).count(), 1, "{page}");
    let page: Value = serde_json::from_str(&bed.bench("show latest --json").stdout).unwrap();
    assert_eq!(page["tool_schemas"]["google:m"], told["changes"]);
}

fn says_done(id: &str) -> Value {
    scenario(id, [answers("done")])
}

#[test]
fn what_passes_by_is_tried_again_and_passes() {
    let retry_after = |wait| Fault::Status {
        status: 429,
        retry_after: Some(wait),
    };
    let storm = vec![retry_after(RetryAfter::Seconds(1)); 3];
    let faults = [
        ("storm", storm),
        ("date", vec![retry_after(RetryAfter::DateIn(1))]),
        ("overloaded", vec![status(500), status(529)]),
        ("reset", vec![Fault::Reset, Fault::Reset]),
        ("truncated", vec![Fault::Truncated]),
        ("not-json", vec![Fault::NotJson]),
        ("hang", vec![Fault::Hang]),
        ("good", vec![]),
    ];
    let asked = |id: &str| {
        let mut scenario = says_done(id);
        if id == "hang" {
            // Time enough for the good answer, on a busy machine too.
            scenario["limits"] = json!({"model_timeout_seconds": 10});
        }
        scenario
    };
    let scenarios = faults.iter().map(|(id, _)| asked(id)).collect();
    let conversations = faults
        .iter()
        .map(|(id, faults)| when(id, [Turn::say("done").after(faults.clone())]))
        .collect();
    let played = play(scenarios, conversations);
    assert_eq!(played.shot.code, Some(0), "{}", played.shot);
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    date~anthropic-m~1 passed
    date~openai-m~1 passed
    good~anthropic-m~1 passed
    good~openai-m~1 passed
    hang~anthropic-m~1 passed
    hang~openai-m~1 passed
    not-json~anthropic-m~1 passed
    not-json~openai-m~1 passed
    overloaded~anthropic-m~1 passed
    overloaded~openai-m~1 passed
    reset~anthropic-m~1 passed
    reset~openai-m~1 passed
    storm~anthropic-m~1 passed
    storm~openai-m~1 passed
    truncated~anthropic-m~1 passed
    truncated~openai-m~1 passed
    "#);
    assert_eq!(played.stub.stats().calls, 2 * (8 + 3 + 1 + 2 + 2 + 1 + 1 + 1));
    // Three waits of a second each, nothing much longer; without its limit, `hang` takes ten minutes.
    assert!(
        played.shot.took >= Duration::from_secs(3) && played.shot.took < Duration::from_mins(1),
        "{:?}",
        played.shot.took
    );
}

#[test]
fn what_does_not_pass_by_is_an_error_of_that_trial_alone() {
    let always = |fault: Fault| vec![Turn::from(Reply::Fault(fault))];
    let played = play(
        vec![
            says_done("bad-request"),
            says_done("no-access"),
            says_done("no-money"),
            says_done("never-json"),
            says_done("good"),
        ],
        vec![
            when("bad-request", always(status(400))),
            when("no-access", always(status(401))),
            when("no-money", always(status(402))),
            when("never-json", always(Fault::NotJson)),
            when("good", [Turn::say("done")]),
        ],
    );
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    bad-request~anthropic-m~1 errored: anthropic:m: 400: the stub was told to fail
    bad-request~openai-m~1 errored: openai:m: 400: the stub was told to fail
    good~anthropic-m~1 passed
    good~openai-m~1 passed
    never-json~anthropic-m~1 errored: anthropic:m: the answer is not what the format promises (expected value at line 1 column 1); is http://127.0.0.1:<port>/v1/messages right? It begins: <html><body>Bad gateway? Good gateway!</body></html>; gave up after 3 requests
    never-json~openai-m~1 errored: openai:m: the answer is not what the format promises (expected value at line 1 column 1); is http://127.0.0.1:<port>/v1/chat/completions right? It begins: <html><body>Bad gateway? Good gateway!</body></html>; gave up after 3 requests
    no-access~anthropic-m~1 errored: anthropic:m: 401: Incorrect API key provided: [secret].; check ANTHROPIC_API_KEY
    no-access~openai-m~1 errored: openai:m: 401: Incorrect API key provided: [secret].; check OPENAI_API_KEY
    no-money~anthropic-m~1 errored: anthropic:m: 402: the stub was told to fail; add credit to the account of ANTHROPIC_API_KEY
    no-money~openai-m~1 errored: openai:m: 402: the stub was told to fail; add credit to the account of OPENAI_API_KEY
    "#);
    assert_eq!(played.shot.code, Some(0), "{}", played.shot);
}

#[test]
fn a_model_that_never_answers_meets_its_deadline() {
    let mut silent = says_done("silent");
    silent["limits"] = json!({"model_timeout_seconds": 1, "max_seconds": 4});
    let played = play(
        vec![silent, says_done("good")],
        vec![
            when("silent", vec![Turn::from(Reply::Fault(Fault::Hang))]),
            when("good", [Turn::say("done")]),
        ],
    );
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    good~anthropic-m~1 passed
    good~openai-m~1 passed
    silent~anthropic-m~1 limit: time limit reached (<took>)
    silent~openai-m~1 limit: time limit reached (<took>)
    "#);
    assert!(
        played.shot.took < Duration::from_mins(1),
        "{:?}",
        played.shot.took
    );
}

#[test]
fn a_model_that_never_stops_calling_tools_meets_its_limit() {
    let endless = || [Turn::call([call("list_projects", json!({}))])];
    let limited = |id: &str, limits: Value| {
        let mut scenario = says_done(id);
        scenario["limits"] = limits;
        scenario
    };
    let played = play(
        vec![
            limited("turns", json!({"max_turns": 5})),
            limited("calls", json!({"max_tool_calls": 4})),
            limited("tokens", json!({"max_tokens": 500})),
        ],
        vec![
            when("turns", endless()).forever(),
            when("calls", endless()).forever(),
            when("tokens", endless()).forever(),
        ],
    );
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    calls~anthropic-m~1 limit: tool call limit reached (4 calls)
    calls~openai-m~1 limit: tool call limit reached (4 calls)
    tokens~anthropic-m~1 limit: token limit reached (500 tokens)
    tokens~openai-m~1 limit: token limit reached (500 tokens)
    turns~anthropic-m~1 limit: turn limit reached (5 turns)
    turns~openai-m~1 limit: turn limit reached (5 turns)
    "#);
    assert!(
        played.stub.stats().calls <= 2 * (5 + 5 + 5),
        "{:?}",
        played.stub.stats()
    );
    let state = played.run.state();
    assert_eq!(
        state["progress"]["limit"], 6,
        "a limit counts, and not as passed: {state}"
    );
}

#[test]
fn nonsense_is_told_to_the_model_which_may_recover() {
    let good = json!({"projectKey": "WEB", "issueType": "Bug", "summary": "Made after all"});
    let recovers = |id: &str, bad: Turn| {
        when(
            id,
            [
                bad,
                Turn::call([call("create_issue", good.clone())]),
                Turn::say("done"),
            ],
        )
    };
    let played = play(
        ["unknown-tool", "schema", "no-json", "wrong-issue", "two-of-three"]
            .map(|id| scenario(id, [one_new_issue()]))
            .into(),
        vec![
            recovers("unknown-tool", Turn::call([call("make_issue", json!({}))])),
            recovers(
                "schema",
                Turn::call([call("create_issue", json!({"summary": 5, "colour": "red"}))]),
            ),
            recovers(
                "no-json",
                Turn::call([call("create_issue", json!("{\"projectKey\": "))]),
            ),
            recovers(
                "wrong-issue",
                Turn::call([call("get_issue", json!({"issueIdOrKey": "WEB-9999"}))]),
            ),
            recovers(
                "two-of-three",
                Turn::call([
                    call("list_projects", json!({})),
                    call("make_issue", json!({})),
                    call("list_labels", json!({})),
                ]),
            ),
        ],
    );
    assert_eq!(played.shot.code, Some(0), "{}", played.shot);
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    no-json~anthropic-m~1 passed
    no-json~openai-m~1 passed
    schema~anthropic-m~1 passed
    schema~openai-m~1 passed
    two-of-three~anthropic-m~1 passed
    two-of-three~openai-m~1 passed
    unknown-tool~anthropic-m~1 passed
    unknown-tool~openai-m~1 passed
    wrong-issue~anthropic-m~1 passed
    wrong-issue~openai-m~1 passed
    "#);
    for (id, trial) in played.run.trials() {
        assert_eq!(trial["tool_errors"], 1, "{id}");
    }
}

#[test]
fn an_empty_reply_is_an_answer_but_no_evidence() {
    let two_prompts = |id: &str| {
        let mut scenario = scenario(id, [answers("done")]);
        let again = json!({"prompt_text": "Well?"});
        scenario["prompts"].as_array_mut().unwrap().push(again);
        scenario
    };
    let empty = || Turn::from(Reply::Empty);
    let played = play(
        vec![scenario("empty", [answers("done")]), two_prompts("then-more")],
        vec![
            when("empty", [empty()]),
            when("then-more", [empty(), Turn::say("done")]),
        ],
    );
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    empty~anthropic-m~1 failed
    empty~openai-m~1 failed
    then-more~anthropic-m~1 failed
    then-more~openai-m~1 passed
    "#);
}

#[test]
fn a_verifier_that_cannot_run_is_an_error_and_no_failure() {
    let broken = |id: &str, query: &str| {
        let mut scenario = says_done(id);
        let verifiers = scenario["prompts"][0]["verifier"].as_array_mut().unwrap();
        verifiers.push(crate::harness::sql(query, &json!(1)));
        scenario
    };
    let played = play(
        vec![
            broken("no-table", "SELECT count(*) FROM nowhere"),
            broken("writes", "DELETE FROM issue"),
            broken(
                "endless",
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            ),
            says_done("good"),
        ],
        vec![Conversation::when("", [Turn::say("done")])],
    );
    insta::assert_snapshot!(played.run.outcome_lines(), @r#"
    endless~anthropic-m~1 errored: verifier `database_state`: SQL runner of gym `tracker`: HTTP 400: stopped after <took>; the query is too expensive
    endless~openai-m~1 errored: verifier `database_state`: SQL runner of gym `tracker`: HTTP 400: stopped after <took>; the query is too expensive
    good~anthropic-m~1 passed
    good~openai-m~1 passed
    no-table~anthropic-m~1 errored: verifier `database_state`: SQL runner of gym `tracker`: HTTP 400: no such table: nowhere
    no-table~openai-m~1 errored: verifier `database_state`: SQL runner of gym `tracker`: HTTP 400: no such table: nowhere
    writes~anthropic-m~1 errored: verifier `database_state`: SQL runner of gym `tracker`: HTTP 400: not authorized; only SELECT is allowed here
    writes~openai-m~1 errored: verifier `database_state`: SQL runner of gym `tracker`: HTTP 400: not authorized; only SELECT is allowed here
    "#);
    assert_eq!(played.run.state()["progress"]["errored"], 6);
    assert_eq!(played.shot.code, Some(0), "{}", played.shot);
}
