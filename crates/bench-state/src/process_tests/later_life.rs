//! Death before every disk operation of what comes after an ordinary life: resuming, handing over, cleaning up, pruning.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Label, Named, Planned, acknowledge, arm, child, folder, now, ordered_folder, promised, store, tell_kills,
    was_killed, work,
};
use crate::Ending;

#[test]
#[ignore = "the child of other tests"]
fn child_resumes() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let id = store.resolve("latest").unwrap();
    acknowledge(&folder, "reopened");
    let run = store.resume(&id, now()).unwrap();
    work(&run, "d", &folder);
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished again");
}

#[test]
#[ignore = "the child of other tests"]
fn child_adopts() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let run = store.adopt(&store.resolve("latest").unwrap(), now()).unwrap();
    acknowledge(&folder, "adopted");
    work(&run, "a", &folder);
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished");
}

#[test]
#[ignore = "the child of other tests"]
fn child_launches() {
    let folder = ordered_folder();
    arm();
    let run = store(&folder)
        .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
        .unwrap();
    acknowledge(&folder, "created");
    let mut launched = run
        .launch(child("later_life::child_adopts", &folder, u64::MAX), now())
        .unwrap();
    acknowledge(&folder, "launched");
    launched.child.wait().unwrap();
}

#[test]
#[ignore = "the child of other tests"]
fn child_cleans() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    acknowledge(&folder, "cleaning");
    let applied = store
        .apply(&store.plan_cleanup(later(), TimeDelta::hours(1)).unwrap())
        .unwrap();
    assert!(applied.problems.is_empty(), "{applied:?}");
}

#[test]
#[ignore = "the child of other tests"]
fn child_prunes() {
    let folder = ordered_folder();
    arm();
    acknowledge(&folder, "pruning");
    let pruned = store(&folder)
        .prune(TimeDelta::hours(1), 0, false, later())
        .unwrap();
    assert!(pruned.problems.is_empty(), "{pruned:?}");
}

#[test]
#[ignore = "the child of other tests"]
fn child_adds() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let id = store.resolve("latest").unwrap();
    store.add_after_end(&id, &[(afterwards(), later())]).unwrap();
    acknowledge(&folder, "added");
}

fn afterwards() -> Named {
    let name = "z".to_owned();
    Named { name }
}

/// A run of the old tool that its worker left behind.
pub(super) const OLD_RUN: &str = "results/background_runs/bg_20251028_210801_aa84f604/state.json";

pub(super) fn old_run(folder: &Path) {
    let old = folder.join(OLD_RUN);
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, r#"{"status": "running", "completed_at": null}"#).unwrap();
}

/// Long after everything that happens here, by the clock of the file system.
fn later() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(3)
}

