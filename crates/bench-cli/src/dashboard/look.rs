//! Colours and signs. Colours are the terminal's own sixteen, so that they fit light and dark backgrounds, and never the
//! only difference: each state has a sign too.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether colour is wanted.
    pub(crate) color: bool,
    /// Whether it shows more than ASCII.
    pub(crate) unicode: bool,
}

/// How a trial or a run stands, for its sign and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Passed,
    Failed,
    Limit,
    Errored,
    Unscored,
    Cancelled,
    Running,
    Waiting,
    Pending,
}

impl Look {
    /// By the locale of the environment. Without any, it is taken for one of UTF-8: so are nearly all terminals.
    pub(crate) fn of(variables: &BTreeMap<String, String>, color: bool) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| variables.get(*name).filter(|value| !value.is_empty()));
        let unicode = locale.is_none_or(|locale| {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Self { color, unicode }
    }

    fn colored(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    /// Good news.
    pub(crate) fn good(self) -> Style {
        self.colored(Color::Green)
    }

    /// Bad news.
    pub(crate) fn bad(self) -> Style {
        self.colored(Color::Red)
    }

    /// Neither: something waits, or could not be told.
    pub(crate) fn odd(self) -> Style {
        self.colored(Color::Yellow)
    }

    /// Things to press.
    pub(crate) fn key(self) -> Style {
        self.colored(Color::Cyan)
    }

    /// What may be passed over.
    #[expect(clippy::unused_self, reason = "looks like its sisters")]
    pub(crate) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Titles.
    #[expect(clippy::unused_self, reason = "looks like its sisters")]
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is chosen. Shown without colour too.
    #[expect(clippy::unused_self, reason = "looks like its sisters")]
    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The sign of a state, one column wide.
    pub(crate) fn sign(self, sign: Sign) -> char {
        let (unicode, ascii) = match sign {
            Sign::Passed => ('✓', '+'),
            Sign::Failed => ('✗', 'x'),
            Sign::Limit => ('◔', '%'),
            Sign::Errored => ('!', '!'),
            Sign::Unscored => ('?', '?'),
            Sign::Cancelled => ('–', '-'),
            Sign::Running => ('▶', '>'),
            Sign::Waiting => ('…', '~'),
            Sign::Pending => ('·', '.'),
        };
        if self.unicode { unicode } else { ascii }
    }

    /// The colour of a state.
    pub(crate) fn sign_style(self, sign: Sign) -> Style {
        match sign {
            Sign::Passed => self.good(),
            Sign::Failed | Sign::Limit => self.bad(),
            Sign::Errored | Sign::Unscored | Sign::Waiting => self.odd(),
            Sign::Running => self.key(),
            Sign::Cancelled | Sign::Pending => self.faint(),
        }
    }

    /// Something that turns while time goes on.
    pub(crate) fn spinner(self, turn: usize) -> char {
        let frames: &[char] = if self.unicode {
            &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
        } else {
            &['|', '/', '-', '\\']
        };
        frames.get(turn % frames.len()).copied().unwrap_or(' ')
    }

    /// What marks the chosen line.
    pub(crate) fn pointer(self) -> char {
        if self.unicode { '❯' } else { '>' }
    }

    /// A bar of so many columns, of which a share is done: the part that is done, and the rest.
    pub(crate) fn bar(self, done: u32, total: u32, width: usize) -> (String, String) {
        let total = u64::from(total.max(1));
        let halves = u64::from(done) * 2 * width as u64 / total;
        let (full, half) = (
            usize::try_from(halves / 2).unwrap_or(width).min(width),
            halves % 2 == 1,
        );
        let (whole, tip, rest) = if self.unicode {
            ('━', '╸', '─')
        } else {
            ('#', '=', '-')
        };
        let mut filled = String::from(whole).repeat(full);
        if half && full < width {
            filled.push(tip);
        }
        let left = width.saturating_sub(filled.chars().count());
        (filled, String::from(rest).repeat(left))
    }

    /// A horizontal line, one column of it.
    pub(crate) fn rule(self) -> char {
        if self.unicode { '─' } else { '-' }
    }

    /// A text with the signs that this terminal lacks replaced.
    pub(crate) fn text(self, text: &str) -> String {
        if self.unicode {
            return text.to_owned();
        }
        let ascii = |c: char| match c {
            '…' => '~',
            '·' | '•' | '—' | '–' | '─' => '-',
            '×' | '✗' => 'x',
            '≥' | '→' => '>',
            '←' => '<',
            '␛' | '↑' => '^',
            '↓' => 'v',
            '⏎' => '|',
            '✓' => '+',
            c if c.is_ascii() => c,
            _ => '?',
        };
        text.chars().map(ascii).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_about_signs() {
        let look = |pairs: &[(&str, &str)]| {
            let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Look::of(&variables.collect(), true).unicode
        };
        assert!(look(&[]));
        assert!(look(&[("LANG", "de_DE.UTF-8")]));
        assert!(look(&[("LANG", "C.utf8")]));
        assert!(!look(&[("LANG", "C")]));
        assert!(!look(&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")]));
        assert!(
            look(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]),
            "an empty one is no choice"
        );
    }

    #[test]
    fn without_unicode_every_sign_is_ascii() {
        let look = Look {
            color: false,
            unicode: false,
        };
        let signs = [
            Sign::Passed,
            Sign::Failed,
            Sign::Limit,
            Sign::Errored,
            Sign::Unscored,
            Sign::Cancelled,
            Sign::Running,
            Sign::Waiting,
            Sign::Pending,
        ];
        let mut seen: Vec<char> = signs.map(|sign| look.sign(sign)).to_vec();
        assert!(seen.iter().all(char::is_ascii));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), signs.len(), "each its own");
        assert!(look.text("5 × 3 – ≥ … 日").is_ascii());
        let (done, rest) = look.bar(1, 3, 6);
        assert!(done.is_ascii() && rest.is_ascii());
    }

    #[test]
    fn a_bar_is_as_wide_as_it_should_be() {
        let look = Look {
            color: false,
            unicode: true,
        };
        for (done, total, want) in [
            (0, 0, "──────"),
            (0, 3, "──────"),
            (1, 3, "━━────"),
            (1, 4, "━╸────"),
            (3, 3, "━━━━━━"),
            (9, 3, "━━━━━━"),
        ] {
            let (filled, rest) = look.bar(done, total, 6);
            assert_eq!(filled + &rest, want, "{done}/{total}");
        }
    }
}
