//! How much a model may say in one turn, before it is believed.
//!
//! The bytes of an answer are bounded where they are read. JSON of few bytes may still become a hundred times as many
//! in memory, and calls by the million would keep a run from everything else. So values are counted before they are
//! read, which takes no memory, and calls afterwards.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::format::NoTurn;

/// The most JSON values of one turn. Long ones have some thousands.
pub(super) const MOST_VALUES: usize = 1_000_000;

/// The most tool calls of one turn.
pub(super) const MOST_CALLS: usize = 10_000;

/// Counts the values of a JSON text; an error if there are too many. What is no JSON is left to its reader.
pub(super) fn count(json: &[u8]) -> Result<usize, NoTurn> {
    let count = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(json);
    drop(Counter(&count).deserialize(&mut reader));
    match count.get() {
        count if count > MOST_VALUES => Err(too_many()),
        count => Ok(count),
    }
}

/// How many values an object's members hold.
pub(super) fn held(members: &Map<String, Value>) -> usize {
    members.values().map(held_by).sum()
}

fn held_by(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(held_by).sum(),
        Value::Object(members) => held(members),
        _ => 0,
    }
}

/// Refuses what holds more than [`MOST_VALUES`].
pub(super) fn few_enough(held: usize) -> Result<(), NoTurn> {
    if held > MOST_VALUES {
        Err(too_many())
    } else {
        Ok(())
    }
}

fn too_many() -> NoTurn {
    NoTurn::Malformed(format!("it holds more than {MOST_VALUES} values").into())
}

#[derive(Clone, Copy)]
struct Counter<'a>(&'a Cell<usize>);

impl Counter<'_> {
    fn one<E: Error>(self) -> Result<(), E> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > MOST_VALUES {
            return Err(E::custom("too many values"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Counter<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.one()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.one()?;
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.one()?;
        while members.next_key_seed(self)?.is_some() {
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_names_are_counted_up_to_the_limit() {
        let counted = |json: &str| count(json.as_bytes()).ok();
        assert_eq!(counted(r#"{"a":[1,-1,1.5,"x\n",null,true,{}],"b":{}}"#), Some(12));
        assert_eq!(counted("[DONE]"), Some(1), "no JSON");
        assert_eq!(counted(""), Some(0));
        let list = |items: usize| format!("[{}0]", "0,".repeat(items - 1));
        assert_eq!(counted(&list(MOST_VALUES - 1)), Some(MOST_VALUES));
        assert_eq!(counted(&list(MOST_VALUES)), None);
    }

    #[test]
    fn what_is_held_is_counted_in_any_depth() {
        let Value::Object(members) = serde_json::json!({"a": [[1, {"b": 2}]], "c": null}) else {
            unreachable!()
        };
        assert_eq!(held(&members), 6);
        assert!(few_enough(MOST_VALUES).is_ok() && few_enough(MOST_VALUES + 1).is_err());
    }
}
