//! What is found out once about an HTTP server, in its first session: the MCP era that it speaks, and
//! whether it answers well on connections that are kept alive.
//!
//! Some do not. A server that leaves Nagle's algorithm on and writes an answer in several pieces sends the
//! first, then waits for its acknowledgement, which our system holds back for 40 ms (a connection's first
//! answers are spared). Every tool call would take that long, and the record would blame the tool. The
//! stall cannot be prevented from this side, where no option of the HTTP client reaches the socket's
//! acknowledgements. So a few requests are timed. Unless connections that are kept alive prove good, each
//! request gets one of its own, which costs the server an accept, and a burst of trials its queue.

use std::sync::OnceLock;
use std::time::Duration;

use bench_core::event::Connections;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::gym::client::Ways;
use crate::gym::mcp::{Elicitation, Era, Mcp, McpError, McpOptions};
use crate::process::LineLog;

/// Requests that are timed in each way. Kernels begin to hold acknowledgements back with a connection's
/// second answer, or its fourth: the median of the last three counts.
const ROUNDS: usize = 5;

/// Half of the shortest time for which acknowledgements are held back.
const STALL: Duration = Duration::from_millis(20);

/// How long the timing may take in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// One MCP server, shared by all gyms that differ only in what their databases hold.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: Url,
    ways: Ways,
    era: OnceLock<Era>,
    connections: OnceLock<Connections>,
}

impl Server {
    /// A server of which nothing is known.
    ///
    /// # Errors
    /// If the system's certificates cannot be read.
    pub(crate) fn new(url: Url) -> Result<Self, reqwest::Error> {
        Ok(Self {
            ways: Ways::to(&url)?,
            url,
            era: OnceLock::new(),
            connections: OnceLock::new(),
        })
    }

    /// One of our own, which is known not to stall.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub(crate) fn own(url: Url) -> Result<Self, reqwest::Error> {
        let server = Self::new(url)?;
        server.settle(Connections::KeptAlive);
        Ok(server)
    }

    /// How requests reach it, once that is decided.
    pub(crate) fn connections(&self) -> Option<Connections> {
        self.connections.get().copied()
    }

    /// How its `/api/…` is asked: as what was found out says, if that is the same server.
    pub(crate) fn ways_to(&self, urls: [Option<&Url>; 2]) -> Ways {
        let here = |url: &Url| url.origin() == self.url.origin();
        if urls.into_iter().flatten().all(here) {
            self.ways.clone()
        } else {
            self.ways.fresh()
        }
    }

    /// Begins a session. `headers` go with all its requests.
    pub(crate) async fn begin(&self, headers: &HeaderMap, timeout: Duration) -> Result<Begun, McpError> {
        let options = McpOptions {
            era: self.era.get().copied(),
            elicitation: Elicitation::Decline,
            timeout,
        };
        let ways = self.ways.apart();
        let mcp = Mcp::over_ways(&ways, self.url.as_str(), headers, options).await?;
        self.era.get_or_init(|| mcp.era());
        Ok(Begun { mcp, ways })
    }

    /// Decides whether connections are kept alive, unless that is decided. Whatever goes wrong here is a
    /// reason not to keep them, and no error.
    pub(crate) async fn choose_connections(&self, begun: &Begun, patience: Duration, log: &LineLog) {
        if self.connections.get().is_some() {
            return;
        }
        let end = Instant::now() + patience.min(PATIENCE);
        begun.ways.keep(true);
        let mut kept = pace(&begun.mcp, end).await;
        if kept.is_some_and(|kept| kept >= STALL) {
            // A machine that is busy for a moment looks like that, too; a stall is there again.
            let again = pace(&begun.mcp, end).await;
            kept = kept.zip(again).map(|(kept, again)| kept.min(again));
        }
        begun.ways.keep(false);
        let fresh = match kept {
            Some(kept) if kept >= STALL => pace(&begun.mcp, end).await,
            _ => None,
        };
        let connections = better(kept, fresh);
        self.settle(connections);
        begun
            .ways
            .keep(self.connections() == Some(Connections::KeptAlive));
        log(&told(connections, kept, fresh));
    }

    fn settle(&self, connections: Connections) {
        let first = *self.connections.get_or_init(|| connections);
        self.ways.keep(first == Connections::KeptAlive);
    }
}

/// A session with a server, and the way in which its requests are sent.
pub(crate) struct Begun {
    pub(crate) mcp: Mcp,
    ways: Ways,
}

/// How long the server takes to list its tools; none where it failed, or there was no time.
async fn pace(mcp: &Mcp, end: Instant) -> Option<Duration> {
    let mut took = [Duration::MAX; ROUNDS];
    for took in &mut took {
        let began = Instant::now();
        let listed = timeout(end.saturating_duration_since(began), mcp.list_tools(PATIENCE)).await;
        listed.ok()?.ok()?;
        *took = began.elapsed();
    }
    let [.., a, b, c] = took;
    Some(a.min(b).max(a.max(b).min(c)))
}

/// Connections are kept alive where that was seen to work and to cost no stall. A server that is far away
/// or slow is so in both ways.
fn better(kept: Option<Duration>, fresh: Option<Duration>) -> Connections {
    match (kept, fresh) {
        (Some(kept), None) if kept < STALL => Connections::KeptAlive,
        (Some(kept), Some(fresh)) if kept < fresh + STALL => Connections::KeptAlive,
        _ => Connections::PerRequest,
    }
}

fn told(connections: Connections, kept: Option<Duration>, fresh: Option<Duration>) -> String {
    let shown = |pace: Option<Duration>| match pace {
        Some(pace) => format!("{:.1} ms", pace.as_secs_f64() * 1000.0),
        None => "no answer in time".to_owned(),
    };
    let kept = format!("on a connection that is kept alive: {}", shown(kept));
    let fresh = fresh.map_or_else(String::new, |fresh| {
        format!(", on a new one: {}", shown(Some(fresh)))
    });
    let so = match connections {
        Connections::KeptAlive => "connections are kept alive",
        _ => "each request gets a connection of its own",
    };
    format!("{so} ({kept}{fresh})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_kept_where_that_costs_no_stall() {
        use Connections::{KeptAlive, PerRequest};
        let ms = |ms: Option<u64>| ms.map(Duration::from_millis);
        for (kept, fresh, want) in [
            (Some(1), None, KeptAlive),
            (Some(44), Some(2), PerRequest),   // Nagle
            (Some(150), Some(300), KeptAlive), // far away
            (Some(195), Some(300), KeptAlive), // far away and stalling: still better
            (Some(300), Some(290), KeptAlive), // slow
            (Some(44), None, PerRequest),      // no time to compare
            (None, None, PerRequest),          // it failed
        ] {
            let (kept, fresh) = (ms(kept), ms(fresh));
            assert_eq!(better(kept, fresh), want, "{kept:?} {fresh:?}");
        }
    }
}
