//! Whether a tool answered as it did when it was recorded: a `replay` is worth as much as the world it plays in is the
//! same.
//!
//! What a fresh world makes up each time (ids, times) is compared by its shape: UUIDs, ULIDs, hexadecimal ids of 16
//! and more characters, dates with a time of day, and seconds or milliseconds since 1970 in a number that falls into
//! our years. Everything else has to be equal: numbers by value, objects whatever the order of their members, texts
//! letter by letter. A text that is JSON is compared as JSON.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest part of a text that a difference shows, in characters.
const SHOWN: usize = 60;
/// How much of it stands before the first difference.
const BEFORE: usize = 20;

/// One group for each shape.
static MADE_UP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let shapes = [
        r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b",
        r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?",
        r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} +\d{1,2})(?: \d{4})?,? \d{2}:\d{2}:\d{2}(?: \d{4})?(?: (?:GMT|UTC|[A-Z]{3,4})?(?:[+-]\d{4})?(?: \([^)]*\))?)?",
        r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b",
        r"\b(?:[0-9a-f]{16,128}|[0-9A-F]{16,128})\b",
        r"\b(?:1[5-9]|2[01])\d{8}(?:\d{3})?\b",
    ];
    Regex::new(&shapes.map(|shape| format!("({shape})")).join("|")).ok()
});

/// A tool call of a replayed trial that went otherwise than when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The model reply, from 1.
    pub turn: u32,
    /// The tool; empty if it is the prompt that differs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// What differs first, for people: `/total: 3 when it was recorded, now 4`.
    pub what: String,
}

/// What a tool said, as far as it is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToolSaid<'a> {
    /// Whether it failed.
    pub is_error: bool,
    /// The text.
    pub text: &'a str,
    /// Structured content, null if there is none.
    pub structured: &'a Value,
}

/// How alike two answers of a tool are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Likeness {
    /// What differs first, for people.
    pub difference: Option<String>,
    /// Made-up texts that stand in the same place: as recorded, and now.
    pub renamed: Vec<(String, String)>,
}

/// Compares an answer with the recorded one.
pub fn compare(recorded: ToolSaid<'_>, now: ToolSaid<'_>) -> Likeness {
    let mut likeness = Likeness::default();
    if recorded == now {
        return likeness;
    }
    if recorded.is_error != now.is_error {
        let word = |failed: bool| if failed { "failed" } else { "succeeded" };
        let (then, now) = (word(recorded.is_error), word(now.is_error));
        likeness.note("", || format!("it {then} when it was recorded, and {now} now"));
    }
    match (json(recorded.text), json(now.text)) {
        (Some(then), Some(now)) => likeness.values(&then, &now, ""),
        _ => likeness.texts(recorded.text, now.text, ""),
    }
    likeness.values(recorded.structured, now.structured, "");
    likeness
}

/// Compares a prompt with the recorded one: made-up parts have no place there.
pub fn compare_prompt(recorded: &str, now: &str) -> Option<String> {
    (recorded != now).then(|| {
        format!(
            "the prompt: {}",
            both(&shown_text(recorded, now), &shown_text(now, recorded))
        )
    })
}

/// An object or a list; a lone number or word is compared as text.
fn json(text: &str) -> Option<Value> {
    let text = text.trim_start();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}

impl Likeness {
    /// Keeps the first difference.
    fn note(&mut self, place: &str, what: impl FnOnce() -> String) {
        if self.difference.is_none() {
            let what = what();
            self.difference = Some(if place.is_empty() {
                what
            } else {
                format!("{place}: {what}")
            });
        }
    }

    /// Goes through all of both, so that everything made up is found.
    fn values(&mut self, recorded: &Value, now: &Value, place: &str) {
        match (recorded, now) {
            (Value::Object(then), Value::Object(now)) => {
                for (name, then) in then {
                    match now.get(name) {
                        Some(now) => self.values(then, now, &format!("{place}/{name}")),
                        None => self.note(place, || format!("`{name}` is not there any more")),
                    }
                }
                if let Some(new) = now.keys().find(|name| !then.contains_key(*name)) {
                    self.note(place, || format!("`{new}` was not there when it was recorded"));
                }
            }
            (Value::Array(then), Value::Array(now)) => {
                if then.len() != now.len() {
                    let counts = || both(&format!("{} entries", then.len()), &now.len().to_string());
                    self.note(place, counts);
                }
                for (index, (then, now)) in then.iter().zip(now).enumerate() {
                    self.values(then, now, &format!("{place}/{index}"));
                }
            }
            (Value::String(then), Value::String(now)) => self.texts(then, now, place),
            (then, now) if same_number(then, now) => {}
            (then, now) => self.note(place, || {
                both(&shortened(&then.to_string()), &shortened(&now.to_string()))
            }),
        }
    }

