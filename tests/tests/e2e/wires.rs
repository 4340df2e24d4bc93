//! Whole conversations with the tracker over all wire formats: several prompts, several turns, several
//! tools in one turn, arguments that come from earlier results.

use bench_tests::bed::TestBed;
use bench_tests::model_stub::script::{Script, Turn, call};
use bench_tests::model_stub::{ModelStub, Wire};
use serde_json::{Value, json};

use crate::harness::{creates_issue, harness, sql};

/// Finds out, creates, comments and assigns at once; after the second prompt closes what it made.
fn script() -> Script {
    Script::always([
        Turn::call([
            call("get_project", json!({"projectKey": "WEB"})),
            call(
                "find_assignable_users",
                json!({"projectKey": "WEB", "query": "Emily"}),
            ),
        ]),
        Turn::call([call(
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bug", "summary": "Checkout button is dead", "priority": "High"}),
        )]),
        Turn::call([
            call(
                "assign_issue",
                json!({"issueIdOrKey": "{{2/key}}", "accountId": "{{1/users/0/accountId}}"}),
            ),
            call(
                "add_issue_comment",
                json!({"issueIdOrKey": "{{2/key}}", "body": "Emily, please look."}),
            ),
        ]),
        Turn::say("The bug is filed and Emily has it."),
        Turn::call([call("get_issue", json!({"issueIdOrKey": "{{2/key}}"}))]),
        Turn::call([call(
            "update_issue",
            json!({"issueIdOrKey": "{{2/key}}", "priority": "Highest"}),
        )]),
        Turn::say("It has the highest priority now."),
    ])
}

fn scenario() -> Value {
    let issue = "FROM issue i WHERE i.summary = 'Checkout button is dead'";
    let first = [
        sql(&format!("SELECT count(*) {issue}"), &json!(1)),
        sql(
            "SELECT u.name FROM issue i JOIN app_user u ON u.id = i.assignee_id WHERE i.summary = 'Checkout button is dead'",
            &json!("Emily Davis"),
        ),
        sql(
            "SELECT count(*) FROM comment WHERE body = 'Emily, please look.'",
            &json!(1),
        ),
    ];
    let second = [sql(&format!("SELECT i.priority_id {issue}"), &json!(1))];
    harness([json!({
        "scenario_id": "file-a-bug",
        "name": "File a bug",
        "system_prompt": "You look after the tracker.",
        "prompts": [
            {"prompt_text": "The checkout button is dead. File it and give it to Emily.", "verifier": first},
            {"prompt_text": "It is urgent.", "verifier": second},
        ],
    })])
}

/// A folder with the scenario, in which all providers are the stub.
fn bed_of(stub: &ModelStub) -> TestBed {
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai")
        .env("ANTHROPIC_BASE_URL", stub.url())
        .env("ANTHROPIC_API_KEY", "sk-canary-anthropic")
        .env("GOOGLE_BASE_URL", stub.url())
        .env("GOOGLE_API_KEY", "sk-canary-google");
    bed.write_json("harness.json", &scenario());
    bed
}

