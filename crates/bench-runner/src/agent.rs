//! The agent loop: prompt → model reply → tool calls → results → … until a final answer or a limit.
//!
//! | part | what it does |
//! |---|---|
//! | `turn` | one reply of the model, written down with what it cost |
//! | `asking` | one turn's requests: each is let through, paid and told by itself |
//! | `waits` | the pauses between them |
//! | `adjusted` | tools that are sent without what a provider refuses |
//! | `seen` | what went over the wire, on its way into the evidence |
//! | `toolbox` | the tools of a trial: what the model sees, and where each is called |
//! | `call` | one call of a tool |
//! | `look` | the checks between two steps, where somebody looks |
//! | `drift` | where a replay goes otherwise than its recording |

mod adjusted;
mod asking;
mod call;
mod drift;
mod look;
mod seen;
mod toolbox;
mod turn;
mod waits;

use std::time::Duration;

use bench_core::drift::Drift;
use bench_core::evidence::{Asker, Keep};
use bench_core::outcome::Conversation;
use bench_core::steps::Timeline;
use bench_core::transcript::Entry;
use bench_core::{Limits, ModelSettings, Scenario, TrialId, Usage};
use tokio::time::Instant;

use crate::dispatch::Reporter;
use crate::durations::seconds;
use crate::gym::{GymError, GymSession};
use crate::model::retry::RetryPolicy;
use crate::model::{Message, ModelClient, ModelError};
use crate::rate::Rate;
use crate::scratch::Scratch;
use crate::slots::TrialSlot;
use crate::spend::Meter;
use crate::verify::CallRecord;
use crate::verify::steps::Steps;
use crate::watch::Watch;
pub(crate) use toolbox::Toolbox;

/// The clock of a trial is not looked at more often than this.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// What the loop works with.
pub(crate) struct Agent<'a> {
    pub(crate) trial: &'a TrialId,
    pub(crate) scenario: &'a Scenario,
    pub(crate) repetition: u32,
    pub(crate) scratch: &'a Scratch,
    pub(crate) system: &'a str,
    pub(crate) model: &'a dyn ModelClient,
    pub(crate) settings: &'a ModelSettings,
    pub(crate) limits: &'a Limits,
    pub(crate) retry: &'a RetryPolicy,
    pub(crate) rate: &'a Rate,
    pub(crate) tools: &'a Toolbox,
    pub(crate) gyms: &'a [(String, Box<dyn GymSession>)],
    pub(crate) reporter: &'a Reporter,
    pub(crate) slot: &'a TrialSlot,
    pub(crate) meter: &'a Meter<'a>,
    /// Which attempt at the trial it is, from 1.
    pub(crate) attempt: u32,
    /// Of which requests evidence is kept.
    pub(crate) evidence: Keep,
    /// The verifier that asks, if the model is asked as a judge.
    pub(crate) judging: Option<&'a Asker>,
    /// Who looks at the checks after each tool call, if anybody does.
    pub(crate) steps: Option<&'a Steps<'a>>,
    /// When the trial's time began to run.
    pub(crate) started: Instant,
}

/// What a conversation came to, as far as it got.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) answer: Option<String>,
    pub(crate) turns: u32,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) usage: Usage,
    /// Why a limit ended it.
    pub(crate) limit: Option<String>,
    /// Where a replay went otherwise than its recording.
    pub(crate) drift: Vec<Drift>,
    /// What the checks said step by step, if somebody looks.
    pub(crate) timeline: Option<Timeline>,
}

impl Said {
    pub(crate) fn conversation(&self) -> Conversation {
        if self.limit.is_some() {
            Conversation::LimitReached
        } else {
            Conversation::Answered
        }
    }
}

/// Why a conversation broke: says nothing about the model's skill.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Its provider refuses everything, for so long that nobody waits for it any more.
    #[error("{error}; its provider has refused everything for {} min", long.as_secs() / 60)]
    Refused { error: ModelError, long: Duration },
    #[error(transparent)]
    Gym(#[from] GymError),
    /// The run's budget has no room for another turn.
    #[error("{0}")]
    Budget(String),
    /// A limit of the trial cannot be kept.
    #[error("{0}")]
    Unkept(String),
}

