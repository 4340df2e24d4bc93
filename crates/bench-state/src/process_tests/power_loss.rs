//! Power cuts at every step of every script, on the disk of `disk`; `inspection` says what must be true afterwards.
//!
//! A script is run once by child processes that write their steps down; killed ones too, since what they had not
//! synced is still seen by the next process, and lost all the same when the power goes. Then, for each step, the
//! states a power cut may leave behind it are laid out as real folders, and the real store is asked about them. What
//! a real file system does is tried in `real_disk`.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;

use super::disk::{Disk, Tree, choices};
use super::inspection::inspect;
use super::{
    Label, Planned, acknowledge, arm, child, folder, later_life, now, ordered_death, ordered_folder, store,
    tell, told, was_killed_as, work, write_down,
};
use crate::CancelReason;
use crate::durable::{
    self,
    crash::{Traced, read_trace},
};

/// States of one step to try at most; where there are more, these are a sample.
const STATES_OF_A_STEP: usize = 200;

#[test]
#[ignore = "the child of other tests"]
fn child_cancels() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let run = store
        .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
        .unwrap();
    acknowledge(&folder, "created");
    work(&run, "a", &folder);
    store
        .request_cancel(run.id(), CancelReason::Requested, now())
        .unwrap();
    acknowledge(&folder, "cancelled");
    // Dies as by `kill -9`: nobody ends the run.
    let (_shared, lease) = run.split().0.hand_over();
    drop(lease);
}

#[test]
#[ignore = "the child of other tests"]
fn child_damages() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let state = store.dirs().run(&store.resolve("latest").unwrap()).state();
    durable::replace(&state, b"{\"format\":").unwrap();
}

/// Its orders to die are for the worker that it launches.
#[test]
#[ignore = "the child of other tests"]
fn child_launches_in_vain() {
    let folder = ordered_folder();
    write_down();
    let store = store(&folder);
    let run = store
        .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
        .unwrap();
    acknowledge(&folder, "created");
    let worker = child("later_life::child_adopts", &folder, ordered_death());
    run.launch(worker, now()).unwrap_err();
    for run in store.list(None, now()).unwrap().runs {
        acknowledge(&folder, &told(&run));
    }
}

/// A child and the step at which it is killed.
type Told<'a> = (&'a str, u64);

const ALIVE: u64 = u64::MAX;

/// What children do one after the other on one disk.
#[derive(Default)]
struct Script<'a> {
    /// Leave the disk as it is when the script begins, unsynced changes and all.
    before: &'a [Told<'a>],
    /// Changes it once more, from outside. What is there then is there for certain.
    prepare: Option<fn(&Path)>,
    /// What the checks must know about that.
    noted: &'a [&'a str],
    /// Do what power cuts come into.
    then: &'a [Told<'a>],
}

/// How much was tried.
#[derive(Default)]
struct Figures {
    cuts: usize,
    states: usize,
    different: usize,
}

impl Script<'_> {
    /// Runs the children, then cuts the power before each of their steps and after the last.
    fn try_it(&self, figures: &mut Figures) {
        let home = folder();
        let (root, trace) = (home.path().join("disk"), home.path().join("trace"));
        fs::create_dir(&root).unwrap();
        let mut disk = Disk::holding(&root);
        let run = |children: &[Told<'_>]| {
            for (test, fatal) in children {
                let mut command = child(test, &root, *fatal);
                command.env(super::TRACE, &trace);
                was_killed_as(command, test);
            }
            read_trace(&trace)
        };
        let before = run(self.before);
        match self.prepare {
            Some(prepare) => {
                prepare(&root);
                disk = Disk::holding(&root);
            }
            None => before.iter().for_each(|step| disk.take_in(step)),
        }
        self.cut(&mut disk, &run(self.then), before.len(), figures);
    }

    fn cut(&self, disk: &mut Disk, steps: &[Traced], from: usize, figures: &mut Figures) {
        let mut seen = HashSet::new();
        for at in from..=steps.len() {
            figures.cuts += 1;
            let promises = self.promises(&steps[..at]);
            for choice in choices(&disk.ways(), STATES_OF_A_STEP) {
                figures.states += 1;
                let tree = disk.after(&choice);
                let mut hasher = DefaultHasher::new();
                (&tree, &promises).hash(&mut hasher);
                if seen.insert(hasher.finish()) {
                    figures.different += 1;
                    let next = steps.get(at);
                    let done = (self.before, self.then);
                    boot(
                        &tree,
                        &promises,
                        &format!("{done:?}, cut at {at} {next:?}, {choice:?}"),
                    );
                }
            }
            if let Some(step) = steps.get(at) {
                disk.take_in(step);
            }
        }
    }

    fn promises<'a>(&'a self, steps: &'a [Traced]) -> Vec<&'a str> {
        let told = steps.iter().filter_map(|step| match step {
            Traced::Promised(what) => Some(what.as_str()),
            _ => None,
        });
        self.noted.iter().copied().chain(told).collect()
    }
}

/// The machine is up again, and somebody looks.
fn boot(tree: &Tree, promises: &[&str], place: &str) {
    let folder = folder();
    for (path, content) in tree {
        let path = folder.path().join(path);
        // Promises are kept in their order, outside of what the power cut is about.
        if path.ends_with("promised") {
            continue;
        }
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None if path.is_dir() => {}
            None => fs::create_dir(&path).unwrap(),
        }
    }
    for promise in promises {
        acknowledge(folder.path(), promise);
    }
    inspect(folder.path(), place);
}

