//! Verifiers of one scenario beside each other: those that ask the same, and those that cannot be true together.
//!
//! All verifiers are judged on the same final state, so two that look at the same value and that no value satisfies
//! both make a scenario that can never pass. Only what is certain is said: patterns and orders of texts with numbers
//! are left to the run.

use std::cmp::Ordering;
use std::slice;

use serde_json::Value;

use crate::compare::{Comparison, Operator, compare, shortened};
use crate::verifier::{Check, ResponseCheck, VerifierSpec};

/// The first of `earlier` that asks the same as `verifier`.
pub(super) fn same_as<'v>(verifier: &VerifierSpec, earlier: &'v [VerifierSpec]) -> Option<&'v VerifierSpec> {
    earlier
        .iter()
        .find(|other| other.gym == verifier.gym && same_check(&other.check, &verifier.check))
}

fn same_check(one: &Check, other: &Check) -> bool {
    let queries = match (one, other) {
        (
            Check::DatabaseState { query, comparison },
            Check::DatabaseState {
                query: other,
                comparison: expected,
            },
        ) => comparison == expected && normalised(query) == normalised(other),
        _ => false,
    };
    queries || one == other
}

/// The first of `earlier` that no value satisfies together with `verifier`, with what both expect of it in words.
pub(super) fn contradicted_by<'v>(
    verifier: &VerifierSpec,
    earlier: &'v [VerifierSpec],
) -> Option<(&'v VerifierSpec, String)> {
    let asked = Asked::of(verifier)?;
    earlier
        .iter()
        .filter(|other| other.gym == verifier.gym)
        .find_map(|other| {
            let before = Asked::of(other)?;
            let contradicts = before.value == asked.value && before.excludes(&asked);
            contradicts.then(|| (other, format!("{} and {}", before.words(), asked.words())))
        })
}

/// Whether no value satisfies the verifier.
pub(super) fn never_true(verifier: &VerifierSpec) -> bool {
    let comparison = match &verifier.check {
        Check::DatabaseState { comparison, .. }
        | Check::ToolResult { comparison, .. }
        | Check::ResponseCheck(
            ResponseCheck::Json { comparison, .. } | ResponseCheck::Text { comparison, .. },
        ) => Some(comparison),
        Check::Http { comparison, .. } => comparison.as_ref(),
        Check::Command(check) => check.stdout.as_ref(),
        _ => None,
    };
    let in_nothing = |comparison: &Comparison| {
        comparison.operator == Operator::In && comparison.expected.as_array().is_some_and(Vec::is_empty)
    };
    comparison.is_some_and(in_nothing)
}

/// What a verifier compares with what.
struct Asked<'v> {
    /// The value that it looks at: a text that two share if they look at the same.
    value: String,
    comparison: &'v Comparison,
    ignore_case: bool,
    /// The value is a text whatever happens, and no list.
    is_text: bool,
}

impl<'v> Asked<'v> {
    fn of(verifier: &'v VerifierSpec) -> Option<Self> {
        let plain = |value: String, comparison| Self {
            value,
            comparison,
            ignore_case: false,
            is_text: false,
        };
        match &verifier.check {
            Check::DatabaseState { query, comparison } => Some(plain(normalised(query), comparison)),
            Check::ToolResult {
                tool,
                arguments,
                select,
                comparison,
            } => {
                let value = format!("{tool} {} {select:?}", Value::Object(arguments.clone()));
                Some(plain(value, comparison))
            }
            Check::ResponseCheck(ResponseCheck::Json { select, comparison }) => {
                Some(plain(format!("answer {select:?}"), comparison))
            }
            Check::ResponseCheck(ResponseCheck::Text {
                comparison,
                ignore_case,
            }) => Some(Self {
                value: format!("answer {ignore_case}"),
                comparison,
                ignore_case: *ignore_case,
                is_text: true,
            }),
            _ => None,
        }
    }

    /// `2` for a value that is expected, else the operator too: `greater_than 2`.
    fn words(&self) -> String {
        let expected = shortened(&self.comparison.expected);
        match self.comparison.operator {
            Operator::Equals => expected,
            operator => format!("{} {expected}", operator.name()),
        }
    }

