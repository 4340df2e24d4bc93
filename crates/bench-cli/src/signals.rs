//! Signals that ask the program to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT (Ctrl-C), SIGTERM and SIGHUP, as far as the program was not started to ignore them (`nohup`). From its
/// making on they no longer end the process by themselves.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Listens from now on. To be called inside a tokio runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored_mask(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let listen = |kind: SignalKind| {
            let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(0);
            (ignored >> bit & 1 == 0).then(|| signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one and says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            () = next_of(&mut self.interrupt) => "SIGINT",
            () = next_of(&mut self.terminate) => "SIGTERM",
            () = next_of(&mut self.hang_up) => "SIGHUP",
        }
    }
}

async fn next_of(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The signals that this process ignores, a bit each; none where the system does not tell.
fn ignored_mask(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        assert_eq!(
            ignored_mask("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\tff\n"),
            1
        );
        assert_eq!(ignored_mask("SigIgn:\tnonsense\n"), 0);
        assert_eq!(ignored_mask(""), 0);
    }
}
