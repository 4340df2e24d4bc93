//! What a judge was asked and replied, as requests to a model in the role `judge`.
//!
//! A reply that cannot be used is answered in the same conversation, so that the next request tells all before it, too.

use bench_core::transcript::{Entry, Line};
use serde_json::{Value, json};

use super::events::time;
use super::messages::{self, Reply};
use super::{model_name, seconds};

/// The judge of a verifier, and what it was told and said so far.
pub(super) struct Judge {
    verifier: usize,
    model: String,
    said: Vec<Value>,
}

impl Judge {
    /// The judge that a line asks: the one `before`, if that is asked once more.
    pub(super) fn asked(before: Option<Self>, id: &str, entry: &Entry) -> Option<Self> {
        let Entry::JudgeAsked {
            verifier,
            model,
            text,
            ..
        } = entry
        else {
            return before;
        };
        let same = before.filter(|judge| judge.verifier == *verifier);
        let mut judge = same.unwrap_or_else(|| Self {
            verifier: *verifier,
            model: model.clone(),
            said: Vec::new(),
        });
        judge
            .said
            .push(json!({"id": id, "role": "user", "content": text}));
        Some(judge)
    }

    /// The members of the event of its reply, and how many milliseconds that took; none if the line is no reply.
    pub(super) fn replied(&mut self, id: &str, line: &Line) -> Option<(Value, u64)> {
        let Entry::JudgeReplied {
            text,
            reasoning,
            stop_reason,
            served_by,
            usage,
            cost_usd,
            took_ms,
            ..
        } = &line.entry
        else {
            return None;
        };
        let by = served_by.clone().unwrap_or_else(|| model_name(&self.model));
        let message = messages::said(id, &by, reasoning, text, &[]);
        let reply = Reply {
            message: message.clone(),
            text,
            stop_reason,
            calls_tools: false,
            usage: *usage,
            cost_usd: *cost_usd,
            took_ms: *took_ms,
            model: by,
        };
        let members = json!({
            "model": model_name(&self.model),
            "role": "judge",
            "input": self.said,
            "tools": [],
            "tool_choice": "none",
            "config": {},
            "output": reply.output(),
            "completed": time(line.at),
            "working_time": seconds(*took_ms),
        });
        self.said.push(message);
        Some((members, *took_ms))
    }
}

#[cfg(test)]
mod tests {
    use bench_core::Usage;

    use super::*;

    fn ask(verifier: usize, text: &str) -> Entry {
        Entry::JudgeAsked {
            verifier,
            name: "polite".into(),
            model: "openai:judge".into(),
            text: text.into(),
        }
    }

    fn reply(text: &str) -> Line {
        let entry = Entry::JudgeReplied {
            verifier: 0,
            text: text.into(),
            reasoning: String::new(),
            stop_reason: "stop".into(),
            served_by: None,
            request_id: None,
            usage: Usage::default(),
            cost_usd: None,
            unknown_calls: 0,
            took_ms: 7,
        };
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        Line { at, entry }
    }

    #[test]
    fn a_judge_that_is_asked_once_more_is_told_what_was_said_and_one_of_another_verifier_is_not() {
        let mut told = Vec::new();
        let mut judge = None;
        for (verifier, text) in [(0, "Is it polite?"), (0, "Give a number."), (1, "Is it short?")] {
            judge = Judge::asked(judge, "id", &ask(verifier, text));
            let (members, took_ms) = judge.as_mut().unwrap().replied("id", &reply("8/10")).unwrap();
            assert_eq!((&members["model"], took_ms), (&json!("openai/judge"), 7));
            let input = members["input"].as_array().unwrap().clone();
            told.push(
                input
                    .iter()
                    .map(|message| message["role"].clone())
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(
            told,
            [
                vec![json!("user")],
                vec![json!("user"), json!("assistant"), json!("user")],
                vec![json!("user")]
            ]
        );
    }
}
