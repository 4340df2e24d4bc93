//! Threads that send what comes from outside: keys, the mouse wheel, new sizes, pasted texts, and signals.
//!
//! A terminal that does not tell what is pasted sends it as keys, each right behind the other. [`Bursts`] finds out which
//! keys came together, so that none of them is taken for the answer to a question that another one has raised.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseEventKind};
use tokio::runtime::Builder;

use super::data::{Asked, Reader, start, watched};
use super::message::{Message, Tell};
use crate::signals::Signals;

/// How often to look whether anybody still takes in what is sent.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Keys that come sooner after each other than this were not typed one after another.
const APART: Duration = Duration::from_millis(30);

/// Sends keys, turns of the wheel, new sizes and what is pasted, until it is stopped, or dropped and a moment longer.
pub(crate) struct Keys {
    tell: Tell,
    /// The thread, and what is closed when it has ended.
    thread: Option<(Reader, Receiver<()>)>,
}

impl Keys {
    /// Starts with it.
    pub(crate) fn read(tell: Tell) -> io::Result<Self> {
        let mut keys = Self { tell, thread: None };
        keys.go_on()?;
        Ok(keys)
    }

    /// On the return of this, what is typed is nobody's.
    pub(crate) fn stop(&mut self) {
        if let Some((reader, ended)) = self.thread.take() {
            drop(reader);
            ended.recv().unwrap_or_default(); // nothing is sent: it is closed
        }
    }

    /// Goes on after a stop.
    pub(crate) fn go_on(&mut self) -> io::Result<()> {
        let (end, ended) = channel::<()>();
        let reader = start("keys", self.tell.clone(), move |asked, tell| {
            let _end = end;
            send_keys(asked, tell);
        })?;
        self.thread = Some((reader, ended));
        Ok(())
    }
}

fn send_keys(asked: &Asked, tell: &Tell) {
    let mut bursts = Bursts::default();
    while asked.pause(Duration::ZERO) {
        let message = match next(&mut bursts) {
            Ok(None) => continue,
            Ok(Some((event, since))) => Message::Input { event, since },
            Err(error) => Message::InputGone(error),
        };
        let last = matches!(message, Message::InputGone(_));
        if tell.send(message).is_err() || last {
            return;
        }
    }
}

/// The next event that means something here, and since when it and those right before it have come.
fn next(bursts: &mut Bursts) -> io::Result<Option<(Event, Instant)>> {
    // However long this thread was held up: what is there already came with the one before.
    let queued = event::poll(Duration::ZERO)?;
    if !queued && !event::poll(LOOK_EVERY)? {
        return Ok(None);
    }
    let event = event::read()?;
    let means = match &event {
        Event::Key(key) => key.kind != KeyEventKind::Release,
        Event::Mouse(mouse) => matches!(mouse.kind, MouseEventKind::ScrollUp | MouseEventKind::ScrollDown),
        Event::Resize(..) | Event::Paste(_) => true,
        _ => false,
    };
    let since = bursts.since(queued, Instant::now());
    Ok(means.then_some((event, since)))
}

/// Which events came together.
#[derive(Debug, Default)]
struct Bursts {
    /// When the first and the last of those came that came together.
    latest: Option<(Instant, Instant)>,
}

impl Bursts {
    /// When the first of those came that came together with the one that comes now.
    fn since(&mut self, queued: bool, now: Instant) -> Instant {
        let first = match self.latest {
            Some((first, last)) if queued || now.saturating_duration_since(last) < APART => first,
            _ => now,
        };
        self.latest = Some((first, now));
        first
    }
}

/// Sends signals that ask the program to end. From the return of this function on, no such signal ends the
/// process by itself, and the terminal is given back in order.
pub(crate) fn signals(tell: Tell) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let mut signals = Signals::listen()?;
    drop(inside);
    let wait = move |tell: &Tell| {
        // With nobody to take it in, the program ends already.
        while tell
            .send(Message::Signal(runtime.block_on(signals.next())))
            .is_ok()
        {}
    };
    watched("signals", tell, wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_at_once_came_with_the_first_of_it() {
        let (mut bursts, begin) = (Bursts::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(bursts.since(false, at(0)), at(0));
        assert_eq!(bursts.since(false, at(29)), at(0), "right behind it");
        assert_eq!(bursts.since(true, at(900)), at(0), "it was there already");
        assert_eq!(bursts.since(false, at(929)), at(0));
        assert_eq!(bursts.since(false, at(960)), at(960), "typed");
    }
}
