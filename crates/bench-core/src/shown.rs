//! What is kept of a value that was found: all of it, or the head of what is large.
//!
//! A model may answer with a hundred megabytes, and a verdict is written down, held in memory, and shown. The comparison
//! has seen the whole value; the transcript keeps what was said.

use std::borrow::Cow;
use std::io;

use serde_json::Value;

use crate::outcome::{Verdict, VerdictStatus};

/// Bytes that a verdict keeps of what was found, and of an error: of a text as it is, of anything else as JSON.
pub const SHOWN_BYTES: usize = 4096;

impl Verdict {
    /// With at most [`SHOWN_BYTES`] of what was found, of a judge's reasoning, and of an error; the full size is told behind them. A value that
    /// is shortened becomes a text. `redact` is given a text before it is cut, so that no part of a secret can stay.
    #[must_use]
    pub fn shortened(mut self, redact: impl Fn(&str) -> Cow<'_, str>) -> Self {
        match &self.actual {
            Value::String(text) if text.len() > SHOWN_BYTES => self.actual = head(&redact(text)).into(),
            Value::Array(_) | Value::Object(_) if is_long(&self.actual) => {
                self.actual = head(&redact(&self.actual.to_string())).into();
            }
            _ => {}
        }
        if let Some(judge) = &mut self.judge
            && judge.reasoning.len() > SHOWN_BYTES
        {
            judge.reasoning = head(&redact(&judge.reasoning));
        }
        if let VerdictStatus::Errored { error, .. } = &mut self.status
            && error.len() > SHOWN_BYTES
        {
            *error = head(&redact(error));
        }
        self
    }
}

fn head(text: &str) -> String {
    if text.len() <= SHOWN_BYTES {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(SHOWN_BYTES)];
    format!("{head}… (the first {} of {} bytes)", head.len(), text.len())
}

/// Whether a value is longer as JSON. Looks no further than that.
fn is_long(value: &Value) -> bool {
    struct Room(usize);
    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(SHOWN_BYTES), value).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(actual: Value, error: &str) -> Verdict {
        Verdict {
            verifier: String::new(),
            verifier_type: String::new(),
            gym: None,
            status: VerdictStatus::Errored {
                error: error.to_owned(),
                permanent: true,
            },
            comparison: String::new(),
            expected: Value::Null,
            actual,
            asked: String::new(),
            took_ms: 0,
            judge: None,
        }
    }

    fn as_it_is(text: &str) -> Cow<'_, str> {
        Cow::Borrowed(text)
    }

    fn actual(value: Value) -> Value {
        verdict(value, "").shortened(as_it_is).actual
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        for value in [
            Value::Null,
            json!(1e300),
            json!("é".repeat(SHOWN_BYTES / 2)),
            json!(["x".repeat(SHOWN_BYTES - 4)]),
            json!({"a": [1, "2"]}),
        ] {
            assert_eq!(actual(value.clone()), value);
        }
    }

    #[test]
    fn of_what_is_long_the_head_and_the_size_stay() {
        let text = format!("x{}", "é".repeat(50_000));
        let kept = actual(json!(text));
        let kept = kept.as_str().unwrap();
        assert!(kept.starts_with("xéé") && kept.len() < SHOWN_BYTES + 50, "{kept}");
        assert!(kept.ends_with("é… (the first 4095 of 100001 bytes)"), "{kept}");

        let kept = actual(json!(["x".repeat(SHOWN_BYTES - 3)]));
        let kept = kept.as_str().unwrap();
        assert!(
            kept.starts_with("[\"xx") && kept.ends_with("x\"… (the first 4096 of 4097 bytes)"),
            "{kept}"
        );

        let kept = verdict(Value::Null, &text).shortened(as_it_is);
        assert!(serde_json::to_string(&kept).unwrap().len() < SHOWN_BYTES + 500);
    }

    fn redact(text: &str) -> Cow<'_, str> {
        Cow::Owned(text.replace("sk-canary-1234", "[secret]"))
    }

    #[test]
    fn no_part_of_a_secret_stays_at_the_cut() {
        let text = format!("{}sk-canary-1234 and more", "x".repeat(SHOWN_BYTES - 5));
        for value in [json!(text), json!([text])] {
            let kept = verdict(value, &text).shortened(redact);
            let kept = serde_json::to_string(&kept).unwrap();
            assert!(!kept.contains("sk-"), "{}", &kept[4000..]);
        }
    }
}
