//! `bench-cli compare`: models of a run, or runs, side by side, with a verdict and a gate.
//!
//! [`between`] is the comparison itself, without arguments and streams. Who is compared with whom is decided in
//! `compare/operands.rs`, what it means in [`bench_report::compare`], the exit code in [`super::gate`].

mod operands;
mod settings;

use std::io::Write;

use bench_report::compare::{Compared, Outcome, Refused, Side, compare, tables, words};
use bench_report::text;
use bench_runner::BenchJob;
use bench_state::RunStore;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use self::operands::Operands;
use super::{evidence, gate, sweep, write_json};
use crate::args::compare::CompareArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{self, BAD, FAINT, GOOD, ODD, STRONG};

/// Scenarios that lost, and as many that gained, that are shown of each comparison.
const MOST_CHANGED: usize = 10;
/// The most of a line that says what is not the same.
const LONGEST: usize = 200;

/// What came of comparing.
pub(crate) struct Report {
    /// Who is compared; called by letters.
    pub(crate) sides: Vec<Side>,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// Models that the first run does not have, with their runs: not compared.
    pub(crate) left_out: Vec<String>,
    /// What is wrong with the files of the runs: less may be compared than there was.
    pub(crate) problems: Vec<String>,
    /// Those of them that make the totals others than those that were recorded.
    damage: Vec<String>,
}

/// Compares runs, or models of a run, as they are typed: `RUN` or `RUN#MODEL`, and models to look at only.
pub(crate) fn between(
    store: &RunStore<BenchJob>,
    now: DateTime<Utc>,
    runs: &[String],
    models: &[String],
) -> Result<Report, CliError> {
    let operands = Operands::read(store, now, runs, models)?;
    let matched = operands.matched()?;
    Ok(Report {
        problems: operands.problems(),
        damage: operands.damage(),
        outcome: compare(&matched.sides, matched.couples),
        sides: matched.sides,
        left_out: matched.left_out,
    })
}

/// Compares, and ends with the gate.
pub(super) fn cmd(args: &CompareArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let report = between(&store, cx.now, &args.runs, &args.models)?;
    sweep::leftovers(&store, cx);
    for problem in &report.problems {
        evidence::warning(problem, &mut cx.err)?;
    }
    let (exit, missed) = gate::compared(&report.sides, &report.outcome, &args.gate, &report.damage);
    if args.json {
        let asked = args.gate.asks();
        let gate =
            asked.then(|| json!({"met": exit == Exit::Success, "missed": missed, "exit_code": exit as u8}));
        write_json(&document(&report, gate.as_ref()), cx)?;
    } else {
        write(&report, cx)?;
    }
    if report.outcome.comparisons.is_empty() {
        return Err(nothing(&report));
    }
    for miss in missed {
        writeln!(
            cx.err,
            "{}",
            paint::paint(BAD, &format!("✗ {}", text::clean_line(&miss)))
        )?;
    }
    Ok(exit)
}

fn document(report: &Report, gate: Option<&Value>) -> Value {
    let comparison = |one: &Compared| {
        let mut one_document = json!(one);
        // More than all of them would never be found.
        one_document["detectable"] = json!(one.comparison.findable());
        one_document
    };
    let comparisons: Vec<Value> = report.outcome.comparisons.iter().map(comparison).collect();
    json!({
        "sides": report.sides,
        "comparisons": comparisons,
        "refused": report.outcome.refused,
        "left_out": report.left_out,
        "problems": report.problems,
        "gate": gate,
    })
}

/// No two could be compared.
fn nothing(report: &Report) -> CliError {
    let why = report.outcome.refused.first();
    let (what, hint) = why.map_or(("", ""), |refused| words::refusal(refused.why));
    let exit = why.map_or(Exit::Usage, |refused| gate::refused(refused.why));
    CliError::ended(exit, format!("nothing can be compared: {what}")).hint(hint)
}

fn write(report: &Report, cx: &mut Context) -> Result<(), CliError> {
    let width = cx.out_look.width;
    let Report {
        sides,
        outcome,
        left_out,
        ..
    } = report;
    if let Some(first) = sides.first()
        && sides.iter().all(|side| side.run == first.run)
    {
        writeln!(cx.out, "{} {}\n", paint::paint(FAINT, "run"), first.run)?;
    }
    write!(
        cx.out,
        "{}",
        paint::table(&tables::sides(sides, width).render(width))
    )?;
    if !outcome.comparisons.is_empty() {
        let table = tables::table(&outcome.comparisons).render(width);
        write!(cx.out, "\n{}", paint::table(&table))?;
    }
    for one in &outcome.comparisons {
        write_one(one, sides, cx)?;
    }
    for refused in &outcome.refused {
        let (why, hint) = words::refusal(refused.why);
        writeln!(cx.out, "\n{} cannot be compared: {why}", who(refused))?;
        writeln!(cx.out, "  {}", paint::paint(FAINT, hint))?;
    }
    for model in left_out {
        let line = format!("not compared: {model}: the first run has no such model");
        writeln!(cx.out, "\n{}", paint::paint(FAINT, &text::clean_line(&line)))?;
    }
    Ok(())
}

fn who(refused: &Refused) -> String {
    format!(
        "{} vs {}",
        tables::letter(refused.candidate),
        tables::letter(refused.baseline)
    )
}

fn write_one(one: &Compared, sides: &[Side], cx: &mut Context) -> Result<(), CliError> {
    let (width, verdict) = (cx.out_look.width, words::verdict(one.comparison.verdict));
    let style = match verdict {
        "better" => GOOD,
        "worse" => BAD,
        _ => ODD,
    };
    let couple = format!(
        "{} vs {}:",
        tables::letter(one.candidate),
        tables::letter(one.baseline)
    );
    writeln!(
        cx.out,
        "\n{} {}",
        paint::paint(STRONG, &couple),
        paint::paint(style, verdict)
    )?;
    for line in words::words(one, sides) {
        writeln!(cx.out, "  {line}")?;
    }
    for difference in &one.differences {
        let line = text::clean_line(&format!("not the same: {difference}"));
        let longest = width.saturating_sub(2).clamp(40, LONGEST);
        writeln!(cx.out, "  {}", text::shorten_middle(&line, longest))?;
    }
    if !one.changed.is_empty() {
        let table = tables::scenarios(one, MOST_CHANGED, width).render(width);
        write!(cx.out, "\n{}", paint::table(&table))?;
    }
    let hidden = tables::not_shown(one, MOST_CHANGED);
    if hidden > 0 {
        let more = format!(
            "… and {}; `--json` has them all",
            text::count(hidden, "further scenario")
        );
        writeln!(cx.out, "{}", paint::paint(FAINT, &more))?;
    }
    Ok(())
}
