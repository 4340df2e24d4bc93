//! From arguments as typed to a plan: reads files, chooses gyms, rejects what cannot run before anything does.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use bench_core::{Gate, Harness, Limits, ModelSettings, ModelSpec, Plan, PlanBuilder, Problem, Scenario};
use bench_runner::env::Environment;
use bench_runner::load_harness;
use bench_runner::model::providers;
use globset::{Glob, GlobSet, GlobSetBuilder};

use super::recorded;
use crate::args::run::{ModelArgs, RunArgs};
use crate::context::Context;
use crate::environment::{self, EnvFile};
use crate::error::CliError;
use crate::named_models::{self, JUDGE};
use crate::prices::Prices;
use crate::worlds;

/// Everything that a run needs.
pub(super) struct Request {
    /// What is run.
    pub(super) plan: Plan,
    /// Variables for models and gyms.
    pub(super) environment: Environment,
    /// Which file of variables was found, if one was.
    pub(super) variables_of: Option<String>,
    /// What was odd, to be said before the run.
    pub(super) warnings: Vec<Problem>,
}

/// Looks at the world and makes a plan.
pub(super) fn resolve(args: &RunArgs, cx: &Context) -> Result<Request, CliError> {
    let paths = harness_paths(args)?;
    let env_file = EnvFile::of(&args.models.env_file, &paths, cx);
    let environment = environment::read(env_file.as_ref(), &args.models.secret, cx)?;
    let Asked {
        models,
        judge,
        mut warnings,
    } = asked(&args.models, &paths, &environment, cx)?;
    let models = recorded::resolve(models, cx)?;
    let wanted = patterns(&args.scenario)?;
    let mut harness = load_harness(&paths, &cx.cwd)?;
    if let Some(file) = &args.models.system_prompt {
        set_system_prompt(&mut harness, file, cx)?;
    }
    let (gym, gym_config) = (args.gym.gym.as_deref(), args.gym.gym_config.as_deref());
    let (gyms, of_gyms) = worlds::choose(gym, gym_config, &paths, cx)?;
    warnings.extend(of_gyms);
    warnings.append(&mut harness.warnings);
    let is_set = |name: &str| environment.is_set(name);
    let builder = Plan::builder(harness)
        .models(models)
        .gyms(gyms)
        .only(|scenario: &Scenario| args.scenario.is_empty() || wanted.is_match(&scenario.scenario_id))
        .wanted_words(args.scenario.iter().cloned())
        .variables(&is_set);
    let builder = judge.into_iter().fold(builder, PlanBuilder::judge);
    let (plan, more) = with_options(builder, args, env_file.as_ref(), cx).build()?;
    warnings.extend(more);
    warnings.extend(recorded::check(&plan)?);
    let kept: HashSet<&str> = plan.scenarios.iter().map(|s| s.scenario_id.as_str()).collect();
    warnings.retain(|warning| {
        warning
            .place
            .scenario
            .as_deref()
            .is_none_or(|id| kept.contains(id))
    });
    Ok(Request {
        plan,
        environment,
        variables_of: env_file.and_then(|file| file.line(cx)),
        warnings,
    })
}

/// What needs no looking around: the plan's own defaults stay where nothing was typed.
fn with_options<'p>(
    builder: PlanBuilder<'p>,
    args: &RunArgs,
    env_file: Option<&EnvFile>,
    cx: &Context,
) -> PlanBuilder<'p> {
    let mut builder = builder
        .limits(args.limits.overrides().over(&Limits::default()))
        .tags(args.tag.iter().cloned())
        .max_concurrency(args.gate.max_concurrency)
        .retries(args.gate.retries)
        .evidence(args.gate.evidence.keep())
        .verify_each_step(args.gate.verify_each_step)
        .budget(args.budget.budget())
        .gate(args.gate.score.over(Gate::default()))
        .secret_names(args.models.secret.iter().cloned())
        .launch_dir(cx.cwd.to_string_lossy());
    if let Some(runs) = args.runs {
        builder = builder.runs(runs);
    }
    if let Some(processes) = args.gate.max_processes {
        builder = builder.max_processes(processes);
    }
    if let Some(limit) = args.limit {
        builder = builder.limit(limit as usize);
    }
    if let Some(label) = &args.gate.label {
        builder = builder.label(label);
    }
    match env_file {
        Some(file) if file.taken().is_some() => builder
            .env_file(file.path.to_string_lossy())
            .env_file_found(file.found),
        _ => builder,
    }
}

fn harness_paths(args: &RunArgs) -> Result<Vec<PathBuf>, CliError> {
    let paths: Vec<PathBuf> = args.harness.iter().chain(&args.harness_file).cloned().collect();
    if paths.is_empty() {
        return Err(CliError::usage("no harness is given")
            .hint("name a harness file or a folder of them: `bench-cli run harness.json --model oracle`"));
    }
    Ok(paths)
}

