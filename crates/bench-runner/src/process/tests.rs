//! Children that misbehave, played by `sh`.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::*;

/// A folder, a marker that no other test uses, and what children wrote to stderr.
struct Bed {
    folder: TempDir,
    marker: Marker,
    logged: Arc<Mutex<Vec<String>>>,
}

impl Bed {
    fn new(test: &str) -> Self {
        let run = format!("run_{}_{test}", std::process::id());
        Self {
            folder: TempDir::new().unwrap(),
            marker: Marker::new(&run, "trial", "gym"),
            logged: Arc::default(),
        }
    }

    fn spawn(&self, program: &str, args: &[&str]) -> Spawned {
        let spec = ChildSpec {
            program: program.into(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            cwd: self.folder.path().to_owned(),
            env: BTreeMap::from([("OWN".to_owned(), "own value".to_owned())]),
            stdin: true,
        };
        let path = std::env::var("PATH").unwrap();
        let vars = [
            ("PATH", path.as_str()),
            ("HOME", "/nowhere"),
            ("OPENAI_API_KEY", "sk-canary-1234"),
        ];
        let env = Environment::new(vars.map(|(k, v)| (k.to_owned(), v.to_owned())), &[]);
        let logged = Arc::clone(&self.logged);
        let log: LineLog = Arc::new(move |line| logged.lock().unwrap().push(line.to_owned()));
        spawn(&spec, &CleanEnvironment::of(&env), &self.marker, log).unwrap()
    }
}

/// The first line that a child writes: the sign that it is ready.
async fn first_line(child: &mut Spawned) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .await
        .unwrap();
    line.trim().to_owned()
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, fields)| !fields.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn the_environment_holds_what_was_promised_and_no_key() {
    let bed = Bed::new("env");
    let mut child = bed.spawn("env", &[]);
    let mut text = String::new();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut text)
        .await
        .unwrap();
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|l| l.split_once('='))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "BENCH_RUN_ID",
            "BENCH_TRIAL_ID",
            "BENCH_WORKER",
            "HOME",
            "OWN",
            "PATH"
        ]
    );
    let ended = child.guard.end(Duration::from_secs(30)).await;
    assert!(ended.by_itself && ended.status.unwrap().success(), "{ended:?}");
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed() {
    let bed = Bed::new("sigterm");
    let mut child = bed.spawn(
        "sh",
        &["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
    );
    assert_eq!(first_line(&mut child).await, "ready");
    let pid = child.guard.id().unwrap().to_string();
    let ended = child.guard.end(Duration::from_millis(50)).await;
    assert!(!ended.by_itself);
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&ended.status.unwrap()),
        Some(9)
    );
    assert!(!is_alive(&pid));
}

/// Starts a grandchild that says its process id once it has a session of its own, and waits for stdin to be closed.
const ESCAPE: &str = "setsid sh -c 'echo $$; exec sleep 600' & cat";

#[tokio::test]
async fn a_grandchild_that_left_the_group_is_found_and_killed() {
    let bed = Bed::new("escape");
    let mut child = bed.spawn("sh", &["-c", ESCAPE]);
    let escapee = first_line(&mut child).await;
    assert!(is_alive(&escapee));
    drop(child.stdin.take());
    let ended = child.guard.end(Duration::from_secs(30)).await;
    assert!(ended.by_itself, "stdin was closed");
    assert_eq!(ended.escapees, 1);
    assert_gone(&escapee).await;
}

#[tokio::test]
async fn dropping_the_guard_ends_child_and_escapee() {
    let bed = Bed::new("drop");
    let mut child = bed.spawn("sh", &["-c", ESCAPE]);
    let escapee = first_line(&mut child).await;
    let pid = child.guard.id().unwrap().to_string();
    drop(child);
    assert_gone(&escapee).await;
    assert_gone(&pid).await;
}

/// Leaves the group, and then is another process every few milliseconds: each writes a byte, begins the next and exits.
/// Ends with its folder, if nobody else ends it.
const RUNNER_UP: &str = "import os, time
os.setsid()
while os.path.exists('beats'):
    with open('beats', 'a') as beats:
        beats.write('.')
    time.sleep(0.002)
    if os.fork():
        os._exit(0)
";

/// The same for where there is no Python.
const RUNNER_UP_IN_SH: &str =
    "next() { [ -e beats ] || exit; printf . >> beats; sleep 0.002; next & }; next &";

#[tokio::test]
async fn a_child_that_is_always_another_process_is_ended_all_the_same() {
    for round in 0..3 {
        for (program, args) in [
            ("sh", ["-c", &format!("setsid sh -c '{RUNNER_UP_IN_SH}'; cat")]),
            ("sh", ["-c", &format!("python3 -c \"{RUNNER_UP}\" & cat")]),
        ] {
            let bed = Bed::new("chain");
            let beats = bed.folder.path().join("beats");
            std::fs::write(&beats, "").unwrap();
            let beaten = || std::fs::metadata(&beats).map_or(0, |found| found.len());
            let mut child = bed.spawn(program, &args);
            if await_that(Duration::from_secs(15), || beaten() >= 20)
                .await
                .is_err()
            {
                assert!(!args[1].starts_with("setsid"), "{args:?} does not run");
                continue; // no Python here
            }
            drop(child.stdin.take());
            let ended = child.guard.end(Duration::from_secs(30)).await;
            let mut last = beaten();
            let silent = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let now = beaten();
                    if now == std::mem::replace(&mut last, now) {
                        break;
                    }
                }
            };
            let silent = timeout(Duration::from_secs(10), silent).await;
            silent.unwrap_or_else(|_| panic!("round {round}: it goes on after {ended:?}: {args:?}"));
        }
    }
}

