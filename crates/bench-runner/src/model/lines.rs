//! The lines of an event stream that say something: data, and the blank lines between events.
//!
//! The standard has unknown fields, lines without a colon and numbers that are none passed over. The parser calls each
//! of them an error, and a reply that was paid for would be lost for a line behind it. No format needs anything but
//! data, so nothing else reaches the parser, and what it gets it gets line by line.

use bytes::{Buf as _, Bytes};

/// What a text may begin with to say that it is one.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Takes chunks of bytes, gives lines.
#[derive(Default)]
pub(super) struct Lines {
    unread: Bytes,
    /// The beginning of a line whose end did not come yet.
    line: Vec<u8>,
    /// The last line ended in a carriage return: a line feed may belong to it.
    after_return: bool,
    begun: bool,
    seen: Seen,
}

/// What there was so far.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Seen {
    #[default]
    NoData,
    /// Lines of no event stream, and no data.
    Foreign,
    Data,
}

impl Lines {
    /// Adds what came. Everything before has to be read.
    pub(super) fn add(&mut self, chunk: Bytes) {
        self.unread = chunk;
    }

    /// The next line that says something, with a line feed at its end.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        while let Some(mut line) = self.any() {
            let is_data = line.starts_with(b"data:");
            if is_data {
                self.seen = Seen::Data;
            }
            if is_data || line.is_empty() {
                line.push(b'\n');
                return Some(line.into());
            }
            let known = [b":".as_slice(), b"data", b"event", b"id", b"retry"];
            if self.seen == Seen::NoData && !known.iter().any(|name| line.starts_with(name)) {
                self.seen = Seen::Foreign;
            }
        }
        None
    }

    /// Whether there were lines, none of them data, and some of no event stream at all.
    pub(super) fn are_no_events(&self) -> bool {
        self.seen == Seen::Foreign
    }

    fn any(&mut self) -> Option<Vec<u8>> {
        if self.after_return && !self.unread.is_empty() {
            self.after_return = false;
            if self.unread[0] == b'\n' {
                self.unread.advance(1);
            }
        }
        let end = self.unread.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let Some(end) = end else {
            self.line.extend_from_slice(&self.unread);
            self.unread.clear();
            return None;
        };
        self.line.extend_from_slice(&self.unread[..end]);
        self.after_return = self.unread[end] == b'\r';
        self.unread.advance(end + 1);
        let mut line = std::mem::take(&mut self.line);
        if !self.begun && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        self.begun = true;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(chunks: &[&[u8]]) -> (String, bool) {
        let (mut lines, mut passed) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.add(Bytes::copy_from_slice(chunk));
            while let Some(line) = lines.next() {
                passed.extend_from_slice(&line);
            }
        }
        (String::from_utf8(passed).unwrap(), lines.are_no_events())
    }

    #[test]
    fn data_and_blank_lines_pass_wherever_they_are_cut() {
        let text = "\u{feff}data: größer\r\nevent: x\r\n\r\nx-took: 12\r\ndata:2\r\rwelcome\rdata\n\n\n\rretry: soon\n\u{feff}data: 3\n: data: 4\ndatabase: 5\ndata: cut off";
        let (bytes, want) = (text.as_bytes(), "data: größer\n\ndata:2\n\n\n\n\n");
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(passed(&chunks), (want.to_owned(), false), "{first}, {second}");
            }
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(passed(&each).0, want);
    }

    #[test]
    fn what_is_no_event_stream_is_told() {
        for (text, want) in [
            ("<html>\n", true),
            (": ping\n\nevent: x\nid: 1\nretry: soon\ndata\n", false),
            ("welcome\ndata: 1\n", false),
            ("{\"id\": 1}\n\n", true),
            ("", false),
        ] {
            assert_eq!(passed(&[text.as_bytes()]).1, want, "{text}");
        }
    }
}
