//! Which gyms: `--gym` and `--gym-config`, else the harness's own, else a gym file beside the harness, else one in
//! the current folder, else the built-in tracker. The choice is always said.

use std::path::{Path, PathBuf};

use bench_core::gym::config::GymFile;
use bench_core::{GymChoice, GymOverride, GymSpec, Plan, Problem, Setting, Transport};
use bench_runner::load_gyms;

use crate::context::Context;
use crate::error::CliError;

/// The name of gym files that are found without being named.
const GYM_FILE: &str = "gyms.json";
/// The name of the built-in gym.
const TRACKER: &str = "tracker";
/// Why the built-in gym is taken.
const NO_OTHER: &str = "no other is named";

/// A gym file that was read, and why that one.
struct Found {
    file: GymFile,
    why: String,
}

/// The gyms of a run, with what was odd about the gym file.
///
/// # Errors
/// A gym file that cannot be read or is wrong, and a `--gym` that is not in it.
pub(crate) fn choose(
    gym: Option<&str>,
    gym_config: Option<&Path>,
    harness: &[PathBuf],
    cx: &Context,
) -> Result<(GymChoice, Vec<Problem>), CliError> {
    let found = find(gym_config, harness, cx)?;
    let (mut choice, warnings) = match found {
        Some(Found { file, why }) => {
            let choice = GymChoice {
                available: file.gyms,
                default: file.default,
                chosen: why,
                overrides: GymOverride::Nothing,
                needs: file.needs,
            };
            (with_tracker(choice), file.warnings)
        }
        None => (
            GymChoice {
                chosen: NO_OTHER.to_owned(),
                ..GymChoice::tracker()
            },
            Vec::new(),
        ),
    };
    if let Some(name) = gym {
        take(name, &mut choice)?;
    } else if gym_config.is_some() {
        choice.overrides = GymOverride::File;
    }
    Ok((choice, warnings))
}

/// One gym by name, for commands that look at a single one.
pub(crate) fn one(name: &str, gym_config: Option<&Path>, cx: &Context) -> Result<GymSpec, CliError> {
    let (choice, _) = choose(Some(name), gym_config, &[], cx)?;
    let named = choice.available.into_iter().find(|gym| gym.name == name);
    named.ok_or_else(|| CliError::usage(format!("there is no gym `{name}`")))
}

/// What is said before a run: `gym tracker: built in (no other is named)`.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let line = |gym: &GymSpec| {
        let why = plan.gyms_chosen.get(&gym.key).map(|why| format!(" ({why})"));
        format!("gym {}: {}{}", gym.name, target(gym), why.unwrap_or_default())
    };
    plan.gyms.iter().map(line).collect()
}

/// How a gym is reached, in a few words, without secrets: settings are shown as they were written.
pub(crate) fn target(gym: &GymSpec) -> String {
    match &gym.transport {
        Transport::Tracker => "built in".to_owned(),
        Transport::Http { url } => written(url).to_owned(),
        Transport::Stdio { command, args, .. } => {
            let words = std::iter::once(command).chain(args).map(written);
            words.collect::<Vec<_>>().join(" ")
        }
        _ => "of a kind that this version does not know".to_owned(),
    }
}

fn written(setting: &Setting) -> &str {
    match setting {
        Setting::Text(text) => text,
        Setting::Secret { .. } => "[secret]",
    }
}

fn find(named: Option<&Path>, harness: &[PathBuf], cx: &Context) -> Result<Option<Found>, CliError> {
    // Whether variables are set is checked for the gyms that are used, when the plan is made.
    let read = |path: &Path| load_gyms(path, &cx.cwd, &|_| true);
    if let Some(path) = named {
        return Ok(Some(Found {
            file: read(path)?,
            why: format!("--gym-config {}", path.display()),
        }));
    }
    if let Some(path) = harness.first().map(|path| beside(path, GYM_FILE, cx))
        && cx.absolute(&path).is_file()
    {
        return Ok(Some(Found {
            file: read(&path)?,
            why: format!("{GYM_FILE} beside the harness"),
        }));
    }
    if cx.absolute(Path::new(GYM_FILE)).is_file() {
        let file = read(Path::new(GYM_FILE))?;
        return Ok(Some(Found {
            file,
            why: format!("{GYM_FILE} in the current folder"),
        }));
    }
    Ok(None)
}

/// A file of this name in a harness folder, or in the folder of a harness file.
pub(crate) fn beside(harness: &Path, name: &str, cx: &Context) -> PathBuf {
    if cx.absolute(harness).is_dir() {
        return harness.join(name);
    }
    harness.parent().unwrap_or(Path::new("")).join(name)
}

/// The tracker can be named everywhere, unless the file has another gym of that name.
fn with_tracker(mut choice: GymChoice) -> GymChoice {
    if choice.available.iter().all(|gym| gym.name != TRACKER) {
        choice.available.push(GymSpec::tracker());
    }
    choice
}

fn take(name: &str, choice: &mut GymChoice) -> Result<(), CliError> {
    if !choice.available.iter().any(|gym| gym.name == name) {
        let names: Vec<&str> = choice.available.iter().map(|gym| gym.name.as_str()).collect();
        let hint = format!(
            "available: {}; `--gym-config FILE` reads another gym file",
            names.join(", ")
        );
        return Err(CliError::usage(format!("there is no gym `{name}`")).hint(hint));
    }
    choice.default = vec![name.to_owned()];
    choice.chosen = format!("--gym {name}");
    choice.overrides = GymOverride::Gym;
    Ok(())
}

