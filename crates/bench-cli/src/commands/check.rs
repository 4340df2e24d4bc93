//! `bench-cli check`: what is wrong with a harness, without paying any model.
//!
//! | part | what it does |
//! |---|---|
//! | here | reads the harness on the way of `run`, so that it says what `run` would say, and lints it |
//! | [`part`] | what can be tried of a scenario that something is wrong with |
//! | [`trying`] | the gyms: their tools, then `noop` on every scenario and `oracle` on those with a solution |
//! | [`table`] | what was found, as a table |
//!
//! Everything that is found is a fault and gives exit code 1: a harness that is left as it should be says so. What was
//! not looked at is always told, and where it should have been, it is no success.

mod part;
mod table;
mod trying;

use std::io::Write;

use bench_core::lint::{constant_queries, lint};
use bench_core::{
    GymChoice, Harness, ModelRef, ModelSpec, Plan, PlanBuilder, Problem, Problems, Provider, Scenario,
    Severity,
};
use bench_report::text;
use bench_runner::env::Environment;
use bench_runner::load_harness;
use serde_json::json;

use super::start::tell;
use super::write_json;
use crate::args::check::CheckArgs;
use crate::context::Context;
use crate::environment::{self, EnvFile};
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::problems;
use crate::worlds;
use part::InPart;
use trying::Tried;

/// What was found.
#[derive(Default)]
struct Found {
    scenarios: usize,
    problems: Vec<Problem>,
    /// Nothing can be run, whatever the scenarios say.
    refused: bool,
    tried: Tried,
    /// What was left out because of the harness, or because that was asked for.
    left_out: Vec<String>,
}

/// Looks at the harness. Exits as `run` would where nothing can be run, with 1 if there are faults, and with 3 if there
/// are none as far as gyms could be reached.
pub(super) fn cmd(args: &CheckArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let env_file = EnvFile::of(&args.env_file, &args.harness, cx);
    let environment = environment::read(env_file.as_ref(), &[], cx)?;
    let found = look(args, &environment, cx)?;
    for line in found.not_looked_at() {
        tell(&format!("not looked at: {}", text::clean_line(line)), cx);
    }
    if args.json {
        write_json(&found.document(), cx)?;
    } else {
        write_text(&found, cx)?;
    }
    Ok(found.exit())
}

