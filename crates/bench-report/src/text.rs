//! Small texts: cleaned, counted, shortened.

use std::borrow::Cow;
use std::time::Duration;

/// The text without anything that could command a terminal: control characters other than newline and tab
/// become visible pictures (`␛`), and those that turn the reading direction, or that no document may hold, `�`. One
/// character stays one character, so that columns stay true.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| picture(c) == c) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(picture).collect())
}

/// [`clean`], and on one line: newlines become `⏎`, tabs a space.
pub fn clean_line(text: &str) -> String {
    clean(text.trim_end())
        .chars()
        .map(|c| match c {
            '\n' => '⏎',
            '\t' => ' ',
            c => c,
        })
        .collect()
}

/// Whether [`clean`] replaces it.
pub(crate) fn is_command(c: char) -> bool {
    picture(c) != c
}

fn picture(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{7f}' => '␡',
        c if u32::from(c) < 0x20 => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fffe}'
        | '\u{ffff}' => '\u{fffd}',
        c => c,
    }
}

/// At most `longest` characters; a longer text ends with `…`.
pub fn shorten(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(
            text.chars()
                .take(longest.saturating_sub(1))
                .chain(['…'])
                .collect(),
        ),
    }
}

/// The text, or its beginning and end with `…` between them, at most so many characters: names often differ at the end.
pub fn shorten_middle(text: &str, longest: usize) -> Cow<'_, str> {
    let characters = text.chars().count();
    if characters <= longest {
        return Cow::Borrowed(text);
    }
    let kept = longest.saturating_sub(1);
    let tail = kept / 2;
    let head = text.chars().take(kept - tail);
    Cow::Owned(
        head.chain(['…'])
            .chain(text.chars().skip(characters - tail))
            .collect(),
    )
}

/// A range of shares, in percent, in brackets: `(43–90)`; with digits where it would look like a point.
pub fn range(low: f64, high: f64) -> String {
    let digits = match high - low {
        wide if wide >= 0.03 => 0,
        narrow if narrow >= 0.003 => 1,
        _ => 2,
    };
    format!("({:.digits$}–{:.digits$})", low * 100.0, high * 100.0)
}

/// `1 run`, `2 runs`: the plural is the word with an `s`.
pub fn count(n: usize, word: &str) -> String {
    if n == 1 {
        format!("1 {word}")
    } else {
        format!("{n} {word}s")
    }
}

/// `950`, `12.3k`, `4.5M`.
pub fn short_number(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scaled = |unit: f64| n as f64 / unit;
    match n {
        0..1_000 => n.to_string(),
        1_000..999_950 => format!("{:.1}k", scaled(1e3)),
        _ => format!("{:.1}M", scaled(1e6)),
    }
}

/// `45s`, `2m 05s`, `1h 02m`: for what is not measured in hundredths.
pub fn whole_seconds(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..60 => format!("{s}s"),
        _ => short_duration(time),
    }
}

/// `42ms`, `4.20s`, `12.3s`, `2m 05s`, `1h 02m`, `3d 04h`.
pub fn short_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..10 => format!("{:.2}s", time.as_secs_f64()),
        10..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A share of 1 as `83.3%`; `—` without one.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "—".to_owned(),
        Some(share) if share >= 1.0 => "100%".to_owned(),
        // Rounding must not make a run look perfect that was not.
        Some(share) => format!("{:.1}%", (share * 100.0).min(99.9)),
    }
}

/// A share and what it falls short of, with as many digits as tell the two apart: `41.67%` and `41.70%`.
pub fn percents_apart(share: f64, least: f64) -> (String, String) {
    /// No share of trials differs by less from what somebody types.
    const MOST_DIGITS: usize = 9;
    let usual = (percent(Some(share)), percent(Some(least)));
    if usual.0 != usual.1 {
        return usual;
    }
    let with = |digits: usize| {
        (
            format!("{:.digits$}%", 100.0 * share),
            format!("{:.digits$}%", 100.0 * least),
        )
    };
    let apart = (2..=MOST_DIGITS).map(with).find(|(share, least)| share != least);
    apart.unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_command_a_terminal() {
        assert_eq!(
            clean("\x1b[31mred\x07\r\u{9b}2J\u{202e}"),
            "␛[31mred␇␍\u{fffd}2J\u{fffd}"
        );
        assert_eq!(clean("kept:\n\ttab ü 日本"), "kept:\n\ttab ü 日本");
        assert_eq!(clean_line("two\nlines\n"), "two⏎lines");
        for c in (0..=0xffff).filter_map(char::from_u32) {
            let text = String::from(c);
            let out = clean(&text);
            assert!(c == '\n' || c == '\t' || !out.contains(char::is_control), "{c:?}");
            assert_eq!(out.chars().count(), 1);
        }
    }

    #[test]
    fn numbers_are_short_and_never_flatter() {
        let durations = [
            (420, "420ms"),
            (4_200, "4.20s"),
            (59_940, "59.9s"),
            (125_000, "2m 05s"),
            (3_720_000, "1h 02m"),
        ];
        for (ms, want) in durations {
            assert_eq!(short_duration(Duration::from_millis(ms)), want);
        }
        for (n, want) in [
            (999, "999"),
            (12_345, "12.3k"),
            (999_949, "999.9k"),
            (999_950, "1.0M"),
        ] {
            assert_eq!(short_number(n), want);
        }
        for (share, want) in [
            (None, "—"),
            (Some(1.0), "100%"),
            (Some(0.9999), "99.9%"),
            (Some(0.0), "0.0%"),
        ] {
            assert_eq!(percent(share), want);
        }
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
