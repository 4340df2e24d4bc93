//! Bad MCP servers: each ends in the right outcome, soon; other trials are unharmed; nothing stays behind.

use std::time::Duration;

use bench_tests::bad_gym::{BadGym, Faults, Handshake, SqlFault};
use bench_tests::bed::{RunFolder, TestBed, binary};
use serde_json::{Value, json};

use crate::harness::{answers, creates_issue, harness, scenario, sql};

/// By then a run has ended whose gym never answers: the preflight waits 120 s.
const DEADLINE: Duration = Duration::from_mins(5);

/// By then a run has ended none of whose tools was waited for as long as tools usually are: 60 s.
const BELOW_THE_USUAL: Duration = Duration::from_secs(55);

/// A scenario of a gym whose solution calls one tool and then answers `done`.
fn calls(id: &str, gym: &str, tool: &str, arguments: &Value) -> Value {
    let mut scenario = scenario(id, [answers("done")]);
    scenario["gym"] = json!(gym);
    // Whoever answers has the usual time for it, on a busy machine too.
    if tool == "hang" {
        scenario["limits"] = json!({"tool_timeout_seconds": 1});
    }
    scenario["solution"] = json!({"calls": [{"tool": tool, "arguments": arguments}], "answer": "done"});
    scenario
}

/// A scenario of the embedded tracker, which must pass whatever happens beside it.
fn unharmed(id: &str) -> Value {
    let mut scenario = creates_issue(id);
    scenario["gym"] = json!("tracker");
    scenario
}

/// What a tool answered in the transcript of a trial, in short.
fn tool_result(run: &RunFolder, trial: &str) -> String {
    let line = run
        .transcript(trial)
        .into_iter()
        .find(|line| line["type"] == "tool_result");
    let line = line.unwrap_or_else(|| panic!("no tool result in {trial}"));
    let text = line["text"].as_str().unwrap();
    let text: String = text.chars().take(90).collect();
    format!(
        "{trial}: is_error {} cut_bytes {}: {text}",
        line["is_error"], line["cut_bytes"]
    )
}

