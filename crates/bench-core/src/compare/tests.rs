//! The rules of comparison as tables: actual, operator, expected, answer.

use serde_json::json;

use super::*;

/// `yes`, `no` or the error, for `actual operator expected`.
fn check(actual: &Value, operator: &str, expected: &Value) -> String {
    let operator = Operator::parse(operator).unwrap();
    match (Comparison {
        operator,
        expected: expected.clone(),
    })
    .check(actual)
    {
        Ok(true) => "yes".to_owned(),
        Ok(false) => "no".to_owned(),
        Err(CompareError::Incomparable { .. }) => "incomparable".to_owned(),
        Err(CompareError::BadExpected { .. }) => "bad expected".to_owned(),
        Err(CompareError::BadPattern { .. }) => "bad pattern".to_owned(),
        Err(CompareError::TooLarge { .. }) => "too large".to_owned(),
    }
}

#[track_caller]
fn table(rows: &[(Value, &str, Value, &str)]) {
    for (actual, operator, expected, want) in rows {
        assert_eq!(
            check(actual, operator, expected),
            *want,
            "{actual} {operator} {expected}"
        );
    }
}

#[test]
fn equality_is_by_value() {
    table(&[
        (json!(1), "equals", json!(1), "yes"),
        (json!(1), "equals", json!(1.0), "yes"),
        (json!(1.0), "eq", json!(1), "yes"),
        (json!(1), "==", json!(2), "no"),
        (json!(0), "equal", json!(-0.0), "yes"),
        (json!(0.1), "equals", json!(0.1), "yes"),
        (json!(0.1), "equals", json!(0.100_000_000_000_001), "no"),
        (json!("1"), "equals", json!(1), "no"),
        (json!(1), "equals", json!("1"), "no"),
        (json!("a"), "equals", json!("a"), "yes"),
        (json!("a"), "equals", json!("A"), "no"),
        (json!("a "), "equals", json!("a"), "no"),
        (json!(""), "equals", json!(null), "no"),
        (json!(null), "equals", json!(null), "yes"),
        (json!(null), "equals", json!(0), "no"),
        (json!(0), "equals", json!(null), "no"),
        (json!(null), "equals", json!(false), "no"),
        (json!(1), "!=", json!(1), "no"),
        (json!(1), "not_equals", json!("1"), "yes"),
        (json!(null), "ne", json!(1), "yes"),
        (json!(null), "neq", json!(null), "no"),
        (json!(1), "<>", json!(1.0), "no"),
    ]);
}

#[test]
fn an_expected_boolean_accepts_what_sqlite_has_instead() {
    table(&[
        (json!(true), "equals", json!(true), "yes"),
        (json!(true), "equals", json!(false), "no"),
        (json!(1), "equals", json!(true), "yes"),
        (json!(1.0), "equals", json!(true), "yes"),
        (json!(0), "equals", json!(false), "yes"),
        (json!(0), "equals", json!(true), "no"),
        (json!(2), "equals", json!(true), "no"),
        (json!("true"), "equals", json!(true), "no"),
        (json!(true), "equals", json!(1), "no"),
        (json!(false), "equals", json!(0), "no"),
        (json!(1), "not_equals", json!(true), "no"),
        (json!(1), "in", json!([true, 7]), "yes"),
        (json!([1, 0]), "equals", json!([true, false]), "yes"),
    ]);
}

#[test]
fn big_integers_stay_exact() {
    table(&[
        (
            json!(9_007_199_254_740_993_u64),
            "equals",
            json!(9_007_199_254_740_992_u64),
            "no",
        ),
        (
            json!(9_007_199_254_740_993_u64),
            "equals",
            json!(9_007_199_254_740_992.0),
            "no",
        ),
        (
            json!(9_007_199_254_740_993_u64),
            ">",
            json!(9_007_199_254_740_992.0),
            "yes",
        ),
        (
            json!(9_007_199_254_740_992_u64),
            "equals",
            json!(9_007_199_254_740_992.0),
            "yes",
        ),
        (json!(u64::MAX), "equals", json!(u64::MAX), "yes"),
        (json!(u64::MAX), "equals", json!(u64::MAX - 1), "no"),
        (json!(u64::MAX), "<", json!(18_446_744_073_709_551_616.0), "yes"),
        (
            json!(i64::MIN),
            "equals",
            json!(-9_223_372_036_854_774_784.0),
            "no",
        ),
        (json!(i64::MIN), "<", json!(i64::MIN + 1), "yes"),
        (json!(1e300), ">", json!(u64::MAX), "yes"),
        (json!(-1e300), "<", json!(i64::MIN), "yes"),
        (json!(1e15), "equals", json!(1e15), "yes"),
        (json!(1e300), "equals", json!(2e300), "no"),
    ]);
}

