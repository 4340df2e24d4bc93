//! The trials of a model as an Inspect AI log: an `.eval` file, which `inspect view` shows and `inspect_ai.log` reads.
//!
//! Such a file is a ZIP archive of JSON documents. A log there is about one model, so a run of three models makes three; a
//! sample there is a scenario, an epoch a repetition.
//!
//! | entry | what it holds | made in |
//! |---|---|---|
//! | `samples/<id>_epoch_<n>.json` | a trial: messages, events, scores, usage | `sample`, `messages`, `events`, `judge` |
//! | `summaries.json` | the few facts of each trial that lists show | `sample` |
//! | `header.json` | model, configuration, results; last, because it sums up | `header` |
//!
//! The archive goes to a [`Write`] front to back, and a sample is written while its transcript is read (`tape`), so that
//! neither many trials nor a long one need much memory. Samples with short transcripts, which most are, are made on all
//! processors, a few ahead of the one that is being compressed (`ahead`). Nothing depends on the clock or on who is first:
//! the same run makes the same bytes.
//!
//! What Inspect has no member for stands in `metadata` members, which it keeps and shows.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::{Map, Value};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use self::ahead::Text;
use super::{Files, Model, Report};

mod ahead;
mod events;
mod header;
mod judge;
mod messages;
mod sample;
mod spent;
mod tape;

/// Half the time of the usual 6 for a quarter more bytes.
const LEVEL: i64 = 2;

/// Bytes that are compressed at once.
const CHUNK: usize = 64 * 1024;

/// Writes the log of one model: those of its trials that are over.
///
/// # Errors
/// `out` cannot be written.
pub fn write(report: &Report, model: &Model, files: &dyn Files, out: &mut dyn Write) -> io::Result<()> {
    let mut archive = Archive::new(out);
    let mut results = header::Results::default();
    let mut summaries = Vec::new();
    let trials = report.trials_of(model);
    ahead::each(report, &trials, files, |made| {
        match &made.text {
            Text::Whole(json) => archive.add(&made.entry, json)?,
            Text::AsItIsRead(sample) => archive.add_document(&made.entry, sample)?,
        }
        results.add(&made.results);
        summaries.push(made.summary);
        Ok(())
    })?;
    archive.add_document("summaries.json", &summaries)?;
    archive.add_document("header.json", &header::header(report, model, &results))?;
    archive.finish()
}

/// A ZIP archive that is only ever written forwards.
struct Archive<'a> {
    zip: ZipWriter<StreamWriter<Out<'a>>>,
}

impl<'a> Archive<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self {
            zip: ZipWriter::new_stream(Out { out, failed: false }).set_auto_large_file(),
        }
    }

    fn add(&mut self, name: &str, json: &[u8]) -> io::Result<()> {
        self.begin(name)?;
        self.zip.write_all(json)
    }

    fn add_document(&mut self, name: &str, document: &impl Serialize) -> io::Result<()> {
        self.begin(name)?;
        let mut out = BufWriter::with_capacity(CHUNK, &mut self.zip);
        serde_json::to_writer(&mut out, document).map_err(io::Error::from)?;
        out.flush()
    }

    fn begin(&mut self, name: &str) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            // The time of making would make every archive a different one.
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        self.zip.start_file(name, options).map_err(io::Error::from)
    }

    fn finish(self) -> io::Result<()> {
        self.zip.finish().map_err(io::Error::from)?;
        Ok(())
    }
}

/// Where an archive goes. Once that has failed, it takes whatever comes: an archive that is dropped half written tries to
/// end itself, and would print that it cannot.
struct Out<'a> {
    out: &'a mut dyn Write,
    failed: bool,
}

impl Out<'_> {
    fn watched<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        self.failed |= done
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        done
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        let done = self.out.write(bytes);
        self.watched(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Ok(());
        }
        let done = self.out.flush();
        self.watched(done)
    }
}

/// An object without the members that nobody knows: Inspect leaves them out, too.
fn lean(object: Value) -> Value {
    match object {
        Value::Object(members) => Value::Object(known(members)),
        other => other,
    }
}

fn known(mut members: Map<String, Value>) -> Map<String, Value> {
    members.retain(|_, value| !value.is_null());
    members
}

/// A model as Inspect names it: `openai/gpt-5` for `openai:gpt-5`.
fn model_name(model: &str) -> String {
    model.replacen(':', "/", 1)
}

/// A scenario as the id of a sample, which is part of a file name in the archive: what a path could not hold, and `%`, is
/// written as `%2F`, so that different scenarios stay different.
fn sample_id(scenario: &str) -> String {
    let written = |c: char| match c {
        c if c.is_control() || ['/', '\\', '%'].contains(&c) => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    };
    scenario.chars().map(written).collect()
}

#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests;
