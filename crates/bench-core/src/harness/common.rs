//! What both forms say in the same words: tools, tags, limits, solutions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::source::{Found, Reading};
use super::{Origin, Scenario, Solution, SolutionCall};
use crate::hash::sha256_hex;
use crate::json::read::{At, Fields};
use crate::json::typed::Read;
use crate::limits::LimitOverrides;
use crate::price::Usd;
use crate::solution::{self, TRIAL_DIR};
use crate::suggest;

/// Longer times are mistakes, and would overflow clocks: a year.
const LONGEST_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// The place of a scenario in its source.
pub(super) fn origin(cx: &Reading<'_>, at: &At<'_>) -> Origin {
    Origin {
        file: cx.source.path.clone(),
        line: at.line(),
        pointer: at.pointer.clone(),
        sha256: sha256_hex(at.text()),
        shown: at.brief_place(),
    }
}

/// Refuses an id that cannot be told in one line. Ids name trials in lists and logs.
pub(super) fn check_id(at: &At<'_>, id: &str) {
    if let Some(found) = id.chars().find(|c| c.is_control()) {
        at.error_with(
            format!(
                "an id must not hold control characters, this one holds `{}`",
                found.escape_default()
            ),
            "ids are names in lists and logs: write it in one line",
        );
    }
}

/// A scenario with nothing in it but its id and its place.
pub(super) fn empty_scenario(cx: &Reading<'_>, at: &At<'_>, id: String) -> Scenario {
    Scenario {
        scenario_id: id,
        origin: origin(cx, at),
        ..Scenario::default()
    }
}

/// Reads the members that a scenario and a task have in common into `scenario`.
pub(super) fn read_into(scenario: &mut Scenario, fields: &mut Fields<'_>) {
    scenario.name = fields.get("name").unwrap_or_default();
    scenario.description = fields.get("description").unwrap_or_default();
    scenario.system_prompt = fields.get("system_prompt");
    scenario.tags = names(fields, "tags");
    scenario.restricted_tools = names(fields, "restricted_tools");
    scenario.expected_tools = names(fields, "expected_tools");
    scenario.metadata = fields.get("metadata").unwrap_or_default();
    scenario.limits = fields
        .some("limits")
        .and_then(|at| limits(&at))
        .unwrap_or_default();
    if let Some(at) = fields.some("weight") {
        match at.read::<f64>() {
            Some(weight) if weight >= 0.0 && weight.is_finite() => scenario.weight = weight,
            Some(_) => at.error("`weight` must not be negative"),
            None => {}
        }
    }
}

/// A list of names; one string stands for a list of one, empty names are dropped, repeats too.
pub(super) fn names(fields: &mut Fields<'_>, field: &'static str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names: Vec<String> = fields.get(field).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| !name.trim().is_empty() && seen.insert(name.clone()))
        .collect()
}

fn limits(at: &At<'_>) -> Option<LimitOverrides> {
    let mut fields = at.fields()?;
    let limits = LimitOverrides {
        max_turns: positive(&mut fields, "max_turns"),
        max_tool_calls: fields.get("max_tool_calls"),
        max_seconds: seconds(&mut fields, "max_seconds"),
        max_tokens: positive(&mut fields, "max_tokens"),
        max_cost: dollars(&mut fields, "max_cost"),
        tool_timeout_seconds: seconds(&mut fields, "tool_timeout_seconds"),
        model_timeout_seconds: seconds(&mut fields, "model_timeout_seconds"),
        tool_result_bytes: positive::<u32>(&mut fields, "tool_result_bytes").map(|n| n as usize),
    };
    fields.finish();
    Some(limits)
}

/// A whole number of at least 1.
pub(super) fn positive<T: Read + Default + PartialEq>(
    fields: &mut Fields<'_>,
    field: &'static str,
) -> Option<T> {
    let at = fields.some(field)?;
    let number: T = at.read()?;
    if number == T::default() {
        at.wrong_type("1 or more")
    } else {
        Some(number)
    }
}

/// A time in seconds: more than nothing, less than a year.
pub(super) fn seconds(fields: &mut Fields<'_>, field: &'static str) -> Option<f64> {
    let at = fields.some(field)?;
    let seconds: f64 = at.read()?;
    if seconds > 0.0 && seconds <= LONGEST_SECONDS {
        Some(seconds)
    } else {
        at.wrong_type("more than 0 seconds and at most a year")
    }
}

/// US dollars: more than nothing.
fn dollars(fields: &mut Fields<'_>, field: &'static str) -> Option<Usd> {
    let at = fields.some(field)?;
    let amount: f64 = at.read()?;
    if amount > 0.0 && amount.is_finite() {
        Some(Usd::from(amount))
    } else {
        at.wrong_type("more than 0 US dollars")
    }
}

/// Reads a `solution`. `saved` are the names that earlier calls saved their results under.
pub(super) fn solution(at: &At<'_>, saved: &mut Vec<String>) -> Option<Solution> {
    let mut fields = at.fields()?;
    let calls = fields.some("calls").and_then(|at| at.items()).unwrap_or_default();
    let calls = calls
        .iter()
        .filter_map(|call| solution_call(call, saved))
        .collect();
    let answer = fields.some("answer");
    if let Some(answer) = &answer {
        check_references(answer, &answer.value(), saved);
    }
    let answer = answer.and_then(|at| at.read());
    fields.finish();
    Some(Solution { calls, answer })
}

fn solution_call(at: &At<'_>, saved: &mut Vec<String>) -> Option<SolutionCall> {
    let mut fields = at.fields()?;
    let tool = fields.require_text("tool");
    let server = fields.get("server");
    let arguments = fields.some("arguments");
    if let Some(arguments) = &arguments {
        check_references(arguments, &arguments.value(), saved);
    }
    let arguments = arguments.and_then(|at| at.read());
    let save_as = fields.some("as").and_then(|at| save_name(&at, saved));
    fields.finish();
    Some(SolutionCall {
        tool: tool?,
        server,
        arguments: arguments.unwrap_or_default(),
        save_as,
    })
}

/// The name of a result: no one else's, and one that a reference can hold.
fn save_name(at: &At<'_>, saved: &mut Vec<String>) -> Option<String> {
    let name: String = at.read()?;
    if !solution::is_name(&name) {
        at.error_with(
            format!("`{name}` cannot name a result"),
            "use letters, digits, `_` and `-`",
        );
    } else if name == TRIAL_DIR || saved.contains(&name) {
        at.error_with(
            format!("the name `{name}` is taken"),
            "save each result under a name of its own",
        );
    } else {
        saved.push(name.clone());
    }
    Some(name)
}

/// Notes every reference to a result that no earlier call has saved.
fn check_references(at: &At<'_>, value: &Value, saved: &[String]) {
    match value {
        Value::String(text) => {
            for reference in solution::references(text) {
                let name = reference.name;
                if name == TRIAL_DIR || saved.iter().any(|s| s == name) {
                    continue;
                }
                let hint = match suggest::closest(name, saved.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("add `\"as\": \"{name}\"` to the call whose result it is"),
                };
                at.error_with(format!("no earlier call saves its result as `{name}`"), hint);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| check_references(at, item, saved)),
        Value::Object(map) => map.values().for_each(|item| check_references(at, item, saved)),
        _ => {}
    }
}

/// A scenario whose id may not repeat.
pub(super) fn found(scenario: Scenario, at: &At<'_>, may_rename: bool) -> Found {
    let mut place = at.place();
    place.scenario = Some(scenario.scenario_id.clone());
    Found {
        scenario,
        place,
        may_rename,
    }
}
