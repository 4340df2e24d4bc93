//! `bench-cli run --dry-run`: what would be run, and what it will need by what earlier runs have needed.

use std::fmt::Display;
use std::io::Write;

use bench_core::estimate::{Basis, Estimate, ModelEstimate, Reach, Source, Spread, Sum, Sums, estimate};
use bench_core::{Plan, Usd, VerifierSpec};
use bench_report::table::{Column, Table};
use bench_report::text::{clean_line, count, short_number};
use serde_json::json;

use super::past::{self, Past, Read};
use crate::commands::start::{check_prices, tell};
use crate::commands::write_json;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint;

/// So many runs are named of those that an estimate stands on; `--json` has all.
const MOST_NAMED: usize = 3;

/// Shows the plan, its size, and what it will need.
pub(super) fn show(plan: &Plan, json: bool, cx: &mut Context) -> Result<Exit, CliError> {
    check_prices(plan)?;
    let Past { trials, read } = past::read(plan, cx).unwrap_or_else(|error| {
        tell(&format!("no estimate: past runs cannot be read: {error}"), cx);
        Past::default()
    });
    let estimate = estimate(plan, &trials);
    if json {
        let mut document = json!(plan);
        document["estimate"] = json!(estimate);
        document["estimate"]["read"] = json!(read);
        write_json(&document, cx)?;
        return Ok(Exit::Success);
    }
    write!(
        cx.out,
        "{}\n{}{}\n{}",
        paint::table(&scenarios(plan).render(cx.out_look.width)),
        size(plan),
        judged(plan),
        paint::table(&needs(&estimate).render(cx.out_look.width)),
    )?;
    for line in explained(&estimate, &read, cx) {
        writeln!(cx.out, "{line}")?;
    }
    writeln!(cx.err, "nothing was run; leave out `--dry-run` to run it")?;
    Ok(Exit::Success)
}

fn scenarios(plan: &Plan) -> Table {
    let mut table = Table::new([
        Column::text("scenario"),
        Column::figure("prompts"),
        Column::figure("verifiers"),
        Column::word("solution").dispensable(2),
        Column::text("gyms"),
        Column::text("tags").dispensable(1),
    ]);
    for scenario in &plan.scenarios {
        table.row([
            clean_line(&scenario.scenario_id),
            scenario.prompts.len().to_string(),
            scenario.verifiers.len().to_string(),
            if scenario.has_solution() { "yes" } else { "no" }.to_owned(),
            clean_line(&scenario.gym_keys.join(", ")),
            clean_line(&scenario.tags.join(", ")),
        ]);
    }
    table
}

fn size(plan: &Plan) -> String {
    let trials = plan.trial_count();
    format!(
        "{} × {} × {} = {}, {}, at most {} at once, at most {} model replies each\n",
        count(plan.scenarios.len(), "scenario"),
        count(plan.models.len(), "model"),
        count(plan.runs as usize, "run"),
        count(trials as usize, "trial"),
        count(plan.verifiers_planned() as usize, "verifier"),
        plan.max_concurrency.min(trials),
        plan.limits.max_turns,
    )
}

/// A row per model, and one for all of them.
fn needs(estimate: &Estimate) -> Table {
    let mut table = Table::new([
        Column::text("model"),
        Column::figure("trials"),
        Column::figure("model replies"),
        Column::figure("input tokens"),
        Column::figure("output tokens"),
        Column::figure("cost"),
    ]);
    let mut row = |name: String, sums: &Sums| {
        let tokens = |sum: &Sum<u64>| in_words(sum, |n| short_number(*n));
        table.row([
            name,
            sums.trials.to_string(),
            tokens(&sums.calls),
            tokens(&sums.input_tokens),
            tokens(&sums.output_tokens),
            in_words(&sums.cost_usd, Usd::to_string),
        ]);
    };
    for model in &estimate.models {
        row(clean_line(&model.model), &model.sums);
    }
    if let Some(judge) = &estimate.judge {
        row(judge_in_words(judge), &judge.sums);
    }
    if estimate.models.len() > 1 || estimate.judge.is_some() {
        row("all".to_owned(), &estimate.total);
    }
    table
}

/// `judge openai:m`, also where that model is tried, too.
fn judge_in_words(judge: &ModelEstimate) -> String {
    let named = format!("judge {}", clean_line(&judge.model));
    named.trim_end().to_owned()
}

