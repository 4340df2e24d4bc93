//! A run, drawn: facts, models, the grid, what is under way, the chosen trial.

use std::sync::Arc;
use std::time::Duration;

use bench_core::event::TrialFinished;
use bench_report::compare::tables::letter;
use bench_report::text;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::RunScreen;
use super::all;
use super::columns::GridLayout;
use super::picture::{ModelRow, Picture};
use crate::dashboard::home::row::{Stand, whole};
use crate::dashboard::keys::Action;
use crate::dashboard::look::{Look, Sign};
use crate::dashboard::paint::{
    Side, Slot, cells, footer, header, line, put, say, short_age, slots, too_small, width,
};
use crate::dashboard::wrap::wrap;
use crate::progress::board::pace_words;

/// Lines above the models, and those around the grid: blank, title; blank; footer.
const AROUND: usize = 3 + 2 + 1 + 1;
/// The line above all there is to say, and the one below it.
const AROUND_ALL: usize = 2 + 1;

/// Columns and rows without which it tells nothing.
const LEAST: (u16, u16) = (40, 12);

/// Lines of each part for what there is to show.
struct Parts {
    models: usize,
    grid: usize,
    panel: usize,
    /// The chosen trial, in rows.
    chosen: Vec<String>,
}

fn parts(run: &RunScreen) -> Parts {
    let Some(picture) = &run.picture else {
        return Parts {
            models: 0,
            grid: 0,
            panel: 0,
            chosen: Vec::new(),
        };
    };
    let height = usize::from(run.size.1);
    let mut chosen = chosen_words(run).map_or_else(Vec::new, |words| wrap(&words, run.size.0.into()));
    chosen.truncate((height / 6).max(1));
    let (wished, scenarios) = (panel_lines(picture), picture.places.grid.scenarios.len());
    let free = height.saturating_sub(AROUND + 1 + chosen.len().max(1));
    // The grid comes first, but what is under way has a third of the screen if it needs it, and models have what is left.
    let most = free.saturating_sub(scenarios + wished).max((height / 6).min(8));
    let models = picture.models.len().min(most);
    let free = free.saturating_sub(models);
    let panel = wished.min(free.saturating_sub(scenarios).max(free / 3));
    Parts {
        models: 1 + models,
        grid: free.saturating_sub(panel),
        panel,
        chosen,
    }
}

fn panel_lines(picture: &Picture) -> usize {
    let section = |lines: usize| if lines == 0 { 0 } else { lines + 1 };
    section(picture.under_way.len()) + section(picture.causes.len())
}

/// The last row of all there is to say that may be the first in view.
pub(super) fn lowest_of_all(run: &RunScreen) -> usize {
    let columns = run.size.0.into();
    let look = Look {
        color: false,
        unicode: true,
    };
    let rows = |picture: &Arc<Picture>| all::rows(picture, look, columns, run.now).len();
    let room = usize::from(run.size.1).saturating_sub(AROUND_ALL);
    run.picture.as_ref().map_or(0, rows).saturating_sub(room)
}

/// Rows of a page of it.
pub(super) fn page_of_all(run: &RunScreen) -> isize {
    usize::from(run.size.1)
        .saturating_sub(AROUND_ALL + 1)
        .max(1)
        .cast_signed()
}

/// Rows of the grid that fit on the screen.
pub(super) fn grid_rows(run: &RunScreen) -> usize {
    parts(run).grid
}

