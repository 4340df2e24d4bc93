//! Verifiers of one scenario beside each other: those that ask the same, and those that cannot be true together.
//!
//! All verifiers are judged on the same final state, so two that look at the same value and that no value satisfies
//! both make a scenario that can never pass. Only what is certain is said: patterns and orders of texts with numbers
//! are left to the run.

use std::cmp::Ordering;
use std::slice;

use regex::Regex;
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
        ) => same_comparison(comparison, expected) && normalised(query) == normalised(other),
        (
            Check::ResponseCheck(ResponseCheck::Text {
                comparison,
                ignore_case,
            }),
            Check::ResponseCheck(ResponseCheck::Text {
                comparison: expected,
                ignore_case: too,
            }),
        ) => ignore_case == too && same_comparison(comparison, expected),
        _ => false,
    };
    queries || one == other
}

/// One of a list of a single value is that value.
fn same_comparison(one: &Comparison, other: &Comparison) -> bool {
    let single = |comparison: &Comparison| match (comparison.operator, &comparison.expected) {
        (Operator::Equals, value) => Some(value.clone()),
        (Operator::In, Value::Array(values)) if values.len() == 1 => values.first().cloned(),
        _ => None,
    };
    one == other || matches!((single(one), single(other)), (Some(ours), Some(theirs)) if ours == theirs)
}

/// The first of `earlier` that no value satisfies together with `verifier`, with what both expect of it in words.
pub(super) fn contradicted_by<'v>(
    verifier: &VerifierSpec,
    earlier: &'v [VerifierSpec],
) -> Option<(&'v VerifierSpec, String)> {
    if let Some(found) = earlier.iter().find_map(|other| schemas_apart(other, verifier)) {
        return Some(found);
    }
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

/// Two schemas of the answer that ask for JSON of different types.
fn schemas_apart<'v>(other: &'v VerifierSpec, verifier: &VerifierSpec) -> Option<(&'v VerifierSpec, String)> {
    let types = |verifier: &VerifierSpec| match &verifier.check {
        Check::ResponseCheck(ResponseCheck::JsonSchema { schema }) => types_of(schema),
        _ => None,
    };
    let (before, asked) = (types(other)?, types(verifier)?);
    // An integer is a number.
    let fits = |one: &str, other: &str| one == other || (one, other) == ("integer", "number");
    let meets = |one: &String| {
        let mut others = asked.iter();
        others.any(|other| fits(one, other) || fits(other, one))
    };
    let words = || format!("{} and {}", before.join(" or "), asked.join(" or "));
    (!before.iter().any(meets)).then(|| (other, words()))
}

