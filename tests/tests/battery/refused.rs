//! Every call that writes fails, one at a time: no space, broken disk, no descriptors left, no permission. In the
//! thread that makes and ends a run, in the thread that writes trials down, and while a run is continued.
//!
//! Attacked: success is never claimed (exit 0) unless everything is written; the error names the path; runs that were
//! there before stay as they are, byte for byte; the run that met the fault is over afterwards, with a cause.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bench_tests::battery::audit::{self, Fault, check};
use bench_tests::battery::strace::{self, Attached, Blow, Point};
use bench_tests::battery::{Need, lacks};
use bench_tests::bed::{RunFolder, Shot};

use bench_tests::battery::world::{
    RUN, SOON, TRIALS, Try, World, acknowledged, assert_none, for_each, hands, stop_in_the_middle,
    with_dispatcher,
};

/// Which process meets the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// `run`: its first thread.
    Foreground,
    /// `run`: the thread that writes trials down.
    Dispatcher,
    /// `resume` of a run whose worker was killed.
    Resume,
    /// `list`, which settles such a run.
    Reader,
}

const VICTIMS: [Victim; 4] = [
    Victim::Foreground,
    Victim::Dispatcher,
    Victim::Resume,
    Victim::Reader,
];

/// Of calls that have nothing to do with the store, one in so many is tried.
const SAMPLE: usize = 8;

/// What a call may fail with, in turn.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "openat" => &["EMFILE", "EIO", "EACCES", "ENOSPC"],
        "mkdir" | "rename" | "renameat" => &["ENOSPC", "EROFS", "EIO"],
        "write" => &["ENOSPC", "EIO", "EDQUOT"],
        "flock" => &["ENOLCK"],
        _ => &["EIO"],
    }
}

#[test]
fn at_every_call_that_writes() {
    if lacks("an error at every writing call", &[Need::Strace, Need::Attach]) {
        return;
    }
    let began = Instant::now();
    let world = World::new();
    let hands: Vec<Scenes<'_>> = (0..hands()).map(|_| Scenes::new(&world)).collect();
    let points: Vec<(Victim, Point)> = VICTIMS
        .into_iter()
        .flat_map(|victim| {
            hands[0]
                .points(victim)
                .into_iter()
                .map(move |point| (victim, point))
        })
        .collect();
    let (met, refusals) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = for_each(&hands, &points, |scenes, index, (victim, point)| {
        let choice = errors(&point.call);
        let error = choice[index % choice.len()];
        let outcome = scenes.refuse(*victim, point, error);
        let outcome = outcome.map_err(|fault| format!("{victim:?} meets {error} at {point}: {fault}"))?;
        met.fetch_add(usize::from(outcome.met), Ordering::Relaxed);
        refusals.fetch_add(usize::from(outcome.told), Ordering::Relaxed);
        Ok(())
    });
    let (met, refusals) = (met.into_inner(), refusals.into_inner());
    let took = began.elapsed();
    writeln!(
        io::stderr(),
        "errors: {} points, {met} met, {refusals} of them told with the path, {} violations, {took:.1?}",
        points.len(),
        faults.len()
    )
    .ok();
    assert_none(&faults);
    // Some calls more or less are made from run to run, most of all those that wake another thread; many more would mean
    // that little is attacked.
    assert!(
        met * 10 >= points.len() * 7,
        "only {met} of {} were met",
        points.len()
    );
    assert!(refusals * 5 >= met, "only {refusals} of {met} were told");
}

/// What happened at a point.
struct Outcome {
    met: bool,
    /// It ended with an error that names the path.
    told: bool,
}

/// What the victims start from, as in `killed`.
struct Scenes<'a> {
    world: &'a World,
    /// A run that is over, whose files must stay as they are.
    old: Try,
    /// The same, and a run whose worker was killed.
    orphaned: Try,
}

impl<'a> Scenes<'a> {
    fn new(world: &'a World) -> Self {
        let mut old = world.fresh();
        let shot = old.bed.bench(RUN);
        assert_eq!(shot.code, Some(0), "{shot}");
        old.old = Some(old.bed.the_run().id());
        let orphaned = world.copy_of(&old);
        stop_in_the_middle(&orphaned);
        Self { world, old, orphaned }
    }

