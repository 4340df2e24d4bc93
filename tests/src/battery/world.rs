//! A run of three trials on two gyms: one is a server of its own, which keeps databases until they are removed, the
//! other starts through a shell for each trial. A model counts who asks it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::battery::audit::{self, Fault, Told, check};
use crate::battery::strace::{self, Attached};
use crate::bed::{GymServe, RunFolder, Shot, TestBed, await_none, binary, worker_lives};
use crate::model_stub::ModelStub;
use crate::model_stub::script::{Script, Turn};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Longer than any command of these stages takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// The trials of the run, by what the model is asked.
pub const TRIALS: [&str; 3] = ["one", "two", "three"];

/// The command whose life is attacked. One trial at a time, so that every run makes the same calls.
pub const RUN: &str = "run harness.json --model openai:m --gym-config gyms.json --max-concurrency 1 --json";

/// What all points share.
#[derive(Debug)]
pub struct World {
    gym: GymServe,
    _bed: TestBed,
}

/// One try: a folder of its own, and a model of its own.
#[derive(Debug)]
pub struct Try {
    /// The folder.
    pub bed: TestBed,
    /// The model.
    pub stub: ModelStub,
    /// A run that is over and not to be touched.
    pub old: Option<String>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Starts the gym.
    pub fn new() -> Self {
        let bed = TestBed::in_memory();
        Self {
            gym: GymServe::start(&bed),
            _bed: bed,
        }
    }

    /// A folder with everything that [`RUN`] needs.
    pub fn fresh(&self) -> Try {
        self.fresh_in(TestBed::in_memory())
    }

    /// The same in this folder.
    pub fn fresh_in(&self, bed: TestBed) -> Try {
        let stub = ModelStub::start(Script::always([Turn::say("done")]));
        let bed = bed
            .env("OPENAI_BASE_URL", stub.openai_url())
            .env("OPENAI_API_KEY", "sk-canary-openai");
        let server = binary::own("bad-stdio-gym");
        let line = format!("'{}'; true", server.display());
        let gyms = json!({"gyms": {
            "served": {"url": self.gym.mcp_url()},
            "shell": {"command": "sh", "args": ["-c", line]},
        }});
        bed.write_json("gyms.json", &gyms);
        let scenario = |(id, gym): (&str, &str)| {
            let verifier =
                json!([{"verifier_type": "response_check", "validation_config": {"contains": "done"}}]);
            json!({"scenario_id": id, "name": id, "gym": gym,
                "prompts": [{"prompt_text": format!("[{id}] Do your work."), "verifier": verifier}]})
        };
        let scenarios = TRIALS
            .into_iter()
            .zip(["served", "shell", "served"])
            .map(scenario);
        bed.write_json(
            "harness.json",
            &json!({"scenarios": scenarios.collect::<Vec<_>>()}),
        );
        Try { bed, stub, old: None }
    }

    /// A fresh folder with a copy of the results of another one.
    pub fn copy_of(&self, other: &Try) -> Try {
        let mut copy = self.fresh();
        copy_folder(&other.bed.results(), &copy.bed.results());
        copy.old.clone_from(&other.old);
        copy
    }

    /// Databases of a run that the gym still holds.
    pub fn databases_of(&self, told: &Told) -> Vec<String> {
        let mut left = self.gym.databases();
        left.retain(|id| told.databases.contains(id));
        left
    }
}

impl Try {
    /// The run that is attacked, if it is there.
    pub fn run(&self) -> Option<RunFolder> {
        let mut runs = self.bed.runs();
        runs.retain(|run| Some(run.id()) != self.old);
        assert!(runs.len() <= 1, "runs: {runs:?}");
        runs.pop()
    }

    /// How often the model was asked about each trial.
    pub fn asked(&self) -> [usize; 3] {
        let requests = self.stub.requests();
        let about = |id: &str| {
            let mark = format!("[{id}]");
            requests
                .iter()
                .filter(|request| request.body.to_string().contains(&mark))
                .count()
        };
        TRIALS.map(about)
    }

    /// Where `strace` notes what it saw.
    pub fn log(&self) -> PathBuf {
        self.bed.path("strace.txt")
    }