/// The types that a schema allows, if it names any.
fn types_of(schema: &Value) -> Option<Vec<String>> {
    match schema.get("type")? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Whether every answer satisfies the verifier.
pub(super) fn always_true(verifier: &VerifierSpec) -> bool {
    let Check::ResponseCheck(ResponseCheck::Text { comparison, .. }) = &verifier.check else {
        return false;
    };
    match (comparison.operator, &comparison.expected) {
        (Operator::Contains, Value::String(part)) => part.is_empty(),
        (Operator::Matches, Value::String(pattern)) => is_found_everywhere(pattern),
        _ => false,
    }
}

/// Whether a pattern is found in every text: it is found in the empty one, and does not look at what stands around. One end of
/// the text is in every text too; that it holds nothing but the pattern is not, and is left to the run.
fn is_found_everywhere(pattern: &str) -> bool {
    let looks = ["^", "$", "\\b", "\\B", "\\A", "\\z", "\\<", "\\>"];
    let free = |pattern: &str| !looks.iter().any(|look| pattern.contains(look));
    let one_end = pattern.strip_prefix('^').or_else(|| pattern.strip_suffix('$'));
    free(one_end.unwrap_or(pattern)) && Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(""))
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

/// Keywords: they mean the same in small letters. Names may not.
const KEYWORDS: [&str; 38] = [
    "select", "from", "where", "and", "or", "not", "in", "is", "null", "like", "between", "exists", "case",
    "when", "then", "else", "end", "join", "inner", "left", "right", "outer", "cross", "on", "using",
    "group", "order", "by", "having", "limit", "offset", "distinct", "union", "all", "asc", "desc", "with",
    "values",
];

/// The query without differences that do not matter: blanks outside quotes, the case of keywords, an `AS` before a name. Ends of
/// lines matter after a comment, and what is quoted in ways that only some databases know may be anything: such a query stays as it is.
fn normalised(query: &str) -> String {
    let trimmed = query.trim_matches(|c: char| c == ';' || c.is_whitespace());
    if ["--", "/*", "\\", "$$"].iter().any(|odd| query.contains(odd)) {
        return trimmed.to_owned();
    }
    let (mut out, mut rest) = (String::with_capacity(trimmed.len()), trimmed);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = match first {
            '\'' | '"' | '`' => rest[1..].find(first).map(|at| at + 2),
            '[' => rest.find(']').map(|at| at + 1),
            c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()),
            c if is_word(c) => rest.find(|c: char| !is_word(c)),
            c => Some(c.len_utf8()),
        };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        let lower = part.to_ascii_lowercase();
        match first {
            c if c.is_whitespace() && out.ends_with(' ') => {}
            c if c.is_whitespace() => out.push(' '),
            _ if lower == "as" && out.ends_with(' ') && after.starts_with(char::is_whitespace) => {}
            _ if KEYWORDS.contains(&lower.as_str()) => out.push_str(&lower),
            _ => out.push_str(part),
        }
    }
    out
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
                "select x from t where b = 'A  b'",
                "SELECT x  FROM t WHERE b = 'A  b'",
            ),
            ("SELECT t.x FROM t AS t", "SELECT t.x\nFROM t t;"),
            ("SELECT x AS y FROM t", "select x y from t"),
        ] {
            let [one, other] = [one, other].map(|query| sql(query, "equals", &json!(1)));
            assert!(same_as(&one, slice::from_ref(&other)).is_some());
            let contrary = sql("SELECT nothing", "equals", &json!(1));
            assert!(same_as(&one, &[contrary]).is_none());
        }
        let [alone, listed] =
            [("equals", json!(1)), ("in", json!([1]))].map(|(how, what)| sql("SELECT x", how, &what));
        assert!(
            same_as(&alone, slice::from_ref(&listed)).is_some(),
            "one of a list of one"
        );
        for (one, other) in [
            ("SELECT a FROM t", "SELECT A FROM t"),
            (
                "SELECT a FROM t WHERE b = 'AS x'",
                "SELECT a FROM t WHERE b = 'as x'",
            ),
            ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'X'"),
            (
                "SELECT a FROM t WHERE b = 'it\\'s  AS'",
                "SELECT a FROM t WHERE b = 'it\\'s AS'",
            ),
            ("SELECT \"as\" FROM t", "SELECT \"AS\" FROM t"),
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

    #[test]
    fn what_every_answer_satisfies() {
        for (operator, expected, want) in [
            ("contains", "", true),
            ("contains", " ", false),
            ("equals", "", false),
            ("matches", "", true),
            ("matches", ".*", true),
            ("matches", "^.*", true),
            ("matches", "(?s).*", true),
            ("matches", "(yes)?", true),
            ("matches", "x*$", true),
            ("matches", "^.*$", false), // of two lines it is not
            ("matches", "^x*$", false),
            ("matches", ".+", false),
            ("matches", r"\b", false),
            ("matches", "WEB-[0-9]+", false),
            ("matches", "[^x]", false),
        ] {
            let verifier = answer(operator, &json!(expected), false);
            assert_eq!(always_true(&verifier), want, "{operator} {expected:?}");
            let text = |text: &str| match &verifier.check {
                Check::ResponseCheck(ResponseCheck::Text { comparison, .. }) => {
                    comparison.check(&json!(text))
                }
                _ => unreachable!("it is a check of the answer"),
            };
            let all = ["", "yes", "a\nb", "WEB-1", "x"].map(|said| text(said) == Ok(true));
            assert!(!want || all == [true; 5], "{operator} {expected:?}: {all:?}");
        }
    }

    #[test]
    fn json_of_two_types_at_once() {
        let schema = |of: &Value| -> VerifierSpec {
            let config = json!({"check": "json_schema", "schema": {"type": of}});
            let spec = json!({"name": "v", "verifier_type": "response_check", "validation_config": config});
            serde_json::from_value(spec).unwrap()
        };
        for (one, other, want) in [
            (json!("object"), json!("array"), true),
            (json!("object"), json!("object"), false),
            (json!("integer"), json!("number"), false),
            (json!(["object", "null"]), json!(["array", "null"]), false),
            (json!(["object", "null"]), json!("string"), true),
        ] {
            assert_eq!(clash(&schema(&one), &schema(&other)), want, "{one} {other}");
        }
    }
}
