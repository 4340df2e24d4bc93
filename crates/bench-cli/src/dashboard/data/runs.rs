//! All runs: the newest at once, older ones by and by, and then whatever changes.
//!
//! Runs that go on are followed, a few system calls each and four times a second. Which runs there are is looked up more
//! seldom. Reading a run whose worker is gone gives it its end, as with every other command.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bench_core::Progress;
use bench_report::runs::RunRow;
use bench_report::text::clean_line;
use bench_runner::BenchJob;
use bench_state::{
    CauseKind, Ending, LegacyRow, Listing, Problem, RunId, RunStore, RunSummary, RunView, StateError,
};
use chrono::{DateTime, Utc};

use super::live::{Became, Live};
use super::{Again, Asked, Reader};
use crate::commands::{Refused, because_of, row_of, row_of_older, sweep_quietly, used_up_by};
use crate::dashboard::home::row::{Going, Key, Over, Row, Stand};
use crate::dashboard::message::{Message, Tell};

/// Runs that are shown before anything else is read.
const FIRST: usize = 50;
/// Runs that are read before what goes on is looked at again.
const CHUNK: usize = 100;
/// Time between two looks at runs that go on.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks for runs that began or were taken up again.
const BEGUN_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks at the names of all runs.
const NAMES_EVERY: Duration = Duration::from_secs(3);
/// Results of the older tool are looked at again after so many times as long as that takes.
const OLDER_SHARE: u32 = 50;

/// What changed in the list.
#[derive(Debug, PartialEq)]
pub(crate) enum RunsNews {
    /// Runs that are new or have changed.
    Rows(Vec<Row>),
    /// Runs that were removed.
    Gone(Vec<Key>),
    /// Every run was read, except so many.
    AllRead { unreadable: usize },
    /// What keeps the list from being true; none any more.
    Trouble(Option<String>),
}

/// Starts reading. A thread that `panics` is for tests.
pub(crate) fn start(store: RunStore<BenchJob>, panics: bool, tell: Tell) -> io::Result<Reader> {
    super::start("runs", tell, move |asked, tell| {
        assert!(!panics, "made to panic");
        let runs = Runs {
            store,
            asked,
            tell,
            known: HashMap::new(),
            live: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            strangers: 0,
            told_unreadable: 0,
            older: Vec::new(),
            older_at: Instant::now(),
            begun_at: Instant::now(),
            named_at: Instant::now(),
            trouble: None,
        };
        runs.read();
    })
}

/// Nobody listens any more.
struct Unheard;

struct Runs<'a> {
    store: RunStore<BenchJob>,
    asked: &'a Asked,
    tell: &'a Tell,
    /// Runs that were read, and how often each had been taken up by then.
    known: HashMap<RunId, u32>,
    live: BTreeMap<RunId, Followed>,
    unreadable: BTreeSet<RunId>,
    /// What lies among the runs and has no name of a run.
    strangers: usize,
    /// How many of both were told.
    told_unreadable: usize,
    /// What was told of the results of the older tool.
    older: Vec<Row>,
    /// When to look at them again.
    older_at: Instant,
    begun_at: Instant,
    named_at: Instant,
    trouble: Option<String>,
}

/// A run that goes on, and what was last said of it.
struct Followed {
    live: Live,
    run: RunSummary<BenchJob>,
    said: Option<Row>,
}

