//! What each HTTP provider is called with, and whether it could be used now.
//!
//! | provider | key | address |
//! |---|---|---|
//! | `openai` | `OPENAI_API_KEY` | `OPENAI_BASE_URL` |
//! | `anthropic` | `ANTHROPIC_API_KEY` | `ANTHROPIC_BASE_URL` |
//! | `google` | `GOOGLE_API_KEY`, `GEMINI_API_KEY` or `GOOGLE_GENAI_API_KEY` | `GOOGLE_BASE_URL` |
//! | `xai` | `XAI_API_KEY` | `XAI_BASE_URL` |
//! | `openrouter` | `OPENROUTER_API_KEY` | `OPENROUTER_BASE_URL` |
//! | `compatible` | `COMPATIBLE_API_KEY`, if the server wants one | `COMPATIBLE_BASE_URL` |
//!
//! `OPENROUTER_HTTP_REFERER` and `OPENROUTER_APP_TITLE` tell `OpenRouter` who asks.

use std::path::Path;

use bench_core::{ModelRef, ModelSpec, Provider};
use url::Url;

use super::connect::{Connector, Format};
use super::http::is_loopback;
use crate::env::Environment;

/// What one HTTP provider is called with.
pub(super) struct Access {
    pub(super) provider: Provider,
    pub(super) key: &'static str,
    /// Other names of that variable, looked at where it is not set.
    pub(super) other_keys: &'static [&'static str],
    /// Whether a server elsewhere is never asked without a key.
    pub(super) key_needed: bool,
    pub(super) base_url: &'static str,
    pub(super) default_base_url: Option<&'static str>,
    /// Variables whose values are sent as headers, if set.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

static ACCESS: [Access; 6] = [
    Access {
        provider: Provider::Openai,
        key: "OPENAI_API_KEY",
        other_keys: &[],
        key_needed: true,
        base_url: "OPENAI_BASE_URL",
        default_base_url: Some("https://api.openai.com/v1"),
        headers: &[],
    },
    Access {
        provider: Provider::Anthropic,
        key: "ANTHROPIC_API_KEY",
        other_keys: &[],
        key_needed: true,
        base_url: "ANTHROPIC_BASE_URL",
        default_base_url: Some("https://api.anthropic.com"),
        headers: &[],
    },
    Access {
        provider: Provider::Google,
        key: "GOOGLE_API_KEY",
        other_keys: &["GEMINI_API_KEY", "GOOGLE_GENAI_API_KEY"],
        key_needed: true,
        base_url: "GOOGLE_BASE_URL",
        default_base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
        headers: &[],
    },
    Access {
        provider: Provider::Xai,
        key: "XAI_API_KEY",
        other_keys: &[],
        key_needed: true,
        base_url: "XAI_BASE_URL",
        default_base_url: Some("https://api.x.ai/v1"),
        headers: &[],
    },
    Access {
        provider: Provider::Openrouter,
        key: "OPENROUTER_API_KEY",
        other_keys: &[],
        key_needed: true,
        base_url: "OPENROUTER_BASE_URL",
        default_base_url: Some("https://openrouter.ai/api/v1"),
        headers: &[
            ("OPENROUTER_HTTP_REFERER", "http-referer"),
            ("OPENROUTER_APP_TITLE", "x-title"),
        ],
    },
    Access {
        provider: Provider::Compatible,
        key: "COMPATIBLE_API_KEY",
        other_keys: &[],
        key_needed: false,
        base_url: "COMPATIBLE_BASE_URL",
        default_base_url: None,
        headers: &[],
    },
];

impl Access {
    /// The key, if one is set, and the variable that holds it.
    pub(super) fn key_in<'e>(&self, env: &'e Environment) -> Option<(&'static str, &'e str)> {
        self.keys().find_map(|name| Some((name, env.get(name)?.trim())))
    }

    /// The variables that may hold the key.
    fn keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.key).chain(self.other_keys.iter().copied())
    }
}

/// What a provider is called with; none for those without a client over HTTP.
pub(super) fn access(provider: Provider) -> Option<&'static Access> {
    ACCESS.iter().find(|access| access.provider == provider)
}

