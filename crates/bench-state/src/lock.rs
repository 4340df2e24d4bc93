//! The two locks of a run.
//!
//! `state.lock` is held for milliseconds around a whole read-modify-write of `state.json`, and let go of by an
//! explicit unlock: closing alone would leave it taken while another thread of ours is between fork and exec.
//!
//! `lease.lock` is held by the worker until it has ended its run, or dies. A worker that ends its run unlocks it, for
//! the same reason; one that dies leaves it to the kernel; one that hands it to another process only closes its copy,
//! as an unlock takes it from everyone who shares the descriptor. Who finds it free knows that nobody works on the run.
//! Order everywhere: lease, then state lock; nobody waits for a lease while holding another lock.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fd_lock::RwLock;

use crate::classify::LeaseSign;
use crate::error::{At, FileAction, Result, StateError};
use crate::{durable, platform};

/// How long to wait for a state lock if nothing else is said: far longer than anyone should hold one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The same for a snapshot of a run under way, which the next one makes up for: the work must not wait for it.
pub(crate) const SNAPSHOT: Duration = Duration::from_millis(250);

/// The same for readers, who can tell the truth without storing it.
pub(crate) const READER: Duration = Duration::from_secs(1);

/// The same for a reader who has waited in vain already, and has many more runs to read.
pub(crate) const HURRIED: Duration = Duration::from_millis(10);

/// The same for a request to end a run, which is not the only way to say so.
pub(crate) const REQUEST: Duration = Duration::from_secs(2);

/// The same for the ending of a run by its worker, who has nothing else to do any more.
pub(crate) const ENDING: Duration = Duration::from_secs(30);

/// How long to wait for the lease of a run that is over: far longer than any reader looks at it.
const LEASE_PATIENCE: Duration = Duration::from_secs(2);

/// What a lease takes up on the disk while its run is under way, in bytes: room for the ending, should the disk be full
/// by then. Enough for `state.json` and a small session; a larger session can be added up from the journal.
const RESERVE: usize = 16 * 1024;

/// First and longest pause between two tries for a taken lock.
const PAUSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(5));

/// Does `work` while holding the state lock at `path`, which is created if it is missing.
///
/// # Errors
/// [`StateError::LockTimeout`] if it stays taken for longer than `patience`; otherwise those of `work`.
pub(crate) fn with_state_lock<T>(
    path: &Path,
    patience: Duration,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let started = Instant::now();
    let (mut pause, longest) = PAUSES;
    loop {
        let mut options = platform::without_waiting();
        options.read(true).write(true);
        let mut lock = RwLock::new(durable::open_or_create(&mut options, path)?);
        match lock.try_write() {
            Ok(guard) if platform::is_same_file(&guard, path).at(FileAction::Open, path)? => {
                let outcome = work();
                drop(guard);
                return outcome;
            }
            // Somebody removed and re-created the file after we opened it: we hold the lock of a ghost.
            Ok(_ghost) => continue,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).at(FileAction::Lock, path),
        }
        let waited = started.elapsed();
        if waited > patience {
            return Err(StateError::LockTimeout {
                path: path.to_owned(),
                waited,
            });
        }
        thread::sleep(pause.min(patience.saturating_sub(waited)));
        pause = (pause * 2).min(longest);
    }
}

/// A worker's claim on its run: held until the process dies or this is dropped.
///
/// The descriptor is closed on exec (the standard library's default), so no child process keeps the run alive.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Empty only after it was given away.
    held: Option<File>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(file) = &self.held {
            unlock(file);
        }
    }
}

/// Gives back what the lease at this path keeps of the disk. To be called by whoever is about to write the ending.
pub(crate) fn make_room(path: &Path) {
    let opened = durable::open(platform::without_waiting().write(true), path);
    let made = opened.and_then(|file| durable::truncate(&file, path, 0));
    if let Err(error) = made {
        tracing::debug!(%error, "the ending has to do with the room there is");
    }
}

/// Lets go at once, not only when the last copy of the descriptor is closed.
fn unlock(file: &File) {
    // Should it fail, closing the file does it a moment later.
    if let Err(error) = file.unlock() {
        tracing::debug!(%error, "lease not unlocked explicitly");
    }
}

impl Lease {
    /// Creates the lease of a run that nobody else can see yet, and takes it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = durable::create_file(path, b"")?;
        match file.try_lock() {
            Ok(()) => Ok(Self { held: Some(file) }),
            Err(error) => Err(io::Error::from(error)).at(FileAction::Lock, path),
        }
    }
}

