//! Verdicts of verifiers, and the outcome of a trial that follows from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::price::Cost;
use crate::usage::Usage;

/// What one verifier said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Name of the verifier.
    pub verifier: String,
    /// `verifier_type` of the verifier.
    pub verifier_type: String,
    /// The gym it asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gym: Option<String>,
    /// True, false, or it could not run.
    #[serde(flatten)]
    pub status: VerdictStatus,
    /// What was compared how, for people: `equals`, `contains`, `exit status`, ….
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comparison: String,
    /// What was expected.
    #[serde(default)]
    pub expected: Value,
    /// What was found; of a large value the head as text, see [`SHOWN_BYTES`](crate::shown::SHOWN_BYTES).
    #[serde(default)]
    pub actual: Value,
    /// The SQL query, tool call, URL or command that was executed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// Wall-clock milliseconds it took.
    #[serde(default)]
    pub took_ms: u64,
    /// What a model said as the judge, where one was to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judgement>,
}

/// What a model said as a judge.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Judgement {
    /// The judge, as `provider:name`.
    pub model: String,
    /// From 1 to 10; none if it did not say, or was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Why, in its words; of a long text the head, see [`SHOWN_BYTES`](crate::shown::SHOWN_BYTES).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// Its replies: a further one where the first could not be used.
    pub replies: u32,
    /// Tokens of its replies.
    #[serde(default)]
    pub usage: Usage,
    /// What it cost, requests without a reply included.
    #[serde(default)]
    pub cost: Cost,
}

/// Whether a verifier held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[non_exhaustive]
pub enum VerdictStatus {
    /// It was executed and true.
    True,
    /// It was executed and false.
    False,
    /// It could not be executed: says nothing about the model.
    Errored {
        /// Why.
        error: String,
        /// The check itself cannot work (a column that is not there, no judge): another attempt would end the same way.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        permanent: bool,
    },
}

impl Verdict {
    /// Whether it was executed and true.
    pub fn is_true(&self) -> bool {
        self.status == VerdictStatus::True
    }
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// At least one model reply, and every verifier executed and true.
    Passed,
    /// A verifier said no.
    Failed,
    /// A per-trial limit ended it; counts as not passed.
    Limit,
    /// We could not tell; outside the pass rate.
    Errored,
    /// Nothing to verify; outside the pass rate.
    Unscored,
    /// Ended from outside before it was over; outside the pass rate.
    Cancelled,
}

impl Outcome {
    /// Every outcome, in the order in which people are shown them.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Limit,
        Self::Errored,
        Self::Unscored,
        Self::Cancelled,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Limit => "limit",
            Self::Errored => "errored",
            Self::Unscored => "unscored",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it belongs to the denominator of a pass rate.
    pub fn is_scored(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Limit)
    }

    /// Whether a resumed run leaves it as it is.
    pub fn is_verdict(self) -> bool {
        !matches!(self, Self::Errored | Self::Cancelled)
    }
}

/// How the conversation of a trial ended, before its verifiers were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// The model gave a final answer to every prompt.
    Answered,
    /// A per-trial limit ended it.
    LimitReached,
}

/// The outcome of a trial whose conversation ended by itself or by a limit.
///
/// Any false verdict makes it `failed`, else any that could not run `errored`; a pass needs at least
/// one model reply and at least one verdict. A limit stays `limit` whatever the verifiers say, except
/// that without any verifier the trial is `unscored`.
pub fn judge(conversation: Conversation, replies: u32, verdicts: &[Verdict]) -> Outcome {
    if verdicts.is_empty() {
        return Outcome::Unscored;
    }
    if conversation == Conversation::LimitReached {
        return Outcome::Limit;
    }
    if verdicts.iter().any(|v| v.status == VerdictStatus::False) {
        return Outcome::Failed;
    }
    if replies == 0 || verdicts.iter().any(|v| !v.is_true()) {
        return Outcome::Errored;
    }
    Outcome::Passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: VerdictStatus) -> Verdict {
        Verdict {
            verifier: "v".into(),
            verifier_type: "database_state".into(),
            gym: None,
            status,
            comparison: String::new(),
            expected: Value::Null,
            actual: Value::Null,
            asked: String::new(),
            took_ms: 0,
            judge: None,
        }
    }

    #[test]
    fn outcomes_follow_from_verdicts() {
        use Conversation::{Answered, LimitReached};
        let (yes, no) = (|| verdict(VerdictStatus::True), || verdict(VerdictStatus::False));
        let broken = || {
            verdict(VerdictStatus::Errored {
                error: "no such table".into(),
                permanent: true,
            })
        };
        for (conversation, replies, verdicts, want) in [
            (Answered, 1, vec![yes(), yes()], Outcome::Passed),
            (Answered, 1, vec![yes(), no()], Outcome::Failed),
            (Answered, 1, vec![no(), broken()], Outcome::Failed),
            (Answered, 1, vec![yes(), broken()], Outcome::Errored),
            (Answered, 0, vec![yes()], Outcome::Errored),
            (Answered, 0, vec![no()], Outcome::Failed),
            (Answered, 1, vec![], Outcome::Unscored),
            (LimitReached, 9, vec![yes()], Outcome::Limit),
            (LimitReached, 9, vec![no()], Outcome::Limit),
            (LimitReached, 9, vec![], Outcome::Unscored),
        ] {
            assert_eq!(
                judge(conversation, replies, &verdicts),
                want,
                "{conversation:?} {verdicts:?}"
            );
        }
    }
}
