//! JSON Schemas of harness, gym and model files, for editors and other checkers.
//!
//! The shapes below are written for schemas alone: the readers in [`crate::harness`],
//! [`crate::gym::config`] and [`crate::model::config`] say more, and say it better. Tests hold the two together: what loads fits the
//! schema, and what has a wrong type does not. Unknown fields are allowed, as the readers only warn.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

mod gyms;
mod harness;
mod models;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of harness files: the scenario form, one task, a list of tasks. A row of a `.jsonl` file
/// is one task.
pub fn harness_schema() -> Value {
    let mut generator = generator();
    let scenarios = generator.subschema_for::<harness::ScenarioFile>();
    let task = generator.subschema_for::<harness::Task>();
    // The form is chosen first, so that a checker complains about the form that was meant.
    json!({
        "$schema": DIALECT,
        "title": "bench harness file",
        "description": "What an agent should achieve, and how that is checked.",
        "if": {"type": "object", "required": ["scenarios"]},
        "then": scenarios,
        "else": {
            "if": {"type": "array"},
            "then": {"items": task, "minItems": 1},
            "else": task,
        },
        "$defs": generator.take_definitions(true),
    })
}

/// The schema of gym files: `gyms`, `mcpServers` and `servers`.
pub fn gym_schema() -> Value {
    let mut generator = generator();
    let gyms = generator.subschema_for::<gyms::GymsFile>();
    let servers = generator.subschema_for::<gyms::ServersFile>();
    json!({
        "$schema": DIALECT,
        "title": "bench gym file",
        "description": "Tool servers that scenarios act on.",
        "if": {"type": "object", "required": ["gyms"]},
        "then": gyms,
        "else": servers,
        "$defs": generator.take_definitions(true),
    })
}

/// The schema of model files: `models`.
pub fn model_schema() -> Value {
    let mut generator = generator();
    let models = generator.subschema_for::<models::ModelsFile>();
    json!({
        "$schema": DIALECT,
        "title": "bench model file",
        "description": "Models under names of their own, with how each is asked.",
        "allOf": [models],
        "$defs": generator.take_definitions(true),
    })
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}
