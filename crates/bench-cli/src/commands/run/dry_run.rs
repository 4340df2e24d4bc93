//! `bench-cli run --dry-run`: what would be run.

use std::io::Write;

use bench_core::Plan;
use bench_report::table::{Column, Table};
use bench_report::text::{clean_line, count};

use crate::commands::write_json;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint;

/// Shows the plan and its size.
pub(super) fn show(plan: &Plan, json: bool, cx: &mut Context) -> Result<Exit, CliError> {
    if json {
        write_json(plan, cx)?;
        return Ok(Exit::Success);
    }
    write!(
        cx.out,
        "{}\n{}",
        paint::table(&scenarios(plan).render(cx.out_look.width)),
        size(plan)
    )?;
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
        "{} × {} × {} = {}, {}, at most {} at once\nat most {} model replies each; what they cost is not estimated yet\n",
        count(plan.scenarios.len(), "scenario"),
        count(plan.models.len(), "model"),
        count(plan.runs as usize, "run"),
        count(trials as usize, "trial"),
        count(plan.verifiers_planned() as usize, "verifier"),
        plan.max_concurrency.min(trials),
        plan.limits.max_turns,
    )
}
