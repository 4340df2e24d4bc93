//! What happened in a trial, as Inspect's events: model, tool, score, info, error, limit, and a span for each attempt.
//!
//! Inspect gives each request the whole conversation before it. A long one would be written as often as it has turns, so
//! that here, as in Inspect's own files, requests refer to ranges of a pool of messages: all that were said, in order.

use bench_core::transcript::{Entry, Line, ToolCall};
use bench_core::{Outcome, VerdictStatus};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::judge::Judge;
use super::messages;
use super::sample::{Outline, PASSED};
use super::{known, model_name, sample_id, seconds};
use crate::report::Trial;

/// Who tells what neither a model nor a tool said.
const SOURCE: &str = "bench";

/// Turns the lines of a transcript into events, one after another.
pub(super) struct Teller<'a> {
    trial: &'a Trial,
    outline: &'a Outline,
    /// Attempts that have begun.
    attempts: u32,
    /// Messages so far.
    said: usize,
    /// Of those, the first that belongs to this attempt.
    first: usize,
    /// What the last reply called.
    calls: Vec<ToolCall>,
    /// The judge that is asked.
    judge: Option<Judge>,
    /// When the last line was written.
    last: DateTime<Utc>,
}

impl<'a> Teller<'a> {
    pub(super) fn of(trial: &'a Trial, outline: &'a Outline) -> Self {
        Self {
            trial,
            outline,
            attempts: 0,
            said: 0,
            first: 0,
            calls: Vec::new(),
            judge: None,
            last: outline.began,
        }
    }

    /// What comes before all lines.
    pub(super) fn begin(&self) -> Vec<Value> {
        let sample = json!({
            "id": sample_id(&self.trial.scenario_id),
            "input": self.outline.input,
            "target": "",
        });
        let members = json!({"sample": sample, "state": {}});
        vec![self.event("begin", "sample_init", self.outline.began, members)]
    }

    /// What line `n` tells.
    pub(super) fn tell(&mut self, n: usize, line: &Line) -> Vec<Value> {
        self.last = line.at;
        let at = &n.to_string();
        match &line.entry {
            Entry::Attempt { attempt } => self.attempt(at, *attempt),
            Entry::System { .. } | Entry::User { .. } => {
                self.said += 1;
                Vec::new()
            }
            Entry::Assistant { tool_calls, .. } => {
                self.calls.clone_from(tool_calls);
                let told = self.reply(at, n, line);
                self.said += 1;
                told.into_iter().collect()
            }
            Entry::ToolResult { .. } => {
                self.said += 1;
                self.tool(at, n, line).into_iter().collect()
            }
            Entry::JudgeAsked { .. } => {
                let id = messages::id(&self.trial.trial, n);
                self.judge = Judge::asked(self.judge.take(), &id, &line.entry);
                Vec::new()
            }
            Entry::JudgeReplied { .. } => self.judge(at, n, line).into_iter().collect(),
            _ => vec![self.remark(at, line)],
        }
    }

    /// What comes after all lines: why it ended early, its score, the end of its span.
    pub(super) fn end(&self) -> Vec<Value> {
        let mut told = Vec::new();
        if let Some((kind, limit)) = limit(self.trial) {
            let message = self.trial.cause.clone();
            let members = json!({"type": kind, "message": message, "limit": limit});
            told.push(self.event("end", "sample_limit", self.last, members));
        }
        if let Some(error) = error(self.trial) {
            told.push(self.event("end", "error", self.last, json!({"error": error})));
        }
        if let Some(score) = self.outline.score(self.trial) {
            let members = json!({"score": score, "scorer": PASSED, "target": "", "intermediate": false});
            told.push(self.event("end", "score", self.last, members));
        }
        told.extend(self.end_of_span("end"));
        told
    }

    fn attempt(&mut self, at: &str, attempt: u32) -> Vec<Value> {
        let mut told: Vec<Value> = self.end_of_span(at).into_iter().collect();
        self.attempts += 1;
        self.first = self.said;
        self.judge = None;
        if let Some(span) = self.span() {
            let members = json!({"id": span, "type": "attempt", "name": format!("attempt {attempt}")});
            told.push(self.event(at, "span_begin", self.last, members));
        }
        told
    }

    fn end_of_span(&self, at: &str) -> Option<Value> {
        let span = self.span()?;
        Some(self.event(at, "span_end", self.last, json!({"id": span})))
    }

    /// The span of the attempt; only one attempt needs none.
    fn span(&self) -> Option<String> {
        let several = self.outline.retried > 0 && self.attempts > 0;
        several.then(|| format!("{}/attempt-{}", self.trial.trial, self.attempts))
    }

