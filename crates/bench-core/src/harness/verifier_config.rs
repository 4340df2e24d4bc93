//! What `validation_config` holds for each type of verifier.
//!
//! Everything that can be told before a run is told here: comparisons nobody knows, patterns, schemas
//! and paths that do not parse, checks that check nothing.

use serde_json::{Map, Value};

use super::common;
use super::source::Reading;
use crate::compare::{Comparison, Operator};
use crate::gym::settings::check_url;
use crate::json::read::{At, Fields};
use crate::setting::is_secret_name;
use crate::verifier::{CallPattern, Check, CommandCheck, ResponseCheck, Selector, ToolExecution};

/// The score from which a judge's verdict passes, if the file does not say.
const PASSING_SCORE: f64 = 7.0;

pub(super) fn database_state(fields: &mut Fields<'_>) -> Option<Check> {
    let query = fields.require_text("query");
    let comparison = comparison(fields);
    Some(Check::DatabaseState {
        query: query?,
        comparison: comparison?,
    })
}

pub(super) fn tool_result(fields: &mut Fields<'_>) -> Option<Check> {
    let tool = fields.require_text("tool");
    let arguments = fields.get("arguments").unwrap_or_default();
    let select = selector(fields);
    let comparison = comparison(fields);
    Some(Check::ToolResult {
        tool: tool?,
        arguments,
        select: select?,
        comparison: comparison?,
    })
}

pub(super) fn http(fields: &mut Fields<'_>) -> Option<Check> {
    let url = fields.require_text("url");
    let url = url.filter(|url| fields.any("url").is_some_and(|at| check_url(&at, url).is_some()));
    let status = fields.some("status").map_or(Some(200), |at| {
        let status: u32 = at.read()?;
        let valid = u16::try_from(status).ok().filter(|s| (100..600).contains(s));
        valid.or_else(|| at.wrong_type("an HTTP status from 100 to 599"))
    });
    let select = selector(fields)?;
    // Without a part and an expected value only the status counts.
    let compares = select != Selector::Whole || has_any(fields, &["expected_value", "comparison_type"]);
    let comparison = if compares { Some(comparison(fields)?) } else { None };
    fields.ignore(&["expected_value", "comparison_type"]);
    Some(Check::Http {
        url: url?,
        status: status?,
        select,
        comparison,
    })
}

pub(super) fn command(cx: &Reading<'_>, fields: &mut Fields<'_>) -> Option<Check> {
    let command = fields
        .require_text("command")
        .map(|program| cx.source.resolve_program(&program));
    let args = fields.get("args").unwrap_or_default();
    let cwd = fields.get::<String>("cwd").map(|cwd| {
        if cwd.starts_with("{{") || cwd.starts_with("${") {
            cwd
        } else {
            cx.source.resolve(&cwd)
        }
    });
    let env_at = fields.some("env");
    let env: std::collections::BTreeMap<String, String> =
        env_at.as_ref().and_then(At::read).unwrap_or_default();
    for (name, at) in env_at.iter().flat_map(|at| at.entries().unwrap_or_default()) {
        if is_secret_name(name)
            && env
                .get(name)
                .is_some_and(|value| !value.is_empty() && !value.contains("${"))
        {
            at.error_with(
                format!("`{name}` looks like a secret, and a plan holds no secrets"),
                format!("write \"${{{name}}}\" and set the variable before the run"),
            );
        }
    }
    let exit_code = fields.get("exit_code").unwrap_or(0);
    let stdout = stdout(fields);
    let timeout_seconds = common::seconds(fields, "timeout_seconds").unwrap_or(60.0);
    Some(Check::Command(CommandCheck {
        command: command?,
        args,
        cwd,
        env,
        exit_code,
        stdout: stdout?,
        timeout_seconds,
    }))
}

/// `stdout: {comparison_type, expected_value}` or `stdout_contains`; the inner `None` is no check.
#[expect(
    clippy::option_option,
    reason = "the outer None is a noted problem, the inner one says nothing is asked"
)]
fn stdout(fields: &mut Fields<'_>) -> Option<Option<Comparison>> {
    let part = fields.some("stdout_contains");
    match (fields.some("stdout"), part) {
        (None, None) => Some(None),
        (None, Some(part)) => {
            let expected: String = part.read()?;
            Some(Some(Comparison {
                operator: Operator::Contains,
                expected: expected.into(),
            }))
        }
        (Some(at), None) => {
            let mut inner = at.fields()?;
            let comparison = text_comparison(&mut inner);
            inner.finish();
            Some(Some(comparison?))
        }
        (Some(at), Some(_)) => {
            at.error_with(
                "both `stdout` and `stdout_contains` are given",
                "keep one of them",
            );
            None
        }
    }
}

