//! Files of a run that are not what it wrote: whoever tells of the run says so, and tells the same everywhere.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::Bed;

const MODELS: &str = "--model oracle --model noop";

/// A run of three scenarios by two models, and its folder.
fn ran() -> (Bed, PathBuf) {
    let bed = bed();
    let run = run(&bed, &format!("{MODELS} --max-concurrency 1"));
    (bed, run)
}

/// One more run, and its folder.
fn run(bed: &Bed, args: &str) -> PathBuf {
    bed.output(&format!("run h.json {args}"));
    let runs = fs::read_dir(bed.path().join("results/runs")).unwrap();
    // Names order by the time at which runs were created.
    runs.map(|run| run.unwrap().path()).max().unwrap()
}

/// Three scenarios.
fn bed() -> Bed {
    let scenario = |id: &str| {
        format!(
            r#"{{"scenario_id": "{id}", "prompts": [{{"prompt_text": "Go.", "verifier": {{
            "verifier_type": "response_check", "validation_config": {{"contains": "done"}}}}}}],
            "solution": {{"calls": [], "answer": "done"}}}}"#
        )
    };
    let scenarios = ["a", "b", "c"].map(scenario).join(",");
    Bed::new().with("h.json", &format!(r#"{{"scenarios": [{scenarios}]}}"#))
}

fn json(bed: &Bed, args: &str) -> Value {
    serde_json::from_slice(&bed.output(args).stdout).unwrap()
}

/// Every command that tells of trials warns; `told` are left of six.
fn everybody_tells(bed: &Bed, told: usize, what: &str) {
    let commands = [
        "show latest",
        "show latest --json",
        "show latest --trial a~oracle~1",
        "report latest -o -",
        "report latest -o - --format md",
        "report latest -o - --format csv",
        "report latest -o - --format junit",
        "report latest -o - --format json",
        "compare latest",
        "attach latest",
        "retry latest --errored",
        "rescore latest --harness gone.json",
        "resume latest",
        "cleanup",
    ];
    for command in commands {
        let said = bed.bench(command);
        assert!(said.contains("events.jsonl` is damaged in"), "{said}");
        assert!(said.contains(what), "{said}");
    }
    assert!(!bed.bench("cleanup").contains("as it should be"));
    // What is refused is not advised.
    let shown = bed.bench("show latest");
    assert!(
        shown.contains("`resume` refuses it") && !shown.contains("runs the other"),
        "{shown}"
    );
    assert!(shown.contains("or `bench-cli retry run_"), "{shown}");

    let page = json(bed, "show latest --json");
    assert_eq!(page["progress"]["trials_done"], told, "{page}");
    assert_eq!(page["problems"].as_array().unwrap().len(), 1);
    let report = json(bed, "report latest -o - --format json");
    assert_eq!(report["trials"].as_array().unwrap().len(), told);
    assert_eq!(report["problems"].as_array().unwrap().len(), 1);
    let rows = bed.output("report latest -o - --format csv").stdout;
    assert_eq!(String::from_utf8(rows).unwrap().lines().count(), told + 1);
    let markdown = bed.bench("report latest -o - --format md");
    assert!(
        markdown.contains(&format!("{told} of 6 trials over")),
        "{markdown}"
    );
    let junit = bed.bench("report latest -o - --format junit");
    assert!(junit.contains(&format!("tests=\"{}\"", told + 1)), "{junit}");
    assert!(junit.contains(&format!("{told} of 6 trials are told")), "{junit}");
}

#[test]
fn a_journal_that_lacks_its_end_is_told_by_whoever_reads_it() {
    let (bed, run) = ran();
    let path = run.join("events.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    let ends: Vec<usize> = journal
        .match_indices("\"trial_finished\"")
        .map(|(at, _)| journal[..at].rfind('\n').unwrap() + 1)
        .collect();
    assert_eq!(ends.len(), 6);
    for told in [4, 0] {
        fs::write(&path, &journal[..ends[told]]).unwrap();
        everybody_tells(&bed, told, "it ends there, but");
        let listed = bed.bench("list");
        assert!(listed.contains("events.jsonl` is damaged in"), "{listed}");
    }
    fs::write(&path, journal).unwrap();
    for command in [
        "show latest",
        "report latest -o - --format junit",
        "compare latest",
        "cleanup",
    ] {
        let said = bed.bench(command);
        assert!(!said.contains("damaged") && !said.contains("warning"), "{said}");
    }
}

#[test]
fn a_journal_that_is_gone_is_told_with_what_is_left() {
    let (bed, run) = ran();
    fs::remove_file(run.join("events.jsonl")).unwrap();
    for command in [
        "show latest",
        "report latest -o -",
        "compare latest",
        "attach latest",
    ] {
        let output = bed.output(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}: {said}");
        assert!(
            said.contains("events.jsonl` is missing, which tells"),
            "{command}: {said}"
        );
        assert!(!said.contains("entity not found"), "{command}: {said}");
    }
    let listed = bed.bench("list");
    assert!(
        listed.contains("(6/6)") && listed.contains("events.jsonl` is missing"),
        "{listed}"
    );
}

#[test]
fn a_changed_line_of_a_journal_is_told_by_whoever_reads_it() {
    let (bed, run) = ran();
    let path = run.join("events.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        journal.replacen("\"trial_finished\"", "\"trial_finishes\"", 1),
    )
    .unwrap();
    everybody_tells(&bed, 5, "the line is damaged");
}

#[test]
fn a_record_that_holds_something_else_is_told_by_whoever_decides_or_reports() {
    let (bed, run) = ran();
    let record = run.join("trials/a~oracle~1.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("passed", "failed")).unwrap();
    fs::remove_file(run.join("trials/b~oracle~1.json")).unwrap();
    let reports =
        ["html", "md", "csv", "junit", "json"].map(|format| format!("report latest -o - --format {format}"));
    // There is nothing to try again.
    let deciders = ["compare latest", "retry latest --errored"].map(str::to_owned);
    for command in reports.iter().chain(&deciders) {
        let said = bed.bench(command);
        for problem in [
            "a~oracle~1.json` was changed after",
            "b~oracle~1.json` is missing",
        ] {
            assert!(said.contains(problem), "{said}");
        }
    }
    let report = json(&bed, "report latest -o - --format json");
    assert!(
        report["problems"][0]
            .as_str()
            .unwrap()
            .contains("a~oracle~1.json` was changed")
    );
    assert_eq!(report["trials"].as_array().unwrap().len(), 6);
}

/// Eleven of twelve have passed as far as is known: enough for any of these gates, if nobody looked at what is lost.
#[test]
fn no_gate_is_met_by_a_run_that_lost_a_line() {
    let bed = bed();
    let oracle = "--model oracle --runs 4 --fail-under 95% --strict";
    let name = |run: &PathBuf| run.file_name().unwrap().to_str().unwrap().to_owned();
    let whole = name(&run(&bed, oracle));
    let cut = run(&bed, oracle);
    let journal = fs::read_to_string(cut.join("events.jsonl")).unwrap();
    let end = journal.find("\"trial_finished\"").unwrap();
    let (from, to) = (
        journal[..end].rfind('\n').unwrap(),
        end + journal[end..].find('\n').unwrap(),
    );
    fs::write(
        cut.join("events.jsonl"),
        format!("{}{}", &journal[..from], &journal[to..]),
    )
    .unwrap();
    let cut = name(&cut);
    for command in [
        format!("attach {cut} --fail-under 95%"),
        format!("attach {cut} --strict"),
        format!("attach {cut} --json"),
        format!("compare {whole} {cut} --fail-if-worse --fail-under 95%"),
        format!("compare {cut} {whole} --fail-if-worse"),
    ] {
        let said = bed.bench(&command);
        assert!(said.ends_with("--- exit 3"), "{said}");
        assert!(
            said.contains("a gate needs everything that was recorded"),
            "{said}"
        );
    }
    let gate = json(&bed, &format!("show {cut} --json"))["gate"].clone();
    assert_eq!(
        (&gate["met"], &gate["exit_code"]),
        (&false.into(), &3.into()),
        "{gate}"
    );
    assert!(
        gate["missed"][0].as_str().unwrap().contains("is damaged in"),
        "{gate}"
    );
    for command in [format!("compare {whole} {cut}"), format!("attach {whole}")] {
        let said = bed.bench(&command);
        assert!(said.ends_with("--- exit 0"), "{said}");
    }
}

#[test]
fn a_plan_that_was_changed_or_is_gone_is_told_and_not_run() {
    let (bed, run) = ran();
    let path = run.join("plan.json");
    let plan = fs::read_to_string(&path).unwrap();
    fs::write(&path, plan.replace("Go.", "No.")).unwrap();
    let changed = "plan.json` was changed after the run was created";
    for command in [
        "retry latest",
        "rescore latest",
        "resume latest",
        "show latest",
        "report latest -o - --format csv",
        "compare latest",
        "attach latest",
        "cleanup",
    ] {
        let said = bed.bench(command);
        assert_eq!(said.matches(changed).count(), 1, "{said}");
    }
    for command in ["retry latest", "rescore latest"] {
        assert!(!bed.output(command).status.success(), "{command}");
    }
    fs::remove_file(&path).unwrap();
    let said = bed.bench("cleanup");
    assert!(said.contains("plan.json`") && said.contains("broken"), "{said}");
    assert!(!said.contains("as it should be"), "{said}");
    assert_eq!(fs::read_dir(bed.path().join("results/runs")).unwrap().count(), 1);
}

/// Its journal says how it ended; a record that is not what the run wrote says nothing.
#[test]
fn judging_again_counts_from_the_journal_and_tells_of_records_that_were_changed() {
    let (bed, run) = ran();
    let record = run.join("trials/a~oracle~1.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(
        &record,
        text.replace("passed", "failed").replace("\"true\"", "\"false\""),
    )
    .unwrap();
    fs::remove_file(run.join("trials/b~oracle~1.json")).unwrap();
    let said = bed.bench("rescore latest --ui quiet");
    for (said, what) in [(&said, "rescore"), (&bed.bench("show latest"), "show")] {
        for told in [
            "a~oracle~1.json` was changed after",
            "b~oracle~1.json` is missing",
            "(4 verdicts of 4 trials; the record of 2 further trials is missing or was changed)",
        ] {
            assert_eq!(said.matches(told).count(), 1, "{what}: {told}: {said}");
        }
        let row = said.lines().find(|line| line.starts_with("oracle ")).unwrap();
        assert_eq!(row.matches("3/3").count(), 2, "{row}: {said}");
    }
    let document = json(&bed, "show latest --json");
    assert_eq!(document["rescore"]["without_record"], 2);
    assert_eq!(document["problems"].as_array().unwrap().len(), 2, "{document}");
}
