use std::time::Duration;

use super::ask::tests::{going, over};
use super::*;
use crate::dashboard::test_screen::{LOOK, screen};

fn acts(columns: u16, rows: u16) -> Acts {
    let mut acts = Acts::new(Program::default(), crate::dashboard::home::row::tests::ago(0));
    acts.resize(columns, rows);
    acts
}

/// A key that is pressed when everything was drawn.
fn press(acts: &mut Acts, code: KeyCode) -> Option<Begin> {
    let now = Instant::now();
    acts.drawn(now);
    press_at(acts, code, now + Duration::from_millis(1))
}

fn press_at(acts: &mut Acts, code: KeyCode, since: Instant) -> Option<Begin> {
    acts.key(&KeyEvent::new(code, KeyModifiers::NONE), since)
}

fn shown(acts: &Acts) -> String {
    screen(acts.size.0, acts.size.1, |frame| {
        let area = frame.area();
        acts.draw(LOOK, 0, area, frame.buffer_mut());
    })
}

/// Without the empty lines around it.
fn shown_short(acts: &Acts) -> String {
    shown(acts).trim_matches('\n').to_owned()
}

fn outcome(stdout: &str, stderr: &str, broken: Option<&str>) -> Outcome {
    Outcome {
        stdout: stdout.into(),
        stderr: stderr.into(),
        broken: broken.map(Into::into),
    }
}

#[test]
fn a_question_on_a_small_terminal() {
    let mut acts = acts(80, 24);
    assert_eq!(acts.want(Act::Retry, Some(&over("completed")), &[]), None);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ────────────────────────────────────────────────────────────────────────────────
      Try trials of run_20260102_020405_0badcafe again?
      quickstart · oracle, openai:gpt-4o
      They are run in the background as a new run; this one stays as it is. Calls
      to models may cost money.

      e  3 trials that errored
         bench-cli retry run_20260102_020405_0badcafe --errored --background
      f  7 trials that failed or hit a limit
         bench-cli retry run_20260102_020405_0badcafe --failed --background
      a  all 49 trials that did not pass
         bench-cli retry run_20260102_020405_0badcafe --background
      n  no: leave everything as it is; Esc and Enter, too
    ────────────────────────────────────────────────────────────────────────────────
    ");
}

#[test]
fn a_question_on_a_large_terminal() {
    let mut acts = acts(200, 60);
    acts.program.results = Some("/srv/benchmarks/results of the night".into());
    acts.want(Act::Kill, Some(&going()), &[]);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────
      End run_20260102_020405_0badcafe?
      quickstart · oracle, openai:gpt-4o
      24 of 60 trials are over and are kept, 6 of them without a verdict. Those under way are cancelled: they
      are over then, too, without a verdict; `resume` runs them and the rest.

      y  end it
         bench-cli kill run_20260102_020405_0badcafe --results '/srv/benchmarks/results of the night'
      n  no: leave everything as it is; Esc and Enter, too
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────
    ");
}

