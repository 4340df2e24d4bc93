//! A recorded run, played again: in a world that makes everything up anew, and in one that has changed.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bench_core::{GymSpec, ModelRef, ModelSpec, Outcome, Plan, Provider, TrialRecord};
use bench_runner::env::Environment;
use bench_runner::gym::{Gym, GymError, GymSession, OpenRequest, ToolDeadline, ToolOutput};
use bench_runner::model::{ModelClient, ToolSpec, connect};
use bench_runner::{BenchJob, MemoryJournal, RunEnd, RunSummary, Runner, StoreJournal};
use bench_state::{Ending, RunStore};
use chrono::Utc;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::fakes::{FakeModel, Turns, calls, plan, says, scenario};

/// `mint` makes up an id, `spend` wants one that was made up in the same session, `look` says what the world says. `market`
/// says that too, and makes up an id at its end, in a text that is too long for a model.
struct Mint {
    spec: GymSpec,
    says: &'static str,
}

struct MintSession {
    tools: Vec<ToolSpec>,
    minted: Mutex<Vec<String>>,
    says: &'static str,
}

impl Gym for Mint {
    fn spec(&self) -> &GymSpec {
        &self.spec
    }

    fn open<'a>(&'a self, _: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>> {
        let tool = |name: &str| ToolSpec {
            name: name.into(),
            description: String::new(),
            input_schema: Map::new(),
            reads_only: false,
        };
        let session = MintSession {
            tools: ["mint", "spend", "look", "market"].map(tool).into(),
            minted: Mutex::default(),
            says: self.says,
        };
        async { Ok(Box::new(session) as Box<dyn GymSession>) }.boxed()
    }

    fn remove_database<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), GymError>> {
        async { Ok(()) }.boxed()
    }
}

impl GymSession for MintSession {
    fn protocol(&self) -> &'static str {
        "2025-11-25"
    }

    fn server(&self) -> String {
        "mint 1".into()
    }

    fn database_id(&self) -> Option<&str> {
        None
    }

    fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    fn call_tool<'a>(
        &'a self,
        tool: &'a str,
        arguments: Map<String, Value>,
        _: ToolDeadline,
    ) -> BoxFuture<'a, Result<ToolOutput, GymError>> {
        let mut minted = self.minted.lock().unwrap();
        let text = match tool {
            "mint" => {
                minted.push(uuid::Uuid::new_v4().to_string());
                let goods = arguments.get("goods").and_then(Value::as_u64).unwrap_or(0);
                let goods: Vec<_> = (0..goods).map(|_| "a bag of rice").collect();
                json!({"goods": goods, "id": minted.last(), "at": Utc::now()}).to_string()
            }
            "market" => {
                minted.push(uuid::Uuid::new_v4().to_string());
                let (stalls, lot) = ("a stall with rice. ".repeat(2000), uuid::Uuid::new_v4());
                let coin = &minted[minted.len() - 1];
                format!("{stalls}Lot {lot}, {}. {stalls}Your coin is {coin}", self.says)
            }
            "spend" if minted.iter().any(|id| arguments["id"] == **id) => "spent".to_owned(),
            "spend" => "there is no such coin".to_owned(),
            _ => self.says.to_owned(),
        };
        let output = ToolOutput {
            is_error: text.starts_with("there is no"),
            text,
            ..ToolOutput::default()
        };
        async { Ok(output) }.boxed()
    }

    fn query<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Value, GymError>> {
        async { Ok(json!(3)) }.boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>> {
        async { Ok(()) }.boxed()
    }
}

