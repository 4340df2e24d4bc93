//! The box in the middle of the screen, and the line above its keys.

use bench_report::text::{count, shorten};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::ask::Ask;
use super::{Acts, Dialog, Told, rows_of};
use crate::dashboard::home::row::whole;
use crate::dashboard::look::{Look, Sign};
use crate::dashboard::paint::{cells, line, panel, say, slots, width};

/// Lines of a paragraph that are shown of it in a question.
const MOST_SAID: usize = 12;

/// A line with its style.
type Line = (String, Style);

impl Acts {
    /// Draws what is asked, told and under way above a screen.
    pub(crate) fn draw(&self, look: Look, turn: usize, area: Rect, buffer: &mut Buffer) {
        if area.height < 5 {
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
            Some(Dialog::Ask(ask)) => self.question(ask, look),
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

    fn question(&self, ask: &Ask, look: Look) -> Vec<Line> {
        let columns = self.columns();
        let mut lines = vec![(ask.title.clone(), look.strong())];
        for says in &ask.says {
            let said = rows_of(says, columns);
            let hidden = said.len().saturating_sub(MOST_SAID);
            lines.extend(said.into_iter().take(MOST_SAID).map(|line| (line, Style::new())));
            if hidden > 0 {
                lines.push((format!("… {} more", count(hidden, "line")), look.faint()));
            }
        }
        lines.push((String::new(), Style::new()));
        for choice in &ask.choices {
            lines.push((format!("{}  {}", choice.key, choice.words), look.key()));
            let command = self.program.shown(&choice.command);
            let command = rows_of(&command, columns.saturating_sub(3));
            lines.extend(
                command
                    .into_iter()
                    .map(|line| (format!("   {line}"), Style::new())),
            );
        }
        lines.push((
            "n  no: leave everything as it is; Esc and Enter, too".to_owned(),
            look.key(),
        ));
        lines
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
