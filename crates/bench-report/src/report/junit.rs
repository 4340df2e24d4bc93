//! Trials as test cases, for the CI systems that show `JUnit` XML.
//!
//! A suite is a model, a case is a trial: `failed` and `limit` are failures, `errored` is an error, what was not judged is
//! skipped. A run that did not come to its end by itself is one error more, and so are trials that are lost with files of the
//! run. Only attributes that the schema of Jenkins
//! (`junit-10.xsd`) knows are written; the library escapes, and [`text::clean_line`] leaves nothing that XML cannot hold.

use std::io::{self, Write};

use bench_core::Outcome;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Model, Report, Trial, Verdict};
use crate::{summary, text};

type Xml<'a> = Writer<&'a mut dyn Write>;

/// Writes the report.
///
/// # Errors
/// `out` cannot be written.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let run = &report.run;
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let name = text::clean_line(run.label.as_ref().unwrap_or(&run.harness_name));
    let end = run.completed_at.unwrap_or(report.made_at);
    let ms = u64::try_from((end - run.started_at).num_milliseconds()).unwrap_or(0);
    let lost = Lost::of(report);
    let [tests, failures, errors, _] = counts(&report.trials.iter().collect::<Vec<_>>(), lost.is_some());
    xml.create_element("testsuites")
        .with_attributes([
            ("name", name.as_str()),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", &errors),
            ("time", &seconds(ms)),
        ])
        .write_inner_content(|xml| {
            report
                .models
                .iter()
                .try_for_each(|model| suite(report, model, xml))?;
            lost.map_or(Ok(()), |lost| lost.write(xml))
        })?;
    xml.get_mut().write_all(b"\n")
}

/// What is missing of a run that is over. Without a case of its own that would look as if there had been less to do, and all
/// of it had gone well.
struct Lost {
    /// Name of the suite and of its case.
    name: &'static str,
    kind: String,
    message: String,
    /// More, a line each.
    lines: Vec<String>,
}

impl Lost {
    fn of(report: &Report) -> Option<Self> {
        let run = &report.run;
        let (told, total) = (report.trials.len(), run.trials_total as usize);
        let problems = report.problems.iter();
        let clean = |line: &String| text::clean_line(line);
        if let Some(message) = run.cut_short() {
            return Some(Self {
                name: "the run",
                kind: run.status.clone(),
                message,
                lines: run.error.iter().chain(problems).map(clean).collect(),
            });
        }
        let damaged = run.status == "completed" && told < total && !report.problems.is_empty();
        damaged.then(|| Self {
            name: "files of the run",
            kind: "damaged".to_owned(),
            message: format!("{told} of {total} trials are told, because files of the run are damaged"),
            lines: problems.map(clean).collect(),
        })
    }

    fn write(&self, xml: &mut Xml<'_>) -> io::Result<()> {
        let name = self.name;
        xml.create_element("testsuite")
            .with_attributes([("name", name), ("tests", "1"), ("failures", "0"), ("errors", "1")])
            .write_inner_content(|xml| {
                xml.create_element("testcase")
                    .with_attributes([("name", name), ("classname", "bench-cli")])
                    .write_inner_content(|xml| {
                        xml.create_element("error")
                            .with_attributes([("message", self.message.as_str()), ("type", &self.kind)])
                            .write_text_content(BytesText::new(&self.lines.join("\n")))?;
                        Ok(())
                    })?;
                Ok(())
            })?;
        Ok(())
    }
}

