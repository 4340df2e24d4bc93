//! Signals that ask the program to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, and SIGINT (Ctrl-C) and SIGHUP unless the program was started to ignore them: `nohup` and `&` in a script do
/// so on purpose. From its making on they no longer end the process by themselves.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Listens from now on. To be called inside a tokio runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let unless_ignored = |kind| (!ignores(&status, kind)).then(|| signal(kind)).transpose();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: unless_ignored(SignalKind::interrupt())?,
            hang_up: unless_ignored(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one and says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            () = came(self.interrupt.as_mut()) => "SIGINT",
            () = came(self.hang_up.as_mut()) => "SIGHUP",
        }
    }
}

/// Sends SIGINT to this process, as a terminal does at Ctrl-C unless it hands all keys over.
pub(crate) fn interrupt() -> io::Result<()> {
    let this = rustix::process::getpid();
    Ok(rustix::process::kill_process(this, rustix::process::Signal::INT)?)
}

async fn came(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process ignores a signal, according to its status file; `false` where the system has none.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(0);
    mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        let (hang_up, terminate) = (SignalKind::hangup(), SignalKind::terminate());
        let status = "Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\tff\n";
        assert!(ignores(status, hang_up));
        assert!(!ignores(status, terminate));
        assert!(!ignores("SigIgn:\tnonsense\n", hang_up));
        assert!(!ignores("", hang_up));
    }
}
