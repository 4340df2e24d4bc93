//! Replayed trials that went otherwise than when they were recorded.

use bench_core::drift::Drift;
use bench_core::event::TrialFinished;
use serde::Serialize;

use crate::text;

/// Longest difference that is shown, in characters; the whole text is in the trial's record.
const LONGEST: usize = 200;

/// A trial that went otherwise than its recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drifted {
    /// The trial.
    pub trial: String,
    /// How often something was not as recorded.
    pub differences: u32,
}

/// The trials that drifted, in their order.
pub fn of<'a>(trials: impl IntoIterator<Item = &'a TrialFinished>) -> Vec<Drifted> {
    let drifted = trials.into_iter().filter(|trial| trial.drift > 0);
    let drifted = drifted.map(|trial| Drifted {
        trial: trial.trial.to_string(),
        differences: trial.drift,
    });
    drifted.collect()
}

/// One line per trial, at most `most`: `! a~replay~1: 2 differences`.
pub fn lines(drifted: &[Drifted], most: usize) -> String {
    let shown = drifted.iter().take(most).map(|drifted| {
        let count = text::count(drifted.differences as usize, "difference");
        format!("! {}: {count}\n", drifted.trial)
    });
    let mut lines: Vec<String> = shown.collect();
    if let Some(hidden @ 1..) = drifted.len().checked_sub(most) {
        lines.push(format!("  … and {}\n", text::count(hidden, "further trial")));
    }
    lines.concat()
}

/// One difference in a line: `turn 2, get_issue: /status: open when it was recorded, now closed`.
pub fn line(drift: &Drift) -> String {
    let tool = if drift.tool.is_empty() {
        String::new()
    } else {
        format!(", {}", drift.tool)
    };
    let line = format!("turn {}{tool}: {}", drift.turn, drift.what);
    text::shorten(&text::clean_line(&line), LONGEST).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trial_has_a_line_and_the_rest_is_counted() {
        let drifted = |n: u32| Drifted {
            trial: format!("a~replay~{n}"),
            differences: n,
        };
        let all: Vec<_> = (1..=3).map(drifted).collect();
        insta::assert_snapshot!(lines(&all, 2), @r"
        ! a~replay~1: 1 difference
        ! a~replay~2: 2 differences
          … and 1 further trial
        ");
        let drift = Drift {
            turn: 2,
            tool: "get\u{1b}[2J".into(),
            what: "`a` when it was recorded, now `b`".into(),
        };
        let line = line(&drift);
        assert!(
            line.starts_with("turn 2, get") && !line.contains('\u{1b}'),
            "{line}"
        );
    }
}
