//! The tools against a real database: what they leave behind is checked by SQL.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::database::Image;
use crate::databases::sample_data_sql;
use crate::sql::{self, Bounds};

/// A fresh sample world.
struct Bed(Database);

impl Bed {
    fn new() -> Self {
        Self(Database::open(&Image::from_sql(sample_data_sql()).unwrap()).unwrap())
    }

    fn call_as(&mut self, user: Option<&str>, tool: &str, arguments: Value) -> Result<Value, String> {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object")
        };
        let spec = find(tool).unwrap_or_else(|| panic!("no tool {tool}"));
        call(spec, arguments, user, &mut self.0).map_err(|error| error.to_string())
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.call_as(None, tool, arguments)
            .unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        let before = self.0.image().unwrap();
        let error = self.call_as(None, tool, arguments).expect_err(tool);
        assert_eq!(
            self.dump(),
            Self(Database::open(&before).unwrap()).dump(),
            "{tool}: {error} left a trace"
        );
        error
    }

    /// The rows of a query, each as an array.
    fn sql(&mut self, query: &str) -> Value {
        let answer = sql::run(self.0.connection(), query, Bounds::READ).unwrap();
        answer
            .data
            .into_iter()
            .map(|row| Value::Array(row.into_iter().map(|(_, value)| value).collect()))
            .collect()
    }

    /// Every row of every table that tools write to.
    fn dump(&mut self) -> Vec<Value> {
        const TABLES: [&str; 11] = [
            "issue",
            "issue_changelog",
            "comment",
            "worklog",
            "issue_link",
            "issue_label",
            "issue_label_association",
            "issue_component",
            "issue_fix_version",
            "issue_watcher",
            "project",
        ];
        TABLES
            .iter()
            .map(|table| self.sql(&format!("SELECT * FROM {table}")))
            .collect()
    }

    fn changelog(&mut self, key: &str) -> Value {
        self.sql(&format!(
            "SELECT c.field, c.old_value, c.new_value FROM issue_changelog c JOIN issue i ON i.id = c.issue_id \
             WHERE i.key = '{key}' AND c.created_at > '2025-12-01' ORDER BY c.id"
        ))
    }
}

#[test]
fn the_catalog_is_complete_and_its_schemas_are_portable() {
    let names: Vec<&str> = CATALOG.iter().map(|spec| spec.name).collect();
    insta::assert_snapshot!(names.join(" "), @r#"
    enhanced_search_get get_issue create_issue bulk_create_issues update_issue bulk_edit_issues delete_issue assign_issue find_assignable_users get_transitions do_transition get_issue_changelog add_issue_comment list_issue_comments add_worklog add_issue_label remove_issue_label link_issues get_issue_links list_projects get_project list_issue_types list_statuses list_priorities list_labels list_components list_versions get_user list_users
    "#);
    for spec in CATALOG.iter() {
        let schema = Value::Object(spec.input_schema.clone());
        assert!(spec.description.len() > 15, "{}", spec.name);
        assert_eq!(schema["type"], "object", "{}", spec.name);
        assert_eq!(schema["additionalProperties"], false, "{}", spec.name);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(
                property["description"].is_string(),
                "{}.{name} has no description",
                spec.name
            );
        }
        let text = schema.to_string();
        for unwanted in ["$ref", "$defs", "x-null", "pattern", "uint", "\"title\""] {
            assert!(!text.contains(unwanted), "{} has {unwanted}: {text}", spec.name);
        }
    }
}

