//! Writing so that it survives `kill -9` and power loss. Every byte and name the store writes goes through here.
//!
//! A whole file is replaced by: temporary file in the same folder, write, fsync, rename, fsync of the folder.
//! Leave out either fsync and some file system, some day, shows an empty file or the previous version. A failed
//! fsync is final: nothing here retries one, because the kernel may have dropped the pages it could not write.
//!
//! What is created inside of a store gets the owner of the folder it lies in: root who looks at somebody's runs must not
//! lock him out of them. Only what was really created here is given away, through its descriptor.
//!
//! Each step is announced by `crash::before`. There the crash tests kill the process, and write down the steps to work
//! out what a power cut may leave of them.

#[cfg(test)]
pub(crate) mod crash;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{At, FileAction, Result, StateError};
use crate::platform;

/// Start of the names of temporary files. The `+` keeps them apart from every item id.
pub(crate) const TEMPORARY: &str = ".tmp+";

/// The most that is read of `state.json`, in bytes: a thousand times what it ever holds.
pub(crate) const STATE_LIMIT: u64 = 64 << 20;

/// The most that is read of any other file at once, in bytes: plans, sessions and records of trials.
pub(crate) const LIMIT: u64 = 1 << 30;

/// Creates a private folder whose parent exists. Its name is durable after the parent is synced.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    crash::before(&Step::CreateFolder(path));
    platform::private_folder()
        .create(path)
        .and_then(|()| platform::give_folder_to_owner(path))
        .at(FileAction::CreateFolder, path)
}

/// Creates a private folder and its missing parents, durably. An existing folder is fine, whatever its mode. Those
/// inside of `store` get its owner, the others are of who makes them.
pub(crate) fn ensure_folder(path: &Path, store: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    if parent != path {
        ensure_folder(parent, store)?;
    }
    crash::before(&Step::CreateFolder(path));
    match platform::private_folder().create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Ok(()) if parent.starts_with(store) => {
            platform::give_folder_to_owner(path).at(FileAction::CreateFolder, path)?;
        }
        outcome => outcome.at(FileAction::CreateFolder, path)?,
    }
    sync_folder(parent)
}

/// Creates a private file that must not exist yet. Its content is durable, its name after the folder is synced.
pub(crate) fn create_file(path: &Path, content: &[u8]) -> Result<File> {
    crash::before(&Step::CreateFile(path));
    let mut file = platform::private_file()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|file| platform::give_to_owner(&file, path).map(|()| file))
        .at(FileAction::Create, path)?;
    if !content.is_empty() {
        crash::before(&Step::Append(path, content));
        file.write_all(content).at(FileAction::Write, path)?;
        sync_content(&file, path)?;
    }
    Ok(file)
}

/// Replaces a file in one step: every reader sees the old content or the new, also after a crash.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    place(path, content)?;
    sync_folder(parent_of(path))
}

/// Like [`replace`], but leaves the sync of the folder to the caller, who may place many files first.
pub(crate) fn place(path: &Path, content: &[u8]) -> Result<()> {
    let folder = parent_of(path);
    // tempfile creates with mode 0600 on Unix, which is what we want.
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(folder)
        .at(FileAction::Create, path)?;
    let temporary = file.path().to_owned();
    platform::give_to_owner(file.as_file(), &temporary).at(FileAction::Create, path)?;
    crash::before(&Step::CreateFile(&temporary));
    crash::before(&Step::Append(&temporary, content));
    file.write_all(content).at(FileAction::Write, path)?;
    crash::before(&Step::SyncFile(&temporary));
    file.as_file().sync_all().at(FileAction::Sync, path)?;
    crash::before(&Step::Rename(&temporary, path));
    file.persist(path)
        .map_err(|failed| failed.error)
        .at(FileAction::Rename, path)?;
    Ok(())
}

/// Opens a file of a run as `options` say, which should come from [`platform::without_waiting`].
///
/// # Errors
/// [`StateError::NotAFile`] for a pipe or a device, which could keep a reader for ever; I/O errors.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> Result<File> {
    let file = options.open(path).at(FileAction::Open, path)?;
    let kind = file.metadata().at(FileAction::Open, path)?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let found = if kind.is_dir() {
        "folder"
    } else {
        "pipe or a device"
    };
    Err(StateError::NotAFile {
        path: path.to_owned(),
        found,
    })
}

