//! The timeline of a trial's checks: what each of them said after which step.
//!
//! A step is a tool call, counted from 1 over all prompts, failed ones included; step 0 is before the first one. Only
//! changes are kept, so that a trial of a thousand steps has a timeline of a few lines. The runner looks
//! (`run --verify-each-step`) and never counts what it sees: verdicts come from the end of the trial, as without it.

use std::mem::discriminant;

use serde::{Deserialize, Serialize};

use crate::outcome::VerdictStatus;

/// What the checks of a trial said, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// The last step after which they were looked at.
    pub last_step: u32,
    /// One for each verifier of the scenario, in its order.
    pub checks: Vec<Track>,
    /// Why later steps were not looked at, if that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_off: Option<String>,
    /// Wall-clock milliseconds of all looks together. No limit of the trial counts them; its `took_ms` does.
    pub took_ms: u64,
}

/// What one check said, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Track {
    /// Name of the verifier.
    pub verifier: String,
    /// What it first said, and each time it said something else than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why it was not looked at, or from some step on not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// What a check says from one step on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// After which step.
    pub step: u32,
    /// True, false, or it could not be told. The error is the first of several in a row.
    #[serde(flatten)]
    pub status: VerdictStatus,
}

/// What a verifier says after a step, where that is something else than before: for transcripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Which of the scenario's verifiers, from 0.
    pub verifier: usize,
    /// Its name.
    pub name: String,
    /// What it says now.
    #[serde(flatten)]
    pub status: VerdictStatus,
}

/// Steps in a row after which a check held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first of them.
    pub from: u32,
    /// The first one after which it did not hold, or could not be told; none if it held as long as it was looked at.
    pub until: Option<u32>,
}

impl Track {
    /// Takes in what the check says after a step, the latest so far. Whether that is something else than before.
    pub fn note(&mut self, step: u32, status: &VerdictStatus) -> bool {
        let last = self.changes.last();
        let changed = last.is_none_or(|last| discriminant(&last.status) != discriminant(status));
        if changed {
            let status = status.clone();
            self.changes.push(Change { step, status });
        }
        changed
    }

    /// What it said last, at or before a step; none before it was first looked at.
    pub fn at(&self, step: u32) -> Option<&VerdictStatus> {
        let before = self.changes.iter().take_while(|change| change.step <= step);
        before.last().map(|change| &change.status)
    }

    /// The first step after which it held.
    pub fn first_held(&self) -> Option<u32> {
        self.spans().first().map(|span| span.from)
    }

    /// The step from which it held for as long as it was looked at.
    pub fn held_from(&self) -> Option<u32> {
        let last = self.spans().pop().filter(|span| span.until.is_none());
        last.map(|span| span.from)
    }

    /// All steps after which it held, in order.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for (n, change) in self.changes.iter().enumerate() {
            if change.status == VerdictStatus::True {
                spans.push(Span {
                    from: change.step,
                    until: self.changes.get(n + 1).map(|next| next.step),
                });
            }
        }
        spans
    }

    /// Regressions: the steps after which it was found false having held before.
    pub fn lost(&self) -> Vec<u32> {
        let mut held = false;
        let mut lost = Vec::new();
        for change in &self.changes {
            match change.status {
                VerdictStatus::True => held = true,
                VerdictStatus::False if std::mem::take(&mut held) => lost.push(change.step),
                _ => {} // what could not be told is no regression
            }
        }
        lost
    }
}

impl Timeline {
    /// The checks that were looked at after every step.
    pub fn followed(&self) -> impl Iterator<Item = &Track> {
        self.checks.iter().filter(|check| check.left_out.is_none())
    }

    /// The first step after which all checks that were followed held at once; none without any such check.
    pub fn all_held(&self) -> Option<u32> {
        let changes = self.followed().flat_map(|check| &check.changes);
        let mut steps: Vec<u32> = changes.map(|change| change.step).collect();
        steps.sort_unstable();
        let all = |step: &u32| {
            self.followed()
                .all(|check| check.at(*step) == Some(&VerdictStatus::True))
        };
        steps.into_iter().find(all)
    }

