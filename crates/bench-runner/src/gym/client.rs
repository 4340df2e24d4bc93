//! HTTP clients for gyms.
//!
//! A server can be asked in two [`Ways`]: over connections that are kept alive, or over a new one for
//! each request. Which is better is found out by [`super::http`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Client;
use url::Url;

use crate::model::http::{POOL_IDLE_PLAIN, client_builder, is_loopback};

/// The two ways to ask one server, and which of them is in use. Clones change it together.
#[derive(Debug, Clone)]
pub(crate) struct Ways {
    kept: Client,
    fresh: Client,
    keeping: Arc<AtomicBool>,
}

impl Ways {
    /// With a new connection for each request, until [`Self::keep`] says otherwise.
    ///
    /// # Errors
    /// As of [`client`].
    pub(crate) fn to(url: &Url) -> Result<Self, reqwest::Error> {
        Ok(Self {
            kept: client(url, true)?,
            fresh: client(url, false)?,
            keeping: Arc::default(),
        })
    }

    /// Only one way.
    pub(crate) fn only(client: Client) -> Self {
        Self {
            kept: client.clone(),
            fresh: client,
            keeping: Arc::default(),
        }
    }

    /// The same connections, for somebody who chooses alone.
    pub(crate) fn apart(&self) -> Self {
        Self {
            keeping: Arc::new(AtomicBool::new(self.keeping.load(Ordering::Relaxed))),
            ..self.clone()
        }
    }

    /// A new connection for each request, for good.
    pub(crate) fn fresh(&self) -> Self {
        Self::only(self.fresh.clone())
    }

    /// Whether requests from now on go over connections that are kept alive.
    pub(crate) fn keep(&self, keep: bool) {
        self.keeping.store(keep, Ordering::Relaxed);
    }

    /// The client of the way in use.
    pub(crate) fn client(&self) -> &Client {
        if self.keeping.load(Ordering::Relaxed) {
            &self.kept
        } else {
            &self.fresh
        }
    }
}

/// A client for one server. Has no total time-out: event streams last; each request sets its own.
///
/// Loopback servers are never asked through a proxy. HTTP/1 only: over HTTP/2 all trials would share one
/// connection, whose limit of streams is soon reached by event streams that stay open; the next request
/// would wait for ever.
///
/// # Errors
/// If the system's certificates cannot be read.
pub(crate) fn client(url: &Url, keep_alive: bool) -> Result<Client, reqwest::Error> {
    let mut builder = client_builder().http1_only().pool_idle_timeout(POOL_IDLE_PLAIN);
    if !keep_alive {
        builder = builder.pool_max_idle_per_host(0);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
        if url.scheme() == "http" {
            // No redirect, no proxy, so no TLS: spare the milliseconds of reading certificates.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build()
}

/// An error with everything that caused it, in one line, at most 600 characters.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Many errors already quote their cause.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    shortened(&text, 600)
}

/// The first characters of a text, with `…` where some were left out.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_once_each_and_kept_short() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot ask: {0}")]
        struct Outer(#[source] std::io::Error);
        let inner = || std::io::Error::other("connection refused");
        assert_eq!(causes(&Outer(inner())), "cannot ask: connection refused");
        assert_eq!(shortened("ääää", 3), "äää…");
        assert_eq!(shortened("äää", 3), "äää");
    }
}
