//! Verifiers: checks on the final state, the answer or the tool calls.
//!
//! A [`VerifierSpec`] says what to check; the runner executes it and turns what it found into a
//! [`crate::Verdict`]. Whether a value satisfies a comparison is decided in [`crate::compare`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::compare::Comparison;
use crate::problem::Place;

/// A check with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifierSpec {
    /// For people; the type stands in where a file gives none. Several may share a name.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The gym it asks; the scenario's only (or first) gym without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gym: Option<String>,
    /// The prompt it was written at, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<usize>,
    /// It protects what must not change: true before the first step already, and to stay so. `check` holds it to that;
    /// it is judged like any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard: bool,
    /// Where it was written, for people, without the text of the line. Not kept in plans.
    #[serde(skip)]
    pub place: Place,
    /// What is checked.
    #[serde(flatten)]
    pub check: Check,
}

impl VerifierSpec {
    /// A check with its name, of the scenario's own gym, and written nowhere.
    pub fn new(name: impl Into<String>, check: Check) -> Self {
        Self {
            name: name.into(),
            description: None,
            gym: None,
            prompt: None,
            guard: false,
            place: Place::default(),
            check,
        }
    }
}

/// What a verifier checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "verifier_type",
    content = "validation_config",
    rename_all = "snake_case"
)]
#[non_exhaustive]
pub enum Check {
    /// The value of an SQL query against the gym's SQL runner.
    DatabaseState {
        /// One read-only statement.
        query: String,
        /// What its value must satisfy.
        comparison: Comparison,
    },
    /// The final answer.
    ResponseCheck(ResponseCheck),
    /// The tool calls that were made.
    ToolExecution(ToolExecution),
    /// What a read-only tool answers at the end.
    ToolResult {
        /// The tool.
        tool: String,
        /// Its arguments.
        #[serde(default)]
        arguments: Map<String, Value>,
        /// The part of the result to compare; all of it without a selector.
        #[serde(default)]
        select: Selector,
        /// What that part must satisfy.
        comparison: Comparison,
    },
    /// What a URL of a service answers.
    Http {
        /// Asked with GET.
        url: String,
        /// The HTTP status that is expected.
        status: u16,
        /// The part of the JSON body to compare.
        #[serde(default)]
        select: Selector,
        /// What that part must satisfy, if the body matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comparison: Option<Comparison>,
    },
    /// The exit status of a local program.
    Command(CommandCheck),
    /// A check that the embedding program brings; never read from a harness file.
    Custom {
        /// The name under which it was registered with the runner.
        kind: String,
        /// Whatever it needs.
        #[serde(default)]
        config: Value,
    },
}

impl Check {
    /// Whether it looks at the world, which has a state before the first step, and not at what the model said or did.
    pub fn looks_at_state(&self) -> bool {
        matches!(
            self,
            Self::DatabaseState { .. } | Self::ToolResult { .. } | Self::Http { .. } | Self::Command(_)
        )
    }

    /// Whether a model judges, who has to be asked.
    pub fn asks_judge(&self) -> bool {
        matches!(self, Self::ResponseCheck(ResponseCheck::Judge { .. }))
    }

    /// The `verifier_type` that users write.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::DatabaseState { .. } => "database_state",
            Self::ResponseCheck(_) => "response_check",
            Self::ToolExecution(_) => "tool_execution",
            Self::ToolResult { .. } => "tool_result",
            Self::Http { .. } => "http",
            Self::Command(_) => "command",
            Self::Custom { .. } => "custom",
        }
    }
}

/// Which part of a JSON value is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "by", content = "path", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Selector {
    /// All of it.
    #[default]
    Whole,
    /// The value at an RFC 6901 JSON pointer.
    Pointer(String),
    /// The nodes of an RFC 9535 JSON path: one node as its value, several as a list, none as null.
    JsonPath(String),
}

/// A check of the final answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseCheck {
    /// The answer's text satisfies a comparison (contains, equals, matches, …).
    Text {
        /// What it must satisfy.
        comparison: Comparison,
        /// Compare without regard to case (contains and equals).
        #[serde(default)]
        ignore_case: bool,
    },
    /// The answer is JSON (bare, or in the one fenced block) that fits a JSON Schema.
    JsonSchema {
        /// The schema.
        schema: Value,
    },
    /// The answer is JSON of which one part satisfies a comparison.
    Json {
        /// Which part.
        select: Selector,
        /// What it must satisfy.
        comparison: Comparison,
    },
    /// A model judges the answer on a scale from 1 to 10.
    Judge {
        /// What the judge is asked to compare with.
        comparison_prompt: String,
        /// Lowest score that passes.
        minimum_comparison_value: f64,
        /// Its result is shown to the judge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sql_query: Option<String>,
    },
}

/// A check of the tool calls that were made, those that failed excluded unless said otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolExecution {
    /// Each was called (task form: `selected_tools`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// None was called, successfully or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// Were called in this order, others may lie between.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ordered: Vec<String>,
    /// Each matches at least one call: the tool's name, and arguments that contain these values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallPattern>,
    /// At least so many calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_tool_calls: Option<u32>,
    /// At most so many calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_tool_calls: Option<u32>,
    /// Count failed calls as calls.
    pub count_failed: bool,
}

/// A tool call that is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallPattern {
    /// Name of the tool.
    pub tool: String,
    /// Objects match if they contain these members, everything else if it is equal.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
}

/// A check by a local program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandCheck {
    /// The program.
    pub command: String,
    /// Its arguments. `{{trial_dir}}` stands for the trial's own scratch folder.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its working folder, relative to the harness file; the trial's scratch folder without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Added to its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The exit status that passes.
    #[serde(default)]
    pub exit_code: i32,
    /// What its standard output, trimmed, must satisfy as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Comparison>,
    /// Seconds until it is ended and the verdict is an error.
    #[serde(default = "command_timeout")]
    pub timeout_seconds: f64,
}

fn command_timeout() -> f64 {
    60.0
}
