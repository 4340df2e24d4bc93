//! Secrets written into harness files: they end in version control, and in everything that shows a file.

use std::sync::LazyLock;

use regex::Regex;

use crate::json::{Document, Kind, Node, escape};
use crate::problem::{Place, Problem};
use crate::setting::is_secret_name;

/// Shapes of keys that providers hand out: certain enough to name them wherever they stand.
pub(crate) const KEY_SHAPES: [&str; 10] = [
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bxai-[A-Za-z0-9]{16,}",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bAKIA[A-Z0-9]{16}\b",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
];

static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&KEY_SHAPES.join("|")).ok());

/// Shorter values are placeholders.
const SHORTEST: usize = 8;

/// Beginnings that names of things have as well: `sk-learn-preprocessing-pipeline`.
const LIKE_WORDS: [&str; 2] = ["sk-", "xai-"];
/// Of a key that begins like words, one part is at least as long as this, with digits among its letters.
const SHORTEST_PART: usize = 12;

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
            let shaped = holds_a_key(text);
            if (named && !text.contains("${")) || shaped {
                let what = if name.is_empty() {
                    "a string".to_owned()
                } else {
                    format!("`{name}`")
                };
                let message = format!("{what} looks like a secret that is written in the file");
                let hint = if is_replaced(pointer) {
                    "write ${NAME} and set the variable, or pass it with --env-file"
                } else {
                    "take it out of the file: no variable is replaced here"
                };
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

fn holds_a_key(text: &str) -> bool {
    let Some(key) = KEY.as_ref() else { return false };
    key.find_iter(text).any(|found| is_no_name(found.as_str()))
}

/// Whether what has the shape of a key is more than words joined by hyphens. Keys are long and mixed.
fn is_no_name(found: &str) -> bool {
    let mut beginnings = LIKE_WORDS.iter();
    let Some(rest) = beginnings.find_map(|beginning| found.strip_prefix(beginning)) else {
        return true;
    };
    let mixed =
        |part: &str| part.contains(|c: char| c.is_ascii_digit()) && part.contains(char::is_alphabetic);
    rest.split(['-', '_'])
        .any(|part| part.len() >= SHORTEST_PART && mixed(part))
}

/// Whether `${NAME}` is replaced in the string at this pointer of a harness, gym or model file: in what a gym or a model
/// is reached with, and in the environment of a `command`.
fn is_replaced(pointer: &str) -> bool {
    let is_index = |segment: &&str| segment.bytes().all(|byte| byte.is_ascii_digit());
    let mut segments = pointer.split('/').skip_while(|segment| is_index(segment));
    let reached_with = |name: Option<&str>, of_it: Option<&str>| match name {
        Some("mcp_server_url" | "gym_enviornment_url" | "context") => true,
        Some("auth_config") => of_it == Some("token"),
        _ => false,
    };
    match segments.next() {
        Some("gyms" | "mcpServers" | "servers" | "models") => true,
        Some("gym_servers_config") => {
            let mut inner = segments.skip_while(is_index);
            reached_with(inner.next(), inner.next())
        }
        Some("scenarios" | "verifiers") => pointer.contains("/validation_config/env/"),
        first => reached_with(first, segments.next()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_joined_by_hyphens_are_no_key() {
        for key in [
            "sk-abcdefghij0123456789",
            "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH",
            "sk-ant-api03-a1b2c3d4e5f6g7h8_i9j0",
            "xai-a1b2c3d4e5f6g7h8i9",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
        ] {
            assert!(holds_a_key(&format!("use {key}, please")), "{key}");
        }
        for text in [
            "sk-learn-is-a-library",
            "sk-learn-preprocessing-pipeline-v2",
            "sk-learn-release-2026-11-22-candidate",
            "xai-interpretabilitymethods",
            "task-a1b2c3d4e5f6g7h8i9j0",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert!(!holds_a_key(text), "{text}");
        }
        let both = "sk-learn-is-a-library, and sk-abcdefghij0123456789";
        assert!(holds_a_key(both), "a name hides no key behind it");
    }

    #[test]
    fn variables_are_replaced_where_a_gym_or_a_model_is_reached() {
        for pointer in [
            "/gym_servers_config/0/auth_config/token",
            "/gym_servers_config/auth_config/token",
            "/3/gym_servers_config/0/context/x-team-token",
            "/auth_config/token",
            "/context/x-api-key",
            "/7/mcp_server_url",
            "/mcpServers/jira/env/TOKEN",
            "/models/gate/headers/x-api-key",
            "/scenarios/0/verifiers/1/validation_config/env/X_TOKEN",
        ] {
            assert!(is_replaced(pointer), "{pointer}");
        }
        for pointer in [
            "",
            "/user_prompt",
            "/scenarios/0/prompts/0/prompt_text",
            "/scenarios/0/metadata/api_key",
            "/scenarios/0/context/token",
            "/scenarios/0/verifiers/0/validation_config/url",
            "/verifiers/0/validation_config/query",
            "/solution/calls/0/arguments/env/TOKEN",
            "/gym_servers_config/0/user_info/token",
            "/auth_config/header_name",
        ] {
            assert!(!is_replaced(pointer), "{pointer}");
        }
    }
}
