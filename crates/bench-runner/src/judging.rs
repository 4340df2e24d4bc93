//! A model as the judge of a run: asked like the models that are tried, over the same way, on its own bill.
//!
//! What it is told and what its replies mean is the business of [`crate::verify`].

use std::sync::{Arc, OnceLock};

use bench_core::evidence::Asker;
use bench_core::transcript::Entry;
use bench_core::{Cost, Event, ModelRef, ModelSpec, Usage};
use futures_util::future::BoxFuture;

use crate::agent::{Agent, Broken, Said};
use crate::ledger::Ledger;
use crate::model::{AssistantTurn, Message, ModelClient};
use crate::rate::Rate;
use crate::spend::Meter;
use crate::verify::judge::{AskJudge, NoReply};

/// The judge of a run.
pub(crate) struct Judge {
    pub(crate) spec: ModelSpec,
    pub(crate) client: Arc<dyn ModelClient>,
    /// How many requests its provider takes at once.
    pub(crate) rate: Arc<Rate>,
    /// Why nobody asks it any more.
    given_up: OnceLock<String>,
}

impl Judge {
    pub(crate) fn new(spec: ModelSpec, client: Arc<dyn ModelClient>, rate: Arc<Rate>) -> Self {
        Self {
            spec,
            client,
            rate,
            given_up: OnceLock::new(),
        }
    }

    /// Why nobody asks it any more, if that is so.
    pub(crate) fn given_up(&self) -> Option<&str> {
        self.given_up.get().map(String::as_str)
    }
}

/// What one trial asks of the judge, and pays for it.
pub(crate) struct Seat<'a> {
    pub(crate) judge: &'a Judge,
    pub(crate) meter: Meter<'a>,
}

impl<'a> Seat<'a> {
    /// In the ledger the judge has the place behind all `models`.
    pub(crate) fn new(judge: &'a Judge, models: usize, ledger: &'a Ledger) -> Self {
        Self {
            judge,
            meter: Meter::new(&judge.spec, models, ledger),
        }
    }

    /// Tokens of all its replies, and of answers that held none.
    pub(crate) fn used(&self) -> Usage {
        let mut used = self.meter.replied();
        used += self.meter.lost();
        used
    }
}

/// The judge, asked from within a trial: as an agent without tools that is given each conversation anew.
pub(crate) struct Bench<'a> {
    pub(crate) seat: &'a Seat<'a>,
    /// For whom it is asked is still to be added.
    pub(crate) agent: Agent<'a>,
}

impl AskJudge for Bench<'_> {
    fn model(&self) -> &ModelRef {
        &self.seat.judge.spec.model
    }

    fn most(&self) -> usize {
        self.agent.limits.tool_result_bytes
    }

    fn cost(&self) -> Cost {
        self.seat.meter.cost()
    }

    fn ask<'b>(
        &'b self,
        asker: &'b Asker,
        replies: u32,
        messages: &'b [Message],
    ) -> BoxFuture<'b, Result<(AssistantTurn, Usage), NoReply>> {
        Box::pin(async move {
            if let Some(cause) = self.seat.judge.given_up() {
                return Err(NoReply::Failed {
                    error: format!("not asked: {cause}"),
                    permanent: true,
                });
            }
            let agent = Agent {
                judging: Some(asker),
                ..self.agent
            };
            agent.keep(self.question(asker, messages)).await; // before the request is sent
            let mut said = Said {
                turns: replies,
                ..Said::default()
            };
            let reply = agent.take_turn(0, messages, &mut said).await;
            match reply {
                Ok(Some((turn, _))) => Ok((turn, said.usage)),
                Ok(None) => Err(NoReply::Failed {
                    error: format!(
                        "the judge {} gave no reply: {}",
                        self.model(),
                        said.limit.unwrap_or_default()
                    ),
                    permanent: false,
                }),
                Err(Broken::Budget(cause)) => Err(NoReply::OverBudget(cause)),
                Err(broken) => Err(self.failed(&broken).await),
            }
        })
    }
}

impl Bench<'_> {
    /// What is asked now, for the transcript.
    fn question(&self, asker: &Asker, messages: &[Message]) -> Entry {
        let text = match messages.last() {
            Some(Message::User(text)) => text.clone(),
            _ => String::new(),
        };
        Entry::JudgeAsked {
            verifier: asker.verifier,
            name: asker.name.clone(),
            model: self.model().to_string(),
            text,
        }
    }

    /// A judge that refuses everything is asked by no trial any more.
    async fn failed(&self, broken: &Broken) -> NoReply {
        let error = format!("the judge {broken}");
        let refuses = match broken {
            Broken::Model(error) => error.class.concerns_all_requests(),
            other => matches!(other, Broken::Refused { .. }),
        };
        let permanent = refuses || matches!(broken, Broken::Model(error) if !error.may_heal());
        if refuses && self.seat.judge.given_up.set(error.clone()).is_ok() {
            let (model, cause) = (self.model().to_string(), error.clone());
            self.agent
                .reporter
                .note(Event::ModelGivenUp { model, cause })
                .await;
        }
        NoReply::Failed { error, permanent }
    }
}

/// What a judge replied, of what would be a model's turn.
pub(crate) fn replied(asker: &Asker, turn: Entry) -> Entry {
    match turn {
        Entry::Assistant {
            text,
            reasoning,
            stop_reason,
            served_by,
            request_id,
            usage,
            cost_usd,
            unknown_calls,
            took_ms,
            ..
        } => Entry::JudgeReplied {
            verifier: asker.verifier,
            text,
            reasoning,
            stop_reason,
            served_by,
            request_id,
            usage,
            cost_usd,
            unknown_calls,
            took_ms,
        },
        other => other,
    }
}