    /// Waits until no run of this folder is running, and none of their workers is there any more: one that has ended
    /// its run may still be writing that down, in one file after the other.
    pub fn await_over(&self) -> Result<Vec<Value>, Fault> {
        let deadline = Instant::now() + SOON;
        loop {
            let rows = audit::list(&self.bed)?;
            let over = |row: &Value| row["status"] != "running" && !worker_lives(&row["worker"]);
            if rows.iter().all(over) {
                return Ok(rows);
            }
            check(Instant::now() < deadline, || {
                format!("still running after {SOON:?}: {rows:?}")
            })?;
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// After whatever happened: the list is true and settled, the files agree, nothing runs any more, and what was
    /// acknowledged is there. Returns the newest run, if there is one, and what its journal tells.
    pub fn settled(&self, acknowledged: &[String]) -> Result<Option<(RunFolder, Told)>, Fault> {
        let rows = self.await_over()?;
        let again = audit::list_over(&self.bed)?;
        check(rows == again, || {
            format!("two lists differ:\n{rows:?}\n{again:?}")
        })?;
        audit::same_as_on_disk(&self.bed, &rows)?;
        let Some(run) = self.run() else {
            check(acknowledged.is_empty(), || {
                format!("no run, but acknowledged were {acknowledged:?}")
            })?;
            return Ok(None);
        };
        let left = await_none(&run.id());
        check(left.is_empty(), || {
            format!("processes left after the list: {left:?}")
        })?;
        let told = audit::sound(&run)?;
        for trial in acknowledged {
            check(told.finished.contains_key(trial), || {
                format!("`{trial}` was acknowledged, and is lost")
            })?;
        }
        Ok(Some((run, told)))
    }
}

/// Runs in the foreground; once the first trial asks the model, `attach` takes hold of the thread that writes.
pub fn with_dispatcher(stage: &Try, attach: impl FnOnce(i32, i32) -> Attached) -> Shot {
    stage.stub.hold();
    let started = stage.bed.start(RUN);
    stage.stub.await_calls(1, SOON);
    let thread = strace::thread_named(started.pid(), "dispatcher");
    let attached = attach(started.pid(), thread);
    stage.stub.release();
    let shot = started.finish(SOON);
    drop(attached);
    shot
}

/// Leaves a run whose first trial is done and whose second one was under way.
pub fn stop_in_the_middle(stage: &Try) {
    stage.stub.answer_only(1);
    let started = stage.bed.start(RUN);
    started.stdout_line(SOON, |line| {
        line.contains("\"trial_finished\"") && line.contains("\"one\"")
    });
    started.signal(Signal::KILL);
    let shot = started.finish(SOON);
    assert_eq!(shot.code, None, "{shot}");
    assert_eq!(
        stage.run().expect("a step of the test").status(),
        "running",
        "nobody has looked yet"
    );
}

/// Trials that a foreground run has reported as finished on its stdout.
pub fn acknowledged(shot: &Shot) -> Vec<String> {
    let events = shot
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let finished = events.filter(|event| event["event"] == "trial_finished");
    finished
        .filter_map(|event| event["trial"].as_str().map(str::to_owned))
        .collect()
}

/// Does `work` on each of `items`, with a thread for each of `hands`: what a hand holds is used by one item at a
/// time. Returns what failed, each with its own words for how to see it again.
pub fn for_each<H: Sync, T: Sync>(
    hands: &[H],
    items: &[T],
    work: impl Fn(&H, usize, &T) -> Result<(), Fault> + Sync,
) -> Vec<Fault> {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    let turn = &|hand: &H| {
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(index)
        {
            if let Err(fault) = work(hand, index, item) {
                faults.lock().expect("a step of the test").push(fault);
            }
        }
    };
    thread::scope(|scope| {
        for hand in hands {
            scope.spawn(move || turn(hand));
        }
    });
    faults.into_inner().expect("a step of the test")
}

/// Passes where nothing failed, and tells all that did.
///
/// # Panics
/// If there are faults.
pub fn assert_none(faults: &[Fault]) {
    assert!(
        faults.is_empty(),
        "{} violations:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// How many things are worth doing at once: a little more than there are processors, since much is waiting.
pub fn hands() -> usize {
    thread::available_parallelism().map_or(2, usize::from) + 1
}

/// Copies a folder, modes included.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a step of the test");
    fs::set_permissions(to, fs::metadata(from).expect("a step of the test").permissions())
        .expect("a step of the test");
    for entry in fs::read_dir(from).expect("a step of the test") {
        let path = entry.expect("a step of the test").path();
        let target = to.join(path.file_name().expect("a step of the test"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a step of the test");
        }
    }
}
