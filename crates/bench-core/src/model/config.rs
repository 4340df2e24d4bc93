//! Model files: `models.json`, which gives names to models with their address, settings, body fields and headers.
//!
//! ```json
//! {"models": {"local": {
//!     "provider": "compatible", "name": "qwen2.5:7b", "base_url": "http://127.0.0.1:8000/v1",
//!     "settings": {"temperature": 0}, "body": {"top_k": 20}, "headers": {"authorization": "Bearer ${VLLM_KEY}"}}}}
//! ```
//!
//! Read like gym files: variables stay unexpanded, literal secrets stay where they are, comments and trailing commas
//! are accepted, and every problem is noted with its place.

use serde_json::Value;

use super::settings::is_secret_text;
use super::{Api, BadSetting, ModelRef, ModelSettings, ModelSpec, Provider};
use crate::gym::settings::SettingReader;
use crate::harness::Source;
use crate::json::read::{At, Log};
use crate::json::{Document, Kind, Syntax};
use crate::price::table::read_price;
use crate::problem::{Place, Problem, Problems};
use crate::suggest;

/// Headers that belong to the sending of a request.
const RESERVED_HEADERS: [&str; 5] = [
    "content-type",
    "content-length",
    "host",
    "transfer-encoding",
    "connection",
];

/// A model file, understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelFile {
    /// In the file's order.
    pub models: Vec<NamedModel>,
    /// What was odd but did not stop the reading.
    pub warnings: Vec<Problem>,
}

/// A model under a name of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedModel {
    /// Its name in the file, to be given with `--model`.
    pub name: String,
    /// What it stands for. The [`ModelRef`] in it is shown as `provider:name?as=NAME`.
    pub spec: ModelSpec,
    /// The variables without a default that it needs, and where each is written.
    pub needs: Vec<(String, Place)>,
}

