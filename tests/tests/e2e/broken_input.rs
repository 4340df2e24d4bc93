//! Broken input: each kind gives one clear message with a place and a hint, exit code 2, and nothing on
//! disk.

mod arguments;
mod files;
mod harness_files;

use bench_tests::bed::{Shot, TestBed};
use serde_json::{Value, json};

use crate::harness::{creates_issue, harness, scenario, sql};

/// Runs a harness text with the model `noop`; nothing may be written.
fn run(text: &str) -> Shot {
    let bed = TestBed::new();
    bed.write("harness.json", text);
    refused(&bed, "run harness.json --model noop")
}

fn run_json(value: &Value) -> Shot {
    run(&format!("{value:#}"))
}

/// Runs a good harness with a broken gym file.
fn run_with_gyms(text: &str) -> Shot {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([creates_issue("good")]));
    bed.write("gyms.json", text);
    refused(&bed, "run harness.json --model noop --gym-config gyms.json")
}

/// Runs a good harness with these further arguments.
fn run_with(arguments: &str) -> Shot {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([creates_issue("good")]));
    refused(&bed, &format!("run harness.json {arguments}"))
}

fn refused(bed: &TestBed, line: &str) -> Shot {
    let shot = bed.bench(line);
    assert_eq!(shot.code, Some(2), "{shot}");
    assert_eq!(shot.stdout, "", "data on stdout although nothing was done");
    assert!(!bed.results().exists(), "a refused run left something on disk");
    shot
}

/// A scenario with a verifier of this configuration.
fn with_query(config: &Value) -> Value {
    let mut verifier = sql("SELECT 1", &json!(1));
    verifier["validation_config"] = config.clone();
    harness([scenario("a", [verifier])])
}
