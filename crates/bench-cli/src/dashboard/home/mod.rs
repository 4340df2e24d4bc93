//! The first screen: runs in progress and completed ones, newest first.
//!
//! Thousands of rows are kept; each message touches few of them. The order is made anew only when a run comes, goes, ends
//! or begins again, or when the filter or the sorting changes.

mod draw;
pub(crate) mod row;
mod words;

use std::cmp::Ordering;
use std::collections::HashMap;

use bench_state::RunId;
use chrono::{DateTime, Utc};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use self::row::{Key, Row};
use super::acts::ask::Act;
use super::data::runs::RunsNews;
use super::keys::{Action, FILTER, HOME, decode};
use super::wrap::wrap;

pub(crate) use self::draw::draw;

/// From this width on, what is to be said of a run stands on its line.
const WIDE: u16 = 150;
/// Lines that are no list: the header, the line above it, the footer; and what is said of the chosen run.
const AROUND: usize = 3;
/// Lines one turn of the wheel moves.
pub(crate) const WHEEL: isize = 3;

/// Characters of a text that is pasted into the filter.
const LONGEST_PASTE: usize = 200;

/// The state of the screen.
pub(crate) struct Home {
    /// The folder of results, as it is shown.
    folder: String,
    rows: Vec<Row>,
    index: HashMap<Key, usize>,
    /// What is shown, in order: first what goes on, from `over_at` on what is over.
    shown: Vec<usize>,
    over_at: usize,
    filter: String,
    typing: bool,
    sort: Sort,
    chosen: Option<Key>,
    /// Somebody has chosen it; before, it is the first.
    touched: bool,
    /// Runs that are marked, in that order.
    marked: Vec<Key>,
    /// The first line of the list that is on the screen.
    top: usize,
    size: (u16, u16),
    /// Whether older runs are still being read.
    reading: bool,
    /// Runs that cannot be read.
    unreadable: usize,
    trouble: Option<String>,
    /// Runs that ended since the last key.
    ended: Ended,
    /// An answer to the last key.
    notice: Option<&'static str>,
    now: DateTime<Utc>,
    turn: usize,
}

/// Runs that went on before one's eyes and are over.
#[derive(Default)]
struct Ended {
    count: usize,
    /// How the last of them ended.
    last: String,
}

/// What comes first among the runs that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Newest,
    Harness,
    Worst,
}

/// Something for the screen to take in.
pub(crate) enum HomeMessage {
    Key(KeyEvent),
    Wheel(isize),
    /// A text for the filter.
    Paste(String),
    News(RunsNews),
    /// Time went on.
    Now(DateTime<Utc>),
    /// Columns and rows.
    Size(u16, u16),
}

/// What the screen wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HomeEffect {
    Quit,
    Help,
    Open(RunId),
    Act(Act),
    /// A run ended: whoever looks elsewhere may want to know.
    Ring,
}

impl Home {
    /// The screen before anything is known.
    pub(crate) fn new(folder: String, now: DateTime<Utc>) -> Self {
        Self {
            folder,
            rows: Vec::new(),
            index: HashMap::new(),
            shown: Vec::new(),
            over_at: 0,
            filter: String::new(),
            typing: false,
            sort: Sort::Newest,
            chosen: None,
            touched: false,
            marked: Vec::new(),
            top: 0,
            size: (80, 24),
            reading: true,
            unreadable: 0,
            trouble: None,
            ended: Ended::default(),
            notice: None,
            now,
            turn: 0,
        }
    }

    /// Whether something on the screen changes while time goes on.
    pub(crate) fn ticks(&self) -> bool {
        self.over_at > 0
    }

    /// Whether keys are text.
    pub(crate) fn is_typing(&self) -> bool {
        self.typing
    }

    fn going(&self) -> &[usize] {
        self.shown.get(..self.over_at).unwrap_or_default()
    }

    fn over(&self) -> &[usize] {
        self.shown.get(self.over_at..).unwrap_or_default()
    }

