//! Lines that fit: texts cut to their columns, headers, footers, the help.

use std::borrow::Cow;

use bench_report::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::keys::{Action, Binding, EVERYWHERE};
use super::look::Look;
use super::scroll::Scroll;
use super::wrap::wrap;

/// Where a text stands in its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Columns of one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) x: u16,
    pub(crate) y: u16,
    pub(crate) width: u16,
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A number as a coordinate.
pub(crate) fn cells(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// The text in so many columns: shortened in the middle if it takes more.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    // Wide characters take two columns: fewer of them fit.
    let fits = |longest| Some(text::shorten_middle(text, longest)).filter(|text| width(text) <= columns);
    let longest = (1..=columns).rev().find_map(fits);
    longest.map_or_else(String::new, Cow::into_owned)
}

/// The text without what makes one sign of several: terminals do not agree on how many columns such a sign takes, and one
/// that takes others than we count leaves parts of it behind when something else is drawn there. Flags become their two
/// letters, families the people in them; signs for a skin or a drawing style are left out.
pub(crate) fn apart(text: &str) -> Cow<'_, str> {
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}');
    let flag = |c: char| {
        let letter = u8::try_from(u32::from(c).checked_sub(0x1_f1e6)?)
            .ok()
            .filter(|letter| *letter < 26)?;
        Some(char::from(b'A' + letter))
    };
    if text.is_ascii() || !text.chars().any(|c| joins(c) || flag(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter(|c| !joins(*c));
    Cow::Owned(kept.map(|c| flag(c).unwrap_or(c)).collect())
}

/// The text in so many columns: one that takes more loses its beginning.
pub(crate) fn end_of(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ends = text
        .char_indices()
        .map(|(at, _)| text.get(at..).unwrap_or_default());
    let fits = |end: &&str| width(end) < columns;
    format!("…{}", ends.skip(1).find(fits).unwrap_or_default())
}

/// Writes a text into a slot.
pub(crate) fn put(buffer: &mut Buffer, look: Look, slot: Slot, text: &str, style: Style, side: Side) {
    write(
        buffer,
        slot,
        &look.text(&fit(&apart(text), slot.width.into())),
        style,
        side,
    );
}

/// Writes a sentence into a slot: one that does not fit loses its end.
pub(crate) fn say(buffer: &mut Buffer, look: Look, slot: Slot, text: &str, style: Style) {
    let text = apart(text);
    let text = text::shorten(&text, slot.width.into());
    write(buffer, slot, &look.text(&text), style, Side::Left);
}

fn write(buffer: &mut Buffer, slot: Slot, text: &str, style: Style, side: Side) {
    let free = slot.width.saturating_sub(cells(width(text)));
    let x = if side == Side::Right {
        slot.x + free
    } else {
        slot.x
    };
    if slot.y < buffer.area.bottom() && x < buffer.area.right() {
        buffer.set_stringn(x, slot.y, text, slot.width.into(), style);
    }
}

/// Slots of a line, from the left, each `(width, gap before it)`.
pub(crate) fn slots<const N: usize>(line: Rect, columns: [(u16, u16); N]) -> [Slot; N] {
    let mut x = line.x;
    columns.map(|(width, gap)| {
        let begins = x.saturating_add(gap).min(line.right());
        x = begins.saturating_add(width).min(line.right());
        Slot {
            x: begins,
            y: line.y,
            width: x - begins,
        }
    })
}

/// The line `n` of an area.
pub(crate) fn line(area: Rect, n: u16) -> Rect {
    Rect {
        y: area.y.saturating_add(n).min(area.bottom()),
        height: 1,
        ..area
    }
}

/// A title on the left and facts on the right.
pub(crate) fn header(buffer: &mut Buffer, look: Look, line: Rect, title: &str, facts: &str) {
    let right = cells(width(&look.text(facts))).min(line.width);
    let left = line.width.saturating_sub(right + 2);
    let [title_slot, facts_slot] = slots(line, [(left, 0), (right, 2)]);
    put(buffer, look, title_slot, title, look.strong(), Side::Left);
    put(buffer, look, facts_slot, facts, Style::new(), Side::Right);
}

/// Those keys of a screen that fit on its last line and would do something now; help, the way out and marks always do. They
/// stand in the order of their table: the least needed, which come last, give way first.
pub(crate) fn footer(
    buffer: &mut Buffer,
    look: Look,
    line: Rect,
    bindings: &[Binding],
    does: impl Fn(Action) -> bool,
) {
    let first = |binding: &&Binding| matches!(binding.action, Action::Help | Action::Quit | Action::Mark);
    let always = bindings.iter().filter(first);
    let others = bindings
        .iter()
        .filter(|binding| !first(binding) && does(binding.action));
    let mut x = line.x;
    for binding in always.chain(others) {
        let Some(brief) = binding.brief else { continue };
        let (key, words) = (look.text(binding.shown), format!(" {brief}"));
        let taken = cells(width(&key) + width(&words));
        if x + taken > line.right() {
            break;
        }
        let (after, _) = buffer.set_stringn(x, line.y, &key, key.len(), look.key());
        buffer.set_stringn(after, line.y, &words, words.len(), look.faint());
        x += taken + 2;
    }
}

/// Says which size a screen needs, and how it is left, if it is smaller than so many columns and rows; whether it is.
pub(crate) fn too_small(buffer: &mut Buffer, look: Look, least: (u16, u16), bindings: &[Binding]) -> bool {
    let area = buffer.area;
    let (columns, rows) = least;
    if area.width >= columns && area.height >= rows {
        return false;
    }
    let (wide, high) = (area.width, area.height);
    let words = format!("This terminal has {wide} × {high} cells; {columns} × {rows} are needed here.");
    let quit = bindings.iter().find(|binding| binding.action == Action::Quit);
    let quit = quit.and_then(|quit| Some(format!("{} {}", quit.shown, quit.brief?)));
    let said = wrap(&words, wide.into()).into_iter().map(|row| (row, look.odd()));
    let lines = said.chain(quit.map(|quit| (quit, look.key())));
    for (n, (text, style)) in lines.enumerate() {
        let [slot] = slots(line(area, cells(n)), [(wide, 0)]);
        say(buffer, look, slot, &text, style);
    }
    true
}

/// Lines of the help of a screen, and rows for them on a terminal so high.
pub(crate) fn help_lines(bindings: &[Binding], height: u16) -> (usize, usize) {
    let all = bindings.len() + EVERYWHERE.len();
    let room = usize::from(height).saturating_sub(2 + 1);
    let rows = if all <= room { room } else { room.saturating_sub(1) };
    (all, rows)
}

/// All keys of a screen in the middle of it.
pub(crate) fn help(buffer: &mut Buffer, look: Look, area: Rect, bindings: &[Binding], scroll: Scroll) {
    let (all, rows) = help_lines(bindings, area.height);
    let bindings: Vec<&Binding> = bindings.iter().chain(EVERYWHERE).collect();
    let key_width = bindings.iter().map(|b| width(b.shown)).max().unwrap_or(0);
    let words = bindings.iter().map(|b| width(b.words)).max().unwrap_or(0);
    let place = scroll.words(all, rows);
    let high = 1 + all.min(rows) + usize::from(place.is_some());
    let inside = panel(buffer, look, area, key_width + words + 2, high);
    let [title] = slots(line(inside, 0), [(inside.width, 0)]);
    put(buffer, look, title, "Keys", look.strong(), Side::Left);
    let shown = bindings.get(scroll.shown(all, rows)).unwrap_or_default();
    for (n, binding) in shown.iter().enumerate() {
        let line = line(inside, cells(n + 1));
        let [key, text] = slots(line, [(cells(key_width), 0), (cells(words), 2)]);
        put(buffer, look, key, binding.shown, look.key(), Side::Left);
        put(buffer, look, text, binding.words, Style::new(), Side::Left);
    }
    if let Some(place) = place {
        let [slot] = slots(line(inside, inside.height.saturating_sub(1)), [(inside.width, 0)]);
        let place = format!("{place}; any other key closes");
        say(buffer, look, slot, &place, look.faint());
    }
}

/// An empty panel in the middle of an area, between two rules. Returns what is inside of it: so many columns and rows, or
/// as many as there are.
pub(crate) fn panel(buffer: &mut Buffer, look: Look, area: Rect, columns: usize, rows: usize) -> Rect {
    let wide = cells(columns + 4).min(area.width);
    let wide = if wide + 2 >= area.width { area.width } else { wide };
    let high = cells(rows + 2).min(area.height);
    let frame = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) / 2,
        width: wide,
        height: high,
    };
    // Beside the panel, too: half a word at its sides would look like a part of it.
    for y in frame.top()..frame.bottom() {
        let blank = " ".repeat(area.width.into());
        buffer.set_stringn(area.x, y, blank, area.width.into(), Style::reset());
    }
    let rule = String::from(look.rule()).repeat(wide.into());
    for y in [frame.top(), frame.bottom().saturating_sub(1)] {
        buffer.set_stringn(frame.x, y, &rule, wide.into(), look.faint());
    }
    Rect {
        x: frame.x + 2,
        y: frame.y + 1,
        width: wide.saturating_sub(4),
        height: high.saturating_sub(2),
    }
}

