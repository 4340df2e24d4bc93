//! The runs that the dashboard shows: one that was really made, copied many times, and some whose workers wait for a model
//! that never answers.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench_tests::bed::TestBed;
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Reply, Script, Turn};
use serde_json::{Value, json};

use crate::Failure;

/// Seconds between the beginnings of two past runs.
const APART: u64 = 600;

/// A folder of results.
pub(crate) struct World {
    bed: TestBed,
    _stub: ModelStub,
    /// The run whose first trial has a long transcript.
    pub(crate) long: String,
}

impl World {
    /// Makes the past runs, and one with a transcript of so many lines.
    pub(crate) fn make(folder: &Path, past: usize, lines: usize) -> Result<Self, Failure> {
        let stub = ModelStub::start(Script {
            conversations: vec![
                Conversation::when("[quick]", [Turn::say("done")]),
                Conversation::when("[hangs]", [Turn::from(Reply::Fault(Fault::Hang))]),
            ],
        });
        let bed = TestBed::below(folder)
            .env("OPENAI_BASE_URL", stub.openai_url())
            .env("OPENAI_API_KEY", "sk-stub-0123456789");
        let called = json!({"tool": "get_issue", "arguments": {"issueIdOrKey": "WEB-18"}});
        let calls: Vec<&Value> = vec![&called; 5];
        let past_scenario = json!({
            "scenario_id": "past", "name": "past",
            "prompts": [{"prompt_text": "Read WEB-18 five times.", "verifier": answers()}],
            "solution": {"calls": calls, "answer": "done"},
        });
        bed.write_json("past.json", &json!({"scenarios": [past_scenario]}));
        let scenarios = ["quick", "hangs"].map(|id| {
            let prompt = format!("[{id}] Do your work.");
            json!({"scenario_id": id, "name": id, "prompts": [{"prompt_text": prompt, "verifier": answers()}]})
        });
        bed.write_json("active.json", &json!({"scenarios": scenarios}));
        let made = bed.bench("run past.json --model oracle --model noop --ui quiet");
        if made.code != Some(0) {
            return Err(made.to_string().into());
        }
        let original = bed.the_run();
        for n in 0..past {
            copy(original.path(), n)?;
        }
        let long = original.id();
        lengthen(&original.path().join("trials/past~oracle~1.jsonl"), lines)?;
        Ok(Self {
            bed,
            _stub: stub,
            long,
        })
    }

    /// Starts runs that go on until they are killed.
    pub(crate) fn begin(&self, runs: usize) -> Result<(), Failure> {
        for _ in 0..runs {
            let started = self
                .bed
                .bench("run active.json --model openai:m --runs 4 --background");
            if started.code != Some(0) {
                return Err(started.to_string().into());
            }
        }
        Ok(())
    }

    /// `bench-cli` with these arguments.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.bed.command();
        command.args(arguments.split_whitespace());
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let active: Vec<String> = self
            .bed
            .runs()
            .iter()
            .filter(|run| run.status() == "running")
            .map(bench_tests::bed::RunFolder::id)
            .collect();
        if !active.is_empty() {
            self.bed.bench(&format!("kill {} --grace 1s", active.join(" ")));
        }
    }
}

fn answers() -> Value {
    json!([{"verifier_type": "response_check", "validation_config": {"contains": "done"}}])
}

/// A copy of a run under an id of its own, begun the earlier the higher its number. What does not hold the id is shared.
fn copy(run: &Path, n: usize) -> Result<(), Failure> {
    let (days, seconds) = (n as u64 * APART / 86_400, n as u64 * APART % 86_400);
    let (year, month, day) = (2025 - days / 336, 12 - days / 28 % 12, 28 - days % 28);
    let (hour, minute) = (23 - seconds / 3_600, 59 - seconds / 60 % 60);
    let id = format!("run_{year:04}{month:02}{day:02}_{hour:02}{minute:02}00_{n:08x}");
    let copy = run.with_file_name(&id);
    link_all(run, &copy)?;
    let mut state: Value = serde_json::from_slice(&fs::read(run.join("state.json"))?)?;
    let began = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}");
    state["run_id"] = json!(id);
    state["harness_name"] = json!(["quickstart", "jira-smoke", "tickets", "nightly"][n % 4]);
    state["started_at"] = json!(format!("{began}:00.000Z"));
    state["completed_at"] = json!(format!("{began}:05.000Z"));
    fs::write(copy.join("state.json"), serde_json::to_vec_pretty(&state)?)?;
    Ok(())
}

fn link_all(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_all(&entry.path(), &target)?;
        } else if entry.file_name() != "state.json" {
            fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Repeats the middle of a transcript until it has so many lines. Its copies keep the short one.
fn lengthen(transcript: &Path, lines: usize) -> Result<(), Failure> {
    let text = fs::read_to_string(transcript)?;
    let all: Vec<&str> = text.lines().collect();
    let turns: Vec<&&str> = all
        .iter()
        .filter(|line| line.contains(r#""type":"assistant""#) || line.contains(r#""type":"tool_result""#))
        .collect();
    let (head, tail) = all.split_at(all.len() - 1);
    let middle = turns.iter().cycle().take(lines.saturating_sub(all.len()));
    let mut long: Vec<&str> = head.to_vec();
    long.extend(middle.map(|line| **line));
    long.extend(tail);
    fs::remove_file(transcript)?;
    fs::write(transcript, long.join("\n") + "\n")?;
    Ok(())
}
