//! Where the marks of charts stand. Words and colours are the template's.
//!
//! Positions are in units of a drawing of [`WIDTH`] × [`HEIGHT`], to a tenth; y grows downwards.

use std::iter;

use bench_core::Outcome;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Model, Report};
use crate::text;

/// Width of a drawing.
pub const WIDTH: f64 = 400.0;
/// Height of a drawing.
pub const HEIGHT: f64 = 230.0;
/// The part of it that the marks stand in.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 386.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 190.0;
/// Width of a letter's disc, with a little room beside it.
const LETTER: f64 = 17.0;
/// Letters that have room beside each other, and more.
const MOST_STEPS: u8 = 25;
/// Columns of a time line.
const COLUMNS: usize = 60;

/// Everything that is drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Charts {
    /// Cost against quality; none if nobody knows what anything cost.
    pub cost: Option<CostChart>,
    /// Trials over time; none before the first is over.
    pub time: Option<TimeChart>,
}

impl Charts {
    /// The charts of a report.
    pub fn of(report: &Report) -> Self {
        Self {
            cost: cost(report),
            time: time(report),
        }
    }
}

/// A line across the drawing with a number beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tick {
    /// x of an upright line, y of a level one.
    pub at: f64,
    /// Its number.
    pub label: String,
}

/// The area that the marks stand in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge.
    pub bottom: f64,
}

const AREA: Area = Area {
    left: LEFT,
    right: RIGHT,
    top: TOP,
    bottom: BOTTOM,
};

/// Cost against quality: one point per model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostChart {
    /// Where the marks stand.
    pub area: Area,
    /// `US dollars` or `tokens`: what is paid with.
    pub unit: &'static str,
    /// Upright lines.
    pub x: Vec<Tick>,
    /// Level lines: the pass rate.
    pub y: Vec<Tick>,
    /// The models that both are known of.
    pub points: Vec<Point>,
    /// The other models.
    pub missing: Vec<String>,
}

/// A model in a [`CostChart`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Its letter: `A`, `B`, ….
    pub letter: String,
    /// The model.
    pub model: String,
    /// Where it stands.
    pub x: f64,
    /// Where it stands.
    pub y: f64,
    /// x of its letter: beside it where that of another model would cover it.
    pub letter_x: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// What one trial took, as text.
    pub cost: String,
    /// Its pass rate with the interval, as text.
    pub rate: String,
}

/// What a chart of costs counts.
#[derive(Clone, Copy)]
enum Unit {
    Dollars,
    Tokens,
}

impl Unit {
    /// Of one trial of the model; none where that is not known.
    fn of(self, model: &Model) -> Option<f64> {
        let totals = &model.totals;
        let done = totals.outcomes.done();
        let sum = match self {
            Self::Dollars => f64::from(totals.cost?.usd),
            Self::Tokens if totals.usage.is_unknown() => return None,
            Self::Tokens => number(totals.usage.total()),
        };
        (done > 0).then(|| sum / f64::from(done))
    }

    fn words(self, value: f64, model: &Model) -> String {
        match self {
            Self::Tokens => text::short_number(whole(value)),
            Self::Dollars => {
                let least = model.totals.cost.is_some_and(|cost| cost.unknown_calls > 0);
                let sign = if least { "≥ " } else { "" };
                format!("{sign}{}", bench_core::Usd::from(value))
            }
        }
    }

    fn tick(self, value: f64) -> String {
        match self {
            Self::Tokens => text::short_number(whole(value)),
            Self::Dollars => {
                let number = bench_core::Usd::from(value).to_string();
                match number.split_once('.') {
                    Some(_) => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
                    None => number,
                }
            }
        }
    }
}

