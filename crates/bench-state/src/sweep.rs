//! What crashes leave lying about: folders of runs that were never published, temporary files that were never renamed,
//! and runs that were being deleted. None of it is ever read; it only takes up room.
//!
//! Whatever is younger than an hour may be in use. Deleting checks the locks once more.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use crate::classify::LeaseSign;
use crate::durable::{self, TEMPORARY};
use crate::error::Result;
use crate::ids::RunId;
use crate::layout::{STAGED, StoreDirs};
use crate::lock::{Lease, LeaseProbe};
use crate::markers;

/// Age from which something unfinished is taken for abandoned.
const ABANDONED: TimeDelta = TimeDelta::hours(1);

/// Finds what can be deleted. Changes nothing.
pub(crate) fn find(store: &StoreDirs, now: DateTime<Utc>) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = entries(&store.trash()).map(|(path, _)| path).collect();
    let old = |path: &PathBuf| is_old(path, now);
    found.extend(
        entries(&store.own())
            .filter(|(_, name)| is_leftover(name))
            .map(|(path, _)| path)
            .filter(old),
    );
    for id in store.run_ids(|_, _| {})? {
        let dir = store.run(&id);
        let temporary = [dir.path().to_owned(), dir.items()]
            .into_iter()
            .flat_map(|folder| entries(&folder).collect::<Vec<_>>())
            .filter(|(_, name)| name.starts_with(TEMPORARY))
            .map(|(path, _)| path)
            .filter(old);
        let temporary: Vec<PathBuf> = temporary.collect();
        // A live worker may be slow beyond belief, but it is alive.
        if !temporary.is_empty() && LeaseProbe::of(&dir.lease())?.sign() != LeaseSign::Held {
            found.extend(temporary);
        }
    }
    found.sort();
    Ok(found)
}

/// Deletes one of them; says whether it did. What turned out to be in use stays.
pub(crate) fn remove(store: &StoreDirs, path: &Path, now: DateTime<Utc>) -> Result<bool> {
    let in_trash = path.parent() == Some(&store.trash());
    if !in_trash && !is_old(path, now) {
        return Ok(false);
    }
    if !path.is_dir() {
        durable::remove_file(path)?;
        return Ok(true);
    }
    let id = path
        .file_name()
        .and_then(|name| name.to_str()?.strip_prefix(STAGED)?.parse::<RunId>().ok());
    let Some(id) = id.filter(|_| !in_trash) else {
        durable::remove_folder(path)?;
        return Ok(true);
    };
    let staging = store.staging(&id);
    // Held until it is gone: by a creator that is still there, or by us.
    let Some(_lease) = Lease::try_take(&staging.lease())? else {
        return Ok(false);
    };
    durable::remove_folder(path)?;
    if !store.run(&id).path().exists() {
        markers::remove(&staging);
    }
    Ok(true)
}

fn is_leftover(name: &str) -> bool {
    name.starts_with(STAGED) || name.starts_with(TEMPORARY)
}

/// The entries of a folder by path and name; none if it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
}

fn is_old(path: &Path, now: DateTime<Utc>) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|found| found.modified());
    modified.is_ok_and(|modified| now - DateTime::<Utc>::from(modified) > ABANDONED)
}
