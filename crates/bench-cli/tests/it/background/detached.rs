//! The worker itself: free of the terminal that launched it, and the only one that knows the secrets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{bed, json, launched, signal, until};

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
    let (_, pid) = launched(&serde_json::from_slice(&said.stdout).unwrap());
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
