//! A disk that keeps no promise but those of POSIX: what was not synced may be there after a power cut, or not.
//!
//! Files and folders are kept as they are on the disk for certain, and the changes that no sync has covered yet. A
//! power cut then leaves, independently for each file and folder:
//!
//! - of a file, what was synced, and the later writes up to any of them; the next one may be torn in its middle, or
//!   have its length and nothing but zeroes;
//! - of a folder, any subset of the later changes to its names. A rename within a folder happens whole or not at all;
//!   one between folders is two changes, of which either may be missing.
//!
//! That is more than ext4 does, on purpose. Assumed is only that blocks of one write do not overtake each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::durable::crash::Traced;

/// Files with their content, folders without, by path.
pub(super) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What to keep of each file and folder: see [`Disk::ways`].
pub(super) type Choice = Vec<u64>;

#[derive(Debug)]
pub(super) struct Disk {
    /// Paths are told from here.
    root: PathBuf,
    /// The first one is the root. None is ever removed: it is only not found any more.
    nodes: Vec<Node>,
}

#[derive(Debug)]
enum Node {
    File {
        content: Vec<u8>,
        pending: Vec<Write>,
    },
    Folder {
        names: BTreeMap<String, usize>,
        pending: Vec<Change>,
    },
}

#[derive(Debug, Clone)]
enum Write {
    Append(Vec<u8>),
    Truncate(u64),
}

#[derive(Debug, Clone)]
enum Change {
    Add(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Write {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Append(bytes) => content.extend(bytes),
            Self::Truncate(length) => content.truncate(usize::try_from(*length).unwrap()),
        }
    }
}

