//! Runs in a line each, in the words of the older tool: `🔄 task.json • claude (3/5) | 5m ago`.

use crate::runs::{self, RunRow, Times};
use crate::text;

/// A run in such a line.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What lists show of it.
    pub row: RunRow,
    /// Repetitions of each scenario with each model; 0 if that is not known.
    pub runs: u32,
}

/// The line of a run, by whether it is over.
pub fn line(entry: &Entry, times: Times) -> String {
    let row = &entry.row;
    let harness = text::shorten(&text::clean_line(&row.harness), 60).into_owned();
    let models = text::shorten(&text::clean_line(&row.models), 60).into_owned();
    let (progress, started) = (&row.progress, times.text(row.started_at));
    let trials = runs::trials(progress);
    let times_tried = match entry.runs {
        0 => String::new(),
        n => format!(" ×{n}"),
    };
    if row.completed_at.is_none() {
        // The worker is stopped, or nobody here can tell.
        let standing = match row.status.as_str() {
            "running" => String::new(),
            status => format!(" • {status}"),
        };
        return format!(
            "🔄 {harness} • {models} {trials}{standing} | {started} | {}",
            row.run_id
        );
    }
    let verifiers = format!("{}/{}", progress.verifiers_passed, progress.verifiers_total);
    let share = (progress.verifiers_total > 0).then(|| {
        let share = f64::from(progress.verifiers_passed) / f64::from(progress.verifiers_total);
        format!(" ({})", text::percent(Some(share)))
    });
    let share = share.unwrap_or_default();
    let sign = match row.status.as_str() {
        "completed" => "✓".to_owned(),
        status => format!("✗ {status} {trials}"),
    };
    format!(
        "{sign} {started} • {harness} • {models}{times_tried} • {verifiers}{share} | {}",
        row.run_id
    )
}

#[cfg(test)]
mod tests {
    use bench_core::Progress;

    use super::*;

    #[test]
    fn runs_in_the_words_of_the_older_tool() {
        let progress = Progress {
            trials_total: 5,
            trials_done: 3,
            verifiers_passed: 45,
            verifiers_total: 50,
            ..Progress::default()
        };
        let at = |text: &str| text.parse().unwrap();
        let entry = |status: &str, over: bool| Entry {
            row: RunRow {
                run_id: "run_20260102_030405_0badcafe".into(),
                status: status.into(),
                started_at: at("2026-01-02T03:04:05Z"),
                completed_at: over.then(|| at("2026-01-02T03:14:05Z")),
                progress: progress.clone(),
                harness: "task.json".into(),
                models: "claude-sonnet-4".into(),
            },
            runs: 5,
        };
        let times = Times::Ago(at("2026-01-02T03:09:05Z"));
        let lines = [
            ("running", false),
            ("unknown", false),
            ("stopped", false),
            ("completed", true),
            ("failed", true),
        ]
        .map(|(status, over)| line(&entry(status, over), times));
        insta::assert_snapshot!(lines.join("\n"), @r"
        🔄 task.json • claude-sonnet-4 (3/5) | 5m ago | run_20260102_030405_0badcafe
        🔄 task.json • claude-sonnet-4 (3/5) • unknown | 5m ago | run_20260102_030405_0badcafe
        🔄 task.json • claude-sonnet-4 (3/5) • stopped | 5m ago | run_20260102_030405_0badcafe
        ✓ 5m ago • task.json • claude-sonnet-4 ×5 • 45/50 (90.0%) | run_20260102_030405_0badcafe
        ✗ failed (3/5) 5m ago • task.json • claude-sonnet-4 ×5 • 45/50 (90.0%) | run_20260102_030405_0badcafe
        ");
        assert!(line(&entry("running", false), Times::Iso).contains("| 2026-01-02T03:04:05Z |"));
    }
}