/// Whether a provider could be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderStatus {
    /// The provider.
    pub provider: Provider,
    /// Whether there is a client for it.
    pub supported: bool,
    /// Whether nothing is missing.
    pub configured: bool,
    /// The variables that would have to be set.
    pub missing: Vec<&'static str>,
    /// The variables that may hold its key, in the order in which they are looked at.
    pub keys: Vec<&'static str>,
    /// The one of them that is set.
    pub key_set: Option<&'static str>,
    /// The variable that may hold its address.
    pub address_variable: Option<&'static str>,
    /// Where it is asked, without credentials.
    pub address: Option<String>,
    /// The wire format in which a model of it is asked where nothing else is said.
    pub format: Option<&'static str>,
}

/// All providers, in the order in which they are listed to people, and what each lacks.
pub fn providers(env: &Environment) -> Vec<ProviderStatus> {
    Provider::ALL
        .into_iter()
        .map(|provider| status(provider, env))
        .collect()
}

fn status(provider: Provider, env: &Environment) -> ProviderStatus {
    let Some(access) = access(provider) else {
        return ProviderStatus {
            provider,
            supported: true,
            configured: true,
            missing: Vec::new(),
            keys: Vec::new(),
            key_set: None,
            address_variable: None,
            address: None,
            format: None,
        };
    };
    let address = env.get(access.base_url).or(access.default_base_url);
    let near = address
        .and_then(|text| Url::parse(text).ok())
        .is_some_and(|url| is_loopback(&url));
    let mut missing = Vec::new();
    if access.key_needed && !near && access.key_in(env).is_none() {
        missing.push(access.key);
    }
    if address.is_none() {
        missing.push(access.base_url);
    }
    ProviderStatus {
        provider,
        supported: true,
        configured: missing.is_empty(),
        missing,
        keys: access.keys().collect(),
        key_set: access.key_in(env).map(|(name, _)| name),
        address_variable: Some(access.base_url),
        address: address.map(|text| without_credentials(text, env)),
        format: format_of(access, env),
    }
}

/// An address that may be shown, whatever it looks like.
fn without_credentials(text: &str, env: &Environment) -> String {
    let text = match Url::parse(text.trim()) {
        Ok(mut url) if url.has_host() => {
            // Refused for addresses that cannot have credentials.
            url.set_username("").unwrap_or_default();
            url.set_password(None).unwrap_or_default();
            url.set_query(None);
            url.to_string()
        }
        _ => text.rsplit('@').next().unwrap_or(text).to_owned(),
    };
    env.secrets().redact(&text).into_owned()
}

fn format_of(access: &Access, env: &Environment) -> Option<&'static str> {
    let spec = ModelSpec::new(ModelRef::new(access.provider, "any"));
    let format = Connector::new(env, Path::new(""), 1).format(&spec, access);
    format.ok().map(Format::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_an_address_are_not_shown() {
        let shown = |text: &str| without_credentials(text, &Environment::default());
        assert_eq!(shown("https://me:canary@h/v1?key=canary"), "https://h/v1");
        assert_eq!(shown("me:canary@h"), "h");
        assert_eq!(shown("h/v1"), "h/v1");
    }

    #[test]
    fn the_providers_say_what_they_lack() {
        let pairs = [
            ("ANTHROPIC_API_KEY", "sk-canary-2"),
            ("OPENAI_BASE_URL", "http://localhost:8000/v1"),
        ];
        let env = Environment::new(
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())),
            &[],
        );
        let lines: Vec<String> = providers(&env)
            .iter()
            .map(|p| {
                let format = p.format.unwrap_or("-");
                format!(
                    "{} {} {} {:?} {:?} {:?} {format}",
                    p.provider, p.supported, p.configured, p.missing, p.key_set, p.address
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        openai true true [] None Some("http://localhost:8000/v1") chat completions
        anthropic true true [] Some("ANTHROPIC_API_KEY") Some("https://api.anthropic.com/") messages
        google true false ["GOOGLE_API_KEY"] None Some("https://generativelanguage.googleapis.com/v1beta") generateContent
        xai true false ["XAI_API_KEY"] None Some("https://api.x.ai/v1") responses
        openrouter true false ["OPENROUTER_API_KEY"] None Some("https://openrouter.ai/api/v1") chat completions
        compatible true false ["COMPATIBLE_BASE_URL"] None None chat completions
        script true true [] None None -
        oracle true true [] None None -
        noop true true [] None None -
        replay true true [] None None -
        "#);
    }
}
