//! The box in the middle of the screen, and the line above its keys.

use bench_report::text::{count, shorten};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::ask::{Ask, Choice};
use super::{Acts, Dialog, LOWEST, Told, rows_of};
use crate::dashboard::home::row::whole;
use crate::dashboard::look::{Look, Sign};
use crate::dashboard::paint::{cells, line, panel, say, slots, width};

/// What is said instead of a question that does not fit.
const TOO_SMALL: &str = "the terminal is too small to ask";

/// The answer that every question has.
const NO: &str = "n  no: leave everything as it is; Esc and Enter, too";

/// Rows for what a question says that are worth more than the commands of its answers.
const READABLE: usize = 4;

/// A line with its style.
type Line = (String, Style);

/// How a question is laid out.
pub(super) struct Laid {
    /// What it says, in rows.
    pub(super) said: Vec<String>,
    /// How many of them are on the screen.
    pub(super) rows: usize,
    /// Whether there is room for a blank line behind them.
    blank: bool,
    /// Whether there is room for the commands of its answers.
    with_commands: bool,
}

impl Acts {
    /// Draws what is asked, told and under way above a screen.
    pub(crate) fn draw(&self, look: Look, turn: usize, area: Rect, buffer: &mut Buffer) {
        if area.height < LOWEST {
            return;
        }
        let status = self.status(look, turn);
        for (n, (words, style)) in status.iter().enumerate() {
            // They end above the keys.
            let up = cells(status.len() - n);
            let line = line(area, area.height.saturating_sub(1 + up));
            let blank = " ".repeat(line.width.into());
            buffer.set_stringn(line.x, line.y, blank, line.width.into(), Style::reset());
            let [slot] = slots(line, [(line.width, 0)]);
            say(buffer, look, slot, words, *style);
        }
        let lines = match &self.open {
            None => return,
            Some(Dialog::Ask(ask)) => self
                .question(ask, look)
                .unwrap_or_else(|| self.wrapped(TOO_SMALL, look.odd())),
            Some(Dialog::Told(told)) => self.text(told, look),
        };
        // As wide as its widest line, also where that is scrolled away.
        let text = self.text_of_box().map_or_else(Vec::new, |(text, _)| text);
        let widths = lines.iter().map(|(line, _)| line).chain(&text);
        let widest = widths.map(|line| width(line)).max();
        let inside = panel(buffer, look, area, widest.unwrap_or(0), lines.len());
        for (n, (text, style)) in lines.iter().enumerate().take(inside.height.into()) {
            let [slot] = slots(line(inside, cells(n)), [(inside.width, 0)]);
            say(buffer, look, slot, text, *style);
        }
    }

    /// How commands ended, and what is under way; else what there is to be noticed.
    fn status(&self, look: Look, turn: usize) -> Vec<Line> {
        let said = self.said.iter().take(self.said_shown());
        let mut lines: Vec<Line> = said
            .map(|said| {
                if said.done {
                    (format!("{} {}", look.sign(Sign::Passed), said.words), look.good())
                } else {
                    (said.words.clone(), look.odd())
                }
            })
            .collect();
        lines.extend(self.under_way_words(look, turn));
        if lines.is_empty() {
            lines.extend(self.notice.map(|words| (words.to_owned(), look.odd())));
        }
        lines
    }

    fn under_way_words(&self, look: Look, turn: usize) -> Option<Line> {
        let job = self.jobs.last()?;
        let took = (self.now - job.since).to_std().unwrap_or_default();
        let more = match self.jobs.len() - 1 {
            0 => String::new(),
            n => format!(", and {} more", count(n, "command")),
        };
        let command = self.program.shown(&job.words);
        let words = format!("{} {command} · {}{more}", look.spinner(turn), whole(took));
        Some((words, look.key()))
    }

