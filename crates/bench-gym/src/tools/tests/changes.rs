//! Edits, transitions and their history.

use serde_json::json;

use super::Bed;

#[test]
fn edits_write_one_line_of_changelog_per_field() {
    let mut bed = Bed::new();
    bed.call("update_issue", json!({
        "issueIdOrKey": "WEB-3", "summary": "Wallets", "description": null, "priority": "Low", "assignee": "Daniel Okafor",
        "labels": ["payments", "q1"], "components": ["Accounts", "Checkout"], "fixVersions": [], "dueDate": "2025-12-09",
        "storyPoints": 5.5, "parent": null, "originalEstimateSeconds": 3600, "reporter": 3,
    }));
    let row = bed.sql("SELECT key, summary FROM issue WHERE id = (SELECT id FROM issue WHERE key = 'WEB-3')");
    assert_eq!(row, json!([["WEB-3", "Wallets"]]));
    insta::assert_snapshot!(serde_json::to_string(&bed.changelog("WEB-3")).unwrap().replace("],[", "],\n["), @r#"
    [["summary","Pay with Apple Pay and Google Pay","Wallets"],
    ["description","As a mobile visitor I want to pay with the wallet on my phone instead of typing a card number. The payment request button shows only where the device supports it.",null],
    ["priority","High","Low"],
    ["assignee","Mike Chen","Daniel Okafor"],
    ["reporter","Sarah Johnson","Mike Chen"],
    ["parent","WEB-1",null],
    ["duedate","2025-12-05","2025-12-09"],
    ["storyPoints","8","5.5"],
    ["timeoriginalestimate","144000","3600"],
    ["labels","payments","payments q1"],
    ["components","Checkout","Checkout, Accounts"],
    ["fixVersions","2.5.0",null]]
    "#);
    // All at one instant, which is also the issue's.
    assert_eq!(
        bed.sql(
            "SELECT DISTINCT c.created_at = i.updated_at, c.author_id FROM issue_changelog c \
                 JOIN issue i ON i.id = c.issue_id WHERE i.key = 'WEB-3' AND c.created_at > '2025-12-01'"
        ),
        json!([[1, 1]])
    );
}

#[test]
fn an_edit_that_changes_nothing_leaves_no_trace() {
    let mut bed = Bed::new();
    let before = bed.dump();
    let issue = bed.call("get_issue", json!({"issueIdOrKey": "WEB-3"}))["fields"].clone();
    bed.call("update_issue", json!({
        "issueIdOrKey": "WEB-3", "summary": issue["summary"], "priority": issue["priority"]["name"],
        "labels": issue["labels"], "assignee": issue["assignee"]["accountId"], "storyPoints": issue["storyPoints"],
    }));
    bed.call(
        "assign_issue",
        json!({"issueIdOrKey": "WEB-3", "accountId": issue["assignee"]["emailAddress"]}),
    );
    bed.call(
        "add_issue_label",
        json!({"issueIdOrKey": "WEB-3", "label": issue["labels"][0]}),
    );
    assert_eq!(bed.dump(), before);
}

#[test]
fn the_workflow_is_the_only_way_to_a_status() {
    let mut bed = Bed::new();
    let key = bed.call(
        "create_issue",
        json!({"projectKey": "WEB", "issueType": "Bug", "summary": "x"}),
    )["key"]
        .clone();
    let step = |bed: &mut Bed, to: &str| {
        bed.call_as(
            None,
            "do_transition",
            json!({"issueIdOrKey": key, "transitionId": to}),
        )
    };

    let error = step(&mut bed, "Done").unwrap_err();
    insta::assert_snapshot!(error, @"WEB-35 is in status `To Do`: `Done` is not possible; possible transitions: 11 `Confirm` to Open, 12 `Reject` to Closed, 13 `Start Progress` to In Progress");
    let possible = bed.call("get_transitions", json!({"issueIdOrKey": key}));
    assert_eq!(
        possible["transitions"][0],
        json!({"id": "11", "name": "Confirm", "to": {"id": "1", "name": "Open", "statusCategory": "To Do"}})
    );

    step(&mut bed, "11").unwrap(); // by id
    step(&mut bed, "start progress").unwrap(); // by name
    step(&mut bed, "In Review").unwrap(); // by target
    let resolved = step(&mut bed, "Resolve").unwrap();
    assert_eq!(resolved["fields"]["resolution"]["name"], "Fixed");
    assert_eq!(
        bed.sql("SELECT resolved_at = updated_at FROM issue WHERE id = 77"),
        json!([[1]])
    );
    step(&mut bed, "Close").unwrap();
    assert_eq!(
        bed.sql("SELECT resolved_at < updated_at FROM issue WHERE id = 77"),
        json!([[1]])
    );
    step(&mut bed, "Reopen").unwrap();
    assert_eq!(
        bed.sql("SELECT status_id, resolution_id, resolved_at FROM issue WHERE id = 77"),
        json!([[3, null, null]])
    );
    insta::assert_snapshot!(serde_json::to_string(&bed.changelog("WEB-35")).unwrap().replace("],[", "],\n["), @r#"
    [["status","To Do","Open"],
    ["status","Open","In Progress"],
    ["status","In Progress","In Review"],
    ["status","In Review","Resolved"],
    ["resolution",null,"Fixed"],
    ["status","Resolved","Closed"],
    ["status","Closed","Reopened"],
    ["resolution","Fixed",null]]
    "#);
    // The status is no field.
    let error = bed.refusal("update_issue", json!({"issueIdOrKey": key, "status": "Done"}));
    assert!(error.contains("unknown field `status`"), "{error}");
}

#[test]
fn a_transition_takes_resolution_and_comment_along() {
    let mut bed = Bed::new();
    let to_do = bed
        .sql("SELECT key FROM issue WHERE project_id = 1 AND issue_type_id = 3 AND status_id = 6 LIMIT 1")[0]
        [0]
    .clone();
    bed.call("do_transition", json!({"issueIdOrKey": to_do, "transitionId": "Drop", "resolution": "Duplicate", "comment": "Same as WEB-2"}));
    let row =
        bed.sql(&format!("SELECT status_id, resolution_id FROM issue WHERE key = {to_do}").replace('"', "'"));
    assert_eq!(row, json!([[5, 4]]));
    assert_eq!(
        bed.sql("SELECT body, author_id FROM comment ORDER BY id DESC LIMIT 1"),
        json!([["Same as WEB-2", 1]])
    );
    let error = bed.refusal(
        "do_transition",
        json!({"issueIdOrKey": to_do, "transitionId": "Reopen", "resolution": "Done"}),
    );
    assert!(error.contains("only goes with a finished status"), "{error}");
    bed.refusal(
        "do_transition",
        json!({"issueIdOrKey": to_do, "transitionId": "Reopen", "comment": "  "}),
    );
}

#[test]
fn a_type_must_know_the_status() {
    let mut bed = Bed::new();
    // "Open" belongs to bugs; a Task cannot be in it.
    let open_bug = bed
        .sql("SELECT key FROM issue WHERE project_id = 1 AND issue_type_id = 1 AND status_id = 1 LIMIT 1")[0]
        [0]
    .clone();
    let error = bed.refusal(
        "update_issue",
        json!({"issueIdOrKey": open_bug, "issueType": "Task"}),
    );
    assert!(error.contains("has no status `Open`"), "{error}");
}

#[test]
fn history_groups_what_happened_together() {
    let mut bed = Bed::new();
    bed.call_as(
        Some("Mike Chen"),
        "update_issue",
        json!({"issueIdOrKey": "WEB-1", "priority": "Low", "dueDate": null}),
    )
    .unwrap();
    bed.call_as(
        Some("Mike Chen"),
        "update_issue",
        json!({"issueIdOrKey": "WEB-1", "priority": "High"}),
    )
    .unwrap();
    let history = bed.call("get_issue_changelog", json!({"issueIdOrKey": "WEB-1"}));
    let entries = history["histories"].as_array().unwrap();
    assert_eq!(history["total"], entries.len());
    let sizes: Vec<usize> = entries
        .iter()
        .map(|entry| entry["items"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [1, 2, 1]);
    assert_eq!(entries[1]["author"]["displayName"], "Mike Chen");
    assert_eq!(
        entries[1]["items"][1],
        json!({"field": "duedate", "fromString": "2025-12-10", "toString": null})
    );
}
