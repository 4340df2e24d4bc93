//! The form of a script file, and what it means: turns as written → replies with the faults before them.

use std::collections::BTreeMap;
use std::time::Duration;

use bench_core::Usage;
use bench_core::solution::is_name;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::ErrorClass;
use crate::model::play::{Arguments, Step, StepCall};

/// The key that stands for all others.
const OTHERS: &str = "*";

/// A script: per scenario, per repetition, what is played.
#[derive(Debug)]
pub(super) struct File {
    scenarios: BTreeMap<String, BTreeMap<String, Part>>,
}

/// What is played in one trial.
#[derive(Debug, Default)]
pub(super) struct Part {
    entries: Vec<Entry>,
}

/// A reply, played `repeat` times, and what fails before its first time.
#[derive(Debug)]
struct Entry {
    faults: Vec<Fault>,
    /// None behind faults that end the script.
    line: Option<Line>,
}

/// A reply.
#[derive(Debug)]
pub(super) struct Line {
    calls: Vec<Call>,
    text: String,
    usage: Usage,
    repeat: usize,
    /// How long the model takes.
    pub(super) delay: Duration,
}

/// A request that fails.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// How many requests it ends; all without it.
    pub(super) times: Option<u32>,
}

/// How a request fails.
#[derive(Debug)]
pub(super) enum FaultKind {
    /// With an error.
    Error {
        class: ErrorClass,
        status: Option<u16>,
        retry_after: Option<Duration>,
        message: Option<String>,
    },
    /// By hearing nothing.
    Silence,
}

impl File {
    /// Reads a script. The error says what is wrong, and where.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut scenarios = BTreeMap::new();
        for (scenario, played) in written.scenarios {
            let parts = parts(played).map_err(|why| format!("scenario `{scenario}`: {why}"))?;
            scenarios.insert(scenario, parts);
        }
        Ok(Self { scenarios })
    }

    /// What is played in a trial.
    pub(super) fn part(&self, scenario: &str, repetition: u32) -> Option<&Part> {
        let parts = self
            .scenarios
            .get(scenario)
            .or_else(|| self.scenarios.get(OTHERS))?;
        parts.get(&repetition.to_string()).or_else(|| parts.get(OTHERS))
    }
}

impl Part {
    fn of(turns: Vec<Value>) -> Result<Self, String> {
        let mut entries = Vec::new();
        let mut faults = Vec::new();
        for (turn, number) in turns.into_iter().zip(1..) {
            let turn = serde_json::from_value::<Turn>(turn).map_err(|error| error.to_string());
            match turn
                .and_then(Turn::understand)
                .map_err(|why| format!("turn {number}: {why}"))?
            {
                Understood::Fault(fault) => faults.push(fault),
                Understood::Line(line) => {
                    entries.push(Entry {
                        faults: std::mem::take(&mut faults),
                        line: Some(line),
                    });
                }
            }
        }
        if !faults.is_empty() {
            entries.push(Entry { faults, line: None });
        }
        Ok(Self { entries })
    }

    /// The reply with this index.
    pub(super) fn reply(&self, index: usize) -> Option<&Line> {
        self.entry(index).and_then(|(entry, _)| entry.line.as_ref())
    }

    /// The faults before the reply with this index.
    pub(super) fn faults(&self, index: usize) -> &[Fault] {
        match self.entry(index) {
            Some((entry, true)) => &entry.faults,
            _ => &[],
        }
    }

    /// The entry that the reply with this index belongs to, and whether it is its first time.
    fn entry(&self, index: usize) -> Option<(&Entry, bool)> {
        let mut left = index;
        for entry in &self.entries {
            let repeat = entry.line.as_ref().map_or(1, |line| line.repeat);
            if left < repeat {
                return Some((entry, left == 0));
            }
            left -= repeat;
        }
        None
    }
}

impl Line {
    /// As a step of a part.
    pub(super) fn step(&self) -> Step<'_> {
        let calls = self.calls.iter().map(|call| StepCall {
            tool: &call.tool,
            server: call.server.as_deref(),
            arguments: match &call.arguments {
                Value::Object(map) => Arguments::Object(map),
                value => Arguments::Other(value),
            },
            save_as: call.save_as.as_deref(),
        });
        Step {
            calls: calls.collect(),
            text: &self.text,
            usage: self.usage,
        }
    }
}

/// The document. What stands in it is read turn by turn, so that an error can name the turn.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    scenarios: BTreeMap<String, Value>,
}

