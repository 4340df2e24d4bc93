//! What a judge thinks: its reply, taken as it was asked for or not at all.

use serde::Deserialize;

use crate::model::AssistantTurn;

/// What a judge thinks.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opinion {
    pub(super) reasoning: String,
    pub(super) score: f64,
}

impl Opinion {
    /// What a reply says, if it is what was asked for: nothing is guessed.
    pub(super) fn of(turn: &AssistantTurn) -> Result<Self, String> {
        if !turn.tool_calls.is_empty() {
            return Err("it calls a tool, and there is none".to_owned());
        }
        let text = turn.text.trim();
        let json = in_a_fence(text).unwrap_or(text);
        if json.is_empty() {
            return Err("it is empty".to_owned());
        }
        if !json.starts_with('{') {
            return Err("it is not one JSON object and nothing else".to_owned());
        }
        let opinion: Self =
            serde_json::from_str(json).map_err(|error| format!("it is not that JSON object: {error}"))?;
        if !(1.0..=10.0).contains(&opinion.score) {
            return Err(format!("the score {} is not from 1 to 10", opinion.score));
        }
        Ok(opinion)
    }
}

/// What stands in a Markdown fence, if the text is one.
fn in_a_fence(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("```")?.strip_suffix("```")?;
    Some(inside.strip_prefix("json").unwrap_or(inside).trim())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn says(text: &str) -> AssistantTurn {
        AssistantTurn {
            text: text.to_owned(),
            ..AssistantTurn::default()
        }
    }

    fn opinion(text: &str) -> Result<f64, String> {
        Opinion::of(&says(text)).map(|opinion| opinion.score)
    }

    #[test]
    fn a_score_is_taken_as_it_is_asked_for_or_not_at_all() {
        for (text, score) in [
            (r#"{"reasoning": "fine", "score": 7}"#, 7.0),
            (" {\"score\": 7.5, \"reasoning\": \"\"}\n", 7.5),
            (
                "```json\n{\"reasoning\": \"with ``` in it\", \"score\": 1}\n```",
                1.0,
            ),
            ("```\n{\"reasoning\": \"x\", \"score\": 10}```", 10.0),
        ] {
            assert_eq!(opinion(text), Ok(score), "{text}");
        }
        for text in [
            "",
            "8",
            "8/10",
            r#"["why", 8]"#,
            r#"{"reasoning": "x", "score": "8"}"#,
            r#"{"reasoning": "x", "score": "8/10"}"#,
            r#"{"reasoning": "x", "score": 0}"#,
            r#"{"reasoning": "x", "score": 10.5}"#,
            r#"{"reasoning": "x", "score": -7}"#,
            r#"{"reasoning": "x", "score": 1e999}"#,
            r#"{"reasoning": "x", "score": null}"#,
            r#"{"reasoning": "x", "score": true}"#,
            r#"{"score": 8}"#,
            r#"{"reasoning": 3, "score": 8}"#,
            r#"{"reasoning": "x", "score": 8, "score": 9}"#,
            r#"{"reasoning": "x", "score": 8, "confidence": 1}"#,
            r#"Sure: {"reasoning": "x", "score": 8}"#,
            r#"{"reasoning": "x", "score": 8} I hope this helps."#,
            r#"{"reasoning": "x", "score": 8}{"reasoning": "x", "score": 9}"#,
            "Here:\n```json\n{\"reasoning\": \"x\", \"score\": 8}\n```",
            "```json\n{\"reasoning\": \"x\", \"score\": 8}\n```\nDone.",
        ] {
            assert!(opinion(text).is_err(), "{text}");
        }
        let mut calling = says(r#"{"reasoning": "x", "score": 8}"#);
        calling.tool_calls.push(bench_core::transcript::ToolCall {
            id: "1".into(),
            name: "x".into(),
            arguments: json!({}),
        });
        assert!(Opinion::of(&calling).is_err());
    }
}
