//! The faults of a harness as a table: where each is, and what to do about it.

use bench_core::{Place, Problem, Severity};
use bench_report::table::{Column, Table};
use bench_report::text;

use crate::render::paint;

/// One row per fault, file by file and line by line, with a line that counts them. A folder that would leave no room for
/// the faults is told once.
pub(super) fn text(problems: &[Problem], scenarios: usize, width: usize) -> String {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by(|a, b| order(&a.place).cmp(&order(&b.place)));
    let mut table = Table::new([
        Column::word(""),
        Column::text("place"),
        Column::text("scenario"),
        Column::text("fault"),
    ]);
    let folder = if sorted.iter().any(|p| place(&p.place, "").len() > width / 3) {
        common_folder(&sorted)
    } else {
        ""
    };
    for problem in sorted {
        table.row([
            sign(problem.severity).to_owned(),
            place(&problem.place, folder),
            problem.place.scenario.clone().unwrap_or_default(),
            fault(problem),
        ]);
    }
    let count = |severity| problems.iter().filter(|p| p.severity == severity).count();
    let errors = text::count(count(Severity::Error), "error");
    let warnings = text::count(count(Severity::Warning), "warning");
    let scenarios = text::count(scenarios, "scenario");
    let within = match folder {
        "" => String::new(),
        folder => format!("in {}\n", text::clean_line(folder)),
    };
    format!(
        "{within}{}\n{errors} and {warnings} in {scenarios}\n",
        paint::table(&table.render(width))
    )
}

fn order(place: &Place) -> (&str, Option<u32>, Option<u32>) {
    (&place.file, place.line, place.column)
}

/// `✗` for what keeps a scenario from ever passing, or lets nothing pass it, `!` for anything else.
fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "✗",
        Severity::Warning => "!",
    }
}

fn place(place: &Place, folder: &str) -> String {
    let file = place.file.strip_prefix(folder).unwrap_or(&place.file);
    match place.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

/// The folder that all places lie in, with the slash at its end; empty if there is none.
fn common_folder<'p>(problems: &[&'p Problem]) -> &'p str {
    let folder = |path: &'p str| &path[..path.rfind('/').map_or(0, |at| at + 1)];
    let mut files = problems.iter().map(|problem| problem.place.file.as_str());
    let mut common = files.next().map_or("", folder);
    for file in files {
        while !file.starts_with(common) {
            common = folder(common.trim_end_matches('/'));
        }
    }
    common
}

fn fault(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.message),
        None => problem.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_folder_is_told_once() {
        let at = |file: &str| Problem::warning(Place::file(file), "unknown field `ulr` is ignored");
        let problems = [
            at("some/folder/that/is/deep/a/h.json"),
            at("some/folder/that/is/deep/about.json"),
        ];
        let shown = |problems: &[Problem], width| {
            let text = text(problems, 2, width);
            anstream::adapter::strip_str(&text).to_string()
        };
        insta::assert_snapshot!(shown(&problems, 80), @r"
        in some/folder/that/is/deep/
           place       scenario  fault
        ───────────────────────────────────────────────────────
        !  a/h.json              unknown field `ulr` is ignored
        !  about.json            unknown field `ulr` is ignored

        0 errors and 2 warnings in 2 scenarios
        ");
        assert!(!shown(&problems, 200).contains("in some"), "there is room");
        let apart = [at("/some/folder/that/is/deep/a/h.json"), at("gyms.json")];
        assert!(!shown(&apart, 80).contains("in /"), "there is none");
    }

    #[test]
    fn faults_stand_in_the_order_of_the_file() {
        let at = |line, scenario: &str| Place {
            line,
            scenario: Some(scenario.to_owned()),
            ..Place::file("mine/harness.json")
        };
        let problems = [
            Problem::error(at(Some(12), "close-it"), "doing nothing passes it").hint("ask for something"),
            Problem::warning(Place::file("gyms.json"), "unknown field `ulr` is ignored"),
            Problem::warning(
                at(Some(3), "open-it\x1b[2J"),
                "the verifiers `a` and `b` ask the same",
            ),
        ];
        let text = text(&problems, 7, 80);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string(), @r"
           place                 scenario     fault
        ────────────────────────────────────────────────────────────────────────────────
        !  gyms.json                          unknown field `ulr` is ignored
        !  mine/harness.json:3   open-it␛[2J  the verifiers `a` and `b` ask the same
        ✗  mine/harness.json:12  close-it     doing nothing passes it; ask for something

        1 error and 2 warnings in 7 scenarios
        ");
    }
}
