//! The part of a JSON value that a check looks at.
//!
//! A JSON path of a few characters can find more than fits into any memory: `$..*..*` finds each value once for each
//! of its ancestors. So the work is estimated, from above and before anything is looked for; what would be too much is
//! an error of the check.

use bench_core::verifier::Selector;
use serde_json::Value;
use serde_json_path::JsonPath;

/// Steps that a JSON path may take through a value, by the estimate of [`steps`]: well under a second.
const MOST_STEPS: u64 = 10_000_000;

/// Values that it may find, with those inside of them.
const MOST_VALUES: u64 = 1_000_000;

/// The selected part of a value. A pointer that leads nowhere selects null.
pub(super) fn select(selector: &Selector, value: &Value) -> Result<Value, String> {
    match selector {
        Selector::Whole => Ok(value.clone()),
        Selector::Pointer(pointer) => Ok(value.pointer(pointer).cloned().unwrap_or_default()),
        Selector::JsonPath(path) => find(path, value),
        other => Err(format!("the selector {other:?} is not known to this version")),
    }
}

/// Nothing is null, one value is itself, several are a list.
fn find(path: &str, value: &Value) -> Result<Value, String> {
    let parsed = JsonPath::parse(path).map_err(|e| format!("`{path}` is not a JSON path: {e}"))?;
    let size = Size::of(value);
    if steps(path, &size) > MOST_STEPS {
        return Err(format!(
            "`{path}` looks at too much of an answer of {} values: say more exactly where they are",
            size.values
        ));
    }
    let found = parsed.query(value).all();
    let values: u64 = found.iter().map(|value| Size::of(value).values).sum();
    if values > MOST_VALUES {
        return Err(format!(
            "`{path}` finds too much: {values} values, at most {MOST_VALUES}"
        ));
    }
    let mut found: Vec<Value> = found.into_iter().cloned().collect();
    Ok(match found.len() {
        0 | 1 => found.pop().unwrap_or_default(),
        _ => Value::Array(found),
    })
}

/// How large a value is.
struct Size {
    /// It and all values inside of it.
    values: u64,
    /// How many of them lie inside each other, at most.
    depth: u64,
}

impl Size {
    fn of(value: &Value) -> Self {
        let inside: Box<dyn Iterator<Item = &Value>> = match value {
            Value::Array(list) => Box::new(list.iter()),
            Value::Object(map) => Box::new(map.values()),
            _ => return Self { values: 1, depth: 1 },
        };
        let mut all = Self { values: 1, depth: 0 };
        for size in inside.map(Self::of) {
            all.values += size.values;
            all.depth = all.depth.max(size.depth);
        }
        all.depth += 1;
        all
    }
}

/// Steps that a path takes through a value of this size, at most: a value is found once for each choice of ancestors at
/// which a `..` may have ended and for each selector beside another one that finds it too; and a filter may look
/// through the whole value once more for each one that it judges.
fn steps(path: &str, size: &Size) -> u64 {
    let mut steps = size.values;
    let mut selectors = Vec::new();
    let mut quote = None;
    let mut chars = path.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let times = match (quote, c) {
            (Some(_), '\\') => chars.next().map_or(1, |_| 1),
            (Some(open), c) => {
                quote = quote.filter(|_| open != c);
                1
            }
            (None, '\'' | '"') => {
                quote = Some(c);
                1
            }
            (None, '[') => {
                selectors.push(1);
                1
            }
            (None, ',') => selectors.last_mut().map_or(1, |n| {
                *n += 1;
                1
            }),
            (None, ']') => selectors.pop().unwrap_or(1),
            (None, '.') if chars.next_if(|(_, next)| *next == '.').is_some() => size.depth,
            (None, '$') if at > 0 && finds_many(&path[at..]) => size.values,
            _ => 1,
        };
        steps = steps.saturating_mul(times);
    }
    steps
}

/// Whether the path at the beginning of this part of a filter may find more than one value.
fn finds_many(rest: &str) -> bool {
    let mut open = 0_u32;
    let end = rest.find(|c| match c {
        '[' => {
            open += 1;
            false
        }
        ']' if open > 0 => {
            open -= 1;
            false
        }
        c => " \t\r\n)]&|=<>!,".contains(c),
    });
    let path = &rest[..end.unwrap_or(rest.len())];
    path.contains("..") || path.contains(['*', '?', ':'])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use serde_json::json;

    fn at(path: &str, value: &Value) -> Result<Value, String> {
        select(&Selector::JsonPath(path.into()), value)
    }

    /// Rows with their number, and a value beside them.
    fn wide() -> Value {
        let row = |n| json!({"id": n, "of": [n]});
        json!({"rows": (0..20_000).map(row).collect::<Vec<_>>(), "id": 7})
    }

    #[test]
    fn parts_are_selected() {
        let value = json!({"issues": [{"key": "WEB-1"}, {"key": "WEB-2"}], "total": 2});
        for (selector, want) in [
            (Selector::Whole, value.clone()),
            (Selector::Pointer("/total".into()), json!(2)),
            (Selector::Pointer("/none".into()), Value::Null),
            (Selector::JsonPath("$.issues[0].key".into()), json!("WEB-1")),
            (
                Selector::JsonPath("$.issues[*].key".into()),
                json!(["WEB-1", "WEB-2"]),
            ),
            (Selector::JsonPath("$.nothing".into()), Value::Null),
        ] {
            assert_eq!(select(&selector, &value).as_ref(), Ok(&want), "{selector:?}");
        }
        assert!(at("$[", &value).is_err());
    }

    #[test]
    fn a_path_that_would_find_too_much_is_an_error_and_no_hang() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep, 1]);
        }
        let wide = wide();
        let doubled = format!("${}", "[*,*]".repeat(24));
        let started = Instant::now();
        for (path, value) in [
            ("$..*..*..*..*..*..*..*", &deep),
            (doubled.as_str(), &deep),
            ("$.rows[?count($..id) > 3]", &wide),
            ("$.rows[?$..id]", &wide),
            ("$..[*, *, *, *, *, *, *, *, *, *, *]", &wide),
        ] {
            let error = at(path, value)
                .map(|found| found.as_array().map(Vec::len))
                .unwrap_err();
            assert!(error.contains("too much"), "{path}: {error}");
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{:?}",
            started.elapsed()
        );
    }

    #[test]
    fn ordinary_paths_find_what_they_should_in_large_answers() {
        for (path, want) in [
            ("$.rows[*].id", 20_000),
            ("$..id", 20_001),
            ("$.rows[?@.id >= $.id].of[0]", 19_993),
            ("$.rows[?@.of[?@ == 4]].id", 1),
            ("$.rows[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]['id', 'of', '$.. [,]']", 20),
            ("$..[?@.id == 4, 1]", 2),
        ] {
            let found = at(path, &wide()).unwrap();
            assert_eq!(found.as_array().map_or(1, Vec::len), want, "{path}");
        }
    }
}
