//! The agent loop: prompt → model reply → tool calls → results → … until a final answer or a limit.
//!
//! | part | what it does |
//! |---|---|
//! | `toolbox` | the tools of a trial: what the model sees, and where each is called |
//! | `asking` | one turn's requests: each is let through, paid and told by itself |
//! | `seen` | what went over the wire, on its way into the evidence |
//! | `look` | the checks between two steps, where somebody looks |
//! | `drift` | where a replay goes otherwise than its recording |
//! | `cut` | texts that are too long for a model |

mod asking;
mod cut;
mod drift;
mod look;
mod seen;
mod toolbox;

use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bench_core::drift::Drift;
use bench_core::event::{Awaited, ToolChange};
use bench_core::evidence::{Asker, Keep};
use bench_core::outcome::Conversation;
use bench_core::steps::Timeline;
use bench_core::transcript::{Entry, ToolCall};
use bench_core::{Event, Limits, ModelSettings, Scenario, TrialId, Usage};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::dispatch::Reporter;
use crate::evidence::Place;
use crate::gym::{GymError, GymSession, ToolDeadline, ToolOutput};
use crate::judging;
use crate::model::exchange::Witness;
use crate::model::retry::{RetryPolicy, Wait, take_turn_with_retries};
use crate::model::{
    AssistantTurn, ErrorClass, Message, ModelClient, ModelError, Recorded, ToolAnswer, TurnRequest,
};
use crate::rate::Rate;
use crate::scratch::Scratch;
use crate::slots::TrialSlot;
use crate::spend::{Meter, Turn, lost_call};
use crate::verify::CallRecord;
use crate::verify::steps::Steps;
use crate::watch::{LONG_WAIT, Waiting, Watch};
use asking::Asking;
pub(crate) use cut::cut_middle;
use seen::Seen;
pub(crate) use toolbox::Toolbox;

/// The clock of a trial is not looked at more often than this.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// How much later than its deadline a gym may say that it has passed.
const GRACE: Duration = Duration::from_secs(1);

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

/// The waits of one turn.
#[derive(Default)]
struct Waits {
    /// For the transcript, each with the time at which it began.
    told: Vec<(DateTime<Utc>, String)>,
    /// The failure that the last wait is for, unless the model is only slow, or we are asked to be.
    trouble: Option<(ErrorClass, String)>,
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

    /// One model reply, written down. `None` if the trial's time ran out while waiting for it, or if a replay is over
    /// because a limit ended what it plays.
    pub(crate) async fn take_turn(
        &self,
        prompt: usize,
        messages: &[Message],
        said: &mut Said,
    ) -> Result<Option<(AssistantTurn, Option<Recorded>)>, Broken> {
        let seen = Seen {
            agent: self,
            place: Place {
                trial_attempt: self.attempt,
                turn: said.turns + 1,
                judge: self.judging.cloned(),
            },
            exchanges: Mutex::default(),
        };
        let turn = self.take_turn_before(&seen, prompt, messages, said).await;
        seen.write_down().await; // after the transcript, which counts
        turn
    }

