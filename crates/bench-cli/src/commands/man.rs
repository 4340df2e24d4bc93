//! `bench-cli man`: manual pages.

use std::fs;
use std::io::Write;

use clap_mangen::Man;

use crate::app;
use crate::args::extras::ManArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Writes the first page to stdout, or all of them to a folder.
pub(super) fn cmd(args: &ManArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        Man::new(app::command()).render(&mut page)?;
        cx.out.write_all(&page)?;
        return Ok(Exit::Success);
    };
    let dir = cx.absolute(dir);
    let written = fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(app::command(), &dir));
    written.map_err(|error| {
        CliError::unfinished(format!("cannot write to `{}`", dir.display())).because(error)
    })?;
    writeln!(cx.err, "pages written to {}", cx.shown(&dir))?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let (mut cx, _, err) = context(dir.path());
        cmd(
            &ManArgs {
                dir: Some("man".into()),
            },
            &mut cx,
        )
        .unwrap();
        let page = |name: &str| fs::read_to_string(dir.path().join("man").join(name)).unwrap();
        assert!(page("bench-cli.1").contains("bench"));
        assert!(page("bench-cli-gym-call.1").contains("sql"));
        assert!(err.text().contains("man"), "{}", err.text());
    }
}
