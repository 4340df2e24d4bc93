//! What a wire format has to say, and the one client that speaks all of them over HTTP.
//!
//! A [`WireFormat`] writes a request and reads a reply; sending, failing, deadlines and evidence are the same for all
//! and live in [`HttpModel`] and `http`. No format knows of connections, and nothing here knows of a format.

use std::borrow::Cow;

use bench_core::ModelRef;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::exchange::Underway;
use super::http::Endpoint;
use super::{ErrorClass, ModelClient, ModelError, ToolSpec, TurnReply, TurnRequest};

/// A wire format: how a conversation is asked in it, and how a turn is read.
pub(super) trait WireFormat: Send + Sync {
    /// The body of a request.
    fn body<'a>(&self, model: &'a str, request: &'a TurnRequest<'a>) -> impl Serialize;

    /// Reads the body of an answer that says success.
    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn>;
}

/// Why an answer that says success holds no turn.
#[derive(Debug)]
pub(super) enum NoTurn {
    /// It is not what the format promises: why.
    Malformed(Cow<'static, str>),
    /// The provider's error object. Gateways report some failures inside an answer that says 200.
    Refused(Value),
    /// The provider's filter refused the conversation: its word for why.
    Filtered(String),
}

impl From<&'static str> for NoTurn {
    fn from(why: &'static str) -> Self {
        Self::Malformed(why.into())
    }
}

impl From<serde_json::Error> for NoTurn {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string().into())
    }
}

/// A model behind HTTP that is asked in one format.
pub(super) struct HttpModel<F> {
    endpoint: Endpoint,
    format: F,
}

impl<F: WireFormat> HttpModel<F> {
    pub(super) fn new(endpoint: Endpoint, format: F) -> Self {
        Self { endpoint, format }
    }

    async fn ask(&self, request: &TurnRequest<'_>) -> Result<TurnReply, ModelError> {
        let (endpoint, body) = (&self.endpoint, self.written(request)?);
        let mut underway = Underway::begin(request, endpoint.url.clone(), &endpoint.headers, body);
        let reply = self.turn(&mut underway, request).await;
        underway.end(&reply);
        reply
    }

    fn written(&self, request: &TurnRequest<'_>) -> Result<Bytes, ModelError> {
        let body = self.format.body(&self.endpoint.model.name, request);
        serde_json::to_vec(&body).map(Bytes::from).map_err(|error| {
            let text = format!("the request cannot be written as JSON: {error}");
            self.endpoint.error(ErrorClass::BadRequest, None, &text)
        })
    }

    async fn turn(
        &self,
        underway: &mut Underway<'_>,
        request: &TurnRequest<'_>,
    ) -> Result<TurnReply, ModelError> {
        let response = self.endpoint.send(underway, request.timeout).await?;
        self.endpoint.read(underway, response, request.timeout).await?;
        let exchange = &underway.exchange;
        let mut reply = self
            .format
            .read(&exchange.body, request.tools)
            .map_err(|why| self.endpoint.no_turn(why, exchange))?;
        reply.request_id = exchange.request_id().or(reply.request_id);
        Ok(reply)
    }
}

impl<F: WireFormat> ModelClient for HttpModel<F> {
    fn model(&self) -> &ModelRef {
        &self.endpoint.model
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(self.ask(request))
    }
}