    async fn take_turn_before(
        &self,
        seen: &Seen<'_>,
        prompt: usize,
        messages: &[Message],
        said: &mut Said,
    ) -> Result<Option<(AssistantTurn, Option<Recorded>)>, Broken> {
        let request = TurnRequest {
            scenario: self.scenario,
            repetition: self.repetition,
            prompt,
            turn: said.turns + 1,
            scratch: self.scratch,
            system: self.system,
            messages,
            tools: &self.tools.offered,
            settings: self.settings,
            timeout: seconds(self.limits.model_timeout_seconds),
            attempt: 1,
            witness: (self.evidence != Keep::Off).then_some(seen as &dyn Witness),
        };
        let paid = self.room().await?;
        let asked = Instant::now();
        let unknown_before = self.meter.cost().unknown_calls;
        let away_before = self.slot.away();
        let waits = Mutex::new(Waits::default());
        let on_wait = |wait: Wait<'_>| self.note_wait(wait, &waits);
        let asking = Asking {
            agent: self,
            seen,
            paid: &paid,
            waits: &waits,
            asked: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            unknown: AtomicU32::new(0),
            over: OnceLock::new(),
            pace: OnceLock::new(),
        };
        let reply = take_turn_with_retries(&asking, &request, self.retry, self.slot, &on_wait);
        let reply = tokio::select! {
            biased;
            () = self.out_of_time() => None,
            reply = reply => Some(reply),
        };
        self.tell_waits(&waits).await;
        let Some(reply) = reply else {
            let lost = self.meter.cost().unknown_calls - unknown_before;
            for _ in asking.unknown.into_inner()..lost {
                self.keep(lost_call()).await; // nobody waits for its answer any more
            }
            self.slot.hold().await; // it may have been waiting without one
            let waits = waits.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let Some(trouble) = waits.trouble {
                return Err(self.never_healed(trouble).into());
            }
            self.end_by_limit(said, self.time_limit()).await?;
            return Ok(None);
        };
        if let Some(cause) = asking.over.into_inner() {
            return Err(Broken::Budget(cause));
        }
        if let Some(changed) = asking.pace.into_inner() {
            self.reporter.note(changed).await;
        }
        let mut reply = reply.map_err(|error| match self.refused_for(&error) {
            Some(long) => Broken::Refused { error, long },
            None => Broken::Model(error),
        })?;
        self.tell_changed(&reply.tools_changed).await;
        if let Some(limit) = reply.recorded.as_mut().and_then(|recorded| recorded.limit.take()) {
            self.end_by_limit(said, limit).await?;
            return Ok(None);
        }
        said.turns += 1;
        said.usage += reply.usage;
        let away = self.slot.away().saturating_sub(away_before);
        let took = asked.elapsed().saturating_sub(away);
        self.reporter
            .log(self.trial, &describe_turn(said.turns, &reply.turn));
        let cost_usd = self.meter.price_of(&reply.usage);
        let unknown = self.meter.cost().unknown_calls - unknown_before;
        let own = u32::from(cost_usd.is_none());
        let mut entry = Entry::Assistant {
            turn: said.turns,
            text: reply.turn.text.clone(),
            reasoning: reply.turn.reasoning.clone(),
            tool_calls: reply.turn.tool_calls.clone(),
            stop_reason: reply.stop_reason,
            served_by: reply.served_by,
            request_id: reply.request_id,
            usage: reply.usage,
            cost_usd,
            unknown_calls: unknown.saturating_sub(own),
            took_ms: millis(took),
            first_token_ms: reply.first_token.map(millis),
            raw: reply.turn.raw.to_value(),
        };
        if let Some(asker) = self.judging {
            entry = judging::replied(asker, entry);
        }
        self.keep(entry).await;
        if let Some(what) = reply
            .recorded
            .as_mut()
            .and_then(|recorded| recorded.prompt.take())
        {
            self.note_drift(said, String::new(), what).await;
        }
        Ok(Some((reply.turn, reply.recorded)))
    }

    /// For how long the provider has refused everything, if that is longer than anybody waits.
    fn refused_for(&self, error: &ModelError) -> Option<Duration> {
        let limited = error.class == ErrorClass::RateLimit;
        let long = limited.then(|| self.rate.refused_for()).flatten();
        long.filter(|long| *long >= self.retry.max_refusal)
    }

