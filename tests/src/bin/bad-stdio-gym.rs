//! The bad gym over stdio: `bad-stdio-gym [--fault NAME]`.

use std::io::{self, Write};
use std::process::ExitCode;

use bench_tests::bad_gym::stdio::{ProcessFault, leave_session, run};

fn main() -> ExitCode {
    let name = std::env::args()
        .skip_while(|argument| argument != "--fault")
        .nth(1);
    let Some(fault) = ProcessFault::named(name.as_deref().unwrap_or("none")) else {
        let known = ProcessFault::ALL.map(|(name, _)| name).join(", ");
        writeln!(io::stderr(), "bad-stdio-gym: unknown fault; there are: {known}").ok();
        return ExitCode::from(2);
    };
    let started = if fault == ProcessFault::Sleeper {
        leave_session()
    } else {
        Ok(())
    };
    match started.and_then(|()| run(fault)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            writeln!(io::stderr(), "bad-stdio-gym: {error}").ok();
            ExitCode::FAILURE
        }
    }
}
