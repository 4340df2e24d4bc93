//! `kill -9` at every file-system call of the real binary: while a run is made, while trials are written down, while
//! a background worker takes over, while a run is continued, while a reader settles a dead worker's run.
//!
//! Attacked: a run whose worker died is over at the next `list`, with a cause; a kill before publication leaves no
//! run; reported trials are kept; `resume` runs exactly those trials that have no end, and removes databases and
//! processes that the dead worker left.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bench_tests::battery::audit::{self, Fault, check};
use bench_tests::battery::strace::{self, Attached, Blow, Point, READING};
use bench_tests::battery::{Need, lacks};
use bench_tests::bed::{RunFolder, await_none};

use bench_tests::battery::world::{
    RUN, SOON, TRIALS, Try, World, acknowledged, assert_none, for_each, hands, stop_in_the_middle,
    with_dispatcher,
};

/// Which process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// `run`: its first thread, from its start to its end.
    Foreground,
    /// `run`: the thread that writes trials down.
    Dispatcher,
    /// `run --background`: the process that makes the run and starts the worker.
    Launcher,
    /// The worker, from its first call on.
    Worker,
    /// `resume` of a run whose worker was killed.
    Resume,
    /// `list`, which settles such a run.
    Reader,
}

const VICTIMS: [Victim; 6] = [
    Victim::Foreground,
    Victim::Dispatcher,
    Victim::Launcher,
    Victim::Worker,
    Victim::Resume,
    Victim::Reader,
];

/// Of points before anything of the store is touched, and of calls that change nothing, one in so many is tried.
const SAMPLE: usize = 8;

/// Runs that are continued afterwards, at least.
const RESUMED: usize = 100;

/// What the victims start from. One at a time: their copies are the same run, whose processes any reader of any of
/// them may end.
struct Scenes<'a> {
    world: &'a World,
    /// Results with a run whose launcher died before it started a worker.
    launched: Try,
    /// Results with a run whose worker died in the middle of its trials.
    orphaned: Try,
}

