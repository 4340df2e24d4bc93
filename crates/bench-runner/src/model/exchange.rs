//! What went over the wire: one request to a provider and what came back, for whoever keeps evidence.
//!
//! Every request of every wire format passes by here once, when it is over, also one that was given up half way: see
//! `Underway`. Nothing is kept, copied or timed for longer than the request lasts; a [`Witness`] may.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::wire::header;
use super::{ModelError, TurnRequest};

/// Headers under which providers send their id of a request.
const REQUEST_IDS: [&str; 2] = ["x-request-id", "request-id"];

/// Sees every exchange of a trial's model.
///
/// Called from within the trial: it hands on and returns, and never blocks.
pub trait Witness: Send + Sync + Debug {
    /// An exchange is over.
    fn saw(&self, exchange: Exchange);
}

/// One request and what came back.
///
/// As it was: bodies and response headers may repeat a secret, so whoever writes it down redacts it. Credentials in the
/// request's headers are marked ([`reqwest::header::HeaderValue::is_sensitive`]).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// Which request for the turn it is, from 1.
    pub attempt: u32,
    /// When it was sent.
    pub sent_at: SystemTime,
    /// Where to; query and credentials included.
    pub url: url::Url,
    /// Headers of the request, without those that the HTTP library adds.
    pub request_headers: HeaderMap,
    /// Body of the request.
    pub request: Bytes,
    /// Status of the answer, if its head came.
    pub status: Option<u16>,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Body of the answer, decompressed, as far as it came.
    pub body: Vec<u8>,
    /// How long until the head of the answer came.
    pub head_after: Option<Duration>,
    /// How long it took in all.
    pub took: Duration,
    /// What it came to.
    pub ended: Ended,
}

/// What an exchange came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It gave the model's turn.
    Replied,
    /// It gave none.
    Failed(ModelError),
    /// Nobody waited for its end: whether the provider did the work, and what it costs, is unknown.
    GivenUp,
}

impl Exchange {
    /// One that was answered with this body.
    #[cfg(test)]
    pub(crate) fn of_test(url: url::Url, body: &str) -> Self {
        Self {
            attempt: 1,
            sent_at: SystemTime::now(),
            url,
            request_headers: HeaderMap::new(),
            request: Bytes::from_static(b"{}"),
            status: Some(200),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            head_after: None,
            took: Duration::ZERO,
            ended: Ended::Replied,
        }
    }

    /// The provider's id of the request, from the headers.
    pub(super) fn request_id(&self) -> Option<String> {
        REQUEST_IDS.iter().find_map(|name| header(&self.headers, name))
    }

    /// Whether the answer comes in pieces. A server may not know how to, and sends it whole.
    pub(super) fn is_event_stream(&self) -> bool {
        header(&self.headers, "content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The status, 0 before there is one.
    pub(super) fn status(&self) -> u16 {
        self.status.unwrap_or(0)
    }
}

/// An exchange under way. Dropping it is its end, and shows it to the witness.
pub(super) struct Underway<'a> {
    witness: Option<&'a dyn Witness>,
    began: Instant,
    pub(super) exchange: Exchange,
}

impl<'a> Underway<'a> {
    /// An exchange that begins now.
    pub(super) fn begin(request: &TurnRequest<'a>, url: url::Url, headers: &HeaderMap, body: Bytes) -> Self {
        let exchange = Exchange {
            attempt: request.attempt,
            sent_at: SystemTime::now(),
            url,
            request_headers: headers.clone(),
            request: body,
            status: None,
            headers: HeaderMap::new(),
            body: Vec::new(),
            head_after: None,
            took: Duration::ZERO,
            ended: Ended::GivenUp,
        };
        Self {
            witness: request.witness,
            began: Instant::now(),
            exchange,
        }
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The head of the answer is there.
    pub(super) fn answered(&mut self, status: u16, headers: HeaderMap) {
        self.exchange.status = Some(status);
        self.exchange.headers = headers;
        self.exchange.head_after = Some(self.began.elapsed());
    }

    /// It is over.
    pub(super) fn end<T>(&mut self, outcome: &Result<T, ModelError>) {
        self.exchange.ended = match outcome {
            Ok(_) => Ended::Replied,
            Err(error) => Ended::Failed(error.clone()),
        };
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let Some(witness) = self.witness else { return };
        let (took, body) = (self.began.elapsed(), std::mem::take(&mut self.exchange.body));
        witness.saw(Exchange {
            body,
            took,
            ..self.exchange.clone()
        });
    }
}