/// Draws the screen.
pub(crate) fn draw(run: &RunScreen, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if too_small(buffer, look, LEAST, run.keys) {
        return;
    }
    let does = |action| match action {
        Action::Act(act) => run.refusal(act).is_none(),
        Action::Open | Action::Next => run.all.is_none(),
        _ => true,
    };
    footer(buffer, look, line(area, area.height - 1), run.keys, does);
    let Some(picture) = &run.picture else {
        header(buffer, look, line(area, 0), run.id.as_str(), "");
        let [slot] = slots(line(area, 2), [(area.width, 0)]);
        let words = run.trouble.as_deref().unwrap_or("reading …");
        return say(buffer, look, slot, words, look.faint());
    };
    let mut pen = Pen {
        run,
        picture,
        look,
        buffer,
    };
    if let Some(top) = run.all {
        return pen.all(area, top);
    }
    pen.facts(area);
    let parts = parts(run);
    let models_at = 3;
    let grid_at = models_at + cells(parts.models) + 1;
    pen.models(area, models_at, parts.models);
    pen.grid(area, grid_at, parts.grid);
    pen.panel(area, grid_at + 1 + cells(parts.grid), parts.panel);
    pen.chosen(area, &parts.chosen);
}

struct Pen<'a> {
    run: &'a RunScreen,
    picture: &'a Picture,
    look: Look,
    buffer: &'a mut Buffer,
}

