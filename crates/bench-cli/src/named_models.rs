//! Models under names of their own: those of `--models-file`, else of a `models.json` beside the harness, else of one in
//! the current folder.

use std::path::{Path, PathBuf};

use bench_core::model::BadModel;
use bench_core::model::config::{ModelFile, NamedModel};
use bench_core::{ModelRef, ModelSpec, Problem, Problems};
use bench_runner::load_models;

use crate::context::Context;
use crate::error::CliError;
use crate::worlds;

/// The name of model files that are found without being named.
const MODEL_FILE: &str = "models.json";

/// The model file of a run; an empty one where there is none.
///
/// # Errors
/// A model file that cannot be read or is wrong.
pub(crate) fn find(named: Option<&Path>, harness: &[PathBuf], cx: &Context) -> Result<ModelFile, CliError> {
    let beside = harness.first().map(|path| worlds::beside(path, MODEL_FILE, cx));
    let found = [beside, Some(PathBuf::from(MODEL_FILE))]
        .into_iter()
        .flatten()
        .find(|path| cx.absolute(path).is_file());
    match named.map(Path::to_path_buf).or(found) {
        Some(path) => Ok(load_models(&path, &cx.cwd)?),
        None => Ok(ModelFile::default()),
    }
}

/// What `--model TEXT` asks for: a name of the file, else `provider:name` or a well-known name.
pub(crate) fn take(text: &str, file: &ModelFile) -> Result<NamedModel, BadModel> {
    if let Some(named) = file.find(text)? {
        return Ok(named);
    }
    let model: ModelRef = text.parse()?;
    Ok(NamedModel {
        name: text.to_owned(),
        spec: ModelSpec::new(model),
        needs: Vec::new(),
    })
}

/// Refuses models that need variables which are not set, all at once.
pub(crate) fn check_variables(models: &[NamedModel], is_set: &dyn Fn(&str) -> bool) -> Result<(), CliError> {
    let mut problems = Problems::default();
    for model in models {
        for (variable, place) in model.needs.iter().filter(|(variable, _)| !is_set(variable)) {
            let message = format!(
                "the model `{}` needs the variable `{variable}`, which is not set",
                model.name
            );
            let hint = "set it, or pass it with --env-file";
            problems.push(Problem::error(place.clone(), message).hint(hint));
        }
    }
    Ok(problems.or_value(()).map(drop)?)
}
