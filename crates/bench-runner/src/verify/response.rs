//! Checks of the final answer that need nobody else; [`super::judge`] is for those that ask a model.

use bench_core::verifier::ResponseCheck;
use serde_json::{Value, json};

use super::finding::Finding;
use super::select::select;

/// Judges the answer. No answer at all is an empty one: the model had its say.
pub(super) fn check(check: &ResponseCheck, answer: Option<&str>) -> Finding {
    let answer = answer.unwrap_or_default();
    match check {
        ResponseCheck::Text {
            comparison,
            ignore_case,
        } => Finding::compared(comparison, json!(answer), *ignore_case),
        ResponseCheck::JsonSchema { schema } => match as_json(answer) {
            Some(value) => fits(schema, value),
            None => Finding::known(false, "json_schema", schema.clone(), json!(answer)),
        },
        ResponseCheck::Json {
            select: selector,
            comparison,
        } => match as_json(answer) {
            Some(value) => match select(selector, &value) {
                Ok(part) => Finding::compared(comparison, part, false),
                Err(problem) => Finding::permanent(problem),
            },
            None => Finding::known(false, "is JSON", comparison.expected.clone(), json!(answer)),
        },
        other => Finding::permanent(format!("{other:?} is not known to this version")),
    }
}

fn fits(schema: &Value, value: Value) -> Finding {
    match jsonschema::validator_for(schema) {
        Err(error) => Finding::permanent(format!("the JSON Schema cannot be used: {error}")),
        Ok(validator) => Finding::known(validator.is_valid(&value), "json_schema", schema.clone(), value),
    }
}

/// The answer as JSON: all of it, or the content of its one fenced block.
fn as_json(answer: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(answer.trim()) {
        return Some(value);
    }
    let mut fences = answer.split("```");
    let (_, block, _) = (fences.next()?, fences.next()?, fences.next()?);
    if fences.next().is_some() {
        return None; // several blocks: which one is meant cannot be told
    }
    let content = block.strip_prefix("json").unwrap_or(block);
    serde_json::from_str(content.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_core::verifier::Selector;
    use bench_core::{Comparison, Operator, VerdictStatus};

    fn holds(check_: &ResponseCheck, answer: Option<&str>) -> bool {
        match check(check_, answer).status {
            VerdictStatus::True => true,
            VerdictStatus::False => false,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_are_judged() {
        let text = |operator, expected: Value, ignore_case| ResponseCheck::Text {
            comparison: Comparison { operator, expected },
            ignore_case,
        };
        assert!(holds(
            &text(Operator::Contains, json!("web-7"), true),
            Some("Closed WEB-7.")
        ));
        assert!(!holds(
            &text(Operator::Contains, json!("web-7"), false),
            Some("Closed WEB-7.")
        ));
        assert!(holds(
            &text(Operator::Matches, json!("^\\d+$"), false),
            Some("42")
        ));
        assert!(!holds(&text(Operator::Contains, json!("x"), false), None));
        let schema = ResponseCheck::JsonSchema {
            schema: json!({"type": "object", "required": ["key"]}),
        };
        assert!(holds(&schema, Some(r#"{"key": 1}"#)));
        assert!(holds(
            &schema,
            Some("Here it is:\n```json\n{\"key\": 1}\n```\nDone.")
        ));
        assert!(
            !holds(&schema, Some("```{\"key\":1}``` or ```{\"key\":2}```")),
            "ambiguous"
        );
        assert!(!holds(&schema, Some("no JSON at all")));
        let part = ResponseCheck::Json {
            select: Selector::Pointer("/key".into()),
            comparison: Comparison {
                operator: Operator::Equals,
                expected: json!(1),
            },
        };
        assert!(holds(&part, Some(r#"{"key": 1.0}"#)));
        assert!(!holds(&part, Some(r#"{"key": "1"}"#)));
    }

    #[test]
    fn a_check_that_cannot_run_is_an_error() {
        let broken = ResponseCheck::JsonSchema {
            schema: json!({"type": "nonsense"}),
        };
        assert!(matches!(
            check(&broken, Some("{}")).status,
            VerdictStatus::Errored { .. }
        ));
    }
}