fn look(args: &CheckArgs, environment: &Environment, cx: &mut Context) -> Result<Found, CliError> {
    let mut harness = match load_harness(&args.harness, &cx.cwd) {
        Ok(harness) => harness,
        Err(Problems(problems)) => {
            return Ok(Found {
                problems,
                refused: true,
                ..Found::default()
            });
        }
    };
    let mut found = Found {
        scenarios: harness.scenarios.len(),
        problems: std::mem::take(&mut harness.warnings),
        ..Found::default()
    };
    let (gyms, warnings) = match choose_gyms(args, cx) {
        Ok(chosen) => chosen,
        Err(CliError::Problems(problems)) => {
            found.problems.extend(problems);
            found.refused = true;
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    found.problems.extend(warnings);
    let faults: Vec<Problem> = harness.scenarios.iter().flat_map(lint).collect();
    let (Ok((_, problems)) | Err(Problems(problems))) = planned(harness.clone(), &gyms)
        .variables(&|name: &str| environment.is_set(name))
        .build();
    found.refused = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error && !faults.contains(problem));
    found.problems.extend(problems);
    if found.refused {
        found.left_out.push("the gyms: mend the errors first".to_owned());
        return Ok(found);
    }
    let constant = |scenario| constant_queries(scenario, &bench_gym::touches_no_table);
    found.problems.extend(harness.scenarios.iter().flat_map(constant));
    try_out(harness, &gyms, args, environment, &mut found, cx)?;
    Ok(found)
}

fn choose_gyms(args: &CheckArgs, cx: &Context) -> Result<(GymChoice, Vec<Problem>), CliError> {
    let (gym, gym_config) = (args.gym.gym.as_deref(), args.gym.gym_config.as_deref());
    worlds::choose(gym, gym_config, &args.harness, cx)
}

/// The plan for the model that needs nothing.
fn planned<'a>(harness: Harness, gyms: &GymChoice) -> PlanBuilder<'a> {
    Plan::builder(harness)
        .model(ModelSpec::new(ModelRef::new(Provider::Noop, "")))
        .judge_open()
        .gyms(gyms.clone())
}

/// Tries the scenarios that can be tried on their gyms.
fn try_out(
    mut harness: Harness,
    gyms: &GymChoice,
    args: &CheckArgs,
    environment: &Environment,
    found: &mut Found,
    cx: &mut Context,
) -> Result<(), CliError> {
    let mut in_part = InPart::default();
    for scenario in &mut harness.scenarios {
        in_part.take_out_errors(scenario, &found.problems);
    }
    found.left_out.extend(leave_judging_out(&mut harness.scenarios));
    harness.scenarios.retain(part::can_be_planned);
    if harness.scenarios.is_empty() {
        found.left_out.extend(in_part.left_out());
        return Ok(());
    }
    let oracle = ModelSpec::new(ModelRef::new(Provider::Oracle, ""));
    let plan = planned(harness, gyms)
        .model(oracle)
        .runs(1)
        .retries(0)
        .evidence(bench_core::evidence::Keep::Off)
        .launch_dir(cx.cwd.to_string_lossy());
    let (plan, _) = plan.build()?;
    for line in worlds::lines(&plan) {
        tell(&line, cx);
    }
    if args.offline {
        let line = "the gyms, so neither tools nor queries nor what `noop` and `oracle` do (`--offline`)";
        found.left_out.push(line.to_owned());
        return Ok(());
    }
    found.tried = trying::all(plan, environment, &found.problems, &mut in_part, cx)?;
    found.left_out.extend(in_part.left_out());
    tell_once(&mut found.problems, &mut found.tried.problems);
    found.problems.append(&mut found.tried.problems);
    Ok(())
}

/// Takes away what was only suspected of a query that the gym then refused, and says what helps there.
fn tell_once(suspected: &mut Vec<Problem>, tried: &mut [Problem]) {
    suspected.retain(|suspicion| {
        let Some(query) = suspicion.message.strip_prefix("the query of ") else {
            return true;
        };
        let refused = tried.iter_mut().find(|problem| {
            let verifier = problem.message.split_once(" gives no verdict: ");
            let same = verifier.is_some_and(|(verifier, _)| query.starts_with(&format!("{verifier} ")));
            same && problem.severity == Severity::Error && problem.place == suspicion.place
        });
        let Some(refused) = refused else { return true };
        refused.hint.clone_from(&suspicion.hint);
        false
    });
}

/// Takes out the verifiers that a model judges, and says so.
fn leave_judging_out(scenarios: &mut [Scenario]) -> Option<String> {
    let mut judged = 0;
    for scenario in scenarios {
        let all = scenario.verifiers.len();
        scenario.verifiers.retain(|verifier| !verifier.check.asks_judge());
        judged += all - scenario.verifiers.len();
    }
    (judged > 0).then(|| {
        let judged = text::count(judged, "verifier");
        format!("{judged} that a model judges: `run` needs `--judge-model provider:name` for that")
    })
}

impl Found {
    fn exit(&self) -> Exit {
        if self.refused {
            Exit::Usage
        } else if !self.problems.is_empty() {
            Exit::Gate
        } else if !self.tried.missed.is_empty() {
            Exit::Unfinished
        } else {
            Exit::Success
        }
    }

    fn not_looked_at(&self) -> impl Iterator<Item = &String> {
        self.left_out.iter().chain(&self.tried.missed)
    }

    fn document(&self) -> serde_json::Value {
        let not_looked_at: Vec<&String> = self.not_looked_at().collect();
        json!({
            "scenarios": self.scenarios,
            "problems": self.problems,
            "tried": {"noop": self.tried.noop, "oracle": self.tried.oracle},
            "not_looked_at": not_looked_at,
        })
    }
}

fn write_text(found: &Found, cx: &mut Context) -> Result<(), CliError> {
    let width = cx.out_look.width;
    if found.refused {
        write!(cx.out, "{}", problems::text(&found.problems, width))?;
    } else if found.problems.is_empty() {
        let scenarios = text::count(found.scenarios, "scenario");
        let words = found.tried.words();
        writeln!(cx.out, "{scenarios}: nothing to complain about{words}")?;
        for missed in &found.tried.missed {
            let missed = text::clean_line(missed);
            writeln!(cx.out, "but not everything was looked at: {missed}")?;
        }
    } else {
        write!(cx.out, "{}", table::text(&found.problems, found.scenarios, width))?;
    }
    Ok(())
}
