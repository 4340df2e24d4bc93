//! Answers that are large, that cannot be read, and output that is no answer: over stdio and over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use bench_core::{GymSpec, Transport};
use bench_runner::gym::{GymError, ToolDeadline, ToolOutput};
use serde_json::{Map, Value, json};

use crate::gym_stub::{Asked, Reply, Stub, Visit};

/// Long enough on the busiest machine: who waits for it has failed the test.
const DEADLINE: ToolDeadline = ToolDeadline {
    idle: Duration::from_mins(2),
    total: Duration::from_mins(2),
};

/// A shell server that runs `start` first, which may define another `list`, and `call` when its tool is called; `$id` is
/// the request's.
fn shell(start: &str, call: &str) -> GymSpec {
    let introduction = json!({
        "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
        "serverInfo": {"name": "shell", "version": "1"},
    });
    let tools = json!({"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]});
    let script = format!(
        r#"
        answer() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$1"; }}
        good() {{ answer '{{"content":[{{"type":"text","text":"good"}}]}}'; }}
        list() {{ answer '{tools}'; }}
        {start}
        while IFS= read -r line; do
            id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
            case $line in
                *'"method":"server/discover"'*)
                    printf '{{"jsonrpc":"2.0","id":%s,"error":{{"code":-32601,"message":"what?"}}}}\n' "$id" ;;
                *'"method":"initialize"'*) answer '{introduction}' ;;
                *'"method":"tools/list"'*) list ;;
                *'"method":"tools/call"'*) {call} ;;
            esac
        done"#
    );
    GymSpec {
        key: "shell".into(),
        name: "shell".into(),
        transport: Transport::Stdio {
            command: "sh".into(),
            args: ["-c".into(), script.into()].into(),
            env: BTreeMap::new(),
            files: None,
            cwd: None,
        },
        ..GymSpec::tracker()
    }
}

/// What a call of a shell server gave, and the log.
async fn called(start: &str, call: &str) -> (Result<ToolOutput, GymError>, Vec<String>) {
    let visit = Visit::new();
    let session = visit
        .connect(&shell(start, call))
        .open(&visit.request)
        .await
        .unwrap();
    let output = session.call_tool("greet", Map::new(), DEADLINE).await;
    session.close().await.unwrap();
    let logged = visit.logged.lock().unwrap().clone();
    (output, logged)
}

/// Writes an answer whose text is so many bytes.
fn large(bytes: usize) -> String {
    format!(
        r#"printf '{{"jsonrpc":"2.0","id":%s,"result":{{"content":[{{"type":"text","text":"' "$id"
        head -c {bytes} /dev/zero | tr '\0' x; printf '"}}]}}}}\n'"#
    )
}

#[tokio::test]
async fn a_large_answer_arrives_over_stdio() {
    // The protocol library itself reads 16 MiB.
    let (output, logged) = called("", &large(20_000_000)).await;
    assert_eq!(output.unwrap().text.len(), 20_000_000);
    assert_eq!(logged, [""; 0]);
}

