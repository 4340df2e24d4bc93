use bench_core::event::Awaited;
use bench_core::session::{OutcomeCounts, Progress};
use std::time::Duration;

use super::row::tests::{ago, now, waiting};
use super::row::{Doing, Going, Over, Stand};
use super::*;
use crate::dashboard::look::{Look, Sign};
use crate::dashboard::test_screen::{LOOK, screen};

fn progress(done: u32, total: u32, passed: u32) -> Progress {
    Progress {
        trials_total: total,
        trials_done: done,
        outcomes: OutcomeCounts {
            passed,
            failed: done - passed,
            ..OutcomeCounts::default()
        },
        verifiers_passed: passed * 3,
        verifiers_total: done * 3,
        verifiers_planned: total * 3,
    }
}

fn going(n: u32, harness: &str, models: &str, doing: Doing) -> Row {
    Row {
        key: Key::Run(format!("run_20260102_0{n}0405_0badcafe").parse().unwrap()),
        harness: harness.into(),
        models: models.into(),
        runs: n,
        progress: progress(12 * n, 60 * n, 10 * n),
        started_at: ago(300 * i64::from(n)),
        stand: Stand::Going(Going {
            doing,
            cost: (n > 1).then(|| format!("${n}.4211")),
            left: (n > 1).then(|| Duration::from_secs(u64::from(n) * 345)),
        }),
    }
}

fn over(n: u32, harness: &str, word: &str, cause: Option<&str>) -> Row {
    Row {
        key: Key::Run(format!("run_20260101_000000_{n:08x}").parse().unwrap()),
        harness: harness.into(),
        models: "openai:gpt-4o, anthropic:claude-sonnet-4-5".into(),
        runs: 5,
        progress: progress(50, 50, 45 - n % 40),
        started_at: ago(3_600 * i64::from(n)),
        stand: Stand::Over(Over {
            word: word.into(),
            cause: cause.map(Into::into),
            refused: None,
        }),
    }
}

fn rows() -> Vec<Row> {
    vec![
        going(1, "quickstart", "oracle", Doing::Running(None)),
        going(
            2,
            "jira-smoke (nightly)",
            "openai:gpt-4o, anthropic:claude-sonnet-4-5",
            Doing::Waiting(waiting(
                Awaited::RateLimit,
                "openai:gpt-4o: status 429, rate limited",
                45,
            )),
        ),
        going(
            3,
            "tickets",
            "google:gemini-2.5-pro",
            Doing::Waiting(waiting(Awaited::Tool, "tool search of jira", 52)),
        ),
        over(5, "quickstart", "completed", None),
        over(
            9,
            "a-harness-with-quite-a-long-name",
            "failed",
            Some(
                "worker_lost, `resume` continues it: the worker (pid 4711) is gone and left no ending: killed, out of memory or crashed",
            ),
        ),
        over(12, "tickets", "cancelled", Some("requested")),
    ]
}

fn home(columns: u16, lines: u16) -> Home {
    let mut home = Home::new("results".into(), now());
    update(&mut home, HomeMessage::Size(columns, lines));
    update(&mut home, HomeMessage::News(RunsNews::Rows(rows())));
    update(&mut home, HomeMessage::News(RunsNews::AllRead { unreadable: 0 }));
    home
}

