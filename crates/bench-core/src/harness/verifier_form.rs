//! Verifiers as harness files write them: `{"verifier_type", "name", "gym_name", "guard", "validation_config"}`.
//!
//! One object, a list of them, or null. What each type's `validation_config` may hold stands in
//! [`super::verifier_config`].

use super::source::Reading;
use super::verifier_config;
use crate::json::Kind;
use crate::json::read::At;
use crate::problem::Place;
use crate::suggest;
use crate::verifier::{Check, VerifierSpec};

/// Every `verifier_type`.
const TYPES: [&str; 6] = [
    "database_state",
    "response_check",
    "tool_execution",
    "tool_result",
    "http",
    "command",
];

/// Reads one verifier or a list of them. Those that cannot be read are noted and left out.
pub(super) fn read(cx: &Reading<'_>, at: &At<'_>, prompt: Option<usize>) -> Vec<VerifierSpec> {
    if !matches!(at.node.kind, Kind::Object(_) | Kind::List(_) | Kind::Null) {
        return at
            .wrong_type("an object or a list of objects")
            .unwrap_or_default();
    }
    at.one_or_many()
        .iter()
        .filter_map(|at| verifier(cx, at, prompt))
        .collect()
}

fn verifier(cx: &Reading<'_>, at: &At<'_>, prompt: Option<usize>) -> Option<VerifierSpec> {
    let mut fields = at.fields()?;
    let name = fields
        .get::<String>("name")
        .filter(|name| !name.trim().is_empty());
    let description = fields
        .get::<String>("description")
        .filter(|text| !text.is_empty());
    let gym = fields
        .get::<String>("gym_name")
        .or_else(|| fields.get("gym"))
        .filter(|gym| !gym.is_empty());
    fields.ignore(&["gym"]);
    let guard = fields.get("guard").unwrap_or_default();
    let kind_at = fields.any("verifier_type");
    let kind = kind_at.as_ref().and_then(At::read::<String>);
    if kind_at.is_none() {
        fields.missing("verifier_type");
    }
    let config = fields.some("validation_config");
    if config.is_none() {
        fields.missing("validation_config");
    }
    fields.finish();
    let check = check(cx, &kind_at?, &kind?, &config?)?;
    let name = name.unwrap_or_else(|| check.type_name().to_owned());
    Some(VerifierSpec {
        name,
        description,
        gym,
        prompt,
        guard,
        place: Place {
            source_line: None,
            ..at.brief_place()
        },
        check,
    })
}

fn check(cx: &Reading<'_>, kind_at: &At<'_>, kind: &str, config: &At<'_>) -> Option<Check> {
    let mut fields = config.fields()?;
    let check = match kind.trim() {
        "database_state" => verifier_config::database_state(&mut fields),
        "response_check" => verifier_config::response_check(&mut fields),
        "tool_execution" => Some(verifier_config::tool_execution(&mut fields)),
        "tool_result" => verifier_config::tool_result(&mut fields),
        "http" => verifier_config::http(&mut fields),
        "command" => verifier_config::command(cx, &mut fields),
        other => {
            let hint = match suggest::closest(other, TYPES) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are {}", suggest::quoted_list(TYPES)),
            };
            kind_at.error_with(format!("unknown verifier type `{other}`"), hint);
            return None;
        }
    };
    fields.finish();
    check
}
