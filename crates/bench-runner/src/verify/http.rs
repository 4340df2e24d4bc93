//! Checks of what a URL answers.

use std::time::Duration;

use bench_core::Comparison;
use bench_core::verifier::Selector;
use serde_json::{Value, json};

use super::finding::Finding;
use super::select::select;
use crate::gym::api::read_bounded;
use crate::gym::client::{causes, client};

/// A slower answer is an error of the check.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The status is the expected one, and a part of the body satisfies the comparison, if there is one.
pub(super) async fn check(
    url: &str,
    status: u16,
    selector: &Selector,
    comparison: Option<&Comparison>,
) -> Finding {
    let finding = match get(url).await {
        Err(problem) => Finding::errored(problem),
        Ok((found, _)) if found != status => Finding::known(false, "status", json!(status), json!(found)),
        Ok((found, body)) => match comparison {
            None => Finding::known(true, "status", json!(status), json!(found)),
            Some(comparison) => {
                let value = serde_json::from_str(&body).unwrap_or(Value::String(body));
                match select(selector, &value) {
                    Ok(part) => Finding::compared(comparison, part, false),
                    Err(problem) => Finding::permanent(problem),
                }
            }
        },
    };
    finding.asked(format!("GET {url}"))
}

async fn get(url: &str) -> Result<(u16, String), String> {
    let parsed = url.parse().map_err(|e| format!("`{url}` is not a URL: {e}"))?;
    let client = client(&parsed, false).map_err(|e| causes(&e))?;
    let answer = client
        .get(parsed)
        .timeout(TIMEOUT)
        .send()
        .await
        .map_err(|e| causes(&e))?;
    let status = answer.status().as_u16();
    let body = read_bounded(answer).await.map_err(|e| causes(&e))?;
    Ok((status, body.ok_or("the answer is too large")?))
}
