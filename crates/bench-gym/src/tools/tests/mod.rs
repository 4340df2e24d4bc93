//! The tools against a real database: what they leave behind is checked by SQL.
//!
//! Here is the bed the tests lie in; they themselves are sorted by subject.

mod changes;
mod contract;
mod issues;
mod people;
mod reading;

use std::sync::LazyLock;

use serde_json::Value;

use super::{call, find};
use crate::database::{Database, Image};
use crate::databases::sample_data_sql;
use crate::sql::{self, Bounds};

/// A fresh sample world.
struct Bed(Database);

impl Bed {
    fn new() -> Self {
        static TEMPLATE: LazyLock<Image> = LazyLock::new(|| Image::from_sql(sample_data_sql()).unwrap());
        Self(Database::open(&TEMPLATE).unwrap())
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
