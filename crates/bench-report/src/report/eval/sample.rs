//! A trial as a sample: everything that Inspect shows of it, and the summary that stands in its lists.

use bench_core::Outcome;
use bench_core::transcript::Entry;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::events::{self, Teller};
use super::spent::{Bill, Spent};
use super::tape::Tape;
use super::{known, lean, messages, model_name, sample_id, seconds};
use crate::report::{Files, Report, Trial};
use crate::text;

/// The scorer that says whether a trial passed.
pub(super) const PASSED: &str = "passed";
/// The scorer that says which share of its verifiers was true.
pub(super) const VERIFIERS: &str = "verifiers";

/// Characters of a text in a summary.
const LONGEST: usize = 1_000;

/// What has to be known of a transcript before its sample is written.
pub(super) struct Outline {
    /// When its first line was written.
    pub(super) began: DateTime<Utc>,
    /// The first prompt.
    pub(super) input: String,
    /// Attempts before the one that counts.
    pub(super) retried: usize,
    /// The line with which the attempt that counts begins.
    from: usize,
    /// When that was.
    started_at: Option<DateTime<Utc>>,
    /// Messages of that attempt.
    messages: usize,
    /// The line of its last reply.
    reply: Option<usize>,
    /// The text of that.
    answer: Option<String>,
    /// What judges used up, in all attempts.
    judges: Bill,
}

impl Outline {
    fn of(trial: &Trial, tape: &Tape<'_>) -> Self {
        let mut outline = Self {
            began: trial.completed_at,
            input: String::new(),
            retried: 0,
            from: 0,
            started_at: None,
            messages: 0,
            reply: None,
            answer: None,
            judges: Bill::default(),
        };
        let mut judge = String::new();
        for (n, line) in tape.lines() {
            if n == 0 {
                outline.began = line.at;
                outline.started_at = Some(line.at);
            }
            match &line.entry {
                Entry::Attempt { .. } if n > 0 => {
                    outline.retried += 1;
                    outline.begin_again(n, line.at);
                }
                Entry::User { text, .. } if outline.input.is_empty() => outline.input.clone_from(text),
                Entry::Assistant { text, .. } => {
                    outline.answer = Some(text.clone());
                    outline.reply = Some(n);
                }
                Entry::JudgeAsked { model, .. } => judge.clone_from(model),
                Entry::JudgeReplied { usage, cost_usd, .. } => {
                    let (usage, usd) = (*usage, *cost_usd);
                    outline.judges.add(&judge, Spent { usage, usd });
                }
                _ => {}
            }
            outline.messages += usize::from(is_message(&line.entry));
        }
        if trial.attempt == 0 {
            // What stands there belongs to attempts that do not count.
            outline.begin_again(usize::MAX, trial.completed_at);
        }
        outline
    }

    fn begin_again(&mut self, from: usize, at: DateTime<Utc>) {
        self.from = from;
        self.started_at = Some(at);
        self.messages = 0;
        self.reply = None;
        self.answer = None;
    }

    /// Whether the trial passed, as a score; none if it does not count.
    pub(super) fn score(&self, trial: &Trial) -> Option<Value> {
        let value = if trial.outcome == Outcome::Passed {
            "C"
        } else {
            "I"
        };
        let explanation: Vec<String> = trial
            .verdicts
            .iter()
            .map(crate::report::Verdict::line)
            .chain(trial.cause.iter().map(|cause| text::clean_line(cause)))
            .collect();
        trial.outcome.is_scored().then(|| {
            lean(json!({
                "value": value,
                "answer": self.answer,
                "explanation": (!explanation.is_empty()).then(|| explanation.join("\n")),
                "metadata": {"outcome": trial.outcome, "verdicts": trial.verdicts},
            }))
        })
    }
}

fn is_message(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::System { .. } | Entry::User { .. } | Entry::Assistant { .. } | Entry::ToolResult { .. }
    )
}

