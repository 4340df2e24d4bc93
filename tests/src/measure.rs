//! What a child process costs: wall time, CPU, peak memory.
//!
//! The kernel adds up the costs of all children that a process has waited for. So that a figure belongs
//! to one child, each measurement is made by a process of its own, which has no other child:
//! [`Cost::of`] runs in it, and what it returns is printed for the one that started it.
#![expect(clippy::cast_precision_loss, reason = "seconds and MiB are far below 2^52")]

use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// What one child cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall-clock seconds from start to end.
    pub wall_s: f64,
    /// CPU seconds in the program.
    pub user_s: f64,
    /// CPU seconds in the kernel.
    pub system_s: f64,
    /// Peak resident memory in MiB. Below the measuring process's own, about 4 MiB, it means nothing.
    pub peak_mib: f64,
    /// Share of all processors that was in use by anyone, 0 to 1.
    pub machine_busy: f64,
    /// Exit status, or -1 for a signal.
    pub exit: i32,
}

impl Cost {
    /// Runs a command without input or output and returns its cost. Call it once in a process.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn of(command: &mut Command) -> std::io::Result<Self> {
        let ticks = Ticks::now();
        let began = Instant::now();
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        let wall_s = began.elapsed().as_secs_f64();
        let used: Usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(Self {
            wall_s,
            user_s: seconds(used.user_time()),
            system_s: seconds(used.system_time()),
            peak_mib: used.max_rss() as f64 / 1024.0,
            machine_busy: ticks.busy_since(),
            exit: status.code().unwrap_or(-1),
        })
    }

    /// CPU seconds in all.
    pub fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// Processor ticks of the whole machine since it started.
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = first
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|n| n.parse().ok())
            .collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Self {
            busy: all - idle,
            all,
        }
    }

    fn busy_since(&self) -> f64 {
        let now = Self::now();
        let all = now.all.saturating_sub(self.all).max(1);
        now.busy.saturating_sub(self.busy) as f64 / all as f64
    }
}
