//! The third screen: one trial. What was said in it, live or step by step, what its verifiers said, what went over the wire
//! to its model, and its log.
//!
//! | part | what it does |
//! |---|---|
//! | `talk` | the conversation: what of it is in view |
//! | `rows` | texts as rows, and those that are longer than the screen |
//! | `verdicts` | the record of the trial as such a text |
//! | `draw` | all of it as cells |

mod draw;
mod rows;
mod talk;
mod verdicts;

use std::ops::Range;

use bench_core::{TrialId, TrialRecord};
use bench_report::conversation::{Piece, Tone};
use bench_state::RunId;
use chrono::{DateTime, Utc};
use ratatui::crossterm::event::KeyEvent;

use self::rows::Sheet;
use self::talk::Talk;
use super::keys::{Action, Binding, SHEET, SHEET_BESIDE, TALK, TALK_BESIDE, decode};
use super::look::Sign;
use super::run::picture::Standing;

pub(crate) use self::draw::draw;
pub(crate) use self::talk::{Entries, Said};

/// Lines around what is said: title, tabs; what it is at, keys.
const AROUND: u16 = 4;
/// Columns before what is said.
const BEFORE: u16 = 2;

/// What is shown of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Talk,
    Verdicts,
    Raw,
    Log,
}

/// In the order of the screen.
const TABS: [(Tab, &str); 4] = [
    (Tab::Talk, "conversation"),
    (Tab::Verdicts, "verifiers"),
    (Tab::Raw, "raw"),
    (Tab::Log, "log"),
];

/// The state of the screen.
pub(crate) struct TrialScreen {
    pub(crate) run: RunId,
    pub(crate) trial: TrialId,
    /// Whether a pager is offered.
    pub(crate) pages: bool,
    standing: Standing,
    /// How often it ended: what was read before may be old.
    ends: u32,
    record: Option<Box<TrialRecord>>,
    tab: Tab,
    talk: Talk,
    verdicts: Sheet,
    raw: Sheet,
    /// The entry whose requests are shown.
    raw_of: Option<usize>,
    log: Sheet,
    /// The path of its transcript, and whether it is shown.
    file: String,
    path_shown: bool,
    /// Whether anything was read.
    read: bool,
    /// Why nothing is shown, or why what is shown may be old.
    trouble: Option<String>,
    size: (u16, u16),
    now: DateTime<Utc>,
    turn: usize,
}

/// What has to be read for the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    /// Entries of the transcript, by number.
    pub(crate) entries: Range<usize>,
    /// Those of them that are wanted whole, in order.
    pub(crate) unfolded: Vec<usize>,
    /// How often the trial ended: its record is read each time.
    pub(crate) ends: u32,
    /// The entry whose requests are wanted.
    pub(crate) raw: Option<usize>,
    /// Whether the log is wanted.
    pub(crate) log: bool,
}

impl Wish {
    /// Whether an entry is wanted whole.
    pub(crate) fn wants_whole(&self, entry: usize) -> bool {
        self.unfolded.binary_search(&entry).is_ok()
    }
}

/// What the trial's thread tells.
pub(crate) enum TrialNews {
    /// Where its transcript is.
    File(String),
    Entries(Entries),
    Record(Option<Box<TrialRecord>>),
    /// The requests that belong to an entry.
    Raw(usize, Vec<Piece>),
    Log(Vec<Piece>),
    /// What keeps it from being read; nothing any more.
    Trouble(Option<String>),
}

/// Something for the screen to take in.
pub(crate) enum TrialMessage {
    Key(KeyEvent),
    Wheel(isize),
    News(TrialNews),
    /// What the run tells of it.
    Stands(Standing),
    Now(DateTime<Utc>),
    Size(u16, u16),
}

/// What the screen wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TrialEffect {
    Quit,
    Back,
    Help,
    /// This is for the clipboard.
    Copy(String),
    /// The transcript is to be read in a pager.
    Page,
}

impl TrialScreen {
    /// The screen before anything is read. One that is under way is followed, another begins at its beginning.
    pub(crate) fn new(run: RunId, trial: TrialId, standing: Standing, now: DateTime<Utc>) -> Self {
        let mut screen = Self {
            run,
            trial,
            pages: true,
            ends: 0,
            record: None,
            tab: Tab::Talk,
            talk: Talk::new(standing.end.is_none()),
            verdicts: Sheet::default(),
            raw: Sheet::default(),
            raw_of: None,
            log: Sheet::pinned(),
            file: String::new(),
            path_shown: false,
            read: false,
            trouble: None,
            size: (80, 24),
            now,
            turn: 0,
            standing: Standing::default(),
        };
        screen.stands(standing);
        screen
    }

    /// What has to be read for it.
    pub(crate) fn wish(&self) -> Wish {
        Wish {
            entries: self.talk.wanted(),
            unfolded: self.talk.unfolded(),
            ends: self.ends,
            raw: (self.tab == Tab::Raw).then_some(self.talk.chosen),
            log: self.tab == Tab::Log,
        }
    }

    /// Whether something on the screen changes while time goes on.
    pub(crate) fn ticks(&self) -> bool {
        self.is_going()
    }

