//! Workers that are killed at random times, and readers that list meanwhile, all on one folder of results.
//!
//! Each of the workers starts runs in the background, lets most of them be killed, and continues some. Each of the
//! readers compares every list with a scan of the folder before and after it: what did not change in between must be
//! listed as it is. A run that says "running" is running if, and only if, the process that it names is alive.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::audit::{self, Fault, check};
use crate::bed::{GymServe, RunFolder, TestBed, await_none, worker_lives};
use crate::loopback::Served;
use crate::model_stub::load::{self, LoadOptions};

/// Workers at once.
const WORKERS: usize = 6;
/// Readers at once.
const READERS: usize = 3;
/// Longer than a machine that is busy with all of this takes for anything.
const SOON: Duration = Duration::from_secs(180);
/// What a machine that is slow with all of this gets in addition for its kills, whatever was asked for.
const AT_LEAST: Duration = Duration::from_mins(5);
/// Trials of a run.
const SCENARIOS: usize = 6;
/// A turn of the model: long enough that a kill meets a run in its middle.
const THINKING: Duration = Duration::from_millis(150);

/// How long, and how hard.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// For how long.
    pub lasts: Duration,
    /// Kills that are spread over that time.
    pub kills: usize,
    /// Where the random times come from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            lasts: Duration::from_secs(300),
            kills: 300,
            seed: since.as_secs(),
        }
    }
}

/// What happened.
#[derive(Debug, Default)]
pub struct Figures {
    /// Runs that were started.
    pub runs: usize,
    /// Workers that were killed while they worked.
    pub kills: usize,
    /// Runs that were continued.
    pub resumes: usize,
    /// Lists that were compared.
    pub lists: usize,
    /// Rows of them that had to be as they were.
    pub rows: usize,
    /// The slowest list.
    pub slowest: Duration,
    /// What was wrong.
    pub faults: Vec<Fault>,
    seed: u64,
    took: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} kills, {} resumes, {} lists with {} rows compared (slowest {:.0?}), {} violations, seed {}, {:.0?}",
            self.runs,
            self.kills,
            self.resumes,
            self.lists,
            self.rows,
            self.slowest,
            self.faults.len(),
            self.seed,
            self.took
        )
    }
}

/// Runs the soak.
pub fn soak(options: &Options) -> Figures {
    let began = Instant::now();
    let soak = Soak::new(*options);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|n| {
                scope.spawn({
                    let soak = &soak;
                    move || soak.work(n)
                })
            })
            .collect();
        for _ in 0..READERS {
            scope.spawn(|| soak.read());
        }
        for worker in workers {
            worker.join().expect("a worker of the soak");
        }
        soak.worked.store(true, Relaxed);
    });
    soak.look_at_all();
    Figures {
        runs: soak.runs.into_inner(),
        kills: soak.kills.into_inner(),
        resumes: soak.resumes.into_inner(),
        lists: soak.lists.into_inner(),
        rows: soak.rows.into_inner(),
        slowest: soak.slowest.into_inner().expect("no panic"),
        faults: soak.faults.into_inner().expect("no panic"),
        seed: options.seed,
        took: began.elapsed(),
    }
}

struct Soak {
    options: Options,
    bed: TestBed,
    _model: Served,
    _gym: GymServe,
    ends: Instant,
    worked: AtomicBool,
    runs: AtomicUsize,
    kills: AtomicUsize,
    resumes: AtomicUsize,
    lists: AtomicUsize,
    rows: AtomicUsize,
    slowest: Mutex<Duration>,
    faults: Mutex<Vec<Fault>>,
}

