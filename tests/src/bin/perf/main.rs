//! Measures what a run costs, against a stub model and a small MCP server in processes of their own.
//!
//! `cargo run --release -p bench-tests --bin perf` builds the release `bench-cli`, plays each workload five
//! times into fresh folders, and prints a Markdown table; `docs/performance.md` explains it and keeps the
//! figures. `--runs N` and `--only w1,w3` shorten it, `--folder DIR` says where runs are written.
//!
//! | part | what it does |
//! |---|---|
//! | `workload` | what is played, and the files for it |
//! | `servers` | the stub model and the MCP server as processes |
//! | `bare` | the same work by the least code that can do it, for comparison |
//! | `report` | the table |
//!
//! The program calls itself in two more roles: `measure` starts one command and prints what it cost, `bare`
//! is the loop to compare with.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bench_tests::measure::Cost;
use bench_tests::model_stub::Stats;

mod bare;
mod options;
mod report;
mod servers;
mod workload;

use options::Options;
use report::{Row, Series};
use servers::Servers;
use workload::Workload;

/// Why a figure could not be taken.
type Failure = Box<dyn std::error::Error>;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    Bench,
    BareLoop,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("measure") => measure(&arguments[1..]),
        Some("bare") => bare::run(&arguments[1..]),
        _ => Options::read(&arguments).and_then(|options| compare(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            writeln!(io::stderr(), "perf: {failure}").ok();
            ExitCode::FAILURE
        }
    }
}

/// The role `measure`: runs one command and prints its cost.
fn measure(command: &[String]) -> Result<(), Failure> {
    let (program, arguments) = command.split_first().ok_or("nothing to measure")?;
    let cost = Cost::of(Command::new(program).args(arguments))?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&cost)?)?;
    Ok(())
}

/// Plays every workload with both runners and prints the tables.
fn compare(options: &Options) -> Result<(), Failure> {
    let binary = bench_tests::bed::binary::bench_cli();
    let folder = tempfile::Builder::new()
        .prefix("perf-")
        .tempdir_in(&options.folder)?;
    let mut series = Vec::new();
    for workload in workload::ALL.iter().filter(|w| options.wants(w.name)) {
        let servers = Servers::start(workload)?;
        let runners = [Runner::BareLoop, Runner::Bench];
        // The bare loop knows of no refusals.
        let first = usize::from(workload.limit.is_some());
        for &runner in &runners[first..] {
            let place = folder.path().join(format!("{}-{runner:?}", workload.name));
            let player = Player {
                binary,
                workload,
                servers: &servers,
                place,
            };
            player.prepare()?;
            if workload.limit.is_none() {
                player.play(runner, 0)?; // warms caches; not counted
            }
            let rows = (1..=options.runs).map(|n| player.play(runner, n));
            series.push(Series {
                workload,
                runner,
                rows: rows.collect::<Result<_, _>>()?,
            });
        }
    }
    report::print(&series)?;
    Ok(())
}

/// Plays one workload.
struct Player<'a> {
    binary: &'a Path,
    workload: &'a Workload,
    servers: &'a Servers,
    place: PathBuf,
}

impl Player<'_> {
    fn prepare(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.place)?;
        workload::write_files(self.workload, &self.servers.mcp_url, &self.place)
    }

    /// One run into a folder of its own. A run that did not do all the work is no figure.
    fn play(&self, runner: Runner, n: u32) -> Result<Row, Failure> {
        self.servers.reset()?;
        let results = self.place.join(format!("results-{n}"));
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("measure");
        match runner {
            Runner::Bench => self.bench(&mut command, &results),
            Runner::BareLoop => self.bare(&mut command)?,
        }
        let log = std::fs::File::create(self.place.join(format!("stderr-{n}.log")))?;
        let output = command.stderr(Stdio::from(log)).output()?;
        let cost: Cost = serde_json::from_slice(&output.stdout)?;
        let stats: Stats = self.servers.stats()?;
        self.check(runner, n, &cost, stats, &results)?;
        Ok(Row { cost, stats })
    }

    fn bench(&self, command: &mut Command, results: &Path) {
        let concurrency = self.workload.concurrency.to_string();
        command
            .arg(self.binary)
            .args(["run", "harness.json", "--ui", "quiet"])
            .args(self.workload.models.iter().flat_map(|model| ["--model", model]))
            .args([
                "--gym-config",
                "gyms.json",
                "--max-concurrency",
                &concurrency,
                "--results",
            ])
            .arg(results)
            .current_dir(&self.place)
            .env("OPENAI_BASE_URL", format!("{}/v1", self.servers.model_url))
            .env("OPENAI_API_KEY", "sk-stub-0123456789")
            .env("ANTHROPIC_BASE_URL", &self.servers.model_url)
            .env("ANTHROPIC_API_KEY", "sk-stub-0123456789");
    }

    fn bare(&self, command: &mut Command) -> Result<(), Failure> {
        command
            .arg(std::env::current_exe()?)
            .args(["bare", &self.servers.model_url, &self.servers.mcp_url])
            .args([
                self.workload.samples.to_string(),
                self.workload.concurrency.to_string(),
            ]);
        Ok(())
    }

    fn check(
        &self,
        runner: Runner,
        n: u32,
        cost: &Cost,
        stats: Stats,
        results: &Path,
    ) -> Result<(), Failure> {
        let name = self.workload.name;
        let place = self.place.display();
        if cost.exit != 0 {
            return Err(format!(
                "{name} {runner:?} {n}: exit {}, see {place}/stderr-{n}.log",
                cost.exit
            )
            .into());
        }
        if stats.calls - stats.refused != self.workload.model_calls() {
            let due = self.workload.model_calls();
            return Err(format!(
                "{name} {runner:?} {n}: {} answered model calls instead of {due}",
                stats.calls - stats.refused
            )
            .into());
        }
        match runner {
            Runner::Bench => workload::check_all_passed(self.workload, results),
            Runner::BareLoop => Ok(()),
        }
    }
}
