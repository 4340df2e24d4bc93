//! From texts to a harness: which form a file has, and what all of them add up to.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use super::{Harness, Scenario, SourceRef, scenario_form, task_form};
use crate::hash::sha256_hex;
use crate::json::read::{At, Log};
use crate::json::{Document, Kind, Syntax};
use crate::lint::secrets;
use crate::model::config::is_model_file;
use crate::problem::{Place, Problem, Problems};
use crate::suggest;

/// A harness file as the caller read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Absolute path: paths written in the file are relative to its folder.
    pub path: String,
    /// The path as people are shown it.
    pub shown: String,
    /// What the file holds.
    pub text: String,
}

impl Source {
    /// A file that is shown by its path.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            shown: path.clone(),
            path,
            text: text.into(),
        }
    }

    /// The same file, shown to people by another name, such as the one they typed.
    #[must_use]
    pub fn shown_as(mut self, shown: impl Into<String>) -> Self {
        self.shown = shown.into();
        self
    }

    /// File name without its ending.
    fn stem(&self) -> String {
        Path::new(&self.path)
            .file_stem()
            .map_or_else(|| "task".into(), |s| s.to_string_lossy().into_owned())
    }

    /// A path written in the file, seen from the file's folder.
    pub(crate) fn resolve(&self, path: &str) -> String {
        let folder = Path::new(&self.path).parent().unwrap_or(Path::new(""));
        let joined: std::path::PathBuf = folder.join(path).components().collect();
        joined.to_string_lossy().into_owned()
    }

    /// A program written in the file: one with a path is seen from the file's folder, a bare name is
    /// left for the search path.
    pub(crate) fn resolve_program(&self, program: &str) -> String {
        let named_by_path = program.contains('/') && !program.starts_with("${") && !program.starts_with("{{");
        if named_by_path {
            self.resolve(program)
        } else {
            program.to_owned()
        }
    }
}

/// Reads a file that a harness file names (a seed file), given its absolute path. This crate never
/// touches the disk itself.
pub type ReadFile<'a> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'a;

/// What the readers of all forms share.
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source,
    pub(crate) read_file: &'a ReadFile<'a>,
}

/// A scenario as read, before ids are compared.
pub(crate) struct Found {
    pub(crate) scenario: Scenario,
    /// Where its id stands, or itself where it has none.
    pub(crate) place: Place,
    /// The id was made up or belongs to a data set: one that is taken is told apart, not refused.
    pub(crate) may_rename: bool,
}

/// What files say of the run as a whole.
#[derive(Debug, Default)]
pub(crate) struct RunWishes {
    /// What the files call themselves.
    pub(crate) name: Option<String>,
    pub(crate) number_of_runs: Option<u32>,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_output_tokens: Option<u64>,
    /// Of which members it was said that tasks differ.
    pub(crate) said: Vec<&'static str>,
}

impl Harness {
    /// Understands harness files: one, or those of a folder in name order.
    ///
    /// Every file may have its own form: scenarios, one task, a list of tasks, or rows (one task a line,
    /// with the ending `.jsonl`). In a folder, gym and model files are passed over. `read_file` is asked for the
    /// seed files that tasks name. `name` is what the harness is called, unless it is one file that has a
    /// `name` of its own.
    ///
    /// # Errors
    /// All problems of all files, warnings included, if any of them stops the work.
    pub fn from_sources(name: &str, sources: &[Source], read_file: &ReadFile<'_>) -> Result<Self, Problems> {
        let log = Log::default();
        let mut harness = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        let mut wishes = RunWishes::default();
        let mut found = Vec::new();
        let mut read_any = false;
        for source in sources {
            let reading = Reading { source, read_file };
            let noted = log.len();
            let of_file = read_source(&reading, sources.len() > 1, &mut wishes, &log);
            log.sort_after(noted);
            let Some(mut of_file) = of_file else { continue };
            read_any = true;
            let sha256 = sha256_hex(&source.text);
            harness.sources.push(SourceRef {
                path: source.path.clone(),
                sha256,
            });
            found.append(&mut of_file);
        }
        log.enter_scenario(None);
        if !read_any {
            log.push(
                Problem::error(Place::file(name), "there is no harness file in it")
                    .hint("a folder is read as its *.json and *.jsonl files"),
            );
        }
        harness.scenarios = told_apart(found, &log);
        if let Some(name) = wishes.name.filter(|_| harness.sources.len() == 1) {
            harness.name = name;
        }
        harness.number_of_runs = wishes.number_of_runs;
        harness.temperature = wishes.temperature;
        harness.max_output_tokens = wishes.max_output_tokens;
        let (mut harness, warnings) = Problems(log.into_problems()).or_value(harness)?;
        harness.warnings = warnings;
        Ok(harness)
    }
}

