//! Home, drawn.

use bench_report::text;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::row::{Going, Key, Over, Row, Stand};
use super::{Home, words};
use crate::dashboard::acts::ask::refusal;
use crate::dashboard::keys::{Action, FILTER, HOME};
use crate::dashboard::look::{Look, Sign};
use crate::dashboard::paint::{self, Side, Slot, cells, footer, header, line, put, say, short_age, slots};

/// Columns for how far a run is, what passed, cost, age and time left.
const GOING_FIGURES: u16 = 6 + 1 + 9 + 1 + 6 + 1 + 9 + 1 + 4 + 1 + 5;
/// Columns for the verifiers of a run that is over, and for its status.
const OVER_FIGURES: u16 = 15 + 2 + 9;

/// Columns and rows without which it tells nothing.
const LEAST: (u16, u16) = (40, 6);

/// Draws the screen.
pub(crate) fn draw(home: &Home, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if paint::too_small(buffer, look, LEAST, HOME) {
        return;
    }
    header(
        buffer,
        look,
        line(area, 0),
        &format!("Runs in {}", home.folder),
        &words::counts(home),
    );
    let style = if home.trouble.is_some() {
        look.bad()
    } else {
        look.faint()
    };
    let [facts] = slots(line(area, 1), [(area.width, 0)]);
    say(buffer, look, facts, &words::facts(home), style);
    let list = Rect {
        y: area.y + 2,
        height: cells(home.room()).min(area.height.saturating_sub(4)),
        ..area
    };
    draw_list(home, look, list, buffer);
    let chosen = home.chosen_rows();
    let first = area.height.saturating_sub(1 + cells(chosen.len()));
    for (n, row) in chosen.iter().enumerate() {
        let [slot] = slots(line(area, first + cells(n)), [(area.width, 0)]);
        say(buffer, look, slot, row, look.faint());
    }
    let (row, marked) = (home.chosen_row(), home.marked());
    let does = |action| match action {
        Action::Open => row.is_some_and(|row| matches!(row.key, Key::Run(_))),
        Action::Act(act) => refusal(act, row, &marked).is_none(),
        _ => true,
    };
    let keys = if home.typing { FILTER } else { HOME };
    footer(buffer, look, line(area, area.height - 1), keys, |action| {
        home.typing || does(action)
    });
}

fn draw_list(home: &Home, look: Look, list: Rect, buffer: &mut Buffer) {
    if home.rows.is_empty() && home.trouble.is_some() {
        return; // whether there are any is not known
    }
    if home.shown.is_empty() {
        let [slot] = slots(line(list, 1), [(list.width, 2)]);
        let words = match (home.rows.is_empty(), home.reading) {
            (true, true) => "reading …",
            (true, false) => "no runs here yet; `bench-cli run` makes one",
            (false, _) => "no run has these words",
        };
        return put(buffer, look, slot, words, look.faint(), Side::Left);
    }
    let mut pen = Pen {
        home,
        look,
        list,
        buffer,
        next: 0,
    };
    if home.over_at > 0 {
        pen.going_title();
        for at in home.going() {
            pen.going(*at);
        }
        pen.next += usize::from(!home.over().is_empty());
    }
    if !home.over().is_empty() {
        pen.over_title();
        // Rows above the screen need not even be looked at.
        let hidden = home.top.saturating_sub(pen.next);
        pen.next += hidden;
        for at in home.over().iter().skip(hidden).take(list.height.into()) {
            pen.over(*at);
        }
    }
}

/// Draws the list line by line; what is not on the screen is left out.
struct Pen<'a> {
    home: &'a Home,
    look: Look,
    list: Rect,
    buffer: &'a mut Buffer,
    /// The next line of the list.
    next: usize,
}

