//! Secrets written into harness files: they end in version control, and in everything that shows a file.

use std::sync::LazyLock;

use regex::Regex;

use crate::json::{Document, Kind, Node, escape};
use crate::problem::{Place, Problem};
use crate::setting::is_secret_name;

/// Shapes of keys that providers hand out: certain enough to name them wherever they stand.
pub(crate) const KEY_SHAPES: [&str; 9] = [
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bxai-[A-Za-z0-9]{16,}",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bAKIA[A-Z0-9]{16}\b",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
];

static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&KEY_SHAPES.join("|")).ok());

/// Shorter values are placeholders.
const SHORTEST: usize = 8;

/// A warning for each string of the document that looks like a secret. The secret itself is not shown.
pub(crate) fn written_literally(document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(document, &document.root, "", "", &mut problems);
    problems
}

fn walk(document: &Document, node: &Node, name: &str, pointer: &str, problems: &mut Vec<Problem>) {
    match &node.kind {
        Kind::Text(text) => {
            // Data sets hold lists as strings; a pointer goes on inside them.
            if let Some(inner) = node.decoded() {
                return walk(document, &inner, name, pointer, problems);
            }
            let named = names_a_secret(name) && text.len() >= SHORTEST && !text.contains(char::is_whitespace);
            let shaped = KEY.as_ref().is_some_and(|key| key.is_match(text));
            if (named && !text.contains("${")) || shaped {
                let what = if name.is_empty() {
                    "a string".to_owned()
                } else {
                    format!("`{name}`")
                };
                let message = format!("{what} looks like a secret that is written in the file");
                let hint = "write ${NAME} and set the variable, or pass it with --env-file";
                let place = Place {
                    source_line: None,
                    ..document.place(node.start, pointer)
                };
                problems.push(Problem::warning(place, message).hint(hint));
            }
        }
        Kind::List(items) => {
            for (n, item) in items.iter().enumerate() {
                walk(document, item, name, &format!("{pointer}/{n}"), problems);
            }
        }
        Kind::Object(members) => {
            for member in members {
                let pointer = format!("{pointer}/{}", escape(&member.name));
                walk(document, &member.value, &member.name, &pointer, problems);
            }
        }
        _ => {}
    }
}

/// As for variables, without words that only look like it.
fn names_a_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let harmless = [
        "author",
        "keyword",
        "pass_at",
        "passed",
        "issue_key",
        "project_key",
        "orkey",
    ];
    is_secret_name(name) && lower != "key" && !harmless.iter().any(|word| lower.contains(word))
}
