//! Gyms over stdio, played by shell scripts that speak just enough MCP.

use std::collections::BTreeMap;
use std::time::Duration;

use bench_core::{GymSpec, Setting, Transport};
use bench_runner::gym::{GymError, ToolDeadline};
use futures_util::FutureExt;
use serde_json::{Map, json};

use crate::gym_stub::{Stub, Visit, no_time_before};

const DEADLINE: ToolDeadline = ToolDeadline {
    idle: Duration::from_secs(20),
    total: Duration::from_secs(20),
};

/// What a server does at its start, when it is asked for its era, and when its tool is called.
#[derive(Clone, Copy)]
struct Script {
    start: &'static str,
    discover: &'static str,
    call: &'static str,
}

const PLAIN: Script = Script {
    start: "",
    discover: r#"printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"what?"}}\n' "$id""#,
    call: r#"say "$(cat greeting.txt) from $1 in $(pwd)""#,
};

/// Its `say` answers a call with a text.
fn server(script: Script) -> String {
    let Script {
        start,
        discover,
        call,
    } = script;
    let introduction = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}, "experimental": {"bench/sql-runner": {"url": "SQL_RUNNER"}}},
        "serverInfo": {"name": "shell", "version": "1"},
    });
    let tools = json!({"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]});
    let introduction = introduction
        .to_string()
        .replace("SQL_RUNNER", "'\"$SQL_RUNNER\"'");
    format!(
        r#"
        answer() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$1"; }}
        say() {{ answer '{{"content":[{{"type":"text","text":"'"$1"'"}}]}}'; }}
        {start}
        while IFS= read -r line; do
            id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
            case $line in
                *'"method":"server/discover"'*) {discover} ;;
                *'"method":"initialize"'*) answer '{introduction}' ;;
                *'"method":"tools/list"'*) answer '{tools}' ;;
                *'"method":"tools/call"'*) {call} ;;
            esac
        done"#
    )
}

fn spec(script: Script) -> GymSpec {
    let args = [
        "-c".into(),
        server(script).into(),
        "sh".into(),
        "{{trial_dir}}".into(),
    ];
    GymSpec {
        key: "shell".into(),
        name: "shell".into(),
        transport: Transport::Stdio {
            command: "sh".into(),
            args: args.into(),
            env: BTreeMap::new(),
            files: None,
            cwd: None,
        },
        ..GymSpec::tracker()
    }
}

fn with(spec: GymSpec, env: &[(&str, &str)], files: Option<String>) -> GymSpec {
    let Transport::Stdio {
        command, args, cwd, ..
    } = spec.transport
    else {
        return spec;
    };
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Setting::from(*value)))
        .collect();
    GymSpec {
        transport: Transport::Stdio {
            command,
            args,
            env,
            files,
            cwd,
        },
        ..spec
    }
}

/// A process is gone soon after it was killed.
async fn assert_gone(pid: &str) {
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, fields)| !fields.trim_start().starts_with('Z'))
    };
    let gone = async {
        while alive() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone)
        .await
        .unwrap_or_else(|_| panic!("{pid} lives on"));
}

#[tokio::test]
async fn the_scratch_folder_is_the_servers_world() {
    let files = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(files.path().join("deep")).unwrap();
    std::fs::write(files.path().join("deep/a.txt"), "a").unwrap();
    std::fs::write(files.path().join("greeting.txt"), "hello").unwrap();
    let visit = Visit::new();
    let gym = visit.connect(&with(
        spec(PLAIN),
        &[],
        Some(files.path().to_string_lossy().into_owned()),
    ));
    let session = gym.open(&visit.request).await.unwrap();
    assert_eq!(
        (session.protocol(), session.server().as_str()),
        ("2025-06-18", "shell 1")
    );
    let output = session.call_tool("greet", Map::new(), DEADLINE).await.unwrap();
    let folder = visit
        .request
        .scratch
        .path()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    assert_eq!(output.text, format!("hello from {folder} in {folder}"));
    assert!(visit.request.scratch.path().unwrap().join("deep/a.txt").exists());
    session.close().await.unwrap();
}

