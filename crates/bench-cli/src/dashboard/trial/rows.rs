//! Pieces of a conversation as rows of a width, and texts that are longer than the screen.

use bench_report::conversation::{Piece, Tone};

use crate::dashboard::wrap::wrap;

/// A row of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl Row {
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

/// The pieces in so many columns, a blank row before each that somebody says.
pub(super) fn rows_of(pieces: &[Piece], columns: usize) -> Vec<Row> {
    let mut rows = Vec::with_capacity(pieces.len());
    for Piece { tone, text } in pieces {
        let tone = *tone;
        // On a screen they stand out without signs.
        let lead = match tone {
            Tone::Heading | Tone::Attempt => {
                rows.push(Row {
                    tone,
                    text: String::new(),
                });
                ""
            }
            tone => tone.lead(),
        };
        let room = columns.saturating_sub(lead.len()).max(2);
        let lines = wrap(text, room).into_iter().map(|text| Row {
            tone,
            text: format!("{lead}{text}"),
        });
        rows.extend(lines);
    }
    rows
}

/// A text on the screen, of which a part is in view.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pieces: Vec<Piece>,
    rows: Vec<Row>,
    top: usize,
    /// Whether what is added at the end is shown as it comes, as long as nobody scrolls up.
    pinned: bool,
    columns: usize,
    room: usize,
}

impl Sheet {
    /// One that shows its end.
    pub(super) fn pinned() -> Self {
        Self {
            pinned: true,
            ..Self::default()
        }
    }

    /// Shows another text, at the same place.
    pub(super) fn show(&mut self, pieces: Vec<Piece>) {
        if pieces != self.pieces {
            self.rows = rows_of(&pieces, self.columns);
            self.pieces = pieces;
            self.settle();
        }
    }

    pub(super) fn resize(&mut self, columns: usize, room: usize) {
        if columns != self.columns {
            self.rows = rows_of(&self.pieces, columns);
        }
        (self.columns, self.room) = (columns, room);
        self.settle();
    }

    pub(super) fn scroll(&mut self, by: isize) {
        self.pinned &= by >= 0;
        self.top = self.top.saturating_add_signed(by);
        self.settle();
    }

    /// To its beginning.
    pub(super) fn first(&mut self) {
        (self.top, self.pinned) = (0, false);
    }

    /// To its end, and on with what comes.
    pub(super) fn last(&mut self) {
        self.pinned = true;
        self.settle();
    }

    fn settle(&mut self) {
        let lowest = self.rows.len().saturating_sub(self.room);
        self.top = if self.pinned { lowest } else { self.top.min(lowest) };
    }

    /// Rows of a page.
    pub(super) fn page(&self) -> isize {
        self.room.saturating_sub(1).cast_signed()
    }

    /// What is in view.
    pub(super) fn seen(&self) -> &[Row] {
        let end = self.rows.len().min(self.top + self.room);
        self.rows.get(self.top..end).unwrap_or_default()
    }

    /// `rows 1–20 of 45`; nothing where all of it is in view.
    pub(super) fn place(&self) -> String {
        let (seen, all) = (self.seen().len(), self.rows.len());
        if seen == all {
            return String::new();
        }
        format!("rows {}–{} of {all}", self.top + 1, self.top + seen)
    }
}
