use std::sync::Arc;

use bench_core::event::Awaited;
use bench_core::transcript::{Entry, Line, ToolCall};
use bench_core::{Event, Outcome, Usage, Verdict, VerdictStatus};
use bench_report::conversation::{self, Detail, Tone};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::{Value, json};

use super::*;
use crate::dashboard::home::row::tests::{now, waiting};
use crate::dashboard::look::Look;
use crate::dashboard::test_screen::{LOOK, screen};
use crate::progress::board::tests::finished;

fn reply(turn: u32, text: &str, tool_calls: Vec<ToolCall>) -> Entry {
    Entry::Assistant {
        turn,
        text: text.into(),
        reasoning: if tool_calls.is_empty() {
            String::new()
        } else {
            "The user wants a bug filed.\nI look for the project first, so that the issue does not end up in the \
             wrong one, as it did the last time."
                .into()
        },
        tool_calls,
        stop_reason: String::new(),
        served_by: None,
        request_id: None,
        usage: Usage::default(),
        cost_usd: None,
        unknown_calls: 0,
        took_ms: 1_200,
        first_token_ms: None,
        raw: Value::Null,
    }
}

fn verdict(name: &str, status: VerdictStatus, actual: Value) -> Verdict {
    Verdict {
        verifier: name.into(),
        verifier_type: "database_state".into(),
        gym: None,
        status,
        comparison: "equals".into(),
        expected: json!(1),
        actual,
        asked: format!("SELECT count(*) FROM issues WHERE name = '{name}'"),
        took_ms: 1,
        judge: None,
    }
}

/// A bit of everything.
fn entries() -> Vec<Entry> {
    let call = ToolCall {
        id: "1".into(),
        name: "create_issue".into(),
        arguments: json!({"project": "WEB", "summary": "日本語 \u{1b}[2J", "labels": ["crash", "ui"], "points": 3}),
    };
    vec![
        Entry::Attempt { attempt: 1 },
        Entry::System {
            text: "You are careful.".into(),
        },
        Entry::User {
            prompt: 0,
            text: "File a bug for the crash on the start page.\u{1b}]0;owned\u{7} Then say which one.".into(),
        },
        Entry::Note {
            text: "openai:gpt-4o: status 429, rate limited; sent again in 12 s".into(),
        },
        Entry::Lost {
            usage: Usage::default(),
            cost_usd: None,
        },
        reply(1, "", vec![call]),
        Entry::ToolResult {
            turn: 1,
            call_id: "1".into(),
            tool: "create_issue".into(),
            gym: "tracker".into(),
            is_error: false,
            text: (1..=30)
                .map(|n| format!("\tfield {n}: \u{9b}31m"))
                .collect::<Vec<_>>()
                .join("\n"),
            structured: Value::Null,
            cut_bytes: 0,
            took_ms: 3,
        },
        reply(2, "It is **WEB-17**.", vec![]),
        Entry::JudgeAsked {
            verifier: 0,
            name: "polite".into(),
            model: "openai:gpt-4o".into(),
            text: "Is it polite?".into(),
        },
        Entry::Verdict(verdict("exists", VerdictStatus::True, json!(1))),
        Entry::Verdict(verdict(
            "assigned",
            VerdictStatus::False,
            json!("\u{1b}[2Jnobody"),
        )),
    ]
}

fn made(entry: Entry, unfolded: bool) -> Arc<Said> {
    let line = Line {
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        entry,
    };
    let detail = if unfolded {
        Detail::Unfolded
    } else {
        Detail::Folded
    };
    Arc::new(Said {
        at: line.at.format("%H:%M:%S").to_string(),
        pieces: conversation::pieces(&line, detail),
    })
}

/// What the thread would do: tells what is wished for, of so many entries.
fn serve(trial: &mut TrialScreen, all: usize) {
    let wish = trial.wish();
    let wanted = wish.entries.start.min(all)..wish.entries.end.min(all);
    let [folded, whole] = [false, true].map(|unfolded| {
        let made = entries().into_iter().map(|entry| made(entry, unfolded));
        made.collect::<Vec<_>>()
    });
    let made = |n: usize| {
        let kinds = if wish.wants_whole(n) { &whole } else { &folded };
        Arc::clone(&kinds[n % kinds.len()])
    };
    let entries = Entries {
        all,
        from: wanted.start,
        said: wanted.map(made).collect(),
    };
    update(trial, TrialMessage::News(TrialNews::Entries(entries)));
}