impl Pen<'_> {
    fn put(&mut self, slot: Slot, text: &str, style: Style, side: Side) {
        put(self.buffer, self.look, slot, text, style, side);
    }

    fn say(&mut self, slot: Slot, text: &str, style: Style) {
        say(self.buffer, self.look, slot, text, style);
    }

    fn title(&mut self, area: Rect) {
        let row = &self.picture.row;
        let title = format!("{} · {}", row.harness, row.models);
        let standing = self.standing();
        header(self.buffer, self.look, line(area, 0), &title, &standing);
    }

    /// All there is to say, from this row on.
    fn all(&mut self, area: Rect, top: usize) {
        self.title(area);
        let rows = all::rows(self.picture, self.look, area.width.into(), self.run.now);
        let room = usize::from(area.height).saturating_sub(AROUND_ALL);
        for (n, (words, style)) in rows.iter().skip(top).take(room).enumerate() {
            let [slot] = slots(line(area, 1 + cells(n)), [(area.width, 0)]);
            self.put(slot, words, *style, Side::Left);
        }
        let seen = rows.len().min(top + room);
        if seen < rows.len() || top > 0 {
            let [slot] = slots(line(area, area.height - 2), [(area.width, 0)]);
            let place = format!("rows {}–{seen} of {}", top + 1, rows.len());
            self.say(slot, &place, self.look.faint());
        }
    }

    fn facts(&mut self, area: Rect) {
        let (run, row, look) = (self.run, &self.picture.row, self.look);
        self.title(area);
        let [slot] = slots(line(area, 1), [(area.width, 0)]);
        self.say(slot, &how_far(self.picture), Style::new());
        let [slot] = slots(line(area, 2), [(area.width, 0)]);
        if let Some(trouble) = &run.trouble {
            self.say(slot, trouble, look.bad());
        } else if let Some(note) = row.note(run.now) {
            let style = row
                .sign(run.now)
                .map_or(look.faint(), |sign| look.sign_style(sign));
            self.say(slot, &note, style);
        }
    }

    /// `⠙ running · began 5m 02s ago`, `✓ completed`.
    fn standing(&self) -> String {
        let (row, run) = (&self.picture.row, self.run);
        let sign = match row.sign(run.now) {
            None => self.look.spinner(run.turn),
            Some(sign) => self.look.sign(sign),
        };
        let began = row.started_at;
        match &row.stand {
            Stand::Over(over) => format!("{sign} {} · {}", over.word, began.format("%Y-%m-%d %H:%M UTC")),
            Stand::Going(_) => {
                let took = (run.now - began).to_std().unwrap_or_default();
                format!("{sign} {} · began {} ago", row.word(run.now), whole(took))
            }
        }
    }

    fn models(&mut self, area: Rect, y: u16, lines: usize) {
        let faint = self.look.faint();
        let letters = self
            .layout(area.width)
            .heads(&self.picture.places.grid.models)
            .letters();
        let columns = |pen: &Self, n| {
            let longest = pen
                .picture
                .models
                .iter()
                .map(|row| width(&row.totals.model))
                .max();
            let room = area.width.saturating_sub(9 + 6 + 13 + 9 + 10 + 2 * 5 + 2);
            let name = (cells(longest.unwrap_or(0)) + letters).clamp(5, room.max(5));
            slots(
                line(area, y + n),
                [(name, 2), (9, 2), (6, 2), (13, 2), (9, 2), (10, 2)],
            )
        };
        let [name, trials, rate, interval, verifiers, cost] = columns(self, 0);
        self.put(name, "model", faint, Side::Left);
        let titles = [
            (trials, "trials"),
            (rate, "passed"),
            (interval, "95% interval"),
            (verifiers, "verifiers"),
            (cost, "cost"),
        ];
        for (slot, title) in titles {
            self.put(slot, title, faint, Side::Right);
        }
        let picture = self.picture;
        let room = lines.saturating_sub(1);
        let shown = if picture.models.len() > room {
            room.saturating_sub(1)
        } else {
            room
        };
        for (n, row) in picture.models.iter().take(shown).enumerate() {
            let found = columns(self, cells(n + 1));
            self.model(found, row, n, letters);
        }
        if let Some(more @ 1..) = picture.models.len().checked_sub(shown) {
            let [slot] = slots(line(area, y + cells(room)), [(area.width, 2)]);
            self.put(
                slot,
                &format!("… {}: Tab", text::count(more, "further model")),
                faint,
                Side::Left,
            );
        }
    }

    fn model(
        &mut self,
        [name, trials, rate, interval, verifiers, cost]: [Slot; 6],
        row: &ModelRow,
        n: usize,
        letters: u16,
    ) {
        let totals = &row.totals;
        let plain = Style::new();
        let name = if letters == 0 {
            name
        } else {
            self.put(name, &letter(n), self.look.strong(), Side::Left);
            Slot {
                x: name.x + letters,
                width: name.width.saturating_sub(letters),
                ..name
            }
        };
        self.put(name, &totals.model, plain, Side::Left);
        let done = format!("{}/{}", totals.outcomes.done(), totals.trials_total);
        self.put(trials, &done, plain, Side::Right);
        self.put(
            rate,
            &text::percent(row.rate.map(|mean| mean.rate)),
            self.look.strong(),
            Side::Right,
        );
        let range = ranges(row).unwrap_or_else(|| "—".to_owned());
        self.put(interval, &range, plain, Side::Right);
        let counted = format!("{}/{}", totals.verifiers_passed, totals.verifiers_total);
        self.put(verifiers, &counted, plain, Side::Right);
        let paid = totals.cost.filter(|cost| !cost.is_nothing());
        let paid = paid.map_or_else(|| "—".to_owned(), |cost| cost.brief());
        self.put(cost, &paid, plain, Side::Right);
    }

    fn layout(&self, columns: u16) -> GridLayout {
        let chosen = self.run.chosen;
        GridLayout::of(self.picture, columns, chosen.model, chosen.repetition)
    }

    /// What is to be found when one goes further: `← 1 · 2 models →`.
    fn beyond(&mut self, line: Rect, layout: &GridLayout) {
        let grid = &self.picture.places.grid;
        let (left, right) = layout.beyond(grid.models.len(), grid.runs);
        let words = match (left, right) {
            (0, 0) => return,
            (left, 0) => format!("← {left} more"),
            (0, right) => format!("→ {right} more"),
            (left, right) => format!("← {left} more · → {right} more"),
        };
        let [slot] = slots(line, [(line.width, 0)]);
        self.put(slot, &words, self.look.faint(), Side::Right);
    }

    fn grid(&mut self, area: Rect, y: u16, rows: usize) {
        let picture = self.picture;
        let grid = &picture.places.grid;
        let (chosen, top) = (self.run.chosen, self.run.top);
        let layout = self.layout(area.width);
        let heads = layout.heads(&grid.models);
        self.beyond(line(area, y.saturating_sub(1)), &layout);
        let [title] = slots(line(area, y), [(layout.names, 2)]);
        let place = format!("scenario {}/{}", chosen.scenario + 1, grid.scenarios.len());
        self.put(title, &place, self.look.faint(), Side::Left);
        for model in 0..grid.models.len() {
            if let Some(slot) = layout.model(line(area, y), model) {
                self.put(slot, &heads.of(model), self.look.faint(), Side::Left);
            }
        }
        for (n, name) in grid.scenarios.iter().enumerate().skip(top).take(rows) {
            let line = line(area, y + 1 + cells(n - top));
            let is_chosen = n == chosen.scenario;
            let [pointer, slot] = slots(line, [(1, 0), (layout.names, 1)]);
            if is_chosen {
                self.put(
                    pointer,
                    &self.look.pointer().to_string(),
                    self.look.key(),
                    Side::Left,
                );
            }
            let style = if is_chosen {
                self.look.strong()
            } else {
                Style::new()
            };
            self.put(slot, name, style, Side::Left);
            self.grid_line(&layout, line, n);
        }
    }

    fn grid_line(&mut self, layout: &GridLayout, line: Rect, scenario: usize) {
        let (picture, look, chosen) = (self.picture, self.look, self.run.chosen);
        let grid = &picture.places.grid;
        for model in 0..grid.models.len() {
            for repetition in 0..grid.runs {
                let at = grid.at(scenario, model, repetition);
                let Some(slot) = layout.cell(line, model, repetition) else {
                    continue;
                };
                if grid.trial(at).is_none() {
                    continue;
                }
                let sign = picture.sign(at);
                let mut style = look.sign_style(sign);
                if (scenario, model, repetition) == (chosen.scenario, chosen.model, chosen.repetition) {
                    style = style.patch(look.chosen());
                }
                self.put(slot, &look.sign(sign).to_string(), style, Side::Left);
            }
        }
    }

    /// What is under way, and why others have no verdict. Where not all fits, a line says how much of each is left out.
    fn panel(&mut self, area: Rect, y: u16, lines: usize) {
        let (picture, look, now) = (self.picture, self.look, self.run.now);
        let mut said: Vec<(Said, String, Style)> = Vec::new();
        if !picture.under_way.is_empty() {
            let words = format!("UNDER WAY  {}", picture.under_way.len());
            said.push((Said::Title, words, look.strong()));
        }
        for trial in &picture.under_way {
            let style = if trial.is_idle() { look.odd() } else { Style::new() };
            said.push((Said::UnderWay, format!("  {}", trial.words(now)), style));
        }
        if !picture.causes.is_empty() {
            said.push((Said::Title, "WITHOUT A VERDICT".to_owned(), look.strong()));
        }
        for cause in &picture.causes {
            said.push((Said::Cause, format!("  {}", all::cause_words(cause)), look.odd()));
        }
        let shown = if said.len() > lines {
            lines.saturating_sub(1)
        } else {
            lines
        };
        for (n, (_, words, style)) in said.iter().take(shown).enumerate() {
            let [slot] = slots(line(area, y + cells(n)), [(area.width, 0)]);
            self.say(slot, words, *style);
        }
        if said.len() > lines && lines > 0 {
            let left = |kind| {
                said.iter()
                    .skip(shown)
                    .filter(|(other, ..)| *other == kind)
                    .count()
            };
            let (under_way, causes) = (left(Said::UnderWay), left(Said::Cause));
            let mut parts = Vec::new();
            parts.extend((under_way > 0).then(|| format!("{under_way} more under way")));
            parts.extend((causes > 0).then(|| format!("{} of no verdict", text::count(causes, "cause"))));
            let [slot] = slots(line(area, y + cells(lines - 1)), [(area.width, 2)]);
            self.say(slot, &format!("… {}: Tab", parts.join(", ")), look.faint());
        }
    }

    /// The chosen trial, above the keys.
    fn chosen(&mut self, area: Rect, rows: &[String]) {
        let first = area.height.saturating_sub(1 + cells(rows.len()));
        for (n, row) in rows.iter().enumerate() {
            let [slot] = slots(line(area, first + cells(n)), [(area.width, 0)]);
            self.say(slot, row, self.look.faint());
        }
    }
}

