//! HTTP clients for gyms.
//!
//! One gym has one client, or two while its MCP era is not known yet. Kept-alive connections are used
//! only where the server is known to answer without Nagle's delay (our own tracker) or speaks the
//! stateless era; elsewhere a reused connection can stall for 40 ms a call, which would be measured as
//! the tool's time.

use reqwest::Client;
use url::Url;

use crate::model::http::{client_builder, is_loopback};

/// A client for one server. Has no total time-out: event streams last; each request sets its own.
///
/// Loopback servers are never asked through a proxy.
///
/// # Errors
/// If the system's certificates cannot be read.
pub(crate) fn client(url: &Url, keep_alive: bool) -> Result<Client, reqwest::Error> {
    let mut builder = client_builder();
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