/// The parts of a scenario: one for all repetitions, or one each.
fn parts(played: Value) -> Result<BTreeMap<String, Part>, String> {
    let per_repetition = match played {
        Value::Array(turns) => return Ok(BTreeMap::from([(OTHERS.to_owned(), Part::of(turns)?)])),
        Value::Object(map) => map,
        other => {
            return Err(format!(
                "{other} is neither a list of turns nor one list per repetition"
            ));
        }
    };
    let mut parts = BTreeMap::new();
    for (repetition, turns) in per_repetition {
        if repetition != OTHERS && !repetition.parse::<u32>().is_ok_and(|number| number > 0) {
            return Err(format!("`{repetition}` is no repetition; write 1, 2, … or *"));
        }
        let Value::Array(turns) = turns else {
            return Err(format!("repetition {repetition}: {turns} is no list of turns"));
        };
        let part = Part::of(turns).map_err(|why| format!("repetition {repetition}: {why}"))?;
        parts.insert(repetition, part);
    }
    Ok(parts)
}

/// A turn as it is written; [`super`] documents the fields.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Turn {
    calls: Option<Vec<Call>>,
    answer: Option<String>,
    empty: bool,
    error: Option<ErrorClass>,
    never_answer: bool,
    say: Option<String>,
    repeat: Option<usize>,
    delay_ms: Option<u64>,
    usage: Option<Usage>,
    status: Option<u16>,
    retry_after_seconds: Option<f64>,
    message: Option<String>,
    times: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    server: Option<String>,
    #[serde(default = "no_arguments")]
    arguments: Value,
    #[serde(rename = "as")]
    save_as: Option<String>,
}

fn no_arguments() -> Value {
    Value::Object(Map::new())
}

enum Understood {
    Line(Line),
    Fault(Fault),
}

impl Turn {
    fn understand(self) -> Result<Understood, String> {
        let kinds = [
            ("calls", self.calls.is_some()),
            ("answer", self.answer.is_some()),
            ("empty", self.empty),
            ("error", self.error.is_some()),
            ("never_answer", self.never_answer),
        ];
        let said: Vec<&str> = kinds
            .iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| *name)
            .collect();
        match said.as_slice() {
            ["error" | "never_answer"] => self.fault().map(Understood::Fault),
            [kind] => self.line(kind).map(Understood::Line),
            [] => Err("it does nothing; write calls, answer, empty, error or never_answer".to_owned()),
            several => Err(format!(
                "it does several things ({}); write one",
                several.join(", ")
            )),
        }
    }

    fn line(self, kind: &str) -> Result<Line, String> {
        let for_faults = [
            ("status", self.status.is_some()),
            ("retry_after_seconds", self.retry_after_seconds.is_some()),
            ("message", self.message.is_some()),
            ("times", self.times.is_some()),
            ("say", self.say.is_some() && kind != "calls"),
        ];
        refuse(kind, &for_faults)?;
        let calls = self.calls.unwrap_or_default();
        if kind == "calls" && calls.is_empty() {
            return Err("calls is empty; write at least one, or answer or empty".to_owned());
        }
        if let Some(name) = calls
            .iter()
            .filter_map(|c| c.save_as.as_ref())
            .find(|name| !is_name(name))
        {
            return Err(format!(
                "`{name}` is no name for a result; use letters, digits, _ and -"
            ));
        }
        let repeat = self.repeat.unwrap_or(1);
        if repeat == 0 {
            return Err("repeat is 0; leave the turn out".to_owned());
        }
        let text = self.answer.or(self.say).unwrap_or_default();
        let delay = Duration::from_millis(self.delay_ms.unwrap_or(0));
        Ok(Line {
            calls,
            text,
            usage: self.usage.unwrap_or_default(),
            repeat,
            delay,
        })
    }

    fn fault(self) -> Result<Fault, String> {
        let silent = self.never_answer;
        let not_here = [
            ("say", self.say.is_some()),
            ("repeat", self.repeat.is_some()),
            ("delay_ms", self.delay_ms.is_some()),
            ("usage", self.usage.is_some()),
            ("status", silent && self.status.is_some()),
            (
                "retry_after_seconds",
                silent && self.retry_after_seconds.is_some(),
            ),
            ("message", silent && self.message.is_some()),
        ];
        refuse(if silent { "never_answer" } else { "error" }, &not_here)?;
        let seconds = self.retry_after_seconds.map(Duration::try_from_secs_f64);
        let retry_after = seconds
            .transpose()
            .map_err(|error| format!("retry_after_seconds: {error}"))?;
        let kind = match self.error {
            Some(class) => FaultKind::Error {
                class,
                status: self.status,
                retry_after,
                message: self.message,
            },
            None => FaultKind::Silence,
        };
        Ok(Fault {
            kind,
            times: self.times,
        })
    }
}