/// The models that were asked for.
struct Asked {
    models: Vec<ModelSpec>,
    judge: Option<ModelSpec>,
    /// What was odd about the model file and the prices.
    warnings: Vec<Problem>,
}

fn asked(
    args: &ModelArgs,
    harness: &[PathBuf],
    environment: &Environment,
    cx: &Context,
) -> Result<Asked, CliError> {
    if args.model.is_empty() {
        return Err(no_model(environment));
    }
    let file = named_models::find(args.models_file.as_deref(), harness, cx)?;
    let prices = Prices::read(args.prices.as_deref(), environment, cx)?;
    let models = args.model.iter().map(|name| ("--model", name.as_str()));
    let judge = args.judge_model.iter().map(|name| (JUDGE, name.as_str()));
    let names: Vec<_> = models.chain(judge).collect();
    let mut models = named_models::specs(&names, &file, &prices, environment, cx)?;
    let judge = args.judge_model.as_ref().and_then(|_| models.pop());
    let settings = ModelSettings {
        temperature: args.temperature,
        max_output_tokens: args.max_output_tokens,
        ..ModelSettings::default()
    };
    for spec in &mut models {
        spec.settings = std::mem::take(&mut spec.settings).or(&settings);
    }
    let warnings = file.warnings.into_iter().chain(prices.warnings()).collect();
    Ok(Asked {
        models,
        judge,
        warnings,
    })
}

/// What could be given instead of nothing.
fn no_model(environment: &Environment) -> CliError {
    let (ready, missing): (Vec<_>, Vec<_>) = providers(environment)
        .into_iter()
        .filter(|status| status.supported && !status.provider.is_local())
        .partition(|status| status.configured);
    let mut error = CliError::usage("no model is given")
        .hint("`--model oracle` plays the solutions, `--model noop` does nothing; neither needs a key");
    if !ready.is_empty() {
        let names: Vec<_> = ready
            .iter()
            .map(|status| format!("{}:NAME", status.provider))
            .collect();
        error = error.hint(format!(
            "`--model {}`: configured here",
            names.join("`, `--model ")
        ));
    }
    if !missing.is_empty() {
        let names: Vec<_> = missing
            .iter()
            .map(|status| format!("{} ({})", status.provider, status.missing.join(", ")))
            .collect();
        error = error.hint(format!("for others, set their variables: {}", names.join("; ")));
    }
    error
}

fn patterns(patterns: &[String]) -> Result<GlobSet, CliError> {
    let bad =
        |error: globset::Error| CliError::usage("a `--scenario` pattern is no glob pattern").because(error);
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(bad)?);
    }
    set.build().map_err(bad)
}

