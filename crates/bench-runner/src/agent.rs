//! The agent loop: prompt → model reply → tool calls → results → … until a final answer or a limit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bench_core::drift::{Drift, Likeness, ToolSaid, compare};
use bench_core::event::{Awaited, ToolChange};
use bench_core::evidence::{Asker, Keep};
use bench_core::outcome::Conversation;
use bench_core::transcript::{Entry, ToolCall};
use bench_core::{Event, Limits, ModelRef, ModelSettings, Scenario, TrialId, Usage};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::dispatch::Reporter;
use crate::evidence::Place;
use crate::gym::{GymError, GymSession, ToolDeadline, ToolOutput};
use crate::judging;
use crate::model::exchange::{Ended, Exchange, Witness};
use crate::model::retry::{RetryPolicy, Wait, WorkSlot, take_turn_with_retries};
use crate::model::{
    AssistantTurn, ErrorClass, Message, ModelClient, ModelError, Recorded, RecordedAnswer, ToolAnswer,
    ToolSpec, TurnReply, TurnRequest, qualified_tool_name,
};
use crate::rate::{Permit, Rate};
use crate::scratch::Scratch;
use crate::slots::TrialSlot;
use crate::spend::{Call, Meter, Turn, lost_call};
use crate::verify::CallRecord;
use crate::watch::{LONG_WAIT, Waiting, Watch};

/// The clock of a trial is not looked at more often than this.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// How much later than its deadline a gym may say that it has passed.
const GRACE: Duration = Duration::from_secs(1);

/// A longer run of characters, in bytes, is no word: it is cut like any other text.
const LONGEST_WORD: usize = 512;

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

/// The tools of a trial: what the model sees, and which gym's tool each is.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    pub(crate) offered: Vec<ToolSpec>,
    /// For each offered tool: index of its gym, and its name there.
    homes: Vec<(usize, String)>,
    restricted: BTreeSet<String>,
    /// What their schemas are sent without, as the transcript has it.
    told: Mutex<Vec<ToolChange>>,
}

impl Toolbox {
    /// Merges the gyms' tools in order. Of equal names the first gym's keeps the name, the others are
    /// offered as `gym__tool`. Restricted tools, and with an allow-list all others, are hidden in every
    /// gym.
    pub(crate) fn new(scenario: &Scenario, gyms: &[(String, Box<dyn GymSession>)]) -> Self {
        let restricted = scenario.restricted_tools.iter().cloned().collect();
        let mut toolbox = Self {
            restricted,
            ..Self::default()
        };
        let mut taken = BTreeSet::new();
        for (gym, (name, session)) in gyms.iter().enumerate() {
            for tool in session.tools() {
                let allowed = scenario
                    .allowed_tools
                    .as_ref()
                    .is_none_or(|list| list.contains(&tool.name));
                if !allowed || toolbox.restricted.contains(&tool.name) {
                    continue;
                }
                let qualified = || qualified_tool_name(name, &tool.name);
                let seen_as = if taken.contains(&tool.name) {
                    qualified()
                } else {
                    tool.name.clone()
                };
                if taken.insert(seen_as.clone()) {
                    toolbox.offered.push(ToolSpec {
                        name: seen_as,
                        ..tool.clone()
                    });
                    toolbox.homes.push((gym, tool.name.clone()));
                }
            }
        }
        toolbox
    }

    /// The gym of an offered tool, and the tool's name there.
    fn home(&self, tool: &str) -> Option<(usize, &str)> {
        let index = self.offered.iter().position(|t| t.name == tool)?;
        self.homes.get(index).map(|(gym, name)| (*gym, name.as_str()))
    }

    fn unknown(&self, tool: &str) -> String {
        if self.restricted.contains(tool) {
            return format!("The tool `{tool}` is not allowed here.");
        }
        let names: Vec<&str> = self.offered.iter().map(|t| t.name.as_str()).collect();
        format!(
            "There is no tool `{tool}`. Available tools: {}.",
            names.join(", ")
        )
    }
}