impl ModelFile {
    /// The model that `--model TEXT` asks for, if its name is in the file: `name`, or `name?setting=value`. Settings
    /// behind the name win over those in the file.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn find(&self, text: &str) -> Result<Option<NamedModel>, super::BadModel> {
        let named = |name: &str| self.models.iter().find(|model| model.name == name);
        let (found, query) = match (named(text), text.split_once('?')) {
            (Some(found), _) => (found, ""),
            (None, Some((name, query))) => match named(name) {
                Some(found) => (found, query),
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let mut model = found.clone();
        if !query.is_empty() {
            model.spec.model = model.spec.model.with_variant(query)?;
            model.spec.settings = model.spec.model.settings().or(&model.spec.settings);
        }
        Ok(Some(model))
    }
}

/// Whether a document is a model file, going by its members.
pub(crate) fn is_model_file(at: &At<'_>) -> bool {
    at.has("models") && !at.has("scenarios") && !at.has("user_prompt")
}

/// Reads a model file.
///
/// # Errors
/// All problems of the file, if any of them stops the work.
pub fn read(source: &Source) -> Result<ModelFile, Problems> {
    let document = Document::parse(&source.shown, &source.text, Syntax::WithComments)?;
    let log = Log::default();
    let at = At::root(&document, &log);
    let mut file = ModelFile::default();
    if at.has("models") {
        read_models(&SettingReader::new(source), &at, &source.shown, &mut file);
    } else {
        unknown_form(&at);
    }
    log.sort_after(0);
    let (mut file, warnings) = Problems(log.into_problems()).or_value(file)?;
    file.warnings = warnings;
    Ok(file)
}

fn unknown_form(at: &At<'_>) {
    let message = "there is no `models` in it: this is no model file";
    let mut names = at.names().into_iter();
    match names.find(|name| suggest::closest(name, ["models"]).is_some()) {
        Some(name) => at.error_with(message, format!("did you mean `models` instead of `{name}`?")),
        None => at.error_with(message, "`bench-cli schema models` prints the form"),
    }
}

fn read_models(settings: &SettingReader<'_>, at: &At<'_>, shown: &str, file: &mut ModelFile) {
    let Some(mut fields) = at.fields() else { return };
    let entries = fields.any("models").and_then(|at| {
        let entries = at.entries()?;
        if entries.is_empty() {
            at.error("the file names no model");
        }
        Some(entries)
    });
    for (name, at) in entries.unwrap_or_default() {
        if file.models.iter().any(|model| model.name == name) {
            at.error_with(
                format!("`{name}` is given twice"),
                "remove one of them, or rename it",
            );
        }
        if name.trim().is_empty() || name.contains('?') {
            at.error("a model's name must hold something, and no `?`: settings follow that");
        }
        let spec = read_model(settings, &at, name, shown);
        let needs = settings.take_needed();
        file.models.extend(spec.map(|spec| NamedModel {
            name: name.to_owned(),
            spec,
            needs,
        }));
    }
    fields.ignore(&["$schema"]);
    fields.finish();
}

fn read_model(texts: &SettingReader<'_>, at: &At<'_>, key: &str, file: &str) -> Option<ModelSpec> {
    let mut fields = at.fields()?;
    let provider = fields.some("provider");
    if provider.is_none() {
        fields.missing("provider");
    }
    let provider = provider.and_then(|at| read_provider(&at));
    let name = fields.require_text("name");
    let base_url = fields.some("base_url").and_then(|at| texts.url(&at));
    let mut settings = ModelSettings::default();
    if let Some(at) = fields.some("settings") {
        read_settings(&at, &mut settings);
    }
    if let Some(at) = fields.some("api") {
        settings.api = read_api(&at);
    }
    if let Some(at) = fields.some("body") {
        refuse_secrets(&at, "");
        settings
            .extra
            .extend(at.read::<serde_json::Map<String, Value>>().unwrap_or_default());
    }
    let mut headers = std::collections::BTreeMap::new();
    for (name, at) in fields
        .some("headers")
        .and_then(|at| at.entries())
        .unwrap_or_default()
    {
        if check_header(&at, name)
            && let Some(value) = texts.named(&at, name)
        {
            headers.insert(name.to_ascii_lowercase(), value);
        }
    }
    let price = fields.some("price").and_then(|at| {
        let mut fields = at.fields()?;
        let price = read_price(&mut fields, file);
        fields.finish();
        price
    });
    fields.finish();
    let model = ModelRef::new(provider?, name?).named(key).ok()?; // a bad key is told where it is read
    Some(ModelSpec {
        settings,
        base_url,
        headers,
        price,
        ..ModelSpec::new(model)
    })
}

/// The request body is written into plans as it is, so nothing in it may be a secret.
fn refuse_secrets(at: &At<'_>, name: &str) {
    match &at.node.kind {
        Kind::Text(text) if is_secret_text(name, text) => at.error_with(
            format!("`{name}` looks like a secret, and the request body is written down"),
            "use `headers` with ${VAR}",
        ),
        // Each text of a list bears the name of the list.
        Kind::List(_) => at
            .items()
            .iter()
            .flatten()
            .for_each(|at| refuse_secrets(at, name)),
        Kind::Object(_) => {
            for (name, at) in at.entries().unwrap_or_default() {
                refuse_secrets(&at, name);
            }
        }
        _ => {}
    }
}

fn read_provider(at: &At<'_>) -> Option<Provider> {
    let word: String = at.read()?;
    let over_network = || Provider::ALL.into_iter().filter(|provider| !provider.is_local());
    let found = over_network().find(|provider| provider.name() == word);
    if found.is_none() {
        let names = || over_network().map(Provider::name);
        let hint = match suggest::closest(&word, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known here are {}", suggest::quoted_list(names())),
        };
        at.error_with(format!("unknown provider `{word}`"), hint);
    }
    found
}

fn read_api(at: &At<'_>) -> Option<Api> {
    let word: String = at.read()?;
    let api = match word.as_str() {
        "chat" => Some(Api::Chat),
        "responses" => Some(Api::Responses),
        _ => None,
    };
    if api.is_none() {
        at.error_with(format!("`{word}` is no API"), "write `chat` or `responses`");
    }
    api
}

/// Settings by the names that they have behind a model's name on the command line.
fn read_settings(at: &At<'_>, settings: &mut ModelSettings) {
    for (name, at) in at.entries().unwrap_or_default() {
        let text = match (&at.node.kind, name) {
            (Kind::Null, _) => continue,
            (Kind::Text(text), "effort" | "thinking") => text.clone(),
            (Kind::Number(number), name) if name != "effort" => number.to_string(),
            (_, "effort") => {
                at.error("`effort` must be a string");
                continue;
            }
            (Kind::Bool(flag), name) if !is_number(name) => flag.to_string(),
            (_, name) if is_number(name) || name == "thinking" => {
                at.error(format!("`{name}` must be a number"));
                continue;
            }
            _ => String::new(),
        };
        if let "api" | "as" = name {
            at.error_with(
                format!("`{name}` is no setting"),
                "`api` stands beside `settings`",
            );
            continue;
        }
        match settings.set(name, &text) {
            Ok(()) if name.starts_with("body.") => {
                at.error_with(
                    format!("`{name}` is no setting"),
                    "fields of the request body stand in `body`",
                );
            }
            Ok(()) => {}
            Err(BadSetting::Unknown { name, meant }) => at.error_with(
                format!("there is no setting `{name}`"),
                match meant {
                    Some(meant) => {
                        format!("did you mean `{meant}`? Fields of the request body stand in `body`")
                    }
                    None => "fields of the request body stand in `body`".to_owned(),
                },
            ),
            Err(bad) => at.error(bad.to_string()),
        }
    }
}

fn is_number(setting: &str) -> bool {
    matches!(setting, "temperature" | "top_p" | "max_output_tokens" | "seed")
}

fn check_header(at: &At<'_>, name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        at.error(format!("`{name}` is no name of a header"));
        return false;
    }
    if RESERVED_HEADERS
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        at.error_with(
            format!("the header `{name}` cannot be set"),
            "it belongs to the sending of a request",
        );
        return false;
    }
    true
}

#[cfg(test)]
mod tests;