#[test]
fn all_wire_formats_play_a_conversation_to_a_pass() {
    let stub = ModelStub::start(script());
    let bed = bed_of(&stub);
    let run = "run harness.json --model openai:gpt-stub --model openai:gpt-stub?api=responses&effort=high \
        --model anthropic:claude-stub --model google:gemini-stub --model compatible:local --ui quiet";
    let shot = bed.bench(run);
    assert_eq!(stub.refusals(), [""; 0]);
    assert_eq!(shot.code, Some(2), "compatible needs a base URL: {shot}");

    let bed = bed
        .env("COMPATIBLE_BASE_URL", stub.openai_url())
        .env("COMPATIBLE_API_KEY", "canary-local");
    let shot = bed.bench(run);
    assert_eq!(stub.refusals(), [""; 0], "a provider would refuse this: {shot}");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    file-a-bug~anthropic-claude-stub~1 passed
    file-a-bug~compatible-local~1 passed
    file-a-bug~google-gemini-stub~1 passed
    file-a-bug~openai-gpt-stub-api-responses-effort-high~1 passed
    file-a-bug~openai-gpt-stub~1 passed
    "#);
    for (id, trial) in run.trials() {
        assert_eq!(
            (&trial["turns"], &trial["tool_calls"]),
            (&json!(7), &json!(7)),
            "{id}"
        );
        assert_eq!(trial["usage"]["input_tokens"], 700, "{id}: {}", trial["usage"]);
        assert_eq!(trial["usage"]["output_tokens"], 70, "{id}: {}", trial["usage"]);
    }
    let requests = stub.requests();
    assert_eq!(requests.len(), 35);
    for wire in [Wire::Responses, Wire::Messages, Wire::Generate] {
        assert_eq!(requests.iter().filter(|r| r.wire == wire).count(), 7, "{wire:?}");
    }
    for request in &requests {
        let tools = match request.wire {
            Wire::Generate => &request.body["tools"][0]["functionDeclarations"],
            _ => &request.body["tools"],
        };
        assert!(
            tools.as_array().unwrap().len() >= 25,
            "all tools are offered each time"
        );
        for unasked in ["temperature", "generationConfig"] {
            assert!(
                request.body.get(unasked).is_none(),
                "nobody asked for `{unasked}`"
            );
        }
    }
}

#[test]
fn streamed_replies_play_the_same_conversation_over_all_wire_formats() {
    let stub = ModelStub::start(script());
    let bed = bed_of(&stub);
    let shot = bed.bench(
        "run harness.json --model openai:m?stream=true --model openai:m?api=responses&stream=true \
        --model anthropic:m?stream=true --model google:m?stream=true --ui quiet",
    );
    assert_eq!(stub.refusals(), [""; 0], "a provider would refuse this: {shot}");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    for (id, trial) in run.trials() {
        assert_eq!(
            (&trial["outcome"], &trial["turns"]),
            (&json!("passed"), &json!(7)),
            "{id}"
        );
        assert_eq!(trial["usage"]["input_tokens"], 700, "{id}: {}", trial["usage"]);
        assert_eq!(trial["usage"]["output_tokens"], 70, "{id}: {}", trial["usage"]);
        let transcript = run.transcript(&id);
        let replies: Vec<&Value> = transcript
            .iter()
            .filter(|entry| entry["type"] == "assistant")
            .collect();
        assert_eq!(replies.len(), 7);
        for reply in replies {
            assert!(
                reply["first_token_ms"].as_u64() <= reply["took_ms"].as_u64(),
                "{reply}"
            );
            assert!(reply["first_token_ms"].is_u64(), "{reply}");
            for told in ["served_by", "request_id", "stop_reason"] {
                assert!(reply[told].is_string(), "{id}: {reply}");
            }
        }
    }
}

#[test]
fn what_is_asked_for_is_sent() {
    let stub = ModelStub::start(Script::always([Turn::say("ok")]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai")
        .env("ANTHROPIC_BASE_URL", stub.url())
        .env("ANTHROPIC_API_KEY", "sk-canary-anthropic");
    bed.write_json("harness.json", &harness([creates_issue("a")]));
    bed.write("prompt.txt", "Speak in rhymes.");
    let shot = bed.bench(
        "run harness.json --model openai:m --model anthropic:m --temperature 0.5 --max-output-tokens 321 --system-prompt prompt.txt --ui quiet",
    );
    assert_eq!((shot.code, stub.refusals()), (Some(0), vec![]), "{shot}");
    for request in stub.requests() {
        let body = &request.body;
        assert_eq!(body["temperature"], 0.5);
        let limit = body
            .get("max_tokens")
            .or_else(|| body.get("max_completion_tokens"));
        assert_eq!(limit, Some(&json!(321)));
        assert!(body.to_string().contains("Speak in rhymes."));
    }
}
