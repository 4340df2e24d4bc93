//! What a wire format has to say, and the one client that speaks all of them over HTTP.
//!
//! A [`WireFormat`] writes a request and reads a reply; sending, failing, deadlines and evidence are the same for all
//! and live in [`HttpModel`] and `http`. No format knows of connections, and nothing here knows of a format.

use std::borrow::Cow;
use std::time::SystemTime;

use bench_core::{ModelRef, ModelSettings, Usage};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::bounds::{self, MOST_CALLS};
use super::counted::{self, Counted};
use super::exchange::{Exchange, Underway};
use super::failure::{Said, may_be_paid};
use super::http::Endpoint;
use super::limits;
use super::schemas::{Refusal, Schemas, SchemasAdjusted};
use super::stream::{Assembly, follow};
use super::{ErrorClass, ModelClient, ModelError, ToolSpec, TurnReply, TurnRequest};

/// A wire format: how a conversation is asked in it, and how a turn is read.
pub(super) trait WireFormat: Send + Sync {
    /// Makes a whole body of one that comes in pieces.
    type Assembly: Assembly;

    /// What is known to be refused in schemas of tools.
    const REFUSALS: &'static [Refusal];

    /// The body of a request; with `stream` for a reply in pieces.
    fn body<'a>(&self, model: &'a str, request: &'a TurnRequest<'a>, stream: bool) -> impl Serialize;

    /// Reads the body of an answer that says success.
    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn>;

    /// Finds the tokens that a part of an answer counts: its body, or the data of one of its events.
    fn count(&self, part: &Value, counted: &mut Counted);

    /// Reads such a count.
    fn usage(&self, counted: &Value) -> Usage;

    /// Whether replies come in pieces where the settings do not say. They come whole: then they are kept, and go back,
    /// as the provider's own bytes.
    fn streams(&self, _settings: &ModelSettings) -> bool {
        false
    }

    /// Where replies in pieces are asked for.
    fn streaming_url(&self, url: &Url) -> Url {
        url.clone()
    }
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

impl NoTurn {
    /// The failure that a document tells of: servers put the error object into a member of its own, or send it bare.
    pub(super) fn told_in(mut document: Value) -> Self {
        let inside = document.get_mut("error").filter(|inside| inside.is_object());
        Self::Refused(inside.map(Value::take).unwrap_or(document))
    }
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
    schemas: Schemas,
}

impl<F: WireFormat> HttpModel<F> {
    pub(super) fn new(endpoint: Endpoint, format: F) -> Self {
        Self {
            endpoint,
            format,
            schemas: Schemas::default(),
        }
    }

    async fn ask(&self, request: &TurnRequest<'_>) -> Result<TurnReply, ModelError> {
        let (endpoint, settings) = (&self.endpoint, request.settings);
        let body_says = || settings.extra.get("stream").and_then(Value::as_bool);
        let stream = settings.stream.or_else(body_says);
        let stream = stream.unwrap_or_else(|| self.format.streams(settings));
        let url = if stream {
            self.format.streaming_url(&endpoint.url)
        } else {
            endpoint.url.clone()
        };
        let (tools, tools_changed) = self.schemas.sent(request.tools);
        let as_sent = TurnRequest {
            tools: &tools,
            ..*request
        };
        let body = self.written(&as_sent, stream)?;
        let mut underway = Underway::begin(request, url, &endpoint.headers, body);
        let reply = self.turn(&mut underway, request, stream).await;
        // What the answer's head says counts, whatever was wrong with the rest of it.
        let head = underway.exchange.status.map(may_be_paid);
        let reply = reply.map_err(|error| ModelError {
            maybe_paid: head.unwrap_or(error.maybe_paid),
            usage: self.usage_of(&underway.exchange),
            adjusted: self
                .adjusted(&error, &underway.exchange, request, &tools)
                .map(Box::new),
            ..error
        });
        underway.end(&reply);
        reply.map(|reply| TurnReply {
            tools_changed,
            ..reply
        })
    }

    /// What follows for the schemas of the tools, which were `sent` so, from a refusal.
    fn adjusted(
        &self,
        error: &ModelError,
        exchange: &Exchange,
        request: &TurnRequest<'_>,
        sent: &[ToolSpec],
    ) -> Option<SchemasAdjusted> {
        // Tools that the user wrote into the body are no business of ours.
        let ours = !request.settings.extra.contains_key("tools");
        let refused = error.class == ErrorClass::BadRequest && exchange.status == Some(400);
        if !ours || !refused || sent.is_empty() {
            return None;
        }
        let said = Said::of_body(&exchange.body);
        self.schemas
            .refused(F::REFUSALS, &said.message, request.tools, sent)
    }

    /// What an answer counts that says success and holds no turn.
    fn usage_of(&self, exchange: &Exchange) -> Option<Box<Usage>> {
        if !(200..300).contains(&exchange.status()) {
            return None;
        }
        let usage = counted::in_answer(&self.format, &exchange.body, exchange.is_event_stream());
        (!usage.is_unknown()).then(|| usage.into())
    }

    fn written(&self, request: &TurnRequest<'_>, stream: bool) -> Result<Bytes, ModelError> {
        let body = self.format.body(&self.endpoint.model.name, request, stream);
        serde_json::to_vec(&body).map(Bytes::from).map_err(|error| {
            let text = format!("the request cannot be written as JSON: {error}");
            self.endpoint.error(ErrorClass::BadRequest, None, &text)
        })
    }

    async fn turn(
        &self,
        underway: &mut Underway<'_>,
        request: &TurnRequest<'_>,
        stream: bool,
    ) -> Result<TurnReply, ModelError> {
        let (endpoint, limit) = (&self.endpoint, request.timeout);
        let response = endpoint.send(underway, stream, limit).await?;
        let assembled = if stream && underway.exchange.is_event_stream() {
            Some(follow::<F::Assembly>(endpoint, underway, response, limit).await?)
        } else {
            endpoint.read(underway, response, limit).await?;
            None
        };
        let exchange = &underway.exchange;
        let body = assembled.as_ref().map_or(&exchange.body, |whole| &whole.body);
        let mut reply = self
            .read(body, request.tools)
            .map_err(|why| endpoint.no_turn(why, exchange))?;
        reply.first_token = assembled.and_then(|whole| whole.first_token);
        reply.request_id = exchange.request_id().or(reply.request_id);
        reply.hold = limits::after_answer(&exchange.headers, SystemTime::now());
        Ok(reply)
    }

    /// Reads a turn that is of a size for one.
    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn> {
        bounds::count(body)?;
        let reply = self.format.read(body, tools)?;
        if reply.turn.tool_calls.len() > MOST_CALLS {
            let why = format!("it holds more than {MOST_CALLS} tool calls");
            return Err(NoTurn::Malformed(why.into()));
        }
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
