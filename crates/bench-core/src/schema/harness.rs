//! Shapes of harness files.

#![expect(dead_code, reason = "only the shape of these types is used")]
#![expect(
    clippy::struct_field_names,
    clippy::enum_variant_names,
    reason = "the names are those in the files"
)]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compare::Operator;
use crate::harness::Solution;
use crate::limits::LimitOverrides;

/// A file of scenarios.
#[derive(JsonSchema, Deserialize)]
pub(super) struct ScenarioFile {
    /// At least one.
    #[schemars(length(min = 1))]
    scenarios: Vec<Scenario>,
}

/// One thing to solve.
#[derive(JsonSchema, Deserialize)]
struct Scenario {
    /// Differs from every other scenario's; the name stands in.
    scenario_id: Option<String>,
    /// For people.
    name: Option<String>,
    /// For people.
    description: Option<String>,
    /// Sent one after another in one conversation. Empty: the gym is reached, no model is asked.
    prompts: Vec<Prompt>,
    /// Checks that belong to no prompt.
    verifier: Option<OneOrMany<Verifier>>,
    /// Checks that belong to no prompt.
    verifiers: Option<OneOrMany<Verifier>>,
    /// Gyms of the gym file that it acts on, by name.
    gym: Option<OneOrMany<String>>,
    /// Replaces the built-in system prompt.
    system_prompt: Option<String>,
    /// What ends a trial that does not end by itself.
    limits: Option<LimitOverrides>,
    /// For `--tag`.
    tags: Option<OneOrMany<String>>,
    /// If present, the model sees these tools only.
    allowed_tools: Option<OneOrMany<String>>,
    /// Hidden from the model, refused if called.
    restricted_tools: Option<OneOrMany<String>>,
    /// Reported, never scored.
    expected_tools: Option<OneOrMany<String>>,
    /// Weight in weighted means; 1 without it.
    #[schemars(range(min = 0.0))]
    weight: Option<f64>,
    /// How it can be solved: what the model `oracle` plays.
    solution: Option<Solution>,
    /// Free; kept for reports.
    metadata: Option<Map<String, Value>>,
}

/// One user turn.
#[derive(JsonSchema, Deserialize)]
struct Prompt {
    /// What the user says.
    prompt_text: String,
    /// Checks; all of a scenario are judged at its end.
    verifier: Option<OneOrMany<Verifier>>,
    /// Checks; all of a scenario are judged at its end.
    verifiers: Option<OneOrMany<Verifier>>,
    /// Reported, never scored.
    expected_tools: Option<OneOrMany<String>>,
    /// Hidden from the model, refused if called.
    restricted_tools: Option<OneOrMany<String>>,
    /// What `oracle` plays at this prompt.
    solution: Option<Solution>,
}

/// One task with gyms of its own.
#[derive(JsonSchema, Deserialize)]
pub(super) struct Task {
    /// Its id; the name of the file stands in.
    task_id: Option<Scalar>,
    /// Becomes a tag.
    domain: Option<String>,
    /// For people.
    name: Option<String>,
    /// For people.
    description: Option<String>,
    /// Replaces the built-in system prompt.
    system_prompt: Option<String>,
    /// What the user says.
    #[schemars(length(min = 1))]
    user_prompt: String,
    /// Its gyms.
    gym_servers_config: Option<Encoded<Vec<TaskGym>>>,
    /// The one gym of the flat form (the spelling is theirs).
    gym_enviornment_url: Option<String>,
    /// The one gym of the flat form.
    mcp_server_url: Option<String>,
    /// Path of the MCP end point; `/mcp` without it.
    mcp_endpoint: Option<String>,
    /// An SQL file; empty for the gym's own sample data.
    seed_database_file: Option<String>,
    /// Sent as `x-…` headers.
    context: Option<Encoded<BTreeMap<String, Option<Scalar>>>>,
    /// How to prove who we are.
    auth_config: Option<Encoded<AuthConfig>>,
    /// Gyms of the gym file that it acts on, by name.
    gym: Option<OneOrMany<String>>,
    /// If not empty, the model sees these tools only.
    selected_tools: Option<OneOrMany<String>>,
    /// Hidden from the model, refused if called.
    restricted_tools: Option<OneOrMany<String>>,
    /// Reported, never scored.
    expected_tools: Option<OneOrMany<String>>,
    /// Repetitions; the command line wins.
    #[schemars(range(min = 1))]
    number_of_runs: Option<f64>,
    /// Databases are fresh for every trial anyway.
    reset_database_between_runs: Option<bool>,
    /// Sampling temperature; the command line wins.
    temperature: Option<f64>,
    /// Output tokens of one reply; the command line wins.
    #[schemars(range(min = 1))]
    max_tokens: Option<f64>,
    /// Checks, judged at the end.
    verifiers: Option<Encoded<OneOrMany<Verifier>>>,
    /// What ends a trial that does not end by itself.
    limits: Option<Encoded<LimitOverrides>>,
    /// For `--tag`.
    tags: Option<OneOrMany<String>>,
    /// Weight in weighted means; 1 without it.
    weight: Option<f64>,
    /// How it can be solved: what the model `oracle` plays.
    solution: Option<Encoded<Solution>>,
    /// Free; kept for reports.
    metadata: Option<Encoded<Map<String, Value>>>,
}

