//! HTTP to model providers: how clients are built, and the one way in which a request is sent.
//!
//! An [`Endpoint`] knows nothing of wire formats: it sends a body, waits at most a given time, and reads
//! the answer or makes a typed [`ModelError`] whose text holds the provider's own words, without
//! secrets, and what to try next. It never tries again: that is [`super::retry`]. What comes and goes is
//! noted in the [`Underway`] exchange.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::time::{Duration, SystemTime};

use bench_core::ModelRef;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Response, redirect};
use url::{Host, Url};

use super::exchange::{Exchange, Underway};
use super::failure::{Said, retry_after, should_retry};
use super::format::NoTurn;
use super::{ErrorClass, ModelError, limits};
use crate::env::Secrets;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed after this: before gateways do it and a request dies on one.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// The same without TLS, where small servers answer themselves: they close theirs after 2 s (gunicorn), 5 s (uvicorn, Node,
/// llama.cpp) or more. A request that is on its way just then breaks off, and nobody knows whether it was worked on.
pub(crate) const POOL_IDLE_PLAIN: Duration = Duration::from_millis(1500);

/// Long silences are normal (reasoning); this keeps middleboxes from dropping the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The most bytes of an answer, after decompression. A larger one is no model's reply.
pub(super) const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

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

/// The clients for one provider address. Clones share them.
#[derive(Clone)]
pub(super) struct Clients {
    whole: Client,
    /// Where streamed replies have connections of their own: made when the first is asked for, because off loopback that
    /// takes up to 10 ms.
    streamed: Option<Arc<StreamedClient>>,
}

struct StreamedClient {
    base: Url,
    made: OnceLock<Client>,
}

impl Clients {
    /// They share connections, and keep as many as there can be requests at once. Without TLS a streamed reply comes on a
    /// connection of its own: llama.cpp promises to keep it, and closes it behind every stream.
    pub(super) fn to(base: &Url, max_concurrency: usize) -> Result<Self, reqwest::Error> {
        let streamed = || StreamedClient {
            base: base.clone(),
            made: OnceLock::new(),
        };
        Ok(Self {
            whole: model_client(base, max_concurrency.max(1))?,
            streamed: is_plain(base).then(|| Arc::new(streamed())),
        })
    }

    /// The client for a reply that is streamed, or comes whole.
    fn client(&self, stream: bool) -> &Client {
        let Some(streamed) = self.streamed.as_ref().filter(|_| stream) else {
            return &self.whole;
        };
        streamed.made.get_or_init(|| {
            // What could be made once can be made twice.
            model_client(&streamed.base, 0).unwrap_or_else(|error| {
                tracing::warn!(%error, "streamed replies come over connections that are kept");
                self.whole.clone()
            })
        })
    }
}