impl Agent<'_> {
    /// Has the whole conversation. `said` holds what was said even if this breaks or is dropped half way.
    pub(crate) async fn converse(&self, said: &mut Said) -> Result<(), Broken> {
        let mut messages = Vec::new();
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

    /// Writes down that a replay went otherwise than its recording.
    async fn note_drift(&self, said: &mut Said, tool: String, what: String) {
        let turn = said.turns;
        let of = if tool.is_empty() {
            String::new()
        } else {
            format!("{tool}: ")
        };
        let text = format!("drift: {of}{what}");
        self.reporter.log(self.trial, &format!("  {text}"));
        self.reporter.entry(self.trial, Entry::Note { text }).await;
        said.drift.push(Drift { turn, tool, what });
    }

    /// How like the recorded answer one is, all of it. Recordings hold no secrets, so they are left out here as well.
    fn likeness(&self, recorded: Option<&RecordedAnswer>, output: &ToolOutput) -> Likeness {
        let Some(recorded) = recorded else {
            return Likeness {
                difference: Some("the recording has no answer to this call".to_owned()),
                ..Likeness::default()
            };
        };
        let text = self.reporter.redact(&output.text);
        let structured = self.reporter.redact_value(&output.structured);
        let now = ToolSaid {
            is_error: output.is_error,
            text: &text,
            structured: &structured,
        };
        compare(recorded.said(), now)
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

/// What went over the wire for one turn, until it is written down: mostly one exchange, for what failed is written down
/// before the next one.
struct Seen<'a> {
    agent: &'a Agent<'a>,
    place: Place,
    exchanges: Mutex<Vec<Exchange>>,
}

impl Seen<'_> {
    fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn write_down(&self) {
        for exchange in self.take() {
            self.agent
                .reporter
                .evidence(self.agent.trial, exchange, self.place.clone())
                .await;
        }
    }
}

impl Drop for Seen<'_> {
    /// Something is left only where the turn was given up half way.
    fn drop(&mut self) {
        for exchange in self.take() {
            self.agent
                .reporter
                .last_evidence(self.agent.trial, exchange, self.place.clone());
        }
    }
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Witness for Seen<'_> {
    fn saw(&self, exchange: Exchange) {
        if self.agent.evidence == Keep::Errors && exchange.ended == Ended::Replied {
            return;
        }
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }
}

/// The model of a trial, whose every request is watched by itself: what lies between two of them is told apart.
struct Asking<'a> {
    agent: &'a Agent<'a>,
    seen: &'a Seen<'a>,
    paid: &'a Turn<'a>,
    waits: &'a Mutex<Waits>,
    asked: AtomicU32,
    /// How many came to nothing and are written down as that.
    lost: AtomicU32,
    /// Of those, how many have a cost that nobody knows.
    unknown: AtomicU32,
    /// Why the run's budget has no room for another one.
    over: OnceLock<String>,
    /// How the reply changed the pace. It is told later: between a reply that is paid and its entry in the transcript nothing
    /// is waited for that the trial's time could end.
    pace: OnceLock<Event>,
}

impl ModelClient for Asking<'_> {
    fn model(&self) -> &ModelRef {
        self.agent.model.model()
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(async move {
            let agent = self.agent;
            agent.tell_waits(self.waits).await;
            if self.lost.load(Ordering::Relaxed) > 0
                && let Err(cause) = self.paid.again()
            {
                return Err(self.not_sent(cause));
            }
            let (permit, waited) = self.permit().await;
            if let Err(cause) = self.paid.goes_on() {
                return Err(self.not_sent(cause));
            }
            let limit = request.timeout.min(agent.time_left().unwrap_or_default());
            let waiting = Waiting::at_most(limit, Awaited::Reply, format!("reply of {}", self.model()));
            if self.asked.fetch_add(1, Ordering::Relaxed) > 0 || waited {
                agent.watch().goes_on(&waiting).await;
            }
            let call = agent.meter.begin(self.paid);
            let reply = agent.model.take_turn(request);
            let reply = agent.watch().busy(reply, &waiting).await;
            let changed = permit.ended(&reply);
            match &reply {
                Ok(reply) => {
                    call.answered(&reply.usage);
                    changed.and_then(|changed| self.pace.set(changed).err()); // there is but one reply
                }
                Err(error) => self.came_to_nothing(call, error, changed).await,
            }
            reply.map_err(|error| ModelError {
                should_retry: agent
                    .refused_for(&error)
                    .map_or(error.should_retry, |_| Some(false)),
                ..error
            })
        })
    }
}