#[test]
fn killed_at_any_operation_of_a_resume_the_run_is_over_whole_and_can_be_resumed_again() {
    // From a run that was killed in its middle, with a torn end, and from one that finished.
    let mut kills = 0;
    for (worker_fatal, torn) in [(45, true), (u64::MAX, false)] {
        for fatal in 0.. {
            let folder = folder();
            was_killed("child_works", folder.path(), worker_fatal);
            let store = store(folder.path());
            let id = store.resolve("latest").unwrap();
            let before = store.read(&id, now()).unwrap().summary().state.progress.done;
            if torn {
                let journal = store.dirs().run(&id).journal();
                let mut file = fs::OpenOptions::new().append(true).open(journal).unwrap();
                file.write_all(b"{\"seq\":").unwrap();
            }
            let killed = was_killed("later_life::child_resumes", folder.path(), fatal);
            let place = format!("operation {fatal} after {worker_fatal}");

            let listing = store.list(None, now()).unwrap();
            assert!(listing.problems.is_empty(), "{place}: {:?}", listing.problems);
            let state = &listing.runs[0].state;
            assert!(state.status.is_over(), "{place}: still running");
            let names = store.read(&id, now()).unwrap().session().unwrap().names;
            assert_eq!(names.len(), state.progress.done as usize, "{place}: {names:?}");
            let resumed = names.iter().filter(|name| *name == "d").count();
            assert_eq!(names.len() - resumed, before as usize, "{place}: {names:?}");
            assert!(resumed == 1 || !promised(folder.path(), "d"), "{place}: lost");
            let done_again = promised(folder.path(), "finished again");
            assert!(
                !done_again || (state.status.ending() == Some(&Ending::Completed) && state.generation == 2)
            );

            let run = store.resume(&id, now()).unwrap();
            run.record(Named { name: "e".to_owned() }, now()).unwrap();
            let finished = run.finish(Ending::Completed, now()).unwrap();
            assert_eq!(finished.session.names.len(), names.len() + 1, "{place}");
            assert!(store.read(&id, now()).unwrap().problems().is_empty(), "{place}");
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    tell_kills("resuming", kills);
}

#[test]
fn killed_at_any_operation_before_during_or_after_its_adoption_a_run_is_over() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        let store = store(folder.path());
        let run = store
            .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
            .unwrap();
        let id = run.id().clone();
        let launched = run.launch(child("later_life::child_adopts", folder.path(), fatal), now());
        let adopted = launched.is_ok();
        if let Ok(mut launched) = launched {
            launched.child.wait().unwrap();
        }
        let place = format!("operation {fatal}");
        let over = store.wait_over(&id, Duration::from_mins(1), now()).unwrap();
        let state = over.expect("over").state;
        assert!(
            adopted || !promised(folder.path(), "adopted"),
            "{place}: a worker was taken for dead"
        );
        assert!(
            state.progress.done == 1 || !promised(folder.path(), "a"),
            "{place}: lost"
        );
        let cause = match state.status.ending() {
            Some(Ending::Failed { cause }) => cause.kind.code(),
            _ => "none",
        };
        if promised(folder.path(), "finished") {
            assert_eq!(state.status.ending(), Some(&Ending::Completed), "{place}");
            break;
        }
        // The ending may have reached the journal although the worker could not say so.
        let expected: &[&str] = if adopted {
            &["worker_lost", "none"]
        } else {
            &["launch", "worker_lost"]
        };
        assert!(expected.contains(&cause), "{place}: {:?}", state.status);
        fatal += 1;
    }
    tell_kills("adopting", fatal);
}

#[test]
fn a_launcher_killed_at_any_operation_leaves_a_run_that_ends() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        let killed = was_killed("later_life::child_launches", folder.path(), fatal);
        let store = store(folder.path());
        if let Ok(id) = store.resolve("latest") {
            let over = store.wait_over(&id, Duration::from_mins(1), now()).unwrap();
            assert!(over.is_some(), "operation {fatal}");
        } else {
            assert!(!promised(folder.path(), "created"), "operation {fatal}: lost");
        }
        if !killed {
            assert!(promised(folder.path(), "launched"));
            break;
        }
        fatal += 1;
    }
    tell_kills("launching", fatal);
}

