//! Taking over the terminal, and giving it back: on return, on errors, on panics.
//!
//! A panic of the thread that draws gives it back before its message is printed. What another thread says when it panics
//! is kept, because printing it would tear the screen; the drawing thread is told, ends in order, and says it then.
//!
//! Signals that ask the program to end arrive as messages and lead to an ordinary return. Ctrl-Z is a key like any other
//! while the dashboard has the terminal: nothing is stopped by it.

use std::io::{self, BufWriter, Stdout, stdin, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The wheel and the buttons are told, in numbers that know no last column. Where the mouse only moves, nothing is.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
/// The mouse is the terminal's again.
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Bytes of a frame, as a rule: it is written in one piece, so that no terminal shows half of it.
const FRAME: usize = 64 * 1024;

/// Whether the terminal is ours, so that it is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether there is a screen, on a terminal that is ours or lent to another program.
static OPEN: AtomicBool = AtomicBool::new(false);

/// What a thread said that panicked while the terminal was ours.
static LAST_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// The terminal, taken over until this is dropped.
pub(crate) struct Screen {
    /// What is drawn on.
    pub(crate) terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// How the terminal was set up before it was lent, as long as it is.
    lent: Option<Termios>,
}

impl Screen {
    /// Takes the terminal over for this thread.
    pub(crate) fn take() -> io::Result<Self> {
        let (before, drawing) = (panic::take_hook(), thread::current().id());
        panic::set_hook(Box::new(move |info| {
            if OPEN.load(Ordering::SeqCst) && thread::current().id() != drawing {
                let place = info
                    .location()
                    .map(|place| format!(" ({place})"))
                    .unwrap_or_default();
                let words = info.payload_as_str().unwrap_or("without words");
                *last_words_kept() = Some(format!("{words}{place}"));
                return;
            }
            give_back();
            before(info);
        }));
        take()?;
        let out = BufWriter::with_capacity(FRAME, stdout());
        let made = Terminal::new(CrosstermBackend::new(out));
        let terminal = made.inspect_err(|_| give_back())?;
        OPEN.store(true, Ordering::SeqCst);
        Ok(Self { terminal, lent: None })
    }

    /// Leaves the terminal to another program, as the shell would.
    pub(crate) fn lend(&mut self) -> io::Result<()> {
        give_back();
        self.lent = Some(tcgetattr(stdin())?);
        Ok(())
    }

    /// Takes the terminal again, whatever it was left like. All of it has to be drawn.
    pub(crate) fn take_back(&mut self) -> io::Result<()> {
        if let Some(before) = self.lent.take() {
            tcsetattr(stdin(), OptionalActions::Now, &before)?;
        }
        take()?;
        self.terminal.clear()
    }
}

/// What a thread said that panicked meanwhile.
pub(crate) fn last_words() -> Option<String> {
    last_words_kept().take()
}

fn last_words_kept() -> MutexGuard<'static, Option<String>> {
    LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.lent.is_some() {
            // Only what was taken is given back in order.
            self.take_back().unwrap_or_default();
        }
        give_back();
        OPEN.store(false, Ordering::SeqCst);
    }
}

/// Rings the terminal's bell. Whether it is heard, seen or neither is the terminal's to say.
pub(crate) fn ring() -> io::Result<()> {
    execute!(stdout(), Print('\x07'))
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(
        stdout(),
        EnterAlternateScreen,
        Print(MOUSE_ON),
        EnableBracketedPaste,
        Hide
    )
    .inspect_err(|_| give_back())
}

/// Asks the terminal to put a text on its clipboard, as far as the terminal is ours. Many do, also over SSH; none says.
pub(crate) fn copy(text: &str) -> io::Result<()> {
    if !TAKEN.load(Ordering::SeqCst) {
        return Ok(());
    }
    execute!(stdout(), Print(clipboard(text)))
}

/// OSC 52: the text is encoded, so that none of it can be anything else.
fn clipboard(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text))
}

/// Gives the terminal back, if it is ours. One that is gone cannot take it, and nobody misses it.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        execute!(
            stdout(),
            DisableBracketedPaste,
            Print(MOUSE_OFF),
            LeaveAlternateScreen,
            Show
        )
        .unwrap_or_default();
        disable_raw_mode().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_cannot_command_the_terminal() {
        assert_eq!(
            clipboard("/runs/a~b~1.jsonl"),
            "\x1b]52;c;L3J1bnMvYX5ifjEuanNvbmw=\x07"
        );
        let nasty = clipboard("\x07\x1b[2J");
        assert_eq!(nasty.matches(['\x07', '\x1b']).count(), 2, "{nasty:?}");
    }
}
