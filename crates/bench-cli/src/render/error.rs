//! Errors as people see them: what, why, what to try next.

use bench_report::text;

use super::paint::{BAD, CODE, paint};
use super::problems;
use crate::error::{CliError, Said, sources};
use crate::exit::Exit;

/// The error as text for stderr; empty where nothing is to be said.
pub(crate) fn text(error: &CliError, width: usize) -> String {
    match error {
        CliError::Problems(problems) => problems::text(problems, width),
        CliError::Said(said) => said_text(said),
        CliError::Output(_) if error.exit() == Exit::Success => String::new(),
        CliError::Output(error) => format!("{} cannot write the output: {error}\n", paint(BAD, "error:")),
    }
}

fn said_text(said: &Said) -> String {
    let mut lines = vec![format!("{} {}", paint(BAD, "error:"), text::clean(&said.message))];
    // A cause that the message already tells is not told twice.
    let causes = said
        .causes
        .iter()
        .filter(|cause| !said.message.contains(cause.as_str()));
    lines.extend(causes.map(|cause| format!("  because: {}", text::clean(cause).replace('\n', "\n    "))));
    lines.extend(
        said.hints
            .iter()
            .map(|hint| format!("  {} {}", paint(CODE, "try:"), text::clean(hint))),
    );
    lines.join("\n") + "\n"
}

/// An error as one sentence.
pub(crate) fn in_a_line(error: &CliError) -> String {
    match error {
        CliError::Said(said) => {
            let parts = std::iter::once(&said.message).chain(&said.causes);
            parts.cloned().collect::<Vec<_>>().join(": ")
        }
        CliError::Output(error) => {
            let causes = sources(error);
            std::iter::once(error.to_string())
                .chain(causes)
                .collect::<Vec<_>>()
                .join(": ")
        }
        CliError::Problems(_) => {
            let text = text(error, 100);
            anstream::adapter::strip_str(&text).to_string().trim().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_why_and_what_next() {
        let cause = std::io::Error::other("not all:\nPermission denied \x1b[2J");
        let error = CliError::unfinished("cannot create `/x/results`")
            .because(cause)
            .hint("choose another folder with `--results DIR`");
        let shown = anstream::adapter::strip_str(&text(&error, 80)).to_string();
        insta::assert_snapshot!(shown, @r"
        error: cannot create `/x/results`
          because: not all:
            Permission denied ␛[2J
          try: choose another folder with `--results DIR`
        ");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        let error = CliError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(error.exit(), Exit::Success);
        assert_eq!(text(&error, 80), "");
    }
}