    /// Waits until the run's budget has room for a turn, without a work slot: those that have its room now may need it.
    async fn room(&self) -> Result<Turn<'_>, Broken> {
        let waiting = Waiting {
            kind: Awaited::Budget,
            what: "room in the budget of the run".to_owned(),
            then: "sent when a request of another trial is answered",
            at: None,
        };
        let turn = self.watch().idle(self.meter.turn(), &waiting);
        let (turn, _) = self.slot.aside(turn).await;
        turn.map_err(Broken::Budget)
    }

    /// Adds an entry that says what was paid to the transcript.
    pub(crate) async fn keep(&self, entry: Entry) {
        self.meter.tell(self.reporter, self.trial, entry).await;
    }

    /// The provider refused schemas of tools, and they are sent otherwise from here on.
    async fn note_adjusted(&self, error: &ModelError) {
        let Some(adjusted) = &error.adjusted else { return };
        if !adjusted.news.is_empty() {
            let event = Event::ToolSchemasAdjusted {
                model: error.model.clone(),
                changes: adjusted.news.clone(),
                cause: error.message.clone(),
            };
            self.reporter.note(event).await;
        }
        self.tell_changed(&adjusted.now).await;
    }

    /// Writes down what the model's tools are sent without, before the reply that it may have changed.
    async fn tell_changed(&self, changes: &[ToolChange]) {
        {
            let mut told = self.tools.told.lock().unwrap_or_else(PoisonError::into_inner);
            if changes.is_empty() || *told == changes {
                return;
            }
            *told = changes.to_vec();
        }
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let text = format!(
            "schemas of tools are sent without what the provider refuses: {}",
            changes.join("; ")
        );
        self.reporter.log(self.trial, &text);
        self.reporter.entry(self.trial, Entry::Note { text }).await;
    }

    /// Writes the waits so far into the transcript.
    async fn tell_waits(&self, waits: &Mutex<Waits>) {
        let told = std::mem::take(&mut waits.lock().unwrap_or_else(PoisonError::into_inner).told);
        for (at, text) in told {
            self.reporter.entry_at(at, self.trial, Entry::Note { text }).await;
        }
    }

    /// Called before each wait for a retry. Reported at once, and kept for the transcript.
    fn note_wait(&self, wait: Wait<'_>, waits: &Mutex<Waits>) {
        // Only being asked to slow down is nobody's time.
        if wait.class != ErrorClass::RateLimit {
            self.slot.count(wait.delay);
        }
        // A model that takes too long is slow; everything else is no fault of it.
        let trouble = !matches!(wait.class, ErrorClass::RateLimit | ErrorClass::Timeout);
        let text = format!("{}; sent again in {:.1} s", wait.cause, wait.delay.as_secs_f64());
        self.reporter.log(self.trial, &text);
        if wait.delay >= LONG_WAIT {
            let waiting = Waiting {
                kind: match wait.class {
                    ErrorClass::RateLimit => Awaited::RateLimit,
                    _ => Awaited::Retry,
                },
                what: format!("{}: {}", self.model.model(), wait.cause),
                then: "sent again",
                at: Instant::now().checked_add(wait.delay),
            };
            let event = waiting.event(self.trial, Duration::ZERO, true);
            let reporter = self.reporter.clone();
            drop(tokio::spawn(async move { reporter.note(event).await }));
        }
        let mut waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.trouble = trouble.then(|| (wait.class, wait.cause.to_owned()));
        waits.told.push((Utc::now(), text));
    }

    /// The trial's time ran out in the middle of a failure: that is no limit the model ran into.
    fn never_healed(&self, (class, cause): (ErrorClass, String)) -> ModelError {
        ModelError {
            model: self.model.model().to_string(),
            class,
            status: None,
            retry_after: None,
            maybe_paid: false, // its requests were counted one by one
            usage: None,
            adjusted: None,
            should_retry: None,
            message: format!("{cause}; {} before it healed", self.time_limit()),
        }
    }

    /// `recorded` is for a replay: what was recorded of the turn, and which of its calls this is.
    async fn call_tool(
        &self,
        call: &ToolCall,
        recorded: Option<(&Recorded, usize)>,
        said: &mut Said,
        left: Duration,
    ) -> Result<ToolAnswer, Broken> {
        let called = Instant::now();
        let (gym, output) = match (self.tools.home(&call.name), arguments_of(call)) {
            (None, _) => (None, told(self.tools.unknown(&call.name))),
            (home, Err(problem)) => (home.map(|(gym, _)| gym), told(problem)),
            (Some((gym, name)), Ok(arguments)) => {
                (Some(gym), self.call_gym(gym, name, arguments, left).await?)
            }
        };
        said.calls.push(self.call_record(call, output.is_error));
        let (for_model, cut_bytes) = cut_middle(&output.text, self.limits.tool_result_bytes);
        let took = millis(called.elapsed());
        let failed = if output.is_error { ", failed" } else { "" };
        self.reporter.log(
            self.trial,
            &format!(
                "  {} → {} bytes in {took} ms{failed}",
                call.name,
                output.text.len()
            ),
        );
        let likeness = recorded
            .map(|(turn, place)| self.likeness(turn.answers.get(place), &output))
            .unwrap_or_default();
        let answer = ToolAnswer {
            call_id: call.id.clone(),
            tool: call.name.clone(),
            text: for_model,
            structured: match output.structured {
                Value::Null => serde_json::from_str(&output.text).unwrap_or_default(),
                ref structured => structured.clone(),
            },
            is_error: output.is_error,
            renamed: likeness.renamed,
        };
        let entry = Entry::ToolResult {
            turn: said.turns,
            call_id: call.id.clone(),
            tool: call.name.clone(),
            gym: gym
                .and_then(|g| self.gyms.get(g))
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
            is_error: output.is_error,
            text: output.text,
            structured: output.structured,
            cut_bytes,
            took_ms: took,
        };
        self.reporter.entry(self.trial, entry).await;
        if let Some(what) = likeness.difference {
            self.note_drift(said, call.name.clone(), what).await;
        }
        Ok(answer)
    }

    /// Verifiers know a tool by its gym's name for it.
    fn call_record(&self, call: &ToolCall, failed: bool) -> CallRecord {
        let name = self
            .tools
            .home(&call.name)
            .map_or(call.name.as_str(), |(_, name)| name);
        CallRecord {
            call: ToolCall {
                name: name.to_owned(),
                ..call.clone()
            },
            failed,
        }
    }

    async fn call_gym(
        &self,
        gym: usize,
        tool: &str,
        arguments: Map<String, Value>,
        left: Duration,
    ) -> Result<ToolOutput, Broken> {
        let Some((gym, session)) = self.gyms.get(gym) else {
            return Ok(told(self.tools.unknown(tool)));
        };
        let deadline = ToolDeadline {
            idle: seconds(self.limits.tool_timeout_seconds).min(left),
            total: seconds(self.limits.tool_timeout_max_seconds).min(left),
        };
        let waiting = Waiting::at_most(deadline.idle, Awaited::Tool, format!("tool {tool} of {gym}"));
        let call = tokio::time::timeout(
            deadline.total + GRACE,
            session.call_tool(tool, arguments, deadline),
        );
        let late = |_| GymError::ToolTimeout {
            gym: gym.clone(),
            tool: tool.to_owned(),
            after: deadline.total,
        };
        Ok(self
            .watch()
            .busy(call, &waiting)
            .await
            .unwrap_or_else(|over| Err(late(over)))?)
    }

    fn watch(&self) -> Watch<'_> {
        Watch {
            reporter: self.reporter,
            trial: self.trial,
        }
    }
}

/// A sentence for the model in place of a tool's answer.
fn told(text: String) -> ToolOutput {
    ToolOutput {
        text,
        structured: Value::Null,
        is_error: true,
    }
}

fn arguments_of(call: &ToolCall) -> Result<Map<String, Value>, String> {
    match &call.arguments {
        Value::Object(arguments) => Ok(arguments.clone()),
        Value::Null => Ok(Map::new()),
        _ => Err(format!(
            "The arguments of `{}` must be one JSON object.",
            call.name
        )),
    }
}

fn describe_turn(turn: u32, reply: &AssistantTurn) -> String {
    let names: Vec<&str> = reply.tool_calls.iter().map(|c| c.name.as_str()).collect();
    if names.is_empty() {
        format!("turn {turn}: answer of {} characters", reply.text.chars().count())
    } else {
        format!("turn {turn}: calls {}", names.join(", "))
    }
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
