//! Harness files: what an agent should achieve, and how that is checked.
//!
//! This module holds what the rest of the program knows of a harness. Reading the file forms
//! (scenario form, task form, rows) happens in the modules below it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::gym::GymSpec;
use crate::limits::LimitOverrides;
use crate::problem::{Place, Problem};
use crate::verifier::VerifierSpec;

mod common;
mod scenario_form;
mod source;
mod task_form;
mod task_gym;
mod verifier_config;
mod verifier_form;

pub use source::{ReadFile, Source};

/// One harness file, or a folder of them, understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Harness {
    /// What lists and tables call it: its own `name`, else that of the file or folder.
    pub name: String,
    /// The files that were read.
    pub sources: Vec<SourceRef>,
    /// In the order of the files and within them.
    pub scenarios: Vec<Scenario>,
    /// Repetitions that the file asks for; the command line wins.
    pub number_of_runs: Option<u32>,
    /// Temperature that the file asks for; the command line wins.
    pub temperature: Option<f64>,
    /// Output tokens that the file asks for; the command line wins.
    pub max_output_tokens: Option<u64>,
    /// What was odd but did not stop the reading.
    pub warnings: Vec<Problem>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRef {
    /// Path as given by the caller (absolute in a plan).
    pub path: String,
    /// Lower-case hexadecimal SHA-256 of the content.
    pub sha256: String,
}

/// One thing to solve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Differs from every other scenario's of the harness.
    pub scenario_id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it was written down.
    pub origin: Origin,
    /// Sent one after another in one conversation. Empty: the gym is reached, no model is asked.
    pub prompts: Vec<Prompt>,
    /// Those of all prompts, judged at the end.
    pub verifiers: Vec<VerifierSpec>,
    /// Ours without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// What it acts on.
    #[serde(default)]
    pub world: World,
    /// What it says of the limits.
    #[serde(default, skip_serializing_if = "LimitOverrides::is_empty")]
    pub limits: LimitOverrides,
    /// For `--tag`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// If present, the model sees these tools only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// Hidden from the model, refused if called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restricted_tools: Vec<String>,
    /// Reported, never scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<String>,
    /// Weight in weighted means.
    #[serde(default = "one")]
    pub weight: f64,
    /// How it can be solved: what `oracle` plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solution: Option<Solution>,
    /// Free; kept for reports.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

fn one() -> f64 {
    1.0
}

impl Default for Scenario {
    /// A scenario that asks nothing, with the weight of any other.
    fn default() -> Self {
        Self {
            scenario_id: String::new(),
            name: String::new(),
            description: String::new(),
            origin: Origin::default(),
            prompts: Vec::new(),
            verifiers: Vec::new(),
            system_prompt: None,
            world: World::Default,
            limits: LimitOverrides::default(),
            tags: Vec::new(),
            allowed_tools: None,
            restricted_tools: Vec::new(),
            expected_tools: Vec::new(),
            weight: one(),
            solution: None,
            metadata: Map::new(),
        }
    }
}

impl Scenario {
    /// Where it was written, for problems that concern all of it.
    pub fn place(&self) -> Place {
        let scenario = Some(self.scenario_id.clone());
        if !self.origin.shown.file.is_empty() {
            return Place {
                scenario,
                ..self.origin.shown.clone()
            };
        }
        Place {
            line: Some(self.origin.line),
            pointer: self.origin.pointer.clone(),
            scenario,
            ..Place::file(self.origin.file.clone())
        }
    }

    /// Where one of its verifiers was written; the scenario itself if that is not known.
    pub fn place_of(&self, verifier: &VerifierSpec) -> Place {
        if verifier.place.file.is_empty() {
            return self.place();
        }
        Place {
            scenario: Some(self.scenario_id.clone()),
            ..verifier.place.clone()
        }
    }

    /// Whether a solution is written down for any of it.
    pub fn has_solution(&self) -> bool {
        self.solution.is_some() || self.prompts.iter().any(|p| p.solution.is_some())
    }
}

/// The place of a scenario in the sources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// Line of its first character, from 1.
    pub line: u32,
    /// JSON pointer in the document (for rows: in the row).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// SHA-256 of the scenario's own text, lower-case hexadecimal.
    pub sha256: String,
    /// The same place for people: the file as they named it, with the text of the line. Not kept in plans.
    #[serde(skip)]
    pub shown: Place,
}

/// What a scenario acts on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "gyms", content = "list", rename_all = "snake_case")]
#[non_exhaustive]
pub enum World {
    /// The run's default gyms.
    #[default]
    Default,
    /// Gyms of the gym file, by name.
    Named(Vec<String>),
    /// Gyms written down in the harness file itself (task form).
    Own(Vec<GymSpec>),
}

/// One user turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// What the user says.
    pub text: String,
    /// Reported, never scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_tools: Vec<String>,
    /// What `oracle` plays at this prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solution: Option<Solution>,
}

/// Tool calls and an answer that solve a scenario or a prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Solution {
    /// In this order.
    pub calls: Vec<SolutionCall>,
    /// The final answer; "done" without it. May hold `{{name/json/pointer}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// One tool call of a solution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SolutionCall {
    /// Name of the tool.
    pub tool: String,
    /// Gym that offers it, where several do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Its arguments. A string that is exactly `{{name/json/pointer}}` takes an earlier result's value
    /// with its type; inside longer text, its text.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Name under which later calls refer to the result.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub save_as: Option<String>,
}

/// Named results of earlier calls of a solution.
pub type Results = BTreeMap<String, Value>;
