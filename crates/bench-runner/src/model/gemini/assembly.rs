//! A streamed content: parts, chunk by chunk; the last chunk says why it ended.
//!
//! Parts go back as they came, each with its own signature. Only plain texts that follow each other are joined, as they
//! would have come whole; an empty one is none.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::model::format::NoTurn;
use crate::model::stream::{Assembly, Piece};

/// The content so far, and what stands beside it.
#[derive(Default)]
pub(in crate::model) struct Generated {
    parts: Vec<Part>,
    finish_reason: Option<String>,
    /// Each in its last form.
    beside: Beside,
}

enum Part {
    Text(Text),
    Given(Box<RawValue>),
}

/// A part that is nothing but text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Beside {
    #[serde(skip_serializing_if = "Option::is_none")]
    response_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_feedback: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    candidates: Option<Vec<Candidate>>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: u64,
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Vec<Box<RawValue>>>,
}

impl Assembly for Generated {
    fn take(&mut self, data: &str) -> Result<Piece, NoTurn> {
        let chunk: Chunk = serde_json::from_str(data)?;
        if let Some(error) = chunk.error {
            return Err(NoTurn::Refused(error));
        }
        let beside: Beside = serde_json::from_str(data)?;
        let so_far = &mut self.beside;
        so_far.response_id = beside.response_id.or(so_far.response_id.take());
        so_far.model_version = beside.model_version.or(so_far.model_version.take());
        so_far.usage_metadata = beside.usage_metadata.or(so_far.usage_metadata.take());
        so_far.prompt_feedback = beside.prompt_feedback.or(so_far.prompt_feedback.take());
        let mut piece = Piece::Other;
        for candidate in chunk.candidates.unwrap_or_default() {
            if candidate.index != 0 {
                continue; // nobody asked for several
            }
            self.finish_reason = candidate.finish_reason.or(self.finish_reason.take());
            for part in candidate
                .content
                .and_then(|content| content.parts)
                .unwrap_or_default()
            {
                piece = Piece::Said;
                self.take_part(part);
            }
        }
        Ok(piece)
    }

    /// Parts are kept as bytes, what stands beside them only as it came last.
    fn held(&self) -> usize {
        self.parts.len()
    }

    fn whole(self) -> Option<Vec<u8>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Whole {
            #[serde(skip_serializing_if = "Option::is_none")]
            candidates: Option<[WholeCandidate; 1]>,
            #[serde(flatten)]
            beside: Beside,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct WholeCandidate {
            content: WholeContent,
            finish_reason: String,
            index: u64,
        }
        #[derive(Serialize)]
        struct WholeContent {
            parts: Vec<Box<RawValue>>,
            role: &'static str,
        }
        let blocked = self
            .beside
            .prompt_feedback
            .as_ref()
            .is_some_and(|feedback| feedback.get("blockReason").is_some());
        if self.finish_reason.is_none() && !blocked {
            return None;
        }
        let content = WholeContent {
            parts: self.parts.into_iter().filter_map(Part::written).collect(),
            role: "model",
        };
        let candidate = |finish_reason| {
            [WholeCandidate {
                content,
                finish_reason,
                index: 0,
            }]
        };
        let whole = Whole {
            candidates: self.finish_reason.map(candidate),
            beside: self.beside,
        };
        serde_json::to_vec(&whole).ok()
    }
}

impl Generated {
    fn take_part(&mut self, part: Box<RawValue>) {
        let Ok(new) = serde_json::from_str::<Text>(part.get()) else {
            self.parts.push(Part::Given(part));
            return;
        };
        match self.parts.last_mut() {
            Some(Part::Text(last)) if last.thought == new.thought => last.text.push_str(&new.text),
            _ => self.parts.push(Part::Text(new)),
        }
    }
}

impl Part {
    fn written(self) -> Option<Box<RawValue>> {
        match self {
            Self::Text(text) if text.text.is_empty() => None,
            Self::Text(text) => to_raw_value(&text).ok(),
            Self::Given(part) => Some(part),
        }
    }
}
