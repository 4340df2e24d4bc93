//! A plain table that fits a width: unimportant columns go first, then long cells wrap, or are shortened.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, TableStyle,
    Width,
};

use crate::text;

/// Spaces between two columns: the padding, and the place where [`LOOK`] would draw a line.
const GAP: u16 = PADDING + 1;
const PADDING: u16 = 1;
/// A column that may wrap is not made narrower than this.
const NARROWEST: u16 = 10;

/// A rule under the header, nothing else drawn: easy to read, to copy and to cut.
const LOOK: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// One column of a [`Table`].
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    right: bool,
    rank: u8,
    wraps: bool,
}

impl Column {
    /// Text, flush left, wrapped if the table is too wide.
    pub const fn text(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            rank: 0,
            wraps: true,
        }
    }

    /// A word or a figure, flush right, never wrapped.
    pub const fn figure(title: &'static str) -> Self {
        Self {
            title,
            right: true,
            rank: 0,
            wraps: false,
        }
    }

    /// A word, flush left, never wrapped.
    pub const fn word(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            rank: 0,
            wraps: false,
        }
    }

    /// Left out where the table is too wide: higher ranks first, rank 0 never.
    #[must_use]
    pub const fn dispensable(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// Rows under titled columns. Cells are cleaned of control characters.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<(String, Column)>,
    rows: Vec<Vec<String>>,
    one_line: bool,
}

impl Table {
    /// An empty table of these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        let columns = columns.into_iter().map(|c| (c.title.to_owned(), c)).collect();
        Self {
            columns,
            rows: Vec::new(),
            one_line: false,
        }
    }

    /// Each row in one line: where the table is too wide, long text is shortened before columns are left out.
    #[must_use]
    pub fn one_line(mut self) -> Self {
        self.one_line = true;
        self
    }

    /// Adds a column whose title is not known beforehand, such as a model's name.
    pub fn add_column(&mut self, title: &str, like: Column) {
        self.columns.push((text::clean_line(title), like));
    }

    /// Adds a row; one cell per column. What is in a cell stays in its line, whatever it holds.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| text::clean_line(&cell)).collect());
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text in at most `width` columns where that is possible, ending with a newline.
    pub fn render(&self, width: usize) -> String {
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        let mut table = self.build();
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let natural: Vec<u16> = table.column_max_content_widths();
        let needed = self.needed(&natural);
        while total(&shown, &needed) > u32::from(width) {
            let Some(least) = self.least_important(&shown) else {
                break;
            };
            shown.retain(|&column| column != least);
        }
        self.constrain(&mut table, &shown, &natural, width);
        let mut out: String = table.trim_fmt();
        out.push('\n');
        out
    }

    /// The width below which each column would rather have others left out.
    fn needed(&self, natural: &[u16]) -> Vec<u16> {
        let columns = self.columns.iter().zip(natural);
        columns
            .map(|((_, column), &width)| {
                let shortened = self.one_line && column.wraps;
                if shortened { width.min(NARROWEST) } else { width }
            })
            .collect()
    }

    fn build(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(LOOK).set_truncation_indicator("…");
        table.set_header(
            self.columns
                .iter()
                .map(|(title, _)| Cell::new(title))
                .collect::<Vec<_>>(),
        );
        for row in &self.rows {
            let mut row = Row::from(row.iter().map(Cell::new).collect::<Vec<_>>());
            if self.one_line {
                row.max_height(1);
            }
            table.add_row(row);
        }
        table
    }

    fn least_important(&self, shown: &[usize]) -> Option<usize> {
        let dispensable = shown.iter().copied().filter(|&c| self.columns[c].1.rank > 0);
        dispensable.max_by_key(|&c| self.columns[c].1.rank)
    }

    fn constrain(&self, table: &mut comfy_table::Table, shown: &[usize], natural: &[u16], width: u16) {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
        let last = shown.last().copied();
        for (index, column) in table.column_iter_mut().enumerate() {
            let (_, plan) = &self.columns[index];
            column.set_padding((0, if Some(index) == last { 0 } else { PADDING }));
            if plan.right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if !shown.contains(&index) {
                column.set_constraint(ColumnConstraint::Hidden);
            } else if !plan.wraps {
                column.set_constraint(ColumnConstraint::ContentWidth);
            } else {
                let lower = Width::Fixed(natural[index].min(NARROWEST) + PADDING);
                column.set_constraint(ColumnConstraint::LowerBoundary(lower));
            }
        }
    }
}

fn total(shown: &[usize], natural: &[u16]) -> u32 {
    let gaps = u32::from(GAP) * u32::try_from(shown.len().saturating_sub(1)).unwrap_or(0);
    gaps + shown
        .iter()
        .map(|&column| u32::from(natural[column]))
        .sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let columns = [
            Column::text("model"),
            Column::figure("passed"),
            Column::figure("turns").dispensable(2),
            Column::figure("time").dispensable(1),
        ];
        let mut table = Table::new(columns);
        table.row([
            "anthropic:claude-sonnet-4-5".into(),
            "12".into(),
            "103".into(),
            "1.2s".into(),
        ]);
        table.row(["noop\x1b[2J".into(), "0".into(), "12".into(), "0.01s".into()]);
        table
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        insta::assert_snapshot!(example().render(80), @r"
        model                        passed  turns   time
        ─────────────────────────────────────────────────
        anthropic:claude-sonnet-4-5      12    103   1.2s
        noop␛[2J                          0     12  0.01s
        ");
    }

    #[test]
    fn rows_of_one_line_lose_words_before_columns() {
        let mut table = Table::new([
            Column::word("run"),
            Column::figure("time").dispensable(1),
            Column::text("harness").dispensable(2),
        ])
        .one_line();
        table.row([
            "run_1".into(),
            "1.2s".into(),
            "quickstart (a label that says much)".into(),
        ]);
        table.row(["run_2".into(), "0.1s".into(), "quickstart".into()]);
        insta::assert_snapshot!(table.render(80), @r"
        run    time  harness
        ────────────────────────────────────────────────
        run_1  1.2s  quickstart (a label that says much)
        run_2  0.1s  quickstart
        ");
        insta::assert_snapshot!(table.render(34), @r"
        run    time  harness
        ──────────────────────────────────
        run_1  1.2s  quickstart (a label…
        run_2  0.1s  quickstart
        ");
        insta::assert_snapshot!(table.render(20), @r"
        run    time
        ───────────
        run_1  1.2s
        run_2  0.1s
        ");
    }

    #[test]
    fn a_narrow_one_loses_columns_by_rank_then_wraps() {
        insta::assert_snapshot!(example().render(44), @r"
        model                        passed   time
        ──────────────────────────────────────────
        anthropic:claude-sonnet-4-5      12   1.2s
        noop␛[2J                          0  0.01s
        ");
        insta::assert_snapshot!(example().render(25), @r"
        model              passed
        ─────────────────────────
        anthropic:claude-      12
        sonnet-4-5
        noop␛[2J                0
        ");
    }
}
