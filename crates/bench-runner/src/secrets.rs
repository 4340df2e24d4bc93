//! Secrets, and how they are taken out of everything that is written or shown: by value.
//!
//! Plain text is searched as it is. What is written as JSON is searched in its strings, before it is written: a secret
//! that happens to be a number or a word of our own formats must not damage them, and no way of quoting may hide one.
//!
//! Texts that are shown are often shortened, and then a secret may have lost its end: what stands before the mark of a
//! cut is also compared with how secrets begin. So whoever shortens need not know any.

mod documents;
mod forms;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use bench_core::setting::is_secret_name;
use percent_encoding::percent_decode_str;
use url::Url;

use forms::{basic, forms, sent_as};

/// Secrets shorter than this, in bytes, are not replaced: they would also hit ordinary words.
const SHORTEST: usize = 8;

/// What stands where a secret stood.
const MASK: &str = "[secret]";

/// Where a text was cut.
const CUT: char = '…';

/// So many bytes of a secret's start are replaced before a cut, and no fewer: they would be ordinary words.
const SHORTEST_START: usize = 4;

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
}

#[cfg(test)]
mod tests;
