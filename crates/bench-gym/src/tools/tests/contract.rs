//! The contract of every tool: names, schemas, mistakes, and that nothing breaks.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Bed;
use crate::database::{Database, Image};
use crate::tools::{CATALOG, call, find};

#[test]
fn the_catalog_is_complete_and_its_schemas_are_portable() {
    let names: Vec<&str> = CATALOG.iter().map(|spec| spec.name).collect();
    insta::assert_snapshot!(names.join(" "), @"enhanced_search_get get_issue create_issue bulk_create_issues update_issue bulk_edit_issues delete_issue assign_issue find_assignable_users get_transitions do_transition get_issue_changelog add_issue_comment list_issue_comments add_worklog add_issue_label remove_issue_label link_issues get_issue_links list_projects get_project list_issue_types list_statuses list_priorities list_labels list_components list_versions get_user list_users");
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
