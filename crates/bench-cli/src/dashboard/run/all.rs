//! All there is to say of a run in words, for what the other view cuts off: each sentence whole, every model, every trial
//! under way, every cause. It scrolls.

use bench_report::compare::tables::letter;
use bench_report::text::{self, clean_line};
use ratatui::style::Style;

use super::draw::{how_far, ranges};
use super::picture::{ModelRow, Picture};
use crate::dashboard::look::Look;
use crate::dashboard::wrap::wrap;
use crate::progress::board::pace_words;
use chrono::{DateTime, Utc};

/// A row of the view.
pub(super) type Row = (String, Style);

/// The rows for so many columns.
pub(super) fn rows(picture: &Picture, look: Look, columns: usize, now: DateTime<Utc>) -> Vec<Row> {
    let mut rows = Rows {
        columns,
        rows: Vec::new(),
    };
    rows.say(&how_far(picture), Style::new());
    if let Some(note) = picture.row.note(now) {
        let style = picture
            .row
            .sign(now)
            .map_or(look.faint(), |sign| look.sign_style(sign));
        rows.say(&note, style);
    }
    rows.title(&format!("MODELS  {}", picture.models.len()), look);
    for (n, model) in picture.models.iter().enumerate() {
        rows.say(&model_words(n, model), Style::new());
    }
    if !picture.under_way.is_empty() {
        rows.title(&format!("UNDER WAY  {}", picture.under_way.len()), look);
    }
    for trial in &picture.under_way {
        let style = if trial.is_idle() { look.odd() } else { Style::new() };
        rows.say(&format!("  {}", trial.words(now)), style);
    }
    if !picture.causes.is_empty() {
        rows.title("WITHOUT A VERDICT", look);
    }
    for cause in &picture.causes {
        rows.say(&format!("  {}", cause_words(cause)), look.odd());
    }
    if !picture.paces.is_empty() && picture.row.is_going() {
        rows.title("PACE", look);
        for (provider, pace) in &picture.paces {
            rows.say(
                &format!("  {provider}: {} requests/min", pace_words(*pace)),
                Style::new(),
            );
        }
    }
    rows.rows
}

/// `3 errored: gym broke`.
pub(super) fn cause_words(cause: &bench_report::causes::CauseCount) -> String {
    format!(
        "{} {}: {}",
        cause.trials,
        cause.outcome.name(),
        clean_line(&cause.cause)
    )
}

/// `  A  openai:gpt-4o: 66.7% passed (4–99%), 3/12 trials, 6/9 verifiers, $0.4211`.
fn model_words(n: usize, row: &ModelRow) -> String {
    let totals = &row.totals;
    let mut parts = vec![format!(
        "{} passed{}",
        text::percent(row.rate.map(|mean| mean.rate)),
        match ranges(row) {
            Some(range) => format!(" ({range})"),
            None => String::new(),
        }
    )];
    parts.push(format!(
        "{}/{} trials",
        totals.outcomes.done(),
        totals.trials_total
    ));
    parts.push(format!(
        "{}/{} verifiers",
        totals.verifiers_passed, totals.verifiers_total
    ));
    let paid = totals.cost.filter(|cost| !cost.is_nothing());
    parts.extend(paid.map(|cost| cost.brief()));
    format!("  {}  {}: {}", letter(n), totals.model, parts.join(", "))
}

struct Rows {
    columns: usize,
    rows: Vec<Row>,
}

impl Rows {
    fn title(&mut self, words: &str, look: Look) {
        self.rows.push((String::new(), Style::new()));
        self.say(words, look.strong());
    }

    fn say(&mut self, words: &str, style: Style) {
        let rows = wrap(words, self.columns);
        self.rows.extend(rows.into_iter().map(|row| (row, style)));
    }
}
