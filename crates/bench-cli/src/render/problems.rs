//! Problems in input files: the line they stand in, the place marked, what to try next.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use bench_core::{Place, Problem, Severity};
use bench_report::text;

/// All problems, errors last where the eye is, with a line that counts them.
pub(crate) fn text(problems: &[Problem], width: usize) -> String {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.severity);
    let shown: String = sorted
        .into_iter()
        .map(|problem| one(problem, width) + "\n\n")
        .collect();
    let count = |severity| problems.iter().filter(|p| p.severity == severity).count();
    let errors = text::count(count(Severity::Error), "error");
    match count(Severity::Warning) {
        0 => format!("{shown}{errors}\n"),
        n => format!("{shown}{errors} and {}\n", text::count(n, "warning")),
    }
}

/// Warnings that do not stop the work.
pub(crate) fn warnings(problems: &[Problem], width: usize) -> String {
    problems
        .iter()
        .map(|problem| one(problem, width) + "\n")
        .collect()
}

/// One problem, without a newline at its end.
fn one(problem: &Problem, width: usize) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group: Group<'_> = level
        .primary_title(text::clean(&problem.message))
        .elements(Vec::<Element<'_>>::new());
    if !problem.place.file.is_empty() {
        group = match &problem.place.source_line {
            Some(line) => group.element(snippet(&problem.place, line)),
            None => group.element(origin(&problem.place)),
        };
    }
    if let Some(note) = inside(&problem.place) {
        group = group.element(Level::NOTE.message(note));
    }
    // Without a place there is no margin for the hint to hang from.
    let hangs = !problem.place.file.is_empty();
    if let (Some(hint), true) = (&problem.hint, hangs) {
        group = group.element(Level::HELP.message(text::clean(hint).into_owned()));
    }
    let shown = Renderer::styled().term_width(width).render(&[group]);
    match &problem.hint {
        Some(hint) if !hangs => format!("{shown}\n = help: {}", text::clean(hint)),
        _ => shown,
    }
}

fn snippet<'a>(place: &Place, line: &str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    // Characters stay characters when cleaned, so that the column stays true.
    let line = text::clean(line).into_owned();
    let start = place.column.map_or(0, |column| byte_of(&line, column));
    let span = start..token_end(&line, start);
    Snippet::source(line)
        .line_start(place.line.map_or(1, |line| line as usize))
        .path(text::clean_line(&place.file))
        .annotation(AnnotationKind::Primary.span(span))
}

fn origin<'a>(place: &Place) -> Origin<'a> {
    let mut origin = Origin::path(text::clean_line(&place.file));
    if let Some(line) = place.line {
        origin = origin.line(line as usize);
    }
    match place.column {
        Some(column) => origin.char_column(column as usize),
        None => origin,
    }
}

/// Where in the document, in words that help in a file of one long line too.
fn inside(place: &Place) -> Option<String> {
    let scenario = place
        .scenario
        .as_ref()
        .map(|id| format!("in scenario `{}`", text::clean_line(id)));
    let pointer = (!place.pointer.is_empty()).then(|| format!("at {}", text::clean_line(&place.pointer)));
    match (scenario, pointer) {
        (Some(scenario), Some(pointer)) => Some(format!("{scenario}, {pointer}")),
        (one, other) => one.or(other),
    }
}

/// The byte at which the character of a column (from 1) begins.
fn byte_of(line: &str, column: u32) -> usize {
    let index = (column as usize).saturating_sub(1);
    line.char_indices()
        .nth(index)
        .map_or(line.len(), |(byte, _)| byte)
}

/// Where the JSON token at `start` ends: a string at its quote, a word or number where it stops, anything else
/// after one character.
fn token_end(line: &str, start: usize) -> usize {
    let Some(rest) = line.get(start..) else {
        return start;
    };
    let Some(first) = rest.chars().next() else {
        return start;
    };
    let length = match first {
        '"' => string_length(rest),
        c if c.is_alphanumeric() || c == '-' => rest
            .find(|c: char| !c.is_alphanumeric() && !"+-._".contains(c))
            .unwrap_or(rest.len()),
        c => c.len_utf8(),
    };
    start + length
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (byte, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return byte + 1,
            c => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(problems: &[Problem]) -> String {
        anstream::adapter::strip_str(&text(problems, 100)).to_string()
    }

    #[test]
    fn a_problem_shows_its_line_and_what_to_try() {
        let place = Place {
            file: "harness.json".into(),
            line: Some(3),
            column: Some(25),
            pointer: "/scenarios/0/prompts/0/verifier/comparison_type".into(),
            scenario: Some("create-bug".into()),
            source_line: Some(r#"    "comparison_type":  "eqals", "x": "\"""#.into()),
        };
        let error = Problem::error(place, "unknown comparison `eqals`").hint("did you mean `equals`?");
        let unread =
            Problem::error(Place::file("--gym"), "there is no gym `jira`").hint("available: tracker");
        let odd = Problem::warning(
            Place {
                line: Some(7),
                ..Place::file("b.json")
            },
            "unknown field `nmae`",
        );
        insta::assert_snapshot!(plain(&[error, odd, unread]), @r#"
        warning: unknown field `nmae`
        --> b.json:7

        error: unknown comparison `eqals`
         --> harness.json:3:25
          |
        3 |     "comparison_type":  "eqals", "x": "\""
          |                         ^^^^^^^
          |
          = note: in scenario `create-bug`, at /scenarios/0/prompts/0/verifier/comparison_type
          = help: did you mean `equals`?

        error: there is no gym `jira`
        --> --gym
         = help: available: tracker

        2 errors and 1 warning
        "#);
    }

    #[test]
    fn a_file_cannot_command_the_terminal() {
        let place = Place {
            line: Some(1),
            column: Some(3),
            source_line: Some("{\x1b[2J\"a\": 1}".into()),
            ..Place::file("a\x07.json")
        };
        let shown = text(&[Problem::error(place, "odd \x1b]0;title\x07")], 80);
        let stripped = anstream::adapter::strip_str(&shown).to_string();
        assert!(
            !stripped.contains(|c: char| c.is_control() && c != '\n'),
            "{stripped:?}"
        );
        assert!(stripped.contains("␛]0;title␇"), "{stripped}");
    }

    #[test]
    fn tokens_end_where_json_ends_them() {
        for (line, start, want) in [
            (r#"{"a\"b": 1}"#, 1, r#""a\"b""#),
            (r#"{"open"#, 1, r#""open"#),
            ("[-1.5e3, true]", 1, "-1.5e3"),
            ("[true]", 1, "true"),
            ("{}", 0, "{"),
            ("é", 0, "é"),
            ("", 0, ""),
        ] {
            assert_eq!(&line[start..token_end(line, start)], want, "{line}");
        }
        assert_eq!(byte_of("éa", 2), 2);
        assert_eq!(byte_of("a", 9), 1, "a column beyond the line is its end");
    }
}