/// A client that keeps so many idle connections.
fn model_client(base: &Url, kept: usize) -> Result<Client, reqwest::Error> {
    let mut builder = client_builder()
        .pool_max_idle_per_host(kept)
        .tcp_keepalive(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE);
    if is_plain(base) {
        builder = builder.pool_idle_timeout(POOL_IDLE_PLAIN);
    }
    if is_loopback(base) {
        builder = builder.no_proxy();
        if is_plain(base) {
            // No redirect, no proxy, so no TLS: do not spend 10 ms on reading the system's roots.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build()
}

/// Whether the address is spoken to without TLS.
fn is_plain(url: &Url) -> bool {
    url.scheme() == "http"
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
    pub(super) clients: Clients,
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
    /// Whether a request was ever let in: then the key is good.
    pub(super) let_in: AtomicBool,
}

impl Endpoint {
    /// Sends a JSON body that asks for a stream or for one answer. Returns once the head of an answer is there that says
    /// success; one that does not is read to its end and is an error.
    pub(super) async fn send(
        &self,
        underway: &mut Underway<'_>,
        stream: bool,
        timeout: Duration,
    ) -> Result<Response, ModelError> {
        let exchange = &underway.exchange;
        let request = self
            .clients
            .client(stream)
            .post(exchange.url.clone())
            .headers(self.headers.clone())
            .timeout(timeout)
            .body(exchange.request.clone());
        let mut response = request
            .send()
            .await
            .map_err(|error| self.broken(&error, timeout))?;
        self.answered.store(true, Ordering::Relaxed);
        let status = response.status();
        underway.answered(status.as_u16(), std::mem::take(response.headers_mut()));
        if status.is_success() {
            self.let_in.store(true, Ordering::Relaxed);
            return Ok(response);
        }
        self.read(underway, response, timeout).await?;
        let exchange = &underway.exchange;
        Err(self.refused(exchange, &Said::of_body(&exchange.body)))
    }

    /// Reads the rest of an answer.
    pub(super) async fn read(
        &self,
        underway: &mut Underway<'_>,
        mut response: Response,
        timeout: Duration,
    ) -> Result<(), ModelError> {
        let announced = response.content_length().unwrap_or(0);
        if announced > LARGEST_ANSWER as u64 {
            return Err(self.too_large());
        }
        let body = &mut underway.exchange.body;
        body.reserve_exact(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.broken(&error, timeout))?
        {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(self.too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    }

    pub(super) fn too_large(&self) -> ModelError {
        let text = format!(
            "the answer is over {} MiB; check the address",
            LARGEST_ANSWER >> 20
        );
        self.error(ErrorClass::BadRequest, None, &text)
    }

    /// Why an answer that says success holds no turn.
    pub(super) fn no_turn(&self, why: NoTurn, exchange: &Exchange) -> ModelError {
        match why {
            NoTurn::Malformed(why) => self.malformed(&why, exchange),
            NoTurn::Refused(error) => self.refused(exchange, &Said::of_error(&error)),
            NoTurn::Filtered(reason) => {
                let text = format!("the provider's filter refused the conversation ({reason})");
                self.error(ErrorClass::ContentFilter, exchange.status, &text)
            }
        }
    }

    fn malformed(&self, why: &str, exchange: &Exchange) -> ModelError {
        let began = Said::short(&self.secrets.redact(&String::from_utf8_lossy(&exchange.body)));
        let place = shown(&self.url);
        let text = format!(
            "the answer is not what the format promises ({why}); is {place} right? It begins: {began}"
        );
        self.error(ErrorClass::Malformed, exchange.status, &text)
    }

    fn refused(&self, exchange: &Exchange, said: &Said) -> ModelError {
        let status = said.status(exchange.status());
        let class = match said.class(exchange.status()) {
            // Others were let in with the same key: something in this request is refused (a guardrail, a firewall).
            ErrorClass::Auth if status == 403 && self.let_in.load(Ordering::Relaxed) => {
                ErrorClass::BadRequest
            }
            class => class,
        };
        // Redacted before it is shortened, so that no part of a secret can stay.
        let words = Said::short(&self.secrets.redact(&said.message));
        let mut text = if words.is_empty() {
            format!("{status} without a word")
        } else {
            format!("{status}: {words}")
        };
        if let Some(id) = exchange.request_id() {
            text = format!("{text} (request {id})");
        }
        if let Some(hint) = self.hint(class, status) {
            text = format!("{text}; {hint}");
        }
        let (heads, now) = ([&exchange.headers, &said.headers], SystemTime::now());
        let asked = heads.iter().find_map(|headers| retry_after(headers, now));
        let concluded = || {
            heads
                .iter()
                .filter_map(|headers| limits::after_refusal(headers, now))
        };
        let concluded = || matches!(status, 429 | 503).then(|| concluded().max()).flatten();
        ModelError {
            retry_after: asked.or(said.retry_after).or_else(concluded),
            should_retry: should_retry(&exchange.headers),
            ..self.error(class, Some(status), &text)
        }
    }

    /// No whole answer came.
    pub(super) fn broken(&self, error: &reqwest::Error, timeout: Duration) -> ModelError {
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
        ModelError {
            maybe_paid: !error.is_connect() && !error.is_builder(),
            ..self.error(class, None, &text)
        }
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
            ErrorClass::BadRequest if status == 403 => {
                format!(
                    "this request is refused, for what it holds; if all are, check {}",
                    self.key_variable
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
            maybe_paid: false, // who knows the whole exchange decides
            usage: None,
            adjusted: None,
            should_retry: None,
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
    fn a_second_client_is_made_when_first_something_is_streamed_without_tls() {
        let clients = |url: &str| Clients::to(&Url::parse(url).unwrap(), 8).unwrap();
        assert!(clients("https://api.example/v1").streamed.is_none());
        let plain = clients("http://127.0.0.1:1/v1");
        let same = plain.clone();
        let made = || plain.streamed.as_ref().unwrap().made.get().is_some();
        same.client(false);
        assert!(!made(), "nothing is streamed");
        same.client(true);
        assert!(made(), "and for all that share it");
    }

    #[test]
    fn addresses_are_shown_without_credentials() {
        let url = Url::parse("https://me:hunter2hunter2@gate.example:8443/v1/messages?key=abc").unwrap();
        assert_eq!(shown(&url), "https://gate.example:8443/v1/messages");
    }
}
