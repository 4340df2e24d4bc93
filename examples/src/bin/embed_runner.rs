//! A benchmark inside your own program: the quickstart's first scenario on the built-in tracker, a model client of
//! your own (here a few fixed rules; yours may call anything), and a check of your own beside those of the harness.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench_core::transcript::ToolCall;
use bench_core::{
    Check, GymChoice, ModelRef, ModelSpec, Outcome, Plan, Verdict, VerdictStatus, VerifierSpec,
};
use bench_gym::{GymOptions, GymServer};
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, TrackerAddress, connect};
use bench_runner::model::{AssistantTurn, Message, ModelClient, ModelError, TurnReply, TurnRequest};
use bench_runner::verify::{TrialEnd, Verifier};
use bench_runner::{MemoryJournal, Runner, RunnerBuilder, load_harness};
use futures_util::future::BoxFuture;
use serde_json::json;

type AnyError = Box<dyn std::error::Error>;

/// Your model. One call is one turn: look at the conversation, call tools or answer.
struct Rules(ModelRef);

impl ModelClient for Rules {
    fn model(&self) -> &ModelRef {
        &self.0
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        let mut turn = AssistantTurn::default();
        match request.messages.last() {
            Some(Message::User(prompt)) => {
                let quoted = prompt.split('"').nth(1).unwrap_or_default();
                let arguments = json!({"issueIdOrKey": "WEB-31", "body": quoted});
                turn.tool_calls.push(ToolCall {
                    id: "1".into(),
                    name: "add_issue_comment".into(),
                    arguments,
                });
            }
            _ => turn.text = "Done, with pleasure.".into(),
        }
        let reply = TurnReply {
            turn,
            ..TurnReply::default()
        };
        Box::pin(async { Ok(reply) })
    }
}

/// Your check. It may look at the answer, the calls, the open gyms, and the trial's folder.
struct Polite;

impl Verifier for Polite {
    fn verify<'a>(&'a self, spec: &'a VerifierSpec, end: &'a TrialEnd<'a>) -> BoxFuture<'a, Verdict> {
        let polite = end.answer.is_some_and(|answer| answer.contains("pleasure"));
        let verdict = Verdict {
            verifier: spec.name.clone(),
            verifier_type: "polite".into(),
            gym: None,
            status: if polite {
                VerdictStatus::True
            } else {
                VerdictStatus::False
            },
            comparison: "contains".into(),
            expected: json!("pleasure"),
            actual: json!(end.answer),
            asked: String::new(),
            took_ms: 0,
            judge: None,
        };
        Box::pin(async { verdict })
    }
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    // What to try: a harness from disk, with the check added.
    let mut harness = load_harness(&["quickstart".into()], Path::new(env!("CARGO_MANIFEST_DIR")))?;
    harness
        .scenarios
        .retain(|scenario| scenario.scenario_id == "comment-on-issue");
    let check = Check::Custom {
        kind: "polite".into(),
        config: json!(null),
    };
    let polite = VerifierSpec::new("is polite", check);
    for scenario in &mut harness.scenarios {
        scenario.verifiers.push(polite.clone());
    }
    let model: ModelRef = "compatible:rules".parse()?;
    let spec = ModelSpec::new(model.clone());
    let (plan, _) = Plan::builder(harness)
        .model(spec)
        .gyms(GymChoice::tracker())
        .runs(5)
        .build()?;

    // What to try it on: the tracker, on a free port of this process.
    let server = GymServer::start(GymOptions::default()).await?;
    let address = TrackerAddress {
        mcp_url: server.url(),
        sql_runner_url: server.sql_runner_url(),
    };
    let cleaner = Cleaner::new();
    let gyms = connect(&plan.gyms, &Environment::default(), Some(&address), &cleaner)?;

    // The run itself. All databases are gone when the cleaner is done.
    let journal = MemoryJournal::default();
    let runner = Runner::builder("embedded", plan).journal(journal.clone());
    let runner = runner
        .model(Arc::new(Rules(model)))
        .verifier("polite", Arc::new(Polite));
    let end = gyms
        .into_iter()
        .fold(runner, RunnerBuilder::gym)
        .build()?
        .run()
        .await;
    let cleaned = cleaner.finish(Duration::from_secs(10)).await;
    server.shutdown().await;

    let records = journal.snapshot().records;
    for record in records.values() {
        writeln!(io::stdout(), "{}  {}", record.trial, record.outcome.name())?;
    }
    assert!(
        records.len() == 5 && records.values().all(|record| record.outcome == Outcome::Passed),
        "{end:?}"
    );
    assert_eq!(cleaned, Ok(()), "databases are left behind");
    Ok(())
}
