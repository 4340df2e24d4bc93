//! The task form of EnterpriseOps-Gym and `OpenEnv`: one task per object, with its own gyms.
//!
//! As a file, as an element of a list, or as a row of a data set, in which lists and objects may be
//! written as strings that hold JSON.

use super::source::{Found, Reading, RunWishes};
use super::{Prompt, World, common, task_gym, verifier_form};
use crate::json::read::{At, Fields};

/// Members that a data set may hold as a string with JSON in it.
pub(super) const MAY_BE_ENCODED: &[&str] = &[
    "gym_servers_config",
    "verifiers",
    "selected_tools",
    "restricted_tools",
    "expected_tools",
    "context",
    "auth_config",
    "limits",
    "metadata",
    "solution",
    "tags",
    "user_info",
];

/// Whether an object is a task: it has a member that only tasks have.
pub(super) fn is_task(at: &At<'_>) -> bool {
    let marks = [
        "user_prompt",
        "gym_servers_config",
        "gym_enviornment_url",
        "mcp_server_url",
        "task_id",
    ];
    marks.into_iter().any(|mark| at.has(mark))
}

/// Reads one task. `fallback_id` is its id if it has no `task_id`.
pub(super) fn read(cx: &Reading<'_>, at: &At<'_>, fallback_id: &str, run: &mut RunWishes) -> Option<Found> {
    at.log().enter_scenario(None);
    let mut fields = at.fields()?;
    let id_at = fields.some("task_id");
    // Data sets number their tasks; a number is as good a name as a string.
    let id = match id_at.as_ref().map(|at| crate::json::typed::plain_text(at.node)) {
        Some(Some(id)) if !id.trim().is_empty() => id.trim().to_owned(),
        Some(None) => id_at.as_ref().and_then(|at| at.wrong_type("a string"))?,
        _ => fallback_id.to_owned(),
    };
    common::check_id(id_at.as_ref().unwrap_or(at), &id);
    at.log().enter_scenario(Some(&id));

    let mut scenario = common::empty_scenario(cx, at, id);
    common::read_into(&mut scenario, &mut fields);
    if let Some(text) = fields.require_text("user_prompt") {
        scenario.prompts.push(Prompt {
            text,
            expected_tools: Vec::new(),
            solution: None,
        });
    }
    if let Some(domain) = fields.get::<String>("domain").filter(|domain| !domain.is_empty()) {
        if !scenario.tags.contains(&domain) {
            scenario.tags.push(domain.clone());
        }
        scenario.metadata.insert("domain".into(), domain.into());
    }
    let selected = common::names(&mut fields, "selected_tools");
    // An empty list is how such files say "all tools".
    scenario.allowed_tools = (!selected.is_empty()).then_some(selected);
    if let Some(at) = fields.some("verifiers") {
        scenario.verifiers = verifier_form::read(cx, &at, None);
    }
    scenario.solution = fields
        .some("solution")
        .and_then(|at| common::solution(&at, &mut Vec::new()));
    scenario.world = world(cx, &mut fields, &scenario.verifiers);
    run.follow(&wishes(&mut fields), at);
    ignored(&mut fields);
    fields.finish();
    at.log().enter_scenario(None);
    Some(common::found(scenario, id_at.as_ref().unwrap_or(at), true))
}

/// Its own gyms, or gyms of the gym file by name, or the run's default.
fn world(cx: &Reading<'_>, fields: &mut Fields<'_>, verifiers: &[crate::VerifierSpec]) -> World {
    let named = common::names(fields, "gym");
    let own = match fields.some("gym_servers_config") {
        Some(list) => task_gym::nested(cx, &list),
        None => task_gym::flat(cx, fields, verifiers),
    };
    task_gym::ignore_flat(fields);
    match (own.is_empty(), named.is_empty()) {
        (false, _) => World::Own(own),
        (true, false) => World::Named(named),
        (true, true) => World::Default,
    }
}

fn wishes(fields: &mut Fields<'_>) -> RunWishes {
    RunWishes {
        number_of_runs: common::positive(fields, "number_of_runs"),
        temperature: fields.get("temperature"),
        max_output_tokens: common::positive(fields, "max_tokens"),
        ..RunWishes::default()
    }
}

/// Members that say nothing to us; those whose being ignored may surprise are said.
fn ignored(fields: &mut Fields<'_>) {
    for name in ["llm_provider", "llm_model", "llm_api_key"] {
        if let Some(at) = fields.some(name)
            && at.read::<String>().is_some_and(|text| !text.is_empty())
        {
            at.warn_with(
                format!("`{name}` is ignored"),
                "models are chosen with --model, keys come from the environment",
            );
        }
    }
    if let Some(at) = fields.some("reset_database_between_runs")
        && at.read() == Some(false)
    {
        at.warn_with(
            "databases are fresh for every trial",
            "a trial that needs the state of another is one scenario",
        );
    }
    fields.ignore(&["$schema", "user_info"]);
}
