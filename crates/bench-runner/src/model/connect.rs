//! From a [`ModelSpec`] and the environment to a client: addresses, keys, and what is wrong with them.
//!
//! [`ModelSpec::base_url`] wins over the provider's variable, and a server on this machine needs no key.
//! Which variables those are stands in [`super::providers`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bench_core::{ModelSpec, Provider};
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use url::Url;

use super::ModelClient;
use super::anthropic::{Anthropic, VERSION};
use super::http::{Endpoint, is_loopback, model_client, shown};
use super::noop::Noop;
use super::openai_chat::OpenAiChat;
use super::oracle::Oracle;
use super::providers::{Access, access};
use super::script::{Script, ScriptError};
use crate::env::Environment;

/// Fields of a request that belong to the agent loop: `extra` may not replace them.
const RESERVED: [&str; 3] = ["messages", "tools", "model"];

/// Why there is no client for a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The provider wants a key.
    #[error("{provider}: no key; set {variable} in the environment or in the file given with --env-file")]
    MissingKey {
        /// The provider.
        provider: Provider,
        /// The variable that holds its key.
        variable: &'static str,
    },
    /// The provider has no address of its own.
    #[error(
        "{provider}: no address; set {variable} in the environment or in the file given with --env-file, \
         such as http://127.0.0.1:11434/v1"
    )]
    MissingAddress {
        /// The provider.
        provider: Provider,
        /// The variable that holds its address.
        variable: &'static str,
    },
    /// The address is none.
    #[error("{from}: `{address}` is no address of a server ({reason}); write http:// or https:// and a host")]
    BadAddress {
        /// The variable, or `base_url` of the model.
        from: String,
        /// What it holds, without secrets.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A variable holds what cannot be sent in a header.
    #[error("{variable} holds a line break or another character that no HTTP header may hold")]
    BadHeader {
        /// The variable; its value is not shown.
        variable: &'static str,
    },
    /// A setting that the provider or the agent loop cannot take.
    #[error("{model}: {reason}")]
    BadSetting {
        /// The model.
        model: String,
        /// Which setting, and why.
        reason: String,
    },
    /// A known provider without a client yet.
    #[error(
        "{provider} models are not supported yet; supported are openai, anthropic, xai, openrouter, script, \
         oracle, noop, and `compatible` for every server that speaks chat completions"
    )]
    NotSupported {
        /// The provider.
        provider: Provider,
    },
    /// The script of a `script` model.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The HTTP client could not be set up.
    #[error("cannot set up HTTP for {model}")]
    Http {
        /// The model.
        model: String,
        /// The library's words.
        source: reqwest::Error,
    },
}

/// A client for one model; shorthand for a [`Connector`] that is used once.
pub fn connect(
    spec: &ModelSpec,
    env: &Environment,
    launch_dir: &Path,
    max_concurrency: usize,
) -> Result<Arc<dyn ModelClient>, ConnectError> {
    Connector::new(env, launch_dir, max_concurrency).connect(spec)
}

/// Makes the clients of a run. Models at the same address share their connections.
pub struct Connector<'a> {
    env: &'a Environment,
    launch_dir: &'a Path,
    max_concurrency: usize,
    clients: BTreeMap<String, Client>,
}

impl<'a> Connector<'a> {
    /// Reads keys and addresses from `env`; relative paths of scripts start at `launch_dir`. As many
    /// connections are kept per address as there may be requests at once.
    pub fn new(env: &'a Environment, launch_dir: &'a Path, max_concurrency: usize) -> Self {
        Self {
            env,
            launch_dir,
            max_concurrency,
            clients: BTreeMap::new(),
        }
    }

    /// A client for a model. Nothing is sent yet. Blocking: reads the file of a `script` model.
    pub fn connect(&mut self, spec: &ModelSpec) -> Result<Arc<dyn ModelClient>, ConnectError> {
        let model = spec.model.clone();
        Ok(match model.provider {
            Provider::Oracle => Arc::new(Oracle::new(model)),
            Provider::Noop => Arc::new(Noop::new(model)),
            Provider::Script => {
                let path = self.launch_dir.join(&model.name);
                Arc::new(Script::read(model, &path, spec.script_sha256.as_deref())?)
            }
            provider => {
                let access = access(provider).ok_or(ConnectError::NotSupported { provider })?;
                match provider {
                    Provider::Anthropic => Arc::new(Anthropic::new(self.messages_endpoint(spec, access)?)),
                    _ => Arc::new(OpenAiChat::new(self.chat_endpoint(spec, access)?)),
                }
            }
        })
    }