    fn stage(&self, victim: Victim) -> Try {
        match victim {
            Victim::Foreground | Victim::Dispatcher => self.world.copy_of(&self.old),
            Victim::Resume | Victim::Reader => self.world.copy_of(&self.orphaned),
        }
    }

    /// The writing calls of a victim: all that touch the store, some of the others.
    fn points(&self, victim: Victim) -> Vec<Point> {
        let stage = self.stage(victim);
        let log = stage.log();
        let shot = if victim == Victim::Dispatcher {
            with_dispatcher(&stage, |process, thread| Attached::noting(process, thread, &log))
        } else {
            start(&stage, victim, &strace::noting(&log))
        };
        assert_eq!(shot.code, Some(0), "{victim:?} in peace: {shot}");
        let results = stage.bed.results().display().to_string();
        let chosen = strace::points(&log)
            .into_iter()
            .enumerate()
            .filter(|(index, (point, about))| {
                let writes = strace::WRITING.contains(&point.call.as_str()) || point.call == "flock";
                writes && (about.contains(&results) || index % SAMPLE == 0)
            });
        chosen.map(|(_, (point, _))| point).collect()
    }

    /// Lets a call of a victim fail, and looks at what it says and at what is left.
    fn refuse(&self, victim: Victim, point: &Point, error: &'static str) -> Result<Outcome, Fault> {
        let stage = self.stage(victim);
        let old = self.old.bed.the_run().id();
        let log = stage.log();
        let blow = Blow::Error(error);
        let shot = if victim == Victim::Dispatcher {
            with_dispatcher(&stage, |process, thread| {
                Attached::striking(process, thread, point, blow, &log)
            })
        } else {
            start(&stage, victim, &strace::striking(point, blow, &log))
        };
        let on = strace::failed_on(&log);
        // An event loop that cannot wake itself may panic; its means is no file of ours.
        let of_a_file = on.as_ref().is_none_or(|path| path.is_absolute());
        check(!of_a_file || !shot.stderr.contains("panicked"), || {
            format!("it panicked: {shot}")
        })?;
        let told = match &on {
            Some(path) if shot.code != Some(0) => names(&shot, path, &stage)?,
            _ => false,
        };
        let found = stage.settled(&acknowledged(&shot))?;
        if shot.code == Some(0) && victim != Victim::Reader {
            let (run, done) = found.ok_or("exit 0, and no run")?;
            let whole = run.status() == "completed" && done.finished.len() == TRIALS.len();
            check(whole, || {
                format!("exit 0, but not all is written: {}\n{shot}", run.state())
            })?;
        }
        let before = audit::contents(self.old.bed.the_run().path());
        let after = audit::contents(RunFolder::at(stage.bed.results().join("runs").join(&old)).path());
        let same = before.values().eq(after.values());
        check(same, || format!("the old run has changed: {:?}", after.keys()))?;
        Ok(Outcome {
            met: on.is_some(),
            told,
        })
    }
}

/// An error that came of a file of the store must name it, or, where that file is a means to an end, what was to be
/// written.
fn names(shot: &Shot, path: &Path, stage: &Try) -> Result<bool, Fault> {
    let results = stage.bed.results();
    if !path.starts_with(&results) {
        return Ok(false);
    }
    let shown = path.display().to_string();
    let means = shown.contains(".tmp+") || shown.contains("/.store/");
    let named = shot.stderr.contains(&shown) || (means && shot.stderr.contains(&*results.to_string_lossy()));
    check(named, || format!("the error does not name `{shown}`: {shot}"))?;
    Ok(true)
}

/// Runs a victim through `strace`, to its end.
fn start(stage: &Try, victim: Victim, wrapper: &[String]) -> Shot {
    let bed = &stage.bed;
    let arguments = match victim {
        Victim::Foreground | Victim::Dispatcher => RUN.to_owned(),
        Victim::Resume => format!("resume {} --json", stage.run().expect("a run").id()),
        Victim::Reader => "list --json".to_owned(),
    };
    let shot = bed
        .start_through(wrapper, &arguments, std::process::Stdio::null())
        .finish(SOON);
    fs::write(bed.path("said.txt"), &shot.stderr).ok();
    shot
}
