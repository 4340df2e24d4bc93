//! Where a `.env` that nobody named is looked for, and whether it may be believed.
//!
//! It may say where requests go, with the keys of whoever runs this. So only what the user or root wrote counts: a file
//! of somebody else, or one that others may write to, is left out. The search goes up to the top of the repository or
//! to the home folder, and never into a folder in which others may put files.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of a file that is found without being named.
const FOUND: &str = ".env";

/// What lies in the nearest folder that holds a file of this name.
pub(super) struct Nearest {
    /// Absolute.
    pub(super) path: PathBuf,
    /// Why it is not to be believed.
    pub(super) refused: Option<&'static str>,
}

/// Looks from this folder upward.
pub(super) fn nearest(folder: &Path, home: Option<&Path>) -> Option<Nearest> {
    // Parents as they are, whatever links and `..` led here.
    let start = fs::canonicalize(folder).ok()?;
    let home = home.and_then(|home| fs::canonicalize(home).ok());
    for folder in start.ancestors() {
        let refused = fs::metadata(folder).map_or(Some("its folder cannot be looked at"), |about| {
            folder_refused(&about)
        });
        let path = folder.join(FOUND);
        if path.is_file() {
            let refused = refused.or_else(|| refused_at(&path));
            return Some(Nearest { path, refused });
        }
        let top = fs::symlink_metadata(folder.join(".git")).is_ok() || home.as_deref() == Some(folder);
        if top || refused.is_some() {
            return None;
        }
    }
    None
}

/// Why the file at this place is not to be believed.
pub(super) fn refused_at(path: &Path) -> Option<&'static str> {
    // A link counts as much as what it leads to.
    match (fs::symlink_metadata(path), fs::metadata(path)) {
        (Ok(link), _) if !is_ours(&link) => Some("it belongs to another user"),
        (Ok(_), Ok(about)) if about.is_file() => refused(&about),
        (Ok(_), Ok(_)) => Some("it is no regular file"),
        _ => Some("it is not there any more"),
    }
}

/// Why this file is not to be believed, going by who owns it and who may write to it.
pub(super) fn refused(about: &Metadata) -> Option<&'static str> {
    if !is_ours(about) {
        Some("it belongs to another user")
    } else if about.mode() & 0o022 != 0 {
        Some("its group or others may write to it")
    } else {
        None
    }
}

/// Why a file in this folder is not to be believed.
fn folder_refused(about: &Metadata) -> Option<&'static str> {
    if !is_ours(about) {
        Some("its folder belongs to another user")
    } else if about.mode() & 0o002 != 0 {
        Some("others may write to its folder")
    } else {
        None
    }
}

fn is_ours(about: &Metadata) -> bool {
    about.uid() == 0 || about.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A folder `a/b` with a `.env` above it.
    fn bed() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join(".env"), "A=1").unwrap();
        mode(&root.join(".env"), 0o644);
        mode(&root.join("a"), 0o755);
        (dir, root)
    }

    fn said(folder: &Path) -> Option<&'static str> {
        nearest(folder, None).unwrap().refused
    }

    #[test]
    fn what_others_may_have_written_is_not_believed() {
        let (_dir, root) = bed();
        let file = root.join(".env");
        assert_eq!(said(&root.join("a/b")), None);
        for wrong in [0o664, 0o646, 0o666] {
            mode(&file, wrong);
            assert_eq!(
                said(&root),
                Some("its group or others may write to it"),
                "{wrong:o}"
            );
        }
        mode(&file, 0o600);
        mode(&root, 0o1777);
        assert_eq!(said(&root), Some("others may write to its folder"));
        mode(&root, 0o700);
        if rustix::process::geteuid().is_root() {
            chown(&file, Some(65534), None).unwrap();
            assert_eq!(said(&root), Some("it belongs to another user"));
            chown(&file, Some(0), None).unwrap();
            chown(&root, Some(65534), None).unwrap();
            assert_eq!(said(&root), Some("its folder belongs to another user"));
        }
    }

    #[test]
    fn the_search_ends_at_a_repository_at_home_and_where_others_may_write() {
        let (_dir, root) = bed();
        let (a, b) = (root.join("a"), root.join("a/b"));
        let path = |home: Option<&Path>| nearest(&b, home).map(|found| found.path);
        assert_eq!(path(None), Some(root.join(".env")));
        assert_eq!(path(Some(&root)), Some(root.join(".env")), "home itself counts");
        assert_eq!(path(Some(&a)), None);
        mode(&a, 0o1777);
        assert_eq!(path(None), None);
        mode(&a, 0o755);
        fs::write(a.join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(path(None), None);
        fs::write(a.join(".env"), "A=2").unwrap();
        assert_eq!(path(None), Some(a.join(".env")), "the repository itself counts");
    }
}
