//! What a trial's verifiers said step by step, in words. A step is a tool call, from 1; the start is before the first one.

use bench_core::VerdictStatus;
use bench_core::steps::{Span, Timeline, Track};

use crate::text;

/// Spans, or regressions, that a line names.
const MOST: usize = 4;
/// Longest name or reason in a line, in characters.
const LONGEST: usize = 200;

/// One line per check and one for all of them, without their ends; `tool_calls` of the trial.
pub fn lines(timeline: &Timeline, tool_calls: u32) -> Vec<String> {
    let line = |check: &Track| format!("{}: {}", cell(&check.verifier), words(check));
    let mut lines: Vec<String> = timeline.checks.iter().map(line).collect();
    lines.push(summary(timeline, tool_calls));
    lines
}

/// When a check held: `held from step 3`, `held in steps 2–4, from step 7; lost at step 5`, `never held`.
pub fn words(check: &Track) -> String {
    let mut words = vec![held(check)];
    let lost = check.lost();
    if !lost.is_empty() {
        let steps = lost.iter().map(|step| format!("step {step}"));
        words.push(format!("lost at {}", list(steps)));
    }
    if let (Some(last), true) = (check.changes.last(), check.changes.len() > 1)
        && let VerdictStatus::Errored { error, .. } = &last.status
    {
        words.push(format!("not known from step {}: {}", last.step, cell(error)));
    }
    if let (Some(why), false) = (&check.left_out, check.changes.is_empty()) {
        words.push(format!("then not looked at: {}", cell(why)));
    }
    words.join("; ")
}

/// When a check held, for a cell of a table: `step 3`, `step 7 (first 3)`, `lost (first 3)`, `never`.
pub fn brief(check: &Track) -> String {
    let at = |step: u32, word: &str| match step {
        0 => "start".to_owned(),
        step => format!("{word} {step}"),
    };
    let first = |step: u32| at(step, "first");
    let unknown = matches!(
        check.changes.last().map(|last| &last.status),
        Some(VerdictStatus::Errored { .. })
    );
    match (check.first_held(), check.held_from()) {
        _ if check.changes.is_empty() => "—".to_owned(), // it was not looked at
        (Some(step), Some(from)) if step == from => at(from, "step"),
        (Some(step), Some(from)) => format!("{} ({})", at(from, "step"), first(step)),
        (Some(step), None) if unknown => format!("? ({})", first(step)),
        (Some(step), None) => format!("lost ({})", first(step)),
        (None, _) if unknown => "?".to_owned(),
        (None, _) => "never".to_owned(),
    }
}

fn held(check: &Track) -> String {
    let spans = check.spans();
    if !spans.is_empty() {
        return format!("held {}", list(spans.into_iter().map(span)));
    }
    match (check.changes.as_slice(), &check.left_out) {
        ([], Some(why)) => format!("not looked at: {}", cell(why)),
        ([], None) => "not looked at".to_owned(),
        ([only], _) => match &only.status {
            VerdictStatus::Errored { error, .. } => format!("not known: {}", cell(error)),
            _ => "never held".to_owned(),
        },
        _ => "never held".to_owned(),
    }
}

fn span(span: Span) -> String {
    let last = span.until.map(|until| until.saturating_sub(1));
    match (span.from, last) {
        (0, None) => "from the start".to_owned(),
        (from, None) => format!("from step {from}"),
        (0, Some(0)) => "at the start".to_owned(),
        (0, Some(last)) => format!("from the start to step {last}"),
        (from, Some(last)) if from == last => format!("at step {from}"),
        (from, Some(last)) => format!("in steps {from}–{last}"),
    }
}

/// Some of them, and how many more there are.
fn list(parts: impl ExactSizeIterator<Item = String>) -> String {
    let hidden = parts.len().saturating_sub(MOST);
    let mut shown: Vec<String> = parts.take(MOST).collect();
    if hidden > 0 {
        shown.push(format!("{hidden} more"));
    }
    shown.join(", ")
}

/// All checks together: `2 of 3 followed over 6 tool calls: all held first after step 4, then 2 more tool calls`.
pub fn summary(timeline: &Timeline, tool_calls: u32) -> String {
    let followed = timeline.followed().count();
    let steps = text::count(timeline.last_step as usize, "tool call");
    let of = format!("{followed} of {} followed over {steps}", timeline.checks.len());
    let together = match (timeline.all_held(), timeline.calls_after(tool_calls)) {
        _ if followed == 0 => String::new(),
        (None, _) => ": never all true at once".to_owned(),
        (Some(step), Some(0)) => format!(": all true first after step {step}, the last one"),
        (Some(step), Some(after)) => {
            let after = text::count(after as usize, "more tool call");
            format!(": all true first after step {step}, then {after}")
        }
        (Some(_), None) => ": all true before the first step".to_owned(),
    };
    let broken_off = timeline.broken_off.as_ref();
    let broken_off = broken_off.map_or_else(String::new, |why| format!("; broken off: {}", cell(why)));
    format!("{of}{together}{broken_off}")
}

