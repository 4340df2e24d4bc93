//! What can be done from the dashboard: asked in a box first, done by this very program in a process of its own, told in a
//! line afterwards, or in a box if it went wrong. The dashboard itself never touches a run.
//!
//! | part | what it does |
//! |---|---|
//! | here | the state above every screen: the box that is open, commands under way, how the last one ended |
//! | [`ask`] | what makes sense for a run, and what is asked before |
//! | [`child`] | the process |
//! | `draw` | the box and the line |

pub(crate) mod ask;
pub(crate) mod child;
mod draw;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Instant;

use bench_report::text::clean;
use chrono::{DateTime, Utc};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use self::ask::{Act, Ask, First, Words};
use self::child::{Outcome, Program};
use super::data::Again;
use super::home::row::{Key, Row};
use super::scroll::Scroll;
use super::wrap::wrap;
use crate::commands::REPEAT;

/// Rows of a terminal that has room for a box.
const LOWEST: u16 = 5;
/// Columns of a question, if the terminal has them.
const WIDEST: u16 = 110;
/// The same of something to be read, which may be a table.
const WIDEST_TABLE: u16 = 170;

/// Things to be said that are on the screen at once, a line each.
const MOST_SAID: usize = 3;

/// What is being done, asked and told, above whichever screen is there.
pub(crate) struct Acts {
    pub(crate) program: Program,
    open: Option<Dialog>,
    /// How much of it was to be seen.
    seen: Seen,
    /// Boxes that wait until the one that is open is closed.
    waiting: VecDeque<Dialog>,
    jobs: Vec<Job>,
    /// Commands started so far.
    started: usize,
    /// How others ended, and what was refused: each until a key is pressed when it was to be seen.
    said: VecDeque<Said>,
    /// How many of these were on the screen.
    said_seen: usize,
    /// What is said where there is nothing else to be said.
    pub(crate) notice: Option<&'static str>,
    size: (u16, u16),
    now: DateTime<Utc>,
}

/// A box.
#[derive(Debug, PartialEq, Eq)]
enum Dialog {
    Ask(Ask),
    Told(Told),
}

/// Something to be read.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    title: String,
    /// Whether something went wrong.
    bad: bool,
    text: String,
}

/// What was to be seen of the box that is open.
#[derive(Debug, Default)]
struct Seen {
    /// Where its text is scrolled to.
    scroll: Scroll,
    /// When it was drawn first.
    since: Option<Instant>,
    /// Whether the end of its text was on the screen.
    end: bool,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    words: String,
    /// Whether something was done, as opposed to refused.
    done: bool,
}

/// A command under way.
struct Job {
    number: usize,
    words: Words,
    purpose: Purpose,
    since: DateTime<Utc>,
}

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To do something.
    Do,
    /// To show what would be done, before that is asked.
    Look,
    /// To be read.
    Read,
}

/// A command to be started, whose end [`Acts::ended`] is to be told under its number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) number: usize,
    pub(crate) words: Words,
    /// How wide its tables may be.
    pub(crate) columns: usize,
}

impl Acts {
    /// Nothing is being done.
    pub(crate) fn new(program: Program, now: DateTime<Utc>) -> Self {
        Self {
            program,
            open: None,
            seen: Seen::default(),
            waiting: VecDeque::new(),
            jobs: Vec::new(),
            started: 0,
            said: VecDeque::new(),
            said_seen: 0,
            notice: None,
            size: (80, 24),
            now,
        }
    }

    /// Something is wanted for this run, or for the marked ones.
    pub(crate) fn want(&mut self, act: Act, row: Option<&Row>, marked: &[&str]) -> Option<Begin> {
        match ask::first(act, row, marked) {
            Ok(First::Ask(ask)) => {
                self.show(Dialog::Ask(ask));
                None
            }
            Ok(First::Look(words)) => Some(self.begin(words, Purpose::Look)),
            Ok(First::Do {
                words,
                to_read: false,
            }) => Some(self.begin(words, Purpose::Do)),
            Ok(First::Do { words, to_read: true }) => Some(self.begin(words, Purpose::Read)),
            Err(why) => {
                self.refuse(why.to_owned());
                None
            }
        }
    }

