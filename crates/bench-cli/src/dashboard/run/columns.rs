//! Where the columns of the grid are: names of scenarios, then a block for each model.

use ratatui::layout::Rect;

use super::picture::Picture;
use crate::dashboard::paint::{Slot, cells, width};

/// Columns between two models.
const GAP: usize = 2;

/// Without the provider where it would not fit.
pub(super) fn short_model(name: &str, columns: u16) -> &str {
    if width(name) <= usize::from(columns) {
        return name;
    }
    name.split_once(':').map_or(name, |(_, name)| name)
}

/// Where the columns of the grid are.
pub(super) struct GridLayout {
    /// Columns for the names of scenarios.
    pub(super) names: u16,
    /// Columns for each model, the gap after it not counted.
    each: usize,
    /// Columns hidden on the left.
    hidden: usize,
    room: usize,
}

impl GridLayout {
    /// For so many columns, such that this trial is on the screen.
    pub(super) fn of(picture: &Picture, columns: u16, model: usize, repetition: usize) -> Self {
        let grid = &picture.places.grid;
        let longest = grid.scenarios.iter().map(|name| width(name)).max().unwrap_or(0);
        let names = cells(longest).clamp(14, (columns * 2 / 5).max(14));
        let room = usize::from(columns.saturating_sub(names + 4));
        let models = grid.models.len().max(1);
        let longest = grid.models.iter().map(|name| width(name)).max().unwrap_or(0);
        let fair = (room / models).saturating_sub(GAP);
        let each = longest.min(fair).max(grid.runs).max(6);
        // As little as needed to show what is chosen.
        let chosen = model * (each + GAP) + repetition;
        let hidden = (chosen + 1).saturating_sub(room);
        Self {
            names,
            each,
            hidden,
            room,
        }
    }

    fn slot(&self, line: Rect, from: usize, columns: usize) -> Option<Slot> {
        let begin = from.max(self.hidden);
        let end = (from + columns).min(self.hidden + self.room);
        (begin < end).then(|| Slot {
            x: line.x + self.names + 4 + cells(begin - self.hidden),
            y: line.y,
            width: cells(end - begin),
        })
    }

    /// Columns of a model.
    pub(super) fn model(&self, line: Rect, model: usize) -> Option<Slot> {
        self.slot(line, model * (self.each + GAP), self.each)
    }

    /// The column of a trial.
    pub(super) fn cell(&self, line: Rect, model: usize, repetition: usize) -> Option<Slot> {
        self.slot(line, model * (self.each + GAP) + repetition, 1)
    }
}