    fn row(&self, at: usize) -> Option<&Row> {
        self.rows.get(*self.shown.get(at)?)
    }

    /// Where the chosen run stands among those that are shown.
    fn chosen_at(&self) -> Option<usize> {
        let at = self.index.get(self.chosen.as_ref()?)?;
        self.shown.iter().position(|shown| shown == at)
    }

    /// The chosen run.
    pub(crate) fn chosen_row(&self) -> Option<&Row> {
        self.chosen_at().and_then(|at| self.row(at))
    }

    /// A run, if it is there.
    pub(crate) fn row_of(&self, key: &Key) -> Option<&Row> {
        self.rows.get(*self.index.get(key)?)
    }

    /// Names of the marked runs, in the order in which they were marked.
    pub(crate) fn marked(&self) -> Vec<&str> {
        let rows = self
            .marked
            .iter()
            .filter_map(|key| self.rows.get(*self.index.get(key)?));
        rows.map(Row::id).collect()
    }

    fn is_wide(&self) -> bool {
        self.size.0 >= WIDE
    }

    /// Lines of the list that fit on the screen.
    fn room(&self) -> usize {
        let chosen = self.chosen_rows().len().max(1);
        usize::from(self.size.1).saturating_sub(AROUND + chosen)
    }

    /// What there is to say of the chosen run, in a sixth of the screen at most.
    fn chosen_rows(&self) -> Vec<String> {
        let mut rows = words::chosen(self).map_or_else(Vec::new, |words| wrap(&words, self.size.0.into()));
        rows.truncate((usize::from(self.size.1) / 6).max(1));
        rows
    }

    /// Lines that a run takes.
    fn height(&self, row: &Row) -> usize {
        let second = row.is_going() && !self.is_wide() && row.note(self.now).is_some();
        1 + usize::from(second)
    }

    /// The first line of a run in the list, titles counted, and its lines.
    fn place(&self, at: usize) -> (usize, usize) {
        let heights = |rows: &[usize]| -> usize {
            let rows = rows.iter().filter_map(|at| self.rows.get(*at));
            rows.map(|row| self.height(row)).sum()
        };
        let height = self.row(at).map_or(1, |row| self.height(row));
        let Some(later) = at.checked_sub(self.over_at) else {
            return (1 + heights(self.going().get(..at).unwrap_or_default()), height);
        };
        let title = if self.over_at == 0 {
            0
        } else {
            heights(self.going()) + 2
        };
        (title + 1 + later, height)
    }

    /// Lines of the whole list.
    fn lines(&self) -> usize {
        match self.shown.len().checked_sub(1) {
            None => 0,
            Some(last) => {
                let (first, height) = self.place(last);
                first + height
            }
        }
    }
}

/// Takes in a message.
pub(crate) fn update(home: &mut Home, message: HomeMessage) -> Option<HomeEffect> {
    home.touched |= matches!(
        message,
        HomeMessage::Key(_) | HomeMessage::Wheel(_) | HomeMessage::Paste(_)
    );
    let effect = match message {
        HomeMessage::Key(key) if home.typing => typed(home, key),
        HomeMessage::Key(key) => {
            home.notice = None;
            home.ended = Ended::default();
            decode(HOME, &key).and_then(|action| act(home, action))
        }
        HomeMessage::Wheel(lines) => {
            go(home, lines);
            None
        }
        HomeMessage::Paste(text) => {
            if home.typing {
                set_filter(home, format!("{}{}", home.filter, in_one_line(&text)));
            }
            None
        }
        HomeMessage::News(news) => {
            let before = home.ended.count;
            learn(home, news);
            (home.ended.count > before).then_some(HomeEffect::Ring)
        }
        HomeMessage::Now(now) => {
            home.now = now;
            home.turn = home.turn.wrapping_add(1);
            None
        }
        HomeMessage::Size(columns, rows) => {
            home.size = (columns, rows);
            None
        }
    };
    keep_in_view(home);
    effect
}

