//! Threads that send what comes from outside: keys, the mouse wheel, new sizes, and signals.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseEventKind};
use tokio::runtime::Builder;

use super::data::{Asked, Reader, start, watched};
use super::message::{Message, Tell};
use crate::signals::Signals;

/// How often to look whether anybody still takes in what is sent.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends keys, turns of the wheel and new sizes, until it is stopped, or dropped and a moment longer.
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
    while asked.pause(Duration::ZERO) {
        let message = match next() {
            Ok(None) => continue,
            Ok(Some(event)) => Message::Input(event),
            Err(error) => Message::InputGone(error),
        };
        let last = matches!(message, Message::InputGone(_));
        if tell.send(message).is_err() || last {
            return;
        }
    }
}

/// The next event that means something here.
fn next() -> io::Result<Option<Event>> {
    if !event::poll(LOOK_EVERY)? {
        return Ok(None);
    }
    Ok(Some(event::read()?).filter(|event| match event {
        Event::Key(key) => key.kind != KeyEventKind::Release,
        Event::Mouse(mouse) => matches!(mouse.kind, MouseEventKind::ScrollUp | MouseEventKind::ScrollDown),
        Event::Resize(..) => true,
        _ => false,
    }))
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
