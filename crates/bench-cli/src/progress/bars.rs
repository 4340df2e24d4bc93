//! Progress as bars on a terminal: one per model, and a line for what is being waited for.

use std::io::Write;

use bench_core::Event;
use bench_core::session::{OutcomeCounts, Totals};
use bench_report::text;
use chrono::{DateTime, Utc};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::Board;
use super::{Watcher, plain};
use crate::context::Look;
use crate::dashboard::Curtain;
use crate::sink::Sink;

/// Frames a second at most: smooth enough, and no load on a slow terminal.
const FRAMES: u8 = 10;
/// Lines around the bars: the empty one, the status, and one for the cursor.
const AROUND: usize = 3;
/// Rows of a terminal that does not tell.
const ROWS: usize = 24;
/// Characters of a model's name that are shown.
const LONGEST_NAME: usize = 28;

/// A bar per model.
pub(super) struct Bars {
    board: Board,
    err: Sink,
    all: MultiProgress,
    /// An empty line. Bars fill their lines, so the `^C` that a terminal echoes wraps, and one line too few is cleared
    /// then: let it be this one.
    _above: ProgressBar,
    models: Vec<ProgressBar>,
    /// One bar for all models: one for each is more than the terminal has rows for.
    whole: bool,
    status: ProgressBar,
    width: usize,
    /// What may be in front of them.
    curtain: Curtain,
    hidden: bool,
}

impl Bars {
    pub(super) fn new(board: Board, mut err: Sink, look: Look, curtain: Curtain) -> Self {
        let hidden = curtain.is_closed();
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            target()
        };
        let all = MultiProgress::with_draw_target(target);
        err.flush().unwrap_or_default();
        err.make_way(Some(all.clone()));
        let models = &board.session.models;
        let whole = models.len() + AROUND > height();
        let rows: Vec<(String, u32)> = if whole {
            let all = text::count(models.len(), "model");
            vec![(all, board.progress.trials_total)]
        } else {
            models
                .iter()
                .map(|totals| (name(totals), totals.trials_total))
                .collect()
        };
        let names = rows.iter().map(|(name, _)| name);
        let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
        let style = bar_style(look);
        let above = all.add(ProgressBar::no_length().with_style(status_style()));
        above.set_message(" "); // a line without any text would not be drawn
        let models = rows.iter().map(|(name, trials)| {
            let bar = all.add(ProgressBar::new(u64::from(*trials)).with_style(style.clone()));
            bar.set_prefix(format!("{name:<longest$}"));
            bar
        });
        let models = models.collect();
        let status = all.add(ProgressBar::no_length().with_style(status_style()));
        Self {
            board,
            err,
            all,
            _above: above,
            models,
            whole,
            status,
            width: look.width,
            curtain,
            hidden,
        }
    }

    fn draw(&mut self, now: DateTime<Utc>) {
        if self.hidden && !self.curtain.is_closed() {
            self.hidden = false;
            self.all.set_draw_target(target());
        }
        if self.whole
            && let Some(bar) = self.models.first()
        {
            bar.set_position(u64::from(self.board.progress.trials_done));
            bar.set_message(counts(&self.board.progress.outcomes));
        }
        let models = &self.board.session.models;
        for (bar, totals) in self.models.iter().zip(models).filter(|_| !self.whole) {
            bar.set_position(u64::from(totals.outcomes.done()));
            bar.set_message(counts(&totals.outcomes));
        }
        self.status
            .set_message(text::shorten(&self.status_line(now), self.width.saturating_sub(2)).into_owned());
        self.status.tick();
    }

    fn status_line(&self, now: DateTime<Utc>) -> String {
        let mut parts = vec![self.board.under_way()];
        let left = self.board.time_left(now).map(text::short_duration);
        parts.extend(left.map(|left| format!("about {left} left")));
        parts.extend(self.board.longest_wait(now));
        parts.join(" · ")
    }
}

