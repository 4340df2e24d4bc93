//! What a run starts does not outlive it: servers behind a shell, servers that ignore SIGTERM, grandchildren that made
//! themselves a session of their own.
//!
//! Attacked: after `kill`, after `kill -9` of the worker and one `list`, and after a normal end no process of the run
//! is left. The same with servers behind `npx` is among the tests with real parts.

use bench_tests::battery::leftovers::{End, nothing_is_left_after};
use bench_tests::bed::binary;
use serde_json::json;

/// Command lines for the shell, by what is nasty about them. `GYM` is the server.
const SHELLS: [(&str, &str); 4] = [
    ("a shell that waits", "GYM; true"),
    (
        "a shell in a shell, with company",
        "sleep 1000 & sh -c 'GYM; true'",
    ),
    (
        "deaf to SIGTERM",
        "trap '' TERM; GYM --fault ignore-sigterm; true",
    ),
    (
        "a grandchild in a session of its own",
        "setsid sleep 1000 & GYM --fault escaped-grandchild; true",
    ),
];

fn of_every_kind_nothing_is_left_after(how: End) {
    let gym = binary::own("bad-stdio-gym").display().to_string();
    for (kind, shell) in SHELLS {
        let server = json!({"command": "sh", "args": ["-c", shell.replace("GYM", &gym)]});
        nothing_is_left_after(how, kind, &server, 4);
    }
}

#[test]
fn a_normal_end_leaves_no_process() {
    of_every_kind_nothing_is_left_after(End::Normal);
}

#[test]
fn kill_leaves_no_process() {
    of_every_kind_nothing_is_left_after(End::Kill);
}

#[test]
fn after_kill_nine_one_list_leaves_no_process() {
    of_every_kind_nothing_is_left_after(End::KillNine);
}
