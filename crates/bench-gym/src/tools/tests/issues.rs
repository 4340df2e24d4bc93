//! Issues made, nested and deleted.

use serde_json::json;

use super::Bed;

#[test]
fn created_issues_start_right() {
    let mut bed = Bed::new();
    let made = bed.call_as(
        Some("Sarah Johnson"),
        "create_issue",
        json!({
            "projectKey": "web", "issueType": "bug", "summary": " Prices flicker ", "priority": "high",
            "assignee": "Emily Davis", "labels": ["ux", "brand-new", "UX"], "components": ["Catalog"],
            "fixVersions": ["2.5.0"], "dueDate": "2025-12-20", "storyPoints": 2, "parent": "WEB-1",
        }),
    );
    let made = made.unwrap();
    assert_eq!((&made["key"], &made["id"]), (&json!("WEB-35"), &json!("77")));
    assert_eq!(
        made["fields"]["status"],
        json!({"id": "6", "name": "To Do", "statusCategory": "To Do"})
    );
    assert_eq!(made["fields"]["labels"], json!(["brand-new", "ux"]));
    assert_eq!(made["fields"]["issuetype"]["subtask"], false);
    assert_eq!(
        bed.sql("SELECT key, project_id, issue_type_id, status_id, priority_id, assignee_id, reporter_id, parent_id, \
                 summary, created_at, updated_at, resolution_id FROM issue WHERE id = 77"),
        json!([["WEB-35", 1, 1, 6, 2, 4, 2, 1, "Prices flicker", "2025-12-01T09:00:01Z", "2025-12-01T09:00:01Z", null]])
    );
    assert_eq!(
        bed.sql("SELECT count(*) FROM issue_changelog WHERE issue_id = 77"),
        json!([[0]])
    );
    let infra = bed.call(
        "create_issue",
        json!({"projectKey": 3, "issueType": 2, "summary": "Rotate keys"}),
    );
    assert_eq!(infra["fields"]["status"]["name"], "Open");
    assert_eq!(infra["fields"]["priority"]["name"], "Medium");
    assert_eq!(infra["fields"]["reporter"]["displayName"], "John Smith");
}

#[test]
fn keys_of_deleted_issues_are_not_given_again() {
    let mut bed = Bed::new();
    let new = json!({"projectKey": "MOB", "issueType": "Task", "summary": "x"});
    assert_eq!(bed.call("create_issue", new.clone())["key"], "MOB-24");
    bed.call("delete_issue", json!({"issueIdOrKey": "MOB-24"}));
    assert_eq!(bed.call("create_issue", new)["key"], "MOB-25");
}

#[test]
fn the_hierarchy_is_epic_issue_subtask_and_nothing_else() {
    let mut bed = Bed::new();
    let epic = "WEB-1";
    let story =
        bed.sql("SELECT key FROM issue WHERE project_id = 1 AND issue_type_id = 3 LIMIT 1")[0][0].clone();
    let subtask =
        bed.sql("SELECT key FROM issue WHERE project_id = 1 AND issue_type_id = 5 LIMIT 1")[0][0].clone();
    for (kind, parent, problem) in [
        ("Sub-task", json!(null), "needs a parent"),
        ("Sub-task", json!(epic), "is a Story, Task or Bug"),
        ("Sub-task", subtask.clone(), "is a Story, Task or Bug"),
        ("Sub-task", json!("MOB-3"), "another project"),
        ("Task", story.clone(), "the parent of a Task is an epic"),
        ("Epic", json!(epic), "an epic has no parent"),
    ] {
        let arguments = json!({"projectKey": "WEB", "issueType": kind, "summary": "x", "parent": parent});
        let error = bed.refusal("create_issue", arguments);
        assert!(error.contains(problem), "{kind} below {parent}: {error}");
    }
    let arguments = json!({"projectKey": "WEB", "issueType": "Sub-task", "summary": "x", "parent": story});
    bed.call("create_issue", arguments);
    // Nor by the back door: a parent that turns into something that can hold none.
    let error = bed.refusal(
        "update_issue",
        json!({"issueIdOrKey": epic, "issueType": "Story"}),
    );
    assert!(error.contains("is an epic"), "{error}");
    let error = bed.refusal("update_issue", json!({"issueIdOrKey": subtask, "parent": null}));
    assert!(error.contains("needs a parent"), "{error}");
}

