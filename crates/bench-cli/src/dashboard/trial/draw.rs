//! A trial, drawn: how it stands, what is shown of it, that, and what it is at.

use bench_report::conversation::Tone;
use bench_report::text::{clean_line, count};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::rows::Sheet;
use super::talk::Seen;
use super::{BEFORE, TABS, TrialScreen};
use crate::dashboard::look::{Look, Sign};
use crate::dashboard::paint::{Side, Slot, cells, footer, header, line, put, say, slots, too_small, width};
use crate::dashboard::wrap::wrap;

/// Columns of a time of day.
const CLOCK: u16 = 8;

/// Columns and rows without which it tells nothing.
const LEAST: (u16, u16) = (40, 6);

/// Draws the screen.
pub(crate) fn draw(trial: &TrialScreen, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if too_small(buffer, look, LEAST, trial.bindings()) {
        return;
    }
    let mut pen = Pen { trial, look, buffer };
    let title = trial.trial.to_string();
    header(pen.buffer, look, line(area, 0), &title, &pen.standing());
    pen.tabs(line(area, 1));
    match trial.sheet() {
        None => pen.talk(area),
        Some(sheet) => pen.sheet(sheet, area),
    }
    pen.at_what(line(area, area.height - 2));
    if trial.path_shown {
        pen.path(area);
    }
    footer(
        pen.buffer,
        look,
        line(area, area.height - 1),
        trial.bindings(),
        |_| true,
    );
}

struct Pen<'a> {
    trial: &'a TrialScreen,
    look: Look,
    buffer: &'a mut Buffer,
}

impl Pen<'_> {
    fn put(&mut self, slot: Slot, text: &str, style: Style, side: Side) {
        put(self.buffer, self.look, slot, text, style, side);
    }

    /// `✗ failed`, `⠙ under way`.
    fn standing(&self) -> String {
        let standing = &self.trial.standing;
        let word = match (standing.sign, &standing.end) {
            (Sign::Running, _) => return format!("{} under way", self.look.spinner(self.trial.turn)),
            (Sign::Waiting, _) => "waits for its turn",
            (_, Some(end)) => end.outcome.name(),
            _ if self.trial.talk.count() > 0 => "interrupted",
            _ => "has not begun",
        };
        format!("{} {word}", self.look.sign(standing.sign))
    }

    /// What can be shown, and where in it one is.
    fn tabs(&mut self, line: Rect) {
        let mut x = line.x;
        for (tab, name) in TABS {
            let slot = Slot {
                x,
                y: line.y,
                width: cells(width(name) + 2).min(line.right().saturating_sub(x)),
            };
            let style = if tab == self.trial.tab {
                self.look.chosen()
            } else {
                self.look.faint()
            };
            self.put(slot, &format!(" {name} "), style, Side::Left);
            x += slot.width;
        }
        let room = line.right().saturating_sub(x + 2);
        let slot = Slot {
            x: line.right() - room,
            y: line.y,
            width: room,
        };
        self.put(slot, &self.place(), self.look.faint(), Side::Right);
    }

    /// `step 12 of 40`, `entry 12 of 40`, `40 entries, following`.
    fn place(&self) -> String {
        if let Some(sheet) = self.trial.sheet() {
            return sheet.place();
        }
        let talk = &self.trial.talk;
        let all = talk.count();
        match talk.step {
            Some(step) => format!("step {} of {all}", step + 1),
            None if talk.follows && self.trial.standing.end.is_none() => {
                format!("{}, following", entries(all))
            }
            None if all == 0 => String::new(),
            None => format!("entry {} of {all}", talk.chosen + 1),
        }
    }

    fn talk(&mut self, area: Rect) {
        let trial = self.trial;
        let seen = trial.talk.seen();
        if seen.is_empty() {
            let words = match (&trial.trouble, trial.read) {
                (Some(_), _) => "", // said below
                (None, false) => "reading …",
                (None, true) => "nothing was said yet",
            };
            let [slot] = slots(line(area, 2), [(area.width, BEFORE)]);
            return self.put(slot, words, self.look.faint(), Side::Left);
        }
        let mut pointed = false;
        for (n, seen) in seen.iter().enumerate() {
            let line = line(area, 2 + cells(n));
            let blank = seen.row.is_some_and(super::rows::Row::is_blank);
            if seen.entry == trial.talk.chosen && !blank && !pointed {
                pointed = true;
                let [slot] = slots(line, [(1, 0)]);
                let pointer = self.look.pointer().to_string();
                self.put(slot, &pointer, self.look.key(), Side::Left);
            }
            self.said(line, seen);
        }
    }

    fn said(&mut self, line: Rect, seen: &Seen<'_>) {
        let [slot] = slots(line, [(line.width.saturating_sub(BEFORE), BEFORE)]);
        let Some(row) = seen.row else {
            return self.put(slot, "…", self.look.faint(), Side::Left);
        };
        self.put(slot, &row.text, style(row.tone, self.look), Side::Left);
        let taken = cells(width(&row.text)) + 2 + CLOCK;
        if let Some(at) = seen.at.filter(|_| taken <= slot.width) {
            self.put(slot, at, self.look.faint(), Side::Right);
        }
    }

    fn sheet(&mut self, sheet: &Sheet, area: Rect) {
        for (n, row) in sheet.seen().iter().enumerate() {
            let [slot] = slots(
                line(area, 2 + cells(n)),
                [(area.width.saturating_sub(BEFORE), BEFORE)],
            );
            self.put(slot, &row.text, style(row.tone, self.look), Side::Left);
        }
    }

    /// The path of the transcript above the keys, all of it.
    fn path(&mut self, area: Rect) {
        let rows = wrap(&clean_line(&self.trial.file), area.width.into());
        let first = area.height.saturating_sub(1 + cells(rows.len()));
        for (n, row) in rows.iter().enumerate() {
            let [slot] = slots(line(area, first + cells(n)), [(area.width, 0)]);
            let blank = " ".repeat(area.width.into());
            self.put(slot, &blank, Style::reset(), Side::Left);
            self.put(slot, row, self.look.key(), Side::Left);
        }
    }

    /// What it waits for, or what is wrong.
    fn at_what(&mut self, line: Rect) {
        let (trial, look) = (self.trial, self.look);
        let [slot] = slots(line, [(line.width, 0)]);
        if let Some(trouble) = &trial.trouble {
            say(self.buffer, look, slot, trouble, look.bad());
        } else if let Some(waiting) = trial.standing.wait.as_ref().filter(|_| trial.is_going()) {
            let style = if waiting.wait.idle {
                look.odd()
            } else {
                look.faint()
            };
            say(self.buffer, look, slot, &waiting.words_alone(trial.now), style);
        }
    }
}

fn entries(n: usize) -> String {
    if n == 1 {
        count(n, "entry")
    } else {
        format!("{n} entries")
    }
}

fn style(tone: Tone, look: Look) -> Style {
    match tone {
        Tone::Heading => look.strong(),
        Tone::Attempt => look.strong().patch(look.odd()),
        Tone::Fact | Tone::Reasoning | Tone::More => look.faint(),
        Tone::Said | Tone::Arguments | Tone::Result => Style::new(),
        Tone::Call | Tone::Answered => look.key(),
        Tone::Refused | Tone::False => look.bad(),
        Tone::True => look.good(),
        Tone::Unknown | Tone::Note => look.odd(),
    }
}