    /// The lines of a question; none if there is no room for it.
    fn question(&self, ask: &Ask, look: Look) -> Option<Vec<Line>> {
        let laid = self.laid(ask)?;
        let (all, scroll) = (laid.said.len(), self.seen.scroll);
        let mut lines = self.wrapped(&ask.title, look.strong());
        let shown = scroll.shown(all, laid.rows);
        let said = laid.said.get(shown).unwrap_or_default();
        lines.extend(said.iter().map(|row| (row.clone(), Style::new())));
        let (place, keys) = match scroll.words(all, laid.rows) {
            Some(place) if self.seen.end => (Some(place), look.key()),
            // Until then the keys are no keys.
            Some(place) => (
                Some(format!("{place} End; answers count once the end was seen")),
                look.faint(),
            ),
            None => (laid.blank.then(String::new), look.key()),
        };
        lines.extend(place.map(|place| (place, look.faint())));
        for choice in &ask.choices {
            lines.extend(self.wrapped(&answer(choice), keys));
            let command = self.command(choice).into_iter().filter(|_| laid.with_commands);
            lines.extend(command.map(|line| (line, Style::new())));
        }
        lines.extend(self.wrapped(NO, look.key()));
        Some(lines)
    }

    /// How a question is laid out. What is asked and the keys are always there, and what it says can be read: where that
    /// does not fit, it is scrolled, and where there is little room the commands of its answers are left out. None if there is
    /// no room even then.
    pub(super) fn laid(&self, ask: &Ask) -> Option<Laid> {
        let columns = self.columns();
        let room = self.rows_of_question().checked_sub(self.least(ask)?)?;
        let commands: usize = ask.choices.iter().map(|choice| self.command(choice).len()).sum();
        let said: Vec<String> = ask.says.iter().flat_map(|says| rows_of(says, columns)).collect();
        let with_commands = room >= commands + said.len().min(READABLE);
        let room = if with_commands { room - commands } else { room };
        let rows = if said.len() <= room {
            said.len()
        } else {
            room.checked_sub(1).filter(|rows| *rows > 0)?
        };
        Some(Laid {
            blank: said.len() < room,
            said,
            rows,
            with_commands,
        })
    }

    /// Rows of what is asked and of the keys alone; none if nothing fits beside each other.
    fn least(&self, ask: &Ask) -> Option<usize> {
        let columns = self.columns();
        if columns == 0 {
            return None;
        }
        let answers = ask.choices.iter().map(answer);
        let answers = answers.map(|answer| rows_of(&answer, columns).len());
        Some(answers.sum::<usize>() + rows_of(&ask.title, columns).len() + rows_of(NO, columns).len())
    }

    /// Whether a question is to be seen, with its keys.
    pub(super) fn asks(&self, ask: &Ask) -> bool {
        self.laid(ask).is_some()
    }

    fn command(&self, choice: &Choice) -> Vec<String> {
        let command = self.program.shown(&choice.command);
        let rows = rows_of(&command, self.columns().saturating_sub(3));
        rows.into_iter().map(|row| format!("   {row}")).collect()
    }

    fn wrapped(&self, text: &str, style: Style) -> Vec<Line> {
        let rows = rows_of(text, self.columns());
        rows.into_iter().map(|line| (line, style)).collect()
    }

    fn text(&self, told: &Told, look: Look) -> Vec<Line> {
        let (columns, rows) = (self.columns_to_read(), self.rows());
        let (said, scroll) = (rows_of(&told.text, columns), self.seen.scroll);
        let title = shorten(&told.title, columns).into_owned();
        let mut lines = vec![
            (title, if told.bad { look.bad() } else { look.strong() }),
            (String::new(), Style::new()),
        ];
        let shown = said.get(scroll.shown(said.len(), rows)).unwrap_or_default();
        lines.extend(shown.iter().map(|line| (line.clone(), Style::new())));
        lines.push((String::new(), Style::new()));
        let keys = scroll.words(said.len(), rows);
        let keys = keys.map_or_else(
            || "any key closes".to_owned(),
            |words| format!("{words}; any other key closes"),
        );
        lines.push((keys, look.faint()));
        lines
    }
}

fn answer(choice: &Choice) -> String {
    format!("{}  {}", choice.key, choice.words)
}