/// `30 – 54`, `≥ 30 – 54` where something is unknown, `unknown`.
fn in_words<T: PartialEq + Default>(sum: &Sum<T>, shown: impl Fn(&T) -> String) -> String {
    if sum.unknown_trials > 0 && sum.known.p90 == T::default() {
        return "unknown".to_owned();
    }
    let Spread { median, p90 } = &sum.known;
    let range = if median == p90 {
        shown(median)
    } else {
        format!("{} – {}", shown(median), shown(p90))
    };
    if sum.unknown_trials == 0 {
        range
    } else {
        format!("≥ {range}")
    }
}

/// What the figures are, what they stand on, and how far the budgets reach.
fn explained(estimate: &Estimate, read: &Read, cx: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    if estimate.models.iter().any(knows_something) {
        lines.push(
            "estimated: median – 90th percentile of past trials, times the number of trials".to_owned(),
        );
    }
    for model in &estimate.models {
        let sources = model
            .from
            .iter()
            .map(|source| source_in_words(source, model.sums.trials));
        lines.extend(sources.map(|source| format!("  {}: {source}", clean_line(&model.model))));
    }
    if let Some(judge) = &estimate.judge {
        let (name, trials) = (judge_in_words(judge), judge.sums.trials);
        let sources = judge.from.iter().map(|source| source_in_words(source, trials));
        lines.extend(sources.map(|source| format!("  {name}: {source}")));
    }
    lines.push(read_in_words(read, &cx.shown(&cx.results_dir())));
    let trials = estimate.total.trials;
    lines.extend(estimate.budgets.iter().map(|reach| reach_in_words(reach, trials)));
    lines
}

fn knows_something(model: &ModelEstimate) -> bool {
    model.from.iter().any(|source| source.basis != Basis::Nothing)
}

fn source_in_words(source: &Source, trials: u32) -> String {
    let which = if source.trials == trials {
        String::new()
    } else {
        format!("{} of {}: ", source.trials, count(trials as usize, "trial"))
    };
    if source.basis == Basis::Nothing {
        return format!("{which}no past run: unknown");
    }
    let named: Vec<&str> = source.runs.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = source.runs.len() - named.len();
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!(
        "{which}{} of {}, from {}{more}",
        count(source.past_trials, "past trial"),
        source.basis.in_words(),
        named.join(", "),
    )
}

fn read_in_words(read: &Read, folder: &str) -> String {
    let looked = match read.runs {
        0 => format!("no past runs in {folder}"),
        n => format!("looked at the newest {} in {folder}", count(n, "run")),
    };
    let older = read
        .ended_by
        .map(|why| format!("; {} not read: {why}", count(read.older_runs, "older run")));
    let unreadable = match read.unreadable_runs {
        0 => String::new(),
        n => format!("; {} cannot be read", count(n, "run")),
    };
    format!("{looked}{}{unreadable}", older.unwrap_or_default())
}

/// How far a budget reaches.
fn reach_in_words(reach: &Reach, trials: u32) -> String {
    let budget = format!("--{} {}", reach.budget.replace('_', "-"), reach.most);
    let after = |n: &dyn Display| {
        format!(
            "would end the run after about {n} of {}",
            count(trials as usize, "trial")
        )
    };
    let unknown = match reach.unknown_trials {
        0 => String::new(),
        n => format!("; of {} it is unknown", count(n as usize, "trial")),
    };
    let said = match (reach.ends_after_at_median, reach.ends_after_at_p90) {
        (None, None) if reach.unknown_trials >= trials => {
            return format!("{budget}: nobody knows how far it reaches");
        }
        (None, None) if reach.unknown_trials > 0 => "enough for what is known".to_owned(),
        (None, None) => "enough, also at the 90th percentile".to_owned(),
        (None, Some(n)) => format!("enough at the median; at the 90th percentile it {}", after(&n)),
        (Some(n), Some(least)) if least < n => format!("{} ({least} at the 90th percentile)", after(&n)),
        (Some(n), _) => after(&n),
    };
    format!("{budget}: {said}{unknown}")
}

/// Who judges, and how much of it there will be.
fn judged(plan: &Plan) -> String {
    let Some(judge) = &plan.judge else {
        return String::new();
    };
    let asks = |check: &VerifierSpec| check.check.asks_judge();
    let checks = |scenario: usize| {
        plan.scenarios[scenario]
            .verifiers
            .iter()
            .filter(|v| asks(v))
            .count()
    };
    let all = plan.trials().iter().map(|trial| checks(trial.scenario)).sum();
    format!(
        "{} judged by {}, in one or two replies each\n",
        count(all, "answer"),
        clean_line(&judge.model.to_string())
    )
}