impl Pen<'_> {
    /// The next line, if it is on the screen.
    fn line(&mut self) -> Option<Rect> {
        let at = self.next.checked_sub(self.home.top);
        self.next += 1;
        let at = at.filter(|at| *at < self.list.height.into())?;
        Some(line(self.list, cells(at)))
    }

    fn put(&mut self, slot: Slot, text: &str, style: Style, side: Side) {
        put(self.buffer, self.look, slot, text, style, side);
    }

    fn say(&mut self, slot: Slot, text: &str, style: Style) {
        say(self.buffer, self.look, slot, text, style);
    }

    /// Names and figures of a run that goes on, and what is to be said of it on a wide screen.
    fn going_slots(&self, line: Rect) -> ([Slot; 10], Option<Slot>) {
        let names = self.names(line.width.saturating_sub(4 + 1 + 2 + GOING_FIGURES));
        let harness = names * 11 / 20;
        let columns = [
            (1, 0),
            (1, 1),
            (harness, 1),
            (names - harness, 1),
            (6, 2),
            (9, 1),
            (6, 1),
            (9, 1),
            (4, 1),
            (5, 1),
        ];
        self.with_rest(line, columns)
    }

    /// These columns, and on a wide screen what is left behind them.
    fn with_rest<const N: usize>(&self, line: Rect, columns: [(u16, u16); N]) -> ([Slot; N], Option<Slot>) {
        let found = slots(line, columns);
        let x = found.last().map_or(line.x, |slot| slot.x + slot.width) + 2;
        let rest = Slot {
            x,
            y: line.y,
            width: line.right().saturating_sub(x),
        };
        (found, self.home.is_wide().then_some(rest))
    }

    /// Columns for names of these free ones: all, or on a wide screen what leaves room for a sentence.
    fn names(&self, free: u16) -> u16 {
        if self.home.is_wide() {
            (free * 9 / 20).min(90)
        } else {
            free
        }
    }

    fn going_title(&mut self) {
        let Some(line) = self.line() else { return };
        let faint = self.look.faint();
        let ([_, _, _, _, _, trials, passed, cost, age, left], note) = self.going_slots(line);
        let [title] = slots(line, [(20, 0)]);
        let words = format!("IN PROGRESS  {}", self.home.over_at);
        self.put(title, &words, self.look.strong(), Side::Left);
        for (slot, name) in [
            (trials, "trials"),
            (passed, "passed"),
            (cost, "cost"),
            (age, "age"),
            (left, "left"),
        ] {
            self.put(slot, name, faint, Side::Right);
        }
        if let Some(note) = note {
            self.put(note, "state", faint, Side::Left);
        }
    }

    fn going(&mut self, at: usize) {
        let home = self.home;
        let Some(row) = home.rows.get(at) else { return };
        let Stand::Going(going) = &row.stand else { return };
        let said = row.note(home.now);
        if let Some(line) = self.line() {
            self.going_line(row, going, said.as_deref(), line);
        }
        if !home.is_wide()
            && let Some(said) = said
            && let Some(line) = self.line()
        {
            let [slot] = slots(line, [(line.width.saturating_sub(4), 4)]);
            self.say(slot, &said, self.note_style(row));
        }
    }

    fn note_style(&self, row: &Row) -> Style {
        match row.word(self.home.now) {
            "running" | "starting" => self.look.faint(),
            "stalled" | "silent" | "stopped" | "orphaned" => self.look.bad(),
            _ => self.look.odd(),
        }
    }

    fn going_line(&mut self, row: &Row, going: &Going, said: Option<&str>, line: Rect) {
        let (home, look) = (self.home, self.look);
        let ([_, sign, harness, models, bar, trials, passed, cost, age, left], note) = self.going_slots(line);
        self.mark(row, line);
        match row.sign(home.now) {
            Some(found) => self.put(
                sign,
                &look.sign(found).to_string(),
                look.sign_style(found),
                Side::Left,
            ),
            None => self.put(sign, &look.spinner(home.turn).to_string(), look.key(), Side::Left),
        }
        self.put(harness, &row.harness, Style::new(), Side::Left);
        self.put(
            models,
            &words::models_of(row, models.width),
            Style::new(),
            Side::Left,
        );
        let progress = &row.progress;
        let (done, rest) = look.bar(progress.trials_done, progress.trials_total, bar.width.into());
        let split = cells(paint::width(&done));
        self.put(bar, &done, look.good(), Side::Left);
        let rest_slot = Slot {
            x: bar.x + split,
            width: bar.width - split,
            ..bar
        };
        self.put(rest_slot, &rest, look.faint(), Side::Left);
        let far = format!("{}/{}", progress.trials_done, progress.trials_total);
        self.put(trials, &far, Style::new(), Side::Right);
        self.put(
            passed,
            &progress.outcomes.passed.to_string(),
            look.good(),
            Side::Right,
        );
        let paid = going.cost.as_deref().unwrap_or("—");
        self.put(cost, paid, Style::new(), Side::Right);
        let seconds = (home.now - row.started_at).num_seconds();
        self.put(age, &short_age(seconds), Style::new(), Side::Right);
        let time = going
            .left
            .map_or_else(|| "—".to_owned(), |time| words::about(time.as_secs()));
        self.put(left, &time, Style::new(), Side::Right);
        if let Some(note) = note {
            let said = said.unwrap_or_else(|| row.word(home.now));
            self.say(note, said, self.note_style(row));
        }
    }

    /// Shows that a line is chosen, or marked.
    fn mark(&mut self, row: &Row, line: Rect) {
        if self.home.marked.contains(&row.key) {
            let [_, mark] = slots(line, [(1, 0), (1, 0)]);
            self.put(mark, "*", self.look.odd(), Side::Left);
        }
        if self.home.chosen.as_ref() == Some(&row.key) {
            let [pointer] = slots(line, [(1, 0)]);
            self.put(
                pointer,
                &self.look.pointer().to_string(),
                self.look.key(),
                Side::Left,
            );
            self.buffer.set_style(line, self.look.strong());
        }
    }

    /// Sign, date, harness, models, verifiers, status, and the cause on a wide screen.
    fn over_slots(&self, line: Rect) -> ([Slot; 7], Option<Slot>) {
        let date = if line.width < 100 { 11 } else { 16 };
        let names = self.names(line.width.saturating_sub(4 + date + 2 + 1 + 2 + OVER_FIGURES));
        let harness = names / 2;
        let columns = [
            (1, 0),
            (1, 1),
            (date, 1),
            (harness, 2),
            (names - harness, 1),
            (15, 2),
            (9, 2),
        ];
        self.with_rest(line, columns)
    }

    fn over_title(&mut self) {
        let Some(line) = self.line() else { return };
        let faint = self.look.faint();
        let ([_, _, date, _, models, verifiers, status], note) = self.over_slots(line);
        let [title] = slots(line, [(date.x + date.width + 4, 0)]);
        let words = format!("COMPLETED  {}", self.home.over().len());
        self.put(title, &words, self.look.strong(), Side::Left);
        self.put(models, "models × runs", faint, Side::Left);
        self.put(verifiers, "verifiers", faint, Side::Right);
        self.put(status, "status", faint, Side::Left);
        if let Some(note) = note {
            self.put(note, "cause", faint, Side::Left);
        }
    }

    fn over(&mut self, at: usize) {
        let Some(row) = self.home.rows.get(at) else { return };
        let Stand::Over(over) = &row.stand else { return };
        if let Some(line) = self.line() {
            self.over_line(row, over, line);
        }
    }

    fn over_line(&mut self, row: &Row, over: &Over, line: Rect) {
        let (home, look) = (self.home, self.look);
        let ([_, sign, date, harness, models, verifiers, status], note) = self.over_slots(line);
        self.mark(row, line);
        if let Some(found) = row.sign(home.now) {
            self.put(
                sign,
                &look.sign(found).to_string(),
                look.sign_style(found),
                Side::Left,
            );
            self.put(status, &over.word, look.sign_style(found), Side::Left);
        }
        let format = if date.width < 16 {
            "%m-%d %H:%M"
        } else {
            "%Y-%m-%d %H:%M"
        };
        let began = row.started_at.format(format).to_string();
        self.put(date, &began, look.faint(), Side::Left);
        self.put(harness, &row.harness, Style::new(), Side::Left);
        self.put(
            models,
            &words::models_of(row, models.width),
            Style::new(),
            Side::Left,
        );
        let progress = &row.progress;
        let share = row
            .share()
            .map(|share| format!(" ({})", text::percent(Some(share))));
        let counted = format!(
            "{}/{}{}",
            progress.verifiers_passed,
            progress.verifiers_total,
            share.unwrap_or_default()
        );
        match row.none_judged() {
            Some(none) => self.put(verifiers, &none, look.sign_style(Sign::Errored), Side::Right),
            None => self.put(verifiers, &counted, Style::new(), Side::Right),
        }
        if let (Some(note), Some(cause)) = (note, &over.cause) {
            self.say(note, cause, look.faint());
        }
    }
}
