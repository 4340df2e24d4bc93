//! The pages in `docs/`: examples in JSON are read as the program reads them, and every link leads somewhere.

use std::path::{Path, PathBuf};

use bench_core::Harness;
use bench_core::gym::config;
use bench_core::harness::Source;
use bench_core::{Operator, Problems};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pages() -> Vec<(PathBuf, String)> {
    let mut pages: Vec<PathBuf> = vec![root().join("examples/README.md")];
    for folder in [
        "docs",
        "examples/quickstart",
        "examples/filesystem",
        "examples/memory",
        "examples/cron",
        "examples/systemd-timer",
        "examples/monitoring",
    ] {
        let entries = std::fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages
        .into_iter()
        .map(|page| (page.clone(), std::fs::read_to_string(page).unwrap()))
        .collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect()
}

fn read(page: &Path, json: &str) -> Result<Vec<bench_core::Problem>, Problems> {
    let source = Source::new(page.to_string_lossy(), json);
    if ["\"gyms\"", "\"mcpServers\""]
        .iter()
        .any(|mark| json.contains(mark))
    {
        return config::read(&source, &|_| false).map(|file| file.warnings);
    }
    Harness::from_sources("docs", &[source], &|path| std::fs::read(path)).map(|harness| harness.warnings)
}

#[test]
fn every_json_example_is_read_without_a_warning() {
    let mut seen = 0;
    for (page, text) in pages() {
        for json in blocks(&text, "json") {
            match read(&page, json) {
                Ok(warnings) => assert_eq!(warnings, [], "{}", page.display()),
                Err(problems) => panic!("{}\n{problems}", page.display()),
            }
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} examples were found");
}

#[test]
fn every_comparison_is_written_down_with_all_its_spellings() {
    let page = std::fs::read_to_string(root().join("docs/harness-format.md")).unwrap();
    for operator in Operator::ALL {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", operator.name())));
        let row = row.unwrap_or_else(|| panic!("{} has no row", operator.name()));
        for spelling in operator.spellings() {
            assert!(
                row.contains(&format!("`{spelling}`")),
                "{} lacks {spelling}",
                operator.name()
            );
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            if path.starts_with("http") {
                continue;
            }
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(
                    headings.any(|known| known == heading),
                    "{}: {link}",
                    page.display()
                );
            }
        }
    }
}

/// How a heading is called in links.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Every test that `docs/guarantees.md` names is there to attack its promise.
#[test]
fn every_test_behind_a_promise_exists() {
    let page = std::fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let sources: String = ["crates", "tests"]
        .map(|folder| sources(&root().join(folder)))
        .concat();
    let is_test = |word: &&str| {
        word.matches('_').count() >= 3 && !word.contains(|c: char| !c.is_alphanumeric() && c != '_')
    };
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 30, "only {} tests are named", named.len());
    for test in named {
        assert!(
            sources.contains(&format!("fn {test}(")),
            "there is no test `{test}`"
        );
    }
}

/// All Rust code below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}
