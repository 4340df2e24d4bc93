//! The two streams of the program, as values that may be shared with threads.
//!
//! Whoever writes talk while progress bars are on the screen must take them away for a moment, or lines tear. So
//! the bars register here, and nobody else has to know of them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::MultiProgress;

/// An output stream. Clones write to the same one; each call of `write` is one piece.
#[derive(Clone)]
pub(crate) struct Sink {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    stream: Box<dyn Write + Send>,
    bars: Option<MultiProgress>,
}

impl Sink {
    /// A sink over a stream, which strips colour by itself if it has to.
    pub(crate) fn new(stream: impl Write + Send + 'static) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                stream: Box::new(stream),
                bars: None,
            })),
        }
    }

    /// From now on these bars make way for what is written; `None` ends that.
    pub(crate) fn make_way(&self, bars: Option<MultiProgress>) {
        self.lock().bars = bars;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.lock();
        match shared.bars.clone() {
            Some(bars) => bars.suspend(|| shared.stream.write(bytes)),
            None => shared.stream.write(bytes),
        }
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
        Sink::new(anstream::StripStream::new(
            Box::new(self.clone()) as Box<dyn Write + Send>
        ))
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
