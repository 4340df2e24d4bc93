//! A model's turn in the provider's own bytes: what goes back with the next request.
//!
//! Reading JSON and writing it again changes it: blanks, numbers such as `1.10`, members that stand there twice. A
//! provider that signs what it said may refuse that, and a benchmark would ask something else than it records. So
//! the bytes are kept, and the readable form, for transcripts, is made from them.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// JSON as it was written; nothing for a model that plays a part.
#[derive(Debug, Clone, Default)]
pub struct Raw(Option<Box<RawValue>>);

impl Raw {
    /// The text, `null` where there is none.
    pub fn get(&self) -> &str {
        self.0.as_deref().unwrap_or(RawValue::NULL).get()
    }

    /// The readable form. Numbers that no machine word holds are rounded in it.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.get()).unwrap_or_default()
    }

    /// The elements of a list, each in its own bytes; none of anything else.
    pub(super) fn elements(&self) -> Vec<&RawValue> {
        serde_json::from_str(self.get()).unwrap_or_default()
    }

    /// Whether it is a list without elements.
    pub(super) fn is_empty_list(&self) -> bool {
        let mut bytes = self.get().bytes().filter(|byte| !byte.is_ascii_whitespace());
        (bytes.next(), bytes.next()) == (Some(b'['), Some(b']'))
    }

    /// Written anew: for a turn that cannot go back as it came.
    pub(crate) fn rewritten(value: &Value) -> Self {
        Self(to_raw_value(value).ok())
    }
}

impl From<Box<RawValue>> for Raw {
    fn from(text: Box<RawValue>) -> Self {
        Self(Some(text))
    }
}

impl PartialEq for Raw {
    /// By the bytes.
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_deref().unwrap_or(RawValue::NULL).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(text: &str) -> Raw {
        RawValue::from_string(text.to_owned()).unwrap().into()
    }

    #[test]
    fn bytes_stay_and_values_can_be_read() {
        let text = r#"{ "b" : 1.10, "b": 12345678901234567890123, "a":"\u00e9" }"#;
        assert_eq!(serde_json::to_string(&[raw(text)]).unwrap(), format!("[{text}]"));
        assert_eq!(raw(text).to_value()["a"], "é");
        assert_eq!(Raw::default().to_value(), Value::Null);
        assert_eq!(serde_json::to_string(&Raw::default()).unwrap(), "null");
        assert_eq!(Raw::rewritten(&json!({"b": 1})).get(), r#"{"b":1}"#);
    }

    #[test]
    fn lists_are_taken_apart_without_a_change() {
        let list = raw("[ {\"a\": 1.0} , 2e0]");
        let parts: Vec<&str> = list.elements().into_iter().map(RawValue::get).collect();
        assert_eq!(parts, ["{\"a\": 1.0}", "2e0"]);
        assert!(raw("{}").elements().is_empty());
        for (text, want) in [
            ("[]", true),
            ("[ \n]", true),
            ("[0]", false),
            ("{}", false),
            ("null", false),
        ] {
            assert_eq!(raw(text).is_empty_list(), want, "{text}");
        }
    }
}