fn cell(content: &str) -> String {
    text::shorten(&text::clean_line(content), LONGEST).into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use bench_core::steps::Change;

    use super::*;

    /// A check by what it said: `(step, letter)` with `t`rue, `f`alse, `e`rrored.
    fn check(verifier: &str, said: &[(u32, char)], left_out: Option<&str>) -> Track {
        let change = |(step, letter): &(u32, char)| Change {
            step: *step,
            status: match letter {
                't' => VerdictStatus::True,
                'f' => VerdictStatus::False,
                _ => VerdictStatus::Errored {
                    error: "no such\ntable".into(),
                    permanent: false,
                },
            },
        };
        Track {
            verifier: verifier.into(),
            changes: said.iter().map(change).collect(),
            left_out: left_out.map(str::to_owned),
        }
    }

    /// Of the checks of the record in the tests of this crate.
    pub(crate) fn timeline() -> Timeline {
        Timeline {
            last_step: 3,
            checks: vec![
                check("exists", &[(0, 'f'), (2, 't')], None),
                check("assigned to Sarah", &[(0, 'f'), (1, 't'), (3, 'f')], None),
                check("labelled", &[], Some("it asks a judge")),
            ],
            broken_off: None,
            took_ms: 12,
        }
    }

    #[test]
    fn a_check_is_told_in_one_line() {
        let many: Vec<(u32, char)> = (1..=12)
            .map(|n| (n, if n % 2 == 1 { 't' } else { 'f' }))
            .collect();
        let all = [
            check("from 3", &[(0, 'f'), (3, 't')], None),
            check("start", &[(0, 't')], None),
            check("until 4", &[(0, 't'), (5, 'f')], None),
            check("at once lost", &[(0, 't'), (1, 'f')], None),
            check("lost and found", &[(0, 'f'), (2, 't'), (5, 'f'), (7, 't')], None),
            check("once", &[(0, 'f'), (2, 't'), (3, 'f')], None),
            check("many", &many, None),
            check("never", &[(0, 'f')], None),
            check("broken", &[(0, 'e')], None),
            check("broke", &[(0, 'f'), (1, 't'), (4, 'e')], None),
            check("judge", &[], Some("it asks a judge")),
            check("hangs", &[(0, 'f')], Some("no answer within 10 s after step 4")),
            check("\u{1b}[2Jno\nbody", &[(0, 'f')], None),
        ];
        let line = |check| format!("{:<16} | {}", brief(check), words(check));
        let lines: Vec<String> = all.iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        step 3           | held from step 3
        start            | held from the start
        lost (start)     | held from the start to step 4; lost at step 5
        lost (start)     | held at the start; lost at step 1
        step 7 (first 2) | held in steps 2–4, from step 7; lost at step 5
        lost (first 2)   | held at step 2; lost at step 3
        lost (first 1)   | held at step 1, at step 3, at step 5, at step 7, 2 more; lost at step 2, step 4, step 6, step 8, 2 more
        never            | never held
        ?                | not known: no such⏎table
        ? (first 1)      | held in steps 1–3; not known from step 4: no such⏎table
        —                | not looked at: it asks a judge
        never            | never held; then not looked at: no answer within 10 s after step 4
        never            | never held
        ");
    }

    #[test]
    fn all_of_them_are_told_in_one_line() {
        let with = |change: fn(&mut Timeline)| {
            let mut timeline = timeline();
            change(&mut timeline);
            summary(&timeline, 4)
        };
        let all = [
            with(|_| {}),
            with(|timeline| timeline.checks[1].changes[2].step = 2),
            with(|timeline| timeline.checks.truncate(1)),
            with(|timeline| {
                timeline.checks.truncate(1);
                timeline.checks[0].changes[1].step = 4;
            }),
            with(|timeline| {
                timeline.checks.truncate(1);
                timeline.checks[0].changes.remove(0);
                timeline.checks[0].changes[0].step = 0;
            }),
            with(|timeline| timeline.checks = timeline.checks.split_off(2)),
            with(|timeline| {
                timeline.broken_off = Some("the looks took 30 s, as long as the trial may".into());
            }),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        2 of 3 followed over 3 tool calls: all true first after step 2, then 2 more tool calls
        2 of 3 followed over 3 tool calls: never all true at once
        1 of 1 followed over 3 tool calls: all true first after step 2, then 2 more tool calls
        1 of 1 followed over 3 tool calls: all true first after step 4, the last one
        1 of 1 followed over 3 tool calls: all true before the first step
        0 of 1 followed over 3 tool calls
        2 of 3 followed over 3 tool calls: all true first after step 2, then 2 more tool calls; broken off: the looks took 30 s, as long as the trial may
        ");
    }
}
