//! Drains a child's stderr: every byte is read, a bounded part of it is logged.
//!
//! A child that floods its stderr can fill neither our memory nor the log: lines are cut at
//! [`LONGEST_LINE`] bytes, and after [`LOGGED_BYTES`] the log says so once and stays silent. The last
//! lines are kept for error messages all the while.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

use super::{LineLog, patiently};

/// Longest logged line, in bytes; the rest of it is dropped.
const LONGEST_LINE: usize = 4 * 1024;

/// Bytes of one child's stderr that reach the log.
const LOGGED_BYTES: usize = 1024 * 1024;

/// Lines kept for error messages.
const LAST_LINES: usize = 8;

/// The task that reads a child's stderr until it is closed.
pub(super) struct StderrDrain {
    task: Option<JoinHandle<()>>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl StderrDrain {
    /// Starts reading. Needs a tokio runtime.
    pub(super) fn start<R>(pipe: Option<R>, log: LineLog) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&last);
        let task = pipe.map(|pipe| tokio::spawn(drain(pipe, Lines::new(log, kept))));
        Self { task, last }
    }

    /// Waits until the pipe is closed, at most `patience`, then stops reading.
    pub(super) async fn finish(&mut self, patience: Duration) {
        if let Some(mut task) = self.task.take()
            && patiently(patience, &mut task).await.is_none()
        {
            task.abort();
        }
    }

    /// The last lines, oldest first.
    pub(super) fn last_lines(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

async fn drain(mut pipe: impl AsyncRead + Unpin, mut lines: Lines) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = pipe.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        lines.feed(buffer.get(..read).unwrap_or_default());
    }
    lines.end();
}

/// Splits bytes into lines.
struct Lines {
    log: LineLog,
    kept: Arc<Mutex<VecDeque<String>>>,
    line: Vec<u8>,
    logged: usize,
}

impl Lines {
    fn new(log: LineLog, kept: Arc<Mutex<VecDeque<String>>>) -> Self {
        Self {
            log,
            kept,
            line: Vec::new(),
            logged: 0,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, complete) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or(text));
            if complete {
                self.end();
            }
        }
    }

    /// Hands on the line that was collected.
    fn end(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        if line.is_empty() {
            return;
        }
        if self.logged < LOGGED_BYTES {
            self.logged += line.len() + 1;
            (self.log)(&line);
            if self.logged >= LOGGED_BYTES {
                (self.log)("… (it wrote more; only the first MiB of its stderr is logged)");
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LAST_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn drained(input: &[u8]) -> (Vec<String>, String) {
        let logged = Arc::new(Mutex::new(Vec::new()));
        let log: LineLog = {
            let logged = Arc::clone(&logged);
            Arc::new(move |line: &str| logged.lock().unwrap().push(line.to_owned()))
        };
        let mut drain = StderrDrain::start(Some(std::io::Cursor::new(input.to_vec())), log);
        drain.finish(Duration::from_mins(1)).await;
        let lines = logged.lock().unwrap().clone();
        (lines, drain.last_lines())
    }

    #[tokio::test]
    async fn lines_arrive_whole_also_the_last_one_without_an_end() {
        let (lines, last) = drained(b"one\r\n\ntwo \xff\nthree").await;
        assert_eq!(lines, ["one", "two \u{fffd}", "three"]);
        assert_eq!(last, "one\ntwo \u{fffd}\nthree");
    }

    #[tokio::test]
    async fn a_flood_is_read_to_its_end_and_logged_in_part() {
        let mut flood = "x".repeat(100).into_bytes();
        flood.push(b'\n');
        let mut flood = flood.repeat(100_000);
        flood.extend_from_slice(b"the end\n");
        let (lines, last) = drained(&flood).await;
        let bytes: usize = lines.iter().map(|l| l.len() + 1).sum();
        assert!(bytes < LOGGED_BYTES + 1000, "{bytes}");
        assert!(lines.last().unwrap().contains("only the first MiB"));
        assert!(last.ends_with("\nthe end"), "the last words are kept: {last}");
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let (lines, _) = drained(&b"y".repeat(3_000_000)).await;
        assert_eq!(lines, ["y".repeat(LONGEST_LINE)]);
    }
}
