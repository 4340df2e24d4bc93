//! Searching in pages, and the lists of what there is.

use serde_json::{Value, json};

use super::Bed;

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