#[test]
fn bulk_calls_do_everything_or_nothing() {
    let mut bed = Bed::new();
    let story = json!({"projectKey": "WEB", "issueType": "Story", "summary": "Gift cards"});
    let part =
        json!({"projectKey": "WEB", "issueType": "Sub-task", "summary": "Artwork", "parent": "WEB-35"});
    let made = bed.call("bulk_create_issues", json!({"issues": [story, part]}));
    assert_eq!(made["issues"][1]["key"], "WEB-36");
    assert_eq!(
        bed.sql("SELECT parent_id FROM issue WHERE key = 'WEB-36'"),
        json!([[77]])
    );
    // One instant each: the order of creation can be asked for.
    assert_eq!(
        bed.sql("SELECT count(DISTINCT created_at) FROM issue WHERE id > 76"),
        json!([[2]])
    );

    let good = json!({"projectKey": "WEB", "issueType": "Task", "summary": "Good"});
    let bad = json!({"projectKey": "WEB", "issueType": "Tusk", "summary": "Bad"});
    let error = bed.refusal("bulk_create_issues", json!({"issues": [good, bad]}));
    insta::assert_snapshot!(error, @"entry 1 (counted from 0): there is no issue type `Tusk`; did you mean `Task`?; nothing was changed");
    let edit =
        json!({"issueIdsOrKeys": ["WEB-5", "WEB-6"], "fields": {"priority": "Low", "addLabels": ["q4"]}});
    bed.call("bulk_edit_issues", edit);
    assert_eq!(
        bed.sql("SELECT count(*) FROM issue WHERE key IN ('WEB-5', 'WEB-6') AND priority_id = 4"),
        json!([[2]])
    );
    bed.refusal(
        "bulk_edit_issues",
        json!({"issueIdsOrKeys": ["WEB-5", "WEB-999"], "fields": {"priority": "High"}}),
    );
    bed.refusal("bulk_edit_issues", json!({"issueIdsOrKeys": [], "fields": {}}));
    let many: Vec<String> = (1..=51).map(|n| n.to_string()).collect();
    bed.refusal("bulk_edit_issues", json!({"issueIdsOrKeys": many, "fields": {}}));
}

#[test]
fn deleting_takes_subtasks_only_when_told_and_frees_an_epics_issues() {
    let mut bed = Bed::new();
    let parent = bed.sql(
        "SELECT p.key FROM issue i JOIN issue p ON p.id = i.parent_id WHERE i.issue_type_id = 5 LIMIT 1",
    )[0][0]
        .clone();
    let error = bed.refusal("delete_issue", json!({"issueIdOrKey": parent}));
    assert!(error.contains("has sub-tasks"), "{error}");
    let gone = bed.call(
        "delete_issue",
        json!({"issueIdOrKey": parent, "deleteSubtasks": true}),
    );
    let count = gone["deletedSubtasks"].as_array().unwrap().len();
    assert!(count > 0);
    bed.call("delete_issue", json!({"issueIdOrKey": "WEB-1"}));
    assert_eq!(bed.sql("SELECT count(*) FROM issue"), json!([[76 - 2 - count]]));
    assert_eq!(
        bed.sql("SELECT count(*) FROM issue_changelog WHERE field = 'parent' AND old_value = 'WEB-1'")
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        bed.sql("SELECT count(*) FROM comment WHERE issue_id NOT IN (SELECT id FROM issue)"),
        json!([[0]])
    );
}
