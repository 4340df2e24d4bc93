//! The results of a run on one page: what `run` ends with and `show` shows.

use std::collections::{BTreeMap, BTreeSet};

use bench_core::event::{Event, ToolChange, TrialFinished, TrialInterrupted};
use bench_core::plan::Selection;
use bench_core::statistics::{self, ModelStatistics};
use bench_core::{Cost, Gate, ModelRef, Outcome, Session, Transport};
use bench_report::causes::{self, CauseCount};
use bench_report::drift::{self, Drifted};
use bench_report::report::Changed;
use bench_report::rescore::{self as report, Changes};
use bench_report::{runs, scenarios, summary, text};
use bench_runner::{BenchJob, UNKNOWN_TOOLS};
use bench_state::{Depth, Ending, RunId, RunStatus, RunSummary, RunView};
use serde::Serialize;
use serde_json::{Value, json};

use super::execute::End;
use super::refused::{self, Refused};
use super::{attach, evidence, gate, list, rescore};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{self, BAD, FAINT, GOOD, ODD, STRONG};

/// The grid of scenarios is shown up to so many.
const MOST_SCENARIOS: usize = 40;
/// Causes that are shown.
const MOST_CAUSES: usize = 8;
/// Verdicts that have changed that are shown.
const MOST_CHANGED: usize = 40;

/// The most characters that say what one model is sent tools without; `--json` has all.
const LONGEST_CHANGES: usize = 240;

/// What a worker in the background says stands in this file of the run.
const WORKER_LOG: &str = "worker.log";

/// What is known of a run.
pub(super) struct Page {
    run: RunSummary<BenchJob>,
    /// Totals per model, and per scenario and model.
    pub(super) session: Session,
    /// What the results have to be.
    pub(super) gate: Gate,
    /// Its trials were chosen by how they had ended in another run.
    retry: Option<Selection>,
    changes: Vec<Changed>,
    /// What each model is sent tools without.
    tool_schemas: BTreeMap<String, Vec<ToolChange>>,
    causes: Vec<CauseCount>,
    drifted: Vec<Drifted>,
    /// The run that is judged again here, and what has changed since.
    rescored: Option<(String, Result<Changes, String>)>,
    problems: Vec<String>,
    /// Those of them that make the totals others than those that were recorded.
    damage: Vec<String>,
    /// Why it cannot be resumed.
    refused: Option<Refused>,
    /// Who judges answers is a service, which costs something.
    judge_paid: bool,
    /// Trials that began and have no end yet: what they cost is not in the totals.
    open: usize,
    /// A trial that did not pass, the first by name.
    worth_a_look: Option<String>,
}

/// The page for programs: `state.json` as it stands now, and the results.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    run: &'a RunSummary<BenchJob>,
    session: &'a Session,
    /// Rates with intervals; computed from `session`.
    statistics: Vec<ModelStatistics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    /// Trials that began and have no end: what they cost is not in `cost`.
    trials_not_counted: usize,
    causes: Vec<Value>,
    #[serde(skip_serializing_if = "<[Drifted]>::is_empty")]
    drift: &'a [Drifted],
    #[serde(skip_serializing_if = "Option::is_none")]
    rescore: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a Selection>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "<[Changed]>::is_empty")]
    changes: &'a [Changed],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tool_schemas: &'a BTreeMap<String, Vec<ToolChange>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: &'a [String],
}

