//! Threads that read the store, each for one screen. They send what changed, and end when nobody listens any more.

mod live;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod trial;

use std::cell::RefCell;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use bench_state::RunId;

use super::message::{Message, Tell};

/// What is said of a run that was removed while it was on the screen. Nothing that was read is taken away.
pub(crate) const GONE: &str = "the run is no longer on disk: removed or moved; what was read of it stays";

/// Keeps a thread going; dropping it ends the thread at its next look.
pub(crate) struct Reader {
    asks: Sender<Again>,
}

/// What may have changed in a way that no look finds by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Again {
    /// A run that was over: taken up and over again between two looks.
    Run(RunId),
    /// Results of the older tool.
    Older,
}

impl Reader {
    /// Asks for another look at something.
    pub(crate) fn again(&self, what: Again) {
        self.asks.send(what).unwrap_or_default(); // it has ended
    }
}

/// What a thread knows of whoever started it.
pub(crate) struct Asked {
    asks: Receiver<Again>,
    kept: RefCell<Vec<Again>>,
}

impl Asked {
    /// Waits so long, or until something is asked; `false` if the thread is to end.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        match self.asks.recv_timeout(time) {
            Ok(what) => self.kept.borrow_mut().push(what),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// What is to be looked at again.
    pub(crate) fn again(&self) -> Vec<Again> {
        self.kept.take()
    }
}

/// Starts a thread that reads.
pub(crate) fn start(
    name: &'static str,
    tell: Tell,
    work: impl FnOnce(&Asked, &Tell) + Send + 'static,
) -> io::Result<Reader> {
    let (ask, asks) = channel();
    watched(name, tell, move |tell| {
        let kept = RefCell::default();
        work(&Asked { asks, kept }, tell);
    })?;
    Ok(Reader { asks: ask })
}

/// Starts a thread whose panic is told.
pub(crate) fn watched(
    name: &'static str,
    tell: Tell,
    work: impl FnOnce(&Tell) + Send + 'static,
) -> io::Result<()> {
    let work = move || {
        let broken = Broken { tell, name };
        work(&broken.tell);
    };
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

/// Tells of a panic: a screen that shows old news for ever would be worse than none.
struct Broken {
    tell: Tell,
    name: &'static str,
}

impl Drop for Broken {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell.send(Message::Broke(self.name)).unwrap_or_default(); // nobody listens
        }
    }
}
