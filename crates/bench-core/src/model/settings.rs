//! What is sent with every request, and how it is written behind a model's name: `openai:gpt-5?effort=high`.
//!
//! A setting that is absent is not sent: nothing is chosen behind anybody's back. Where a provider has no field for a
//! setting, its client refuses it before anything runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::setting::is_secret_name;
use crate::suggest;

/// What begins the name of a field of the request body.
const BODY: &str = "body.";

/// The settings that can stand behind a model's name, besides `body.FIELD`.
const KNOWN: [&str; 8] = [
    "api",
    "effort",
    "thinking",
    "temperature",
    "top_p",
    "max_output_tokens",
    "seed",
    "stream",
];

/// What is sent with every request. A setting that is absent is not sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The most tokens of one reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Sampling seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How hard it should try, in the provider's own word (`low`, `high`, …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// How it thinks before it answers, where that is not said by effort alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Which wire format of a provider that has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Whether replies come in pieces. What is recorded and what goes back is the same; the time to the first piece is
    /// known then, and nothing on the way takes a long silence for a dead connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Further fields of the request body, as they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

/// How a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Thinking {
    /// As much as it finds right.
    Adaptive,
    /// At most this many tokens; 0 is not at all.
    Budget(u64),
}

/// The wire formats of providers that have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Api {
    /// Chat completions.
    Chat,
    /// Responses.
    Responses,
}

/// Why a setting behind a model's name cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadSetting {
    /// There is no setting of this name.
    #[error(
        "there is no setting `{name}`; {}a field of the request body is written `body.{name}`",
        match meant {
            Some(known) => format!("did you mean `{known}`? Else, "),
            None => format!("known are {}; ", KNOWN.join(", ")),
        }
    )]
    Unknown {
        /// What was written.
        name: String,
        /// The known one that is nearest, if one is near.
        meant: Option<&'static str>,
    },
    /// The same setting stands there twice.
    #[error("`{name}` is set twice")]
    Twice {
        /// Which one.
        name: String,
    },
    /// The value is none for this setting.
    #[error("`{value}` is no value for `{name}`; {wanted}")]
    Value {
        /// Which setting.
        name: String,
        /// What was written.
        value: String,
        /// What could be written.
        wanted: &'static str,
    },
    /// A secret where everybody can read it.
    #[error(
        "`{name}` looks like a secret, and the request body is written down; give it in models.json, as one of the \
         `headers` with ${{VAR}}"
    )]
    Secret {
        /// The name of what holds it.
        name: String,
    },
}

/// Members of request bodies that are named like secrets and are none.
const HARMLESS: [&str; 6] = [
    "prompt_cache_key",
    "stop_token",
    "stop_tokens",
    "tokenizer",
    "author",
    "authors",
];

/// Whether a text of this name in a request body must be taken for a secret. Numbers and the like are none.
pub(super) fn is_secret_text(name: &str, value: &str) -> bool {
    !value.is_empty() && is_secret_name(name) && !HARMLESS.contains(&name)
}

/// The name of the first text in a field that must be taken for a secret, however deep.
fn secret_in(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => is_secret_text(name, text).then(|| name.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| secret_in(name, item)),
        Value::Object(members) => members.iter().find_map(|(name, value)| secret_in(name, value)),
        _ => None,
    }
}

impl ModelSettings {
    /// Reads what stands behind the `?` of a model: `effort=high&temperature=0.2&body.top_k=40`.
    ///
    /// Encoded like the query of a URL. The value of a `body.FIELD` is JSON, or else a text.
    pub fn from_query(query: &str) -> Result<Self, BadSetting> {
        let (mut settings, mut seen) = (Self::default(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if seen.contains(&name) {
                return Err(BadSetting::Twice {
                    name: name.into_owned(),
                });
            }
            settings.set(&name, &value)?;
            seen.push(name);
        }
        Ok(settings)
    }

    /// Sets one by its name, as it stands behind a model's name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), BadSetting> {
        let bad = |wanted| BadSetting::Value {
            name: name.to_owned(),
            value: value.to_owned(),
            wanted,
        };
        let number = |range: std::ops::RangeInclusive<f64>, wanted| {
            let number: f64 = value.parse().map_err(|_| bad(wanted))?;
            if range.contains(&number) {
                Ok(number)
            } else {
                Err(bad(wanted))
            }
        };
        let whole = |wanted| value.parse::<u64>().map_err(|_| bad(wanted));
        match name {
            "temperature" => self.temperature = Some(number(0.0..=f64::MAX, "a number from 0")?),
            "top_p" => self.top_p = Some(number(0.0..=1.0, "a number from 0 to 1")?),
            "max_output_tokens" => {
                let most = whole("a number of tokens from 1")?;
                self.max_output_tokens = Some(most)
                    .filter(|n| *n > 0)
                    .ok_or_else(|| bad("at least 1"))?
                    .into();
            }
            "seed" => self.seed = Some(whole("a whole number from 0")?),
            "effort" if value.is_empty() => return Err(bad("a word of the provider, such as low or high")),
            "effort" => self.effort = Some(value.to_owned()),
            "thinking" => {
                self.thinking = Some(match value {
                    "adaptive" => Thinking::Adaptive,
                    _ => Thinking::Budget(whole("`adaptive`, or a number of tokens")?),
                });
            }
            // Tells models of one run apart, and says nothing to the provider.
            "as" if value.trim().is_empty() => return Err(bad("a name for people")),
            "as" => {}
            "api" => {
                self.api = Some(match value {
                    "chat" => Api::Chat,
                    "responses" => Api::Responses,
                    _ => return Err(bad("`chat` or `responses`")),
                });
            }
            "stream" => self.stream = Some(value.parse().map_err(|_| bad("`true` or `false`"))?),
            _ => {
                let Some(field) = name.strip_prefix(BODY).filter(|field| !field.is_empty()) else {
                    return Err(BadSetting::Unknown {
                        name: name.to_owned(),
                        meant: suggest::closest(name, KNOWN)
                            .and_then(|near| KNOWN.into_iter().find(|known| *known == near)),
                    });
                };
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                if let Some(name) = secret_in(field, &value) {
                    return Err(BadSetting::Secret { name });
                }
                self.extra.insert(field.to_owned(), value);
            }
        }
        Ok(())
    }

