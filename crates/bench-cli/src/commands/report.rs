//! `bench-cli report`: a run as a document.
//!
//! | part | what it does |
//! |---|---|
//! | `gather` | reads what a report says of a run |
//! | `file` | a file that is whole or not there |

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bench_core::id::SlugBook;
use bench_report::report::html::{self, HtmlError, Template};
use bench_report::report::{Files, Model, csv, eval, json, junit, markdown};
use bench_runner::BenchJob;
use bench_state::{RunStore, RunView, StateError};
use chrono::{DateTime, Utc};

use self::gather::Gathered;
use super::{evidence, sweep};
use crate::args::report::{ReportArgs, ReportFormat};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

mod file;
mod gather;

/// Bytes that are written at once.
const CHUNK: usize = 256 * 1024;
/// Characters of a model in the name of its file.
const LONGEST_SLUG: usize = 45;

/// Writes a report of each run.
pub(super) fn cmd(args: &ReportArgs, cx: &mut Context) -> Result<Exit, CliError> {
    if args.output.is_some() && args.run.len() > 1 {
        return Err(
            CliError::usage("`--output` names one file, and there are several runs")
                .hint("without it each run has a file of its own"),
        );
    }
    if args.template.is_some() && args.format != ReportFormat::Html {
        return Err(CliError::usage("`--template` is for `--format html`"));
    }
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && args.format == ReportFormat::Eval {
        return Err(
            CliError::usage("`--output -` is for text, and an `.eval` file is none")
                .hint("name a file, or leave `--output` away"),
        );
    }
    let template = args.template.as_deref().map(|path| read_template(path, cx));
    let document = Document {
        format: args.format,
        template: template.transpose()?,
    };
    let store = cx.store()?;
    for run in &args.run {
        let view = find(&store, run, cx.now)?;
        let gathered = gather::gather(view, cx.now)?;
        // Not every form has a place for it.
        for problem in &gathered.report.problems {
            evidence::warning(problem, &mut cx.err)?;
        }
        let run = &gathered.report.run;
        for warning in run.cut_short().into_iter().chain(run.none_judged()) {
            evidence::warning(&warning, &mut cx.err)?;
        }
        let parts = parts(args, &gathered)?;
        if to_stdout {
            let mut out = BufWriter::with_capacity(CHUNK, cx.out.clone());
            for part in &parts {
                document.write_whole(&gathered, part, &mut out)?;
            }
            out.flush()?;
            continue;
        }
        for part in &parts {
            let path = args.output.clone().unwrap_or_else(|| part.name.clone());
            let path = cx.absolute(&path);
            let replaces = path.is_file();
            document.write_file(&gathered, part, &path)?;
            writeln!(cx.out, "{}", cx.shown(&path))?;
            if replaces {
                writeln!(cx.err, "replaced the file that was there")?;
            }
        }
        if gathered.is_partial() {
            writeln!(
                cx.err,
                "run {} is not over: the report ends where it was read",
                gathered.run_id()
            )?;
        }
    }
    sweep::leftovers(&store, cx);
    Ok(Exit::Success)
}

/// What one file holds.
struct Part<'a> {
    /// What it is called if nobody says otherwise.
    name: PathBuf,
    /// The model it is about, where the form is about one.
    model: Option<&'a Model>,
}

/// The files of a run: one, or one for each model.
fn parts<'a>(args: &ReportArgs, gathered: &'a Gathered) -> Result<Vec<Part<'a>>, CliError> {
    let run = gathered.run_id();
    let named = |of: &str| PathBuf::from(format!("report-{run}{of}.{}", args.format.extension()));
    if args.format != ReportFormat::Eval {
        let (name, model) = (named(""), None);
        return Ok(vec![Part { name, model }]);
    }
    let models = &gathered.report.models;
    if args.output.is_some() && models.len() > 1 {
        let count = models.len();
        return Err(CliError::usage(format!(
            "an `.eval` file is about one model, and `{run}` has {count}"
        ))
        .hint("without `--output` each model has a file of its own"));
    }
    let mut slugs = SlugBook::new(LONGEST_SLUG);
    let part = |model: &'a Model| Part {
        name: match models.len() {
            1 => named(""),
            _ => named(&format!("-{}", slugs.slug(&model.totals.model))),
        },
        model: Some(model),
    };
    Ok(models.iter().map(part).collect())
}

