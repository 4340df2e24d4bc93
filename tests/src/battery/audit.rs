//! What must hold of a folder of results after anything: checked without the product's code, as a script would.
//!
//! A journal is dense and whole, what it names is on the disk, a run is over exactly if it has an end, a failed run
//! has a cause, and the list says what the files say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bed::{RunFolder, TestBed};

/// What is wrong, in one sentence.
pub type Fault = String;

/// A run as its journal tells it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The last outcome of each trial that ended.
    pub finished: BTreeMap<String, String>,
    /// Every gym database that was ever named.
    pub databases: BTreeSet<String>,
}

impl Told {
    /// Trials that count as done.
    pub fn done(&self) -> BTreeSet<&str> {
        self.finished.keys().map(String::as_str).collect()
    }
}

/// Lists all runs through the product; every one must be over, with a cause if it failed.
pub fn list_over(bed: &TestBed) -> Result<Vec<Value>, Fault> {
    let rows = list(bed)?;
    for row in &rows {
        check(row["status"] != "running", || {
            format!("still running after a list: {row}")
        })?;
    }
    Ok(rows)
}

/// Lists all runs through the product.
pub fn list(bed: &TestBed) -> Result<Vec<Value>, Fault> {
    let shot = bed.bench("list --json --limit 0");
    check(shot.code == Some(0), || format!("the list fails: {shot}"))?;
    let listing: Value =
        serde_json::from_str(&shot.stdout).map_err(|e| format!("the list is no JSON: {e}"))?;
    let problems = listing["problems"]
        .as_array()
        .ok_or("the list has no problems field")?;
    check(problems.is_empty(), || {
        format!("the list has problems: {problems:?}")
    })?;
    let rows = listing["runs"].as_array().ok_or("the list has no runs field")?;
    for row in rows {
        consistent(row)?;
    }
    Ok(rows.clone())
}

/// Compares a list with what lies in the folder.
pub fn same_as_on_disk(bed: &TestBed, rows: &[Value]) -> Result<(), Fault> {
    let listed: BTreeSet<String> = rows.iter().map(|row| text(row, "run_id")).collect();
    let there: BTreeSet<String> = bed.runs().iter().map(RunFolder::id).collect();
    check(listed == there, || {
        format!("listed {listed:?}, on the disk {there:?}")
    })?;
    for row in rows.iter().filter(|row| row["status"] != "running") {
        let state = json(
            &bed.results()
                .join("runs")
                .join(text(row, "run_id"))
                .join("state.json"),
        )?;
        for field in [
            "status",
            "started_at",
            "completed_at",
            "error",
            "cause",
            "progress",
            "generation",
        ] {
            check(state[field] == row[field], || {
                format!(
                    "`{field}` is listed as {}, stored as {}",
                    row[field], state[field]
                )
            })?;
        }
    }
    Ok(())
}

/// Over exactly if it has an end; a cause exactly if it failed or was cancelled.
fn consistent(row: &Value) -> Result<(), Fault> {
    let status = row["status"].as_str().unwrap_or_default();
    let over = matches!(status, "completed" | "failed" | "cancelled");
    check(over || status == "running", || format!("a strange status: {row}"))?;
    check(over != row["completed_at"].is_null(), || {
        format!("over without an end, or the reverse: {row}")
    })?;
    let told = row["cause"].is_string() && row["error"].is_string();
    check(status != "failed" || told, || {
        format!("failed without a cause: {row}")
    })?;
    let ended = row["completed_at"].as_str().unwrap_or("9");
    check(
        row["started_at"].as_str().is_some_and(|began| began <= ended),
        || format!("it ended before it began: {row}"),
    )
}

/// Everything that the files of a run must agree on.
pub fn sound(run: &RunFolder) -> Result<Told, Fault> {
    let state = json(&run.path().join("state.json"))?;
    consistent(&state)?;
    json(&run.path().join("session.json"))?;
    json(&run.path().join("plan.json"))?;
    let told = journal(run)?;
    let done = |word: &str| told.finished.values().filter(|outcome| *outcome == word).count();
    if state["status"] != "running" {
        for (field, count) in [("trials_done", told.finished.len()), ("passed", done("passed"))] {
            check(state["progress"][field] == count, || {
                format!(
                    "`{field}` is {} in state.json, {count} in the journal",
                    state["progress"][field]
                )
            })?;
        }
    }
    Ok(told)
}

/// Reads a journal that nobody writes to: dense, whole, and all that it names is there.
fn journal(run: &RunFolder) -> Result<Told, Fault> {
    let path = run.path().join("events.jsonl");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut told = Told::default();
    let mut files = BTreeMap::new();
    // What follows the last newline was never acknowledged.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for (index, line) in whole.lines().enumerate() {
        let place = || format!("{}:{}", path.display(), index + 1);
        let event: Value = serde_json::from_str(line).map_err(|e| format!("{}: {e}", place()))?;
        check(event["seq"] == index + 1, || {
            format!("{}: not dense: {line}", place())
        })?;
        check(crc_fits(line), || {
            format!("{}: the checksum does not fit: {line}", place())
        })?;
        let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("database_named") => drop(told.databases.insert(field("database_id"))),
            Some("trial_finished") => {
                told.finished.insert(field("trial"), field("outcome"));
                files.insert(field("trial"), event["record"]["len"].clone());
            }
            _ => {}
        }
    }
    for (trial, length) in files {
        let path = run.path().join("trials").join(format!("{trial}.json"));
        let record = json(&path)?;
        let found = fs::metadata(&path).map_or(0, |file| file.len());
        check(length == found, || {
            format!("{}: {found} bytes, recorded {length}", path.display())
        })?;
        check(record["outcome"] == told.finished[&trial].as_str(), || {
            format!(
                "{}: outcome {}, recorded {}",
                path.display(),
                record["outcome"],
                told.finished[&trial]
            )
        })?;
    }
    Ok(told)
}

/// The last member is the CRC-32 of everything before it.
fn crc_fits(line: &str) -> bool {
    let Some((before, crc)) = line.rsplit_once(",\"crc\":\"") else {
        return false;
    };
    crc.strip_suffix("\"}")
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        == Some(crc32fast::hash(before.as_bytes()))
}

/// Every file below a folder with its content.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let content = fs::read(&path).unwrap_or_default();
                found.insert(path.display().to_string(), content);
            }
        }
    }
    found
}

/// A fault, unless it holds.
pub fn check(holds: bool, fault: impl FnOnce() -> Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault()) }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn json(path: &Path) -> Result<Value, Fault> {
    let text = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}
