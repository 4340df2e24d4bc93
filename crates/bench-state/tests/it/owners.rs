//! Root looks at somebody's runs, settles them, continues them: they stay that somebody's, every file of them. Needs
//! root; elsewhere these tests say that they tried nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench_state::{Ending, RunStore};
use chrono::TimeDelta;

use crate::job::{Bed, Packing, id, now, packed, told};

/// Somebody else.
const OWNER: u32 = 65534;
const ROOT: &str = "BENCH_STATE_TEST_ROOT";

fn lacks_root(test: &str) -> bool {
    let lacks = !rustix::process::geteuid().is_root();
    if lacks {
        let said = format!("SKIPPED: {test} needs root\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    lacks
}

/// Everything in a folder, with its owner.
fn owners(folder: &Path, found: &mut BTreeMap<PathBuf, u32>) {
    found.insert(folder.to_owned(), fs::symlink_metadata(folder).unwrap().uid());
    if fs::symlink_metadata(folder).unwrap().is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            owners(&entry.unwrap().path(), found);
        }
    }
}

fn give_away(bed: &Bed) {
    let mut found = BTreeMap::new();
    owners(bed.folder(), &mut found);
    for path in found.keys() {
        std::os::unix::fs::lchown(path, Some(OWNER), Some(OWNER)).unwrap();
    }
}

/// What in the store is not its owner's.
fn strangers(bed: &Bed) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    owners(bed.store.root(), &mut found);
    found.retain(|_, owner| *owner != OWNER);
    found.into_keys().collect()
}

#[test]
#[ignore = "the child of other tests"]
fn child_owns() {
    assert_eq!(rustix::process::geteuid().as_raw(), OWNER);
    let store = RunStore::<Packing>::open(std::env::var(ROOT).unwrap()).unwrap();
    let run = store.resolve("latest").unwrap();
    let view = store.read(&run, now()).unwrap();
    assert!(view.problems().is_empty(), "{:?}", view.problems());
    let run = store.resume(&run, now()).unwrap();
    run.put_item(&id("two"), &"second".to_owned()).unwrap();
    run.record(packed(9), now()).unwrap();
    run.snapshot(now()).unwrap();
    run.finish(Ending::Completed, now()).unwrap();
}

/// Resumes the newest run as its owner.
fn resume_as_owner(bed: &Bed) {
    // Another process copies: a descriptor that is open here for writing may be held a moment longer by a process that
    // another test starts, and a file that is open for writing cannot be run.
    let program = bed.folder().join("child");
    let mut copies = Command::new("cp");
    copies.arg(std::env::current_exe().unwrap()).arg(&program);
    assert!(copies.status().unwrap().success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let child = Command::new(program)
        .args(["--exact", "owners::child_owns", "--ignored", "--nocapture"])
        .env(ROOT, bed.store.root())
        .current_dir(bed.folder())
        .uid(OWNER)
        .gid(OWNER)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
}

#[test]
fn a_run_that_root_settles_stays_its_owners() {
    if lacks_root("a_run_that_root_settles_stays_its_owners") {
        return;
    }
    let bed = Bed::new();
    bed.orphan();
    give_away(&bed);
    assert!(told(&bed.only()).starts_with("failed 2/3 worker_lost"));
    assert_eq!(strangers(&bed), Vec::<PathBuf>::new());
    resume_as_owner(&bed);
    assert_eq!(told(&bed.only()), "completed 3/3");
}

#[test]
fn whatever_root_does_in_somebodys_store_stays_theirs() {
    if lacks_root("whatever_root_does_in_somebodys_store_stays_theirs") {
        return;
    }
    let bed = Bed::new();
    fs::create_dir(bed.store.root()).unwrap();
    give_away(&bed);
    let theirs = |after: &str| assert_eq!(strangers(&bed), Vec::<PathBuf>::new(), "after {after}");

    let run = bed.start();
    theirs("creating");
    run.put_item(&id("one"), &"first".to_owned()).unwrap();
    run.item_log(&id("one")).unwrap().append("said").unwrap();
    writeln!(run.text_log(&id("one")).unwrap(), "said").unwrap();
    run.record(packed(1), now()).unwrap();
    run.snapshot(now()).unwrap();
    theirs("recording");
    let first = run.finish(Ending::Completed, now()).unwrap().state.id;
    theirs("finishing");
    bed.store.add_after_end(&first, &[(packed(1), now())]).unwrap();
    let run = bed.store.resume(&first, now()).unwrap();
    theirs("resuming");
    run.finish(Ending::Completed, now()).unwrap();
    for lock in ["state.lock", "lease.lock"] {
        fs::remove_file(bed.dir(&first).join(lock)).unwrap();
    }
    fs::write(bed.dir(&first).join("state.json"), "{").unwrap();
    fs::remove_dir_all(bed.store.root().join(".store/active")).unwrap();
    assert_eq!(bed.view(&first).problems().len(), 1);
    bed.store.unfinished(now()).unwrap();
    // Put aside under a new name, it stays what it was: root wrote it above, not the store.
    fs::remove_file(bed.dir(&first).join("state.json.corrupt-1")).unwrap();
    bed.store.add_after_end(&first, &[(packed(1), now())]).unwrap();
    theirs("repairing");
    resume_as_owner(&bed);
    bed.finished(now() + TimeDelta::days(1));
    let pruned = bed
        .store
        .prune(TimeDelta::hours(1), 1, false, now() + TimeDelta::days(1))
        .unwrap();
    assert_eq!(pruned.runs, [first]);
    theirs("pruning");
}

#[test]
fn root_gives_nothing_away_that_it_did_not_create() {
    if lacks_root("root_gives_nothing_away_that_it_did_not_create") {
        return;
    }
    let bed = Bed::new();
    let run = bed.orphan();
    give_away(&bed);
    let elsewhere = tempfile::tempdir().unwrap();
    let (secret, nothing) = (elsewhere.path().join("secret"), elsewhere.path().join("nothing"));
    fs::write(&secret, "").unwrap();
    let dir = bed.dir(&run);
    let replace = |name: &str, target: &Path| {
        let path = dir.join(name);
        fs::remove_file(&path).unwrap();
        symlink(target, path).unwrap();
    };
    replace("state.lock", &secret);
    assert!(bed.only().state.status.is_over());
    assert_eq!(
        fs::metadata(&secret).unwrap().uid(),
        0,
        "a file that a link names"
    );

    // And nothing is created where a link to nowhere points.
    replace("state.lock", &nothing);
    let _refused = bed.store.resume(&run, now()).map(drop);
    assert!(!nothing.exists());

    // In root's own store, root's files stay root's.
    let own = Bed::new();
    let run = own.finished(now());
    assert_eq!(fs::metadata(own.dir(&run).join("state.json")).unwrap().uid(), 0);

    // A file of root's in somebody's folder that is only written to stays root's, too.
    let log = dir.join("logs/one.log");
    fs::write(&log, "").unwrap();
    chown(&log, Some(0), Some(0)).unwrap();
    fs::remove_file(dir.join("state.lock")).unwrap();
    let resumed = bed.store.resume(&run_of(&bed), now()).unwrap();
    writeln!(resumed.text_log(&id("one")).unwrap(), "said").unwrap();
    assert_eq!(fs::metadata(&log).unwrap().uid(), 0);
    resumed.finish(Ending::Completed, now()).unwrap();
}

fn run_of(bed: &Bed) -> bench_state::RunId {
    bed.store.resolve("latest").unwrap()
}