impl RunWishes {
    /// Adds what one task wishes; where tasks differ the larger wish is followed, and that is said once.
    pub(crate) fn follow(&mut self, wishes: &Self, at: &At<'_>) {
        let differs = |ours: Option<f64>, theirs: Option<f64>| {
            ours.zip(theirs)
                .is_some_and(|(ours, theirs)| (ours - theirs).abs() > f64::EPSILON)
        };
        let runs = differs(
            self.number_of_runs.map(f64::from),
            wishes.number_of_runs.map(f64::from),
        );
        let temperature = differs(self.temperature, wishes.temperature);
        for (name, differs) in [("number_of_runs", runs), ("temperature", temperature)] {
            if differs && !self.said.contains(&name) {
                self.said.push(name);
                let message = format!("`{name}` is not what an earlier task says");
                at.warn_with(
                    message,
                    "a run has one value for all trials: the largest one is used",
                );
            }
        }
        self.number_of_runs = self.number_of_runs.max(wishes.number_of_runs);
        self.max_output_tokens = self.max_output_tokens.max(wishes.max_output_tokens);
        self.temperature = match (self.temperature, wishes.temperature) {
            (Some(ours), Some(theirs)) => Some(ours.max(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }
}

/// The scenarios of one file; `None` if it is a gym or model file that merely lies in the same folder.
fn read_source(cx: &Reading<'_>, in_folder: bool, wishes: &mut RunWishes, log: &Log) -> Option<Vec<Found>> {
    let mut found = Vec::new();
    let stem = cx.source.stem();
    let documents = open(cx.source);
    let (rows, count) = (is_rows(&cx.source.path), documents.len());
    if count == 0 {
        log.push(Problem::error(
            Place::file(&cx.source.shown),
            "the file holds no rows",
        ));
    }
    for (n, document) in documents.into_iter().enumerate() {
        log.enter_scenario(None);
        let mut document = match document {
            Ok(document) => document,
            Err(Problems(wrong)) => {
                log.extend(wrong);
                continue;
            }
        };
        log.extend(document.decode_strings(task_form::MAY_BE_ENCODED));
        let at = At::root(&document, log);
        if in_folder && (is_gym_file(&at) || is_model_file(&at)) {
            return None;
        }
        let secrets = secrets::written_literally(&document);
        let earlier = found.len();
        let id = if rows || count > 1 {
            format!("{stem}-{}", n + 1)
        } else {
            stem.clone()
        };
        read_document(cx, &at, &id, wishes, &mut found);
        log.enter_scenario(None);
        log.extend(with_scenarios(secrets, found.get(earlier..).unwrap_or_default()));
    }
    Some(found)
}

/// Says of problems that were found by their place alone which scenario of the document each lies in.
fn with_scenarios(mut problems: Vec<Problem>, found: &[Found]) -> Vec<Problem> {
    for problem in &mut problems {
        let pointer = problem.place.pointer.as_str();
        let holds = |found: &&Found| {
            let rest = pointer.strip_prefix(found.scenario.origin.pointer.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let holder = found.iter().find(holds);
        problem.place.scenario = holder.map(|found| found.scenario.scenario_id.clone());
    }
    problems
}

fn read_document(cx: &Reading<'_>, at: &At<'_>, id: &str, wishes: &mut RunWishes, found: &mut Vec<Found>) {
    if at.has("scenarios") {
        found.extend(scenario_form::read(cx, at, wishes));
    } else if matches!(at.node.kind, Kind::List(_)) {
        let items = at.items().unwrap_or_default();
        if items.is_empty() {
            at.error_with("the list is empty", "a file holds at least one task");
        }
        for (n, item) in items.iter().enumerate() {
            found.extend(task_form::read(cx, item, &format!("{id}-{}", n + 1), wishes));
        }
    } else if task_form::is_task(at) {
        found.extend(task_form::read(cx, at, id, wishes));
    } else {
        unknown_form(at);
    }
}

/// Says what a file that has no known form probably is.
fn unknown_form(at: &At<'_>) {
    if is_gym_file(at) {
        let hint = "give it with --gym-config, and a harness file beside it";
        return at.error_with("this is a gym file, not a harness file", hint);
    }
    if is_model_file(at) {
        let hint = "give it with --models-file, and a harness file beside it";
        return at.error_with("this is a model file, not a harness file", hint);
    }
    let message = match at.node.kind {
        Kind::Object(_) => "neither `scenarios` nor `user_prompt` is in it: this is no harness file",
        _ => "this is no harness file: it holds neither an object nor a list of tasks",
    };
    let typo = at.names().into_iter().find_map(|name| {
        suggest::closest(name, ["scenarios", "user_prompt"]).map(|meant| (name.to_owned(), meant))
    });
    match typo {
        _ if at.has("prompts") => {
            at.error_with(message, "put the scenario into a list: {\"scenarios\": [ … ]}");
        }
        Some((name, meant)) => at.error_with(message, format!("did you mean `{meant}` instead of `{name}`?")),
        None => at.error_with(
            message,
            "write {\"scenarios\": [ … ]}; `bench-cli schema` prints the form",
        ),
    }
}

fn is_gym_file(at: &At<'_>) -> bool {
    ["gyms", "mcpServers", "servers"]
        .into_iter()
        .any(|key| at.has(key))
        && !task_form::is_task(at)
}

fn is_rows(path: &str) -> bool {
    let ending = Path::new(path)
        .extension()
        .map(std::ffi::OsStr::to_ascii_lowercase);
    ending.is_some_and(|e| e == "jsonl" || e == "ndjson")
}

/// A file is rows by its ending, or because each of its lines is a value and the whole is not. Comments are for gym
/// and model files only, which have to be known for what they are with them.
fn open(source: &Source) -> Vec<Result<Document, Problems>> {
    if is_rows(&source.path) {
        return Document::parse_rows(&source.shown, &source.text);
    }
    let whole = Document::parse(&source.shown, &source.text, Syntax::Strict);
    if whole.is_err() {
        let rows = Document::parse_rows(&source.shown, &source.text);
        if rows.len() > 1 && rows.iter().all(Result::is_ok) {
            return rows;
        }
        let commented = Document::parse(&source.shown, &source.text, Syntax::WithComments);
        if let Ok(document) = commented
            && let (log, root) = (Log::default(), &document)
            && (is_gym_file(&At::root(root, &log)) || is_model_file(&At::root(root, &log)))
        {
            return vec![Ok(document)];
        }
    }
    vec![whole]
}

/// The scenarios with ids that differ: made-up ids get `-2`, `-3`, …; written ones must not repeat.
fn told_apart(found: Vec<Found>, log: &Log) -> Vec<Scenario> {
    let mut owners: HashMap<String, Place> = HashMap::new();
    let mut taken: HashSet<String> = found.iter().map(|f| f.scenario.scenario_id.clone()).collect();
    let mut scenarios = Vec::with_capacity(found.len());
    for Found {
        mut scenario,
        place,
        may_rename,
    } in found
    {
        let id = scenario.scenario_id.clone();
        match owners.get(&id) {
            None => drop(owners.insert(id, place)),
            Some(_) if may_rename => {
                let mut n = 2;
                while !taken.insert(format!("{id}-{n}")) {
                    n += 1;
                }
                scenario.scenario_id = format!("{id}-{n}");
            }
            Some(first) => {
                // The place without its path in the document: line and column are enough to find it.
                let first = Place {
                    pointer: String::new(),
                    scenario: None,
                    ..first.clone()
                };
                let message = format!("the scenario id `{id}` is used twice: first at {first}");
                log.push(Problem::error(place, message).hint("give each scenario an id of its own"));
            }
        }
        scenarios.push(scenario);
    }
    scenarios
}
