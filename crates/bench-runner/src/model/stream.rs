//! Replies that come in pieces: server-sent events, until the turn is whole.
//!
//! What a format does with its events is an [`Assembly`]; reading them is the same for all: bytes may be cut anywhere,
//! silence has an end, a stream that ends before the turn does is an error, and the time of the first piece is noted.
//! The turn is read and goes back as if it had come whole.

use std::pin::pin;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::Response;
use sse_stream::SseStream;
use thiserror::Error;
use tokio::time::{Instant, timeout};

use super::bounds::{self, MOST_VALUES};
use super::exchange::Underway;
use super::format::NoTurn;
use super::http::{Endpoint, LARGEST_ANSWER, shown};
use super::lines::Lines;
use super::{ErrorClass, ModelError};

/// How long the connection may stay open behind the last event: for its orderly end, so that it can be used again.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Puts the pieces of a streamed reply together.
pub(super) trait Assembly: Default + Send {
    /// Takes the data of one event.
    fn take(&mut self, data: &str) -> Result<Piece, NoTurn>;

    /// How many JSON values it holds.
    fn held(&self) -> usize;

    /// The body of the answer that would have come whole; nothing if the turn is not at its end.
    fn whole(self) -> Option<Vec<u8>>;
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Nothing that the model said: a head, a sign of life, a count.
    Other,
    /// A piece of the turn.
    Said,
    /// The end: what follows is of no interest.
    Last,
}

/// A reply that was put together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembled {
    /// As it would have come whole.
    pub(super) body: Vec<u8>,
    /// How long until the first piece of the turn came.
    pub(super) first_token: Option<Duration>,
}

/// Why a stream gave no turn.
#[derive(Debug, Error)]
enum Broken {
    #[error("the connection broke")]
    Connection(#[source] reqwest::Error),
    #[error("silence")]
    Silence,
    #[error("too large")]
    TooLarge,
    #[error("ended early")]
    Truncated,
    #[error("no turn")]
    NoTurn(NoTurn),
}

impl From<NoTurn> for Broken {
    fn from(why: NoTurn) -> Self {
        Self::NoTurn(why)
    }
}

impl From<sse_stream::Error> for Broken {
    fn from(error: sse_stream::Error) -> Self {
        let no_events = |error: &dyn std::fmt::Display| {
            NoTurn::Malformed(format!("its event stream is none: {error}").into())
        };
        match error {
            sse_stream::Error::Body(inside) => match inside.downcast::<Self>() {
                Ok(broken) => *broken,
                Err(other) => no_events(&other).into(),
            },
            other => no_events(&other).into(),
        }
    }
}

/// Reads a streamed answer to its end. Between two chunks may lie half of `limit`: models think in silence.
pub(super) async fn follow<A: Assembly>(
    endpoint: &Endpoint,
    underway: &mut Underway<'_>,
    response: Response,
    limit: Duration,
) -> Result<Assembled, ModelError> {
    let (began, silence) = (underway.began(), limit / 2);
    let broken = match assembled::<A>(&mut underway.exchange.body, response, silence, began).await {
        Ok(whole) => return Ok(whole),
        Err(broken) => broken,
    };
    let (exchange, place) = (&underway.exchange, shown(&endpoint.url));
    Err(match broken {
        Broken::Connection(error) => endpoint.broken(&error, limit),
        Broken::TooLarge => endpoint.too_large(),
        Broken::NoTurn(why) => endpoint.no_turn(why, exchange),
        Broken::Silence => {
            let text =
                format!("{place} fell silent for {silence:?} in the middle of a reply; allow more time");
            endpoint.error(ErrorClass::Timeout, exchange.status, &text)
        }
        Broken::Truncated => {
            let text = format!("the stream of {place} ended before the reply did");
            endpoint.error(ErrorClass::Network, exchange.status, &text)
        }
    })
}

async fn assembled<A: Assembly>(
    seen: &mut Vec<u8>,
    response: Response,
    silence: Duration,
    began: Instant,
) -> Result<Assembled, Broken> {
    let lines = stream::try_unfold((response, seen, Lines::default()), |state| async move {
        let (mut response, seen, mut lines) = state;
        loop {
            if let Some(line) = lines.next() {
                return Ok(Some((line, (response, seen, lines))));
            }
            let chunk = timeout(silence, response.chunk()).await;
            let chunk = chunk.map_err(|_| Broken::Silence)?.map_err(Broken::Connection)?;
            let Some(chunk) = chunk else { break };
            if seen.len() + chunk.len() > LARGEST_ANSWER {
                return Err(Broken::TooLarge);
            }
            seen.extend_from_slice(&chunk);
            lines.add(chunk);
        }
        if lines.are_no_events() {
            return Err(NoTurn::from("its event stream is none").into());
        }
        Ok(None)
    });
    let mut events = pin!(SseStream::from_bytes_stream(lines));
    let (mut assembly, mut first_token, mut uncounted) = (A::default(), None, 0);
    while let Some(event) = events.next().await {
        let Some(data) = event?.data.filter(|data| !data.is_empty()) else {
            continue;
        };
        uncounted += bounds::count(data.as_bytes())?;
        let piece = assembly.take(&data)?;
        // Counting all of it is rare enough to cost nothing, and most of what came may have been joined or replaced.
        if uncounted > MOST_VALUES {
            bounds::few_enough(assembly.held())?;
            uncounted = 0;
        }
        match piece {
            Piece::Other => {}
            Piece::Said => first_token = first_token.or_else(|| Some(began.elapsed())),
            Piece::Last => {
                drop(timeout(LAST_WORD, events.next()).await);
                break;
            }
        }
    }
    let body = assembly.whole().ok_or(Broken::Truncated)?;
    Ok(Assembled { body, first_token })
}
