//! The life of runs in the background: started, listed, ended, killed, continued.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Bed;

const HARNESS: &str = r#"{"scenarios": [
  {"scenario_id": "quick", "prompts": [{"prompt_text": "Say hello.",
    "verifier": {"verifier_type": "response_check", "validation_config": {"contains": "hello"}}}]},
  {"scenario_id": "stuck", "prompts": [{"prompt_text": "Say hello.",
    "verifier": {"verifier_type": "response_check", "validation_config": {"contains": "hello"}}}]}
]}"#;
/// The second scenario gets no answer, so the run goes on until somebody ends it.
const PLAY: &str = r#"{"scenarios": {"quick": [{"answer": "hello"}], "stuck": [{"never_answer": true}]}}"#;
/// Nothing here takes longer on a busy machine.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn bed() -> Bed {
    Bed::new().with("h.json", HARNESS).with("play.json", PLAY)
}

/// What a command printed as JSON.
pub(crate) fn json(bed: &Bed, args: &str) -> Value {
    let output = bed.output(&format!("{args} --json"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args}: {err}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Starts a run in the background, and waits until its quick trial is over.
pub(crate) fn launch(bed: &Bed, args: &str) -> (String, u32) {
    let said = json(bed, &format!("run h.json --background {args}"));
    assert_eq!(said["event"], "run_launched");
    let pid = u32::try_from(said["pid"].as_u64().unwrap()).unwrap();
    until("the quick trial is over", || {
        json(bed, "show latest")["progress"]["trials_done"] == 1
    });
    (said["run_id"].as_str().unwrap().to_owned(), pid)
}

pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < LONG, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Processes whose environment holds this text.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let holds = |path: PathBuf| {
        let environ = fs::read(path.join("environ")).unwrap_or_default();
        let holds = environ.windows(text.len()).any(|part| part == text.as_bytes());
        holds.then(|| fs::read_to_string(path.join("cmdline")).unwrap_or_default())
    };
    entries.filter_map(|entry| holds(entry.path())).collect()
}

/// Whether a process is alive, and no zombie. One whose first thread is a zombie lives, and holds its locks, as long as
/// another thread of it does.
pub(crate) fn lives(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    if threads > 1 {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// Every file below a folder that holds this text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text) {
            found.push(path);
        }
    }
    found
}

