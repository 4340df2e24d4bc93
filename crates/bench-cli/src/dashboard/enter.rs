//! The ways in: all runs, one that is attached to, or the run of this very process (through [`super::beside`]).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};

use bench_runner::BenchJob;
use bench_state::{RunId, RunStore};
use chrono::Utc;

use super::acts::Acts;
use super::acts::child::Program;
use super::app::{App, Around, Over};
use super::data;
use super::home::Home;
use super::input::{self, Keys};
use super::look::Look;
use super::message::{Message, Tell};
use super::pager::{Paging, Programs};
use super::terminal::Screen;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::sink::Sink;

/// Shows the dashboard until somebody leaves it: the list of runs, or one of them on top of it.
pub(crate) fn run(open: Option<RunId>, cx: &Context) -> Result<Exit, CliError> {
    check_terminal(cx)?;
    let (tell, messages) = channel();
    match World::of(cx)?.show(Around::All, open, &tell, &messages)? {
        Over::Quit | Over::RunEnded => Ok(Exit::Success),
        Over::Signal(name) => Err(CliError::interrupted(name)),
        Over::Broke(error) => Err(error),
    }
}

/// Shows a run until it is over or somebody leaves; whether it is over.
pub(crate) fn attached(run: RunId, cx: &Context) -> Result<bool, CliError> {
    let (tell, messages) = channel();
    match World::of(cx)?.show(Around::Attached, Some(run), &tell, &messages)? {
        Over::RunEnded => Ok(true),
        Over::Quit | Over::Signal(_) => Ok(false),
        Over::Broke(error) => Err(error),
    }
}

/// Whether there is a terminal for it.
pub(crate) fn can_run(cx: &Context) -> bool {
    lacks(cx).is_none()
}

/// What is missing for it.
pub(crate) fn lacks(cx: &Context) -> Option<&'static str> {
    let dumb = cx
        .variables
        .get("TERM")
        .is_none_or(|term| term.is_empty() || term == "dumb");
    let stdin = io::IsTerminal::is_terminal(&io::stdin());
    match (cx.out_look.terminal, stdin, dumb) {
        (true, true, false) => None,
        (false, ..) => Some("stdout is none"),
        (_, false, _) => Some("stdin is none"),
        (.., true) => Some("TERM says that it cannot move its cursor"),
    }
}

/// Refuses what is no terminal, and says what to use instead.
fn check_terminal(cx: &Context) -> Result<(), CliError> {
    let Some(why) = lacks(cx) else { return Ok(()) };
    Err(CliError::usage(format!("the dashboard needs a terminal; {why}"))
        .hint(format!("`{}` shows the same as text", cx.command("view list")))
        .hint(format!("`{}` shows one run", cx.command("show RUN"))))
}

/// What the dashboard needs of the world; may be taken to another thread.
pub(super) struct World {
    look: Look,
    store: RunStore<BenchJob>,
    folder: String,
    program: Program,
    pagers: Programs,
    /// What is written to it meanwhile would tear the screen.
    pub(super) err: Sink,
    /// Whether it goes to the terminal.
    err_tears: bool,
    /// The thread that a test wants to panic.
    panics: Option<String>,
}

impl World {
    /// That of a command.
    pub(super) fn of(cx: &Context) -> Result<Self, CliError> {
        Ok(Self {
            look: Look::of(&cx.variables, cx.out_look.color),
            store: cx.store()?,
            folder: cx.shown(&cx.results_dir()),
            program: Program {
                results: cx.results.clone(),
            },
            pagers: Programs::of(&cx.variables),
            err: cx.err.clone(),
            err_tears: cx.err_look.terminal,
            panics: made_to_panic(&cx.variables),
        })
    }

    /// Takes the terminal over until it ends; why it ended.
    pub(super) fn show(
        self,
        around: Around,
        open: Option<RunId>,
        tell: &Tell,
        messages: &Receiver<Message>,
    ) -> Result<Over, CliError> {
        let broken = |error| CliError::unfinished("cannot start the dashboard").because(error);
        let panics = |thread: &str| self.panics.as_deref() == Some(thread);
        let now = Utc::now();
        let mut app = App::new(
            self.look,
            self.store.clone(),
            tell.clone(),
            around,
            Home::new(self.folder.clone(), now),
            Acts::new(self.program.clone(), now),
            Paging::new(self.pagers.clone()),
        );
        app.panics = panics("drawing");
        let held = self.err_tears.then(|| self.err.hold());
        if around != Around::Here {
            input::signals(tell.clone()).map_err(broken)?;
        }
        let mut screen = Screen::take().map_err(broken)?;
        if around == Around::All {
            let runs = data::runs::start(self.store.clone(), panics("runs"), tell.clone());
            app.runs = Some(runs.map_err(broken)?);
        }
        let mut keys = Keys::read(tell.clone()).map_err(broken)?;
        if let Some(id) = open {
            app.open(id);
        }
        let ended = app.follow(messages, &mut screen, &mut keys);
        drop(keys);
        drop(screen);
        drop(held);
        for command in app.acts.under_way() {
            let line = format!("`{command}` is still under way and goes on by itself");
            writeln!(self.err.clone(), "{line}").unwrap_or_default(); // nobody listens
        }
        ended.map_err(|error| CliError::unfinished("cannot write to the terminal").because(error))
    }
}

/// The thread that a test wants to panic: in `BENCH_TEST_PANIC`, and never in a release.
fn made_to_panic(variables: &BTreeMap<String, String>) -> Option<String> {
    let named = variables.get("BENCH_TEST_PANIC").cloned();
    named.filter(|_| cfg!(debug_assertions))
}