#[cfg(test)]
mod tests {
    use bench_core::ModelSpec;
    use bench_runner::load_harness;

    use super::*;
    use crate::context::tests::context;
    use crate::render;

    const OWN: &str = r#"{"user_prompt": "Go.", "gym_servers_config": [
        {"mcp_server_name": "jira", "mcp_server_url": "http://127.0.0.1:1"}], "verifiers": []}"#;
    const DEFAULT: &str = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}"#;
    const NAMES_ONE: &str =
        r#"{"scenarios": [{"scenario_id": "a", "gym": "one", "prompts": [{"prompt_text": "Go."}]}]}"#;
    const ONE: &str = r#"{"gyms": {"one": {"url": "http://127.0.0.1:1/mcp"}}}"#;
    const TWO: &str = r#"{"gyms": {"two": {"url": "http://127.0.0.1:2/mcp"}}}"#;

    /// What is said before a run with these arguments, or why there is none.
    fn check(files: &[(&str, &str)], gym: Option<&str>, config: Option<&str>) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (cx, _, _) = context(dir.path());
        let paths = [PathBuf::from("h/h.json")];
        let harness = load_harness(&paths, &cx.cwd).unwrap();
        let planned = choose(gym, config.map(Path::new), &paths, &cx).and_then(|(choice, _)| {
            let noop = ModelSpec::new("noop".parse().unwrap());
            Ok(Plan::builder(harness).model(noop).gyms(choice).build()?)
        });
        match planned {
            Ok((plan, _)) => lines(&plan).join(", "),
            Err(error) => anstream::adapter::strip_str(&render::error::text(&error, 100)).to_string(),
        }
    }

    #[test]
    fn the_order_of_choice() {
        let (plain, own, names_one) = (("h/h.json", DEFAULT), ("h/h.json", OWN), ("h/h.json", NAMES_ONE));
        let (beside, here) = (("h/gyms.json", ONE), ("gyms.json", TWO));
        let mut said = Vec::new();
        for (files, gym, config) in [
            (vec![plain], None, None),
            (vec![plain, here], None, None),
            (vec![plain, here, beside], None, None),
            (vec![own, here, beside], None, None),
            (vec![own, here, beside], None, Some("gyms.json")),
            (vec![own, here, beside], Some("one"), None),
            (vec![own, here, beside], Some("tracker"), None),
            (vec![names_one, beside], None, None),
            (vec![names_one, here, beside], None, Some("h/gyms.json")),
            (vec![names_one, here, beside], Some("tracker"), None),
            (vec![plain], Some("tracker"), None),
        ] {
            let names: Vec<_> = files
                .iter()
                .map(|(name, text)| format!("{name} {}", text.len()))
                .collect();
            said.push(format!(
                "{names:?} {gym:?} {config:?}\n    {}",
                check(&files, gym, config)
            ));
        }
        insta::assert_snapshot!(said.join("\n"), @r#"
        ["h/h.json 74"] None None
            gym tracker: built in (no other is named)
        ["h/h.json 74", "gyms.json 52"] None None
            gym two: http://127.0.0.1:2/mcp (gyms.json in the current folder)
        ["h/h.json 74", "gyms.json 52", "h/gyms.json 52"] None None
            gym one: http://127.0.0.1:1/mcp (gyms.json beside the harness)
        ["h/h.json 141", "gyms.json 52", "h/gyms.json 52"] None None
            gym jira: http://127.0.0.1:1/mcp (the harness's own)
        ["h/h.json 141", "gyms.json 52", "h/gyms.json 52"] None Some("gyms.json")
            gym jira: http://127.0.0.1:2/mcp (--gym-config gyms.json)
        ["h/h.json 141", "gyms.json 52", "h/gyms.json 52"] Some("one") None
            gym jira: http://127.0.0.1:1/mcp (--gym one)
        ["h/h.json 141", "gyms.json 52", "h/gyms.json 52"] Some("tracker") None
            gym jira: built in (--gym tracker)
        ["h/h.json 88", "h/gyms.json 52"] None None
            gym one: http://127.0.0.1:1/mcp (the harness names it; gyms.json beside the harness)
        ["h/h.json 88", "gyms.json 52", "h/gyms.json 52"] None Some("h/gyms.json")
            gym one: http://127.0.0.1:1/mcp (the harness names it; --gym-config h/gyms.json)
        ["h/h.json 88", "gyms.json 52", "h/gyms.json 52"] Some("tracker") None
            gym tracker: built in (--gym tracker)
        ["h/h.json 74"] Some("tracker") None
            gym tracker: built in (--gym tracker)
        "#);
    }

    #[test]
    fn an_unknown_gym_or_file_says_what_there_is() {
        let files = [("h/h.json", DEFAULT), ("h/gyms.json", ONE)];
        insta::assert_snapshot!(check(&files, Some("jira"), None), @r"
        error: there is no gym `jira`
          try: available: one, tracker; `--gym-config FILE` reads another gym file
        ");
        insta::assert_snapshot!(check(&files, None, Some("nowhere.json")), @r"
        error: there is no such file or folder
        --> nowhere.json
         = help: paths start at the current folder

        1 error
        ");
        insta::assert_snapshot!(check(&files, None, Some("h/h.json")), @r#"
        error: this is a harness file, not a gym file
         --> h/h.json:1:1
          |
        1 | {"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}
          | ^
          |
          = help: give it without --gym-config

        1 error
        "#);
    }
}
