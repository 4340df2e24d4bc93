//! The protocol library's HTTP client, over whichever of a server's [`Ways`] is in use.
//!
//! A session can so change its way between two requests.
//!
//! The library leaves out events of a stream that it cannot read, without a word: the call that they answer would learn
//! nothing but that the stream has ended, or wait for its whole deadline. Here an error with the cause takes their place.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{ClientJsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::common::client_side_sse::BoxedSseResponse;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};

use super::line::{self, LARGEST, Piece};
use crate::gym::client::Ways;

type Headers = HashMap<HeaderName, HeaderValue>;
type Failure = StreamableHttpError<reqwest::Error>;
type Event = Result<sse_stream::Sse, sse_stream::Error>;

impl StreamableHttpClient for Ways {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let client = self.client();
        let sent = client.post_message(uri, message, session_id, auth_header, custom_headers);
        sent.await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        largest: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let asked = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let client = self.client();
        let sent = client.post_message_with_max_sse_event_size(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            largest,
        );
        Ok(match sent.await? {
            StreamableHttpPostResponse::Sse(events, session) => {
                StreamableHttpPostResponse::Sse(told(events, asked), session)
            }
            other => other,
        })
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), Failure> {
        let client = self.client();
        let ended = client.delete_session(uri, session_id, auth_header, custom_headers);
        ended.await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<BoxedSseResponse, Failure> {
        let client = self.client();
        let stream = client.get_stream(uri, session_id, last_event_id, auth_header, custom_headers);
        stream.await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        largest: usize,
    ) -> Result<BoxedSseResponse, Failure> {
        let client = self.client();
        let stream = client.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            largest,
        );
        Ok(told(stream.await?, None))
    }
}

/// The events, with an error in the place of each that cannot be read and is the answer to what was asked, or names
/// the request that it answers.
fn told(events: BoxedSseResponse, asked: Option<RequestId>) -> BoxedSseResponse {
    let told = events.flat_map(move |event| stream::iter(readable(event, asked.as_ref())));
    told.boxed()
}

/// What the library is to read of an event.
fn readable(event: Event, asked: Option<&RequestId>) -> Vec<Event> {
    let (id, why) = match &event {
        Ok(sse) if matches!(sse.event.as_deref(), None | Some("" | "message")) => {
            let data = sse.data.as_deref().unwrap_or_default();
            match line::read(data.as_bytes()) {
                Piece::Unreadable { id, why } => (id, why),
                Piece::Messages(batch) if batch.len() > 1 => {
                    return batch.iter().map(event_of).map(Ok).collect();
                }
                Piece::Messages(_) | Piece::Nothing => return vec![event],
                Piece::Stray => {
                    tracing::warn!(event = line::shown(data.as_bytes()), "an event is no MCP message");
                    return vec![event];
                }
            }
        }
        Err(error) if is_too_large(error) => (None, line::larger_than(LARGEST)),
        _ => return vec![event],
    };
    tracing::warn!("an answer in an event {why}");
    match id.or_else(|| asked.cloned()) {
        Some(id) => vec![Ok(event_of(&line::instead(id, why)))],
        None => vec![event],
    }
}

fn event_of(message: &ServerJsonRpcMessage) -> sse_stream::Sse {
    let data = serde_json::to_string(message).ok();
    sse_stream::Sse {
        data,
        ..sse_stream::Sse::default()
    }
}

/// The library keeps the type of this error to itself.
fn is_too_large(error: &sse_stream::Error) -> bool {
    matches!(error, sse_stream::Error::Body(error) if error.to_string().contains("exceeded the maximum size"))
}
