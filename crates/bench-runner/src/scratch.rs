//! The scratch folder of a trial, `{{trial_dir}}`.
//!
//! Most trials need none, and making and removing hundreds of folders a second is slow: so it is made when it is first
//! asked for. A worker that is killed cannot remove its own: the name says of which run it is, and [`sweep_scratch`]
//! removes those of runs that are over. Since a copy of results may say so of a run that is worked on elsewhere, its
//! maker also holds a lock on the folder, which the kernel frees when it dies.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

/// What the names of all scratch folders begin with; the run and a random part follow, with `-` between them.
const PREFIX: &str = "bench-";

/// A folder of its own in the system's folder for temporary files. Clones mean the same one; it is removed, with all
/// that is in it, when the last of them is dropped: whoever lends it keeps one for as long as it may be used.
#[derive(Clone, Default)]
pub struct Scratch {
    /// Whose it is; nobody's without a run.
    run: Option<Arc<str>>,
    made: Arc<Mutex<Option<Made>>>,
}

/// A folder that exists.
struct Made {
    folder: TempDir,
    /// Locked for as long as the folder is in use. None where folders cannot be locked.
    _lock: Option<File>,
}

impl Scratch {
    /// A folder that belongs to a run.
    pub fn of_run(run_id: &str) -> Self {
        Self {
            run: Some(run_id.into()),
            made: Arc::default(),
        }
    }

    /// The folder, which exists from here on; empty at first, and only for this user.
    ///
    /// # Errors
    /// If it cannot be made. Says what, for people.
    pub fn path(&self) -> io::Result<PathBuf> {
        // A panic elsewhere leaves nothing half done here.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(made.folder.path().to_owned());
        }
        let prefix = match &self.run {
            Some(run) => name_of_run(run),
            None => PREFIX.to_owned(),
        };
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
        let folder = folder.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make a scratch folder: {error}"))
        })?;
        let lock = File::open(folder.path())
            .ok()
            .filter(|lock| lock.try_lock().is_ok());
        Ok(made.insert(Made { folder, _lock: lock }).folder.path().to_owned())
    }
}

/// What the names of all scratch folders of a run begin with; a random part of letters and digits follows.
pub(crate) fn name_of_run(run: &str) -> String {
    format!("{PREFIX}{run}-")
}

/// The scratch folders of runs, each with its run, in the system's folder for temporary files: this user's own, and no
/// links to elsewhere. Those of runs under way are among them.
pub fn scratch_folders() -> Vec<(String, PathBuf)> {
    use std::os::unix::fs::MetadataExt;

    let user = rustix::process::geteuid().as_raw();
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    let found = entries.flatten().filter_map(|entry| {
        let run = entry.file_name().to_str().and_then(run_of)?.to_owned();
        let metadata = entry.metadata().ok()?; // of the entry itself: a link is not followed
        (metadata.is_dir() && metadata.uid() == user).then(|| (run, entry.path()))
    });
    found.collect()
}

/// Whether somebody holds its lock.
fn in_use(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn run_of(name: &str) -> Option<&str> {
    let (run, random) = name.strip_prefix(PREFIX)?.rsplit_once('-')?;
    (!run.is_empty() && !random.is_empty()).then_some(run)
}

/// Removes the scratch folders of every run of which `over` says that it is over, and returns how many there were.
///
/// A folder is seen before `over` is asked about its run, so nothing is hit that a resume has made since. One that its
/// worker still uses stays, whatever `over` says; what cannot be removed stays for the next time. Blocking.
pub fn sweep_scratch(mut over: impl FnMut(&str) -> bool) -> u32 {
    let mut removed = 0;
    for (run, folder) in scratch_folders() {
        if over(&run) && !in_use(&folder) && std::fs::remove_dir_all(folder).is_ok() {
            removed += 1;
        }
    }
    removed
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_stays_whatever_is_said_of_its_run() {
        let run = format!("run_{}_in_use", std::process::id());
        let scratch = Scratch::of_run(&run);
        let folder = scratch.path().unwrap();
        let left = folder.with_file_name(format!("{PREFIX}{run}-left"));
        std::fs::create_dir(&left).unwrap();
        assert_eq!(sweep_scratch(|of| of == run), 1);
        assert!(folder.exists() && !left.exists());
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn it_is_one_folder_made_when_needed_and_gone_with_the_last_clone() {
        let scratch = Scratch::default();
        assert!(scratch.made.lock().unwrap().is_none());
        let clone = scratch.clone();
        let folder = clone.path().unwrap();
        std::fs::write(folder.join("file"), "text").unwrap();
        assert_eq!(scratch.path().unwrap(), folder);
        drop(scratch);
        assert!(folder.exists());
        drop(clone);
        assert!(!folder.exists());
    }

    #[test]
    fn folders_of_dead_workers_are_removed_and_no_others() {
        // Names of their own, because other tests and programs use the same folder.
        let name = |n: u32| format!("run_20260101_000000_{:08x}-{n}", std::process::id());
        let (dead, alive) = (name(1), name(2));
        let left = std::env::temp_dir().join(format!("{PREFIX}{dead}-left"));
        std::fs::create_dir_all(left.join("deep/down")).unwrap();
        let lives = Scratch::of_run(&alive);
        let used = lives.path().unwrap();
        let link = std::env::temp_dir().join(format!("{PREFIX}{dead}-link"));
        std::os::unix::fs::symlink(&used, &link).unwrap();

        let mut asked = Vec::new();
        let removed = sweep_scratch(|run| {
            asked.push(run.to_owned());
            run == dead
        });
        std::fs::remove_file(&link).unwrap();
        assert_eq!(removed, 1, "{asked:?}");
        assert!(!left.exists() && used.exists());
        assert!(asked.contains(&alive));
    }

    #[test]
    fn names_say_whose_folder_it_is() {
        for (name, want) in [
            (
                "bench-run_20260101_000000_0badcafe-Ab12Cd",
                Some("run_20260101_000000_0badcafe"),
            ),
            ("bench-Ab12Cd", None),
            ("bench--Ab12Cd", None),
            ("other-run_20260101_000000_0badcafe-Ab12Cd", None),
        ] {
            assert_eq!(run_of(name), want, "{name}");
        }
    }
}
