//! JSON in which every value knows where it stands.
//!
//! serde says what is wrong at the end of a token, and one thing at a time; a person who writes a
//! harness wants every mistake with line, column and path. So a file is parsed once into a tree of
//! [`Node`]s with byte offsets, and the readers of each form walk that tree with [`read::At`].
//!
//! Strict: what `serde_json` refuses is refused. Only gym files may hold comments and trailing commas,
//! because the editors that write them allow both.

use crate::problem::{Place, Problem, Problems};
use crate::setting::is_secret_name;

mod node;
mod parse;
pub(crate) mod read;
pub(crate) mod typed;

pub(crate) use node::{Kind, Member, Node, to_map};
use parse::parse_text;

/// Lines longer than this are not shown with a problem: nobody finds anything in them.
const LONGEST_SHOWN_LINE: usize = 500;

/// How strictly a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// JSON and nothing else.
    Strict,
    /// Comments and trailing commas are fine.
    WithComments,
}

/// A parsed file, or one row of a file of rows.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file as people are shown it.
    file: String,
    text: String,
    /// Line of the file in which the text begins, from 1: not 1 for rows only.
    first_line: u32,
    /// Byte offset at which each line begins.
    line_starts: Vec<usize>,
    /// Whether every byte is a character.
    is_ascii: bool,
    /// Which row of the file it is, from 0; `None` where the file is one value.
    pub(crate) row: Option<usize>,
    pub(crate) root: Node,
}

impl Document {
    /// Parses a whole file.
    pub(crate) fn parse(file: &str, text: &str, syntax: Syntax) -> Result<Self, Problems> {
        Self::parse_at(file, text, syntax, 1, None)
    }

    /// Parses a file of rows, one value a line. Empty lines do not count.
    pub(crate) fn parse_rows(file: &str, text: &str) -> Vec<Result<Self, Problems>> {
        let lines = without_mark(text)
            .lines()
            .zip(1..)
            .filter(|(line, _)| !line.trim().is_empty());
        lines
            .enumerate()
            .map(|(row, (line, number))| Self::parse_at(file, line, Syntax::Strict, number, Some(row)))
            .collect()
    }

    fn parse_at(
        file: &str,
        text: &str,
        syntax: Syntax,
        first_line: u32,
        row: Option<usize>,
    ) -> Result<Self, Problems> {
        let text = without_mark(text).to_owned();
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let nothing = Node {
            start: 0,
            end: 0,
            kind: Kind::Null,
        };
        let mut document = Self {
            file: file.to_owned(),
            is_ascii: text.is_ascii(),
            text,
            first_line,
            line_starts,
            row,
            root: nothing,
        };
        match parse_text(&document.text, syntax) {
            Ok(root) => document.root = root,
            Err(wrong) => {
                let place = document.place(wrong.start, "");
                return Err(wrong.into_problem(place).into());
            }
        }
        Ok(document)
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> u32 {
        self.first_line
            .saturating_add(u32::try_from(self.line_index(offset)).unwrap_or(u32::MAX))
    }

    fn line_index(&self, offset: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1)
    }

    /// The place of a byte offset. Files of one enormous line are common: what it takes must not grow with the line.
    pub(crate) fn place(&self, offset: usize, pointer: &str) -> Place {
        let line = self.line_index(offset);
        let start = self.line_starts.get(line).copied().unwrap_or_default();
        let end = self.line_starts.get(line + 1).copied();
        let source = self.text.get(start..end.unwrap_or(self.text.len()));
        let source = source.unwrap_or_default().trim_end_matches(['\r', '\n']);
        let column = match self.text.get(start..offset) {
            Some(before) if !self.is_ascii => before.chars().count() + 1,
            _ => offset - start + 1,
        };
        Place {
            file: self.file.clone(),
            line: Some(self.line(offset)),
            column: Some(u32::try_from(column).unwrap_or(u32::MAX)),
            pointer: pointer.to_owned(),
            scenario: None,
            source_line: may_be_shown(source).then(|| source.to_owned()),
        }
    }

