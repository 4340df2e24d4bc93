//! `bench-cli man`: manual pages.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use crate::app;
use crate::args::extras::ManArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Writes the first page to stdout, or all of them to a folder.
pub(super) fn cmd(args: &ManArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let mut command = app::command();
    command.build();
    let Some(dir) = &args.dir else {
        cx.out.write_all(&page(&command)?)?;
        return Ok(Exit::Success);
    };
    let dir = cx.absolute(dir);
    fs::create_dir_all(&dir).map_err(|error| cannot_write(&dir, error))?;
    let mut pages = 0;
    write_pages(&command, "bench-cli", &dir, &mut pages)?;
    writeln!(cx.err, "{pages} pages written to {}", cx.shown(&dir))?;
    Ok(Exit::Success)
}

fn write_pages(command: &Command, name: &str, dir: &Path, pages: &mut usize) -> Result<(), CliError> {
    let path = dir.join(format!("{name}.1"));
    let titled = command.clone().name(name.to_owned());
    fs::write(&path, page(&titled)?).map_err(|error| cannot_write(&path, error))?;
    *pages += 1;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, &format!("{name}-{}", sub.get_name()), dir, pages)?;
    }
    Ok(())
}

fn page(command: &Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn cannot_write(path: &Path, error: std::io::Error) -> CliError {
    CliError::unfinished(format!("cannot write `{}`", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let (mut cx, _, err) = context(dir.path());
        cmd(&ManArgs { dir: Some("man".into()) }, &mut cx).unwrap();
        let page = |name: &str| fs::read_to_string(dir.path().join("man").join(name)).unwrap();
        assert!(page("bench-cli.1").contains("bench"));
        assert!(page("bench-cli-gym-call.1").contains("sql"));
        assert!(err.text().ends_with("pages written to man\n"), "{}", err.text());
    }
}
