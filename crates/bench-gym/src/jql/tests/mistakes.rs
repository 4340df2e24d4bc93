//! Queries that are refused: why, and where in them.

use super::*;

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
