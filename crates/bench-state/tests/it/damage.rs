//! Damaged, foreign, newer and missing files: one bad thing stays small, and nothing is made worse.

use std::fs;

use bench_state::{Standing, StateError};
use chrono::TimeDelta;

use crate::job::{Bed, at, now, told};

/// Every message of a listing, without paths that differ.
pub(crate) fn problems(bed: &Bed) -> Vec<String> {
    let listing = bed.store.list(None, now()).unwrap();
    let root = bed.store.root().display().to_string();
    let mut told: Vec<String> = listing
        .problems
        .iter()
        .map(|problem| problem.to_string().replace(&root, "ROOT"))
        .collect();
    told.sort();
    told
}

#[test]
fn bad_folders_do_not_hide_good_runs() {
    let bed = Bed::new();
    let good = [
        bed.finished(at("2026-01-01T00:00:00Z")),
        bed.finished(at("2026-01-09T00:00:00Z")),
    ];
    let runs = bed.store.root().join("runs");
    fs::create_dir(runs.join("run_20260105_000000_00000000")).unwrap();
    fs::create_dir(runs.join("holiday pictures")).unwrap();
    fs::write(runs.join("notes.txt"), "x").unwrap();
    fs::write(runs.join("run_20260106_000000_00000000"), "a file").unwrap();
    fs::create_dir(runs.join(".hidden")).unwrap();
    let broken = bed.finished(at("2026-01-04T00:00:00Z"));
    for file in ["state.json", "plan.json"] {
        fs::write(bed.dir(&broken).join(file), "").unwrap();
    }
    let renamed = runs.join("run_20260103_000000_00000000");
    fs::rename(bed.dir(&bed.finished(at("2026-01-03T00:00:00Z"))), renamed).unwrap();

    let listing = bed.store.list(None, now()).unwrap();
    let shown: Vec<_> = listing.runs.iter().map(|run| run.state.id.clone()).collect();
    assert_eq!(shown, [good[1].clone(), good[0].clone()]);
    let told = problems(&bed).join("\n").replace(broken.as_str(), "BROKEN");
    let belongs = told
        .split("belongs to `")
        .nth(1)
        .unwrap()
        .split('`')
        .next()
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(told.replace(&belongs, "ANOTHER"), @"
    `ROOT/runs/holiday pictures` is not a run folder; it is left alone
    `ROOT/runs/notes.txt` is not a run folder; it is left alone
    `ROOT/runs/run_20260103_000000_00000000/state.json` contradicts itself: it belongs to `ANOTHER`; was the folder renamed or copied?
    `ROOT/runs/BROKEN/plan.json` is not readable as JSON of the expected shape
    cannot open `ROOT/runs/run_20260106_000000_00000000/state.json`
    cannot read `ROOT/runs/run_20260105_000000_00000000/plan.json`
    ");
    assert!(
        bed.dir(&broken).join("state.json").exists(),
        "what cannot be rebuilt is left where it is"
    );
}

#[test]
fn an_unreadable_state_is_rebuilt_and_kept() {
    for damage in ["", "{", "\0\0\0\0", "[]", "null", r#"{"format": 1}"#] {
        let bed = Bed::new();
        let run = bed.finished(now());
        let path = bed.dir(&run).join("state.json");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, damage).unwrap();
        let listing = bed.store.list(None, now()).unwrap();
        assert!(
            matches!(listing.problems[0].error, StateError::Rebuilt { .. }),
            "{:?}",
            listing.problems
        );
        assert_eq!(told(&listing.runs[0]), "completed 2/3");
        assert_eq!(fs::read_to_string(&path).unwrap(), before, "{damage:?}");
        assert_eq!(
            fs::read_to_string(bed.dir(&run).join("state.json.corrupt-1")).unwrap(),
            damage
        );
        assert_eq!(problems(&bed), Vec::<String>::new(), "once is enough");
    }
}

#[test]
fn a_state_that_contradicts_itself_is_rebuilt_too() {
    let bed = Bed::new();
    let run = bed.finished(now());
    bed.edit(
        &run,
        "state.json",
        r#""completed_at": "2026-01-02T03:04:05.678Z""#,
        r#""completed_at": null"#,
    );
    let listing = bed.store.list(None, now()).unwrap();
    assert_eq!(told(&listing.runs[0]), "completed 2/3");
    assert!(
        listing.problems[0]
            .to_string()
            .contains("status `completed` without `completed_at`")
    );
}

#[test]
fn a_missing_state_of_a_live_run_is_rebuilt_and_the_worker_does_not_notice() {
    let bed = Bed::new();
    let run = bed.start();
    run.record(crate::job::packed(1), now()).unwrap();
    fs::remove_file(run.dir().join("state.json")).unwrap();
    let listing = bed.store.list(None, now()).unwrap();
    assert_eq!(told(&listing.runs[0]), "running 1/3");
    fs::write(run.dir().join("state.json"), "torn by hand").unwrap();
    run.snapshot(now()).unwrap();
    run.finish(bench_state::Ending::Completed, now()).unwrap();
    assert_eq!(told(&bed.only()), "completed 1/3");
}

