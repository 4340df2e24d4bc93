//! Models and gyms that do what a test tells them.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_core::harness::{Origin, World};
use bench_core::limits::LimitOverrides;
use bench_core::plan::{FORMAT, PlannedScenario};
use bench_core::transcript::ToolCall;
use bench_core::{
    Check, Comparison, Event, GymSpec, Limits, ModelRef, ModelSpec, Operator, Plan, Prompt, Provider,
    Scenario, VerifierSpec,
};
use bench_runner::gym::{Gym, GymError, GymSession, OpenRequest, ToolDeadline, ToolOutput};
use bench_runner::model::{AssistantTurn, ModelClient, ModelError, ToolSpec, TurnReply, TurnRequest};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

pub(crate) type Turns =
    Arc<dyn Fn(&TurnRequest<'_>) -> BoxFuture<'static, Result<TurnReply, ModelError>> + Send + Sync>;

/// A model that answers with a function of the request.
pub(crate) struct FakeModel {
    model: ModelRef,
    turns: Turns,
}

impl FakeModel {
    pub(crate) fn new(turns: Turns) -> Arc<Self> {
        Arc::new(Self {
            model: ModelRef::new(Provider::Compatible, "fake"),
            turns,
        })
    }
}

impl ModelClient for FakeModel {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        (self.turns)(request)
    }
}

/// A reply that ends the conversation.
pub(crate) fn says(text: &str) -> TurnReply {
    let turn = AssistantTurn {
        text: text.into(),
        ..AssistantTurn::default()
    };
    TurnReply {
        turn,
        stop_reason: "stop".into(),
        ..TurnReply::default()
    }
}

/// A reply that calls tools.
pub(crate) fn calls(tools: &[(&str, Value)]) -> TurnReply {
    let tool_calls = tools.iter().enumerate().map(|(n, (name, arguments))| ToolCall {
        id: format!("call-{n}"),
        name: (*name).into(),
        arguments: arguments.clone(),
    });
    let turn = AssistantTurn {
        tool_calls: tool_calls.collect(),
        ..AssistantTurn::default()
    };
    TurnReply {
        turn,
        stop_reason: "tool_calls".into(),
        ..TurnReply::default()
    }
}

/// Answers with these replies in turn, then with "done".
pub(crate) fn replies(list: Vec<TurnReply>) -> Turns {
    Arc::new(move |request| {
        let reply = list
            .get(request.turn as usize - 1)
            .cloned()
            .unwrap_or_else(|| says("done"));
        async move { Ok(reply) }.boxed()
    })
}

/// A gym with one counter per session, the tools `add` and `fail`, and whatever `misbehave` does.
pub(crate) struct FakeGym {
    spec: GymSpec,
    pub(crate) open_now: Arc<AtomicUsize>,
    pub(crate) opened: Arc<AtomicUsize>,
    /// Sessions that were closed in order, not only dropped.
    pub(crate) closed: Arc<AtomicUsize>,
    pub(crate) most_open: Arc<AtomicUsize>,
    /// Databases of earlier workers that were removed.
    pub(crate) removed: Mutex<Vec<String>>,
    misbehave: Misbehave,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Misbehave {
    No,
    /// Not even for the preflight.
    Away,
    RefuseToOpen,
    HangInTool,
    BreakInTool,
    PanicInTool,
    FailInQuery,
    SlowQuery,
}

impl FakeGym {
    pub(crate) fn new(misbehave: Misbehave) -> Arc<Self> {
        Self::named("tracker", misbehave)
    }

    pub(crate) fn named(name: &str, misbehave: Misbehave) -> Arc<Self> {
        Arc::new(Self {
            spec: GymSpec {
                key: name.into(),
                name: name.into(),
                ..GymSpec::tracker()
            },
            open_now: Arc::default(),
            opened: Arc::default(),
            closed: Arc::default(),
            most_open: Arc::default(),
            removed: Mutex::default(),
            misbehave,
        })
    }
}

struct FakeSession {
    tools: Vec<ToolSpec>,
    sum: Mutex<i64>,
    open_now: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    misbehave: Misbehave,
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.open_now.fetch_sub(1, SeqCst);
    }
}

impl Gym for FakeGym {
    fn spec(&self) -> &GymSpec {
        &self.spec
    }

    fn remove_database<'a>(&'a self, database_id: &'a str) -> BoxFuture<'a, Result<(), GymError>> {
        self.removed.lock().unwrap().push(database_id.to_owned());
        async { Ok(()) }.boxed()
    }

