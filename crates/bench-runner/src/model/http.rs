//! HTTP to model providers: how clients are built, and the one way in which a request is sent.
//!
//! [`Endpoint::post`] knows nothing of wire formats: it sends a body, waits at most a given time, and
//! returns the answer or a typed [`ModelError`] whose text holds the provider's own words, without
//! secrets, and what to try next. It never tries again: that is [`super::retry`].

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bench_core::ModelRef;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Response, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use super::failure::{Said, retry_after};
use super::wire::header;
use super::{ErrorClass, ModelError};
use crate::env::Secrets;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed after this: before gateways do it and a request dies on one.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// Long silences are normal (reasoning); this keeps middleboxes from dropping the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The most bytes of an answer, after decompression. A larger one is no model's reply.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Headers under which providers send their id of a request.
const REQUEST_IDS: [&str; 2] = ["x-request-id", "request-id"];

/// What every HTTP client of this crate starts from. The only place that chooses the TLS provider.
///
/// Redirects are off: one would send keys to another host and falsify the record.
pub(crate) fn client_builder() -> ClientBuilder {
    static TLS: Once = Once::new();
    TLS.call_once(|| {
        // An error means that the embedding program has already chosen a provider: its choice stands.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    Client::builder()
        .user_agent(concat!("bench/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
}

/// A client for one provider address, with as many connections kept as there can be requests at once.
pub(super) fn model_client(base: &Url, max_concurrency: usize) -> Result<Client, reqwest::Error> {
    let mut builder = client_builder()
        .pool_max_idle_per_host(max_concurrency.max(1))
        .tcp_keepalive(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE);
    if is_loopback(base) {
        builder = builder.no_proxy();
        if base.scheme() == "http" {
            // No redirect, no proxy, so no TLS: do not spend 10 ms on reading the system's roots.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build()
}

/// Whether the address is this machine's own.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Where a model's requests go, with what, and what to name when they fail.
pub(super) struct Endpoint {
    /// Who answers there.
    pub(super) model: ModelRef,
    pub(super) client: Client,
    pub(super) url: Url,
    /// Sent with every request; credentials are marked sensitive.
    pub(super) headers: HeaderMap,
    /// The variable that holds the key.
    pub(super) key_variable: &'static str,
    /// The variable that moves the address.
    pub(super) base_url_variable: &'static str,
    pub(super) secrets: Secrets,
    /// Whether anything ever answered there.
    pub(super) answered: AtomicBool,
}

/// An answer with a success status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The provider's id of the request, from the headers.
    pub(super) fn request_id(&self) -> Option<String> {
        REQUEST_IDS.iter().find_map(|name| header(&self.headers, name))
    }
}

impl Endpoint {
    /// Sends a JSON body and reads the whole answer, both within `timeout`.
    pub(super) async fn post(&self, body: &impl Serialize, timeout: Duration) -> Result<Answer, ModelError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            self.error(
                ErrorClass::BadRequest,
                None,
                &format!("the request cannot be written as JSON: {error}"),
            )
        })?;
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .timeout(timeout);
        let mut response = request
            .body(body)
            .send()
            .await
            .map_err(|error| self.broken(&error, timeout))?;
        self.answered.store(true, Ordering::Relaxed);
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = self.read(response, timeout).await?;
        let answer = Answer {
            status: status.as_u16(),
            headers,
            body,
        };
        if status.is_success() {
            Ok(answer)
        } else {
            Err(self.refused(&answer, &Said::of_body(&answer.body)))
        }
    }

    async fn read(&self, mut response: Response, timeout: Duration) -> Result<Bytes, ModelError> {
        let too_large = || {
            let text = format!(
                "the answer is over {} MiB; check the address",
                LARGEST_ANSWER >> 20
            );
            self.error(ErrorClass::BadRequest, None, &text)
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > LARGEST_ANSWER as u64 {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.broken(&error, timeout))?
        {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    /// Reads an answer as JSON of the promised form.
    pub(super) fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ModelError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.malformed(&error.to_string(), answer))
    }

    /// The answer is not what the format promises.
    pub(super) fn malformed(&self, why: &str, answer: &Answer) -> ModelError {
        let began = Said::short(&self.secrets.redact(&String::from_utf8_lossy(&answer.body)));
        let place = shown(&self.url);
        let text = format!(
            "the answer is not what the format promises ({why}); is {place} right? It begins: {began}"
        );
        self.error(ErrorClass::Malformed, Some(answer.status), &text)
    }

    /// An error object inside an answer that says success.
    pub(super) fn refused_inside(&self, error: &Value, answer: &Answer) -> ModelError {
        self.refused(answer, &Said::of_error(error))
    }

    fn refused(&self, answer: &Answer, said: &Said) -> ModelError {
        let class = said.class(answer.status);
        let status = said.status(answer.status);
        // Redacted before it is shortened, so that no part of a secret can stay.
        let words = Said::short(&self.secrets.redact(&said.message));
        let mut text = if words.is_empty() {
            format!("{status} without a word")
        } else {
            format!("{status}: {words}")
        };
        if let Some(id) = answer.request_id() {
            text = format!("{text} (request {id})");
        }
        if let Some(hint) = self.hint(class, status) {
            text = format!("{text}; {hint}");
        }
        let retry_after = retry_after(&answer.headers, SystemTime::now()).or(said.retry_after);
        ModelError {
            retry_after,
            ..self.error(class, Some(status), &text)
        }
    }

    /// No whole answer came.
    fn broken(&self, error: &reqwest::Error, timeout: Duration) -> ModelError {
        let place = shown(&self.url);
        let mut root: &dyn std::error::Error = error;
        while let Some(source) = root.source() {
            root = source;
        }
        let (class, text) = if error.is_connect() {
            let hint = if is_loopback(&self.url) {
                "is the server running?".to_owned()
            } else {
                format!("check the network and {}", self.base_url_variable)
            };
            let class = if self.answered.load(Ordering::Relaxed) {
                ErrorClass::Network
            } else {
                ErrorClass::Unreachable
            };
            (class, format!("could not connect to {place}: {root}; {hint}"))
        } else if error.is_timeout() {
            let text = format!("no answer from {place} within {timeout:?}; allow more time, or ask for less");
            (ErrorClass::Timeout, text)
        } else if error.is_builder() {
            (
                ErrorClass::BadRequest,
                format!("the request to {place} cannot be sent: {root}"),
            )
        } else {
            (
                ErrorClass::Network,
                format!("the connection to {place} broke: {root}"),
            )
        };
        self.error(class, None, &text)
    }

    fn hint(&self, class: ErrorClass, status: u16) -> Option<String> {
        Some(match class {
            ErrorClass::Auth => format!("check {}", self.key_variable),
            ErrorClass::OutOfCredit => format!("add credit to the account of {}", self.key_variable),
            ErrorClass::RateLimit => "fewer requests at once may help".to_owned(),
            ErrorClass::BadRequest if status == 404 => {
                format!(
                    "check the name `{}` and the address {}",
                    self.model.name,
                    shown(&self.url)
                )
            }
            ErrorClass::BadRequest if (300..400).contains(&status) => {
                format!("redirects are not followed; set {}", self.base_url_variable)
            }
            _ => return None,
        })
    }

    pub(super) fn error(&self, class: ErrorClass, status: Option<u16>, text: &str) -> ModelError {
        ModelError {
            model: self.model.to_string(),
            class,
            status,
            retry_after: None,
            message: self.secrets.redact(text).into_owned(),
        }
    }
}

/// An address as it may be shown: without credentials and query.
pub(super) fn shown(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}{}", url.scheme(), url.path()),
        (Some(host), None) => format!("{}://{host}{}", url.scheme(), url.path()),
        (None, _) => url.scheme().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for (url, want) in [
            ("http://127.0.0.1:1/v1", true),
            ("http://127.8.8.8/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost:11434/v1", true),
            ("http://api.localhost/", true),
            ("http://localhost.example.com/", false),
            ("http://128.0.0.1/", false),
            ("https://api.openai.com/v1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), want, "{url}");
        }
    }

    #[test]
    fn addresses_are_shown_without_credentials() {
        let url = Url::parse("https://me:hunter2hunter2@gate.example:8443/v1/messages?key=abc").unwrap();
        assert_eq!(shown(&url), "https://gate.example:8443/v1/messages");
    }
}