fn press(home: &mut Home, code: KeyCode) -> Option<HomeEffect> {
    update(home, HomeMessage::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn type_in(home: &mut Home, text: &str) {
    for c in text.chars() {
        press(home, KeyCode::Char(c));
    }
}

fn shown(home: &Home) -> String {
    screen(home.size.0, home.size.1, |frame| draw(home, LOOK, frame))
}

fn chosen(home: &Home) -> String {
    let row = home.chosen_at().and_then(|at| home.row(at));
    row.map_or_else(String::new, |row| row.id().to_owned())
}

#[test]
fn a_terminal_that_is_too_small_is_told_what_is_needed_and_can_be_left() {
    let mut small = home(30, 8);
    insta::assert_snapshot!(shown(&small), @r"
    This terminal has 30 × 8
    cells; 40 × 6 are needed here.
    q quit
    ");
    assert_eq!(press(&mut small, KeyCode::Char('q')), Some(HomeEffect::Quit));
    for (columns, rows) in [(40, 5), (9, 30)] {
        let words: String = shown(&home(columns, rows)).split_whitespace().collect();
        assert!(words.contains("40×6areneeded"), "{words}");
    }
    assert!(shown(&home(40, 6)).contains("IN PROGRESS"), "large enough");
    shown(&home(1, 1));
}

#[test]
fn a_completed_run_without_any_verdict_does_not_look_like_a_good_one() {
    let mut row = over(1, "broken", "completed", None);
    row.progress = Progress {
        trials_total: 16,
        trials_done: 16,
        outcomes: OutcomeCounts {
            errored: 16,
            ..OutcomeCounts::default()
        },
        ..Progress::default()
    };
    assert_eq!(row.sign(now()), Some(Sign::Errored));
    assert_eq!(row.ended_words(), format!("{} completed: 0/16 judged", row.id()));
    let mut home = home(80, 24);
    update(&mut home, HomeMessage::News(RunsNews::Rows(vec![row.clone()])));
    let text = shown(&home);
    let line = text.lines().find(|line| line.contains("broken")).unwrap();
    assert!(
        line.contains("! 01-02 04:04") && line.contains("0/16 judged  completed"),
        "{line}"
    );
    row.progress.outcomes = OutcomeCounts {
        unscored: 16,
        ..OutcomeCounts::default()
    };
    assert_eq!(row.sign(now()), Some(Sign::Passed), "nothing was to be judged");
}

#[test]
fn a_small_terminal() {
    insta::assert_snapshot!(shown(&home(80, 24)), @r"
    Runs in results                                      3 in progress · 3 completed

    IN PROGRESS  3                                trials passed      cost  age  left
    ❯ ⠋ quickstart      oracle          ━─────     12/60     10         —   5m     —
      … jira-sm…ightly) gpt-4o +1 ×2    ━─────    24/120     20   $2.4211  10m  ~11m
        next request in 15s · 429 rate limit · openai:gpt-4o: status 429, rate limi…
      ! tickets         gemin…5-pro ×3  ━─────    36/180     30   $3.4211  15m  ~17m
        given up in 8s, then tried again (2 of 2) · tool search of jira · stalled 5…

    COMPLETED  3                       models × runs            verifiers  status
      ✓ 01-02 00:04  quickstart        gpt-4o +1 ×5       120/150 (80.0%)  completed
      ✗ 01-01 20:04  a-harnes…ong-name gpt-4o +1 ×5       108/150 (72.0%)  failed
      – 01-01 17:04  tickets           gpt-4o +1 ×5        99/150 (66.0%)  cancelled









    run_20260102_010405_0badcafe · running · 5m 00s from 2026-01-02 04:59 UTC
    ? help  q quit  Space mark  Enter open  / filter  x end  R report  s sort
    ");
}

#[test]
fn a_large_terminal() {
    insta::assert_snapshot!(shown(&home(200, 60)), @r"
    Runs in results                                                                                                                                                              3 in progress · 3 completed

    IN PROGRESS  3                                                                      trials passed      cost  age  left  state
    ❯ ⠋ quickstart                           oracle                           ━─────     12/60     10         —   5m     —  running
      … jira-smoke (nightly)                 gpt-4o, claude-sonnet-4-5 ×2     ━─────    24/120     20   $2.4211  10m  ~11m  next request in 15s · 429 rate limit · openai:gpt-4o: status 429, rate limited …
      ! tickets                              google:gemini-2.5-pro ×3         ━─────    36/180     30   $3.4211  15m  ~17m  given up in 8s, then tried again (2 of 2) · tool search of jira · stalled 52s (…

    COMPLETED  3                                            models × runs                             verifiers  status     cause
      ✓ 2026-01-02 00:04  quickstart                        gpt-4o, claude-sonnet-4-5 ×5        120/150 (80.0%)  completed
      ✗ 2026-01-01 20:04  a-harness-with-quite-a-long-name  gpt-4o, claude-sonnet-4-5 ×5        108/150 (72.0%)  failed     worker_lost, `resume` continues it: the worker (pid 4711) is gone and left no e…
      – 2026-01-01 17:04  tickets                           gpt-4o, claude-sonnet-4-5 ×5         99/150 (66.0%)  cancelled  requested















































    run_20260102_010405_0badcafe · running · 5m 00s from 2026-01-02 04:59 UTC
    ? help  q quit  Space mark  Enter open  / filter  x end  R report  s sort  C clean up  P prune
    ");
}

#[test]
fn a_terminal_that_knows_only_ascii_and_no_colour() {
    let plain = Look {
        color: false,
        unicode: false,
    };
    let home = home(80, 24);
    let text = screen(80, 24, |frame| draw(&home, plain, frame));
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text, @r"
    Runs in results                                      3 in progress - 3 completed

    IN PROGRESS  3                                trials passed      cost  age  left
    > | quickstart      oracle          #-----     12/60     10         -   5m     -
      ~ jira-sm~ightly) gpt-4o +1 x2    #-----    24/120     20   $2.4211  10m  ~11m
        next request in 15s - 429 rate limit - openai:gpt-4o: status 429, rate limi~
      ! tickets         gemin~5-pro x3  #-----    36/180     30   $3.4211  15m  ~17m
        given up in 8s, then tried again (2 of 2) - tool search of jira - stalled 5~

    COMPLETED  3                       models x runs            verifiers  status
      + 01-02 00:04  quickstart        gpt-4o +1 x5       120/150 (80.0%)  completed
      x 01-01 20:04  a-harnes~ong-name gpt-4o +1 x5       108/150 (72.0%)  failed
      - 01-01 17:04  tickets           gpt-4o +1 x5        99/150 (66.0%)  cancelled









    run_20260102_010405_0badcafe - running - 5m 00s from 2026-01-02 04:59 UTC
    ? help  q quit  Space mark  Enter open  / filter  x end  R report  s sort
    ");
}

#[test]
fn before_anything_is_known_and_where_nothing_is() {
    let mut home = Home::new("results".into(), now());
    assert!(shown(&home).contains("reading …"));
    update(&mut home, HomeMessage::News(RunsNews::AllRead { unreadable: 0 }));
    assert!(shown(&home).contains("no runs here yet"), "{}", shown(&home));
    assert!(!home.ticks(), "nothing on the screen needs the time");
}

#[test]
fn typing_filters_by_every_word() {
    let mut home = home(80, 24);
    type_in(&mut home, "/TICK gemini");
    let text = shown(&home);
    assert!(text.contains("/TICK gemini_  1 of 6"), "{text}");
    assert!(text.contains("tickets") && !text.contains("quickstart"), "{text}");
    press(&mut home, KeyCode::Enter);
    assert!(
        press(&mut home, KeyCode::Char('q')) == Some(HomeEffect::Quit),
        "keys are keys again"
    );
    press(&mut home, KeyCode::Char('/'));
    type_in(&mut home, "x");
    assert!(shown(&home).contains("no run has these words"));
    for _ in 0..20 {
        press(&mut home, KeyCode::Backspace);
    }
    assert!(shown(&home).contains("/_  6 of 6"), "{}", shown(&home));
    type_in(&mut home, "cancelled");
    assert_eq!(home.shown.len(), 1, "the status counts too");
    press(&mut home, KeyCode::Esc);
    assert_eq!((home.shown.len(), home.typing), (6, false));
}

#[test]
fn while_the_filter_is_typed_its_own_keys_are_shown_and_edit_it() {
    let mut home = home(80, 24);
    type_in(&mut home, "/tick gem");
    let text = shown(&home);
    insta::assert_snapshot!(text.lines().last().unwrap(), @"^C quit  Enter keep  Esc show all  ↑ up  ↓ down  ^U clear  ^W one word back");
    let edit = |home: &mut Home, c| {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        update(home, HomeMessage::Key(key))
    };
    edit(&mut home, 'w');
    assert_eq!(home.filter, "tick ");
    edit(&mut home, 'w');
    edit(&mut home, 'w');
    assert_eq!((home.filter.as_str(), home.shown.len()), ("", 6));
    type_in(&mut home, "日本 x");
    edit(&mut home, 'w');
    assert_eq!(home.filter, "日本 ");
    edit(&mut home, 'u');
    assert_eq!(home.filter, "");
    type_in(&mut home, &("long ".repeat(30) + "end"));
    let text = shown(&home);
    assert!(text.contains("long end_  0 of 6"), "{text}");
    assert_eq!(edit(&mut home, 'c'), Some(HomeEffect::Quit));
    press(&mut home, KeyCode::Enter);
    assert!(shown(&home).contains("? help"), "keys are keys again");
}

#[test]
fn the_chosen_run_stays_chosen_and_shown_while_its_state_changes() {
    let mut home = home(80, 24);
    type_in(&mut home, "/waiting");
    press(&mut home, KeyCode::Enter);
    let run = chosen(&home);
    assert_eq!(
        (run.as_str(), home.shown.len()),
        ("run_20260102_020405_0badcafe", 1)
    );
    let now_runs = going(2, "jira-smoke (nightly)", "openai:gpt-4o", Doing::Running(None));
    let other = going(
        1,
        "quickstart",
        "oracle",
        Doing::Waiting(waiting(Awaited::RateLimit, "x", 45)),
    );
    update(
        &mut home,
        HomeMessage::News(RunsNews::Rows(vec![now_runs, other])),
    );
    assert_eq!((chosen(&home), home.shown.len()), (run.clone(), 2));
    let gone = vec![Key::Older("nobody".into())];
    update(&mut home, HomeMessage::News(RunsNews::Gone(gone)));
    assert_eq!((chosen(&home), home.shown.len()), (run, 2));
    // Who types anew asks anew.
    press(&mut home, KeyCode::Char('/'));
    type_in(&mut home, " ");
    assert_eq!(chosen(&home), "run_20260102_010405_0badcafe");
    assert_eq!(home.shown.len(), 1);
}

#[test]
fn a_run_that_waits_is_found_as_one_that_runs() {
    let mut home = home(80, 24);
    type_in(&mut home, "/running");
    assert_eq!(home.shown.len(), 3, "as `list --status running` does");
}

#[test]
fn what_is_pasted_into_the_filter_is_text_of_one_line() {
    let mut home = home(80, 24);
    let paste = |home: &mut Home, text: &str| update(home, HomeMessage::Paste(text.into()));
    assert_eq!(paste(&mut home, "q"), None, "nobody types");
    assert!(home.filter.is_empty());
    press(&mut home, KeyCode::Char('/'));
    assert_eq!(paste(&mut home, "TICK\r\nq\t\x1b[2J\x03"), None);
    assert!(home.typing);
    assert_eq!(home.filter, "TICK q [2J");
    paste(&mut home, &"x".repeat(100_000));
    assert_eq!(home.filter.len(), 10 + LONGEST_PASTE);
}

#[test]
fn a_filter_cannot_command_the_terminal() {
    let mut home = home(80, 24);
    type_in(&mut home, "/\u{9b}2J\u{202e}");
    assert!(shown(&home).contains("/\u{fffd}2J\u{fffd}_"), "{}", shown(&home));
}

#[test]
fn the_first_run_is_chosen_until_somebody_chooses() {
    let mut home = Home::new("results".into(), now());
    let (going, over): (Vec<Row>, Vec<Row>) = rows().into_iter().partition(Row::is_going);
    update(&mut home, HomeMessage::News(RunsNews::Rows(over)));
    assert_eq!(chosen(&home), "run_20260101_000000_00000005");
    update(&mut home, HomeMessage::News(RunsNews::Rows(going)));
    assert_eq!(chosen(&home), "run_20260102_010405_0badcafe");
}

#[test]
fn the_choice_stays_on_its_run_while_others_come_and_go() {
    let mut home = home(80, 24);
    for _ in 0..3 {
        press(&mut home, KeyCode::Char('j'));
    }
    let run = chosen(&home);
    assert_eq!(run, "run_20260101_000000_00000005");
    update(
        &mut home,
        HomeMessage::News(RunsNews::Rows(vec![going(4, "new", "noop", Doing::Beginning)])),
    );
    assert_eq!(chosen(&home), run);
    // It is removed: what stands in its place is chosen.
    let key = home.chosen.clone().unwrap();
    update(&mut home, HomeMessage::News(RunsNews::Gone(vec![key])));
    assert_eq!(chosen(&home), "run_20260101_000000_00000009");
    press(&mut home, KeyCode::End);
    press(&mut home, KeyCode::Down);
    assert_eq!(chosen(&home), "run_20260101_000000_0000000c");
    press(&mut home, KeyCode::Home);
    press(&mut home, KeyCode::Up);
    assert_eq!(chosen(&home), "run_20260102_010405_0badcafe");
}

#[test]
fn a_run_that_ends_moves_to_the_completed_ones() {
    let mut home = home(80, 24);
    assert!(home.ticks());
    let ended = |n| {
        let mut row = going(n, "x", "y", Doing::Beginning);
        row.stand = Stand::Over(Over {
            word: "completed".into(),
            cause: None,
            refused: None,
        });
        row
    };
    let tell = |home: &mut Home, rows| update(home, HomeMessage::News(RunsNews::Rows(rows)));
    assert_eq!(tell(&mut home, vec![ended(1)]), Some(HomeEffect::Ring));
    let line = "run_20260102_010405_0badcafe completed: 30/36 verifiers passed";
    assert!(shown(&home).contains(line), "{}", shown(&home));
    assert_eq!(tell(&mut home, vec![ended(1)]), None, "once");
    assert_eq!(tell(&mut home, vec![ended(2), ended(3)]), Some(HomeEffect::Ring));
    let text = shown(&home);
    assert!(
        text.contains("3 runs ended; the last: run_20260102_030405"),
        "{text}"
    );
    press(&mut home, KeyCode::Down);
    assert!(!shown(&home).contains("runs ended"), "it was seen");
    let text = shown(&home);
    assert!(
        !text.contains("IN PROGRESS") && text.contains("COMPLETED  6"),
        "{text}"
    );
    assert!(!home.ticks());
    // One is resumed.
    update(
        &mut home,
        HomeMessage::News(RunsNews::Rows(vec![going(2, "x", "y", Doing::Beginning)])),
    );
    assert!(shown(&home).contains("IN PROGRESS  1"));
}

#[test]
fn sorting_by_harness_and_by_verifiers() {
    let mut home = home(80, 24);
    let order = |home: &Home| -> Vec<String> {
        home.over()
            .iter()
            .map(|at| home.rows[*at].harness.clone())
            .collect()
    };
    assert_eq!(
        order(&home),
        ["quickstart", "a-harness-with-quite-a-long-name", "tickets"]
    );
    press(&mut home, KeyCode::Char('s'));
    assert_eq!(
        order(&home),
        ["a-harness-with-quite-a-long-name", "quickstart", "tickets"]
    );
    press(&mut home, KeyCode::Char('s'));
    assert_eq!(
        order(&home),
        ["tickets", "a-harness-with-quite-a-long-name", "quickstart"]
    );
    press(&mut home, KeyCode::Char('s'));
    assert_eq!(order(&home)[0], "quickstart");
}

#[test]
fn the_chosen_run_is_always_on_the_screen() {
    for (columns, lines) in [(80, 24), (80, 7), (200, 60), (40, 12)] {
        let mut home = home(columns, lines);
        let many = (100..400).map(|n| over(n, "many", "completed", None)).collect();
        update(&mut home, HomeMessage::News(RunsNews::Rows(many)));
        let keys = [
            KeyCode::Down,
            KeyCode::PageDown,
            KeyCode::Up,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::Home,
        ];
        for key in keys {
            for _ in 0..9 {
                press(&mut home, key);
                let text = shown(&home);
                let marked = text.lines().filter(|line| line.starts_with('❯')).count();
                assert_eq!(marked, 1, "{columns}×{lines} {key:?}\n{text}");
            }
        }
        assert!(
            shown(&home).contains("IN PROGRESS"),
            "the first brings its title along"
        );
    }
}

#[test]
fn ten_thousand_runs_are_drawn_quickly() {
    let mut home = home(200, 60);
    let many = (100..10_100)
        .map(|n| over(n, "many", "completed", None))
        .collect();
    update(&mut home, HomeMessage::News(RunsNews::Rows(many)));
    let mut frame = || {
        let began = std::time::Instant::now();
        press(&mut home, KeyCode::PageDown);
        shown(&home);
        began.elapsed()
    };
    // A frame takes a millisecond or so; this leaves room for a build without optimisation. A busy machine takes its time
    // over some frames, but not over each.
    let quickest = (0..20).map(|_| frame()).min().unwrap();
    assert!(quickest < Duration::from_millis(250), "{quickest:?}");
}

#[test]
fn marked_runs_are_shown_and_kept_in_their_order() {
    let mut home = home(80, 24);
    let third = format!("run_20260102_0{}0405_0badcafe", 3);
    for key in [
        KeyCode::Down,
        KeyCode::Down,
        KeyCode::Char(' '),
        KeyCode::Home,
        KeyCode::Char(' '),
    ] {
        press(&mut home, key);
    }
    assert_eq!(home.marked(), [third.as_str(), "run_20260102_010405_0badcafe"]);
    let text = shown(&home);
    assert!(
        text.contains("2 marked") && text.contains("❯*") && text.contains(" *! tickets"),
        "{text}"
    );
    press(&mut home, KeyCode::Char(' '));
    assert_eq!(home.marked(), [third.as_str()], "once more takes it away");
    let gone = vec![Key::Run(third.parse().unwrap())];
    update(&mut home, HomeMessage::News(RunsNews::Gone(gone)));
    assert!(home.marked().is_empty(), "it was removed");
}

#[test]
fn many_models_are_counted_where_they_do_not_fit() {
    let row = going(
        5,
        "h",
        "openai:gpt-4o, google:gemini-2.5-pro, anthropic:claude-sonnet-4-5",
        Doing::Running(None),
    );
    let words = |columns| words::models_of(&row, columns);
    assert_eq!(words(90), format!("{} ×5", row.models));
    assert_eq!(words(50), "gpt-4o, gemini-2.5-pro, claude-sonnet-4-5 ×5");
    assert_eq!(words(20), "gpt-4o +2 ×5");
    assert_eq!(words(10), "gp…o +2 ×5");
}

#[test]
fn what_is_said_of_the_chosen_run_is_whole() {
    let mut home = home(80, 24);
    press(&mut home, KeyCode::End);
    press(&mut home, KeyCode::Up);
    let text = shown(&home);
    let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        whole.contains("left no ending: killed, out of memory or crashed"),
        "{text}"
    );
    assert_eq!(text.matches('❯').count(), 1, "{text}");
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_said_to_be_empty() {
    let mut home = Home::new("results".into(), now());
    let trouble = RunsNews::Trouble(Some("cannot list results: Permission denied".into()));
    update(&mut home, HomeMessage::News(trouble));
    update(&mut home, HomeMessage::News(RunsNews::AllRead { unreadable: 0 }));
    let text = shown(&home);
    assert!(
        text.contains("cannot list") && !text.contains("no runs"),
        "{text}"
    );
}

#[test]
fn a_result_of_the_older_tool_is_not_offered_to_be_opened() {
    let mut home = home(80, 24);
    let older = Row {
        key: Key::Older("quick_1".into()),
        started_at: now(),
        ..over(1, "quick", "completed", None)
    };
    update(&mut home, HomeMessage::News(RunsNews::Rows(vec![older])));
    assert!(shown(&home).contains("Enter open"));
    for _ in 0..3 {
        press(&mut home, KeyCode::Down);
    }
    let text = shown(&home);
    assert!(
        text.contains("❯ ✓ 01-02 05:04  quick") && !text.contains("Enter open"),
        "{text}"
    );
    assert_eq!(press(&mut home, KeyCode::Enter), None);
    assert!(
        shown(&home)
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("results of the older tool")
    );
}
