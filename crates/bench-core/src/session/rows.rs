//! Scenarios × models, from the cells of a session: what every table of the two goes by.
//!
//! A run need not try every model in every scenario: one that tries again what failed has the trials that failed, and no
//! other cells. So a cell is found by its names, never by its place.

use std::collections::BTreeMap;

use super::{Cell, Session};

/// A scenario with its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    /// The scenario.
    pub scenario_id: &'a str,
    /// One per model, in the order of [`Session::models`]; none where the run has no trial of the two.
    pub cells: Vec<Option<&'a Cell>>,
}

impl Session {
    /// One row per scenario, in the order in which they come first. Cells of models that the session does not have are left
    /// out; of two for one place the first counts.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let columns = self.models.iter().enumerate();
        let columns: BTreeMap<&str, usize> = columns.map(|(n, of)| (of.model.as_str(), n)).collect();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows: Vec<Row<'_>> = Vec::new();
        for cell in &self.cells {
            let place = *places.entry(&cell.scenario_id).or_insert_with(|| {
                rows.push(Row {
                    scenario_id: &cell.scenario_id,
                    cells: vec![None; self.models.len()],
                });
                rows.len() - 1
            });
            if let Some(column) = columns.get(cell.totals.model.as_str()) {
                rows[place].cells[*column].get_or_insert(cell);
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{FORMAT, Totals};

    fn session(models: &[&str], cells: &[(&str, &str)]) -> Session {
        let totals = |model: &&str| Totals {
            model: (*model).to_owned(),
            ..Totals::default()
        };
        let cell = |(scenario, model): &(&str, &str)| Cell {
            scenario_id: (*scenario).to_owned(),
            totals: totals(model),
        };
        Session {
            format: FORMAT,
            harness_name: "h".into(),
            label: None,
            runs: 1,
            models: models.iter().map(totals).collect(),
            cells: cells.iter().map(cell).collect(),
            databases: Vec::new(),
        }
    }

    /// Each row as `scenario: model, —`.
    fn told(session: &Session) -> Vec<String> {
        let model = |cell: Option<&Cell>| cell.map_or("—", |cell| &cell.totals.model).to_owned();
        let row = |row: &Row<'_>| {
            let cells: Vec<String> = row.cells.iter().copied().map(model).collect();
            format!("{}: {}", row.scenario_id, cells.join(", "))
        };
        session.rows().iter().map(row).collect()
    }

    #[test]
    fn a_cell_stands_under_its_model_wherever_others_are_missing() {
        let cells = [
            ("a", "two"),
            ("b", "two"),
            ("c", "one"),
            ("c", "two"),
            ("d", "one"),
        ];
        assert_eq!(
            told(&session(&["one", "two"], &cells)),
            ["a: —, two", "b: —, two", "c: one, two", "d: one, —"]
        );
    }

    #[test]
    fn neither_order_nor_strangers_move_a_cell() {
        let cells = [
            ("b", "two"),
            ("a", "two"),
            ("b", "gone"),
            ("b", "one"),
            ("b", "one"),
        ];
        assert_eq!(
            told(&session(&["one", "two"], &cells)),
            ["b: one, two", "a: —, two"]
        );
        assert!(session(&[], &[]).rows().is_empty());
    }
}
