//! Secrets written into harness files: they end in version control, and in everything that shows a file.

use std::sync::LazyLock;

use regex::Regex;

use crate::json::{Document, Kind, Node, escape};
use crate::problem::{Place, Problem};
use crate::setting::is_secret_name;

/// A secret that can be told by how it is written, wherever it stands.
struct Shape {
    /// What it looks like, as a regular expression without groups that capture.
    pattern: &'static str,
    /// Whether what has the shape is one, where names and words have it as well.
    is_one: fn(&str) -> bool,
    /// Prose has the shape too often for everything that has it to be taken out of what is kept.
    like_prose: bool,
}

/// By its beginning, its alphabet and its length alone.
const fn sure(pattern: &'static str) -> Shape {
    unless(|_| true, pattern)
}

const fn unless(is_one: fn(&str) -> bool, pattern: &'static str) -> Shape {
    Shape {
        pattern,
        is_one,
        like_prose: false,
    }
}

const fn like_prose(is_one: fn(&str) -> bool, pattern: &'static str) -> Shape {
    Shape {
        pattern,
        is_one,
        like_prose: true,
    }
}

/// All shapes: those of keys that providers hand out, and those in which programs write secrets. [`check`](written_literally)
/// names them, and [`crate::evidence`] takes them out of what it keeps.
static SHAPES: &[Shape] = &[
    unless(is_no_name, r"\bsk-[A-Za-z0-9_-]{16,}"), // OpenAI, Anthropic, OpenRouter and others
    unless(is_no_name, r"\bxai-[A-Za-z0-9]{16,}"),
    sure(r"\bgsk_[A-Za-z0-9]{32,}"),  // Groq
    sure(r"\bhf_[A-Za-z0-9]{30,}"),   // Hugging Face
    sure(r"\br8_[A-Za-z0-9]{37}\b"),  // Replicate
    sure(r"\bpplx-[A-Za-z0-9]{40,}"), // Perplexity
    sure(r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    sure(r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    sure(r"\bglpat-[A-Za-z0-9_-]{16,}"),
    sure(r"\bATATT3[A-Za-z0-9_=-]{60,}"), // Atlassian
    sure(r"\bnpm_[A-Za-z0-9]{36}\b"),
    sure(r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    sure(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    sure(r"\bAIza[A-Za-z0-9_-]{30,}"),
    sure(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    sure(r"\bxapp-[0-9]-[A-Za-z0-9-]{20,}"),
    sure(r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"), // Stripe
    sure(r"\bwhsec_[A-Za-z0-9+/]{24,}"),
    sure(r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"), // SendGrid
    sure(r"\bSK[0-9a-f]{32}\b"),                               // Twilio
    sure(r"\b(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,}={0,2}"), // Azure
    sure(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    sure(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    unless(is_random, r"\b[Bb]earer[ \t]+[A-Za-z0-9._~+/-]{16,}=*"),
    like_prose(is_user_and_password, r"\b[Bb]asic[ \t]+[A-Za-z0-9+/_-]{8,}={0,2}"),
    unless(
        is_no_placeholder,
        r"\b[a-z][a-z0-9+.-]{1,20}://[!-~&&[^/:@?#\x22'`<>]]*:[!-~&&[^/:@?#\x22'`<>]]{3,}@[A-Za-z0-9.\[-]",
    ),
    // Without a beginning of its own: after words that announce it.
    like_prose(
        is_announced,
        r"(?i:secret[ _-]?(?:access[ _-]?)?key|(?:access|api)[ _-]?key|(?:auth|access|api)[ _-]?token|client[ _-]?secret)[\x22'`]?[ \t]*(?:is|=>|=|:)?[ \t]*[\x22'`]?[A-Za-z0-9/+_-]{20,}={0,2}",
    ),
];

/// The patterns of what is taken out of everything that is kept, whatever it says.
pub(crate) fn patterns() -> impl Iterator<Item = &'static str> {
    let shapes = SHAPES.iter().filter(|shape| !shape.like_prose);
    shapes.map(|shape| shape.pattern)
}

/// Each shape, and all of them at once.
static KEYS: LazyLock<Option<(Regex, Vec<Regex>)>> = LazyLock::new(|| {
    let all: Vec<&str> = SHAPES.iter().map(|shape| shape.pattern).collect();
    let each = all.iter().map(|pattern| Regex::new(pattern));
    Some((
        Regex::new(&all.join("|")).ok()?,
        each.collect::<Result<_, _>>().ok()?,
    ))
});

/// Shorter values are placeholders.
const SHORTEST: usize = 8;

/// Beginnings that names of things have as well: `sk-learn-preprocessing-pipeline`.
const LIKE_WORDS: [&str; 2] = ["sk-", "xai-"];
/// Of a key that begins like words, one part is at least as long as this, with digits among its letters.
const SHORTEST_PART: usize = 12;
/// What was drawn by a machine and only announced by words has so many characters, and tells so many bits in each of them; fewer if
/// it is hexadecimal.
const SHORTEST_DRAWN: usize = 20;
const MIXED: f64 = 3.7;
const MIXED_HEX: f64 = 3.0;

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

/// Whether something in the text has the shape of a secret.
pub(crate) fn holds_a_key(text: &str) -> bool {
    let Some((any, each)) = KEYS.as_ref() else {
        return false;
    };
    let is_one =
        |(key, shape): (&Regex, &Shape)| key.find_iter(text).any(|found| (shape.is_one)(found.as_str()));
    any.is_match(text) && each.iter().zip(SHAPES).any(is_one)
}

/// Whether what has the shape of a key is more than words joined by hyphens. Keys are long and mixed.
fn is_no_name(found: &str) -> bool {
    let mut beginnings = LIKE_WORDS.iter();
    let Some(rest) = beginnings.find_map(|beginning| found.strip_prefix(beginning)) else {
        return true;
    };
    rest.split(['-', '_'])
        .any(|part| part.len() >= SHORTEST_PART && is_mixed(part))
}

/// Letters and digits.
fn is_mixed(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// The last word of it.
fn last(found: &str) -> &str {
    let parts = found.rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ':'));
    parts.into_iter().next().unwrap_or_default()
}

/// After `Bearer`: no words, and no number or date.
fn is_random(found: &str) -> bool {
    let is_word = |part: &str| part.chars().all(|c| c.is_ascii_alphabetic());
    let parts = last(found).split(['-', '_', '.', '/']);
    let longest = parts.filter(|part| !is_word(part)).max_by_key(|part| part.len());
    longest.is_some_and(|part| part.len() >= SHORTEST_PART && is_mixed(part))
}

/// After `Basic`: `user:password` in base64.
fn is_user_and_password(found: &str) -> bool {
    let decoded = decode_base64(last(found));
    decoded
        .is_some_and(|bytes| bytes.contains(&b':') && bytes.iter().all(|byte| (b' '..=b'~').contains(byte)))
}

/// The bytes that a text of letters, digits, `+` and `/` stands for; none if it is no base64.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let (mut bits, mut kept, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        (bits, kept) = (bits << 6 | u32::from(value(byte)?), kept + 6);
        if kept >= 8 {
            kept -= 8;
            bytes.push(u8::try_from(bits >> kept & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// The password of an address: no variable, and no word that stands for one.
fn is_no_placeholder(found: &str) -> bool {
    let words = [
        "pass", "password", "passwd", "pwd", "pw", "secret", "token", "changeme", "xxx", "port",
    ];
    let password = found.trim_end_matches(|c| c != '@').trim_end_matches('@');
    let password = password.rsplit(':').next().unwrap_or_default();
    let lower = password.trim_matches('*').to_ascii_lowercase();
    !lower.is_empty() && !password.contains(['$', '{', '[']) && !words.contains(&lower.as_str())
}

/// After `secret key` and the like: as mixed as what a machine drew. Words, identifiers and templates are not.
fn is_announced(found: &str) -> bool {
    let last = last(found);
    let drawn = last.rsplit_once("=>").map_or(last, |(_, rest)| rest);
    let drawn = match drawn.trim_end_matches('=').rsplit_once('=') {
        Some((_, rest)) => rest,
        None => drawn,
    };
    let has = |of: fn(&char) -> bool| drawn.chars().any(|c| of(&c));
    let (lower, upper) = (has(char::is_ascii_lowercase), has(char::is_ascii_uppercase));
    let is_hex = drawn.len() >= 32 && drawn.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mixed = lower && upper && has(char::is_ascii_digit) && entropy(drawn) >= MIXED;
    drawn.len() >= SHORTEST_DRAWN && (is_hex && entropy(drawn) >= MIXED_HEX || is_mixed)
}

/// Bits that a character of the text tells, by how often each stands in it.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all: f64 = counts.iter().map(|n| f64::from(*n)).sum();
    let shares = counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / all);
    shares.map(|share| -share * share.log2()).sum()
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

    /// Put together from halves, so that nobody who searches this file for secrets finds any.
    fn joined(halves: [&str; 2]) -> String {
        halves.concat()
    }

    #[test]
    fn secrets_are_found_by_their_shapes() {
        for halves in [
            ["sk-", "abcdefghij0123456789"],
            ["sk-proj-", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"],
            ["sk-ant-", "api03-a1b2c3d4e5f6g7h8_i9j0"],
            ["xai-", "a1b2c3d4e5f6g7h8i9"],
            ["gsk_", "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8i9J0abcdefghijkl"],
            ["hf_", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"],
            ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"],
            ["npm_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"],
            ["sk_live_", "4eC39HqLyjWDarjtT1zdp7dc"],
            ["rk_test_", "4eC39HqLyjWDarjtT1zdp7dc"],
            [
                "SG.",
                "a1B2c3D4e5F6g7H8i9J0kL.a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0uVw",
            ],
            ["SK", "0123456789abcdef0123456789abcdef"],
            ["AKIA", "IOSFODNN7EXAMPLE"],
            [
                "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=",
                "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;",
            ],
            [
                "Bearer ",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
            ],
            ["Authorization: Bearer ", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4"],
            ["Authorization: Basic ", "YWRtaW46U3VwM3JTM2NyZXRQdw=="],
            ["postgres://admin:", "Sup3rS3cretPw@db.example/prod"],
            ["redis://:", "Sup3rS3cretPw@cache:6379"],
            [
                "AWS secret access key ",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ],
            [
                "aws_secret_access_key = ",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ],
            ["AUTH_TOKEN=", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"],
            ["{\"api_key\": \"", "q8w7E6r5T4y3U2i1O0p9\"}"],
        ] {
            let key = joined(halves);
            assert!(holds_a_key(&format!("use {key}, please")), "{key}");
        }
        let both = joined(["sk-learn-is-a-library, and sk-", "abcdefghij0123456789"]);
        assert!(holds_a_key(&both), "a name hides no key behind it");
    }

    #[test]
    fn names_hashes_and_words_are_no_secrets() {
        let picture = format!(
            "data:image/png;base64,iVBORw0KGgo{}=",
            "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9".repeat(40)
        );
        for text in [
            "sk-learn-is-a-library",
            "sk-learn-preprocessing-pipeline-v2",
            "sk-learn-release-2026-11-22-candidate",
            "xai-interpretabilitymethods",
            "task-a1b2c3d4e5f6g7h8i9j0",
            "550e8400-e29b-41d4-a716-446655440000",
            "the secret key 550e8400-e29b-41d4-a716-446655440000 of the row",
            "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "hf_hub_download and npm_config_user_agent_of_the_package_manager",
            "gsk_partner and r8_something and SKU0123456789 and SG.1",
            "SKU-0123456789abcdef0123456789abcdef",
            "Bearer of good-and-very-reassuring-news",
            "Bearer ${JIRA_TOKEN_OF_THE_TEAM}",
            "Basic authentication, Basic understanding of things, Basic functionality",
            "https://user:password@host.example/ and https://${USER}:${PASSWORD}@host",
            "https://example.com:8080/path?mail=somebody@example.com",
            "http://[::1]:8080/ and mailto:somebody@example.com",
            "an api key: createIssueWithTransitionAndComment",
            "the access token is ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "api_key=0000000000000000000000000000000000000000",
            "access key: issue_customfield_10010_and_more",
            "Set the password: Welcome2024!",
            picture.as_str(),
        ] {
            assert!(!holds_a_key(text), "{text}");
        }
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
