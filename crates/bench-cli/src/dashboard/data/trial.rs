//! One trial, read for its screen: entries of its transcript as they are wished for, and its record.
//!
//! Only where the lines of the transcript begin is known of all of them. Those that are wished for are read and made into
//! pieces, once each, and forgotten when the wish goes elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bench_core::TrialId;
use bench_core::transcript::Line;
use bench_report::conversation::{self, Detail, Piece, Tone};
use bench_report::text::{clean_line, count};
use bench_runner::BenchJob;
use bench_state::{ItemId, ItemLogIndex, RunId, RunStore, RunView, StateError};
use chrono::Utc;

use super::watched;
use crate::dashboard::message::{Message, Tell};
use crate::dashboard::trial::{Entries, Said, TrialNews, Wish};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Lines that are read at a time.
const AT_ONCE: usize = 16;
/// A longer line is not read, in bytes.
const LONGEST: u64 = 64 << 20;
/// Most that is kept of an entry, in bytes, and of one that is unfolded.
const MOST: (usize, usize) = (32 << 10, 256 << 10);

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
        let opened = store
            .read(&run, Utc::now())
            .and_then(|view| Ok((trial.as_str().parse()?, view)));
        match opened {
            Ok((id, view)) => follow(&view, &id, &wished, &say),
            Err(error) => {
                say(trouble(&error));
            }
        }
    })?;
    Ok(TrialReader { wishes, last: None })
}

fn trouble(error: &StateError) -> TrialNews {
    TrialNews::Trouble(Some(clean_line(&error.to_string())))
}

