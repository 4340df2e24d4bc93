//! What a run left on disk, read as a script of the user would: plain files, no code of the product.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::filter;
use super::processes::{await_none, processes_of};

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The run in this folder.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run id.
    pub fn id(&self) -> String {
        let name = self.path.file_name().expect("a run folder has a name");
        name.to_string_lossy().into_owned()
    }

    /// `state.json`.
    pub fn state(&self) -> Value {
        self.json("state.json")
    }

    /// `session.json`.
    pub fn session(&self) -> Value {
        self.json("session.json")
    }

    /// `status` of `state.json`.
    pub fn status(&self) -> String {
        text(&self.state(), "status")
    }

    /// A JSON file in the folder.
    pub fn json(&self, name: &str) -> Value {
        read_json(&self.path.join(name))
    }

    /// Every line of the journal.
    pub fn events(&self) -> Vec<Value> {
        let path = self.path.join("events.jsonl");
        let lines = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        lines.lines().map(parse).collect()
    }

    /// Every `trials/<id>.json`, by trial id.
    pub fn trials(&self) -> BTreeMap<String, Value> {
        let mut trials = BTreeMap::new();
        for entry in fs::read_dir(self.path.join("trials")).expect("a folder of trials") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let stem = path.file_stem().expect("a file name");
                trials.insert(stem.to_string_lossy().into_owned(), read_json(&path));
            }
        }
        trials
    }

    /// The outcome of every trial, by trial id.
    pub fn outcomes(&self) -> BTreeMap<String, String> {
        let outcome = |(id, trial): (String, Value)| (id, text(&trial, "outcome"));
        self.trials().into_iter().map(outcome).collect()
    }

    /// The outcome of every trial with its cause, a line each, for snapshots: ports and times filtered out.
    pub fn outcome_lines(&self) -> String {
        let line = |(id, trial): (String, Value)| {
            let cause = trial.get("cause").and_then(Value::as_str);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{id} {}{cause}", text(&trial, "outcome"))
        };
        let lines: Vec<String> = self.trials().into_iter().map(line).collect();
        filter::clean(&lines.join("\n"), &self.path)
    }

    /// The entries of a trial's transcript.
    pub fn transcript(&self, trial: &str) -> Vec<Value> {
        let path = self.path.join("trials").join(format!("{trial}.jsonl"));
        let lines = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        lines.lines().map(parse).collect()
    }

    /// Processes that still carry the run's mark.
    pub fn processes(&self) -> Vec<String> {
        processes_of(&self.id())
    }

    /// The same, once those that were killed a moment ago have had time to go.
    pub fn left_behind(&self) -> Vec<String> {
        await_none(&self.id())
    }
}

fn text(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no `{name}` in {value:#}"))
        .to_owned()
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
