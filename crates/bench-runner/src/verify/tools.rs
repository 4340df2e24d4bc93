//! Checks of the tool calls that were made.

use bench_core::compare::{all, any, equal};
use bench_core::verifier::{CallPattern, ToolExecution};
use serde_json::{Map, Value, json};

use super::CallRecord;
use super::finding::Finding;

/// Judges the calls. Everything that does not hold is named.
pub(super) fn check(check: &ToolExecution, calls: &[CallRecord]) -> Finding {
    let counted: Vec<&CallRecord> = calls.iter().filter(|c| check.count_failed || !c.failed).collect();
    let names: Vec<&str> = counted.iter().map(|c| c.call.name.as_str()).collect();
    let (unmatched, untold) = unmatched(&check.calls, &counted);
    let problems: Vec<String> = [
        missing(&check.required, &names),
        forbidden(&check.forbidden, calls),
        out_of_order(&check.ordered, &names),
        unmatched,
        wrong_count(check, counted.len()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let (true, Some(pattern)) = (problems.is_empty(), untold) {
        return Finding::errored(format!(
            "cannot tell whether a call of `{}` has {}: too large to compare exactly",
            pattern.tool,
            json!(pattern.arguments)
        ));
    }
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

/// What no call matches, and the first pattern of which that cannot be told.
fn unmatched<'a>(
    patterns: &'a [CallPattern],
    calls: &[&CallRecord],
) -> (Vec<String>, Option<&'a CallPattern>) {
    let matches = |pattern: &CallPattern, call: &CallRecord| {
        let arguments = call.call.arguments.as_object();
        match arguments.filter(|_| call.call.name == pattern.tool) {
            Some(arguments) => contains(arguments, &pattern.arguments),
            None => Some(false),
        }
    };
    let (mut absent, mut untold) = (Vec::new(), None);
    for pattern in patterns {
        match any(calls.iter().map(|call| matches(pattern, call))) {
            Some(true) => {}
            Some(false) => absent.push(format!(
                "no call of `{}` with {}",
                pattern.tool,
                json!(pattern.arguments)
            )),
            None => untold = untold.or(Some(pattern)),
        }
    }
    (absent, untold)
}

/// Whether every member of `wanted` is in `actual`; objects inside match the same way.
fn contains(actual: &Map<String, Value>, wanted: &Map<String, Value>) -> Option<bool> {
    all(wanted
        .iter()
        .map(|(name, value)| match (actual.get(name), value) {
            (Some(Value::Object(inner)), Value::Object(wanted)) => contains(inner, wanted),
            (Some(found), value) => equal(found, value),
            (None, _) => Some(false),
        }))
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

    #[test]
    fn an_argument_too_large_to_compare_is_an_error_unless_something_else_decides() {
        let read = |text: &str| -> Map<String, Value> { serde_json::from_str(text).unwrap() };
        let wanted = |arguments: &str| ToolExecution {
            calls: vec![CallPattern {
                tool: "pay".into(),
                arguments: read(arguments),
            }],
            ..ToolExecution::default()
        };
        let paid = vec![CallRecord {
            call: ToolCall {
                id: String::new(),
                name: "pay".into(),
                arguments: Value::Object(read(r#"{"wei": 18446744073709551999, "to": "a"}"#)),
            },
            failed: false,
        }];
        for (arguments, status) in [
            (r#"{"wei": 18446744073709551616}"#, "errored"),
            (r#"{"wei": 18446744073709551616, "to": "b"}"#, "false"),
            (r#"{"wei": 1}"#, "false"),
            (r#"{"to": "a"}"#, "true"),
        ] {
            let found = match check(&wanted(arguments), &paid).status {
                VerdictStatus::True => "true",
                VerdictStatus::False => "false",
                _ => "errored",
            };
            assert_eq!(found, status, "{arguments}");
        }
    }
}
