//! Settings out of files: texts with variables in them, and literal secrets that stay where they are.

use std::cell::RefCell;

use crate::harness::Source;
use crate::hash::sha256_hex;
use crate::json::read::At;
use crate::json::typed::plain_text;
use crate::lint::secrets;
use crate::problem::Place;
use crate::setting::{ExpandError, SecretRef, Setting, expand, is_secret_name, variables};

/// Reads settings of one file.
pub(crate) struct SettingReader<'a> {
    source: &'a Source,
    /// Whether a variable is set; `None` leaves that question to whoever starts the run.
    is_set: Option<&'a dyn Fn(&str) -> bool>,
    needed: RefCell<Vec<(String, Place)>>,
}

impl<'a> SettingReader<'a> {
    /// Variables are checked for their form only.
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            is_set: None,
            needed: RefCell::default(),
        }
    }

    /// A variable that is not set and has no default is a problem.
    pub(crate) fn checking(source: &'a Source, is_set: &'a dyn Fn(&str) -> bool) -> Self {
        Self {
            source,
            is_set: Some(is_set),
            needed: RefCell::default(),
        }
    }

    /// The variables without a default that were read since the last call, and where each is written.
    pub(crate) fn take_needed(&self) -> Vec<(String, Place)> {
        self.needed.take()
    }

    /// A text that belongs to `name`: a secret if the name says so, or if it is an address with
    /// credentials in it. Numbers and truth values count as their text.
    pub(crate) fn named(&self, at: &At<'_>, name: &str) -> Option<Setting> {
        // A cookie is a key to a session, whatever it is called.
        let secret = is_secret_name(name) || name.eq_ignore_ascii_case("cookie");
        if secret {
            self.secret(at, "")
        } else {
            self.text(at)
        }
    }

    /// A text without a name: a secret only if it has the shape of one, or is an address with credentials in it.
    pub(crate) fn text(&self, at: &At<'_>) -> Option<Setting> {
        self.secret_if(at, |text| {
            has_credentials(text) || !text.contains("${") && secrets::holds_a_key(text)
        })
    }

    fn secret_if(&self, at: &At<'_>, is_secret: impl Fn(&str) -> bool) -> Option<Setting> {
        let text = self.checked_text(at)?;
        Some(if is_secret(&text) {
            self.reference(at, &text, "")
        } else {
            Setting::Text(text)
        })
    }

    /// A secret: left where it is, unless it is empty or written as a variable.
    pub(crate) fn secret(&self, at: &At<'_>, prefix: &str) -> Option<Setting> {
        let text = self.checked_text(at)?;
        let literal = !text.is_empty() && !text.contains("${");
        Some(if literal {
            self.reference(at, &text, prefix)
        } else {
            Setting::Text(format!("{prefix}{text}"))
        })
    }

    /// An `http` or `https` address.
    pub(crate) fn url(&self, at: &At<'_>) -> Option<Setting> {
        check_url(at, &at.read::<String>()?)?;
        self.secret_if(at, has_credentials)
    }

    /// A text whose variables are well written, and set where that is known.
    pub(crate) fn checked_text(&self, at: &At<'_>) -> Option<String> {
        let Some(text) = plain_text(at.node) else {
            return at.wrong_type("a string");
        };
        if let Err(ExpandError::Malformed { text: reference }) = expand(&text, &|_| Some(String::new())) {
            malformed(at, &reference);
            return None;
        }
        let is_set = self.is_set.unwrap_or(&|_| true);
        for (name, _) in variables(&text)
            .into_iter()
            .filter(|(_, has_default)| !has_default)
        {
            if !is_set(&name) {
                let hint = match name.as_str() {
                    "workspaceFolder" => "it is the editor's; write a path relative to this file".to_owned(),
                    _ => {
                        format!("set it, pass it with --env-file, or give it a default: ${{{name}:-default}}")
                    }
                };
                at.error_with(format!("the variable `{name}` is not set"), hint);
            }
            self.needed.borrow_mut().push((name, at.place()));
        }
        Some(text)
    }

    fn reference(&self, at: &At<'_>, value: &str, prefix: &str) -> Setting {
        Setting::Secret {
            secret: SecretRef {
                file: self.source.path.clone(),
                pointer: at.pointer_in_file(),
                sha256: sha256_hex(value),
                prefix: prefix.to_owned(),
            },
        }
    }
}

fn malformed(at: &At<'_>, reference: &str) {
    if let Some(rest) = reference.strip_prefix("${input:") {
        let name = rest.trim_end_matches('}');
        at.error_with(
            format!("`{reference}` asks the editor's user, and a run cannot ask"),
            format!(
                "write ${{{}}} and set that variable",
                name.to_uppercase().replace(['-', '.'], "_")
            ),
        );
    } else {
        let shown: String = reference.chars().take(40).collect();
        at.error_with(
            format!("`{shown}` is not a variable"),
            "write ${NAME}, ${NAME:-default} or ${env:NAME}",
        );
    }
}

/// Notes a text that is no address to send requests to.
pub(crate) fn check_url(at: &At<'_>, text: &str) -> Option<()> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let rest = lower
        .strip_prefix("http://")
        .or_else(|| lower.strip_prefix("https://"));
    let host_begins = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || "[$_".contains(c));
    let sound = match rest {
        Some(rest) => host_begins(rest) && !rest.contains(char::is_whitespace),
        None => text.starts_with("${"),
    };
    if !sound {
        at.error_with(
            "this is not an address to send requests to",
            "write it like `http://127.0.0.1:8080`",
        );
    }
    sound.then_some(())
}

/// Whether an address has a literal user or password, or a query parameter named like a secret.
pub(crate) fn has_credentials(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| !user.is_empty() && !user.contains("${"));
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let literal = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(n, v)| is_secret_name(n) && !v.is_empty() && !v.contains("${"))
    };
    user || query.split('&').any(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_addresses_are_seen() {
        for (text, want) in [
            ("http://user:pass@host/mcp", true),
            ("https://token@host", true),
            ("postgresql://u:p@db:5432/x", true),
            ("https://host/mcp?api_key=abc", true),
            ("https://host/mcp?a=1&token=abc", true),
            ("https://host/mcp?token=${TOKEN}", false),
            ("http://${USER}:${PASSWORD}@host", false),
            ("http://host/a@b", false),
            ("http://host/mcp?page=1", false),
            ("user@example.com", false),
            ("", false),
        ] {
            assert_eq!(has_credentials(text), want, "{text}");
        }
    }
}
