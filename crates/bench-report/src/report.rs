//! A session as a document that can be sent to somebody: values first, then forms.
//!
//! [`Report`] holds everything that a document says, as plain values: it is what templates see. [`html`] makes one
//! file of it that needs no network and no script. Transcripts are not part of the values, because they may be larger
//! than memory: they are read one by one, through [`Files`], while the document is written.
//!
//! | part | what it holds |
//! |---|---|
//! | [`Report`] and its parts | the values |
//! | [`build`] | made from a session, the ends of its trials and their records |
//! | [`charts`] | where the marks of a chart stand |
//! | [`talk`] | transcripts in pieces, none of them too long |
//! | [`html`] | the values as a page |
//! | [`markdown`] | the values as a text for a job summary or a comment |
//! | [`junit`] | trials as test cases |
//! | [`csv`] | trials as rows |
//! | [`json`] | the values as they are, and their schema |
//! | [`eval`] | the trials of a model, with their transcripts, as an Inspect AI log |

use bench_core::event::TrialFinished;
use bench_core::plan::{Change, Selection};
use bench_core::record::TriedAgain;
use bench_core::session::{OutcomeCounts, Totals};
use bench_core::statistics::ModelStatistics;
use bench_core::transcript::Line;
use bench_core::{Cost, Outcome, TrialId, TrialRecord, Usage};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::causes::CauseCount;
use crate::text;

pub mod build;
pub mod charts;
pub mod csv;
pub mod eval;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod talk;

/// Version of the values' form.
pub const FORMAT: u32 = 1;

/// Everything that a document says of a run, transcripts excepted.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this form, now 1.
    pub format: u32,
    /// The program that made it, with its version.
    pub made_by: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// The run itself.
    pub run: Run,
    /// What each model achieved, in the plan's order.
    pub models: Vec<Model>,
    /// What to know about the numbers, a sentence each: where they say less than it seems.
    pub notes: Vec<String>,
    /// Why trials have no verdict, most frequent first.
    pub causes: Vec<CauseCount>,
    /// Each scenario with each model, in the plan's order.
    pub scenarios: Vec<Scenario>,
    /// Every trial that is over, in the plan's order.
    pub trials: Vec<Trial>,
    /// What is wrong with the files of the run, a sentence each.
    pub problems: Vec<String>,
}

impl Report {
    /// The trials of a model, in their order.
    pub(crate) fn trials_of(&self, model: &Model) -> Vec<&Trial> {
        let name = &model.totals.model;
        self.trials.iter().filter(|trial| trial.model == *name).collect()
    }
}

/// The run that a document is about.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Run {
    /// Its id.
    pub run_id: String,
    /// Name of its harness.
    pub harness_name: String,
    /// What the user called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `running`, `unknown`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// It is not over: the numbers are those of the trials that are.
    pub partial: bool,
    /// Why it broke, or who ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When its runner began, and began again after each resume.
    pub starts: Vec<DateTime<Utc>>,
    /// What resumes said anew about it, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
    /// Its trials were chosen by how they had ended in another run: their rates say nothing about a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Selection>,
    /// Trials of each scenario with each model.
    pub repetitions: u32,
    /// Trials in the plan.
    pub trials_total: u32,
    /// Trials that are over, by outcome.
    #[serde(flatten)]
    pub outcomes: OutcomeCounts,
    /// What all models cost together, as far as it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The gyms, how each is reached and was chosen, a line each.
    pub gyms: Vec<String>,
    /// The files of the harness, each with the beginning of its SHA-256.
    pub sources: Vec<String>,
    /// Folder of the run.
    pub folder: String,
}

impl Run {
    /// That no trial has a verdict although the run is completed, in a few words; none of any other run.
    pub fn none_judged(&self) -> Option<String> {
        let none = self.status == "completed" && self.outcomes.none_judged();
        none.then(|| format!("no verdict: 0 of {} trials could be judged", self.trials_total))
    }

    /// The sign of where it stands.
    pub(crate) fn sign(&self) -> char {
        match self.none_judged() {
            Some(_) => sign(Outcome::Errored),
            None => status_sign(&self.status),
        }
    }

    /// That it ended before all of it was done, in a sentence; none of a run that is completed, or goes on.
    pub fn cut_short(&self) -> Option<String> {
        let open = self.trials_total.saturating_sub(self.outcomes.scored());
        let (status, total) = (&self.status, self.trials_total);
        (self.status != "completed" && !self.partial)
            .then(|| format!("the run is {status}: {open} of {total} trials have no verdict"))
    }
}

/// What a resume said anew: from then on it held.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Changed {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub changes: Vec<Change>,
}

impl Changed {
    /// `max_turns 200 → 400, retries 1 → 3`.
    pub fn words(&self) -> String {
        let changes: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        changes.join(", ")
    }
}

/// What a model achieved.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Model {
    /// What its trials add up to.
    #[serde(flatten)]
    pub totals: Totals,
    /// Rates with intervals.
    pub statistics: ModelStatistics,
}

