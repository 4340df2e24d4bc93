//! A report as Markdown: for the summary of a CI job, a comment, a wiki.
//!
//! Whatever came from models, servers and files of others stands between backticks: nothing in there is markup, a link,
//! an image, a mention or HTML.

use std::io::{self, Write};

use bench_core::Outcome;

use super::{Report, Trial, sign};
use crate::{summary, text};

/// Rows of scenarios that are shown.
const MOST_SCENARIOS: usize = 100;
/// Trials that are shown: job summaries hold 1 MiB.
const MOST_TRIALS: usize = 100;
/// Causes that are shown.
const MOST_CAUSES: usize = 20;
/// Characters of a cause or a value that are shown.
const LONGEST: usize = 200;

/// Writes the report.
///
/// # Errors
/// `out` cannot be written.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    head(report, out)?;
    models(report, out)?;
    causes(report, out)?;
    scenarios(report, out)?;
    trials(report, out)?;
    let at = report.made_at.format("%Y-%m-%d %H:%M:%S UTC");
    writeln!(out, "\nMade by {} at {at}.", report.made_by)
}

fn head(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let run = &report.run;
    let name = run.label.as_ref().unwrap_or(&run.harness_name);
    writeln!(
        out,
        "# {} {}: {}{}\n",
        run.sign(),
        code(name),
        run.status,
        run.none_judged()
            .map(|words| format!(", {words}"))
            .unwrap_or_default()
    )?;
    let done = run.outcomes.done();
    if run.partial {
        writeln!(
            out,
            "> **Partial.** This run is not over: {done} of {} trials had ended. The numbers are of those.\n",
            run.trials_total
        )?;
    }
    let mut facts = vec![
        code(&run.run_id),
        format!("{done} of {} trials over", run.trials_total),
        format!("started {}", run.started_at.format("%Y-%m-%d %H:%M:%S UTC")),
    ];
    facts.extend(
        run.cost
            .filter(|cost| !cost.is_nothing())
            .map(|cost| cost.brief()),
    );
    facts.extend(run.error.as_ref().map(|error| code(error)));
    writeln!(out, "{}\n", facts.join(" · "))?;
    for changed in &run.changes {
        let at = changed.at.format("%Y-%m-%d %H:%M:%S UTC");
        writeln!(out, "- changed by a resume, {at}: {}", code(&changed.words()))?;
    }
    for problem in &report.problems {
        writeln!(out, "- wrong with the files of this run: {}", code(problem))?;
    }
    if !run.changes.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn models(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let counts = |model: &super::Model| {
        let counts = model.totals.outcomes;
        [
            counts.passed,
            counts.failed,
            counts.limit,
            counts.errored,
            counts.unscored,
            counts.cancelled,
        ]
    };
    let names = Outcome::ALL.map(Outcome::name);
    writeln!(
        out,
        "## Pass rate per model\n\n| model | pass rate (95%) | trials | {} | verifiers | tokens | cost |",
        names.join(" | ")
    )?;
    writeln!(out, "|---|---|{}", "--:|".repeat(names.len() + 4))?;
    for model in &report.models {
        let (totals, rate) = (&model.totals, model.statistics.pass_rate);
        let rate = rate.map_or_else(
            || "no verdict".to_owned(),
            |rate| {
                let range = text::range(rate.interval.low, rate.interval.high);
                let few = if rate.few_scenarios { " few scenarios" } else { "" };
                format!("**{}** {range}{few}", text::percent(Some(rate.rate)))
            },
        );
        writeln!(
            out,
            "| {} | {rate} | {}/{} | {} | {}/{} | {} | {} |",
            cell(&totals.model),
            totals.outcomes.done(),
            totals.trials_total,
            counts(model).map(|n| n.to_string()).join(" | "),
            totals.verifiers_passed,
            totals.verifiers_total,
            summary::tokens(&totals.usage),
            totals.cost.map_or_else(|| "—".to_owned(), |cost| cost.brief()),
        )?;
    }
    writeln!(out, "\nErrored, unscored and cancelled trials are in no rate.")?;
    report
        .notes
        .iter()
        .try_for_each(|note| writeln!(out, "- {}", code(note)))
}

fn causes(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Why trials ended early or have no verdict\n")?;
    for cause in report.causes.iter().take(MOST_CAUSES) {
        let (trials, outcome) = (cause.trials, cause.outcome.name());
        writeln!(
            out,
            "- {} {trials} {outcome}: {}, such as {}",
            bullet(cause.outcome),
            code(&cause.cause),
            code(&cause.example)
        )?;
    }
    more(report.causes.len(), MOST_CAUSES, "further cause", out)
}

fn scenarios(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let missed: Vec<_> = report.scenarios.iter().filter(|s| !s.all_passed).collect();
    if missed.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Scenarios that not every model passed\n")?;
    let models: Vec<String> = report.models.iter().map(|m| cell(&m.totals.model)).collect();
    writeln!(out, "| scenario | {} |", models.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(models.len()))?;
    for scenario in missed.iter().take(MOST_SCENARIOS) {
        let cells: Vec<&str> = scenario.cells.iter().map(|cell| cell.brief.as_str()).collect();
        writeln!(out, "| {} | {} |", cell(&scenario.scenario_id), cells.join(" | "))?;
    }
    more(missed.len(), MOST_SCENARIOS, "further scenario", out)
}

fn trials(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let missed = report
        .trials
        .iter()
        .filter(|trial| trial.outcome != Outcome::Passed);
    let missed: Vec<&Trial> = missed.collect();
    if missed.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Trials that did not pass\n")?;
    for trial in missed.iter().take(MOST_TRIALS) {
        let (id, outcome) = (code(trial.trial.as_str()), trial.outcome.name());
        let cause = trial.cause.as_ref().map(|cause| format!(": {}", code(cause)));
        writeln!(
            out,
            "- {} {outcome} {id}{}",
            bullet(trial.outcome),
            cause.unwrap_or_default()
        )?;
        for verdict in trial.verdicts.iter().filter(|verdict| verdict.verdict != "true") {
            writeln!(
                out,
                "  - {} {}: expected {} {}, found {}",
                verdict.verdict,
                code(&verdict.verifier),
                code(&verdict.comparison),
                code(&verdict.expected),
                code(&verdict.actual)
            )?;
        }
    }
    more(missed.len(), MOST_TRIALS, "further trial", out)
}

fn more(all: usize, shown: usize, what: &str, out: &mut dyn Write) -> io::Result<()> {
    match all.checked_sub(shown) {
        None | Some(0) => Ok(()),
        Some(hidden) => writeln!(out, "\n… and {}", text::count(hidden, what)),
    }
}

/// The sign, as text: a lone `!` before a bracket would begin an image.
fn bullet(outcome: Outcome) -> String {
    format!("**{}**", sign(outcome))
}

/// Text of others in one line, between more backticks than it has in a row.
fn code(text: &str) -> String {
    let line = text::clean_line(text);
    let line = text::shorten(line.trim(), LONGEST);
    if line.is_empty() {
        return "—".to_owned();
    }
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{line}{space}{fence}")
}

/// The same in a table, where a bar ends the cell, also between backticks, unless a backslash is before it: that one is not shown. A
/// bar that has one already cannot be written.
fn cell(text: &str) -> String {
    code(&text.replace(r"\|", r"\¦")).replace('|', r"\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Fixture, report, report_of};

    fn page(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_summary_of_everything() {
        let mut report = report();
        report.trials.truncate(2);
        insta::assert_snapshot!(page(&report), @r#"
        # ✓ `quickstart`: completed

        `run_20260102_030405_0badcafe` · 16 of 16 trials over · started 2026-01-02 03:04:05 UTC · $0.5500

        - changed by a resume, 2026-01-02 03:04:06 UTC: `max_turns 200 → 2`

        ## Pass rate per model

        | model | pass rate (95%) | trials | passed | failed | limit | errored | unscored | cancelled | verifiers | tokens | cost |
        |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
        | `anthropic:claude` | **62.5%** (12–95) few scenarios | 8/8 | 5 | 2 | 1 | 0 | 0 | 0 | 0/0 | 10.5k | $0.3500 |
        | `openai:gpt` | **50.0%** (0–100) few scenarios | 8/8 | 2 | 1 | 0 | 3 | 1 | 1 | 0/0 | 10.5k | $0.2000 |

        Errored, unscored and cancelled trials are in no rate.
        - `few scenarios (2): ranges may miss the true rate more than 1 time in 20`
        - `openai:gpt: the rate is the mean of its scenarios; 2 of 3 trials passed`

        ## Why trials ended early or have no verdict

        - **!** 3 errored: `errored it was`, such as `assign~openai~2`
        - **✗** 1 limit: `limit it was`, such as `close~anthropic~1`
        - **⊘** 1 cancelled: `cancelled it was`, such as `close~openai~1`

        ## Scenarios that not every model passed

        | scenario | `anthropic:claude` | `openai:gpt` |
        |---|---|---|
        | `assign` | ◐ 1/2 | ✗ 0/1 !1 |
        | `close` | ✗ 0/2 | ·1 ⊘1 |
        | `label` | ✓ 2/2 | !2 |

        ## Trials that did not pass

        - **✗** failed `assign~anthropic~2`
          - false `exists`: expected `equals` `1`, found `"done"`
          - errored `exists`: expected `equals` `1`, found `no such table`

        Made by bench-cli 0.1.0 at 2026-01-02 04:00:00 UTC.
        "#);
    }

    #[test]
    fn text_of_others_stays_between_backticks() {
        let attack = "`` ` x | y \\| [a](http://b) ![c](d) @everyone <img src=x> #1\n# no";
        let page = page(&report_of(&Fixture::saying(&[attack]), |name| {
            format!("{name}{attack}")
        }));
        for line in page.lines() {
            let mut outside = String::new();
            let mut rest = line;
            while let Some(at) = rest.find('`') {
                outside.push_str(&rest[..at]);
                let fence = rest[at..].len() - rest[at..].trim_start_matches('`').len();
                let inside = &rest[at + fence..];
                let ticks = "`".repeat(fence);
                let runs = inside.match_indices(&ticks);
                let end = runs
                    .map(|(n, _)| n)
                    .find(|n| !inside[..*n].ends_with('`') && !inside[n + fence..].starts_with('`'))
                    .unwrap_or_else(|| panic!("{line} is not closed"));
                let bare = inside[..end].replace(r"\\|", "|").replace(r"\|", "");
                assert!(!line.starts_with('|') || !bare.contains('|'), "{line}");
                rest = &inside[end + fence..];
            }
            outside.push_str(rest);
            for foreign in ["@everyone", "](", "<img", "#1"] {
                assert!(!outside.contains(foreign), "{line}");
            }
        }
        assert!(!page.contains("\n# no"));
    }

    #[test]
    fn a_summary_stays_small() {
        let mut report = report();
        let (trials, scenarios) = (report.trials.clone(), report.scenarios.clone());
        for _ in 0..300 {
            report.trials.extend(trials.clone());
            report.scenarios.extend(scenarios.clone());
        }
        let page = page(&report);
        assert!(page.len() < 1_000_000, "{}", page.len());
        assert!(page.contains("further scenarios") && page.contains("further trials"));
    }
}
