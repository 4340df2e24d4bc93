//! Texts in rows of a width.

use std::mem;

use ratatui::style::Style;
use ratatui::text::Span;

use super::paint::{apart, width};

/// Columns for a tab.
const TAB: &str = "    ";

/// The rows of a line in so many columns: broken between words where that is possible. What hangs over begins below the
/// first word, in the left half.
pub(crate) fn wrap(line: &str, columns: usize) -> Vec<String> {
    let line = apart(line).replace('\t', TAB);
    if line.len() <= columns && line.is_ascii() {
        return vec![line];
    }
    let blank = line.len() - line.trim_start_matches(' ').len();
    let indent = " ".repeat(blank.min(columns / 2));
    let mut rows = Rows {
        columns,
        lead: blank,
        indent,
        done: Vec::new(),
        row: String::new(),
        taken: 0,
        gap: None,
    };
    if line.is_ascii() {
        // Finding graphemes takes ten times as long, and lines of JSON have no end.
        for at in 0..line.len() {
            rows.push(line.get(at..=at).unwrap_or_default());
        }
        return rows.done();
    }
    for grapheme in Span::raw(line.as_str()).styled_graphemes(Style::new()) {
        rows.push(grapheme.symbol);
    }
    rows.done()
}

struct Rows {
    columns: usize,
    /// Blanks at the beginning of the row, behind which it is not broken.
    lead: usize,
    /// What rows but the first begin with.
    indent: String,
    done: Vec<String>,
    row: String,
    /// Columns that the row takes.
    taken: usize,
    /// Where the row may be broken.
    gap: Option<Gap>,
}

/// The end of a space.
#[derive(Clone, Copy)]
struct Gap {
    bytes: usize,
    columns: usize,
}

impl Rows {
    fn push(&mut self, grapheme: &str) {
        let wide = if grapheme.is_ascii() { 1 } else { width(grapheme) };
        let least = if self.done.is_empty() {
            0
        } else {
            self.indent.len()
        };
        while self.taken + wide > self.columns && self.taken > least {
            if grapheme == " " && self.taken == self.columns {
                return self.turn(None); // a space at the end takes no room
            }
            self.turn(self.gap.filter(|gap| gap.columns > self.lead));
        }
        self.row.push_str(grapheme);
        self.taken += wide;
        if grapheme == " " {
            self.gap = Some(Gap {
                bytes: self.row.len(),
                columns: self.taken,
            });
        }
    }

    /// Begins a new row: with what stands behind the gap, if there is one.
    fn turn(&mut self, gap: Option<Gap>) {
        let over = gap.map_or_else(String::new, |gap| self.row.split_off(gap.bytes));
        let over_columns = gap.map_or(0, |gap| self.taken - gap.columns);
        let next = format!("{}{over}", self.indent);
        let row = mem::replace(&mut self.row, next);
        self.done.push(row.trim_end_matches(' ').to_owned());
        self.taken = self.indent.len() + over_columns;
        self.lead = self.indent.len();
        self.gap = None;
    }

    fn done(mut self) -> Vec<String> {
        self.done.push(self.row);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a\tb", 5), ["a", "b"]);
        assert_eq!(wrap("abcdefghijk", 4), ["abcd", "efgh", "ijk"]);
        assert_eq!(wrap("ab cdefghijk", 4), ["ab", "cdef", "ghij", "k"]);
    }

    #[test]
    fn what_hangs_over_stands_below_its_beginning() {
        assert_eq!(wrap("  \"key\": one two", 12), ["  \"key\": one", "  two"]);
        let deep = wrap("        deep and long", 10);
        assert_eq!(deep, ["        de", "     ep", "     and", "     long"]);
    }

    #[test]
    fn no_row_is_wider_than_the_screen() {
        let texts = [
            "日本語のシナリオ と 長い 行",
            "👩‍👩‍👧‍👦👩‍👩‍👧‍👦 e\u{301}e\u{301}e\u{301} x",
            "      six blanks   and more   blanks",
            "a aa aaa aaaa aaaaa aaaaaa",
        ];
        for text in texts {
            for columns in 2..40 {
                let rows = wrap(text, columns);
                assert!(
                    rows.iter().all(|row| width(row) <= columns),
                    "{columns}: {rows:?}"
                );
                let (seen, said) = (rows.concat().replace(' ', ""), apart(text).replace(' ', ""));
                assert_eq!(seen, said, "{columns}");
            }
        }
    }
}
