//! Background runs: everything is planned, checked and written down here; then this very program is started again as
//! the worker, and takes the run over.
//!
//! The worker sees the variables that were seen here. Secrets that the plan holds only as references travel in its
//! environment, under generated names: they are on no disk, and the files they came from may change.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use bench_core::{ModelSpec, Plan};
use bench_report::text::count;
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, TrackerAddress};
use bench_runner::process::MARKERS;
use bench_state::{Ending, Launched};
use chrono::Utc;
use serde_json::json;

use super::execute::{self, End, EventLoop, Stage};
use super::start::{How, Start, take_up, tell};
use crate::args::life::WorkerArgs;
use crate::args::run::Ui;
use crate::context::Context;
use crate::environment;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::error::in_a_line;
use crate::render::paint::{CODE, FAINT, paint};

/// Starts a run in the background and says how to watch it.
pub(super) fn launch(start: &Start, how: How, cx: &mut Context) -> Result<Exit, CliError> {
    check(&start.plan, &start.environment, cx)?;
    let mut command = worker(&start.plan, &start.environment, cx)?;
    let run = take_up(start.run.as_ref(), &start.plan, &start.changes, cx)?;
    command.arg(run.id().as_str());
    let launched = run.launch(command, Utc::now())?;
    announce(&launched, start.plan.trial_count(), how, cx)?;
    Ok(Exit::Success)
}

/// Refuses here what the worker could not do, as far as it can be told without contacting anybody.
fn check(plan: &Plan, environment: &Environment, cx: &Context) -> Result<(), CliError> {
    execute::connect(plan, environment, cx)?;
    let nowhere = TrackerAddress {
        mcp_url: "http://127.0.0.1:1/mcp".to_owned(),
        sql_runner_url: "http://127.0.0.1:1/api/sql-runner".to_owned(),
    };
    bench_runner::gym::connect(&plan.gyms, environment, Some(&nowhere), &Cleaner::new())?;
    Ok(())
}

/// The command that does the work; the name of the run is still to be added.
fn worker(plan: &Plan, environment: &Environment, cx: &Context) -> Result<Command, CliError> {
    let unresolved =
        |error| CliError::usage("a secret of a gym or model is not there any more").because(error);
    let mut command = this_program()?;
    command.envs(environment.variables());
    let of_gyms = plan.gyms.iter().flat_map(|gym| gym.settings());
    for setting in of_gyms.chain(plan.asked().flat_map(ModelSpec::texts)) {
        command.envs(environment.hand_over(setting).map_err(unresolved)?);
    }
    // A worker is nobody's child.
    for marker in MARKERS {
        command.env_remove(marker);
    }
    command
        .current_dir(cx.cwd.join(&plan.launch_dir))
        .args(["--color", "never", "--results"])
        .arg(cx.results_dir())
        .arg("worker");
    Ok(command)
}

/// The program that is running, even if its file was replaced meanwhile.
pub(crate) fn this_program() -> Result<Command, CliError> {
    let unknown = |error| CliError::unfinished("cannot tell where this program lies").because(error);
    let path = std::env::current_exe().map_err(unknown)?;
    let running = Path::new("/proc/self/exe");
    let mut command = Command::new(if running.exists() { running } else { &path });
    command.arg0(&path);
    Ok(command)
}

fn announce(launched: &Launched, trials: u32, how: How, cx: &mut Context) -> Result<(), CliError> {
    let Launched {
        id, dir, pid, log, ..
    } = launched;
    if how.json {
        let event = json!({
            "event": "run_launched", "run_id": id, "dir": dir, "pid": pid, "log": log, "trials": trials,
        });
        writeln!(cx.out, "{}", bench_report::json::line(&event)?)?;
        return Ok(());
    }
    writeln!(cx.out, "{id}")?;
    let folder = cx.shown(dir);
    tell(
        &format!(
            "{} in the background, pid {pid}, {}",
            count(trials as usize, "trial"),
            paint(FAINT, &folder)
        ),
        cx,
    );
    for (command, what) in [
        (format!("attach {id}"), "watch it"),
        ("view list".to_owned(), "all runs"),
        (format!("kill {id}"), "end it"),
    ] {
        tell(
            &format!("  {}  {}", paint(CODE, &cx.command(&command)), paint(FAINT, what)),
            cx,
        );
    }
    Ok(())
}

/// The worker itself. Whatever it says is in `worker.log`.
pub(super) fn work(args: &WorkerArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let event_loop = EventLoop::start()?;
    let store = cx.store()?;
    let run = store.adopt(&args.run, Utc::now())?;
    let stage = store
        .read(&args.run, Utc::now())
        .map_err(CliError::from)
        .and_then(|view| {
            let plan = super::resume::plan_now(&view)?;
            // The variables of an env file came with the launcher's.
            let environment = environment::read(None, &plan.secret_names, cx)?;
            let earlier = super::resume::earlier(&view)?;
            Stage::set(event_loop, plan, environment, earlier, cx)
        })
        .and_then(|stage| Ok((stage.show(Ui::Plain, false, cx)?, stage)));
    let (show, stage) = match stage {
        Ok(ready) => ready,
        Err(error) => {
            run.finish(Ending::failed(in_a_line(&error)), Utc::now())?;
            return Err(error);
        }
    };
    tell(&format!("{}: taken up", args.run), cx);
    let ran = stage.perform(run, show, &cx.err);
    match ran.end {
        End::Completed => {
            tell("completed", cx);
            Ok(Exit::Success)
        }
        End::OverBudget(cause) => {
            tell(&cause, cx);
            Ok(Exit::Unfinished)
        }
        End::Cancelled => {
            tell("cancelled", cx);
            Ok(Exit::Interrupted)
        }
        End::Failed(error) => Err(error),
    }
}
