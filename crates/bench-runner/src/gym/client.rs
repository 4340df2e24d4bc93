//! HTTP clients for gyms.
//!
//! One gym has one client, or two while its MCP era is not known yet. Kept-alive connections are used
//! only where the server is known to answer without Nagle's delay (our own tracker) or speaks the
//! stateless era; elsewhere a reused connection can stall for 40 ms a call, which would be measured as
//! the tool's time.

use std::net::IpAddr;
use std::sync::Once;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use url::{Host, Url};

/// How long a TCP connection, with TLS, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are given up before common gateways do.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// A client for one server. Has no total time-out: event streams last; each request sets its own.
///
/// Redirects are off, because they would carry headers elsewhere. Loopback servers are never asked
/// through a proxy.
///
/// # Errors
/// If the system's certificates cannot be read.
pub(crate) fn client(url: &Url, keep_alive: bool) -> Result<Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that the embedding program has installed a provider already: that one is used.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT);
    if !keep_alive {
        builder = builder.pool_max_idle_per_host(0);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // Without redirects there will be no TLS: spare the milliseconds of reading certificates.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
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
    fn loopback_is_recognised_in_every_spelling() {
        for (url, want) in [
            ("http://127.0.0.1:8080/mcp", true),
            ("http://127.8.9.1/", true),
            ("http://[::1]:3/mcp", true),
            ("http://localhost/mcp", true),
            ("https://localhost.example.com/", false),
            ("https://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), want, "{url}");
        }
    }

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