    /// These settings; where they are silent, the others.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        let mut extra = others.extra.clone();
        extra.extend(self.extra);
        Self {
            temperature: self.temperature.or(others.temperature),
            top_p: self.top_p.or(others.top_p),
            max_output_tokens: self.max_output_tokens.or(others.max_output_tokens),
            seed: self.seed.or(others.seed),
            effort: self.effort.or_else(|| others.effort.clone()),
            thinking: self.thinking.or(others.thinking),
            api: self.api.or(others.api),
            stream: self.stream.or(others.stream),
            extra,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_is_read() {
        let query = "effort=high&thinking=2048&api=responses&temperature=0.5&top_p=1&max_output_tokens=9&seed=7\
            &stream=true\
            &body.top_k=40&body.user=me&body.provider=%7B%22only%22%3A%5B%22a%22%5D%7D";
        let settings = ModelSettings::from_query(query).unwrap();
        let want = json!({"effort": "high", "thinking": {"budget": 2048}, "api": "responses", "temperature": 0.5,
            "top_p": 1.0, "max_output_tokens": 9, "seed": 7, "stream": true,
            "extra": {"top_k": 40, "user": "me", "provider": {"only": ["a"]}}});
        assert_eq!(serde_json::to_value(&settings).unwrap(), want);
        assert_eq!(serde_json::from_value::<ModelSettings>(want).unwrap(), settings);
        let adaptive = ModelSettings::from_query("thinking=adaptive").unwrap();
        assert_eq!(adaptive.thinking, Some(Thinking::Adaptive));
        assert_eq!(ModelSettings::from_query("").unwrap(), ModelSettings::default());
    }

    #[test]
    fn a_secret_in_the_body_is_refused_and_not_shown() {
        for (query, name) in [
            ("body.api_key=sk-canary", "api_key"),
            ("body.x=[{\"Authorization\":\"sk-canary\"}]", "Authorization"),
            ("body.api_keys=[\"\",\"sk-canary\"]", "api_keys"),
            ("body.extra_headers={\"x-token\":\"sk-canary\"}", "x-token"),
        ] {
            let error = ModelSettings::from_query(query).unwrap_err();
            assert_eq!(error, BadSetting::Secret { name: name.into() });
            assert!(!error.to_string().contains("canary"));
        }
        let harmless = "body.max_tokens=5&body.token_budget=1.5&body.return_tokens_as_token_ids=true\
            &body.prompt_cache_key=a&body.stop_tokens=[\"%3C/s%3E\"]&body.schema={\"required\":[\"token\"],\"token\":{\"type\":\"string\"}}";
        assert_eq!(ModelSettings::from_query(harmless).unwrap().extra.len(), 6);
    }

    #[test]
    fn what_is_no_setting_is_told() {
        let told = |query: &str| ModelSettings::from_query(query).unwrap_err().to_string();
        insta::assert_snapshot!(told("efort=high"), @r"
        there is no setting `efort`; did you mean `effort`? Else, a field of the request body is written `body.efort`
        ");
        insta::assert_snapshot!(told("top_k=4"), @r"
        there is no setting `top_k`; did you mean `top_p`? Else, a field of the request body is written `body.top_k`
        ");
        insta::assert_snapshot!(told("zzz=4"), @r"
        there is no setting `zzz`; known are api, effort, thinking, temperature, top_p, max_output_tokens, seed, stream; a field of the request body is written `body.zzz`
        ");
        insta::assert_snapshot!(told("api=grpc"), @r"
        `grpc` is no value for `api`; `chat` or `responses`
        ");
        insta::assert_snapshot!(told("thinking=much"), @r"
        `much` is no value for `thinking`; `adaptive`, or a number of tokens
        ");
        insta::assert_snapshot!(told("seed=1&seed=2"), @r"
        `seed` is set twice
        ");
        for bad in [
            "temperature=-1",
            "temperature=NaN",
            "temperature=",
            "top_p=1.1",
            "max_output_tokens=0",
            "seed=-1",
            "effort=",
            "effort",
            "body.=1",
            "=1",
            "thinking=-1",
            "stream=yes",
        ] {
            assert!(ModelSettings::from_query(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_said_nearer_wins() {
        let near = ModelSettings::from_query("temperature=0&body.a=1").unwrap();
        let far = ModelSettings::from_query("temperature=1&seed=3&body.a=2&body.b=2").unwrap();
        let both = near.or(&far);
        assert_eq!((both.temperature, both.seed), (Some(0.0), Some(3)));
        assert_eq!(
            serde_json::to_value(&both.extra).unwrap(),
            json!({"a": 1, "b": 2})
        );
    }
}
