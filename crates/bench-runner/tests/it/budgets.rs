//! Trials that wait for each other: one has the work slot, another has room in the budget, or in the gym.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use bench_core::price::{Price, Rates};
use bench_core::{GymSpec, Plan, Usage, Usd};
use bench_runner::gym::{Admission, Gym, GymError, GymSession, OpenRequest};
use bench_runner::model::{ErrorClass, ModelError, TurnReply};
use bench_runner::{RunEnd, Runner};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, calls, plan, says, scenario};

/// Longer than any of these runs takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that is to be sent again a little later.
fn broken() -> ModelError {
    ModelError {
        model: "compatible:fake".into(),
        class: ErrorClass::Network,
        status: None,
        retry_after: Some(Duration::from_millis(50)),
        maybe_paid: false,
        usage: None,
        adjusted: None,
        should_retry: None,
        message: "reset".into(),
    }
}

/// A reply that costs $0.10.
fn paid(reply: TurnReply) -> TurnReply {
    let usage = Usage {
        input_tokens: Some(100_000),
        output_tokens: Some(0),
        ..Usage::default()
    };
    TurnReply { usage, ..reply }
}

/// A trial of each of these scenarios, one at a time.
fn one_by_one(ids: &[&str], dollars: f64) -> Plan {
    let mut plan = plan(ids.iter().map(|id| scenario(id)).collect(), 1);
    let rates = Rates {
        input: 1.0,
        cached_input: None,
        cache_write: None,
        output: 1.0,
    };
    plan.models[0].price = Some(Price {
        rates,
        long: None,
        source: "test".into(),
        date: None,
    });
    plan.budget.max_cost = Some(Usd::from(dollars));
    plan.max_concurrency = 1;
    plan
}

async fn run(plan: Plan, gym: Arc<dyn Gym>, turns: Turns) -> RunEnd {
    let runner = Runner::builder("run", plan).gym(gym).model(FakeModel::new(turns));
    let run = runner.build().unwrap().run();
    tokio::time::timeout(PATIENCE, run).await.unwrap()
}

#[tokio::test]
async fn who_waits_for_the_budget_keeps_no_slot_from_whom_it_waits_for() {
    let replies = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&replies);
    let turns: Turns = Arc::new(move |request| {
        let first = request.scenario.scenario_id == "first";
        let reply = match (first, request.turn, request.attempt) {
            (true, 1, _) => Ok(paid(calls(&[("add", json!({"n": 3}))]))),
            (true, 2, 1) => Err(broken()),
            _ => Ok(paid(says("done"))),
        };
        counted.fetch_add(u32::from(reply.is_ok()), SeqCst);
        std::future::ready(reply).boxed()
    });
    let plan = one_by_one(&["first", "second"], 0.25);
    let end = run(plan, FakeGym::new(Misbehave::No), turns).await;
    assert!(matches!(end, RunEnd::OverBudget { .. }), "{end:?}");
    assert_eq!(replies.load(SeqCst), 2, "there was no room for the second trial");
}

#[tokio::test]
async fn a_budget_holds_for_all_that_were_let_in_before_anything_was_paid() {
    let replies = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&replies);
    let turns: Turns = Arc::new(move |request| {
        let reply = match request.attempt {
            1 => Err(broken()),
            _ => Ok(paid(says("done"))),
        };
        counted.fetch_add(u32::from(reply.is_ok()), SeqCst);
        std::future::ready(reply).boxed()
    });
    let plan = one_by_one(&["a", "b", "c", "d"], 0.05);
    let end = run(plan, FakeGym::new(Misbehave::No), turns).await;
    assert!(matches!(end, RunEnd::OverBudget { .. }), "{end:?}");
    assert_eq!(replies.load(SeqCst), 1, "one in the one slot");
}

/// Has room for one session.
struct Narrow(Arc<FakeGym>);

impl Gym for Narrow {
    fn spec(&self) -> &GymSpec {
        self.0.spec()
    }

    fn admit<'a>(&'a self, _: &'a OpenRequest) -> BoxFuture<'a, Admission> {
        async {
            while self.0.open_now.load(SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Admission::default()
        }
        .boxed()
    }

    fn open<'a>(&'a self, request: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>> {
        self.0.open(request)
    }
}

#[tokio::test]
async fn who_waits_for_a_gym_keeps_no_slot_from_whom_it_waits_for() {
    let turns: Turns = Arc::new(|request| {
        let reply = match request.attempt {
            1 => Err(broken()),
            _ => Ok(paid(says("done"))),
        };
        std::future::ready(reply).boxed()
    });
    let gym = Arc::new(Narrow(FakeGym::new(Misbehave::No)));
    let end = run(one_by_one(&["a", "b"], 9.0), gym, turns).await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
}
