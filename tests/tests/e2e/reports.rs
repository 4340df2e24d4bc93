//! `report`: a run as one page.

use std::fs;

use bench_tests::bed::{PATIENCE, TestBed};
use serde_json::json;

use crate::harness::{answers, half_done, harness, scenario, sql};

/// A run with trials that passed, failed and errored.
fn bed() -> TestBed {
    let bed = TestBed::new();
    let mut broken = scenario("broken", [sql("SELECT x FROM nowhere", &json!(1))]);
    let mut answered = scenario("<i>answered</i>", [answers("done")]);
    for scenario in [&mut broken, &mut answered] {
        scenario["solution"] = json!({"calls": [], "answer": "done"});
    }
    bed.write_json("harness.json", &harness([broken, answered]));
    let shot = bed.bench("run harness.json --model oracle --model noop --retries 0 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    bed
}

#[test]
fn a_page_is_written_beside_the_user_and_its_path_is_printed() {
    let bed = bed();
    let shot = bed.bench("report");
    let name = format!("report-{}.html", bed.the_run().id());
    assert_eq!(
        (shot.code, shot.stdout.trim(), shot.stderr.trim()),
        (Some(0), name.as_str(), "")
    );
    let page = fs::read_to_string(bed.path(&name)).unwrap();
    for part in [
        "oracle",
        "1 of 1 trials passed",
        "! 1 errored",
        "few scenarios",
        "id=\"t-broken~oracle~1\"",
        "no such table: nowhere",
        "answered&lt;",
        "[broken] Do your work.",
        "gym tracker: built in",
        "harness.json (SHA-256 ",
    ] {
        assert!(page.contains(part), "`{part}` is missing");
    }
    assert!(!page.contains("<i>"), "a name became markup");
    assert!(!page.contains("Partial."));
    assert!(page.ends_with("</html>\n") || page.ends_with("</html>"));
    let piped = bed.bench("report latest -o -");
    let without_time = |page: &str| page.split(" at 20").next().unwrap_or_default().len();
    assert_eq!(
        without_time(&piped.stdout),
        without_time(&page),
        "{}",
        piped.stderr
    );
    assert_eq!(bed.bench("report latest --output there.html").code, Some(0));
    assert!(bed.path("there.html").is_file());
}

#[test]
fn an_own_template_sees_the_values_and_its_mistakes_are_told() {
    let bed = bed();
    bed.write(
        "own.jinja",
        "{% for m in models %}{{ m.model }} {{ m.passed }}\n{% endfor %}",
    );
    let shot = bed.bench("report --template own.jinja -o -");
    assert_eq!(shot.stdout, "oracle 1\nnoop 0\n", "{shot}");
    bed.write("wrong.jinja", "\n{{ nothing.here }}");
    insta::assert_snapshot!(bed.bench("report --template wrong.jinja -o page.html"), @r"
    $ bench-cli report --template wrong.jinja -o page.html
    exit 2
    ── stderr
    error: template `wrong.jinja`, line 2: undefined value
      try: docs/reports.md says what templates can use
    ");
    assert!(!bed.path("page.html").exists(), "half a page is none");
    let half = bed.bench("report --template wrong.jinja -o -");
    assert_eq!(
        (half.code, half.stdout.as_str()),
        (Some(2), ""),
        "half a page is none: {half}"
    );
    let shot = bed.bench("report --template missing.jinja");
    assert_eq!(shot.code, Some(2), "{shot}");
}

#[test]
fn other_forms_say_the_same() {
    let bed = bed();
    let form = |format: &str| {
        let shot = bed.bench(&format!("report --format {format} -o -"));
        assert_eq!(shot.code, Some(0), "{shot}");
        shot.stdout
    };
    let summary = form("md");
    assert!(
        summary.contains("| `oracle` | **100%** (21–100) few scenarios | 2/2 | 1 |"),
        "{summary}"
    );
    assert!(summary.contains("**!** errored `broken~oracle~1`"), "{summary}");
    assert_eq!(form("markdown").lines().next(), summary.lines().next());
    let cases = form("junit");
    assert!(
        cases.contains("tests=\"4\" failures=\"1\" errors=\"2\""),
        "{cases}"
    );
    let rows = form("csv");
    assert_eq!(rows.lines().count(), 5, "{rows}");
    assert!(rows.starts_with("run_id,trial,scenario_id,model,"), "{rows}");
    let values: serde_json::Value = serde_json::from_str(&form("json")).unwrap();
    assert_eq!(
        (&values["format"], &values["run"]["errored"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(values["trials"].as_array().unwrap().len(), 4);
    let schema = bed.bench("schema report");
    assert!(schema.stdout.contains("\"bench report\""), "{schema}");
    for (format, ending) in [("md", "md"), ("junit", "xml"), ("csv", "csv"), ("json", "json")] {
        let shot = bed.bench(&format!("report --format {format}"));
        let name = format!("report-{}.{ending}", bed.the_run().id());
        assert_eq!(
            (shot.code, shot.stdout.trim()),
            (Some(0), name.as_str()),
            "{shot}"
        );
        let shot = bed.bench(&format!("report --format {format} --template own.jinja"));
        assert_eq!(shot.code, Some(2), "{shot}");
    }
    assert_eq!(bed.bench("report --format pdf").code, Some(2));
}

#[test]
fn each_model_has_a_log_for_inspect_of_its_own() {
    let bed = bed();
    let run = bed.the_run().id();
    let shot = bed.bench("report --format eval");
    let names = ["oracle", "noop"].map(|model| format!("report-{run}-{model}.eval"));
    assert_eq!(
        (shot.code, shot.stdout.lines().collect::<Vec<_>>()),
        (Some(0), names.each_ref().map(String::as_str).to_vec()),
        "{shot}"
    );
    let first = fs::read(bed.path(&names[0])).unwrap();
    assert!(first.starts_with(b"PK\x03\x04"), "it is an archive");
    bed.bench("report --format inspect");
    assert!(
        fs::read(bed.path(&names[0])).unwrap() == first,
        "the same run makes the same file"
    );
    for (line, why) in [
        ("report --format eval -o both.eval", "is about one model"),
        ("report --format eval -o -", "is for text"),
    ] {
        let shot = bed.bench(line);
        assert!(shot.code == Some(2) && shot.stderr.contains(why), "{shot}");
    }
    assert!(!bed.path("both.eval").exists());
    assert_eq!(
        bed.bench("run harness.json --model noop --ui quiet").code,
        Some(0)
    );
    let shot = bed.bench("report latest --format eval -o noop.eval");
    assert_eq!((shot.code, shot.stdout.trim()), (Some(0), "noop.eval"), "{shot}");
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_written() {
    let bed = bed();
    insta::assert_snapshot!(bed.bench("report latest latest -o page.html"), @r"
    $ bench-cli report latest latest -o page.html
    exit 2
    ── stderr
    error: `--output` names one file, and there are several runs
      try: without it each run has a file of its own
    ");
    let shot = bed.bench("report nobody");
    assert_eq!(shot.code, Some(2), "{shot}");
    let shot = bed.bench("report -o no/such/folder/page.html");
    assert_eq!(shot.code, Some(3), "{shot}");
    assert!(shot.stderr.contains("no/such/folder/page.html"), "{shot}");
    let old = json!({"run_id": "old_1", "status": "completed", "started_at": "2025-01-02T03:04:05",
        "completed_at": "2025-01-02T03:05:05", "harness_file": "task.json"});
    bed.write_json("results/background_runs/old_1/state.json", &old);
    let shot = bed.bench("report old_1");
    assert!(
        shot.code == Some(2) && shot.stderr.contains("older tool"),
        "{shot}"
    );
}

#[test]
fn a_run_that_is_not_over_gives_a_partial_page() {
    let (_stub, bed) = half_done();
    let started = bed.start("run harness.json --model openai:m --json");
    started.stdout_line(PATIENCE, |line| {
        line.contains("\"trial_finished\"") && line.contains("\"quick\"")
    });
    let shot = bed.bench("report -o page.html");
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("not over"), "{shot}");
    let page = fs::read_to_string(bed.path("page.html")).unwrap();
    assert!(page.contains("Partial.") && page.contains("1 of 2 trials had ended"));
    let shot = bed.bench("report --format eval -o half.eval");
    assert!(shot.code == Some(0) && shot.stderr.contains("not over"), "{shot}");
    assert_eq!(bed.the_run().status(), "running", "a look changes nothing");
    started.signal(rustix::process::Signal::INT);
    started.finish(PATIENCE);
}
