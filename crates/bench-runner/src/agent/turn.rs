//! One reply of the model: asked for, counted, written down. Its single requests are those of [`Asking`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bench_core::event::Awaited;
use bench_core::evidence::Keep;
use bench_core::transcript::Entry;
use tokio::time::Instant;

use super::asking::Asking;
use super::seen::Seen;
use super::waits::Waits;
use super::{Agent, Broken, Said};
use crate::durations::{millis, seconds};
use crate::evidence::Place;
use crate::judging;
use crate::model::exchange::Witness;
use crate::model::retry::{Wait, take_turn_with_retries};
use crate::model::{AssistantTurn, ErrorClass, Message, ModelError, Recorded, TurnReply, TurnRequest};
use crate::spend::{Turn, lost_call};
use crate::watch::Waiting;

/// How things stood before the first request of a turn.
struct Began {
    at: Instant,
    /// Requests of the attempt whose cost nobody knows.
    unknown_calls: u32,
    away: Duration,
}

impl Agent<'_> {
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
        let request = self.request(seen, prompt, messages, said);
        let paid = self.room().await?;
        let began = Began {
            at: Instant::now(),
            unknown_calls: self.meter.cost().unknown_calls,
            away: self.slot.away(),
        };
        let waits = Mutex::new(Waits::default());
        let on_wait = |wait: Wait<'_>| self.note_wait(wait, &waits);
        let asking = Asking::new(self, seen, &paid, &waits);
        let reply = take_turn_with_retries(&asking, &request, self.retry, self.slot, &on_wait);
        let reply = tokio::select! {
            biased;
            () = self.out_of_time() => None,
            reply = reply => Some(reply),
        };
        self.tell_waits(&waits).await;
        let Some(reply) = reply else {
            let told = asking.unknown.into_inner();
            let untold = self.unknown_calls_since(&began).saturating_sub(told);
            self.give_up_waiting(untold, waits, said).await?;
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
        Ok(Some(self.write_down(reply, &began, said).await))
    }

    fn request<'r>(
        &'r self,
        seen: &'r Seen<'_>,
        prompt: usize,
        messages: &'r [Message],
        said: &Said,
    ) -> TurnRequest<'r> {
        TurnRequest {
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
        }
    }

    fn unknown_calls_since(&self, began: &Began) -> u32 {
        self.meter.cost().unknown_calls - began.unknown_calls
    }

    /// The trial's time ran out before a reply came. So many requests are `untold`: nobody waits for their answers.
    async fn give_up_waiting(&self, untold: u32, waits: Mutex<Waits>, said: &mut Said) -> Result<(), Broken> {
        for _ in 0..untold {
            self.keep(lost_call()).await;
        }
        self.slot.hold().await; // it may have been waiting without one
        let waits = waits.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = waits.trouble {
            return Err(self.never_healed(trouble).into());
        }
        self.end_by_limit(said, self.time_limit()).await
    }

    /// Counts a reply, and adds it to the transcript.
    async fn write_down(
        &self,
        mut reply: TurnReply,
        began: &Began,
        said: &mut Said,
    ) -> (AssistantTurn, Option<Recorded>) {
        said.turns += 1;
        said.usage += reply.usage;
        let away = self.slot.away().saturating_sub(began.away);
        let took = began.at.elapsed().saturating_sub(away);
        self.reporter
            .log(self.trial, &describe_turn(said.turns, &reply.turn));
        let cost_usd = self.meter.price_of(&reply.usage);
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
            unknown_calls: self.unknown_calls_since(began).saturating_sub(own),
            took_ms: millis(took),
            first_token_ms: reply.first_token.map(millis),
            raw: reply.turn.raw.to_value(),
        };
        if let Some(asker) = self.judging {
            entry = judging::replied(asker, entry);
        }
        self.keep(entry).await;
        let recorded = reply.recorded.as_mut();
        if let Some(what) = recorded.and_then(|recorded| recorded.prompt.take()) {
            self.note_drift(said, String::new(), what).await;
        }
        (reply.turn, reply.recorded)
    }

    /// For how long the provider has refused everything, if that is longer than anybody waits.
    pub(super) fn refused_for(&self, error: &ModelError) -> Option<Duration> {
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
}

fn describe_turn(turn: u32, reply: &AssistantTurn) -> String {
    let names: Vec<&str> = reply.tool_calls.iter().map(|c| c.name.as_str()).collect();
    if names.is_empty() {
        format!("turn {turn}: answer of {} characters", reply.text.chars().count())
    } else {
        format!("turn {turn}: calls {}", names.join(", "))
    }
}
