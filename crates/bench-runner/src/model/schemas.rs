//! What providers refuse in the schemas of tools, and the tools without it.
//!
//! Schemas are sent as their servers wrote them. Where a provider refuses a request for one, in words that are known here, the
//! keywords that it refuses are taken out of the tools of that request, and stay out from there on. Nothing is put in, and tools
//! that were in no refused request go as they are. What is left out of a request is said with its reply, for the record.

mod refusals;

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bench_core::event::ToolChange;
use serde_json::{Map, Value};

use super::ToolSpec;
pub(super) use refusals::{ANTHROPIC, GOOGLE, OPENAI, Refusal};

/// What a provider refused, and what became of the tools: the same request may be sent again now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemasAdjusted {
    /// What was taken out for this refusal; nothing where another request was refused for the same before.
    pub news: Vec<ToolChange>,
    /// All that the tools of this request are sent without from here on.
    pub now: Vec<ToolChange>,
}

/// The schemas that are sent to a model otherwise than they are offered.
#[derive(Default)]
pub(super) struct Schemas {
    known: Mutex<Vec<Known>>,
}

struct Known {
    tool: String,
    offered: Map<String, Value>,
    sent: Map<String, Value>,
    removed: Vec<String>,
}

impl Known {
    fn is(&self, tool: &ToolSpec) -> bool {
        self.tool == tool.name && self.offered == tool.input_schema
    }

    fn change(&self) -> ToolChange {
        ToolChange {
            tool: self.tool.clone(),
            removed: self.removed.clone(),
        }
    }
}

