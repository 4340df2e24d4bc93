//! Evidence that is no longer what was written: files of items compared with what the journal says of them.
//!
//! The store writes a file of an item once, and an event of the job names its length and hash. Whoever shows it
//! compares; nothing is repaired, and the totals come from the journal anyway.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::durable;
use crate::error::{At, FileAction, Result};
use crate::items::ItemRef;

/// How closely a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Whether it is there and as long as it was: quick for many files.
    Length,
    /// Its content too.
    Content,
}

/// A file that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Altered {
    /// It is not there any more.
    Missing(PathBuf),
    /// It holds something else.
    Changed(PathBuf),
}

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "`{}` is missing: the run wrote it", path.display()),
            Self::Changed(path) => write!(f, "`{}` was changed after the run wrote it", path.display()),
        }
    }
}

/// What became of a file since it was written.
pub(crate) fn since(path: PathBuf, written: &ItemRef, depth: Depth) -> Result<Option<Altered>> {
    let found = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Altered::Missing(path))),
        found => found.at(FileAction::Read, &path)?,
    };
    // Of a wrong length it is not read at all: it may be anything.
    let same = found.is_file()
        && found.len() == written.len
        && (depth == Depth::Length
            || durable::read(&path, written.len)?.is_some_and(|content| ItemRef::of(&content) == *written));
    Ok((!same).then_some(Altered::Changed(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_told_from_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let written = ItemRef::of(b"passed");
        let look = |depth| since(path.clone(), &written, depth).unwrap();
        assert_eq!(look(Depth::Length), Some(Altered::Missing(path.clone())));
        fs::write(&path, "passed").unwrap();
        assert_eq!((look(Depth::Length), look(Depth::Content)), (None, None));
        fs::write(&path, "failed").unwrap();
        assert_eq!(look(Depth::Length), None, "as long as it was");
        assert_eq!(look(Depth::Content), Some(Altered::Changed(path.clone())));
        fs::write(&path, "passed?").unwrap();
        assert_eq!(look(Depth::Length), Some(Altered::Changed(path.clone())));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(look(Depth::Content), Some(Altered::Changed(path.clone())));
    }
}