fn going() -> Standing {
    Standing {
        sign: Sign::Running,
        end: None,
        wait: Some(waiting(Awaited::Reply, "reply of openai:gpt-4o", 12)),
    }
}

fn over() -> Standing {
    let Event::TrialFinished(end) = finished("create-bug~gpt-4o~1", Outcome::Failed, Some("first\nsecond"))
    else {
        unreachable!()
    };
    Standing {
        sign: Sign::Failed,
        end: Some(Arc::new(end)),
        wait: None,
    }
}

fn trial(standing: Standing, columns: u16, rows: u16, all: usize) -> TrialScreen {
    let run = "run_20260102_030405_0badcafe".parse().unwrap();
    let mut trial = TrialScreen::new(run, "create-bug~gpt-4o~1".parse().unwrap(), standing, now());
    update(&mut trial, TrialMessage::Size(columns, rows));
    for _ in 0..3 {
        serve(&mut trial, all);
    }
    trial
}

fn press(trial: &mut TrialScreen, code: KeyCode) -> Option<TrialEffect> {
    update(trial, TrialMessage::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn shown(trial: &TrialScreen) -> String {
    screen(trial.size.0, trial.size.1, |frame| draw(trial, LOOK, frame))
}

fn chosen_line(trial: &TrialScreen) -> String {
    let shown = shown(trial);
    let line = shown.lines().find(|line| line.starts_with('❯'));
    line.unwrap_or_else(|| panic!("nothing is chosen:\n{shown}"))
        .to_owned()
}

#[test]
fn a_trial_under_way_on_a_small_terminal() {
    insta::assert_snapshot!(shown(&trial(going(), 80, 24, 8)), @r#"
    create-bug~gpt-4o~1                                                  ⠋ under way
     conversation  verifiers  raw  log                          8 entries, following
          {
            "project": "WEB",
            "summary": "日 本 語  \u001b[2J",
            "labels": [
              "crash",
              "ui"
            ],
            "points": 3
          }
      ← create_issue: ok (3ms)                                              03:04:05
            field 1: �31m
            field 2: �31m
            field 3: �31m
            field 4: �31m
            field 5: �31m
            field 6: �31m
        … 24 further lines

    ❯ assistant, turn 2 (1.20s)                                             03:04:05
      It is **WEB-17**.
    given up in 48s · reply of openai:gpt-4o · waits 12s
    ? help  q quit  Esc back  Tab next view  Enter unfold  → n l step  End G follow
    "#);
}

#[test]
fn a_trial_that_is_over_on_a_large_terminal() {
    insta::assert_snapshot!(shown(&trial(over(), 200, 60, 11)), @r#"
    create-bug~gpt-4o~1                                                                                                                                                                             ✗ failed
     conversation  verifiers  raw  log                                                                                                                                                         entry 1 of 12

    ❯ attempt 1                                                                                                                                                                                     03:04:05

      system                                                                                                                                                                                        03:04:05
      You are careful.

      user                                                                                                                                                                                          03:04:05
      File a bug for the crash on the start page.␛]0;owned␇ Then say which one.
      * openai:gpt-4o: status 429, rate limited; sent again in 12 s                                                                                                                                 03:04:05
      * a request came to nothing, and may have been paid                                                                                                                                           03:04:05

      assistant, turn 1 (1.20s)                                                                                                                                                                     03:04:05
        ~ The user wants a bug filed.
        ~ I look for the project first, so that the issue does not end up in the wrong one, as it did the last time.
      → create_issue
          {
            "project": "WEB",
            "summary": "日 本 語  \u001b[2J",
            "labels": [
              "crash",
              "ui"
            ],
            "points": 3
          }
      ← create_issue: ok (3ms)                                                                                                                                                                      03:04:05
            field 1: �31m
            field 2: �31m
            field 3: �31m
            field 4: �31m
            field 5: �31m
            field 6: �31m
        … 24 further lines

      assistant, turn 2 (1.20s)                                                                                                                                                                     03:04:05
      It is **WEB-17**.

      to the judge openai:gpt-4o, for polite                                                                                                                                                        03:04:05
      Is it polite?
      ✓ exists                                                                                                                                                                                      03:04:05
      ✗ assigned: expected equals 1, found "\u001b[2Jnobody"                                                                                                                                        03:04:05

      outcome
      failed · 2/3 verifiers · 1.20s · 1 turn · 0 tool calls · first⏎second














    ? help  q quit  Esc back  Tab next view  Enter unfold  → n l step  End G follow  y path  o pager
    "#);
}

#[test]
fn what_its_verifiers_said() {
    let mut trial = trial(over(), 80, 24, 11);
    press(&mut trial, KeyCode::Tab);
    assert!(shown(&trial).contains("reading …"));
    let record = record();
    update(
        &mut trial,
        TrialMessage::News(TrialNews::Record(Some(Box::new(record)))),
    );
    insta::assert_snapshot!(shown(&trial), @r#"
    create-bug~gpt-4o~1                                                     ✗ failed
     conversation  verifiers  raw  log
      verifier           verdict    comparison  expected  actual
      ───────────────────────────────────────────────────────────────────────
      exists             ✓ true     equals      1         1
      assigned to Sarah  ✗ false    equals      1         "\u001b[2Jnobody"
      labelled           ! errored  equals      1         no such table: labl

      asked
      exists: SELECT count(*) FROM issues WHERE name = 'exists'
      assigned to Sarah: SELECT count(*) FROM issues WHERE name = 'assigned to
      Sarah'
      labelled: SELECT count(*) FROM issues WHERE name = 'labelled'

      facts
      trial       create-bug~gpt-4o~1
      scenario    create-bug
      model       openai:gpt-4o
      outcome     failed
      time        2.00s from 2026-01-02 03:04:05 UTC
      talk        2 turns, 1 tool call
      tokens      —

    ? help  q quit  Esc back  Tab next view  y path  o pager
    "#);
    press(&mut trial, KeyCode::Char('G'));
    assert!(shown(&trial).contains("talk"), "{}", shown(&trial));
    update(&mut trial, TrialMessage::Size(200, 60));
    insta::assert_snapshot!(shown(&trial).lines().take(12).collect::<Vec<_>>().join("\n"), @r#"
    create-bug~gpt-4o~1                                                                                                                                                                             ✗ failed
     conversation  verifiers  raw  log
      verifier           verdict    type            comparison  expected  actual
      ───────────────────────────────────────────────────────────────────────────────────────
      exists             ✓ true     database_state  equals      1         1
      assigned to Sarah  ✗ false    database_state  equals      1         "\u001b[2Jnobody"
      labelled           ! errored  database_state  equals      1         no such table: labl

      asked
      exists: SELECT count(*) FROM issues WHERE name = 'exists'
      assigned to Sarah: SELECT count(*) FROM issues WHERE name = 'assigned to Sarah'
      labelled: SELECT count(*) FROM issues WHERE name = 'labelled'
    "#);
    press(&mut trial, KeyCode::BackTab);
    assert!(shown(&trial).contains("You are careful."));
}

#[test]
fn the_step_from_which_each_of_its_verifiers_held() {
    let mut trial = trial(over(), 80, 24, 11);
    press(&mut trial, KeyCode::Tab);
    let mut record = record();
    let timeline = json!({"last_step": 4, "took_ms": 9, "checks": [
        {"verifier": "exists", "changes": [{"step": 0, "verdict": "false"}, {"step": 3, "verdict": "true"}]},
        {"verifier": "assigned to Sarah", "changes": [
            {"step": 0, "verdict": "false"}, {"step": 1, "verdict": "true"}, {"step": 3, "verdict": "false"}]},
        {"verifier": "labelled", "left_out": "it asks a judge"}]});
    record.timeline = Some(serde_json::from_value(timeline).unwrap());
    record.tool_calls = 4;
    update(
        &mut trial,
        TrialMessage::News(TrialNews::Record(Some(Box::new(record)))),
    );
    insta::assert_snapshot!(shown(&trial), @r#"
    create-bug~gpt-4o~1                                                     ✗ failed
     conversation  verifiers  raw  log                               rows 1–20 of 28
      verifier        verdict    held from       comparison  expected  actual
      ──────────────────────────────────────────────────────────────────────────────
      exists          ✓ true     step 3          equals      1         1
      assigned to     ✗ false    lost (first 1)  equals      1         "\u001b[2Jnob
      Sarah                                                            ody"
      labelled        ! errored  —               equals      1         no such
                                                                       table: labl

      step by step (tool calls)
      exists: held from step 3
      assigned to Sarah: held in steps 1–2; lost at step 3
      labelled: not looked at: it asks a judge
      2 of 3 followed over 4 tool calls: never all true at once

      asked
      exists: SELECT count(*) FROM issues WHERE name = 'exists'
      assigned to Sarah: SELECT count(*) FROM issues WHERE name = 'assigned to
      Sarah'
      labelled: SELECT count(*) FROM issues WHERE name = 'labelled'


    ? help  q quit  Esc back  Tab next view  y path  o pager
    "#);
}

#[test]
fn a_verdict_has_one_colour_over_all_its_lines() {
    let table = verdicts::page(&record(), 26).into_iter();
    let table = table.take_while(|piece| piece.tone != Tone::Heading);
    let tones: Vec<(Tone, String)> = table.map(|piece| (piece.tone, piece.text)).collect();
    let of = |words: &str| {
        tones
            .iter()
            .find(|(_, line)| line.contains(words))
            .map(|(tone, _)| *tone)
    };
    assert_eq!(
        (of("assigned"), of("Sarah")),
        (Some(Tone::False), Some(Tone::False)),
        "{tones:?}"
    );
    assert_eq!(of("exists"), Some(Tone::True));
    assert!(
        !tones.iter().any(|(_, line)| line.contains("assigned to Sarah")),
        "it takes two lines"
    );
}

fn record() -> TrialRecord {
    let unknown = VerdictStatus::Errored {
        error: "no such table: labl".into(),
        permanent: false,
    };
    let verdicts = [
        verdict("exists", VerdictStatus::True, json!(1)),
        verdict(
            "assigned to Sarah",
            VerdictStatus::False,
            json!("\u{1b}[2Jnobody"),
        ),
        verdict("labelled", unknown, Value::Null),
    ];
    let record = json!({
        "format": 1, "trial": "create-bug~gpt-4o~1", "scenario_id": "create-bug", "model": "openai:gpt-4o",
        "repetition": 1, "attempt": 1, "outcome": "failed", "verdicts": verdicts, "turns": 2, "tool_calls": 1,
        "tool_errors": 0, "started_at": "2026-01-02T03:04:05Z", "completed_at": "2026-01-02T03:04:07Z", "took_ms": 2000
    });
    serde_json::from_value(record).unwrap()
}

fn lines(words: &str, n: usize) -> Vec<Piece> {
    let line = |n| Piece {
        tone: Tone::Said,
        text: format!("{words} {n}"),
    };
    (1..=n).map(line).collect()
}

#[test]
fn requests_of_the_chosen_entry_and_the_end_of_the_log_are_wished_for_where_they_are_shown() {
    let mut trial = trial(over(), 80, 24, 11);
    for _ in 0..5 {
        press(&mut trial, KeyCode::Down);
    }
    assert_eq!((trial.wish().raw, trial.wish().log), (None, false));
    press(&mut trial, KeyCode::BackTab);
    assert_eq!((trial.wish().raw, trial.wish().log), (None, true));
    update(&mut trial, TrialMessage::News(TrialNews::Log(lines("log", 30))));
    assert!(shown(&trial).contains("log 30") && shown(&trial).contains("rows 11–30 of 30"));
    update(&mut trial, TrialMessage::News(TrialNews::Log(lines("log", 31))));
    assert!(shown(&trial).contains("log 31"), "the end is followed");
    press(&mut trial, KeyCode::Char('k'));
    update(&mut trial, TrialMessage::News(TrialNews::Log(lines("log", 40))));
    assert!(shown(&trial).contains("rows 11–30 of 40"), "{}", shown(&trial));
    press(&mut trial, KeyCode::Char('G'));
    assert!(shown(&trial).contains("log 40"));

    press(&mut trial, KeyCode::BackTab);
    assert_eq!((trial.wish().raw, trial.wish().log), (Some(5), false));
    update(
        &mut trial,
        TrialMessage::News(TrialNews::Raw(5, lines("POST", 40))),
    );
    press(&mut trial, KeyCode::PageDown);
    assert!(shown(&trial).contains("rows 20–39 of 40"), "{}", shown(&trial));
    update(
        &mut trial,
        TrialMessage::News(TrialNews::Raw(5, lines("POST", 41))),
    );
    assert!(shown(&trial).contains("rows 20–39 of 41"), "more of the same");
    update(
        &mut trial,
        TrialMessage::News(TrialNews::Raw(6, lines("POST", 41))),
    );
    assert!(shown(&trial).contains("rows 1–20 of 41"), "another entry");
}

#[test]
fn the_path_of_the_transcript_is_shown_whole_and_copied() {
    let mut trial = trial(over(), 80, 24, 11);
    assert_eq!(press(&mut trial, KeyCode::Char('y')), None, "it is not known yet");
    let path = format!("/{}/a\u{1b}.jsonl", "folder/".repeat(20));
    update(&mut trial, TrialMessage::News(TrialNews::File(path.clone())));
    assert_eq!(
        press(&mut trial, KeyCode::Char('y')),
        Some(TrialEffect::Copy(path))
    );
    let text = shown(&trial).replace('\n', "");
    assert!(
        text.contains(&"folder/".repeat(20)) && text.contains("a␛.jsonl"),
        "{text}"
    );
    press(&mut trial, KeyCode::Down);
    assert!(!shown(&trial).contains("folder"), "any key takes it away");
}

#[test]
fn the_transcript_is_read_in_a_pager_but_not_beside_a_run() {
    for tab in [Tab::Talk, Tab::Verdicts, Tab::Raw, Tab::Log] {
        let mut trial = trial(over(), 200, 24, 11);
        trial.tab = tab;
        assert!(shown(&trial).contains("o pager"), "{}", shown(&trial));
        assert_eq!(press(&mut trial, KeyCode::Char('o')), Some(TrialEffect::Page));
        trial.pages = false;
        assert!(!shown(&trial).contains("o pager"), "{}", shown(&trial));
        assert!(shown(&trial).contains("y path"), "{}", shown(&trial));
        assert_eq!(press(&mut trial, KeyCode::Char('o')), None);
    }
}

#[test]
fn step_by_step_what_comes_later_is_not_shown() {
    let mut trial = trial(over(), 80, 24, 11);
    for (key, step) in [
        (KeyCode::Right, 2),
        (KeyCode::Char('n'), 3),
        (KeyCode::Char('l'), 4),
        (KeyCode::Left, 3),
        (KeyCode::Char('h'), 2),
        (KeyCode::Char('n'), 3),
    ] {
        press(&mut trial, key);
        assert!(shown(&trial).contains(&format!("step {step} of 12")), "{key:?}");
    }
    let text = shown(&trial);
    assert!(
        text.contains("File a bug") && !text.contains("rate limited"),
        "{text}"
    );
    press(&mut trial, KeyCode::Char('G'));
    let text = shown(&trial);
    assert!(
        text.contains("outcome") && text.contains("entry 12 of 12"),
        "{text}"
    );
    for step in (1..=11).rev() {
        press(&mut trial, KeyCode::Left);
        assert!(shown(&trial).contains(&format!("step {step} of 12")));
        chosen_line(&trial);
    }
    press(&mut trial, KeyCode::Char('p'));
    let text = shown(&trial);
    assert!(
        text.contains("step 1 of 12") && !text.contains("system"),
        "{text}"
    );
}

#[test]
fn what_is_new_is_followed_until_somebody_scrolls_up() {
    let mut trial = trial(going(), 80, 24, 7);
    assert!(shown(&trial).contains("7 entries, following"));
    serve(&mut trial, 8);
    assert!(
        chosen_line(&trial).contains("assistant, turn 2"),
        "{}",
        shown(&trial)
    );
    press(&mut trial, KeyCode::Up);
    let before = chosen_line(&trial);
    serve(&mut trial, 11);
    assert_eq!(chosen_line(&trial), before, "it stays where it is");
    assert!(shown(&trial).contains("entry 7 of 11"), "{}", shown(&trial));
    press(&mut trial, KeyCode::Char('G'));
    assert!(chosen_line(&trial).contains("✗ assigned"), "{}", shown(&trial));
    update(&mut trial, TrialMessage::Stands(over()));
    assert!(chosen_line(&trial).contains("outcome"), "{}", shown(&trial));
    assert!(shown(&trial).contains("✗ failed"));
}

#[test]
fn a_long_result_is_folded_until_it_is_asked_for() {
    let mut trial = trial(over(), 80, 24, 11);
    for _ in 0..6 {
        press(&mut trial, KeyCode::Down);
    }
    assert!(chosen_line(&trial).contains("← create_issue"));
    assert!(shown(&trial).contains("… 24 further lines"), "{}", shown(&trial));
    press(&mut trial, KeyCode::Enter);
    assert_eq!(trial.wish().unfolded, [6]);
    serve(&mut trial, 11);
    assert!(!shown(&trial).contains("further lines"));
    let mut rows = 0;
    while shown(&trial).contains("← create_issue") || !shown(&trial).contains("field 30") {
        press(&mut trial, KeyCode::Down);
        rows += 1;
        assert!(rows < 40, "{}", shown(&trial));
    }
    assert!(shown(&trial).contains("entry 7 of 12"), "row by row through it");
    press(&mut trial, KeyCode::Char(' '));
    serve(&mut trial, 11);
    assert!(shown(&trial).contains("… 24 further lines"), "{}", shown(&trial));
    chosen_line(&trial);
}

#[test]
fn however_long_it_is_a_screenful_is_known_and_what_is_chosen_is_in_view() {
    let all = 100_000;
    let mut trial = trial(over(), 80, 24, all);
    let keys = [
        KeyCode::End,
        KeyCode::Up,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Enter,
        KeyCode::Home,
        KeyCode::PageDown,
        KeyCode::Char('n'),
        KeyCode::PageUp,
        KeyCode::Char('G'),
    ];
    for n in 0..60 {
        let key = keys[(n * n + n / 7) % keys.len()];
        for again in 0..=(n % 9) {
            press(&mut trial, key);
            assert!(trial.wish().entries.len() <= 256);
            if again % 2 == 0 {
                serve(&mut trial, all);
            }
        }
        serve(&mut trial, all);
        serve(&mut trial, all);
        chosen_line(&trial);
        let text = shown(&trial);
        assert!(!text.contains("\n  …\n"), "all in view is known\n{text}");
    }
}

#[test]
fn nothing_that_was_said_can_command_the_terminal() {
    for (columns, rows) in [(80, 24), (200, 60), (20, 8), (3, 5), (80, 3)] {
        let mut trial = trial(over(), columns, rows, 11);
        update(
            &mut trial,
            TrialMessage::News(TrialNews::Record(Some(Box::new(record())))),
        );
        for key in [
            KeyCode::Enter,
            KeyCode::Down,
            KeyCode::PageDown,
            KeyCode::Tab,
            KeyCode::End,
        ] {
            press(&mut trial, key);
            serve(&mut trial, 11);
            let text = shown(&trial);
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text}");
        }
    }
}

#[test]
fn a_terminal_that_knows_only_ascii() {
    let plain = Look {
        color: false,
        unicode: false,
    };
    let mut trial = trial(over(), 80, 24, 11);
    update(
        &mut trial,
        TrialMessage::News(TrialNews::Record(Some(Box::new(record())))),
    );
    for _ in TABS {
        let text = screen(80, 24, |frame| draw(&trial, plain, frame));
        assert!(text.is_ascii(), "{text}");
        press(&mut trial, KeyCode::Tab);
    }
}

#[test]
fn a_terminal_that_is_too_small_is_told_what_is_needed() {
    let run = "run_20260102_030405_0badcafe".parse().unwrap();
    let id = "create-bug~gpt-4o~1".parse().unwrap();
    let mut trial = TrialScreen::new(run, id, Standing::default(), now());
    update(&mut trial, TrialMessage::Size(39, 24));
    let words: Vec<String> = shown(&trial).split_whitespace().map(str::to_owned).collect();
    let words = words.join(" ");
    assert_eq!(
        words,
        "This terminal has 39 × 24 cells; 40 × 6 are needed here. q quit"
    );
    assert_eq!(press(&mut trial, KeyCode::Char('q')), Some(TrialEffect::Quit));
    update(&mut trial, TrialMessage::Size(40, 6));
    assert!(shown(&trial).contains("conversation"));
}

#[test]
fn before_anything_is_read_and_when_it_cannot_be() {
    let run = "run_20260102_030405_0badcafe".parse().unwrap();
    let id = "create-bug~gpt-4o~1".parse().unwrap();
    let mut trial = TrialScreen::new(run, id, Standing::default(), now());
    update(&mut trial, TrialMessage::Size(80, 24));
    assert!(shown(&trial).contains("reading …") && shown(&trial).contains("has not begun"));
    for key in [
        KeyCode::Down,
        KeyCode::Right,
        KeyCode::End,
        KeyCode::Enter,
        KeyCode::PageUp,
    ] {
        press(&mut trial, key);
    }
    serve(&mut trial, 0);
    assert!(shown(&trial).contains("nothing was said yet"));
    let trouble = TrialNews::Trouble(Some("it is gone".into()));
    update(&mut trial, TrialMessage::News(trouble));
    assert!(shown(&trial).contains("it is gone"));
    assert_eq!(press(&mut trial, KeyCode::Esc), Some(TrialEffect::Back));
}
