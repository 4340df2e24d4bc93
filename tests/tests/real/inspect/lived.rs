//! A run in the course of its life: under way, cancelled, resumed; with models that are paid and a judge.

use bench_tests::bed::{PATIENCE, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Reply, Script, Turn, call};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::same::{is_in_session, is_recorded, is_transcribed, samples};
use super::{log, read};
use crate::installed;

const RUN: &str = "run harness.json --model openai:m --judge-model anthropic:j --prices prices.json --runs 2";

/// A trial that passes, one that a judge lets pass on the second asking, and one that never ends by itself.
fn lived() -> (ModelStub, TestBed) {
    let opinion = Turn::say(r#"{"reasoning": "It says please.", "score": 9}"#);
    let look = Turn::call([call("list_projects", json!({}))]);
    let conversations = vec![
        Conversation::when("Is it polite?", [Turn::say("9/10"), opinion]),
        Conversation::when("[judged]", [Turn::say("Done, please.")]),
        Conversation::when("[quick]", [look.clone(), Turn::say("done")]),
        Conversation::when("[stuck]", [look, Turn::from(Reply::Fault(Fault::Hang))]),
    ];
    let stub = ModelStub::start(Script { conversations });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("ANTHROPIC_BASE_URL", stub.url())
        .env("OPENAI_API_KEY", "sk-canary-openai")
        .env("ANTHROPIC_API_KEY", "sk-canary-anthropic");
    let price = |model: &str, input| json!({"model": model, "input": input, "output": 0, "source": "test"});
    let prices = [price("openai:m", 1000), price("anthropic:j", 500)];
    bed.write_json("prices.json", &json!({"prices": prices}));
    let scenario = |id: &str, check: Value| {
        json!({"scenario_id": id, "name": id, "prompts": [{"prompt_text": format!("[{id}] Do your work."),
            "verifier": {"verifier_type": "response_check", "name": id, "validation_config": check}}]})
    };
    let scenarios = [
        scenario("quick", json!({"contains": "done"})),
        scenario("judged", json!({"comparison_prompt": "Is it polite?"})),
        scenario("stuck", json!({"contains": "done"})),
    ];
    bed.write_json("harness.json", &json!({"scenarios": scenarios}));
    (stub, bed)
}

#[test]
fn logs_of_a_run_under_way_cancelled_and_resumed_say_how_far_it_was() {
    let Some(real) = installed("logs_of_a_run_under_way_cancelled_and_resumed_say_how_far_it_was") else {
        return;
    };
    let (_stub, bed) = lived();
    let started = bed.start(&format!("{RUN} --json"));
    for trial in [
        "quick~openai-m~1",
        "quick~openai-m~2",
        "judged~openai-m~1",
        "judged~openai-m~2",
    ] {
        started.stdout_line(PATIENCE, |line| {
            line.contains("\"trial_finished\"") && line.contains(trial)
        });
    }
    let mut folders = vec![log(&bed, "live")];
    started.signal(Signal::INT);
    let shot = started.finish(PATIENCE);
    assert_eq!(shot.code, Some(130), "{shot}");
    folders.push(log(&bed, "cancelled"));
    let run = bed.the_run();
    let before = run.session();
    let shot = bed.bench("resume --max-seconds 1 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    folders.push(log(&bed, "resumed"));
    let logs = read(&real, &folders);
    let [live, cancelled, resumed] = [0, 1, 2].map(|n| &logs[n][0]);

    assert_eq!((&live["status"], samples(live).len()), (&json!("started"), 4));
    assert_eq!(
        (live["scores"]["passed"]["scored"].clone(), &live["same_alone"]),
        (json!(4), &json!(true))
    );
    for sample in samples(live) {
        assert_eq!(sample["scores"]["passed"], "C");
        is_recorded(sample, &run);
        is_transcribed(sample, &run);
    }
    assert_eq!(cancelled["status"], "cancelled");
    is_in_session(cancelled, &before["models"][0]);
    let errors = samples(cancelled)
        .iter()
        .filter(|sample| sample["error"] == "the run was cancelled");
    assert_eq!(errors.count(), 2);
    assert_eq!(resumed["status"], "success");
    is_in_session(resumed, &run.session()["models"][0]);
    for sample in samples(resumed) {
        is_recorded(sample, &run);
        is_transcribed(sample, &run);
        let stuck = sample["id"] == "stuck";
        assert_eq!(sample["retries"], u32::from(stuck), "{sample}");
        let limit = stuck.then(|| json!(["time", 1.0, "time limit reached (1 s)"]));
        assert_eq!(sample["limit"], json!(limit));
        if sample["id"] == "judged" {
            let told = |n: usize, message: usize| sample["judged"][n][1][message].as_str().unwrap();
            assert!(told(0, 0).contains("Is it polite?"), "{sample}");
            assert_eq!(
                (told(1, 0), told(1, 1)),
                (told(0, 0), "9/10"),
                "all of the conversation"
            );
            assert!(told(1, 2).contains("cannot be used"), "{sample}");
        } else {
            assert_eq!(sample["judged"], json!([]));
        }
    }
    let asked = samples(resumed)
        .iter()
        .find(|sample| sample["id"] == "judged")
        .unwrap();
    assert_eq!(asked["usage"]["openai/m"][2], 0.1);
    assert_eq!(asked["usage"]["anthropic/j"][2], 0.1);
}
