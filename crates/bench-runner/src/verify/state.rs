//! Checks of the final state of a gym: by SQL, or by a tool that reads.

use std::time::Duration;

use bench_core::Comparison;
use bench_core::verifier::Selector;
use serde_json::{Map, Value};

use super::finding::Finding;
use super::select::select;
use crate::gym::{GymSession, ToolDeadline};

/// A reading tool that takes longer is an error of the check.
const TOOL: ToolDeadline = ToolDeadline {
    idle: Duration::from_secs(30),
    total: Duration::from_secs(50),
};

/// The value of a query satisfies a comparison.
pub(super) async fn database(gym: &dyn GymSession, query: &str, comparison: &Comparison) -> Finding {
    let finding = match gym.query(query).await {
        Ok(value) => Finding::compared(comparison, value, false),
        Err(error) => Finding::of_gym(&error),
    };
    finding.asked(query)
}

/// A part of what a tool answers satisfies a comparison.
pub(super) async fn tool_result(
    gym: &dyn GymSession,
    tool: &str,
    arguments: &Map<String, Value>,
    selector: &Selector,
    comparison: &Comparison,
) -> Finding {
    let finding = match gym.call_tool(tool, arguments.clone(), TOOL).await {
        Err(error) => Finding::of_gym(&error),
        Ok(output) if output.is_error => Finding::errored(format!("`{tool}` failed: {}", output.text)),
        Ok(output) => {
            let value = match output.structured {
                Value::Null => serde_json::from_str(&output.text).unwrap_or(Value::String(output.text)),
                structured => structured,
            };
            match select(selector, &value) {
                Ok(part) => Finding::compared(comparison, part, false),
                Err(problem) => Finding::permanent(problem),
            }
        }
    };
    finding.asked(format!("{tool} {}", Value::Object(arguments.clone())))
}
