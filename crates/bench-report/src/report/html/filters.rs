//! What templates can do with values: the words and signs of the tables, for HTML.

use std::time::Duration;

use bench_core::{Cost, Outcome, Usage};
use chrono::{DateTime, Utc};
use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::report::{sign, status_sign};
use crate::{summary, text};

/// Adds them all.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("when", |at: Serde<DateTime<Utc>>| when(&at));
    environment.add_filter("duration", |ms: u64| {
        text::short_duration(Duration::from_millis(ms))
    });
    environment.add_filter("percent", |share: Option<f64>| text::percent(share));
    environment.add_filter("scaled", |share: f64| (share * 1000.0).round() / 10.0);
    environment.add_filter("range", range);
    environment.add_filter("money", money);
    environment.add_filter("dollars_per_pass", dollars_per_pass);
    environment.add_filter("tokens", |usage: Serde<Usage>| summary::tokens(&usage));
    environment.add_filter("cut", |long: &str, most: usize| {
        text::shorten(long, most).into_owned()
    });
    environment.add_filter("sign", |outcome: Serde<Outcome>| sign(outcome.0).to_string());
    environment.add_filter("status_sign", |status: &str| status_sign(status).to_string());
    environment.add_filter("verdict_sign", verdict_sign);
    environment.add_filter("heat", heat);
    environment.set_formatter(|out, state, value| match value.as_str() {
        // Nothing of it can command a terminal or turn the reading direction, wherever the page is read.
        Some(text) if !value.is_safe() => {
            minijinja::escape_formatter(out, state, &Value::from(text::clean(text).as_ref()))
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
}

/// None where there is none, or where the value is of another form.
fn known<T: DeserializeOwned>(value: &Value) -> Option<T> {
    if value.is_undefined() || value.is_none() {
        return None;
    }
    T::deserialize(value.clone()).ok()
}

/// `2026-01-02 03:04:05 UTC`
fn when(at: &DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An interval.
#[derive(Deserialize)]
struct Ends {
    low: f64,
    high: f64,
}

/// `(43–90)`; `—` where there is no interval, as of a model without a verdict.
fn range(ends: &Value) -> String {
    known::<Ends>(ends).map_or_else(|| "—".to_owned(), |ends| text::range(ends.low, ends.high))
}

/// `≥ $1.20`; `—` where it was not written down.
fn money(cost: &Value) -> String {
    known::<Cost>(cost).map_or_else(|| "—".to_owned(), |cost| cost.brief())
}

#[derive(Deserialize)]
struct PerPass {
    usd: Option<f64>,
    usd_is_a_lower_bound: bool,
}

fn dollars_per_pass(per_pass: &Value) -> String {
    let dollars = |per: PerPass| {
        let least = if per.usd_is_a_lower_bound { "≥ " } else { "" };
        Some(format!("{least}{}", bench_core::Usd::from(per.usd?)))
    };
    known::<PerPass>(per_pass)
        .and_then(dollars)
        .unwrap_or_else(|| "—".to_owned())
}

fn verdict_sign(verdict: &str) -> &'static str {
    match verdict {
        "true" => "✓",
        "false" => "✗",
        "errored" => "!",
        _ => "?",
    }
}

/// The class of a cell with this pass rate.
fn heat(rate: Option<f64>) -> &'static str {
    match rate {
        None => "h-none",
        Some(rate) if rate <= 0.0 => "h-no",
        Some(rate) if rate >= 1.0 => "h-all",
        Some(_) => "h-some",
    }
}
