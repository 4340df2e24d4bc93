//! Who works on a run. For display, and for signals after a check; never a sign of life (see `classify`).

use serde::{Deserialize, Serialize};

use crate::platform;

/// The process that works, or worked, on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Process id. Reused by the system, so never enough alone.
    pub pid: u32,
    /// Name of its machine.
    pub host: String,
    /// The boot of that machine's kernel, where it can be told.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// Start of the process in clock ticks since boot, where it can be told.
    #[serde(default)]
    pub start_ticks: Option<u64>,
    /// Path of its program, where it can be told; for people, since a path need not be text.
    #[serde(default)]
    pub exe: Option<String>,
}

impl Worker {
    /// Whether the worker's locks are this kernel's to know: same boot for certain, else the same machine name.
    pub fn is_of_this_host(&self) -> bool {
        self.is_of_this_boot() == Some(true) || self.host == platform::host()
    }

    /// Whether its process is stopped, by SIGSTOP, Ctrl-Z or a debugger: it holds its lease and does nothing until it is
    /// continued. `false` where that cannot be told: on another machine, and where there is no `/proc`.
    pub fn is_stopped(&self) -> bool {
        platform::process::is_stopped(self)
    }

    /// Whether the machine is still in the worker's boot; `None` where that cannot be told.
    pub(crate) fn is_of_this_boot(&self) -> Option<bool> {
        Some(self.boot_id.as_ref()? == &platform::boot_id()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(host: &str, boot_id: Option<&str>) -> Worker {
        Worker {
            host: host.to_owned(),
            boot_id: boot_id.map(str::to_owned),
            ..platform::this_worker()
        }
    }

    #[test]
    fn a_container_with_another_name_on_the_same_kernel_is_this_host() {
        let boot = platform::boot_id();
        assert!(worker("another-name", boot.as_deref()).is_of_this_host());
        assert!(!worker("another-name", Some("00000000-0000-0000-0000-000000000000")).is_of_this_host());
        assert!(!worker("another-name", None).is_of_this_host());
        assert!(worker(&platform::host(), None).is_of_this_host());
    }
}
