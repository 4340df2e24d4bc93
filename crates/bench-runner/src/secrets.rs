//! Secrets, and how they are taken out of everything that is written or shown: by value.
//!
//! Plain text is searched as it is. What is written as JSON is searched in its strings, before it is written: a secret
//! that happens to be a number or a word of our own formats must not damage them, and no way of quoting may hide one.
//!
//! Texts that are shown are often shortened, and then a secret may have lost its end: what stands before the mark of a
//! cut is also compared with how secrets begin. So whoever shortens need not know any.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bench_core::setting::is_secret_name;
use chrono::DateTime;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

/// Secrets shorter than this, in bytes, are not replaced: they would also hit ordinary words.
const SHORTEST: usize = 8;

/// What stands where a secret stood.
const MASK: &str = "[secret]";

/// Where a text was cut.
const CUT: char = '…';

/// So many bytes of a secret's start are replaced before a cut, and no fewer: they would be ordinary words.
const SHORTEST_START: usize = 4;

/// Members of our records that name things. The names are also those of files: hiding them here hides nothing.
const NAMES: [&str; 6] = ["trial", "scenario_id", "model", "gym", "database_id", "record"];

/// Takes secrets out of texts, by value. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    forms: BTreeSet<String>,
    /// Bytes of the longest form.
    longest: usize,
    matcher: Option<AhoCorasick>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.forms.len())
    }
}

impl Known {
    /// The text without the starts of secrets that stand before a cut, if there are any.
    fn without_starts(&self, text: &str) -> Option<String> {
        let (mut clean, mut done) = (String::new(), 0);
        for (cut, _) in text.match_indices(CUT) {
            let before = text.get(done..cut)?;
            if let Some(start) = self.start_at_end_of(before) {
                clean.push_str(before.get(..start)?);
                clean.push_str(MASK);
                done = cut;
            }
        }
        clean.push_str(text.get(done..)?);
        (done > 0).then_some(clean)
    }

    /// Where the text's end begins that is the start of a secret, the longest one.
    fn start_at_end_of(&self, text: &str) -> Option<usize> {
        let earliest = text.len().saturating_sub(self.longest);
        let latest = text.len().checked_sub(SHORTEST_START)?;
        let begins_one = |end: &str| {
            let from = (Bound::Included(end), Bound::Unbounded);
            let next = self.forms.range::<str, _>(from).next();
            next.is_some_and(|form| form.starts_with(end))
        };
        (earliest..=latest).find(|at| text.get(*at..).is_some_and(begins_one))
    }
}

/// How much is taken for a text that may hold a secret.
#[derive(Clone, Copy, PartialEq)]
enum Care {
    /// Every string and every number.
    All,
    /// Not single lower-case words, numbers and times, which our formats are made of.
    Texts,
}

