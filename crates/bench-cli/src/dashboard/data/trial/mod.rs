//! One trial, read for its screen: what is wished for of its transcript, its record, its evidence and its log.
//!
//! Each part is read by a type of its own, which says what changed since the last time: that is sent.

mod log;
mod pages;
mod raw;

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bench_core::TrialId;
use bench_report::conversation::{Piece, Tone};
use bench_report::text::{clean_line, count};
use bench_runner::BenchJob;
use bench_state::{ItemId, LogSource, RunId, RunStore, RunView};
use chrono::Utc;

use self::log::Log;
use self::pages::Pages;
use self::raw::Raw;
use super::{GONE, watched};
use crate::dashboard::message::{Message, Tell};
use crate::dashboard::trial::{TrialNews, Wish};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Reads a trial; dropping it ends its thread.
pub(crate) struct TrialReader {
    wishes: Sender<Wish>,
    last: Option<Wish>,
}

impl TrialReader {
    /// Says what is to be read from now on.
    pub(crate) fn wish(&mut self, wish: Wish) {
        if self.last.as_ref() != Some(&wish) {
            // A thread that is gone has told why.
            self.wishes.send(wish.clone()).unwrap_or_default();
            self.last = Some(wish);
        }
    }
}

/// Starts reading.
pub(crate) fn start(
    store: RunStore<BenchJob>,
    run: RunId,
    trial: TrialId,
    tell: Tell,
) -> io::Result<TrialReader> {
    let (wishes, wished) = channel();
    watched("trial", tell, move |tell| {
        let say = |news| {
            tell.send(Message::Trial(run.clone(), trial.clone(), news))
                .is_ok()
        };
        match Trial::open(&store, &run, &trial) {
            Ok(mut trial) => trial.follow(&wished, &say),
            Err(trouble) => {
                say(TrialNews::Trouble(Some(trouble)));
            }
        }
    })?;
    Ok(TrialReader { wishes, last: None })
}

/// What changed in a part, or why it cannot be read.
type Changed = Result<Option<TrialNews>, String>;

/// An error for the screen.
fn said(error: impl std::error::Error) -> String {
    clean_line(&error.to_string())
}

struct Trial {
    view: RunView<BenchJob>,
    id: ItemId,
    pages: Pages,
    raw: Raw,
    log: Log,
    /// How often it had ended when its record was read.
    ends: u32,
    trouble: Option<String>,
}

impl Trial {
    fn open(store: &RunStore<BenchJob>, run: &RunId, trial: &TrialId) -> Result<Self, String> {
        let view = store.read(run, Utc::now()).map_err(said)?;
        let id: ItemId = trial.as_str().parse().map_err(said)?;
        let tail = store.tail_logs(run, Some(LogSource::Item(id.clone())));
        Ok(Self {
            pages: Pages::new(view.item_log_index(&id)),
            raw: Raw::default(),
            log: Log::new(tail),
            ends: 0,
            trouble: None,
            view,
            id,
        })
    }