impl Agent<'_> {
    /// Has the whole conversation. `said` holds what was said even if this breaks or is dropped half way.
    pub(crate) async fn converse(&self, said: &mut Said) -> Result<(), Broken> {
        let mut messages = Vec::new();
        self.look_first(said).await;
        for (prompt, text) in self.scenario.prompts.iter().enumerate() {
            let entry = Entry::User {
                prompt,
                text: text.text.clone(),
            };
            self.keep(entry).await; // before the first request is sent
            messages.push(Message::User(text.text.clone()));
            self.answer_prompt(prompt, &mut messages, said).await?;
            if said.limit.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Turns until the model calls no more tools, or a limit is reached.
    async fn answer_prompt(
        &self,
        prompt: usize,
        messages: &mut Vec<Message>,
        said: &mut Said,
    ) -> Result<(), Broken> {
        loop {
            if let Some(limit) = self.limit_before_turn(said)? {
                return self.end_by_limit(said, limit).await;
            }
            let Some((turn, recorded)) = self.take_turn(prompt, messages, said).await? else {
                return Ok(());
            };
            if turn.tool_calls.is_empty() {
                said.answer = Some(turn.text.clone());
                messages.push(Message::Assistant(turn));
                return Ok(());
            }
            let most = self.limits.max_tool_calls as usize;
            if said.calls.len() + turn.tool_calls.len() > most {
                let limit = format!("tool call limit reached ({most} calls)");
                return self.end_by_limit(said, limit).await;
            }
            let mut answers = Vec::with_capacity(turn.tool_calls.len());
            for call in &turn.tool_calls {
                let Some(left) = self.time_left() else { break };
                let recorded = recorded.as_ref().map(|recorded| (recorded, answers.len()));
                answers.push(self.call_tool(call, recorded, said, left).await?);
                self.look(said).await;
            }
            if answers.len() < turn.tool_calls.len() {
                return self.end_by_limit(said, self.time_limit()).await;
            }
            messages.push(Message::Assistant(turn));
            messages.push(Message::Tools(answers));
        }
    }

    fn limit_before_turn(&self, said: &Said) -> Result<Option<String>, Broken> {
        if said.turns >= self.limits.max_turns {
            let limit = format!("turn limit reached ({} turns)", self.limits.max_turns);
            return Ok(Some(limit));
        }
        if let Some(most) = self.limits.max_tokens
            && said.usage.total() >= most
        {
            return Ok(Some(format!("token limit reached ({most} tokens)")));
        }
        if let Some(most) = self.limits.max_cost
            && let Some(limit) = self.meter.limit(most).map_err(Broken::Unkept)?
        {
            return Ok(Some(limit));
        }
        Ok(self.time_left().is_none().then(|| self.time_limit()))
    }

    fn time_limit(&self) -> String {
        format!("time limit reached ({} s)", self.limits.max_seconds)
    }

    /// What is left of the trial's time, waits for a provider not counted; `None` when it is over.
    fn time_left(&self) -> Option<Duration> {
        let spent = self.started.elapsed().saturating_sub(self.slot.away());
        seconds(self.limits.max_seconds)
            .checked_sub(spent)
            .filter(|left| !left.is_zero())
    }

    /// Returns when the trial's time is over. It stands still while the trial waits for a provider.
    async fn out_of_time(&self) {
        while let Some(left) = self.time_left() {
            tokio::time::sleep(left.max(SHORTEST_LOOK)).await;
        }
    }

    async fn end_by_limit(&self, said: &mut Said, limit: String) -> Result<(), Broken> {
        self.reporter.log(self.trial, &limit);
        self.reporter
            .entry(self.trial, Entry::Note { text: limit.clone() })
            .await;
        said.limit = Some(limit);
        Ok(())
    }

    /// Adds an entry that says what was paid to the transcript.
    pub(crate) async fn keep(&self, entry: Entry) {
        self.meter.tell(self.reporter, self.trial, entry).await;
    }

    fn watch(&self) -> Watch<'_> {
        Watch {
            reporter: self.reporter,
            trial: self.trial,
        }
    }
}
