//! Servers behind `npx`, which starts a shell, which starts the server: none of the three outlives its run.

use bench_tests::battery::leftovers::{End, nothing_is_left_after};
use serde_json::json;

use crate::installed;

#[test]
fn servers_behind_npx_end_with_their_run() {
    let Some(real) = installed("servers_behind_npx_end_with_their_run") else {
        return;
    };
    let folder = real.join("servers");
    let server =
        json!({"command": "npx", "args": ["--no-install", "mcp-server-everything", "stdio"], "cwd": folder});
    for how in [End::Normal, End::Kill, End::KillNine] {
        nothing_is_left_after(how, "npx", &server, 4);
    }
}
