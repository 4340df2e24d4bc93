//! Samples made ahead of the one that is being compressed, on all processors, and given in order.
//!
//! Only what is written goes from one thread to another: whatever a sample is made of ends where it began.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde_json::Value;

use super::header::Results;
use super::sample::Sample;
use crate::report::{Files, Report, Trial};

/// Transcripts up to so many bytes are made ahead. A longer one is written while it is read.
const SHORT: u64 = 256 * 1024;
/// Samples that a thread is ahead at most.
const AHEAD: usize = 8;

/// What stands in a log for a trial.
pub(super) struct Made<'a> {
    /// The name of its sample in the archive.
    pub(super) entry: String,
    pub(super) text: Text<'a>,
    pub(super) summary: Value,
    pub(super) results: Results,
}

/// A sample as JSON.
pub(super) enum Text<'a> {
    Whole(Vec<u8>),
    /// It may be long.
    AsItIsRead(Box<Sample<'a>>),
}

impl<'a> Made<'a> {
    fn of(sample: Sample<'a>, text: impl FnOnce(Sample<'a>) -> io::Result<Text<'a>>) -> io::Result<Self> {
        Ok(Self {
            entry: sample.entry(),
            summary: sample.summary(),
            results: Results::of(&sample),
            text: text(sample)?,
        })
    }
}

/// Gives what stands in a log for each trial, one after another.
///
/// # Errors
/// What the taker says; no further samples are made then.
pub(super) fn each<'a>(
    report: &'a Report,
    trials: &[&'a Trial],
    files: &'a dyn Files,
    mut take: impl FnMut(Made<'a>) -> io::Result<()>,
) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        // Trial `n` comes from thread `n % threads`, so that the order is that of the trials.
        let start = |first: usize| {
            let (give, made) = sync_channel(AHEAD);
            let own = trials.iter().copied().skip(first).step_by(threads);
            let maker = thread::Builder::new().spawn_scoped(scope, move || make(report, own, files, &give));
            maker.ok().map(|_| made)
        };
        let makers: Vec<Option<Receiver<_>>> = (0..threads.min(trials.len())).map(start).collect();
        for (trial, maker) in trials.iter().zip(makers.iter().cycle()) {
            let made = match maker {
                Some(maker) if is_short(trial) => maker.recv().map_err(io::Error::other)??,
                // It is long, or there was no thread to be had.
                _ => Made::of(Sample::of(report, trial, files), |sample| {
                    Ok(Text::AsItIsRead(Box::new(sample)))
                })?,
            };
            take(made)?;
        }
        Ok(())
    })
}

fn is_short(trial: &Trial) -> bool {
    trial.transcript_bytes <= SHORT
}

/// Makes those that are short, until there are no more or nobody wants them.
fn make<'a>(
    report: &'a Report,
    trials: impl Iterator<Item = &'a Trial>,
    files: &'a dyn Files,
    give: &SyncSender<io::Result<Made<'a>>>,
) {
    for trial in trials.filter(|trial| is_short(trial)) {
        let made = Made::of(Sample::of(report, trial, files), |sample| {
            Ok(Text::Whole(serde_json::to_vec(&sample)?))
        });
        if give.send(made).is_err() {
            return;
        }
    }
}
