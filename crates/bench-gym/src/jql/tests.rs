//! JQL against the sample world: what each query finds, and how each mistake is explained.

mod any;
mod mistakes;

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