/// Returns when nobody listens.
fn follow(view: &RunView<BenchJob>, id: &ItemId, wished: &Receiver<Wish>, say: &dyn Fn(TrialNews) -> bool) {
    let mut pages = Pages::new(view.item_log_index(id));
    let (mut wish, mut ends, mut said, mut ill) = (Wish::default(), 0, None, false);
    loop {
        let read = pages.read(&wish);
        let news = match read {
            Err(error) => {
                // Said once; it may pass.
                (!std::mem::replace(&mut ill, true)).then(|| trouble(&error))
            }
            Ok(_) if std::mem::take(&mut ill) => Some(TrialNews::Trouble(None)),
            Ok(entries) if said.as_ref() != Some(&entries) => {
                said = Some(entries.clone());
                Some(TrialNews::Entries(entries))
            }
            Ok(_) => None,
        };
        if news.is_some_and(|news| !say(news)) {
            return;
        }
        if wish.ends != ends {
            ends = wish.ends;
            let news = view.item(id).map_or_else(
                |error| trouble(&error),
                |record| TrialNews::Record(record.map(Box::new)),
            );
            if !say(news) {
                return;
            }
        }
        let patience = if pages.more { Duration::ZERO } else { LOOK_EVERY };
        match wished.recv_timeout(patience) {
            // Only the last one counts.
            Ok(first) => wish = wished.try_iter().last().unwrap_or(first),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The entries that are wished for.
struct Pages {
    index: ItemLogIndex,
    /// Whether not all lines are known yet.
    more: bool,
    made: BTreeMap<usize, Made>,
    /// Lines that were read so far.
    parsed: usize,
}

struct Made {
    unfolded: bool,
    said: Arc<Said>,
}

impl Pages {
    fn new(index: ItemLogIndex) -> Self {
        Self {
            index,
            more: true,
            made: BTreeMap::new(),
            parsed: 0,
        }
    }

    /// Looks for new lines, and reads those that are wished for and not there yet.
    fn read(&mut self, wish: &Wish) -> Result<Entries, StateError> {
        let before = self.index.len();
        self.more = false;
        self.more = self.index.grow()?;
        let all = self.index.len();
        if all < before {
            self.made.clear(); // it was cut
        }
        let wanted = wish.entries.start.min(all)..wish.entries.end.min(all);
        self.made
            .retain(|at, made| wanted.contains(at) && made.unfolded == wish.wants_whole(*at));
        let missing: Vec<usize> = wanted.clone().filter(|at| !self.made.contains_key(at)).collect();
        for run in missing.chunk_by(|a, b| a + 1 == *b) {
            for part in run.chunks(AT_ONCE) {
                self.make(part, wish)?;
            }
        }
        Ok(Entries {
            all,
            from: wanted.start,
            said: self.made.values().map(|made| Arc::clone(&made.said)).collect(),
        })
    }

    /// Reads consecutive lines.
    fn make(&mut self, lines: &[usize], wish: &Wish) -> Result<(), StateError> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return Ok(());
        };
        if self.index.bytes(*first..last + 1) > LONGEST {
            if let [line] = lines {
                let bytes = self.index.bytes(*line..line + 1);
                self.keep(*line, wish, |_| too_long(bytes));
                return Ok(());
            }
            return lines.chunks(1).try_for_each(|line| self.make(line, wish));
        }
        let read: Vec<Result<Line, StateError>> = self.index.read(*first..last + 1)?;
        self.parsed += read.len();
        for (line, read) in lines.iter().zip(read) {
            self.keep(*line, wish, |unfolded| said(read, unfolded));
        }
        Ok(())
    }

    fn keep(&mut self, line: usize, wish: &Wish, said: impl FnOnce(bool) -> Said) {
        let unfolded = wish.wants_whole(line);
        let said = Arc::new(said(unfolded));
        self.made.insert(line, Made { unfolded, said });
    }
}

fn said(line: Result<Line, StateError>, unfolded: bool) -> Said {
    let (detail, most) = if unfolded {
        (Detail::Unfolded, MOST.1)
    } else {
        (Detail::Folded, MOST.0)
    };
    match line {
        Ok(line) => Said {
            at: line.at.format("%H:%M:%S").to_string(),
            pieces: at_most(conversation::pieces(&line, detail), most),
        },
        Err(error) => note(format!("a damaged line: {}", clean_line(&error.to_string()))),
    }
}

fn too_long(bytes: u64) -> Said {
    note(format!(
        "an entry of {} MB, which is too long for this screen",
        bytes / 1_000_000
    ))
}

fn note(text: String) -> Said {
    Said {
        at: String::new(),
        pieces: vec![Piece {
            tone: Tone::Note,
            text,
        }],
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
mod tests {
    use std::fmt::Write;
    use std::fs;
    use std::io::Write as _;
    use std::ops::Range;
    use std::path::PathBuf;

    use bench_core::Outcome;
    use bench_runner::RunSummary;

    use super::*;
    use crate::progress::board::tests::plan;

    const TRIAL: &str = "a~oracle~1";

    struct Bed {
        _folder: tempfile::TempDir,
        store: RunStore<BenchJob>,
        run: RunId,
        transcript: PathBuf,
    }

    /// A run whose first trial said so much.
    fn bed(lines: usize) -> Bed {
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
            transcript,
        }
    }

    impl Bed {
        fn pages(&self) -> Pages {
            let view = self.store.read(&self.run, Utc::now()).unwrap();
            Pages::new(view.item_log_index(&TRIAL.parse().unwrap()))
        }

        fn append(&self, line: &str) {
            let mut file = fs::OpenOptions::new()
                .append(true)
                .open(&self.transcript)
                .unwrap();
            writeln!(file, "{line}").unwrap();
        }
    }

    fn wish(entries: Range<usize>) -> Wish {
        Wish {
            entries,
            ..Wish::default()
        }
    }

    fn read(pages: &mut Pages, wish: &Wish) -> Entries {
        loop {
            let entries = pages.read(wish).unwrap();
            if !pages.more {
                return entries;
            }
        }
    }

    #[test]
    fn of_a_long_transcript_only_what_is_wished_for_is_read_and_kept() {
        let bed = bed(100_000);
        let mut pages = bed.pages();
        let first = read(&mut pages, &wish(0..128));
        assert_eq!((first.all, first.from, first.said.len()), (100_000, 0, 128));
        assert_eq!(pages.parsed, 128);
        assert_eq!(first.said[127].pieces[0].text, "entry 127");
        let further = read(&mut pages, &wish(64..192));
        assert_eq!(pages.parsed, 192, "what is known is not read again");
        assert!(Arc::ptr_eq(&first.said[64], &further.said[0]));
        let last = read(&mut pages, &wish(99_840..100_096));
        assert_eq!((pages.parsed, pages.made.len()), (192 + 160, 160));
        assert_eq!(last.said[159].pieces[0].text, "entry 99999");
        read(&mut pages, &wish(99_840..100_096));
        assert_eq!(pages.parsed, 352);
    }

    #[test]
    fn what_is_new_is_read_on_and_a_damaged_line_hides_only_itself() {
        let bed = bed(1);
        let mut pages = bed.pages();
        let wish = wish(0..64);
        assert_eq!(read(&mut pages, &wish).said.len(), 1);
        bed.append("{\"at\": \u{1b}[2J");
        bed.append(r#"{"at":"2026-01-02T03:04:05Z","type":"from_the_future"}"#);
        let entries = read(&mut pages, &wish);
        assert_eq!((entries.all, pages.parsed), (3, 3));
        let texts: Vec<&str> = entries
            .said
            .iter()
            .map(|said| said.pieces[0].text.as_str())
            .collect();
        assert!(
            texts[1].starts_with("a damaged line") && !texts[1].contains('\u{1b}'),
            "{texts:?}"
        );
        fs::write(&bed.transcript, "").unwrap();
        assert_eq!(read(&mut pages, &wish).all, 0);
        fs::remove_file(&bed.transcript).unwrap();
        assert_eq!(read(&mut pages, &wish).all, 0);
    }

    #[test]
    fn an_entry_is_whole_only_where_that_is_wished_for_and_never_endless() {
        let bed = bed(0);
        let lines = "line\\n".repeat(100_000);
        let user = format!(r#"{{"at":"2026-01-02T03:04:05Z","type":"user","prompt":0,"text":"{lines}"}}"#);
        bed.append(&user);
        let mut pages = bed.pages();
        let mut wish = wish(0..64);
        let texts = |entries: &Entries| entries.said[0].pieces.len();
        assert_eq!(texts(&read(&mut pages, &wish)), 42);
        wish.unfolded = vec![0];
        let whole = read(&mut pages, &wish);
        assert!(texts(&whole) > 50_000, "{}", texts(&whole));
        let last = &whole.said[0].pieces.last().unwrap().text;
        assert!(last.contains("too long for this screen"), "{last}");
        let bytes: usize = whole.said[0]
            .pieces
            .iter()
            .map(|piece| piece.text.len() + 1)
            .sum();
        assert!(bytes < 260 << 10, "{bytes}");
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
                _ => panic!("nothing else should be told"),
            }
        }
        drop(reader);
        assert!(
            told.recv_timeout(Duration::from_secs(20)).is_err(),
            "its end of the channel is gone"
        );
    }
}
