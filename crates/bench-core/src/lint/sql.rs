//! A light look at SQL: whether it is one statement that reads, and whether it looks at any table. The gym's SQL runner
//! has the last word.

use crate::harness::Scenario;
use crate::problem::Problem;
use crate::verifier::{Check, ResponseCheck, VerifierSpec};

/// The queries of a scenario's verifiers.
pub(super) fn queries(scenario: &Scenario) -> impl Iterator<Item = (&VerifierSpec, &str)> {
    scenario.verifiers.iter().filter_map(|verifier| {
        let (Check::DatabaseState { query, .. }
        | Check::ResponseCheck(ResponseCheck::Judge {
            sql_query: Some(query),
            ..
        })) = &verifier.check
        else {
            return None;
        };
        Some((verifier, query.as_str()))
    })
}

/// A warning for each query that touches no table: what it says does not depend on what a model did.
///
/// `touches_no_table` is asked about one statement that reads. It answers no where it cannot tell, such as for a dialect
/// that it does not know.
pub fn constant_queries(scenario: &Scenario, touches_no_table: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let constant = |query: &str| complaint(query).is_none() && touches_no_table(query);
    let problem = |verifier: &VerifierSpec| {
        let message = format!("the query of the verifier `{}` touches no table", verifier.name);
        let hint = "its value is the same whatever a model does: select FROM a table";
        Problem::warning(scenario.place_of(verifier), message).hint(hint)
    };
    queries(scenario)
        .filter(|(_, query)| constant(query))
        .map(|(verifier, _)| problem(verifier))
        .collect()
}

/// What is wrong with the query of a check, to follow "the query …"; none for one statement that reads.
pub fn complaint(query: &str) -> Option<&'static str> {
    let bare = without_quoted(query);
    let mut statements = bare.split(';').filter(|statement| !statement.trim().is_empty());
    let Some(first) = statements.next() else {
        return Some("says nothing");
    };
    if statements.next().is_some() {
        return Some("is more than one statement");
    }
    let keyword: String = first
        .trim_start_matches(['(', ' ', '\n', '\r', '\t'])
        .chars()
        .take_while(|c| c.is_alphabetic())
        .collect();
    match keyword.to_ascii_uppercase().as_str() {
        "WITH" if words(first).any(changes) => Some("changes the database"),
        "SELECT" | "WITH" | "VALUES" => None,
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "CREATE" | "DROP" | "ALTER" => {
            Some("changes the database")
        }
        _ => Some("is no SELECT"),
    }
}

fn words(statement: &str) -> impl Iterator<Item = &str> {
    statement.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether a word that stands by itself in a `WITH` says that it writes. (`REPLACE` may be a function there.)
fn changes(word: &str) -> bool {
    let writes = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    writes.iter().any(|write| word.eq_ignore_ascii_case(write))
}

/// The text with quoted parts and comments blanked out, so that what stands in them does not count.
fn without_quoted(query: &str) -> String {
    let mut bare = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '"' | '`' => rest[1..].find(first).map(|at| at + 2),
            '[' => rest.find(']').map(|at| at + 1),
            '-' if rest.starts_with("--") => rest.find('\n'),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map(|at| at + 4),
            _ => {
                bare.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        bare.push(' ');
        // What is never closed goes on to the end.
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_reading_statement_is_right() {
        for (query, want) in [
            ("SELECT 1", None),
            ("  select COUNT(*) from t;  ", None),
            ("WITH a AS (SELECT 1) SELECT * FROM a", None),
            ("WITH a AS (SELECT 1) DELETE FROM t", Some("changes the database")),
            (
                "with a as (update t set b = 1 returning *) select * from a",
                Some("changes the database"),
            ),
            (
                "WITH a AS (SELECT replace(b, 'delete', \"insert\") AS last_update FROM t) SELECT * FROM a",
                None,
            ),
            ("(SELECT 1)", None),
            ("VALUES (1)", None),
            ("-- why; not\nSELECT ';' || \"a;b\" || [c;d]", None),
            ("/* drop; */ SELECT 'it''s; fine'", None),
            ("SELECT 1; SELECT 2", Some("is more than one statement")),
            ("SELECT 1; -- done", None),
            ("DELETE FROM t", Some("changes the database")),
            ("PRAGMA table_info(t)", Some("is no SELECT")),
            ("how many issues?", Some("is no SELECT")),
            (" ; ", Some("says nothing")),
            ("-- only a comment", Some("says nothing")),
            ("SELECT 'never closed; ", None),
            ("SELECT 'ä;ö'; DROP TABLE t", Some("is more than one statement")),
            ("/*", Some("says nothing")),
        ] {
            assert_eq!(complaint(query), want, "{query}");
        }
    }
}