    /// Says that something could not be done, until a key is pressed.
    pub(crate) fn refuse(&mut self, words: String) {
        self.say(Said { words, done: false });
    }

    fn say(&mut self, said: Said) {
        if self.said.back() != Some(&said) {
            self.said.push_back(said);
        }
    }

    fn begin(&mut self, words: Words, purpose: Purpose) -> Begin {
        self.started += 1;
        let number = self.started;
        self.jobs.push(Job {
            number,
            words: words.clone(),
            purpose,
            since: self.now,
        });
        let columns = match purpose {
            Purpose::Read => self.columns_to_read(),
            Purpose::Do | Purpose::Look => self.columns(),
        };
        Begin {
            number,
            words,
            columns,
        }
    }

    /// Runs stand as said: a question that makes no sense any more says so instead.
    pub(crate) fn stands<'a>(&mut self, row: impl FnOnce(&Key) -> Option<&'a Row>) {
        let Some(Dialog::Ask(ask)) = &self.open else {
            return;
        };
        let Some((act, key)) = &ask.about else { return };
        let Some(row) = row(key) else { return };
        let Some(why) = ask::refusal(*act, Some(row), &[]) else {
            return;
        };
        let told = Told {
            title: ask.title.clone(),
            bad: false,
            text: format!("Not any more: {why} ({}).", row.word(self.now)),
        };
        (self.open, self.seen) = (Some(Dialog::Told(told)), Seen::default());
    }

    /// A command ended; what is to be looked at again.
    pub(crate) fn ended(&mut self, number: usize, outcome: &Outcome) -> Option<Again> {
        let at = self.jobs.iter().position(|job| job.number == number)?;
        let job = self.jobs.remove(at);
        let again = touched(&job);
        self.tell(job, outcome);
        again
    }

    fn tell(&mut self, job: Job, outcome: &Outcome) {
        let Outcome {
            stdout,
            stderr,
            broken,
        } = outcome;
        if broken.is_some() || job.purpose == Purpose::Read {
            let how = broken.as_ref().map(|how| format!(": {how}"));
            let told = Told {
                title: self.program.shown(&job.words) + how.as_deref().unwrap_or_default(),
                bad: broken.is_some(),
                text: clean(&format!("{stdout}{stderr}")).into_owned(),
            };
            return self.show(Dialog::Told(told));
        }
        if job.purpose == Purpose::Look && stderr.contains(REPEAT) {
            let talk = stderr.lines().filter(|line| !line.contains(REPEAT));
            let shown: Vec<&str> = stdout.lines().chain(talk).collect();
            let shown = clean(&shown.join("\n")).into_owned();
            return self.show(Dialog::Ask(ask::after_look(job.words, &shown)));
        }
        self.say(Said {
            words: in_a_line(stdout, stderr),
            done: job.purpose == Purpose::Do,
        });
    }

    /// One box at a time.
    fn show(&mut self, dialog: Dialog) {
        if self.open.is_some() {
            self.waiting.push_back(dialog);
        } else {
            self.open = Some(dialog);
        }
    }

    fn close(&mut self) {
        (self.open, self.seen) = (self.waiting.pop_front(), Seen::default());
    }

    /// Whether a box is open, which keys and the wheel go to.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What there is has been drawn.
    pub(crate) fn drawn(&mut self, now: Instant) {
        self.said_seen = self.said_shown();
        if self.is_open() {
            self.seen.since.get_or_insert(now);
            let ends = |(all, rows)| self.seen.scroll.is_at_end(all, rows);
            self.seen.end |= self.lines().is_some_and(ends);
        }
    }

    /// A key was pressed: for the box if one is open. It came together with others since so long. A box takes none that
    /// came with keys from before it was to be seen: nobody has answered what nobody has read.
    pub(crate) fn key(&mut self, key: &KeyEvent, since: Instant) -> Option<Begin> {
        self.said.drain(..self.said_seen.min(self.said.len()));
        self.said_seen = 0;
        if self.is_open() && self.seen.since.is_none_or(|seen| since <= seen) {
            return None;
        }
        let (all, rows) = self.lines().unwrap_or_default();
        match self.open.as_ref()? {
            Dialog::Ask(ask) => match (key.code, key.modifiers.difference(KeyModifiers::SHIFT)) {
                (KeyCode::Esc | KeyCode::Enter | KeyCode::Char('n' | 'q'), KeyModifiers::NONE) => {
                    self.close();
                }
                (KeyCode::Char(c), KeyModifiers::NONE)
                    if ask.choices.iter().any(|choice| choice.key == c) =>
                {
                    return self.answer(c);
                }
                _ => drop(self.seen.scroll.key(key, all, rows)),
            },
            Dialog::Told(_) if self.seen.scroll.key(key, all, rows) => {}
            Dialog::Told(_) => self.close(),
        }
        None
    }

    /// Does what this key stands for. Nobody says yes to what was not to be seen to its end, with its keys.
    fn answer(&mut self, key: char) -> Option<Begin> {
        let Some(Dialog::Ask(ask)) = &self.open else {
            return None;
        };
        let asked = self.seen.end && self.asks(ask);
        let choice = ask.choices.iter().find(|choice| asked && choice.key == key)?;
        let words = choice.command.clone();
        self.close();
        Some(self.begin(words, Purpose::Do))
    }

    /// Moves the text of the box.
    pub(crate) fn scroll(&mut self, lines: isize) {
        if let Some((all, rows)) = self.lines() {
            self.seen.scroll.by(lines, all, rows);
        }
    }

    /// Lines of the text of the box, and rows for them on the screen; none if there is no room for it.
    fn lines(&self) -> Option<(usize, usize)> {
        let (said, rows) = self.text_of_box()?;
        Some((said.len(), rows))
    }

    /// The text of the box in rows, and how many of them the screen has room for.
    fn text_of_box(&self) -> Option<(Vec<String>, usize)> {
        match self.open.as_ref()? {
            Dialog::Told(told) => Some((rows_of(&told.text, self.columns_to_read()), self.rows())),
            Dialog::Ask(ask) => self.laid(ask).map(|laid| (laid.said, laid.rows)),
        }
    }

    /// Columns inside of a question.
    fn columns(&self) -> usize {
        self.size.0.min(WIDEST).saturating_sub(4).into()
    }

    /// Columns inside of something to be read.
    fn columns_to_read(&self) -> usize {
        self.size.0.min(WIDEST_TABLE).saturating_sub(4).into()
    }

    /// How many of the things to be said are on the screen.
    fn said_shown(&self) -> usize {
        if self.size.1 < LOWEST {
            return 0;
        }
        self.said.len().min(MOST_SAID)
    }

    /// Lines of a box that is to be read: title, blank and the line of keys not counted.
    fn rows(&self) -> usize {
        usize::from(self.size.1.saturating_sub(2 + 4)).max(1)
    }

    /// Lines of a question.
    fn rows_of_question(&self) -> usize {
        if self.size.1 < LOWEST {
            return 0; // no box is drawn
        }
        self.size.1.saturating_sub(2).into()
    }

    /// The terminal's columns and rows.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.scroll(0);
    }

    /// Time went on.
    pub(crate) fn now(&mut self, now: DateTime<Utc>) {
        self.now = now;
    }

    /// Whether something on the screen changes while time goes on.
    pub(crate) fn ticks(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Commands that do something and are not done, as they could be typed: they go on when the dashboard is left.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = String> {
        let jobs = self.jobs.iter().filter(|job| job.purpose == Purpose::Do);
        jobs.map(|job| self.program.shown(&job.words))
    }
}

/// What a command may have changed that was over before.
fn touched(job: &Job) -> Option<Again> {
    if job.purpose != Purpose::Do {
        return None;
    }
    match job.words.first()?.as_str() {
        "cleanup" => Some(Again::Older),
        _ => job.words.get(1)?.parse().ok().map(Again::Run),
    }
}

/// The rows of a text in so many columns.
fn rows_of(text: &str, columns: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap(line, columns)).collect()
}

/// What a command said, as far as a line can tell it: its data if they are one line, and its talk.
fn in_a_line(stdout: &str, stderr: &str) -> String {
    let data = stdout.trim().lines();
    let data = data.filter(|_| stdout.trim().lines().count() == 1);
    let lines = data.chain(stderr.lines()).map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "done".to_owned();
    }
    clean(&lines.join(" · ")).into_owned()
}