fn act(home: &mut Home, action: Action) -> Option<HomeEffect> {
    let page = isize::try_from(home.room().saturating_sub(2)).unwrap_or(1).max(1);
    match action {
        Action::Up => go(home, -1),
        Action::Down => go(home, 1),
        Action::PageUp => go(home, -page),
        Action::PageDown => go(home, page),
        Action::First => go(home, isize::MIN),
        Action::Last => go(home, isize::MAX),
        Action::Filter => home.typing = true,
        Action::Back => set_filter(home, String::new()),
        Action::Sort => {
            home.sort = match home.sort {
                Sort::Newest => Sort::Harness,
                Sort::Harness => Sort::Worst,
                Sort::Worst => Sort::Newest,
            };
            arrange(home);
        }
        Action::Open => match home.chosen.clone()? {
            Key::Run(id) => return Some(HomeEffect::Open(id)),
            Key::Older(_) => home.notice = Some("results of the older tool have no more to show"),
        },
        Action::Mark => mark(home),
        Action::Act(act) => return Some(HomeEffect::Act(act)),
        Action::Help => return Some(HomeEffect::Help),
        Action::Quit => return Some(HomeEffect::Quit),
        _ => {}
    }
    None
}

/// Marks the chosen run, or takes the mark away.
fn mark(home: &mut Home) {
    let Some(key) = home.chosen.clone() else { return };
    match home.marked.iter().position(|marked| *marked == key) {
        Some(at) => drop(home.marked.remove(at)),
        None => home.marked.push(key),
    }
}

/// Moves the choice.
fn go(home: &mut Home, by: isize) {
    let last = home.shown.len().saturating_sub(1);
    let at = match home.chosen_at() {
        Some(at) => at.saturating_add_signed(by).min(last),
        None => 0,
    };
    home.chosen = home.row(at).map(|row| row.key.clone());
}

/// A key while the filter is being typed.
fn typed(home: &mut Home, key: KeyEvent) -> Option<HomeEffect> {
    match (decode(FILTER, &key), key.code) {
        (Some(Action::Open), _) => home.typing = false,
        (Some(Action::Back), _) => {
            home.typing = false;
            set_filter(home, String::new());
        }
        (Some(Action::Clear), _) => set_filter(home, String::new()),
        (Some(Action::ClearWord), _) => {
            let words = home.filter.trim_end();
            let kept = words.rfind(char::is_whitespace).map_or("", |at| &words[..=at]);
            set_filter(home, kept.to_owned());
        }
        (Some(Action::ClearLetter), _) => {
            let mut filter = home.filter.clone();
            filter.pop();
            set_filter(home, filter);
        }
        (Some(Action::Up), _) => go(home, -1),
        (Some(Action::Down), _) => go(home, 1),
        (Some(Action::Quit), _) => return Some(HomeEffect::Quit),
        (_, KeyCode::Char(c))
            if !key
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            set_filter(home, format!("{}{c}", home.filter));
        }
        _ => {}
    }
    None
}

/// A text that was pasted, as words of a filter: what separates lines, or commands a terminal, separates words.
fn in_one_line(text: &str) -> String {
    let parts = text.split(char::is_control).filter(|part| !part.is_empty());
    let line = parts.collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST_PASTE).collect()
}

fn set_filter(home: &mut Home, filter: String) {
    home.filter = filter;
    home.top = 0;
    arrange(home);
}

/// Takes in what was read.
fn learn(home: &mut Home, news: RunsNews) {
    match news {
        RunsNews::Rows(rows) => {
            let mut moved = false;
            for row in rows {
                moved |= put(home, row);
            }
            if moved {
                // What goes on is read after what is over, and stands above it.
                home.chosen.take_if(|_| !home.touched);
                let kept = home.chosen_at().and(home.chosen.clone());
                let chosen_at = home.chosen_at();
                arrange_around(home, chosen_at, kept.as_ref());
            }
        }
        RunsNews::Gone(keys) => {
            let chosen_at = home.chosen_at();
            for key in keys {
                remove(home, &key);
            }
            let kept = home.chosen_at().and(home.chosen.clone());
            arrange_around(home, chosen_at, kept.as_ref());
        }
        RunsNews::AllRead { unreadable } => {
            home.reading = false;
            home.unreadable = unreadable;
        }
        RunsNews::Trouble(trouble) => home.trouble = trouble,
    }
}

