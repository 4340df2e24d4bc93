//! The bad gym over stdio: run by the binary `bad-stdio-gym`, with the faults that only a process has.

use std::io::{self, BufRead, Write};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::rpc::{self, Answer, Fault};

/// What is wrong with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessFault {
    /// Nothing.
    None,
    /// It says why on stderr and exits with status 42 before the handshake.
    ExitBeforeHandshake,
    /// It reads and never answers.
    Silent,
    /// It goes on after SIGTERM and after the end of its input.
    IgnoreSigterm,
    /// It starts a grandchild with a session of its own, which keeps the pipes open.
    EscapedGrandchild,
    /// It writes megabytes to stderr before it answers anything.
    StderrFlood,
    /// It is that grandchild: it waits for ever.
    Sleeper,
}

impl ProcessFault {
    /// Every fault with its name on the command line.
    pub const ALL: [(&str, Self); 7] = [
        ("none", Self::None),
        ("exit-before-handshake", Self::ExitBeforeHandshake),
        ("silent", Self::Silent),
        ("ignore-sigterm", Self::IgnoreSigterm),
        ("escaped-grandchild", Self::EscapedGrandchild),
        ("stderr-flood", Self::StderrFlood),
        ("sleeper", Self::Sleeper),
    ];

    /// The fault of a name.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, fault)| *fault)
    }
}

/// Runs the server on this process's stdin and stdout. Returns its exit status.
///
/// # Errors
/// Stdin or stdout are broken, or a child could not be started.
pub fn run(fault: ProcessFault) -> io::Result<u8> {
    match fault {
        ProcessFault::ExitBeforeHandshake => {
            writeln!(io::stderr(), "bad-stdio-gym: no licence found")?;
            return Ok(42);
        }
        ProcessFault::Silent | ProcessFault::Sleeper => sleep_for_ever(),
        ProcessFault::IgnoreSigterm => ignore_sigterm()?,
        ProcessFault::EscapedGrandchild => start_grandchild()?,
        ProcessFault::StderrFlood => flood_stderr()?,
        ProcessFault::None => {}
    }
    let status = serve()?;
    if fault == ProcessFault::IgnoreSigterm {
        sleep_for_ever();
    }
    Ok(status)
}

/// Leaves the parent's session: a signal to its process group no longer arrives here.
///
/// # Errors
/// The operating system refuses.
pub fn leave_session() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

fn serve() -> io::Result<u8> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line?) else {
            continue;
        };
        match rpc::handle(&message) {
            Answer::Response(response) => writeln!(out, "{response}")?,
            Answer::Nothing => {}
            Answer::Fault(Fault::Hang | Fault::Reset) => sleep_for_ever(),
            Answer::Fault(Fault::Die) => return Ok(3),
            Answer::Fault(Fault::Malformed | Fault::ServerError) => writeln!(out, "{{\"jsonrpc\": oops")?,
        }
        out.flush()?;
    }
    Ok(0)
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}

/// Catches SIGTERM on a thread that then does nothing about it.
fn ignore_sigterm() -> io::Result<()> {
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            ready.send(()).ok();
            while terminate.recv().await.is_some() {}
            io::Result::Ok(())
        })
    });
    is_ready.recv().map_err(io::Error::other)
}

fn start_grandchild() -> io::Result<()> {
    Command::new(std::env::current_exe()?)
        .args(["--fault", "sleeper"])
        .stdin(Stdio::null())
        .spawn()?;
    Ok(())
}

fn flood_stderr() -> io::Result<()> {
    let mut err = io::stderr().lock();
    let line = "tick ".repeat(200);
    for _ in 0..8_000 {
        writeln!(err, "{line}")?;
    }
    Ok(())
}