#[test]
fn an_orphan_is_ended_even_without_its_plan_or_journal() {
    for file in ["plan.json", "events.jsonl", "session.json"] {
        let bed = Bed::new();
        let run = bed.orphan();
        fs::remove_file(bed.dir(&run).join(file)).unwrap();
        let listing = bed.store.list(None, now()).unwrap();
        assert_eq!(listing.runs[0].state.status.word(), "failed", "{file}");
        let told = fs::read_to_string(bed.dir(&run).join("state.json")).unwrap();
        assert!(told.contains("worker_lost"), "{file}: {told}");
    }
}

/// Too many open files, for example: the reader cannot look, another one will.
#[test]
fn what_cannot_be_read_for_the_moment_is_not_forgotten_for_ever() {
    let bed = Bed::new();
    let run = bed.orphan();
    let (journal, aside) = (bed.dir(&run).join("events.jsonl"), bed.folder().join("aside"));
    let before = fs::read(bed.dir(&run).join("state.json")).unwrap();
    fs::rename(&journal, &aside).unwrap();
    fs::create_dir(&journal).unwrap();
    let listing = bed.store.list(None, now()).unwrap();
    assert_eq!(listing.runs[0].state.status.word(), "failed", "told as over");
    assert_eq!(listing.problems.len(), 1, "{:?}", listing.problems);
    assert_eq!(
        fs::read(bed.dir(&run).join("state.json")).unwrap(),
        before,
        "but not stored"
    );
    fs::remove_dir(&journal).unwrap();
    fs::rename(&aside, &journal).unwrap();
    let recorded = bed.view(&run).events().unwrap().count();
    assert!(recorded > 0);
    assert_eq!(bed.only().state.progress.packed as usize, recorded);
}

/// Between finding a run and reading its files.
#[test]
fn a_run_that_was_removed_since_it_was_read_is_no_run() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let view = bed.view(&run);
    fs::remove_dir_all(bed.dir(&run)).unwrap();
    for error in [
        view.plan().map(drop).unwrap_err(),
        view.check_plan().unwrap_err(),
        view.session().map(drop).unwrap_err(),
        view.events().map(drop).unwrap_err(),
        view.items().map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, StateError::UnknownRun { .. }), "{error}");
        assert!(
            error.to_string().starts_with(&format!("no run `{run}` in ")),
            "{error}"
        );
    }
}

#[test]
fn a_newer_format_is_read_as_far_as_possible_and_never_written() {
    let bed = Bed::new();
    let run = bed.orphan();
    bed.edit(
        &run,
        "state.json",
        r#""format": 1"#,
        r#""format": 2, "mood": "sunny""#,
    );
    let path = bed.dir(&run).join("state.json");
    let before = fs::read(&path).unwrap();
    let listing = bed.store.list(None, now()).unwrap();
    assert!(told(&listing.runs[0]).starts_with("failed 2/3 worker_lost"));
    assert!(matches!(
        listing.problems[0].error,
        StateError::NewerFormat {
            found: 2,
            known: 1,
            ..
        }
    ));

    bed.edit(&run, "state.json", r#""progress""#, r#""progress_but_better""#);
    let changed = fs::read(&path).unwrap();
    assert!(before != changed);
    let listing = bed.store.list(None, now()).unwrap();
    assert!(listing.runs.is_empty());
    assert!(matches!(
        listing.problems[0].error,
        StateError::NewerFormat { found: 2, .. }
    ));
    assert_eq!(fs::read(&path).unwrap(), changed);
    assert!(!bed.dir(&run).join("state.json.corrupt-1").exists());
}

#[test]
fn a_run_of_another_machine_is_judged_by_its_heartbeat_and_never_ended() {
    let bed = Bed::new();
    let run = bed.orphan();
    let state = fs::read_to_string(bed.dir(&run).join("state.json")).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    state["worker"]["host"] = "elsewhere".into();
    state["worker"]["boot_id"] = "another boot".into();
    let path = bed.dir(&run).join("state.json");
    fs::write(&path, state.to_string()).unwrap();
    let beat = now() + TimeDelta::hours(1);
    fs::File::open(bed.dir(&run).join("lease.lock"))
        .unwrap()
        .set_modified(beat.into())
        .unwrap();

    let standing = |seconds| {
        let listing = bed.store.list(None, beat + TimeDelta::seconds(seconds)).unwrap();
        assert_eq!(listing.runs[0].heartbeat_at, Some(beat));
        assert_eq!(told(&listing.runs[0]), "running 2/3");
        listing.runs[0].standing
    };
    assert_eq!(standing(59), Standing::Alive);
    assert_eq!(
        standing(60),
        Standing::Unknown {
            silent_for: Some(TimeDelta::seconds(60))
        }
    );
    assert_eq!(
        standing(1_000_000),
        Standing::Unknown {
            silent_for: Some(TimeDelta::seconds(1_000_000))
        }
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), state.to_string());
}

