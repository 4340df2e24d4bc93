//! The environment as values: variables, and the secrets among them.
//!
//! The process environment is read once, at the edge, by whoever starts a run; from then on it is this
//! value. It knows which of its values are secrets, so that [`Secrets`] can take them out of
//! everything that is written or shown.

use std::collections::BTreeMap;

use bench_core::hash::sha256_hex;
use bench_core::setting::{ExpandError, SecretRef, Setting, expand, is_secret_name};
use thiserror::Error;

pub use crate::secrets::Secrets;

/// Begins the names of variables that hand literal secrets to the worker of a background run.
const HANDED_OVER: &str = "BENCH_SECRET_";

/// Digits of a secret's hash in such a name.
const NAME_DIGITS: usize = 16;

/// Variables, and the secrets among them.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    secrets: Secrets,
}

/// Why a setting has no value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// A variable in it has none.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// The file that holds a literal secret cannot be read.
    #[error("cannot read the secret at {pointer} of `{file}`")]
    Read {
        /// The file.
        file: String,
        /// JSON pointer of the secret.
        pointer: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file holds something else there now.
    #[error(
        "the secret at {pointer} of `{file}` has changed since the run was planned; start a new run, or put \
         the old value back"
    )]
    Changed {
        /// The file.
        file: String,
        /// JSON pointer of the secret.
        pointer: String,
    },
}

impl Environment {
    /// An environment of these variables. Those named like secrets are secrets, and so are the extra names.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, also_secret: &[String]) -> Self {
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        let secrets = Secrets::default();
        for (name, value) in &variables {
            if is_secret_name(name) || also_secret.contains(name) {
                secrets.add(value);
            }
            secrets.add_password_of(value);
        }
        Self { variables, secrets }
    }

    /// The value of a variable; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether the variable is set, be it to nothing.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The secrets known so far. Clones share them.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// All variables: what another process needs to see the same.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a literal secret, and the name of the variable under which a worker finds it instead of reading
    /// its file again; `None` for other settings.
    pub fn hand_over(&self, setting: &Setting) -> Result<Option<(String, String)>, ResolveError> {
        let Setting::Secret { secret } = setting else {
            return Ok(None);
        };
        let value = self.resolve(setting)?;
        let bare = value.strip_prefix(&secret.prefix).unwrap_or(&value).to_owned();
        Ok(Some((handed_over_as(secret), bare)))
    }

    /// The value of a setting: variables expanded, a literal secret read again from its file, unless it was handed
    /// over in a variable.
    ///
    /// What comes from a variable named like a secret, and every literal secret, is remembered in
    /// [`Environment::secrets`]. Blocking: may read a small file.
    pub fn resolve(&self, setting: &Setting) -> Result<String, ResolveError> {
        match setting {
            Setting::Text(text) => Ok(expand(text, &|name| self.variables.get(name).cloned())?),
            Setting::Secret { secret } => {
                let given = self.variables.get(&handed_over_as(secret));
                let value = match given.filter(|value| sha256_hex(value) == secret.sha256) {
                    Some(value) => format!("{}{value}", secret.prefix),
                    None => read_secret(secret)?,
                };
                self.secrets.add(&value);
                Ok(value)
            }
        }
    }
}

fn handed_over_as(secret: &SecretRef) -> String {
    let digits: String = secret.sha256.chars().take(NAME_DIGITS).collect();
    format!("{HANDED_OVER}{digits}")
}

fn read_secret(secret: &SecretRef) -> Result<String, ResolveError> {
    let text = std::fs::read_to_string(&secret.file).map_err(|source| ResolveError::Read {
        file: secret.file.clone(),
        pointer: secret.pointer.clone(),
        source,
    })?;
    let changed = || ResolveError::Changed {
        file: secret.file.clone(),
        pointer: secret.pointer.clone(),
    };
    secret.find_in(&text).ok_or_else(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let pairs = [
            ("OPENAI_API_KEY", "sk-canary-12345"),
            ("HOST", "gym.local"),
            ("PIN_TOKEN", "1234"),
        ];
        Environment::new(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())), &[])
    }

    #[test]
    fn secrets_are_taken_out_by_value() {
        let env = environment();
        assert_eq!(env.secrets().redact("key sk-canary-12345!"), "key [secret]!");
        assert_eq!(
            env.secrets().redact("gym.local 1234"),
            "gym.local 1234",
            "not secret, too short"
        );
        env.secrets().add("quote\"inside");
        assert_eq!(
            env.secrets().redact(r#"{"a":"quote\"inside"}"#),
            r#"{"a":"[secret]"}"#
        );
    }

    #[test]
    fn a_literal_secret_is_read_again_and_a_changed_one_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"headers":{"Authorization":"Bearer canary"}}"#).unwrap();
        let sha256 = sha256_hex("Bearer canary");
        let secret = SecretRef {
            file: file.path().to_string_lossy().into_owned(),
            pointer: "/headers/Authorization".into(),
            sha256,
            prefix: String::new(),
        };
        let setting = Setting::Secret { secret };
        let env = environment();
        assert_eq!(env.resolve(&setting).unwrap(), "Bearer canary");
        assert_eq!(env.secrets().redact("<Bearer canary>"), "<[secret]>");
        std::fs::write(file.path(), r#"{"headers":{"Authorization":"Bearer other"}}"#).unwrap();
        assert!(matches!(env.resolve(&setting), Err(ResolveError::Changed { .. })));
    }

    #[test]
    fn a_secret_that_was_handed_over_needs_no_file_and_is_checked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"key":"canary-0123"}"#).unwrap();
        let secret = SecretRef {
            file: file.path().to_string_lossy().into_owned(),
            pointer: "/key".into(),
            sha256: sha256_hex("canary-0123"),
            prefix: "Bearer ".into(),
        };
        let setting = Setting::Secret { secret };
        let (name, value) = environment().hand_over(&setting).unwrap().unwrap();
        assert_eq!(value, "canary-0123");
        assert!(environment().hand_over(&"${HOST}".into()).unwrap().is_none());
        file.close().unwrap();
        let worker = Environment::new([(name.clone(), value)], &[]);
        assert_eq!(worker.resolve(&setting).unwrap(), "Bearer canary-0123");
        assert_eq!(worker.secrets().redact("<canary-0123>"), "<[secret]>");
        let wrong = Environment::new([(name, "another".to_owned())], &[]);
        assert!(matches!(wrong.resolve(&setting), Err(ResolveError::Read { .. })));
    }
}