/// How many trials were begun, and the lines of prompts said in all transcripts.
fn started(bed: &Bed, run: &str) -> Vec<String> {
    let journal = fs::read_to_string(bed.path().join("results/runs").join(run).join("events.jsonl")).unwrap();
    let events = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let starts = events.filter(|event| event["event"] == "trial_started");
    starts
        .map(|event| event["trial"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_run_in_the_background_is_listed_and_ends_when_it_is_killed() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let list = json(&bed, "list");
    assert_eq!(list["runs"][0]["status"], "running");
    assert_eq!(list["runs"][0]["worker"]["pid"], pid);
    let killed = json(&bed, &format!("kill {run} --grace 1m"));
    assert_eq!(killed["runs"][0]["how"], "in_order", "{killed}");
    let shown = json(&bed, "show latest");
    assert_eq!(
        (&shown["status"], &shown["cause"]),
        (&"cancelled".into(), &"requested".into())
    );
    assert_eq!(shown["progress"]["passed"], 1, "what is finished is kept");
    let cut = "the run is cancelled: 1 of 2 trials have no verdict";
    let junit = bed.bench("report latest --format junit -o -");
    assert!(junit.contains(&format!("<error message=\"{cut}\"")), "{junit}");
    // Rows have no place for it.
    let rows = bed.bench("report latest --format csv -o -");
    assert!(rows.contains(&format!("warning: {cut}")), "{rows}");
    assert!(!lives(pid));
    assert!(processes_with(&run).is_empty());
    assert_eq!(json(&bed, "kill latest")["runs"][0]["how"], "already_over");
    let log = fs::read_to_string(bed.path().join("results/runs").join(&run).join("worker.log")).unwrap();
    assert!(
        log.contains("[1/2] ✓ passed") && log.contains("asked to end") || log.contains("SIGTERM"),
        "{log}"
    );
}

#[test]
fn two_kills_at_the_same_time_are_one_request_and_keep_the_grace() {
    let bed = bed();
    let (run, _) = launch(&bed, "--model script:play.json");
    let kill = || {
        let mut command = bed.command(&format!("kill {run} --grace 1m"));
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut kill in [kill(), kill()] {
        assert!(kill.wait().unwrap().success());
    }
    let dir = bed.path().join("results/runs").join(&run);
    let log = fs::read_to_string(dir.join("worker.log")).unwrap();
    let impatient = log.contains("stopping at once") || log.contains("leaving without waiting");
    assert!(!impatient, "{log}");
    let journal = fs::read_to_string(dir.join("events.jsonl")).unwrap();
    let ends = journal
        .lines()
        .filter(|line| line.contains(r#""event":"trial_finished""#));
    assert_eq!(ends.count(), 2, "the trial under way has its end: {journal}");
}

#[test]
fn a_person_sees_the_id_and_what_to_type() {
    let bed = bed();
    let shown = bed.bench("run h.json --model script:play.json --background --fail-under 90%");
    bed.output("kill latest");
    crate::filters().bind(|| {
        insta::with_settings!({filters => vec![(r"pid \d+", "pid PID"), (r"run_\d{8}_\d{6}_[0-9a-f]{8}", "run_ID")]}, {
            insta::assert_snapshot!(shown, @r"
            $ bench-cli run h.json --model script:play.json --background --fail-under 90%
            run_ID
            --- stderr
            gym tracker: built in (no other is named)
            2 trials in the background, pid PID, results/runs/run_ID
              bench-cli attach run_ID  watch it
              bench-cli view list  all runs
              bench-cli kill run_ID  end it
            --- exit 0
            ");
        });
    });
}

#[test]
fn a_worker_that_is_killed_is_seen_at_once_and_its_servers_are_ended() {
    // A server that hides: in a session of its own, and deaf to the end of its input.
    let gyms = r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "setsid sleep 600 & exec cat > /dev/null"]}}}"#;
    let bed = bed().with("gyms.json", gyms);
    let said = json(&bed, "run h.json --background --model script:play.json");
    let run = said["run_id"].as_str().unwrap();
    let pid = u32::try_from(said["pid"].as_u64().unwrap()).unwrap();
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server and its child are there", || {
        processes_with(&marker).len() >= 2
    });
    signal(pid, rustix::process::Signal::KILL);
    until("the kernel has freed the lease", || !lives(pid));
    let output = bed.output("list --json");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&list["runs"][0]["status"], &list["runs"][0]["cause"]),
        (&"failed".into(), &"worker_lost".into())
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("its worker is gone and left"), "{said}");
    let shown = bed.bench("show latest");
    assert!(
        shown.contains(&format!("log      results/runs/{run}/worker.log")),
        "{shown}"
    );
    until("nothing is left", || processes_with(&marker).is_empty());
}

#[test]
fn a_copy_of_the_results_does_no_harm_to_the_run_that_is_worked_on() {
    let gyms = r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "exec sleep 600"]}}}"#;
    let bed = bed().with("gyms.json", gyms);
    let said = json(&bed, "run h.json --background --model script:play.json");
    let run = said["run_id"].as_str().unwrap();
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server is there", || !processes_with(&marker).is_empty());
    copy(&bed, "results", "backup");
    let servers = processes_with(&marker).len();

    let why = format!(
        "looks like a copy of a run that is still worked on (pid {})",
        said["pid"]
    );
    let plan = bed.bench("cleanup --results backup");
    let now = processes_with(&marker);
    assert!(plan.contains("left alone: a copy"), "{plan}\n{now:?}");
    for command in ["list", "cleanup --no-dry-run", "resume latest"] {
        let said = bed.bench(&format!("{command} --results backup"));
        assert!(said.contains(&why), "{said}");
        assert_eq!(processes_with(&marker).len(), servers, "{said}");
    }
    assert_eq!(
        json(&bed, "kill latest --results backup")["runs"][0]["how"],
        "already_over"
    );
    assert_eq!(processes_with(&marker).len(), servers);
    assert_eq!(json(&bed, "list")["runs"][0]["status"], "running");
    json(&bed, "kill latest");
    until("nothing is left", || processes_with(&marker).is_empty());
}

