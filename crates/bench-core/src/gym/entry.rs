//! One gym of a gym file: how it is reached, where its SQL goes, which headers it wants.

use std::collections::BTreeMap;

use super::settings::{SettingReader, has_credentials};
use super::{GymSpec, Seed, Transport};
use crate::harness::Source;
use crate::json::read::{At, Fields};
use crate::setting::{Setting, is_secret_name};
use crate::suggest;

/// The header that carries a trial's database id; one written in a file would mix up trials.
const DATABASE_HEADER: &str = "x-database-id";

/// Every spelling of the ways to reach a server.
const HTTP: [&str; 4] = ["http", "streamable_http", "streamable-http", "streamableHttp"];

/// What the readers of single gyms share.
pub(super) struct Entry<'a> {
    pub(super) source: &'a Source,
    pub(super) settings: &'a SettingReader<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Http,
    Stdio,
}

/// An entry of `gyms`: HTTP unless it has a `command`; its SQL runner lies beside its end point.
pub(super) fn gym(cx: &Entry<'_>, at: &At<'_>, key: &str) -> Option<GymSpec> {
    let mut fields = at.fields()?;
    let title = fields.get::<String>("name").filter(|name| name != key);
    let description = fields.get::<String>("description").unwrap_or_default();
    // `url` wins where both are given.
    let url = fields.some("mcp_url");
    let url = fields.some("url").or(url);
    let reach = reach(&mut fields, url.is_some());
    let transport = reach.and_then(|reach| match reach {
        Reach::Http => http(cx, &fields, url.as_ref()),
        Reach::Stdio => stdio(cx, &mut fields),
    });
    let sql_runner_url = match (fields.some("sql_runner_url"), &url, reach) {
        (Some(at), _, _) => cx.settings.url(&at),
        (None, Some(url), Some(Reach::Http)) => beside(url),
        _ => None,
    };
    let mut gym = rest(cx, &mut fields, key, transport?);
    gym.description = match title {
        Some(title) if description.is_empty() => title,
        Some(title) => format!("{title}: {description}"),
        None => description,
    };
    gym.sql_runner_url = sql_runner_url;
    fields.finish();
    Some(gym)
}

/// An entry of `mcpServers` or `servers`. `None` also for one that is switched off.
pub(super) fn server(cx: &Entry<'_>, at: &At<'_>, key: &str) -> Option<GymSpec> {
    let mut fields = at.fields()?;
    let url = fields.some("url");
    let reach = reach(&mut fields, url.is_some());
    let transport = reach.and_then(|reach| match reach {
        Reach::Http => http(cx, &fields, url.as_ref()),
        Reach::Stdio => stdio(cx, &mut fields),
    });
    if let Some(at) = fields.some("envFile") {
        at.error_with(
            "`envFile` is not read",
            "write the variables in `env`, or pass the file with --env-file",
        );
    }
    let off = fields.get::<bool>("disabled").unwrap_or_default();
    let mut gym = rest(cx, &mut fields, key, transport?);
    gym.description = fields.get("description").unwrap_or_default();
    gym.sql_runner_url = fields.some("sql_runner_url").and_then(|at| cx.settings.url(&at));
    // What assistants keep for themselves.
    fields.ignore(&[
        "alwaysAllow",
        "autoApprove",
        "timeout",
        "version",
        "gallery",
        "dev",
    ]);
    fields.finish();
    (!off).then_some(gym)
}

/// How it is reached: as `type` or `transport` says, else by what is given.
fn reach(fields: &mut Fields<'_>, has_url: bool) -> Option<Reach> {
    let transport = fields.some("transport").map(|at| {
        // `{"type": …}` or the word itself.
        let inner = if at.names().is_empty() { None } else { at.fields() };
        let word = inner.and_then(|mut inner| {
            let word = inner.some("type");
            inner.finish();
            word
        });
        word.unwrap_or(at)
    });
    let written = fields.some("type").or(transport);
    // The Python tool reads this one beside a `transport` only; alone it is meant just the same.
    let other = fields.some("mcp_transport");
    let written = written.or(other);
    let has_command = fields.some("command").is_some();
    match written {
        Some(at) => reach_of(&at),
        None if has_url && has_command => {
            fields.at().error_with(
                "it has both a `command` and a `url`",
                "say which with \"type\": \"stdio\" or \"http\"",
            );
            None
        }
        None if has_command => Some(Reach::Stdio),
        None if has_url => Some(Reach::Http),
        None => {
            let message = "it has neither a `url` nor a `command`";
            let unknown = fields.at().names().into_iter();
            let typo = unknown
                .filter(|n| *n != "url")
                .find_map(|n| Some((n, suggest::closest(n, ["url", "command"])?)));
            match typo {
                Some((name, meant)) => {
                    fields
                        .at()
                        .error_with(message, format!("did you mean `{meant}` instead of `{name}`?"));
                }
                None => fields.at().error(message),
            }
            None
        }
    }
}

