//! The reading of files, from outside: fixtures of every form, and every kind of broken input with the
//! words that people see.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::io;
use std::path::{Path, PathBuf};

use bench_core::gym::config::{self, GymFile};
use bench_core::{Harness, Problems, Source};

mod broken_gyms;
mod broken_harness;
mod coverage;
mod gym_forms;
mod harness_forms;
mod linting;
mod planning;
mod robustness;
mod schemas;
mod statistics;
mod totals;

/// The fixtures seem to lie in `/h`, wherever the checkout is.
fn fixture_path(seen: &Path) -> io::Result<PathBuf> {
    let below = seen
        .strip_prefix("/h")
        .map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(below))
}

fn read_file(seen: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(fixture_path(seen)?)
}

fn fixture(name: &str) -> Source {
    let path = format!("/h/{name}");
    let text = String::from_utf8(read_file(Path::new(&path)).unwrap()).unwrap();
    Source::new(path, text).shown_as(name)
}

/// A harness of fixtures that must load.
fn load(names: &[&str]) -> Harness {
    let sources: Vec<Source> = names.iter().map(|name| fixture(name)).collect();
    Harness::from_sources("harness", &sources, &read_file).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is said of a harness file with this text: errors and warnings.
fn say(text: &str) -> String {
    say_file("h.json", text)
}

fn say_file(name: &str, text: &str) -> String {
    let source = Source::new(format!("/h/{name}"), text).shown_as(name);
    match Harness::from_sources("harness", &[source], &read_file) {
        Ok(harness) => format!("loads with {}", list(&Problems(harness.warnings))),
        Err(problems) => list(&problems),
    }
}

/// Each problem on its line, with its weight before it.
fn list(problems: &Problems) -> String {
    let line = |p: &bench_core::Problem| format!("{:?}: {p}", p.severity).to_lowercase_first();
    let lines: Vec<String> = problems.0.iter().map(line).collect();
    if lines.is_empty() {
        "no problem".to_owned()
    } else {
        lines.join("\n")
    }
}

trait LowercaseFirst {
    fn to_lowercase_first(self) -> String;
}

impl LowercaseFirst for String {
    fn to_lowercase_first(mut self) -> String {
        if let Some(first) = self.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        self
    }
}

const SET: [&str; 2] = ["WIKI_URL", "SEARCH_KEY"];

fn is_set(name: &str) -> bool {
    SET.contains(&name)
}

fn load_gyms(name: &str) -> GymFile {
    config::read(&fixture(name), &is_set).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is said of a gym file with this text.
fn say_gyms(text: &str) -> String {
    match config::read(&Source::new("/h/gyms.json", text).shown_as("gyms.json"), &is_set) {
        Ok(file) => format!("loads with {}", list(&Problems(file.warnings))),
        Err(problems) => list(&problems),
    }
}
