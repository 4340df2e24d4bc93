//! The loop: messages in, screens updated, and drawn when something changed, at most thirty times a second.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bench_core::TrialId;
use bench_runner::BenchJob;
use bench_state::{RunId, RunStore};
use chrono::Utc;
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyEvent, MouseEventKind};

use super::acts::ask::Act;
use super::acts::{Acts, Begin};
use super::data::trial::TrialReader;
use super::data::{self, Reader};
use super::home::{self, Home, HomeEffect, HomeMessage};
use super::input::Keys;
use super::keys::{Binding, HOME, RUN, RUN_ATTACHED, RUN_HERE, always_quits, repaints};
use super::look::Look;
use super::message::{Message, Tell};
use super::pager::{Paging, Transcript};
use super::paint;
use super::run::{self, RunEffect, RunMessage, RunScreen};
use super::scroll::Scroll;
use super::terminal::{self, Screen};
use super::trial::{self, TrialEffect, TrialMessage, TrialScreen};
use crate::error::CliError;
use crate::signals;

/// Least time between two drawings.
const FRAME: Duration = Duration::from_millis(33);
/// Time between two looks at the clock while something on the screen needs it.
const TICK: Duration = Duration::from_millis(250);
/// Messages that are taken in before the screen is drawn again.
const MOST_AT_ONCE: usize = 256;

/// What Ctrl-C says in the view of a run of this process.
const ENDING: &str = "ending: running trials are ended, finished ones are kept; ^C once more stops at once";

/// What is said to a text that was pasted where there is no place for one.
const PASTED: &str = "what is pasted is not taken for keys; the filter (`/`) takes it as text";

/// What is on the screen.
pub(super) struct App {
    look: Look,
    store: RunStore<BenchJob>,
    tell: Tell,
    around: Around,
    size: (u16, u16),
    home: Home,
    /// The thread that reads the list, if there is one.
    pub(super) runs: Option<Reader>,
    /// The run that is open on top of the list, and the thread that reads it.
    run: Option<(RunScreen, Reader)>,
    /// The trial that is open on top of the run, and the thread that reads it.
    trial: Option<(TrialScreen, TrialReader)>,
    /// What is asked and done, above whichever screen.
    pub(super) acts: Acts,
    /// The pager that has the terminal meanwhile.
    paging: Paging,
    /// The help of the screen, scrolled to somewhere.
    help: Option<Scroll>,
    turn: usize,
    /// The terminal's bell is to be heard once.
    rings: bool,
    /// Whatever is on the terminal is to be drawn over.
    repaints: bool,
    over: Option<Over>,
    /// For tests of what a panic leaves of the terminal.
    pub(super) panics: bool,
}

/// Why it ends.
pub(super) enum Over {
    /// Somebody left.
    Quit,
    /// The run that was attached to is over.
    RunEnded,
    Signal(&'static str),
    Broke(CliError),
}

/// Around what it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// All runs, of which one may be opened.
    All,
    /// One run until it is over.
    Attached,
    /// The run of this process.
    Here,
}

impl Around {
    /// What can be done about a run that is open.
    fn keys(self) -> &'static [Binding] {
        match self {
            Self::All => RUN,
            Self::Attached => RUN_ATTACHED,
            Self::Here => RUN_HERE,
        }
    }
}

impl App {
    /// Before anything is known.
    pub(super) fn new(
        look: Look,
        store: RunStore<BenchJob>,
        tell: Tell,
        around: Around,
        home: Home,
        acts: Acts,
        paging: Paging,
    ) -> Self {
        Self {
            look,
            store,
            tell,
            around,
            size: (80, 24),
            home,
            runs: None,
            run: None,
            trial: None,
            acts,
            paging,
            help: None,
            turn: 0,
            rings: false,
            repaints: false,
            over: None,
            panics: false,
        }
    }

    /// Takes in messages and draws until something ends it. A pager ends with it.
    pub(super) fn follow(
        &mut self,
        messages: &Receiver<Message>,
        screen: &mut Screen,
        keys: &mut Keys,
    ) -> std::io::Result<Over> {
        let over = self.go_on(messages, screen, keys);
        self.paging.close();
        over
    }

