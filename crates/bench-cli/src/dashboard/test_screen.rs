//! Screens as text, for snapshots.

use ratatui::backend::TestBackend;
use ratatui::{Frame, Terminal};

use super::look::Look;

/// Colour and all signs.
pub(crate) const LOOK: Look = Look {
    color: true,
    unicode: true,
};

/// What is drawn on so many columns and rows, trailing blanks cut off.
pub(crate) fn screen(columns: u16, rows: u16, draw: impl FnOnce(&mut Frame<'_>)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(draw).unwrap();
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let lines = buffer.content().chunks(width).map(|cells| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