#[tokio::test]
async fn sql_goes_to_the_announced_runner_and_names_no_database() {
    let stub = Stub::start(|_| None).await;
    let visit = Visit::new();
    let runner = format!("{}/api/sql-runner", stub.base);
    let session = visit.connect(&with(spec(PLAIN), &[("SQL_RUNNER", &runner)], None));
    let session = session.open(&visit.request).await.unwrap();
    assert_eq!(session.query("SELECT 3").await.unwrap(), 3);
    let asked = stub.asked().remove(0);
    assert_eq!(
        asked.body,
        json!({"query": "SELECT 3", "read_only": true, "return_data": true})
    );
    assert_eq!(asked.header("x-database-id"), "");
    session.close().await.unwrap();

    let session = visit.connect(&spec(PLAIN)).open(&visit.request).await.unwrap();
    let error = session.query("SELECT 3").await.unwrap_err();
    assert!(error.to_string().contains("no SQL runner"), "{error}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_leaves_before_the_handshake_is_quoted() {
    let visit = Visit::new();
    let script = Script {
        start: "echo 'config.json: no such file' >&2; exit 3",
        ..PLAIN
    };
    let error = visit
        .connect(&spec(script))
        .open(&visit.request)
        .await
        .err()
        .unwrap();
    insta::assert_snapshot!(error, @r"
    gym `shell` could not be opened: the server ended (exit status: 3): the server closed the connection; it wrote last:
    config.json: no such file
    ");
    assert_eq!(
        visit.logged.lock().unwrap().last().unwrap(),
        "config.json: no such file"
    );
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let visit = Visit::new();
    let mut spec = spec(PLAIN);
    if let Transport::Stdio { command, .. } = &mut spec.transport {
        *command = "no-such-mcp-server".into();
    }
    let error = visit
        .connect(&spec)
        .open(&visit.request)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("cannot start `no-such-mcp-server`"), "{error}");
}

#[tokio::test]
async fn a_server_that_dies_of_the_probe_is_started_again_and_never_probed_twice() {
    let visit = Visit::new();
    let script = Script {
        start: "echo started >&2",
        discover: "exit 1",
        ..PLAIN
    };
    let gym = visit.connect(&spec(script));
    for _ in 0..2 {
        gym.open(&visit.request).await.unwrap().close().await.unwrap();
    }
    assert_eq!(
        visit.logged.lock().unwrap().len(),
        3,
        "twice for the first session, once for the second"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_ended() {
    let mut visit = Visit::new();
    visit.request.timeout = Duration::from_millis(2500);
    let script = Script {
        start: "echo $$ >&2; sleep 600",
        ..PLAIN
    };
    let gym = visit.connect(&spec(script));
    let has_started = || !visit.logged.lock().unwrap().is_empty();
    let open = gym.open(&visit.request);
    let error = no_time_before(has_started, visit.request.timeout, open)
        .await
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("the MCP handshake got no answer within 2.5 s"),
        "{error}"
    );
    let pid = visit.logged.lock().unwrap().first().unwrap().clone();
    assert_gone(&pid).await;
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_breaks_the_call_at_once() {
    let visit = Visit::new();
    let session = visit
        .connect(&spec(Script {
            call: "exit 7",
            ..PLAIN
        }))
        .open(&visit.request)
        .await
        .unwrap();
    let error = session
        .call_tool("greet", Map::new(), DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(error, GymError::Broken { .. }), "{error:?}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn closing_ends_a_hanging_server_with_its_children_wherever_they_went() {
    let visit = Visit::new();
    let start = "trap '' TERM; setsid sleep 600 & echo $! >&2; sleep 600 & echo $! >&2; echo $$ >&2";
    let script = Script {
        start,
        call: "sleep 600",
        ..PLAIN
    };
    let session = visit.connect(&spec(script)).open(&visit.request).await.unwrap();
    let deadline = ToolDeadline {
        idle: Duration::from_millis(100),
        ..DEADLINE
    };
    let error = session
        .call_tool("greet", Map::new(), deadline)
        .await
        .unwrap_err();
    assert!(matches!(error, GymError::ToolTimeout { .. }), "{error:?}");
    let pids = visit.logged.lock().unwrap().clone();
    session.close().await.unwrap();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        assert_gone(&pid).await;
    }
}

#[tokio::test]
async fn a_dropped_session_leaves_no_process() {
    let visit = Visit::new();
    let script = Script {
        start: "setsid sleep 600 & echo $! >&2; echo $$ >&2",
        ..PLAIN
    };
    drop(visit.connect(&spec(script)).open(&visit.request).await.unwrap());
    let pids = visit.logged.lock().unwrap().clone();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        assert_gone(&pid).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_waits_for_room_and_says_so() {
    let visit = Visit::new();
    let gym = visit.connect(&spec(PLAIN));
    let mut admitted = Vec::new();
    let mut request = visit.request.clone();
    for n in 1.. {
        request.trial = format!("scenario~model~{n}").parse().unwrap();
        match gym.admit(&request).now_or_never() {
            Some(admission) => admitted.push(admission),
            None => break,
        }
    }
    assert!(visit.told().is_empty(), "nobody has waited for a second");
    let mut waiting = gym.admit(&request);
    // The clock is paused: it moves on by itself once everybody waits.
    tokio::select! {
        _ = &mut waiting => panic!("there is no room"),
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
    }
    assert!(
        visit
            .told()
            .remove(0)
            .contains("its turn to start the server of gym `shell`")
    );
    admitted.pop();
    waiting.await;
}