pub(super) fn tool_execution(fields: &mut Fields<'_>) -> Check {
    let selected = common::names(fields, "selected_tools");
    let required = common::names(fields, "required");
    if !selected.is_empty() && !required.is_empty() {
        fields.at().error_with(
            "both `selected_tools` and `required` are given",
            "they mean the same: keep one of them",
        );
    }
    let only_selected = !selected.is_empty();
    let calls = fields
        .some("calls")
        .map(|at| at.one_or_many())
        .unwrap_or_default();
    let mut check = ToolExecution {
        required: if only_selected { selected } else { required },
        forbidden: common::names(fields, "forbidden"),
        // Here repeats count: the same tool may have to come twice.
        ordered: fields.get("ordered").unwrap_or_default(),
        calls: calls.iter().filter_map(call_pattern).collect(),
        minimum_tool_calls: fields.get("minimum_tool_calls"),
        maximum_tool_calls: fields.get("maximum_tool_calls"),
        count_failed: fields.get("count_failed").unwrap_or_default(),
    };
    let empty = ToolExecution {
        count_failed: check.count_failed,
        ..ToolExecution::default()
    };
    if check == empty && calls.is_empty() {
        let hint = "name tools in `required`, `forbidden` or `ordered`, or give `calls` or a number of calls";
        fields.at().error_with("this check checks nothing", hint);
    }
    if let (Some(minimum), Some(maximum)) = (check.minimum_tool_calls, check.maximum_tool_calls)
        && minimum > maximum
    {
        fields.at().error(format!(
            "`minimum_tool_calls` {minimum} is more than `maximum_tool_calls` {maximum}"
        ));
    }
    let required = ToolExecution {
        required: check.required.clone(),
        ..empty
    };
    if only_selected && check == required {
        check.minimum_tool_calls = Some(1);
    }
    Check::ToolExecution(check)
}

fn call_pattern(at: &At<'_>) -> Option<CallPattern> {
    let mut fields = at.fields()?;
    let tool = fields.require_text("tool");
    let arguments: Map<String, Value> = fields.get("arguments").unwrap_or_default();
    fields.finish();
    Some(CallPattern {
        tool: tool?,
        arguments,
    })
}

/// The ways to check an answer by one word, and their operators.
const SHORT_FORMS: [(&str, Operator); 4] = [
    ("contains", Operator::Contains),
    ("not_contains", Operator::NotContains),
    ("equals", Operator::Equals),
    ("matches", Operator::Matches),
];

pub(super) fn response_check(fields: &mut Fields<'_>) -> Option<Check> {
    let short: Vec<_> = SHORT_FORMS
        .into_iter()
        .filter_map(|(name, op)| Some((fields.some(name)?, op)))
        .collect();
    let judged = has_any(
        fields,
        &["comparison_prompt", "minimum_comparison_value", "sql_query"],
    );
    let schema = fields.some("json_schema");
    let selected = has_any(fields, &["json_path", "json_pointer"]);
    let compared = selected || has_any(fields, &["comparison_type", "expected_value"]);
    let ignore_case = fields.get("ignore_case").unwrap_or_default();
    let kinds = short.len() + usize::from(judged) + usize::from(schema.is_some()) + usize::from(compared);
    if kinds == 0 {
        let hint = "give `contains`, `not_contains`, `equals`, `matches`, `expected_value`, `json_schema`, \
                    `json_path` or `comparison_prompt`";
        fields.at().error_with("this check checks nothing", hint);
        return None;
    }
    if kinds > 1 {
        fields.at().error_with(
            "this check asks several things at once",
            "write one verifier for each",
        );
        return None;
    }
    let check = if judged {
        judge(fields)?
    } else if let Some(schema) = schema {
        json_schema(&schema)?
    } else if selected {
        let select = selector(fields);
        ResponseCheck::Json {
            comparison: comparison(fields)?,
            select: select?,
        }
    } else if let Some((at, operator)) = short.into_iter().next() {
        let expected: String = at.read()?;
        ResponseCheck::Text {
            comparison: checked(&at, operator, expected.into())?,
            ignore_case,
        }
    } else {
        ResponseCheck::Text {
            comparison: text_comparison(fields)?,
            ignore_case,
        }
    };
    Some(Check::ResponseCheck(check))
}

