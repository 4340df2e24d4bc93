//! Why trials ended early, or without a verdict, the same causes counted together.

use std::collections::BTreeMap;

use bench_core::Outcome;
use bench_core::event::TrialFinished;
use schemars::JsonSchema;
use serde::Serialize;

use crate::text;

/// Longest cause that is shown, in characters; the whole text is in the trial's record.
const LONGEST: usize = 300;

/// A cause, and how many trials ended by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CauseCount {
    /// How those trials ended.
    pub outcome: Outcome,
    /// Why.
    pub cause: String,
    /// How many.
    pub trials: usize,
    /// One of them, to look at.
    pub example: String,
}

/// The causes of trials that ended limit, errored or cancelled, most frequent first.
pub fn group<'a>(trials: impl IntoIterator<Item = &'a TrialFinished>) -> Vec<CauseCount> {
    let mut groups: BTreeMap<(Outcome, &str), CauseCount> = BTreeMap::new();
    for trial in trials {
        let (Some(cause), Outcome::Limit | Outcome::Errored | Outcome::Cancelled) =
            (&trial.cause, trial.outcome)
        else {
            continue;
        };
        let fresh = || CauseCount {
            outcome: trial.outcome,
            cause: cause.clone(),
            trials: 0,
            example: trial.trial.to_string(),
        };
        groups.entry((trial.outcome, cause)).or_insert_with(fresh).trials += 1;
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.trials));
    groups
}

/// One line per cause, at most `most`, with the sign of how they ended: `! 3 errored: gym broke (e.g. create-bug~oracle~1)`.
pub fn lines(groups: &[CauseCount], most: usize) -> String {
    let mut lines = Vec::new();
    for group in groups.iter().take(most) {
        let cause = text::clean_line(&group.cause);
        let cause = text::shorten(&cause, LONGEST);
        lines.push(format!(
            "{} {} {}: {cause} (e.g. {})\n",
            crate::report::sign(group.outcome),
            group.trials,
            group.outcome.name(),
            group.example
        ));
    }
    if let Some(hidden @ 1..) = groups.len().checked_sub(most) {
        lines.push(format!("  … and {}\n", text::count(hidden, "further cause")));
    }
    lines.concat()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn trial(id: &str, outcome: Outcome, cause: Option<&str>) -> TrialFinished {
        TrialFinished {
            trial: id.parse().unwrap(),
            scenario_id: "s".into(),
            model: "oracle".into(),
            repetition: 1,
            attempt: 1,
            outcome,
            replaces: None,
            cause: cause.map(Into::into),
            verifiers_passed: 0,
            verifiers_total: 0,
            turns: 0,
            tool_calls: 0,
            drift: 0,
            usage: bench_core::Usage::default(),
            retried_usage: bench_core::Usage::default(),
            tried_again: bench_core::record::TriedAgain::default(),
            judge_usage: bench_core::Usage::default(),
            cost: None,
            took_ms: 0,
            record: bench_core::record::FileRef::default(),
            transcript: bench_core::record::FileRef::default(),
        }
    }

    #[test]
    fn equal_causes_are_counted_together_most_frequent_first() {
        let trials = [
            trial("a", Outcome::Limit, Some("200 turns")),
            trial("b", Outcome::Errored, Some("gym \x1b[2Jbroke\nat once")),
            trial("c", Outcome::Errored, Some("gym \x1b[2Jbroke\nat once")),
            trial("d", Outcome::Failed, Some("not a cause of this kind")),
            trial("e", Outcome::Passed, None),
        ];
        let groups = group(&trials);
        insta::assert_snapshot!(lines(&groups, 10), @r"
        ! 2 errored: gym ␛[2Jbroke⏎at once (e.g. b)
        ✗ 1 limit: 200 turns (e.g. a)
        ");
        insta::assert_snapshot!(lines(&groups, 1), @r"
        ! 2 errored: gym ␛[2Jbroke⏎at once (e.g. b)
          … and 1 further cause
        ");
    }
}