fn reach_of(at: &At<'_>) -> Option<Reach> {
    let word: String = at.read()?;
    if HTTP.iter().any(|known| known.eq_ignore_ascii_case(&word)) {
        return Some(Reach::Http);
    }
    match word.to_ascii_lowercase().as_str() {
        "stdio" => Some(Reach::Stdio),
        "sse" => {
            at.warn_with(
                "the transport `sse` is the old one",
                "streamable HTTP is spoken to this address",
            );
            Some(Reach::Http)
        }
        _ => {
            at.error_with(
                format!("unknown transport `{word}`"),
                "known are `http` (also `streamable_http`) and `stdio`",
            );
            None
        }
    }
}

fn http(cx: &Entry<'_>, fields: &Fields<'_>, url: Option<&At<'_>>) -> Option<Transport> {
    let Some(url) = url else {
        fields.missing("url");
        return None;
    };
    Some(Transport::Http {
        url: cx.settings.url(url)?,
    })
}

fn stdio(cx: &Entry<'_>, fields: &mut Fields<'_>) -> Option<Transport> {
    let command = fields.require_text("command");
    let command_at = fields.some("command");
    let command_setting = command_at.as_ref().and_then(|at| cx.settings.text(at));
    let args = fields.some("args").map(|at| args(cx, &at)).unwrap_or_default();
    let env = fields.some("env").map(|at| entries(cx, &at)).unwrap_or_default();
    let files = folder(cx, fields, "files");
    let cwd = folder(cx, fields, "cwd");
    let command = match command_setting? {
        Setting::Text(_) => Setting::Text(cx.source.resolve_program(&command?)),
        secret @ Setting::Secret { .. } => secret,
    };
    Some(Transport::Stdio {
        command,
        args,
        env,
        files,
        cwd,
    })
}

/// A folder relative to the file, unless it begins with a variable or the trial's own folder.
fn folder(cx: &Entry<'_>, fields: &mut Fields<'_>, field: &'static str) -> Option<String> {
    let text = cx.settings.checked_text(&fields.some(field)?)?;
    Some(if text.starts_with("${") || text.starts_with("{{") {
        text
    } else {
        cx.source.resolve(&text)
    })
}

/// Arguments; `--token abc`, `--token=abc` and addresses with credentials are secrets.
fn args(cx: &Entry<'_>, at: &At<'_>) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut after_secret_flag = false;
    for at in at.one_or_many() {
        let text = crate::json::typed::plain_text(at.node).unwrap_or_default();
        let flag = text.starts_with('-');
        let (name, has_value) = text
            .split_once('=')
            .map_or((text.as_str(), false), |(name, _)| (name, true));
        let names_secret = flag && is_secret_name(name);
        let secret = if flag {
            names_secret && has_value
        } else {
            after_secret_flag
        };
        settings.extend(if secret {
            cx.settings.secret(&at, "")
        } else {
            cx.settings.text(&at)
        });
        after_secret_flag = names_secret && !has_value;
    }
    settings
}

/// Headers, context, and a spec around them.
fn rest(cx: &Entry<'_>, fields: &mut Fields<'_>, key: &str, transport: Transport) -> GymSpec {
    let mut headers = fields
        .some("headers")
        .map(|at| entries(cx, &at))
        .unwrap_or_default();
    headers.retain(|name, _| !name.eq_ignore_ascii_case(DATABASE_HEADER));
    let context = fields
        .some("context")
        .map(|at| entries(cx, &at))
        .unwrap_or_default();
    GymSpec {
        key: key.to_owned(),
        name: key.to_owned(),
        description: String::new(),
        transport,
        sql_runner_url: None,
        headers,
        context,
        seed: Seed::Untouched,
    }
}

fn entries(cx: &Entry<'_>, at: &At<'_>) -> BTreeMap<String, Setting> {
    let entries = at
        .entries()
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, at)| !at.is_null());
    entries
        .filter_map(|(name, at)| Some((name.to_owned(), cx.settings.named(&at, name)?)))
        .collect()
}

/// The SQL runner of a gym that names none: beside the end point.
fn beside(url: &At<'_>) -> Option<Setting> {
    let text: String = url.read()?;
    if has_credentials(&text) {
        url.error_with(
            "the URL holds credentials, so no address of the SQL runner can be made from it",
            "give `sql_runner_url` too, or put the credentials into `headers`",
        );
        return None;
    }
    Some(Setting::Text(sql_runner_beside(&text)))
}

/// `http://host/mcp` → `http://host/api/sql-runner`.
pub(crate) fn sql_runner_beside(url: &str) -> String {
    let base = url.trim().trim_end_matches('/');
    let base = base.strip_suffix("/mcp").unwrap_or(base).trim_end_matches('/');
    format!("{base}/api/sql-runner")
}
