//! Models: `provider:name`, with settings. Files that name models are read in [`config`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::known::{KNOWN_NAMES, KnownName, PREFIX_RULES, PrefixRule};
pub use self::settings::{Api, BadSetting, ModelSettings, Thinking};
use crate::price::Price;
use crate::setting::Setting;
use crate::suggest;

pub mod config;
mod known;
mod settings;

/// Who answers. The last four need no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Provider {
    /// `OpenAI`.
    Openai,
    /// Anthropic.
    Anthropic,
    /// Google Gemini.
    Google,
    /// xAI.
    Xai,
    /// `OpenRouter`.
    Openrouter,
    /// Any server that speaks chat completions: Ollama, vLLM, llama.cpp, ….
    Compatible,
    /// Plays tool calls and answers from a file.
    Script,
    /// Plays each scenario's `solution`.
    Oracle,
    /// Answers at once and calls nothing.
    Noop,
    /// Plays a recorded run.
    Replay,
}

impl Provider {
    /// Every provider, in the order in which they are listed to people.
    pub const ALL: [Self; 10] = [
        Self::Openai,
        Self::Anthropic,
        Self::Google,
        Self::Xai,
        Self::Openrouter,
        Self::Compatible,
        Self::Script,
        Self::Oracle,
        Self::Noop,
        Self::Replay,
    ];

    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Xai => "xai",
            Self::Openrouter => "openrouter",
            Self::Compatible => "compatible",
            Self::Script => "script",
            Self::Oracle => "oracle",
            Self::Noop => "noop",
            Self::Replay => "replay",
        }
    }

    /// Whether it answers without any network.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Script | Self::Oracle | Self::Noop | Self::Replay)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A model by provider and name, and in which variant. Shown and parsed as `provider:name`, or `provider:name?variant`;
/// `oracle` and `noop` need no name.
///
/// The variant is settings as they were typed behind the name: `openai:gpt-5?effort=high` and `…?effort=low` are two
/// models of one run, and stay apart in every table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    /// Who answers.
    pub provider: Provider,
    /// The provider's name of the model; the file for `script`; the run and its model for `replay`
    /// (`run_…/openai:gpt-5`); empty for `oracle` and `noop`.
    pub name: String,
    /// What stands behind the `?`, without it; mostly empty. Only parsing writes it, so it can be read.
    variant: String,
}

/// Why a text names no model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadModel {
    /// The part before the colon is no provider.
    #[error(
        "unknown provider `{provider}`; {}",
        did_you_mean(*meant, name).unwrap_or_else(|| {
            format!("known are {}", Provider::ALL.map(Provider::name).join(", "))
        })
    )]
    UnknownProvider {
        /// What was written.
        provider: String,
        /// What was written behind the colon.
        name: String,
        /// The known one that is nearest, if one is near.
        meant: Option<Provider>,
    },
    /// A bare name that no prefix rule covers.
    #[error(
        "cannot tell which provider serves `{name}`; {}",
        did_you_mean(*meant, "").unwrap_or_else(|| {
            format!("write provider:{name}, such as openai:{name}")
        })
    )]
    UnknownPrefix {
        /// What was written.
        name: String,
        /// A provider without models (`oracle`, `noop`) whose name is near.
        meant: Option<Provider>,
    },
    /// What stands behind the `?` of a model.
    #[error("`{model}`: {bad}")]
    Setting {
        /// The model without it.
        model: String,
        /// What is wrong with it.
        bad: BadSetting,
    },
    /// The provider needs a name after a colon: that of a model, or of a file.
    #[error("`{provider}` lacks {}", what_follows(*provider))]
    NoName {
        /// The provider.
        provider: Provider,
    },
}

/// What has to stand behind a provider's colon.
fn what_follows(provider: Provider) -> String {
    match provider {
        Provider::Script => "the file to play: write script:FILE".to_owned(),
        Provider::Replay => "the run to play: write replay:RUN, such as replay:latest".to_owned(),
        provider => format!("the name of a model: write {provider}:NAME"),
    }
}

