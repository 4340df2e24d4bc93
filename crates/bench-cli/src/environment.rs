//! The variables that models and gyms see: those of the process, and those of one file: `--env-file`, else the nearest
//! `.env` in the folder of the harness or above it.
//!
//! | part | what it does |
//! |---|---|
//! | [`search`] | looks for that `.env`, and says whether it may be believed |
//! | [`lines`] | reads a file |

mod lines;
mod search;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bench_core::Plan;
use bench_runner::env::Environment;

use crate::args::EnvFileArgs;
use crate::context::Context;
use crate::error::CliError;

/// The file of variables that a command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvFile {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// It was not named, but found.
    pub(crate) found: bool,
    /// Why it is left out all the same.
    refused: Option<&'static str>,
}

impl EnvFile {
    /// One that was named.
    pub(crate) fn named(path: &Path, cx: &Context) -> Self {
        Self {
            path: cx.absolute(path),
            found: false,
            refused: None,
        }
    }

    /// The one that the arguments ask for; where they are silent, the nearest `.env` from the folder of the first of
    /// these paths upward, or from the current folder where there are none.
    pub(crate) fn of(args: &EnvFileArgs, near: &[PathBuf], cx: &Context) -> Option<Self> {
        if args.is_silent() {
            let start = near
                .first()
                .map_or_else(|| cx.cwd.clone(), |path| cx.absolute(path));
            let folder = if start.is_dir() {
                Some(start.as_path())
            } else {
                start.parent()
            };
            let home = cx.variables.get("HOME").filter(|home| !home.is_empty());
            let search::Nearest { path, refused } = search::nearest(folder?, home.map(Path::new))?;
            return Some(Self {
                path,
                found: true,
                refused,
            });
        }
        args.env_file.as_deref().map(|path| Self::named(path, cx))
    }

    /// The one that the arguments ask for; where they are silent, the one that the run was started with.
    pub(crate) fn of_plan(args: &EnvFileArgs, plan: &Plan, cx: &Context) -> Option<Self> {
        if !args.is_silent() {
            return Self::of(args, &[], cx);
        }
        let file = Self::named(Path::new(plan.env_file.as_deref()?), cx);
        Some(if plan.env_file_found {
            Self {
                found: true,
                refused: search::refused_at(&file.path),
                ..file
            }
        } else {
            file
        })
    }

    /// It, unless it is left out.
    pub(crate) fn taken(&self) -> Option<&Path> {
        self.refused.is_none().then_some(self.path.as_path())
    }

    /// What is said where it was not named: nobody has to guess where a key comes from.
    pub(crate) fn line(&self, cx: &Context) -> Option<String> {
        let said = || {
            format!(
                "variables of {} (found; `--no-env-file` leaves it out)",
                self.shown(cx)
            )
        };
        (self.found && self.refused.is_none()).then(said)
    }

    /// What is said where it is left out.
    pub(crate) fn warning(&self, cx: &Context) -> Option<String> {
        let why = self.refused?;
        let shown = self.shown(cx);
        Some(format!(
            "warning: {shown} is left out, as {why}; `--env-file {shown}` takes it, `--no-env-file` silences this"
        ))
    }

    fn shown(&self, cx: &Context) -> String {
        let path = self.path.strip_prefix(&cx.cwd).unwrap_or(&self.path).display();
        if self.found {
            path.to_string()
        } else {
            format!("--env-file {path}")
        }
    }
}

/// Reads them once, and says so on stderr where a file is left out. Variables of the process win over the file. From
/// then on secrets reach no output.
///
/// # Errors
/// A file that cannot be read, or is no list of `NAME=value`; a `--secret` that is not set.
pub(crate) fn read(
    env_file: Option<&EnvFile>,
    secrets: &[String],
    cx: &Context,
) -> Result<Environment, CliError> {
    let environment = read_without_check(env_file, secrets, cx)?;
    match secrets.iter().find(|name| !environment.is_set(name)) {
        None => Ok(environment),
        Some(name) => Err(unknown_secret(name)),
    }
}

/// The same where nobody misses a `--secret` that is not set.
///
/// # Errors
/// A file that cannot be read, or is no list of `NAME=value`.
pub(crate) fn read_without_check(
    env_file: Option<&EnvFile>,
    secrets: &[String],
    cx: &Context,
) -> Result<Environment, CliError> {
    if let Some(warning) = env_file.and_then(|file| file.warning(cx)) {
        writeln!(cx.err.clone(), "{warning}").unwrap_or_default(); // nobody there to be warned
    }
    let mut variables = match env_file {
        Some(file) if file.refused.is_none() => from_file(file, cx)?,
        _ => Vec::new(),
    };
    // Later ones win.
    variables.extend(cx.variables.clone());
    let environment = Environment::new(variables, secrets);
    for sink in [&cx.out, &cx.err] {
        sink.conceal(environment.secrets());
    }
    Ok(environment)
}

/// Who gives the value instead of the name must not read it in a log.
fn unknown_secret(name: &str) -> CliError {
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if is_name {
        CliError::usage(format!("`--secret {name}`: there is no such variable"))
    } else {
        CliError::usage("`--secret` takes the name of a variable, and there is none of the given name")
            .hint("give the name of the variable, not its value")
    }
}