/// A trial, ready to be written.
pub(super) struct Sample<'a> {
    pub(super) trial: &'a Trial,
    run_id: &'a str,
    tape: Tape<'a>,
    outline: Outline,
    bill: Bill,
}

impl<'a> Sample<'a> {
    pub(super) fn of(report: &'a Report, trial: &'a Trial, files: &'a dyn Files) -> Self {
        let tape = Tape::of(trial, files);
        let outline = Outline::of(trial, &tape);
        let paid = trial.cost.filter(|cost| cost.unknown_calls == 0);
        let spent = Spent {
            usage: trial.usage,
            usd: paid.map(|cost| cost.usd.saturating_sub(outline.judges.known_usd())),
        };
        let mut bill = outline.judges.clone();
        bill.add(&trial.model, spent);
        Self {
            trial,
            run_id: &report.run.run_id,
            tape,
            outline,
            bill,
        }
    }

    /// Its name in the archive.
    pub(super) fn entry(&self) -> String {
        let id = sample_id(&self.trial.scenario_id);
        format!("samples/{id}_epoch_{}.json", self.trial.repetition)
    }

    /// What judges used up.
    pub(super) fn judges(&self) -> &Bill {
        &self.outline.judges
    }

    /// What lists show of it.
    pub(super) fn summary(&self) -> Value {
        let mut summary = self.facts();
        let short = |text: &str| text::shorten(text, LONGEST).into_owned();
        let retries = self.outline.retried;
        let limit = events::limit(self.trial);
        summary.extend([
            ("input", json!(short(&self.outline.input))),
            ("scores", self.scores(short, false)),
            ("error", json!(self.error().map(|_| short(self.cause())))),
            ("limit", json!(limit.map(|(kind, _)| kind))),
            ("limit_reason", json!(limit.map(|_| short(self.cause())))),
            ("retries", json!((retries > 0).then_some(retries))),
            ("completed", json!(true)),
            ("message_count", json!(self.outline.messages)),
        ]);
        let members = summary.into_iter().map(|(name, value)| (name.to_owned(), value));
        Value::Object(known(members.collect()))
    }

    /// What stands in the sample and in its summary.
    fn facts(&self) -> Vec<(&'static str, Value)> {
        let trial = self.trial;
        let took = i64::try_from(trial.took_ms)
            .ok()
            .and_then(TimeDelta::try_milliseconds);
        let began = self.outline.started_at.unwrap_or(trial.completed_at);
        let over = took
            .and_then(|took| began.checked_add_signed(took))
            .unwrap_or(began);
        vec![
            ("id", json!(sample_id(&trial.scenario_id))),
            ("epoch", json!(trial.repetition)),
            ("target", json!("")),
            ("metadata", self.metadata()),
            ("model_usage", self.bill.value()),
            ("role_usage", self.outline.judges.as_judge()),
            ("started_at", json!(events::time(began))),
            ("completed_at", json!(events::time(over))),
            ("total_time", json!(seconds(trial.took_ms))),
            ("turn_count", json!(trial.turns)),
            ("uuid", json!(format!("{}/{}", self.run_id, trial.trial))),
        ]
    }

    /// What Inspect has no word for.
    fn metadata(&self) -> Value {
        let trial = self.trial;
        lean(json!({
            "trial": trial.trial,
            "scenario_id": trial.scenario_id,
            "outcome": trial.outcome,
            "cause": trial.cause,
            "attempt": trial.attempt,
            "verifiers_passed": trial.verifiers_passed,
            "verifiers_total": trial.verifiers_total,
            "turns": trial.turns,
            "tool_calls": trial.tool_calls,
            "tried_again": trial.tried_again,
            "cost": trial.cost,
        }))
    }

