//! The second screen: one run, live or over. How far it is, what each model achieves, where every trial stands, what
//! those under way wait for, and why others have no verdict.

mod all;
mod columns;
mod draw;
pub(crate) mod picture;

use std::sync::Arc;

use bench_core::TrialId;
use bench_state::RunId;
use chrono::{DateTime, Utc};
use ratatui::crossterm::event::KeyEvent;

use self::picture::{Grid, Picture, Standing};
use super::acts::ask::{Act, refusal};
use super::data::GONE;
use super::home::row::Row;
use super::keys::{Action, Binding, RUN, decode};
use super::look::Sign;

pub(crate) use self::draw::{draw, ending_words};

/// The state of the screen.
pub(crate) struct RunScreen {
    pub(crate) id: RunId,
    /// What can be done here.
    pub(crate) keys: &'static [Binding],
    picture: Option<Arc<Picture>>,
    chosen: Place,
    /// The first scenario on the screen.
    top: usize,
    /// The first row in view of all there is to say, while that is shown.
    all: Option<usize>,
    size: (u16, u16),
    /// Why nothing is shown, or why what is shown may be old.
    trouble: Option<String>,
    /// Whether it was removed meanwhile.
    is_gone: bool,
    now: DateTime<Utc>,
    turn: usize,
}

/// A place in the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    scenario: usize,
    model: usize,
    repetition: usize,
}

/// What the run's thread tells.
pub(crate) enum RunNews {
    Picture(Arc<Picture>),
    Trouble(String),
    /// It is no longer on disk.
    Gone,
}

/// Something for the screen to take in.
pub(crate) enum RunMessage {
    Key(KeyEvent),
    Wheel(isize),
    News(RunNews),
    Now(DateTime<Utc>),
    Size(u16, u16),
}

/// What the screen wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RunEffect {
    Quit,
    Back,
    Help,
    Open(TrialId),
    Act(Act),
}

impl RunScreen {
    /// The screen before anything is known.
    pub(crate) fn new(id: RunId, now: DateTime<Utc>) -> Self {
        Self {
            id,
            keys: RUN,
            picture: None,
            chosen: Place::default(),
            top: 0,
            all: None,
            size: (80, 24),
            trouble: None,
            is_gone: false,
            now,
            turn: 0,
        }
    }

    /// Whether something on the screen changes while time goes on.
    pub(crate) fn ticks(&self) -> bool {
        let picture = self.picture.as_ref().filter(|_| !self.is_gone);
        picture.is_some_and(|picture| picture.row.is_going())
    }

    /// Why this makes no sense for the run; none if it does.
    pub(crate) fn refusal(&self, act: Act) -> Option<&'static str> {
        if self.is_gone {
            return Some(GONE);
        }
        refusal(act, self.row(), &[])
    }

    /// Where a trial stands, as far as that is known.
    pub(crate) fn standing(&self, trial: &TrialId) -> Standing {
        let picture = self.picture.as_ref();
        picture.map_or_else(Standing::default, |picture| picture.standing(trial))
    }

    fn chosen_trial(&self) -> Option<TrialId> {
        self.grid()?.trial(self.chosen_at()?).cloned()
    }

    /// What the list shows of it.
    pub(crate) fn row(&self) -> Option<&Row> {
        self.picture.as_ref().map(|picture| &picture.row)
    }

    fn grid(&self) -> Option<&Grid> {
        Some(&self.picture.as_ref()?.places.grid)
    }

    fn chosen_at(&self) -> Option<usize> {
        let Place {
            scenario,
            model,
            repetition,
        } = self.chosen;
        Some(self.grid()?.at(scenario, model, repetition))
    }
}

/// Takes in a message.
pub(crate) fn update(run: &mut RunScreen, message: RunMessage) -> Option<RunEffect> {
    let effect = match message {
        RunMessage::Key(key) => decode(run.keys, &key).and_then(|action| act(run, action)),
        RunMessage::Wheel(lines) => {
            if !scroll(run, lines) {
                go(run, lines);
            }
            None
        }
        RunMessage::News(RunNews::Picture(picture)) => {
            run.picture = Some(picture);
            run.trouble = None;
            None
        }
        RunMessage::News(RunNews::Trouble(trouble)) => {
            run.trouble = Some(trouble);
            None
        }
        RunMessage::News(RunNews::Gone) => {
            run.is_gone = true;
            run.trouble = Some(GONE.to_owned());
            None
        }
        RunMessage::Now(now) => {
            run.now = now;
            run.turn = run.turn.wrapping_add(1);
            None
        }
        RunMessage::Size(columns, rows) => {
            run.size = (columns, rows);
            None
        }
    };
    keep_in_view(run);
    effect
}

