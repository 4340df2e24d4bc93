//! Models under names of their own: those of `--models-file`, else of a `models.json` beside the harness, else of one in
//! the current folder.

use std::fs;
use std::path::{Path, PathBuf};

use bench_core::model::config::{ModelFile, NamedModel};
use bench_core::model::{BadModel, BadSetting};
use bench_core::{ModelRef, ModelSpec, Problem, Problems, Provider};
use bench_runner::env::Environment;
use bench_runner::load_models;

use crate::context::Context;
use crate::error::CliError;
use crate::prices::Prices;
use crate::worlds;

/// The option that names a judge.
pub(crate) const JUDGE: &str = "--judge-model";

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
fn take(text: &str, file: &ModelFile) -> Result<NamedModel, BadModel> {
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

/// What each of these names stands for, with its price. Each comes with the option that it was given to.
///
/// # Errors
/// Names that mean nothing, and variables that are not set, all at once.
pub(crate) fn specs(
    names: &[(&str, &str)],
    file: &ModelFile,
    prices: &Prices<'_>,
    environment: &Environment,
    cx: &Context,
) -> Result<Vec<ModelSpec>, CliError> {
    let parsed = names
        .iter()
        .map(|(option, name)| (format!("{option} {name}"), *option, take(name, file)));
    let (good, bad): (Vec<_>, Vec<_>) = parsed.partition(|(_, _, model)| model.is_ok());
    if !bad.is_empty() {
        let bad: Vec<_> = bad
            .into_iter()
            .filter_map(|(typed, option, model)| Some((typed, option, model.err()?)))
            .collect();
        return Err(no_models(&bad));
    }
    let good: Vec<NamedModel> = good.into_iter().filter_map(|(_, _, model)| model.ok()).collect();
    check_variables(&good, &|name| environment.is_set(name))?;
    let spec = |NamedModel { mut spec, .. }: NamedModel| {
        spec.price = prices.of(&spec);
        if spec.model.provider == Provider::Script {
            // A file that cannot be read is reported with its reason when the script is loaded.
            let text = fs::read_to_string(cx.absolute(Path::new(&spec.model.name))).ok();
            spec.script_sha256 = text.map(|text| bench_core::hash::sha256_hex(&text));
        }
        spec
    };
    Ok(good.into_iter().map(spec).collect())
}

/// All names that mean nothing, at once: as typed, the option, and why.
fn no_models(bad: &[(String, &str, BadModel)]) -> CliError {
    let names: Vec<_> = bad
        .iter()
        .map(|(typed, option, why)| match why {
            // What stands behind it must not be read in a log.
            BadModel::Setting {
                model,
                bad: BadSetting::Secret { .. },
            } => format!("`{option} {model}`"),
            _ => format!("`{typed}`"),
        })
        .collect();
    let verb = if bad.len() == 1 { "names" } else { "name" };
    let error = CliError::usage(format!("{} {verb} no model", names.join(" and ")));
    bad.iter().fold(error, |error, (_, _, why)| error.because(why))
}

/// Refuses models that need variables which are not set, all at once.
fn check_variables(models: &[NamedModel], is_set: &dyn Fn(&str) -> bool) -> Result<(), CliError> {
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
