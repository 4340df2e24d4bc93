//! What lines of a conversation, or of evidence, are written on: how much of a long text stands there depends on the detail.

use serde_json::Value;

use super::{Detail, Piece, Tone};
use crate::text::{self, clean, clean_line};

/// Characters of one line, or of arguments, where they are shortened.
const LINE: usize = 400;
/// Characters of arguments that stand in the line of their call, where they are not shortened.
const SHORT: usize = 60;

/// How much of a text stands there.
#[derive(Debug, Clone, Copy)]
struct Room {
    lines: usize,
    characters: usize,
}

impl Room {
    const ALL: Self = Self {
        lines: usize::MAX,
        characters: usize::MAX,
    };

    const fn lines(lines: usize) -> Self {
        Self {
            lines,
            characters: LINE,
        }
    }
}

/// Pieces that are written one after another.
pub(crate) struct Paper {
    pub(crate) detail: Detail,
    pub(crate) pieces: Vec<Piece>,
}

impl Paper {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            pieces: Vec::new(),
        }
    }

    /// One line; it has to be clean.
    pub(crate) fn line(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        self.pieces.push(Piece { tone, text });
    }

    /// What was said.
    pub(crate) fn text(&mut self, tone: Tone, text: &str) {
        let room = match self.detail {
            Detail::Brief | Detail::Full | Detail::Unfolded => Room::ALL,
            Detail::Folded => Room {
                lines: 40,
                characters: 4 * LINE,
            },
        };
        self.lines(tone, text, room);
    }

    /// What may be passed over.
    pub(crate) fn aside(&mut self, tone: Tone, text: &str) {
        let room = match self.detail {
            Detail::Brief | Detail::Full | Detail::Unfolded => Room::ALL,
            Detail::Folded => Room::lines(4),
        };
        self.lines(tone, text, room);
    }

    /// What a tool answered.
    pub(crate) fn result(&mut self, text: &str) {
        let room = match self.detail {
            Detail::Brief => Room::lines(12),
            Detail::Folded => Room::lines(6),
            Detail::Full | Detail::Unfolded => Room::ALL,
        };
        self.lines(Tone::Result, text, room);
    }

    /// A tool that is called.
    pub(crate) fn call(&mut self, name: &str, arguments: &Value) {
        let name = clean_line(name);
        let line = clean_line(&arguments.to_string());
        let (room, several) = match self.detail {
            Detail::Brief => (Room::lines(1), false),
            Detail::Full => (Room::ALL, false),
            Detail::Folded => (Room::lines(12), true),
            Detail::Unfolded => (Room::ALL, true),
        };
        if !several || line.chars().nth(SHORT).is_none() {
            let line = text::shorten(&line, room.characters);
            return self.line(Tone::Call, format!("→ {name} {line}"));
        }
        self.line(Tone::Call, format!("→ {name}"));
        let pretty = match arguments {
            // What is no valid JSON is shown as the model wrote it.
            Value::String(text) => text.clone(),
            // Keys are strings, so this cannot fail.
            value => serde_json::to_string_pretty(value).unwrap_or_default(),
        };
        self.lines(Tone::Arguments, &pretty, room);
    }

    fn lines(&mut self, tone: Tone, text: &str, room: Room) {
        let mut lines = text.trim_end().split_terminator('\n');
        for line in lines.by_ref().take(room.lines) {
            let line = text::shorten(line, room.characters);
            self.line(tone, clean(&line));
        }
        let hidden = lines.count();
        if hidden > 0 {
            self.line(Tone::More, format!("… {}", text::count(hidden, "further line")));
        }
    }
}

/// A value in a line, shortened.
pub(crate) fn value(value: &Value) -> String {
    text::shorten(&clean_line(&value.to_string()), LINE).into_owned()
}
