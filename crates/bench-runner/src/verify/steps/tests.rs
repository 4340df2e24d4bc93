use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use bench_core::verifier::{Selector, ToolExecution};
use bench_core::{Comparison, Scenario, Verdict};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::*;
use crate::env::Environment;
use crate::gym::{GymError, GymSession, ToolDeadline, ToolOutput};
use crate::scratch::Scratch;

/// A gym whose database hangs or fails where a query says so, and which counts the calls of its tools.
struct World {
    tools: Vec<ToolSpec>,
    asked: Arc<AtomicU32>,
}

impl GymSession for World {
    fn protocol(&self) -> &'static str {
        "2025-11-25"
    }

    fn server(&self) -> String {
        "world 1".into()
    }

    fn database_id(&self) -> Option<&str> {
        None
    }

    fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    fn call_tool<'a>(
        &'a self,
        _: &'a str,
        _: Map<String, Value>,
        _: ToolDeadline,
    ) -> BoxFuture<'a, Result<ToolOutput, GymError>> {
        let asked = self.asked.fetch_add(1, SeqCst) + 1;
        let structured = json!(asked);
        async move {
            Ok(ToolOutput {
                structured,
                ..ToolOutput::default()
            })
        }
        .boxed()
    }

    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Value, GymError>> {
        async move {
            if sql.contains("slow") {
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            if sql.contains("never") {
                std::future::pending::<()>().await;
            }
            if sql.contains("sk-canary-0123456789") {
                let reason = format!("cannot read {sql}");
                let gym = "world".to_owned();
                return Err(GymError::SqlRefused { gym, reason });
            }
            Ok(json!(1))
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>> {
        async { Ok(()) }.boxed()
    }
}

/// A check of the embedding program.
struct Own {
    reads_only: bool,
}

impl Verifier for Own {
    fn verify<'a>(&'a self, _: &'a VerifierSpec, _: &'a TrialEnd<'a>) -> BoxFuture<'a, Verdict> {
        panic!("out of cheese")
    }

    fn reads_only(&self, _: &VerifierSpec) -> bool {
        self.reads_only
    }
}

struct Fixture {
    scenario: Scenario,
    gyms: Vec<(String, Box<dyn GymSession>)>,
    custom: BTreeMap<String, Arc<dyn Verifier>>,
    scratch: Scratch,
    env: Environment,
    asked: Arc<AtomicU32>,
}

impl Fixture {
    fn new(checks: Vec<Check>) -> Self {
        let origin = json!({"file": "h.json", "line": 1, "sha256": ""});
        let scenario = json!({"scenario_id": "s", "origin": origin, "prompts": [], "verifiers": []});
        let mut scenario: Scenario = serde_json::from_value(scenario).unwrap();
        let spec = |(n, check)| VerifierSpec::new(format!("check {n}"), check);
        scenario.verifiers = checks.into_iter().enumerate().map(spec).collect();
        let tool = |name: &str, reads_only| ToolSpec {
            name: name.into(),
            description: String::new(),
            input_schema: Map::new(),
            reads_only,
        };
        let asked = Arc::new(AtomicU32::new(0));
        let world = World {
            tools: vec![tool("look", true), tool("push", false)],
            asked: Arc::clone(&asked),
        };
        let own = |reads_only| Arc::new(Own { reads_only }) as Arc<dyn Verifier>;
        Self {
            scenario,
            gyms: vec![("world".into(), Box::new(world) as Box<dyn GymSession>)],
            custom: [("reads".to_owned(), own(true)), ("writes".to_owned(), own(false))].into(),
            scratch: Scratch::default(),
            env: Environment::new([("MY_KEY".to_owned(), "sk-canary-0123456789".to_owned())], &[]),
            asked,
        }
    }

    fn steps(&self) -> Steps<'_> {
        let world = TrialEnd {
            scenario: &self.scenario,
            answer: None,
            calls: &[],
            gyms: &self.gyms,
            scratch: &self.scratch,
            harness_dir: Path::new("/"),
            run_id: "run",
            trial: "trial",
            env: &self.env,
            log: Arc::new(|_| {}),
            judge: None,
        };
        Steps {
            world,
            custom: &self.custom,
            most: Duration::from_secs(30),
        }
    }
}

fn sql(query: &str) -> Check {
    Check::DatabaseState {
        query: query.into(),
        comparison: Comparison::equals(1),
    }
}

fn result_of(tool: &str) -> Check {
    Check::ToolResult {
        tool: tool.into(),
        arguments: Map::new(),
        select: Selector::Whole,
        comparison: Comparison::equals(2),
    }
}

fn own(kind: &str) -> Check {
    Check::Custom {
        kind: kind.into(),
        config: Value::Null,
    }
}

fn calls(n: usize) -> Vec<CallRecord> {
    let call = bench_core::transcript::ToolCall {
        id: String::new(),
        name: "push".into(),
        arguments: json!({}),
    };
    vec![CallRecord { call, failed: false }; n]
}

#[tokio::test]
async fn only_checks_that_read_are_looked_at_and_the_others_are_named() {
    let said = |check: Value| Check::ResponseCheck(serde_json::from_value(check).unwrap());
    let judge = json!({"check": "judge", "comparison_prompt": "?", "minimum_comparison_value": 7.0});
    let text = json!({"check": "text", "comparison": Comparison::equals("x")});
    let command = serde_json::from_value(json!({"command": "rm"})).unwrap();
    let fixture = Fixture::new(vec![
        sql("SELECT 1"),
        sql("UPDATE t SET a = 1"),
        sql("SELECT 1; DROP TABLE t"),
        result_of("look"),
        result_of("push"),
        result_of("nothing"),
        said(judge),
        said(text),
        Check::Command(command),
        own("writes"),
        own("nowhere"),
    ]);
    let steps = fixture.steps();
    let mut timeline = steps.timeline();
    for n in 0..3 {
        steps.look(&mut timeline, &calls(n)).await;
    }
    let followed: Vec<_> = timeline.followed().map(|track| track.verifier.as_str()).collect();
    assert_eq!(followed, ["check 0", "check 3"]);
    assert_eq!(fixture.asked.load(SeqCst), 3, "`look` each time, `push` never");
    assert_eq!(timeline.checks[3].spans().len(), 1, "{:?}", timeline.checks[3]);
    insta::assert_snapshot!(left_out(&timeline).unwrap(), @"looked at only at the end: `check 1` (its query changes the database), `check 2` (its query is more than one statement), `check 4` (its server does not say that `push` only reads), `check 5` (its server does not say that `nothing` only reads), `check 6` (it asks a judge), `check 7` (it is about the final answer), `check 8` (it runs a program), `check 9` (it does not say that it only reads), `check 10` (it does not say that it only reads)");
}

#[tokio::test]
async fn what_has_changed_is_told_once() {
    let rule = ToolExecution {
        minimum_tool_calls: Some(1),
        maximum_tool_calls: Some(2),
        ..ToolExecution::default()
    };
    let fixture = Fixture::new(vec![sql("SELECT 1"), Check::ToolExecution(rule)]);
    let steps = fixture.steps();
    let mut timeline = steps.timeline();
    let mut told = Vec::new();
    for n in 0..5 {
        let changes = steps.look(&mut timeline, &calls(n)).await;
        told.push(changes.iter().map(|change| change.verifier).collect::<Vec<_>>());
    }
    assert_eq!(told, [vec![0, 1], vec![1], vec![], vec![1], vec![]]);
    assert_eq!((timeline.all_held(), timeline.last_step), (Some(1), 4));
    assert_eq!(timeline.checks[1].lost(), [3]);
    assert_eq!(left_out(&timeline), None);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_does_not_answer_or_panics_is_left_out_from_there_on() {
    let fixture = Fixture::new(vec![sql("SELECT never"), own("reads"), sql("SELECT 1")]);
    let steps = fixture.steps();
    let mut timeline = steps.timeline();
    let began = Instant::now();
    for n in 0..4 {
        steps.look(&mut timeline, &calls(n)).await;
    }
    assert_eq!(began.elapsed().as_secs(), 10, "it was waited for once");
    let why: Vec<_> = timeline
        .checks
        .iter()
        .map(|track| track.left_out.as_deref())
        .collect();
    assert_eq!(
        why,
        [
            Some("no answer within 10 s after step 0"),
            Some("it panicked after step 0"),
            None
        ]
    );
    assert_eq!(
        (timeline.last_step, timeline.checks[2].first_held()),
        (3, Some(0))
    );
}

#[tokio::test(start_paused = true)]
async fn looks_that_take_as_long_as_a_trial_may_come_to_an_end() {
    let fixture = Fixture::new(vec![sql("SELECT slow")]);
    let steps = fixture.steps();
    let mut timeline = steps.timeline();
    let began = Instant::now();
    for n in 0..1000 {
        steps.look(&mut timeline, &calls(n)).await;
    }
    assert_eq!(
        began.elapsed().as_secs(),
        30,
        "not to the end of the check that was under way"
    );
    assert_eq!((timeline.last_step, timeline.took_ms / 1000), (6, 30));
    insta::assert_snapshot!(timeline.broken_off.unwrap(), @"the looks took 30 s, as long as the trial may");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_dropped_has_seen_nothing() {
    let fixture = Fixture::new(vec![sql("SELECT 1"), sql("SELECT never")]);
    let steps = fixture.steps();
    let mut timeline = steps.timeline();
    let before = timeline.clone();
    let dropped = timeout(Duration::from_secs(1), steps.look(&mut timeline, &calls(2))).await;
    assert!(dropped.is_err());
    assert_eq!(timeline, before);
}

#[tokio::test]
async fn an_error_is_kept_short_and_without_secrets() {
    let query = format!("SELECT 'sk-canary-0123456789', '{}'", "x".repeat(10_000));
    let fixture = Fixture::new(vec![sql(&query)]);
    let steps = fixture.steps();
    let mut timeline = steps.timeline();
    let changes = steps.look(&mut timeline, &calls(1)).await;
    let text = serde_json::to_string(&(&changes, &timeline)).unwrap();
    assert!(text.contains("errored") && text.contains("[secret]"), "{text}");
    assert!(
        !text.contains("canary") && text.len() < 10_000,
        "{} bytes",
        text.len()
    );
}
