//! The soak as a command: `soak [--minutes N | --seconds N] [--kills N] [--seed N]`. Exits with 1 if anything was wrong.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use bench_tests::battery::soak::{Options, soak};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&arguments) else {
        writeln!(
            io::stderr(),
            "usage: soak [--minutes N | --seconds N] [--kills N] [--seed N]"
        )
        .ok();
        return ExitCode::from(2);
    };
    let figures = soak(&options);
    writeln!(io::stdout(), "{figures}").ok();
    for fault in &figures.faults {
        writeln!(io::stdout(), "{fault}").ok();
    }
    ExitCode::from(u8::from(
        !figures.faults.is_empty() || figures.kills < options.kills,
    ))
}

fn options(arguments: &[String]) -> Option<Options> {
    let mut options = Options::default();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return None };
        let number: u64 = value.parse().ok()?;
        match name.as_str() {
            "--minutes" => options.lasts = Duration::from_secs(number * 60),
            "--seconds" => options.lasts = Duration::from_secs(number),
            "--kills" => options.kills = usize::try_from(number).ok()?,
            "--seed" => options.seed = number,
            _ => return None,
        }
    }
    Some(options)
}
