//! From what a plan says of its gyms to gyms.
//!
//! Settings are resolved here, with every unset variable of every gym reported at once. Where the
//! built-in tracker listens is told by the embedding program, which runs it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use bench_core::gym::context_header;
use bench_core::setting::is_secret_name;
use bench_core::{GymSpec, Place, Problem, Problems, Setting, Transport};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::OnceCell;
use url::Url;

use super::api::{DATABASE_ID, GymApi, api_base};
use super::client::causes;
use super::http::HttpGym;
use super::http::server::Server;
use super::slots::{Slots, default_processes};
use super::stdio::StdioGym;
use super::{Cleaner, Gym, server_of};
use crate::env::{Environment, ResolveError};
use crate::process::{ChildSpec, CleanEnvironment};

/// Headers that belong to the protocol, and to us: whatever a gym's configuration says of them.
const OURS: [&str; 8] = [
    DATABASE_ID,
    "accept",
    "content-type",
    "content-length",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
];

/// Where the built-in tracker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerAddress {
    /// Its MCP end point.
    pub mcp_url: String,
    /// Its SQL runner.
    pub sql_runner_url: String,
}

/// Gyms for these specs, in their order. Nothing is contacted yet; secrets are read and remembered.
///
/// `cleaner` is told of everything that has to be cleaned up: wait for it at the end of the run.
///
/// # Errors
/// All problems at once: unset variables, secrets that changed, bad URLs and header values, and a
/// tracker that nobody runs.
pub fn connect(
    specs: &[GymSpec],
    env: &Environment,
    tracker: Option<&TrackerAddress>,
    cleaner: &Cleaner,
) -> Result<Vec<Arc<dyn Gym>>, Problems> {
    connect_with(specs, env, tracker, cleaner, default_processes())
}

/// The same with a number of trials that may have child processes at once; further ones wait for their turn.
///
/// # Errors
/// As of [`connect()`].
pub fn connect_with(
    specs: &[GymSpec],
    env: &Environment,
    tracker: Option<&TrackerAddress>,
    cleaner: &Cleaner,
    processes: usize,
) -> Result<Vec<Arc<dyn Gym>>, Problems> {
    let slots = Slots::new(processes.max(1));
    let mut servers = HashMap::new();
    let mut problems = Problems::default();
    let mut gyms: Vec<Arc<dyn Gym>> = Vec::with_capacity(specs.len());
    for spec in specs {
        let mut resolver = Resolver {
            gym: &spec.name,
            env,
            problems: &mut problems,
            servers: &mut servers,
        };
        if let Some(gym) = resolver.gym(spec, tracker, cleaner, &slots) {
            gyms.push(gym);
        }
    }
    if problems.any_error() {
        Err(problems)
    } else {
        Ok(gyms)
    }
}

/// Resolves the settings of one gym, and collects what is wrong with them.
struct Resolver<'a> {
    gym: &'a str,
    env: &'a Environment,
    problems: &'a mut Problems,
    /// The HTTP servers of the gyms so far.
    servers: &'a mut HashMap<GymSpec, Arc<Server>>,
}

/// Something is wrong, and stands among the problems.
struct Reported;

