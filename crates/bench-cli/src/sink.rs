//! The two streams of the program, as values that may be shared with threads.
//!
//! Whatever passes here loses its secrets: the last place where one could slip onto a screen or into a pipe.
//!
//! Whoever writes talk while progress bars are on the screen must take them away for a moment, or lines tear. So
//! the bars register here, and nobody else has to know of them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstream::adapter::StripStr;
use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use bench_runner::env::Secrets;
use indicatif::MultiProgress;

/// Most that is kept of what is written while something else has the terminal, in bytes.
const MOST_HELD: usize = 64 * 1024;

/// An output stream. Clones write to the same one; each call of `write` is one piece.
#[derive(Clone)]
pub(crate) struct Sink {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    stream: Box<dyn Write + Send>,
    /// Takes colour out, where it does not reach the reader.
    strip: Option<StripStr>,
    bars: Option<MultiProgress>,
    /// What was said while something else has the terminal.
    held: Option<String>,
    secrets: Secrets,
}

impl Sink {
    /// A sink over one of the streams of the process, with colour if that is wanted and reaches its reader.
    pub(crate) fn of_process(stream: impl RawStream + Send + 'static, color: ColorChoice) -> Self {
        let stream = AutoStream::new(stream, color);
        let strip = (stream.current_choice() == ColorChoice::Never).then(StripStr::new);
        Self::new(stream.into_inner(), strip)
    }

    /// A sink over anything, without colour.
    pub(crate) fn plain(stream: impl Write + Send + 'static) -> Self {
        Self::new(stream, Some(StripStr::new()))
    }

    /// Colour is taken out here and not by the stream, which would write what is left of a line in pieces: the other
    /// stream may have the same file, and gets in between.
    fn new(stream: impl Write + Send + 'static, strip: Option<StripStr>) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                stream: Box::new(stream),
                strip,
                bars: None,
                held: None,
                secrets: Secrets::default(),
            })),
        }
    }

    /// From now on these bars make way for what is written; `None` ends that.
    pub(crate) fn make_way(&self, bars: Option<MultiProgress>) {
        self.lock().bars = bars;
    }

    /// Keeps what is written until the value is dropped: something else has the terminal.
    pub(crate) fn hold(&self) -> Held {
        self.lock().held.get_or_insert_default();
        Held(self.clone())
    }

    /// From now on these are taken out of everything that is written, those that are learnt later too.
    pub(crate) fn conceal(&self, secrets: &Secrets) {
        self.lock().secrets = secrets.clone();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sink that keeps what is written to it. Dropping writes it out.
pub(crate) struct Held(Sink);

impl Drop for Held {
    fn drop(&mut self) {
        let mut shared = self.0.lock();
        let held = shared.held.take().unwrap_or_default();
        // With the stream gone there is nobody left to tell.
        shared.stream.write_all(held.as_bytes()).unwrap_or_default();
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.lock();
        let text = String::from_utf8_lossy(bytes);
        let mut text = shared.secrets.redact(&text).into_owned();
        if let Some(strip) = &mut shared.strip {
            text = strip.strip_next(&text).collect();
        }
        if let Some(held) = &mut shared.held {
            if held.len() < MOST_HELD {
                held.push_str(&text);
            }
            return Ok(bytes.len());
        }
        // Not `suspend`, which panics when the terminal was closed. The bars draw themselves again with their next tick.
        if shared.bars.as_ref().is_some_and(|bars| bars.clear().is_err()) {
            shared.bars = None;
        }
        shared.stream.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().stream.flush()
    }

    /// Formats first, so that a line is written in one piece.
    fn write_fmt(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(text.to_string().as_bytes())
    }
}

/// A stream that keeps what was written, for tests.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Kept {
    pub(crate) fn sink(&self) -> Sink {
        Sink::plain(self.clone())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_afterwards() {
        let kept = Kept::default();
        let mut sink = kept.sink();
        let held = sink.hold();
        writeln!(sink, "one").unwrap();
        assert_eq!(kept.text(), "");
        drop(held);
        writeln!(sink, "two").unwrap();
        assert_eq!(kept.text(), "one\ntwo\n");
    }

    /// A stream that keeps each piece by itself.
    #[derive(Clone, Default)]
    struct Pieces(Arc<Mutex<Vec<String>>>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let piece = String::from_utf8(bytes.to_owned()).unwrap();
            self.0.lock().unwrap().push(piece);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_in_one_piece_also_without_its_colours() {
        let pieces = Pieces::default();
        let mut sink = Sink::plain(pieces.clone());
        let line = "\u{1b}[2ma~oracle~1 |\u{1b}[0m said, \u{1b}[1mé\u{1b}[0m";
        writeln!(sink, "{line}").unwrap();
        let held = sink.hold();
        writeln!(sink, "{line}").unwrap();
        drop(held);
        assert_eq!(*pieces.0.lock().unwrap(), ["a~oracle~1 | said, é\n"; 2]);
    }

    #[test]
    fn secrets_that_are_learnt_later_are_taken_out_too() {
        let (kept, secrets) = (Kept::default(), Secrets::default());
        let mut sink = kept.sink();
        sink.conceal(&secrets);
        secrets.add("sk-canary-12345");
        let number = 12345;
        writeln!(sink, "key sk-canary-{number}").unwrap();
        write!(sink, "{{\"key\":\"sk-canary-12345\"}}").unwrap();
        assert_eq!(kept.text(), "key [secret]\n{\"key\":\"[secret]\"}");
    }
}
