//! The tracker as a server of its own: its databases can be counted from outside, and outlive a killed worker.

use serde_json::{Value, json};

use super::{PATIENCE, Started, TestBed};
use crate::loopback;

/// `bench-cli gym serve` in a process of its own.
#[derive(Debug)]
pub struct GymServe {
    _process: Started,
    url: String,
}

impl GymServe {
    /// Starts it on a free port.
    pub fn start(bed: &TestBed) -> Self {
        let process = bed.start("gym serve --port 0");
        let line = process.stdout_line(PATIENCE, |line| line.contains("/mcp"));
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://") && word.contains("/mcp"));
        let url = url.expect("an address in the line").trim_end_matches("/mcp");
        Self {
            url: url.to_owned(),
            _process: process,
        }
    }

    /// Its MCP address.
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.url)
    }

    /// A gym file that names it.
    pub fn gym_file(&self) -> Value {
        json!({"gyms": {"served": {"url": self.mcp_url()}}, "default": "served"})
    }

    /// Ids of the databases it holds.
    pub fn databases(&self) -> Vec<String> {
        let text =
            loopback::ask("GET", &format!("{}/api/databases", self.url)).expect("an answer of the gym");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        serde_json::from_value(answer["databases"].clone()).expect("a list of ids")
    }
}
