//! A text in a box that may be longer than the screen: which of its lines are shown, which keys move it, how that is said.

use std::ops::Range;

use ratatui::crossterm::event::KeyEvent;

use super::keys::{Action, BOX, decode};

/// Where a text is scrolled to. It knows neither the text nor the screen: all its lines, and the rows for them, are said
/// each time, because both may change meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scroll {
    top: usize,
}

impl Scroll {
    /// Takes a key that moves the text; whether it was one.
    pub(crate) fn key(&mut self, key: &KeyEvent, all: usize, rows: usize) -> bool {
        let page = isize::try_from(rows).unwrap_or(isize::MAX);
        let lines = match decode(BOX, key) {
            Some(Action::Up) => -1,
            Some(Action::Down) => 1,
            Some(Action::PageUp) => -page,
            Some(Action::PageDown) => page,
            Some(Action::First) => isize::MIN,
            Some(Action::Last) => isize::MAX,
            _ => return false,
        };
        self.by(lines, all, rows);
        true
    }

    /// Moves it by so many lines, as far as there are any.
    pub(crate) fn by(&mut self, lines: isize, all: usize, rows: usize) {
        let top = self.top.saturating_add_signed(lines);
        self.top = top.min(all.saturating_sub(rows));
    }

    /// The lines on the screen.
    pub(crate) fn shown(self, all: usize, rows: usize) -> Range<usize> {
        let top = self.top.min(all.saturating_sub(rows));
        top..(top + rows).min(all)
    }

    /// Whether the last line is on the screen.
    pub(crate) fn is_at_end(self, all: usize, rows: usize) -> bool {
        self.shown(all, rows).end == all
    }

    /// `lines 1–18 of 96; ↑ ↓ PgDn`; nothing where all are shown.
    pub(crate) fn words(self, all: usize, rows: usize) -> Option<String> {
        let shown = self.shown(all, rows);
        let hides = shown.len() < all;
        hides.then(|| format!("lines {}–{} of {all}; ↑ ↓ PgDn", shown.start + 1, shown.end))
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    #[test]
    fn every_line_can_be_reached_and_none_behind_the_last() {
        let mut scroll = Scroll::default();
        let press = |scroll: &mut Scroll, code| scroll.key(&KeyEvent::new(code, KeyModifiers::NONE), 96, 18);
        assert_eq!(
            scroll.words(96, 18).as_deref(),
            Some("lines 1–18 of 96; ↑ ↓ PgDn")
        );
        assert!(!press(&mut scroll, KeyCode::Char('y')));
        let mut seen = 0;
        while !scroll.is_at_end(96, 18) {
            assert!(scroll.shown(96, 18).start <= seen, "a line was left out");
            seen = scroll.shown(96, 18).end;
            assert!(press(&mut scroll, KeyCode::PageDown));
        }
        assert_eq!(scroll.shown(96, 18), 78..96);
        press(&mut scroll, KeyCode::Down);
        assert_eq!(scroll.shown(96, 18), 78..96);
        press(&mut scroll, KeyCode::Home);
        assert_eq!(scroll.shown(96, 18), 0..18);
        press(&mut scroll, KeyCode::End);
        // The terminal becomes larger, the text shorter.
        assert_eq!(scroll.shown(96, 90), 6..96);
        assert_eq!(scroll.shown(3, 18), 0..3);
        assert_eq!(scroll.words(3, 18), None);
    }
}