/// ``did you mean `openai:gpt-4o`?``
fn did_you_mean(meant: Option<Provider>, name: &str) -> Option<String> {
    meant.map(|provider| format!("did you mean `{}`?", ModelRef::new(provider, name)))
}

/// The one of these whose name is nearest to a mistyped one.
fn nearest(word: &str, among: &[Provider]) -> Option<Provider> {
    let name = suggest::closest(word, among.iter().map(|provider| provider.name()))?;
    among.iter().copied().find(|provider| provider.name() == name)
}

impl ModelRef {
    /// A model of a provider.
    pub fn new(provider: Provider, name: impl Into<String>) -> Self {
        Self {
            provider,
            name: name.into(),
            variant: String::new(),
        }
    }

    /// What its variant says.
    pub fn settings(&self) -> ModelSettings {
        ModelSettings::from_query(&self.variant).unwrap_or_default() // was read once when it was parsed
    }

    /// Takes what stands behind the `?`, if that makes sense.
    fn with_variant(mut self, query: &str) -> Result<Self, BadModel> {
        let query = match self.variant.as_str() {
            "" => query.to_owned(),
            own => format!("{own}&{query}"),
        };
        let read = ModelSettings::from_query(&query);
        read.map_err(|bad| BadModel::Setting {
            model: self.to_string(),
            bad,
        })?;
        self.variant = query;
        Ok(self)
    }

    /// The same model under a name of its own, so that it stays apart from others that are asked for by the same
    /// `provider:name` somewhere else: shown as `provider:name?as=NAME`.
    ///
    /// # Errors
    /// A name that is empty, or a model that has one already.
    pub fn named(self, name: &str) -> Result<Self, BadModel> {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        self.with_variant(&format!("as={name}"))
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.provider)?;
        if !self.name.is_empty() {
            write!(f, ":{}", self.name)?;
        }
        if !self.variant.is_empty() {
            write!(f, "?{}", self.variant)?;
        }
        Ok(())
    }
}

impl FromStr for ModelRef {
    type Err = BadModel;

    fn from_str(text: &str) -> Result<Self, BadModel> {
        if let Some((model, query)) = text.split_once('?')
            && let Ok(model) = model.parse::<Self>()
            && !model.provider.is_local()
        {
            return model.with_variant(query);
        }
        let known = |name: &str| Provider::ALL.into_iter().find(|p| p.name() == name);
        if let Some(provider @ (Provider::Oracle | Provider::Noop)) = known(text) {
            return Ok(Self::new(provider, ""));
        }
        match text.split_once(':') {
            Some((head, name)) => match known(head) {
                Some(provider) if name.is_empty() => Err(BadModel::NoName { provider }),
                Some(provider) => Ok(Self::new(provider, name)),
                None => by_prefix(text).map_err(|_| BadModel::UnknownProvider {
                    provider: head.to_owned(),
                    name: name.to_owned(),
                    meant: nearest(head, &Provider::ALL),
                }),
            },
            None => match known(text) {
                Some(provider) => Err(BadModel::NoName { provider }),
                None => by_prefix(text),
            },
        }
    }
}

/// The provider of a bare name, by its prefix.
fn by_prefix(name: &str) -> Result<ModelRef, BadModel> {
    if let Some(known) = known::meaning(name) {
        return known.parse();
    }
    let lower = name.to_ascii_lowercase();
    let reasoning = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let provider = if lower.starts_with("gpt") || lower.strip_prefix('o').is_some_and(reasoning) {
        Provider::Openai
    } else if lower.starts_with("claude-") {
        Provider::Anthropic
    } else if lower.starts_with("gemini-") || lower.starts_with("models/gemini-") {
        Provider::Google
    } else if lower.starts_with("grok") {
        Provider::Xai
    } else {
        return Err(BadModel::UnknownPrefix {
            name: name.to_owned(),
            meant: nearest(name, &[Provider::Oracle, Provider::Noop]),
        });
    };
    Ok(ModelRef::new(provider, name))
}

impl TryFrom<String> for ModelRef {
    type Error = BadModel;

    fn try_from(text: String) -> Result<Self, BadModel> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> Self {
        model.to_string()
    }
}

