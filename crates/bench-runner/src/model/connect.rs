//! From a [`ModelSpec`] and the environment to a client: addresses, keys, and what is wrong with them.
//!
//! [`ModelSpec::base_url`] wins over the provider's variable, and a server on this machine needs no key.
//! Which variables those are stands in [`super::providers`].

mod error;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bench_core::model::Api;
use bench_core::{ModelSpec, Provider, Setting};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::ModelClient;
use super::anthropic::{Anthropic, VERSION};
use super::format::HttpModel;
use super::gemini::Gemini;
use super::http::{Clients, Endpoint, is_loopback, shown};
use super::noop::Noop;
use super::openai_chat::OpenAiChat;
use super::openai_responses::OpenAiResponses;
use super::oracle::Oracle;
use super::providers::{Access, access};
use super::replay::Replay;
use super::script::Script;
use crate::env::Environment;
pub use error::ConnectError;

/// Fields of a request that belong to the agent loop: `extra` may not replace them.
const RESERVED: [&str; 5] = ["messages", "input", "contents", "tools", "model"];

/// Headers that prove who asks, whatever the provider.
const KEY_HEADERS: [&str; 3] = ["authorization", "x-api-key", "x-goog-api-key"];

/// The wire formats over HTTP.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Chat,
    Responses,
    Messages,
    Gemini,
}

