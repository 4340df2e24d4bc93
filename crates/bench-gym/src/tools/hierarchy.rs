//! What may stand below what: an epic holds issues, an issue holds sub-tasks, and that is all.

use rusqlite::{Connection, OptionalExtension, Row};

use super::ToolError;

struct Node {
    key: String,
    project_id: i64,
    type_name: String,
    is_subtask: bool,
}

impl Node {
    fn is_epic(&self) -> bool {
        self.type_name.eq_ignore_ascii_case("Epic")
    }
}

const NODE_SQL: &str = "SELECT i.key, i.project_id, t.name, t.is_subtask FROM issue i \
    JOIN issue_type t ON t.id = i.issue_type_id WHERE ";

fn read_node(row: &Row<'_>) -> rusqlite::Result<Node> {
    Ok(Node {
        key: row.get(0)?,
        project_id: row.get(1)?,
        type_name: row.get(2)?,
        is_subtask: row.get(3)?,
    })
}

/// Refuses what Jira's hierarchy does not know: an epic holds issues, an issue holds sub-tasks, no more.
pub(super) fn check(db: &Connection, id: i64) -> Result<(), ToolError> {
    let node = db
        .prepare_cached(&format!("{NODE_SQL} i.id = ?1"))?
        .query_row([id], read_node)?;
    let parent = db
        .prepare_cached(&format!(
            "{NODE_SQL} i.id = (SELECT parent_id FROM issue WHERE id = ?1)"
        ))?
        .query_row([id], read_node)
        .optional()?;
    check_pair(&node, parent.as_ref())?;
    let mut statement = db.prepare_cached(&format!("{NODE_SQL} i.parent_id = ?1"))?;
    for child in statement.query_map([id], read_node)? {
        check_pair(&child?, Some(&node))?;
    }
    Ok(())
}

fn check_pair(node: &Node, parent: Option<&Node>) -> Result<(), ToolError> {
    let problem = match parent {
        None if node.is_subtask => "a sub-task needs a parent".to_owned(),
        Some(parent) if parent.project_id != node.project_id => {
            format!("its parent {} belongs to another project", parent.key)
        }
        Some(parent) if node.is_subtask && (parent.is_subtask || parent.is_epic()) => {
            format!(
                "{} is of type {}; the parent of a sub-task is a Story, Task or Bug",
                parent.key, parent.type_name
            )
        }
        Some(_) if node.is_epic() => "an epic has no parent".to_owned(),
        Some(parent) if !node.is_subtask && !parent.is_epic() => {
            format!(
                "{} is of type {}; the parent of a {} is an epic (only a Sub-task can be below other issues)",
                parent.key, parent.type_name, node.type_name
            )
        }
        _ => return Ok(()),
    };
    Err(ToolError::Rule(format!(
        "{} cannot be like that: {problem}",
        node.key
    )))
}