impl Schemas {
    /// The tools as they are sent, and what they are sent without.
    pub(super) fn sent<'t>(&self, offered: &'t [ToolSpec]) -> (Cow<'t, [ToolSpec]>, Vec<ToolChange>) {
        let known = self.lock();
        let changes = changes(&known, offered);
        if changes.is_empty() {
            return (Cow::Borrowed(offered), changes);
        }
        let as_sent = |tool: &ToolSpec| match known.iter().find(|known| known.is(tool)) {
            Some(known) => ToolSpec {
                input_schema: known.sent.clone(),
                ..tool.clone()
            },
            None => tool.clone(),
        };
        (offered.iter().map(as_sent).collect(), changes)
    }

    /// A request with these tools, `sent` so, was refused. None if there is no reason to send it again.
    pub(super) fn refused(
        &self,
        refusals: &[Refusal],
        message: &str,
        offered: &[ToolSpec],
        sent: &[ToolSpec],
    ) -> Option<SchemasAdjusted> {
        let refusal = Refusal::said_in(refusals, message)?;
        let mut known = self.lock();
        let mut news = Vec::new();
        for (offered, sent) in offered.iter().zip(sent) {
            let (schema, removed) = refusal.removed_from(message, &sent.input_schema);
            let before = known.iter_mut().find(|known| known.is(offered));
            // Another request was refused meanwhile, and has changed it already.
            let is_news = before
                .as_ref()
                .is_none_or(|before| before.sent == sent.input_schema);
            if removed.is_empty() || !is_news {
                continue;
            }
            news.push(ToolChange {
                tool: offered.name.clone(),
                removed: removed.clone(),
            });
            match before {
                Some(before) => {
                    before.sent = schema;
                    before.removed.extend(removed);
                }
                None => known.push(Known {
                    tool: offered.name.clone(),
                    offered: offered.input_schema.clone(),
                    sent: schema,
                    removed,
                }),
            }
        }
        let otherwise = |(offered, sent): (&ToolSpec, &ToolSpec)| {
            let now = known.iter().find(|known| known.is(offered));
            now.is_some_and(|now| now.sent != sent.input_schema)
        };
        offered.iter().zip(sent).any(otherwise).then(|| SchemasAdjusted {
            news,
            now: changes(&known, offered),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changes(known: &[Known], offered: &[ToolSpec]) -> Vec<ToolChange> {
    if known.is_empty() {
        return Vec::new();
    }
    let known = |tool: &ToolSpec| known.iter().find(|known| known.is(tool)).map(Known::change);
    offered.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &str, schema: Value) -> ToolSpec {
        let Value::Object(input_schema) = schema else {
            panic!("a schema is an object")
        };
        ToolSpec {
            name: name.into(),
            description: String::new(),
            input_schema,
            reads_only: false,
        }
    }

    fn schema_of(tools: &[ToolSpec]) -> Vec<Value> {
        tools
            .iter()
            .map(|tool| Value::Object(tool.input_schema.clone()))
            .collect()
    }

    const GRAMMAR_SAYS: &str = "Failed to initialize samplers: failed to parse grammar";

    #[test]
    fn keywords_go_wherever_schemas_are_and_nothing_else_does() {
        let offered = [tool(
            "t",
            json!({
                "type": "object",
                "pattern": "x",
                "properties": {
                    "pattern": {"type": "string", "pattern": "\\d", "enum": ["format", {"pattern": 1}]},
                    "a/b~c": {"items": [{"format": "date"}], "default": {"format": 1}},
                },
                "anyOf": [{"properties": {"x": {"format": "uri"}}}],
                "additionalProperties": {"pattern": "y"},
                "required": ["pattern"],
            }),
        )];
        let schemas = Schemas::default();
        let adjusted = schemas
            .refused(&OPENAI, GRAMMAR_SAYS, &offered, &offered)
            .unwrap();
        let removed = [
            "/pattern",
            "/properties/pattern/pattern",
            "/properties/a~1b~0c/items/0/format",
            "/anyOf/0/properties/x/format",
            "/additionalProperties/pattern",
        ];
        let removed = removed.map(str::to_owned).to_vec();
        let change = ToolChange {
            tool: "t".into(),
            removed: removed.clone(),
        };
        assert_eq!((&adjusted.news, &adjusted.now), (&vec![change], &adjusted.news));
        let (sent, told) = schemas.sent(&offered);
        assert_eq!(told, adjusted.now);
        assert_eq!(
            schema_of(&sent),
            [json!({
                "type": "object",
                "properties": {
                    "pattern": {"type": "string", "enum": ["format", {"pattern": 1}]},
                    "a/b~c": {"items": [{}], "default": {"format": 1}},
                },
                "anyOf": [{"properties": {"x": {}}}],
                "additionalProperties": {},
                "required": ["pattern"],
            })]
        );
        // Each pointer is the place of a keyword, and putting all back gives what was offered.
        let offered_schema = &schema_of(&offered)[0];
        assert!(removed.iter().all(|at| offered_schema.pointer(at).is_some()));
    }

    #[test]
    fn what_is_refused_at_the_top_stays_below_and_order_is_kept() {
        let schema = json!({"type": "object", "oneOf": [], "anyOf": [{"not": {}}],
            "properties": {"a": {"anyOf": [{"type": "null"}]}, "enum": {}}, "enum": [], "description": "d"});
        let openai = "Invalid schema for function 't': schema must have type 'object' and not have \
            'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.";
        let anthropic = "tools.3.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level";
        let left = r#"{"type":"object","properties":{"a":{"anyOf":[{"type":"null"}]},"enum":{}},"#;
        for (refusals, says, end) in [
            (&OPENAI, openai, r#""description":"d"}"#),
            (&ANTHROPIC, anthropic, r#""enum":[],"description":"d"}"#),
        ] {
            let (schemas, offered) = (Schemas::default(), [tool("t", schema.clone())]);
            schemas.refused(refusals, says, &offered, &offered).unwrap();
            let sent = schema_of(&schemas.sent(&offered).0)[0].to_string();
            assert_eq!(sent, format!("{left}{end}"));
        }
    }

    #[test]
    fn only_what_is_named_goes_where_names_are_said() {
        let says = "Invalid JSON payload received. Unknown name \"const\" at 'tools[0].function_declarations[0]\
            .parameters.properties[0].value': Cannot find field.";
        let schema = json!({"$schema": "s", "properties": {"a": {"const": 1, "$schema": "x"}}});
        let (schemas, offered) = (Schemas::default(), [tool("t", schema)]);
        let adjusted = schemas.refused(&GOOGLE, says, &offered, &offered).unwrap();
        assert_eq!(adjusted.news[0].removed, ["/properties/a/const"]);
        // A name that nobody knows is no reason to change anything.
        let says = says.replace("const", "parametersJsonSchema");
        let (sent, _) = schemas.sent(&offered);
        assert_eq!(schemas.refused(&GOOGLE, &says, &offered, &sent), None);
    }

    #[test]
    fn tools_that_were_not_refused_and_words_that_are_unknown_change_nothing() {
        let schema = json!({"properties": {"a": {"pattern": "x"}}});
        let (refused, other) = ([tool("t", schema.clone())], [tool("other", schema)]);
        let plain = [tool("plain", json!({"type": "object"}))];
        let schemas = Schemas::default();
        assert_eq!(
            schemas.refused(&OPENAI, "Invalid pattern", &refused, &refused),
            None
        );
        assert_eq!(schemas.refused(&GOOGLE, GRAMMAR_SAYS, &refused, &refused), None);
        assert_eq!(schemas.refused(&OPENAI, GRAMMAR_SAYS, &plain, &plain), None);
        assert!(schemas.sent(&refused).1.is_empty());
        let messages = Schemas::default().refused(&ANTHROPIC, GRAMMAR_SAYS, &refused, &refused);
        assert!(messages.is_some(), "llama.cpp speaks that, too");
        schemas
            .refused(&OPENAI, GRAMMAR_SAYS, &refused, &refused)
            .unwrap();
        let (sent, told) = schemas.sent(&other);
        assert_eq!((sent.as_ref(), told), (other.as_slice(), vec![]));
        let changed = [tool(
            "t",
            json!({"properties": {"a": {"pattern": "x"}}, "title": "new"}),
        )];
        assert!(schemas.sent(&changed).1.is_empty(), "another tool of that name");
    }

    #[test]
    fn a_request_that_was_under_way_meanwhile_is_sent_again_without_news() {
        let schema = json!({"properties": {"a": {"pattern": "x"}}});
        let (schemas, offered) = (Schemas::default(), [tool("t", schema)]);
        let first = schemas
            .refused(&OPENAI, GRAMMAR_SAYS, &offered, &offered)
            .unwrap();
        let second = schemas
            .refused(&OPENAI, GRAMMAR_SAYS, &offered, &offered)
            .unwrap();
        assert_eq!((second.news, second.now), (vec![], first.now));
        let (sent, _) = schemas.sent(&offered);
        let third = schemas.refused(&OPENAI, GRAMMAR_SAYS, &offered, &sent);
        assert_eq!(third, None, "nothing is left to take out");
    }
}
