//! Why a command did not do what was asked, for the person who asked: what, why, and what to try next.

use std::io;

use bench_core::{Problem, Problems};
use bench_state::StateError;

use crate::exit::Exit;

/// An error that ends a command. Its kind decides the exit code.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Faults in files or arguments, each with its place.
    Problems(Vec<Problem>),
    /// Anything else.
    Said(Box<Said>),
    /// stdout cannot be written.
    Output(io::Error),
}

/// An error in three parts.
#[derive(Debug)]
pub(crate) struct Said {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What happened: one sentence without a full stop.
    pub(crate) message: String,
    /// Why, from the outside in.
    pub(crate) causes: Vec<String>,
    /// What to try next.
    pub(crate) hints: Vec<String>,
}

impl CliError {
    /// A signal asked the command to end.
    pub(crate) fn interrupted(signal: &str) -> Self {
        Self::ended(Exit::Interrupted, format!("interrupted by {signal}"))
    }

    /// The user asked for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::ended(Exit::Usage, message)
    }

    /// It could not be finished.
    pub(crate) fn unfinished(message: impl Into<String>) -> Self {
        Self::ended(Exit::Unfinished, message)
    }

    /// It ends with this exit code.
    pub(crate) fn ended(exit: Exit, message: impl Into<String>) -> Self {
        Self::Said(Box::new(Said {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
        }))
    }

    /// Adds what to try next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Said(said) = &mut self {
            said.hints.push(hint.into());
        }
        self
    }

    /// Adds why, with everything below it.
    #[must_use]
    pub(crate) fn because(mut self, error: impl std::error::Error) -> Self {
        if let Self::Said(said) = &mut self {
            said.causes.push(error.to_string());
            said.causes.extend(sources(&error));
            // Many libraries tell their source in their own words too.
            said.causes.dedup();
        }
        self
    }

    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problems(_) => Exit::Usage,
            Self::Said(said) => said.exit,
            // A reader that has seen enough, such as `head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Self::Output(_) => Exit::Unfinished,
        }
    }
}

/// Everything below an error, from the outside in.
pub(crate) fn sources(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |error| error.source())
        .map(ToString::to_string)
        .collect()
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems.0)
    }
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        let because = |e: Self| sources(&error).into_iter().fold(e, Self::caused_by);
        match &error {
            StateError::BadRunId { .. } | StateError::BadItemId { .. } | StateError::AmbiguousRun { .. } => {
                because(Self::usage(error.to_string()))
            }
            StateError::UnknownRun { .. } => Self::usage(error.to_string())
                .hint("`bench-cli list` shows the runs there are; `--results DIR` looks elsewhere"),
            StateError::NoRuns { .. } => Self::usage(error.to_string())
                .hint("start one with `bench-cli run`, or look elsewhere with `--results DIR`"),
            _ => because(Self::unfinished(error.to_string())),
        }
    }
}

impl CliError {
    fn caused_by(mut self, cause: String) -> Self {
        if let Self::Said(said) = &mut self {
            said.causes.push(cause);
        }
        self
    }
}
