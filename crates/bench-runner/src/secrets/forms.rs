//! The forms in which programs repeat a secret.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use url::form_urlencoded;

use super::SHORTEST;

/// A secret as it is, and as it looks where programs repeat it.
pub(super) fn forms(value: &str) -> impl Iterator<Item = String> {
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
pub(super) fn sent_as(user: &str, password: &str) -> [String; 4] {
    let pair = format!("{user}:{password}");
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|base64| base64.encode(&pair))
}

/// User and password in the value of a header, `Basic …`.
pub(super) fn basic(value: &str) -> Option<(String, String)> {
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