impl Secrets {
    /// Remembers a secret, in the forms in which programs repeat it. Values under 8 bytes are ignored: replacing them
    /// would hit ordinary words.
    pub fn add(&self, value: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.forms.len();
        known.forms.extend(forms(value));
        if known.forms.len() > before {
            known.longest = known.forms.iter().map(String::len).max().unwrap_or(0);
            known.matcher = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&known.forms)
                .ok();
        }
        drop(known);
        if let Some((user, password)) = basic(value) {
            self.add_pair(&user, &password);
        }
    }

    /// Remembers a password, or a user that has none, alone and as a client sends them.
    fn add_pair(&self, user: &str, password: &str) {
        if user.is_empty() && password.is_empty() {
            return;
        }
        self.add(if password.is_empty() { user } else { password });
        for sent in sent_as(user, password) {
            self.add(&sent);
        }
    }

    /// Remembers the password in a URL, if there is one.
    pub fn add_password_of(&self, url: &str) {
        let url = url.contains("://").then(|| Url::parse(url.trim()).ok()).flatten();
        if let Some(url) = url.filter(|url| url.password().is_some()) {
            self.add_credentials_of(&url);
        }
    }

    /// Remembers what proves who asks in an address that requests are sent to: the password, or the user where there
    /// is none, and both together as a client sends them; and parameters that are secret by name.
    pub fn add_credentials_of(&self, url: &Url) {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        self.add_pair(user, password);
        self.add_pair(&decoded(user), &decoded(password));
        for (_, value) in url.query_pairs().filter(|(name, _)| is_secret_name(name)) {
            self.add(&value);
        }
        let written = url.query().unwrap_or_default().split('&');
        for (_, value) in written
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| is_secret_name(name))
        {
            self.add(value);
        }
    }

    /// Remembers the value of a header that we send, if the header says who we are: by its name or by its value.
    pub(crate) fn add_header(&self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let schemes = ["basic", "bearer"];
        let begins = value.split_whitespace().next().unwrap_or_default();
        if is_secret_name(&name)
            || name == "cookie"
            || schemes.iter().any(|scheme| begins.eq_ignore_ascii_case(scheme))
        {
            self.add(value);
            self.add(value.rsplit(' ').next().unwrap_or_default());
        }
    }

    /// The text with every known secret replaced by `[secret]`, also one of which only the start is left before a `…`.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let clean = match &known.matcher {
            Some(matcher) if matcher.is_match(text) => {
                let masks = vec![MASK; known.forms.len()];
                Cow::Owned(matcher.replace_all(text, &masks))
            }
            _ => Cow::Borrowed(text),
        };
        match known.without_starts(&clean) {
            Some(cleaner) => Cow::Owned(cleaner),
            None => clean,
        }
    }

    /// The value with every known secret in its strings replaced. As an error it comes back as it was, where no such
    /// value is left: a secret is also a part of something that must not change.
    pub(crate) fn redacted<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T, T> {
        let Ok(text) = serde_json::to_string(&value) else {
            return Err(value);
        };
        if let Cow::Borrowed(_) = self.redact(&text) {
            return Ok(value);
        }
        self.read_cleaned(&text).ok_or(value)
    }

    /// The same as JSON, for a value that is only to be written: one without secrets is serialized once. `None` where
    /// [`redacted`](Self::redacted) has an error.
    pub(crate) fn redacted_json<T: Serialize + DeserializeOwned>(&self, value: &T) -> Option<String> {
        let text = serde_json::to_string(value).ok()?;
        if let Cow::Borrowed(_) = self.redact(&text) {
            return Some(text);
        }
        serde_json::to_string(&self.read_cleaned::<T>(&text)?).ok()
    }

    /// A value read from JSON, without the secrets in its strings.
    fn read_cleaned<T: DeserializeOwned>(&self, text: &str) -> Option<T> {
        [Care::All, Care::Texts].into_iter().find_map(|care| {
            let clean = self.cleaned(serde_json::from_str(text).ok()?, care, true);
            serde_json::from_value(clean).ok()
        })
    }

    fn cleaned(&self, value: Value, care: Care, top: bool) -> Value {
        match value {
            Value::String(text) if care == Care::Texts && is_ours(&text) => Value::String(text),
            Value::String(text) => Value::String(self.redact(&text).into_owned()),
            Value::Number(number) if care == Care::All => {
                let text = number.to_string();
                match self.redact(&text) {
                    Cow::Owned(clean) if clean == MASK => Value::String(clean),
                    _ => Value::Number(number),
                }
            }
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.cleaned(item, care, false))
                .collect(),
            Value::Object(members) => Value::Object(self.cleaned_members(members, care, top)),
            other => other,
        }
    }

    fn cleaned_members(&self, members: Map<String, Value>, care: Care, top: bool) -> Map<String, Value> {
        let clean = members.into_iter().map(|(name, value)| {
            if top && NAMES.contains(&name.as_str()) {
                return (name, value);
            }
            let value = self.cleaned(value, care, false);
            if is_word(&name) {
                (name, value)
            } else {
                (self.redact(&name).into_owned(), value)
            }
        });
        clean.collect()
    }
}

/// Whether our own formats may hold the text: a word such as `tool_calls`, or a time.
fn is_ours(text: &str) -> bool {
    is_word(text) || DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// A secret as it is, and as it looks where programs repeat it.
fn forms(value: &str) -> impl Iterator<Item = String> {
    let mut bare = vec![value.trim()];
    for quote in ['"', '\''] {
        // Tools that read files of variables differ in whether quotes belong to the value.
        bare.extend(
            value
                .trim()
                .strip_prefix(quote)
                .and_then(|v| v.strip_suffix(quote)),
        );
    }
    // `Bearer TOKEN`: the scheme is no part of the secret.
    let schemes = bare.clone().into_iter().filter_map(|v| v.split_once(' '));
    let is_scheme = |(scheme, token): &(&str, &str)| {
        scheme.bytes().all(|b| b.is_ascii_alphabetic()) && !token.contains(char::is_whitespace)
    };
    let tokens: Vec<_> = schemes.filter(is_scheme).map(|(_, token)| token).collect();
    bare.extend(tokens);
    // Logs are cut into lines. The first and the last line of a key in PEM form are no secret.
    let lines = bare
        .clone()
        .into_iter()
        .filter(|v| v.contains('\n'))
        .flat_map(str::lines);
    let lines: Vec<_> = lines
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    bare.extend(lines);
    let quoted = |text: &str| -> String {
        let json = Value::from(text).to_string();
        json.get(1..json.len() - 1).unwrap_or_default().to_owned()
    };
    let forms: BTreeSet<String> = bare
        .into_iter()
        .flat_map(|v| {
            let once = quoted(v);
            let encoded = form_urlencoded::byte_serialize(v.as_bytes()).collect();
            [v.to_owned(), in_ascii(&once), quoted(&once), once, encoded]
        })
        .collect();
    forms.into_iter().filter(|form| form.len() >= SHORTEST)
}

/// A user and a password as HTTP clients send them in a header, in every way of writing base64.
fn sent_as(user: &str, password: &str) -> [String; 4] {
    let pair = format!("{user}:{password}");
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|base64| base64.encode(&pair))
}

