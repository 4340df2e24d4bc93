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

use bench_core::Provider;
use url::Url;

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
        let mut names = std::iter::once(self.key).chain(self.other_keys.iter().copied());
        names.find_map(|name| Some((name, env.get(name)?.trim())))
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
        let supported = matches!(provider, Provider::Script | Provider::Oracle | Provider::Noop);
        return ProviderStatus {
            provider,
            supported,
            configured: supported,
            missing: Vec::new(),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            .map(|p| format!("{} {} {} {:?}", p.provider, p.supported, p.configured, p.missing))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        openai true true []
        anthropic true true []
        google true false ["GOOGLE_API_KEY"]
        xai true false ["XAI_API_KEY"]
        openrouter true false ["OPENROUTER_API_KEY"]
        compatible true false ["COMPATIBLE_BASE_URL"]
        script true true []
        oracle true true []
        noop true true []
        replay false false []
        "#);
    }
}
