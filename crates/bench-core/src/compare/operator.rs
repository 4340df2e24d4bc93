//! The names of the operators, with every spelling seen in harness files.

use thiserror::Error;

use super::Operator;
use crate::suggest;

/// Every spelling of each operator; the first is its own name. Case and surrounding space do not matter.
const SPELLINGS: [(Operator, &[&str]); 11] = [
    (Operator::Equals, &["equals", "equal", "eq", "==", "="]),
    (
        Operator::NotEquals,
        &["not_equals", "not_equal", "neq", "ne", "!=", "<>"],
    ),
    (Operator::GreaterThan, &["greater_than", "gt", ">"]),
    (
        Operator::GreaterThanOrEqual,
        &[
            "greater_than_or_equal",
            "greater_than_equal",
            "greater_than_or_equal_to",
            "greater_or_equal",
            "gte",
            "ge",
            ">=",
        ],
    ),
    (Operator::LessThan, &["less_than", "lt", "<"]),
    (
        Operator::LessThanOrEqual,
        &[
            "less_than_or_equal",
            "less_than_equal",
            "less_than_or_equal_to",
            "less_or_equal",
            "lte",
            "le",
            "<=",
        ],
    ),
    (Operator::Contains, &["contains"]),
    (Operator::NotContains, &["not_contains", "does_not_contain"]),
    (Operator::In, &["in"]),
    (Operator::Between, &["between"]),
    (Operator::Matches, &["matches", "regex"]),
];

/// A comparison that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown comparison `{text}`")]
pub struct UnknownOperator {
    /// What was written.
    pub text: String,
    /// The spelling that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl UnknownOperator {
    /// What to write instead: the probable spelling, or all names.
    pub fn hint(&self) -> String {
        match self.suggestion {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "known are {}",
                suggest::quoted_list(Operator::ALL.map(Operator::name))
            ),
        }
    }
}

impl Operator {
    /// Every operator, in the order in which they are listed to people.
    pub const ALL: [Self; 11] = [
        Self::Equals,
        Self::NotEquals,
        Self::GreaterThan,
        Self::GreaterThanOrEqual,
        Self::LessThan,
        Self::LessThanOrEqual,
        Self::Contains,
        Self::NotContains,
        Self::In,
        Self::Between,
        Self::Matches,
    ];

    /// Its own name, such as `greater_than_or_equal`.
    pub fn name(self) -> &'static str {
        self.spellings().first().copied().unwrap_or_default()
    }

    /// Every way to write it, its own name first.
    pub fn spellings(self) -> &'static [&'static str] {
        SPELLINGS
            .iter()
            .find(|(operator, _)| *operator == self)
            .map_or(&[], |(_, words)| words)
    }

    /// The operator of a name or alias (`eq`, `>=`, `regex`, …).
    pub fn parse(text: &str) -> Result<Self, UnknownOperator> {
        let word = text.trim().to_lowercase();
        if let Some((operator, _)) = SPELLINGS.iter().find(|(_, words)| words.contains(&word.as_str())) {
            return Ok(*operator);
        }
        let words = SPELLINGS
            .iter()
            .flat_map(|(_, words)| words.iter().copied())
            .filter(|w| w.len() > 3);
        let spaced = word.replace([' ', '-'], "_");
        Err(UnknownOperator {
            text: text.to_owned(),
            suggestion: suggest::closest(&spaced, words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_a_name_and_no_spelling_has_two_meanings() {
        let mut seen = std::collections::HashSet::new();
        for operator in Operator::ALL {
            assert_eq!(Operator::parse(operator.name()), Ok(operator));
            let json = serde_json::to_value(operator).unwrap();
            assert_eq!(json, operator.name(), "the name on disk is the name");
            for spelling in operator.spellings() {
                assert!(seen.insert(*spelling), "{spelling}");
                assert_eq!(
                    Operator::parse(&format!(" {} ", spelling.to_uppercase())),
                    Ok(operator)
                );
            }
        }
    }

    #[test]
    fn an_unknown_comparison_says_what_was_meant() {
        let hint = |text: &str| Operator::parse(text).unwrap_err().hint();
        assert_eq!(hint("equls"), "did you mean `equals`?");
        assert_eq!(hint("greater than"), "did you mean `greater_than`?");
        assert_eq!(hint("not-equals"), "did you mean `not_equals`?");
        insta::assert_snapshot!(hint("like"), @"known are `equals`, `not_equals`, `greater_than`, `greater_than_or_equal`, `less_than`, `less_than_or_equal`, `contains`, `not_contains`, `in`, `between` and `matches`");
        assert_eq!(Operator::parse("").unwrap_err().suggestion, None);
    }
}