/// What a line of the panel is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Title,
    UnderWay,
    Cause,
}

/// The chosen trial, and how it ended.
fn chosen_words(run: &RunScreen) -> Option<String> {
    let (at, picture) = (run.chosen_at()?, run.picture.as_ref()?);
    let trial = picture.places.grid.trial(at)?;
    Some(match picture.places.end(at) {
        Some(end) => format!("{trial} · {}", ending_words(end)),
        None => match picture.places.sign(at) {
            Sign::Running => format!("{trial} · under way"),
            _ if !picture.row.is_going() => format!("{trial} · has no end"),
            _ => format!("{trial} · has not begun"),
        },
    })
}

/// `12/60 trials · 8 passed · 2 failed · 1 errored · $0.42 of $5.00 · ~12m left · 3 of 8 at work · 5 waiting · 1 at a limit ·
/// openai 50 requests/min`: for a line that is cut off.
pub(super) fn how_far(picture: &Picture) -> String {
    let progress = &picture.row.progress;
    let counts = &progress.outcomes;
    let counted = |(n, word): (u32, &str)| (n > 0).then(|| format!("{n} {word}"));
    let mut parts = vec![format!(
        "{}/{} trials",
        progress.trials_done, progress.trials_total
    )];
    let first = [
        (counts.passed, "passed"),
        (counts.failed, "failed"),
        (counts.errored, "errored"),
    ];
    parts.extend(first.into_iter().filter_map(counted));
    parts.extend(picture.cost.as_ref().map(|cost| match picture.budget {
        Some(budget) => format!("{cost} of {budget}"),
        None => cost.clone(),
    }));
    if let Stand::Going(going) = &picture.row.stand {
        let left = going.left.map(|left| short_age(left.as_secs().cast_signed()));
        parts.extend(left.map(|left| format!("~{left} left")));
        let (busy, idle) = picture.busy_and_idle;
        parts.extend((busy > 0).then(|| format!("{busy} of {} at work", picture.slots)));
        parts.extend((idle > 0).then(|| format!("{idle} waiting")));
    }
    let others = [
        (counts.limit, "at a limit"),
        (counts.unscored, "unscored"),
        (counts.cancelled, "cancelled"),
    ];
    parts.extend(others.into_iter().filter_map(counted));
    let paces = picture.paces.iter().filter(|_| picture.row.is_going());
    parts.extend(paces.map(|(provider, pace)| format!("{provider} {} requests/min", pace_words(*pace))));
    parts.join(" · ")
}

/// `4–99%`: the interval of what a model passes.
pub(super) fn ranges(row: &ModelRow) -> Option<String> {
    let interval = row.rate?.interval;
    Some(format!(
        "{:.0}–{:.0}%",
        interval.low * 100.0,
        interval.high * 100.0
    ))
}

/// `failed · 2/3 verifiers · 12.3s · cause`.
pub(crate) fn ending_words(end: &TrialFinished) -> String {
    let mut parts = vec![end.outcome.name().to_owned()];
    if end.verifiers_total > 0 {
        parts.push(format!(
            "{}/{} verifiers",
            end.verifiers_passed, end.verifiers_total
        ));
    }
    parts.push(text::short_duration(Duration::from_millis(end.took_ms)));
    parts.push(text::count(end.turns as usize, "turn"));
    parts.push(text::count(end.tool_calls as usize, "tool call"));
    parts.extend(end.cause.as_deref().map(text::clean_line));
    parts.join(" · ")
}
