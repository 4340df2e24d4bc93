//! The view of a run in the process that does it, on a thread of its own: the run never waits for a terminal.
//!
//! It reads the run's folder as every dashboard does. Left with `q`, it makes way for the bars; Ctrl-C, which comes as a key
//! while all keys are the view's, is made the signal again that it would have been. When the run is over, the view is closed.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use bench_state::RunId;

use super::app::{Around, Over};
use super::enter::World;
use super::message::{Message, Tell};
use super::terminal;
use crate::context::Context;
use crate::error::CliError;
use crate::render::error::in_a_line;

/// How long the view may take to give the terminal back: one that does not read may never do so.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Hides the bars as long as the view is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Curtain(Arc<AtomicBool>);

impl Curtain {
    /// In front of the bars, or not.
    pub(crate) fn new(closed: bool) -> Self {
        Self(Arc::new(AtomicBool::new(closed)))
    }

    /// Whether the bars are hidden.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Lets the bars be seen.
    pub(crate) fn open(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Opens the curtain however the view ends.
struct Opens(Curtain);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A view that is open, or was left. Dropping it closes it.
pub(crate) struct Beside {
    tell: Tell,
    ended: Receiver<()>,
    closed: bool,
}

impl Beside {
    /// Shows a run of this process.
    pub(crate) fn open(run: RunId, curtain: Curtain, cx: &Context) -> Result<Self, CliError> {
        let world = World::of(cx)?;
        let (tell, messages) = channel();
        let (done, ended) = channel();
        let to_view = tell.clone();
        let view = move || {
            // Dropped last: by then the terminal is given back.
            let _done = done;
            let _opens = Opens(curtain);
            show(world, run, &to_view, &messages);
        };
        let started = thread::Builder::new().name("view".into()).spawn(view);
        started.map_err(|error| CliError::unfinished("cannot start the view").because(error))?;
        Ok(Self {
            tell,
            ended,
            closed: false,
        })
    }

    /// Closes it; `false` if a terminal that does not read holds it up.
    pub(crate) fn close(&mut self) -> bool {
        if std::mem::replace(&mut self.closed, true) {
            return true;
        }
        // Whoever has left it does not listen any more.
        self.tell.send(Message::Leave).unwrap_or_default();
        !matches!(
            self.ended.recv_timeout(LAST_WORDS),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.close();
    }
}

/// Shows it until it is left, and says what would have torn it.
fn show(world: World, run: RunId, tell: &Tell, messages: &Receiver<Message>) {
    let mut err = world.err.clone();
    let over = world.show(Around::Here, Some(run), tell, messages);
    let mut say = |line: &str| writeln!(err, "{line}").unwrap_or_default(); // nobody listens
    if let Ok(Over::Broke(error)) | Err(error) = over {
        say(&format!(
            "{}; the run goes on without its view",
            in_a_line(&error)
        ));
    }
    if let Some(words) = terminal::last_words() {
        say(&format!("a thread panicked: {words}"));
    }
}