/// A scenario with every model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Scenario {
    /// Its id.
    pub scenario_id: String,
    /// Its name, where that says more than its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Every model passed every trial.
    pub all_passed: bool,
    /// One per model, in the order of [`Report::models`].
    pub cells: Vec<Cell>,
}

/// The trials of one scenario with one model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Cell {
    /// The model.
    pub model: String,
    /// Trials in the plan; 0 where the run does not try the model in the scenario.
    pub trials_total: u32,
    /// Trials by outcome.
    #[serde(flatten)]
    pub outcomes: OutcomeCounts,
    /// Passed of passed, failed and limit; none without any of them.
    pub pass_rate: Option<f64>,
    /// In a few signs: passed of those with a verdict, then what has none, `◐ 1/2 !1`.
    pub brief: String,
    /// The same with words: `◐ 1/2 passed, 1 errored`.
    pub words: String,
    /// Its first trial that did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_at: Option<TrialId>,
}

/// A trial that is over.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Trial {
    /// Its id.
    pub trial: TrialId,
    /// Its scenario.
    pub scenario_id: String,
    /// Its model, as `provider:name`.
    pub model: String,
    /// From 1.
    pub repetition: u32,
    /// The attempt that counts, from 1; 0 if none was made.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where the outcome alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Verifiers that were true.
    pub verifiers_passed: u32,
    /// Verifiers of the scenario.
    pub verifiers_total: u32,
    /// Model replies of the attempt that counts.
    pub turns: u32,
    /// Tool calls of it.
    pub tool_calls: u32,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// What all attempts cost, judges included; none where that was not written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// When its end was recorded.
    pub completed_at: DateTime<Utc>,
    /// Wall-clock milliseconds of the attempt that counts.
    pub took_ms: u64,
    /// What attempts before it took, where the same worker tried it again; not in `turns`, `tool_calls` and `took_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_again: Option<TriedAgain>,
    /// What each verifier said; none if the record cannot be read.
    pub verdicts: Vec<Verdict>,
    /// What they said step by step, where the run looked at them each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// Length of the transcript in bytes; 0 without one.
    pub transcript_bytes: u64,
}

/// What a verifier said. Long values are shortened: the trial's record has them whole.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// Name of the verifier.
    pub verifier: String,
    /// Its type.
    pub verifier_type: String,
    /// `true`, `false`, `errored` or `unknown`.
    pub verdict: &'static str,
    /// What was compared how.
    pub comparison: String,
    /// What was expected, as JSON.
    pub expected: String,
    /// What was found, as JSON; the error, if it could not run.
    pub actual: String,
    /// What a judge said, if one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<String>,
}

impl Verdict {
    /// It in one line.
    pub(crate) fn line(&self) -> String {
        let line = format!(
            "{} {}: expected {} {}, found {}",
            self.verdict, self.verifier, self.comparison, self.expected, self.actual
        );
        text::clean_line(&line)
    }
}

/// What the verifiers of a trial said step by step. A step is a tool call, from 1; 0 is before the first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Steps {
    /// The last step after which they were looked at.
    pub last_step: u32,
    /// The first step after which all that were followed held at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_held: Option<u32>,
    /// Tool calls after that step; none if it was the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_after: Option<u32>,
    /// All of them in a sentence.
    pub words: String,
    /// One for each verifier, in the scenario's order.
    pub checks: Vec<Check>,
}

/// What one verifier said step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// Name of the verifier.
    pub verifier: String,
    /// The first step after which it held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_held: Option<u32>,
    /// The step from which it held as long as it was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_from: Option<u32>,
    /// Regressions: the steps after which it was false having held before.
    pub lost: Vec<u32>,
    /// Why it was not looked at, or not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// All of it in words: `held from step 3`.
    pub words: String,
}

/// The end of a trial, as the journal has it.
#[derive(Debug, Clone)]
pub struct Ended {
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// What was recorded.
    pub end: TrialFinished,
}

/// The sign of an outcome.
pub(crate) fn sign(outcome: Outcome) -> char {
    match outcome {
        Outcome::Passed => '✓',
        Outcome::Failed | Outcome::Limit => '✗',
        Outcome::Errored => '!',
        Outcome::Cancelled => '⊘',
        _ => '·',
    }
}

/// The sign of a [`Run::status`].
pub(crate) fn status_sign(status: &str) -> char {
    match status {
        "completed" => '✓',
        "running" => '…',
        "unknown" => '?',
        _ => '✗',
    }
}

/// The lines of a transcript; one that cannot be read is told in words, in its place.
pub type Lines = Box<dyn Iterator<Item = Result<Line, String>>>;

/// Where the files of trials are read. Errors are sentences for people.
pub trait Files: Send + Sync {
    /// The record of a trial; none if it has none.
    fn record(&self, trial: &TrialId) -> Result<Option<TrialRecord>, String>;
    /// The transcript of a trial, read while it is iterated; none if it has none.
    fn transcript(&self, trial: &TrialId) -> Result<Option<Lines>, String>;
    /// The file of a transcript, for people.
    fn transcript_path(&self, trial: &TrialId) -> String;
}

#[cfg(test)]
pub(crate) mod tests;