/// `5s`, `12m`, `3h`, `45d`: how long, in at most four columns.
pub(crate) fn short_age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3_600 => format!("{}m", s / 60),
        s @ 3_600..172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::keys::{HOME, RUN, TALK};
    use crate::dashboard::test_screen::{LOOK, screen};

    #[test]
    fn texts_keep_their_ends_and_their_columns() {
        assert_eq!(fit("create-bug~gpt-4o~1", 11), "creat…-4o~1");
        assert_eq!(fit("short", 11), "short");
        assert_eq!(fit("anything", 0), "");
        for columns in 0..12 {
            assert!(width(&fit("日本語のシナリオ", columns)) <= columns, "{columns}");
        }
    }

    #[test]
    fn no_sign_is_made_of_several() {
        for (text, want) in [
            ("Grüße, 日本", "Grüße, 日本"),
            ("🇩🇪 and 🇫", "DE and F"),
            ("👨\u{200d}👩\u{200d}👧!", "👨👩👧!"),
            ("❤\u{fe0f} 👍🏽 1\u{fe0f}\u{20e3}", "❤ 👍 1"),
            ("e\u{301}", "e\u{301}"),
        ] {
            assert_eq!(apart(text), want);
        }
        let area = Rect::new(0, 0, 9, 2);
        let look = Look {
            color: false,
            unicode: true,
        };
        let mut buffer = Buffer::empty(area);
        let slot = |y| Slot { x: 0, y, width: 9 };
        put(&mut buffer, look, slot(0), "a 🇩🇪 b", Style::new(), Side::Left);
        say(&mut buffer, look, slot(1), "a 🇩🇪 b", Style::new());
        assert_eq!(buffer, Buffer::with_lines(["a DE b   "; 2]));
    }

    #[test]
    fn a_text_that_is_typed_keeps_its_end() {
        assert_eq!(end_of("create-bug gpt", 14), "create-bug gpt");
        assert_eq!(end_of("create-bug gpt", 8), "…bug gpt");
        for columns in 1..12 {
            assert!(
                width(&end_of("日本語のシナリオ", columns)) <= columns,
                "{columns}"
            );
        }
    }

    #[test]
    fn ages_are_short() {
        for (seconds, want) in [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(short_age(seconds), want);
        }
    }

    #[test]
    fn the_help_is_whole_where_it_fits_and_scrolls_where_it_does_not() {
        for bindings in [HOME, RUN, TALK] {
            for rows in [14, 24, 60] {
                let mut scroll = Scroll::default();
                let mut seen = String::new();
                let (all, room) = help_lines(bindings, rows);
                loop {
                    let text = screen(80, rows, |frame| {
                        let area = frame.area();
                        help(frame.buffer_mut(), LOOK, area, bindings, scroll);
                    });
                    assert_eq!(text.contains("lines "), room < all, "{text}");
                    seen.push_str(&text);
                    if scroll.is_at_end(all, room) {
                        break;
                    }
                    scroll.by(isize::try_from(room).unwrap(), all, room);
                }
                for binding in bindings.iter().chain(EVERYWHERE) {
                    assert!(seen.contains(binding.words), "{}: {seen}", binding.words);
                }
            }
        }
    }

    #[test]
    fn a_panel_leaves_nothing_of_what_is_beside_it() {
        let text = screen(40, 7, |frame| {
            let area = frame.area();
            for y in 0..7 {
                frame
                    .buffer_mut()
                    .set_stringn(0, y, "日".repeat(20), 40, Style::new());
            }
            panel(frame.buffer_mut(), LOOK, area, 10, 3);
        });
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[1..6].concat(), "─".repeat(28), "{text}");
    }

    #[test]
    fn the_least_needed_keys_give_way_first() {
        let keys = |columns| {
            screen(columns, 1, |frame| {
                let area = frame.area();
                footer(frame.buffer_mut(), LOOK, area, HOME, |_| true);
            })
        };
        for columns in [30, 80] {
            let text = keys(columns);
            assert!(text.starts_with("? help  q quit  Space mark"), "{text}");
        }
        assert!(!keys(80).contains("prune") && keys(200).contains("P prune"));
    }
}