#[test]
fn tools_that_misbehave_stay_the_trials_own_trouble() {
    let bad = BadGym::start(Faults::default());
    let dying = BadGym::start(Faults::default());
    let bed = TestBed::new();
    let gyms =
        json!({"gyms": {"bad": {"url": bad.mcp_url()}, "dying": {"url": dying.mcp_url()}}, "default": "bad"});
    bed.write_json("gyms.json", &gyms);
    let none = json!({});
    let tools = ["hang", "reset", "malformed", "server_error", "huge", "fail"];
    let mut scenarios: Vec<Value> = tools.map(|tool| calls(tool, "bad", tool, &none)).into();
    scenarios.push(calls("good", "bad", "echo", &json!({"message": "hi"})));
    scenarios.push(calls("schema", "bad", "echo", &json!({"mesage": 5})));
    scenarios.push(calls("die", "dying", "die", &none));
    scenarios.push(unharmed("tracker"));
    bed.write_json("harness.json", &harness(scenarios));
    let shot = bed.bench("run harness.json --model oracle --gym-config gyms.json --retries 0 --ui quiet");
    let run = bed.the_run();
    assert_eq!(run.status(), "completed", "{shot}");
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    die~oracle~1 errored: gym `dying` broke: client error (SendRequest): connection error: Connection reset by peer (os error 104)
    fail~oracle~1 passed
    good~oracle~1 passed
    hang~oracle~1 errored: tool `hang` of gym `bad` did not answer within <took>
    huge~oracle~1 passed
    malformed~oracle~1 errored: gym `bad` broke: could not parse JSON response as ServerJsonRpcMessage: expected value at line 1 column 13: {"jsonrpc": oops
    reset~oracle~1 errored: gym `bad` broke: error reading a body from connection: Connection reset by peer (os error 104)
    schema~oracle~1 passed
    server_error~oracle~1 errored: gym `bad` broke: HTTP 500
    tracker~oracle~1 passed
    "#);
    insta::assert_snapshot!(
        ["fail", "huge", "schema"].map(|id| tool_result(&run, &format!("{id}~oracle~1"))).join("\n"), @r#"
    fail~oracle~1: is_error true cut_bytes null: the disk of the tracker is full
    huge~oracle~1: is_error false cut_bytes 934464: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    schema~oracle~1: is_error true cut_bytes null: invalid arguments: `message` is required
    "#);
    assert!(shot.took < BELOW_THE_USUAL, "{:?}", shot.took);
    assert_eq!(bad.databases(), [""; 0], "databases left behind");
    assert_eq!(
        bad.databases_created(),
        tools.len() + 2 + 1,
        "one for each trial and one for the preflight"
    );
}

#[test]
fn a_gym_that_cannot_be_reached_ends_the_run_before_it_costs_anything() {
    for (handshake, name) in [
        (Handshake::Malformed, "malformed"),
        (Handshake::ServerError, "server-error"),
    ] {
        let bad = BadGym::start(Faults {
            handshake,
            ..Faults::default()
        });
        let bed = TestBed::new();
        bed.write_json(
            "gyms.json",
            &json!({"gyms": {"bad": {"url": bad.mcp_url()}}, "default": "bad"}),
        );
        bed.write_json(
            "harness.json",
            &harness([calls("a", "bad", "echo", &json!({"message": "x"})), unharmed("b")]),
        );
        let shot = bed.bench("run harness.json --model oracle --gym-config gyms.json --ui quiet");
        assert_eq!(shot.code, Some(3), "{name}: {shot}");
        assert!(shot.took < Duration::from_secs(100), "{name}: {:?}", shot.took);
        let state = bed.the_run().state();
        assert_eq!(
            (&state["status"], &state["progress"]["trials_done"]),
            (&json!("failed"), &json!(0)),
            "{name}"
        );
        assert!(state["completed_at"].is_string());
        assert_eq!(bad.databases(), [""; 0], "{name}: databases left behind");
    }
}

#[test]
fn a_gym_that_goes_bad_after_the_first_trial_costs_the_later_ones_only() {
    let bad = BadGym::start(Faults {
        handshake: Handshake::ServerError,
        good_handshakes: 2,
        ..Faults::default()
    });
    let bed = TestBed::new();
    bed.write_json(
        "gyms.json",
        &json!({"gyms": {"bad": {"url": bad.mcp_url()}}, "default": "bad"}),
    );
    let echo = |id: &str| calls(id, "bad", "echo", &json!({"message": "x"}));
    bed.write_json("harness.json", &harness([echo("a"), echo("b"), unharmed("c")]));
    let shot =
        bed.bench("run harness.json --model oracle --gym-config gyms.json --max-concurrency 1 --ui quiet");
    let run = bed.the_run();
    assert_eq!(
        (shot.code, run.status().as_str()),
        (Some(0), "completed"),
        "{shot}"
    );
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    a~oracle~1 passed
    b~oracle~1 errored: gym `bad` could not be opened: HTTP 500 (http://127.0.0.1:<port>/mcp)
    c~oracle~1 passed
    "#);
    assert_eq!(
        bad.handshakes(),
        1 + 1 + 2,
        "preflight, trial a, two attempts at b"
    );
    assert_eq!(bad.databases(), [""; 0], "databases left behind");
}

#[test]
fn a_sql_runner_that_fails_gives_no_verdict() {
    let faults = [
        ("bad-sql", SqlFault::BadSql),
        ("server-error", SqlFault::ServerError),
        ("malformed", SqlFault::Malformed),
        ("good", SqlFault::One),
    ];
    let servers = faults.map(|(name, sql)| {
        (
            name,
            BadGym::start(Faults {
                sql,
                ..Faults::default()
            }),
        )
    });
    let bed = TestBed::new();
    let gyms: serde_json::Map<String, Value> = servers
        .iter()
        .map(|(name, gym)| ((*name).to_owned(), json!({"url": gym.mcp_url()})))
        .collect();
    bed.write_json("gyms.json", &json!({"gyms": gyms, "default": "good"}));
    let scenarios = faults.map(|(name, _)| {
        let mut scenario = calls(name, name, "echo", &json!({"message": "x"}));
        scenario["prompts"][0]["verifier"] = json!([sql("SELECT 1", &json!(1))]);
        scenario
    });
    bed.write_json("harness.json", &harness(scenarios));
    let shot = bed.bench("run harness.json --model oracle --gym-config gyms.json --retries 0 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    bad-sql~oracle~1 errored: verifier `database_state`: SQL runner of gym `bad-sql`: HTTP 400: no such table: nowhere
    good~oracle~1 passed
    malformed~oracle~1 errored: verifier `database_state`: SQL runner of gym `malformed`: answered what is no JSON: {"jsonrpc": oops
    server-error~oracle~1 errored: verifier `database_state`: SQL runner of gym `server-error`: HTTP 500
    "#);
    for (name, gym) in &servers {
        assert_eq!(gym.databases(), [""; 0], "{name}: databases left behind");
    }
}

/// A gym file with the stdio server once for each fault.
fn stdio_gyms(faults: &[&str]) -> Value {
    let command = binary::own("bad-stdio-gym");
    let server = |fault: &&str| {
        (
            (*fault).to_owned(),
            json!({"command": command, "args": ["--fault", fault]}),
        )
    };
    let servers: serde_json::Map<String, Value> = faults.iter().map(server).collect();
    json!({"mcpServers": servers})
}

#[test]
fn processes_that_misbehave_are_ended_with_everything_they_started() {
    let faults = ["none", "ignore-sigterm", "escaped-grandchild", "stderr-flood"];
    let bed = TestBed::new();
    bed.write_json("gyms.json", &stdio_gyms(&faults));
    let echo = json!({"message": "hi"});
    let mut scenarios: Vec<Value> = faults.map(|fault| calls(fault, fault, "echo", &echo)).into();
    for tool in ["hang", "die", "malformed"] {
        scenarios.push(calls(tool, "none", tool, &json!({})));
    }
    scenarios.push(calls("hang-and-ignore", "ignore-sigterm", "hang", &json!({})));
    scenarios.push(unharmed("tracker"));
    bed.write_json("harness.json", &harness(scenarios));
    let shot = bed.bench("run harness.json --model oracle --gym-config gyms.json --retries 0 --ui quiet");
    let run = bed.the_run();
    assert_eq!(run.status(), "completed", "{shot}");
    assert_eq!(run.left_behind(), [""; 0], "left behind");
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    die~oracle~1 errored: gym `none` broke: the server closed the connection
    escaped-grandchild~oracle~1 passed
    hang-and-ignore~oracle~1 errored: tool `hang` of gym `ignore-sigterm` did not answer within <took>
    hang~oracle~1 errored: tool `hang` of gym `none` did not answer within <took>
    ignore-sigterm~oracle~1 passed
    malformed~oracle~1 errored: gym `none` broke: its answer to `malformed` cannot be read as JSON-RPC (expected value at line 1 column 13): `{"jsonrpc": oops`
    none~oracle~1 passed
    stderr-flood~oracle~1 passed
    tracker~oracle~1 passed
    "#);
    assert!(shot.took < BELOW_THE_USUAL, "{:?}", shot.took);
}

#[test]
fn a_process_that_does_not_start_ends_the_run_with_its_own_words() {
    let bed = TestBed::new();
    let fault = "exit-before-handshake";
    bed.write_json("gyms.json", &stdio_gyms(&[fault]));
    bed.write_json(
        "harness.json",
        &harness([calls("a", fault, "echo", &json!({"message": "x"}))]),
    );
    let shot = bed.bench("run harness.json --model oracle --gym-config gyms.json --ui quiet");
    assert_eq!(shot.code, Some(3), "{shot}");
    assert!(
        shot.stderr.contains("no licence found") && shot.stderr.contains("42"),
        "{shot}"
    );
    let run = bed.the_run();
    assert_eq!(run.status(), "failed");
    assert_eq!(run.left_behind(), [""; 0], "left behind");
}

/// The slow one: it waits for the deadlines of opening a gym, two runs at once.
#[test]
fn servers_that_never_answer_meet_their_deadline() {
    let (never, later) = (
        Faults {
            handshake: Handshake::Never,
            ..Faults::default()
        },
        Faults {
            handshake: Handshake::Never,
            good_handshakes: 1,
            ..Faults::default()
        },
    );
    let (never, later) = (BadGym::start(never), BadGym::start(later));
    let echo = |id: &str, gym: &str| calls(id, gym, "echo", &json!({"message": "x"}));
    let line = "run harness.json --model oracle --gym-config gyms.json --retries 0 --ui quiet";

    let at_once = TestBed::new();
    let mut gyms = stdio_gyms(&["silent"]);
    gyms["mcpServers"]["never"] = json!({"url": never.mcp_url()});
    at_once.write_json("gyms.json", &gyms);
    at_once.write_json(
        "harness.json",
        &harness([echo("a", "silent"), echo("b", "never")]),
    );
    let after_the_preflight = TestBed::new();
    let gyms = json!({"gyms": {"later": {"url": later.mcp_url()}}, "default": "later"});
    after_the_preflight.write_json("gyms.json", &gyms);
    after_the_preflight.write_json("harness.json", &harness([echo("a", "later"), unharmed("b")]));
    let (first, second) = (at_once.start(line), after_the_preflight.start(line));

    let shot = first.finish(DEADLINE);
    let run = at_once.the_run();
    assert_eq!((shot.code, run.status().as_str()), (Some(3), "failed"), "{shot}");
    assert!(
        shot.stderr.contains("silent") && shot.stderr.contains("never"),
        "{shot}"
    );
    assert_eq!(run.left_behind(), [""; 0], "left behind");
    assert_eq!(never.databases(), [""; 0], "databases left behind");

    let shot = second.finish(DEADLINE);
    let run = after_the_preflight.the_run();
    assert_eq!(
        (shot.code, run.status().as_str()),
        (Some(0), "completed"),
        "{shot}"
    );
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    a~oracle~1 errored: gym `later` could not be opened: the MCP handshake got no answer within <took> (http://127.0.0.1:<port>/mcp)
    b~oracle~1 passed
    "#);
    assert_eq!(later.databases(), [""; 0], "databases left behind");
}

#[test]
fn few_servers_at_once_are_said_and_waiting_for_them_is_no_time_of_a_trial() {
    let bed = TestBed::new();
    let server = json!({"command": binary::own("bad-stdio-gym")});
    bed.write_json("gyms.json", &json!({"mcpServers": {"fine": server}}));
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    let line = "run harness.json --model noop --gym-config gyms.json --runs 5 --ui quiet --max-processes";
    let shot = bed.bench(&format!("{line} 5"));
    assert!(!shot.stderr.contains("at once"), "{shot}");
    let shot = bed.bench(&format!("{line} 1"));
    let said = "gyms over stdio: 1 trial at once; `--max-processes` changes that";
    assert!(shot.stderr.contains(said), "{shot}");
    let run = bed.runs().pop().unwrap();
    let time = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
    let records = run.trials();
    let mut times: Vec<_> = records
        .values()
        .map(|record| (time(record, "started_at"), time(record, "completed_at")))
        .collect();
    assert_eq!(times.len(), 5);
    times.sort();
    // A server has ended a moment before its trial has: the next one's may have begun by then, on a busy machine even the
    // one's after that.
    for four in times.windows(4) {
        assert!(
            four[3].0 > four[0].1,
            "the fourth begins after the first: {times:?}"
        );
    }
}
