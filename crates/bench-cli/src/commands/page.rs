//! The results of a run on one page: what `run` ends with and `show` shows.

use std::collections::BTreeMap;

use bench_core::event::{Event, TrialFinished};
use bench_core::{Outcome, Session};
use bench_report::causes::{self, CauseCount};
use bench_report::{runs, scenarios, summary, text};
use bench_runner::BenchJob;
use bench_state::{RunId, RunStatus, RunSummary, RunView};
use serde::Serialize;
use serde_json::{Value, json};

use super::list;
use crate::context::Context;
use crate::error::CliError;
use crate::render::paint::{self, BAD, FAINT, GOOD, ODD, STRONG};

/// The grid of scenarios is shown up to so many.
const MOST_SCENARIOS: usize = 40;
/// Causes that are shown.
const MOST_CAUSES: usize = 8;

/// What is known of a run.
pub(super) struct Page {
    run: RunSummary<BenchJob>,
    /// Totals per model, and per scenario and model.
    pub(super) session: Session,
    causes: Vec<CauseCount>,
    problems: Vec<String>,
    /// A trial that did not pass, the first by name.
    worth_a_look: Option<String>,
}

/// The page for programs: `state.json` as it stands now, and the results.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    run: &'a RunSummary<BenchJob>,
    session: &'a Session,
    causes: Vec<Value>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: &'a [String],
}

impl Page {
    /// Reads everything that the page shows.
    pub(super) fn read(view: &RunView<BenchJob>) -> Result<Self, CliError> {
        let session = view.session()?;
        let mut last: BTreeMap<_, TrialFinished> = BTreeMap::new();
        for recorded in view.events()? {
            if let Event::TrialFinished(trial) = recorded?.event {
                last.insert(trial.trial.clone(), trial);
            }
        }
        let not_passed = |trial: &&TrialFinished| trial.outcome != Outcome::Passed;
        let worth_a_look = last
            .values()
            .find(not_passed)
            .map(|trial| trial.trial.to_string());
        Ok(Self {
            worth_a_look,
            run: view.summary().clone(),
            session,
            causes: causes::group(last.values()),
            problems: view.problems().iter().map(ToString::to_string).collect(),
        })
    }

    /// The page as a JSON document.
    pub(super) fn document(&self) -> impl Serialize + '_ {
        let causes = self.causes.iter().map(|cause| {
            json!({"outcome": cause.outcome, "cause": cause.cause, "trials": cause.trials, "example": cause.example})
        });
        Document {
            run: &self.run,
            session: &self.session,
            causes: causes.collect(),
            problems: &self.problems,
        }
    }

    /// The page as text, the run's own facts first.
    pub(super) fn with_facts(&self, cx: &Context) -> String {
        match self.results(cx.out_look.width) {
            results if results.is_empty() => self.facts(cx),
            results => format!("{}\n{results}", self.facts(cx)),
        }
    }

    fn facts(&self, cx: &Context) -> String {
        let (state, row) = (&self.run.state, list::row(&self.run));
        let time = runs::age(state.started_at, row.completed_at.unwrap_or(cx.now));
        let started = state.started_at.format("%Y-%m-%d %H:%M:%S UTC");
        let status = format!(
            "{} {time}, from {started}",
            status_words(&row.status, state.status.is_over())
        );
        let mut facts = vec![
            ("run", row.run_id),
            ("harness", row.harness),
            ("models", row.models),
        ];
        facts.push(("status", status));
        facts.extend(self.error().map(|error| ("cause", error)));
        facts.push(("folder", cx.shown(&self.run.dir)));
        let lines = facts.iter().map(|(name, value)| {
            let name = paint::paint(FAINT, &format!("{name:<8}"));
            format!("{name} {}\n", text::clean_line(value))
        });
        lines.collect::<Vec<_>>().concat()
    }

    /// Why the run itself broke, or who ended it.
    pub(super) fn error(&self) -> Option<String> {
        match self.run.state.status.ending()? {
            bench_state::Ending::Completed => None,
            bench_state::Ending::Failed { cause } => {
                Some(format!("{}: {}", cause.kind.code(), cause.message))
            }
            bench_state::Ending::Cancelled { reason } => Some(reason.code().to_owned()),
        }
    }

    /// Tables: per model, then where not all passed, then why trials have no verdict. Empty before the first trial is over.
    pub(super) fn results(&self, width: usize) -> String {
        if self.run.state.progress.trials_done == 0 {
            return String::new();
        }
        let mut parts = vec![paint::table(&summary::table(&self.session).render(width))];
        let grid = scenarios::not_passed(&self.session);
        if !grid.is_empty() && scenarios::count(&self.session) <= MOST_SCENARIOS {
            parts.push(titled(
                "Not passed by every model",
                &paint::table(&grid.render(width)),
            ));
        }
        if !self.causes.is_empty() {
            let lines = causes::lines(&self.causes, MOST_CAUSES);
            let painted = lines
                .lines()
                .map(|line| paint::signs(line) + "\n")
                .collect::<Vec<_>>()
                .concat();
            parts.push(titled("Without a verdict", &painted));
        }
        if !self.problems.is_empty() {
            let lines = self
                .problems
                .iter()
                .map(|problem| text::clean_line(problem) + "\n");
            parts.push(titled(
                "Wrong with the files of this run",
                &lines.collect::<Vec<_>>().concat(),
            ));
        }
        parts.join("\n")
    }

    /// How the run ended, in a coloured word: `completed`.
    pub(super) fn status(&self) -> String {
        let word = self.run.state.status.word();
        let style = match self.run.state.status {
            RunStatus::Running => STRONG,
            RunStatus::Over { .. } if word == "completed" => GOOD,
            RunStatus::Over { .. } if word == "failed" => BAD,
            RunStatus::Over { .. } => ODD,
        };
        paint::paint(style, word)
    }

    /// A trial that did not pass.
    pub(super) fn worth_a_look(&self) -> Option<&str> {
        self.worth_a_look.as_deref()
    }

    /// Where the run stands.
    pub(super) fn run_status(&self) -> &RunStatus {
        &self.run.state.status
    }

    /// The run's name.
    pub(super) fn id(&self) -> &RunId {
        &self.run.state.id
    }

    /// The run's folder.
    pub(super) fn dir(&self) -> &std::path::Path {
        &self.run.dir
    }
}

fn status_words(status: &str, over: bool) -> String {
    if over {
        format!("{status} after")
    } else {
        format!("{status} for")
    }
}

fn titled(title: &str, body: &str) -> String {
    format!("{}\n{body}", paint::paint(STRONG, &format!("{title}:")))
}