    fn chat_endpoint(&mut self, spec: &ModelSpec, access: &Access) -> Result<Endpoint, ConnectError> {
        let mut endpoint = self.endpoint(spec, access)?;
        extend(&mut endpoint.url, &["chat", "completions"]);
        if let Some(key) = self.key(access, &endpoint.url)? {
            let bearer = format!("Bearer {key}");
            endpoint
                .headers
                .insert(AUTHORIZATION, header_value(&bearer, access.key)?);
        }
        Ok(endpoint)
    }

    fn messages_endpoint(&mut self, spec: &ModelSpec, access: &Access) -> Result<Endpoint, ConnectError> {
        if spec.settings.seed.is_some() {
            return Err(bad_setting(spec, "this provider takes no seed; leave it out"));
        }
        let mut endpoint = self.endpoint(spec, access)?;
        if !endpoint.url.path().trim_end_matches('/').ends_with("/v1") {
            extend(&mut endpoint.url, &["v1"]);
        }
        extend(&mut endpoint.url, &["messages"]);
        endpoint
            .headers
            .insert("anthropic-version", HeaderValue::from_static(VERSION));
        if let Some(key) = self.key(access, &endpoint.url)? {
            endpoint
                .headers
                .insert("x-api-key", header_value(key, access.key)?);
        }
        Ok(endpoint)
    }

    /// The endpoint at the base address, without key.
    fn endpoint(&mut self, spec: &ModelSpec, access: &Access) -> Result<Endpoint, ConnectError> {
        check_extra(spec)?;
        let url = self.base_url(spec, access)?;
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for (variable, name) in access.headers {
            if let Some(value) = self.env.get(variable) {
                headers.insert(HeaderName::from_static(name), header_value(value, variable)?);
            }
        }
        Ok(Endpoint {
            model: spec.model.clone(),
            client: self.client(spec, &url)?,
            url,
            headers,
            key_variable: access.key,
            base_url_variable: access.base_url,
            secrets: self.env.secrets().clone(),
            answered: AtomicBool::new(false),
        })
    }

    fn base_url(&self, spec: &ModelSpec, access: &Access) -> Result<Url, ConnectError> {
        let own = spec
            .base_url
            .as_deref()
            .map(|text| (text, format!("base_url of {}", spec.model)));
        let set = || {
            self.env
                .get(access.base_url)
                .map(|text| (text, access.base_url.to_owned()))
        };
        let default = || {
            access
                .default_base_url
                .map(|text| (text, access.provider.to_string()))
        };
        let (text, from) = own
            .or_else(set)
            .or_else(default)
            .ok_or(ConnectError::MissingAddress {
                provider: access.provider,
                variable: access.base_url,
            })?;
        let bad = |reason: String| ConnectError::BadAddress {
            from: from.clone(),
            address: self
                .env
                .secrets()
                .redact(text.rsplit('@').next().unwrap_or(text))
                .into_owned(),
            reason,
        };
        let url = Url::parse(text.trim()).map_err(|error| bad(error.to_string()))?;
        // Credentials in an address are secrets wherever they come from.
        match url.password() {
            Some(password) => self.env.secrets().add(password),
            None => self.env.secrets().add(url.username()),
        }
        match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(bad(format!("scheme `{other}`"))),
        }
    }

    fn key(&self, access: &Access, url: &Url) -> Result<Option<&'a str>, ConnectError> {
        let key = self.env.get(access.key).map(str::trim);
        if key.is_none() && access.key_needed && !is_loopback(url) {
            return Err(ConnectError::MissingKey {
                provider: access.provider,
                variable: access.key,
            });
        }
        Ok(key)
    }

    fn client(&mut self, spec: &ModelSpec, base: &Url) -> Result<Client, ConnectError> {
        let place = shown(base);
        if let Some(client) = self.clients.get(&place) {
            return Ok(client.clone());
        }
        let client = model_client(base, self.max_concurrency).map_err(|source| ConnectError::Http {
            model: spec.model.to_string(),
            source,
        })?;
        self.clients.insert(place, client.clone());
        Ok(client)
    }
}

