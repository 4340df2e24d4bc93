//! Where a replay goes otherwise than its recording.

use bench_core::drift::{Drift, Likeness, ToolSaid, compare};
use bench_core::transcript::Entry;

use super::{Agent, Said};
use crate::gym::ToolOutput;
use crate::model::RecordedAnswer;

impl Agent<'_> {
    /// Writes down that a replay went otherwise than its recording.
    pub(super) async fn note_drift(&self, said: &mut Said, tool: String, what: String) {
        let turn = said.turns;
        let of = if tool.is_empty() {
            String::new()
        } else {
            format!("{tool}: ")
        };
        let text = format!("drift: {of}{what}");
        self.reporter.log(self.trial, &format!("  {text}"));
        self.reporter.entry(self.trial, Entry::Note { text }).await;
        said.drift.push(Drift { turn, tool, what });
    }

    /// How like the recorded answer one is, all of it. Recordings hold no secrets, so they are left out here as well.
    pub(super) fn likeness(&self, recorded: Option<&RecordedAnswer>, output: &ToolOutput) -> Likeness {
        let Some(recorded) = recorded else {
            return Likeness {
                difference: Some("the recording has no answer to this call".to_owned()),
                ..Likeness::default()
            };
        };
        let text = self.reporter.redact(&output.text);
        let structured = self.reporter.redact_value(&output.structured);
        let now = ToolSaid {
            is_error: output.is_error,
            text: &text,
            structured: &structured,
        };
        compare(recorded.said(), now)
    }
}