    /// Whether no value satisfies both.
    fn excludes(&self, other: &Self) -> bool {
        let values_clash = match (self.values(), other.values()) {
            // Equality has a direction (1 is an expected `true`, but `true` is no expected 1): one way is enough.
            (Some(ours), Some(theirs)) => other.refuses(ours) && self.refuses(theirs),
            (Some(ours), None) => plain(ours) && other.refuses(ours),
            (None, Some(theirs)) => plain(theirs) && self.refuses(theirs),
            (None, None) => false,
        };
        // The order of two texts may be another one once case is ignored.
        let ordered = !self.ignore_case;
        values_clash
            || (ordered && apart(self.comparison, other.comparison))
            || (ordered && apart(other.comparison, self.comparison))
            || self.forbids_part(other)
            || other.forbids_part(self)
    }

    /// The only values that satisfy it, if they are named.
    fn values(&self) -> Option<&[Value]> {
        let expected = &self.comparison.expected;
        match self.comparison.operator {
            Operator::Equals => Some(slice::from_ref(expected)),
            Operator::In => expected
                .as_array()
                .map(Vec::as_slice)
                .filter(|list| !list.is_empty()),
            _ => None,
        }
    }

    /// Whether none of these values satisfies it. What cannot be told is no refusal.
    fn refuses(&self, values: &[Value]) -> bool {
        values.iter().all(|value| {
            let holds = if self.ignore_case {
                self.comparison.check_ignoring_case(value)
            } else {
                self.comparison.check(value)
            };
            holds == Ok(false)
        })
    }

    /// Whether the other must contain a text that this one must not.
    fn forbids_part(&self, other: &Self) -> bool {
        let operators = (self.comparison.operator, other.comparison.operator);
        if operators != (Operator::NotContains, Operator::Contains) {
            return false;
        }
        let (Value::String(not), Value::String(part)) =
            (&self.comparison.expected, &other.comparison.expected)
        else {
            return false;
        };
        // A list may hold one text and not another that is a part of it.
        part == not || (self.is_text && part.contains(not.as_str()))
    }
}

/// Whether these are the only values that equal them, but for 1 and 0, which equal true and false: of lists and objects
/// there are more that do.
fn plain(values: &[Value]) -> bool {
    !values.iter().any(|value| value.is_array() || value.is_object())
}

/// Whether the least value of `one` is beyond the greatest of `other`.
fn apart(one: &Comparison, other: &Comparison) -> bool {
    let (Some((low, low_counts)), Some((high, high_counts))) = (lowest(one), highest(other)) else {
        return false;
    };
    match compare(low, high) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => !(low_counts && high_counts),
        _ => false,
    }
}

/// The bound that values must not be below, and whether it itself will do.
fn lowest(comparison: &Comparison) -> Option<(&Value, bool)> {
    let expected = &comparison.expected;
    match comparison.operator {
        Operator::GreaterThan => Some((expected, false)),
        Operator::GreaterThanOrEqual => Some((expected, true)),
        Operator::Between => Some((expected.get(0)?, true)),
        _ => None,
    }
}

/// The bound that values must not be above, and whether it itself will do.
fn highest(comparison: &Comparison) -> Option<(&Value, bool)> {
    let expected = &comparison.expected;
    match comparison.operator {
        Operator::LessThan => Some((expected, false)),
        Operator::LessThanOrEqual => Some((expected, true)),
        Operator::Between => Some((expected.get(1)?, true)),
        _ => None,
    }
}

