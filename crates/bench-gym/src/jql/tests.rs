//! JQL against the sample world: what each query finds, and how each mistake is explained.

use proptest::prelude::*;

use super::*;
use crate::database::{Database, Image};
use crate::databases::sample_data_sql;

fn sample() -> Database {
    Database::open(&Image::from_sql(sample_data_sql()).unwrap()).unwrap()
}

/// The keys a query finds, as user 2 (Sarah Johnson) on 2025-12-01 09:00 UTC.
fn search(database: &mut Database, jql: &str) -> Result<Vec<String>, JqlError> {
    let query = parse(jql)?;
    let now = "2025-12-01T09:00:00Z".parse().unwrap();
    let connection = &*database.connection();
    let found = compile(
        &query,
        jql,
        &Scope {
            connection,
            now,
            user_id: 2,
        },
    )?;
    let sql = format!(
        "SELECT i.key FROM issue i WHERE {} ORDER BY {}",
        found.condition, found.order
    );
    let mut statement = connection.prepare(&sql).unwrap();
    let keys = statement
        .query_map(rusqlite::params_from_iter(found.parameters), |row| row.get(0))
        .unwrap();
    Ok(keys.collect::<Result<_, _>>().unwrap())
}

/// The keys that plain SQL finds, sorted.
fn select(database: &mut Database, condition: &str) -> Vec<String> {
    let sql = format!("SELECT i.key FROM issue i WHERE {condition} ORDER BY i.key");
    let mut statement = database.connection().prepare(&sql).unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Each JQL query beside SQL that says the same in plain ids.
#[test]
fn queries_find_what_equal_sql_finds() {
    const LABEL: &str = "EXISTS (SELECT 1 FROM issue_label_association a WHERE a.issue_id = i.id";
    const COMPONENT: &str = "EXISTS (SELECT 1 FROM issue_component a WHERE a.issue_id = i.id";
    let mut database = sample();
    for (jql, sql) in [
        ("", "1".to_owned()),
        ("project = WEB", "project_id = 1".to_owned()),
        ("PROJECT = web", "project_id = 1".to_owned()),
        ("project = 'Mobile App'", "project_id = 2".to_owned()),
        ("project = 3", "project_id = 3".to_owned()),
        ("project != WEB", "project_id <> 1".to_owned()),
        ("project in (WEB, MOB)", "project_id IN (1, 2)".to_owned()),
        ("project not in (WEB, MOB)", "project_id = 3".to_owned()),
        ("NOT project = WEB", "project_id <> 1".to_owned()),
        ("!(project = WEB)", "project_id <> 1".to_owned()),
        ("NOT NOT project = WEB", "project_id = 1".to_owned()),
        ("status = \"To Do\"", "status_id = 6".to_owned()),
        ("status = 6", "status_id = 6".to_owned()),
        ("status in ('in progress', \"In Review\")", "status_id IN (2, 8)".to_owned()),
        ("statusCategory = Done", "status_id IN (4, 5, 7)".to_owned()),
        ("statusCategory != Done", "status_id NOT IN (4, 5, 7)".to_owned()),
        ("statusCategory in (new, 'In Progress')", "status_id NOT IN (4, 5, 7)".to_owned()),
        ("NOT statusCategory IN (\"To Do\")", "status_id NOT IN (1, 3, 6)".to_owned()),
        ("assignee = 'Mike Chen'", "assignee_id = 3".to_owned()),
        ("assignee = mike.chen@example.com", "assignee_id = 3".to_owned()),
        ("assignee = MCHEN", "assignee_id = 3".to_owned()),
        ("assignee = 3", "assignee_id = 3".to_owned()),
        ("assignee is empty", "assignee_id IS NULL".to_owned()),
        ("assignee is not null", "assignee_id IS NOT NULL".to_owned()),
        ("assignee = empty", "assignee_id IS NULL".to_owned()),
        ("assignee != null", "assignee_id IS NOT NULL".to_owned()),
        ("NOT assignee is EMPTY", "assignee_id IS NOT NULL".to_owned()),
        // As in Jira, "not Mike" does not mean "nobody".
        ("assignee != mchen", "assignee_id <> 3".to_owned()),
        ("NOT assignee = mchen", "assignee_id <> 3".to_owned()),
        ("assignee in (mchen, EMPTY)", "assignee_id = 3 OR assignee_id IS NULL".to_owned()),
        ("assignee not in (mchen, EMPTY)", "assignee_id <> 3".to_owned()),
        ("reporter = currentUser()", "reporter_id = 2".to_owned()),
        ("reporter in (currentUser(), 6)", "reporter_id IN (2, 6)".to_owned()),
        ("creator = ppatel", "reporter_id = 6".to_owned()),
        ("watcher = currentUser()", "id IN (SELECT issue_id FROM issue_watcher WHERE user_id = 2)".to_owned()),
        ("priority = Highest", "priority_id = 1".to_owned()),
        ("priority > Medium", "priority_id IN (1, 2)".to_owned()),
        ("priority >= high", "priority_id IN (1, 2)".to_owned()),
        ("priority < Medium", "priority_id IN (4, 5)".to_owned()),
        ("NOT priority < Medium", "priority_id IN (1, 2, 3)".to_owned()),
        ("type = Bug", "issue_type_id = 1".to_owned()),
        ("issuetype in (Epic, Sub-task)", "issue_type_id IN (4, 5)".to_owned()),
        ("\"issue type\" != bug", "issue_type_id <> 1".to_owned()),
        ("labels = security", format!("{LABEL} AND a.label_id = 3)")),
        ("labels in (security, payments)", format!("{LABEL} AND a.label_id IN (3, 8))")),
        ("labels = security AND labels = payments", format!("{LABEL} AND a.label_id = 3) AND {LABEL} AND a.label_id = 8)")),
        ("labels != security", format!("{LABEL}) AND NOT {LABEL} AND a.label_id = 3)")),
        ("NOT labels = security", format!("{LABEL}) AND NOT {LABEL} AND a.label_id = 3)")),
        ("labels is empty", format!("NOT {LABEL})")),
        ("labels is not empty", format!("{LABEL})")),
        ("labels in (EMPTY, ux)", format!("NOT {LABEL}) OR {LABEL} AND a.label_id = 11)")),
        ("component = Checkout", format!("{COMPONENT} AND a.component_id = 1)")),
        ("component is empty AND project = INFRA", format!("project_id = 3 AND NOT {COMPONENT})")),
        ("fixVersion = 2.5.0", "id IN (SELECT issue_id FROM issue_fix_version WHERE version_id = 3)".to_owned()),
        ("fixVersion in unreleasedVersions()", "id IN (SELECT issue_id FROM issue_fix_version WHERE version_id IN (3, 4, 6, 7, 9, 10))".to_owned()),
        ("parent = WEB-1", "parent_id = 1".to_owned()),
        ("epic = 1", "parent_id = 1".to_owned()),
        ("\"Epic Link\" is empty", "parent_id IS NULL".to_owned()),
        ("parent in (WEB-1, MOB-1)", "parent_id IN (1, 4)".to_owned()),
        ("key = web-1", "id = 1".to_owned()),
        ("issuekey in (WEB-1, MOB-1)", "id IN (1, 4)".to_owned()),
        ("key != WEB-1", "id <> 1".to_owned()),
        ("resolution = Unresolved", "resolution_id IS NULL".to_owned()),
        ("resolution is empty", "resolution_id IS NULL".to_owned()),
        ("resolution != Unresolved", "resolution_id IS NOT NULL".to_owned()),
        ("resolution = \"Won't Do\" OR resolution = duplicate", "resolution_id IN (3, 4)".to_owned()),
        ("resolution in (Fixed, unresolved)", "resolution_id = 2 OR resolution_id IS NULL".to_owned()),
        ("summary ~ crash", "summary LIKE '%crash%'".to_owned()),
        ("summary ~ \"offline trail\"", "summary LIKE '%trail%' AND summary LIKE '%offline%'".to_owned()),
        ("summary !~ crash", "summary NOT LIKE '%crash%'".to_owned()),
        ("description ~ '\"rain jacket\"'", "description LIKE '%rain jacket%'".to_owned()),
        ("comment ~ refund", "id IN (SELECT issue_id FROM comment WHERE body LIKE '%refund%')".to_owned()),
        ("comment is empty", "id NOT IN (SELECT issue_id FROM comment)".to_owned()),
        ("environment is not empty", "environment IS NOT NULL".to_owned()),
        ("text ~ sitemap", "summary LIKE '%sitemap%' OR description LIKE '%sitemap%' OR id IN (SELECT issue_id FROM comment WHERE body LIKE '%sitemap%')".to_owned()),
        ("storyPoints >= 8", "story_points >= 8".to_owned()),
        ("\"Story Points\" = 5", "story_points = 5".to_owned()),
        ("created >= 2025-11-20", "created_at >= '2025-11-20'".to_owned()),
        ("created < 2025/07/01", "created_at < '2025-07-01'".to_owned()),
        ("created = 2025-09-02", "created_at LIKE '2025-09-02%'".to_owned()),
        ("created in (2025-09-02, 2025-06-04)", "created_at LIKE '2025-09-02%' OR created_at LIKE '2025-06-04%'".to_owned()),
        ("created >= -7d", "created_at >= '2025-11-24T09:00:00Z'".to_owned()),
        ("created >= \"2025-11-19 16:20\"", "created_at >= '2025-11-19T16:20'".to_owned()),
        ("updated >= startOfMonth(-1) AND updated <= endOfMonth(-1)", "updated_at LIKE '2025-11-%'".to_owned()),
        ("updated > startOfDay(-3d)", "updated_at > '2025-11-28'".to_owned()),
        ("NOT updated < -4w", "updated_at >= '2025-11-03T09:00:00Z'".to_owned()),
        ("resolved is not empty", "resolved_at IS NOT NULL".to_owned()),
        ("resolutiondate >= -30d", "resolved_at >= '2025-11-01T09:00:00Z'".to_owned()),
        ("due <= 7d", "due_date <= '2025-12-08'".to_owned()),
        ("due < now()", "due_date < '2025-12-01'".to_owned()),
        ("due = 2025-12-10", "due_date = '2025-12-10'".to_owned()),
        ("due is empty", "due_date IS NULL".to_owned()),
        ("project = WEB AND type = Bug AND status != Closed", "project_id = 1 AND issue_type_id = 1 AND status_id <> 5".to_owned()),
        ("project = WEB && type = Bug || project = MOB", "(project_id = 1 AND issue_type_id = 1) OR project_id = 2".to_owned()),
        ("project = WEB and (type = Bug or project = MOB)", "project_id = 1 AND issue_type_id = 1".to_owned()),
        ("NOT (project = WEB OR type = Bug)", "project_id <> 1 AND issue_type_id <> 1".to_owned()),
        ("NOT (project = WEB AND type = Bug)", "project_id <> 1 OR issue_type_id <> 1".to_owned()),
    ] {
        let mut found = search(&mut database, jql).unwrap_or_else(|error| panic!("{jql}\n{error}"));
        found.sort();
        assert_eq!(found, select(&mut database, &sql), "{jql}");
    }
}

#[test]
fn most_rows_of_the_table_above_find_something_and_not_everything() {
    let mut database = sample();
    for jql in [
        "labels in (security, payments)",
        "watcher = currentUser()",
        "due < now()",
        "comment ~ refund",
    ] {
        let found = search(&mut database, jql).unwrap().len();
        assert!((1..70).contains(&found), "{jql}: {found}");
    }
}

#[test]
fn order_by_sorts_by_meaning() {
    let mut database = sample();
    let mut first = |jql: &str, count: usize| -> Vec<String> {
        search(&mut database, jql)
            .unwrap()
            .into_iter()
            .take(count)
            .collect()
    };
    assert_eq!(first("project = WEB", 2), ["WEB-34", "WEB-33"]);
    assert_eq!(
        first("project = WEB ORDER BY key", 3),
        ["WEB-1", "WEB-2", "WEB-3"]
    );
    assert_eq!(first("order by key desc", 1), ["INFRA-19"]);
    let by_priority = first("project = MOB ORDER BY priority DESC, created ASC", 23);
    assert_eq!(
        by_priority.first().unwrap(),
        &first("project = MOB AND priority = Highest", 1)[0]
    );
    assert_eq!(
        by_priority.last().unwrap(),
        &first("project = MOB AND priority = Lowest", 1)[0]
    );
    // Issues without a date come last in both directions.
    for direction in ["ASC", "DESC"] {
        let found = first(&format!("project = MOB ORDER BY due {direction}"), 23);
        let dated = first("project = MOB AND due IS NOT EMPTY", 23);
        assert!(
            found[..dated.len()].iter().all(|key| dated.contains(key)),
            "{direction}"
        );
    }
}

#[test]
fn the_examples_of_the_description_find_something() {
    let text = include_str!("../../SCHEMA.md");
    let (_, jql) = text.split_once("## JQL").unwrap();
    let block = jql.split("```").nth(1).unwrap().strip_prefix("text\n").unwrap();
    let mut database = sample();
    for example in block.lines() {
        let found = search(&mut database, example).unwrap_or_else(|error| panic!("{error}"));
        assert!(!found.is_empty(), "{example}");
    }
    assert!(block.lines().count() >= 8);
}

#[test]
fn mistakes_are_explained_with_their_place() {
    let mut database = sample();
    let mut messages = String::new();
    for jql in [
        "statuss = Done",
        "sprint = 4",
        "status = Dun",
        "status = Frobnicated",
        "project = WEBB",
        "assignee = 'Mike Chan'",
        "key = WEB-99",
        "key = NOPE-1",
        "assignee = member()",
        "fixVersion in openVersions()",
        "status",
        "status =",
        "status = Done AND",
        "status = Done status = Open",
        "status in Done",
        "status in (Done",
        "status in ()",
        "status is Done",
        "(status = Done",
        "status = Done)",
        "summary ~ \"open",
        "summary = crash",
        "summary ~ '...'",
        "status ~ Done",
        "status > Done",
        "summary is empty",
        "created > yesterday",
        "storyPoints > many",
        "status was Done",
        "assignee changed",
        "priority < EMPTY",
        "ORDER BY labels",
        "ORDER BY created UP",
        "project = WEB ORDER created",
        "and",
    ] {
        let error = search(&mut database, jql).expect_err(jql).to_string();
        messages.push_str(&error);
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @r#"
    JQL error at character 1: there is no field `statuss`; did you mean `status`?
        statuss = Done
        ^
    JQL error at character 1: there is no field `sprint`; there are: project, key, summary, description, environment, comment, text, status, statuscategory, resolution, priority, issuetype, assignee, reporter, watcher, labels, component, fixversion, parent, storypoints, created, updated, resolved, due
        sprint = 4
        ^
    JQL error at character 10: there is no status `Dun`; there are: Open, In Progress, Reopened, Resolved, Closed, To Do, Done, In Review
        status = Dun
                 ^
    JQL error at character 10: there is no status `Frobnicated`; there are: Open, In Progress, Reopened, Resolved, Closed, To Do, Done, In Review
        status = Frobnicated
                 ^
    JQL error at character 11: there is no project `WEBB`; did you mean `WEB`?
        project = WEBB
                  ^
    JQL error at character 12: there is no user `Mike Chan`; did you mean `Mike Chen`?
        assignee = 'Mike Chan'
                   ^
    JQL error at character 7: there is no issue `WEB-99`; keys of this project run from WEB-1 to WEB-34
        key = WEB-99
              ^
    JQL error at character 7: there is no issue `NOPE-1`; give a key such as WEB-1, projects: WEB, MOB, INFRA
        key = NOPE-1
              ^
    JQL error at character 12: `member()` cannot be used with this field; currentUser() can
        assignee = member()
                   ^
    JQL error at character 15: `openVersions()` cannot be used with this field; releasedVersions() and unreleasedVersions() can
        fixVersion in openVersions()
                      ^
    JQL error at character 7: expected one of = != < <= > >= ~ !~ IN, NOT IN, IS EMPTY, IS NOT EMPTY
        status
              ^
    JQL error at character 9: expected a value
        status =
                ^
    JQL error at character 18: expected a field
        status = Done AND
                         ^
    JQL error at character 15: expected AND, OR, ORDER BY or the end
        status = Done status = Open
                      ^
    JQL error at character 11: expected `(` after IN
        status in Done
                  ^
    JQL error at character 16: expected `,` or `)`
        status in (Done
                       ^
    JQL error at character 12: expected a value
        status in ()
                   ^
    JQL error at character 11: expected EMPTY after IS
        status is Done
                  ^
    JQL error at character 15: expected AND, OR or `)`
        (status = Done
                      ^
    JQL error at character 14: expected AND, OR, ORDER BY or the end
        status = Done)
                     ^
    JQL error at character 11: this quote is never closed
        summary ~ "open
                  ^
    JQL error at character 1: `summary` holds text: use ~ or !~ with the words to find
        summary = crash
        ^
    JQL error at character 11: expected at least one word to find
        summary ~ '...'
                  ^
    JQL error at character 1: `status` holds no text: use = or IN instead of ~
        status ~ Done
        ^
    JQL error at character 1: `status` has no order: > cannot be used, use = != IN or NOT IN
        status > Done
        ^
    JQL error at character 1: `summary` is never empty
        summary is empty
        ^
    JQL error at character 11: `yesterday` is no date: write 2025-11-03, "2025-11-03 09:15", -7d or one of now(), startOfDay(), endOfDay(), startOfWeek(), endOfWeek(), startOfMonth(), endOfMonth(), startOfYear(), endOfYear()
        created > yesterday
                  ^
    JQL error at character 15: `many` is no number
        storyPoints > many
                      ^
    JQL error at character 8: WAS, CHANGED and DURING are not supported, use get_issue_changelog; expected one of = != < <= > >= ~ !~ IN, NOT IN, IS EMPTY, IS NOT EMPTY
        status was Done
               ^
    JQL error at character 10: WAS, CHANGED and DURING are not supported, use get_issue_changelog; expected one of = != < <= > >= ~ !~ IN, NOT IN, IS EMPTY, IS NOT EMPTY
        assignee changed
                 ^
    JQL error at character 12: `<` cannot be used with EMPTY
        priority < EMPTY
                   ^
    JQL error at character 10: cannot order by `labels`
        ORDER BY labels
                 ^
    JQL error at character 18: expected `,` or the end
        ORDER BY created UP
                         ^
    JQL error at character 15: expected AND, OR, ORDER BY or the end
        project = WEB ORDER created
                      ^
    JQL error at character 1: expected a field
        and
        ^
    "#);
}

#[test]
fn long_and_deep_queries_are_refused_not_survived_by_luck() {
    let mut database = sample();
    for jql in [
        "(".repeat(10_000),
        "NOT ".repeat(4_000),
        format!("{}project = WEB{}", "(".repeat(65), ")".repeat(65)),
        "x".repeat(20_000),
        vec!["project = WEB"; 201].join(" OR "),
        format!("key in ({})", vec!["WEB-1"; 501].join(",")),
    ] {
        assert!(search(&mut database, &jql).is_err());
    }
    let deep = format!("{}project = WEB{}", "(".repeat(60), ")".repeat(60));
    assert_eq!(search(&mut database, &deep).unwrap().len(), 34);
    let wide = vec!["project = WEB"; 200].join(" OR ");
    assert_eq!(search(&mut database, &wide).unwrap().len(), 34);
}

#[test]
fn values_are_never_pasted_into_sql() {
    let mut database = sample();
    for value in [
        "'; DROP TABLE issue; --",
        "\\\" OR 1=1",
        "?1",
        "%",
        "x') OR ('1'='1",
    ] {
        let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        search(&mut database, &format!("status = {quoted}")).expect_err(value);
        if let Ok(found) = search(&mut database, &format!("summary ~ {quoted}")) {
            assert!(found.len() < 10, "{value}");
        }
    }
    assert_eq!(select(&mut database, "1").len(), 76);
}

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