    /// The keys of what is shown.
    pub(crate) fn bindings(&self) -> &'static [Binding] {
        match (self.tab, self.pages) {
            (Tab::Talk, true) => TALK,
            (Tab::Talk, false) => TALK_BESIDE,
            (Tab::Verdicts | Tab::Raw | Tab::Log, true) => SHEET,
            (Tab::Verdicts | Tab::Raw | Tab::Log, false) => SHEET_BESIDE,
        }
    }

    fn is_going(&self) -> bool {
        matches!(self.standing.sign, Sign::Running | Sign::Waiting)
    }

    fn stands(&mut self, standing: Standing) {
        if standing.end != self.standing.end {
            self.ends += u32::from(standing.end.is_some());
            self.talk.ended(standing.end.as_deref().map(verdicts::ending));
            self.record = None;
        }
        self.standing = standing;
        self.show_verdicts();
    }

    /// What is shown; nothing for the conversation.
    fn sheet(&self) -> Option<&Sheet> {
        match self.tab {
            Tab::Talk => None,
            Tab::Verdicts => Some(&self.verdicts),
            Tab::Raw => Some(&self.raw),
            Tab::Log => Some(&self.log),
        }
    }

    fn sheet_mut(&mut self) -> Option<&mut Sheet> {
        match self.tab {
            Tab::Talk => None,
            Tab::Verdicts => Some(&mut self.verdicts),
            Tab::Raw => Some(&mut self.raw),
            Tab::Log => Some(&mut self.log),
        }
    }

    fn show_raw(&mut self, entry: usize, pieces: Vec<Piece>) {
        if self.raw_of.replace(entry) != Some(entry) {
            self.raw.first();
        }
        self.raw.show(pieces);
    }

    fn show_verdicts(&mut self) {
        let columns = self.size.0.saturating_sub(BEFORE).into();
        let pieces = match (&self.record, &self.standing.end) {
            (Some(record), _) => verdicts::page(record, columns),
            (None, Some(_)) => vec![faint("reading …")],
            (None, None) => vec![faint("verifiers are asked when the conversation is over")],
        };
        self.verdicts.show(pieces);
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        let (columns, rows) = (columns.saturating_sub(BEFORE), rows.saturating_sub(AROUND));
        self.talk.resize(columns.into(), rows.into());
        for sheet in [&mut self.verdicts, &mut self.raw, &mut self.log] {
            sheet.resize(columns.into(), rows.into());
        }
        self.show_verdicts();
    }
}

fn faint(text: &str) -> Piece {
    Piece {
        tone: Tone::Fact,
        text: text.to_owned(),
    }
}

/// Takes in a message.
pub(crate) fn update(trial: &mut TrialScreen, message: TrialMessage) -> Option<TrialEffect> {
    match message {
        TrialMessage::Key(key) => {
            // Any key takes it away.
            trial.path_shown = false;
            return decode(trial.bindings(), &key).and_then(|action| act(trial, action));
        }
        TrialMessage::Wheel(lines) => scroll(trial, lines),
        TrialMessage::News(TrialNews::File(file)) => trial.file = file,
        TrialMessage::News(TrialNews::Entries(entries)) => {
            trial.read = true;
            trial.talk.read(entries);
        }
        TrialMessage::News(TrialNews::Record(record)) => {
            trial.record = record;
            trial.show_verdicts();
        }
        TrialMessage::News(TrialNews::Raw(entry, pieces)) => trial.show_raw(entry, pieces),
        TrialMessage::News(TrialNews::Log(pieces)) => trial.log.show(pieces),
        TrialMessage::News(TrialNews::Trouble(trouble)) => trial.trouble = trouble,
        TrialMessage::Stands(standing) => trial.stands(standing),
        TrialMessage::Now(now) => {
            trial.now = now;
            trial.turn = trial.turn.wrapping_add(1);
        }
        TrialMessage::Size(columns, rows) => trial.resize(columns, rows),
    }
    None
}

fn act(trial: &mut TrialScreen, action: Action) -> Option<TrialEffect> {
    match action {
        Action::Back => return Some(TrialEffect::Back),
        Action::Help => return Some(TrialEffect::Help),
        Action::Page => return Some(TrialEffect::Page),
        Action::Quit => return Some(TrialEffect::Quit),
        Action::Copy if !trial.file.is_empty() => {
            trial.path_shown = true;
            return Some(TrialEffect::Copy(trial.file.clone()));
        }
        Action::NextTab => turn(trial, 1),
        Action::PreviousTab => turn(trial, TABS.len() - 1),
        action => match trial.sheet_mut() {
            Some(shown) => sheet(shown, action),
            None => talk(&mut trial.talk, action),
        },
    }
    None
}

/// To another tab.
fn turn(trial: &mut TrialScreen, by: usize) {
    let at = TABS.iter().position(|(tab, _)| *tab == trial.tab).unwrap_or(0);
    if let Some((tab, _)) = TABS.get((at + by) % TABS.len()) {
        trial.tab = *tab;
    }
}

fn talk(talk: &mut Talk, action: Action) {
    match action {
        Action::Up => talk.up(),
        Action::Down => talk.down(),
        Action::PageUp => talk.scroll(-talk.page()),
        Action::PageDown => talk.scroll(talk.page()),
        Action::First => talk.first(),
        Action::Last => talk.last(),
        Action::Next => talk.step(true),
        Action::Previous => talk.step(false),
        Action::Fold => talk.fold(),
        _ => {}
    }
}

fn sheet(sheet: &mut Sheet, action: Action) {
    match action {
        Action::Up => sheet.scroll(-1),
        Action::Down => sheet.scroll(1),
        Action::PageUp => sheet.scroll(-sheet.page()),
        Action::PageDown => sheet.scroll(sheet.page()),
        Action::First => sheet.first(),
        Action::Last => sheet.last(),
        _ => {}
    }
}

/// So many rows further.
fn scroll(trial: &mut TrialScreen, by: isize) {
    match trial.sheet_mut() {
        Some(sheet) => sheet.scroll(by),
        None => trial.talk.scroll(by),
    }
}

#[cfg(test)]
mod tests;
