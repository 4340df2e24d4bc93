//! `--model replay:RUN`: which run is played, and that it holds what is asked of it. Settled when the plan is made: what
//! `latest` meant stays what it meant.
//!
//! `replay:RUN` stands for every model of that run, `replay:RUN/MODEL` for one of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bench_core::{ModelRef, ModelSpec, Plan, Problem, Provider, Severity};
use bench_runner::{Recording, RecordingError};

use crate::context::Context;
use crate::error::CliError;

/// Puts the recorded models in the place of each `replay` model, with the full id of the run and where it lies.
pub(super) fn resolve(models: Vec<ModelSpec>, cx: &Context) -> Result<Vec<ModelSpec>, CliError> {
    let mut resolved = Vec::with_capacity(models.len());
    for spec in models {
        if spec.model.provider == Provider::Replay {
            resolved.extend(replays(&spec.model.name, cx)?);
        } else {
            resolved.push(spec);
        }
    }
    Ok(resolved)
}

fn replays(name: &str, cx: &Context) -> Result<Vec<ModelSpec>, CliError> {
    let results = cx.results_dir();
    let (run, model) = match name.split_once('/') {
        Some((run, model)) => (run, Some(model)),
        None => (name, None),
    };
    let recording = Recording::open(&results, run).map_err(|error| refused(error, cx))?;
    let Some(model) = model else {
        let models = recording.models().into_iter();
        return Ok(models.map(|model| spec(&recording, &model, &results)).collect());
    };
    // As it would be typed for a run of its own.
    let model = model
        .parse()
        .map_or_else(|_| model.to_owned(), |model: ModelRef| model.to_string());
    recording
        .check_model(&model)
        .map_err(|error| refused(error, cx))?;
    Ok(vec![spec(&recording, &model, &results)])
}

/// The model that plays a recorded one.
pub(in crate::commands) fn spec(recording: &Recording, model: &str, results: &Path) -> ModelSpec {
    let name = format!("{}/{model}", recording.run());
    let mut spec = ModelSpec::new(ModelRef::new(Provider::Replay, name));
    spec.recorded_in = Some(results.to_string_lossy().into_owned());
    spec
}

/// Refuses a plan with scenarios that were never recorded, or are no longer what they were then, all of them at once.
/// Gives warnings about what else is otherwise.
pub(super) fn check(plan: &Plan) -> Result<Vec<Problem>, CliError> {
    let mut recordings: BTreeMap<(&str, &str), Recording> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut compared = BTreeSet::new();
    for spec in &plan.models {
        let (Some(results), Some((run, model))) = (&spec.recorded_in, spec.model.name.split_once('/')) else {
            continue;
        };
        let recording = match recordings.entry((results.as_str(), run)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let opened = Recording::open(Path::new(results), run);
                place.insert(opened.map_err(|error| CliError::usage("nothing to play").because(error))?)
            }
        };
        problems.extend(recording.lacks(model, &plan.scenarios));
        problems.extend(recording.copies(model, &plan.scenarios, plan.runs));
        if compared.insert(run) {
            problems.extend(recording.differs(plan));
        }
    }
    let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
    if refused {
        return Err(CliError::Problems(problems));
    }
    Ok(problems)
}

/// Why a run cannot be played, with what to try instead.
pub(in crate::commands) fn refused(error: RecordingError, cx: &Context) -> CliError {
    match error {
        RecordingError::Read { source, .. } => CliError::from(*source),
        RecordingError::NotOver { ref run } => {
            let (attach, kill) = (
                cx.command(&format!("attach {run}")),
                cx.command(&format!("kill {run}")),
            );
            CliError::usage(error.to_string()).hint(format!("`{attach}` watches it; `{kill}` ends it"))
        }
        error => CliError::usage(error.to_string()),
    }
}