impl Lease {
    /// Takes the lease of a run that is over, if it is free at this instant.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>> {
        loop {
            let mut options = platform::without_waiting();
            options.read(true).write(true);
            let file = durable::open_or_create(&mut options, path)?;
            match file.try_lock() {
                Ok(()) if platform::is_same_file(&file, path).at(FileAction::Open, path)? => {
                    return Ok(Some(Self { held: Some(file) }));
                }
                // As with the state lock: the lock of a ghost.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error).at(FileAction::Lock, path),
            }
        }
    }

    /// Takes it, waiting for readers that have a look at it: for up to 2 s, and only while `worth_it` says so.
    ///
    /// # Errors
    /// [`StateError::LockTimeout`] if it stays taken; those of `worth_it`.
    pub(crate) fn take(path: &Path, mut worth_it: impl FnMut() -> Result<()>) -> Result<Self> {
        let started = Instant::now();
        let (mut pause, longest) = PAUSES;
        loop {
            if let Some(lease) = Self::try_take(path)? {
                return Ok(lease);
            }
            worth_it()?;
            let waited = started.elapsed();
            if waited > LEASE_PATIENCE {
                return Err(StateError::LockTimeout {
                    path: path.to_owned(),
                    waited,
                });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(longest);
        }
    }

    /// The lease as handed over by the process that launched this one. It must be the run's, and held: through the
    /// very descriptor that is `given`.
    ///
    /// # Errors
    /// In the outer result I/O errors; in the inner one, for people, why `given` is not the lease.
    pub(crate) fn inherited(given: File, path: &Path) -> Result<Result<Self, &'static str>> {
        if !platform::is_same_file(&given, path).at(FileAction::Open, path)? {
            return Ok(Err("its standard input is not the run's lease"));
        }
        if LeaseProbe::of(path)?.sign() != LeaseSign::Held {
            return Ok(Err("nobody holds the run's lease"));
        }
        // Somebody holds it exclusively, so asking again succeeds for that very descriptor and no other.
        match given.try_lock() {
            Ok(()) => Ok(Ok(Self { held: Some(given) })),
            Err(TryLockError::WouldBlock) => Ok(Err("another process holds the run's lease")),
            Err(TryLockError::Error(error)) => Err(error).at(FileAction::Lock, path),
        }
    }

    /// Gives it to a worker to be, as its standard input. This process then only closes its copy: an unlock would take
    /// the lease from the worker too.
    pub(crate) fn give_to(mut self, command: &mut Command) {
        if let Some(file) = self.held.take() {
            command.stdin(file);
        }
    }

    /// Takes hold of the room that the ending will need.
    pub(crate) fn reserve(&self, path: &Path) -> Result<()> {
        match &self.held {
            Some(file) => durable::fill(file, path, RESERVE),
            None => Ok(()),
        }
    }

    /// Shows that the holder lives; for readers on other machines.
    pub(crate) fn touch(&self, path: &Path) -> Result<()> {
        let Some(file) = &self.held else { return Ok(()) };
        platform::touch(file).at(FileAction::Write, path)
    }
}

/// What a look at a lease showed.
#[derive(Debug)]
pub(crate) enum LeaseProbe {
    /// A worker holds it.
    Held,
    /// Nobody did. Until this is dropped, nobody can take it either.
    Free(FreeLease),
    /// The file is missing or cannot be locked, which says nothing about the worker.
    Untrusted,
}

/// A shared lock on a lease that was free. Many readers may have one; a worker can take the lease only after all
/// are gone, so keep it for milliseconds and never while starting a process.
#[derive(Debug)]
pub(crate) struct FreeLease {
    file: File,
}

impl Drop for FreeLease {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

impl LeaseProbe {
    /// Looks, without writing anything.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        loop {
            let Some(file) = durable::open_to_read(path)? else {
                return Ok(Self::Untrusted);
            };
            match file.try_lock_shared() {
                Err(TryLockError::WouldBlock) => return Ok(Self::Held),
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(path = %path.display(), %error, "this file system does not lock files");
                    return Ok(Self::Untrusted);
                }
                Ok(()) => {
                    let free = FreeLease { file };
                    if platform::is_same_file(&free.file, path).at(FileAction::Open, path)? {
                        return Ok(Self::Free(free));
                    }
                }
            }
        }
    }

    /// The sign as `classify` wants it.
    pub(crate) fn sign(&self) -> LeaseSign {
        match self {
            Self::Held => LeaseSign::Held,
            Self::Free(_) => LeaseSign::Free,
            Self::Untrusted => LeaseSign::Untrusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_lease_is_held_until_it_is_dropped_and_probes_do_not_take_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease.lock");
        assert_eq!(LeaseProbe::of(&path).unwrap().sign(), LeaseSign::Untrusted);
        let lease = Lease::create(&path).unwrap();
        assert_eq!(LeaseProbe::of(&path).unwrap().sign(), LeaseSign::Held);
        drop(lease);
        let (one, other) = (LeaseProbe::of(&path).unwrap(), LeaseProbe::of(&path).unwrap());
        assert_eq!((one.sign(), other.sign()), (LeaseSign::Free, LeaseSign::Free));
        drop((one, other));
        File::open(&path).unwrap().try_lock().unwrap();
    }

    #[test]
    fn a_child_process_does_not_inherit_the_lease() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease.lock");
        let mut lease = Lease::create(&path).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        // Closed, as by the kernel when the worker dies.
        drop(lease.held.take());
        // Another test that starts a process at this moment holds a copy between its fork and its exec.
        let deadline = Instant::now() + Duration::from_secs(30);
        let sign = || LeaseProbe::of(&path).unwrap().sign();
        while sign() != LeaseSign::Free && Instant::now() < deadline {
            thread::yield_now();
        }
        let sign = sign();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(sign, LeaseSign::Free);
    }

    #[test]
    fn a_lease_is_free_once_it_was_let_go_of_although_a_copy_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease.lock");
        let lease = Lease::create(&path).unwrap();
        // What a thread that starts a process at this moment has between its fork and its exec.
        let _copy = lease.held.as_ref().unwrap().try_clone().unwrap();
        drop(lease);
        assert_eq!(LeaseProbe::of(&path).unwrap().sign(), LeaseSign::Free);
    }

    #[test]
    fn the_state_lock_admits_one_at_a_time_even_when_the_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.lock");
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                let (path, inside) = (&path, &inside);
                scope.spawn(move || {
                    for round in 0..400 {
                        with_state_lock(path, PATIENCE, || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            thread::yield_now();
                            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                            // What an over-eager clean-up would do, while it rightly holds the lock. Whoever has
                            // opened the file by now will get the lock of a ghost, and must not be content with it.
                            if round % 2 == 0 {
                                std::fs::remove_file(path).unwrap();
                            }
                            Ok(())
                        })
                        .unwrap();
                    }
                });
            }
        });
    }
}
