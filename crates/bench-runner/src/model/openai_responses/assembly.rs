//! A streamed response: its last event holds all of it, byte for byte as it would have come whole.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::format::NoTurn;
use crate::model::stream::{Assembly, Piece};

/// The response, once it is there.
#[derive(Default)]
pub(in crate::model) struct Response {
    whole: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Event {
    /// None in what llama.cpp sends in place of the rest when it fails.
    #[serde(rename = "type", default)]
    kind: String,
    response: Option<Box<RawValue>>,
    error: Option<Value>,
}

impl Assembly for Response {
    fn take(&mut self, data: &str) -> Result<Piece, NoTurn> {
        let event: Event = serde_json::from_str(data)?;
        match event.kind.as_str() {
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.whole = event.response;
                Ok(Piece::Last)
            }
            "error" => Err(NoTurn::told_in(serde_json::from_str(data)?)),
            "" => Err(match event.error {
                Some(error) => NoTurn::Refused(error),
                None => "an event without a type".into(),
            }),
            kind if kind.rsplit('.').next() == Some("delta") => Ok(Piece::Said),
            _ => Ok(Piece::Other),
        }
    }

    /// Nothing is kept but bytes.
    fn held(&self) -> usize {
        0
    }

    fn whole(self) -> Option<Vec<u8>> {
        self.whole.map(|response| response.get().as_bytes().to_vec())
    }
}