fn find(store: &RunStore<BenchJob>, run: &str, now: DateTime<Utc>) -> Result<RunView<BenchJob>, CliError> {
    match store.resolve(run) {
        Ok(id) => Ok(store.inspect(&id, now)?),
        Err(error @ StateError::UnknownRun { .. }) => {
            let older = store.legacy().map(|legacy| legacy.rows).unwrap_or_default();
            if older.iter().any(|row| row.id == run) {
                return Err(CliError::usage(format!(
                    "`{run}` is a result of the older tool, which kept too little for a report"
                ))
                .hint("`bench-cli show` tells what is known of it"));
            }
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn read_template(path: &Path, cx: &Context) -> Result<Template, CliError> {
    let source = std::fs::read_to_string(cx.absolute(path)).map_err(|error| {
        CliError::usage(format!("cannot read the template `{}`", path.display())).because(error)
    })?;
    Ok(Template {
        name: path.display().to_string(),
        source,
    })
}

/// What is to be written.
struct Document {
    format: ReportFormat,
    /// Only for a page.
    template: Option<Template>,
}

impl Document {
    fn write_file(&self, gathered: &Gathered, part: &Part<'_>, path: &Path) -> Result<(), CliError> {
        file::write(path, |file| {
            let mut out = BufWriter::with_capacity(CHUNK, file);
            self.write(gathered, part, &mut out, Some(path))?;
            out.flush().map_err(|error| file::refused(path, error))
        })
    }

    /// Writes it to stdout. What a template of somebody else makes is written when all of it is made: it may be wrong at
    /// its end, and half a page is none. Ours are written while they are made, so that few of a run's files are in memory.
    fn write_whole(&self, gathered: &Gathered, part: &Part<'_>, out: &mut dyn Write) -> Result<(), CliError> {
        if self.template.is_none() {
            return self.write(gathered, part, out, None);
        }
        let mut whole = Vec::new();
        self.write(gathered, part, &mut whole, None)?;
        Ok(out.write_all(&whole)?)
    }

    /// Writes it to a file, or to stdout if there is none.
    fn write(
        &self,
        gathered: &Gathered,
        part: &Part<'_>,
        out: &mut dyn Write,
        path: Option<&Path>,
    ) -> Result<(), CliError> {
        let report = &gathered.report;
        let refused = |error| match path {
            Some(path) => file::refused(path, error),
            None => CliError::from(error),
        };
        match self.format {
            ReportFormat::Md => markdown::write(report, out).map_err(refused),
            ReportFormat::Junit => junit::write(report, out).map_err(refused),
            ReportFormat::Csv => csv::write(report, out).map_err(refused),
            ReportFormat::Json => json::write(report, out).map_err(refused),
            ReportFormat::Eval => {
                let mut models = part.model.into_iter();
                models
                    .try_for_each(|model| eval::write(report, model, &*gathered.files, out))
                    .map_err(refused)
            }
            ReportFormat::Html => {
                gathered.files.read_ahead(report);
                let files: Arc<dyn Files> = gathered.files.clone();
                let written = html::write(report, &files, self.template.as_ref(), out);
                written.map_err(|error| match error {
                    HtmlError::Write(error) => refused(error),
                    error if self.template.is_some() => {
                        CliError::usage(error.to_string()).hint("docs/reports.md says what templates can use")
                    }
                    error => CliError::unfinished("cannot make the page").because(error),
                })
            }
        }
    }
}