/// User and password in the value of a header, `Basic …`.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, sent) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let sent = sent.trim().trim_end_matches('=');
    let pair = [STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|base64| base64.decode(sent).ok())?;
    let pair = String::from_utf8(pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// JSON text as writers that keep to ASCII write it.
fn in_ascii(json: &str) -> String {
    json.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").unwrap_or_default(); // writing to a string cannot fail
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use bench_core::Event;
    use bench_core::transcript::{Entry, Line, ToolCall};
    use serde_json::json;

    use super::*;

    fn knowing(values: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        for value in values {
            secrets.add(value);
        }
        secrets
    }

    fn line(arguments: &Value) -> Line {
        Line {
            at: "2026-11-21T22:00:00Z".parse().unwrap(),
            entry: Entry::Note {
                text: arguments.to_string(),
            },
        }
    }

    #[test]
    fn every_form_in_which_a_value_is_repeated_is_found() {
        let pem = "-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n-----END KEY-----";
        let secrets = knowing(&[
            "with\"quote",
            "pässwörd",
            "\"in quotes 1\"",
            "Bearer tok-12345",
            pem,
            "a b&c/d e",
        ]);
        for text in [
            "with\"quote",
            r#"{"a": "with\"quote"}"#,
            r#"{"a": "{\"b\": \"with\\\"quote\"}"}"#,
            r"p\u00e4ssw\u00f6rd",
            "in quotes 1",
            "tok-12345",
            "MIIEvQIBADAN",
            "BgkqhkiG9w0B",
            "a+b%26c%2Fd+e",
        ] {
            assert!(secrets.redact(text).contains("[secret]"), "{text}");
        }
        assert_eq!(secrets.redact("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
        secrets.add_password_of("postgres://me:p%40ss-word@host/db");
        assert_eq!(secrets.redact("p@ss-word p%40ss-word"), "[secret] [secret]");
    }

    #[test]
    fn credentials_are_found_as_clients_send_them() {
        let found_all = |secrets: &Secrets, texts: &[&str]| {
            for text in texts {
                assert_eq!(secrets.redact(&format!("<{text}>")), "<[secret]>", "{text}");
            }
        };
        // Of `mÿ:p@ss?&wörd>~~`, in which the ways of writing base64 differ.
        let written = [
            "bcO/OnBAc3M/JnfDtnJkPn5+",
            "bcO_OnBAc3M_JnfDtnJkPn5-",
            "p@ss?&wörd>~~",
            "p%40ss%3F&w%C3%B6rd%3E~~",
        ];
        let address = "http://m%C3%BF:p%40ss%3F&wörd%3E~~@host/v1";
        let secrets = Secrets::default();
        secrets.add_password_of(address);
        found_all(&secrets, &written);
        let secrets = Secrets::default();
        secrets.add_credentials_of(&Url::parse(address).unwrap());
        found_all(&secrets, &written);

        // `me:hunter2hunter2`, filled up or not, and cut off.
        let secrets = Secrets::default();
        secrets.add_password_of("http://me:hunter2hunter2@host");
        let sent = ["bWU6aHVudGVyMmh1bnRlcjI=", "bWU6aHVudGVyMmh1bnRlcjI"];
        found_all(&secrets, &sent);
        found_all(&secrets, &["hunter2hunter2"]);
        assert_eq!(secrets.redact("Basic bWU6aHVudGV…"), "Basic [secret]…");
        // A password that is too short to be looked for: not where both are sent together.
        secrets.add_password_of("http://somebody:pass@host");
        found_all(&secrets, &["c29tZWJvZHk6cGFzcw==", "c29tZWJvZHk6cGFzcw"]);
        assert_eq!(secrets.redact("pass, somebody"), "pass, somebody");

        // Without a password the user is the secret, but only where requests are sent to.
        let secrets = Secrets::default();
        let alone = "http://user-canary@host";
        secrets.add_password_of(alone);
        assert_eq!(secrets.redact("user-canary"), "user-canary");
        secrets.add_credentials_of(&Url::parse(alone).unwrap());
        found_all(&secrets, &["user-canary", "dXNlci1jYW5hcnk6"]);
        secrets.add_credentials_of(&Url::parse("http://host").unwrap());
        assert_eq!(secrets.redact("http://host:"), "http://host:");

        let in_query = "https://host/v1?api-version=2024-10-21&api_key=query%2fcanary";
        secrets.add_credentials_of(&Url::parse(in_query).unwrap());
        found_all(&secrets, &["query/canary", "query%2fcanary", "query%2Fcanary"]);
        assert_eq!(secrets.redact("2024-10-21"), "2024-10-21");
    }

    #[test]
    fn what_a_header_proves_is_found_without_its_scheme() {
        let secrets = Secrets::default();
        for (name, value) in [
            ("x-upstream", "bearer tok-canary-1"),
            ("X-Forward", "Basic bWU6aHVudGVyMmh1bnRlcjI="),
            ("Cookie", "sid=cookie-canary-1"),
            ("Authorization", "Digest a b digest-canary"),
            ("x-team", "no-secret-of-us"),
        ] {
            secrets.add_header(name, value);
        }
        for text in [
            "tok-canary-1",
            "bWU6aHVudGVyMmh1bnRlcjI=",
            "bWU6aHVudGVyMmh1bnRlcjI",
            "hunter2hunter2",
            "sid=cookie-canary-1",
            "digest-canary",
        ] {
            assert_eq!(secrets.redact(text), "[secret]", "{text}");
        }
        assert_eq!(secrets.redact("no-secret-of-us"), "no-secret-of-us");
    }

    #[test]
    fn what_was_cut_off_within_a_secret_is_found() {
        let secrets = knowing(&["sk-canary-0123456789", "sk-other-987654321"]);
        let long = format!("{}sk-canary-0123456789", "x".repeat(60));
        let found = json!(long);
        let error = bench_core::Comparison {
            operator: bench_core::Operator::Between,
            expected: json!([1, 2]),
        };
        let error = error.check(&found).unwrap_err().to_string();
        assert!(
            error.contains("sk-canary") && !error.contains("6789"),
            "cut: {error}"
        );
        let said = secrets.redacted(line(&json!(error))).unwrap();
        let kept = serde_json::to_string(&said).unwrap();
        assert!(kept.contains("x[secret]…") && !kept.contains("sk-c"), "{kept}");

        assert_eq!(
            secrets.redact("sk-o… sk-canary-012… sk-canary-0123456789…"),
            "[secret]… [secret]… [secret]…"
        );
        assert_eq!(
            secrets.redact("sk-… and so on… …"),
            "sk-… and so on… …",
            "no more than a habit of naming"
        );
    }

    #[test]
    fn values_that_look_like_parts_of_our_formats_damage_nothing() {
        let secrets = knowing(&[
            "20251130",
            "arguments",
            "assistant",
            "2026-11-21",
            "\"sk-abc-1234567\"",
            "note_text",
        ]);
        let event = Event::TrialRetried {
            trial: "a-20251130~m~1".parse().unwrap(),
            attempt: 1,
            cause: "20251130 sk-abc-1234567".into(),
        };
        let Ok(Event::TrialRetried { trial, cause, .. }) = secrets.redacted(event) else {
            panic!()
        };
        assert_eq!(
            (trial.as_str(), cause.as_str()),
            ("a-20251130~m~1", "[secret] [secret]")
        );
        let call = ToolCall {
            id: "1".into(),
            name: "add".into(),
            arguments: json!({"n": 20_251_130, "arguments": "\"sk-abc-1234567\" 20251130", "when": "2026-11-21"}),
        };
        let clean = secrets.redacted(call).unwrap();
        assert_eq!(
            clean.arguments,
            json!({"n": "[secret]", "arguments": "[secret] [secret]", "when": "[secret]"})
        );
        let said = secrets.redacted(line(&json!({"key": "20251130"}))).unwrap();
        assert_eq!(said.at, line(&json!(0)).at);
        assert_eq!(
            said.entry,
            Entry::Note {
                text: "{\"key\":\"[secret]\"}".into()
            }
        );
    }

    #[test]
    fn words_times_and_numbers_of_our_own_stay_where_nothing_else_can_stand() {
        let outcome = bench_core::Outcome::Unscored;
        assert_eq!(knowing(&["unscored"]).redacted(outcome), Ok(outcome));
        let time: DateTime<chrono::Utc> = "2026-11-21T22:00:00Z".parse().unwrap();
        assert_eq!(knowing(&["2026-11-21"]).redacted(time), Ok(time));
        let seconds = 20_251_130_u64;
        assert_eq!(knowing(&["20251130"]).redacted(seconds), Ok(seconds));
        // No place for a mask, and no word of ours: better nothing than the secret.
        let id: bench_core::TrialId = "a~sk-canary-1~1".parse().unwrap();
        assert_eq!(knowing(&["sk-canary-1"]).redacted(id.clone()), Err(id));
    }
}