    /// The same for keeping one of each scenario: whatever the number of them in one line, this takes no longer, and
    /// holds no copy of a long line.
    pub(crate) fn brief_place(&self, offset: usize, pointer: &str) -> Place {
        let line = self.line_index(offset);
        let bounds = (self.line_starts.get(line), self.line_starts.get(line + 1));
        let start = bounds.0.copied().unwrap_or_default();
        let length = bounds.1.copied().unwrap_or(self.text.len()).saturating_sub(start);
        if length <= LONGEST_SHOWN_LINE {
            return self.place(offset, pointer);
        }
        Place {
            line: Some(self.line(offset)),
            pointer: pointer.to_owned(),
            ..Place::file(&self.file)
        }
    }

    /// The text that a value was written with.
    pub(crate) fn text_of(&self, node: &Node) -> &str {
        self.text.get(node.start..node.end).unwrap_or_default()
    }

    /// Replaces members of the top object that are JSON written inside a string by what they say.
    ///
    /// Data sets keep lists and objects that way. Places inside such a string are those of the string.
    pub(crate) fn decode_strings(&mut self, names: &[&str]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let Kind::Object(members) = &mut self.root.kind else {
            return problems;
        };
        let mut broken = Vec::new();
        for member in members.iter_mut().filter(|m| names.contains(&m.name.as_str())) {
            if let Err(wrong) = member.value.decode() {
                // Said once is enough: no reader shall find a string there.
                member.value.kind = Kind::Null;
                broken.push((member.value.start, member.name.clone(), wrong));
            }
        }
        for (start, name, wrong) in broken {
            let place = self.place(start, &format!("/{}", escape(&name)));
            let mut problem = wrong.into_problem(place);
            problem.message = format!("the string in `{name}` is {}", problem.message);
            problems.push(problem);
        }
        problems
    }
}

/// A line may be shown with a problem unless it is too long to help, or may hold a secret.
fn may_be_shown(line: &str) -> bool {
    line.len() <= LONGEST_SHOWN_LINE && !is_secret_name(line) && !(line.contains("://") && line.contains('@'))
}

