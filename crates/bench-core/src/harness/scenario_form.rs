//! The scenario form: `{"scenarios": [{"scenario_id", "prompts": [{"prompt_text", "verifier"}]}]}`.
//!
//! Files of the Python tool are read as they are; `gym`, `system_prompt`, `limits`, `tags`,
//! `allowed_tools`, `weight` and `solution` are ours and optional.

use super::source::{Found, Reading, RunWishes};
use super::{Prompt, Scenario, World, common, verifier_form};
use crate::json::Kind;
use crate::json::read::At;

/// Reads a file of this form. Scenarios that cannot be read are noted and left out.
pub(super) fn read(cx: &Reading<'_>, at: &At<'_>, wishes: &mut RunWishes) -> Vec<Found> {
    let Some(mut fields) = at.fields() else {
        return Vec::new();
    };
    let scenarios = fields.any("scenarios").and_then(|list| {
        let items = list.items()?;
        if items.is_empty() {
            list.error_with(
                "`scenarios` is empty",
                "a harness file holds at least one scenario",
            );
        }
        Some(items)
    });
    wishes.name = fields.any("name").and_then(|at| name(&at));
    fields.ignore(&["$schema", "description", "metadata"]);
    fields.finish();
    let found = scenarios
        .unwrap_or_default()
        .iter()
        .filter_map(|at| scenario(cx, at))
        .collect();
    at.log().enter_scenario(None);
    found
}

/// A name for lists: older tools did not look at it, so anything else than words is passed over.
fn name(at: &At<'_>) -> Option<String> {
    match &at.node.kind {
        Kind::Text(text) => Some(text.trim().to_owned()).filter(|name| !name.is_empty()),
        _ => None,
    }
}

fn scenario(cx: &Reading<'_>, at: &At<'_>) -> Option<Found> {
    at.log().enter_scenario(None);
    let mut fields = at.fields()?;
    let id_at = fields.some("scenario_id").or_else(|| fields.some("name"));
    let id = id_at
        .as_ref()
        .and_then(At::read::<String>)
        .map(|id| id.trim().to_owned());
    match &id {
        None if id_at.is_none() => {
            at.error_with("`scenario_id` is missing", "give each scenario an id of its own");
        }
        Some(id) if id.is_empty() => at.error("`scenario_id` is empty"),
        Some(id) => common::check_id(id_at.as_ref().unwrap_or(at), id),
        None => {}
    }
    let id = id.unwrap_or_default();
    at.log()
        .enter_scenario(Some(&id).filter(|id| !id.is_empty()).map(String::as_str));

    let mut scenario = common::empty_scenario(cx, at, id);
    common::read_into(&mut scenario, &mut fields);
    scenario.allowed_tools = fields
        .some("allowed_tools")
        .is_some()
        .then(|| common::names(&mut fields, "allowed_tools"));
    let gyms = common::names(&mut fields, "gym");
    if !gyms.is_empty() {
        scenario.world = World::Named(gyms);
    }
    let mut saved = Vec::new();
    scenario.solution = fields
        .some("solution")
        .and_then(|at| common::solution(&at, &mut saved));
    match fields.any("prompts") {
        None => at.error_with(
            "`prompts` is missing",
            "write what the user says, or [] to only reach the gym",
        ),
        Some(list) => prompts(cx, &list, &mut scenario, &mut saved),
    }
    for field in ["verifier", "verifiers"] {
        if let Some(at) = fields.some(field) {
            scenario.verifiers.extend(verifier_form::read(cx, &at, None));
        }
    }
    // `conversation_mode` was only shown, and `context` ignored, by every tool that reads this form.
    fields.ignore(&["conversation_mode", "context"]);
    fields.finish();
    Some(common::found(scenario, id_at.as_ref().unwrap_or(at), false))
}

fn prompts(cx: &Reading<'_>, list: &At<'_>, scenario: &mut Scenario, saved: &mut Vec<String>) {
    for (n, at) in list.items().unwrap_or_default().iter().enumerate() {
        let Some(mut fields) = at.fields() else { continue };
        if fields.any("prompt_text").is_none() {
            fields.missing("prompt_text");
        }
        let text = fields.get("prompt_text").unwrap_or_default();
        let expected_tools = common::names(&mut fields, "expected_tools");
        for tool in common::names(&mut fields, "restricted_tools") {
            if !scenario.restricted_tools.contains(&tool) {
                scenario.restricted_tools.push(tool);
            }
        }
        for field in ["verifier", "verifiers"] {
            if let Some(at) = fields.some(field) {
                scenario.verifiers.extend(verifier_form::read(cx, &at, Some(n)));
            }
        }
        let solution = fields
            .some("solution")
            .and_then(|at| common::solution(&at, saved));
        fields.finish();
        scenario.prompts.push(Prompt {
            text,
            expected_tools,
            solution,
        });
    }
}
