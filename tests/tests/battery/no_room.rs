//! Machines that give no more: a disk that fills up at every possible moment, a read-only disk, a folder of somebody
//! else, too few descriptors.
//!
//! Attacked: a clear error that names the path, never success; what was written before stays as it is; a run whose disk
//! filled up is over, and says that this is why; what is there can still be listed and shown.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use bench_tests::battery::audit::{self, Fault, check};
use bench_tests::battery::volume::Volume;
use bench_tests::battery::{Need, lacks};
use bench_tests::bed::{Shot, TestBed};
use serde_json::Value;

use bench_tests::battery::world::{
    RUN, SOON, TRIALS, Try, World, acknowledged, assert_none, copy_folder, for_each, hands,
    stop_in_the_middle,
};

/// Somebody who owns nothing here.
const NOBODY: u32 = 65534;

/// A finished run, and what it looks like byte for byte.
fn finished(world: &World) -> Try {
    let mut old = world.fresh();
    let shot = old.bed.bench(RUN);
    assert_eq!(shot.code, Some(0), "{shot}");
    old.old = Some(old.bed.the_run().id());
    old
}

/// The old run is as it was.
fn untouched(old: &Try, now: &Try) -> Result<(), Fault> {
    let id = old.old.as_deref().expect("the old run");
    let before = audit::contents(&old.bed.results().join("runs").join(id));
    let after = audit::contents(&now.bed.results().join("runs").join(id));
    check(before.values().eq(after.values()), || {
        format!("the old run has changed: {:?}", after.keys())
    })
}