/// A name as one token of a JSON pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Some editors begin a file with a byte order mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn wrong(text: &str) -> String {
        Document::parse("a.json", text, Syntax::Strict)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let document =
            Document::parse("a.json", "{\r\n  \"ä\": [\n    1,\n    \"x\"]}", Syntax::Strict).unwrap();
        let Kind::Object(members) = &document.root.kind else {
            panic!()
        };
        let Kind::List(items) = &members[0].value.kind else {
            panic!()
        };
        let at = |offset| document.place(offset, "").to_string();
        assert_eq!(at(members[0].name_start), "a.json:2:3");
        assert_eq!(at(members[0].value.start), "a.json:2:8", "characters, not bytes");
        assert_eq!(at(items[1].start), "a.json:4:5");
        assert_eq!(
            document.place(items[1].start, "").source_line.as_deref(),
            Some("    \"x\"]}")
        );
        assert_eq!(document.text_of(&items[1]), "\"x\"");
    }

    #[test]
    fn what_is_not_json_is_said_with_place_and_hint() {
        let shown: Vec<String> = [
            "",
            "  \n",
            "{\"a\": 1",
            "[1, 2,]",
            "{'a': 1}",
            "{a: 1}",
            "{\"a\": True}",
            "{\"a\" 1}",
            "[1 2]",
            "{\"a\": 1}\n{\"a\": 2}",
            "// why\n{}",
            "[NaN]",
            "[1e999]",
            "[01]",
            "[\"a\nb\"]",
            "[\"\\q\"]",
            "[\"\\ud800\"]",
            "\"no end",
        ]
        .into_iter()
        .map(wrong)
        .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        a.json:1:1: not JSON: it is empty
        a.json:1:1: not JSON: it is empty
        a.json:1:1: not JSON: unterminated object (hint: a closing bracket is missing; was the file cut off?)
        a.json:1:6: not JSON: trailing commas are not allowed (hint: remove the comma after the last element)
        a.json:1:2: not JSON: single-quoted strings are not allowed (hint: strings need double quotes)
        a.json:1:2: not JSON: expected string for object property (hint: names need double quotes)
        a.json:1:7: not JSON: unexpected token (hint: JSON writes true and false in lower case)
        a.json:1:6: not JSON: expected colon after the string or word in object property
        a.json:1:3: not JSON: expected comma (hint: put a comma between the two elements)
        a.json:2:1: not JSON: text cannot contain more than one JSON value (hint: a file holds one value; rows, one a line, need the ending .jsonl)
        a.json:1:1: not JSON: comments are not allowed (hint: JSON has no comments; remove it)
        a.json:1:2: not JSON: unexpected token (hint: JSON has no such number; write null or a string)
        a.json:1:2: not JSON: `1e999` is no number that can be held
        a.json:1:3: not JSON: expected comma (hint: put a comma between the two elements)
        a.json:1:3: not JSON: control character (\u0000-\u001F) found while parsing a string (hint: write a line break inside a string as \n, a tab as \t)
        a.json:1:3: not JSON: invalid escape
        a.json:1:3: not JSON: invalid unicode escape sequence. 'd800 (unpaired high surrogate)' is not a valid UTF8 character
        a.json:1:1: not JSON: unterminated string literal
        "#);
    }

    #[test]
    fn a_byte_order_mark_and_deep_nesting_do_no_harm() {
        assert!(Document::parse("a", "\u{feff}{}", Syntax::Strict).is_ok());
        let deep = "[".repeat(100_000);
        assert!(Document::parse("a", &deep, Syntax::Strict).is_err());
        assert!(Document::parse("a", &deep, Syntax::WithComments).is_err());
        let balanced = "[".repeat(100) + &"]".repeat(100);
        assert!(Document::parse("a", &balanced, Syntax::Strict).is_ok());
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        for (line, shown) in [
            (r#"{"query": "SELECT 1"}"#, true),
            (r#"{"api_key": "abc"}"#, false),
            (r#"["postgresql://u:p@host/db"]"#, false),
            (r#"{"url": "http://host/mcp"}"#, true),
        ] {
            let document = Document::parse("a", line, Syntax::Strict).unwrap();
            assert_eq!(document.place(0, "").source_line.is_some(), shown, "{line}");
        }
    }

    #[test]
    fn comments_are_for_gym_files_only() {
        let text = "{ // servers\n \"a\": [1,], }";
        assert!(Document::parse("a", text, Syntax::WithComments).is_ok());
        assert!(Document::parse("a", text, Syntax::Strict).is_err());
    }

    #[test]
    fn rows_keep_their_line_and_strings_that_hold_json_are_entered() {
        let rows = Document::parse_rows(
            "t.jsonl",
            "\n{\"v\": \"[{\\\"a\\\": 1}]\", \"w\": \"[\"}\n\n{bad\n",
        );
        let [Ok(_), Err(bad)] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(bad.0[0].place.line, Some(4));
        let mut rows = rows;
        let Ok(row) = &mut rows[0] else { panic!() };
        assert_eq!((row.row, row.place(0, "").line), (Some(0), Some(2)));
        assert_eq!(
            row.root.find("/v/0/a").unwrap().to_value(),
            1,
            "also before it is decoded"
        );
        let problems = row.decode_strings(&["v", "w"]);
        assert_eq!(row.root.to_value()["v"], serde_json::json!([{"a": 1}]));
        insta::assert_snapshot!(problems[0], @"t.jsonl:2:28 at /w: the string in `w` is not JSON: unterminated array (hint: a closing bracket is missing; was the file cut off?)");
    }

    #[test]
    fn a_repeated_name_counts_last() {
        let document = Document::parse("a", r#"{"a": 1, "a": 2}"#, Syntax::Strict).unwrap();
        assert_eq!(document.root.to_value(), serde_json::json!({"a": 2}));
        assert_eq!(document.root.find("/a").unwrap().to_value(), 2);
    }

    proptest::proptest! {
        /// What we read is what `serde_json` reads, and what it refuses we refuse.
        #[test]
        fn strict_means_what_serde_json_means(text in r#"[\[\]{}:,"\\a0-9eE.+\- \nrtufalsn]{0,24}"#) {
            let ours = Document::parse("a", &text, Syntax::Strict).ok().map(|d| d.root.to_value());
            let theirs = serde_json::from_str::<Value>(&text).ok();
            proptest::prop_assert_eq!(ours, theirs);
        }
    }
}
