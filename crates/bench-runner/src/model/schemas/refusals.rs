//! The refusals that are known, each in its provider's words, and how what they refuse is taken out of a schema.

use serde_json::{Map, Value};

/// How one kind of refusal is known, and what is refused.
pub(in crate::model) struct Refusal {
    /// What its message says, in lower case; all of it.
    says: &'static [&'static str],
    keywords: &'static [&'static str],
    place: Place,
}

/// Where keywords are refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the schema of the arguments itself.
    Top,
    /// In it and in all schemas within it.
    Anywhere,
    /// Anywhere, but only those that the message names: `Unknown name "const"`.
    WhereNamed,
}

/// A llama.cpp server, which speaks several formats, makes a grammar of the schemas.
const GRAMMAR: Refusal = Refusal {
    says: &["failed to parse grammar"],
    keywords: &["pattern", "format"],
    place: Place::Anywhere,
};

/// Chat completions and responses.
pub(in crate::model) static OPENAI: [Refusal; 2] = [
    GRAMMAR,
    Refusal {
        says: &["schema must have type 'object' and not have", "at the top level"],
        keywords: &["oneOf", "anyOf", "allOf", "enum", "not"],
        place: Place::Top,
    },
];

/// Messages.
pub(in crate::model) static ANTHROPIC: [Refusal; 2] = [
    GRAMMAR,
    Refusal {
        says: &["input_schema does not support", "at the top level"],
        keywords: &["oneOf", "allOf", "anyOf"],
        place: Place::Top,
    },
];

/// generateContent, whose own kind of schema has fewer keywords.
pub(in crate::model) static GOOGLE: [Refusal; 1] = [Refusal {
    says: &["unknown name \"", "parameters", "cannot find field"],
    keywords: &[
        "$schema",
        "$id",
        "$comment",
        "$ref",
        "$defs",
        "definitions",
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "const",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "uniqueItems",
        "contains",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
    ],
    place: Place::WhereNamed,
}];

/// Keywords that hold schemas by names of the author's.
const NAMED_SCHEMAS: [&str; 5] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
];

/// Keywords that hold a schema, or a list of them.
const SCHEMAS: [&str; 16] = [
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];

impl Refusal {
    /// The refusal that a message is, if it is a known one.
    pub(super) fn said_in<'r>(refusals: &'r [Self], message: &str) -> Option<&'r Self> {
        let lower = message.to_lowercase();
        let fits = |refusal: &&Self| refusal.says.iter().all(|words| lower.contains(words));
        refusals.iter().find(fits)
    }

    /// A schema without what is refused in these words, and the places where something was taken out of it.
    pub(super) fn removed_from(
        &self,
        message: &str,
        schema: &Map<String, Value>,
    ) -> (Map<String, Value>, Vec<String>) {
        let refused = |keyword: &&str| self.place != Place::WhereNamed || names(message, keyword);
        let keywords: Vec<&str> = self.keywords.iter().copied().filter(refused).collect();
        let (mut schema, mut removed) = (schema.clone(), Vec::new());
        take_out(&mut schema, "", &keywords, self.place, &mut removed);
        (schema, removed)
    }
}

fn names(message: &str, keyword: &str) -> bool {
    message.contains(&format!("Unknown name \"{keyword}\""))
}

/// Takes keywords out of a schema. What merely has the name of one (a property, a value in `enum`) stays.
fn take_out(
    schema: &mut Map<String, Value>,
    at: &str,
    keywords: &[&str],
    place: Place,
    removed: &mut Vec<String>,
) {
    for keyword in keywords {
        if schema.shift_remove(*keyword).is_some() {
            removed.push(pointer(at, keyword));
        }
    }
    if place == Place::Top {
        return;
    }
    let mut inside = |value: &mut Value, at: &str| {
        if let Value::Object(schema) = value {
            take_out(schema, at, keywords, place, removed);
        }
    };
    for (keyword, value) in schema {
        let at = pointer(at, keyword);
        match value {
            Value::Object(named) if NAMED_SCHEMAS.contains(&keyword.as_str()) => {
                for (name, value) in named {
                    inside(value, &pointer(&at, name));
                }
            }
            Value::Array(list) if SCHEMAS.contains(&keyword.as_str()) => {
                for (nth, value) in list.iter_mut().enumerate() {
                    inside(value, &format!("{at}/{nth}"));
                }
            }
            value if SCHEMAS.contains(&keyword.as_str()) => inside(value, &at),
            _ => {}
        }
    }
}

/// One step further in a JSON pointer.
fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