#[test]
fn schemas_say_what_is_required_and_where_null_means_something() {
    let schema = |name: &str| Value::Object(find(name).unwrap().input_schema.clone());
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema("assign_issue")).unwrap(), @r#"
    {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "issueIdOrKey": {
          "type": "string",
          "description": "Key (WEB-12) or id of the issue."
        },
        "accountId": {
          "type": [
            "string",
            "null"
          ],
          "description": "Account id, name or e-mail of a member of the project; null unassigns."
        }
      },
      "required": [
        "issueIdOrKey",
        "accountId"
      ]
    }
    "#);
    let create = schema("create_issue");
    assert_eq!(create["required"], json!(["projectKey", "issueType", "summary"]));
    assert_eq!(create["properties"]["description"]["type"], "string");
    assert_eq!(
        create["properties"]["labels"],
        json!({"type": "array", "items": {"type": "string"}, "description": "Labels, without blanks inside."})
    );
    let update = schema("update_issue");
    assert_eq!(update["required"], json!(["issueIdOrKey"]));
    assert_eq!(
        update["properties"]["description"]["type"],
        json!(["string", "null"])
    );
    assert_eq!(update["properties"]["summary"]["type"], "string");
    assert_eq!(
        schema("bulk_edit_issues")["properties"]["fields"]["additionalProperties"],
        false
    );
}

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
    insta::assert_snapshot!(error, @r#"
    entry 1 (counted from 0): there is no issue type `Tusk`; did you mean `Task`?; nothing was changed
    "#);
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
    insta::assert_snapshot!(error, @r#"
    WEB-35 is in status `To Do`: `Done` is not possible; possible transitions: 11 `Confirm` to Open, 12 `Reject` to Closed, 13 `Start Progress` to In Progress
    "#);
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
fn only_active_members_are_assigned() {
    let mut bed = Bed::new();
    insta::assert_snapshot!(bed.refusal("assign_issue", json!({"issueIdOrKey": "WEB-3", "accountId": "Olivia Brown"})), @r#"
    Olivia Brown cannot be assigned in WEB: not a member of the project; assignable: John Smith, Sarah Johnson, Mike Chen, Emily Davis, Alex Rodriguez, Priya Patel, Daniel Okafor, Hannah Lindqvist
    "#);
    insta::assert_snapshot!(bed.refusal("assign_issue", json!({"issueIdOrKey": "WEB-3", "accountId": 11})), @r#"
    Lucas Moreau cannot be assigned in WEB: the account is inactive; assignable: John Smith, Sarah Johnson, Mike Chen, Emily Davis, Alex Rodriguez, Priya Patel, Daniel Okafor, Hannah Lindqvist
    "#);
    let error = bed.refusal("assign_issue", json!({"issueIdOrKey": "WEB-3"}));
    assert!(error.contains("missing field `accountId`"), "{error}");
    bed.call(
        "assign_issue",
        json!({"issueIdOrKey": "WEB-3", "accountId": null}),
    );
    assert_eq!(bed.changelog("WEB-3"), json!([["assignee", "Mike Chen", null]]));
    let found = bed.call(
        "find_assignable_users",
        json!({"issueIdOrKey": "MOB-1", "query": "OLIV"}),
    );
    assert_eq!(
        (&found["total"], &found["users"][0]["accountId"]),
        (&json!(1), &json!("8"))
    );
    assert_eq!(
        bed.call("find_assignable_users", json!({"projectKey": "WEB"}))["total"],
        8
    );
    bed.refusal("find_assignable_users", json!({}));
}

#[test]
fn everything_happens_in_somebodys_name() {
    let mut bed = Bed::new();
    for (user, id) in [
        (None, 1),
        (Some("2"), 2),
        (Some("alex.rodriguez@example.com"), 5),
        (Some("PPATEL"), 6),
    ] {
        bed.call_as(
            user,
            "add_issue_comment",
            json!({"issueIdOrKey": "WEB-1", "body": "hello"}),
        )
        .unwrap();
        assert_eq!(
            bed.sql("SELECT author_id FROM comment ORDER BY id DESC LIMIT 1"),
            json!([[id]]),
            "{user:?}"
        );
    }
    let error = bed
        .call_as(Some("nobody"), "list_projects", json!({}))
        .unwrap_err();
    assert!(error.contains("there is no user `nobody`"), "{error}");
    assert_eq!(
        bed.call_as(Some("4"), "get_user", json!({})).unwrap()["displayName"],
        "Emily Davis"
    );
    let mine = json!({"jql": "assignee = currentUser()", "maxResults": 1});
    let found = bed.call_as(Some("4"), "enhanced_search_get", mine).unwrap();
    assert_eq!(
        found["issues"][0]["fields"]["assignee"]["displayName"],
        "Emily Davis"
    );
}

#[test]
fn comments_and_work_are_logged() {
    let mut bed = Bed::new();
    let made = bed.call(
        "add_issue_comment",
        json!({"issueIdOrKey": "WEB-1", "body": " First "}),
    );
    assert_eq!(made["body"], "First");
    let listed = bed.call("list_issue_comments", json!({"issueIdOrKey": "WEB-1"}));
    assert_eq!(
        listed["comments"].as_array().unwrap().last().unwrap()["id"],
        made["id"]
    );
    bed.call(
        "add_worklog",
        json!({"issueIdOrKey": "WEB-1", "timeSpent": "1h 30m", "comment": "Reading"}),
    );
    let second = bed.call(
        "add_worklog",
        json!({"issueIdOrKey": "WEB-1", "timeSpentSeconds": 60, "started": "2025-11-28T10:00:00+01:00"}),
    );
    assert_eq!(
        (&second["totalTimeSpentSeconds"], &second["started"]),
        (&json!(5460), &json!("2025-11-28T09:00:00Z"))
    );
    assert_eq!(
        bed.changelog("WEB-1"),
        json!([
            ["comment", null, made["id"]],
            ["timespent", null, "5400"],
            ["timespent", "5400", "5460"]
        ])
    );
    for arguments in [
        json!({"issueIdOrKey": "WEB-1"}),
        json!({"issueIdOrKey": "WEB-1", "timeSpent": "soon"}),
        json!({"issueIdOrKey": "WEB-1", "timeSpent": "0m"}),
        json!({"issueIdOrKey": "WEB-1", "timeSpent": "1h", "timeSpentSeconds": 1}),
        json!({"issueIdOrKey": "WEB-1", "timeSpent": "1h", "started": "today"}),
    ] {
        bed.refusal("add_worklog", arguments);
    }
}

#[test]
fn labels_come_and_go() {
    let mut bed = Bed::new();
    let added = bed.call(
        "add_issue_label",
        json!({"issueIdOrKey": "WEB-1", "label": "holiday"}),
    );
    assert_eq!(added["labels"], json!(["holiday"]));
    bed.call(
        "remove_issue_label",
        json!({"issueIdOrKey": "WEB-1", "label": "HOLIDAY"}),
    );
    assert_eq!(
        bed.changelog("WEB-1"),
        json!([["labels", null, "holiday"], ["labels", "holiday", null]])
    );
    let error = bed.refusal(
        "remove_issue_label",
        json!({"issueIdOrKey": "WEB-1", "label": "holiday"}),
    );
    assert_eq!(error, "WEB-1 has no label `holiday`; its labels: none");
    bed.refusal(
        "add_issue_label",
        json!({"issueIdOrKey": "WEB-1", "label": "two words"}),
    );
}

#[test]
fn links_have_two_sides_and_no_doubles() {
    let mut bed = Bed::new();
    bed.call(
        "link_issues",
        json!({"sourceIssue": "WEB-1", "linkType": "is blocked by", "targetIssue": "MOB-1"}),
    );
    assert_eq!(
        bed.sql(
            "SELECT s.key, t.key FROM issue_link k JOIN issue s ON s.id = k.source_issue_id \
                 JOIN issue t ON t.id = k.target_issue_id ORDER BY k.id DESC LIMIT 1"
        ),
        json!([["MOB-1", "WEB-1"]])
    );
    let seen = bed.call("get_issue_links", json!({"issueIdOrKey": "WEB-1"}));
    let last = seen["links"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["relation"], &last["issue"]["key"]),
        (&json!("is blocked by"), &json!("MOB-1"))
    );
    assert_eq!(bed.changelog("MOB-1"), json!([["link", null, "blocks WEB-1"]]));
    for (source, kind, target, problem) in [
        ("MOB-1", "Blocks", "WEB-1", "already"),
        ("WEB-1", "blocks", "WEB-1", "with itself"),
        ("WEB-1", "annoys", "WEB-2", "there is no link type"),
    ] {
        let error = bed.refusal(
            "link_issues",
            json!({"sourceIssue": source, "linkType": kind, "targetIssue": target}),
        );
        assert!(error.contains(problem), "{error}");
    }
    bed.call(
        "link_issues",
        json!({"sourceIssue": "WEB-1", "linkType": "Relates", "targetIssue": "WEB-2"}),
    );
    let error = bed.refusal(
        "link_issues",
        json!({"sourceIssue": "WEB-2", "linkType": "relates to", "targetIssue": "WEB-1"}),
    );
    assert!(error.contains("already"), "{error}");
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

#[test]
fn pages_make_up_the_whole() {
    let mut bed = Bed::new();
    let query = "project = WEB ORDER BY priority DESC, updated";
    let whole = bed.call(
        "enhanced_search_get",
        json!({"jql": query, "maxResults": 100, "fields": ["summary"]}),
    );
    let mut keys = Vec::new();
    let mut token = Value::Null;
    loop {
        let page = bed.call(
            "enhanced_search_get",
            json!({"jql": query, "maxResults": 7, "nextPageToken": token, "fields": ["summary"]}),
        );
        keys.extend(page["issues"].as_array().unwrap().iter().cloned());
        token = page["nextPageToken"].clone();
        assert_eq!(page["isLast"].as_bool().unwrap(), token.is_null());
        if token.is_null() {
            break;
        }
    }
    assert_eq!((keys.len(), Value::Array(keys)), (34, whole["issues"].clone()));
    assert_eq!(whole["issues"][0]["fields"].as_object().unwrap().len(), 1);
    let far = bed.call("enhanced_search_get", json!({"jql": query, "startAt": 99}));
    assert_eq!((&far["issues"], &far["isLast"]), (&json!([]), &json!(true)));
    for arguments in [
        json!({"jql": query, "maxResults": 0}),
        json!({"jql": query, "maxResults": 101}),
        json!({"jql": query, "nextPageToken": "abc"}),
        json!({"jql": query, "fields": ["colour"]}),
        json!({"jql": "colour = red"}),
        json!({}),
    ] {
        bed.refusal("enhanced_search_get", arguments);
    }
}

#[test]
fn the_catalog_of_the_world_can_be_read() {
    let mut bed = Bed::new();
    for (tool, member, total) in [
        ("list_projects", "projects", 3),
        ("list_issue_types", "issueTypes", 5),
        ("list_statuses", "statuses", 8),
        ("list_priorities", "priorities", 5),
        ("list_labels", "labels", 16),
        ("list_components", "components", 14),
        ("list_versions", "versions", 10),
        ("list_users", "users", 11),
    ] {
        let found = bed.call(tool, json!({}));
        assert_eq!(found["total"], total, "{tool}");
        assert_eq!(found[member].as_array().unwrap().len(), total, "{tool}");
    }
    assert_eq!(
        bed.call("list_components", json!({"projectIdOrKey": "MOB"}))["total"],
        4
    );
    let web = bed.call("get_project", json!({"projectIdOrKey": "web"}));
    assert_eq!(
        (&web["name"], &web["lead"]["displayName"]),
        (&json!("Web Storefront"), &json!("Sarah Johnson"))
    );
    assert_eq!(
        bed.call(
            "get_issue",
            json!({"issueIdOrKey": 1, "fields": ["status", "SUMMARY"]})
        )["fields"]
            .as_object()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn mistakes_in_arguments_are_explained() {
    let mut bed = Bed::new();
    let mut messages = String::new();
    for (tool, arguments) in [
        ("get_issue", json!({})),
        ("get_issue", json!({"issueIdOrKey": "WEB-99"})),
        ("get_issue", json!({"issueIdOrKey": {"key": "WEB-1"}})),
        ("get_issue", json!({"issueIdOrKey": "WEB-1", "verbose": true})),
        (
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bugg", "summary": "x"}),
        ),
        (
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bug", "summary": "  "}),
        ),
        (
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bug", "summary": "x", "components": ["iOS"]}),
        ),
        (
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bug", "summary": "x", "dueDate": "tomorrow"}),
        ),
        (
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bug", "summary": "x", "storyPoints": -1}),
        ),
        ("update_issue", json!({"summary": "x"})),
        ("update_issue", json!({"issueIdOrKey": "WEB-1", "priority": 3.5})),
    ] {
        messages.push_str(&bed.refusal(tool, arguments));
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @r#"
    bad arguments for get_issue: missing field `issueIdOrKey`
    there is no issue `WEB-99`; keys of this project run from WEB-1 to WEB-34
    bad arguments for get_issue: expected an id, key or name, got {"key":"WEB-1"}
    bad arguments for get_issue: unknown field `verbose`, expected one of `issueIdOrKey`, `issueKey`, `fields`
    there is no issue type `Bugg`; did you mean `Bug`?
    `summary` must be one line of 1 to 255 characters
    there is no component `iOS`; there are: Accounts, Catalog, Checkout, Design System, Search
    `dueDate` must be a day such as 2025-12-24, not `tomorrow`
    `storyPoints` must be between 0 and 1000
    bad arguments for update_issue: missing field `issueIdOrKey`
    bad arguments for update_issue: expected an id, key or name, got 3.5
    "#);
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

#[test]
fn equal_calls_leave_equal_bytes() {
    let play = || {
        let mut bed = Bed::new();
        bed.call(
            "create_issue",
            json!({"projectKey": "WEB", "issueType": "Bug", "summary": "x", "labels": ["new"]}),
        );
        bed.call(
            "do_transition",
            json!({"issueIdOrKey": "WEB-35", "transitionId": "Confirm"}),
        );
        bed.call("delete_issue", json!({"issueIdOrKey": "MOB-2"}));
        bed.dump()
    };
    assert_eq!(play(), play());
}

#[test]
fn a_foreign_seed_makes_tools_fail_politely() {
    let mut bed = Bed(Database::open(&Image::from_sql("CREATE TABLE app_user (id, name)").unwrap()).unwrap());
    for spec in CATALOG.iter() {
        let error = call(spec, Map::new(), None, &mut bed.0).unwrap_err().to_string();
        assert!(error.contains("no users"), "{}: {error}", spec.name);
    }
    bed.0
        .connection()
        .execute("INSERT INTO app_user VALUES (1, 'Ann')", [])
        .unwrap();
    let error = bed.call_as(None, "list_projects", json!({})).unwrap_err();
    assert!(error.contains("no such table: project"), "{error}");
}

/// Values that are at home nowhere.
fn odd_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("WEB-1"),
        json!("1"),
        json!("Done"),
        json!("2025-02-30"),
        json!("é".repeat(300)),
        json!([]),
        json!({}),
        json!(["WEB-1"]),
        json!([[]]),
        json!({"summary": "x"}),
        json!("'; DROP TABLE issue"),
        json!(9_007_199_254_740_993_i64),
        json!("WEB-2"),
        json!("MOB-3"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn odd_arguments_break_nothing(tool in 0..CATALOG.len(), values in prop::collection::vec(prop::option::of(odd_value()), 20)) {
        let spec = &CATALOG[tool];
        let properties = spec.input_schema["properties"].as_object().unwrap();
        let arguments: Map<String, Value> = properties.keys().zip(values)
            .filter_map(|(name, value)| Some((name.clone(), value?)))
            .collect();
        let mut bed = Bed::new();
        drop(call(spec, arguments, None, &mut bed.0).map_err(|error| error.to_string()));
        prop_assert!(bed.0.connection().is_autocommit());
        let broken: i64 = bed.0.connection()
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(broken, 0);
    }
}
