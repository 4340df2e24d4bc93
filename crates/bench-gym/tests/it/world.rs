//! The sample world is consistent, and SCHEMA.md describes what is there.

use std::collections::{BTreeMap, BTreeSet};

use bench_gym::{CLOCK_START, sample_data_sql};
use rusqlite::Connection;

fn world() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection.execute_batch(sample_data_sql()).unwrap();
    connection
}

/// The first column of a query.
fn column<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str) -> Vec<T> {
    let mut statement = connection.prepare(sql).unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn ids_that_others_rely_on() {
    let world = world();
    for (sql, expected) in [
        (
            "SELECT group_concat(id || key, ' ' ORDER BY id) FROM project",
            "1WEB 2MOB 3INFRA",
        ),
        (
            "SELECT group_concat(id || name, ' ' ORDER BY id) FROM issue_type",
            "1Bug 2Task 3Story 4Epic 5Sub-task",
        ),
        (
            "SELECT group_concat(id || name, ' ' ORDER BY id) FROM issue_status",
            "1Open 2In Progress 3Reopened 4Resolved 5Closed 6To Do 7Done 8In Review",
        ),
        (
            "SELECT group_concat(id || name, ' ' ORDER BY id) FROM issue_priority",
            "1Highest 2High 3Medium 4Low 5Lowest",
        ),
        (
            "SELECT group_concat(id || name, ' ' ORDER BY id) FROM app_user WHERE id IN (2, 3, 4, 5)",
            "2Sarah Johnson 3Mike Chen 4Emily Davis 5Alex Rodriguez",
        ),
    ] {
        assert_eq!(column::<String>(&world, sql), [expected], "{sql}");
    }
    assert!(column::<i64>(&world, "SELECT count(*) FROM issue")[0] >= 66);
    assert!(column::<i64>(&world, "SELECT count(*) FROM app_user")[0] >= 8);
}

/// Each query finds rows that contradict others; none may.
#[test]
fn nothing_in_the_sample_contradicts_itself() {
    let world = world();
    let start = chrono::DateTime::from_timestamp(CLOCK_START, 0).unwrap();
    let start = start.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    for (what, sql) in [
        ("broken references", "SELECT \"table\" FROM pragma_foreign_key_check".to_owned()),
        ("keys that do not fit", "SELECT i.key FROM issue i JOIN project p ON p.id = i.project_id WHERE i.key NOT LIKE p.key || '-%'".to_owned()),
        ("wrong counters", "SELECT key FROM project p WHERE issue_counter <> (SELECT count(*) FROM issue WHERE project_id = p.id)".to_owned()),
        ("resolution without a finished status, or the other way round", "SELECT i.key FROM issue i JOIN issue_status s ON s.id = i.status_id WHERE (s.category = 'Done') <> (i.resolution_id IS NOT NULL) OR (i.resolution_id IS NULL) <> (i.resolved_at IS NULL)".to_owned()),
        ("assignees outside the project", "SELECT key FROM issue i WHERE assignee_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM project_member m JOIN app_user u ON u.id = m.user_id WHERE m.project_id = i.project_id AND m.user_id = i.assignee_id AND u.active)".to_owned()),
        ("components of other projects", "SELECT i.key FROM issue i JOIN issue_component x ON x.issue_id = i.id JOIN component c ON c.id = x.component_id WHERE c.project_id <> i.project_id".to_owned()),
        ("versions of other projects", "SELECT i.key FROM issue i JOIN issue_fix_version x ON x.issue_id = i.id JOIN project_version v ON v.id = x.version_id WHERE v.project_id <> i.project_id".to_owned()),
        ("children of other projects", "SELECT i.key FROM issue i JOIN issue p ON p.id = i.parent_id WHERE p.project_id <> i.project_id".to_owned()),
        ("sub-tasks without a proper parent", "SELECT i.key FROM issue i LEFT JOIN issue p ON p.id = i.parent_id WHERE i.issue_type_id = 5 AND (p.id IS NULL OR p.issue_type_id IN (4, 5))".to_owned()),
        ("issues below something else than an epic", "SELECT i.key FROM issue i JOIN issue p ON p.id = i.parent_id WHERE i.issue_type_id <> 5 AND p.issue_type_id <> 4".to_owned()),
        ("changes before the issue or after its update", "SELECT i.key FROM issue i JOIN issue_changelog c ON c.issue_id = i.id WHERE c.created_at <= i.created_at OR c.created_at > i.updated_at".to_owned()),
        ("updates that nothing explains", "SELECT i.key FROM issue i WHERE i.updated_at <> coalesce((SELECT max(created_at) FROM issue_changelog WHERE issue_id = i.id), i.created_at)".to_owned()),
        ("comments without a line in the changelog", "SELECT c.id FROM comment c WHERE NOT EXISTS (SELECT 1 FROM issue_changelog l WHERE l.issue_id = c.issue_id AND l.field = 'comment' AND l.new_value = c.id AND l.created_at = c.created_at)".to_owned()),
        ("anything after the clock's start", format!("SELECT key FROM issue WHERE updated_at >= '{start}'")),
        ("placeholder texts", "SELECT key FROM issue WHERE length(description) < 40 OR description LIKE '%lorem%' OR summary LIKE 'Issue %'".to_owned()),
        ("types without a workflow", "SELECT p.key FROM project p, issue_type t WHERE NOT EXISTS (SELECT 1 FROM workflow_scheme WHERE project_id = p.id AND issue_type_id = t.id)".to_owned()),
    ] {
        let mut statement = world.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        let rows: Vec<_> = rows.collect::<Result<_, _>>().unwrap();
        assert!(rows.is_empty(), "{what}: {rows:?}");
    }
}

/// Replays every issue's history through its workflow.
#[test]
fn every_history_is_a_walk_through_the_workflow() {
    let world = world();
    let mut statement = world
        .prepare(
            "SELECT i.key, s.name, f.name, c.field, c.old_value, c.new_value, x.workflow_id FROM issue i \
             JOIN workflow_scheme x ON x.project_id = i.project_id AND x.issue_type_id = i.issue_type_id \
             JOIN workflow w ON w.id = x.workflow_id JOIN issue_status s ON s.id = w.initial_status_id \
             JOIN issue_status f ON f.id = i.status_id \
             LEFT JOIN issue_changelog c ON c.issue_id = i.id AND c.field = 'status' ORDER BY i.id, c.id",
        )
        .unwrap();
    let legal: BTreeSet<String> = column(
        &world,
        "SELECT t.workflow_id || a.name || '>' || b.name FROM workflow_transition t \
         JOIN issue_status a ON a.id = t.from_status_id JOIN issue_status b ON b.id = t.to_status_id",
    )
    .into_iter()
    .collect();
    let mut standing: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let key: String = row.get(0).unwrap();
        let entry = standing
            .entry(key.clone())
            .or_insert((row.get(1).unwrap(), row.get(2).unwrap()));
        let (Some(old), Some(new)) = (
            row.get::<_, Option<String>>(4).unwrap(),
            row.get::<_, Option<String>>(5).unwrap(),
        ) else {
            continue;
        };
        assert_eq!(entry.0, old, "{key} was somewhere else");
        let step = format!("{}{old}>{new}", row.get::<_, i64>(6).unwrap());
        assert!(legal.contains(&step), "{key}: {step}");
        entry.0 = new;
    }
    assert_eq!(standing.len(), 76);
    for (key, (replayed, stored)) in standing {
        assert_eq!(replayed, stored, "{key}");
    }
}