    /// The scores; null if the trial does not count.
    fn scores(&self, text: impl Fn(&str) -> String, whole: bool) -> Value {
        let trial = self.trial;
        let Some(mut passed) = self.outline.score(trial) else {
            return Value::Null;
        };
        for member in ["answer", "explanation"] {
            if let Some(value) = passed.get_mut(member)
                && let Some(long) = value.as_str()
            {
                *value = text(long).into();
            }
        }
        if !whole && let Some(members) = passed.as_object_mut() {
            members.remove("metadata");
        }
        let share = f64::from(trial.verifiers_passed) / f64::from(trial.verifiers_total.max(1));
        json!({PASSED: passed, VERIFIERS: {"value": share}})
    }

    fn error(&self) -> Option<Value> {
        events::error(self.trial)
    }

    fn cause(&self) -> &str {
        self.trial.cause.as_deref().unwrap_or(self.trial.outcome.name())
    }

    /// The messages from a line on.
    fn messages(&self, from: usize) -> impl Iterator<Item = Value> {
        let trial = self.trial;
        let lines = self.tape.lines().skip_while(move |(n, _)| *n < from);
        lines.filter_map(move |(n, line)| messages::message(&trial.trial, &trial.model, n, &line))
    }

    fn events(&self) -> impl Iterator<Item = Value> {
        let mut teller = Teller::of(self.trial, &self.outline);
        let begin = teller.begin();
        let lines = self.tape.lines().map(Some);
        let rest = lines.chain([None]).flat_map(move |line| match line {
            Some((n, line)) => teller.tell(n, &line),
            None => teller.end(),
        });
        begin.into_iter().chain(rest)
    }

    /// The last reply, as the output of the model.
    fn output(&self) -> Value {
        let trial = self.trial;
        let reply = self.outline.reply.and_then(|n| self.tape.lines().nth(n));
        let output = reply.and_then(|(n, line)| messages::output(&trial.trial, &trial.model, n, &line));
        let silent = || json!({"model": model_name(&trial.model), "choices": [], "completion": ""});
        output.unwrap_or_else(silent)
    }

    fn retries(&self) -> Option<Vec<Value>> {
        let error = events::as_error("the attempt ended without a verdict, and the trial was tried again");
        let retried = self.outline.retried;
        (retried > 0).then(|| vec![error; retried])
    }
}

impl Serialize for Sample<'_> {
    /// Messages and events are made while they are written: they are never in memory as a whole.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sample = serializer.serialize_map(None)?;
        for (name, value) in self.facts() {
            sample.serialize_entry(name, &value)?;
        }
        sample.serialize_entry("input", &self.outline.input)?;
        let optional = [
            ("scores", self.scores(str::to_owned, true)),
            ("error", json!(self.error())),
            ("error_retries", json!(self.retries())),
            (
                "limit",
                json!(
                    events::limit(self.trial)
                        .map(|(kind, limit)| json!({"type": kind, "limit": limit, "reason": self.cause()}))
                ),
            ),
        ];
        for (name, value) in optional.iter().filter(|(_, value)| !value.is_null()) {
            sample.serialize_entry(name, value)?;
        }
        sample.serialize_entry("output", &self.output())?;
        sample.serialize_entry("store", &json!({}))?;
        sample.serialize_entry("attachments", &json!({}))?;
        sample.serialize_entry("messages", &Made(|| self.messages(self.outline.from)))?;
        sample.serialize_entry("events", &Made(|| self.events()))?;
        sample.serialize_entry("events_data", &Pool(self))?;
        sample.end()
    }
}

/// The messages that requests refer to: all of them.
struct Pool<'a>(&'a Sample<'a>);

impl Serialize for Pool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pool = serializer.serialize_map(Some(2))?;
        pool.serialize_entry("messages", &Made(|| self.0.messages(0)))?;
        pool.serialize_entry("calls", &json!([]))?;
        pool.end()
    }
}

/// A list that is made while it is written.
struct Made<F>(F);

impl<F, I> Serialize for Made<F>
where
    F: Fn() -> I,
    I: Iterator<Item = Value>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