    /// How many of the trial's tool calls came after that step. None where there is no such step, or where nothing had
    /// to be done for it: checks that hold before the first step say nothing about the end of the work.
    pub fn calls_after(&self, tool_calls: u32) -> Option<u32> {
        let success = self.all_held().filter(|step| *step > 0)?;
        Some(tool_calls.saturating_sub(success))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check that says one thing after the other, from step 0 on: `t`rue, `f`alse, `e`rrored.
    fn track(said: &str) -> Track {
        let mut track = Track::default();
        for (step, letter) in (0..).zip(said.chars()) {
            let status = match letter {
                't' => VerdictStatus::True,
                'f' => VerdictStatus::False,
                _ => VerdictStatus::Errored {
                    error: format!("gone at {step}"),
                    permanent: false,
                },
            };
            track.note(step, &status);
        }
        track
    }

    fn timeline(checks: &[&str]) -> Timeline {
        Timeline {
            checks: checks.iter().map(|said| track(said)).collect(),
            ..Timeline::default()
        }
    }

    #[test]
    fn a_check_has_steps_at_which_it_held_and_was_lost() {
        for (said, first, from, lost) in [
            ("", None, None, vec![]),
            ("fff", None, None, vec![]),
            ("ttt", Some(0), Some(0), vec![]),
            ("fft", Some(2), Some(2), vec![]),
            ("fttfft", Some(1), Some(5), vec![3]),
            ("ftftf", Some(1), None, vec![2, 4]),
            ("ftte", Some(1), None, vec![]),
            ("ftet", Some(1), Some(3), vec![]),
            ("ftef", Some(1), None, vec![3]),
            ("eeef", None, None, vec![]),
        ] {
            let track = track(said);
            assert_eq!(
                (track.first_held(), track.held_from(), track.lost()),
                (first, from, lost),
                "{said}"
            );
        }
    }

    #[test]
    fn only_changes_are_kept_and_the_first_of_several_errors() {
        let kept = track(&format!("{}e{}", "f".repeat(500), "e".repeat(500)));
        let errored = VerdictStatus::Errored {
            error: "gone at 500".into(),
            permanent: false,
        };
        assert_eq!(kept.changes.len(), 2);
        assert_eq!(kept.at(499), Some(&VerdictStatus::False));
        assert_eq!((kept.at(500), kept.at(9999)), (Some(&errored), Some(&errored)));
        assert_eq!(track("").at(3), None);
    }

    #[test]
    fn success_is_when_all_that_were_followed_held_at_once() {
        for (checks, all_held, after) in [
            (vec![], None, None),
            (vec!["fttt", "ttft"], Some(1), Some(2)),
            (vec!["ftft", "tftf"], None, None),
            (vec!["fttt", "fftt", "tttt"], Some(2), Some(1)),
            (vec!["ffft"], Some(3), Some(0)),
            (vec!["tttt"], Some(0), None),
            (vec!["fttt", "eeee"], None, None),
        ] {
            let timeline = timeline(&checks);
            assert_eq!(
                (timeline.all_held(), timeline.calls_after(3)),
                (all_held, after),
                "{checks:?}"
            );
        }
        let mut some = timeline(&["fttt", "ffff"]);
        some.checks[1].left_out = Some("it asks a judge".into());
        assert_eq!(some.all_held(), Some(1), "those that were followed");
        some.checks[0].left_out = Some("it runs a program".into());
        assert_eq!(some.all_held(), None, "nothing is known");
    }

    #[test]
    fn on_disk_it_is_small_and_reads_back() {
        let mut timeline = timeline(&["ffte"]);
        timeline.last_step = 3;
        let text = serde_json::to_string(&timeline).unwrap();
        insta::assert_snapshot!(text, @r#"{"last_step":3,"checks":[{"verifier":"","changes":[{"step":0,"verdict":"false"},{"step":2,"verdict":"true"},{"step":3,"verdict":"errored","error":"gone at 3"}]}],"took_ms":0}"#);
        assert_eq!(serde_json::from_str::<Timeline>(&text).unwrap(), timeline);
    }
}