fn judge(fields: &mut Fields<'_>) -> Option<ResponseCheck> {
    let comparison_prompt = fields.require_text("comparison_prompt");
    let minimum_comparison_value = match fields.some("minimum_comparison_value") {
        None => PASSING_SCORE,
        Some(at) => {
            let score: f64 = at.read()?;
            if !(1.0..=10.0).contains(&score) {
                return at.wrong_type("a score from 1 to 10");
            }
            score
        }
    };
    let sql_query = fields
        .get::<String>("sql_query")
        .filter(|query| !query.trim().is_empty());
    Some(ResponseCheck::Judge {
        comparison_prompt: comparison_prompt?,
        minimum_comparison_value,
        sql_query,
    })
}

fn json_schema(at: &At<'_>) -> Option<ResponseCheck> {
    let schema = at.value();
    if let Err(error) = jsonschema::validator_for(&schema) {
        let within = error.instance_path().to_string();
        let within = if within.is_empty() {
            String::new()
        } else {
            format!(" at {within}")
        };
        at.error(format!("`json_schema` is not a JSON Schema{within}: {error}"));
        return None;
    }
    Some(ResponseCheck::JsonSchema { schema })
}

fn has_any(fields: &mut Fields<'_>, names: &[&'static str]) -> bool {
    // All of them are asked for, so that each becomes known.
    names.iter().filter(|name| fields.any(name).is_some()).count() > 0
}

fn selector(fields: &mut Fields<'_>) -> Option<Selector> {
    match (fields.some("json_path"), fields.some("json_pointer")) {
        (None, None) => Some(Selector::Whole),
        (Some(at), None) => {
            let path: String = at.read()?;
            if let Err(error) = serde_json_path::JsonPath::parse(&path) {
                at.error_with(
                    format!("`{path}` is not a JSON path: {error}"),
                    "write it like `$.issues[0].key`",
                );
                return None;
            }
            Some(Selector::JsonPath(path))
        }
        (None, Some(at)) => {
            let pointer: String = at.read()?;
            if !pointer.is_empty() && !pointer.starts_with('/') {
                at.error_with(
                    format!("`{pointer}` is not a JSON pointer"),
                    "write it like `/issues/0/key`",
                );
                return None;
            }
            Some(Selector::Pointer(pointer))
        }
        (Some(at), Some(_)) => {
            at.error_with(
                "both `json_path` and `json_pointer` are given",
                "keep one of them",
            );
            None
        }
    }
}

/// `comparison_type` (equals without it) and `expected_value`, which may be null but not absent.
fn comparison(fields: &mut Fields<'_>) -> Option<Comparison> {
    let operator = fields
        .some("comparison_type")
        .map_or(Some(Operator::Equals), |at| {
            let word: String = at.read()?;
            Operator::parse(&word)
                .map_err(|unknown| at.error_with(unknown.to_string(), unknown.hint()))
                .ok()
        });
    let Some(expected) = fields.any("expected_value") else {
        fields.missing("expected_value");
        return None;
    };
    checked(&expected, operator?, expected.value())
}

/// A comparison with a text: one that no text can satisfy, or that cannot be told, is a mistake.
fn text_comparison(fields: &mut Fields<'_>) -> Option<Comparison> {
    let comparison = comparison(fields)?;
    let equality = matches!(comparison.operator, Operator::Equals | Operator::NotEquals);
    let never = equality && !comparison.expected.is_string();
    if never || comparison.check(&Value::String(String::new())).is_err() {
        let at = fields.any("expected_value")?;
        at.error("`expected_value` must be a string, because it is compared with a text");
        return None;
    }
    Some(comparison)
}

fn checked(at: &At<'_>, operator: Operator, expected: Value) -> Option<Comparison> {
    let comparison = Comparison { operator, expected };
    comparison
        .validate()
        .map_err(|error| at.error(error.to_string()))
        .ok()?;
    Some(comparison)
}