#[test]
fn at_every_file_system_call() {
    if lacks("kill -9 at every file-system call", &[Need::Strace, Need::Attach]) {
        return;
    }
    let began = Instant::now();
    let world = World::new();
    let hands: Vec<Scenes<'_>> = (0..hands()).map(|_| Scenes::new(&world)).collect();
    let scenes = &hands[0];
    let noted: Vec<(Victim, Vec<Point>)> = VICTIMS.map(|victim| (victim, scenes.points(victim))).into();
    let counts: Vec<String> = noted
        .iter()
        .map(|(victim, points)| format!("{victim:?} {}", points.len()))
        .collect();
    let points: Vec<(Victim, Point)> = noted
        .into_iter()
        .flat_map(|(victim, points)| points.into_iter().map(move |point| (victim, point)))
        .collect();
    let (struck, resumed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Not every kill leaves a run, so twice as many are chosen.
    let every = (points.len() / (2 * RESUMED)).max(1);
    let faults = for_each(&hands, &points, |scenes, index, (victim, point)| {
        let continues = index % every == 0;
        let outcome = scenes.kill(*victim, point, continues);
        let outcome = outcome.map_err(|fault| format!("{victim:?} killed at {point}: {fault}"))?;
        struck.fetch_add(usize::from(outcome.struck), Ordering::Relaxed);
        resumed.fetch_add(usize::from(outcome.resumed), Ordering::Relaxed);
        Ok(())
    });
    let (struck, resumed) = (struck.into_inner(), resumed.into_inner());
    let took = began.elapsed();
    writeln!(
        io::stderr(),
        "kill -9: {} points ({}), {struck} struck, {resumed} resumed, {} violations, {took:.1?}",
        points.len(),
        counts.join(", "),
        faults.len()
    )
    .ok();
    assert_none(&faults);
    // Some calls more or less are made from run to run; more would mean that nothing is attacked.
    assert!(
        struck * 10 >= points.len() * 8,
        "only {struck} of {} were struck",
        points.len()
    );
    assert!(resumed >= RESUMED, "only {resumed} runs were continued");
}

/// What happened at a point.
struct Outcome {
    struck: bool,
    resumed: bool,
}

impl<'a> Scenes<'a> {
    fn new(world: &'a World) -> Self {
        let launched = world.fresh();
        stop_before_the_worker(&launched);
        let orphaned = world.fresh();
        stop_in_the_middle(&orphaned);
        Self {
            world,
            launched,
            orphaned,
        }
    }

    /// The folder in which a victim begins.
    fn stage(&self, victim: Victim) -> Try {
        match victim {
            Victim::Foreground | Victim::Dispatcher | Victim::Launcher => self.world.fresh(),
            Victim::Worker => self.world.copy_of(&self.launched),
            Victim::Resume | Victim::Reader => self.world.copy_of(&self.orphaned),
        }
    }

    /// The points of a victim's life that are worth a kill.
    fn points(&self, victim: Victim) -> Vec<Point> {
        let stage = self.stage(victim);
        let log = stage.log();
        let noting = if victim == Victim::Dispatcher {
            None
        } else {
            Some(strace::noting(&log))
        };
        let shot = match noting {
            Some(wrapper) => start(&stage, victim, &wrapper),
            None => with_dispatcher(&stage, |process, thread| Attached::noting(process, thread, &log)),
        };
        assert_eq!(shot.code, Some(0), "{victim:?} in peace: {shot}");
        stage.await_over().unwrap();
        let all = strace::points(&log);
        let results = stage.bed.results().display().to_string();
        let first = all
            .iter()
            .position(|(_, about)| about.contains(&results))
            .unwrap_or(0);
        let chosen = all.into_iter().enumerate().filter(|(index, (point, about))| {
            let looks_only = READING.contains(&point.call.as_str());
            let elsewhere = *index < first || about.contains("\"/proc/") || about.contains("</proc/");
            // How many processes there are to be looked at differs from time to time.
            let counts = *index < first || about.contains(&results);
            if looks_only || elsewhere {
                counts && index % SAMPLE == 0
            } else {
                true
            }
        });
        chosen.map(|(_, (point, _))| point).collect()
    }

    /// Kills a victim at a point, and looks at what is left.
    fn kill(&self, victim: Victim, point: &Point, continues: bool) -> Result<Outcome, Fault> {
        let stage = self.stage(victim);
        let log = stage.log();
        let shot = if victim == Victim::Dispatcher {
            with_dispatcher(&stage, |process, thread| {
                Attached::striking(process, thread, point, Blow::Kill, &log)
            })
        } else {
            start(&stage, victim, &strace::striking(point, Blow::Kill, &log))
        };
        let struck = shot.code.is_none();
        check(struck || shot.code == Some(0), || {
            format!("neither killed nor well: {shot}")
        })?;
        let found = stage.settled(&acknowledged(&shot))?;
        let from_nothing = matches!(victim, Victim::Foreground | Victim::Dispatcher | Victim::Launcher);
        check(found.is_some() || from_nothing, || "the run has gone".to_owned())?;
        let Some((run, _)) = found.filter(|_| continues) else {
            return Ok(Outcome {
                struck,
                resumed: false,
            });
        };
        self.resume(&stage, &run)?;
        Ok(Outcome {
            struck,
            resumed: true,
        })
    }

    /// Continues a run: it completes, trials with an end are not run again, all others once, and nothing is left.
    fn resume(&self, stage: &Try, run: &RunFolder) -> Result<(), Fault> {
        let (before, asked) = (audit::sound(run)?, stage.asked());
        let shot = stage.bed.bench(&format!("resume {} --ui quiet", run.id()));
        check(shot.code == Some(0), || format!("resume fails: {shot}"))?;
        let after = audit::sound(run)?;
        check(run.status() == "completed", || {
            format!("resumed, but {}", run.state())
        })?;
        let passed = after
            .finished
            .values()
            .filter(|outcome| *outcome == "passed")
            .count();
        check(passed == TRIALS.len(), || {
            format!("resumed, but ended {:?}", after.finished)
        })?;
        for ((trial, before_it), after_it) in TRIALS.iter().zip(asked).zip(stage.asked()) {
            let done = before.finished.contains_key(&format!("{trial}~openai-m~1"));
            let expected = before_it + usize::from(!done);
            check(after_it == expected, || {
                format!("`{trial}`: the model was asked {after_it} times instead of {expected}")
            })?;
        }
        let left = self.world.databases_of(&after);
        check(left.is_empty(), || {
            format!("databases left after resume: {left:?}")
        })?;
        let left = await_none(&run.id());
        check(left.is_empty(), || {
            format!("processes left after resume: {left:?}")
        })?;
        // A run that was over already is not marked anew, and an old mark is nobody's concern.
        let marker = stage.bed.results().join(".store/active").join(run.id());
        let unmarked = before.finished.len() == TRIALS.len() || !marker.exists();
        check(unmarked, || format!("{} is still there", marker.display()))
    }
}

/// Runs a victim through `strace`, to its end.
fn start(stage: &Try, victim: Victim, wrapper: &[String]) -> bench_tests::bed::Shot {
    let bed = &stage.bed;
    let quiet = std::process::Stdio::null;
    let started = match victim {
        Victim::Foreground | Victim::Dispatcher => bed.start_through(wrapper, RUN, quiet()),
        Victim::Launcher => bed.start_through(wrapper, &format!("{RUN} --background"), quiet()),
        Victim::Worker => {
            // As its launcher would start it: the lease is its standard input, locked by whoever gives it.
            let run = bed.the_run();
            let lease = File::options()
                .write(true)
                .open(run.path().join("lease.lock"))
                .unwrap();
            lease
                .try_lock()
                .expect("the launcher is dead, so its lease is free");
            let arguments = format!("--results {} worker {}", bed.results().display(), run.id());
            bed.start_through(wrapper, &arguments, lease)
        }
        Victim::Resume => {
            let arguments = format!("resume {} --json", bed.the_run().id());
            bed.start_through(wrapper, &arguments, quiet())
        }
        Victim::Reader => bed.start_through(wrapper, "list --json", quiet()),
    };
    started.finish(SOON)
}

/// Leaves a run that is published but was never given to a worker.
fn stop_before_the_worker(stage: &Try) {
    // The log of the worker is what the launcher opens last.
    let noted = stage.log();
    let dry = format!("{RUN} --background");
    let probe = stage
        .bed
        .start_through(&strace::noting(&noted), &dry, std::process::Stdio::null());
    assert_eq!(probe.finish(SOON).code, Some(0));
    stage.await_over().unwrap();
    let last = strace::points(&noted)
        .into_iter()
        .find(|(point, about)| point.call == "openat" && about.contains("worker.log"))
        .expect("the launcher opens worker.log");
    std::fs::remove_dir_all(stage.bed.results()).unwrap();
    let wrapper = strace::striking(&last.0, Blow::Kill, &noted);
    let shot = stage
        .bed
        .start_through(&wrapper, &dry, std::process::Stdio::null())
        .finish(SOON);
    assert_eq!(shot.code, None, "{shot}");
    assert_eq!(stage.bed.the_run().status(), "running", "nobody has looked yet");
}
