//! The loop: messages in, screens updated, and drawn when something changed, at most thirty times a second.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bench_core::TrialId;
use bench_runner::BenchJob;
use bench_state::{RunId, RunStore};
use chrono::Utc;
use ratatui::Frame;
use ratatui::crossterm::event::{Event, MouseEventKind};

use super::data::trial::TrialReader;
use super::data::{self, Reader};
use super::home::{self, Home, HomeEffect, HomeMessage};
use super::keys::{HOME, RUN, always_quits};
use super::look::Look;
use super::message::{Message, Tell};
use super::run::{self, RunEffect, RunMessage, RunScreen};
use super::terminal::{self, Screen};
use super::trial::{self, TrialEffect, TrialMessage, TrialScreen};
use super::{input, paint};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Least time between two drawings.
const FRAME: Duration = Duration::from_millis(33);
/// Time between two looks at the clock while something on the screen needs it.
const TICK: Duration = Duration::from_millis(250);
/// Messages that are taken in before the screen is drawn again.
const MOST_AT_ONCE: usize = 256;

/// What is on the screen.
struct App {
    look: Look,
    store: RunStore<BenchJob>,
    tell: Tell,
    size: (u16, u16),
    home: Home,
    /// The run that is open on top of the list, and the thread that reads it.
    run: Option<(RunScreen, Reader)>,
    /// The trial that is open on top of the run, and the thread that reads it.
    trial: Option<(TrialScreen, TrialReader)>,
    help: bool,
    over: Option<Over>,
    /// For tests of what a panic leaves of the terminal.
    panics: bool,
}

/// Why it ends.
enum Over {
    Quit,
    Signal(&'static str),
    Broke(CliError),
}

/// Shows the dashboard until somebody leaves it: the list of runs, or one of them on top of it.
pub(crate) fn run(open: Option<RunId>, cx: &Context) -> Result<Exit, CliError> {
    check_terminal(cx)?;
    let look = Look::of(&cx.variables, cx.out_look.color);
    let store = cx.store()?;
    let (tell, messages) = channel();
    let broken = |error| CliError::unfinished("cannot start the dashboard").because(error);
    let mut app = App {
        look,
        store: store.clone(),
        tell: tell.clone(),
        size: (80, 24),
        run: None,
        trial: None,
        home: Home::new(cx.shown(&cx.results_dir()), Utc::now()),
        help: false,
        over: None,
        panics: false,
    };
    // What is said meanwhile would tear the screen.
    let held = cx.err.hold();
    input::signals(tell.clone()).map_err(broken)?;
    let mut screen = Screen::take().map_err(broken)?;
    let reader =
        data::runs::start(store, made_to_panic("runs", &cx.variables), tell.clone()).map_err(broken)?;
    app.panics = made_to_panic("drawing", &cx.variables);
    input::keys(tell).map_err(broken)?;
    if let Some(id) = open {
        app.open(id);
    }
    let ended = app.follow(&messages, &mut screen, reader);
    drop(screen);
    drop(held);
    match ended.map_err(|error| CliError::unfinished("cannot write to the terminal").because(error))? {
        Over::Quit => Ok(Exit::Success),
        Over::Signal(name) => Err(CliError::interrupted(name)),
        Over::Broke(error) => Err(error),
    }
}

/// Whether there is a terminal for it.
pub(crate) fn can_run(cx: &Context) -> bool {
    check_terminal(cx).is_ok()
}

/// Refuses what is no terminal, and says what to use instead.
fn check_terminal(cx: &Context) -> Result<(), CliError> {
    let dumb = cx
        .variables
        .get("TERM")
        .is_none_or(|term| term.is_empty() || term == "dumb");
    let stdin = std::io::IsTerminal::is_terminal(&std::io::stdin());
    let why = match (cx.out_look.terminal, stdin, dumb) {
        (true, true, false) => return Ok(()),
        (false, ..) => "stdout is none",
        (_, false, _) => "stdin is none",
        (.., true) => "TERM says that it cannot move its cursor",
    };
    Err(CliError::usage(format!("the dashboard needs a terminal; {why}"))
        .hint(format!("`{}` shows the same as text", cx.command("view list")))
        .hint(format!("`{}` shows one run", cx.command("show RUN"))))
}

/// Whether a test wants a panic in this thread: in `BENCH_TEST_PANIC`, and never in a release.
pub(super) fn made_to_panic(thread: &str, variables: &BTreeMap<String, String>) -> bool {
    cfg!(debug_assertions)
        && variables
            .get("BENCH_TEST_PANIC")
            .is_some_and(|named| named == thread)
}

impl App {
    fn follow(
        &mut self,
        messages: &Receiver<Message>,
        screen: &mut Screen,
        _reader: Reader,
    ) -> std::io::Result<Over> {
        let size = screen.terminal.size()?;
        self.resize(size.width, size.height);
        let (mut changed, mut drawn, mut ticked) = (true, None::<Instant>, Instant::now());
        loop {
            let rest = drawn.map_or(Duration::ZERO, |at| FRAME.saturating_sub(at.elapsed()));
            if changed && rest.is_zero() {
                screen.terminal.draw(|frame| self.draw(frame))?;
                (changed, drawn) = (false, Some(Instant::now()));
                assert!(!self.panics, "made to panic");
            }
            let patience = match (changed, self.ticks()) {
                (true, _) => Some(rest),
                (false, true) => Some(TICK.saturating_sub(ticked.elapsed())),
                (false, false) => None,
            };
            changed |= self.wait(messages, patience);
            if ticked.elapsed() >= TICK && self.ticks() {
                ticked = Instant::now();
                self.now();
                changed = true;
            }
            if let Some(over) = self.over.take() {
                return Ok(over);
            }
        }
    }