/// A gym of a task.
#[derive(JsonSchema, Deserialize)]
struct TaskGym {
    /// Name by which verifiers call it.
    mcp_server_name: String,
    /// Address without the path of the end point.
    mcp_server_url: String,
    /// Path of the MCP end point; `/mcp` without it.
    mcp_endpoint: Option<String>,
    /// An SQL file; empty for the gym's own sample data.
    seed_database_file: Option<String>,
    /// How to prove who we are.
    auth_config: Option<AuthConfig>,
    /// Sent as `x-…` headers.
    context: Option<BTreeMap<String, Option<Scalar>>>,
}

/// How to prove who we are.
#[derive(JsonSchema, Deserialize)]
struct AuthConfig {
    /// `bearer`, `api_key` or `none`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The secret, or `${VARIABLE}`.
    token: Option<Scalar>,
    /// Header for `api_key`; `x-api-key` without it.
    header_name: Option<String>,
}

/// A check with its name.
#[derive(JsonSchema, Deserialize)]
struct Verifier {
    /// For people.
    name: Option<String>,
    /// For people.
    description: Option<String>,
    /// The gym it asks; the scenario's first without it.
    gym_name: Option<String>,
    /// The same as `gym_name`.
    gym: Option<String>,
    /// It protects what must not change: true before the first step already.
    guard: Option<bool>,
    #[serde(flatten)]
    check: Check,
}

/// What is checked.
#[derive(JsonSchema, Deserialize)]
#[serde(
    tag = "verifier_type",
    content = "validation_config",
    rename_all = "snake_case"
)]
enum Check {
    /// The value of an SQL query against the gym's SQL runner.
    DatabaseState(DatabaseState),
    /// The final answer: one of `contains`, `not_contains`, `equals`, `matches`, `expected_value`,
    /// `json_schema`, `json_path`, `comparison_prompt`.
    ResponseCheck(Box<ResponseCheck>),
    /// The tool calls that were made.
    ToolExecution(ToolExecution),
    /// What a read-only tool answers at the end.
    ToolResult(ToolResult),
    /// What a URL of a service answers.
    Http(Http),
    /// The exit status of a local program.
    Command(Command),
}

#[derive(JsonSchema, Deserialize)]
struct DatabaseState {
    /// One read-only statement.
    #[schemars(length(min = 1))]
    query: String,
    /// What the value is compared with; null is a value.
    expected_value: Value,
    /// `equals` without it.
    comparison_type: Option<ComparisonType>,
}

#[derive(JsonSchema, Deserialize)]
struct ResponseCheck {
    /// The answer contains this text.
    contains: Option<String>,
    /// The answer does not contain this text.
    not_contains: Option<String>,
    /// The answer is this text.
    equals: Option<String>,
    /// A regular expression that matches anywhere in the answer.
    matches: Option<String>,
    /// What the answer, or the part of it that is selected, is compared with.
    #[serde(default)]
    expected_value: Value,
    /// `equals` without it.
    comparison_type: Option<ComparisonType>,
    /// Compare without regard to case.
    ignore_case: Option<bool>,
    /// The answer is JSON that fits this schema.
    #[serde(default)]
    json_schema: Value,
    /// The answer is JSON; this RFC 9535 path selects a part.
    json_path: Option<String>,
    /// The answer is JSON; this RFC 6901 pointer selects a part.
    json_pointer: Option<String>,
    /// What a judge model is asked to compare the answer with.
    comparison_prompt: Option<String>,
    /// Lowest score of the judge, from 1 to 10, that passes; 7 without it.
    #[schemars(range(min = 1.0, max = 10.0))]
    minimum_comparison_value: Option<f64>,
    /// Its result is shown to the judge.
    sql_query: Option<String>,
}

