//! The end of the trial's log.

use std::collections::VecDeque;

use bench_report::conversation::{Piece, Tone};
use bench_report::text::clean;
use bench_state::LogTail;

use super::{Changed, said};
use crate::dashboard::trial::{TrialNews, Wish};

/// Lines that are kept.
const LINES: usize = 2_000;
/// Characters that are kept of a line.
const LINE: usize = 4_000;

/// The lines that were read last.
pub(super) struct Log {
    tail: LogTail,
    lines: VecDeque<Piece>,
    /// Whether there were more lines.
    cut: bool,
    /// Whether not all of it was read yet.
    pub(super) more: bool,
    told: bool,
}

impl Log {
    pub(super) fn new(tail: LogTail) -> Self {
        Self {
            tail,
            lines: VecDeque::new(),
            cut: false,
            more: false,
            told: false,
        }
    }

    /// What changed since the last time. Of a long log a part is read each time, and the end of it told.
    pub(super) fn look(&mut self, wish: &Wish) -> Changed {
        self.more = false;
        if !wish.log {
            self.told = false;
            return Ok(None);
        }
        let read = self.tail.poll().map_err(said)?;
        self.more = !read.is_empty();
        for line in read.iter().flat_map(|lines| lines.text.lines()) {
            let text: String = line.chars().take(LINE).collect();
            self.lines.push_back(Piece {
                tone: Tone::Said,
                text: clean(text.trim_end()).into_owned(),
            });
            if self.lines.len() > LINES {
                self.lines.pop_front();
                self.cut = true;
            }
        }
        if self.more {
            self.told = false;
            return Ok(None);
        }
        if std::mem::replace(&mut self.told, true) {
            return Ok(None);
        }
        let cut = self.cut.then(|| Piece {
            tone: Tone::More,
            text: format!("… the last {LINES} lines; `logs --trial` shows all"),
        });
        let none = self.lines.is_empty().then(|| Piece {
            tone: Tone::Fact,
            text: "nothing was logged".to_owned(),
        });
        let pieces = cut.into_iter().chain(none).chain(self.lines.iter().cloned());
        Ok(Some(TrialNews::Log(pieces.collect())))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::fs;

    use bench_state::LogSource;

    use super::super::tests::{TRIAL, bed};
    use super::*;

    fn wish(log: bool) -> Wish {
        Wish {
            log,
            ..Wish::default()
        }
    }

    fn told(log: &mut Log) -> Option<Vec<String>> {
        loop {
            let news = log.look(&wish(true)).unwrap();
            match news {
                Some(TrialNews::Log(pieces)) => {
                    return Some(pieces.into_iter().map(|piece| piece.text).collect());
                }
                _ if log.more => {}
                _ => return None,
            }
        }
    }

    #[test]
    fn the_end_of_a_log_is_told_as_it_grows() {
        let bed = bed(0);
        let only = LogSource::Item(TRIAL.parse().unwrap());
        let mut log = Log::new(bed.store.tail_logs(&bed.run, Some(only)));
        assert!(log.look(&wish(false)).unwrap().is_none());
        assert_eq!(told(&mut log).unwrap(), ["nothing was logged"]);
        assert_eq!(told(&mut log), None, "nothing is new");
        let mut text = String::from("\u{1b}[2Jfirst\n");
        fs::create_dir_all(bed.dir.join("logs")).unwrap();
        let path = bed.dir.join("logs").join(format!("{TRIAL}.log"));
        fs::write(&path, &text).unwrap();
        assert_eq!(told(&mut log).unwrap(), ["␛[2Jfirst"]);
        for n in 0..100_000 {
            writeln!(text, "line {n}").unwrap();
        }
        fs::write(&path, &text).unwrap();
        let lines = told(&mut log).unwrap();
        assert_eq!((lines.len(), log.lines.len()), (LINES + 1, LINES));
        assert!(lines[0].contains("the last 2000 lines"), "{}", lines[0]);
        assert_eq!(lines[LINES], "line 99999");
    }
}
