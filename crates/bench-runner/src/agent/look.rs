//! The checks between two steps of a trial, where somebody looks at them.
//!
//! The model does not see it, no limit of the trial counts its time, and nothing that comes of it ends the trial.

use bench_core::event::Awaited;
use bench_core::transcript::Entry;
use tokio::time::Instant;

use super::{Agent, Said};
use crate::verify::steps::left_out;
use crate::watch::Waiting;

impl Agent<'_> {
    /// Looks before anything is done, and says which checks are left out.
    pub(super) async fn look_first(&self, said: &mut Said) {
        let Some(steps) = self.steps else { return };
        let timeline = steps.timeline();
        if let Some(text) = left_out(&timeline) {
            self.reporter.entry(self.trial, Entry::Note { text }).await;
        }
        said.timeline = Some(timeline);
        self.look(said).await;
    }

    /// Looks after a tool call, and writes down what has changed.
    pub(super) async fn look(&self, said: &mut Said) {
        let (Some(steps), Some(timeline)) = (self.steps, &mut said.timeline) else {
            return;
        };
        let began = Instant::now();
        let waiting = Waiting {
            kind: Awaited::Verifiers,
            what: "its verifiers, looked at after a tool call".to_owned(),
            then: "each has a time limit",
            at: None,
        };
        let looking = steps.look(timeline, &said.calls);
        let changes = self.watch().busy(looking, &waiting).await;
        if !changes.is_empty() {
            let entry = Entry::Checked {
                step: timeline.last_step,
                changes,
            };
            self.reporter.entry(self.trial, entry).await;
        }
        self.slot.spare(began.elapsed());
    }
}