/// The query without differences that do not matter. Blanks do where something is quoted, and ends of lines do after a
/// comment: such a query stays as it is.
fn normalised(query: &str) -> String {
    let mut parts = query.split_whitespace();
    let quotes_blanks = parts.any(|part| part.matches(['\'', '"', '`', '[', ']']).count() % 2 == 1);
    let query = if quotes_blanks || query.contains("--") {
        query.to_owned()
    } else {
        query.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    query
        .trim_matches(|c: char| c == ';' || c.is_whitespace())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sql(query: &str, operator: &str, expected: &Value) -> VerifierSpec {
        let config = json!({"query": query, "comparison": {"operator": operator, "expected": expected}});
        let spec = json!({"name": "v", "verifier_type": "database_state", "validation_config": config});
        serde_json::from_value(spec).unwrap()
    }

    fn answer(operator: &str, expected: &Value, ignore_case: bool) -> VerifierSpec {
        let comparison = json!({"operator": operator, "expected": expected});
        let config = json!({"check": "text", "comparison": comparison, "ignore_case": ignore_case});
        let spec = json!({"name": "v", "verifier_type": "response_check", "validation_config": config});
        serde_json::from_value(spec).unwrap()
    }

    fn clash(one: &VerifierSpec, other: &VerifierSpec) -> bool {
        let [ours, theirs] = [(one, other), (other, one)]
            .map(|(one, other)| contradicted_by(one, slice::from_ref(other)).is_some());
        assert_eq!(ours, theirs, "the order of the two does not matter");
        ours
    }

    #[test]
    fn values_that_no_result_can_have_at_once() {
        for (one, expects, other, too, want) in [
            ("equals", json!(1), "equals", json!(2), true),
            ("equals", json!(1), "equals", json!(1.0), false),
            ("equals", json!(1), "equals", json!(true), false),
            ("equals", json!(2), "equals", json!(true), true),
            ("equals", json!(1), "equals", json!("1"), true),
            ("equals", json!(1), "not_equals", json!(1), true),
            ("equals", json!(1), "not_equals", json!(2), false),
            ("equals", json!(1), "greater_than", json!(1), true),
            ("equals", json!(1), "greater_than_or_equal", json!(1), false),
            ("equals", json!("a"), "greater_than", json!(1), false),
            ("equals", json!("abc"), "contains", json!("x"), true),
            ("equals", json!("abc"), "matches", json!("^a"), false),
            ("equals", json!("abc"), "matches", json!("^b"), true),
            ("equals", json!(null), "contains", json!("x"), true),
            ("in", json!([1, 2]), "in", json!([3, 4]), true),
            ("in", json!([1, 2]), "in", json!([2, 3]), false),
            ("in", json!([1, 2]), "greater_than", json!(2), true),
            ("in", json!([]), "equals", json!(2), true),
            ("greater_than", json!(5), "less_than", json!(3), true),
            ("greater_than", json!(3), "less_than", json!(3), true),
            (
                "greater_than_or_equal",
                json!(3),
                "less_than_or_equal",
                json!(3),
                false,
            ),
            ("greater_than", json!(3), "less_than", json!(5), false),
            ("greater_than", json!(3), "less_than", json!("5"), false),
            ("between", json!([1, 4]), "greater_than", json!(4), true),
            ("between", json!([1, 4]), "between", json!([4, 9]), false),
            ("between", json!([1, 4]), "between", json!([5, 9]), true),
            ("contains", json!("a"), "not_contains", json!("a"), true),
            ("contains", json!("ab"), "not_contains", json!("a"), false),
            ("matches", json!("^a"), "matches", json!("^b"), false),
            ("equals", json!(true), "greater_than", json!(0), false),
            ("equals", json!([true]), "contains", json!(1), false),
        ] {
            let found = clash(&sql("SELECT x", one, &expects), &sql("SELECT  x;", other, &too));
            assert_eq!(found, want, "{one} {expects}, {other} {too}");
        }
        let (one, two) = (json!(1), json!(2));
        assert!(!clash(
            &sql("SELECT x", "equals", &one),
            &sql("SELECT y", "equals", &two)
        ));
    }

    #[test]
    fn an_answer_is_always_a_text() {
        let (long, short) = (json!("all done"), json!("done"));
        assert!(clash(
            &answer("contains", &long, false),
            &answer("not_contains", &short, false)
        ));
        assert!(!clash(
            &answer("contains", &short, false),
            &answer("not_contains", &long, false)
        ));
        let (done, loud) = (json!("done"), json!("DONE"));
        assert!(!clash(
            &answer("equals", &done, true),
            &answer("equals", &loud, true)
        ));
        assert!(clash(
            &answer("equals", &done, false),
            &answer("equals", &loud, false)
        ));
        let (a, b) = (json!("a"), json!("B"));
        assert!(!clash(
            &answer("greater_than", &a, true),
            &answer("less_than", &b, true)
        ));
        assert!(clash(
            &answer("greater_than", &a, false),
            &answer("less_than", &b, false)
        ));
    }

    #[test]
    fn the_same_in_other_blanks_is_the_same() {
        let one = sql("SELECT  x\n FROM t;", "equals", &json!(1));
        assert!(same_as(&one, &[sql("SELECT x FROM t", "equals", &json!(1))]).is_some());
        assert!(same_as(&one, &[sql("SELECT x FROM t", "equals", &json!(2))]).is_none());
        let elsewhere = VerifierSpec {
            gym: Some("other".to_owned()),
            ..one.clone()
        };
        assert!(same_as(&one, &[elsewhere]).is_none());
        for (one, other) in [
            (
                "SELECT a FROM t WHERE b = 'x  y'",
                "SELECT a FROM t WHERE b = 'x y'",
            ),
            ("SELECT a -- of b\n, c FROM t", "SELECT a -- of b , c FROM t"),
        ] {
            let earlier = sql(other, "equals", &json!(1));
            let found = same_as(&sql(one, "equals", &json!(1)), slice::from_ref(&earlier));
            assert!(found.is_none(), "{one}");
        }
    }
}