#[derive(JsonSchema, Deserialize)]
struct ToolExecution {
    /// Each was called.
    required: Option<OneOrMany<String>>,
    /// The same as `required`.
    selected_tools: Option<OneOrMany<String>>,
    /// None was called.
    forbidden: Option<OneOrMany<String>>,
    /// Were called in this order, others may lie between.
    ordered: Option<OneOrMany<String>>,
    /// Each matches at least one call.
    calls: Option<OneOrMany<CallPattern>>,
    /// At least so many calls.
    minimum_tool_calls: Option<f64>,
    /// At most so many calls.
    maximum_tool_calls: Option<f64>,
    /// Count failed calls as calls.
    count_failed: Option<bool>,
}

#[derive(JsonSchema, Deserialize)]
struct CallPattern {
    /// Name of the tool.
    tool: String,
    /// The call's arguments contain these.
    arguments: Option<Map<String, Value>>,
}

#[derive(JsonSchema, Deserialize)]
struct ToolResult {
    /// The tool, called at the end.
    tool: String,
    /// Its arguments.
    arguments: Option<Map<String, Value>>,
    /// RFC 9535 path of the part to compare.
    json_path: Option<String>,
    /// RFC 6901 pointer of the part to compare.
    json_pointer: Option<String>,
    /// What the part is compared with.
    expected_value: Value,
    /// `equals` without it.
    comparison_type: Option<ComparisonType>,
}

#[derive(JsonSchema, Deserialize)]
struct Http {
    /// Asked with GET.
    url: String,
    /// The expected status; 200 without it.
    #[schemars(range(min = 100, max = 599))]
    status: Option<f64>,
    /// RFC 9535 path of the part of the JSON body to compare.
    json_path: Option<String>,
    /// RFC 6901 pointer of the part of the JSON body to compare.
    json_pointer: Option<String>,
    /// What the part is compared with.
    #[serde(default)]
    expected_value: Value,
    /// `equals` without it.
    comparison_type: Option<ComparisonType>,
}

#[derive(JsonSchema, Deserialize)]
struct Command {
    /// The program; one with a path is relative to this file.
    command: String,
    /// Its arguments; `{{trial_dir}}` is the trial's scratch folder.
    args: Option<OneOrMany<String>>,
    /// Its working folder, relative to this file; the scratch folder without it.
    cwd: Option<String>,
    /// Added to its environment.
    env: Option<BTreeMap<String, Scalar>>,
    /// The exit status that passes; 0 without it.
    exit_code: Option<f64>,
    /// What its output must satisfy as well.
    stdout: Option<Stdout>,
    /// A text that its output must contain.
    stdout_contains: Option<String>,
    /// Seconds until it is ended; 60 without it.
    timeout_seconds: Option<f64>,
}

#[derive(JsonSchema, Deserialize)]
struct Stdout {
    /// What the output is compared with.
    expected_value: Value,
    /// `equals` without it.
    comparison_type: Option<ComparisonType>,
}

/// One, or a list of them.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// The value, or a string that holds it as JSON.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum Encoded<T> {
    Plain(T),
    Json(String),
}

/// A string, or what stands for its text.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// How a value is compared. Every spelling is offered; case and surrounding space do not matter.
#[derive(Deserialize)]
struct ComparisonType(String);

impl JsonSchema for ComparisonType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ComparisonType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let spellings: Vec<&str> = Operator::ALL
            .into_iter()
            .flat_map(Operator::spellings)
            .copied()
            .collect();
        // The second branch accepts any string, for other cases; the first one is for completion.
        json_schema!({
            "description": "How the value is compared; case does not matter.",
            "anyOf": [{"enum": spellings}, {"type": "string"}],
        })
    }
}
