//! A small file system in memory: it can be filled to the last page, and be made read-only. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes from its fork to its own program.
const FORKS_ARE_OVER: Duration = Duration::from_secs(20);

/// A tmpfs, unmounted when this is dropped.
#[derive(Debug)]
pub struct Volume {
    at: PathBuf,
}

impl Volume {
    /// Mounts one of so many KiB on a folder, which is created.
    pub fn mount(at: &Path, kib: u64) -> Self {
        std::fs::create_dir_all(at).expect("a folder to mount on");
        let options = format!("size={kib}k,mode=0700");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "bench-tests"])
            .arg(at));
        Self { at: at.to_owned() }
    }

    /// Leaves so many KiB free. Somebody may be writing meanwhile.
    pub fn leave_free(&self, kib: u64) {
        self.remount(|| format!("size={}k", self.used_kib() + kib));
    }

    /// From now on nothing can be written.
    pub fn read_only(&self) {
        self.remount(|| "ro".to_owned());
    }

    /// KiB in use.
    pub fn used_kib(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.at).expect("a mounted file system");
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize / 1024
    }

    fn remount(&self, how: impl Fn() -> String) {
        let command = || {
            let mut command = Command::new("mount");
            command.arg("-o").arg(format!("remount,{}", how())).arg(&self.at);
            command
        };
        // What another thread forks has its files open for writing until it becomes another program.
        let deadline = Instant::now() + FORKS_ARE_OVER;
        while Instant::now() < deadline {
            if command().output().is_ok_and(|tried| tried.status.success()) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        run(&mut command());
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: whoever still holds a file in it does not keep it in the way.
        Command::new("umount").arg("-l").arg(&self.at).status().ok();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("a command of the system");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
