//! The conversation on the screen: which entries are there, which one is chosen, and what of them is in view.
//!
//! Only some entries are known, those around the screen; each of the others is taken for one row until it comes. So all
//! that is ever looked at is a screenful, however long the transcript is.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bench_report::conversation::Piece;

use super::rows::{Row, rows_of};

/// Entries are asked for in blocks of so many, so that not every step asks for others.
const BLOCK: usize = 64;

/// An entry of the transcript.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// When it was said, as `03:04:05`; empty if that is not known.
    pub(crate) at: String,
    pub(crate) pieces: Vec<Piece>,
}

/// Entries as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entries {
    /// How many there are.
    pub(crate) all: usize,
    /// The number of the first one below.
    pub(crate) from: usize,
    pub(crate) said: Vec<Arc<Said>>,
}

/// An entry in rows.
#[derive(Debug)]
struct Laid {
    said: Arc<Said>,
    rows: Vec<Row>,
}

impl Laid {
    fn new(said: Arc<Said>, columns: usize) -> Self {
        let rows = rows_of(&said.pieces, columns);
        Self { said, rows }
    }

    /// The first row that is not blank.
    fn first(&self) -> usize {
        usize::from(self.rows.first().is_some_and(Row::is_blank))
    }
}

/// A row of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Spot {
    entry: usize,
    row: usize,
}

/// What is in view of an entry.
pub(super) struct Seen<'a> {
    pub(super) entry: usize,
    /// When it was said; beside its first words only.
    pub(super) at: Option<&'a str>,
    /// None if it is not known yet.
    pub(super) row: Option<&'a Row>,
}

/// The state.
#[derive(Debug)]
pub(super) struct Talk {
    /// Entries of the transcript.
    lines: usize,
    from: usize,
    laid: Vec<Laid>,
    /// How the trial ended: one more entry.
    end: Option<Laid>,
    pub(super) chosen: usize,
    /// The first row in view.
    top: Spot,
    /// The last entry that is shown, where the trial is replayed.
    pub(super) step: Option<usize>,
    /// Whether what is new is shown as it comes.
    pub(super) follows: bool,
    /// Whether the last row stays at the bottom, as long as nobody scrolls.
    pinned: bool,
    unfolded: BTreeSet<usize>,
    columns: usize,
    rows: usize,
}

impl Talk {
    /// Before anything is known; at the end of what comes if it `follows`.
    pub(super) fn new(follows: bool) -> Self {
        Self {
            lines: 0,
            from: 0,
            laid: Vec::new(),
            end: None,
            chosen: 0,
            top: Spot::default(),
            step: None,
            follows,
            pinned: follows,
            unfolded: BTreeSet::new(),
            columns: 80,
            rows: 20,
        }
    }

    /// Entries, how the trial ended included.
    pub(super) fn count(&self) -> usize {
        self.lines + usize::from(self.end.is_some())
    }

    /// Behind the last entry that is shown.
    fn shown(&self) -> usize {
        let count = self.count();
        self.step.map_or(count, |step| count.min(step + 1))
    }

    pub(super) fn resize(&mut self, columns: usize, rows: usize) {
        if columns != self.columns {
            for laid in self.laid.iter_mut().chain(&mut self.end) {
                *laid = Laid::new(Arc::clone(&laid.said), columns);
            }
        }
        (self.columns, self.rows) = (columns, rows.max(1));
        self.settle();
        self.reveal();
    }

    /// Takes in entries that were read.
    pub(super) fn read(&mut self, entries: Entries) {
        let old = std::mem::take(&mut self.laid);
        let mut old: Vec<Option<Laid>> = old.into_iter().map(Some).collect();
        let (before, columns) = (self.from, self.columns);
        let laid = entries.said.into_iter().enumerate().map(|(n, said)| {
            let known = (entries.from + n)
                .checked_sub(before)
                .and_then(|at| old.get_mut(at)?.take())
                .filter(|laid| Arc::ptr_eq(&laid.said, &said));
            known.unwrap_or_else(|| Laid::new(said, columns))
        });
        self.laid = laid.collect();
        (self.lines, self.from) = (entries.all, entries.from);
        self.settle();
    }

