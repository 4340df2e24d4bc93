//! What the files of the old tool look like: read leniently, since several versions of it wrote them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::{LegacyFault, LegacyKind, LegacyRow};
use crate::error::{Result, StateError};

/// A file of the old tool: a JSON object.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(|source| StateError::Malformed {
        path: path.to_owned(),
        source,
    })
}

/// A background run's `state.json`; what is not in the file is left for the caller.
pub(super) fn background(document: &Map<String, Value>) -> LegacyRow {
    let progress = document.get("progress").unwrap_or(&Value::Null);
    LegacyRow {
        status: text(document.get("status")).unwrap_or_else(|| "unknown".to_owned()),
        started_at: time(document.get("started_at")),
        completed_at: time(document.get("completed_at")),
        error: text(document.get("error")),
        session_dir: text(document.get("session_dir")),
        ..common(LegacyKind::Background, document, progress)
    }
}

/// A `session.json`.
pub(super) fn session(document: &Map<String, Value>) -> LegacyRow {
    let totals = document.get("verifier_totals").unwrap_or(&Value::Null);
    LegacyRow {
        status: "completed".to_owned(),
        started_at: time(document.get("created_at")).or_else(|| time(document.get("timestamp"))),
        ..common(LegacyKind::Session, document, totals)
    }
}

fn common(kind: LegacyKind, document: &Map<String, Value>, counts: &Value) -> LegacyRow {
    let count = |name: &str| counts.get(name).and_then(Value::as_u64).unwrap_or_default();
    LegacyRow {
        id: String::new(),
        kind,
        path: PathBuf::new(),
        status: String::new(),
        started_at: None,
        completed_at: None,
        passed: count("passed"),
        total: count("total"),
        harness_name: text(document.get("harness_name")).or_else(|| text(document.get("session_name"))),
        model_summary: text(document.get("model_summary_text"))
            .or_else(|| models(document.get("model_summary"))),
        error: None,
        session_dir: None,
        last_write: DateTime::default(),
    }
}

/// Text that says something.
fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Models in words: either they already are, or they are a list of `{provider, model, count}`.
fn models(value: Option<&Value>) -> Option<String> {
    let one = |entry: &Value| {
        let model = entry.get("model")?.as_str()?;
        Some(match entry.get("provider").and_then(Value::as_str) {
            Some(provider) => format!("{provider}:{model}"),
            None => model.to_owned(),
        })
    };
    match value? {
        Value::Array(entries) => {
            let names: Vec<String> = entries.iter().filter_map(one).collect();
            (!names.is_empty()).then(|| names.join(", "))
        }
        value => text(Some(value)),
    }
}

/// A time as Python's `isoformat` writes it; without a zone it is UTC.
fn time(value: Option<&Value>) -> Option<DateTime<Utc>> {
    let text = value?.as_str()?;
    if let Ok(zoned) = DateTime::parse_from_rfc3339(text) {
        return Some(zoned.to_utc());
    }
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    naive
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|naive| naive.and_utc())
}

/// The file with its end filled in, in the words and in the form the old tool used.
pub(super) fn ended(
    path: &Path,
    bytes: &[u8],
    fault: LegacyFault,
    now: DateTime<Utc>,
    threshold: TimeDelta,
) -> Result<String> {
    let mut document = parse(path, bytes)?;
    if text(document.get("error")).is_none() {
        let error = match fault {
            LegacyFault::Stale => {
                format!(
                    "Run marked as stale after {}h with no completion",
                    hours(threshold)
                )
            }
            LegacyFault::Broken => "Run failed without noting when".to_owned(),
        };
        document.insert("error".to_owned(), error.into());
    }
    document.insert("status".to_owned(), "failed".into());
    let completed_at = now.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string();
    document.insert("completed_at".to_owned(), completed_at.into());
    Ok(format!("{:#}\n", Value::Object(document)))
}

/// Hours in the shortest form that is right to the minute: `24`, `1.5`.
fn hours(span: TimeDelta) -> String {
    let (hours, minutes) = (span.num_hours(), span.num_minutes() % 60);
    if minutes == 0 {
        return hours.to_string();
    }
    let hundredths = format!("{:02}", minutes * 100 / 60);
    format!("{hours}.{}", hundredths.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_zone() {
        let read = |text: &str| time(Some(&text.into())).map(|at| at.to_rfc3339());
        for naive in [
            "2025-10-31T17:32:52",
            "2025-10-31 17:32:52",
            "2025-10-31T18:32:52+01:00",
            "2025-10-31T17:32:52Z",
        ] {
            assert_eq!(
                read(naive).as_deref(),
                Some("2025-10-31T17:32:52+00:00"),
                "{naive}"
            );
        }
        assert_eq!(
            read("2025-10-31T17:32:52.123456").as_deref(),
            Some("2025-10-31T17:32:52.123456+00:00")
        );
        assert_eq!(read("yesterday"), None);
        assert_eq!(time(Some(&Value::Null)), None);
    }

    #[test]
    fn hours_are_told_as_they_were_given() {
        let told: Vec<_> = [24 * 60, 90, 75, 48 * 60 + 6, 0]
            .map(|minutes| hours(TimeDelta::minutes(minutes)))
            .into();
        assert_eq!(told, ["24", "1.5", "1.25", "48.1", "0"]);
    }
}
