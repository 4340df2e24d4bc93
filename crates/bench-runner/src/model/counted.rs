//! What an answer that holds no turn counts of its tokens: the provider did the work, and wants to be paid for it.
//!
//! Only a count of the whole reply is believed: a stream that ends before the reply does has counted a part of it.

use bench_core::Usage;
use serde_json::{Map, Value};

use super::bounds;
use super::format::WireFormat;

/// What was counted so far. Later counts of the same take the place of earlier ones.
#[derive(Default)]
pub(super) struct Counted {
    members: Map<String, Value>,
    whole: bool,
}

impl Counted {
    /// Takes the object that a provider counts in.
    pub(super) fn take(&mut self, counts: Option<&Value>) {
        let members = counts.and_then(Value::as_object).into_iter().flatten();
        let known = members.filter(|(_, count)| !count.is_null());
        self.members
            .extend(known.map(|(name, count)| (name.clone(), count.clone())));
    }

    /// The reply is whole.
    pub(super) fn end(&mut self) {
        self.whole = true;
    }

    /// What was counted so far is not all of it.
    pub(super) fn forget(&mut self) {
        self.members.clear();
    }
}

/// The tokens of an answer; unknown if it does not count all of them.
pub(super) fn in_answer(format: &impl WireFormat, body: &[u8], is_event_stream: bool) -> Usage {
    let mut counted = Counted::default();
    if is_event_stream {
        for data in body
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.strip_prefix(b"data:"))
        {
            count(format, data, &mut counted);
        }
    } else {
        count(format, body, &mut counted);
        counted.end();
    }
    if counted.whole {
        format.usage(&Value::Object(counted.members))
    } else {
        Usage::default()
    }
}

fn count(format: &impl WireFormat, json: &[u8], counted: &mut Counted) {
    if bounds::count(json).is_ok()
        && let Ok(part) = serde_json::from_slice(json)
    {
        format.count(&part, counted);
    }
}

#[cfg(test)]
mod tests {
    use super::super::anthropic::Anthropic;
    use super::super::gemini::Gemini;
    use super::super::openai_chat::OpenAiChat;
    use super::super::openai_responses::OpenAiResponses;
    use super::*;

    fn chat() -> OpenAiChat {
        OpenAiChat::at(&"http://127.0.0.1:1/v1".parse().unwrap())
    }

    fn tokens(usage: Usage) -> Option<(u64, u64)> {
        usage.input_tokens.zip(usage.output_tokens)
    }

    #[test]
    fn a_whole_answer_without_a_turn_says_what_it_took() {
        let whole = |format: &dyn Fn(&[u8]) -> Usage, body: &str| tokens(format(body.as_bytes()));
        let of_chat = |body: &[u8]| in_answer(&chat(), body, false);
        let counts = r#""usage": {"prompt_tokens": 7, "completion_tokens": 3}"#;
        assert_eq!(
            whole(&of_chat, &format!(r#"{{"choices": [], {counts}}}"#)),
            Some((7, 3))
        );
        assert_eq!(whole(&of_chat, r#"{"choices": []}"#), None, "unknown, not 0");
        assert_eq!(whole(&of_chat, "<html>"), None);
        let of_messages = |body: &[u8]| in_answer(&Anthropic, body, false);
        let counts = r#"{"usage": {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 3}}"#;
        assert_eq!(whole(&of_messages, counts), Some((9, 3)));
        let of_responses = |body: &[u8]| in_answer(&OpenAiResponses::of("m"), body, false);
        let failed = r#"{"status": "failed", "error": {}, "usage": {"input_tokens": 7, "output_tokens": 3}}"#;
        assert_eq!(whole(&of_responses, failed), Some((7, 3)));
        let of_gemini = |body: &[u8]| in_answer(&Gemini, body, false);
        let counts = r#"{"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3}}"#;
        assert_eq!(whole(&of_gemini, counts), Some((7, 3)));
    }

    #[test]
    fn a_stream_says_it_only_once_the_reply_is_whole() {
        let stream = |format: &dyn Fn(&[u8]) -> Usage, events: &[&str]| {
            let lines: Vec<_> = events
                .iter()
                .map(|event| format!("event: x\ndata: {event}\r\n\n"))
                .collect();
            let lines = lines.concat();
            tokens(format(lines.as_bytes()))
        };
        let of_chat = |body: &[u8]| in_answer(&chat(), body, true);
        let said = r#"{"choices": [{"delta": {"content": "a"}, "finish_reason": null}], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}"#;
        let ended = r#"{"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": null}"#;
        let counts = r#"{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}"#;
        assert_eq!(stream(&of_chat, &[said]), None, "a part of it");
        assert_eq!(
            stream(&of_chat, &[said, ended]),
            None,
            "the count may be an older one"
        );
        assert_eq!(stream(&of_chat, &[said, ended, counts]), Some((7, 3)));
        let of_messages = |body: &[u8]| in_answer(&Anthropic, body, true);
        let start =
            r#"{"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}"#;
        let delta = r#"{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}"#;
        let open =
            r#"{"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 1}}"#;
        assert_eq!(stream(&of_messages, &[start, open]), None);
        assert_eq!(stream(&of_messages, &[start, delta]), Some((7, 3)));
        let of_responses = |body: &[u8]| in_answer(&OpenAiResponses::of("m"), body, true);
        let failed =
            r#"{"type": "response.failed", "response": {"usage": {"input_tokens": 7, "output_tokens": 3}}}"#;
        assert_eq!(stream(&of_responses, &[failed]), Some((7, 3)));
        let of_gemini = |body: &[u8]| in_answer(&Gemini, body, true);
        let part = r#"{"candidates": [{"finishReason": null}], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1}}"#;
        let last =
            r#"{"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": 3}}"#;
        assert_eq!(stream(&of_gemini, &[part]), None);
        assert_eq!(stream(&of_gemini, &[part, last]), Some((7, 3)));
    }
}