fn check_extra(spec: &ModelSpec) -> Result<(), ConnectError> {
    let extra = &spec.settings.extra;
    if let Some(name) = RESERVED.iter().find(|name| extra.contains_key(**name)) {
        return Err(bad_setting(
            spec,
            &format!("`{name}` cannot be set: the agent loop writes it"),
        ));
    }
    if extra.get("stream").is_some_and(|stream| *stream != false) {
        return Err(bad_setting(
            spec,
            "`stream` cannot be set: replies are read whole",
        ));
    }
    Ok(())
}

fn bad_setting(spec: &ModelSpec, reason: &str) -> ConnectError {
    ConnectError::BadSetting {
        model: spec.model.to_string(),
        reason: reason.to_owned(),
    }
}

/// Appends segments to the path of an HTTP address.
fn extend(url: &mut Url, segments: &[&str]) {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}

fn header_value(text: &str, variable: &'static str) -> Result<HeaderValue, ConnectError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ConnectError::BadHeader { variable })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bench_core::{ModelRef, ModelSettings};
    use serde_json::json;

    use super::*;

    fn spec(model: &str) -> ModelSpec {
        let model: ModelRef = model.parse().unwrap();
        let settings = ModelSettings::default();
        ModelSpec {
            model,
            slug: "m".into(),
            settings,
            base_url: None,
            script_sha256: None,
        }
    }

    fn env(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())), &[])
    }

    fn error(spec: &ModelSpec, pairs: &[(&str, &str)]) -> String {
        match connect(spec, &env(pairs), Path::new("/launch"), 8) {
            Ok(_) => panic!("{} connects", spec.model),
            Err(error) => error.to_string(),
        }
    }

    /// The address and the headers that a model is asked at and with.
    fn endpoint(spec: &ModelSpec, pairs: &[(&str, &str)]) -> Endpoint {
        let env = env(pairs);
        let mut connector = Connector::new(&env, Path::new("/launch"), 8);
        let access = access(spec.model.provider).unwrap();
        match spec.model.provider {
            Provider::Anthropic => connector.messages_endpoint(spec, access).unwrap(),
            _ => connector.chat_endpoint(spec, access).unwrap(),
        }
    }

    #[test]
    fn addresses_come_from_the_model_then_the_environment_then_the_provider() {
        let key = ("OPENAI_API_KEY", "sk-canary-1");
        let moved = (
            "OPENAI_BASE_URL",
            "http://gate.example:8080/openai/v1/?api-version=2",
        );
        let mut own = spec("openai:gpt-4o");
        let url = |spec: &ModelSpec, pairs: &[_]| endpoint(spec, pairs).url.to_string();
        assert_eq!(url(&own, &[key]), "https://api.openai.com/v1/chat/completions");
        let want = "http://gate.example:8080/openai/v1/chat/completions?api-version=2";
        assert_eq!(url(&own, &[key, moved]), want);
        own.base_url = Some("http://127.0.0.1:1/v1".into());
        assert_eq!(
            url(&own, &[moved]),
            "http://127.0.0.1:1/v1/chat/completions",
            "needs no key"
        );
        let mut claude = spec("anthropic:claude-x");
        for base in [
            "http://127.0.0.1:1",
            "http://127.0.0.1:1/",
            "http://127.0.0.1:1/v1",
            "http://127.0.0.1:1/v1/",
        ] {
            claude.base_url = Some(base.into());
            assert_eq!(url(&claude, &[]), "http://127.0.0.1:1/v1/messages");
        }
    }

    #[test]
    fn keys_travel_in_the_header_of_their_provider_and_are_not_printed() {
        let openai = endpoint(&spec("openai:gpt-4o"), &[("OPENAI_API_KEY", " sk-canary-1\r\n")]);
        assert_eq!(openai.headers["authorization"], "Bearer sk-canary-1");
        assert!(!format!("{:?}", openai.headers).contains("canary"));
        let anthropic = endpoint(
            &spec("anthropic:claude-x"),
            &[("ANTHROPIC_API_KEY", "sk-canary-2")],
        );
        assert_eq!(anthropic.headers["x-api-key"], "sk-canary-2");
        assert_eq!(anthropic.headers["anthropic-version"], "2023-06-01");
        assert!(!format!("{:?}", anthropic.headers).contains("canary"));
        let openrouter = endpoint(
            &spec("openrouter:a/b"),
            &[
                ("OPENROUTER_API_KEY", "sk-canary-3"),
                ("OPENROUTER_APP_TITLE", "My bench"),
            ],
        );
        assert_eq!(openrouter.headers["x-title"], "My bench");
        let ollama = endpoint(
            &spec("compatible:qwen"),
            &[("COMPATIBLE_BASE_URL", "http://far.example/v1")],
        );
        assert!(ollama.headers.get("authorization").is_none());
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        insta::assert_snapshot!(error(&spec("openai:gpt-4o"), &[("OPENAI_API_KEY", "")]), @"openai: no key; set OPENAI_API_KEY in the environment or in the file given with --env-file");
        insta::assert_snapshot!(error(&spec("compatible:qwen"), &[]), @"compatible: no address; set COMPATIBLE_BASE_URL in the environment or in the file given with --env-file, such as http://127.0.0.1:11434/v1");
        insta::assert_snapshot!(error(&spec("google:gemini-2.5-pro"), &[]), @"google models are not supported yet; supported are openai, anthropic, xai, openrouter, script, oracle, noop, and `compatible` for every server that speaks chat completions");
        insta::assert_snapshot!(error(&spec("replay:run_1"), &[]), @"replay models are not supported yet; supported are openai, anthropic, xai, openrouter, script, oracle, noop, and `compatible` for every server that speaks chat completions");
        insta::assert_snapshot!(error(&spec("script:play.json"), &[]), @"cannot read the script `/launch/play.json`");
        let address = [("COMPATIBLE_BASE_URL", "localhost:11434/v1")];
        insta::assert_snapshot!(error(&spec("compatible:qwen"), &address), @"COMPATIBLE_BASE_URL: `localhost:11434/v1` is no address of a server (scheme `localhost`); write http:// or https:// and a host");
        let key = [("OPENAI_API_KEY", "sk-canary\nx")];
        insta::assert_snapshot!(error(&spec("openai:gpt-4o"), &key), @"OPENAI_API_KEY holds a line break or another character that no HTTP header may hold");
    }

    #[test]
    fn what_would_falsify_the_conversation_is_refused() {
        let with = |name: &str, value| {
            let mut spec = spec("compatible:qwen");
            spec.base_url = Some("http://127.0.0.1:1/v1".into());
            spec.settings.extra.insert(name.to_owned(), value);
            spec
        };
        for (name, value) in [
            ("stream", json!(true)),
            ("messages", json!([])),
            ("tools", json!([])),
            ("model", json!("x")),
        ] {
            assert!(error(&with(name, value), &[]).contains(&format!("`{name}` cannot be set")));
        }
        assert!(connect(&with("stream", json!(false)), &env(&[]), Path::new("/"), 8).is_ok());
        let mut claude = spec("anthropic:claude-x");
        claude.settings.seed = Some(1);
        assert!(error(&claude, &[]).contains("takes no seed"));
    }

    #[test]
    fn credentials_in_addresses_are_secrets() {
        let env = env(&[("COMPATIBLE_BASE_URL", "https://me:hunter2hunter2@gate.example/v1")]);
        assert!(connect(&spec("compatible:qwen"), &env, Path::new("/"), 8).is_ok());
        assert_eq!(env.secrets().redact("it is hunter2hunter2"), "it is [secret]");
    }

    #[test]
    fn credentials_in_what_is_no_address_are_not_shown() {
        let address = [("COMPATIBLE_BASE_URL", "https://me:hunter2hunter2@")];
        let error = error(&spec("compatible:qwen"), &address);
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn models_at_one_address_share_connections() {
        let env = env(&[
            ("OPENAI_API_KEY", "sk-canary-1"),
            ("ANTHROPIC_API_KEY", "sk-canary-2"),
        ]);
        let mut connector = Connector::new(&env, Path::new("/"), 8);
        for model in ["openai:gpt-4o", "openai:gpt-5", "anthropic:claude-x"] {
            connector.connect(&spec(model)).unwrap();
        }
        assert_eq!(connector.clients.len(), 2);
    }
}