/// How many processes a run has.
fn servers(marker: &str) -> usize {
    processes_with(marker).len()
}

#[test]
fn a_copy_made_before_its_original_was_resumed_does_no_harm_to_it() {
    let gyms =
        r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "echo {{trial_dir}}; exec sleep 600"]}}}"#;
    let bed = bed().with("gyms.json", gyms).with("tmp/keep", "");
    let launch = |args: &str| {
        let mut command = bed.command(&format!("{args} --background --json"));
        let output = command.env("TMPDIR", bed.path().join("tmp")).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let look = |args: &str| {
        let output = bed
            .command(args)
            .env("TMPDIR", bed.path().join("tmp"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8(said).unwrap()
    };
    let folders = || fs::read_dir(bed.path().join("tmp")).unwrap().count() - 1;

    let said = launch("run h.json --model script:play.json");
    let (run, pid) = (said["run_id"].as_str().unwrap(), said["pid"].as_u64().unwrap());
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server is there", || servers(&marker) > 0);
    let pid = u32::try_from(pid).unwrap();
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    copy(&bed, "results", "backup");
    look("list");
    until("its servers are ended", || servers(&marker) == 0);
    assert_eq!(folders(), 0);

    let again = launch("resume latest");
    until("a server is there again", || {
        servers(&marker) == 1 && folders() == 1
    });
    let why = format!("still worked on (pid {})", again["pid"]);
    for (command, word) in [
        ("cleanup", "left alone: a copy"),
        ("list", why.as_str()),
        ("cleanup --no-dry-run", why.as_str()),
        ("list", why.as_str()),
        ("kill latest", "over already"),
    ] {
        let said = look(&format!("{command} --results backup"));
        assert_eq!((servers(&marker), folders()), (1, 1), "{command}: {said}");
        assert!(said.contains(word), "{command}: {said}");
    }
    // Who continues the copy gets servers of its own, by the same names, and ends only those.
    let copied = launch("resume latest --results backup");
    until("the copy's server is there too", || servers(&marker) == 2);
    look("kill latest --results backup");
    until("that one is gone", || {
        !lives(u32::try_from(copied["pid"].as_u64().unwrap()).unwrap())
    });
    assert_eq!((servers(&marker), folders()), (1, 1));
    assert_eq!(json(&bed, "list")["runs"][0]["status"], "running");

    // Without its worker, what is left is an orphan for everybody.
    let pid = u32::try_from(again["pid"].as_u64().unwrap()).unwrap();
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    look("list --results backup");
    until("nothing is left", || servers(&marker) == 0 && folders() == 0);
}

fn copy(bed: &Bed, from: &str, to: &str) {
    let copied = std::process::Command::new("cp")
        .args(["-r", from, to])
        .current_dir(bed.path())
        .status();
    assert!(copied.unwrap().success());
}

#[test]
fn attach_shows_logs_and_progress_until_it_is_over_and_ends_as_run_would() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let mut attached = bed.command("attach latest");
    let attached = attached
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut again = bed.command("attach").stderr(Stdio::piped()).spawn().unwrap();
    let mut err = std::io::BufReader::new(again.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("passed") {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut err, &mut line).unwrap() > 0,
            "no progress"
        );
    }
    signal(again.id(), rustix::process::Signal::INT);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut err, &mut rest).unwrap();
    assert!(rest.contains("the run goes on"), "{rest}");
    assert_eq!(again.wait().unwrap().code(), Some(0));
    assert!(lives(pid));
    json(&bed, &format!("kill {run}"));
    let shown = attached.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&shown.stderr);
    assert_eq!(shown.status.code(), Some(130), "{err}");
    assert!(
        err.contains("[1/2] ✓ passed") && err.contains("cancelled ·"),
        "{err}"
    );
    assert_eq!(
        bed.output("attach latest").status.code(),
        Some(130),
        "also afterwards"
    );
}

