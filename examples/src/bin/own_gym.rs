//! A gym in process, without MCP: a house with lamps, and a scenario on it. `oracle` solves it, `noop` does not.
//!
//! A gym is a type that can be opened for a trial; what it opens lists tools, answers calls and is closed at the end.
//! Nothing else has to exist: no server, no port, no SQL (the check asks the tool `list_lamps` instead).

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use bench_core::harness::Source;
use bench_core::{GymChoice, GymSpec, Harness, ModelSpec, Plan};
use bench_runner::env::Environment;
use bench_runner::gym::{Gym, GymError, GymSession, OpenRequest, ToolDeadline, ToolOutput};
use bench_runner::model::{ToolSpec, connect::connect};
use bench_runner::{MemoryJournal, Runner};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

type AnyError = Box<dyn std::error::Error>;

const HARNESS: &str = r#"{"scenarios": [{
    "scenario_id": "good-night",
    "prompts": [{
        "prompt_text": "Everybody sleeps. Switch off whatever is still on.",
        "verifier": {"verifier_type": "tool_result", "name": "it is dark", "validation_config":
            {"tool": "list_lamps", "expected_value": {"kitchen": false, "stairs": false}}}
    }],
    "solution": {"calls": [{"tool": "switch", "arguments": {"lamp": "stairs", "on": false}}]}
}]}"#;

/// The gym: shared by all trials.
struct House(GymSpec);

/// What one trial gets: lamps of its own.
struct Lamps(Vec<ToolSpec>, Mutex<Map<String, Value>>);

impl Gym for House {
    fn spec(&self) -> &GymSpec {
        &self.0
    }

    fn open<'a>(&'a self, _: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>> {
        let tool = |name: &str, description: &str, schema: Value| ToolSpec {
            name: name.into(),
            description: description.into(),
            input_schema: schema.as_object().cloned().unwrap_or_default(),
            reads_only: name.starts_with("list_"),
        };
        let switch = json!({"type": "object", "required": ["lamp", "on"],
            "properties": {"lamp": {"type": "string"}, "on": {"type": "boolean"}}});
        let tools = vec![
            tool(
                "list_lamps",
                "Which lamps there are, and whether they are on.",
                json!({"type": "object"}),
            ),
            tool("switch", "Switch a lamp on or off.", switch),
        ];
        let lamps = Map::from_iter([("kitchen".into(), json!(false)), ("stairs".into(), json!(true))]);
        Box::pin(async { Ok(Box::new(Lamps(tools, Mutex::new(lamps))) as Box<dyn GymSession>) })
    }
}

impl GymSession for Lamps {
    fn protocol(&self) -> &'static str {
        "in process"
    }

    fn server(&self) -> String {
        "house".into()
    }

    fn database_id(&self) -> Option<&str> {
        None
    }

    fn tools(&self) -> &[ToolSpec] {
        &self.0
    }

    fn call_tool<'a>(
        &'a self,
        tool: &'a str,
        arguments: Map<String, Value>,
        _: ToolDeadline,
    ) -> BoxFuture<'a, Result<ToolOutput, GymError>> {
        let mut lamps = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let lamp = arguments
            .get("lamp")
            .and_then(Value::as_str)
            .and_then(|name| lamps.get_mut(name));
        let output = match (tool, lamp, arguments.get("on")) {
            ("list_lamps", ..) => done(Value::Object(lamps.clone())),
            ("switch", Some(lamp), Some(on)) => {
                *lamp = on.clone();
                done(json!({"on": on}))
            }
            _ => ToolOutput {
                text: "give `lamp`, one of list_lamps, and `on`".into(),
                is_error: true,
                ..ToolOutput::default()
            },
        };
        Box::pin(async { Ok(output) })
    }

    fn query<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Value, GymError>> {
        let error = GymError::Sql {
            gym: "house".into(),
            reason: "a house speaks no SQL".into(),
        };
        Box::pin(async { Err(error) })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What a tool says that did what it was asked to.
fn done(structured: Value) -> ToolOutput {
    ToolOutput {
        text: structured.to_string(),
        structured,
        is_error: false,
    }
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let mut spec = GymSpec::tracker(); // the transport of a gym that is given to the runner does not matter
    (spec.key, spec.name) = ("house".into(), "house".into());
    let gyms = GymChoice {
        available: vec![spec.clone()],
        default: vec!["house".into()],
        ..GymChoice::default()
    };
    let harness = Harness::from_sources("house", &[Source::new("house.json", HARNESS)], &|path| {
        std::fs::read(path)
    })?;
    let models = [ModelSpec::new("oracle".parse()?), ModelSpec::new("noop".parse()?)];
    let (plan, _) = Plan::builder(harness).models(models).gyms(gyms).build()?;

    let journal = MemoryJournal::default();
    let mut runner = Runner::builder("own-gym", plan.clone())
        .gym(Arc::new(House(spec)))
        .journal(journal.clone());
    for model in &plan.models {
        runner = runner.model(connect(model, &Environment::default(), ".".as_ref(), 1)?);
    }
    let end = runner.build()?.run().await;
    let records = journal.snapshot().records;
    let outcomes: Vec<_> = records
        .values()
        .map(|record| (record.model.as_str(), record.outcome.name()))
        .collect();
    writeln!(io::stdout(), "{outcomes:?}")?;
    assert_eq!(outcomes, [("noop", "failed"), ("oracle", "passed")], "{end:?}");
    Ok(())
}
