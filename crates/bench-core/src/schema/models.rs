//! Shapes of model files.

#![expect(dead_code, reason = "only the shape of these types is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::harness::Scalar;

/// `models.json`.
#[derive(JsonSchema, Deserialize)]
pub(super) struct ModelsFile {
    /// By the name that `--model` takes.
    #[schemars(extend("minProperties" = 1))]
    models: BTreeMap<String, Model>,
}

/// A model, and how it is asked.
#[derive(JsonSchema, Deserialize)]
struct Model {
    /// Who answers.
    provider: Provider,
    /// The provider's name of the model.
    #[schemars(extend("minLength" = 1))]
    name: String,
    /// The address, instead of the provider's own. Variables expand.
    base_url: Option<String>,
    /// The wire format, of a provider that has several.
    api: Option<Api>,
    /// What is sent with every request.
    settings: Option<Settings>,
    /// Further fields of the request body, as they are.
    body: Option<Map<String, Value>>,
    /// Further headers of every request. Variables expand: `Bearer ${MY_KEY}`.
    headers: Option<BTreeMap<String, Scalar>>,
    /// What its tokens cost, instead of what the price table says.
    price: Option<Price>,
}

#[derive(JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Provider {
    Openai,
    Anthropic,
    Google,
    Xai,
    Openrouter,
    Compatible,
}

#[derive(JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Api {
    Chat,
    Responses,
}

#[derive(JsonSchema, Deserialize)]
struct Settings {
    /// Sampling temperature.
    temperature: Option<f64>,
    /// Nucleus sampling.
    top_p: Option<f64>,
    /// The most tokens of one reply.
    max_output_tokens: Option<u64>,
    /// Sampling seed.
    seed: Option<u64>,
    /// How hard it should try, in the provider's own word.
    effort: Option<String>,
    /// `adaptive`, or the most tokens that it may think.
    thinking: Option<Thinking>,
    /// Whether replies come in pieces.
    stream: Option<bool>,
}

/// US dollars per million tokens.
#[derive(JsonSchema, Deserialize)]
struct Price {
    /// Input.
    input: f64,
    /// Input from a cache; as other input without it.
    cached_input: Option<f64>,
    /// Input written to a cache; as other input without it.
    cache_write: Option<f64>,
    /// Output, reasoning included.
    output: f64,
    /// Other rates for requests with a long input.
    long: Option<Long>,
    /// Where that stands.
    source: Option<String>,
    /// The day on which it stood there.
    date: Option<String>,
}

#[derive(JsonSchema, Deserialize)]
struct Long {
    /// They hold for requests with more input tokens than that.
    above_input_tokens: u64,
    /// Input.
    input: f64,
    /// Input from a cache.
    cached_input: Option<f64>,
    /// Input written to a cache.
    cache_write: Option<f64>,
    /// Output.
    output: f64,
}

#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum Thinking {
    Budget(u64),
    Word(String),
}