#[tokio::test]
async fn an_answer_above_the_cap_is_told_at_once_over_stdio() {
    let (output, logged) = called("", &large(64 << 20)).await;
    insta::assert_snapshot!(output.unwrap_err(), @"gym `shell` broke: its answer to `greet` is larger than 64 MiB, the most that is read of one message");
    assert_eq!(
        logged,
        ["an answer on standard output is larger than 64 MiB, the most that is read of one message"]
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_ends_its_call_and_is_told() {
    let calls = [
        (
            "a lone surrogate",
            r#"answer '{"content":[{"type":"text","text":"\ud83d"}]}'"#,
        ),
        ("no JSON", r#"printf '{"jsonrpc": oops\n'"#),
        ("no answer", r#"printf '{"jsonrpc":"2.0","id":%s}\n' "$id""#),
        (
            "of another time",
            r#"printf '{"id":%s,"result":{"content":[]}}\n' "$id""#,
        ),
        (
            "over several lines",
            r#"printf '{\n  "jsonrpc": "2.0",\n  "id": %s,\n  "result": {}\n}\n' "$id""#,
        ),
    ];
    let mut told = Vec::new();
    for (name, call) in calls {
        let (output, logged) = called("", call).await;
        told.push(format!(
            "{name}: {}\n  log: {}",
            output.unwrap_err(),
            logged.join("\n       ")
        ));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    a lone surrogate: gym `shell` broke: its answer to `greet` cannot be read as JSON-RPC (unexpected end of hex escape at line 1 column 75, half of a surrogate pair): `{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"\ud83d"}]}}`
      log: an answer on standard output cannot be read as JSON-RPC (unexpected end of hex escape at line 1 column 75, half of a surrogate pair): `{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"\ud83d"}]}}`
    no JSON: gym `shell` broke: its answer to `greet` cannot be read as JSON-RPC (expected value at line 1 column 13): `{"jsonrpc": oops`
      log: an answer on standard output cannot be read as JSON-RPC (expected value at line 1 column 13): `{"jsonrpc": oops`
    no answer: gym `shell` broke: its answer to `greet` cannot be read as JSON-RPC (unrecognized JSON-RPC message): `{"jsonrpc":"2.0","id":3}`
      log: an answer on standard output cannot be read as JSON-RPC (unrecognized JSON-RPC message): `{"jsonrpc":"2.0","id":3}`
    of another time: gym `shell` broke: its answer to `greet` cannot be read as JSON-RPC (unrecognized JSON-RPC message): `{"id":3,"result":{"content":[]}}`
      log: an answer on standard output cannot be read as JSON-RPC (unrecognized JSON-RPC message): `{"id":3,"result":{"content":[]}}`
    over several lines: gym `shell` broke: its answer to `greet` is broken over several lines; a message must stand in one: `"jsonrpc": "2.0",`
      log: no MCP message on standard output: `{`
           an answer on standard output is broken over several lines; a message must stand in one: `"jsonrpc": "2.0",`
           no MCP message on standard output: `"id": 3,`
           no MCP message on standard output: `"result": {}`
           no MCP message on standard output: `}`
    "#);
}

#[tokio::test]
async fn a_server_that_writes_its_log_to_standard_output_works() {
    let start = r#"echo 'Server is running on stdio'; echo; echo '{"level":"info","msg":"up","id":3}'"#;
    let call = r#"echo "call $id of {\"jsonrpc\":\"2.0\",\"id\":$id}"; echo '{ oops'; good"#;
    let (output, logged) = called(start, call).await;
    assert_eq!(output.unwrap().text, "good");
    insta::assert_snapshot!(logged.join("\n"), @r#"
    no MCP message on standard output: `Server is running on stdio`
    no MCP message on standard output: `{"level":"info","msg":"up","id":3}`
    no MCP message on standard output: `call 3 of {"jsonrpc":"2.0","id":3}`
    no MCP message on standard output: `{ oops`
    "#);
}

#[tokio::test]
async fn a_flood_on_standard_output_is_told_in_part_and_the_answer_arrives() {
    let (output, logged) = called("", "yes 'tick' | head -n 200000; good").await;
    assert_eq!(output.unwrap().text, "good");
    assert_eq!(logged.len(), 21, "{:?}", logged.last());
}

#[tokio::test]
async fn answers_of_others_and_batches_do_no_harm() {
    let call = r#"
        printf '{"jsonrpc":"2.0","id":4711,"result": oops}\n'
        printf '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}\n'
        printf '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
        printf '[{"jsonrpc":"2.0","id":9999,"result":{}},{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"one of two"}]}}]\n' "$id"
        good; good"#;
    let (output, logged) = called("", call).await;
    assert_eq!(output.unwrap().text, "one of two");
    insta::assert_snapshot!(logged.join("\n"), @r#"
    an answer on standard output cannot be read as JSON-RPC (expected value at line 1 column 38): `{"jsonrpc":"2.0","id":4711,"result": oops}`
    an error on standard output that names no request: parse error
    "#);
}

#[tokio::test]
async fn odd_tool_lists_are_read_or_told() {
    let opened = async |list: &str| {
        let visit = Visit::new();
        let gym = visit.connect(&shell(&format!("list() {{ {list}; }}"), "good"));
        match gym.open(&visit.request).await {
            Ok(session) => {
                let tools = session.tools().len();
                session.close().await.unwrap();
                format!("{tools} tools")
            }
            Err(error) => error.to_string(),
        }
    };
    let many = r#"printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[' "$id"
        seq -f '{"name":"t%.0f","inputSchema":{"type":"object"}}' -s , 10000 | tr -d '\n'; printf ']}}\n'"#;
    let lists = [
        many,
        r#"answer '{"tools":[],"nextCursor":"more"}'"#,
        r#"answer '{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"name":"b","inputSchema":"text"}]}'"#,
        r#"answer '{"tools":"none"}'"#,
        r"answer '{}'",
        "exit 0",
    ];
    let mut told = Vec::new();
    for list in lists {
        told.push(opened(list).await);
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    10000 tools
    gym `shell` could not be opened: its tool list has no end: stopped after 100 pages
    gym `shell` could not be opened: its tool list cannot be read: `tools` is a list, and each tool needs a `name` and an object as `inputSchema`
    gym `shell` could not be opened: its tool list cannot be read: `tools` is a list, and each tool needs a `name` and an object as `inputSchema`
    gym `shell` could not be opened: its tool list cannot be read: `tools` is a list, and each tool needs a `name` and an object as `inputSchema`
    gym `shell` could not be opened: the server ended (exit status: 0): the server closed the connection
    ");
}

#[tokio::test]
async fn a_server_that_leaves_behind_its_answer_has_answered() {
    let visit = Visit::new();
    let session = visit
        .connect(&shell("", "good; exit 0"))
        .open(&visit.request)
        .await
        .unwrap();
    let output = session.call_tool("greet", Map::new(), DEADLINE).await.unwrap();
    assert_eq!(output.text, "good");
    let error = session
        .call_tool("greet", Map::new(), DEADLINE)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "gym `shell` broke: the server closed the connection"
    );
    session.close().await.unwrap();
}

/// What a call gave of an HTTP server that answers calls so.
async fn asked(reply: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Result<ToolOutput, GymError> {
    let answer =
        move |asked: &Asked| (asked.what == "POST /mcp tools/call").then(|| reply(&asked.body["id"]));
    let stub = Stub::start(answer).await;
    let visit = Visit::new();
    let session = visit.connect(&stub.spec()).open(&visit.request).await.unwrap();
    let output = session.call_tool("echo", Map::new(), DEADLINE).await;
    session.close().await.unwrap();
    output
}

fn answer(id: &Value, text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
}

#[tokio::test]
async fn large_answers_arrive_over_http() {
    let text = "x".repeat(14_000_000);
    let sent = text.clone();
    let output = asked(move |id| Reply::Raw("application/json", answer(id, &sent))).await;
    assert_eq!(output.unwrap().text.len(), text.len());
    let output = asked(move |id| {
        let event = answer(id, &text);
        Reply::Raw("text/event-stream", format!("data: {event}\n\n"))
    });
    assert_eq!(output.await.unwrap().text.len(), 14_000_000);
}

#[tokio::test]
async fn what_cannot_be_read_over_http_ends_its_call_and_is_told() {
    let event = |answer: String| Reply::Raw("text/event-stream", format!("data: {answer}\n\n"));
    let large = |bytes: usize| "x".repeat(bytes);
    let json = |answer: String| Reply::Raw("application/json", answer);
    let errors = [
        asked(move |id| json(answer(id, r"\ud83d"))).await,
        asked(move |id| json(answer(id, &large(17 << 20)))).await,
        asked(move |id| event(answer(id, r"\ud83d"))).await,
        asked(move |_| event("{\"jsonrpc\": oops".into())).await,
        asked(move |id| event(answer(id, &large(65 << 20)))).await,
        asked(move |_| Reply::Raw("text/event-stream", String::new())).await,
    ];
    let errors = errors.map(|output| output.unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"), @r#"
    gym `stub` broke: could not parse JSON response as ServerJsonRpcMessage: unexpected end of hex escape at line 1 column 75: {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"\ud83d"}]}}
    gym `stub` broke: its answer to `echo` is larger than 16 MiB, the most that is read of one message
    gym `stub` broke: its answer to `echo` cannot be read as JSON-RPC (unexpected end of hex escape at line 1 column 75, half of a surrogate pair): `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"\ud83d"}]}}`
    gym `stub` broke: its answer to `echo` cannot be read as JSON-RPC (expected value at line 1 column 13): `{"jsonrpc": oops`
    gym `stub` broke: its answer to `echo` is larger than 64 MiB, the most that is read of one message
    gym `stub` broke: the server closed the connection
    "#);
}
