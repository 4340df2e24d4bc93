//! One line of the journal, as text and back.
//!
//! The checksum is the last member and covers all bytes before it, so a line can be checked without parsing it.
//! Comparing it as text also catches a flipped bit that only changes the case of a hex digit.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::format::{self, StoreNote};

/// Length of `,"crc":"xxxxxxxx"}`.
const SEAL: usize = 18;

/// Members that are ours and that an event therefore cannot have.
const OURS: [&str; 5] = ["seq", "at", "generation", "store", "crc"];

/// What stands in a line between our members and the checksum.
pub(crate) type Members = Map<String, Value>;

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one line at a time is in memory")]
pub(crate) enum Said<E> {
    /// The job's event.
    Event(E),
    /// A note of the store's own: a worker began, the run ended.
    Store(StoreNote),
    /// Intact, but nothing this version or this job understands.
    Unknown,
}

/// A line that passed its checksum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line<E> {
    pub(crate) seq: u64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) generation: u32,
    pub(crate) said: Said<E>,
}

#[derive(Deserialize)]
struct Head {
    seq: u64,
    at: DateTime<Utc>,
    generation: u32,
    #[serde(default)]
    store: Option<Value>,
}

/// The members of an event as they will stand in a line.
///
/// # Errors
/// [`StateError::Unstorable`] if it is no JSON object or uses one of our names.
pub(crate) fn event_members<E: Serialize>(event: &E) -> Result<Members> {
    format::members("event", event, &OURS)
}

/// The members of a note of the store's own.
pub(crate) fn note_members(note: &StoreNote) -> Result<Members> {
    Ok(Map::from_iter([(
        "store".to_owned(),
        format::to_value("note", note)?,
    )]))
}

/// A sealed line with its newline.
pub(crate) fn encode(seq: u64, at: DateTime<Utc>, generation: u32, members: Members) -> String {
    let mut object = Map::new();
    object.insert("seq".to_owned(), seq.into());
    object.insert("at".to_owned(), format::stamp::text(at).into());
    object.insert("generation".to_owned(), generation.into());
    object.extend(members);
    let mut text = Value::Object(object).to_string();
    text.pop(); // the closing brace
    text += &seal(text.as_bytes());
    text.push('\n');
    text
}

/// The end of a line that begins with `body`.
fn seal(body: &[u8]) -> String {
    format!(r#","crc":"{:08x}"}}"#, crc32fast::hash(body))
}

/// Reads a line without its newline; `None` if it is damaged or never was one of ours.
pub(crate) fn decode<E: DeserializeOwned>(line: &[u8]) -> Option<Line<E>> {
    let (body, found) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
    if found != seal(body).as_bytes() {
        return None;
    }
    let Head {
        seq,
        at,
        generation,
        store,
    } = serde_json::from_slice(line).ok()?;
    let said = match store {
        Some(note) => serde_json::from_value(note).map_or(Said::Unknown, Said::Store),
        // The event's members stand beside ours, so the job reads the whole line and finds its own.
        None => serde_json::from_slice(line).map_or(Said::Unknown, Said::Event),
    };
    Some(Line {
        seq,
        at,
        generation,
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum Event {
        Counted { by: u32, name: String },
    }

    fn at() -> DateTime<Utc> {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn sample() -> String {
        let event = Event::Counted {
            by: 3,
            name: "ü \" \n".to_owned(),
        };
        encode(7, at(), 2, event_members(&event).unwrap())
    }

    #[test]
    fn a_line_is_one_flat_json_object() {
        insta::assert_snapshot!(sample().trim_end(), @r#"{"seq":7,"at":"2026-01-02T03:04:05.678Z","generation":2,"event":"counted","by":3,"name":"ü \" \n","crc":"51dd2df3"}"#);
        assert!(serde_json::from_str::<Value>(&sample()).unwrap().is_object());
    }

    #[test]
    fn what_was_written_is_read() {
        let line = decode::<Event>(sample().trim_end().as_bytes()).unwrap();
        assert_eq!((line.seq, line.at, line.generation), (7, at(), 2));
        assert_eq!(
            line.said,
            Said::Event(Event::Counted {
                by: 3,
                name: "ü \" \n".to_owned()
            })
        );
    }

    #[test]
    fn an_event_of_a_newer_job_is_unknown_and_not_damage() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "event", rename_all = "snake_case")]
        enum Older {
            Started,
        }
        assert_eq!(
            decode::<Older>(sample().trim_end().as_bytes()).unwrap().said,
            Said::Unknown
        );
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_goes_unnoticed() {
        let text = sample();
        let line = text.trim_end().as_bytes();
        for length in 0..line.len() {
            assert_eq!(decode::<Event>(&line[..length]), None, "cut to {length}");
        }
        for index in 0..line.len() {
            for bit in 0..8 {
                let mut bytes = line.to_vec();
                bytes[index] ^= 1 << bit;
                assert_eq!(decode::<Event>(&bytes), None, "bit {bit} of byte {index}");
            }
        }
    }

    #[test]
    fn an_event_that_would_hide_our_members_is_refused() {
        for (event, complaint) in [
            (serde_json::json!({"at": "noon"}), "`at` is the store's own name"),
            (serde_json::json!({"crc": 1}), "`crc` is the store's own name"),
            (serde_json::json!("bare"), "it is not a JSON object"),
            (Value::Null, "it is not a JSON object"),
        ] {
            let error = event_members(&event).unwrap_err().to_string();
            assert!(error.contains(complaint), "{event}: {error}");
        }
    }
}
