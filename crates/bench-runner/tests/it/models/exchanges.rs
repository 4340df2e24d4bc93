//! What a witness sees: every exchange once, with what went and what came, however it ended.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_core::ModelRef;
use bench_runner::evidence::Records;
use bench_runner::model::exchange::Ended;
use bench_runner::model::{
    ErrorClass, Exchange, ModelClient, ModelError, RetryPolicy, TurnReply, TurnRequest, Witness,
};
use bench_runner::{MemoryJournal, Runner};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::stub::{Answer, End, Stub, raw};
use super::talk::{CANARY, Talk};
use crate::fakes::{FakeGym, Misbehave, plan, scenario};

/// Keeps what it sees.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<Exchange>>);

impl Witness for Notes {
    fn saw(&self, exchange: Exchange) {
        self.0.lock().unwrap().push(exchange);
    }
}

impl Notes {
    /// What was seen since the last call.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn watched(url: &str) -> (Talk, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let mut talk = Talk::with("compatible:m", url);
    talk.witness = Some(Arc::clone(&notes));
    (talk, notes)
}

#[tokio::test]
async fn requests_and_answers_are_seen_as_they_were() {
    let said = r#"{"choices":[{"message":{"role":"assistant","content":"ok"}}], "x": 1.10}"#;
    let limited = Answer::json(429, &json!({"error": {"message": "slow down"}})).header("retry-after", "7");
    let stub = Stub::start([limited, Answer::new(200, "<html>"), Answer::new(200, said)]).await;
    let (talk, notes) = watched(&stub.url);
    let classes = [Some(ErrorClass::RateLimit), Some(ErrorClass::Malformed), None];
    for want in classes {
        let outcome = talk.ask().await;
        assert_eq!(outcome.as_ref().err().map(|error| error.class), want);
        let [exchange] = notes.take().try_into().unwrap();
        let ended = match outcome {
            Ok(_) => Ended::Replied,
            Err(error) => Ended::Failed(error),
        };
        assert_eq!(exchange.ended, ended);
        assert_eq!(exchange.request, stub.seen()[0].body.as_bytes());
        assert_eq!(exchange.attempt, 1);
        assert!(exchange.url.as_str().ends_with("/chat/completions"));
        assert!(exchange.request_headers["authorization"].is_sensitive());
        assert!(
            !format!("{exchange:?}").contains(CANARY),
            "not printed by accident"
        );
        assert!(exchange.head_after.is_some_and(|head| head <= exchange.took));
        match want {
            Some(ErrorClass::RateLimit) => {
                assert_eq!(
                    (exchange.status, &exchange.headers["retry-after"]),
                    (Some(429), &"7".parse().unwrap())
                );
            }
            Some(_) => assert_eq!(exchange.body, b"<html>"),
            None => assert_eq!(exchange.body, said.as_bytes()),
        }
    }
}

#[tokio::test]
async fn what_breaks_off_or_is_given_up_is_seen_as_far_as_it_came() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\":";
    let (talk, notes) = watched(&raw(head, End::Close).await);
    talk.ask().await.unwrap_err();
    let [cut] = notes.take().try_into().unwrap();
    assert_eq!(
        (cut.status, cut.body.as_slice()),
        (Some(200), b"{\"id\":".as_slice())
    );
    assert!(matches!(cut.ended, Ended::Failed(error) if error.class == ErrorClass::Network));

    let (talk, notes) = watched(&raw(b"", End::Hang).await);
    let given_up = tokio::time::timeout(Duration::from_millis(50), talk.ask()).await;
    assert!(given_up.is_err());
    let [left] = notes.take().try_into().unwrap();
    assert_eq!((left.status, left.ended), (None, Ended::GivenUp));
    let asked: Value = serde_json::from_slice(&left.request).unwrap();
    assert_eq!(asked["model"], "m", "what was asked is known all the same");
}

/// Before each request: all that came to nothing before it in this turn is written down.
struct Looking {
    client: Arc<dyn ModelClient>,
    journal: MemoryJournal,
}

impl ModelClient for Looking {
    fn model(&self) -> &ModelRef {
        self.client.model()
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(async move {
            let written = || {
                let memory = self.journal.snapshot();
                let records = memory.evidence.values().map(|bytes| Records::of(bytes).count());
                records.sum::<usize>()
            };
            let all_there = async {
                while written() + 1 < request.attempt as usize {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let in_time = tokio::time::timeout(Duration::from_mins(1), all_there).await;
            assert!(
                in_time.is_ok(),
                "{} of {} before it",
                written(),
                request.attempt - 1
            );
            self.client.take_turn(request).await
        })
    }
}

#[tokio::test]
async fn what_failed_is_not_kept_until_the_end_of_its_turn() {
    let said = json!({"choices": [{"message": {"role": "assistant", "content": "ok"}}]});
    let busy = || Answer::json(503, &json!({"error": {"message": "busy"}}));
    let stub = Stub::start([busy(), busy(), busy(), Answer::json(200, &said)]).await;
    let journal = MemoryJournal::default();
    let client = Talk::with("compatible:fake", &stub.url).client;
    let looking = Looking {
        client,
        journal: journal.clone(),
    };
    let mut retry = RetryPolicy::default();
    retry.base_delay = Duration::from_millis(1);
    let runner = Runner::builder("run", plan(vec![scenario("s")], 1))
        .gym(FakeGym::new(Misbehave::No))
        .model(Arc::new(looking))
        .journal(journal.clone())
        .retry(retry);
    runner.build().unwrap().run().await;
    let memory = journal.snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!((record.turns, record.cause.as_deref()), (1, None));
    let records = Records::of(memory.evidence.values().next().unwrap());
    let attempts: Vec<u32> = records.map(|record| record.unwrap().attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4], "in their order, and each once");
}