/// As a harness or an answer has it: `json!` could not even write such a number.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn integers_beyond_64_bits_never_pass_for_their_neighbours() {
    let (two_64, near) = ("18446744073709551616", "18446744073709551999");
    let (lowest, below) = ("-9223372036854775808", "-9223372036854775809");
    for (actual, operator, expected, want) in [
        (near, "equals", two_64, "too large"),
        (near, "not_equals", two_64, "too large"),
        (near, ">", two_64, "too large"),
        (near, "<=", two_64, "too large"),
        (below, "equals", lowest, "too large"),
        (lowest, "equals", below, "too large"),
        (lowest, ">", below, "too large"),
        (near, "in", "[1, 18446744073709551616]", "too large"),
        (near, "between", "[0, 18446744073709551616]", "too large"),
        ("[18446744073709551999]", "contains", two_64, "too large"),
        (
            "[18446744073709551999]",
            "equals",
            "[18446744073709551616]",
            "too large",
        ),
        (
            r#"{"n":18446744073709551999}"#,
            "equals",
            r#"{"n":18446744073709551616}"#,
            "too large",
        ),
        // What rounding cannot have changed is told.
        ("18446744073709551615", "equals", two_64, "no"),
        ("18446744073709551615", "<", two_64, "yes"),
        ("28446744073709551616", ">", two_64, "yes"),
        (near, "equals", "1", "no"),
        (near, "equals", "\"18446744073709551616\"", "no"),
        (near, "between", "[0, 28446744073709551616]", "yes"),
        ("[1, 18446744073709551999]", "contains", "1", "yes"),
        (
            "[18446744073709551999, 1]",
            "equals",
            "[18446744073709551616, 2]",
            "no",
        ),
    ] {
        assert_eq!(
            check(&read(actual), operator, &read(expected)),
            want,
            "{actual} {operator} {expected}"
        );
    }
}

#[test]
fn numbers_and_texts_have_an_order_and_nothing_else_does() {
    table(&[
        (json!(2), "greater_than", json!(1), "yes"),
        (json!(1), "gt", json!(1), "no"),
        (json!(1.5), ">", json!(1), "yes"),
        (json!(-1.5), "<", json!(-1), "yes"),
        (json!(-1.5), ">", json!(-2), "yes"),
        (json!(1), ">=", json!(1.0), "yes"),
        (json!(1), "greater_than_equal", json!(2), "no"),
        (json!(1), "less_than", json!(2), "yes"),
        (json!(1), "lt", json!(1), "no"),
        (json!(1), "less_than_or_equal_to", json!(1), "yes"),
        (json!(2), "lte", json!(1.99), "no"),
        (json!("b"), ">", json!("a"), "yes"),
        (json!("2026-01-10"), ">", json!("2026-01-09"), "yes"),
        (json!("10"), "<", json!("9"), "yes"),
        (json!("10"), "<", json!(9), "incomparable"),
        (json!(10), "<", json!("9"), "incomparable"),
        (json!(null), ">", json!(0), "incomparable"),
        (json!(null), "<=", json!("a"), "incomparable"),
        (json!(true), ">", json!(0), "incomparable"),
        (json!([1]), ">", json!(0), "incomparable"),
        (json!({}), "<", json!(0), "incomparable"),
        (json!(1), ">", json!(null), "bad expected"),
        (json!(1), ">", json!([0]), "bad expected"),
        (json!(1), ">", json!(true), "bad expected"),
    ]);
}

#[test]
fn texts_and_lists_contain() {
    table(&[
        (json!("release notes"), "contains", json!("note"), "yes"),
        (json!("release notes"), "contains", json!("Note"), "no"),
        (json!("x"), "contains", json!(""), "yes"),
        (json!("x"), "not_contains", json!("y"), "yes"),
        (json!([1, 2]), "contains", json!(2.0), "yes"),
        (json!([1, 2]), "contains", json!("2"), "no"),
        (json!([1, 2]), "not_contains", json!(3), "yes"),
        (json!([{"a": 1}]), "contains", json!({"a": 1.0}), "yes"),
        (json!([[1]]), "contains", json!([1]), "yes"),
        (json!(null), "contains", json!("x"), "no"),
        (json!(null), "not_contains", json!("x"), "yes"),
        (json!(12), "contains", json!(1), "incomparable"),
        (json!("12"), "contains", json!(1), "incomparable"),
        (json!({"a": 1}), "contains", json!("a"), "incomparable"),
    ]);
}

