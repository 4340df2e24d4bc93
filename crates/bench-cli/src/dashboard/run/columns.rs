//! Where the columns of the grid are: names of scenarios, then a block for each model.

use std::collections::BTreeSet;

use bench_report::compare::tables::letter;
use ratatui::layout::Rect;

use super::picture::Picture;
use crate::dashboard::paint::{Slot, cells, width};

/// Columns between two models.
const GAP: usize = 2;

/// Names of models in so many columns: without the providers where they do not fit, then without what all begin and end
/// with, then letters as in the table above. However short they are, no two are the same.
pub(super) fn heads(models: &[String], columns: usize) -> Heads {
    let fit = |names: &[&str]| {
        let different: BTreeSet<&&str> = names.iter().collect();
        let shown = names
            .iter()
            .all(|name| !name.is_empty() && width(name) <= columns);
        shown && different.len() == names.len()
    };
    let whole: Vec<&str> = models.iter().map(String::as_str).collect();
    let bare: Vec<&str> = whole
        .iter()
        .map(|name| name.split_once(':').map_or(*name, |(_, name)| name))
        .collect();
    let different = without_common(&bare);
    let found = [whole, bare, different].into_iter().find(|names| fit(names));
    match found {
        Some(names) => Heads::Names(names.into_iter().map(str::to_owned).collect()),
        None => Heads::Letters(models.len()),
    }
}

/// What stands above the columns of models.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// As much of each name as tells it from the others.
    Names(Vec<String>),
    /// A letter each: the names stand in the table above.
    Letters(usize),
}

impl Heads {
    /// What stands above a model.
    pub(super) fn of(&self, model: usize) -> String {
        match self {
            Self::Names(names) => names.get(model).cloned().unwrap_or_default(),
            Self::Letters(_) => letter(model),
        }
    }

    /// Columns for letters before names in the table of models.
    pub(super) fn letters(&self) -> u16 {
        match self {
            Self::Names(_) => 0,
            Self::Letters(models) => cells(letter(models.saturating_sub(1)).len()) + 1,
        }
    }
}

fn without_common<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let Some((first, others)) = names.split_first() else {
        return Vec::new();
    };
    let begin = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let end = |a: &str, b: &str| {
        a.chars()
            .rev()
            .zip(b.chars().rev())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let from = others.iter().map(|other| begin(first, other)).min().unwrap_or(0);
    let to = others.iter().map(|other| end(first, other)).min().unwrap_or(0);
    let cut = |name: &'a str| {
        let name = name
            .char_indices()
            .nth(from)
            .and_then(|(at, _)| name.get(at..))
            .unwrap_or_default();
        let kept = name.chars().count().saturating_sub(to);
        let until = name.char_indices().nth(kept).map_or(name.len(), |(at, _)| at);
        name.get(..until).unwrap_or_default()
    };
    names.iter().map(|name| cut(name)).collect()
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

    /// What stands above the columns of models.
    pub(super) fn heads(&self, models: &[String]) -> Heads {
        heads(models, self.each)
    }

    /// Models of which not all is on the screen, on the left and on the right.
    pub(super) fn beyond(&self, models: usize, runs: usize) -> (usize, usize) {
        let whole = self.each + GAP;
        let left = self.hidden.div_ceil(whole).min(models);
        let ends = |model: &usize| model * whole + runs > self.hidden + self.room;
        (left, (0..models).filter(ends).count())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart_however_few_columns_there_are() {
        let names = |names: &[&str], columns| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let heads = heads(&names, columns);
            (0..names.len()).map(|n| heads.of(n)).collect::<Vec<_>>()
        };
        let two = ["openai:gpt-4o-mini", "openai:gpt-5-mini"];
        assert_eq!(names(&two, 20), two);
        assert_eq!(names(&two, 11), ["gpt-4o-mini", "gpt-5-mini"]);
        assert_eq!(names(&two, 6), ["4o", "5"]);
        assert_eq!(names(&two, 1), ["A", "B"]);
        let same = ["hub/one:model", "hub/two:model"];
        assert_eq!(names(&same, 6), ["A", "B"], "only the providers differ");
        assert_eq!(names(&["a", "ab"], 1), ["A", "B"], "nothing is left of one");
        assert_eq!(names(&["日本語", "日本人"], 2), ["語", "人"]);
        assert_eq!(names(&["openai:one"], 2), ["A"]);
    }
}
