//! Numbers of tool calls and limits: what one verifier asks beside what another one or a limit allows.

use std::collections::BTreeSet;

use super::{Linter, required_tools, solutions, tool_checks};
use crate::suggest::quoted_list;
use crate::verifier::{ToolExecution, VerifierSpec};

/// Fewer tokens than this are not enough for the shortest prompt with its answer.
const FEWEST_TOKENS: u64 = 50;
/// Fewer bytes of a tool's result than this say nothing to a model.
const FEWEST_BYTES: u64 = 64;
/// More replies, and more calls, than any trial makes.
const MOST_TURNS: u64 = 100_000;
const MOST_CALLS: u64 = 1_000_000;

impl Linter<'_> {
    pub(super) fn required_and_forbidden(&mut self) {
        let scenario = self.scenario;
        for (verifier, check) in tool_checks(scenario) {
            for (other, forbidding) in tool_checks(scenario) {
                let both: BTreeSet<&str> = required_tools(check)
                    .filter(|tool| forbidding.forbidden.iter().any(|forbidden| forbidden == tool))
                    .collect();
                if both.is_empty() {
                    continue;
                }
                let both = quoted_list(both);
                let message = if std::ptr::eq(verifier, other) {
                    format!("a verifier both requires and forbids {both}")
                } else {
                    let [ours, theirs] = self.called([verifier, other]);
                    format!("the verifier {ours} requires {both}, which {theirs} forbids")
                };
                self.hopeless_at(verifier, message, "keep one of the two");
            }
        }
    }

    /// More calls than another verifier, or the same one, allows.
    pub(super) fn call_counts(&mut self) {
        let scenario = self.scenario;
        for (verifier, check) in tool_checks(scenario) {
            let needed = needed_calls(check);
            // Calls that failed may be enough for the one and not count for the other.
            let counts = |other: &ToolExecution| other.count_failed || !check.count_failed;
            let strict = tool_checks(scenario)
                .filter(|(_, other)| counts(other))
                .filter_map(|(other, check)| Some((other, u64::from(check.maximum_tool_calls?))))
                .find(|(_, most)| *most < needed);
            if let Some((other, most)) = strict {
                let message = self.too_many(verifier, needed, other, most);
                self.hopeless_at(verifier, message, "raise the maximum");
            }
        }
    }

    pub(super) fn limits(&mut self) {
        let limits = &self.scenario.limits;
        let needed = tool_checks(self.scenario)
            .map(|(_, check)| needed_calls(check))
            .max()
            .unwrap_or_default();
        if let Some(turns) = limits.max_turns {
            self.turns(turns as usize, needed);
        }
        if let Some(calls) = limits.max_tool_calls {
            self.calls(calls, needed);
        }
        self.not_meant();
        let Some(all) = limits.max_seconds else { return };
        let parts = [
            ("tool_timeout_seconds", limits.tool_timeout_seconds),
            ("model_timeout_seconds", limits.model_timeout_seconds),
        ];
        for (name, seconds) in parts {
            if let Some(seconds) = seconds.filter(|seconds| *seconds > all) {
                let message =
                    format!("`{name}` is {seconds}, but the trial is over after `max_seconds`: {all}");
                self.odd(message, "it is never reached: lower it, or raise `max_seconds`");
            }
        }
    }

    /// Limits with which no trial gets anywhere, and those that no trial ever reaches.
    fn not_meant(&mut self) {
        let limits = &self.scenario.limits;
        let few = [
            (
                "max_tokens",
                limits.max_tokens,
                FEWEST_TOKENS,
                "a prompt and its answer take more",
            ),
            (
                "tool_result_bytes",
                limits.tool_result_bytes.map(|bytes| bytes as u64),
                FEWEST_BYTES,
                "of a tool's result hardly anything reaches the model",
            ),
        ];
        let many = [
            ("max_turns", limits.max_turns.map(u64::from), MOST_TURNS),
            ("max_tool_calls", limits.max_tool_calls.map(u64::from), MOST_CALLS),
        ];
        for (name, said, fewest, hint) in few {
            if let Some(said) = said.filter(|said| *said < fewest) {
                self.odd(format!("`{name}` is {said}, which can hardly be meant"), hint);
            }
        }
        for (name, said, most) in many {
            if let Some(said) = said.filter(|said| *said > most) {
                let message = format!("`{name}` is {said}, which no trial ever reaches");
                self.odd(message, "a limit ends a trial that goes on and on: lower it");
            }
        }
    }

    fn turns(&mut self, turns: usize, needed_calls: u64) {
        let prompts = self.scenario.prompts.len();
        if turns < prompts {
            let message = format!("`max_turns` is {turns} for {prompts} prompts");
            self.hopeless(message, "each prompt needs at least one reply");
        } else if turns == prompts && prompts > 0 && needed_calls > 0 {
            let message = format!("`max_turns` is {turns}, but a verifier needs tool calls");
            self.hopeless(message, "a reply that calls tools is one more than the answers");
        }
    }

    fn calls(&mut self, calls: u32, needed: u64) {
        if u64::from(calls) < needed {
            let message = format!("`max_tool_calls` is {calls}, but a verifier needs at least {needed}");
            self.hopeless(message, "raise the limit");
        }
        let played = solutions(self.scenario)
            .map(|solution| solution.calls.len())
            .sum::<usize>();
        if (calls as usize) < played {
            let message = format!("`max_tool_calls` is {calls}, but the solution makes {played}");
            self.hopeless(message, "raise the limit");
        }
    }

    fn too_many(&self, verifier: &VerifierSpec, needed: u64, other: &VerifierSpec, most: u64) -> String {
        let [ours, theirs] = self.called([verifier, other]);
        let needs = format!("the verifier {ours} needs at least {needed} tool calls");
        if std::ptr::eq(verifier, other) {
            format!("{needs} and allows at most {most}")
        } else {
            format!("{needs}, and {theirs} allows at most {most}")
        }
    }
}

/// The fewest calls with which a check can be true.
fn needed_calls(check: &ToolExecution) -> u64 {
    let minimum = check.minimum_tool_calls.map_or(0, u64::from);
    let different = required_tools(check)
        .collect::<BTreeSet<_>>()
        .len()
        .max(check.ordered.len());
    minimum.max(different as u64)
}
