//! Gyms written down in a task: a list `gym_servers_config`, or the flat form with one server.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::source::Reading;
use crate::VerifierSpec;
use crate::gym::settings::{SettingReader, check_url, has_credentials};
use crate::gym::{GymSpec, Seed, Transport};
use crate::hash::sha256_hex;
use crate::json::read::{At, Fields};
use crate::setting::Setting;

/// Members of the flat form.
const FLAT: &[&str] = &[
    "gym_enviornment_url",
    "mcp_server_url",
    "mcp_server_name",
    "mcp_endpoint",
    "seed_database_file",
    "context",
    "auth_config",
];

/// The servers of `gym_servers_config`.
pub(super) fn nested(cx: &Reading<'_>, list: &At<'_>) -> Vec<GymSpec> {
    let mut gyms: Vec<GymSpec> = Vec::new();
    for at in list.one_or_many() {
        let Some(mut fields) = at.fields() else { continue };
        fields.ignore(FLAT);
        fields.ignore(&["user_info"]);
        let name = fields.require_text("mcp_server_name");
        if fields.some("mcp_server_url").is_none() {
            fields.missing("mcp_server_url");
        }
        let gym = server(cx, &mut fields, "mcp_server_url", name.unwrap_or_default());
        fields.finish();
        let Some(gym) = gym else { continue };
        if gyms.iter().any(|other| other.name == gym.name) {
            at.error_with(
                format!("two servers are named `{}`", gym.name),
                "verifiers name a server: give each its own name",
            );
        }
        gyms.push(gym);
    }
    gyms
}

/// The one server of the flat form, if the task names one.
///
/// It is called as the verifiers call it, for the form has no name of its own.
pub(super) fn flat(cx: &Reading<'_>, fields: &mut Fields<'_>, verifiers: &[VerifierSpec]) -> Vec<GymSpec> {
    // Spelt like this in published tasks.
    let url = ["gym_enviornment_url", "mcp_server_url"]
        .into_iter()
        .find(|name| fields.some(name).is_some());
    let Some(url) = url else { return Vec::new() };
    let called = verifiers.iter().find_map(|v| v.gym.clone());
    let name = fields
        .get("mcp_server_name")
        .or(called)
        .unwrap_or_else(|| "gym".to_owned());
    server(cx, fields, url, name).into_iter().collect()
}

/// Marks the members of the flat form as known, also where a task has `gym_servers_config`.
pub(super) fn ignore_flat(fields: &mut Fields<'_>) {
    fields.ignore(FLAT);
}

fn server(cx: &Reading<'_>, fields: &mut Fields<'_>, url: &'static str, name: String) -> Option<GymSpec> {
    let base = fields.some(url).and_then(|at| base_url(cx, &at));
    let endpoint = fields
        .get::<String>("mcp_endpoint")
        .filter(|e| !e.is_empty())
        .unwrap_or_else(|| "/mcp".into());
    let seed = seed(cx, fields.some("seed_database_file").as_ref());
    let context = fields
        .some("context")
        .map(|at| settings(cx, &at))
        .unwrap_or_default();
    let headers = fields
        .some("auth_config")
        .and_then(|at| auth_headers(cx, &at))
        .unwrap_or_default();
    let base = base?;
    let endpoint = endpoint.trim_matches('/');
    // The URL should end before the end point, but is often written with it.
    let base = base
        .strip_suffix(endpoint)
        .map_or(base.as_str(), |base| base.trim_end_matches('/'));
    Some(GymSpec {
        key: name.clone(),
        name,
        description: String::new(),
        transport: Transport::Http {
            url: Setting::Text(format!("{base}/{endpoint}")),
        },
        sql_runner_url: Some(Setting::Text(format!("{base}/api/sql-runner"))),
        headers,
        context,
        seed: seed?,
    })
}

/// The URL without a slash at its end.
fn base_url(cx: &Reading<'_>, at: &At<'_>) -> Option<String> {
    let url = SettingReader::new(cx.source).checked_text(at)?;
    check_url(at, &url)?;
    if has_credentials(&url) {
        at.error_with(
            "the URL holds a user or password",
            "leave them out and use `auth_config`, or write them as ${VARIABLES}",
        );
        return None;
    }
    Some(url.trim().trim_end_matches('/').to_owned())
}

/// What the database holds at first: an SQL file, or the gym's own sample data.
///
/// The file is looked for beside the task file, then in each folder above it: task collections name
/// such files from their root. `None` if it cannot be read, which is noted.
fn seed(cx: &Reading<'_>, at: Option<&At<'_>>) -> Option<Seed> {
    let Some(at) = at else {
        return Some(Seed::SampleData);
    };
    let path: String = at.read()?;
    if path.trim().is_empty() {
        return Some(Seed::SampleData);
    }
    let folders = Path::new(&cx.source.path).ancestors().skip(1);
    for candidate in folders.map(|folder| folder.join(path.trim())) {
        match (cx.read_file)(&candidate) {
            Ok(content) => {
                let path = candidate.to_string_lossy().into_owned();
                return Some(Seed::File {
                    path,
                    sha256: sha256_hex(content),
                });
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                at.error(format!(
                    "cannot read the seed file `{}`: {error}",
                    candidate.display()
                ));
                return None;
            }
        }
    }
    at.error_with(
        format!("there is no seed file `{path}`"),
        "it is looked for beside the task file and in each folder above it; leave it empty for the gym's sample data",
    );
    None
}

/// The headers that `auth_config` stands for.
fn auth_headers(cx: &Reading<'_>, at: &At<'_>) -> Option<BTreeMap<String, Setting>> {
    let mut fields = at.fields()?;
    let kind = fields.get::<String>("type");
    let token = fields
        .some("token")
        .filter(|at| !matches!(at.value().as_str(), Some("")));
    let header = fields
        .get::<String>("header_name")
        .filter(|name| !name.is_empty());
    fields.finish();
    let (default_header, prefix) = match kind.as_deref().unwrap_or("bearer") {
        "bearer" => ("authorization", "Bearer "),
        "api_key" => ("x-api-key", ""),
        "none" | "" => return None,
        other => {
            at.error_with(
                format!("unknown `type` of auth_config `{other}`"),
                "known are `bearer`, `api_key` and `none`",
            );
            return None;
        }
    };
    let token = token?;
    let value = SettingReader::new(cx.source).secret(&token, prefix)?;
    Some(BTreeMap::from([(
        header.unwrap_or_else(|| default_header.to_owned()),
        value,
    )]))
}

/// Free names with values; those named like secrets are left where they are.
fn settings(cx: &Reading<'_>, at: &At<'_>) -> BTreeMap<String, Setting> {
    let settings = SettingReader::new(cx.source);
    let entries = at
        .entries()
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, at)| !at.is_null());
    entries
        .filter_map(|(name, at)| Some((name.to_owned(), settings.named(&at, name)?)))
        .collect()
}