    /// How the trial ended; nothing while it goes on.
    pub(super) fn ended(&mut self, pieces: Option<Vec<Piece>>) {
        let said = |pieces| Said {
            at: String::new(),
            pieces,
        };
        self.end = pieces.map(|pieces| Laid::new(Arc::new(said(pieces)), self.columns));
        self.settle();
    }

    /// The entries to read.
    pub(super) fn wanted(&self) -> Range<usize> {
        let block = self.top.entry / BLOCK;
        let behind = block + 2 + self.rows / BLOCK;
        block.saturating_sub(1) * BLOCK..behind * BLOCK
    }

    /// Those of them to read whole.
    pub(super) fn unfolded(&self) -> Vec<usize> {
        self.unfolded.range(self.wanted()).copied().collect()
    }

    /// Unfolds the chosen entry, or folds it.
    pub(super) fn fold(&mut self) {
        if self.chosen < self.lines && !self.unfolded.remove(&self.chosen) {
            self.unfolded.insert(self.chosen);
            self.unpin();
        }
    }

    fn unpin(&mut self) {
        (self.follows, self.pinned) = (false, false);
    }

    /// To the first entry; in a replay that is the first step.
    pub(super) fn first(&mut self) {
        self.unpin();
        self.step = self.step.map(|_| 0);
        (self.chosen, self.top) = (0, Spot::default());
        self.settle();
    }

    /// To the end, wherever it will be; a replay is over.
    pub(super) fn last(&mut self) {
        (self.follows, self.pinned) = (true, true);
        self.step = None;
        self.settle();
    }

    /// One entry further, or back: what comes behind it is not shown.
    pub(super) fn step(&mut self, forward: bool) {
        let at = self.step.unwrap_or(self.chosen);
        let last = self.count().saturating_sub(1);
        let step = if forward {
            (at + 1).min(last)
        } else {
            at.saturating_sub(1)
        };
        (self.follows, self.pinned) = (false, true);
        (self.step, self.chosen) = (Some(step), step);
        self.settle();
    }

    /// The next entry, or a row further in one that has more of them than the screen.
    pub(super) fn down(&mut self) {
        let last = Spot {
            entry: self.chosen,
            row: self.height(self.chosen) - 1,
        };
        if self.place(last).is_none() {
            return self.scroll(1);
        }
        if self.chosen + 1 < self.shown() {
            self.chosen += 1;
            self.come_into_view(1);
        }
    }

    /// The same upwards.
    pub(super) fn up(&mut self) {
        self.unpin();
        let first = Spot {
            entry: self.chosen,
            row: 0,
        };
        if first < self.top {
            return self.scroll(-1);
        }
        if self.chosen > 0 {
            self.chosen -= 1;
            self.come_into_view(-1);
        }
    }

    /// Shows the chosen entry: all of it if it fits, else a row more.
    fn come_into_view(&mut self, way: isize) {
        if self.height(self.chosen) <= self.rows {
            return self.reveal();
        }
        let near = Spot {
            entry: self.chosen,
            row: if way > 0 { 0 } else { self.height(self.chosen) - 1 },
        };
        if self.place(near).is_none() {
            self.top = self.walk(self.top, way);
            self.settle();
        }
    }

    /// So many rows further. What is chosen stays in view.
    pub(super) fn scroll(&mut self, by: isize) {
        if by < 0 {
            self.unpin();
        }
        self.top = self.walk(self.top, by).min(self.lowest());
        let bottom = self.walk(self.top, self.rows.cast_signed() - 1);
        let only_blank = bottom.row < self.first_words(bottom.entry);
        let last = bottom.entry.saturating_sub(only_blank.into());
        self.chosen = self.chosen.min(last).max(self.top.entry);
    }

    /// Rows of a page.
    pub(super) fn page(&self) -> isize {
        self.rows.cast_signed() - 1
    }

