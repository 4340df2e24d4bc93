//! A benchmark inside your own program: the quickstart's comment scenarios on the built-in tracker, a model client of
//! your own (here a few fixed rules; yours may call anything), and a check of your own beside those of the harness.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bench_core::harness::Source;
use bench_core::transcript::ToolCall;
use bench_core::{
    Check, GymChoice, Harness, ModelRef, ModelSpec, Plan, Verdict, VerdictStatus, VerifierSpec,
};
use bench_gym::{GymOptions, GymServer};
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, TrackerAddress, connect};
use bench_runner::model::{AssistantTurn, Message, ModelClient, ModelError, TurnReply, TurnRequest};
use bench_runner::verify::{TrialEnd, Verifier};
use bench_runner::{MemoryJournal, Runner, RunnerBuilder};
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
        Box::pin(async {
            Ok(TurnReply {
                turn,
                ..TurnReply::default()
            })
        })
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
        };
        Box::pin(async { verdict })
    }
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/quickstart/harness.json");
    let source = Source::new(path, std::fs::read_to_string(path)?);
    let mut harness = Harness::from_sources("quickstart", &[source], &|path| std::fs::read(path))?;
    for scenario in &mut harness.scenarios {
        let check = Check::Custom {
            kind: "polite".into(),
            config: json!(null),
        };
        scenario.verifiers.push(VerifierSpec {
            check,
            name: "is polite".into(),
            description: None,
            gym: None,
            prompt: None,
        });
    }
    let model: ModelRef = "compatible:rules".parse()?;
    let plan = Plan::builder(harness)
        .model(ModelSpec::new(model.clone()))
        .gyms(GymChoice::tracker());
    let (plan, _) = plan
        .only(|scenario| scenario.scenario_id == "comment-on-issue")
        .runs(5)
        .build()?;

    let server = GymServer::start(GymOptions::default()).await?;
    let address = TrackerAddress {
        mcp_url: server.url(),
        sql_runner_url: server.sql_runner_url(),
    };
    let cleaner = Cleaner::new();
    let gyms = connect(&plan.gyms, &Environment::default(), Some(&address), &cleaner)?;

    let journal = MemoryJournal::default();
    let mut runner = Runner::builder("embedded", plan).journal(journal.clone());
    runner = runner
        .model(Arc::new(Rules(model)))
        .verifier("polite", Arc::new(Polite));
    let end = gyms
        .into_iter()
        .fold(runner, RunnerBuilder::gym)
        .build()?
        .run()
        .await;
    cleaner
        .finish(Duration::from_secs(10))
        .await
        .map_err(|n| format!("{n} databases were not removed"))?;
    server.shutdown().await;

    let records = journal.snapshot().records;
    for record in records.values() {
        writeln!(io::stdout(), "{}  {}", record.trial, record.outcome.name())?;
    }
    let passed = records
        .values()
        .filter(|record| record.outcome == bench_core::Outcome::Passed)
        .count();
    if passed == 5 {
        Ok(())
    } else {
        Err(format!("{passed} of 5 passed: {end:?}").into())
    }
}
