//! Schemas that a provider refuses: what is sent then, and who is told.

use std::sync::Arc;

use bench_core::event::ToolChange;
use bench_core::transcript::{Entry, Line};
use bench_core::{Event, ModelSpec, Outcome};
use bench_runner::env::Environment;
use bench_runner::model::{ErrorClass, ModelClient, RetryPolicy, connect};
use bench_runner::{MemoryJournal, RunEnd, Runner};
use serde_json::{Value, json};

use super::stub::{Answer, Stub};
use super::talk::Talk;
use crate::fakes::{FakeGym, Misbehave, plan, scenario};

fn no_grammar() -> Answer {
    let message = "Failed to initialize samplers: failed to parse grammar";
    Answer::json(
        400,
        &json!({"error": {"code": 400, "message": message, "type": "invalid_request_error"}}),
    )
}

fn ok() -> Answer {
    Answer::json(
        200,
        &json!({"choices": [{"message": {"role": "assistant", "content": "done"}}]}),
    )
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"key": {"type": "string", "pattern": "\\d"}}, "required": ["key"]})
}

#[tokio::test]
async fn the_second_request_differs_by_the_refused_keywords_only() {
    let stub = Stub::start([no_grammar(), ok()]).await;
    let mut talk = Talk::with("compatible:m?seed=7", &stub.url);
    talk.system = "Be brief.";
    talk.offer("get_issue", "Reads.", schema());
    talk.offer("list", "Lists.", json!({"type": "object"}));
    let refused = talk.ask().await.unwrap_err();
    assert_eq!(
        (refused.class, refused.status),
        (ErrorClass::BadRequest, Some(400))
    );
    let change = ToolChange {
        tool: "get_issue".into(),
        removed: vec!["/properties/key/pattern".into()],
    };
    assert_eq!(refused.adjusted.unwrap().news, std::slice::from_ref(&change));
    for _ in 0..2 {
        let reply = talk.ask().await.unwrap();
        assert_eq!(
            reply.tools_changed,
            std::slice::from_ref(&change),
            "said with each reply"
        );
    }
    let [first, second, third] = stub.seen().try_into().ok().unwrap();
    let pattern = r#","pattern":"\\d""#;
    assert!(
        first.body.contains(pattern),
        "as its server wrote it: {}",
        first.body
    );
    assert_eq!(second.body, first.body.replace(pattern, ""));
    assert_eq!(third.body, second.body);
}

#[tokio::test]
async fn tools_that_the_user_wrote_into_the_body_are_left_alone() {
    let stub = Stub::start([no_grammar()]).await;
    let mut talk = Talk::with("compatible:m", &stub.url);
    talk.settings.extra.insert("tools".into(), json!([]));
    talk.offer("get_issue", "Reads.", schema());
    assert_eq!(talk.ask().await.unwrap_err().adjusted, None);
}

#[tokio::test]
async fn the_words_of_a_refusal_count_in_a_refusal_only() {
    for status in [200, 401, 422, 500] {
        let said = String::from_utf8(no_grammar().body.to_vec()).unwrap();
        let stub = Stub::start([Answer::new(status, said.replace("400", "0"))]).await;
        let mut talk = Talk::with("compatible:m", &stub.url);
        talk.offer("get_issue", "Reads.", schema());
        let error = talk.ask().await.unwrap_err();
        assert_eq!(error.adjusted, None, "{status}: {error}");
    }
}

/// Two trials, one after the other, of a model behind `answers`.
async fn run(answers: Vec<Answer>) -> (MemoryJournal, usize) {
    let stub = Stub::start(answers).await;
    let mut plan = plan(vec![scenario("s")], 2);
    plan.max_concurrency = 1;
    let mut spec = ModelSpec::new(plan.models[0].model.clone());
    spec.base_url = Some(stub.url.as_str().into());
    let env = Environment::new([], &[]);
    let client: Arc<dyn ModelClient> = connect(&spec, &env, std::path::Path::new("/"), 8).unwrap();
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(client)
        .journal(journal.clone())
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let requests = stub.seen().len();
    (journal, requests)
}

#[tokio::test]
async fn journal_and_transcripts_tell_what_tools_were_sent_without() {
    let (journal, requests) = run(vec![no_grammar(), ok()]).await;
    assert_eq!(requests, 3, "one was refused, though nothing is retried");
    let memory = journal.snapshot();
    let told: Vec<_> = memory
        .events
        .iter()
        .filter_map(|(event, _)| match event {
            Event::ToolSchemasAdjusted {
                model,
                changes,
                cause,
            } => Some((model.as_str(), changes.clone(), cause.as_str())),
            _ => None,
        })
        .collect();
    let change = ToolChange {
        tool: "add".into(),
        removed: vec!["/properties/why/pattern".into()],
    };
    let cause = "400: Failed to initialize samplers: failed to parse grammar";
    assert_eq!(told, [("compatible:fake", vec![change], cause)], "said once");
    assert_eq!(memory.records.len(), 2);
    for (trial, record) in &memory.records {
        assert_eq!(record.outcome, Outcome::Failed, "judged: {record:?}");
        let entries = memory.transcripts[trial].lines().map(|line| {
            let line: Line = serde_json::from_str(line).unwrap();
            line.entry
        });
        let told: Vec<_> = entries
            .filter(|entry| matches!(entry, Entry::Note { .. } | Entry::Assistant { .. }))
            .collect();
        let [Entry::Note { text }, Entry::Assistant { .. }] = told.as_slice() else {
            panic!("{trial}: {told:?}")
        };
        assert_eq!(
            text,
            "schemas of tools are sent without what the provider refuses: add: /properties/why/pattern"
        );
    }
}

#[tokio::test]
async fn a_refusal_for_something_else_changes_nothing() {
    let other = Answer::json(400, &json!({"error": {"message": "no pattern, no tools"}}));
    let (journal, requests) = run(vec![other]).await;
    let memory = journal.snapshot();
    assert_eq!(requests, 2);
    let adjusted = |event: &Event| matches!(event, Event::ToolSchemasAdjusted { .. });
    assert!(!memory.events.iter().any(|(event, _)| adjusted(event)));
    assert!(memory.records.values().all(|r| r.outcome == Outcome::Errored));
}
