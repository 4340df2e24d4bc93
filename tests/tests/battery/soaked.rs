//! Half a minute of the soak: `cargo run --release -p bench-tests --bin soak -- --minutes 5` is the whole of it.
//!
//! Attacked: the list equals a scan of the folder at every moment; a live worker is never taken for dead, a dead one
//! never for alive; after any number of kills and resumes the files of every run agree.

use std::io::{self, Write};
use std::time::Duration;

use bench_tests::battery::soak::{Options, soak};

#[test]
fn random_kills_while_others_list() {
    let options = Options {
        lasts: Duration::from_secs(30),
        kills: 30,
        ..Options::default()
    };
    let figures = soak(&options);
    writeln!(io::stderr(), "soak: {figures}").ok();
    assert!(
        figures.faults.is_empty(),
        "{figures}:\n{}",
        figures.faults.join("\n")
    );
    assert!(figures.kills >= 15, "a machine so slow proves nothing: {figures}");
    assert!(figures.rows > 100, "{figures}");
}