#[test]
fn view_lists_what_is_in_progress_and_what_is_over() {
    let bed = bed();
    let code = bed
        .output("run h.json --scenario quick --runs 3 --ui quiet --model script:play.json")
        .status
        .code();
    assert_eq!(code, Some(0));
    launch(&bed, "--model script:play.json");
    let list = String::from_utf8(bed.output("view list").stdout).unwrap();
    bed.output("kill latest");
    let shown = steady(&list);
    insta::assert_snapshot!(shown, @r"
    IN PROGRESS
    1. 🔄 h • script:play.json (1/2) | TIME | run_ID

    COMPLETED
    2. ✓ TIME • h • script:play.json ×3 • 3/3 (100%) | run_ID
    ");
    let bare = bed.bench("view");
    assert!(bare.contains("view list") && bare.contains("exit 2"), "{bare}");
}

/// Without what differs from run to run.
fn steady(text: &str) -> String {
    let words = text.split(' ').map(|word| match word {
        word if word.starts_with("run_") => {
            format!("run_ID{}", &word["run_20260102_030405_0badcafe".len()..])
        }
        word if word.starts_with("20") && word.ends_with('Z') => "TIME".to_owned(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_worker_that_does_not_obey_is_killed_with_everything_it_started() {
    let gyms = r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "setsid sleep 600 & exec cat > /dev/null"]}}}"#;
    let bed = bed().with("gyms.json", gyms);
    let said = json(&bed, "run h.json --background --model script:play.json");
    let run = said["run_id"].as_str().unwrap();
    let pid = u32::try_from(said["pid"].as_u64().unwrap()).unwrap();
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server and its child are there", || {
        processes_with(&marker).len() >= 2
    });
    signal(pid, rustix::process::Signal::STOP);
    let killed = json(&bed, &format!("kill {run} --grace 1s"));
    let row = &killed["runs"][0];
    assert_eq!(
        (&row["how"], &row["status"]),
        (&"killed".into(), &"cancelled".into())
    );
    assert!(
        row["processes_ended"].as_u64() >= Some(1),
        "the one that hides: {killed}"
    );
    until("nothing is left", || {
        processes_with(&marker).is_empty() && !lives(pid)
    });
}

