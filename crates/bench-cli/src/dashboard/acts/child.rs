//! This very program, started once more to do what was confirmed.
//!
//! What it says goes into files without a name, not into a pipe: if the dashboard is left meanwhile, the command goes on
//! and nothing breaks under it. For the same reason it is in a process group of its own, which a terminal that closes does
//! not hang up on.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use super::ask::Words;
use crate::commands::this_program;
use crate::context::command_line;
use crate::dashboard::data::watched;
use crate::dashboard::message::{Message, Tell};

/// How this program is to be called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    /// `--results`, if it was given.
    pub(crate) results: Option<PathBuf>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// None if all is well, else how it ended.
    pub(super) broken: Option<String>,
}

impl Program {
    /// The command as it could be typed.
    pub(super) fn shown(&self, words: &Words) -> String {
        command_line(&words.join(" "), self.results.as_deref())
    }

    /// Does it in a thread, which tells how it ended; tables are as wide as said.
    pub(crate) fn start(&self, number: usize, words: Words, columns: usize, tell: Tell) -> io::Result<()> {
        let program = self.clone();
        watched("command", tell, move |tell| {
            let outcome = program.run(&words, columns).unwrap_or_else(|error| Outcome {
                stdout: String::new(),
                stderr: String::new(),
                broken: Some(format!("could not be started: {error}")),
            });
            tell.send(Message::Acted(number, outcome)).unwrap_or_default(); // nobody listens
        })
    }

    fn run(&self, words: &Words, columns: usize) -> io::Result<Outcome> {
        let mut command = this_program().map_err(|error| io::Error::other(in_words(&error)))?;
        let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        command.args(words).args(["--color", "never"]);
        if let Some(dir) = &self.results {
            command.arg("--results").arg(dir);
        }
        let status = command
            .env("COLUMNS", columns.to_string())
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?)
            .process_group(0)
            .status()?;
        Ok(Outcome {
            stdout: text(&mut out)?,
            stderr: text(&mut err)?,
            broken: broken(status),
        })
    }
}

fn in_words(error: &crate::error::CliError) -> String {
    crate::render::error::in_a_line(error)
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn broken(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, Some(signal)) => Some(format!("killed by signal {signal}")),
        (None, None) => Some("ended in an unknown way".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_they_could_be_typed() {
        let words = vec!["kill".to_owned(), "run_1".to_owned()];
        assert_eq!(Program::default().shown(&words), "bench-cli kill run_1");
        let program = Program {
            results: Some("my results".into()),
        };
        assert_eq!(
            program.shown(&words),
            "bench-cli kill run_1 --results 'my results'"
        );
    }

    #[test]
    fn how_a_command_ended() {
        assert_eq!(broken(ExitStatus::from_raw(0)), None);
        assert_eq!(broken(ExitStatus::from_raw(3 << 8)).unwrap(), "exit status 3");
        assert_eq!(broken(ExitStatus::from_raw(9)).unwrap(), "killed by signal 9");
    }
}
