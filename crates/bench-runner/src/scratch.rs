//! The scratch folder of a trial, `{{trial_dir}}`.
//!
//! Most trials need none, and making and removing hundreds of folders a second is slow: so it is made when it is first
//! asked for.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

/// A folder of its own in the system's folder for temporary files. Clones mean the same one; it is removed, with all
/// that is in it, when the last of them is dropped: whoever lends it keeps one for as long as it may be used.
#[derive(Clone, Default)]
pub struct Scratch {
    made: Arc<Mutex<Option<TempDir>>>,
}

impl Scratch {
    /// The folder, which exists from here on; empty at first, and only for this user.
    ///
    /// # Errors
    /// If it cannot be made. Says what, for people.
    pub fn path(&self) -> io::Result<PathBuf> {
        // A panic elsewhere leaves nothing half done here.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*made {
            return Ok(folder.path().to_owned());
        }
        let folder = tempfile::Builder::new().prefix("bench-").tempdir();
        let folder = folder.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make a scratch folder: {error}"))
        })?;
        Ok(made.insert(folder).path().to_owned())
    }
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
}