/// Refuses fields that have no meaning in this kind of turn.
fn refuse(kind: &str, fields: &[(&str, bool)]) -> Result<(), String> {
    match fields.iter().find(|(_, set)| *set) {
        Some((name, _)) => Err(format!("`{name}` means nothing beside `{kind}`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(turns: &str) -> String {
        File::parse(format!(r#"{{"scenarios":{{"s":{turns}}}}}"#).as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_no_script_is_refused_with_its_place() {
        for (turns, want) in [
            (
                "1",
                "scenario `s`: 1 is neither a list of turns nor one list per repetition",
            ),
            (
                r#"{"0":[]}"#,
                "scenario `s`: `0` is no repetition; write 1, 2, … or *",
            ),
            (
                r#"{"*":{}}"#,
                "scenario `s`: repetition *: {} is no list of turns",
            ),
            (
                r#"{"2":[{}]}"#,
                "scenario `s`: repetition 2: turn 1: it does nothing",
            ),
            (
                r#"[{"answer":"a"},{"answr":"b"}]"#,
                "scenario `s`: turn 2: unknown field `answr`",
            ),
            (
                r#"[{"answer":"a","empty":true}]"#,
                "does several things (answer, empty)",
            ),
            (r#"[{"calls":[]}]"#, "calls is empty"),
            (r#"[{"calls":[{"arguments":{}}]}]"#, "missing field `tool`"),
            (
                r#"[{"calls":[{"tool":"t","as":"a/b"}]}]"#,
                "`a/b` is no name for a result",
            ),
            (r#"[{"answer":"a","repeat":0}]"#, "repeat is 0"),
            (
                r#"[{"answer":"a","times":1}]"#,
                "`times` means nothing beside `answer`",
            ),
            (
                r#"[{"error":"rate_limit","repeat":1}]"#,
                "`repeat` means nothing beside `error`",
            ),
            (
                r#"[{"never_answer":true,"status":500}]"#,
                "`status` means nothing beside `never_answer`",
            ),
            (r#"[{"error":"tired"}]"#, "unknown variant `tired`"),
            (
                r#"[{"error":"timeout","retry_after_seconds":-1}]"#,
                "retry_after_seconds: ",
            ),
        ] {
            let error = error(turns);
            assert!(error.contains(want), "{turns}: {error}");
        }
        assert!(File::parse(b"{").is_err());
        assert!(File::parse(b"[]").is_err());
    }

    #[test]
    fn the_most_particular_part_is_played() {
        let text = r#"{"scenarios":{"a":{"2":[{"answer":"a2"}],"*":[{"answer":"a*"}]},"*":[{"answer":"*"}],
            "b":{"1":[]}}}"#;
        let file = File::parse(text.as_bytes()).unwrap();
        let says = |scenario, repetition| {
            let part = file.part(scenario, repetition);
            part.map(|part| part.reply(0).map_or("nothing", |line| line.text.as_str()))
        };
        assert_eq!(says("a", 1), Some("a*"));
        assert_eq!(says("a", 2), Some("a2"));
        assert_eq!(says("c", 2), Some("*"));
        assert_eq!(says("b", 1), Some("nothing"));
        assert_eq!(says("b", 2), None);
    }

    #[test]
    fn faults_stand_before_the_first_time_of_the_reply_behind_them() {
        let text = r#"{"scenarios":{"*":[{"answer":"a","repeat":2},{"error":"network","times":1},
            {"never_answer":true,"times":1},{"answer":"b","repeat":3},{"error":"auth"}]}}"#;
        let file = File::parse(text.as_bytes()).unwrap();
        let part = file.part("s", 1).unwrap();
        let faults: Vec<usize> = (0..8).map(|index| part.faults(index).len()).collect();
        assert_eq!(faults, [0, 0, 2, 0, 0, 1, 0, 0]);
        let said: String = (0..8)
            .filter_map(|index| part.reply(index))
            .map(|line| line.text.as_str())
            .collect();
        assert_eq!(said, "aabbb");
    }
}
