//! Gyms: the tool servers that scenarios act on.
//!
//! A [`GymSpec`] is one MCP server with its data side (SQL runner, seeding). A scenario may act on
//! several at once. Gym files are read by [`config`]; reaching a gym is the runner's business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::setting::Setting;

pub mod config;
mod entry;
pub(crate) mod settings;

/// One MCP server and its data side, as a plan holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GymSpec {
    /// Name that differs from every other gym's of the plan. Scenarios refer to it.
    pub key: String,
    /// Name by which verifiers and solutions of its scenarios call it.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How it is reached.
    pub transport: Transport,
    /// Where SQL is sent, if the gym has a SQL runner. `None` with [`Transport::Tracker`]: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql_runner_url: Option<Setting>,
    /// Headers of every MCP and SQL call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Setting>,
    /// Becomes headers too: a key that begins with `x-` as it is, any other as `x-` + lower case,
    /// `_` as `-`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Setting>,
    /// What a fresh database holds.
    #[serde(default)]
    pub seed: Seed,
}

/// How a gym is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transport {
    /// The built-in tracker, in the worker's own process.
    Tracker,
    /// Streamable HTTP at this URL (the MCP end point itself).
    Http {
        /// The end point, such as `http://127.0.0.1:8080/mcp`.
        url: Setting,
    },
    /// A child process per trial that speaks MCP on its standard input and output.
    Stdio {
        /// The program.
        command: Setting,
        /// Its arguments.
        #[serde(default)]
        args: Vec<Setting>,
        /// Its environment, beside PATH, HOME, LANG, TMPDIR, USER and `BENCH_RUN_ID`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, Setting>,
        /// Absolute path of a folder whose content is copied into the trial folder before the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<String>,
        /// Its working folder; the trial folder without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
    },
}

/// What a fresh database holds before a trial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Seed {
    /// Whatever the gym puts there on first use; nothing is sent.
    #[default]
    Untouched,
    /// The gym's own sample data, fetched and seeded.
    SampleData,
    /// An SQL file.
    File {
        /// Absolute path.
        path: String,
        /// Lower-case hexadecimal SHA-256 of the content.
        sha256: String,
    },
}

impl GymSpec {
    /// Every setting in it, for looking at their variables.
    pub fn settings(&self) -> Vec<&Setting> {
        let mut settings: Vec<&Setting> = self.headers.values().chain(self.context.values()).collect();
        settings.extend(&self.sql_runner_url);
        match &self.transport {
            Transport::Tracker => {}
            Transport::Http { url } => settings.push(url),
            Transport::Stdio {
                command, args, env, ..
            } => {
                settings.push(command);
                settings.extend(args.iter().chain(env.values()));
            }
        }
        settings
    }

    /// The built-in tracker under its own name.
    pub fn tracker() -> Self {
        Self {
            key: "tracker".into(),
            name: "tracker".into(),
            description: "built-in issue tracker".into(),
            transport: Transport::Tracker,
            sql_runner_url: None,
            headers: BTreeMap::new(),
            context: BTreeMap::new(),
            seed: Seed::Untouched,
        }
    }
}

/// The header that a `context` key becomes.
pub fn context_header(key: &str) -> String {
    let lower = key.to_ascii_lowercase();
    if lower.starts_with("x-") {
        lower
    } else {
        format!("x-{}", lower.replace('_', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keys_become_headers() {
        for (key, want) in [
            ("actingUserId", "x-actinguserid"),
            ("X-Team", "x-team"),
            ("user_id", "x-user-id"),
        ] {
            assert_eq!(context_header(key), want);
        }
    }
}