#[tokio::test]
async fn what_hides_its_trial_is_ended_with_the_run_and_others_are_not() {
    let (bed, other) = (Bed::new("hidden"), Bed::new("beside"));
    let hide = "BENCH_TRIAL_ID=another setsid sh -c 'echo $$; exec sleep 600' & cat";
    let mut child = bed.spawn("sh", &["-c", hide]);
    let mut beside = other.spawn("sh", &["-c", "echo ready; exec sleep 600"]);
    let foreign = "BENCH_WORKER=1.1.1 setsid sh -c 'echo $$; exec sleep 600' & cat";
    let mut foreign = bed.spawn("sh", &["-c", foreign]);
    let hidden = first_line(&mut child).await;
    let of_another_worker = first_line(&mut foreign).await;
    first_line(&mut beside).await;
    drop((child.stdin.take(), foreign.stdin.take()));
    child.guard.end(Duration::from_secs(30)).await;
    foreign.guard.end(Duration::from_secs(30)).await;
    assert!(is_alive(&hidden) && is_alive(&of_another_worker));
    end_of_run(&bed.marker.run_id);
    assert_gone(&hidden).await;
    assert!(
        is_alive(&beside.guard.id().unwrap().to_string()),
        "of another run"
    );
    assert!(is_alive(&of_another_worker), "of another worker");
    let pid = rustix::process::Pid::from_raw(of_another_worker.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_sweep_is_told_the_worker_that_lives() {
    let bed = Bed::new("owner");
    let mut child = bed.spawn("sh", &["-c", ESCAPE]);
    let orphan = "BENCH_WORKER=999999999.1.NS setsid sh -c 'echo $$; exec sleep 600' & cat";
    let own = worker::own();
    let namespace = own.rsplit_once('.').unwrap().1;
    let mut orphan = bed.spawn("sh", &["-c", &orphan.replace("NS", namespace)]);
    let (ours, orphaned) = (first_line(&mut child).await, first_line(&mut orphan).await);
    let run = bed.marker.run_id.clone();
    let mut workers = Vec::new();
    for process in processes_of_runs()
        .into_iter()
        .filter(|process| process.run == run)
    {
        workers.push(process.worker.map(|worker| worker.pid));
    }
    workers.sort_unstable();
    let me = Some(std::process::id());
    // Two shells, two `cat`, one that escaped from us, and the orphan.
    assert_eq!(
        workers.iter().filter(|worker| worker.is_none()).count(),
        1,
        "{workers:?}"
    );
    assert!(workers[1..].iter().all(|worker| *worker == me), "{workers:?}");
    let ended = sweep_runs(|of, worker| of == run && worker.is_none());
    assert_eq!(ended, BTreeMap::from([(run, 1)]));
    assert_gone(&orphaned).await;
    assert!(is_alive(&ours));
}

async fn await_that(
    within: Duration,
    mut is: impl FnMut() -> bool,
) -> Result<(), tokio::time::error::Elapsed> {
    let looking = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(within, looking).await
}

/// SIGKILL works soon, but not before the signalling call returns.
async fn assert_gone(pid: &str) {
    let gone = async {
        while is_alive(pid) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), gone)
        .await
        .unwrap_or_else(|_| panic!("process {pid} lives on"));
}

#[tokio::test]
async fn a_flood_on_stderr_does_not_block_the_child() {
    let bed = Bed::new("flood");
    let flood = "head -c 10485760 /dev/zero | tr '\\0' 'x' | fold -w 100 >&2; echo; echo done; cat";
    let mut child = bed.spawn("sh", &["-c", flood]);
    assert_eq!(first_line(&mut child).await, "");
    drop(child.stdin.take());
    let ended = child.guard.end(Duration::from_mins(1)).await;
    assert!(ended.by_itself, "{ended:?}");
    let logged: usize = bed.logged.lock().unwrap().iter().map(String::len).sum();
    assert!((1_000_000..1_100_000).contains(&logged), "{logged}");
}

#[tokio::test]
async fn a_grandchild_that_holds_stderr_open_delays_nothing() {
    let bed = Bed::new("pipe");
    let mut child = bed.spawn("sh", &["-c", "echo last words >&2; sleep 600 & exit 3"]);
    let status = child.guard.wait().await.unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(
        child.guard.last_words(Duration::from_millis(100)).await,
        "last words"
    );
    let ended = timeout(Duration::from_mins(1), child.guard.end(Duration::from_secs(1)))
        .await
        .unwrap();
    assert_eq!(ended.status.unwrap().code(), Some(3));
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let bed = Bed::new("missing");
    let spec = ChildSpec {
        program: "no-such-program-here".into(),
        args: vec![],
        cwd: bed.folder.path().to_owned(),
        env: BTreeMap::new(),
        stdin: false,
    };
    let error = spawn(&spec, &CleanEnvironment::default(), &bed.marker, Arc::new(|_| {})).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot start `no-such-program-here` in `"),
        "{error}"
    );
}

#[tokio::test]
async fn time_without_a_processor_is_no_time_to_wait() {
    let due = async {
        std::thread::sleep(Duration::from_millis(100)); // the machine is busy elsewhere
        tokio::task::yield_now().await; // what came meanwhile is heard of in steps
    };
    assert!(patiently(Duration::from_millis(40), due).await.is_some());
    let never = patiently(Duration::from_millis(4), std::future::pending::<()>()).await;
    assert!(never.is_none());
}
