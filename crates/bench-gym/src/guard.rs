//! Who may talk to the server: the Host and Origin check in front of every path.
//!
//! A page in a browser can send requests to any loopback port, and by DNS rebinding even read the answers.
//! Such requests carry the page's host in `Host` or `Origin`; real clients carry the server's own. On a
//! loopback address only loopback names are let through, and those the options add.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::{Authority, Uri};
use http::{HeaderMap, StatusCode, header};

use crate::rest::detail;

/// The hosts that requests may name; `None` lets everything through.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    hosts: Option<Arc<BTreeSet<String>>>,
}

impl Guard {
    /// For a server that listens on `addr`. Beyond loopback, where clients come by names that cannot be
    /// known, everything passes unless `allowed` names hosts.
    pub(crate) fn new(addr: SocketAddr, allowed: &[String]) -> Self {
        if allowed.is_empty() && !addr.ip().is_loopback() {
            return Self { hosts: None };
        }
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let own = addr.ip().to_string();
        let allowed = allowed.iter().map(|host| host.to_ascii_lowercase());
        Self {
            hosts: Some(Arc::new(
                loopback.into_iter().chain([own]).chain(allowed).collect(),
            )),
        }
    }

    fn admits(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let host = match headers.get(header::HOST) {
            Some(value) => value
                .to_str()
                .ok()
                .and_then(|text| text.parse::<Authority>().ok()),
            None => uri.authority().cloned(),
        };
        if !host.is_some_and(|host| hosts.contains(&bare(host.host()))) {
            return Err("this Host is not served here");
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
        let origin = origin.as_ref().and_then(Uri::host).map(bare);
        // "Origin: null", which sandboxed pages send, has no host and is refused as well.
        if origin.is_some_and(|host| hosts.contains(&host)) {
            Ok(())
        } else {
            Err("this Origin is not served here")
        }
    }
}

/// A host without the brackets of IPv6, in lower case.
fn bare(host: &str) -> String {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    match inner.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => inner.to_ascii_lowercase(),
    }
}

/// The check as axum middleware.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.admits(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => (StatusCode::FORBIDDEN, detail(problem)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(guard: &Guard, host: Option<&str>, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        guard.admits(&Uri::from_static("/mcp"), &headers).is_ok()
    }

    #[test]
    fn loopback_serves_loopback_names_only() {
        let guard = Guard::new("127.0.0.1:80".parse().unwrap(), &["Gym.Internal".to_owned()]);
        for (host, origin, expected) in [
            (Some("127.0.0.1:4000"), None, true),
            (Some("LOCALHOST"), None, true),
            (Some("[::1]:4000"), None, true),
            (Some("[0:0::1]:4000"), None, true),
            (Some("gym.internal:99"), None, true),
            (Some("evil.example"), None, false),
            (Some("127.0.0.1.evil.example"), None, false),
            (Some("not a host"), None, false),
            (None, None, false),
            (Some("localhost"), Some("http://localhost:3000"), true),
            (Some("localhost"), Some("https://evil.example"), false),
            (Some("localhost"), Some("null"), false),
        ] {
            assert_eq!(admits(&guard, host, origin), expected, "{host:?} {origin:?}");
        }
    }

    #[test]
    fn beyond_loopback_only_a_list_restricts() {
        let addr = "0.0.0.0:80".parse().unwrap();
        assert!(admits(&Guard::new(addr, &[]), Some("gym.example"), None));
        let guard = Guard::new(addr, &["gym.example".to_owned()]);
        assert!(admits(&guard, Some("gym.example:8080"), None));
        assert!(!admits(&guard, Some("other.example"), None));
    }
}
