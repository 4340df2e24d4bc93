//! `bench-cli check`: what is wrong with a harness, without trying any model.
//!
//! It takes the way of `run` up to the plan, so what it says is what `run` would say.

use std::io::Write;

use bench_core::lint::lint;
use bench_core::{Harness, ModelRef, ModelSpec, Plan, Problem, Problems, Provider, Severity};
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

/// What was found.
#[derive(Default)]
struct Found {
    scenarios: usize,
    problems: Vec<Problem>,
    /// Those of `problems` that only looking closer found: the harness can be read, but not be passed.
    faults: Vec<Problem>,
}

/// Looks at the harness. Exits as `run` would where nothing can be run, and with 1 if scenarios can never pass.
pub(super) fn cmd(args: &CheckArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let env_file = EnvFile::of(&args.env_file, &args.harness, cx);
    let environment = environment::read(env_file.as_ref(), &[], cx)?;
    let found = look(args, &environment, cx)?;
    if args.json {
        write_json(
            &json!({"scenarios": found.scenarios, "problems": found.problems}),
            cx,
        )?;
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
                ..Found::default()
            });
        }
    };
    let mut found = Found {
        scenarios: harness.scenarios.len(),
        faults: harness.scenarios.iter().flat_map(lint).collect(),
        problems: std::mem::take(&mut harness.warnings),
    };
    match plan(harness, args, environment, cx) {
        Ok((plan, warnings)) => {
            for line in worlds::lines(&plan) {
                tell(&line, cx);
            }
            found.problems.extend(warnings);
        }
        Err(CliError::Problems(problems)) => found.problems.extend(problems),
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// The plan for a model that needs nothing.
fn plan(
    harness: Harness,
    args: &CheckArgs,
    environment: &Environment,
    cx: &Context,
) -> Result<(Plan, Vec<Problem>), CliError> {
    let (gym, gym_config) = (args.gym.gym.as_deref(), args.gym.gym_config.as_deref());
    let (gyms, mut warnings) = worlds::choose(gym, gym_config, &args.harness, cx)?;
    let (plan, more) = Plan::builder(harness)
        .model(ModelSpec::new(ModelRef::new(Provider::Noop, "")))
        .judge_open()
        .gyms(gyms)
        .variables(&|name: &str| environment.is_set(name))
        .build()?;
    warnings.extend(more);
    Ok((plan, warnings))
}

impl Found {
    fn exit(&self) -> Exit {
        let mut errors = self.problems.iter().filter(|p| p.severity == Severity::Error);
        if errors.clone().next().is_none() {
            Exit::Success
        } else if errors.all(|error| self.faults.contains(error)) {
            Exit::Gate
        } else {
            Exit::Usage
        }
    }
}

fn write_text(found: &Found, cx: &mut Context) -> Result<(), CliError> {
    if found.problems.is_empty() {
        writeln!(
            cx.out,
            "{}: nothing to complain about",
            text::count(found.scenarios, "scenario")
        )?;
    } else {
        write!(cx.out, "{}", problems::text(&found.problems, cx.out_look.width))?;
    }
    Ok(())
}
