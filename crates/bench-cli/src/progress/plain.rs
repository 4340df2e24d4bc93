//! Progress as lines: for logs, and for those who like to scroll.

use std::io::Write;
use std::time::Duration;

use bench_core::event::{Connections, TrialFinished};
use bench_core::{Event, Outcome, Plan};
use bench_report::text;
use chrono::{DateTime, TimeDelta, Utc};

use super::Watcher;
use super::board::Board;
use crate::render::paint;
use crate::sink::Sink;

/// Time between two lines on how far the run is.
const HOW_FAR: TimeDelta = TimeDelta::seconds(30);
/// Characters of a cause that are shown.
const LONGEST: usize = 200;
/// Columns for the ids of trials at most.
const WIDEST_ID: usize = 50;

/// A line per finished trial, and how far the run is every 30 s.
pub(super) struct Plain {
    board: Board,
    err: Sink,
    said: DateTime<Utc>,
    /// Columns for the ids of trials.
    id_width: usize,
}

impl Plain {
    pub(super) fn new(plan: &Plan, board: Board, err: Sink, now: DateTime<Utc>) -> Self {
        let longest = plan.trials().iter().map(|trial| trial.id.as_str().len()).max();
        let id_width = longest.unwrap_or(0).min(WIDEST_ID);
        Self {
            board,
            err,
            said: now,
            id_width,
        }
    }

    fn say(&mut self, line: &str) {
        // Nobody reads stderr any more: that is no reason to end a run.
        writeln!(self.err, "{line}").unwrap_or_default();
    }

    /// `[ 3/24] ✓ passed   create-bug~oracle~1  3/3 verifiers  1.2s`.
    fn finished_line(&self, trial: &TrialFinished) -> String {
        let (done, total) = (self.board.progress.trials_done, self.board.progress.trials_total);
        let (width, id_width) = (total.to_string().len(), self.id_width);
        let (sign, word) = (paint::signs(sign(trial.outcome)), trial.outcome.name());
        let id = trial.trial.as_str();
        let verifiers = format!("{}/{} verifiers", trial.verifiers_passed, trial.verifiers_total);
        let time = text::short_duration(Duration::from_millis(trial.took_ms));
        let cause = trial
            .cause
            .as_deref()
            .filter(|_| trial.outcome != Outcome::Passed)
            .map(text::clean_line);
        let cause = cause
            .map(|cause| format!("  {}", text::shorten(&cause, LONGEST)))
            .unwrap_or_default();
        format!("[{done:>width$}/{total}] {sign} {word:<9} {id:<id_width$}  {verifiers:>15}  {time}{cause}")
    }

    fn say_how_far(&mut self, now: DateTime<Utc>) {
        if now - self.said < HOW_FAR {
            return;
        }
        self.said = now;
        let left = self
            .board
            .time_left(now)
            .map(|left| format!(", about {} left", text::short_duration(left)))
            .unwrap_or_default();
        let line = format!("{}{left}", self.board.line());
        self.say(&line);
        if let Some(wait) = self.board.longest_wait(now) {
            self.say(&format!("  {wait}"));
        }
    }
}

impl Watcher for Plain {
    fn event(&mut self, event: &Event, at: DateTime<Utc>) {
        self.board.event(event, at);
        match event {
            // Why these never began was said when their model was given up.
            Event::TrialFinished(finished) if finished.attempt == 0 => {}
            Event::TrialFinished(finished) => {
                let line = self.finished_line(finished);
                self.say(&line);
            }
            event => {
                if let Some(line) = noteworthy(event) {
                    self.say(&line);
                }
            }
        }
        self.say_how_far(at);
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        self.say_how_far(now);
    }
}