fn set_system_prompt(harness: &mut Harness, file: &Path, cx: &Context) -> Result<(), CliError> {
    let text = fs::read_to_string(cx.absolute(file)).map_err(|error| {
        CliError::usage(format!("cannot read `--system-prompt {}`", file.display())).because(error)
    })?;
    for scenario in &mut harness.scenarios {
        scenario.system_prompt.get_or_insert_with(|| text.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::context::tests::context;
    use crate::render;

    const HARNESS: &str = r#"{"scenarios": [
        {"scenario_id": "create-bug", "tags": ["write"], "prompts": [{"prompt_text": "Go."}], "system_prompt": "Own."},
        {"scenario_id": "create-task", "tags": ["write"], "prompts": [{"prompt_text": "Go."}]},
        {"scenario_id": "find-bug", "prompts": [{"prompt_text": "Go."}]}]}"#;

    fn check(args: &str) -> Result<Request, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("h.json"), HARNESS).unwrap();
        fs::write(dir.path().join("prompt.md"), "Be quick.").unwrap();
        let (mut cx, _, _) = context(dir.path());
        cx.variables
            .insert("OPENAI_API_KEY".into(), "sk-canary-12345".into());
        let words = ["bench-cli", "run"].into_iter().chain(args.split_whitespace());
        let Command::Run(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not a run")
        };
        resolve(&args, &cx)
            .map_err(|error| anstream::adapter::strip_str(&render::error::text(&error, 100)).to_string())
    }

    fn ids(args: &str) -> Vec<String> {
        check(args)
            .unwrap()
            .plan
            .scenarios
            .iter()
            .map(|s| s.scenario_id.clone())
            .collect()
    }

    #[test]
    fn filters_choose_scenarios() {
        assert_eq!(
            ids("h.json --model noop --scenario create-*"),
            ["create-bug", "create-task"]
        );
        assert_eq!(
            ids("h.json --model noop --scenario *-task --scenario find-bug"),
            ["create-task", "find-bug"]
        );
        assert_eq!(ids("h.json --model noop --tag write --limit 1"), ["create-bug"]);
    }

    #[test]
    fn what_is_odd_about_scenarios_that_are_not_run_is_not_said() {
        let said = |args: &str| {
            let warnings = check(args).unwrap().warnings.into_iter();
            warnings.filter_map(|w| w.place.scenario).collect::<Vec<_>>()
        };
        assert_eq!(said("h.json --model noop").len(), 3, "none has a verifier");
        assert_eq!(said("h.json --model noop --scenario find-bug"), ["find-bug"]);
    }

    #[test]
    fn options_reach_the_plan() {
        let args = "--harness-file h.json --model gpt-4o --model noop --runs 3 --temperature 0.5 --max-turns 7 \
                    --tool-timeout 5 --verify-each-step --label nightly --system-prompt prompt.md --max-concurrency 2 --retries 0";
        let plan = check(args).unwrap().plan;
        assert_eq!((plan.runs, plan.max_concurrency, plan.retries), (3, 2, 0));
        assert!(plan.verify_each_step && !check("h.json --model noop").unwrap().plan.verify_each_step);
        assert_eq!(
            (plan.limits.max_turns, plan.limits.tool_timeout_seconds),
            (7, 5.0)
        );
        assert_eq!(
            (plan.label.as_deref(), plan.harness_name.as_str()),
            (Some("nightly"), "h")
        );
        assert_eq!(plan.models[0].settings.temperature, Some(0.5));
        let prompts: Vec<_> = plan
            .scenarios
            .iter()
            .map(|s| s.system_prompt.as_deref())
            .collect();
        assert_eq!(prompts, [Some("Own."), Some("Be quick."), Some("Be quick.")]);
        assert!(!serde_json::to_string(&plan).unwrap().contains("canary"));
    }

    #[test]
    fn what_cannot_run_is_refused_with_a_way_out() {
        let mut shown = Vec::new();
        for args in [
            "--model oracle",
            "h.json",
            "h.json --model llama3",
            "h.json --model orcale --model opnai:gpt-4o --model noop",
            "h.json --model noop --scenario [",
            "h.json --model noop --scenario nothing",
            "h.json --model noop --scenario find-bgu",
            "h.json --model noop --gym jira",
            "h.json --model noop --system-prompt nowhere.md",
            "missing.json --model noop",
        ] {
            let error = check(args).err().unwrap();
            shown.push(format!("$ bench-cli run {args}\n{error}"));
        }
        insta::assert_snapshot!(shown.join("\n"), @r"
        $ bench-cli run --model oracle
        error: no harness is given
          try: name a harness file or a folder of them: `bench-cli run harness.json --model oracle`

        $ bench-cli run h.json
        error: no model is given
          try: `--model oracle` plays the solutions, `--model noop` does nothing; neither needs a key
          try: `--model openai:NAME`: configured here
          try: for others, set their variables: anthropic (ANTHROPIC_API_KEY); google (GOOGLE_API_KEY); xai (XAI_API_KEY); openrouter (OPENROUTER_API_KEY); compatible (COMPATIBLE_BASE_URL)

        $ bench-cli run h.json --model llama3
        error: `--model llama3` names no model
          because: cannot tell which provider serves `llama3`; write provider:llama3, such as openai:llama3

        $ bench-cli run h.json --model orcale --model opnai:gpt-4o --model noop
        error: `--model orcale` and `--model opnai:gpt-4o` name no model
          because: cannot tell which provider serves `orcale`; did you mean `oracle`?
          because: unknown provider `opnai`; did you mean `openai:gpt-4o`?

        $ bench-cli run h.json --model noop --scenario [
        error: a `--scenario` pattern is no glob pattern
          because: error parsing glob '[': unclosed character class; missing ']'

        $ bench-cli run h.json --model noop --scenario nothing
        error: no scenario is left after filtering; the harness holds 3
         = help: look at --scenario, --tag and --limit; its scenarios are `create-bug`, `create-task` and `find-bug`

        1 error

        $ bench-cli run h.json --model noop --scenario find-bgu
        error: no scenario is left after filtering; the harness holds 3
         = help: did you mean the scenario `find-bug`?

        1 error

        $ bench-cli run h.json --model noop --gym jira
        error: there is no gym `jira`
          try: available: tracker; `--gym-config FILE` reads another gym file

        $ bench-cli run h.json --model noop --system-prompt nowhere.md
        error: cannot read `--system-prompt nowhere.md`
          because: No such file or directory (os error 2)

        $ bench-cli run missing.json --model noop
        error: there is no such file or folder
        --> missing.json
         = help: paths start at the current folder

        1 error
        ");
    }
}