    fn texts(&mut self, recorded: &str, now: &str, place: &str) {
        if recorded == now {
            return;
        }
        let (then_parts, now_parts) = (Parts::of(recorded), Parts::of(now));
        let pairs = then_parts.made_up.iter().zip(&now_parts.made_up);
        let alike =
            |(then, now): (&MadeUp<'_>, &MadeUp<'_>)| then.before == now.before && then.has_shape_of(now);
        let so_far = pairs.clone().take_while(|pair| alike(*pair)).count();
        let different = pairs.take(so_far).filter(|(then, now)| then.text != now.text);
        self.renamed
            .extend(different.map(|(then, now)| (then.text.to_owned(), now.text.to_owned())));
        let all = so_far == then_parts.made_up.len() && so_far == now_parts.made_up.len();
        if !all || then_parts.rest != now_parts.rest {
            let last = so_far.checked_sub(1);
            let same = |parts: &Parts<'_>| last.map_or(0, |last| parts.made_up[last].end);
            let (then_same, now_same) = (same(&then_parts), same(&now_parts));
            self.note(place, || {
                both(
                    &shown_rest(recorded, then_same, &now[now_same..]),
                    &shown_rest(now, now_same, &recorded[then_same..]),
                )
            });
        }
    }
}

/// A text, taken apart where it holds something made up.
struct Parts<'a> {
    made_up: Vec<MadeUp<'a>>,
    rest: &'a str,
}

struct MadeUp<'a> {
    before: &'a str,
    text: &'a str,
    /// Where it ends, in bytes.
    end: usize,
    shape: usize,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (mut made_up, mut end) = (Vec::new(), 0);
        for found in MADE_UP.iter().flat_map(|regex| regex.captures_iter(text)) {
            let shape = (1..found.len()).find_map(|group| Some((group, found.get(group)?)));
            let Some((shape, found)) = shape else { continue };
            made_up.push(MadeUp {
                before: &text[end..found.start()],
                text: found.as_str(),
                end: found.end(),
                shape,
            });
            end = found.end();
        }
        Self {
            made_up,
            rest: &text[end..],
        }
    }
}

impl MadeUp<'_> {
    /// Times may be told with or without fractions; ids are as long as each other.
    fn has_shape_of(&self, other: &Self) -> bool {
        let is_id = !self.text.contains(':');
        self.shape == other.shape && (!is_id || self.text.len() == other.text.len())
    }
}

/// Equal by value, or both of them times.
fn same_number(recorded: &Value, now: &Value) -> bool {
    let (Value::Number(then), Value::Number(now)) = (recorded, now) else {
        return recorded == now;
    };
    if let (Some(then), Some(now)) = (then.as_f64(), now.as_f64()) {
        return (then - now).abs() == 0.0 || (is_time(then) && is_time(now));
    }
    then == now
}

/// Seconds or milliseconds since 1970, from 2017 to 2039.
fn is_time(number: f64) -> bool {
    let seconds = 1_500_000_000.0..2_200_000_000.0;
    seconds.contains(&number) || seconds.contains(&(number / 1000.0))
}

