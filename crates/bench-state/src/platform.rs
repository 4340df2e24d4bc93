//! Everything that differs between operating systems: private modes, folder syncs, file identity, process identity.
//!
//! Unix is what is built and tested. Elsewhere (Windows; this branch has not been compiled there) modes and folder
//! syncs have no counterpart and are skipped, and files are taken to be the ones they were opened as; locks come
//! from the standard library and fd-lock, which have their own Windows forms. A lease cannot be handed to a child
//! process there, which background runs will have to take into account.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

use crate::worker::Worker;

/// Options that create files which only their owner may read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A builder of folders which only their owner may enter.
pub(crate) fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Makes names created, renamed or removed in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Whether `path` still names the file that was opened as `file`. A missing path names no file.
pub(crate) fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let named = match std::fs::metadata(path) {
            Ok(named) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let opened = file.metadata()?;
        Ok(opened.dev() == named.dev() && opened.ino() == named.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

/// Sets a file's modification time to the file system's own "now", so that clocks of readers can differ.
pub(crate) fn touch(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
        let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps {
            last_access: at(UTIME_OMIT),
            last_modification: at(UTIME_NOW),
        };
        rustix::fs::futimens(file, &times)?;
        Ok(())
    }
    #[cfg(not(unix))]
    file.set_modified(std::time::SystemTime::now())
}

/// Who this process is.
pub(crate) fn this_worker() -> Worker {
    Worker {
        pid: std::process::id(),
        host: host(),
        boot_id: boot_id(),
        start_ticks: start_ticks(),
        exe: std::env::current_exe()
            .ok()
            .map(|path| path.to_string_lossy().into_owned()),
    }
}

/// Name of this machine.
pub(crate) fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// Random id of this boot of the kernel; Linux only.
pub(crate) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// When this process started, in clock ticks since boot; Linux only. With the pid it names a process for good.
fn start_ticks() -> Option<u64> {
    start_ticks_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Field 22 of a `stat` file, counted after the last `)`, because the program name before it may hold anything.
fn start_ticks_in(stat: &str) -> Option<u64> {
    const FIELDS_BETWEEN: usize = 19;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name
        .split_ascii_whitespace()
        .nth(FIELDS_BETWEEN)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ticks_are_found_behind_any_program_name() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("1234 (a) b ) 22 (x) {}", fields.join(" "));
        assert_eq!(start_ticks_in(&stat), Some(22));
        assert_eq!(start_ticks_in("1 (x) S 1"), None);
        assert_eq!(start_ticks_in(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_name_itself() {
        let worker = this_worker();
        assert_eq!(worker.pid, std::process::id());
        assert!(worker.start_ticks.is_some_and(|ticks| ticks > 0));
        assert!(worker.boot_id.is_some_and(|id| id.len() == 36));
        assert!(!worker.host.is_empty());
    }

    #[test]
    fn a_replaced_file_is_not_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let first = File::create(&path).unwrap();
        assert!(is_same_file(&first, &path).unwrap());
        std::fs::rename(&path, folder.path().join("kept")).unwrap();
        assert!(!is_same_file(&first, &path).unwrap());
        File::create(&path).unwrap();
        assert!(!is_same_file(&first, &path).unwrap());
    }
}
