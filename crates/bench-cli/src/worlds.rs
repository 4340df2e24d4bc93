//! Which gyms: `--gym` and `--gym-config`, else the harness's own, else a gym file beside the harness, else one in
//! the current folder, else the built-in tracker. The choice is always said.

use std::path::{Path, PathBuf};

use bench_core::gym::config::GymFile;
use bench_core::harness::World;
use bench_core::{GymChoice, GymSpec, Harness, Plan, Problem, Setting, Transport};
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
    harness: Option<(&Harness, &[PathBuf])>,
    cx: &Context,
) -> Result<(GymChoice, Vec<Problem>), CliError> {
    let beside = harness.map(|(_, paths)| paths).unwrap_or_default();
    let found = find(gym_config, beside, cx)?;
    let (mut choice, warnings) = match found {
        Some(Found { file, why }) => {
            let choice = GymChoice {
                available: file.gyms,
                default: file.default,
                chosen: why,
                overrides_own: false,
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
    choice.overrides_own = gym.is_some() || gym_config.is_some();
    if let Some(name) = gym {
        take(name, &mut choice)?;
    } else if let Some((harness, _)) = harness
        && !choice.overrides_own
        && has_only_own(harness)
    {
        choice.chosen = String::from("the harness's own");
    }
    Ok((choice, warnings))
}

/// One gym by name, for commands that look at a single one.
pub(crate) fn one(name: &str, gym_config: Option<&Path>, cx: &Context) -> Result<GymSpec, CliError> {
    let (choice, _) = choose(Some(name), gym_config, None, cx)?;
    let named = choice.available.into_iter().find(|gym| gym.name == name);
    named.ok_or_else(|| CliError::usage(format!("there is no gym `{name}`")))
}

/// What is said before a run: `gym tracker: built in (no other is named)`.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let why = &plan.gyms_chosen;
    plan.gyms
        .iter()
        .map(|gym| format!("gym {}: {} ({why})", gym.name, target(gym)))
        .collect()
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
    if let Some(path) = harness.first().map(|path| beside(path, cx))
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

/// The gym file in a harness folder, or in the folder of a harness file.
fn beside(harness: &Path, cx: &Context) -> PathBuf {
    if cx.absolute(harness).is_dir() {
        return harness.join(GYM_FILE);
    }
    harness.parent().unwrap_or(Path::new("")).join(GYM_FILE)
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
    Ok(())
}

fn has_only_own(harness: &Harness) -> bool {
    !harness.scenarios.is_empty() && harness.scenarios.iter().all(|s| matches!(s.world, World::Own(_)))
}

#[cfg(test)]
mod tests {
    use bench_runner::load_harness;

    use super::*;
    use crate::context::tests::context;
    use crate::render;

    const OWN: &str = r#"{"user_prompt": "Go.", "gym_servers_config": [
        {"mcp_server_name": "jira", "mcp_server_url": "http://127.0.0.1:1"}], "verifiers": []}"#;
    const DEFAULT: &str = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}"#;
    const ONE: &str = r#"{"gyms": {"one": {"url": "http://127.0.0.1:1/mcp"}}}"#;
    const TWO: &str = r#"{"gyms": {"two": {"url": "http://127.0.0.1:2/mcp"}}}"#;

    /// Which gyms a run with these arguments would take, and why.
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
        match choose(gym, config.map(Path::new), Some((&harness, &paths)), &cx) {
            Ok((choice, _)) => {
                format!(
                    "{} ({}{})",
                    choice.default.join(", "),
                    choice.chosen,
                    ["", ", wins"][usize::from(choice.overrides_own)]
                )
            }
            Err(error) => anstream::adapter::strip_str(&render::error::text(&error, 100)).to_string(),
        }
    }

    #[test]
    fn the_order_of_choice() {
        let (plain, own) = (("h/h.json", DEFAULT), ("h/h.json", OWN));
        let (beside, here) = (("h/gyms.json", ONE), ("gyms.json", TWO));
        for (files, gym, config, want) in [
            (vec![plain], None, None, "tracker (no other is named)"),
            (
                vec![plain, here],
                None,
                None,
                "two (gyms.json in the current folder)",
            ),
            (
                vec![plain, here, beside],
                None,
                None,
                "one (gyms.json beside the harness)",
            ),
            (vec![own, here, beside], None, None, "one (the harness's own)"),
            (
                vec![own, here, beside],
                None,
                Some("gyms.json"),
                "two (--gym-config gyms.json, wins)",
            ),
            (
                vec![own, here, beside],
                Some("one"),
                None,
                "one (--gym one, wins)",
            ),
            (
                vec![own, here, beside],
                Some("tracker"),
                None,
                "tracker (--gym tracker, wins)",
            ),
            (
                vec![plain],
                Some("tracker"),
                None,
                "tracker (--gym tracker, wins)",
            ),
        ] {
            assert_eq!(check(&files, gym, config), want, "{files:?} {gym:?} {config:?}");
        }
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