/// Whether it changes the order.
fn put(home: &mut Home, row: Row) -> bool {
    let known = home.index.get(&row.key).and_then(|at| home.rows.get_mut(*at));
    if let Some(old) = known {
        let moved = old.is_going() != row.is_going() || old.started_at != row.started_at;
        if old.is_going() && !row.is_going() {
            home.ended.count += 1;
            home.ended.last = row.ended_words();
        }
        *old = row;
        // Words of a filter may fit no longer.
        return moved || !home.filter.is_empty();
    }
    home.index.insert(row.key.clone(), home.rows.len());
    home.rows.push(row);
    true
}

fn remove(home: &mut Home, key: &Key) {
    let Some(at) = home.index.remove(key) else { return };
    home.marked.retain(|marked| marked != key);
    home.rows.swap_remove(at);
    if let Some(moved) = home.rows.get(at) {
        home.index.insert(moved.key.clone(), at);
    }
}

fn arrange(home: &mut Home) {
    let chosen_at = home.chosen_at();
    arrange_around(home, chosen_at, None);
}

/// Chooses what is shown, and in which order. The run that is kept is shown although words of the filter fit it no longer. If
/// the chosen run is no longer shown, what stands in its place is chosen.
fn arrange_around(home: &mut Home, chosen_at: Option<usize>, kept: Option<&Key>) {
    let words: Vec<String> = home.filter.split_whitespace().map(str::to_lowercase).collect();
    let fits = |row: &Row| words.is_empty() || kept == Some(&row.key) || row.has(&words, home.now);
    let (mut going, mut over): (Vec<usize>, Vec<usize>) = (0..home.rows.len())
        .filter(|at| home.rows.get(*at).is_some_and(fits))
        .partition(|at| home.rows.get(*at).is_some_and(Row::is_going));
    let by = |sort: Sort, one: usize, other: usize| match (home.rows.get(one), home.rows.get(other)) {
        (Some(one), Some(other)) => compare(sort, one, other),
        _ => Ordering::Equal,
    };
    going.sort_by(|one, other| by(Sort::Newest, *one, *other));
    over.sort_by(|one, other| by(home.sort, *one, *other));
    home.over_at = going.len();
    home.shown = going;
    home.shown.append(&mut over);
    if home.chosen_at().is_none() {
        let at = chosen_at.unwrap_or(0).min(home.shown.len().saturating_sub(1));
        home.chosen = home.row(at).map(|row| row.key.clone());
    }
}

fn compare(sort: Sort, one: &Row, other: &Row) -> Ordering {
    let newest = other
        .started_at
        .cmp(&one.started_at)
        .then_with(|| other.id().cmp(one.id()));
    match sort {
        Sort::Newest => newest,
        Sort::Harness => one.harness.cmp(&other.harness).then(newest),
        // Those without a share come last.
        Sort::Worst => match (one.share(), other.share()) {
            (Some(one), Some(other)) => one.total_cmp(&other).then(newest),
            (one, other) => other.is_some().cmp(&one.is_some()).then(newest),
        },
    }
}

/// Scrolls so that the chosen run is on the screen.
fn keep_in_view(home: &mut Home) {
    let room = home.room();
    let mut top = home.top.min(home.lines().saturating_sub(room));
    if let Some(at) = home.chosen_at() {
        let (first, height) = home.place(at);
        // The first of a section brings its title along.
        let title = match at {
            0 => first,
            at if at == home.over_at => 2,
            _ => 0,
        };
        top = top
            .min(first.saturating_sub(title))
            .max((first + height).saturating_sub(room));
    }
    home.top = top;
}

#[cfg(test)]
mod tests;
