//! What can be told about the example harnesses without running them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bench_core::gym::config;
use bench_core::harness::Source;
use bench_core::{Check, Harness, Scenario};

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn harness(name: &str) -> Harness {
    let path = folder(name).join("harness.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let source = Source::new(path.to_string_lossy(), text).shown_as(format!("examples/{name}/harness.json"));
    let harness = Harness::from_sources(name, &[source], &|path| std::fs::read(path));
    harness.unwrap_or_else(|problems| panic!("{problems}"))
}

/// Verifiers with this prefix are guards of what must not change: they hold before anything was done.
pub(crate) const LEFT_ALONE: &str = "left alone: ";

#[test]
fn every_example_loads_without_a_warning() {
    for (name, at_least) in [("quickstart", 14), ("filesystem", 3), ("memory", 3)] {
        let harness = harness(name);
        assert_eq!(harness.warnings, [], "{name}");
        assert!(harness.scenarios.len() >= at_least, "{name}");
    }
}

#[test]
fn every_scenario_is_complete() {
    for name in ["quickstart", "filesystem", "memory"] {
        for scenario in harness(name).scenarios {
            let id = &scenario.scenario_id;
            assert!(scenario.has_solution(), "{id}");
            assert!(
                !scenario.name.is_empty() && !scenario.description.is_empty(),
                "{id}"
            );
            assert!(!scenario.tags.is_empty(), "{id}");
            assert!(scenario.metadata.contains_key("difficulty"), "{id}");
            let demands = scenario
                .verifiers
                .iter()
                .filter(|v| !v.name.starts_with(LEFT_ALONE));
            assert!(demands.count() > 0, "{id} only forbids");
            for verifier in &scenario.verifiers {
                let named = verifier.name.starts_with(LEFT_ALONE);
                assert_eq!(verifier.guard, named, "{id}: {}", verifier.name);
            }
            let names: BTreeSet<&str> = scenario.verifiers.iter().map(|v| v.name.as_str()).collect();
            assert_eq!(
                names.len(),
                scenario.verifiers.len(),
                "{id} has verifiers of the same name"
            );
        }
    }
}

#[test]
fn the_quickstart_shows_what_a_harness_can_do() {
    let scenarios = harness("quickstart").scenarios;
    let difficulties: BTreeSet<&str> = scenarios.iter().filter_map(difficulty).collect();
    assert_eq!(
        difficulties,
        BTreeSet::from(["easy", "hard", "medium", "trivial"])
    );
    assert!(scenarios.iter().filter(|s| s.prompts.len() > 1).count() >= 4);
    assert!(scenarios.iter().filter(|s| s.verifiers.len() >= 4).count() >= 4);
    let checks: Vec<&Check> = scenarios
        .iter()
        .flat_map(|s| &s.verifiers)
        .map(|v| &v.check)
        .collect();
    let operators: BTreeSet<&str> = checks
        .iter()
        .filter_map(|check| match check {
            Check::DatabaseState { comparison, .. } => Some(comparison.operator.name()),
            _ => None,
        })
        .collect();
    assert!(operators.len() >= 9, "only {operators:?}");
    let types: BTreeSet<&str> = checks.iter().map(|check| check.type_name()).collect();
    assert_eq!(
        types,
        BTreeSet::from(["database_state", "response_check", "tool_execution"])
    );
}

#[test]
fn the_readme_names_every_scenario() {
    for name in ["quickstart", "filesystem", "memory"] {
        let readme = std::fs::read_to_string(folder(name).join("README.md")).unwrap();
        for scenario in harness(name).scenarios {
            let row = format!("| `{}` |", scenario.scenario_id);
            assert!(readme.contains(&row), "{name}/README.md lacks {row}");
        }
    }
}

#[test]
fn gym_files_load_without_a_warning() {
    for name in ["filesystem", "memory"] {
        let path = folder(name).join("gyms.json");
        let source = Source::new(path.to_string_lossy(), std::fs::read_to_string(&path).unwrap());
        let gyms = config::read(&source, &|_| false).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(gyms.warnings, [], "{name}");
        assert_eq!(gyms.default, [name]);
    }
}

fn difficulty(scenario: &Scenario) -> Option<&str> {
    scenario.metadata.get("difficulty")?.as_str()
}
