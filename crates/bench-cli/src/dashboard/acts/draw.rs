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

/// Lines of a paragraph that are shown of it in a question.
const MOST_SAID: usize = 12;

/// A line with its style.
type Line = (String, Style);

impl Acts {
    /// Draws what is asked, told and under way above a screen.
    pub(crate) fn draw(&self, look: Look, turn: usize, area: Rect, buffer: &mut Buffer) {
        if area.height < LOWEST {
            return;
        }
        if let Some((words, style)) = self.status(look, turn) {
            let line = line(area, area.height - 2);
            buffer.set_stringn(
                line.x,
                line.y,
                " ".repeat(line.width.into()),
                line.width.into(),
                Style::reset(),
            );
            let [slot] = slots(line, [(line.width, 0)]);
            say(buffer, look, slot, &words, style);
        }
        let lines = match &self.open {
            None => return,
            Some(Dialog::Ask(ask)) => self
                .question(ask, look)
                .unwrap_or_else(|| self.wrapped(TOO_SMALL, look.odd())),
            Some(Dialog::Told(told)) => self.text(told, look),
        };
        let widest = lines.iter().map(|(text, _)| width(text)).max();
        let inside = panel(buffer, look, area, widest.unwrap_or(0), lines.len());
        for (n, (text, style)) in lines.iter().enumerate().take(inside.height.into()) {
            let [slot] = slots(line(inside, cells(n)), [(inside.width, 0)]);
            say(buffer, look, slot, text, *style);
        }
    }

    /// What is under way, else how the last command ended.
    fn status(&self, look: Look, turn: usize) -> Option<Line> {
        if let Some(job) = self.jobs.last() {
            let took = (self.now - job.since).to_std().unwrap_or_default();
            let more = match self.jobs.len() - 1 {
                0 => String::new(),
                n => format!(", and {} more", count(n, "command")),
            };
            let words = format!(
                "{} {} · {}{more}",
                look.spinner(turn),
                self.program.shown(&job.words),
                whole(took)
            );
            return Some((words, look.key()));
        }
        match &self.said {
            None => self.notice.map(|words| (words.to_owned(), look.odd())),
            Some(said) if said.done => {
                Some((format!("{} {}", look.sign(Sign::Passed), said.words), look.good()))
            }
            Some(said) => Some((said.words.clone(), look.odd())),
        }
    }

    /// The lines of a question. In a low terminal its text is shortened first, then the commands of its answers are left
    /// out; none if what is asked and the keys do not fit even then.
    fn question(&self, ask: &Ask, look: Look) -> Option<Vec<Line>> {
        let least = self.least(ask)?;
        let whole: usize = ask.choices.iter().map(|choice| self.command(choice).len()).sum();
        let room = self.rows_of_question() - least;
        let (with_commands, room) = room.checked_sub(whole).map_or((false, room), |left| (true, left));
        let mut lines = self.wrapped(&ask.title, look.strong());
        let said = self.what_it_says(ask, room, look);
        let blank = said.len() < room;
        lines.extend(said);
        lines.extend(blank.then(|| (String::new(), Style::new())));
        for choice in &ask.choices {
            lines.extend(self.wrapped(&answer(choice), look.key()));
            let command = self.command(choice).into_iter().filter(|_| with_commands);
            lines.extend(command.map(|line| (line, Style::new())));
        }
        lines.extend(self.wrapped(NO, look.key()));
        Some(lines)
    }

    /// Rows of what is asked and of the keys alone; none if there is no room for them.
    fn least(&self, ask: &Ask) -> Option<usize> {
        let columns = self.columns();
        if columns == 0 {
            return None;
        }
        let answers = ask.choices.iter().map(answer);
        let rows = answers
            .map(|answer| rows_of(&answer, columns).len())
            .sum::<usize>()
            + rows_of(&ask.title, columns).len()
            + rows_of(NO, columns).len();
        (rows <= self.rows_of_question()).then_some(rows)
    }

    /// Whether a question is to be seen, with its keys.
    pub(super) fn asks(&self, ask: &Ask) -> bool {
        self.least(ask).is_some()
    }

    /// What a question says, in so many rows at most.
    fn what_it_says(&self, ask: &Ask, room: usize, look: Look) -> Vec<Line> {
        let paragraphs = ask.says.iter().map(|says| rows_of(says, self.columns()));
        let paragraphs: Vec<Vec<String>> = paragraphs.collect();
        let cut = |rows: Vec<String>, most: usize| {
            let hidden = rows.len().saturating_sub(most);
            let shown = rows.into_iter().take(most).map(|row| (row, Style::new()));
            let more = (hidden > 0).then(|| (format!("… {} more", count(hidden, "line")), look.faint()));
            shown.chain(more).collect::<Vec<Line>>()
        };
        let lines: Vec<Line> = paragraphs
            .iter()
            .flat_map(|rows| cut(rows.clone(), MOST_SAID))
            .collect();
        match room {
            room if lines.len() <= room => lines,
            0 => Vec::new(),
            room => cut(paragraphs.concat(), room - 1),
        }
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
        let said = rows_of(&told.text, columns);
        let (all, last) = (said.len(), (told.top + rows).min(said.len()));
        let mut lines = vec![
            (
                shorten(&told.title, columns).into_owned(),
                if told.bad { look.bad() } else { look.strong() },
            ),
            (String::new(), Style::new()),
        ];
        let shown = said.into_iter().skip(told.top).take(rows);
        lines.extend(shown.map(|line| (line, Style::new())));
        lines.push((String::new(), Style::new()));
        let keys = if all > rows {
            format!(
                "lines {}–{last} of {all}; ↑ ↓ scroll, any other key closes",
                told.top + 1
            )
        } else {
            "any key closes".to_owned()
        };
        lines.push((keys, look.faint()));
        lines
    }
}

fn answer(choice: &Choice) -> String {
    format!("{}  {}", choice.key, choice.words)
}