/// What is worth a line in every display.
pub(super) fn noteworthy(event: &Event) -> Option<String> {
    match event {
        Event::GymReached {
            gym,
            protocol,
            server,
            tools,
            connections,
            took_ms,
        } => Some(text::clean_line(&format!(
            "gym {gym}: {} of {server}, MCP {protocol}, reached in {took_ms}ms{}",
            text::count(*tools as usize, "tool"),
            match connections {
                Some(Connections::PerRequest) => ", a connection for each request",
                _ => "",
            },
        ))),
        Event::TrialRetried {
            trial,
            attempt,
            cause,
        } => {
            let cause = text::clean_line(cause);
            let cause = text::shorten(&cause, LONGEST);
            Some(format!(
                "{} {trial}: attempt {attempt} errored and is tried again: {cause}",
                paint::signs("!")
            ))
        }
        Event::ModelGivenUp { cause, .. } => {
            let cause = text::clean_line(cause);
            let cause = text::shorten(&cause, LONGEST);
            Some(format!(
                "{} {cause}: no further trial of this model is begun",
                paint::signs("!")
            ))
        }
        Event::PaceChanged {
            provider,
            was,
            requests_a_minute,
            cause,
        } if was.is_none_or(|was| *requests_a_minute < was) => {
            let cause = text::clean_line(cause);
            let cause = text::shorten(&cause, LONGEST);
            Some(format!(
                "{} {provider} is sent fewer requests: {requests_a_minute:.0} a minute ({cause})",
                paint::signs("!")
            ))
        }
        Event::ToolSchemasAdjusted {
            model,
            changes,
            cause,
        } => {
            let cause = text::clean_line(cause);
            let cause = text::shorten(&cause, LONGEST);
            let model = text::clean_line(model);
            let tools = text::count(changes.len(), "tool");
            Some(format!(
                "{} {model}: schemas of {tools} are sent without what the provider refuses ({cause})",
                paint::signs("!")
            ))
        }
        Event::DatabaseRemoved {
            trial,
            gym,
            problem: Some(problem),
            ..
        } => {
            let problem = text::clean_line(problem);
            Some(format!(
                "{} {trial}: gym {gym} may have kept its database: {problem}",
                paint::signs("!")
            ))
        }
        _ => None,
    }
}

fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✓",
        Outcome::Failed | Outcome::Limit => "✗",
        Outcome::Errored => "!",
        _ => "·",
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{at, finished, plan, started, waiting};
    use bench_core::event::ToolChange;
    use bench_runner::Earlier;

    use super::*;
    use crate::sink::Kept;

    #[test]
    fn a_run_in_lines() {
        let kept = Kept::default();
        let mut plain = Plain::new(
            &plan(),
            Board::new(&plan(), &Earlier::default()),
            kept.sink(),
            at(0),
        );
        let gym = Event::GymReached {
            gym: "tracker".into(),
            protocol: "2026-07-28".into(),
            server: "tracker 0.1.0".into(),
            tools: 27,
            connections: Some(Connections::PerRequest),
            took_ms: 12,
        };
        let trial = "b~oracle~1";
        let retried = Event::TrialRetried {
            trial: trial.parse().unwrap(),
            attempt: 1,
            cause: "gym\nbroke".into(),
        };
        let adjusted = Event::ToolSchemasAdjusted {
            model: "openai:m".into(),
            changes: vec![ToolChange {
                tool: "t".into(),
                removed: vec!["/oneOf".into()],
            }],
            cause: "400: no oneOf,\nplease".into(),
        };
        for (event, second) in [
            (adjusted, 0),
            (gym, 0),
            (started("a~oracle~1"), 0),
            (started(trial), 0),
            (finished("a~oracle~1", Outcome::Passed, None), 1),
            (retried, 2),
            (waiting(trial, 1_000), 3),
        ] {
            plain.event(&event, at(second));
        }
        plain.tick(at(29));
        plain.tick(at(30));
        plain.tick(at(31));
        plain.event(
            &finished(trial, Outcome::Errored, Some("gym \x1b[2Jbroke")),
            at(32),
        );
        insta::assert_snapshot!(kept.text(), @r"
        ! openai:m: schemas of 1 tool are sent without what the provider refuses (400: no oneOf,⏎please)
        gym tracker: 27 tools of tracker 0.1.0, MCP 2026-07-28, reached in 12ms, a connection for each request
        [1/4] ✓ passed    a~oracle~1    2/3 verifiers  1.20s
        ! b~oracle~1: attempt 1 errored and is tried again: gym⏎broke
        1/4 trials, 1 passed, 0 running, 1 waiting
          next request as soon as it is its turn · rate limit · model gpt-4o: rate ␛[2Jlimited · longest wait 28s (b~oracle~1)
        [2/4] ! errored   b~oracle~1    2/3 verifiers  1.20s  gym ␛[2Jbroke
        ");
    }
}
