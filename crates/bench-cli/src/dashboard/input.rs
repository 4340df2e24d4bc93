//! Threads that send what comes from outside: keys, the mouse wheel, new sizes, and signals.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseEventKind};
use tokio::runtime::Builder;

use super::data::{Reader, start, watched};
use super::message::{Message, Tell};
use crate::signals::Signals;

/// How often to look whether anybody still takes in what is sent.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends keys, turns of the wheel and new sizes, until the value is dropped and a moment longer.
pub(crate) fn keys(tell: Tell) -> io::Result<Reader> {
    start("keys", tell, move |asked, tell| {
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
    })
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

/// Sends the first signal that asks the program to end. From the return of this function on, no such signal ends the
/// process by itself, and the terminal is given back in order.
pub(crate) fn signals(tell: Tell) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let mut signals = Signals::listen()?;
    drop(inside);
    let wait = move |tell: &Tell| {
        let name = runtime.block_on(signals.next());
        // With nobody to take it in, the program ends already.
        tell.send(Message::Signal(name)).unwrap_or_default();
    };
    watched("signals", tell, wait)
}
