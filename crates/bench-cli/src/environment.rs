//! The variables that models and gyms see: those of the process, and those of `--env-file`.

use std::path::Path;

use bench_runner::env::Environment;

use crate::context::Context;
use crate::error::CliError;

/// Reads them once. Variables of the process win over the file. From then on secrets reach no output.
///
/// # Errors
/// A file that cannot be read, or is no list of `NAME=value`; a `--secret` that is not set.
pub(crate) fn read(
    env_file: Option<&Path>,
    secrets: &[String],
    cx: &Context,
) -> Result<Environment, CliError> {
    let mut variables = match env_file {
        Some(path) => from_file(path, cx)?,
        None => Vec::new(),
    };
    // Later ones win.
    variables.extend(cx.variables.clone());
    let environment = Environment::new(variables, secrets);
    for sink in [&cx.out, &cx.err] {
        sink.conceal(environment.secrets());
    }
    match secrets.iter().find(|name| !environment.is_set(name)) {
        None => Ok(environment),
        Some(name) => Err(unknown_secret(name)),
    }
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

fn from_file(path: &Path, cx: &Context) -> Result<Vec<(String, String)>, CliError> {
    let shown = path.display();
    let lines = dotenvy::from_path_iter(cx.absolute(path))
        .map_err(|error| CliError::usage(format!("cannot read `--env-file {shown}`")).because(error))?;
    lines.collect::<Result<_, _>>().map_err(|error| match error {
        // Its message holds the line, and so perhaps a key.
        dotenvy::Error::LineParse(_, column) => CliError::usage(format!(
            "`--env-file {shown}` has a line that is not NAME=value (near its column {column})"
        ))
        .hint("quote values that hold spaces or #"),
        error => CliError::usage(format!("cannot read `--env-file {shown}`")).because(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;
    use crate::render;

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
        let env = read(Some(Path::new(".env")), &[], &cx).unwrap();
        assert_eq!(
            (env.get("A_KEY"), env.get("B")),
            (Some("from-the-file"), Some("process"))
        );
        assert_eq!(env.secrets().redact("x from-the-file"), "x [secret]");
        let env = read(None, &["B".into()], &cx).unwrap();
        assert_eq!(env.get("B"), Some("process"));
    }

    #[test]
    fn errors_never_show_a_value() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "A_KEY=sk-canary oops\n").unwrap();
        let (cx, _, _) = context(dir.path());
        let said = |env_file: &str, secrets: &[String]| {
            let error = read(Some(Path::new(env_file)), secrets, &cx).unwrap_err();
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