impl Resolver<'_> {
    /// The gym, or none with at least one problem.
    fn gym(
        &mut self,
        spec: &GymSpec,
        tracker: Option<&TrackerAddress>,
        cleaner: &Cleaner,
        slots: &Slots,
    ) -> Option<Arc<dyn Gym>> {
        let sql_runner = self.sql_runner(spec);
        let headers = self.headers(spec);
        match &spec.transport {
            Transport::Tracker => {
                let Some(tracker) = tracker else {
                    self.problem("transport", "the built-in tracker is not running", None);
                    return None;
                };
                let mcp = self.parse("the tracker's address", &tracker.mcp_url)?;
                let sql = match sql_runner.ok()? {
                    Some(given) => given,
                    None => self.parse("the tracker's SQL runner", &tracker.sql_runner_url)?,
                };
                self.http_gym(spec, &mcp, Some(sql), headers?, cleaner)
            }
            Transport::Http { url } => {
                let mcp = self.url("url", url);
                self.http_gym(spec, &mcp?, sql_runner.ok()?, headers?, cleaner)
            }
            Transport::Stdio { .. } => self.stdio_gym(spec, sql_runner, slots),
            _ => {
                self.problem("transport", "this kind of transport is not supported", None);
                None
            }
        }
    }

    fn http_gym(
        &mut self,
        spec: &GymSpec,
        url: &Url,
        sql_runner: Option<Url>,
        headers: HeaderMap,
        cleaner: &Cleaner,
    ) -> Option<Arc<dyn Gym>> {
        let server = self.server(spec, url)?;
        let base = api_base(url, sql_runner.as_ref());
        let api = GymApi {
            ways: server.ways_to([Some(&base), sql_runner.as_ref()]),
            base,
            expected: sql_runner.is_some() || spec.seed != bench_core::gym::Seed::Untouched,
            answered: AtomicBool::new(false),
            sql_runner,
            headers,
        };
        Some(Arc::new(HttpGym {
            spec: spec.clone(),
            server,
            api: Arc::new(api),
            seed: OnceCell::new(),
            cleaner: cleaner.clone(),
        }))
    }

    /// The server of a gym: gyms that differ only in what their databases hold share it.
    fn server(&mut self, spec: &GymSpec, url: &Url) -> Option<Arc<Server>> {
        let identity = server_of(spec);
        if let Some(server) = self.servers.get(&identity) {
            return Some(Arc::clone(server));
        }
        let made = match spec.transport {
            Transport::Tracker => Server::own(url.clone()),
            _ => Server::new(url.clone()),
        };
        match made {
            Ok(server) => {
                let server = Arc::new(server);
                self.servers.insert(identity, Arc::clone(&server));
                Some(server)
            }
            Err(error) => {
                self.problem("url", &format!("no HTTP client: {}", causes(&error)), None);
                None
            }
        }
    }

    fn stdio_gym(
        &mut self,
        spec: &GymSpec,
        sql_runner: Result<Option<Url>, Reported>,
        slots: &Slots,
    ) -> Option<Arc<dyn Gym>> {
        let Transport::Stdio {
            command,
            args,
            env,
            files,
            cwd,
        } = &spec.transport
        else {
            return None;
        };
        let program = self.text("command", command);
        // Every setting is looked at before the first missing one ends it.
        let args: Vec<_> = args
            .iter()
            .enumerate()
            .map(|(n, arg)| self.text(&format!("args/{n}"), arg))
            .collect();
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| self.variable(name, value))
            .collect();
        let child = ChildSpec {
            program: program?,
            args: args.into_iter().collect::<Option<_>>()?,
            cwd: PathBuf::new(),
            env: env.into_iter().collect::<Option<BTreeMap<_, _>>>()?,
            stdin: true,
        };
        Some(Arc::new(StdioGym {
            spec: spec.clone(),
            child,
            cwd: cwd.clone(),
            files: files.as_ref().map(PathBuf::from),
            sql_runner: sql_runner.ok()?,
            environment: CleanEnvironment::of(self.env),
            era: OnceLock::new(),
            slots: slots.clone(),
        }))
    }

    fn variable(&mut self, name: &str, value: &Setting) -> Option<(String, String)> {
        let value = self.text(&format!("env/{name}"), value)?;
        if is_secret_name(name) {
            self.env.secrets().add(&value);
        }
        self.env.secrets().add_password_of(&value);
        Some((name.to_owned(), value))
    }

    /// The gym's own headers, after those of its context.
    fn headers(&mut self, spec: &GymSpec) -> Option<HeaderMap> {
        let context = spec
            .context
            .iter()
            .map(|(key, value)| (context_header(key), format!("context/{key}"), value));
        let own = spec
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), format!("headers/{name}"), value));
        let all: Vec<_> = context
            .chain(own)
            .map(|(name, field, value)| self.header(&name, &field, value))
            .collect();
        let mut headers = HeaderMap::new();
        for (name, value) in all.into_iter().collect::<Option<Vec<_>>>()? {
            if OURS.contains(&name.as_str()) {
                tracing::debug!(
                    gym = self.gym,
                    header = name.as_str(),
                    "header ignored: it is set by us"
                );
            } else {
                headers.insert(name, value);
            }
        }
        Some(headers)
    }

    fn header(&mut self, name: &str, field: &str, value: &Setting) -> Option<(HeaderName, HeaderValue)> {
        let text = self.text(field, value)?;
        self.env.secrets().add_header(name, &text);
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            self.problem(field, &format!("`{name}` cannot be the name of a header"), None);
            return None;
        };
        let Ok(mut value) = HeaderValue::from_str(text.trim()) else {
            let message =
                "its value cannot be sent in a header: it holds a line break or a control character";
            self.problem(field, message, None);
            return None;
        };
        value.set_sensitive(true);
        Some((header, value))
    }

    fn sql_runner(&mut self, spec: &GymSpec) -> Result<Option<Url>, Reported> {
        let Some(setting) = &spec.sql_runner_url else {
            return Ok(None);
        };
        self.url("sql_runner_url", setting).map(Some).ok_or(Reported)
    }

    fn url(&mut self, field: &str, setting: &Setting) -> Option<Url> {
        let text = self.text(field, setting)?;
        self.parse(field, &text)
    }

    fn parse(&mut self, field: &str, text: &str) -> Option<Url> {
        match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                self.env.secrets().add_credentials_of(&url);
                Some(url)
            }
            _ => {
                // The text itself may hold a password.
                self.problem(
                    field,
                    "it is no http:// or https:// URL",
                    Some("for example http://127.0.0.1:8080/mcp"),
                );
                None
            }
        }
    }

    fn text(&mut self, field: &str, setting: &Setting) -> Option<String> {
        match self.env.resolve(setting) {
            Ok(text) => Some(text),
            Err(error) => {
                let hint = matches!(error, ResolveError::Expand(_))
                    .then_some("set it in the environment or the env file, or write ${NAME:-default}");
                self.problem(field, &error.to_string(), hint);
                None
            }
        }
    }

    fn problem(&mut self, field: &str, message: &str, hint: Option<&str>) {
        let problem = Problem::error(Place::file(format!("gym `{}`, {field}", self.gym)), message);
        self.problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }
}

