//! Arguments of tools: how they are decoded, and the JSON Schema that announces them.
//!
//! Decoding is more forgiving than the schema: an id may be a number, an optional argument may be `null`,
//! and the other spellings that agents use for an argument are understood. Unknown arguments are refused,
//! because an argument that is silently ignored is a change that silently did not happen.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::{Map, Value};

use super::ToolError;

/// An id, key or name: text, or a number that stands for an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ref(pub(super) String);

impl std::ops::Deref for Ref {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if !text.trim().is_empty() => Ok(Self(text)),
            Value::Number(number) if number.is_i64() => Ok(Self(number.to_string())),
            other => Err(D::Error::custom(format!(
                "expected an id, key or name, got {other}"
            ))),
        }
    }
}

impl JsonSchema for Ref {
    fn schema_name() -> Cow<'static, str> {
        "Ref".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A change of a field that may be empty: leave it, clear it with `null`, or set it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not by way of `Option`, to which a missing field looks like `null`.
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Clear),
            value => T::deserialize(value).map(Self::Set).map_err(D::Error::custom),
        }
    }
}

/// Marks the schemas in which `null` has a meaning; removed before anybody sees it.
const NULL_MATTERS: &str = "x-null-matters";

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Patch_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Option::<T>::json_schema(generator);
        schema.insert(NULL_MATTERS.to_owned(), Value::Bool(true));
        schema
    }
}

/// Decodes the arguments of a tool.
pub(super) fn decode<T: DeserializeOwned>(
    tool: &'static str,
    arguments: Map<String, Value>,
) -> Result<T, ToolError> {
    T::deserialize(Value::Object(arguments)).map_err(|error| ToolError::Arguments {
        tool,
        problem: error.to_string(),
    })
}

/// The description of a tool (the doc comment of its type) and the schema of its arguments.
pub(super) fn schema<T: JsonSchema>() -> (String, Map<String, Value>) {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    let Value::Object(mut schema) = schema else {
        return (String::new(), Map::new());
    };
    schema.remove("title");
    let description = schema.remove("description");
    let description = description
        .and_then(|text| text.as_str().map(unwrapped))
        .unwrap_or_default();
    schema
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    (description, schema)
}

/// Makes a generated schema short and portable: no `null` where it only means "absent", no format or bound
/// that some clients refuse, descriptions without line breaks.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("format");
            map.remove("default");
            let null_matters = map.remove(NULL_MATTERS).is_some();
            if !null_matters && let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = unwrapped(text);
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Joins the lines of a doc comment; empty lines stay paragraph breaks.
fn unwrapped(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
