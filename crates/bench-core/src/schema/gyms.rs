//! Shapes of gym files.

#![expect(dead_code, reason = "only the shape of these types is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::harness::Scalar;

/// `gyms.json`.
#[derive(JsonSchema, Deserialize)]
pub(super) struct GymsFile {
    /// By name.
    #[schemars(extend("minProperties" = 1))]
    gyms: BTreeMap<String, Gym>,
    /// The gym, or gyms, of scenarios that name none.
    default: Option<Names>,
}

/// A file with servers, as editors and assistants write it.
#[derive(JsonSchema, Deserialize)]
#[schemars(extend("anyOf" = [{"required": ["mcpServers"]}, {"required": ["servers"]}]))]
pub(super) struct ServersFile {
    /// By name.
    #[serde(rename = "mcpServers")]
    mcp_servers: Option<BTreeMap<String, Server>>,
    /// By name.
    servers: Option<BTreeMap<String, Server>>,
}

#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

/// A gym, over HTTP unless it has a `command`.
#[derive(JsonSchema, Deserialize)]
struct Gym {
    /// For people.
    name: Option<String>,
    /// For people.
    description: Option<String>,
    /// The MCP end point.
    url: Option<String>,
    /// The same as `url`, which wins.
    mcp_url: Option<String>,
    /// `http`, `streamable_http` or `stdio`, bare or as `{"type": …}`.
    transport: Option<Transport>,
    /// The same as `transport`.
    mcp_transport: Option<String>,
    /// Where SQL is sent; beside the end point without it.
    sql_runner_url: Option<String>,
    #[serde(flatten)]
    common: Common,
}

#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum Transport {
    Name(String),
    Object {
        #[serde(rename = "type")]
        kind: Option<String>,
    },
}

/// A server: a program, or an address.
#[derive(JsonSchema, Deserialize)]
struct Server {
    /// `stdio` or `http`; what is given says it too.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The MCP end point.
    url: Option<String>,
    /// For people.
    description: Option<String>,
    /// Where SQL is sent.
    sql_runner_url: Option<String>,
    /// Left out if true.
    disabled: Option<bool>,
    #[serde(flatten)]
    common: Common,
}

/// What both kinds of entries have.
#[derive(JsonSchema, Deserialize)]
struct Common {
    /// The program; one with a path is relative to this file.
    command: Option<String>,
    /// Its arguments; `{{trial_dir}}` is the trial's scratch folder.
    args: Option<Vec<Scalar>>,
    /// Added to its environment. Secrets are best written as `${VARIABLE}`.
    env: Option<BTreeMap<String, Option<Scalar>>>,
    /// Its working folder, relative to this file; the trial's scratch folder without it.
    cwd: Option<String>,
    /// A folder, relative to this file, whose content each trial's scratch folder begins with.
    files: Option<String>,
    /// Headers of every MCP and SQL call. Secrets are best written as `${VARIABLE}`.
    headers: Option<BTreeMap<String, Option<Scalar>>>,
    /// Become `x-…` headers.
    context: Option<BTreeMap<String, Option<Scalar>>>,
}
