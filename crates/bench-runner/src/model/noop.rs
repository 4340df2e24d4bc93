//! The model that does nothing: it answers at once and calls no tool.
//!
//! A scenario that it passes checks nothing, which is what it is for.

use bench_core::ModelRef;
use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{AssistantTurn, ModelClient, ModelError, TurnReply, TurnRequest};

/// What it always says.
const ANSWER: &str = "I have nothing to do.";

/// Answers every prompt with the same words.
pub(super) struct Noop {
    model: ModelRef,
}

impl Noop {
    pub(super) fn new(model: ModelRef) -> Self {
        Self { model }
    }
}

impl ModelClient for Noop {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn take_turn<'a>(&'a self, _: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        let turn = AssistantTurn {
            text: ANSWER.to_owned(),
            ..AssistantTurn::default()
        };
        ready(Ok(TurnReply {
            turn,
            stop_reason: "stop".to_owned(),
            ..TurnReply::default()
        }))
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use bench_core::Provider;
    use serde_json::{Value, json};

    use super::super::fixture::{Talk, scenario};
    use super::*;

    #[tokio::test]
    async fn it_answers_every_prompt_and_costs_nothing_known() {
        let scenario = scenario(json!([{"text": "1"}, {"text": "2"}]), Value::Null);
        let noop = Noop::new(ModelRef::new(Provider::Noop, ""));
        let mut talk = Talk::new(&noop, &scenario);
        let reply = talk.ask().await.unwrap();
        assert_eq!(reply.usage, bench_core::Usage::default(), "unknown, not 0");
        assert!(reply.turn.tool_calls.is_empty());
        assert_eq!(talk.step(&[]).await, ANSWER);
        assert_eq!(talk.step(&[]).await, ANSWER);
    }
}