#[cfg(test)]
mod tests {
    use bench_core::gym::Seed;

    use super::*;

    fn spec(name: &str, transport: Transport) -> GymSpec {
        GymSpec {
            key: name.into(),
            name: name.into(),
            transport,
            seed: Seed::Untouched,
            ..GymSpec::tracker()
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let mut remote = spec(
            "remote",
            Transport::Http {
                url: "http://${GYM_HOST}/mcp".into(),
            },
        );
        remote
            .headers
            .insert("Authorization".into(), "Bearer ${GYM_TOKEN}".into());
        remote.headers.insert("bad name".into(), "x".into());
        remote.context.insert("actingUser".into(), "two\nlines".into());
        remote.sql_runner_url = Some("ftp://gym/sql".into());
        let local = Transport::Stdio {
            command: "${GYM_PROGRAM}".into(),
            args: vec!["--db".into(), "${GYM_DB}".into()],
            env: BTreeMap::from([("A_TOKEN".into(), Setting::from("${GYM_TOKEN}"))]),
            files: None,
            cwd: None,
        };
        let specs = [remote, spec("local", local), GymSpec::tracker()];
        let error = connect(&specs, &Environment::default(), None, &Cleaner::new())
            .err()
            .unwrap();
        insta::assert_snapshot!(error, @r"
        gym `remote`, sql_runner_url: it is no http:// or https:// URL (hint: for example http://127.0.0.1:8080/mcp)
        gym `remote`, context/actingUser: its value cannot be sent in a header: it holds a line break or a control character
        gym `remote`, headers/Authorization: the variable `GYM_TOKEN` is not set (hint: set it in the environment or the env file, or write ${NAME:-default})
        gym `remote`, headers/bad name: `bad name` cannot be the name of a header
        gym `remote`, url: the variable `GYM_HOST` is not set (hint: set it in the environment or the env file, or write ${NAME:-default})
        gym `local`, command: the variable `GYM_PROGRAM` is not set (hint: set it in the environment or the env file, or write ${NAME:-default})
        gym `local`, args/1: the variable `GYM_DB` is not set (hint: set it in the environment or the env file, or write ${NAME:-default})
        gym `local`, env/A_TOKEN: the variable `GYM_TOKEN` is not set (hint: set it in the environment or the env file, or write ${NAME:-default})
        gym `tracker`, transport: the built-in tracker is not running
        ");
    }

    #[test]
    fn what_a_header_keeps_secret_is_known_as_a_secret() {
        let env = Environment::new([("WHO".to_owned(), "plain-looking-value".to_owned())], &[]);
        let mut gym = spec(
            "g",
            Transport::Http {
                url: "http://u:pass-word-1@127.0.0.1/mcp".into(),
            },
        );
        gym.headers.insert("Authorization".into(), "Bearer ${WHO}".into());
        gym.headers.insert("X-Database-Id".into(), "theirs".into());
        connect(&[gym], &env, None, &Cleaner::new()).unwrap();
        assert_eq!(
            env.secrets().redact("got plain-looking-value pass-word-1"),
            "got [secret] [secret]"
        );
        assert_eq!(
            env.secrets().redact("dTpwYXNzLXdvcmQtMQ=="),
            "[secret]",
            "as it is sent"
        );
    }
}