impl Page {
    /// Reads everything that the page shows.
    pub(super) fn read(view: &RunView<BenchJob>) -> Result<Self, CliError> {
        let mut session = view.session()?;
        let mut problems: Vec<String> = view.problems().iter().map(evidence::in_words).collect();
        // The results can be shown without it.
        let mut plan = view.plan().map_err(|error| problems.push(error.to_string())).ok();
        let mut last: BTreeMap<_, TrialFinished> = BTreeMap::new();
        let (mut changes, mut open) = (Vec::new(), BTreeSet::new());
        let mut tool_schemas: BTreeMap<String, Vec<ToolChange>> = BTreeMap::new();
        for recorded in view.events()? {
            let recorded = recorded?;
            match &recorded.event {
                Event::TrialStarted { trial, .. } => drop(open.insert(trial.clone())),
                Event::TrialFinished(TrialFinished { trial, .. })
                | Event::TrialInterrupted(TrialInterrupted { trial, .. }) => drop(open.remove(trial)),
                _ => {}
            }
            match (recorded.event, &mut plan) {
                (Event::ToolSchemasAdjusted { model, changes, .. }, _) => {
                    add_changes(tool_schemas.entry(model).or_default(), changes);
                }
                (Event::TrialFinished(trial), _) => drop(last.insert(trial.trial.clone(), trial)),
                // What has no verdict is tried again from here on.
                (Event::RunStarted { .. }, _) => last.retain(|_, trial| trial.outcome.is_verdict()),
                (Event::PlanChanged(said), Some(plan)) => {
                    changes.push(Changed {
                        at: recorded.at,
                        changes: said.in_words(plan),
                    });
                    said.apply(plan);
                }
                _ => {}
            }
        }
        let ends: Vec<&TrialFinished> = last.values().collect();
        let depth = (Depth::Length, Depth::Length);
        problems.extend(evidence::problems_of_all(view, &ends, depth)?);
        // The built-in tracker's databases end with its worker.
        let tracker = |key: &str| {
            let gym = plan.as_ref().and_then(|plan| plan.gym(key));
            gym.is_some_and(|gym| gym.transport == Transport::Tracker)
        };
        session.databases.retain(|database| !tracker(&database.gym));
        let rescored = plan.as_ref().and_then(|plan| {
            let changes = rescore::changes(view, plan, &last, &mut problems)?;
            Some((plan.rescores.clone()?, changes))
        });
        let not_passed = |trial: &&TrialFinished| trial.outcome != Outcome::Passed;
        let worth_a_look = last
            .values()
            .find(not_passed)
            .map(|trial| trial.trial.to_string());
        let judge = plan.as_ref().and_then(|plan| plan.judge.as_ref());
        Ok(Self {
            judge_paid: judge.is_some_and(|judge| !judge.model.provider.is_local()),
            open: open.len(),
            worth_a_look,
            run: view.summary().clone(),
            session,
            retry: list::retry(view.summary(), plan.as_ref()),
            gate: plan.map(|plan| plan.gate).unwrap_or_default(),
            changes,
            tool_schemas,
            causes: causes::group(last.values()),
            drifted: drift::of(last.values()),
            rescored,
            problems,
            damage: evidence::damage(view),
            refused: refused::of(view),
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
            statistics: statistics::model::of(&self.session),
            cost: self.session.cost(),
            trials_not_counted: self.open,
            causes: causes.collect(),
            drift: &self.drifted,
            rescore: self.rescored.as_ref().map(rescore_document),
            gate: self.gate_document(),
            retry: self.retry.as_ref(),
            notes: self.notes(),
            changes: &self.changes,
            tool_schemas: &self.tool_schemas,
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
        // Nothing ran between an end and the resume after it.
        let pauses = if state.generation > 1 { " with pauses" } else { "" };
        let started = state.started_at.format("%Y-%m-%d %H:%M:%S UTC");
        let status = format!(
            "{} {time}{pauses}, from {started}",
            status_words(&row.status, state.status.is_over())
        );
        let mut facts = vec![
            ("run", row.run_id),
            ("harness", row.harness),
            ("models", row.models),
        ];
        facts.extend(self.retry.iter().map(|retry| ("retry", retry.to_string())));
        facts.push(("status", status));
        facts.extend(self.error().map(|error| ("cause", error)));
        facts.extend(self.stopped().map(|words| ("", words)));
        facts.extend(self.unfinished(cx).map(|words| ("trials", words)));
        facts.extend(self.cost().map(|cost| ("cost", cost)));
        facts.extend(self.changes.iter().map(|said| {
            (
                "changed",
                format!("{}: {}", cx.times().text(said.at), said.words()),
            )
        }));
        facts.extend(self.tool_schemas.iter().map(|(model, changes)| {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let changes = changes.join("; ");
            let without = text::shorten(&changes, LONGEST_CHANGES);
            let what = "schemas sent without what the provider refuses";
            ("tools", format!("{model}: {what}: {without}"))
        }));
        if !self.gate.asks_nothing() {
            let mut lines = self.gate_in_words().into_iter();
            facts.extend(lines.next().map(|line| ("gate", line)));
            facts.extend(lines.map(|line| ("", line)));
        }
        facts.push(("folder", cx.shown(&self.run.dir)));
        facts.extend(worker_log(&self.run).map(|log| ("log", cx.shown(&log))));
        if self.run.state.status.is_over() && !self.session.databases.is_empty() {
            let left = text::count(self.session.databases.len(), "database");
            let cleanup = cx.command("cleanup --no-dry-run");
            facts.push((
                "left",
                format!("{left}, as far as is known; `{cleanup}` or a resume removes them"),
            ));
        }
        let lines = facts.iter().map(|(name, value)| {
            let name = paint::paint(FAINT, &format!("{name:<8}"));
            format!("{name} {}\n", paint::signs(&text::clean_line(value)))
        });
        lines.collect::<Vec<_>>().concat()
    }

    /// That its worker holds still, and what continues it.
    fn stopped(&self) -> Option<String> {
        let worker = list::stopped_worker(&self.run)?;
        let (pid, id) = (worker.pid, self.id());
        Some(format!(
            "its worker does nothing until it is continued: `kill -CONT {pid}`; `bench-cli kill {id}` ends the run"
        ))
    }

    /// How far it is, and once it is over, how many trials have no verdict and what tries them again.
    fn unfinished(&self, cx: &Context) -> Option<String> {
        let (status, progress) = (&self.run.state.status, &self.run.state.progress);
        let all = progress.trials_total;
        if !status.is_over() {
            return Some(format!("{} of {all} over", progress.trials_done));
        }
        let judged = progress.outcomes.scored();
        let open = all.saturating_sub(judged);
        if open == 0 || self.tools_unknown() {
            return None;
        }
        let command = |name: &str| cx.command(&format!("{name} {}", self.id()));
        let rest = match self.refused {
            None if judged == 0 => format!("`{}` runs all {open}", command("resume")),
            None => format!("`{}` runs the other {open}", command("resume")),
            Some(refused) => refused
                .words
                .replace("`retry`", &format!("`{}`", command("retry"))),
        };
        let sign = if progress.outcomes.none_judged() { "! " } else { "" };
        Some(format!("{sign}{judged} of {all} have a verdict; {rest}"))
    }

    /// What the run cost, with what is not counted yet. None for runs that nobody pays.
    fn cost(&self) -> Option<String> {
        let cost = self.session.cost()?;
        let model_paid = self.session.models.iter().any(|totals| {
            let model = totals.model.parse::<ModelRef>();
            !model.is_ok_and(|model| model.provider.is_local())
        });
        let paid = model_paid || self.judge_paid;
        let begun = text::count(self.open, "trial");
        let open = match (self.open, self.run.state.status.is_over()) {
            (0, _) => String::new(),
            (_, false) => format!("; {begun} under way not counted"),
            (_, true) if self.refused.is_some() => format!("; {begun} without an end not counted"),
            (_, true) => format!("; {begun} without an end not counted: `resume` finds what they cost"),
        };
        (paid || !cost.is_nothing()).then(|| format!("{cost}{open}"))
    }

    /// What is asked of the results, and whether they are so; then what was missed, a line each.
    fn gate_in_words(&self) -> Vec<String> {
        let asked = gate::words(&self.gate);
        if !self.run.state.status.is_over() {
            return vec![asked];
        }
        let (exit, missed) = self.gate_result();
        let verdict = match exit {
            Exit::Success => "met",
            _ if missed.is_empty() => "not met, because the run was not finished",
            _ => "not met",
        };
        let missed = missed.into_iter().map(|miss| format!("✗ {miss}"));
        std::iter::once(format!("{asked}: {verdict}"))
            .chain(missed)
            .collect()
    }

    fn gate_document(&self) -> Option<Value> {
        if self.gate.asks_nothing() {
            return None;
        }
        let mut document = json!(self.gate);
        // Also where it is the share that goes with a rate.
        document["min_verdicts"] = json!(self.gate.verdicts());
        if self.run.state.status.is_over() {
            let (exit, missed) = self.gate_result();
            document["met"] = json!(exit == Exit::Success);
            document["missed"] = json!(missed);
            document["exit_code"] = json!(exit as u8);
        }
        Some(document)
    }

    fn gate_result(&self) -> (Exit, Vec<String>) {
        self.exit(&attach::end_of(self.run_status()), &self.gate)
    }

    /// The exit code of the run, and what of a gate was missed, a sentence each.
    pub(super) fn exit(&self, end: &End, gate: &Gate) -> (Exit, Vec<String>) {
        let known = gate::Known {
            session: &self.session,
            damage: &self.damage,
            retry: self.retry.as_ref(),
        };
        gate::exit(end, &known, gate)
    }

    /// What to know about the rates, a line each.
    fn notes(&self) -> Vec<String> {
        summary::notes(&self.session, self.retry.as_ref())
    }

    /// Why the run itself broke, or who ended it.
    pub(super) fn error(&self) -> Option<String> {
        error(&self.run.state.status)
    }

    /// Tables: per model, then where not all passed, then why trials ended early or have no verdict; then what is wrong with the files.
    /// Before the first trial is over, only that.
    pub(super) fn results(&self, width: usize) -> String {
        if self.run.state.progress.trials_done == 0 {
            return self.wrong().unwrap_or_default();
        }
        let notes = self.notes().into_iter();
        let notes = notes.map(|note| paint::paint(FAINT, &note) + "\n");
        let table = paint::table(&summary::table(&self.session).render(width));
        let mut parts = vec![table + &notes.collect::<String>()];
        let grid = scenarios::not_passed(&self.session);
        if !grid.is_empty() && scenarios::count(&self.session) <= MOST_SCENARIOS {
            parts.push(titled(
                "Not passed by every model",
                &paint::table(&grid.render(width)),
            ));
        }
        if !self.causes.is_empty() {
            let lines = causes::lines(&self.causes, MOST_CAUSES);
            parts.push(titled("Ended early, or without a verdict", &painted(&lines)));
        }
        match &self.rescored {
            Some((run, Ok(changes))) => parts.push(rescored(run, changes, width)),
            Some((_, Err(problem))) => parts.push(format!("{}\n", text::clean_line(problem))),
            None => {}
        }
        if !self.drifted.is_empty() {
            let lines = drift::lines(&self.drifted, MOST_CAUSES);
            parts.push(titled("Not as recorded", &painted(&lines)));
        }
        parts.extend(self.wrong());
        parts.join("\n")
    }

    /// What is wrong with the files of the run.
    fn wrong(&self) -> Option<String> {
        let lines = self
            .problems
            .iter()
            .map(|problem| text::clean_line(problem) + "\n");
        let title = "Wrong with the files of this run";
        (!self.problems.is_empty()).then(|| titled(title, &lines.collect::<Vec<_>>().concat()))
    }

    /// How the run ended, in a coloured word: `completed`.
    pub(super) fn status(&self) -> String {
        let (word, progress) = (self.run.state.status.word(), &self.run.state.progress);
        if word == "completed" && progress.outcomes.none_judged() {
            return paint::paint(ODD, &format!("! {word}, but no trial has a verdict"));
        }
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

    /// Whether it can be resumed, and may end otherwise then.
    pub(super) fn resume_may_help(&self) -> bool {
        self.refused.is_none() && !self.tools_unknown()
    }

    /// Whether it ended because of its plan, which stays what it is.
    fn tools_unknown(&self) -> bool {
        let ending = self.run.state.status.ending();
        matches!(ending, Some(Ending::Failed { cause }) if cause.kind.code() == UNKNOWN_TOOLS)
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

/// What judging again has changed.
fn rescored(run: &str, changes: &Changes, width: usize) -> String {
    let mut parts = vec![text::clean_line(&report::summary(changes)) + "\n"];
    if !changes.changed.is_empty() {
        parts.push(paint::table(
            &report::verdicts(changes, MOST_CHANGED).render(width),
        ));
    }
    if let Some(hidden @ 1..) = changes.changed.len().checked_sub(MOST_CHANGED) {
        let hidden = text::count(hidden, "further verdict");
        parts.push(format!("  … and {hidden}; `--json` has them all\n"));
    }
    parts.push(format!(
        "\n{}",
        paint::table(&report::rates(changes).render(width))
    ));
    parts.extend(
        report::notes(changes)
            .iter()
            .map(|note| paint::paint(FAINT, note) + "\n"),
    );
    titled(&format!("Judged again, {run}"), &parts.concat())
}

fn rescore_document((run, changes): &(String, Result<Changes, String>)) -> Value {
    let mut document = match changes {
        Ok(changes) => json!(changes),
        Err(problem) => json!({"problem": problem}),
    };
    document["of"] = json!(run);
    document
}

fn painted(lines: &str) -> String {
    let lines = lines.lines().map(|line| paint::signs(line) + "\n");
    lines.collect::<Vec<_>>().concat()
}

fn titled(title: &str, body: &str) -> String {
    format!("{}\n{body}", paint::paint(STRONG, &format!("{title}:")))
}
/// Adds what a model was sent tools without to what is known of it. A resume finds the same again.
fn add_changes(known: &mut Vec<ToolChange>, changes: Vec<ToolChange>) {
    for change in changes {
        match known.iter_mut().find(|known| known.tool == change.tool) {
            Some(known) => {
                for place in change.removed {
                    if !known.removed.contains(&place) {
                        known.removed.push(place);
                    }
                }
            }
            None => known.push(change),
        }
    }
}

/// Why a run itself broke, or who ended it.
pub(super) fn error(status: &RunStatus) -> Option<String> {
    match status.ending()? {
        Ending::Completed => None,
        Ending::Failed { cause } => Some(format!("{}: {}", cause.kind.code(), cause.message)),
        Ending::Cancelled { reason } => Some(reason.code().to_owned()),
    }
}

/// What the last words of a worker that came to grief stand in.
pub(super) fn worker_log(run: &RunSummary<BenchJob>) -> Option<std::path::PathBuf> {
    let failed = matches!(run.state.status.ending(), Some(Ending::Failed { .. }));
    let log = run.dir.join(WORKER_LOG);
    (failed && log.is_file()).then_some(log)
}