fn cost(report: &Report) -> Option<CostChart> {
    let models = &report.models;
    let paid = |model: &Model| model.totals.cost.is_some_and(|cost| f64::from(cost.usd) > 0.0);
    let unit = if models.iter().any(paid) {
        Unit::Dollars
    } else {
        Unit::Tokens
    };
    let most = models
        .iter()
        .filter_map(|model| unit.of(model))
        .fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let axis = axis(most);
    let end = axis.last().copied().unwrap_or(most);
    let across = |value: f64| tenth(LEFT + (RIGHT - LEFT) * value / end);
    let mut chart = CostChart {
        area: AREA,
        unit: match unit {
            Unit::Dollars => "US dollars",
            Unit::Tokens => "tokens",
        },
        x: axis
            .iter()
            .map(|value| Tick {
                at: across(*value),
                label: unit.tick(*value),
            })
            .collect(),
        y: [0.0, 0.25, 0.5, 0.75, 1.0]
            .map(|share| Tick {
                at: up(share),
                label: format!("{:.0}%", share * 100.0),
            })
            .into(),
        points: Vec::new(),
        missing: Vec::new(),
    };
    for (n, model) in models.iter().enumerate() {
        let (Some(value), Some(rate)) = (unit.of(model), model.statistics.pass_rate) else {
            chart.missing.push(model.totals.model.clone());
            continue;
        };
        chart.points.push(Point {
            letter: letter(n),
            model: model.totals.model.clone(),
            x: across(value),
            y: up(rate.rate),
            letter_x: across(value),
            low: up(rate.interval.low),
            high: up(rate.interval.high),
            cost: unit.words(value, model),
            rate: format!(
                "{} {}",
                text::percent(Some(rate.rate)),
                text::range(rate.interval.low, rate.interval.high)
            ),
        });
    }
    side_by_side(&mut chart.points);
    Some(chart)
}

/// Moves letters aside that would cover each other, each as little as there is room: the points stay.
fn side_by_side(points: &mut [Point]) {
    let mut placed: Vec<(f64, f64)> = Vec::new();
    for point in points {
        let free = |x: f64| {
            let mut others = placed.iter();
            others.all(|(other, y)| (other - x).hypot(y - point.y) >= LETTER)
        };
        let steps = (1..MOST_STEPS).map(|step| f64::from(step) * LETTER);
        let moves = iter::once(0.0).chain(steps.flat_map(|by| [by, -by]));
        let mut places = moves.map(|by| tenth(point.x + by));
        let place = places.find(|x| (LEFT..=RIGHT).contains(x) && free(*x));
        point.letter_x = place.unwrap_or(point.x);
        placed.push((point.letter_x, point.y));
    }
}

/// `A` to `Z`, then `A1`, …
pub(super) fn letter(n: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
    match n / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// Trials over time, in columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeChart {
    /// Where the marks stand.
    pub area: Area,
    /// Upright lines: time since the beginning.
    pub x: Vec<Tick>,
    /// Level lines: trials that ended in a column.
    pub y: Vec<Tick>,
    /// How long a column is, as text.
    pub column: String,
    /// Pieces of columns.
    pub pieces: Vec<Piece>,
    /// Where a resume began.
    pub resumes: Vec<f64>,
}

/// A piece of a column: trials of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Piece {
    /// `passed`, `failed` (limits too), `errored` or `other`.
    pub kind: &'static str,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Trials.
    pub trials: u32,
}

/// The kinds of a [`Piece`], from the ground up.
const KINDS: [&str; 4] = ["passed", "failed", "errored", "other"];

fn kind(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Failed | Outcome::Limit => 1,
        Outcome::Errored => 2,
        _ => 3,
    }
}

fn time(report: &Report) -> Option<TimeChart> {
    let run = &report.run;
    let last = report.trials.iter().map(|trial| trial.completed_at).max()?;
    let began = run.started_at;
    let over = run.completed_at.unwrap_or(report.made_at).max(last);
    let length = milliseconds(began, over).max(1.0);
    let column = |at: DateTime<Utc>| {
        let share = milliseconds(began, at) / length;
        let column = (share * number(COLUMNS as u64)).floor();
        usize::try_from(whole(column)).map_or(0, |n| n.min(COLUMNS - 1))
    };
    let mut counts = [[0_u32; KINDS.len()]; COLUMNS];
    for trial in &report.trials {
        counts[column(trial.completed_at)][kind(trial.outcome)] += 1;
    }
    let highest = counts.iter().map(|kinds| kinds.iter().sum::<u32>()).max()?;
    let axis = axis(f64::from(highest.max(2)));
    let end = axis.last().copied().unwrap_or(1.0);
    let across = |share: f64| tenth(LEFT + (RIGHT - LEFT) * share);
    let time = |share: f64| text::short_duration(std::time::Duration::from_millis(whole(length * share)));
    Some(TimeChart {
        area: AREA,
        x: [0.0, 0.25, 0.5, 0.75, 1.0]
            .map(|share| Tick {
                at: across(share),
                label: if share == 0.0 { "0".to_owned() } else { time(share) },
            })
            .into(),
        y: axis
            .iter()
            .map(|value| Tick {
                at: up(value / end),
                label: text::short_number(whole(*value)),
            })
            .collect(),
        column: time(1.0 / number(COLUMNS as u64)),
        pieces: pieces(&counts, end),
        resumes: run
            .starts
            .iter()
            .skip(1)
            .map(|at| across(milliseconds(began, *at) / length))
            .collect(),
    })
}