#[test]
fn a_disk_that_fills_up_at_any_moment() {
    if lacks("a full disk", &[Need::Root]) {
        return;
    }
    let world = World::new();
    let old = finished(&world);
    // Files take whole pages of 4 KiB, so every further page lets a run come further.
    let room: Vec<u64> = (0..64).map(|pages| pages * 4).collect();
    let (failed, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let hands = vec![(); hands()];
    let faults = for_each(&hands, &room, |(), _, &kib| {
        let full = full_disk(&world, &old, kib).map_err(|fault| format!("{kib} KiB free: {fault}"))?;
        failed.fetch_add(usize::from(full != Full::Enough), Ordering::Relaxed);
        told.fetch_add(usize::from(full == Full::Told), Ordering::Relaxed);
        Ok(())
    });
    let (failed, told) = (failed.into_inner(), told.into_inner());
    writeln!(
        io::stderr(),
        "full disk: {} sizes, {failed} too small, {told} of these runs say so, {} violations",
        room.len(),
        faults.len()
    )
    .ok();
    assert_none(&faults);
    assert!(failed < room.len(), "the largest disk must be large enough");
    assert!(
        told >= 5,
        "only {told} runs came into being and then filled the disk"
    );
}

/// How a run with little room went.
#[derive(Debug, PartialEq, Eq)]
enum Full {
    Enough,
    /// Not enough for there to be a run.
    NoRun,
    /// The run is over, and says why.
    Told,
}

fn full_disk(world: &World, old: &Try, kib: u64) -> Result<Full, Fault> {
    let mut stage = world.fresh();
    let volume = Volume::mount(&stage.bed.results(), 16 * 1024);
    copy_folder(&old.bed.results(), &stage.bed.results());
    stage.old.clone_from(&old.old);
    volume.leave_free(kib);
    let shot = stage.bed.bench(RUN);
    check(!shot.stderr.contains("panicked"), || {
        format!("it panicked: {shot}")
    })?;
    let found = stage.settled(&acknowledged(&shot))?;
    untouched(old, &stage)?;
    let results = stage.bed.results().display().to_string();
    let no_space = "No space left on device";
    if shot.code == Some(0) {
        let (run, told) = found.ok_or("exit 0, and no run")?;
        let whole = run.status() == "completed" && told.finished.len() == TRIALS.len();
        check(whole, || {
            format!("exit 0, but not all is written: {}", run.state())
        })?;
        return Ok(Full::Enough);
    }
    let clear = shot.stderr.contains(&results) && shot.stderr.contains(no_space);
    check(clear, || format!("no clear error: {shot}"))?;
    let Some((run, _)) = found else {
        return Ok(Full::NoRun);
    };
    let why = run.state()["error"].as_str().unwrap_or_default().to_owned();
    check(why.contains(no_space), || {
        format!("the run does not say why: {}", run.state())
    })?;
    // With room again it goes on.
    volume.leave_free(4 * 1024);
    let shot = stage.bed.bench(&format!("resume {} --ui quiet", run.id()));
    check(shot.code == Some(0), || format!("resume fails: {shot}"))?;
    let passed = audit::sound(&run)?.finished.len();
    check(passed == TRIALS.len(), || {
        "resumed, but not all trials are done".to_owned()
    })?;
    Ok(Full::Told)
}

/// Not even the ending has room: what a run keeps for it was given back and taken by others.
#[test]
fn a_dead_worker_on_a_full_disk_is_never_called_alive() {
    if lacks("a full disk", &[Need::Root]) {
        return;
    }
    let world = World::new();
    let stage = world.fresh();
    let volume = Volume::mount(&stage.bed.results(), 16 * 1024);
    stop_in_the_middle(&stage);
    let run = stage.run().unwrap();
    fs::File::create(run.path().join("lease.lock")).unwrap();
    volume.leave_free(0);
    let no_space = "No space left on device";
    let told = |command: &str| {
        let shot = stage.bed.bench(command);
        assert_eq!(shot.code, Some(0), "{shot}");
        assert!(shot.stdout.contains("failed"), "{shot}");
        assert!(!shot.stdout.contains("\"running\""), "{shot}");
        shot
    };
    for _ in 0..2 {
        let list = told("list");
        let named = list.stderr.contains(&run.id()) && list.stderr.contains(no_space);
        assert!(named, "{list}");
        told("show latest");
        let resume = stage.bed.bench("resume latest --ui quiet");
        assert_eq!(resume.code, Some(3), "{resume}");
        let clear = resume.stderr.contains(&run.id()) && resume.stderr.contains(no_space);
        assert!(clear && !resume.stderr.contains("still running"), "{resume}");
    }
    assert_eq!(run.status(), "running", "nobody could store anything");

    // With room again it is settled by whoever comes first, and goes on.
    volume.leave_free(8 * 1024);
    stage.stub.release();
    let resume = stage.bed.bench("resume latest --ui quiet");
    assert_eq!(resume.code, Some(0), "{resume}");
    let finished = audit::sound(&run).unwrap().finished.len();
    assert_eq!(finished, TRIALS.len());
    assert_eq!(stage.asked()[0], 1, "the finished trial is not paid twice");
}

/// A request to end has no room, and the worker is asked all the same.
#[test]
fn a_run_on_a_full_disk_can_be_killed() {
    if lacks("a full disk", &[Need::Root]) {
        return;
    }
    let world = World::new();
    let stage = world.fresh();
    let volume = Volume::mount(&stage.bed.results(), 16 * 1024);
    stage.stub.hold();
    let started = stage.bed.start(RUN);
    stage.stub.await_calls(1, SOON);
    volume.leave_free(0);
    let kill = stage.bed.bench("kill latest");
    let shot = started.finish(SOON);
    stage.stub.release();
    assert_ne!(shot.code, Some(0), "{shot}");
    assert_eq!(kill.code, Some(0), "{kill}");
    let clear =
        kill.stderr.contains("could not be written down") && kill.stderr.contains("No space left on device");
    assert!(clear, "{kill}");
    assert_ne!(stage.run().unwrap().status(), "running");
}

#[test]
fn a_read_only_disk() {
    if lacks("a read-only disk", &[Need::Root]) {
        return;
    }
    let world = World::new();
    let old = finished(&world);
    let mut stage = world.fresh();
    let volume = Volume::mount(&stage.bed.results(), 16 * 1024);
    copy_folder(&old.bed.results(), &stage.bed.results());
    stage.old.clone_from(&old.old);
    stop_in_the_middle(&stage);
    let before = audit::contents(&stage.bed.results());
    volume.read_only();
    let dead = stage.run().unwrap().id();
    for command in [
        RUN,
        &format!("{RUN} --background"),
        &format!("resume {dead} --ui quiet"),
        &format!("retry {} --ui quiet", old.old.as_deref().unwrap()),
    ] {
        let shot = stage.bed.bench(command);
        let words = "Read-only file system";
        refuses(&stage, &shot, words, command.starts_with("retry"));
    }
    // What is there can be read, and told as it is; it only cannot be kept.
    let list = stage.bed.bench("list --json");
    assert_eq!(list.code, Some(0), "{list}");
    let listing: Value = serde_json::from_str(&list.stdout).unwrap();
    let row = listing["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["run_id"] == dead.as_str())
        .unwrap();
    assert_eq!(row["status"], "failed", "{row}");
    assert!(row["cause"].is_string(), "{row}");
    assert_eq!(row["progress"]["trials_done"], 1, "{row}");
    for command in [
        format!("show {dead}"),
        format!("logs {dead}"),
        "view list".to_owned(),
    ] {
        let shot = stage.bed.bench(&command);
        assert_eq!(shot.code, Some(0), "{shot}");
    }
    assert_eq!(before, audit::contents(&stage.bed.results()));
}

/// An error that names the folder of results and says why; nothing may have to be done for a retry.
fn refuses(stage: &Try, shot: &Shot, words: &str, nothing_to_do: bool) {
    if nothing_to_do && shot.code == Some(2) {
        return;
    }
    assert_eq!(shot.code, Some(3), "{shot}");
    let results = stage.bed.results().display().to_string();
    assert!(
        shot.stderr.contains(&results) && shot.stderr.contains(words),
        "{shot}"
    );
}

#[test]
fn a_folder_of_somebody_else() {
    if lacks("no permission", &[Need::Root]) {
        return;
    }
    let world = World::new();
    let old = finished(&world);
    let stage = world.copy_of(&old);
    // All may enter the bed, but the results in it are private, as always.
    fs::set_permissions(stage.bed.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["harness.json", "gyms.json"] {
        fs::set_permissions(stage.bed.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let binary = a_copy_for_all(&stage.bed);
    let as_nobody = |arguments: &str| {
        let mut command = stage.bed.command_of(&binary);
        command.args(arguments.split_whitespace()).uid(NOBODY).gid(NOBODY);
        stage.bed.run(command, arguments)
    };
    for arguments in [
        RUN.to_owned(),
        format!("{RUN} --background"),
        "list".to_owned(),
        "list --json".to_owned(),
        "show latest".to_owned(),
        "resume latest".to_owned(),
        "cleanup".to_owned(),
    ] {
        let shot = as_nobody(&arguments);
        refuses(&stage, &shot, "Permission denied", false);
    }
    untouched(&old, &stage).unwrap();
    // Where they may read but not write, they can look.
    for path in audit::contents(&stage.bed.results()).keys() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    open_folders(&stage.bed.results());
    for arguments in ["list --json", "show latest", "logs latest", "view list"] {
        let shot = as_nobody(arguments);
        assert_eq!(shot.code, Some(0), "{shot}");
    }
    for arguments in [RUN.to_owned(), format!("{RUN} --background")] {
        refuses(&stage, &as_nobody(&arguments), "Permission denied", false);
    }
    untouched(&old, &stage).unwrap();
}

/// The binary where everybody can run it. Another process copies it: a descriptor that is open here for writing may be
/// held a moment longer by a process that another test starts, and a file that is open for writing cannot be run.
fn a_copy_for_all(bed: &TestBed) -> std::path::PathBuf {
    let copy = bed.path("bench-cli");
    let mut copies = Command::new("cp");
    copies.arg(bench_tests::bed::binary::bench_cli()).arg(&copy);
    assert!(copies.status().unwrap().success());
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

fn open_folders(folder: &std::path::Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            open_folders(&path);
        }
    }
}

#[test]
fn too_few_descriptors() {
    let world = World::new();
    let old = finished(&world);
    let hands = vec![(); hands()];
    let numbers: Vec<u32> = (3..40).collect();
    let enough = AtomicUsize::new(0);
    let faults = for_each(&hands, &numbers, |(), _, &most| {
        let stage = world.copy_of(&old);
        let limited = ["sh", "-c", "ulimit -n \"$0\" && exec \"$@\"", &most.to_string()].map(str::to_owned);
        let shot = stage.bed.start_through(&limited, RUN, Stdio::null()).finish(SOON);
        let fault = |fault: Fault| format!("{most} descriptors: {fault}");
        // With fewer there cannot even be an event loop.
        check(most < 8 || !shot.stderr.contains("panicked"), || {
            fault(format!("it panicked: {shot}"))
        })?;
        let found = stage.settled(&acknowledged(&shot)).map_err(fault)?;
        untouched(&old, &stage).map_err(fault)?;
        if shot.code == Some(0) {
            let (run, told) = found.ok_or_else(|| fault("exit 0, and no run".to_owned()))?;
            let whole = run.status() == "completed" && told.finished.len() == TRIALS.len();
            let outcomes = told
                .finished
                .values()
                .all(|outcome| outcome == "passed" || outcome == "errored");
            check(whole && outcomes, || {
                fault(format!("exit 0, but not all is written: {}", run.state()))
            })?;
            enough.fetch_add(1, Ordering::Relaxed);
        } else {
            // Below that number not even the system's loader gets to the program.
            let clear = shot.stderr.to_lowercase().contains("too many open files")
                || most < 4
                || shot.code == Some(127);
            check(clear, || fault(format!("no clear error: {shot}")))?;
        }
        Ok(())
    });
    let enough = enough.into_inner();
    writeln!(
        io::stderr(),
        "descriptors: {} limits, {enough} enough, {} violations",
        numbers.len(),
        faults.len()
    )
    .ok();
    assert_none(&faults);
    assert!(enough > 0, "the highest limit must be enough");
}
