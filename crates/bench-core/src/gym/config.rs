//! Gym files: `gyms.json`, and the `mcpServers` / `servers` files of editors and assistants.
//!
//! Variables stay unexpanded and literal secrets stay where they are (see [`crate::setting`]); a
//! variable that is not set is a problem here, before anything runs. Comments and trailing commas are
//! accepted, because the editors that write such files accept them. Single entries are read in
//! `entry`.

use super::GymSpec;
use super::entry::{self, Entry};
use super::settings::SettingReader;
use crate::harness::Source;
use crate::json::read::{At, Log};
use crate::json::{Document, Kind, Syntax};
use crate::lint::secrets;
use crate::problem::{Place, Problem, Problems};
use crate::suggest;

/// A gym file, understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GymFile {
    /// In the file's order. Key and name are the name in the file.
    pub gyms: Vec<GymSpec>,
    /// Names of the gyms that a scenario acts on if it names none. Of `mcpServers` and `servers`: all.
    /// Of `gyms`: what `default` says, else the only one, else nothing.
    pub default: Vec<String>,
    /// The variables without a default that its gyms need.
    pub needs: Vec<Need>,
    /// What was odd but did not stop the reading.
    pub warnings: Vec<Problem>,
}

/// A variable that a gym needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Name of the gym.
    pub gym: String,
    /// Name of the variable.
    pub variable: String,
    /// Where it is written.
    pub place: Place,
}

impl GymFile {
    /// Adds what was read of an entry, and what it needs.
    fn add(&mut self, name: &str, gym: Option<GymSpec>, needed: Vec<(String, Place)>) {
        self.gyms.extend(gym);
        self.needs
            .extend(needed.into_iter().map(|(variable, place)| Need {
                gym: name.to_owned(),
                variable,
                place,
            }));
    }
}

/// Reads a gym file. `is_set` says whether an environment variable has a value.
///
/// # Errors
/// All problems of the file, if any of them stops the work.
pub fn read(source: &Source, is_set: &dyn Fn(&str) -> bool) -> Result<GymFile, Problems> {
    let document = Document::parse(&source.shown, &source.text, Syntax::WithComments)?;
    let log = Log::default();
    let at = At::root(&document, &log);
    let settings = SettingReader::checking(source, is_set);
    let mut file = GymFile::default();
    if at.has("gyms") {
        read_gyms(
            &Entry {
                source,
                settings: &settings,
            },
            &at,
            &mut file,
        );
    } else if at.has("mcpServers") || at.has("servers") {
        read_servers(
            &Entry {
                source,
                settings: &settings,
            },
            &at,
            &mut file,
        );
    } else {
        unknown_form(&at);
    }
    log.extend(secrets::written_literally(&document));
    log.sort_after(0);
    let (mut file, warnings) = Problems(log.into_problems()).or_value(file)?;
    file.warnings = warnings;
    Ok(file)
}

fn unknown_form(at: &At<'_>) {
    let keys = ["gyms", "mcpServers", "servers"];
    let message = "neither `gyms` nor `mcpServers` nor `servers` is in it: this is no gym file";
    if at.has("scenarios") || at.has("user_prompt") {
        return at.error_with(
            "this is a harness file, not a gym file",
            "give it without --gym-config",
        );
    }
    let typo = at
        .names()
        .into_iter()
        .find_map(|name| Some((name, suggest::closest(name, keys)?)));
    match typo {
        Some((name, meant)) => at.error_with(message, format!("did you mean `{meant}` instead of `{name}`?")),
        None => at.error_with(message, "`bench-cli schema` prints the forms"),
    }
}

/// `{"gyms": {name: {…}}, "default": name}`.
fn read_gyms(entry: &Entry<'_>, at: &At<'_>, file: &mut GymFile) {
    let Some(mut fields) = at.fields() else { return };
    for (name, at) in fields.any("gyms").and_then(|at| at.entries()).unwrap_or_default() {
        let gym = entry::gym(entry, &at, name);
        file.add(name, gym, entry.settings.take_needed());
    }
    if file.gyms.is_empty()
        && let Some(at) = fields.any("gyms")
        && matches!(&at.node.kind, Kind::Object(members) if members.is_empty())
    {
        at.error("the file names no gym");
    }
    let default = fields.some("default");
    match &default {
        None if file.gyms.len() == 1 => file.default = file.gyms.iter().map(|g| g.name.clone()).collect(),
        None => {}
        Some(at) => file.default = at.read().unwrap_or_default(),
    }
    let known = fields.any("gyms").map(|at| at.names()).unwrap_or_default();
    for name in &file.default {
        if !known.contains(&name.as_str())
            && let Some(at) = &default
        {
            at.error_with(
                format!("there is no gym `{name}`"),
                available(name, known.iter().copied()),
            );
        }
    }
    fields.ignore(&["$schema"]);
    fields.finish();
}

/// `{"mcpServers": {name: {…}}}` or `{"servers": {…}, "inputs": […]}`.
fn read_servers(entry: &Entry<'_>, at: &At<'_>, file: &mut GymFile) {
    let Some(mut fields) = at.fields() else { return };
    for key in ["mcpServers", "servers"] {
        let Some(servers) = fields.some(key) else { continue };
        let entries = servers.entries().unwrap_or_default();
        if entries.is_empty() {
            servers.error("the file names no server");
        }
        for (name, at) in entries {
            let gym = entry::server(entry, &at, name);
            file.add(name, gym, entry.settings.take_needed());
        }
    }
    file.default = file.gyms.iter().map(|gym| gym.name.clone()).collect();
    // Only an `${input:…}` that is used is a problem, and is noted where it is used.
    fields.ignore(&["$schema", "inputs"]);
    fields.finish();
}

/// What to write instead of an unknown name: the nearest one, or all of them.
pub(crate) fn available<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    if let Some(meant) = suggest::closest(name, known.clone()) {
        return format!("did you mean `{meant}`?");
    }
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    format!("available: {}", suggest::quoted_list(known))
}
