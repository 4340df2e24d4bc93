//! What a check found, and the verdict that it makes.

use bench_core::outcome::Judgement;
use bench_core::verifier::{CommandCheck, ResponseCheck};
use bench_core::{Check, Comparison, Operator, Verdict, VerdictStatus, VerifierSpec};
use serde_json::{Value, json};

use crate::gym::GymError;

/// What a check found.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) status: VerdictStatus,
    pub(super) comparison: String,
    pub(super) expected: Value,
    pub(super) actual: Value,
    pub(super) asked: String,
    pub(super) judge: Option<Judgement>,
}

impl Finding {
    /// The check could not be executed this time.
    pub(super) fn errored(error: impl Into<String>) -> Self {
        Self::of_error(error.into(), false)
    }

    /// The check cannot be executed, whatever the model does.
    pub(super) fn permanent(error: impl Into<String>) -> Self {
        Self::of_error(error.into(), true)
    }

    /// A gym did not do what the check needs.
    pub(super) fn of_gym(error: &GymError) -> Self {
        Self::of_error(error.to_string(), !error.may_heal())
    }

    fn of_error(error: String, permanent: bool) -> Self {
        Self {
            status: VerdictStatus::Errored { error, permanent },
            comparison: String::new(),
            expected: Value::Null,
            actual: Value::Null,
            asked: String::new(),
            judge: None,
        }
    }

    /// The check was executed.
    pub(super) fn known(holds: bool, comparison: &str, expected: Value, actual: Value) -> Self {
        let status = if holds {
            VerdictStatus::True
        } else {
            VerdictStatus::False
        };
        Self {
            status,
            comparison: comparison.to_owned(),
            expected,
            actual,
            asked: String::new(),
            judge: None,
        }
    }

    /// What a comparison says of a value.
    pub(super) fn compared(comparison: &Comparison, actual: Value, ignore_case: bool) -> Self {
        let result = if ignore_case {
            comparison.check_ignoring_case(&actual)
        } else {
            comparison.check(&actual)
        };
        let status = match result {
            Ok(true) => VerdictStatus::True,
            Ok(false) => VerdictStatus::False,
            Err(error) => VerdictStatus::Errored {
                error: error.to_string(),
                permanent: true,
            },
        };
        Self {
            status,
            comparison: comparison.operator.name().to_owned(),
            expected: comparison.expected.clone(),
            actual,
            asked: String::new(),
            judge: None,
        }
    }

    /// Adds what was executed.
    pub(super) fn asked(mut self, asked: impl Into<String>) -> Self {
        self.asked = asked.into();
        self
    }

    /// The verdict, without its time. One that errored says what would have been compared.
    pub(super) fn verdict(mut self, spec: &VerifierSpec) -> Verdict {
        if self.comparison.is_empty() {
            (self.comparison, self.expected) = planned(&spec.check);
        }
        Verdict {
            verifier: spec.name.clone(),
            verifier_type: spec.check.type_name().to_owned(),
            gym: spec.gym.clone(),
            status: self.status,
            comparison: self.comparison,
            expected: self.expected,
            actual: self.actual,
            asked: self.asked,
            took_ms: 0,
            judge: self.judge,
        }
    }
}

/// A score as people write it: 7, not 7.0.
#[expect(clippy::cast_possible_truncation, reason = "scores lie between 1 and 10")]
pub(super) fn score(score: f64) -> Value {
    if score.fract() == 0.0 {
        json!(score as i64)
    } else {
        json!(score)
    }
}

/// What a check compares, and with what, before anything is known.
fn planned(check: &Check) -> (String, Value) {
    let by = |comparison: &Comparison| (comparison.operator.name().to_owned(), comparison.expected.clone());
    match check {
        Check::DatabaseState { comparison, .. }
        | Check::ToolResult { comparison, .. }
        | Check::Http {
            comparison: Some(comparison),
            ..
        }
        | Check::ResponseCheck(
            ResponseCheck::Text { comparison, .. } | ResponseCheck::Json { comparison, .. },
        ) => by(comparison),
        Check::Http { status, .. } => ("status".to_owned(), json!(status)),
        Check::ResponseCheck(ResponseCheck::JsonSchema { schema }) => {
            ("json_schema".to_owned(), schema.clone())
        }
        Check::ResponseCheck(ResponseCheck::Judge {
            minimum_comparison_value,
            ..
        }) => (
            Operator::GreaterThanOrEqual.name().to_owned(),
            score(*minimum_comparison_value),
        ),
        Check::ToolExecution(check) => ("tool calls".to_owned(), json!(check)),
        Check::Command(CommandCheck {
            stdout: Some(stdout), ..
        }) => by(stdout),
        Check::Command(check) => ("exit status".to_owned(), json!(check.exit_code)),
        _ => (String::new(), Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use bench_core::verifier::Selector;

    use super::*;

    #[test]
    fn a_verdict_that_errored_still_says_what_was_expected() {
        let equals = || Comparison::equals("Highest");
        for (check, comparison, expected) in [
            (
                Check::DatabaseState {
                    query: "SELECT".into(),
                    comparison: equals(),
                },
                "equals",
                json!("Highest"),
            ),
            (
                Check::Http {
                    url: "http://h".into(),
                    status: 204,
                    select: Selector::Whole,
                    comparison: None,
                },
                "status",
                json!(204),
            ),
            (
                Check::ResponseCheck(ResponseCheck::Text {
                    comparison: equals(),
                    ignore_case: true,
                }),
                "equals",
                json!("Highest"),
            ),
        ] {
            let spec = VerifierSpec::new("v", check);
            let verdict = Finding::errored("no such table").verdict(&spec);
            assert_eq!(
                (verdict.comparison.as_str(), &verdict.expected),
                (comparison, &expected)
            );
            let known = Finding::known(true, "own", json!(1), json!(1)).verdict(&spec);
            assert_eq!((known.comparison.as_str(), known.expected), ("own", json!(1)));
        }
    }
}
