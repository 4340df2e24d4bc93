//! `bench-state` without any benchmark: a job that counts the words of some documents.
//!
//! The worker is a process of its own and dies in the middle, as after `kill -9` or a power cut. The next reader finds
//! its run over, with a cause, and every document that was counted; nothing had to be cleaned up. A second worker
//! resumes the run and counts only what is missing.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::{env, fs, path::Path};

use bench_state::{ActiveRun, Ending, ItemId, Job, RunState, RunStore};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

type AnyError = Box<dyn std::error::Error>;

/// The job: which types are stored, and how events add up.
struct WordCount;

#[derive(Serialize, Deserialize)]
struct Plan {
    documents: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Summary {
    title: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Progress {
    done: usize,
    of: usize,
}

#[derive(Serialize, Deserialize, Default)]
struct Totals {
    words: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Counted {
    document: String,
    words: usize,
}

impl Job for WordCount {
    type Plan = Plan;
    type Summary = Summary;
    type Progress = Progress;
    type Session = Totals;
    type Event = Counted;
    type Item = usize;

    fn begin(plan: &Plan) -> (Progress, Totals) {
        (
            Progress {
                done: 0,
                of: plan.documents.len(),
            },
            Totals::default(),
        )
    }

    fn fold(progress: &mut Progress, totals: &mut Totals, event: &Counted, _at: DateTime<Utc>) {
        progress.done += 1;
        totals.words += event.words;
    }
}

/// Begins a run, or takes the latest one up again if it is over and has not counted everything.
fn begin(store: &RunStore<WordCount>) -> Result<ActiveRun<WordCount>, AnyError> {
    let now = Utc::now();
    if let Some(last) = store.list(Some(1), now)?.runs.first()
        && last.state.progress.done < last.state.progress.of
    {
        return Ok(store.resume(&last.state.id, now)?); // refuses if its worker lives
    }
    let documents = [
        "README.md",
        "quickstart/README.md",
        "filesystem/README.md",
        "memory/README.md",
    ];
    let plan = Plan {
        documents: documents.map(str::to_owned).to_vec(),
    };
    let title = "words of the examples".into();
    Ok(store.create(&plan, Summary { title }, now)?)
}

/// Counts, and records each document before it goes on to the next. `dies_after` is for the demonstration.
fn work(results: &Path, dies_after: Option<usize>) -> Result<(), AnyError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let store = RunStore::<WordCount>::open(results)?;
    let run = begin(&store)?;
    let view = store.read(run.id(), Utc::now())?;
    let counted = view
        .events()?
        .map(|counted| counted.map(|counted| counted.event.document))
        .collect::<Result<Vec<_>, _>>()?;
    for (n, document) in view.plan()?.documents.into_iter().enumerate() {
        if dies_after == Some(n) {
            std::process::abort(); // no guard, no destructor, no farewell
        }
        if counted.contains(&document) {
            continue;
        }
        let words = fs::read_to_string(folder.join(&document))?
            .split_whitespace()
            .count();
        let id: ItemId = document.to_lowercase().replace('/', "-").parse()?;
        run.put_item(&id, &words)?;
        run.record(Counted { document, words }, Utc::now())?; // on the disk from here on
    }
    run.finish(Ending::Completed, Utc::now())?;
    Ok(())
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, results, dies_after] = arguments.as_slice()
        && command == "worker"
    {
        return work(Path::new(results), dies_after.parse().ok());
    }
    let results = tempfile::tempdir()?;
    for (dies_after, seen) in [("2", ("failed", 2, 1)), ("never", ("completed", 4, 2))] {
        let mut worker = Command::new(env::current_exe()?);
        worker.arg("worker").arg(results.path()).arg(dies_after);
        worker.stdin(Stdio::null()).status()?;
        report(results.path(), seen)?;
    }
    Ok(())
}

/// What any other process sees, now or in a year: first the dead run, over, with a cause and all it had finished;
/// then the same run, completed by its second worker.
fn report(results: &Path, expected: (&str, usize, u32)) -> Result<(), AnyError> {
    let store = RunStore::<WordCount>::open(results)?;
    let mut out = io::stdout().lock();
    let mut seen = Vec::new();
    for run in store.list(None, Utc::now())?.runs {
        let RunState {
            id,
            status,
            progress,
            generation,
            ..
        } = &run.state;
        let words = store.read(id, Utc::now())?.session()?.words;
        let cause = match status.ending() {
            Some(Ending::Failed { cause }) => cause.message.as_str(),
            _ => "",
        };
        writeln!(
            out,
            "{id}  {}  {}/{} documents, {words} words  {cause}",
            status.word(),
            progress.done,
            progress.of
        )?;
        seen.push((status.word(), progress.done, *generation));
    }
    assert_eq!(seen, [expected], "one run, and nothing counted twice");
    Ok(())
}
