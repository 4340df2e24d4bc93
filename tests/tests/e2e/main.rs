//! End-to-end tests: the real binary against real servers, good and bad, as a user would see them.
//!
//! | module | subject |
//! |---|---|
//! | `equipment` | the stubs themselves: what they say on the wire |
//! | `harness` | scenarios to write harness files with |
//! | `broken_input` | what a person is told whose files or arguments are wrong |
//! | `wires` | whole conversations over both wire formats |
//! | `bad_models` | models that fail, hang, talk nonsense or never stop |
//! | `rates` | providers that limit their rate |
//! | `bad_gyms` | MCP servers that fail, hang, die or never answer |
//! | `same_gym` | the tracker embedded, over HTTP, over stdio: same verdicts, nothing left behind |
//! | `isolation` | 500 trials at once, each in a world of its own |
//! | `interrupted` | signals in the middle of a run |
//! | `terminal` | closed terminals, Ctrl-C, and the ways of the older tool, in a real terminal |
//! | `causes` | what keeps a run from going on, as the dashboard tells it |
//! | `budgets` | what a resume may say anew, and the gate that a run keeps |
//! | `costs` | what a run costs, its budget, and what of it outlives a worker |
//! | `estimates` | what a dry run says a run will need |
//! | `evidence` | what went over the wire to models: kept, shown, without secrets |
//! | `reports` | a run as one page |
//! | `replays` | a finished run as a recording: played again, judged again |
//! | `steps` | verifiers looked at after each tool call |
//! | `trial_view` | one trial in the dashboard: live, and step by step |
//! | `leftovers` | databases and processes of dead workers, and who removes them |
//! | `on_disk` | the run folder, and the commands that read it |
//! | `secrets` | what must be found nowhere |
//! | `gates` | exit codes for scripts |
//! | `compares` | models and runs side by side, with a verdict |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod bad_gyms;
mod bad_models;
mod broken_input;
mod budgets;
mod causes;
mod compares;
mod costs;
mod dashboard;
mod dashboard_acts;
mod dashboard_here;
mod equipment;
mod estimates;
mod evidence;
mod gates;
mod harness;
mod interrupted;
mod isolation;
mod judges;
mod leftovers;
mod on_disk;
mod pager;
mod rates;
mod replays;
mod reports;
mod same_gym;
mod secrets;
mod steps;
mod terminal;
mod trial_view;
mod wires;
