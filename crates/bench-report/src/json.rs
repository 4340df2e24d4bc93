//! JSON that may be shown in a terminal: what could command it, or turn its reading direction, is written as `\uXXXX`
//! also where JSON itself would not ask for that. The values are the same.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::text;

/// Writes a value on one line, without its end.
///
/// # Errors
/// `out` cannot be written, or the value has no form in JSON.
pub fn write(value: &(impl Serialize + ?Sized), out: &mut dyn Write) -> io::Result<()> {
    write_with(CompactFormatter, value, out)
}

/// A value on one line.
///
/// # Errors
/// The value has no form in JSON.
pub fn line(value: &(impl Serialize + ?Sized)) -> io::Result<String> {
    text_with(CompactFormatter, value)
}

/// A value on indented lines.
///
/// # Errors
/// The value has no form in JSON.
pub fn pretty(value: &(impl Serialize + ?Sized)) -> io::Result<String> {
    text_with(PrettyFormatter::new(), value)
}

fn text_with(formatter: impl Formatter, value: &(impl Serialize + ?Sized)) -> io::Result<String> {
    let mut bytes = Vec::new();
    write_with(formatter, value, &mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn write_with(
    formatter: impl Formatter,
    value: &(impl Serialize + ?Sized),
    out: &mut dyn Write,
) -> io::Result<()> {
    value
        .serialize(&mut Serializer::with_formatter(out, Harmless(formatter)))
        .map_err(io::Error::from)
}

/// The same form, with escapes for what [`text::clean`] would not let pass.
struct Harmless<F>(F);

/// A part of a text, or of JSON that is passed on as it is: outside of texts it has no such characters.
fn write_escaped<W: Write + ?Sized>(writer: &mut W, mut rest: &str) -> io::Result<()> {
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| text::is_command(*c)) {
        let (before, from) = rest.split_at(at);
        writer.write_all(before.as_bytes())?;
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(writer, "\\u{unit:04x}")?;
        }
        rest = from.get(c.len_utf8()..).unwrap_or_default();
    }
    writer.write_all(rest.as_bytes())
}

impl<F: Formatter> Formatter for Harmless<F> {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, part: &str) -> io::Result<()> {
        write_escaped(writer, part)
    }

    fn write_raw_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, part: &str) -> io::Result<()> {
        write_escaped(writer, part)
    }

    // The rest is the other's.

    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Every character there is.
    fn all() -> String {
        (char::MIN..=char::MAX).collect()
    }

    #[test]
    fn no_character_commands_a_terminal_and_the_values_are_the_same() {
        let value = json!({"text": all(), "a\u{9b}\u{202e}": [1, {}, [], null, "é😀\n\t\u{1b}"]});
        for text in [line(&value).unwrap(), pretty(&value).unwrap()] {
            let harmless = text.replace('\n', "");
            assert_eq!(text::clean(&harmless), harmless);
            assert!(
                text.contains(r"a\u009b\u202e") && text.contains("é😀"),
                "the rest stays"
            );
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn the_form_is_that_of_serde() {
        let value = json!({"a": [1, 2.5, {"b": "\"\\/ \u{7} é"}], "c": {}, "d": [[], [true]]});
        assert_eq!(line(&value).unwrap(), value.to_string());
        assert_eq!(
            pretty(&value).unwrap(),
            serde_json::to_string_pretty(&value).unwrap()
        );
        let mut out = Vec::new();
        write(&value, &mut out).unwrap();
        assert_eq!(out, value.to_string().into_bytes());
    }
}