    /// Takes in what comes within so much time; whether anything came.
    fn wait(&mut self, messages: &Receiver<Message>, patience: Option<Duration>) -> bool {
        let first = match patience {
            Some(patience) => messages.recv_timeout(patience),
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match first {
            Ok(message) => self.take_in(message),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => {
                self.over = Some(Over::Broke(CliError::unfinished("nothing is read any more")));
            }
        }
        for message in messages.try_iter().take(MOST_AT_ONCE) {
            self.take_in(message);
        }
        true
    }

    fn take_in(&mut self, message: Message) {
        // Ages are counted from when something is known.
        self.now();
        match message {
            Message::Input(event) => self.input(&event),
            Message::Runs(news) => self.home_message(HomeMessage::News(news)),
            Message::Run(id, news) => {
                // It may have been left meanwhile.
                if self.run.as_ref().is_some_and(|(run, _)| run.id == id) {
                    self.run_message(RunMessage::News(news));
                    self.tell_trial();
                }
            }
            Message::Trial(run, id, news) => {
                let open = self.trial.as_ref().map(|(trial, _)| (&trial.run, &trial.trial));
                if open == Some((&run, &id)) {
                    self.trial_message(TrialMessage::News(news));
                }
            }
            Message::Signal(name) => self.over = Some(Over::Signal(name)),
            Message::InputGone(error) => {
                let error = CliError::unfinished("cannot read from the terminal").because(error);
                self.over = Some(Over::Broke(error));
            }
            Message::Broke(thread) => {
                let mut error =
                    CliError::unfinished(format!("the thread `{thread}` of the dashboard panicked"));
                if let Some(words) = terminal::last_words() {
                    error = error.because(std::io::Error::other(words));
                }
                self.over = Some(Over::Broke(error.hint("the runs go on")));
            }
        }
    }

    /// Whether something on the screen changes while time goes on.
    fn ticks(&self) -> bool {
        match (&self.trial, &self.run) {
            (Some((trial, _)), _) => trial.ticks(),
            (None, Some((run, _))) => run.ticks(),
            (None, None) => self.home.ticks(),
        }
    }

    fn now(&mut self) {
        let now = Utc::now();
        self.home_message(HomeMessage::Now(now));
        self.run_message(RunMessage::Now(now));
        self.trial_message(TrialMessage::Now(now));
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.home_message(HomeMessage::Size(columns, rows));
        self.run_message(RunMessage::Size(columns, rows));
        self.trial_message(TrialMessage::Size(columns, rows));
    }

    fn input(&mut self, event: &Event) {
        match event {
            Event::Key(key) if always_quits(key) => self.over = Some(Over::Quit),
            Event::Key(_) if self.help => self.help = false,
            Event::Key(key) if self.trial.is_some() => self.trial_message(TrialMessage::Key(*key)),
            Event::Key(key) if self.run.is_some() => self.run_message(RunMessage::Key(*key)),
            Event::Key(key) => self.home_message(HomeMessage::Key(*key)),
            Event::Mouse(mouse) => {
                let lines = match mouse.kind {
                    MouseEventKind::ScrollUp => -home::WHEEL,
                    MouseEventKind::ScrollDown => home::WHEEL,
                    _ => return,
                };
                match (&self.trial, &self.run) {
                    (Some(_), _) => self.trial_message(TrialMessage::Wheel(lines)),
                    (None, Some(_)) => self.run_message(RunMessage::Wheel(lines)),
                    (None, None) => self.home_message(HomeMessage::Wheel(lines)),
                }
            }
            Event::Resize(columns, rows) => self.resize(*columns, *rows),
            _ => {}
        }
    }

    fn home_message(&mut self, message: HomeMessage) {
        match home::update(&mut self.home, message) {
            None => {}
            Some(HomeEffect::Help) => self.help = true,
            Some(HomeEffect::Quit) => self.over = Some(Over::Quit),
            Some(HomeEffect::Open(id)) => self.open(id),
        }
    }

    fn run_message(&mut self, message: RunMessage) {
        let effect = self.run.as_mut().and_then(|(run, _)| run::update(run, message));
        match effect {
            None => {}
            Some(RunEffect::Help) => self.help = true,
            Some(RunEffect::Back) => self.run = None,
            Some(RunEffect::Quit) => self.over = Some(Over::Quit),
            Some(RunEffect::Open(trial)) => self.open_trial(trial),
        }
    }

    fn trial_message(&mut self, message: TrialMessage) {
        let Some((trial, reader)) = &mut self.trial else {
            return;
        };
        let effect = trial::update(trial, message);
        reader.wish(trial.wish());
        match effect {
            None => {}
            Some(TrialEffect::Help) => self.help = true,
            Some(TrialEffect::Back) => self.trial = None,
            Some(TrialEffect::Quit) => self.over = Some(Over::Quit),
        }
    }

    /// What the run knows of the trial that is open.
    fn tell_trial(&mut self) {
        if let (Some((run, _)), Some((trial, _))) = (&self.run, &self.trial) {
            let standing = run.standing(&trial.trial);
            self.trial_message(TrialMessage::Stands(standing));
        }
    }

    fn open(&mut self, id: RunId) {
        match data::run::start(self.store.clone(), id.clone(), self.tell.clone()) {
            Ok(reader) => {
                let mut screen = RunScreen::new(id, Utc::now());
                let (columns, rows) = self.size;
                run::update(&mut screen, RunMessage::Size(columns, rows));
                self.run = Some((screen, reader));
            }
            Err(error) => self.no_thread(error),
        }
    }

    fn open_trial(&mut self, trial: TrialId) {
        let Some((run, _)) = &self.run else { return };
        let id = run.id.clone();
        let screen = TrialScreen::new(id.clone(), trial.clone(), run.standing(&trial), Utc::now());
        match data::trial::start(self.store.clone(), id, trial, self.tell.clone()) {
            Ok(reader) => {
                self.trial = Some((screen, reader));
                let (columns, rows) = self.size;
                self.trial_message(TrialMessage::Size(columns, rows));
            }
            Err(error) => self.no_thread(error),
        }
    }

    fn no_thread(&mut self, error: std::io::Error) {
        let error = CliError::unfinished("cannot start a thread").because(error);
        self.over = Some(Over::Broke(error));
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let bindings = if let Some((trial, _)) = &self.trial {
            trial::draw(trial, self.look, frame);
            trial.bindings()
        } else if let Some((run, _)) = &self.run {
            run::draw(run, self.look, frame);
            RUN
        } else {
            home::draw(&self.home, self.look, frame);
            HOME
        };
        if self.help {
            let area = frame.area();
            paint::help(frame.buffer_mut(), self.look, area, bindings);
        }
    }
}
