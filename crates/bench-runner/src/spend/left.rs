//! What a dead worker's attempts cost, found again in the transcripts that it left.
//!
//! A [`Told`] is one attempt, as far as its lines tell; [`left_in`] adds up those that nobody has settled yet.

use bench_core::plan::Paid;
use bench_core::transcript::Entry;
use bench_core::{Cost, Usage, Usd};

/// What an attempt without an end used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spent {
    pub(crate) turns: u32,
    pub(crate) tool_calls: u32,
    /// Of the replies and calls.
    pub(crate) took_ms: u64,
    pub(crate) usage: Usage,
    /// Tokens of judges.
    pub(crate) judge_usage: Usage,
    pub(crate) cost: Cost,
}

/// What the transcript of a trial says of its attempts without an end: of all that were `begun`, those after the first
/// `settled`. The last of them may have waited for a reply that nobody wrote down: that is a call of unknown cost. So is
/// an attempt that was lost with the machine's power; which one that was is not known, so what then may be settled already
/// or not is counted as calls of unknown cost, never as dollars. `None` if no model was asked.
pub(crate) fn left_in(
    transcript: impl IntoIterator<Item = Entry>,
    begun: usize,
    settled: usize,
    paid: Paid,
) -> Option<Spent> {
    let attempts = attempts_in(transcript, paid);
    let lost = begun.saturating_sub(attempts.len());
    let surely_settled = settled.saturating_sub(lost);
    let (mut spent, mut asked) = (Spent::default(), false);
    for (index, attempt) in attempts.iter().enumerate().skip(surely_settled) {
        asked |= attempt.asked;
        if index < settled {
            spent.cost += Cost::unknown(attempt.paid_calls);
            continue;
        }
        spent.turns = spent.turns.saturating_add(attempt.spent.turns);
        spent.tool_calls = spent.tool_calls.saturating_add(attempt.spent.tool_calls);
        spent.took_ms = spent.took_ms.saturating_add(attempt.spent.took_ms);
        spent.usage += attempt.spent.usage;
        spent.judge_usage += attempt.spent.judge_usage;
        spent.cost += attempt.spent.cost;
    }
    if !paid.model && !paid.judge {
        return asked.then_some(spent);
    }
    let last = attempts.last().filter(|_| attempts.len() > settled);
    let model_is_asked = paid.model && asked && last.is_some_and(|last| !last.over);
    if model_is_asked || last.is_some_and(|last| last.judge_is_asked) {
        spent.cost += Cost::unknown(1);
    }
    let lost = lost.min(begun.saturating_sub(settled));
    spent.cost += Cost::unknown(u32::try_from(lost).unwrap_or(u32::MAX));
    (asked || lost > 0).then_some(spent)
}

/// An attempt, as far as a transcript tells of it.
#[derive(Debug, Default)]
struct Told {
    spent: Spent,
    /// Requests that were or may have been paid, if what they cost is not looked at.
    paid_calls: u32,
    /// Requests of unknown cost that came to nothing since the last reply.
    lost_lately: u32,
    asked: bool,
    /// The conversation.
    over: bool,
    /// A judge that is paid, and has not answered yet.
    judge_is_asked: bool,
}

impl Told {
    fn read(&mut self, entry: &Entry, paid: Paid) {
        match entry {
            Entry::User { .. } => {
                if paid.model && !self.asked {
                    self.paid_calls += 1; // the one that may be under way
                }
                self.asked = true;
            }
            Entry::Assistant {
                usage,
                cost_usd,
                unknown_calls,
                took_ms,
                ..
            } => {
                self.spent.turns = self.spent.turns.saturating_add(1);
                self.spent.took_ms = self.spent.took_ms.saturating_add(*took_ms);
                self.spent.usage += *usage;
                if paid.model {
                    self.pay(*cost_usd, *unknown_calls);
                }
            }
            Entry::ToolResult { took_ms, .. } => {
                self.spent.tool_calls = self.spent.tool_calls.saturating_add(1);
                self.spent.took_ms = self.spent.took_ms.saturating_add(*took_ms);
            }
            Entry::Lost { usage, cost_usd } => self.lose(usage, *cost_usd),
            entry => self.read_verdicts(entry, paid),
        }
    }

    /// What comes after the conversation.
    fn read_verdicts(&mut self, entry: &Entry, paid: Paid) {
        match entry {
            Entry::JudgeAsked { .. } => {
                self.over = true;
                self.judge_is_asked = paid.judge;
            }
            Entry::JudgeReplied {
                usage,
                cost_usd,
                unknown_calls,
                ..
            } => {
                self.judge_is_asked = false;
                self.spent.judge_usage += *usage;
                if paid.judge {
                    self.pay(*cost_usd, *unknown_calls);
                }
            }
            Entry::Verdict(_) => {
                self.over = true;
                self.judge_is_asked = false;
            }
            _ => {}
        }
    }

    /// A reply of somebody who is paid. It names what came to nothing before it, which mostly was told one by one.
    fn pay(&mut self, usd: Option<Usd>, unknown_calls: u32) {
        let untold = unknown_calls.saturating_sub(std::mem::take(&mut self.lost_lately));
        self.paid_calls = self.paid_calls.saturating_add(1).saturating_add(untold);
        self.spent.cost += Cost::of_call(usd);
        self.spent.cost += Cost::unknown(untold);
    }

    /// A request of somebody who is paid came to nothing.
    fn lose(&mut self, usage: &Usage, usd: Option<Usd>) {
        if self.over {
            self.spent.judge_usage += *usage; // after the conversation only the judge is asked
        } else {
            self.spent.usage += *usage;
        }
        self.lost_lately = self.lost_lately.saturating_add(u32::from(usd.is_none()));
        self.paid_calls = self.paid_calls.saturating_add(1);
        self.spent.cost += Cost::of_call(usd);
    }
}

fn attempts_in(transcript: impl IntoIterator<Item = Entry>, paid: Paid) -> Vec<Told> {
    let mut attempts: Vec<Told> = Vec::new();
    for entry in transcript {
        if matches!(entry, Entry::Attempt { .. }) {
            attempts.push(Told::default());
        } else if let Some(told) = attempts.last_mut() {
            told.read(&entry, paid);
        }
    }
    attempts
}

#[cfg(test)]
mod tests;