/// Opens a file of a run for reading. A missing one is `None`.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<File>> {
    match open(platform::without_waiting().read(true), path) {
        Err(StateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Reads a whole file of a run, of up to `limit` bytes. A missing one is `None`.
///
/// # Errors
/// [`StateError::NotAFile`], [`StateError::TooLarge`]; I/O errors.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = open_to_read(path)? else {
        return Ok(None);
    };
    let bytes = file.metadata().at(FileAction::Read, path)?.len();
    if bytes > limit {
        return Err(StateError::TooLarge {
            path: path.to_owned(),
            bytes,
            limit,
        });
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    // It may grow while it is read.
    file.take(limit)
        .read_to_end(&mut content)
        .at(FileAction::Read, path)?;
    Ok(Some(content))
}

/// The error for a file that has to be there.
pub(crate) fn missing(path: &Path) -> StateError {
    StateError::Io {
        action: FileAction::Read,
        path: path.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    }
}

/// Opens a file to append to, and creates it if it is missing. Its name is durable after the folder is synced.
pub(crate) fn open_to_append(path: &Path) -> Result<File> {
    crash::before(&Step::CreateFile(path));
    open_or_create(platform::without_waiting().read(true).append(true), path)
}

/// As [`open`], but creates a file that is missing, and knows then that it did.
pub(crate) fn open_or_create(options: &mut OpenOptions, path: &Path) -> Result<File> {
    // Others may create and remove it meanwhile; a link to nowhere is there, and is never opened.
    for _ in 0..100 {
        match open(options, path) {
            Err(StateError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => {
                return created
                    .and_then(|file| platform::give_to_owner(&file, path).map(|()| file))
                    .at(FileAction::Create, path);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into()).at(FileAction::Create, path)
}

/// A file that is appended to bit by bit, and synced by those who care.
#[derive(Debug)]
pub(crate) struct Appender {
    file: File,
    path: PathBuf,
}

impl Appender {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_to_append(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        crash::before(&Step::Append(&self.path, bytes));
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends and flushes: when this returns, `content` is on the disk. The file's name must be durable already.
pub(crate) fn append(file: &mut File, path: &Path, content: &[u8]) -> Result<()> {
    crash::before(&Step::Append(path, content));
    file.write_all(content).at(FileAction::Write, path)?;
    sync_content(file, path)
}

/// Flushes what was written to a file.
pub(crate) fn sync_content(file: &File, path: &Path) -> Result<()> {
    crash::before(&Step::SyncFile(path));
    file.sync_data().at(FileAction::Sync, path)
}

/// Flushes a file that another process wrote, which may have died before it could. One that is missing is fine.
pub(crate) fn sync_written(path: &Path) -> Result<()> {
    match open_to_read(path)? {
        None => Ok(()),
        Some(file) => sync_content(&file, path),
    }
}

/// Makes a file so long with zeros, of which nobody cares whether they survive: they only take up room.
pub(crate) fn fill(mut file: &File, path: &Path, length: usize) -> Result<()> {
    let zeros = vec![0; length];
    file.seek(SeekFrom::Start(0)).at(FileAction::Write, path)?;
    crash::before(&Step::Fill(path));
    file.write_all(&zeros).at(FileAction::Write, path)
}

/// Cuts a file to `length` bytes. Durable with the next sync of the file, before which nothing behind the cut counts.
pub(crate) fn truncate(file: &File, path: &Path, length: u64) -> Result<()> {
    crash::before(&Step::Truncate(path, length));
    file.set_len(length).at(FileAction::Truncate, path)
}

/// Moves a complete folder to where it is visible, durably. Its old name may come back after a power cut; that it is
/// gone there is nobody's concern.
pub(crate) fn publish_folder(from: &Path, to: &Path) -> Result<()> {
    crash::before(&Step::Rename(from, to));
    fs::rename(from, to).at(FileAction::Rename, to)?;
    sync_folder(parent_of(to))
}

/// Moves a folder to where it will be deleted, so durably that no power cut can bring a half deleted one back. It may be
/// gone from both places then, which is what was wanted.
pub(crate) fn discard_folder(from: &Path, to: &Path) -> Result<()> {
    crash::before(&Step::Rename(from, to));
    fs::rename(from, to).at(FileAction::Rename, from)?;
    sync_folder(parent_of(from))
}

/// Deletes a folder with all that is in it. One that is not there, or is being deleted by somebody else, is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    crash::before(&Step::RemoveFolder(path));
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at(FileAction::Remove, path),
        _ => Ok(()),
    }
}

/// Deletes a file, which may be gone already. That it stays deleted after a power cut is not promised.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    crash::before(&Step::RemoveFile(path));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at(FileAction::Remove, path),
        _ => Ok(()),
    }
}

/// Renames an unreadable file to `<name>.corrupt-<n>` with the first free `n`, and says where it is now.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".corrupt-{number}"));
        let aside = PathBuf::from(name);
        if !aside.try_exists().at(FileAction::Open, &aside)? {
            crash::before(&Step::Rename(path, &aside));
            fs::rename(path, &aside).at(FileAction::Rename, path)?;
            return Ok(aside);
        }
        number += 1;
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    crash::before(&Step::SyncFolder(path));
    platform::sync_folder(path).at(FileAction::Sync, path)
}

/// The folder a path lies in; `.` for a bare name.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// One change to the disk, as it is announced to the crash tests just before it is made.
#[cfg_attr(test, derive(serde::Serialize))]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "only the crash tests look into a step")
)]
pub(crate) enum Step<'a> {
    CreateFolder(&'a Path),
    /// Or opens it, if it is there.
    CreateFile(&'a Path),
    /// Writes at the end.
    Append(&'a Path, &'a [u8]),
    /// Writes zeros of which nobody cares whether they survive.
    Fill(&'a Path),
    Truncate(&'a Path, u64),
    SyncFile(&'a Path),
    Rename(&'a Path, &'a Path),
    RemoveFile(&'a Path),
    /// With all that is in it.
    RemoveFolder(&'a Path),
    SyncFolder(&'a Path),
}

#[cfg(not(test))]
mod crash {
    pub(crate) fn before(_: &super::Step<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_leaves_one_private_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_write_that_cannot_be_done_names_the_path_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        create_folder(&path).unwrap();
        let error = replace(&path, b"new").unwrap_err().to_string();
        assert!(
            error.contains("cannot rename") && error.contains("state.json"),
            "{error}"
        );
        assert!(path.is_dir());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "temporary file left behind"
        );
    }

    #[test]
    fn files_set_aside_never_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for content in ["a", "b", "c"] {
            fs::write(&path, content).unwrap();
            let aside = set_aside(&path).unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), content);
        }
        assert!(folder.path().join("state.json.corrupt-3").is_file());
    }
}