impl Asking<'_> {
    /// Writes down what a request that failed leaves, before the next one is sent.
    async fn came_to_nothing(&self, call: Call<'_>, error: &ModelError, changed: Option<Event>) {
        let agent = self.agent;
        if let Some(lost) = call.failed(error.maybe_paid, error.usage.as_deref().copied()) {
            let unknown = matches!(lost, Entry::Lost { cost_usd: None, .. });
            agent.keep(lost).await;
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.unknown.fetch_add(unknown.into(), Ordering::Relaxed);
        }
        if let Some(changed) = changed {
            agent.reporter.note(changed).await;
        }
        self.seen.write_down().await; // not kept through the wait: there may be many of them, and large
        agent.note_adjusted(error).await;
    }

    /// There is no room for another request. Ends the retries; what it says is told as the end of the budget.
    fn not_sent(&self, cause: String) -> ModelError {
        let error = ModelError {
            model: self.model().to_string(),
            class: ErrorClass::OutOfCredit,
            status: None,
            retry_after: None,
            maybe_paid: false,
            usage: None,
            adjusted: None,
            should_retry: None,
            message: cause.clone(),
        };
        self.over.set(cause).unwrap_or_default(); // there is but one
        error
    }

    /// Waits until the provider may be asked, without a work slot. Also whether that was told.
    async fn permit(&self) -> (Permit<'_>, bool) {
        let agent = self.agent;
        if let Some(permit) = agent.rate.try_permit() {
            return (permit, false);
        }
        let mut told = false;
        loop {
            agent.slot.release();
            let at = agent.rate.turn_at();
            let waiting = Waiting {
                kind: Awaited::RateLimit,
                what: format!("{}: {}", self.model(), agent.rate.why()),
                then: match at {
                    Some(_) => "sent",
                    None => "sent as soon as the requests before it are answered",
                },
                at,
            };
            let next = agent.rate.next_permit();
            let (permit, long) = agent.watch().idle(next, &waiting).await;
            told |= long;
            agent.slot.reacquire().await;
            // Others may have been refused while this one waited for the slot.
            if let Some(permit) = permit.if_open() {
                return (permit, told);
            }
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

/// The text, or its head and tail with a note between them, and how many bytes were left out. Words stay whole: half of
/// a secret would be known as one by nobody.
pub(crate) fn cut_middle(text: &str, most: usize) -> (String, usize) {
    if text.len() <= most {
        return (text.to_owned(), 0);
    }
    let head = end_of_word_before(text, most / 2);
    let tail = start_of_word_after(text, text.len() - most / 2);
    let cut = tail - head;
    let note = format!("\n[… {cut} of {} bytes left out here …]\n", text.len());
    (format!("{}{note}{}", &text[..head], &text[tail..]), cut)
}

fn end_of_word_before(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let near = text.floor_char_boundary(at.saturating_sub(LONGEST_WORD));
    text[near..at]
        .rfind(between_words)
        .map_or(at, |found| near + found)
}

fn start_of_word_after(text: &str, at: usize) -> usize {
    let at = text.ceil_char_boundary(at);
    let near = text.ceil_char_boundary(at.saturating_add(LONGEST_WORD));
    text[at..near].find(between_words).map_or(at, |found| at + found)
}

fn between_words(c: char) -> bool {
    c.is_whitespace() || "\"',;|()[]{}<>".contains(c)
}

fn describe_turn(turn: u32, reply: &AssistantTurn) -> String {
    let names: Vec<&str> = reply.tool_calls.iter().map(|c| c.name.as_str()).collect();
    if names.is_empty() {
        format!("turn {turn}: answer of {} characters", reply.text.chars().count())
    } else {
        format!("turn {turn}: calls {}", names.join(", "))
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_results_keep_head_and_tail_at_character_boundaries() {
        assert_eq!(cut_middle("short", 5), ("short".to_owned(), 0));
        let (text, cut) = cut_middle(&"ä".repeat(100), 21);
        assert!(
            text.starts_with("äää") && text.ends_with("äää") && text.contains("left out"),
            "{text}"
        );
        assert_eq!(cut, 200 - 20);
    }

    #[test]
    fn a_cut_leaves_words_whole() {
        let word = "sk-canary-0123456789";
        let text = format!("{{\"a\":\"{word}\",\"b\":[\"{}\",\"{word}\"]}}", "x".repeat(2000));
        for most in 2..text.len() {
            let (kept, cut) = cut_middle(&text, most);
            assert!(!kept.replace(word, "").contains("canary"), "{most}: {kept}");
            assert!(!kept.replace(word, "").contains("6789"), "{most}: {kept}");
            assert!(cut > 0 && kept.len() <= most + 60, "{most}: {kept}");
        }
    }
}
