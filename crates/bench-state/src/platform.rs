//! Everything that differs between operating systems: private modes, folder syncs, file identity, process identity.
//!
//! Unix is what is built and tested. Elsewhere (Windows; this branch has not been compiled there) modes and folder
//! syncs have no counterpart and are skipped, and files are taken to be the ones they were opened as; locks come
//! from the standard library and fd-lock, which have their own Windows forms. A lease cannot be handed to a child
//! process there, so launching one in the background is refused.
//!
//! [`process`] is about other processes; the rest is here.

pub(crate) mod process;

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

/// Options that never wait for the other end of a pipe that lies where a file should be.
pub(crate) fn without_waiting() -> OpenOptions {
    let mut options = private_file();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    options
}

/// A builder of folders which only their owner may enter.
pub(crate) fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Gives a file that this process has just created at `path` to the owner of the folder, if root made it in somebody
/// else's. It must lie there still: nothing is given away that was moved elsewhere meanwhile.
pub(crate) fn give_to_owner(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let here = folder.as_os_str().is_empty();
        let folder = File::open(if here { Path::new(".") } else { folder })?;
        let (made, owner) = (file.metadata()?, folder.metadata()?);
        if made.uid() == owner.uid() {
            return Ok(());
        }
        let named = rustix::fs::statat(&folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
        if (named.st_dev, named.st_ino) == (made.dev(), made.ino()) {
            fchown(file, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(())
}

/// The same for a folder.
pub(crate) fn give_folder_to_owner(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        let me = rustix::process::geteuid();
        if !me.is_root() {
            return Ok(());
        }
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
        let made = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        // Somebody who may write here could have put another one in its place, but none of ours.
        if made.metadata()?.uid() == me.as_raw() {
            give_to_owner(&made, path)?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
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

/// Whether a link lies there, whatever it points to.
pub(crate) fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

/// Whether anything lies there, be it a link to nowhere.
pub(crate) fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// What changes whenever a file is replaced or written. Cheap to ask for, compared with reading the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileVersion {
    identity: (u64, u64),
    modified: Option<std::time::SystemTime>,
    length: u64,
}

impl FileVersion {
    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

/// The present version of a file; `None` if there is none.
pub(crate) fn version_of(path: &Path) -> io::Result<Option<FileVersion>> {
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt;
        (found.dev(), found.ino())
    };
    #[cfg(not(unix))]
    let identity = (0, 0);
    Ok(Some(FileVersion {
        identity,
        modified: found.modified().ok(),
        length: found.len(),
    }))
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
        start_ticks: process::start_ticks_of("self"),
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

#[cfg(test)]
mod tests {
    use super::*;

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
