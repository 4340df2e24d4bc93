//! What every command gets: the streams, the look, the time, the environment. Read from the process once, here;
//! tests make their own.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use bench_report::runs::Times;
use bench_runner::BenchJob;
use bench_state::RunStore;
use chrono::{DateTime, Utc};

use crate::args::{ColorWhen, GlobalArgs};
use crate::error::CliError;
use crate::sink::Sink;

/// Columns of a stream that is no terminal.
pub(crate) const PLAIN_WIDTH: usize = 120;

/// The world around a command.
pub(crate) struct Context {
    /// stdout: data.
    pub(crate) out: Sink,
    /// stderr: talk.
    pub(crate) err: Sink,
    /// How wide stdout is, and whether it is a terminal.
    pub(crate) out_look: Look,
    /// The same of stderr.
    pub(crate) err_look: Look,
    /// When the command began.
    pub(crate) now: DateTime<Utc>,
    /// The process environment.
    pub(crate) variables: BTreeMap<String, String>,
    /// The current folder, absolute.
    pub(crate) cwd: PathBuf,
    /// `--results`.
    pub(crate) results: Option<PathBuf>,
}

/// What a stream looks like to its reader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Columns.
    pub(crate) width: usize,
    /// Whether a person watches.
    pub(crate) terminal: bool,
    /// Whether colour reaches it.
    pub(crate) color: bool,
}

impl Context {
    /// The context of this process. A current folder that was deleted is no trouble if the command does not read it
    /// (`reads_folder`) and the results are named by an absolute path.
    pub(crate) fn of_process(global: &GlobalArgs, reads_folder: bool) -> Result<Self, CliError> {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let variables = read_variables();
        let columns = variables.get("COLUMNS").and_then(|text| text.parse().ok());
        let out_look = Look::of(&out, columns, global.color);
        let err_look = Look::of(&err, columns, global.color);
        let results = global.results.clone().or_else(|| {
            let named = variables.get("BENCH_RESULTS").filter(|v| !v.is_empty());
            named.map(PathBuf::from)
        });
        let cwd = match std::env::current_dir() {
            Ok(cwd) => cwd,
            Err(_) if !reads_folder && results.is_some_and(|dir| dir.is_absolute()) => PathBuf::new(),
            Err(error) => {
                return Err(CliError::unfinished("cannot tell the current folder")
                    .because(error)
                    .hint("change to a folder that exists"));
            }
        };
        Ok(Self {
            out: Sink::of_process(out, global.color.choice()),
            err: Sink::of_process(err, global.color.choice()),
            out_look,
            err_look,
            now: Utc::now(),
            variables,
            cwd,
            results: global.results.clone(),
        })
    }

    /// How instants are shown on stdout.
    pub(crate) fn times(&self) -> Times {
        if self.out_look.terminal {
            Times::Ago(self.now)
        } else {
            Times::Iso
        }
    }

    /// The folder of results: `--results`, else `BENCH_RESULTS`, else `./results`. Absolute.
    pub(crate) fn results_dir(&self) -> PathBuf {
        let from_variable = || {
            self.variables
                .get("BENCH_RESULTS")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let dir = self.results.clone().or_else(from_variable);
        self.absolute(&dir.unwrap_or_else(|| PathBuf::from("results")))
    }

    /// The store of runs in that folder.
    pub(crate) fn store(&self) -> Result<RunStore<BenchJob>, CliError> {
        Ok(RunStore::open(self.results_dir())?)
    }

    /// A path as typed, made absolute.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }

    /// A command to type next, which looks where this one looked: `show latest` becomes
    /// `bench-cli show latest --results DIR` if this one was given `--results DIR`.
    pub(crate) fn command(&self, words: &str) -> String {
        command_line(words, self.results.as_deref())
    }

    /// A path for people: relative to the current folder where it is inside.
    pub(crate) fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.cwd) {
            Ok(_) if self.cwd.as_os_str().is_empty() => path.display().to_string(),
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }
}

/// The same for the results that were named on the command line.
pub(crate) fn command_line(words: &str, results: Option<&Path>) -> String {
    match results {
        Some(dir) => format!("bench-cli {words} --results {}", quoted(&dir.to_string_lossy())),
        None => format!("bench-cli {words}"),
    }
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,+@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Variables whose name or value is no Unicode cannot be meant for us.
fn read_variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

impl Look {
    fn of<S: RawStream + AsFd>(stream: &S, columns: Option<usize>, color: ColorWhen) -> Self {
        let terminal = stream.is_terminal();
        let measured = || {
            rustix::termios::tcgetwinsize(stream)
                .ok()
                .map(|size| usize::from(size.ws_col))
        };
        let width = columns
            .or_else(|| terminal.then(measured).flatten())
            .filter(|&width| width > 0);
        let choice = match color.choice() {
            ColorChoice::Auto => AutoStream::choice(stream),
            choice => choice,
        };
        Self {
            width: width.unwrap_or(PLAIN_WIDTH),
            terminal,
            color: choice != ColorChoice::Never,
        }
    }
}

impl ColorWhen {
    fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sink::Kept;

    /// A context in `cwd` whose output is kept, without colour, 100 columns wide.
    pub(crate) fn context(cwd: &Path) -> (Context, Kept, Kept) {
        let (out, err) = (Kept::default(), Kept::default());
        let look = Look {
            width: 100,
            terminal: false,
            color: false,
        };
        let context = Context {
            out: out.sink(),
            err: err.sink(),
            out_look: look,
            err_look: look,
            now: "2026-01-02T03:04:05Z".parse().unwrap(),
            variables: BTreeMap::new(),
            cwd: cwd.to_owned(),
            results: None,
        };
        (context, out, err)
    }

    #[test]
    fn the_results_folder_is_flag_then_variable_then_default() {
        let (mut cx, _, _) = context(Path::new("/home/x"));
        assert_eq!(cx.results_dir(), Path::new("/home/x/results"));
        cx.variables.insert("BENCH_RESULTS".into(), String::new());
        assert_eq!(
            cx.results_dir(),
            Path::new("/home/x/results"),
            "an empty variable is no choice"
        );
        cx.variables.insert("BENCH_RESULTS".into(), "/data/r".into());
        assert_eq!(cx.results_dir(), Path::new("/data/r"));
        cx.results = Some("mine".into());
        assert_eq!(cx.results_dir(), Path::new("/home/x/mine"));
        assert_eq!(cx.shown(Path::new("/home/x/mine/a")), "mine/a");
        assert_eq!(cx.shown(Path::new("/data/r")), "/data/r");
    }

    #[test]
    fn suggested_commands_look_where_this_one_looked() {
        let (mut cx, _, _) = context(Path::new("/home/x"));
        assert_eq!(cx.command("list"), "bench-cli list");
        cx.results = Some("mine/r".into());
        assert_eq!(cx.command("show a"), "bench-cli show a --results mine/r");
        cx.results = Some("it's mine".into());
        assert_eq!(cx.command("list"), r"bench-cli list --results 'it'\''s mine'");
    }
}
