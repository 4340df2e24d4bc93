//! Colour: few colours, each with a meaning, and never the only sign of it.

use anstyle::{AnsiColor, Style};

/// Good news.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Neither: something could not be told.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// What may be passed over.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Titles.
pub(crate) const STRONG: Style = Style::new().bold();
/// Things to type.
pub(crate) const CODE: Style = AnsiColor::Cyan.on_default();

/// A text in a style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A rendered table with its signs coloured and its title line strong.
pub(crate) fn table(text: &str) -> String {
    let mut lines = text.lines();
    let title = lines.next().map(|line| paint(STRONG, line)).unwrap_or_default();
    let lines = std::iter::once(title).chain(lines.map(signs));
    lines.map(|line| line + "\n").collect::<Vec<_>>().concat()
}

/// A text with the signs `✓ ✗ ! ◐` coloured where they stand alone.
pub(crate) fn signs(line: &str) -> String {
    let words = line.split(' ').map(|word| match word {
        "✓" => paint(GOOD, word),
        "✗" => paint(BAD, word),
        "!" | "◐" => paint(ODD, word),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signs_that_stand_alone_are_coloured() {
        let painted = signs("a  ✓ passed  wow!  ! errored");
        assert_eq!(
            anstream::adapter::strip_str(&painted).to_string(),
            "a  ✓ passed  wow!  ! errored"
        );
        assert_eq!(painted.matches('\x1b').count(), 4, "{painted:?}");
    }
}
