//! A streamed message: its head, content blocks piece by piece, how it ended and what it took, `message_stop`.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::model::bounds;
use crate::model::format::NoTurn;
use crate::model::stream::{Assembly, Piece};

/// The message so far.
#[derive(Default)]
pub(in crate::model) struct Message {
    head: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
    stopped: bool,
}

/// A content block so far.
#[derive(Default)]
struct Block {
    fields: Map<String, Value>,
    /// The input of a tool call, in the model's own writing.
    input: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    /// The message so far. A text only in a bare error object, which llama.cpp sends without the event around it.
    message: Option<Value>,
    content_block: Option<Map<String, Value>>,
    delta: Option<Map<String, Value>>,
    usage: Option<Map<String, Value>>,
    error: Option<Value>,
}

impl Assembly for Message {
    fn take(&mut self, data: &str) -> Result<Piece, NoTurn> {
        let event: Event = serde_json::from_str(data)?;
        match event.kind.as_str() {
            _ if event.message.as_ref().is_some_and(Value::is_string) => {
                return Err(NoTurn::told_in(serde_json::from_str(data)?));
            }
            "message_start" => {
                if let Some(Value::Object(head)) = event.message {
                    self.head = head;
                }
            }
            "content_block_start" => {
                let fields = event.content_block.unwrap_or_default();
                let input = String::new();
                self.blocks.insert(event.index, Block { fields, input });
            }
            "content_block_delta" => {
                let block = self.blocks.get_mut(&event.index);
                block
                    .ok_or("a piece of a block that did not begin")?
                    .take(event.delta.unwrap_or_default());
                return Ok(Piece::Said);
            }
            "message_delta" => {
                self.head.extend(event.delta.unwrap_or_default());
                if let Some(usage) = event.usage {
                    self.count(usage);
                }
            }
            "message_stop" => {
                self.stopped = true;
                return Ok(Piece::Last);
            }
            "error" => return Err(NoTurn::Refused(event.error.unwrap_or_default())),
            _ => {} // `ping`, `content_block_stop`, and what may be added
        }
        Ok(Piece::Other)
    }

    fn held(&self) -> usize {
        let in_blocks = self.blocks.values().map(|block| 1 + bounds::held(&block.fields));
        bounds::held(&self.head) + in_blocks.sum::<usize>()
    }

    fn whole(self) -> Option<Vec<u8>> {
        if !self.stopped {
            return None;
        }
        serde_json::to_vec(&self).ok()
    }
}

impl Message {
    /// Later counts are of the whole message: they replace earlier ones.
    fn count(&mut self, usage: Map<String, Value>) {
        let counted = usage.into_iter().filter(|(_, count)| !count.is_null());
        match self.head.get_mut("usage") {
            Some(Value::Object(so_far)) => so_far.extend(counted),
            _ => drop(
                self.head
                    .insert("usage".to_owned(), Value::Object(counted.collect())),
            ),
        }
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.head.iter().filter(|(name, _)| *name != "content") {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("content", &self.blocks.values().collect::<Vec<_>>())?;
        map.end()
    }
}

impl Block {
    fn take(&mut self, delta: Map<String, Value>) {
        for (name, new) in delta {
            match (name.as_str(), new) {
                ("type", _) => {}
                ("partial_json", Value::String(piece)) => self.input.push_str(&piece),
                ("citation", citation) => match self.fields.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.push(citation),
                    _ => drop(self.fields.insert("citations".to_owned(), vec![citation].into())),
                },
                (_, new) => match (self.fields.get_mut(&name), new) {
                    (Some(Value::String(text)), Value::String(piece)) => text.push_str(&piece),
                    (_, new) => drop(self.fields.insert(name, new)),
                },
            }
        }
    }
}

impl Serialize for Block {
    /// An input that was cut off is no JSON: it is written as a text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let streamed = !self.input.is_empty();
        for (name, value) in self
            .fields
            .iter()
            .filter(|(name, _)| !streamed || *name != "input")
        {
            map.serialize_entry(name, value)?;
        }
        if streamed {
            match serde_json::from_str::<&RawValue>(&self.input) {
                Ok(input) => map.serialize_entry("input", input)?,
                Err(_) => map.serialize_entry("input", &self.input)?,
            }
        }
        map.end()
    }
}