fn from_file(file: &EnvFile, cx: &Context) -> Result<Vec<(String, String)>, CliError> {
    let shown = file.shown(cx);
    let leave_out = |error: CliError| {
        if file.found {
            error.hint("`--no-env-file` leaves it out")
        } else {
            error
        }
    };
    let unread =
        |error: io::Error| leave_out(CliError::usage(format!("cannot read `{shown}`")).because(error));
    let opened = lines::open(&file.path).map_err(unread)?;
    // It might not be the one any more that was found.
    let about = opened.metadata().map_err(unread)?;
    if let Some(why) = search::refused(&about).filter(|_| file.found) {
        return Err(unread(io::Error::other(why)));
    }
    lines::read(opened).map_err(|error| match error {
        // Its message holds the line, and so perhaps a key.
        dotenvy::Error::LineParse(_, column) => leave_out(
            CliError::usage(format!(
                "`{shown}` has a line that is not NAME=value (near its column {column})"
            ))
            .hint("quote values that hold spaces or #"),
        ),
        error => leave_out(CliError::usage(format!("cannot read `{shown}`")).because(error)),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::context::tests::context;
    use crate::render;

    /// As a usual umask has it.
    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn the_process_wins_over_the_file_and_keys_are_secrets() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(".env"),
            "# keys\nA_KEY='from-the-file'\nexport B=file\n",
        )
        .unwrap();
        let (mut cx, _, _) = context(dir.path());
        cx.variables.insert("B".into(), "process".into());
        let env = read(Some(&EnvFile::named(Path::new(".env"), &cx)), &[], &cx).unwrap();
        assert_eq!(
            (env.get("A_KEY"), env.get("B")),
            (Some("from-the-file"), Some("process"))
        );
        assert_eq!(env.secrets().redact("x from-the-file"), "x [secret]");
        let env = read(None, &["B".into()], &cx).unwrap();
        assert_eq!(env.get("B"), Some("process"));
    }

    #[test]
    fn the_nearest_file_above_the_harness_is_found_unless_another_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::create_dir_all(root.join("else")).unwrap();
        std::fs::create_dir_all(root.join("a/b/.env")).unwrap(); // a folder is no file
        for (file, text) in [
            ("a/.env", "A=1"),
            (".env", "A=2"),
            ("named", "A=3"),
            ("a/b/c/h.json", "{}"),
        ] {
            write(&root.join(file), text);
        }
        let (mut cx, _, _) = context(&root.join("else"));
        let nothing = EnvFileArgs::default();
        let of = |args: &EnvFileArgs, near: &[&str], cx: &Context| {
            EnvFile::of(args, &near.iter().map(PathBuf::from).collect::<Vec<_>>(), cx)
        };
        let path = |found: Option<EnvFile>| found.unwrap().path;
        assert_eq!(
            path(of(&nothing, &["../a/b/c/h.json"], &cx))
                .canonicalize()
                .unwrap(),
            root.join("a/.env")
        );
        assert_eq!(
            path(of(&nothing, &["../a/b/c"], &cx)).canonicalize().unwrap(),
            root.join("a/.env")
        );
        assert_eq!(path(of(&nothing, &[], &cx)), root.join(".env"));
        let named = EnvFileArgs {
            env_file: Some("../named".into()),
            no_env_file: false,
        };
        let file = of(&named, &["../a/b/c"], &cx).unwrap();
        assert_eq!(file.line(&cx), None, "who named it knows");
        assert_eq!(read(Some(&file), &[], &cx).unwrap().get("A"), Some("3"));
        let none = EnvFileArgs {
            env_file: None,
            no_env_file: true,
        };
        assert_eq!(of(&none, &["../a/b/c"], &cx), None);
        cx.variables.insert("A".into(), "process".into());
        let found = of(&nothing, &["../a/b/c"], &cx).unwrap();
        assert!(found.line(&cx).unwrap().contains("--no-env-file"));
        assert_eq!(read(Some(&found), &[], &cx).unwrap().get("A"), Some("process"));
        write(&root.join(".env"), "A_KEY=sk-canary oops");
        let error = read(of(&nothing, &[], &cx).as_ref(), &[], &cx).unwrap_err();
        let shown = anstream::adapter::strip_str(&render::error::text(&error, 100)).to_string();
        assert!(
            shown.contains("--no-env-file") && !shown.contains("canary"),
            "{shown}"
        );
    }

    #[test]
    fn errors_never_show_a_value() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "A_KEY=sk-canary oops\n").unwrap();
        let (cx, _, _) = context(dir.path());
        let said = |env_file: &str, secrets: &[String]| {
            let file = EnvFile::named(Path::new(env_file), &cx);
            let error = read(Some(&file), secrets, &cx).unwrap_err();
            anstream::adapter::strip_str(&render::error::text(&error, 100)).to_string()
        };
        let shown = said(".env", &[]) + &said("missing", &[]);
        assert!(!shown.contains("canary"), "{shown}");
        insta::assert_snapshot!(shown, @r"
        error: `--env-file .env` has a line that is not NAME=value (near its column 10)
          try: quote values that hold spaces or #
        error: cannot read `--env-file missing`
          because: No such file or directory (os error 2)
        ");
        std::fs::write(dir.path().join(".env"), "").unwrap();
        insta::assert_snapshot!(said(".env", &["sk-canary".into()]) + &said(".env", &["MY_PIN".into()]), @r"
        error: `--secret` takes the name of a variable, and there is none of the given name
          try: give the name of the variable, not its value
        error: `--secret MY_PIN`: there is no such variable
        ");
    }
}
