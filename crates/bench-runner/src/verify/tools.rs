//! Checks of the tool calls that were made.

use bench_core::compare::equal;
use bench_core::verifier::{CallPattern, ToolExecution};
use serde_json::{Map, Value, json};

use super::CallRecord;
use super::finding::Finding;

/// Judges the calls. Everything that does not hold is named.
pub(super) fn check(check: &ToolExecution, calls: &[CallRecord]) -> Finding {
    let counted: Vec<&CallRecord> = calls.iter().filter(|c| check.count_failed || !c.failed).collect();
    let names: Vec<&str> = counted.iter().map(|c| c.call.name.as_str()).collect();
    let problems: Vec<String> = [
        missing(&check.required, &names),
        forbidden(&check.forbidden, calls),
        out_of_order(&check.ordered, &names),
        unmatched(&check.calls, &counted),
        wrong_count(check, counted.len()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let actual = json!({"calls": names, "problems": problems});
    Finding::known(problems.is_empty(), "tool calls", json!(check), actual)
}

fn missing(required: &[String], names: &[&str]) -> Vec<String> {
    let absent = required.iter().filter(|tool| !names.contains(&tool.as_str()));
    absent.map(|tool| format!("`{tool}` was not called")).collect()
}

fn forbidden(forbidden: &[String], calls: &[CallRecord]) -> Vec<String> {
    let called = forbidden
        .iter()
        .filter(|tool| calls.iter().any(|c| c.call.name == **tool));
    called.map(|tool| format!("`{tool}` was called")).collect()
}

fn out_of_order(ordered: &[String], names: &[&str]) -> Vec<String> {
    let mut left = names.iter();
    let broken = ordered.iter().find(|tool| !left.any(|name| name == tool));
    broken
        .map(|tool| format!("`{tool}` was not called in this order"))
        .into_iter()
        .collect()
}

fn unmatched(patterns: &[CallPattern], calls: &[&CallRecord]) -> Vec<String> {
    let matches = |pattern: &CallPattern, call: &CallRecord| {
        call.call.name == pattern.tool
            && call
                .call
                .arguments
                .as_object()
                .is_some_and(|a| contains(a, &pattern.arguments))
    };
    let absent = patterns
        .iter()
        .filter(|p| !calls.iter().any(|call| matches(p, call)));
    absent
        .map(|p| format!("no call of `{}` with {}", p.tool, json!(p.arguments)))
        .collect()
}

/// Whether every member of `wanted` is in `actual`; objects inside match the same way.
fn contains(actual: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted
        .iter()
        .all(|(name, value)| match (actual.get(name), value) {
            (Some(Value::Object(inner)), Value::Object(wanted)) => contains(inner, wanted),
            (Some(found), value) => equal(found, value),
            (None, _) => false,
        })
}

fn wrong_count(check: &ToolExecution, count: usize) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(least) = check.minimum_tool_calls.filter(|least| count < *least as usize) {
        problems.push(format!("{count} calls, at least {least} wanted"));
    }
    if let Some(most) = check.maximum_tool_calls.filter(|most| count > *most as usize) {
        problems.push(format!("{count} calls, at most {most} wanted"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_core::VerdictStatus;
    use bench_core::transcript::ToolCall;

    fn calls() -> Vec<CallRecord> {
        let call = |name: &str, arguments: Value, failed| CallRecord {
            call: ToolCall {
                id: String::new(),
                name: name.into(),
                arguments,
            },
            failed,
        };
        vec![
            call("search", json!({"jql": "project = WEB"}), false),
            call(
                "assign",
                json!({"key": "WEB-1", "to": {"id": 5, "note": "x"}}),
                false,
            ),
            call("delete", json!({"key": "WEB-1"}), true),
        ]
    }

    #[test]
    fn calls_are_judged() {
        let list = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        let pattern = |tool: &str, arguments: Value| {
            let arguments = arguments.as_object().cloned().unwrap_or_default();
            vec![CallPattern {
                tool: tool.into(),
                arguments,
            }]
        };
        let rule = ToolExecution::default;
        for (rule, want) in [
            (
                ToolExecution {
                    required: list(&["search", "assign"]),
                    ..rule()
                },
                true,
            ),
            (
                ToolExecution {
                    required: list(&["delete"]),
                    ..rule()
                },
                false,
            ),
            (
                ToolExecution {
                    required: list(&["delete"]),
                    count_failed: true,
                    ..rule()
                },
                true,
            ),
            (
                ToolExecution {
                    forbidden: list(&["delete"]),
                    ..rule()
                },
                false,
            ),
            (
                ToolExecution {
                    forbidden: list(&["create"]),
                    ..rule()
                },
                true,
            ),
            (
                ToolExecution {
                    ordered: list(&["search", "assign"]),
                    ..rule()
                },
                true,
            ),
            (
                ToolExecution {
                    ordered: list(&["assign", "search"]),
                    ..rule()
                },
                false,
            ),
            (
                ToolExecution {
                    calls: pattern("assign", json!({"to": {"id": 5.0}})),
                    ..rule()
                },
                true,
            ),
            (
                ToolExecution {
                    calls: pattern("assign", json!({"to": {"id": 6}})),
                    ..rule()
                },
                false,
            ),
            (
                ToolExecution {
                    calls: pattern("assign", json!({"absent": null})),
                    ..rule()
                },
                false,
            ),
            (
                ToolExecution {
                    minimum_tool_calls: Some(2),
                    maximum_tool_calls: Some(2),
                    ..rule()
                },
                true,
            ),
            (
                ToolExecution {
                    minimum_tool_calls: Some(3),
                    ..rule()
                },
                false,
            ),
            (
                ToolExecution {
                    maximum_tool_calls: Some(2),
                    count_failed: true,
                    ..rule()
                },
                false,
            ),
        ] {
            let holds = check(&rule, &calls()).status == VerdictStatus::True;
            assert_eq!(holds, want, "{rule:?}");
        }
    }
}