impl Watcher for Bars {
    fn event(&mut self, event: &Event, at: DateTime<Utc>) {
        self.board.event(event, at);
        if let Some(line) = plain::noteworthy(event) {
            writeln!(self.err, "{line}").unwrap_or_default(); // nobody watches; the run goes on
        }
        self.draw(at);
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        self.draw(now);
    }

    fn end(&mut self) {
        self.err.make_way(None);
        // A terminal that is gone cannot be cleared.
        self.all.clear().unwrap_or_default();
    }
}

fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr_with_hz(FRAMES)
}

/// Rows of the terminal.
fn height() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    let rows = size.map_or(0, |size| usize::from(size.ws_row));
    if rows == 0 { ROWS } else { rows }
}

fn name(totals: &Totals) -> String {
    let name = text::clean_line(&totals.model);
    text::shorten_middle(&name, LONGEST_NAME).into_owned()
}

/// `10 passed, 1 errored, 90.9%`.
fn counts(counts: &OutcomeCounts) -> String {
    let mut parts = vec![format!("{} passed", counts.passed)];
    let odd = [(counts.errored, "errored"), (counts.limit, "at a limit")];
    parts.extend(
        odd.into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{n} {word}")),
    );
    parts.extend(counts.pass_rate().map(|rate| text::percent(Some(rate))));
    parts.join(", ")
}

fn bar_style(look: Look) -> ProgressStyle {
    let bar = match (look.width, look.color) {
        (0..90, true) => "{bar:16.green/dim}",
        (0..90, false) => "{bar:16}",
        (_, true) => "{bar:32.green/dim}",
        (_, false) => "{bar:32}",
    };
    style(&format!("{{prefix}} {bar} {{pos:>4}}/{{len}} {{msg}}"))
}

fn status_style() -> ProgressStyle {
    style("{msg}")
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; a test draws them.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use bench_runner::Earlier;

    use bench_core::Outcome;

    use super::super::board::tests::{at, finished, plan, started, waiting};
    use super::*;
    use crate::sink::Kept;

    #[test]
    fn every_template_is_one() {
        for (width, color) in [(80, true), (80, false), (200, true), (200, false)] {
            bar_style(Look {
                width,
                terminal: true,
                color,
            });
            let template = "{prefix} {bar:16.green/dim} {pos:>4}/{len} {msg}";
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn long_names_stay_different() {
        let totals = |end: &str| Totals {
            model: format!("compatible:qwen-2.5-coder-32b-instruct-{end}"),
            ..Totals::default()
        };
        assert_eq!(name(&totals("a")), "compatible:qwe…2b-instruct-a");
        assert_ne!(name(&totals("a")), name(&totals("b")));
    }

    #[test]
    fn bars_follow_the_events() {
        let kept = Kept::default();
        let look = Look {
            width: 80,
            terminal: true,
            color: false,
        };
        let board = Board::new(&plan(), &Earlier::default());
        let curtain = Curtain::new(true);
        let mut bars = Bars::new(board, kept.sink(), look, curtain.clone());
        assert!(bars.all.is_hidden(), "the view is in front of them");
        for (event, second) in [
            (started("a~oracle~1"), 0),
            (started("b~noop~1"), 0),
            (finished("a~oracle~1", Outcome::Passed, None), 1),
            (waiting("b~noop~1", 1_000), 4),
        ] {
            bars.event(&event, at(second));
        }
        let shown: Vec<_> = bars.models.iter().map(|b| (b.position(), b.message())).collect();
        assert_eq!(
            shown,
            [(1, "1 passed, 100%".to_owned()), (0, "0 passed".to_owned())]
        );
        assert_eq!(
            bars.status_line(at(5)),
            "0 running, 1 waiting · next request in 11s · rate limit · model gpt-4o: rate ␛[2Jlimited · longest wait 2s \
             (b~noop~1)"
        );
        assert!(bars.hidden);
        curtain.open();
        bars.tick(at(6));
        assert!(!bars.hidden, "the view was left");
        bars.end();
    }
}
