//! Real MCP servers as gyms: tools listed and called, states verified, the protocol recorded, nothing left.

use std::path::Path;
use std::time::Duration;

use bench_tests::bed::{PATIENCE, TestBed};
use serde_json::{Value, json};

use crate::installed;

/// A scenario that calls one tool and checks what it answered, and the trial's end.
fn try_server(bed: &TestBed, gym: &Value, call: (&str, Value), contains: &str) -> (String, u64) {
    let (tool, arguments) = call;
    bed.write_json("gyms.json", &json!({"mcpServers": {"real": gym}}));
    bed.write_json(
        "harness.json",
        &json!({"scenarios": [{
            "scenario_id": "call-a-tool",
            "prompts": [{
                "prompt_text": "Call it.",
                "verifier": [
                    {"verifier_type": "tool_execution", "validation_config": {"required": [tool]}},
                    {"verifier_type": "tool_result", "validation_config": {
                        "tool": tool, "arguments": arguments,
                        "comparison_type": "not_equals", "expected_value": null}},
                    {"verifier_type": "response_check", "validation_config": {"contains": "done"}}
                ]
            }],
            "solution": {"calls": [{"tool": tool, "arguments": arguments}], "answer": "done"}
        }]}),
    );
    let shot = bed.bench("run harness.json --model oracle --model noop --retries 0 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    let outcomes = run.outcomes();
    assert_eq!(
        outcomes["call-a-tool~oracle~1"],
        "passed",
        "{shot}\n{:?}",
        run.trials()
    );
    assert_eq!(outcomes["call-a-tool~noop~1"], "failed");
    let transcript = run.path().join("trials/call-a-tool~oracle~1.jsonl");
    let transcript = std::fs::read_to_string(transcript).unwrap();
    assert!(transcript.contains(contains), "no `{contains}` in\n{transcript}");
    assert_eq!(run.processes(), [""; 0], "processes left behind");
    let protocol = run.trials()["call-a-tool~oracle~1"]["gyms"][0]["protocol"]
        .as_str()
        .unwrap()
        .to_owned();
    let reached = run
        .events()
        .into_iter()
        .find(|e| e["event"] == "gym_reached")
        .unwrap();
    assert_eq!(reached["protocol"], protocol.as_str());
    (protocol, reached["tools"].as_u64().unwrap())
}

fn node_server(real: &Path, name: &str, args: &[&str]) -> Value {
    let program = real.join("servers/node_modules/.bin").join(name);
    json!({"command": program, "args": args})
}

#[test]
fn everything_over_stdio() {
    let Some(real) = installed("everything_over_stdio") else {
        return;
    };
    let gym = node_server(&real, "mcp-server-everything", &["stdio"]);
    let (protocol, tools) = try_server(
        &TestBed::new(),
        &gym,
        ("echo", json!({"message": "hello there"})),
        "Echo: hello there",
    );
    assert_eq!(protocol, "2025-11-25");
    assert!(tools >= 13, "{tools} tools");
}

#[test]
fn everything_over_streamable_http() {
    let Some(real) = installed("everything_over_streamable_http") else {
        return;
    };
    let port = free_port();
    let mut server = std::process::Command::new(real.join("servers/node_modules/.bin/mcp-server-everything"))
        .arg("streamableHttp")
        .env("PORT", port.to_string())
        // It uses the global `crypto`, which Node 18 has only if asked.
        .env("NODE_OPTIONS", "--experimental-global-webcrypto")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let address = format!("127.0.0.1:{port}");
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(&address).is_err() {
        assert!(std::time::Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    let gym = json!({"type": "http", "url": format!("http://{address}/mcp")});
    let result = std::panic::catch_unwind(|| {
        try_server(
            &TestBed::new(),
            &gym,
            ("get-sum", json!({"a": 17, "b": 25})),
            "42",
        )
    });
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(result.unwrap().0, "2025-11-25");
}

#[test]
fn filesystem_in_the_folder_of_the_trial() {
    let Some(real) = installed("filesystem_in_the_folder_of_the_trial") else {
        return;
    };
    let bed = TestBed::new();
    bed.write("files/note.txt", "remember the milk");
    let mut gym = node_server(&real, "mcp-server-filesystem", &["{{trial_dir}}"]);
    gym["files"] = json!("files");
    let (protocol, tools) = try_server(
        &bed,
        &gym,
        ("read_text_file", json!({"path": "note.txt"})),
        "remember the milk",
    );
    assert_eq!((protocol.as_str(), tools), ("2025-11-25", 14));
}

#[test]
fn memory_with_a_file_of_its_own_per_trial() {
    let Some(real) = installed("memory_with_a_file_of_its_own_per_trial") else {
        return;
    };
    let mut gym = node_server(&real, "mcp-server-memory", &[]);
    gym["env"] = json!({"MEMORY_FILE_PATH": "{{trial_dir}}/memory.jsonl"});
    let entity = json!({"entities": [{"name": "Ada", "entityType": "person", "observations": ["counts"]}]});
    let (protocol, tools) = try_server(&TestBed::new(), &gym, ("create_entities", entity), "Ada");
    assert_eq!((protocol.as_str(), tools), ("2025-11-25", 9));
}

#[test]
fn time_in_the_stateless_era() {
    let Some(real) = installed("time_in_the_stateless_era") else {
        return;
    };
    let gym = json!({"command": real.join("venv/bin/mcp-server-time"), "args": ["--local-timezone", "UTC"]});
    let (protocol, tools) = try_server(
        &TestBed::new(),
        &gym,
        ("get_current_time", json!({"timezone": "Europe/Berlin"})),
        "Europe/Berlin",
    );
    assert_eq!((protocol.as_str(), tools), ("2026-07-28", 2));
}

/// A port that nobody listens on, below those that the system gives to whoever asks for any: nobody takes it before
/// the server does.
fn free_port() -> u16 {
    std::iter::repeat_with(|| fastrand::u16(15_000..30_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