#[test]
fn a_reboot_is_told_apart_from_a_lost_worker() {
    let bed = Bed::new();
    let run = bed.orphan();
    let path = bed.dir(&run).join("state.json");
    let mut state: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    state["worker"]["boot_id"] = "another boot".into();
    fs::write(&path, state.to_string()).unwrap();
    assert!(told(&bed.only()).starts_with("failed 2/3 rebooted: the machine was restarted"));
}

#[test]
fn the_pid_of_a_living_process_keeps_no_run_alive() {
    // The copy names this very process, same pid, same boot, same start: only the lease tells that it is not its run.
    let bed = Bed::new();
    let run = bed.orphan();
    let worker = bed.view(&run).summary().state.worker.clone().unwrap();
    assert_eq!(worker.pid, std::process::id());
    assert!(told(&bed.only()).starts_with("failed 2/3 worker_lost"));
}

#[test]
fn a_run_whose_lease_file_was_deleted_is_unknown_rather_than_dead() {
    let bed = Bed::new();
    let run = bed.start();
    fs::remove_file(run.dir().join("lease.lock")).unwrap();
    let much_later = now() + TimeDelta::days(2);
    let listing = bed.store.list(None, much_later).unwrap();
    assert_eq!(
        listing.runs[0].standing,
        Standing::Unknown {
            silent_for: Some(TimeDelta::days(2))
        }
    );
    assert_eq!(listing.runs[0].state.status.word(), "running");
    run.finish(bench_state::Ending::Completed, much_later).unwrap();
    assert_eq!(told(&bed.only()), "completed 0/3");
}

#[test]
fn a_run_that_is_removed_under_its_worker_gives_errors_with_paths() {
    let bed = Bed::new();
    let run = bed.start();
    fs::remove_dir_all(run.dir()).unwrap();
    let error = run
        .put_item(&crate::job::id("one"), &String::new())
        .unwrap_err()
        .to_string();
    let dir = run.dir().display().to_string();
    assert!(
        error.starts_with(&format!("`{dir}` is not there any more")),
        "{error}"
    );
    assert!(bed.store.list(None, now()).unwrap().problems.is_empty());
    let error = bed.store.read(run.id(), now()).unwrap_err();
    assert!(matches!(error, StateError::UnknownRun { .. }), "{error}");
    assert!(run.finish(bench_state::Ending::Completed, now()).is_err());
}

/// What nobody writes there, but somebody's backup, script or malice may: none of it may keep a reader waiting.
#[cfg(unix)]
#[test]
fn pipes_devices_and_huge_files_in_place_of_a_runs_files_keep_nobody() {
    type Put<'a> = &'a dyn Fn(&std::path::Path);
    let pipe = |path: &std::path::Path| {
        fs::remove_file(path).ok();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let zeros = |path: &std::path::Path| {
        fs::remove_file(path).ok();
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    };
    let huge = |path: &std::path::Path| {
        let file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        file.unwrap().set_len(1 << 40).unwrap();
    };
    let kinds: [(&str, Put<'_>); 3] = [("pipe", &pipe), ("zeros", &zeros), ("huge", &huge)];
    for (kind, put) in kinds {
        for file in [
            "state.json",
            "session.json",
            "plan.json",
            "events.jsonl",
            "lease.lock",
            "state.lock",
        ] {
            // Through a huge journal one would go for minutes; each of its lines is bounded.
            if kind == "huge" && file == "events.jsonl" {
                continue;
            }
            let bed = Bed::new();
            let bad = bed.orphan();
            let good = bed.finished(at("2026-01-04T00:00:00Z"));
            put(&bed.dir(&bad).join(file));
            for _ in 0..2 {
                let listing = bed.store.list(None, now()).unwrap();
                assert!(
                    listing.runs.iter().any(|run| run.state.id == good),
                    "{kind} {file}"
                );
                let shown = listing.runs.iter().any(|run| run.state.id == bad);
                assert!(shown || !listing.problems.is_empty(), "{kind} {file}");
            }
            if let Ok(view) = bed.store.read(&bad, now()) {
                view.plan().ok();
                view.session().ok();
                view.events().map(Iterator::count).ok();
            }
            bed.store.plan_cleanup(now(), TimeDelta::hours(1)).unwrap();
            bed.store.resume(&bad, now()).map(drop).ok();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_state_is_named_and_put_aside() {
    let bed = Bed::new();
    let run = bed.finished(at("2026-01-04T00:00:00Z"));
    let path = bed.dir(&run).join("state.json");
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let told = problems(&bed).join("\n").replace(run.as_str(), "RUN");
    insta::assert_snapshot!(told, @"`ROOT/runs/RUN/state.json` was unreadable (`ROOT/runs/RUN/state.json` is no ordinary file, but a pipe or a device) and was rebuilt from plan and journal; the old one is kept as `ROOT/runs/RUN/state.json.corrupt-1`");
    assert!(path.is_file());
    assert_eq!(bed.store.list(None, now()).unwrap().problems.len(), 0);
}