    fn go_on(
        &mut self,
        messages: &Receiver<Message>,
        screen: &mut Screen,
        keys: &mut Keys,
    ) -> std::io::Result<Over> {
        self.measure(screen)?;
        let (mut changed, mut drawn, mut ticked) = (true, None::<Instant>, Instant::now());
        loop {
            if let Some(back) = self.paging.turn(screen, keys, &self.tell)? {
                self.measure(screen)?;
                changed = true;
                if let Some(words) = back.words {
                    self.acts.refuse(words);
                }
            }
            let draws = changed && !self.paging.is_open();
            let rest = drawn.map_or(Duration::ZERO, |at| FRAME.saturating_sub(at.elapsed()));
            if draws && rest.is_zero() {
                if std::mem::take(&mut self.repaints) {
                    screen.terminal.clear()?;
                }
                screen.terminal.draw(|frame| self.draw(frame))?;
                let now = Instant::now();
                (changed, drawn) = (false, Some(now));
                self.acts.drawn(now);
                if std::mem::take(&mut self.rings) {
                    terminal::ring()?;
                }
                assert!(!self.panics, "made to panic");
            }
            let patience = match (draws && changed, self.ticks()) {
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

    /// Looks how large the terminal is.
    fn measure(&mut self, screen: &Screen) -> std::io::Result<()> {
        let size = screen.terminal.size()?;
        self.resize(size.width, size.height);
        Ok(())
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
            // Typed before the pager was there, and not meant for what comes after it.
            Message::Input { .. } if self.paging.is_open() => {}
            Message::Input { event, since } => self.input(&event, since),
            Message::Paged => self.paging.ended(),
            Message::Runs(news) => {
                self.home_message(HomeMessage::News(news));
                self.tell_acts();
            }
            Message::Run(id, news) => {
                // It may have been left meanwhile.
                if self.run.as_ref().is_some_and(|(run, _)| run.id == id) {
                    self.run_message(RunMessage::News(news));
                    self.tell_acts();
                    self.tell_trial();
                }
            }
            Message::Trial(run, id, news) => {
                let open = self.trial.as_ref().map(|(trial, _)| (&trial.run, &trial.trial));
                if open == Some((&run, &id)) {
                    self.trial_message(TrialMessage::News(news));
                }
            }
            Message::Acted(number, outcome) => {
                if let (Some(again), Some(runs)) = (self.acts.ended(number, &outcome), &self.runs) {
                    runs.again(again);
                }
            }
            Message::Leave => self.over = Some(Over::Quit),
            Message::Signal(name) if self.paging.takes(name) => {}
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
        let screen = match (&self.trial, &self.run) {
            (Some((trial, _)), _) => trial.ticks(),
            (None, Some((run, _))) => run.ticks(),
            (None, None) => self.home.ticks(),
        };
        screen || self.acts.ticks()
    }

    fn now(&mut self) {
        let now = Utc::now();
        self.turn = self.turn.wrapping_add(1);
        self.acts.now(now);
        self.home_message(HomeMessage::Now(now));
        self.run_message(RunMessage::Now(now));
        self.trial_message(TrialMessage::Now(now));
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.acts.resize(columns, rows);
        self.home_message(HomeMessage::Size(columns, rows));
        self.run_message(RunMessage::Size(columns, rows));
        self.trial_message(TrialMessage::Size(columns, rows));
    }

    fn input(&mut self, event: &Event, since: Instant) {
        match event {
            Event::Key(key) if always_quits(key) => self.interrupted(),
            Event::Key(key) if repaints(key) => self.repaints = true,
            Event::Key(key) if self.help.is_some() => self.help_key(key),
            Event::Key(key) if self.acts.is_open() => {
                let begin = self.acts.key(key, since);
                self.begin(begin);
            }
            Event::Key(key) => self.screen_key(key, since),
            Event::Paste(text) => self.pasted(text),
            Event::Mouse(mouse) => {
                let lines = match mouse.kind {
                    MouseEventKind::ScrollUp => -home::WHEEL,
                    MouseEventKind::ScrollDown => home::WHEEL,
                    _ => return,
                };
                match (&self.trial, &self.run) {
                    _ if self.help.is_some() => {
                        let (all, rows) = paint::help_lines(self.bindings(), self.size.1);
                        if let Some(help) = &mut self.help {
                            help.by(lines, all, rows);
                        }
                    }
                    _ if self.acts.is_open() => self.acts.scroll(lines),
                    (Some(_), _) => self.trial_message(TrialMessage::Wheel(lines)),
                    (None, Some(_)) => self.run_message(RunMessage::Wheel(lines)),
                    (None, None) => self.home_message(HomeMessage::Wheel(lines)),
                }
            }
            Event::Resize(columns, rows) => self.resize(*columns, *rows),
            _ => {}
        }
    }

    /// A key while the help is open: scrolls it, or closes it.
    fn help_key(&mut self, key: &KeyEvent) {
        let (all, rows) = paint::help_lines(self.bindings(), self.size.1);
        self.help.take_if(|help| !help.key(key, all, rows));
    }

    /// The keys of the screen that is there.
    fn bindings(&self) -> &'static [Binding] {
        match (&self.trial, &self.run) {
            (Some((trial, _)), _) => trial.bindings(),
            (None, Some((run, _))) => run.keys,
            (None, None) => HOME,
        }
    }

    /// Ctrl-C: leaves, or ends the run of this process as without its view.
    fn interrupted(&mut self) {
        if self.around != Around::Here {
            self.over = Some(Over::Quit);
        } else if let Err(error) = signals::interrupt() {
            let error = CliError::unfinished("cannot interrupt the run").because(error);
            self.over = Some(Over::Broke(error));
        } else {
            self.acts.notice = Some(ENDING);
        }
    }

    /// A text for whoever has a place for it. It is never taken for keys.
    fn pasted(&mut self, text: &str) {
        let on_home = self.run.is_none() && self.help.is_none() && !self.acts.is_open();
        if on_home && self.home.is_typing() {
            self.home_message(HomeMessage::Paste(text.to_owned()));
        } else {
            self.acts.refuse(PASTED.to_owned());
        }
    }

    /// A key for the screen that is there.
    fn screen_key(&mut self, key: &KeyEvent, since: Instant) {
        // Takes away what was said.
        let begin = self.acts.key(key, since);
        self.begin(begin);
        match (&self.trial, &self.run) {
            (Some(_), _) => self.trial_message(TrialMessage::Key(*key)),
            (None, Some(_)) => self.run_message(RunMessage::Key(*key)),
            (None, None) => self.home_message(HomeMessage::Key(*key)),
        }
    }

    fn home_message(&mut self, message: HomeMessage) {
        match home::update(&mut self.home, message) {
            None => {}
            Some(HomeEffect::Help) => self.help = Some(Scroll::default()),
            Some(HomeEffect::Quit) => self.over = Some(Over::Quit),
            Some(HomeEffect::Open(id)) => self.open(id),
            Some(HomeEffect::Act(act)) => self.want(act),
            Some(HomeEffect::Ring) => self.rings = true,
        }
    }

    fn run_message(&mut self, message: RunMessage) {
        let effect = self.run.as_mut().and_then(|(run, _)| run::update(run, message));
        let row = self.run.as_ref().and_then(|(run, _)| run.row());
        // Whoever reads a trial of it is left in peace.
        let reads = self.trial.is_some();
        if self.around == Around::Attached && !reads && row.is_some_and(|row| !row.is_going()) {
            self.over = Some(Over::RunEnded);
        }
        match effect {
            None => {}
            Some(RunEffect::Help) => self.help = Some(Scroll::default()),
            Some(RunEffect::Back) => self.run = None,
            Some(RunEffect::Quit) => self.over = Some(Over::Quit),
            Some(RunEffect::Act(act)) => self.want(act),
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
            Some(TrialEffect::Help) => self.help = Some(Scroll::default()),
            Some(TrialEffect::Back) => self.trial = None,
            Some(TrialEffect::Quit) => self.over = Some(Over::Quit),
            // A terminal that cannot be written to is found out about by the next drawing.
            Some(TrialEffect::Copy(text)) => terminal::copy(&text).unwrap_or_default(),
            Some(TrialEffect::Page) => self.paging.want(Transcript {
                store: self.store.clone(),
                run: trial.run.clone(),
                trial: trial.trial.clone(),
                columns: self.size.0.into(),
            }),
        }
    }

    /// What the run knows of the trial that is open.
    fn tell_trial(&mut self) {
        if let (Some((run, _)), Some((trial, _))) = (&self.run, &self.trial) {
            let standing = run.standing(&trial.trial);
            self.trial_message(TrialMessage::Stands(standing));
        }
    }

    /// How the run stands that a question is about.
    fn tell_acts(&mut self) {
        let (run, home) = (&self.run, &self.home);
        self.acts.stands(|key| match run {
            Some((run, _)) => run.row().filter(|row| row.key == *key),
            None => home.row_of(key),
        });
    }

    /// Something is to be done about the run on the screen.
    fn want(&mut self, act: Act) {
        if let Some(why) = self.run.as_ref().and_then(|(run, _)| run.refusal(act)) {
            return self.acts.refuse(why.to_owned());
        }
        let (row, marked) = match &self.run {
            Some((run, _)) => (run.row(), Vec::new()),
            None => (self.home.chosen_row(), self.home.marked()),
        };
        let begin = self.acts.want(act, row, &marked);
        self.begin(begin);
    }

    fn begin(&mut self, begin: Option<Begin>) {
        let Some(begin) = begin else { return };
        let program = self.acts.program.clone();
        let Begin {
            number,
            words,
            columns,
        } = begin;
        if let Err(error) = program.start(number, words, columns, self.tell.clone()) {
            self.no_thread(error);
        }
    }

    /// Opens a run.
    pub(super) fn open(&mut self, id: RunId) {
        match data::run::start(self.store.clone(), id.clone(), self.tell.clone()) {
            Ok(reader) => {
                let mut screen = RunScreen::new(id, Utc::now());
                screen.keys = self.around.keys();
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
        let mut screen = TrialScreen::new(id.clone(), trial.clone(), run.standing(&trial), Utc::now());
        screen.pages = self.around == Around::All;
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
        if let Some((trial, _)) = &self.trial {
            trial::draw(trial, self.look, frame);
        } else if let Some((run, _)) = &self.run {
            run::draw(run, self.look, frame);
        } else {
            home::draw(&self.home, self.look, frame);
        }
        let area = frame.area();
        self.acts.draw(self.look, self.turn, area, frame.buffer_mut());
        if let Some(scroll) = self.help {
            let area = frame.area();
            paint::help(frame.buffer_mut(), self.look, area, self.bindings(), scroll);
        }
    }
}