impl Soak {
    fn new(options: Options) -> Self {
        let thinking = LoadOptions {
            tool_calls: 0,
            latency: THINKING,
            limit: None,
        };
        let model = load::start((Ipv4Addr::LOCALHOST, 0).into(), thinking);
        let bed = TestBed::in_memory()
            .env("OPENAI_BASE_URL", model.url() + "/v1")
            .env("OPENAI_API_KEY", "sk-canary-openai");
        let gym = GymServe::start(&bed);
        bed.write_json("gyms.json", &gym.gym_file());
        let scenario = |n: usize| {
            let verifier =
                json!([{"verifier_type": "response_check", "validation_config": {"contains": "done"}}]);
            json!({"scenario_id": format!("s{n}"), "name": format!("s{n}"),
                "prompts": [{"prompt_text": "Do your work.", "verifier": verifier}]})
        };
        bed.write_json(
            "harness.json",
            &json!({"scenarios": (0..SCENARIOS).map(scenario).collect::<Vec<_>>()}),
        );
        Self {
            options,
            bed,
            _model: model,
            _gym: gym,
            ends: Instant::now() + options.lasts,
            worked: AtomicBool::new(false),
            runs: AtomicUsize::new(0),
            kills: AtomicUsize::new(0),
            resumes: AtomicUsize::new(0),
            lists: AtomicUsize::new(0),
            rows: AtomicUsize::new(0),
            slowest: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    fn note(&self, outcome: Result<(), Fault>) {
        if let Err(fault) = outcome {
            self.faults.lock().expect("no panic").push(fault);
        }
    }

    /// Starts runs and has them killed, until time is up and all kills are done; but not much longer.
    fn work(&self, number: usize) {
        let mut random = fastrand::Rng::with_seed(self.options.seed.wrapping_add(number as u64));
        let latest = self.ends + self.options.lasts.max(AT_LEAST);
        while Instant::now() < self.ends
            || (self.kills.load(Relaxed) < self.options.kills && Instant::now() < latest)
        {
            let outcome = self.a_run(&mut random);
            self.note(outcome);
        }
    }

    /// One run, from its start to its end, through kills and resumes.
    fn a_run(&self, random: &mut fastrand::Rng) -> Result<(), Fault> {
        let mut command = "run harness.json --model openai:m --gym-config gyms.json --max-concurrency 2 --background --json".to_owned();
        for again in 0.. {
            let shot = self.bed.bench(&command);
            check(shot.code == Some(0), || format!("not started: {shot}"))?;
            let launched: Value =
                serde_json::from_str(shot.stdout.trim()).map_err(|e| format!("{e}: {shot}"))?;
            let id = launched["run_id"].as_str().unwrap_or_default().to_owned();
            let counted = if again == 0 { &self.runs } else { &self.resumes };
            counted.fetch_add(1, Relaxed);
            // A worker that was killed after its last trial leaves nothing to do: the run is over without another one.
            if again > 0 && launched["event"] == "run_over" {
                let all_done = launched["progress"]["trials_done"] == SCENARIOS;
                return check(launched["status"] == "completed" && all_done, || {
                    format!("over, but not all done: {shot}")
                });
            }
            let pid = launched["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            let worker = pid
                .and_then(Pid::from_raw)
                .ok_or_else(|| format!("no pid: {shot}"))?;
            // One in five comes to its end by itself; the others are killed at any moment of the life they would have.
            let killed = random.u8(0..5) > 0 && self.kill(&id, worker, random);
            self.await_over(&id)?;
            if !killed || random.bool() {
                return Ok(());
            }
            command = format!("resume {id} --background --json");
        }
        Ok(())
    }

    /// Kills a worker at a random time. False if it was over before.
    fn kill(&self, id: &str, worker: Pid, random: &mut fastrand::Rng) -> bool {
        thread::sleep(Duration::from_millis(random.u64(0..1200)));
        // Its number may be somebody else's if it has ended long ago; a run that is not over has not.
        let over = self.state(id).is_none_or(|state| state.over);
        let struck = !over && kill_process(worker, Signal::KILL).is_ok();
        self.kills.fetch_add(usize::from(struck), Relaxed);
        struck
    }

    fn await_over(&self, id: &str) -> Result<(), Fault> {
        let deadline = Instant::now() + SOON;
        while !self.state(id).is_some_and(|state| state.over) {
            check(Instant::now() < deadline, || {
                format!("{id} is still running after {SOON:?}")
            })?;
            thread::sleep(Duration::from_millis(20)); // the readers settle it
        }
        Ok(())
    }

    fn state(&self, id: &str) -> Option<Seen> {
        Seen::read(&RunFolder::at(self.bed.results().join("runs").join(id)))
    }

    /// Lists and compares, without a pause.
    fn read(&self) {
        while !self.worked.load(Relaxed) {
            let outcome = self.compare();
            self.note(outcome);
        }
    }

    fn scan(&self) -> BTreeMap<String, Seen> {
        let runs = self.bed.runs().into_iter();
        runs.filter_map(|run| Some((run.id(), Seen::read(&run)?)))
            .collect()
    }

    fn compare(&self) -> Result<(), Fault> {
        let before = self.scan();
        let began = Instant::now();
        let rows = audit::list(&self.bed)?;
        let took = began.elapsed();
        let after = self.scan();
        self.lists.fetch_add(1, Relaxed);
        let mut slowest = self.slowest.lock().expect("no panic");
        *slowest = took.max(*slowest);
        drop(slowest);
        let id_of = |row: &Value| row["run_id"].as_str().unwrap_or_default().to_owned();
        let listed: BTreeMap<String, &Value> = rows.iter().map(|row| (id_of(row), row)).collect();
        if let Some(missing) = before.keys().find(|id| !listed.contains_key(*id)) {
            return Err(format!("{missing} is not listed"));
        }
        if let Some(invented) = listed.keys().find(|id| !after.contains_key(*id)) {
            return Err(format!("{invented} is listed, but is not there"));
        }
        for (id, row) in listed {
            let (Some(first), Some(last)) = (before.get(&id), after.get(&id)) else {
                continue;
            };
            if first.generation == last.generation && first.is_as(row, last)? {
                self.rows.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    }

    /// In the end: every run is over, its files agree, nothing is left of it.
    fn look_at_all(&self) {
        let rows = audit::list_over(&self.bed);
        self.note(rows.and_then(|rows| audit::same_as_on_disk(&self.bed, &rows)));
        for run in self.bed.runs() {
            self.note(
                audit::sound(&run)
                    .map(drop)
                    .map_err(|fault| format!("{}: {fault}", run.id())),
            );
            let left = await_none(&run.id());
            self.note(check(left.is_empty(), || format!("processes left: {left:?}")));
        }
    }
}

/// A run as its folder says.
struct Seen {
    state: Value,
    over: bool,
    generation: u64,
    /// Whether the process that it names is alive; unknown where that is no longer, or not yet, the one that has the run.
    alive: Option<bool>,
}

impl Seen {
    /// None for a run that is just coming into being.
    fn read(run: &RunFolder) -> Option<Self> {
        let path = run.path().join("state.json");
        let read = || serde_json::from_slice::<Value>(&fs::read(&path).ok()?).ok();
        let state = read()?;
        let alive = worker_lives(&state["worker"]);
        let unchanged = read()?["worker"] == state["worker"];
        // Who continues a run says so in its journal first.
        let journal = fs::read_to_string(run.path().join("events.jsonl")).unwrap_or_default();
        let whole = journal.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let last = whole.lines().next_back().unwrap_or_default();
        let last: Value = serde_json::from_str(last).unwrap_or_default();
        let generation = |found: &Value| found["generation"].as_u64().unwrap_or_default();
        // Until the other file says so too, it tells of the time before.
        let told = generation(&state) >= generation(&last);
        Some(Self {
            over: told && !state["completed_at"].is_null(),
            generation: generation(&state).max(generation(&last)),
            alive: (told && unchanged).then_some(alive),
            state,
        })
    }

    /// Compares a row with what was there before and after the list, as far as that says anything. True if it did.
    fn is_as(&self, row: &Value, after: &Self) -> Result<bool, Fault> {
        let listed_over = row["status"] != "running";
        if self.over {
            for field in ["status", "completed_at", "error", "cause", "progress"] {
                check(row[field] == self.state[field], || {
                    format!(
                        "`{field}` is {} in the list, {} in the folder: {row}",
                        row[field], self.state[field]
                    )
                })?;
            }
            return Ok(true);
        }
        // Whoever is dead before the list must not be running in it.
        if self.alive == Some(false) {
            check(listed_over, || {
                format!("its worker is dead, but it is listed as running: {row}")
            })?;
            return Ok(true);
        }
        // Whoever is alive and at work after the list must not be over in it.
        if !after.over && after.alive == Some(true) {
            check(!listed_over, || {
                format!("its worker lives, but it is listed as over: {row}")
            })?;
            return Ok(true);
        }
        Ok(false)
    }
}
