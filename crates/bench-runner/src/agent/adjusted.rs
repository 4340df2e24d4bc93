//! Tools whose schemas are sent without what the model's provider refuses.

use std::sync::PoisonError;

use bench_core::Event;
use bench_core::event::ToolChange;
use bench_core::transcript::Entry;

use super::Agent;
use crate::model::ModelError;

impl Agent<'_> {
    /// The provider refused schemas of tools, and they are sent otherwise from here on.
    pub(super) async fn note_adjusted(&self, error: &ModelError) {
        let Some(adjusted) = &error.adjusted else { return };
        if !adjusted.news.is_empty() {
            let event = Event::ToolSchemasAdjusted {
                model: error.model.clone(),
                changes: adjusted.news.clone(),
                cause: error.message.clone(),
            };
            self.reporter.note(event).await;
        }
        self.tell_changed(&adjusted.now).await;
    }

    /// Writes down what the model's tools are sent without, before the reply that it may have changed.
    pub(super) async fn tell_changed(&self, changes: &[ToolChange]) {
        {
            let mut told = self.tools.told.lock().unwrap_or_else(PoisonError::into_inner);
            if changes.is_empty() || *told == changes {
                return;
            }
            *told = changes.to_vec();
        }
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let text = format!(
            "schemas of tools are sent without what the provider refuses: {}",
            changes.join("; ")
        );
        self.reporter.log(self.trial, &text);
        self.reporter.entry(self.trial, Entry::Note { text }).await;
    }
}