    /// Returns when nobody listens.
    fn follow(&mut self, wished: &Receiver<Wish>, say: &dyn Fn(TrialNews) -> bool) {
        let file = TrialNews::File(self.pages.file());
        if !say(file) {
            return;
        }
        let mut wish = Wish::default();
        loop {
            if self.look(&wish).into_iter().any(|news| !say(news)) {
                return;
            }
            let busy = self.pages.more || self.log.more;
            let patience = if busy { Duration::ZERO } else { LOOK_EVERY };
            match wished.recv_timeout(patience) {
                // Only the last one counts.
                Ok(first) => wish = wished.try_iter().last().unwrap_or(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// What changed since the last time.
    fn look(&mut self, wish: &Wish) -> Vec<TrialNews> {
        let parts = [
            self.pages.look(wish),
            self.record(wish),
            self.raw.look(wish, &self.view, &self.id, &self.pages),
            self.log.look(wish),
        ];
        let mut news = Vec::new();
        let mut trouble = None;
        for part in parts {
            match part {
                Ok(changed) => news.extend(changed),
                Err(error) => trouble = Some(error),
            }
        }
        if !self.view.dir().exists() {
            // What was read stays, rather than become what can be read now.
            news.clear();
            trouble = Some(GONE.to_owned());
        }
        // Said once; it may pass.
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            news.push(TrialNews::Trouble(trouble));
        }
        news
    }

    fn record(&mut self, wish: &Wish) -> Changed {
        if wish.ends == self.ends {
            return Ok(None);
        }
        let record = self.view.item(&self.id).map_err(said)?;
        self.ends = wish.ends;
        Ok(Some(TrialNews::Record(record.map(Box::new))))
    }
}

/// The first pieces, of so many bytes together.
fn at_most(pieces: Vec<Piece>, bytes: usize) -> Vec<Piece> {
    let (mut kept, mut left) = (Vec::with_capacity(pieces.len()), bytes);
    let mut pieces = pieces.into_iter();
    while let Some(mut piece) = pieces.next() {
        if piece.text.len() >= left {
            piece.text.truncate(piece.text.floor_char_boundary(left));
            let hidden = count(1 + pieces.len(), "further line");
            let tone = Tone::More;
            let text = format!("… {hidden}, too long for this screen");
            kept.extend([piece, Piece { tone, text }]);
            break;
        }
        left -= piece.text.len() + 1;
        kept.push(piece);
    }
    kept
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Write;
    use std::fs;
    use std::io::Write as _;
    use std::ops::Range;
    use std::path::PathBuf;

    use bench_core::Outcome;
    use bench_runner::RunSummary;

    use super::*;
    use crate::progress::board::tests::plan;

    pub(in crate::dashboard::data) const TRIAL: &str = "a~oracle~1";

    pub(in crate::dashboard::data) struct Bed {
        _folder: tempfile::TempDir,
        pub(in crate::dashboard::data) store: RunStore<BenchJob>,
        pub(in crate::dashboard::data) run: RunId,
        pub(in crate::dashboard::data) dir: PathBuf,
        pub(in crate::dashboard::data) transcript: PathBuf,
    }

    /// A run whose first trial said so much.
    pub(in crate::dashboard::data) fn bed(lines: usize) -> Bed {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::<BenchJob>::open(folder.path().join("results")).unwrap();
        let plan = plan();
        let active = store.create(&plan, RunSummary::of(&plan), Utc::now()).unwrap();
        let run = active.id().clone();
        active.finish(bench_state::Ending::Completed, Utc::now()).unwrap();
        let dir = store.read(&run, Utc::now()).unwrap().dir().to_owned();
        let transcript = dir.join("trials").join(format!("{TRIAL}.jsonl"));
        let mut text = String::new();
        for n in 0..lines {
            writeln!(
                text,
                r#"{{"at":"2026-01-02T03:04:05Z","type":"note","text":"entry {n}"}}"#
            )
            .unwrap();
        }
        fs::write(&transcript, text).unwrap();
        Bed {
            _folder: folder,
            store,
            run,
            dir,
            transcript,
        }
    }

    impl Bed {
        pub(in crate::dashboard::data) fn view(&self) -> RunView<BenchJob> {
            self.store.read(&self.run, Utc::now()).unwrap()
        }

        pub(in crate::dashboard::data) fn append(&self, line: &str) {
            let mut file = fs::OpenOptions::new()
                .append(true)
                .open(&self.transcript)
                .unwrap();
            writeln!(file, "{line}").unwrap();
        }
    }

    pub(in crate::dashboard::data) fn wish(entries: Range<usize>) -> Wish {
        Wish {
            entries,
            ..Wish::default()
        }
    }

    #[test]
    fn the_thread_tells_what_is_wished_for_and_ends_when_nobody_listens() {
        let bed = bed(3);
        let (tell, told) = channel();
        let trial: TrialId = TRIAL.parse().unwrap();
        let mut reader = start(bed.store.clone(), bed.run.clone(), trial, tell).unwrap();
        reader.wish(Wish {
            ends: 1,
            ..wish(0..64)
        });
        let (mut all, mut record) = (0, false);
        while all < 4 || !record {
            match told.recv_timeout(Duration::from_secs(20)).unwrap() {
                Message::Trial(_, _, TrialNews::Entries(entries)) => {
                    if entries.said.len() == 3 {
                        bed.append(r#"{"at":"2026-01-02T03:04:05Z","type":"note","text":"more"}"#);
                    }
                    all = entries.said.len();
                }
                Message::Trial(_, _, TrialNews::Record(found)) => {
                    assert!(found.is_none_or(|record| record.outcome == Outcome::Passed));
                    record = true;
                }
                Message::Trial(_, _, TrialNews::File(file)) => {
                    assert_eq!(file, bed.transcript.display().to_string());
                }
                _ => panic!("nothing else should be told"),
            }
        }
        drop(reader);
        assert!(
            told.recv_timeout(Duration::from_secs(20)).is_err(),
            "its end of the channel is gone"
        );
    }

    #[test]
    fn what_was_read_of_a_trial_stays_when_its_files_are_removed() {
        let bed = bed(3);
        let (tell, told) = channel();
        let trial: TrialId = TRIAL.parse().unwrap();
        let mut reader = start(bed.store.clone(), bed.run.clone(), trial, tell).unwrap();
        reader.wish(Wish {
            log: true,
            ..wish(0..64)
        });
        let news = || match told.recv_timeout(Duration::from_secs(20)).unwrap() {
            Message::Trial(_, _, news) => news,
            _ => panic!("nothing else should be told"),
        };
        let mut known = (false, false);
        while known != (true, true) {
            match news() {
                TrialNews::Entries(entries) => known.0 = entries.said.len() == 3,
                TrialNews::Log(_) => known.1 = true,
                _ => {}
            }
        }
        let troubled = || match news() {
            TrialNews::Trouble(trouble) => trouble.unwrap_or_default(),
            _ => panic!("nothing is taken away"),
        };
        fs::remove_file(&bed.transcript).unwrap();
        assert!(troubled().starts_with("the transcript is no longer on disk"));
        fs::remove_dir_all(&bed.dir).unwrap();
        assert_eq!(troubled(), GONE);
    }
}