/// Table -> columns as SCHEMA.md lists them: a heading with the table's name, rows that start with a column.
fn described() -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = None;
    for line in include_str!("../../SCHEMA.md").lines() {
        if line.starts_with('#') {
            table = line
                .strip_prefix("### `")
                .and_then(|rest| rest.strip_suffix('`'))
                .map(str::to_owned);
            if let Some(name) = &table {
                assert!(
                    tables.insert(name.clone(), Vec::new()).is_none(),
                    "{name} is described twice"
                );
            }
        } else if let (Some(name), Some(rest)) = (&table, line.strip_prefix("| `")) {
            let column = rest.split('`').next().unwrap().to_owned();
            tables.get_mut(name).unwrap().push(column);
        }
    }
    tables
}

#[test]
fn the_description_names_every_table_and_column() {
    let world = world();
    let tables: Vec<String> = column(
        &world,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    );
    let actual: BTreeMap<String, Vec<String>> = tables
        .into_iter()
        .map(|table| {
            let columns = column(&world, &format!("SELECT name FROM pragma_table_info('{table}')"));
            (table, columns)
        })
        .collect();
    assert_eq!(described(), actual);
}

#[test]
fn the_description_draws_the_workflows_as_they_are() {
    let world = world();
    let text = include_str!("../../SCHEMA.md");
    let steps: Vec<String> = column(
        &world,
        "SELECT printf('%2d  %s --%s--> %s', t.id, a.name, t.name, b.name) FROM workflow_transition t \
         JOIN issue_status a ON a.id = t.from_status_id JOIN issue_status b ON b.id = t.to_status_id ORDER BY t.id",
    );
    for step in steps {
        assert!(text.contains(&step), "SCHEMA.md lacks the line `{step}`");
    }
}
