//! Any query that there may be, and any text that is none.

use proptest::prelude::*;

use super::*;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-zA-Z0-9._-]{0,8}",
        "[ -~äß\\n\\t]{0,12}",
        Just("and".to_owned()),
        Just("Order By".to_owned()),
        Just(String::new()),
    ]
}

fn at<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = At<T>> {
    value.prop_map(|value| At { value, offset: 0 })
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_text().prop_map(Value::Text),
        1 => ("[a-z][a-zA-Z]{1,8}[0-9]", prop::collection::vec(any_text(), 0..3))
            .prop_map(|(name, arguments)| Value::Call { name, arguments }),
    ]
}

fn any_clause() -> impl Strategy<Value = Expr> {
    let comparison = prop::sample::select(vec![
        Comparison::Eq,
        Comparison::Ne,
        Comparison::Lt,
        Comparison::Le,
        Comparison::Gt,
        Comparison::Ge,
        Comparison::Like,
        Comparison::NotLike,
    ]);
    let listed = prop_oneof![4 => any_value(), 1 => Just(Value::Empty)];
    let test = prop_oneof![
        (comparison, at(any_value())).prop_map(|(comparison, value)| Test::Compare(comparison, value)),
        (any::<bool>(), prop::collection::vec(at(listed), 1..4))
            .prop_map(|(negated, values)| Test::OneOf { negated, values }),
        any::<bool>().prop_map(|negated| Test::Empty { negated }),
    ];
    (at(any_text()), test).prop_map(|(field, test)| Expr::Clause(Clause { field, test }))
}

fn any_query() -> impl Strategy<Value = Query> {
    let expr = any_clause().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    });
    let key = (at(any_text()), any::<bool>()).prop_map(|(field, descending)| OrderKey { field, descending });
    (prop::option::of(expr), prop::collection::vec(key, 0..3))
        .prop_map(|(filter, order)| Query { filter, order })
}

proptest! {
    #[test]
    fn a_query_survives_being_written_and_read(query in any_query()) {
        let text = query.to_string();
        let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(read, query, "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_almost_right_text_panics_either(parts in prop::collection::vec(prop::sample::select(vec![
        "project", "status", "=", "!=", "~", "in", "not", "(", ")", ",", "\"", "'", "\\", "and", "or", "is", "empty",
        "order by", "desc", "-7d", "now()", "é", "\n", "\t", " ", "!", "&&", "<", "=",
    ]), 0..20)) {
        let text = parts.join(" ");
        let mut database = sample_once();
        drop(search(&mut database, &text).map_err(|error| error.to_string()));
    }
}

/// A database for many cheap cases; queries do not change it.
fn sample_once() -> std::sync::MutexGuard<'static, Database> {
    static SAMPLE: std::sync::LazyLock<std::sync::Mutex<Database>> =
        std::sync::LazyLock::new(|| std::sync::Mutex::new(sample()));
    SAMPLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