    fn height(&self, entry: usize) -> usize {
        self.laid(entry).map_or(1, |laid| laid.rows.len().max(1))
    }

    /// The first row of an entry that is not blank.
    fn first_words(&self, entry: usize) -> usize {
        self.laid(entry).map_or(0, Laid::first)
    }

    fn laid(&self, entry: usize) -> Option<&Laid> {
        if entry == self.lines {
            return self.end.as_ref();
        }
        self.laid.get(entry.checked_sub(self.from)?)
    }

    /// The spot so many rows further, within what is shown.
    fn walk(&self, from: Spot, by: isize) -> Spot {
        let (mut spot, mut left) = (from, by.unsigned_abs());
        while left > 0 {
            if by > 0 {
                let below = self.height(spot.entry) - 1 - spot.row.min(self.height(spot.entry) - 1);
                if left <= below {
                    spot.row += left;
                    break;
                }
                if spot.entry + 1 >= self.shown() {
                    spot.row += below;
                    break;
                }
                left -= below + 1;
                spot = Spot {
                    entry: spot.entry + 1,
                    row: 0,
                };
            } else {
                if left <= spot.row {
                    spot.row -= left;
                    break;
                }
                if spot.entry == 0 {
                    spot.row = 0;
                    break;
                }
                left -= spot.row + 1;
                spot = Spot {
                    entry: spot.entry - 1,
                    row: self.height(spot.entry - 1) - 1,
                };
            }
        }
        spot
    }

    /// The lowest first row: the last one is at the bottom of the screen then.
    fn lowest(&self) -> Spot {
        let entry = self.shown().saturating_sub(1);
        let last = Spot {
            entry,
            row: self.height(entry) - 1,
        };
        self.walk(last, 1 - self.rows.cast_signed())
    }

    /// The row of the screen on which a spot is; none if it is not in view.
    fn place(&self, spot: Spot) -> Option<usize> {
        if spot < self.top {
            return None;
        }
        let mut at = self.top;
        for row in 0..self.rows {
            if at == spot {
                return Some(row);
            }
            let next = self.walk(at, 1);
            if next == at {
                break;
            }
            at = next;
        }
        None
    }

    /// Scrolls as little as needed to show the chosen entry; its beginning where it is larger than the screen.
    fn reveal(&mut self) {
        let first = Spot {
            entry: self.chosen,
            row: 0,
        };
        let last = Spot {
            row: self.height(self.chosen) - 1,
            ..first
        };
        if first < self.top && (first.entry < self.top.entry || self.height(self.chosen) <= self.rows) {
            self.top = first;
        } else if self.place(last).is_none() && first > self.top {
            self.top = self.walk(last, 1 - self.rows.cast_signed()).min(first);
        }
        self.settle();
    }

    /// Keeps everything within what there is.
    fn settle(&mut self) {
        let last = self.shown().saturating_sub(1);
        self.step = self.step.map(|step| step.min(self.count().saturating_sub(1)));
        self.chosen = self.chosen.min(last);
        if self.top.entry > last {
            self.top = self.lowest();
        }
        self.top.row = self.top.row.min(self.height(self.top.entry) - 1);
        let lowest = self.lowest();
        if self.follows {
            self.chosen = last;
        }
        self.top = if self.pinned { lowest } else { self.top.min(lowest) };
    }

    /// What is on the screen, row by row.
    pub(super) fn seen(&self) -> Vec<Seen<'_>> {
        let mut seen = Vec::with_capacity(self.rows);
        let mut spot = self.top;
        while seen.len() < self.rows && spot.entry < self.shown() {
            let laid = self.laid(spot.entry);
            let row = laid.and_then(|laid| laid.rows.get(spot.row));
            let first = laid.filter(|laid| laid.first() == spot.row);
            seen.push(Seen {
                entry: spot.entry,
                at: first.map(|laid| laid.said.at.as_str()),
                row,
            });
            spot.row += 1;
            if spot.row >= self.height(spot.entry) {
                spot = Spot {
                    entry: spot.entry + 1,
                    row: 0,
                };
            }
        }
        seen
    }
}
