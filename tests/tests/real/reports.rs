//! Reports as others read them. In a real browser, a page asks for nothing, says nothing on the console, and its charts can
//! be seen. `JUnit` XML holds to the schema of Jenkins and is read by a CI parser; CSV is read by pandas.

use std::path::Path;
use std::process::Command;

use bench_tests::bed::TestBed;
use serde_json::{Value, json};

use crate::{browser, driven, installed};

const ATTACK: &str =
    "</title></style></pre></svg></script>\"'><img src=x onerror=alert(1)><script>alert(1)</script>";

/// A run of good and bad trials, in which names, answers and tool arguments are attacks.
fn attacked() -> TestBed {
    let bed = TestBed::new();
    let scenario = |id: String| {
        json!({
            "scenario_id": id, "name": ATTACK,
            "prompts": [{"prompt_text": ATTACK, "verifier":
                {"verifier_type": "response_check", "name": ATTACK, "validation_config": {"contains": "done"}}}],
            "solution": {"calls": [], "answer": "done"},
        })
    };
    let scenarios: Vec<Value> = (1..=3).map(|n| scenario(format!("{n} {ATTACK}"))).collect();
    bed.write_json("harness.json", &json!({"scenarios": scenarios}));
    let turns = json!([
        {"calls": [{"tool": ATTACK, "arguments": {ATTACK: ATTACK}}], "say": ATTACK,
            "usage": {"input_tokens": 900, "output_tokens": 12}},
        {"answer": ATTACK, "usage": {"input_tokens": 900, "output_tokens": 12}},
    ]);
    bed.write_json("bad.json", &json!({"scenarios": {"*": turns}}));
    let line = "run harness.json --model oracle --model noop --model script:bad.json --runs 2 --retries 0 --ui quiet";
    let shot = bed.bench(line);
    assert_eq!(shot.code, Some(0), "{shot}");
    bed
}

#[test]
fn a_report_is_seen_and_asks_for_nothing() {
    const TEST: &str = "a_report_is_seen_and_asks_for_nothing";
    let (Some(real), Some(browser)) = (installed(TEST), browser(TEST)) else {
        return;
    };
    let bed = attacked();
    let shot = bed.bench("report latest -o page.html");
    assert_eq!(shot.code, Some(0), "{shot}");
    let page = bed.path("page.html");
    let shots = real.join("report");
    std::fs::create_dir_all(&shots).unwrap();
    for look in look(&real, &browser, &page, &shots) {
        let at = format!("{} {}", look["width"], look["colorScheme"]);
        let own = format!("file://{}", page.display());
        assert_eq!(look["requests"], json!([own]), "{at}: only the page itself");
        assert_eq!(look["console"], json!([]), "{at}");
        assert_eq!(
            (&look["dialogs"], &look["foreign"]),
            (&json!(0), &json!(0)),
            "{at}"
        );
        assert_eq!(look["unseen"], json!([]), "{at}: marks that do not show");
        assert_eq!(look["barriers"], json!([]), "{at}");
        assert_eq!(
            look["scrollWidth"], look["width"],
            "{at}: nothing hangs over the edge"
        );
    }
}

#[test]
fn test_cases_and_rows_are_read_by_others() {
    let Some(real) = installed("test_cases_and_rows_are_read_by_others") else {
        return;
    };
    let bed = attacked();
    for (format, file) in [("junit", "results.xml"), ("csv", "results.csv")] {
        let shot = bed.bench(&format!("report latest --format {format} -o {file}"));
        assert_eq!(shot.code, Some(0), "{shot}");
    }
    let output = Command::new(real.join("venv/bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("real/read.py"))
        .args([
            real.join("junit-10.xsd"),
            bed.path("results.xml"),
            bed.path("results.csv"),
        ])
        .output()
        .unwrap();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{trouble}");
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["faults"], json!([]));
    assert_eq!(
        read["suites"],
        json!([
            ["oracle", 6, 0, 0, 0],
            ["noop", 6, 6, 0, 0],
            ["script:bad.json", 6, 6, 0, 0]
        ])
    );
    assert_eq!(read["cases"][0], json!(["oracle", format!("1 {ATTACK} #1"), []]));
    assert_eq!(
        read["cases"][6],
        json!(["noop", format!("1 {ATTACK} #1"), ["Failure"]])
    );
    assert_eq!(read["outcomes"], json!({"passed": 6, "failed": 12}));
    assert_eq!(
        read["rates"],
        json!({"oracle": 1.0, "noop": 0.0, "script:bad.json": 0.0})
    );
    assert_eq!(
        read["scenarios"][0],
        json!(format!("1 {ATTACK}")),
        "text comes back as it was"
    );
    for number in ["passed", "turns", "took_ms", "verifiers_total"] {
        assert_eq!(read["columns"][number], json!("int64"), "{number}");
    }
}

fn look(real: &Path, browser: &Path, page: &Path, shots: &Path) -> Vec<Value> {
    let paths = [page, shots].map(|path| path.to_str().unwrap());
    let looks = driven(real, browser, "look.js", &paths, shots);
    looks.as_array().unwrap().clone()
}