impl Disk {
    /// A disk that holds for certain what is in a folder now.
    pub(super) fn holding(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            nodes: Vec::new(),
        };
        disk.load(root);
        disk
    }

    fn load(&mut self, path: &Path) -> usize {
        let node = self.nodes.len();
        if !path.is_dir() {
            let content = fs::read(path).unwrap();
            self.nodes.push(Node::File {
                content,
                pending: Vec::new(),
            });
            return node;
        }
        self.nodes.push(Node::Folder {
            names: BTreeMap::new(),
            pending: Vec::new(),
        });
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            let child = self.load(&entry.path());
            found.insert(entry.file_name().into_string().unwrap(), child);
        }
        if let Node::Folder { names, .. } = &mut self.nodes[node] {
            *names = found;
        }
        node
    }

    /// Takes in a step that was made. One that made no difference, as removing what is not there, makes none here.
    pub(super) fn take_in(&mut self, step: &Traced) {
        match step {
            Traced::CreateFolder(path) => self.create(path, || Node::Folder {
                names: BTreeMap::new(),
                pending: Vec::new(),
            }),
            Traced::CreateFile(path) => self.create(path, || Node::File {
                content: Vec::new(),
                pending: Vec::new(),
            }),
            Traced::Append(path, bytes) => self.write(path, Write::Append(bytes.clone())),
            Traced::Truncate(path, length) => self.write(path, Write::Truncate(*length)),
            Traced::SyncFile(path) | Traced::SyncFolder(path) => self.sync(path),
            Traced::Rename(from, to) => self.rename(from, to),
            Traced::RemoveFile(path) => self.remove(path),
            Traced::RemoveFolder(path) => self.remove_tree(path),
            Traced::Fill(_) | Traced::Promised(_) => {}
        }
    }

    fn create(&mut self, path: &Path, node: impl FnOnce() -> Node) {
        if self.find(path).is_none() {
            self.nodes.push(node());
            let created = self.nodes.len() - 1;
            self.change(parent(path), Change::Add(name(path), created));
        }
    }

    fn write(&mut self, path: &Path, write: Write) {
        let Some(Node::File { content, pending }) = self.find(path).map(|node| &mut self.nodes[node]) else {
            panic!("{} is written to, but is no file", path.display());
        };
        let mut present = content.clone();
        for earlier in pending.iter() {
            earlier.apply(&mut present);
        }
        let before = present.len();
        write.apply(&mut present);
        // What changes nothing, as cutting what is short enough, can neither be kept nor lost.
        if present.len() != before {
            pending.push(write);
        }
    }

    fn sync(&mut self, path: &Path) {
        let node = self
            .find(path)
            .unwrap_or_else(|| panic!("{} is synced, but not there", path.display()));
        match &mut self.nodes[node] {
            Node::File { content, pending } => pending.drain(..).for_each(|write| write.apply(content)),
            Node::Folder { names, pending } => pending.drain(..).for_each(|change| change.apply(names)),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let node = self
            .find(from)
            .unwrap_or_else(|| panic!("{} is renamed, but not there", from.display()));
        if parent(from) == parent(to) {
            self.change(parent(from), Change::Rename(name(from), name(to), node));
        } else {
            self.change(parent(to), Change::Add(name(to), node));
            self.change(parent(from), Change::Remove(name(from)));
        }
    }

    fn remove(&mut self, path: &Path) {
        if self.find(path).is_some() {
            self.change(parent(path), Change::Remove(name(path)));
        }
    }

    fn remove_tree(&mut self, path: &Path) {
        let Some(node) = self.find(path) else { return };
        for child in self.names(node).into_keys() {
            self.remove_tree(&path.join(child));
        }
        self.remove(path);
    }

    fn change(&mut self, folder: &Path, change: Change) {
        let node = self
            .find(folder)
            .unwrap_or_else(|| panic!("{} is not there", folder.display()));
        match &mut self.nodes[node] {
            Node::Folder { pending, .. } => pending.push(change),
            Node::File { .. } => panic!("{} is no folder", folder.display()),
        }
    }

    /// What a path names for whoever looks before the power cut.
    fn find(&self, path: &Path) -> Option<usize> {
        let inside = path.strip_prefix(&self.root).unwrap();
        inside.components().try_fold(0, |node, part| {
            let Component::Normal(part) = part else {
                panic!("{}", path.display())
            };
            self.names(node).get(part.to_str().unwrap()).copied()
        })
    }

    fn names(&self, node: usize) -> BTreeMap<String, usize> {
        match &self.nodes[node] {
            Node::File { .. } => BTreeMap::new(),
            Node::Folder { names, pending } => {
                let mut names = names.clone();
                for change in pending {
                    change.apply(&mut names);
                }
                names
            }
        }
    }

    /// In how many ways each node may come out of a power cut now; 1 for those that cannot be found in any of them.
    pub(super) fn ways(&self) -> Vec<u64> {
        let mut found = BTreeSet::new();
        self.reach(0, &mut found);
        let ways = |(index, node): (usize, &Node)| match node {
            _ if !found.contains(&index) => 1,
            Node::Folder { pending, .. } => 1 << pending.len(),
            Node::File { pending, .. } => pending.len() as u64 + 1 + 2 * appends(pending).count() as u64,
        };
        self.nodes.iter().enumerate().map(ways).collect()
    }

    fn reach(&self, node: usize, found: &mut BTreeSet<usize>) {
        if let Node::Folder { names, pending } = &self.nodes[node]
            && found.insert(node)
        {
            let added = pending.iter().filter_map(|change| match change {
                Change::Add(_, node) | Change::Rename(_, _, node) => Some(node),
                Change::Remove(_) => None,
            });
            for child in names.values().chain(added) {
                self.reach(*child, found);
            }
        }
        found.insert(node);
    }

    /// What is on the disk after a power cut that kept this much: for each node a number below its [`ways`](Self::ways).
    pub(super) fn after(&self, choice: &Choice) -> Tree {
        let mut tree = Tree::new();
        self.show(0, Path::new(""), choice, &mut tree);
        tree
    }

    fn show(&self, node: usize, path: &Path, choice: &Choice, tree: &mut Tree) {
        match &self.nodes[node] {
            Node::File { content, pending } => {
                tree.insert(path.to_owned(), Some(kept(content, pending, choice[node])));
            }
            Node::Folder { names, pending } => {
                tree.insert(path.to_owned(), None);
                let mut names = names.clone();
                let chosen = pending
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| choice[node] >> bit & 1 == 1);
                chosen.for_each(|(_, change)| change.apply(&mut names));
                for (name, child) in names {
                    self.show(child, &path.join(name), choice, tree);
                }
            }
        }
    }
}

/// The content of a file of which some of the pending writes are kept: the first `way` of them; or, counted on from
/// there, all before one append and of that its first half; or its length in zeroes.
fn kept(content: &[u8], pending: &[Write], way: u64) -> Vec<u8> {
    let way = usize::try_from(way).unwrap();
    let mut kept = content.to_vec();
    let (whole, torn) = match way.checked_sub(pending.len() + 1) {
        None => (way, None),
        Some(rest) => {
            let (at, bytes) = appends(pending).nth(rest / 2).unwrap();
            let torn = if rest % 2 == 0 {
                bytes[..bytes.len() / 2].to_vec()
            } else {
                vec![0; bytes.len()]
            };
            (at, Some(torn))
        }
    };
    pending[..whole].iter().for_each(|write| write.apply(&mut kept));
    kept.extend(torn.unwrap_or_default());
    kept
}