#[test]
fn resume_runs_exactly_what_has_no_verdict() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json --runs 2 --max-concurrency 1");
    assert!(started(&bed, &run).len() <= 2);
    let transcript = bed
        .path()
        .join("results/runs")
        .join(&run)
        .join("trials/stuck~script-play.json~1.jsonl");
    let attempts = || {
        let text = fs::read_to_string(&transcript).unwrap_or_default();
        text.matches(r#""type":"attempt","attempt":1"#).count()
    };
    until("what is said is not only in memory", || attempts() == 1);
    let refused = bed.bench(&format!("resume {run}"));
    assert!(
        refused.contains("exit 3") && refused.contains("bench-cli attach"),
        "{refused}"
    );
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    // Another script is another model.
    fs::write(
        bed.path().join("play.json"),
        PLAY.replace("never_answer", "empty"),
    )
    .unwrap();
    let refused = bed.bench(&format!("resume {run}"));
    assert!(
        refused.contains("changed") && refused.contains("exit 2"),
        "{refused}"
    );
    fs::write(bed.path().join("play.json"), PLAY).unwrap();
    fs::remove_file(bed.path().join("h.json")).unwrap();

    let (before, resumed) = (
        started(&bed, &run),
        json(&bed, &format!("resume {run} --background")),
    );
    assert_eq!(
        (&resumed["run_id"], &resumed["event"]),
        (&run.as_str().into(), &"run_launched".into())
    );
    until("it has begun again", || started(&bed, &run).len() > before.len());
    json(&bed, &format!("kill {run}"));
    let shown = json(&bed, "show latest");
    assert_eq!(
        (&shown["generation"], &shown["progress"]["passed"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        attempts(),
        2,
        "what the dead worker was told is told apart from what comes after it"
    );
    let trial = bed.bench("show latest --trial stuck~script-play.json~1");
    assert_eq!(trial.matches("=== attempt 1 ===").count(), 1, "{trial}");
    let again = &started(&bed, &run)[before.len()..];
    assert!(
        !again.contains(&"quick~script-play.json~1".to_owned()),
        "{again:?}"
    );
    assert_eq!(
        again.first().map(String::as_str),
        Some("stuck~script-play.json~1"),
        "{again:?}"
    );
}

#[test]
fn a_run_that_stands_still_or_ended_early_says_what_goes_on_with_it() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let word = || {
        bed.bench("list")
            .lines()
            .find(|line| line.contains(&run))
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let shown = bed.bench("show latest");
    assert!(
        word().contains(" running ") && shown.contains("trials   1 of 2 over"),
        "{shown}"
    );
    signal(pid, rustix::process::Signal::STOP);
    until("it is stopped", || word().contains(" stopped "));
    let shown = bed.bench("show latest");
    assert!(
        shown.contains("status   stopped for") && shown.contains(&format!("`kill -CONT {pid}`")),
        "{shown}"
    );
    assert_eq!(
        json(&bed, "show latest")["status"],
        "running",
        "for programs it is as in its file"
    );
    signal(pid, rustix::process::Signal::CONT);
    until("it goes on", || word().contains(" running "));
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    let shown = bed.bench("show latest");
    let want = format!("trials   1 of 2 have a verdict; `bench-cli resume {run}` runs the other 1");
    assert!(shown.contains(&want), "{shown}");
    let lists = ["list", "view list"].map(|command| bed.bench(command));
    for listed in lists {
        let why = listed
            .lines()
            .find(|line| line.contains("✗") && line.contains("worker_lost"));
        assert!(
            why.is_some_and(|why| why.ends_with(&format!("`bench-cli show {run}`"))),
            "{listed}"
        );
    }
    let trial = bed.bench("show latest --trial stuck~script-play.json~1");
    assert!(trial.contains(&format!("`resume {run}` runs again")), "{trial}");
    let logs = bed.bench("logs latest");
    assert!(
        logs.contains("the run failed: ") && logs.contains("worker.log"),
        "{logs}"
    );
}

#[test]
fn resume_of_a_finished_run_has_nothing_to_do() {
    let bed = bed();
    let run = |args: &str| bed.output(args).status.code();
    assert_eq!(
        run("run h.json --scenario quick --ui quiet --model script:play.json"),
        Some(0)
    );
    let before = json(&bed, "show latest");
    let output = bed.output("resume");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to do"));
    let after = json(&bed, "show latest");
    assert_eq!(
        (&before["generation"], &before["updated_at"]),
        (&after["generation"], &after["updated_at"])
    );
}

#[test]
fn retry_is_a_new_run_of_what_did_not_pass() {
    let bed = bed();
    let args = "run h.json --ui quiet --model noop --model script:play.json --scenario quick";
    assert_eq!(bed.output(args).status.code(), Some(0));
    let first = json(&bed, "show latest")["run_id"].as_str().unwrap().to_owned();
    assert_eq!(
        bed.output("retry --errored").status.code(),
        Some(2),
        "none errored"
    );
    assert_eq!(bed.output("retry --ui quiet --failed").status.code(), Some(0));
    let list = json(&bed, "list");
    let second = &list["runs"][0];
    assert_ne!(
        second["run_id"],
        first.as_str(),
        "the younger one is the first, also within a second"
    );
    assert_eq!(
        (&second["progress"]["trials_total"], &second["model_summary"]),
        (&1.into(), &"noop".into())
    );
    let folder = second["dir"].as_str().unwrap();
    let plan: Value =
        serde_json::from_slice(&fs::read(Path::new(folder).join("plan.json")).unwrap()).unwrap();
    assert_eq!(
        (&plan["retries_of"], &plan["only_trials"][0]),
        (&first.as_str().into(), &"quick~noop~1".into())
    );
}

#[test]
fn trials_that_never_began_did_not_pass_either() {
    let bed = bed();
    let (run, _) = launch(&bed, "--model script:play.json --runs 3 --max-concurrency 1");
    assert_eq!(bed.output("kill latest").status.code(), Some(0));

    let failed = bed.output("retry --failed");
    let err = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(2), "{err}");
    assert!(
        err.contains(&format!(
            "`bench-cli resume {run}` runs the 4 trials that never ended"
        )),
        "{err}"
    );
    let launched = json(&bed, "retry --background");
    let folder = launched["dir"].as_str().unwrap();
    bed.output("kill latest");
    let plan: Value =
        serde_json::from_slice(&fs::read(Path::new(folder).join("plan.json")).unwrap()).unwrap();
    let chosen = plan["only_trials"].as_array().unwrap();
    assert_eq!(chosen.len(), 5, "all but the one that passed: {chosen:?}");
}

#[test]
fn a_filter_that_fits_no_run_is_named() {
    let bed = bed();
    bed.output("run h.json --ui quiet --model noop --scenario quick");
    let list = bed.bench("list --status running");
    assert!(list.contains("no running runs in results"), "{list}");
}

#[test]
fn the_end_of_the_terminal_is_not_the_end_of_the_run() {
    use std::os::unix::process::CommandExt;
    let bed = bed();
    let args = "run h.json --model script:play.json --background --json";
    let mut shell = bed.command(args);
    // A group of its own, as a shell gives to a job; hanging up reaches all of it.
    let shell = shell.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let group = rustix::process::Pid::from_raw(i32::try_from(shell.id()).unwrap()).unwrap();
    let said = shell.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let pid = u32::try_from(said["pid"].as_u64().unwrap()).unwrap();
    // Nobody is left in it, which is the point.
    assert!(rustix::process::kill_process_group(group, rustix::process::Signal::HUP).is_err());
    signal(pid, rustix::process::Signal::CONT);
    let session =
        rustix::process::getsid(rustix::process::Pid::from_raw(i32::try_from(pid).unwrap())).unwrap();
    assert_eq!(
        session.as_raw_nonzero().get(),
        i32::try_from(pid).unwrap(),
        "it leads a session"
    );
    until("it goes on", || {
        json(&bed, "show latest")["progress"]["trials_done"] == 1
    });
    assert_eq!(json(&bed, "kill latest")["runs"][0]["status"], "cancelled");
}

#[test]
fn no_secret_is_in_any_file_and_the_worker_has_them_all() {
    let gyms = r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "echo \"$GYM_TOKEN $LITERAL_SECRET $PIN\" > \"$SEEN\"; exec cat > /dev/null"],
        "env": {"GYM_TOKEN": "${GYM_TOKEN}", "LITERAL_SECRET": "canary-literal-0001", "PIN": "${PIN}", "SEEN": "SEEN_HERE"}}}}"#;
    let seen = tempfile::tempdir().unwrap();
    let gyms = gyms.replace("SEEN_HERE", &seen.path().join("seen").display().to_string());
    let bed = bed()
        .with("gyms.json", &gyms)
        .with(".env", "GYM_TOKEN=canary-envfile-0002\n");
    let args = "run h.json --background --model script:play.json --env-file .env --secret PIN --json";
    let mut command = bed.command(args);
    let output = command.env("PIN", "canary-named-0003").output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Only the worker's memory has it from here on.
    fs::remove_file(bed.path().join(".env")).unwrap();
    fs::remove_file(bed.path().join("gyms.json")).unwrap();
    let got = || fs::read_to_string(seen.path().join("seen")).unwrap_or_default();
    until("the server has started", || got().contains('\n'));
    assert_eq!(
        got(),
        "canary-envfile-0002 canary-literal-0001 canary-named-0003\n"
    );
    let killed = bed.output("kill latest");
    let logs = bed.output("logs latest");
    for stream in [
        &output.stdout,
        &output.stderr,
        &killed.stdout,
        &killed.stderr,
        &logs.stdout,
    ] {
        assert!(!String::from_utf8_lossy(stream).contains("canary"));
    }
    assert_eq!(files_with(bed.path(), "canary"), Vec::<PathBuf>::new());
}

