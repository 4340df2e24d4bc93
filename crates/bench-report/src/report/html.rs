//! A report as one HTML file: no network, no script.
//!
//! Whatever stands in a report came from models, servers and files of others. Three things keep it text: everything that
//! a template prints is escaped, because the environment escapes whatever the template is called; control and direction
//! characters become pictures ([`text::clean`]); and a Content-Security-Policy in the page forbids
//! scripts, forms and every request.
//!
//! Templates are in `templates/`, filters in `filters`. An own template gets the same values and may extend `report.html`
//! or include its parts. Trials and transcripts are made while the page is written, so that none but one is in memory.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use bench_core::Outcome;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use thiserror::Error;

use super::charts::{self, Charts};
use super::talk::{self, Reader};
use super::{Files, Report, Trial};
use crate::text;

mod filters;

/// Where the page starts.
const PAGE: &str = "report.html";

/// The built-in templates.
const BUILT_IN: [(&str, &str); 9] = [
    (PAGE, include_str!("templates/report.html")),
    ("style.css", include_str!("templates/style.css")),
    ("header.html", include_str!("templates/header.html")),
    ("models.html", include_str!("templates/models.html")),
    ("causes.html", include_str!("templates/causes.html")),
    ("charts.html", include_str!("templates/charts.html")),
    ("scenarios.html", include_str!("templates/scenarios.html")),
    ("trials.html", include_str!("templates/trials.html")),
    ("footer.html", include_str!("templates/footer.html")),
];

/// A template of the user's own, instead of `report.html`.
#[derive(Debug, Clone)]
pub struct Template {
    /// What errors call it.
    pub name: String,
    /// Its text.
    pub source: String,
}

/// Why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// A template is wrong.
    #[error("template `{template}`{}: {what}", line.map_or_else(String::new, |line| format!(", line {line}")))]
    Template {
        /// Which.
        template: String,
        /// Where in it, from 1.
        line: Option<usize>,
        /// What is wrong, for people.
        what: String,
    },
    /// It could not be written.
    #[error("cannot write the page")]
    Write(#[source] std::io::Error),
}

/// Writes the page. What was written before an error is no page: the caller throws it away.
///
/// # Errors
/// The own template is wrong, or `out` cannot be written.
pub fn write(
    report: &Arc<Report>,
    files: &Arc<dyn Files>,
    own: Option<&Template>,
    out: &mut dyn Write,
) -> Result<(), HtmlError> {
    let environment = environment(own).map_err(|error| wrong(&error))?;
    let page = own.map_or(PAGE, |own| own.name.as_str());
    let template = environment.get_template(page).map_err(|error| wrong(&error))?;
    let mut out = Watched { out, failed: None };
    let result = template.render_captured_to(values(report, files), &mut out);
    match (out.failed, result) {
        (Some(error), _) => Err(HtmlError::Write(error)),
        (None, Err(error)) => Err(wrong(&error)),
        (None, Ok(_)) => Ok(()),
    }
}

/// The built-in templates and the own one, all of them escaped.
fn environment(own: Option<&Template>) -> Result<Environment<'_>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A name that nobody knows is a mistake; one that may be missing can be asked for.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    for (name, source) in BUILT_IN {
        environment.add_template(name, source)?;
    }
    if let Some(own) = own {
        environment.add_template(&own.name, &own.source)?;
    }
    filters::add_to(&mut environment);
    Ok(environment)
}