fn both(recorded: &str, now: &str) -> String {
    format!("{recorded} when it was recorded, now {now}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The part of a text where it begins to differ from another.
fn shown_text(text: &str, other: &str) -> String {
    shown_rest(text, 0, other)
}

/// The same behind what is alike, up to a byte of the text.
fn shown_rest(text: &str, alike: usize, other: &str) -> String {
    let text = &text[alike..];
    let same = text
        .chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let from = same.saturating_sub(BEFORE);
    let part: String = text.chars().skip(from).collect();
    let part = shortened(&part);
    let more = if from > 0 || alike > 0 { "…" } else { "" };
    format!("`{more}{part}`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: &str) -> ToolSaid<'_> {
        ToolSaid {
            is_error: false,
            text,
            structured: &Value::Null,
        }
    }

    fn check(recorded: &str, now: &str) -> String {
        let likeness = compare(said(recorded), said(now));
        likeness.difference.unwrap_or_else(|| "alike".to_owned())
    }

    #[test]
    fn what_a_world_makes_up_is_compared_by_its_shape() {
        for (recorded, now) in [
            ("same", "same"),
            (r#"{"a": 1, "b": 2.0}"#, r#"{"b": 2, "a": 1}"#),
            (
                "made 6f1d3c52-6f4e-4a55-9d0e-0a4d1f3b7a10 for you",
                "made 0b7c0a11-1111-4222-8333-444455556666 for you",
            ),
            (
                r#"{"at": "2026-11-22T03:40:00Z"}"#,
                r#"{"at": "2026-11-23T10:00:00.125+01:00"}"#,
            ),
            (
                "modified: Sun Nov 22 2026 03:40:00 GMT+0000 (UTC)",
                "modified: Mon Nov 23 2026 03:41:07 GMT+0000 (UTC)",
            ),
            (
                "Date: Sun, 22 Nov 2026 03:40:00 GMT",
                "Date: Mon, 23 Nov 2026 04:40:00 GMT",
            ),
            (r#"{"created": 1795400000}"#, r#"{"created": 1795499999}"#),
            ("at 1795400000123", "at 1795499999456"),
            (
                "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
                "commit 0123456789abcdef0123456789abcdef01234567",
            ),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
        ] {
            assert_eq!(check(recorded, now), "alike", "{recorded}");
        }
    }

    #[test]
    fn everything_else_has_to_be_equal() {
        for (recorded, now) in [
            ("open", "closed"),
            (r#"{"total": 3}"#, r#"{"total": 4}"#),
            (r#"{"total": 3}"#, r#"{"total": "3"}"#),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#),
            (r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#),
            ("[1, 2]", "[1]"),
            (
                r#"{"items": [{"state": "open"}]}"#,
                r#"{"items": [{"state": "closed"}]}"#,
            ),
            // An id that is longer is another kind of id.
            ("9fceb02d0ae598e9", "9fceb02d0ae598e95dc970b74767f193"),
            (
                "a 6f1d3c52-6f4e-4a55-9d0e-0a4d1f3b7a10",
                "b 6f1d3c52-6f4e-4a55-9d0e-0a4d1f3b7a11",
            ),
            ("due 2026-11-22", "due 2026-11-23"),
            ("WEB-31", "WEB-32"),
            ("", "something"),
        ] {
            assert_ne!(check(recorded, now), "alike", "{recorded} | {now}");
        }
    }

    #[test]
    fn a_difference_says_where_and_what() {
        insta::assert_snapshot!(check(r#"{"items": [{"state": "open"}]}"#, r#"{"items": [{"state": "closed"}]}"#), @"/items/0/state: `open` when it was recorded, now `closed`");
        insta::assert_snapshot!(check(r#"{"n": [1, 2]}"#, r#"{"n": [1]}"#), @"/n: 2 entries when it was recorded, now 1");
        insta::assert_snapshot!(check(&format!("{} open", "é".repeat(50)), &format!("{} closed", "é".repeat(50))), @"`…ééééééééééééééééééé open` when it was recorded, now `…ééééééééééééééééééé closed`");
        insta::assert_snapshot!(check(r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#), @"`b` was not there when it was recorded");
        insta::assert_snapshot!(check(&format!("id {} is open", "9fceb02d".repeat(5)), &format!("id {} is shut", "d6f10abc".repeat(5))), @"`… is open` when it was recorded, now `… is shut`");
        let failed = ToolSaid {
            is_error: true,
            ..said("no such issue")
        };
        insta::assert_snapshot!(compare(failed, said("fine")).difference.unwrap(), @"it failed when it was recorded, and succeeded now");
        insta::assert_snapshot!(compare_prompt("Close it.", "Reopen it.").unwrap(), @"the prompt: `Close it.` when it was recorded, now `Reopen it.`");
        assert_eq!(compare_prompt("same", "same"), None);
    }

    #[test]
    fn what_was_made_up_anew_is_found_also_behind_a_difference() {
        let (then, now) = (
            json!({"n": 1, "id": "6f1d3c52-6f4e-4a55-9d0e-0a4d1f3b7a10", "same": "9fceb02d0ae598e9"})
                .to_string(),
            json!({"n": 2, "id": "0b7c0a11-1111-4222-8333-444455556666", "same": "9fceb02d0ae598e9"})
                .to_string(),
        );
        let likeness = compare(said(&then), said(&now));
        assert!(likeness.difference.is_some());
        assert_eq!(
            likeness.renamed,
            [(
                "6f1d3c52-6f4e-4a55-9d0e-0a4d1f3b7a10".to_owned(),
                "0b7c0a11-1111-4222-8333-444455556666".to_owned()
            )]
        );
    }

    #[test]
    fn structured_content_is_compared_too() {
        let (then, now) = (json!({"n": 1}), json!({"n": 2}));
        let with = |structured| ToolSaid {
            structured,
            ..said("text")
        };
        assert!(compare(with(&then), with(&now)).difference.is_some());
        assert_eq!(compare(with(&then), with(&then)), Likeness::default());
    }
}
