//! One JSON document a line on stdout, for programs.

use std::io::Write;

use bench_core::Event;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::Watcher;
use crate::sink::Sink;

/// Writes events as they are in the journal, with their time.
pub(super) struct Lines {
    /// `None` once nobody reads any more; the run goes on all the same.
    out: Option<Sink>,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl Lines {
    pub(super) fn new(out: Sink) -> Self {
        Self { out: Some(out) }
    }
}

impl Watcher for Lines {
    fn event(&mut self, event: &Event, at: DateTime<Utc>) {
        let Some(out) = &mut self.out else { return };
        let line = Line {
            at: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            event,
        };
        let Ok(line) = bench_report::json::line(&line) else {
            return;
        };
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            self.out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{at, started};
    use super::*;
    use crate::sink::Kept;

    #[test]
    fn an_event_is_one_line_with_its_time() {
        let kept = Kept::default();
        Lines::new(kept.sink()).event(&started("a~oracle~1"), at(1));
        let want =
            r#"{"at":"2026-01-02T03:00:01.000Z","event":"trial_started","trial":"a~oracle~1","attempt":1}"#;
        assert_eq!(kept.text(), format!("{want}\n"));
    }
}