/// What templates see.
fn values(report: &Arc<Report>, files: &Arc<dyn Files>) -> Value {
    let chosen = Arc::new(talk::chosen(&report.trials, talk::ROOM));
    let folded = chosen.iter().filter(|chosen| **chosen).count();
    let not_passed: Vec<&Trial> = report.trials.iter().filter(|trial| is_shown(trial)).collect();
    let talked = not_passed
        .iter()
        .filter(|trial| trial.transcript_bytes > 0)
        .count();
    let stories = Stories {
        report: Arc::clone(report),
        chosen,
        reader: Reader::new(Arc::clone(files), talk::ROOM),
        files: Arc::clone(files),
    };
    let trials = Arc::clone(report);
    context! {
        format => report.format,
        made_by => report.made_by.clone(),
        made_at => Value::from(Serde(&report.made_at)),
        run => Value::from(Serde(&report.run)),
        done => report.run.outcomes.done(),
        none_judged => report.run.none_judged(),
        paid => report.run.cost.is_some_and(|cost| !cost.is_nothing()),
        models => Value::from(Serde(&report.models)),
        letters => (0..report.models.len()).map(charts::letter).collect::<Vec<_>>(),
        notes => report.notes.clone(),
        causes => Value::from(Serde(&report.causes)),
        scenarios => Value::from(Serde(&report.scenarios)),
        problems => report.problems.clone(),
        charts => Value::from(Serde(Charts::of(report))),
        width => charts::WIDTH,
        height => charts::HEIGHT,
        not_passed => not_passed.len(),
        folded,
        named => talked - folded,
        groups => stories.groups(),
        trials => Value::make_iterable(move || {
            let trials = Arc::clone(&trials);
            (0..trials.trials.len()).map(move |n| Value::from(Serde(&trials.trials[n])))
        }),
    }
}

/// Whether a trial is told about on its own.
fn is_shown(trial: &Trial) -> bool {
    trial.outcome != Outcome::Passed
}

/// Trials that did not pass, with what was said in them.
#[derive(Clone)]
struct Stories {
    report: Arc<Report>,
    chosen: Arc<Vec<bool>>,
    reader: Reader,
    files: Arc<dyn Files>,
}

impl Stories {
    /// Scenario by scenario, in the plan's order.
    fn groups(&self) -> Vec<Value> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (n, trial) in self.report.trials.iter().enumerate().filter(|(_, t)| is_shown(t)) {
            groups.entry(&trial.scenario_id).or_default().push(n);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, trials)| trials[0]);
        let group = |(scenario_id, trials): (&str, Vec<usize>)| {
            let words = self.words(&trials);
            let stories = self.clone();
            let told = Value::make_iterable(move || {
                let stories = stories.clone();
                trials.clone().into_iter().map(move |n| stories.story(n))
            });
            context! { scenario_id, words, stories => told }
        };
        groups.into_iter().map(group).collect()
    }

    /// `2 failed, 1 errored`.
    fn words(&self, trials: &[usize]) -> String {
        let words = Outcome::ALL.into_iter().filter_map(|outcome| {
            let of = |n: &&usize| self.report.trials[**n].outcome == outcome;
            let count = trials.iter().filter(of).count();
            (count > 0).then(|| format!("{count} {}", outcome.name()))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn story(&self, n: usize) -> Value {
        let trial = &self.report.trials[n];
        let path = (trial.transcript_bytes > 0).then(|| self.files.transcript_path(&trial.trial));
        let (reader, id) = (self.reader.clone(), trial.trial.clone());
        let pieces = Value::make_iterable(move || {
            let pieces = reader.pieces(&id).into_iter();
            pieces.map(|piece| context! { kind => piece.kind, text => piece.text })
        });
        context! { trial => Value::from(Serde(trial)), folded => self.chosen[n], path, pieces }
    }
}

/// A minijinja error in our words: the innermost one knows best.
fn wrong(error: &minijinja::Error) -> HtmlError {
    let mut innermost = error;
    while let Some(source) = std::error::Error::source(innermost).and_then(|e| e.downcast_ref()) {
        innermost = source;
    }
    let detail = innermost.detail().map(|detail| format!(": {detail}"));
    HtmlError::Template {
        template: text::clean_line(innermost.name().or(error.name()).unwrap_or(PAGE)),
        line: innermost.line().or(error.line()),
        what: format!("{}{}", innermost.kind(), detail.unwrap_or_default()),
    }
}

/// Keeps why writing failed: the template engine says only that it did.
struct Watched<'a> {
    out: &'a mut dyn Write,
    failed: Option<std::io::Error>,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