fn pieces(counts: &[[u32; KINDS.len()]], end: f64) -> Vec<Piece> {
    let width = (RIGHT - LEFT) / number(counts.len() as u64);
    let mut pieces = Vec::new();
    let mut x = LEFT;
    for kinds in counts {
        let mut below = 0;
        for (kind, trials) in KINDS.into_iter().zip(*kinds).filter(|(_, trials)| *trials > 0) {
            let (foot, head) = (up(f64::from(below) / end), up(f64::from(below + trials) / end));
            pieces.push(Piece {
                kind,
                x: tenth(x),
                y: head,
                width: tenth((width - 0.6).max(0.5)),
                height: tenth(foot - head),
                trials,
            });
            below += trials;
        }
        x += width;
    }
    pieces
}

/// Round numbers from 0 to `most` or a little above: 1, 2 or 5 times a power of ten apart.
fn axis(most: f64) -> Vec<f64> {
    let rough = most / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|round| round * power)
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(rough);
    let steps = whole((most / step - 1e-9).ceil()).max(1);
    (0..=steps).map(|n| step * number(n)).collect()
}

/// y of a share of the height.
fn up(share: f64) -> f64 {
    tenth(BOTTOM - (BOTTOM - TOP) * share.clamp(0.0, 1.0))
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn milliseconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    number(u64::try_from((to - from).num_milliseconds()).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "a drawing shows three digits")]
fn number(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and a float too large becomes the largest number"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn axes_have_round_numbers_and_hold_everything() {
        for most in [0.0031, 0.4, 1.0, 3.0, 7.5, 10.0, 99.0, 4_000.0, 4_321_000.0] {
            let axis = axis(most);
            let end = axis.last().copied().unwrap();
            assert!(
                end >= most * (1.0 - 1e-9) && end <= most * 1.7,
                "{most}: {axis:?}"
            );
            assert!((3..=6).contains(&axis.len()), "{most}: {axis:?}");
        }
        assert_eq!(axis(7.5), [0.0, 2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn marks_stand_inside_and_columns_hold_every_trial() {
        let report = report();
        let charts = Charts::of(&report);
        let time = charts.time.unwrap();
        let trials: u32 = time.pieces.iter().map(|piece| piece.trials).sum();
        assert_eq!(trials as usize, report.trials.len());
        for piece in &time.pieces {
            assert!(
                piece.x >= LEFT && piece.x + piece.width <= RIGHT + 0.1,
                "{piece:?}"
            );
            assert!(
                piece.y >= TOP && piece.y + piece.height <= BOTTOM + 0.11,
                "{piece:?}"
            );
        }
        let cost = charts.cost.unwrap();
        assert_eq!(cost.unit, "US dollars");
        for point in &cost.points {
            assert!((LEFT..=RIGHT).contains(&point.x), "{point:?}");
            assert!(point.high <= point.y && point.y <= point.low, "{point:?}");
            assert!(point.high < point.low, "{point:?}");
        }
    }

    #[test]
    fn letters_of_models_that_are_alike_stand_side_by_side() {
        let point = |n: usize| Point {
            letter: letter(n),
            model: String::new(),
            x: RIGHT - 5.0,
            y: 50.0 + number(n as u64) / 10.0,
            letter_x: 0.0,
            low: 60.0,
            high: 40.0,
            cost: String::new(),
            rate: String::new(),
        };
        let mut points: Vec<Point> = (0..11).map(point).collect();
        side_by_side(&mut points);
        assert!(
            (points[0].letter_x - points[0].x).abs() < 1e-9,
            "the first one has its place"
        );
        for (n, one) in points.iter().enumerate() {
            assert!((LEFT..=RIGHT).contains(&one.letter_x) && (one.x - RIGHT + 5.0).abs() < 1e-9);
            for other in &points[..n] {
                let apart = (one.letter_x - other.letter_x).hypot(one.y - other.y);
                assert!(apart >= LETTER - 0.1, "{} covers {}", one.letter, other.letter);
            }
        }
    }

    #[test]
    fn without_dollars_tokens_are_drawn_and_without_both_nothing() {
        let mut report = report();
        for model in &mut report.models {
            model.totals.cost = None;
        }
        assert_eq!(Charts::of(&report).cost.unwrap().unit, "tokens");
        for model in &mut report.models {
            model.totals.usage = bench_core::Usage::default();
        }
        assert_eq!(Charts::of(&report).cost, None);
        report.trials.clear();
        assert_eq!(Charts::of(&report).time, None);
    }
}