/// Cases, failures, errors and what is skipped; with the case that tells what is lost.
fn counts(trials: &[&Trial], lost: bool) -> [String; 4] {
    let of = |outcomes: &[Outcome]| {
        let those = trials.iter().filter(|trial| outcomes.contains(&trial.outcome));
        those.count()
    };
    let lost = usize::from(lost);
    let counts = [
        trials.len() + lost,
        of(&[Outcome::Failed, Outcome::Limit]),
        of(&[Outcome::Errored]) + lost,
        of(&[Outcome::Unscored, Outcome::Cancelled]),
    ];
    counts.map(|count| count.to_string())
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn suite(report: &Report, model: &Model, xml: &mut Xml<'_>) -> io::Result<()> {
    let name = &model.totals.model;
    let trials = report.trials_of(model);
    let [tests, failures, errors, skipped] = counts(&trials, false);
    let began = report.run.started_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    xml.create_element("testsuite")
        .with_attributes([
            ("name", text::clean_line(name).as_str()),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", &errors),
            ("skipped", &skipped),
            ("time", &seconds(model.totals.took_ms)),
            ("timestamp", &began),
        ])
        .write_inner_content(|xml| {
            xml.create_element("properties")
                .write_inner_content(|xml| properties(report, model, xml))?;
            trials.iter().try_for_each(|trial| case(report, trial, xml))
        })?;
    Ok(())
}

fn properties(report: &Report, model: &Model, xml: &mut Xml<'_>) -> io::Result<()> {
    let rate = model.statistics.pass_rate.map(|rate| {
        let range = text::range(rate.interval.low, rate.interval.high);
        format!("{} {range}", text::percent(Some(rate.rate)))
    });
    let few = model.statistics.pass_rate.is_some_and(|rate| rate.few_scenarios);
    let properties = [
        ("run", Some(report.run.run_id.clone())),
        ("status", Some(report.run.status.clone())),
        ("cause", report.run.error.as_deref().map(text::clean_line)),
        ("partial", report.run.partial.then(|| "true".to_owned())),
        ("pass rate (95%)", rate),
        ("few scenarios", few.then(|| "true".to_owned())),
        ("tried again", summary::tried_again(&model.totals)),
    ];
    let problems = report
        .problems
        .iter()
        .map(|problem| ("problem", Some(text::clean_line(problem))));
    for (name, value) in properties.into_iter().chain(problems) {
        if let Some(value) = value {
            xml.create_element("property")
                .with_attributes([("name", name), ("value", &value)])
                .write_empty()?;
        }
    }
    Ok(())
}

fn case(report: &Report, trial: &Trial, xml: &mut Xml<'_>) -> io::Result<()> {
    let scenario = text::clean_line(&trial.scenario_id);
    let name = match report.run.repetitions {
        ..=1 => scenario,
        _ => format!("{scenario} #{}", trial.repetition),
    };
    let model = text::clean_line(&trial.model);
    let case = xml.create_element("testcase").with_attributes([
        ("name", name.as_str()),
        ("classname", &model),
        ("time", &seconds(trial.took_ms)),
    ]);
    if trial.outcome == Outcome::Passed {
        case.write_empty()?;
        return Ok(());
    }
    case.write_inner_content(|xml| {
        ending(trial, xml)?;
        if trial.transcript_bytes > 0 {
            let place = format!("trial {}: trials/{}.jsonl", trial.trial, trial.trial);
            xml.create_element("system-out")
                .write_text_content(BytesText::new(&place))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Why a trial did not pass.
fn ending(trial: &Trial, xml: &mut Xml<'_>) -> io::Result<()> {
    let missed: Vec<&Verdict> = trial.verdicts.iter().filter(|v| v.verdict != "true").collect();
    let because = match (&trial.cause, missed.len()) {
        (Some(cause), _) => text::clean_line(cause),
        (None, 0) => trial.outcome.name().to_owned(),
        (None, n) => format!(
            "{n} of {} not true",
            text::count(trial.verdicts.len(), "verifier")
        ),
    };
    let element = match trial.outcome {
        Outcome::Errored => "error",
        Outcome::Failed | Outcome::Limit => "failure",
        _ => "skipped",
    };
    let element = xml
        .create_element(element)
        .with_attributes([("message", because.as_str()), ("type", trial.outcome.name())]);
    let lines: Vec<String> = missed.into_iter().map(Verdict::line).collect();
    if lines.is_empty() {
        element.write_empty()?;
    } else {
        element.write_text_content(BytesText::new(&lines.join("\n")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Fixture, report, report_of};

    fn document(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn outcomes_are_what_ci_systems_know() {
        let document = document(&report());
        assert!(
            document.contains(
                r#"<testsuites name="quickstart" tests="16" failures="4" errors="3" time="600.000">"#
            ),
            "{document}"
        );
        let suite = r#"<testsuite name="openai:gpt" tests="8" failures="1" errors="3" skipped="2""#;
        assert!(document.contains(suite), "{document}");
        for part in [
            r#"<testcase name="assign #2" classname="anthropic:claude" time="1.500">"#,
            r#"<failure message="2 of 3 verifiers not true" type="failed">"#,
            r#"<failure message="limit it was" type="limit">"#,
            r#"<error message="errored it was" type="errored">"#,
            r#"<skipped message="cancelled it was" type="cancelled">"#,
            "false exists: expected equals 1, found &quot;done&quot;",
        ] {
            assert!(document.contains(part), "`{part}` is missing in {document}");
        }
    }

    #[test]
    fn trials_that_are_lost_with_files_of_a_run_are_an_error() {
        let mut report = report();
        report.run.status = "completed".to_owned();
        report.run.trials_total = 16;
        report.problems = vec!["`events.jsonl` is <damaged>".to_owned()];
        let whole = document(&report);
        assert!(whole.contains(r#"tests="16" failures="4" errors="3""#), "{whole}");
        assert!(
            whole.contains(r#"<property name="problem" value="`events.jsonl` is &lt;damaged&gt;"/>"#),
            "{whole}"
        );
        report.trials.clear();
        let lost = document(&report);
        assert!(lost.contains(r#"tests="1" failures="0" errors="1""#), "{lost}");
        assert!(lost.contains(r#"<error message="0 of 16 trials are told, because files of the run are damaged" type="damaged">`events.jsonl` is &lt;damaged&gt;</error>"#), "{lost}");
    }

    #[test]
    fn a_run_that_did_not_come_to_its_end_is_an_error() {
        let mut report = report();
        (report.run.status, report.run.partial) = ("failed".to_owned(), false);
        report.run.error = Some("the worker <pid 7> is gone".to_owned());
        (report.run.trials_total, report.run.outcomes.passed) = (20, 9);
        let cut = document(&report);
        assert!(cut.contains(r#"tests="17" failures="4" errors="4""#), "{cut}");
        let scored = report.run.outcomes.scored();
        let message = format!("the run is failed: {} of 20 trials have no verdict", 20 - scored);
        let case =
            format!(r#"<error message="{message}" type="failed">the worker &lt;pid 7&gt; is gone</error>"#);
        assert!(cut.contains(&case), "{case}: {cut}");
        for property in [
            r#"<property name="status" value="failed"/>"#,
            r#"<property name="cause" value="the worker &lt;pid 7&gt; is gone"/>"#,
        ] {
            assert_eq!(cut.matches(property).count(), 2, "{cut}");
        }
        report.trials.clear();
        let nothing = document(&report);
        assert!(
            nothing.contains(r#"tests="1" failures="0" errors="1""#),
            "{nothing}"
        );
        // It goes on: nobody knows yet.
        (report.run.status, report.run.partial) = ("running".to_owned(), true);
        assert!(document(&report).contains(r#"tests="0" failures="0" errors="0""#));
    }

    #[test]
    fn no_text_of_others_becomes_markup() {
        let attack = "]]></failure><testcase name=\"x\"/>&#0;\u{0}\u{1b}[31m\u{ffff}\"'<!--";
        let counts = |document: &str| {
            ["<testcase", "<failure", "<!--", "]]>"].map(|part| document.matches(part).count())
        };
        let attacked = report_of(&Fixture::saying(&[attack]), |name| format!("{name}{attack}"));
        let document = document(&attacked);
        let [cases, failures, ..] = counts(&document);
        assert_eq!((cases, failures), (16, 4), "{document}");
        assert!(!document.contains("<!--"), "{document}");
        assert!(!document.contains(['\u{0}', '\u{1b}', '\u{ffff}']), "{document}");
    }
}