/// Mints in this way, spends what was minted, looks, and says which coin it was.
fn spender(mint: (&'static str, Value)) -> Turns {
    Arc::new(move |request| {
        let id = request.messages.iter().find_map(|message| match message {
            bench_runner::model::Message::Tools(answers) => {
                let of_text = answers[0].text.split(' ').next_back();
                answers[0].structured["id"]
                    .as_str()
                    .or(of_text)
                    .map(str::to_owned)
            }
            _ => None,
        });
        let reply = match (request.turn, id) {
            (1, _) => calls(std::slice::from_ref(&mint)),
            (2, Some(id)) => calls(&[("spend", json!({"id": id})), ("look", json!({}))]),
            (_, id) => says(&format!("spent {}", id.unwrap_or_default())),
        };
        async { Ok(reply) }.boxed()
    })
}

async fn run(plan: Plan, client: Arc<dyn ModelClient>, says: &'static str, journal: MemoryJournal) -> RunEnd {
    let gym = Mint {
        spec: GymSpec::tracker(),
        says,
    };
    let runner = Runner::builder("run", plan)
        .gym(Arc::new(gym))
        .model(client)
        .journal(journal);
    runner.build().unwrap().run().await
}

/// Records two repetitions of scenario `s`, and returns the name of the run.
async fn record(results: &Path) -> String {
    record_with(results, ("mint", json!({}))).await
}

async fn record_with(results: &Path, mint: (&'static str, Value)) -> String {
    let plan = plan(vec![scenario("s")], 2);
    let store = RunStore::<BenchJob>::open(results).unwrap();
    let run = store.create(&plan, RunSummary::of(&plan), Utc::now()).unwrap();
    let (guard, recorder) = run.split();
    let gym = Mint {
        spec: GymSpec::tracker(),
        says: "fair weather",
    };
    let runner = Runner::builder(guard.id().to_string(), plan)
        .gym(Arc::new(gym))
        .model(FakeModel::new(spender(mint)))
        .journal(StoreJournal::new(recorder))
        .build()
        .unwrap();
    let end = runner.run().await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
    let id = guard.id().to_string();
    guard.finish(Ending::Completed, Utc::now()).unwrap();
    id
}

/// Plays it in a world where `look` says this.
async fn replay(results: &Path, run_id: &str, says: &'static str, runs: u32) -> Vec<TrialRecord> {
    let mut plan = plan(vec![scenario("s")], runs);
    let name = format!("{run_id}/compatible:fake");
    let mut spec = ModelSpec::new(ModelRef::new(Provider::Replay, name));
    spec.recorded_in = Some(results.to_string_lossy().into_owned());
    spec.slug = "replay".into();
    let client = connect(&spec, &Environment::default(), Path::new("/"), 2).unwrap();
    plan.models = vec![spec];
    let journal = MemoryJournal::default();
    let end = run(plan, client, says, journal.clone()).await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
    journal.snapshot().records.into_values().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_world_makes_up_anew_is_used_in_place_of_what_was_recorded() {
    let results = tempfile::tempdir().unwrap();
    let run_id = record(results.path()).await;
    // A third repetition plays the first one again.
    let records = replay(results.path(), &run_id, "fair weather", 3).await;
    assert_eq!(records.len(), 3);
    let mut answers = Vec::new();
    for record in records {
        assert_eq!(
            (record.outcome, record.tool_errors),
            (Outcome::Passed, 0),
            "{record:?}"
        );
        assert_eq!(record.drift, [], "{record:?}");
        answers.push(record.answer.unwrap());
    }
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 3, "each speaks of the coin of its own world");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_as_drift() {
    let results = tempfile::tempdir().unwrap();
    let run_id = record(results.path()).await;
    let records = replay(results.path(), &run_id, "rain", 1).await;
    let drift = serde_json::to_value(&records[0].drift).unwrap();
    assert_eq!(
        drift,
        json!([{"turn": 2, "tool": "look", "what": "`fair weather` when it was recorded, now `rain`"}])
    );
    assert_eq!(records[0].outcome, Outcome::Passed, "drift is told, not judged");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_up_anew_is_found_in_all_of_a_result_that_is_cut_for_the_model() {
    for mint in [("market", json!({})), ("mint", json!({"goods": 4500}))] {
        let results = tempfile::tempdir().unwrap();
        let run_id = record_with(results.path(), mint.clone()).await;
        let records = replay(results.path(), &run_id, "fair weather", 1).await;
        assert_eq!(records[0].drift, [], "{mint:?}");
        assert_eq!(
            records[0].tool_errors, 0,
            "{mint:?}: the coin of this world was spent"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_where_a_result_is_cut_for_the_model_is_drift() {
    let results = tempfile::tempdir().unwrap();
    let run_id = record_with(results.path(), ("market", json!({}))).await;
    let records = replay(results.path(), &run_id, "rain", 1).await;
    let first = &records[0].drift[0];
    assert_eq!((first.turn, first.tool.as_str()), (1, "market"));
    assert!(first.what.contains("now `…, rain. a stall"), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_that_was_altered_is_not_played() {
    let results = tempfile::tempdir().unwrap();
    let run_id = record(results.path()).await;
    let path = results
        .path()
        .join("runs")
        .join(&run_id)
        .join("trials/s~fake~1.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("spend", "steal")).unwrap();
    let records = replay(results.path(), &run_id, "fair weather", 2).await;
    let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Errored, Outcome::Passed]);
    assert!(
        records[0].cause.as_deref().unwrap().contains("s~fake~1.jsonl"),
        "{:?}",
        records[0].cause
    );
}