#[test]
fn in_a_low_terminal_a_question_is_asked_as_long_as_it_can_be_read() {
    let mut acts = acts(60, 10);
    acts.want(Act::Delete, Some(&over("failed")), &[]);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ────────────────────────────────────────────────────────────
      Remove run_20260102_020405_0badcafe?
      quickstart · oracle, openai:gpt-4o
      24 finished trials with transcripts, logs and verdicts
      are removed from the disk. They cannot be brought back.
      y  remove it for good
         bench-cli prune run_20260102_020405_0badcafe
         --no-dry-run
      n  no: leave everything as it is; Esc and Enter, too
    ────────────────────────────────────────────────────────────
    ");
    acts.resize(80, 9);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ────────────────────────────────────────────────────────────────────────────────
      Remove run_20260102_020405_0badcafe?
      quickstart · oracle, openai:gpt-4o
      24 finished trials with transcripts, logs and verdicts are removed from the
      disk. They cannot be brought back.
      y  remove it for good
         bench-cli prune run_20260102_020405_0badcafe --no-dry-run
      n  no: leave everything as it is; Esc and Enter, too
    ────────────────────────────────────────────────────────────────────────────────
    ");
    acts.resize(30, 8);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ──────────────────────────────
      the terminal is too small
      to ask
    ──────────────────────────────
    ");
    acts.resize(60, 5);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ────────────────────────────────────
      the terminal is too small to ask
    ────────────────────────────────────
    ");
    acts.resize(30, 7);
    insta::assert_snapshot!(shown_short(&acts), @r"
    ──────────────────────────────
      the terminal is too small
      to ask
    ──────────────────────────────
    ");
}

#[test]
fn nobody_says_yes_to_a_question_that_is_not_to_be_seen() {
    for act in [Act::Kill, Act::Delete, Act::Retry] {
        let row = if act == Act::Kill { going() } else { over("failed") };
        for (columns, rows) in (0..90).flat_map(|columns| (0..26).map(move |rows| (columns, rows))) {
            let mut acts = acts(columns, rows);
            acts.want(act, Some(&row), &[]);
            let Some(Dialog::Ask(ask)) = &acts.open else {
                panic!("nothing is asked");
            };
            let (title, keys, says) = (ask.title.clone(), ask.choices.clone(), ask.says.clone());
            let screen = if columns > 0 && rows > 0 {
                shown(&acts)
            } else {
                String::new()
            };
            // Without what comes of breaking lines.
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            let seen = |text: &str| squeezed(&screen).contains(&squeezed(text));
            let asked = seen(&title) && seen("Esc and Enter, too");
            let asked = asked
                && keys
                    .iter()
                    .all(|choice| seen(&format!("{}  {}", choice.key, choice.words)));
            let all_said = says.iter().all(|says| seen(says));
            let mut begun = press(&mut acts, KeyCode::Char(keys[0].key)).is_some();
            assert_eq!(begun, asked && all_said, "{act:?} {columns}×{rows}: {screen}");
            assert_eq!(acts.is_open(), !begun);
            if asked && !begun {
                press(&mut acts, KeyCode::End);
                begun = press(&mut acts, KeyCode::Char(keys[0].key)).is_some();
                assert!(begun, "{act:?} {columns}×{rows}: {}", shown(&acts));
            }
            assert_eq!(begun, asked);
            if !asked && columns >= 20 && rows >= 5 {
                assert!(
                    seen("the terminal is too small to ask"),
                    "{columns}×{rows}: {screen}"
                );
            }
            press(&mut acts, KeyCode::Esc);
            assert!(!acts.is_open(), "{columns}×{rows}");
        }
    }
    // What does not fit is asked as soon as there is room.
    let mut acts = acts(80, 4);
    acts.want(Act::Kill, Some(&going()), &[]);
    assert_eq!(press(&mut acts, KeyCode::Char('y')), None);
    acts.resize(80, 24);
    assert!(shown(&acts).contains("End run_"), "{}", shown(&acts));
    assert!(press(&mut acts, KeyCode::Char('y')).is_some());
}

#[test]
fn keys_that_came_before_a_box_was_seen_are_no_answer_to_it() {
    let mut acts = acts(80, 24);
    let begin = Instant::now();
    let at = |ms| begin + Duration::from_millis(ms);
    acts.want(Act::Delete, Some(&over("failed")), &[]);
    assert_eq!(press_at(&mut acts, KeyCode::Char('y'), at(5)), None, "not drawn");
    acts.drawn(at(10));
    acts.drawn(at(500));
    for key in [KeyCode::Char('y'), KeyCode::Char('n'), KeyCode::Esc] {
        assert_eq!(
            press_at(&mut acts, key, at(0)),
            None,
            "pasted with the key before"
        );
        assert!(acts.is_open(), "{key:?}");
    }
    // The next box is as new.
    acts.want(Act::Retry, Some(&over("failed")), &[]);
    press_at(&mut acts, KeyCode::Char('n'), at(600));
    assert_eq!(press_at(&mut acts, KeyCode::Char('a'), at(600)), None);
    acts.drawn(at(610));
    assert_eq!(press_at(&mut acts, KeyCode::Char('a'), at(600)), None);
    assert!(press_at(&mut acts, KeyCode::Char('a'), at(611)).is_some());
}

#[test]
fn a_question_that_makes_no_sense_any_more_says_so_and_takes_no_answer() {
    let mut acts = acts(80, 24);
    acts.want(Act::Kill, Some(&going()), &[]);
    let (still, now_over) = (going(), over("completed"));
    acts.stands(|key| Some(&still).filter(|row| row.key == *key));
    acts.stands(|_| None);
    assert!(shown(&acts).contains("y  end it"), "{}", shown(&acts));
    acts.stands(|key| Some(&now_over).filter(|row| row.key == *key));
    insta::assert_snapshot!(shown_short(&acts), @r"
    ─────────────────────────────────────────────────
      End run_20260102_020405_0badcafe?

      Not any more: it is over already (completed).

      any key closes
    ─────────────────────────────────────────────────
    ");
    assert_eq!(press(&mut acts, KeyCode::Char('y')), None);
    assert!(!acts.ticks());
}

#[test]
fn every_result_is_shown_until_a_key_was_pressed_when_it_was_seen() {
    let mut acts = acts(80, 24);
    let begin = |acts: &mut Acts| acts.want(Act::Report, Some(&going()), &[]).unwrap().number;
    let (one, other) = (begin(&mut acts), begin(&mut acts));
    acts.ended(one, &outcome("one.html\n", "", None));
    acts.ended(other, &outcome("other.html\n", "", None));
    // Pressed before anything was drawn.
    press_at(&mut acts, KeyCode::Down, Instant::now());
    insta::assert_snapshot!(shown_short(&acts), @r"
    ✓ one.html
    ✓ other.html
    ");
    // One that ends while another is under way is not hidden by it.
    press(&mut acts, KeyCode::Down);
    let (one, _) = (begin(&mut acts), begin(&mut acts));
    acts.ended(one, &outcome("third.html\n", "", None));
    let text = shown_short(&acts);
    assert!(text.starts_with("✓ third.html\n⠋ bench-cli report"), "{text}");
    // Many take turns.
    press(&mut acts, KeyCode::Down);
    for n in 0..5 {
        acts.refuse(format!("no {n}"));
    }
    let text = shown(&acts);
    assert!(text.contains("no 2") && !text.contains("no 3"), "{text}");
    press(&mut acts, KeyCode::Down);
    let text = shown(&acts);
    assert!(!text.contains("no 2") && text.contains("no 3\nno 4"), "{text}");
}

#[test]
fn nothing_is_done_unless_it_is_confirmed() {
    let mut acts = acts(80, 24);
    for no in [
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Char('n'),
        KeyCode::Char('q'),
    ] {
        acts.want(Act::Delete, Some(&over("failed")), &[]);
        for other in [
            KeyCode::Char('x'),
            KeyCode::Down,
            KeyCode::Char('D'),
            KeyCode::Tab,
        ] {
            assert_eq!(press(&mut acts, other), None);
            assert!(acts.is_open(), "{other:?} is no answer");
        }
        assert_eq!(press(&mut acts, no), None);
        assert!(!acts.is_open() && !acts.ticks(), "{no:?}");
    }
    acts.want(Act::Delete, Some(&over("failed")), &[]);
    let yes = press(&mut acts, KeyCode::Char('y')).unwrap();
    assert_eq!(
        yes.words,
        ["prune", "run_20260102_020405_0badcafe", "--no-dry-run"]
    );
    assert!(!acts.is_open() && acts.ticks());
}

#[test]
fn what_makes_no_sense_is_refused_in_a_line_that_the_next_key_takes_away() {
    let mut acts = acts(80, 24);
    for (act, row, why) in [
        (Act::Kill, Some(over("completed")), "it is over already"),
        (Act::Delete, Some(going()), "it still runs; `x` ends it"),
        (Act::Resume, None, "no run is chosen"),
    ] {
        assert_eq!(acts.want(act, row.as_ref(), &[]), None);
        assert!(!acts.is_open());
        assert!(shown(&acts).contains(why), "{}", shown(&acts));
        press(&mut acts, KeyCode::Down);
        assert_eq!(shown(&acts).trim(), "");
    }
}

#[test]
fn a_command_is_shown_while_it_works_and_told_in_a_line() {
    let mut acts = acts(80, 24);
    acts.want(Act::Kill, Some(&going()), &[]);
    let begin = press(&mut acts, KeyCode::Char('y')).unwrap();
    acts.now(crate::dashboard::home::row::tests::ago(-3));
    assert_eq!(
        acts.under_way().collect::<Vec<_>>(),
        ["bench-cli kill run_20260102_020405_0badcafe"]
    );
    insta::assert_snapshot!(shown_short(&acts), @r"
    ⠋ bench-cli kill run_20260102_020405_0badcafe · 3s
    ");
    press(&mut acts, KeyCode::Down);
    assert!(shown(&acts).contains("bench-cli kill"), "until it is done");
    let said = "run_20260102_020405_0badcafe  cancelled: it ended in order\n";
    let again = acts.ended(begin.number, &outcome(said, "", None));
    let run = "run_20260102_020405_0badcafe".parse().unwrap();
    assert_eq!(again, Some(Again::Run(run)));
    insta::assert_snapshot!(shown_short(&acts), @"✓ run_20260102_020405_0badcafe  cancelled: it ended in order");
    assert_eq!(acts.under_way().count(), 0);
    press(&mut acts, KeyCode::Down);
    assert_eq!(shown(&acts).trim(), "");
}

#[test]
fn what_went_wrong_is_shown_whole() {
    let mut acts = acts(80, 24);
    acts.want(Act::Resume, Some(&over("failed")), &[]);
    let begin = press(&mut acts, KeyCode::Char('y')).unwrap();
    // Meanwhile another question is open: it is not pushed aside.
    acts.want(Act::Delete, Some(&over("failed")), &[]);
    let long: Vec<String> = (1..=30).map(|n| format!("line {n} \x1b[2J")).collect();
    acts.ended(
        begin.number,
        &outcome("", &long.join("\n"), Some("exit status 2")),
    );
    assert!(shown(&acts).contains("Remove run_"), "{}", shown(&acts));
    press(&mut acts, KeyCode::Char('n'));
    insta::assert_snapshot!(shown_short(&acts), @r"
    ─────────────────────────────────────────────────────────────────────────────
      bench-cli resume run_20260102_020405_0badcafe --background: exit status 2

      line 1 ␛[2J
      line 2 ␛[2J
      line 3 ␛[2J
      line 4 ␛[2J
      line 5 ␛[2J
      line 6 ␛[2J
      line 7 ␛[2J
      line 8 ␛[2J
      line 9 ␛[2J
      line 10 ␛[2J
      line 11 ␛[2J
      line 12 ␛[2J
      line 13 ␛[2J
      line 14 ␛[2J
      line 15 ␛[2J
      line 16 ␛[2J
      line 17 ␛[2J
      line 18 ␛[2J

      lines 1–18 of 30; ↑ ↓ PgDn; any other key closes
    ─────────────────────────────────────────────────────────────────────────────
    ");
    press(&mut acts, KeyCode::End);
    let text = shown(&acts);
    assert!(text.contains("line 30") && text.contains("of 30"), "{text}");
    press(&mut acts, KeyCode::PageUp);
    assert!(acts.is_open());
    press(&mut acts, KeyCode::Enter);
    assert!(!acts.is_open());
}

#[test]
fn a_long_question_is_answered_once_its_end_was_seen() {
    let mut acts = acts(80, 24);
    let look = acts.want(Act::Cleanup, None, &[]).unwrap();
    let lines: Vec<String> = (1..=96).map(|n| format!("run_{n}  orphaned")).collect();
    let table = lines.join("\n") + "\n";
    let said = format!("nothing changed; {REPEAT} to apply\n");
    acts.ended(look.number, &outcome(&table, &said, None));
    insta::assert_snapshot!(shown_short(&acts), @r"
    ───────────────────────────────────────────────────────────────────────
      Put this right?
      run_1  orphaned
      run_2  orphaned
      run_3  orphaned
      run_4  orphaned
      run_5  orphaned
      run_6  orphaned
      run_7  orphaned
      run_8  orphaned
      run_9  orphaned
      run_10  orphaned
      run_11  orphaned
      run_12  orphaned
      run_13  orphaned
      run_14  orphaned
      run_15  orphaned
      run_16  orphaned
      run_17  orphaned
      lines 1–17 of 96; ↑ ↓ PgDn End; answers count once the end was seen
      y  do it
         bench-cli cleanup --no-dry-run
      n  no: leave everything as it is; Esc and Enter, too
    ───────────────────────────────────────────────────────────────────────
    ");
    assert_eq!(press(&mut acts, KeyCode::Char('y')), None);
    acts.scroll(3);
    assert!(shown(&acts).contains("lines 4–20 of 96"), "{}", shown(&acts));
    press(&mut acts, KeyCode::PageDown);
    assert_eq!(press(&mut acts, KeyCode::Char('y')), None);
    // It counts what was drawn, not what was pressed.
    let (now, later) = (Instant::now(), Duration::from_millis(1));
    acts.drawn(now);
    press_at(&mut acts, KeyCode::End, now + later);
    assert_eq!(press_at(&mut acts, KeyCode::Char('y'), now + later * 2), None);
    assert!(shown(&acts).contains("run_96"), "{}", shown(&acts));
    acts.drawn(now);
    press(&mut acts, KeyCode::Home);
    assert!(
        !shown(&acts).contains("once the end was seen"),
        "{}",
        shown(&acts)
    );
    assert!(press(&mut acts, KeyCode::Char('y')).is_some());
}

#[test]
fn what_is_to_be_read_is_a_box_also_if_all_is_well() {
    let mut acts = acts(200, 60);
    let begin = acts.want(Act::Compare, Some(&over("completed")), &[]).unwrap();
    assert_eq!(
        (begin.words.join(" ").as_str(), begin.columns),
        ("compare run_20260102_020405_0badcafe", 166)
    );
    assert_eq!(
        acts.ended(begin.number, &outcome("a table\n", "a remark\n", None)),
        None
    );
    insta::assert_snapshot!(shown_short(&acts), @r"
    ──────────────────────────────────────────────────
      bench-cli compare run_20260102_020405_0badcafe

      a table
      a remark

      any key closes
    ──────────────────────────────────────────────────
    ");
    press(&mut acts, KeyCode::Char('q'));
    assert!(!acts.is_open());
    let begin = acts.want(Act::Report, Some(&going()), &[]).unwrap();
    acts.ended(begin.number, &outcome("report-run.html\n", "", None));
    assert!(shown(&acts).contains("✓ report-run.html"), "{}", shown(&acts));
}

#[test]
fn what_is_removed_is_shown_before_it_is_asked() {
    let mut acts = acts(80, 24);
    let look = acts.want(Act::Cleanup, None, &[]).unwrap();
    assert_eq!(look.words, ["cleanup"]);
    assert_eq!(acts.under_way().count(), 0, "it only looks");
    let table = "run    why\nrun_1  orphaned\n";
    acts.ended(
        look.number,
        &outcome(table, &format!("nothing changed; {REPEAT} to apply\n"), None),
    );
    insta::assert_snapshot!(shown_short(&acts), @r"
    ────────────────────────────────────────────────────────
      Put this right?
      run    why
      run_1  orphaned

      y  do it
         bench-cli cleanup --no-dry-run
      n  no: leave everything as it is; Esc and Enter, too
    ────────────────────────────────────────────────────────
    ");
    let begin = press(&mut acts, KeyCode::Char('y')).unwrap();
    assert_eq!(begin.words, ["cleanup", "--no-dry-run"]);
    let again = acts.ended(
        begin.number,
        &outcome(table, "1 run settled, 0 leftover files removed\n", None),
    );
    assert_eq!(again, Some(Again::Older));
    assert!(
        shown(&acts).contains("✓ 1 run settled, 0 leftover"),
        "{}",
        shown(&acts)
    );

    let look = acts.want(Act::Cleanup, None, &[]).unwrap();
    acts.ended(look.number, &outcome("", "every run is as it should be\n", None));
    assert!(!acts.is_open(), "nothing is to be asked");
    assert!(shown(&acts).contains("every run is as it should be"));
}
