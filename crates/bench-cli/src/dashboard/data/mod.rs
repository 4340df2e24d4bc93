//! Threads that read the store, each for one screen. They send what changed, and end when nobody listens any more.

mod live;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod trial;

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::message::{Message, Tell};

/// Keeps a thread going; dropping it ends the thread at its next look.
pub(crate) struct Reader {
    _alive: Sender<()>,
}

/// What a thread knows of whoever started it.
pub(crate) struct Asked {
    end: Receiver<()>,
}

impl Asked {
    /// Waits; `false` if the thread is to end.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        !matches!(self.end.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }
}

/// Starts a thread that reads.
pub(crate) fn start(
    name: &'static str,
    tell: Tell,
    work: impl FnOnce(&Asked, &Tell) + Send + 'static,
) -> io::Result<Reader> {
    let (alive, end) = channel();
    watched(name, tell, move |tell| work(&Asked { end }, tell))?;
    Ok(Reader { _alive: alive })
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
