//! Ends a background run in several ways, and looks whether a process of it is left.

use std::thread;
use std::time::Instant;

use crate::bed::{RunFolder, Shot, TestBed, await_none, is_alive, processes_of};
use crate::model_stub::ModelStub;
use crate::model_stub::script::{Conversation, Script, Turn};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::world::SOON;

/// How a run comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All trials are over.
    Normal,
    /// `kill`.
    Kill,
    /// `kill -9` of the worker, then one `list`.
    KillNine,
}

/// A background run whose two trials have servers of this kind and wait for their model.
fn under_way(server: &Value) -> (ModelStub, TestBed, RunFolder) {
    let stub = ModelStub::start(Script {
        conversations: vec![
            Conversation::when("[quick]", [Turn::say("done")]),
            Conversation::when("[slow]", [Turn::say("done")]),
        ],
    });
    stub.hold();
    let bed = TestBed::in_memory()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("gyms.json", &json!({"mcpServers": {"server": server}}));
    let scenario = |id: &str| {
        let verifier =
            json!([{"verifier_type": "response_check", "validation_config": {"contains": "done"}}]);
        json!({"scenario_id": id, "name": id,
            "prompts": [{"prompt_text": format!("[{id}] Do your work."), "verifier": verifier}]})
    };
    bed.write_json(
        "harness.json",
        &json!({"scenarios": [scenario("quick"), scenario("slow")]}),
    );
    let shot = bed.bench("run harness.json --model openai:m --gym-config gyms.json --background --json");
    assert_eq!(shot.code, Some(0), "{shot}");
    stub.await_calls(2, SOON);
    let run = bed.the_run();
    (stub, bed, run)
}

fn worker_of(run: &RunFolder) -> Pid {
    let pid = run.state()["worker"]["pid"].as_i64().expect("a step of the test");
    Pid::from_raw(i32::try_from(pid).expect("a step of the test")).expect("a step of the test")
}

/// Ends it, and says how it should be shown afterwards.
fn end(how: End, stub: &ModelStub, bed: &TestBed, run: &RunFolder) -> &'static str {
    let well = |shot: Shot| assert_eq!(shot.code, Some(0), "{shot}");
    match how {
        End::Normal => {
            stub.release();
            well(bed.bench("attach latest"));
            "completed"
        }
        End::Kill => {
            well(bed.bench("kill latest --grace 2s"));
            "cancelled"
        }
        End::KillNine => {
            kill_process(worker_of(run), Signal::KILL).expect("a step of the test");
            // The kernel may need a moment; then one look has to be enough.
            let deadline = Instant::now() + SOON;
            while is_alive(worker_of(run).as_raw_nonzero().get()) {
                assert!(Instant::now() < deadline, "the worker survives SIGKILL");
                thread::yield_now();
            }
            well(bed.bench("list --json"));
            "failed"
        }
    }
}

/// Lets a run with servers of this kind come to its end; nothing is left of it. At least `least` processes must have
/// been there.
pub fn nothing_is_left_after(how: End, kind: &str, server: &Value, least: usize) {
    let (stub, bed, run) = under_way(server);
    let servers = processes_of(&run.id());
    assert!(servers.len() >= least, "{kind}: only {servers:?}");
    let expected = end(how, &stub, &bed, &run);
    let left = await_none(&run.id());
    assert!(left.is_empty(), "{kind}, {how:?}: left behind: {left:?}");
    let state: Value = run.state();
    assert_eq!(state["status"], expected, "{kind}: {state}");
}