#[test]
fn killed_at_any_operation_of_a_cleanup_the_next_one_finishes_it() {
    let mut kills = 0;
    // An orphan, a folder that never became a run, and a run that the worker ended.
    for worker_fatal in [45, 20, u64::MAX] {
        for fatal in 0.. {
            let folder = folder();
            was_killed("child_works", folder.path(), worker_fatal);
            was_killed("child_works", folder.path(), 30);
            old_run(folder.path());
            let old = folder.path().join(OLD_RUN);
            let killed = was_killed("later_life::child_cleans", folder.path(), fatal);
            if killed && fatal % 2 == 0 {
                was_killed("later_life::child_cleans", folder.path(), fatal / 2);
            }
            let place = format!("operation {fatal} after {worker_fatal}");

            let text = fs::read_to_string(&old).unwrap();
            let row: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                row["status"] == "failed",
                row["completed_at"].is_string(),
                "{place}: {text}"
            );
            let store = store(folder.path());
            for run in store.list_without_settling(None, now()).unwrap().runs {
                assert_eq!(
                    run.state.status.is_over(),
                    run.state.status.completed_at().is_some()
                );
            }
            let plan = store.plan_cleanup(later(), TimeDelta::hours(1)).unwrap();
            assert!(store.apply(&plan).unwrap().problems.is_empty(), "{place}");
            let plan = store.plan_cleanup(later(), TimeDelta::hours(1)).unwrap();
            assert!(
                plan.rows.is_empty() && plan.leftovers.is_empty(),
                "{place}: {plan:?}"
            );
            let listing = store.list(None, now()).unwrap();
            assert!(listing.problems.is_empty() && listing.runs.iter().all(|run| run.state.status.is_over()));
            assert!(store.unfinished(now()).unwrap().runs.is_empty());
            assert_eq!(
                fs::read_dir(store.dirs().active()).unwrap().count(),
                0,
                "{place}: a marker stayed"
            );
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    tell_kills("cleaning up", kills);
}

#[test]
fn killed_at_any_operation_of_a_pruning_a_run_is_whole_or_gone() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        was_killed("child_works", folder.path(), u64::MAX);
        was_killed("child_works", folder.path(), 45);
        let killed = was_killed("later_life::child_prunes", folder.path(), fatal);
        let store = store(folder.path());
        let listing = store.list(None, now()).unwrap();
        assert!(
            listing.problems.is_empty(),
            "operation {fatal}: {:?}",
            listing.problems
        );
        for run in &listing.runs {
            let view = store.read(&run.state.id, now()).unwrap();
            assert_eq!(
                view.session().unwrap().names.len(),
                run.state.progress.done as usize
            );
            assert!(
                view.items().unwrap().len() >= run.state.progress.done as usize,
                "operation {fatal}"
            );
        }
        assert!(
            store
                .prune(TimeDelta::hours(1), 0, false, later())
                .unwrap()
                .problems
                .is_empty()
        );
        assert!(
            store.list(None, now()).unwrap().runs.is_empty(),
            "operation {fatal}"
        );
        assert_eq!(
            fs::read_dir(store.dirs().trash()).unwrap().count(),
            0,
            "operation {fatal}"
        );
        if !killed {
            assert!(listing.runs.is_empty());
            break;
        }
        fatal += 1;
    }
    tell_kills("pruning", fatal);
}

#[test]
fn killed_while_something_is_added_after_its_end_a_run_is_over_as_before() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        was_killed("child_works", folder.path(), u64::MAX);
        let store = store(folder.path());
        let id = store.resolve("latest").unwrap();
        let read = || {
            let view = store.read(&id, now()).unwrap();
            assert!(
                view.problems().is_empty(),
                "operation {fatal}: {:?}",
                view.problems()
            );
            let state = &view.summary().state;
            let names = view.session().unwrap().names;
            (
                state.status.clone(),
                state.generation,
                names,
                state.progress.done as usize,
            )
        };
        let (status, generation, names, done) = read();
        let killed = was_killed("later_life::child_adds", folder.path(), fatal);
        let seen = read();
        assert_eq!((&seen.0, seen.1), (&status, generation), "operation {fatal}");
        let with = [names.clone(), vec![afterwards().name]].concat();
        assert!(
            seen.2 == with || seen.2 == names && killed,
            "operation {fatal}: {:?}",
            seen.2
        );
        assert!(
            seen.2 == with || !promised(folder.path(), "added"),
            "operation {fatal}"
        );
        // The counters may lag by what the caller was not told to be recorded.
        assert!(
            seen.3 == seen.2.len() || seen.3 == done && killed,
            "operation {fatal}"
        );
        // Whoever is not sure that it was recorded records it again.
        store.add_after_end(&id, &[(afterwards(), later())]).unwrap();
        let again = read();
        assert_eq!((&again.0, again.1), (&status, generation), "operation {fatal}");
        assert_eq!(again.2.last(), Some(&afterwards().name), "operation {fatal}");
        assert_eq!(again.3, again.2.len(), "operation {fatal}");
        store
            .resume(&id, now())
            .unwrap()
            .finish(Ending::Completed, now())
            .unwrap();
        if !killed {
            break;
        }
        fatal += 1;
    }
    tell_kills("adding after the end", fatal);
}