/// A model with its settings, as a plan holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The model.
    pub model: ModelRef,
    /// Slug of the model in trial ids; differs from every other model's of the plan.
    pub slug: String,
    /// What is sent with every request.
    #[serde(default)]
    pub settings: ModelSettings,
    /// Overrides the provider's address, such as `http://127.0.0.1:11434/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Setting>,
    /// Further headers of every request; one of a name that we send too replaces ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Setting>,
    /// What its tokens cost; none where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// SHA-256 of the script file, for `script` models; a changed file refuses to resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_sha256: Option<String>,
    /// Absolute path of the folder of results that holds the recorded run, for `replay` models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_in: Option<String>,
}

impl ModelSpec {
    /// A model with the settings of its variant. Its slug is given to it by the plan.
    pub fn new(model: ModelRef) -> Self {
        Self {
            settings: model.settings(),
            model,
            slug: String::new(),
            base_url: None,
            headers: BTreeMap::new(),
            price: None,
            script_sha256: None,
            recorded_in: None,
        }
    }

    /// Every setting in it that may hold variables or secrets.
    pub fn texts(&self) -> impl Iterator<Item = &Setting> {
        self.base_url.iter().chain(self.headers.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_by_provider_or_prefix() {
        for (text, want) in [
            ("oracle", "oracle"),
            ("noop", "noop"),
            ("gpt-4o", "openai:gpt-4o"),
            ("o3", "openai:o3"),
            ("o4-mini", "openai:o4-mini"),
            ("claude-sonnet-4-5", "anthropic:claude-sonnet-4-5"),
            ("gemini-2.5-pro", "google:gemini-2.5-pro"),
            ("grok-4", "xai:grok-4"),
            ("compatible:qwen2.5:0.5b", "compatible:qwen2.5:0.5b"),
            (
                "openrouter:meta-llama/llama-4-maverick:nitro",
                "openrouter:meta-llama/llama-4-maverick:nitro",
            ),
            ("script:play.json", "script:play.json"),
            ("gpt-oss:20b", "openai:gpt-oss:20b"),
            ("gpt-5?effort=high", "openai:gpt-5?effort=high"),
            ("script:is it?.json", "script:is it?.json"),
            (
                "replay:latest/gpt-5?effort=high",
                "replay:latest/gpt-5?effort=high",
            ),
        ] {
            assert_eq!(
                text.parse::<ModelRef>().map(|m| m.to_string()).as_deref(),
                Ok(want),
                "{text}"
            );
        }
    }

    #[test]
    fn a_variant_is_another_model_with_its_settings() {
        let high: ModelRef = "anthropic:claude-x?effort=high&body.top_k=4".parse().unwrap();
        let low: ModelRef = "anthropic:claude-x?effort=low".parse().unwrap();
        assert_ne!(high, low);
        assert_eq!((high.name.as_str(), &high.name), ("claude-x", &low.name));
        assert_eq!(ModelSpec::new(high).settings.effort.as_deref(), Some("high"));
        let error = "gpt-5?efort=high".parse::<ModelRef>().unwrap_err().to_string();
        insta::assert_snapshot!(error, @r"
        `openai:gpt-5`: there is no setting `efort`; did you mean `effort`? Else, a field of the request body is written `body.efort`
        ");
    }

    #[test]
    fn what_names_no_model_says_what_would() {
        let error = |text: &str| text.parse::<ModelRef>().unwrap_err().to_string();
        assert!(error("llama3").contains("openai:llama3"));
        assert!(error("opnai:gpt-4o").contains("unknown provider `opnai`; did you mean `openai:gpt-4o`?"));
        assert!(error("orcale").contains("did you mean `oracle`?"));
        assert!(!error("llama3").contains("did you mean"));
        assert!(error("openai:").contains("lacks the name"));
        assert!(error("openai").contains("write openai:NAME"));
        assert!(error("script").contains("write script:FILE"));
        assert!(error("replay").contains("write replay:RUN"));
        let unknown = error("zzz:x");
        assert!(unknown.contains("script") && unknown.contains("google") && unknown.contains("replay"));
        assert!(
            error("orange").contains("cannot tell"),
            "a word with o is no reasoning model"
        );
    }
}