fn act(run: &mut RunScreen, action: Action) -> Option<RunEffect> {
    let page = isize::try_from(draw::grid_rows(run)).unwrap_or(1).max(1);
    let by = match action {
        Action::Up => Some(-1),
        Action::Down => Some(1),
        Action::PageUp => Some(-draw::page_of_all(run)),
        Action::PageDown => Some(draw::page_of_all(run)),
        Action::First => Some(isize::MIN),
        Action::Last => Some(isize::MAX),
        _ => None,
    };
    if by.is_some_and(|by| scroll(run, by)) {
        return None;
    }
    match action {
        Action::NextTab => run.all = if run.all.is_some() { None } else { Some(0) },
        Action::Back if run.all.is_some() => run.all = None,
        // What is not seen is not chosen.
        Action::Left | Action::Right | Action::Next | Action::Previous | Action::Open
            if run.all.is_some() => {}
        Action::Up => go(run, -1),
        Action::Down => go(run, 1),
        Action::PageUp => go(run, -page),
        Action::PageDown => go(run, page),
        Action::First => go(run, isize::MIN),
        Action::Last => go(run, isize::MAX),
        Action::Left => sideways(run, false),
        Action::Right => sideways(run, true),
        Action::Next => odd(run, true),
        Action::Previous => odd(run, false),
        Action::Open => return run.chosen_trial().map(RunEffect::Open),
        Action::Back => return Some(RunEffect::Back),
        Action::Act(act) => return Some(RunEffect::Act(act)),
        Action::Help => return Some(RunEffect::Help),
        Action::Quit => return Some(RunEffect::Quit),
        _ => {}
    }
    None
}

/// Scrolls all there is to say, if that is shown.
fn scroll(run: &mut RunScreen, by: isize) -> bool {
    run.all = run
        .all
        .map(|top| top.saturating_add_signed(by).min(draw::lowest_of_all(run)));
    run.all.is_some()
}

/// Moves the choice among the scenarios.
fn go(run: &mut RunScreen, by: isize) {
    let last = run
        .grid()
        .map_or(0, |grid| grid.scenarios.len().saturating_sub(1));
    run.chosen.scenario = run.chosen.scenario.saturating_add_signed(by).min(last);
}

/// Moves the choice among the repetitions, and on to the next model.
fn sideways(run: &mut RunScreen, forward: bool) {
    let Some((models, runs)) = run.grid().map(|grid| (grid.models.len(), grid.runs)) else {
        return;
    };
    let at = run.chosen.model * runs + run.chosen.repetition;
    let last = (models * runs).saturating_sub(1);
    let at = at.saturating_add_signed(if forward { 1 } else { -1 }).min(last);
    run.chosen.model = at / runs.max(1);
    run.chosen.repetition = at % runs.max(1);
}

/// Moves the choice to the next trial that ended and did not pass.
fn odd(run: &mut RunScreen, forward: bool) {
    let (Some(picture), Some(from)) = (&run.picture, run.chosen_at()) else {
        return;
    };
    let grid = &picture.places.grid;
    let is_odd = |at: &usize| {
        let sign = picture.places.sign(*at);
        matches!(
            sign,
            Sign::Failed | Sign::Limit | Sign::Errored | Sign::Unscored | Sign::Cancelled
        )
    };
    let found = if forward {
        (from + 1..grid.len()).find(is_odd)
    } else {
        (0..from).rev().find(is_odd)
    };
    let Some(at) = found else { return };
    let (models, runs) = (grid.models.len().max(1), grid.runs.max(1));
    run.chosen = Place {
        scenario: at / (models * runs),
        model: at / runs % models,
        repetition: at % runs,
    };
}

/// Scrolls so that the chosen scenario is on the screen.
fn keep_in_view(run: &mut RunScreen) {
    let (rows, all) = (
        draw::grid_rows(run),
        run.grid().map_or(0, |grid| grid.scenarios.len()),
    );
    let chosen = run.chosen.scenario;
    let top = run.top.min(all.saturating_sub(rows));
    run.top = top.min(chosen).max((chosen + 1).saturating_sub(rows));
    // There may be less to say by now.
    scroll(run, 0);
}

#[cfg(test)]
mod tests;
