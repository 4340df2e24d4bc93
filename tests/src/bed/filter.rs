//! Takes out of a text what differs between two equal runs.

use std::path::Path;
use std::sync::OnceLock;

use regex::Regex;

/// Replaces the folder, run ids, database ids, ports, times and durations, where possible by something of
/// the same width, so that tables stay tables.
pub(super) fn clean(text: &str, folder: &Path) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut text = text.replace(&real.display().to_string(), "<bed>");
    text = text.replace(&folder.display().to_string(), "<bed>");
    for (pattern, name) in patterns() {
        text = pattern.replace_all(&text, *name).into_owned();
    }
    text
}

/// The same for tables with durations in them, whose columns are wider or narrower from run to run:
/// runs of blanks and of lines are shortened.
pub(super) fn clean_table(text: &str, folder: &Path) -> String {
    static BLANKS: OnceLock<Regex> = OnceLock::new();
    static LINES: OnceLock<Regex> = OnceLock::new();
    let text = clean(text, folder);
    let blanks = BLANKS.get_or_init(|| Regex::new(r"(\S) {2,}").expect("a good pattern"));
    let lines = LINES.get_or_init(|| Regex::new("─{4,}").expect("a good pattern"));
    lines
        .replace_all(&blanks.replace_all(&text, "$1  "), "────")
        .into_owned()
}

fn patterns() -> &'static [(Regex, &'static str)] {
    static PATTERNS: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let rows = [
            (r"run_\d{8}_\d{6}_[0-9a-f]{8}", "run_YYYYMMDD_HHMMSS_xxxxxxxx"),
            // A harness that is called no more than `harness.json` goes by its folder.
            (r"\bbed-[A-Za-z0-9]{6}\b", "bed-xxxxxx"),
            (
                r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
                "<uuid>",
            ),
            (r"(127\.0\.0\.1|localhost|\[::1\]):\d+", "$1:<port>"),
            (
                r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.\d+)?( ?UTC|Z)?",
                "<time>",
            ),
            (r"\b\d{2}-\d{2} \d{2}:\d{2}\b", "MM-DD hh:mm"),
            (r"\b\d{2}:\d{2}:\d{2}\.\d{3}\b", "hh:mm:ss.mmm"),
            (r"\b\d+m ?\d+s\b", "<took>"),
            (r"\b\d+(\.\d+)? ?(µs|ms|s|min)\b", "<took>"),
        ];
        rows.map(|(pattern, name)| (Regex::new(pattern).expect("a good pattern"), name))
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_equal_runs_is_taken_out() {
        let text = "/tmp/bed-x/results/runs/run_20260102_030405_0badcafe took 1.4 s at 127.0.0.1:4711, 12ms";
        assert_eq!(
            clean(text, Path::new("/tmp/bed-x")),
            "<bed>/results/runs/run_YYYYMMDD_HHMMSS_xxxxxxxx took <took> at 127.0.0.1:<port>, <took>"
        );
        assert_eq!(
            clean("3 scenarios, 12 turns", Path::new("/x")),
            "3 scenarios, 12 turns"
        );
    }

    #[test]
    fn a_table_looks_the_same_however_wide_its_columns_are() {
        let wide = "model    time\n──────────────\nnoop  1.25s  3\n";
        let narrow = "model  time\n──────────\nnoop   9ms    3\n";
        let folder = Path::new("/x");
        assert_eq!(clean_table(wide, folder), clean_table(narrow, folder));
    }
}