#[test]
fn cleanup_changes_nothing_unless_told_and_then_settles_what_the_older_tool_left() {
    let old = r#"{"run_id": "bg_20251029_abc12345", "status": "running", "started_at": "2025-10-29T10:00:00",
        "completed_at": null, "harness_file": "task.json", "harness_name": "task.json",
        "model_summary": "claude-sonnet-4", "total_runs": 5, "completed_runs": 3, "error": null}"#;
    let file = "results/background_runs/bg_20251029_abc12345/state.json";
    let bed = bed().with(file, old);
    let path = bed.path().join(file);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(48 * 3_600);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    let (run, pid) = launch(&bed, "--model script:play.json");
    signal(pid, rustix::process::Signal::KILL);
    // Its last thread may hold the lease for a moment longer than its first one lives.
    until("the kernel has freed the lease", || {
        json(&bed, "cleanup")["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() == 2)
    });
    let folder = bed.path().join("results/runs").join(&run);
    let state = || fs::read_to_string(folder.join("state.json")).unwrap();
    let (before, old_before) = (state(), fs::read_to_string(&path).unwrap());

    let shown = bed.bench("cleanup --stale-hours 24");
    assert!(
        shown.contains("orphaned") && shown.contains("stale") && shown.contains("--no-dry-run"),
        "{shown}"
    );
    assert_eq!(
        (state(), fs::read_to_string(&path).unwrap()),
        (before, old_before),
        "a dry run"
    );
    let done = json(&bed, "cleanup --no-dry-run");
    assert_eq!(done["settled"], serde_json::json!([run, "bg_20251029_abc12345"]));
    assert!(state().contains("worker_lost"));
    let old: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(old["status"], "failed");
    assert!(old["completed_at"].is_string());
    assert_eq!(json(&bed, "cleanup")["rows"], serde_json::json!([]));
    let list = bed.bench("list");
    assert!(
        list.contains("bg_20251029_abc12345") && list.contains(&run),
        "{list}"
    );
    let shown = bed.bench("show bg_20251029_abc12345");
    assert!(
        shown.contains("the older tool") && shown.contains("exit 0"),
        "{shown}"
    );

    assert_eq!(
        bed.output("prune").status.code(),
        Some(2),
        "everything is too much to mean by nothing"
    );
    assert_eq!(
        json(&bed, "prune --older-than 30d")["runs"],
        serde_json::json!([])
    );
    assert_eq!(json(&bed, "prune --keep 0")["runs"], serde_json::json!([run]));
    assert_eq!(
        json(&bed, &format!("prune {run}"))["runs"],
        serde_json::json!([run])
    );
    assert!(folder.exists(), "only shown");
    assert_eq!(
        bed.output(&format!("prune {run} --keep 1")).status.code(),
        Some(2),
        "either by name or by age"
    );
    json(&bed, &format!("prune {run} --no-dry-run"));
    assert!(!folder.exists());
    assert_eq!(bed.output(&format!("prune {run}")).status.code(), Some(2));
}

#[test]
fn monitors_are_told_of_runs_that_do_nothing() {
    let bed = bed();
    let code = |args: &str| bed.output(args).status.code();
    assert_eq!(code("list --status overdue --exit-code"), Some(0));
    let (run, pid) = launch(&bed, "--model script:play.json");
    assert_eq!(code("list --status overdue --exit-code"), Some(0), "it is young");
    let removed = bed.bench(&format!("prune {run} --no-dry-run"));
    assert!(
        removed.contains("is still running") && removed.contains("--- exit 3"),
        "{removed}"
    );
    // A threshold of no hours: whoever lives is late.
    assert_eq!(code("list --status overdue --exit-code --stale-hours 0"), Some(1));
    let done = json(&bed, "cleanup --stale-hours 0 --kill-overdue --no-dry-run");
    assert_eq!(done["settled"], serde_json::json!([run]));
    assert!(!lives(pid));
    assert_eq!(json(&bed, "show latest")["status"], "cancelled");
}