impl Runs<'_> {
    fn read(mut self) {
        // Ends when nobody listens.
        let Err(Unheard) = self.try_read();
    }

    fn try_read(&mut self) -> Result<std::convert::Infallible, Unheard> {
        self.first()?;
        self.older_tool()?;
        self.rest()?;
        self.told_unreadable = self.unreadable();
        self.say(RunsNews::AllRead {
            unreadable: self.told_unreadable,
        })?;
        sweep_quietly(&self.store);
        loop {
            if !self.asked.pause(LOOK_EVERY) {
                return Err(Unheard);
            }
            for what in self.asked.again() {
                self.again(&what)?;
            }
            self.look()?;
            if self.named_at.elapsed() >= NAMES_EVERY {
                self.names()?;
            }
        }
    }

    /// As many as `list --limit 0` tells.
    fn unreadable(&self) -> usize {
        self.unreadable.len() + self.strangers
    }

    fn say(&self, news: RunsNews) -> Result<(), Unheard> {
        self.tell.send(Message::Runs(news)).map_err(|_| Unheard)
    }

    /// What cannot be read is tried again; meanwhile it is said.
    fn note(&mut self, error: Option<StateError>) -> Result<(), Unheard> {
        let trouble = error.map(|error| clean_line(&error.to_string()));
        if trouble == self.trouble {
            return Ok(());
        }
        self.trouble.clone_from(&trouble);
        self.say(RunsNews::Trouble(trouble))
    }

    fn first(&mut self) -> Result<(), Unheard> {
        let now = Utc::now();
        match self.store.list(Some(FIRST), now) {
            Ok(listing) => {
                let (runs, others) = with_problems(listing);
                self.unreadable
                    .extend(others.iter().filter_map(|problem| named(&problem.path)));
                self.strangers = others
                    .iter()
                    .filter(|problem| named(&problem.path).is_none())
                    .count();
                self.take_in(runs, now)?;
            }
            Err(error) => self.note(Some(error))?,
        }
        self.begun()?;
        self.look()
    }

    /// Shows runs; those that go on are followed from now on.
    fn take_in(&mut self, runs: Vec<Found>, now: DateTime<Utc>) -> Result<(), Unheard> {
        let mut rows = Vec::with_capacity(runs.len());
        for (run, refused) in runs {
            let id = run.state.id.clone();
            self.known.insert(id.clone(), run.state.generation);
            self.unreadable.remove(&id);
            if run.state.status.is_over() {
                self.live.remove(&id);
                let refused = refused.or_else(|| used_up_by(&self.store, &run));
                rows.push(over(&run, refused));
                continue;
            }
            match Live::open(&self.store, &run, now) {
                Ok(live) => {
                    let followed = Followed {
                        live,
                        run,
                        said: None,
                    };
                    self.live.insert(id, followed);
                }
                // Gone, or over, since it was listed: the next look tells.
                Err(error) => tracing::debug!(%id, %error, "a run under way cannot be followed"),
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.say(RunsNews::Rows(rows))
    }

    /// Looks at something once more.
    fn again(&mut self, what: &Again) -> Result<(), Unheard> {
        let id = match what {
            Again::Older => return self.older_tool(),
            Again::Run(id) => id,
        };
        let now = Utc::now();
        match self.store.read(id, now) {
            Ok(view) if !self.live.contains_key(id) => self.take_in(vec![found(&view)], now),
            // One that is gone is missed soon.
            Ok(_) | Err(StateError::UnknownRun { .. }) => Ok(()),
            Err(error) => self.note(Some(error)),
        }
    }

    /// Looks at the results of the older tool: all of them, so the more seldom the longer that takes.
    fn older_tool(&mut self) -> Result<(), Unheard> {
        let began = Instant::now();
        let rows: Vec<Row> = match self.store.legacy() {
            Ok(listing) => listing.rows.iter().map(older).collect(),
            Err(error) => return self.note(Some(error)),
        };
        self.older_at = Instant::now() + NAMES_EVERY.max(began.elapsed() * OLDER_SHARE);
        let there: HashSet<&Key> = rows.iter().map(|row| &row.key).collect();
        let gone = self
            .older
            .iter()
            .map(|row| &row.key)
            .filter(|key| !there.contains(key));
        let gone: Vec<Key> = gone.cloned().collect();
        let changed: Vec<Row> = rows
            .iter()
            .filter(|row| !self.older.contains(row))
            .cloned()
            .collect();
        self.older = rows;
        if !gone.is_empty() {
            self.say(RunsNews::Gone(gone))?;
        }
        if !changed.is_empty() {
            self.say(RunsNews::Rows(changed))?;
        }
        Ok(())
    }

    /// Reads what is not known yet, newest first.
    fn rest(&mut self) -> Result<(), Unheard> {
        self.named_at = Instant::now();
        let ids = match self.store.run_ids() {
            Ok(ids) => ids,
            Err(error) => return self.note(Some(error)),
        };
        let unknown: Vec<RunId> = ids
            .into_iter()
            .filter(|id| !self.known.contains_key(id) && !self.unreadable.contains(id))
            .collect();
        for chunk in unknown.chunks(CHUNK) {
            let now = Utc::now();
            let mut runs = Vec::with_capacity(chunk.len());
            for id in chunk {
                match self.store.read(id, now) {
                    Ok(view) => runs.push(found(&view)),
                    Err(StateError::UnknownRun { .. }) => {}
                    Err(error) => {
                        tracing::debug!(%id, %error, "a run cannot be read");
                        self.unreadable.insert(id.clone());
                    }
                }
            }
            self.take_in(runs, now)?;
            self.look()?;
            if !self.asked.pause(Duration::ZERO) {
                return Err(Unheard);
            }
        }
        Ok(())
    }

    /// Finds runs that were removed or appeared in a way that nobody told of.
    fn names(&mut self) -> Result<(), Unheard> {
        let ids = match self.store.run_ids() {
            Ok(ids) => ids,
            Err(error) => {
                self.named_at = Instant::now();
                return self.note(Some(error));
            }
        };
        self.note(None)?;
        self.taken_up(&ids)?;
        let there: HashSet<RunId> = ids.into_iter().collect();
        // One that could be read before may be shown still.
        let gone = self.known.keys().chain(&self.unreadable);
        let gone = gone.filter(|id| !there.contains(*id));
        let gone: Vec<RunId> = gone.cloned().collect();
        for id in &gone {
            self.known.remove(id);
            self.live.remove(id);
        }
        if !gone.is_empty() {
            self.say(RunsNews::Gone(gone.into_iter().map(Key::Run).collect()))?;
        }
        // They may be readable by now.
        self.unreadable.clear();
        self.rest()?;
        // Opens none of them.
        self.strangers = self
            .store
            .list(Some(0), Utc::now())
            .map_or(0, |none| none.problems.len());
        if self.unreadable() != self.told_unreadable {
            self.told_unreadable = self.unreadable();
            self.say(RunsNews::AllRead {
                unreadable: self.told_unreadable,
            })?;
        }
        if self.older_at <= Instant::now() {
            self.older_tool()?;
        }
        Ok(())
    }

    /// Finds those of the newest runs that were taken up and over again between two looks.
    fn taken_up(&mut self, ids: &[RunId]) -> Result<(), Unheard> {
        let now = Utc::now();
        let (mut changed, mut lost) = (Vec::new(), Vec::new());
        for id in ids.iter().take(FIRST).filter(|id| !self.live.contains_key(*id)) {
            let Some(before) = self.known.get(id) else {
                continue;
            };
            match self.store.read(id, now) {
                Ok(view) => {
                    changed.extend(Some(found(&view)).filter(|(run, _)| run.state.generation != *before));
                }
                // Gone: that is found by its name.
                Err(StateError::UnknownRun { .. }) => {}
                // Read again as one that is new, and counted there.
                Err(_) => lost.push(id.clone()),
            }
        }
        for id in lost {
            self.known.remove(&id);
        }
        self.take_in(changed, now)
    }

    /// Looks at the runs that go on.
    fn look(&mut self) -> Result<(), Unheard> {
        if self.begun_at.elapsed() >= BEGUN_EVERY {
            self.begun()?;
        }
        let now = Utc::now();
        let (mut rows, mut over_now, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for (id, followed) in &mut self.live {
            match followed.live.look() {
                Ok(Became::Goes) => {
                    let row = going(&followed.run, &followed.live, now);
                    if followed.said.as_ref() != Some(&row) {
                        followed.said = Some(row.clone());
                        rows.push(row);
                    }
                }
                Ok(Became::Over(summary)) => {
                    rows.push(over(&summary, used_up_by(&self.store, &summary)));
                    over_now.push(id.clone());
                }
                Err(error) => {
                    tracing::debug!(%id, %error, "a run under way cannot be followed any more");
                    lost.push(id.clone());
                }
            }
        }
        let any_over = !over_now.is_empty();
        for id in over_now.iter().chain(&lost) {
            self.live.remove(id);
        }
        if !rows.is_empty() {
            self.say(RunsNews::Rows(rows))?;
        }
        if any_over {
            sweep_quietly(&self.store);
        }
        Ok(())
    }

    /// Finds runs that began, or were taken up again, and reads the signs of life of the others.
    fn begun(&mut self) -> Result<(), Unheard> {
        self.begun_at = Instant::now();
        let now = Utc::now();
        let listing = match self.store.unfinished(now) {
            Ok(listing) => listing,
            Err(error) => return self.note(Some(error)),
        };
        let mut new = Vec::new();
        for run in listing.runs {
            match self.live.get_mut(&run.state.id) {
                Some(followed) => followed.run = run,
                None => new.push((run, None)),
            }
        }
        self.take_in(new, now)
    }
}

fn row(key: Key, row: RunRow, runs: u32, stand: Stand) -> Row {
    Row {
        key,
        harness: clean_line(&row.harness),
        models: clean_line(&row.models),
        runs,
        progress: row.progress,
        started_at: row.started_at,
        stand,
    }
}

/// The row of a run that goes on.
pub(super) fn going(run: &RunSummary<BenchJob>, live: &Live, now: DateTime<Utc>) -> Row {
    let going: Going = live.going(run, now);
    let mut row = row(
        Key::Run(run.state.id.clone()),
        row_of(run),
        run.state.summary.runs,
        Stand::Going(going),
    );
    row.progress = live.board().progress.clone();
    row
}

/// A run that was read, and why it could not be resumed.
type Found = (RunSummary<BenchJob>, Option<Refused>);

fn found(view: &RunView<BenchJob>) -> Found {
    let refused = view.problems().iter().find_map(because_of);
    (view.summary().clone(), refused)
}

/// The runs of a listing, and what is wrong with others.
fn with_problems(listing: Listing<BenchJob>) -> (Vec<Found>, Vec<Problem>) {
    let mut problems = listing.problems;
    let runs = listing.runs.into_iter().map(|run| {
        let mine = problems.extract_if(.., |problem| problem.path == run.dir);
        let refused = mine.filter_map(|problem| because_of(&problem.error)).last();
        (run, refused)
    });
    (runs.collect(), problems)
}

/// The run in a folder.
fn named(dir: &Path) -> Option<RunId> {
    dir.file_name()?.to_str()?.parse().ok()
}

/// That a run is completed although trials have no verdict.
fn without_a_verdict(progress: &Progress) -> Option<String> {
    let (without, total) = (
        progress.outcomes.errored + progress.outcomes.cancelled,
        progress.trials_total,
    );
    (without > 0).then(|| format!("{without} of {total} trials have no verdict; `resume` runs them again"))
}

/// The row of a run that is over, and why it could not be resumed.
pub(super) fn over(run: &RunSummary<BenchJob>, refused: Option<Refused>) -> Row {
    let status = &run.state.status;
    let cause = match status.ending() {
        Some(Ending::Failed { cause }) if refused.is_some() => Some(cause.kind.code().to_owned()),
        // Nobody was there to say what helps.
        Some(Ending::Failed { cause }) if cause.kind == CauseKind::WorkerLost => Some(format!(
            "{}, `resume` continues it: {}",
            cause.kind.code(),
            cause.message
        )),
        Some(Ending::Failed { cause }) => Some(format!("{}: {}", cause.kind.code(), cause.message)),
        Some(Ending::Cancelled { reason }) => Some(reason.code().to_owned()),
        Some(Ending::Completed) if refused.is_none() => without_a_verdict(&run.state.progress),
        Some(Ending::Completed) | None => None,
    };
    let causes = [cause.as_deref(), refused.map(|refused| refused.words)];
    let causes: Vec<&str> = causes.into_iter().flatten().collect();
    let stand = Stand::Over(Over {
        word: status.word().to_owned(),
        cause: (!causes.is_empty()).then(|| clean_line(&causes.join("; "))),
        refused,
    });
    row(
        Key::Run(run.state.id.clone()),
        row_of(run),
        run.state.summary.runs,
        stand,
    )
}

fn older(old: &LegacyRow) -> Row {
    let found = row_of_older(old);
    let (word, cause) = match (found.status.as_str(), &old.error) {
        ("unknown", _) => (
            "unknown".to_owned(),
            "the older tool left it as running; `cleanup` settles it if it is not".to_owned(),
        ),
        (word, Some(error)) => (word.to_owned(), format!("the older tool: {}", clean_line(error))),
        (word, None) => (word.to_owned(), "made by the older tool".to_owned()),
    };
    let stand = Stand::Over(Over {
        word,
        cause: Some(cause),
        refused: None,
    });
    row(Key::Older(found.run_id.clone()), found, 0, stand)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use super::super::trial::tests::bed;
    use super::*;

    #[test]
    fn results_of_the_older_tool_appear_when_they_are_written() {
        let bed = bed(0);
        let (tell, told) = channel();
        let _reader = start(bed.store.clone(), false, tell).unwrap();
        let news = |wanted: &dyn Fn(&RunsNews) -> bool| loop {
            match told.recv_timeout(Duration::from_secs(60)).unwrap() {
                Message::Runs(news) if wanted(&news) => return news,
                _ => {}
            }
        };
        news(&|news| matches!(news, RunsNews::AllRead { .. }));
        let folder = bed.dir.ancestors().nth(2).unwrap().join("later_1");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("session.json"), "{}").unwrap();
        let key = Key::Older("later_1".into());
        news(&|news| matches!(news, RunsNews::Rows(rows) if rows.iter().any(|row| row.key == key)));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            news(&|news| matches!(news, RunsNews::Gone(_))),
            RunsNews::Gone(vec![Key::Older("later_1".into())])
        );
    }

    #[test]
    fn a_damaged_run_says_why_it_is_not_resumed_and_one_that_cannot_be_read_is_counted_once() {
        let bed = bed(0);
        let journal = bed.dir.join("events.jsonl");
        let whole = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, whole.split_inclusive('\n').next().unwrap()).unwrap();
        fs::create_dir(bed.dir.with_file_name("run_20200102_030405_0badcafe")).unwrap();
        let (tell, told) = channel();
        let _reader = start(bed.store.clone(), false, tell).unwrap();
        let mut rows = Vec::new();
        loop {
            match told.recv_timeout(Duration::from_secs(20)).unwrap() {
                Message::Runs(RunsNews::Rows(more)) => rows.extend(more),
                Message::Runs(RunsNews::AllRead { unreadable }) => {
                    assert_eq!(unreadable, 1);
                    break;
                }
                _ => {}
            }
        }
        let unreadable = || loop {
            if let Message::Runs(RunsNews::AllRead { unreadable }) =
                told.recv_timeout(Duration::from_secs(60)).unwrap()
            {
                return unreadable;
            }
        };
        fs::write(bed.dir.with_file_name("notes.txt"), "mine").unwrap();
        fs::create_dir(bed.dir.with_file_name("my-runs")).unwrap();
        let all = bed.store.list(None, Utc::now()).unwrap();
        let as_listed = all
            .problems
            .iter()
            .filter(|problem| problem.path != bed.dir)
            .count();
        assert_eq!(unreadable(), as_listed, "as many as `list` tells");
        fs::remove_dir(bed.dir.with_file_name("run_20200102_030405_0badcafe")).unwrap();
        assert_eq!(unreadable(), as_listed - 1);
        let [row] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        let Stand::Over(over) = &row.stand else {
            panic!("{row:?}")
        };
        let refused = over.refused.unwrap();
        assert!(refused.words.starts_with("its journal is damaged"), "{refused:?}");
        assert_eq!(over.cause.as_deref(), Some(refused.words));
    }
}
