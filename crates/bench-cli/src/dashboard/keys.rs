//! Which key does what. One table per screen: keys are decoded by it, and footers and help are drawn from it, so that what
//! is shown works and what works is shown.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::acts::ask::Act;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
    Next,
    Previous,
    Open,
    Fold,
    NextTab,
    Copy,
    /// Read the transcript in a pager.
    Page,
    PreviousTab,
    Filter,
    Sort,
    Back,
    Help,
    Quit,
    /// Take away the filter, its last word, its last letter.
    Clear,
    ClearWord,
    ClearLetter,
    /// Mark what is chosen.
    Mark,
    /// Draw all of the screen anew.
    Repaint,
    /// Nothing of ours: the terminal's own.
    Terminal,
    /// End the run of this process.
    Stop,
    /// Something is to be done about the chosen run, or about all.
    Act(Act),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(KeyCode, KeyModifiers);

impl Key {
    const fn of(code: KeyCode) -> Self {
        Self(code, KeyModifiers::NONE)
    }

    const fn char(c: char) -> Self {
        Self(KeyCode::Char(c), KeyModifiers::NONE)
    }

    const fn ctrl(c: char) -> Self {
        Self(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    fn fits(self, event: &KeyEvent) -> bool {
        // Shift is in the character itself, as far as it matters.
        let modifiers = event.modifiers.difference(KeyModifiers::SHIFT);
        event.code == self.0 && modifiers == self.1
    }
}

/// Keys that do the same, and what they do in words.
pub(crate) struct Binding {
    keys: &'static [Key],
    /// The action.
    pub(crate) action: Action,
    /// The keys as they are shown.
    pub(crate) shown: &'static str,
    /// What they do, for the help.
    pub(crate) words: &'static str,
    /// What they do in a word, for the footer; none if only the help tells.
    pub(crate) brief: Option<&'static str>,
}

const fn binding(
    keys: &'static [Key],
    action: Action,
    shown: &'static str,
    words: &'static str,
    brief: Option<&'static str>,
) -> Binding {
    Binding {
        keys,
        action,
        shown,
        words,
        brief,
    }
}

const UP: Binding = binding(
    &[Key::of(KeyCode::Up), Key::char('k')],
    Action::Up,
    "↑ k",
    "one up; the mouse wheel moves too",
    None,
);
const DOWN: Binding = binding(
    &[Key::of(KeyCode::Down), Key::char('j')],
    Action::Down,
    "↓ j",
    "one down",
    None,
);
const PAGE_UP: Binding = binding(
    &[Key::of(KeyCode::PageUp), Key::ctrl('b'), Key::ctrl('u')],
    Action::PageUp,
    "PgUp ^B ^U",
    "a page up",
    None,
);
const PAGE_DOWN: Binding = binding(
    &[Key::of(KeyCode::PageDown), Key::ctrl('f'), Key::ctrl('d')],
    Action::PageDown,
    "PgDn ^F ^D",
    "a page down",
    None,
);
const FIRST: Binding = binding(
    &[Key::of(KeyCode::Home), Key::char('g')],
    Action::First,
    "Home g",
    "to the first",
    None,
);
const LAST: Binding = binding(
    &[Key::of(KeyCode::End), Key::char('G')],
    Action::Last,
    "End G",
    "to the last",
    None,
);
const OPEN: Binding = binding(
    &[Key::of(KeyCode::Enter)],
    Action::Open,
    "Enter",
    "open what is chosen",
    Some("open"),
);
const BACK: Binding = binding(
    &[Key::of(KeyCode::Esc), Key::of(KeyCode::Backspace)],
    Action::Back,
    "Esc",
    "back to where you came from; Backspace, too",
    Some("back"),
);
const HELP: Binding = binding(
    &[Key::char('?'), Key::of(KeyCode::F(1))],
    Action::Help,
    "?",
    "this help, F1 too; any other key closes it",
    Some("help"),
);
const QUIT: Binding = binding(
    &[Key::char('q'), Key::ctrl('c')],
    Action::Quit,
    "q",
    "leave; runs go on; ^C does, too",
    Some("quit"),
);

const KILL: Binding = binding(
    &[Key::char('x')],
    Action::Act(Act::Kill),
    "x",
    "end the run; everything that changes a run is asked first",
    Some("end"),
);
const RESUME: Binding = binding(
    &[Key::char('r')],
    Action::Act(Act::Resume),
    "r",
    "resume the run in the background: trials without a verdict",
    Some("resume"),
);
const RETRY: Binding = binding(
    &[Key::char('t')],
    Action::Act(Act::Retry),
    "t",
    "try trials that errored or failed again, as a new run",
    Some("try again"),
);
const DELETE: Binding = binding(
    &[Key::char('D')],
    Action::Act(Act::Delete),
    "D",
    "remove the run from the disk",
    Some("remove"),
);

const MARK: Binding = binding(
    &[Key::char(' ')],
    Action::Mark,
    "Space",
    "mark the run, to be compared; once more takes the mark away",
    Some("mark"),
);
const COMPARE: Binding = binding(
    &[Key::char('c')],
    Action::Act(Act::Compare),
    "c",
    "compare the marked runs; without marks, the models of the run",
    Some("compare"),
);
const REPORT: Binding = binding(
    &[Key::char('R')],
    Action::Act(Act::Report),
    "R",
    "write a report of the run, an HTML page, here",
    Some("report"),
);

const NEXT: Binding = binding(
    &[Key::char('n')],
    Action::Next,
    "n",
    "to the next trial that ended and did not pass",
    Some("not passed"),
);
const PREVIOUS: Binding = binding(
    &[Key::char('p'), Key::char('N')],
    Action::Previous,
    "p N",
    "to the one before",
    None,
);
const ALL: Binding = binding(
    &[Key::of(KeyCode::Tab)],
    Action::NextTab,
    "Tab",
    "all in words: models, trials under way, causes; and back",
    Some("all"),
);
const LEFT: Binding = binding(
    &[Key::of(KeyCode::Left), Key::char('h')],
    Action::Left,
    "← h",
    "one trial to the left",
    None,
);
const RIGHT: Binding = binding(
    &[Key::of(KeyCode::Right), Key::char('l')],
    Action::Right,
    "→ l",
    "one trial to the right",
    None,
);

/// The list of runs.
pub(crate) const HOME: &[Binding] = &[
    HELP,
    QUIT,
    OPEN,
    binding(
        &[Key::char('/')],
        Action::Filter,
        "/",
        "show only runs with these words in id, harness, models or status",
        Some("filter"),
    ),
    binding(
        &[Key::of(KeyCode::Esc)],
        Action::Back,
        "Esc",
        "show all runs again",
        None,
    ),
    KILL,
    RESUME,
    RETRY,
    DELETE,
    MARK,
    COMPARE,
    REPORT,
    binding(
        &[Key::char('s')],
        Action::Sort,
        "s",
        "sort by age, harness, or share of verifiers passed",
        Some("sort"),
    ),
    binding(
        &[Key::char('C')],
        Action::Act(Act::Cleanup),
        "C",
        "look for runs that are not as they should be, and put them right",
        Some("clean up"),
    ),
    binding(
        &[Key::char('P')],
        Action::Act(Act::Prune),
        "P",
        "look for old runs, and remove them",
        Some("prune"),
    ),
    UP,
    DOWN,
    PAGE_UP,
    PAGE_DOWN,
    FIRST,
    LAST,
];

/// The list of runs while its filter is typed: every other key is text.
pub(crate) const FILTER: &[Binding] = &[
    binding(
        &[Key::of(KeyCode::Enter)],
        Action::Open,
        "Enter",
        "keep the filter; keys are keys again",
        Some("keep"),
    ),
    binding(
        &[Key::of(KeyCode::Esc)],
        Action::Back,
        "Esc",
        "show all runs again",
        Some("show all"),
    ),
    binding(&[Key::of(KeyCode::Up)], Action::Up, "↑", "one run up", Some("up")),
    binding(
        &[Key::of(KeyCode::Down)],
        Action::Down,
        "↓",
        "one run down",
        Some("down"),
    ),
    binding(
        &[Key::ctrl('u')],
        Action::Clear,
        "^U",
        "take away what was typed",
        Some("clear"),
    ),
    binding(
        &[Key::ctrl('w')],
        Action::ClearWord,
        "^W",
        "take away its last word",
        Some("one word back"),
    ),
    binding(
        &[Key::of(KeyCode::Backspace), Key::ctrl('h')],
        Action::ClearLetter,
        "Backspace ^H",
        "take away its last letter",
        None,
    ),
    binding(
        &[Key::ctrl('c')],
        Action::Quit,
        "^C",
        "leave; runs go on",
        Some("quit"),
    ),
];

/// One run.
pub(crate) const RUN: &[Binding] = &[
    HELP, QUIT, BACK, OPEN, ALL, NEXT, PREVIOUS, LEFT, RIGHT, KILL, RESUME, RETRY, DELETE, REPORT, COMPARE,
    UP, DOWN, PAGE_UP, PAGE_DOWN, FIRST, LAST,
];

/// One run that is attached to: there is nowhere to go back to.
pub(crate) const RUN_ATTACHED: &[Binding] = &[
    HELP, QUIT, OPEN, ALL, NEXT, PREVIOUS, LEFT, RIGHT, KILL, UP, DOWN, PAGE_UP, PAGE_DOWN, FIRST, LAST,
];

/// The run of this very process.
pub(crate) const RUN_HERE: &[Binding] = &[
    HELP,
    binding(
        &[Key::char('q')],
        Action::Quit,
        "q",
        "leave this view; the run goes on, with bars",
        Some("leave the view"),
    ),
    binding(
        &[Key::ctrl('c')],
        Action::Stop,
        "^C",
        "end the run; finished trials are kept; once more stops at once",
        Some("end the run"),
    ),
    OPEN,
    ALL,
    NEXT,
    PREVIOUS,
    LEFT,
    RIGHT,
    UP,
    DOWN,
    PAGE_UP,
    PAGE_DOWN,
    FIRST,
    LAST,
];

const NEXT_TAB: Binding = binding(
    &[Key::of(KeyCode::Tab)],
    Action::NextTab,
    "Tab",
    "conversation, verifiers, requests of the chosen entry, log",
    Some("next view"),
);
const PREVIOUS_TAB: Binding = binding(
    &[Key::of(KeyCode::BackTab)],
    Action::PreviousTab,
    "Shift-Tab",
    "the other way round",
    None,
);

const COPY: Binding = binding(
    &[Key::char('y')],
    Action::Copy,
    "y",
    "show and copy the path of the transcript",
    Some("path"),
);

const PAGE: Binding = binding(
    &[Key::char('o')],
    Action::Page,
    "o",
    "read the transcript as text in $PAGER, else in less",
    Some("pager"),
);

/// The conversation of a trial.
pub(crate) const TALK: &[Binding] = &[
    HELP,
    QUIT,
    BACK,
    NEXT_TAB,
    PREVIOUS_TAB,
    binding(
        &[Key::of(KeyCode::Enter), Key::char(' ')],
        Action::Fold,
        "Enter",
        "show all of the chosen entry, or its beginning; Space too",
        Some("unfold"),
    ),
    binding(
        &[Key::of(KeyCode::Right), Key::char('n'), Key::char('l')],
        Action::Next,
        "→ n l",
        "replay: one step further; what comes later is not shown",
        Some("step"),
    ),
    binding(
        &[Key::of(KeyCode::Left), Key::char('p'), Key::char('h')],
        Action::Previous,
        "← p h",
        "replay: one step back",
        None,
    ),
    UP,
    DOWN,
    PAGE_UP,
    PAGE_DOWN,
    FIRST,
    binding(
        &[Key::of(KeyCode::End), Key::char('G')],
        Action::Last,
        "End G",
        "to the last, and on with what comes; ends a replay",
        Some("follow"),
    ),
    COPY,
    PAGE,
];

/// What else is known of a trial.
pub(crate) const SHEET: &[Binding] = &[
    HELP,
    QUIT,
    BACK,
    NEXT_TAB,
    PREVIOUS_TAB,
    UP,
    DOWN,
    PAGE_UP,
    PAGE_DOWN,
    FIRST,
    LAST,
    COPY,
    PAGE,
];

/// The same beside a run: Ctrl-C in a pager would reach the run.
pub(crate) const TALK_BESIDE: &[Binding] = without_last(TALK);
/// The same beside a run.
pub(crate) const SHEET_BESIDE: &[Binding] = without_last(SHEET);

/// Those of a trial without the pager.
const fn without_last(bindings: &'static [Binding]) -> &'static [Binding] {
    match bindings.split_last() {
        Some((_, others)) => others,
        None => bindings,
    }
}

/// What the help of every screen says besides.
pub(crate) const EVERYWHERE: &[Binding] = &[
    binding(
        &[Key::ctrl('l')],
        Action::Repaint,
        "^L",
        "draw the screen anew",
        None,
    ),
    binding(
        &[],
        Action::Terminal,
        "Shift",
        "held: the mouse selects text, as without the dashboard",
        None,
    ),
];

/// A box with something to read; any other key closes it.
pub(crate) const BOX: &[Binding] = &[UP, DOWN, PAGE_UP, PAGE_DOWN, FIRST, LAST];

/// What a key asks for on a screen.
pub(crate) fn decode(bindings: &[Binding], event: &KeyEvent) -> Option<Action> {
    bindings
        .iter()
        .find(|binding| binding.keys.iter().any(|key| key.fits(event)))
        .map(|binding| binding.action)
}

/// Whether the key ends the program wherever it is pressed.
pub(crate) fn always_quits(event: &KeyEvent) -> bool {
    Key::ctrl('c').fits(event)
}

/// Whether the key is to have all of the screen drawn anew, wherever it is pressed.
pub(crate) fn repaints(event: &KeyEvent) -> bool {
    decode(EVERYWHERE, event) == Some(Action::Repaint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::paint::width;

    /// Every table of a screen.
    const SCREENS: &[&[Binding]] = &[
        HOME,
        RUN,
        RUN_ATTACHED,
        RUN_HERE,
        TALK,
        SHEET,
        TALK_BESIDE,
        SHEET_BESIDE,
    ];

    #[test]
    fn no_key_means_two_things_on_one_screen() {
        for bindings in SCREENS {
            let keys: Vec<Key> = bindings.iter().flat_map(|b| b.keys).copied().collect();
            for (at, key) in keys.iter().enumerate() {
                assert!(!keys[..at].contains(key), "{key:?}");
            }
        }
    }

    #[test]
    fn every_screen_can_be_left_and_explains_itself() {
        for bindings in SCREENS {
            for action in [Action::Help, Action::Quit] {
                let binding = bindings.iter().find(|b| b.action == action);
                assert!(binding.is_some_and(|b| b.brief.is_some()), "{action:?}");
            }
        }
    }

    #[test]
    fn the_help_of_every_screen_fits_on_a_small_terminal() {
        for bindings in SCREENS {
            let keys = bindings.iter().map(|b| width(b.shown)).max().unwrap_or(0);
            for binding in bindings.iter().chain(EVERYWHERE) {
                assert!(keys + width(binding.words) + 6 <= 80, "{}", binding.words);
            }
        }
    }

    #[test]
    fn every_key_is_named_in_the_help() {
        let tables = SCREENS.iter().copied().flatten();
        for binding in tables.chain(EVERYWHERE).chain(BOX).chain(FILTER) {
            let text = format!("{} {}", binding.shown, binding.words);
            let words: Vec<&str> = text.split([' ', ',', ';']).collect();
            for key in binding.keys {
                let name = match key.0 {
                    KeyCode::Char(' ') => "Space".to_owned(),
                    KeyCode::Char(c) if key.1 == KeyModifiers::CONTROL => format!("^{}", c.to_uppercase()),
                    KeyCode::Char(c) => c.to_string(),
                    KeyCode::F(n) => format!("F{n}"),
                    KeyCode::Up => "↑".to_owned(),
                    KeyCode::Down => "↓".to_owned(),
                    KeyCode::Left => "←".to_owned(),
                    KeyCode::Right => "→".to_owned(),
                    KeyCode::PageUp => "PgUp".to_owned(),
                    KeyCode::PageDown => "PgDn".to_owned(),
                    KeyCode::BackTab => "Shift-Tab".to_owned(),
                    other => format!("{other:?}"),
                };
                assert!(words.contains(&name.as_str()), "{name} is not in: {text}");
            }
        }
    }

    #[test]
    fn beside_a_run_everything_but_the_pager_is_there() {
        for (all, beside) in [(TALK, TALK_BESIDE), (SHEET, SHEET_BESIDE)] {
            assert_eq!(all.len(), beside.len() + 1);
            assert!(all.iter().any(|binding| binding.action == Action::Page));
            assert!(beside.iter().all(|binding| binding.action != Action::Page));
        }
    }

    #[test]
    fn capital_letters_come_with_shift() {
        let press = |c, modifiers| decode(HOME, &KeyEvent::new(KeyCode::Char(c), modifiers));
        assert_eq!(press('G', KeyModifiers::SHIFT), Some(Action::Last));
        assert_eq!(press('G', KeyModifiers::NONE), Some(Action::Last));
        assert_eq!(press('g', KeyModifiers::NONE), Some(Action::First));
        assert_eq!(press('c', KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press('y', KeyModifiers::NONE), None);
        assert_eq!(press('q', KeyModifiers::ALT), None);
    }
}
