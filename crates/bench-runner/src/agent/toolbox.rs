//! The tools of a trial: what the model sees, and where each is called.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bench_core::Scenario;
use bench_core::event::ToolChange;

use crate::gym::GymSession;
use crate::model::{ToolSpec, qualified_tool_name};

/// The tools of a trial: what the model sees, and which gym's tool each is.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    pub(crate) offered: Vec<ToolSpec>,
    /// For each offered tool: index of its gym, and its name there.
    homes: Vec<(usize, String)>,
    restricted: BTreeSet<String>,
    /// What their schemas are sent without, as the transcript has it.
    pub(super) told: Mutex<Vec<ToolChange>>,
}

impl Toolbox {
    /// Merges the gyms' tools in order. Of equal names the first gym's keeps the name, the others are
    /// offered as `gym__tool`. Restricted tools, and with an allow-list all others, are hidden in every
    /// gym.
    pub(crate) fn new(scenario: &Scenario, gyms: &[(String, Box<dyn GymSession>)]) -> Self {
        let restricted = scenario.restricted_tools.iter().cloned().collect();
        let mut toolbox = Self {
            restricted,
            ..Self::default()
        };
        let mut taken = BTreeSet::new();
        for (gym, (name, session)) in gyms.iter().enumerate() {
            for tool in session.tools() {
                let allowed = scenario
                    .allowed_tools
                    .as_ref()
                    .is_none_or(|list| list.contains(&tool.name));
                if !allowed || toolbox.restricted.contains(&tool.name) {
                    continue;
                }
                let qualified = || qualified_tool_name(name, &tool.name);
                let seen_as = if taken.contains(&tool.name) {
                    qualified()
                } else {
                    tool.name.clone()
                };
                if taken.insert(seen_as.clone()) {
                    toolbox.offered.push(ToolSpec {
                        name: seen_as,
                        ..tool.clone()
                    });
                    toolbox.homes.push((gym, tool.name.clone()));
                }
            }
        }
        toolbox
    }

    /// The gym of an offered tool, and the tool's name there.
    pub(super) fn home(&self, tool: &str) -> Option<(usize, &str)> {
        let index = self.offered.iter().position(|t| t.name == tool)?;
        self.homes.get(index).map(|(gym, name)| (*gym, name.as_str()))
    }

    pub(super) fn unknown(&self, tool: &str) -> String {
        if self.restricted.contains(tool) {
            return format!("The tool `{tool}` is not allowed here.");
        }
        let names: Vec<&str> = self.offered.iter().map(|t| t.name.as_str()).collect();
        format!(
            "There is no tool `{tool}`. Available tools: {}.",
            names.join(", ")
        )
    }
}