/// The steps of a worker at which it has written to its journal, and not yet synced it.
fn journal_unsynced() -> Vec<u64> {
    let home = folder();
    let trace = home.path().join("trace");
    let mut command = child("child_works", home.path(), ALIVE);
    command.env(super::TRACE, &trace);
    was_killed_as(command, "child_works");
    let mut steps = read_trace(&trace);
    steps.retain(|step| !matches!(step, Traced::Promised(_)));
    let unsynced = |step: &Traced| matches!(step, Traced::SyncFile(path) if path.ends_with("events.jsonl"));
    (0..)
        .zip(&steps)
        .filter(|(_, step)| unsynced(step))
        .map(|(at, _)| at)
        .collect()
}

fn try_all<'a>(of: &str, scripts: impl IntoIterator<Item = Script<'a>>) {
    let mut figures = Figures::default();
    for script in scripts {
        script.try_it(&mut figures);
    }
    let Figures {
        cuts,
        states,
        different,
    } = figures;
    tell(&format!(
        "power cut while {of}: {cuts} points, {states} states of the disk, {different} different ones, no violation"
    ));
    assert!(different >= cuts, "too few states to have tried anything");
}

#[test]
fn the_power_goes_while_a_run_is_created_recorded_cancelled_and_finished() {
    let scripts = ["child_works", "power_loss::child_cancels"].map(|child| [(child, ALIVE)]);
    try_all(
        "working",
        scripts.each_ref().map(|then| Script {
            then,
            ..Script::default()
        }),
    );
}

#[test]
fn the_power_goes_while_the_work_of_a_killed_worker_is_settled() {
    let deaths = (20..110).step_by(6).chain(journal_unsynced());
    let workers: Vec<_> = deaths.map(|fatal| [("child_works", fatal)]).collect();
    let then = &[("child_lists", ALIVE)];
    try_all(
        "settling",
        workers.iter().map(|before| Script {
            before,
            then,
            ..Script::default()
        }),
    );
}

#[test]
fn the_power_goes_while_a_run_is_resumed() {
    let torn = |root: &Path| {
        let store = store(root);
        let journal = store.dirs().run(&store.resolve("latest").unwrap()).journal();
        let mut file = fs::File::options().append(true).open(journal).unwrap();
        file.write_all(b"{\"seq\":").unwrap();
    };
    let then = &[("later_life::child_resumes", ALIVE)];
    let fatal = journal_unsynced()[2];
    let killed = [("child_works", fatal)];
    let settled = [("child_works", fatal), ("child_lists", ALIVE)];
    let finished = [("child_works", ALIVE)];
    let resumed = [("child_works", fatal), ("later_life::child_resumes", 12)];
    let all = [&killed[..], &settled[..], &finished[..], &resumed[..]];
    let scripts = all.map(|before| Script {
        before,
        then,
        ..Script::default()
    });
    let cut = Script {
        before: &killed,
        prepare: Some(torn),
        then,
        ..Script::default()
    };
    try_all("resuming", scripts.into_iter().chain([cut]));
}

#[test]
fn the_power_goes_while_something_is_added_to_a_run_that_is_over() {
    let finished = [("child_works", ALIVE)];
    let settled = [("child_works", 70), ("child_lists", ALIVE)];
    let added = [("child_works", ALIVE), ("later_life::child_adds", ALIVE)];
    let torn = [("child_works", ALIVE), ("later_life::child_adds", 2)];
    let then = &[("later_life::child_adds", ALIVE)];
    let all = [&finished[..], &settled[..], &added[..], &torn[..]];
    try_all(
        "adding",
        all.map(|before| Script {
            before,
            noted: &["adding"],
            then,
            ..Script::default()
        }),
    );
}

#[test]
fn the_power_goes_while_a_run_is_handed_over() {
    let launched = [[("later_life::child_launches", ALIVE)]];
    // Up to the one in which the worker would show that it has adopted.
    let in_vain = [1, 5].map(|fatal| [("power_loss::child_launches_in_vain", fatal)]);
    let scripts = launched.iter().chain(&in_vain);
    try_all(
        "handing over",
        scripts.map(|then| Script {
            then,
            ..Script::default()
        }),
    );
}

#[test]
fn the_power_goes_while_runs_are_pruned() {
    let before = &[("child_works", ALIVE), ("child_works", 70)];
    let then = &[("later_life::child_prunes", ALIVE)];
    try_all(
        "pruning",
        [Script {
            before,
            then,
            ..Script::default()
        }],
    );
}

#[test]
fn the_power_goes_during_a_cleanup() {
    let before = &[("child_works", 70), ("child_works", 25)];
    let then = &[("later_life::child_cleans", ALIVE)];
    let prepare = Some(later_life::old_run as fn(&Path));
    try_all(
        "cleaning up",
        [Script {
            before,
            prepare,
            then,
            ..Script::default()
        }],
    );
}

#[test]
fn the_power_goes_while_a_damaged_state_is_repaired() {
    let damage = ("power_loss::child_damages", ALIVE);
    let then = &[("child_lists", ALIVE)];
    // The first time, there is no run yet.
    let deaths = journal_unsynced().into_iter().skip(1).chain([ALIVE]);
    let dead: Vec<_> = deaths.map(|fatal| [("child_works", fatal), damage]).collect();
    let scripts = dead.iter().map(|before| Script {
        before,
        noted: &["damaged"],
        then,
        ..Script::default()
    });
    try_all("repairing", scripts);
}

#[test]
fn the_power_goes_while_lost_markers_are_made_anew() {
    let lose = |root: &Path| fs::remove_dir_all(store(root).dirs().active()).unwrap();
    let before = &[("child_works", 70)];
    let then = &[("child_works", ALIVE)];
    try_all(
        "marking",
        [Script {
            before,
            prepare: Some(lose),
            then,
            ..Script::default()
        }],
    );
}