fn appends(pending: &[Write]) -> impl Iterator<Item = (usize, &Vec<u8>)> {
    pending.iter().enumerate().filter_map(|(at, write)| match write {
        Write::Append(bytes) => Some((at, bytes)),
        Write::Truncate(_) => None,
    })
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Choices for nodes that may come out in so many `ways`: all of them if they are at most `limit`. Otherwise nothing
/// kept, everything kept, all that differ from either in one node, and then others at random, always the same ones.
pub(super) fn choices(ways: &[u64], limit: usize) -> Vec<Choice> {
    let all = ways.iter().try_fold(1_u64, |all, ways| all.checked_mul(*ways));
    if let Some(all) = all.filter(|all| *all <= limit as u64) {
        return (0..all).map(|number| digits(number, ways)).collect();
    }
    let nothing = vec![0; ways.len()];
    // For a file, the last way is a torn one; it is as good a corner as any.
    let everything: Choice = ways.iter().map(|ways| ways - 1).collect();
    let mut chosen = vec![nothing.clone(), everything.clone()];
    for corner in [&nothing, &everything] {
        for (node, ways) in ways.iter().enumerate() {
            // A folder has one bit for each change.
            let others = (0..64)
                .map(|bit| corner[node] ^ (1 << bit))
                .take_while(|_| *ways > 1);
            for other in others.filter(|other| other < ways) {
                let mut choice = corner.clone();
                choice[node] = other;
                chosen.push(choice);
            }
        }
    }
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    while chosen.len() < limit {
        let mut dice = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        chosen.push(ways.iter().map(|ways| dice() % ways).collect());
    }
    chosen
}

fn digits(mut number: u64, ways: &[u64]) -> Choice {
    let digit = |ways: &u64| {
        let digit = number % ways;
        number /= ways;
        digit
    };
    ways.iter().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(steps: &[Traced]) -> BTreeSet<String> {
        let root = tempfile::tempdir().unwrap();
        let mut disk = Disk::holding(root.path());
        for step in steps {
            disk.take_in(&within(root.path(), step));
        }
        let told = |choice| {
            let shown = disk.after(&choice).into_iter().skip(1).map(|(path, content)| {
                let content = content.map(|bytes| String::from_utf8(bytes).unwrap().replace('\0', "0"));
                format!("{}={}", path.display(), content.unwrap_or("/".to_owned()))
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        choices(&disk.ways(), 1000).into_iter().map(told).collect()
    }

    fn within(root: &Path, step: &Traced) -> Traced {
        let at = |path: &PathBuf| root.join(path);
        match step {
            Traced::CreateFile(path) => Traced::CreateFile(at(path)),
            Traced::Append(path, bytes) => Traced::Append(at(path), bytes.clone()),
            Traced::Rename(from, to) => Traced::Rename(at(from), at(to)),
            Traced::SyncFile(path) => Traced::SyncFile(at(path)),
            Traced::SyncFolder(path) => Traced::SyncFolder(at(path)),
            other => panic!("{other:?}"),
        }
    }

    fn replacing() -> [Traced; 7] {
        [
            Traced::CreateFile("a".into()),
            Traced::SyncFolder("".into()),
            Traced::CreateFile("t".into()),
            Traced::Append("t".into(), b"new!".to_vec()),
            Traced::SyncFile("t".into()),
            Traced::Rename("t".into(), "a".into()),
            Traced::SyncFolder("".into()),
        ]
    }

    fn told(states: &BTreeSet<String>) -> String {
        states
            .iter()
            .map(|state| format!("[{state}]"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_file_that_is_replaced_in_the_proper_way_is_old_or_new() {
        let steps = replacing();
        insta::assert_snapshot!(told(&states(&steps[..5])), @"[a=] [a= t=new!]");
        insta::assert_snapshot!(told(&states(&steps[..6])), @"[a=] [a= t=new!] [a=new!]");
        insta::assert_snapshot!(told(&states(&steps)), @"[a=new!]");
    }

    #[test]
    fn without_either_sync_it_may_be_torn_or_old() {
        let steps = replacing();
        let without = |index: usize| {
            let mut steps = steps.to_vec();
            steps.remove(index);
            told(&states(&steps))
        };
        insta::assert_snapshot!(without(4), @"[a=] [a=0000] [a=ne] [a=new!]");
        insta::assert_snapshot!(without(6), @"[a=] [a= t=new!] [a=new!]");
    }
}