    fn open<'a>(&'a self, request: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>> {
        async move {
            let refuses = match self.misbehave {
                Misbehave::Away => true,
                Misbehave::RefuseToOpen => request.trial.as_str() != "preflight",
                _ => false,
            };
            if refuses {
                return Err(GymError::Open {
                    gym: "fake".into(),
                    reason: "connection refused".into(),
                });
            }
            let named = Event::DatabaseNamed {
                trial: request.trial.clone(),
                gym: "tracker".into(),
                database_id: "db".into(),
            };
            (request.report)(named).await;
            self.opened.fetch_add(1, SeqCst);
            let open = self.open_now.fetch_add(1, SeqCst) + 1;
            self.most_open.fetch_max(open, SeqCst);
            let tool = |name: &str| ToolSpec {
                name: name.into(),
                description: String::new(),
                input_schema: Map::new(),
                reads_only: false,
            };
            let mut add = tool("add");
            let n = json!({"type": "integer"});
            let why = json!({"type": "string", "pattern": "^\\d+$"});
            add.input_schema
                .insert("properties".into(), json!({"n": n, "why": why}));
            let session = FakeSession {
                tools: vec![add, tool("fail")],
                sum: Mutex::new(0),
                open_now: Arc::clone(&self.open_now),
                closed: Arc::clone(&self.closed),
                misbehave: self.misbehave,
            };
            Ok(Box::new(session) as Box<dyn GymSession>)
        }
        .boxed()
    }
}

impl GymSession for FakeSession {
    fn protocol(&self) -> &'static str {
        "2025-11-25"
    }

    fn server(&self) -> String {
        "fake 1".into()
    }

    fn database_id(&self) -> Option<&str> {
        Some("db")
    }

    fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    fn call_tool<'a>(
        &'a self,
        tool: &'a str,
        arguments: Map<String, Value>,
        _deadline: ToolDeadline,
    ) -> BoxFuture<'a, Result<ToolOutput, GymError>> {
        async move {
            match self.misbehave {
                Misbehave::HangInTool => std::future::pending().await,
                Misbehave::BreakInTool => {
                    return Err(GymError::Broken {
                        gym: "fake".into(),
                        reason: "stream ended".into(),
                    });
                }
                Misbehave::PanicInTool => panic!("out of cheese"),
                _ => {}
            }
            if tool == "fail" {
                return Ok(ToolOutput {
                    text: "no".into(),
                    is_error: true,
                    ..ToolOutput::default()
                });
            }
            let mut sum = self.sum.lock().unwrap();
            *sum += arguments.get("n").and_then(Value::as_i64).unwrap_or(0);
            Ok(ToolOutput {
                text: sum.to_string(),
                structured: json!({"sum": *sum}),
                ..ToolOutput::default()
            })
        }
        .boxed()
    }

    fn query<'a>(&'a self, _sql: &'a str) -> BoxFuture<'a, Result<Value, GymError>> {
        async move {
            if self.misbehave == Misbehave::SlowQuery {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            if self.misbehave == Misbehave::FailInQuery {
                return Err(GymError::SqlRefused {
                    gym: "fake".into(),
                    reason: "no such table: t".into(),
                });
            }
            Ok(json!(*self.sum.lock().unwrap()))
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>> {
        async move {
            self.closed.fetch_add(1, SeqCst);
            drop(self);
            Ok(())
        }
        .boxed()
    }
}

/// A scenario that wants the sum to be 3.
pub(crate) fn scenario(id: &str) -> Scenario {
    Scenario {
        scenario_id: id.into(),
        name: String::new(),
        description: String::new(),
        origin: Origin::default(),
        prompts: vec![Prompt {
            text: "make it 3".into(),
            expected_tools: vec![],
            solution: None,
        }],
        verifiers: vec![VerifierSpec::new(
            "sum is 3",
            Check::DatabaseState {
                query: "SELECT sum".into(),
                comparison: Comparison {
                    operator: Operator::Equals,
                    expected: json!(3),
                },
            },
        )],
        system_prompt: None,
        world: World::Default,
        limits: LimitOverrides::default(),
        tags: vec![],
        allowed_tools: None,
        restricted_tools: vec![],
        expected_tools: vec![],
        weight: 1.0,
        solution: None,
        metadata: Map::new(),
    }
}

/// A plan of these scenarios for the fake model on the fake gym.
pub(crate) fn plan(scenarios: Vec<Scenario>, runs: u32) -> Plan {
    let planned = |scenario: Scenario| PlannedScenario {
        slug: scenario.scenario_id.clone(),
        gym_keys: vec!["tracker".into()],
        scenario,
    };
    Plan {
        judge: None,
        format: FORMAT,
        harness_name: "test".into(),
        label: None,
        sources: vec![],
        scenarios: scenarios.into_iter().map(planned).collect(),
        models: vec![ModelSpec {
            slug: "fake".into(),
            ..ModelSpec::new(ModelRef::new(Provider::Compatible, "fake"))
        }],
        runs,
        gyms: vec![GymSpec::tracker()],
        gyms_chosen: std::collections::BTreeMap::new(),
        limits: Limits::default(),
        max_concurrency: 4,
        max_processes: None,
        retries: 0,
        budget: bench_core::plan::Budget::default(),
        gate: bench_core::Gate::default(),
        evidence: bench_core::evidence::Keep::default(),
        verify_each_step: false,
        launch_dir: "/".into(),
        env_file: None,
        env_file_found: false,
        secret_names: vec![],
        retries_of: None,
        chosen: None,
        rescores: None,
        only_trials: vec![],
    }
}