    fn reply(&self, at: &str, n: usize, line: &Line) -> Option<Value> {
        let Entry::Assistant {
            took_ms,
            unknown_calls,
            ..
        } = &line.entry
        else {
            return None;
        };
        let model = &self.trial.model;
        let members = json!({
            "model": model_name(model),
            "input": [],
            "input_refs": [[self.first, self.said]],
            "tools": [],
            "tool_choice": "auto",
            "config": {},
            "output": messages::output(&self.trial.trial, model, n, line)?,
            "retries": (*unknown_calls > 0).then_some(unknown_calls),
            "completed": time(line.at),
            "working_time": seconds(*took_ms),
        });
        Some(self.event(at, "model", before(line.at, *took_ms), members))
    }

    fn tool(&self, at: &str, n: usize, line: &Line) -> Option<Value> {
        let Entry::ToolResult {
            call_id,
            tool,
            is_error,
            text,
            took_ms,
            ..
        } = &line.entry
        else {
            return None;
        };
        let call = self.calls.iter().find(|call| call.id == *call_id);
        let members = json!({
            "type": "function",
            "id": call_id,
            "function": tool,
            "arguments": call.map_or_else(|| json!({}), |call| messages::arguments(call).0),
            "result": text,
            "error": messages::tool_error(*is_error, text),
            "events": [],
            "message_id": messages::id(&self.trial.trial, n),
            "completed": time(line.at),
            "working_time": seconds(*took_ms),
        });
        Some(self.event(at, "tool", before(line.at, *took_ms), members))
    }

    fn judge(&mut self, at: &str, n: usize, line: &Line) -> Option<Value> {
        let id = messages::id(&self.trial.trial, n);
        let (members, took_ms) = self.judge.as_mut()?.replied(&id, line)?;
        Some(self.event(at, "model", before(line.at, took_ms), members))
    }

    /// What neither a model nor a tool said.
    fn remark(&self, at: &str, line: &Line) -> Value {
        let data = match &line.entry {
            Entry::Verdict(verdict) => return self.verdict(at, line, verdict),
            Entry::Note { text } => json!(text),
            other => json!(other),
        };
        self.event(at, "info", line.at, json!({"source": SOURCE, "data": data}))
    }

    fn verdict(&self, at: &str, line: &Line, verdict: &bench_core::Verdict) -> Value {
        let value = match &verdict.status {
            VerdictStatus::True => "C",
            VerdictStatus::False => "I",
            // Says nothing about the model.
            _ => {
                let members = json!({"source": SOURCE, "data": verdict});
                return self.event(at, "info", line.at, members);
            }
        };
        let score = json!({
            "value": value,
            "answer": verdict.actual.to_string(),
            "explanation": format!("{}: {} {}", verdict.verifier, verdict.comparison, verdict.expected),
            "metadata": verdict,
        });
        self.event(
            at,
            "score",
            line.at,
            json!({"score": score, "scorer": verdict.verifier, "intermediate": true}),
        )
    }

    /// An event with what all have.
    fn event(&self, at: &str, kind: &str, when: DateTime<Utc>, members: Value) -> Value {
        let after = (when - self.outline.began).num_milliseconds();
        let mut event = Map::new();
        event.insert("event".into(), kind.into());
        event.insert("uuid".into(), format!("{}/{at}/{kind}", self.trial.trial).into());
        event.insert("span_id".into(), self.span().into());
        event.insert("timestamp".into(), time(when).into());
        event.insert(
            "working_start".into(),
            seconds(after.try_into().unwrap_or(0)).into(),
        );
        if let Value::Object(members) = members {
            event.extend(members);
        }
        Value::Object(known(event))
    }
}

/// The kind of limit that ended a trial, in Inspect's words, and its value. Both stand in its cause, which the runner wrote:
/// `token limit reached (500 tokens)`.
pub(super) fn limit(trial: &Trial) -> Option<(&'static str, f64)> {
    let cause = trial.cause.as_deref().unwrap_or_default();
    let kind = match cause.split(' ').next() {
        _ if trial.outcome != Outcome::Limit => return None,
        Some("turn") => "turn",
        Some("time") => "time",
        Some("token") => "token",
        Some("cost") => "cost",
        // Inspect has no limit of tool calls.
        _ => "custom",
    };
    let mut words = cause.rsplit(|c: char| !c.is_ascii_digit() && c != '.');
    Some((kind, words.find_map(|word| word.parse().ok())?))
}

/// Why there is no telling how a trial would have ended.
pub(super) fn error(trial: &Trial) -> Option<Value> {
    if !matches!(trial.outcome, Outcome::Errored | Outcome::Cancelled) {
        return None;
    }
    let message = trial.cause.as_deref().unwrap_or(trial.outcome.name());
    Some(as_error(message))
}

/// Inspect's form of an error. There is no traceback: nothing of ours is written in Python.
pub(super) fn as_error(message: &str) -> Value {
    json!({"message": message, "traceback": "", "traceback_ansi": ""})
}

/// An instant as Inspect writes it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, false)
}

fn before(at: DateTime<Utc>, ms: u64) -> DateTime<Utc> {
    let took = i64::try_from(ms).ok().and_then(TimeDelta::try_milliseconds);
    took.and_then(|took| at.checked_sub_signed(took)).unwrap_or(at)
}
