//! Who acts and who can be assigned; comments, work, labels and links.

use serde_json::json;

use super::Bed;

#[test]
fn only_active_members_are_assigned() {
    let mut bed = Bed::new();
    insta::assert_snapshot!(bed.refusal("assign_issue", json!({"issueIdOrKey": "WEB-3", "accountId": "Olivia Brown"})), @"Olivia Brown cannot be assigned in WEB: not a member of the project; assignable: John Smith, Sarah Johnson, Mike Chen, Emily Davis, Alex Rodriguez, Priya Patel, Daniel Okafor, Hannah Lindqvist");
    insta::assert_snapshot!(bed.refusal("assign_issue", json!({"issueIdOrKey": "WEB-3", "accountId": 11})), @"Lucas Moreau cannot be assigned in WEB: the account is inactive; assignable: John Smith, Sarah Johnson, Mike Chen, Emily Davis, Alex Rodriguez, Priya Patel, Daniel Okafor, Hannah Lindqvist");
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
