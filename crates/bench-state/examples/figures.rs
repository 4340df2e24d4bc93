//! Measures what the store promises to be quick at, and prints it: `cargo run --release --example figures [RUNS]`.
//!
//! A background run's launch, the way of an event from the worker to a follower, and listing with many runs (10,000
//! unless said otherwise). Medians of several rounds, in a temporary folder that is removed at the end.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example that prints figures and stops at the first trouble"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bench_state::{ActiveRun, Ending, Followed, Job, RunId, RunStore};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Plan {}

#[derive(Clone, Serialize, Deserialize)]
struct Label {
    label: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Count {
    count: u32,
}

#[derive(Clone, Serialize, Deserialize)]
struct Tick {
    tick: u32,
}

struct Ticking;

impl Job for Ticking {
    type Plan = Plan;
    type Summary = Label;
    type Progress = Count;
    type Session = Count;
    type Event = Tick;
    type Item = ();

    fn begin(_: &Plan) -> (Count, Count) {
        (Count { count: 0 }, Count { count: 0 })
    }

    fn fold(progress: &mut Count, _: &mut Count, _: &Tick, _: DateTime<Utc>) {
        progress.count += 1;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, root, id] = arguments.as_slice()
        && word == "worker"
    {
        let store = RunStore::<Ticking>::open(root).unwrap();
        let run = store.adopt(&id.parse().unwrap(), Utc::now()).unwrap();
        run.finish(Ending::Completed, Utc::now()).unwrap();
        return;
    }
    let count = arguments.get(1).map_or(10_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let store = RunStore::<Ticking>::open(folder.path()).unwrap();
    launches(&store);
    events(&store);
    listings(&store, count);
}

fn start(store: &RunStore<Ticking>, now: DateTime<Utc>) -> ActiveRun<Ticking> {
    let label = "figures, for a list".to_owned();
    store.create(&Plan {}, Label { label }, now).unwrap()
}

/// Prints the median and the worst of some durations.
fn tell(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "{what:<44} median {median:>10.2?}   worst of {} {worst:>10.2?}",
        took.len()
    );
}

/// Drops what the kernel remembers of files and folders. False if it may not.
fn forget() -> bool {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

fn time(rounds: u32, mut work: impl FnMut()) -> Vec<Duration> {
    let one = |_| {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    (0..rounds).map(one).collect()
}

fn launches(store: &RunStore<Ticking>) {
    let (mut created, mut launched) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        let started = Instant::now();
        let run = start(store, Utc::now());
        created.push(started.elapsed());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("worker").arg(store.root()).arg(run.id().as_str());
        let started = Instant::now();
        let mut worker = run.launch(command, Utc::now()).unwrap();
        launched.push(started.elapsed());
        worker.child.wait().unwrap();
    }
    tell("create()", created);
    tell("launch(), until the worker has adopted", launched);
}

fn events(store: &RunStore<Ticking>) {
    let run = start(store, Utc::now());
    let mut follow = store.follow(run.id(), Utc::now()).unwrap();
    let (tell_seen, seen) = mpsc::channel();
    let follower = thread::spawn(move || {
        while let Followed::Event(_) = follow.next_within(Duration::from_secs(60)).unwrap() {
            tell_seen.send(Instant::now()).unwrap();
        }
    });
    let took = (0..300).map(|tick| {
        let started = Instant::now();
        run.record(Tick { tick }, Utc::now()).unwrap();
        let seen = seen.recv().unwrap();
        thread::sleep(Duration::from_millis(3));
        seen.duration_since(started)
    });
    tell("from calling record() to the follower", took.collect());
    run.finish(Ending::Completed, Utc::now()).unwrap();
    follower.join().unwrap();
}

fn listings(store: &RunStore<Ticking>, count: usize) {
    let began = Utc::now() - TimeDelta::days(30);
    let live = start(store, began);
    let run = start(store, began);
    run.record(Tick { tick: 1 }, began).unwrap();
    let model = run.finish(Ending::Completed, began).unwrap();
    let model_id = model.state.id.to_string();
    for number in 0..count {
        let at = began + TimeDelta::seconds(20 * i64::try_from(number).unwrap());
        copy(
            &model.dir,
            &model_id,
            &store.root().join("runs").join(RunId::generate(at).as_str()),
        );
    }
    let present = Utc::now();
    println!("with {} runs:", store.list(Some(0), present).unwrap().not_shown);
    tell(
        "  list(50)",
        time(21, || drop(store.list(Some(50), present).unwrap())),
    );
    // Only root may empty the kernel's caches.
    if forget() {
        let cold = |_| {
            forget();
            time(1, || drop(store.list(Some(50), present).unwrap()))
        };
        tell(
            "  list(50), nothing in the kernel's caches",
            (0..5).flat_map(cold).collect(),
        );
    }
    tell(
        "  unfinished()",
        time(21, || {
            assert_eq!(store.unfinished(present).unwrap().runs.len(), 1);
        }),
    );
    tell(
        "  resolve(\"latest\")",
        time(21, || drop(store.resolve("latest").unwrap())),
    );
    tell(
        "  list(all)",
        time(5, || drop(store.list(None, present).unwrap())),
    );
    tell(
        "  plan_cleanup()",
        time(5, || {
            drop(store.plan_cleanup(present, TimeDelta::hours(24)).unwrap());
        }),
    );
    live.finish(Ending::Completed, present).unwrap();
}

/// Copies all that a list opens of a finished run.
fn copy(model: &Path, model_id: &str, to: &Path) {
    fs::create_dir(to).unwrap();
    let id = to.file_name().unwrap().to_string_lossy();
    let text = fs::read_to_string(model.join("state.json")).unwrap();
    fs::write(to.join("state.json"), text.replace(model_id, &id)).unwrap();
}