impl Format {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::Gemini => "generateContent",
        }
    }
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
    clients: BTreeMap<String, Clients>,
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
            Provider::Replay => {
                let results = spec.recorded_in.as_deref().ok_or(ConnectError::NoFolder)?;
                let results = self.launch_dir.join(results);
                Arc::new(Replay::open(spec, &results, self.max_concurrency)?)
            }
            provider => {
                let access = access(provider).ok_or(ConnectError::NotSupported { provider })?;
                let format = self.format(spec, access)?;
                let endpoint = self.endpoint_of(format, spec, access)?;
                match format {
                    Format::Chat => {
                        let format = OpenAiChat::at(&endpoint.url);
                        Arc::new(HttpModel::new(endpoint, format))
                    }
                    Format::Responses => {
                        let format = OpenAiResponses::of(&endpoint.model.name);
                        Arc::new(HttpModel::new(endpoint, format))
                    }
                    Format::Messages => Arc::new(HttpModel::new(endpoint, Anthropic)),
                    Format::Gemini => Arc::new(HttpModel::new(endpoint, Gemini)),
                }
            }
        })
    }

    /// The wire format of a model, if it can take the model's settings.
    ///
    /// `OpenAI` and xAI, where they are asked themselves, are asked in responses: there alone reasoning lasts from turn
    /// to turn. Who only speaks like them is asked in what everybody speaks, chat completions.
    pub(super) fn format(&self, spec: &ModelSpec, access: &Access) -> Result<Format, ConnectError> {
        let settings = &spec.settings;
        let format = match (access.provider, settings.api) {
            (Provider::Anthropic | Provider::Google, Some(_)) => {
                return Err(bad_setting(
                    spec,
                    "this provider has one API only; leave `api` out",
                ));
            }
            (Provider::Anthropic, None) => Format::Messages,
            (Provider::Google, None) => Format::Gemini,
            (_, Some(Api::Chat)) => Format::Chat,
            (_, Some(Api::Responses)) => Format::Responses,
            (Provider::Openai | Provider::Xai, _) if self.asks_the_provider_itself(spec, access) => {
                Format::Responses
            }
            _ => Format::Chat,
        };
        if settings.seed.is_some() && matches!(format, Format::Messages | Format::Responses) {
            return Err(bad_setting(spec, "this API takes no seed; leave it out"));
        }
        if settings.thinking.is_some() && matches!(format, Format::Chat | Format::Responses) {
            return Err(bad_setting(spec, "this API takes no `thinking`; set `effort`"));
        }
        Ok(format)
    }

    fn asks_the_provider_itself(&self, spec: &ModelSpec, access: &Access) -> bool {
        let own = access.default_base_url.and_then(|text| Url::parse(text).ok());
        let asked = self.base_url(spec, access).ok(); // a bad one is told when it is used
        own.zip(asked)
            .is_some_and(|(own, asked)| own.host() == asked.host())
    }

    /// Where and with what a model is asked in a format.
    fn endpoint_of(
        &mut self,
        format: Format,
        spec: &ModelSpec,
        access: &Access,
    ) -> Result<Endpoint, ConnectError> {
        let mut endpoint = self.endpoint(spec, access)?;
        let key = self.key(spec, access, &endpoint.url)?;
        let url = &mut endpoint.url;
        let header = match format {
            Format::Chat => {
                extend(url, &["chat", "completions"]);
                AUTHORIZATION
            }
            Format::Responses => {
                extend(url, &["responses"]);
                AUTHORIZATION
            }
            Format::Messages => {
                with_version(url, &["v1"]);
                extend(url, &["messages"]);
                let version = HeaderValue::from_static(VERSION);
                endpoint.headers.insert("anthropic-version", version);
                HeaderName::from_static("x-api-key")
            }
            Format::Gemini => {
                with_version(url, &["v1beta", "v1"]);
                let name = spec.model.name.trim_start_matches("models/");
                extend(url, &["models", &format!("{name}:generateContent")]);
                HeaderName::from_static("x-goog-api-key")
            }
        };
        if let Some((variable, key)) = key {
            let bearer = if header == AUTHORIZATION { "Bearer " } else { "" };
            let value = header_value(&format!("{bearer}{key}"), variable)?;
            endpoint.headers.insert(header, value);
        }
        self.add_own_headers(spec, &mut endpoint.headers)?;
        Ok(endpoint)
    }

    /// The headers that the model itself names. They replace ours.
    fn add_own_headers(&self, spec: &ModelSpec, headers: &mut HeaderMap) -> Result<(), ConnectError> {
        for (name, setting) in &spec.headers {
            let what = || format!("header `{name}`");
            let value = self.resolved(spec, setting, what)?;
            // Whatever its variable is called.
            self.env.secrets().add_header(name, &value);
            let refused = |_| bad_setting(spec, &format!("{} holds what no HTTP header may hold", what()));
            let header = HeaderName::try_from(name.as_str())
                .map_err(|_| bad_setting(spec, &format!("{} has no possible name", what())))?;
            let mut value = HeaderValue::from_str(value.trim()).map_err(refused)?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(())
    }

    fn resolved(
        &self,
        spec: &ModelSpec,
        setting: &Setting,
        what: impl Fn() -> String,
    ) -> Result<String, ConnectError> {
        let unresolved = |source| ConnectError::Unresolved {
            model: spec.model.to_string(),
            what: what(),
            source,
        };
        self.env.resolve(setting).map_err(unresolved)
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
            clients: self.clients(spec, &url)?,
            url,
            headers,
            key_variable: access.key,
            base_url_variable: access.base_url,
            secrets: self.env.secrets().clone(),
            answered: AtomicBool::new(false),
            let_in: AtomicBool::new(false),
        })
    }

    fn base_url(&self, spec: &ModelSpec, access: &Access) -> Result<Url, ConnectError> {
        let own = spec
            .base_url
            .as_ref()
            .map(|setting| self.resolved(spec, setting, || "base_url".to_owned()))
            .transpose()?;
        let own = own
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
        let bad = |reason: String| {
            let place = text.split(['?', '#']).next().unwrap_or_default();
            let place = place.rsplit('@').next().unwrap_or_default();
            ConnectError::BadAddress {
                from: from.clone(),
                address: self.env.secrets().redact(place).into_owned(),
                reason,
            }
        };
        let url = Url::parse(text.trim()).map_err(|error| bad(error.to_string()))?;
        // Credentials in an address are secrets wherever they come from.
        self.env.secrets().add_credentials_of(&url);
        match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(bad(format!("scheme `{other}`"))),
        }
    }

    /// The key, and the variable that holds it.
    fn key(
        &self,
        spec: &ModelSpec,
        access: &Access,
        url: &Url,
    ) -> Result<Option<(&'static str, &'a str)>, ConnectError> {
        let key = access.key_in(self.env);
        let brings_its_own = KEY_HEADERS.iter().any(|name| spec.headers.contains_key(*name));
        if key.is_none() && !brings_its_own && access.key_needed && !is_loopback(url) {
            return Err(ConnectError::MissingKey {
                provider: access.provider,
                variable: access.key,
            });
        }
        Ok(key)
    }

    fn clients(&mut self, spec: &ModelSpec, base: &Url) -> Result<Clients, ConnectError> {
        let place = shown(base);
        if let Some(clients) = self.clients.get(&place) {
            return Ok(clients.clone());
        }
        let clients = Clients::to(base, self.max_concurrency).map_err(|source| ConnectError::Http {
            model: spec.model.to_string(),
            source,
        })?;
        self.clients.insert(place, clients.clone());
        Ok(clients)
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
            "`stream` cannot be set as a field; write `stream=true`",
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

/// Appends the first of these versions to an address that ends with none of them.
fn with_version(url: &mut Url, versions: &[&str]) {
    let last = url
        .path_segments()
        .and_then(|mut path| path.rfind(|part| !part.is_empty()));
    if !last.is_some_and(|last| versions.contains(&last))
        && let Some(first) = versions.first()
    {
        extend(url, &[first]);
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
mod tests;