#[test]
fn sets_ranges_and_patterns() {
    table(&[
        (json!("a"), "in", json!(["a", "b"]), "yes"),
        (json!("c"), "in", json!(["a", "b"]), "no"),
        (json!(1.0), "in", json!([1]), "yes"),
        (json!(null), "in", json!([null]), "yes"),
        (json!(1), "in", json!([]), "no"),
        (json!("a"), "in", json!("abc"), "bad expected"),
        (json!(5), "between", json!([1, 5]), "yes"),
        (json!(1), "between", json!([1, 5]), "yes"),
        (json!(5.001), "between", json!([1, 5]), "no"),
        (json!("m"), "between", json!(["a", "z"]), "yes"),
        (json!("5"), "between", json!([1, 9]), "incomparable"),
        (json!(null), "between", json!([1, 9]), "incomparable"),
        (json!(5), "between", json!([9, 1]), "bad expected"),
        (json!(5), "between", json!([1]), "bad expected"),
        (json!(5), "between", json!([1, "z"]), "bad expected"),
        (json!("WEB-12"), "matches", json!(r"^WEB-\d+$"), "yes"),
        (json!("see WEB-12 now"), "regex", json!(r"WEB-\d+"), "yes"),
        (json!("web-12"), "matches", json!("WEB"), "no"),
        (json!(null), "matches", json!(".*"), "no"),
        (json!(12), "matches", json!("12"), "incomparable"),
        (json!("x"), "matches", json!("("), "bad pattern"),
        (json!("x"), "matches", json!(1), "bad expected"),
    ]);
}

#[test]
fn lists_and_objects_are_compared_member_by_member() {
    table(&[
        (json!([1, "a"]), "equals", json!([1.0, "a"]), "yes"),
        (json!([1, 2]), "equals", json!([2, 1]), "no"),
        (json!([1]), "equals", json!([1, 2]), "no"),
        (json!([]), "equals", json!({}), "no"),
        (
            json!({"a": 1, "b": [2]}),
            "equals",
            json!({"b": [2.0], "a": 1}),
            "yes",
        ),
        (json!({"a": 1}), "equals", json!({"a": 1, "b": 2}), "no"),
        (json!({"a": 1, "b": 2}), "equals", json!({"a": 1}), "no"),
        (json!({"a": null}), "equals", json!({"b": null}), "no"),
    ]);
}

#[test]
fn case_can_be_ignored() {
    let yes = |operator: &str, actual: Value, expected: Value| {
        let operator = Operator::parse(operator).unwrap();
        Comparison { operator, expected }
            .check_ignoring_case(&actual)
            .unwrap()
    };
    assert!(yes("equals", json!("DONE"), json!("done")));
    assert!(yes("contains", json!("All DONE"), json!("Done")));
    assert!(yes("contains", json!(["A"]), json!("a")));
    assert!(yes("in", json!("b"), json!(["A", "B"])));
    assert!(
        yes("matches", json!("ABC"), json!(r"^\Sbc$")),
        r"\S must not turn into \s"
    );
    assert!(!yes("not_contains", json!("ABC"), json!("b")));
}

#[test]
fn errors_say_what_was_compared_with_what() {
    let error = |operator: &str, actual: Value, expected: Value| {
        let operator = Operator::parse(operator).unwrap();
        Comparison { operator, expected }
            .check(&actual)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(error(">", json!(null), json!(3)), @"cannot tell whether null greater_than 3");
    insta::assert_snapshot!(error("between", json!(1), json!([9, 1])), @"`between` needs a list [low, high] of two numbers or two texts, low first, to compare with, not [9,1]");
    insta::assert_snapshot!(error("matches", json!("x"), json!("a(")), @"the pattern `a(` is not a regular expression: unclosed group");
    let long = error("contains", json!({"text": "x".repeat(500)}), json!("a"));
    assert!(long.len() < 200, "a long value is cut: {long}");
}
