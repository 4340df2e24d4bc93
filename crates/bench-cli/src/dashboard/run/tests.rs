use bench_core::event::{Awaited, Event};
use bench_core::session::{Cell, OutcomeCounts, Session, Totals};
use bench_core::{Cost, GymChoice, Harness, ModelSpec, Outcome, Plan, Source, Usage, Usd};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::picture::{Places, UnderWay, model_rows};
use super::*;
use crate::dashboard::home::row::tests::{ago, now, waiting};
use crate::dashboard::home::row::{Doing, Going, Key, Over, Row, Stand};
use crate::dashboard::look::Look;
use crate::dashboard::test_screen::{LOOK, screen};
use crate::progress::board::tests::{finished, started};

/// So many scenarios with two models, three times.
fn plan(scenarios: usize) -> Plan {
    plan_with(scenarios, &["oracle", "noop"])
}

fn plan_with(scenarios: usize, models: &[&str]) -> Plan {
    let names = [
        "create-bug",
        "close-issue",
        "assign-to-sarah-when-she-is-free",
        "read-only",
    ];
    let scenarios = (0..scenarios).map(|n| {
        let name = names
            .get(n)
            .map_or_else(|| format!("scenario-{n}"), |name| (*name).to_owned());
        format!(r#"{{"scenario_id": "{name}", "prompts": [{{"prompt_text": "Go."}}]}}"#)
    });
    let scenarios: Vec<String> = scenarios.collect();
    let text = format!(r#"{{"scenarios": [{}]}}"#, scenarios.join(", "));
    let nothing = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let harness = Harness::from_sources("h", &[Source::new("/h.json", text)], &nothing).unwrap();
    let models = models.iter().map(|name| ModelSpec::new(name.parse().unwrap()));
    let builder = Plan::builder(harness)
        .models(models)
        .gyms(GymChoice::tracker())
        .runs(3);
    builder.build().unwrap().0
}

/// Where trials stand after some of everything has happened.
fn places(plan: &Plan) -> Places {
    let mut places = Places::new(Grid::of(plan));
    let ends = [
        ("create-bug~oracle~1", Outcome::Passed, None),
        ("create-bug~noop~1", Outcome::Failed, None),
        ("close-issue~oracle~1", Outcome::Limit, Some("200 turns")),
        ("close-issue~noop~1", Outcome::Errored, Some("gym \x1b[2Jbroke")),
        ("read-only~oracle~1", Outcome::Unscored, None),
        (
            "read-only~noop~1",
            Outcome::Cancelled,
            Some("the run was cancelled"),
        ),
        ("create-bug~oracle~2", Outcome::Passed, None),
    ];
    for (trial, outcome, cause) in ends {
        places.event(&started(trial));
        places.event(&finished(trial, outcome, cause));
    }
    for trial in ["create-bug~noop~2", "close-issue~oracle~2", "read-only~noop~2"] {
        places.event(&started(trial));
    }
    places
}

fn session() -> Session {
    let totals = |model: &str, passed, failed| Totals {
        model: model.into(),
        trials_total: 12,
        outcomes: OutcomeCounts {
            passed,
            failed,
            ..OutcomeCounts::default()
        },
        verifiers_passed: passed * 3,
        verifiers_total: (passed + failed) * 3,
        usage: Usage::default(),
        cost: Some(Cost {
            usd: Usd::from(0.4211),
            unknown_calls: 0,
        }),
        ..Totals::default()
    };
    let cell = |scenario: &str, model: &str, passed, failed| Cell {
        scenario_id: scenario.into(),
        totals: totals(model, passed, failed),
    };
    Session {
        format: 1,
        harness_name: "jira-smoke".into(),
        label: None,
        runs: 3,
        models: vec![totals("oracle", 2, 1), totals("noop", 0, 1)],
        cells: vec![
            cell("create-bug", "oracle", 1, 0),
            cell("create-bug", "noop", 0, 1),
            cell("close-issue", "oracle", 0, 1),
            cell("read-only", "oracle", 1, 0),
        ],
        databases: vec![],
    }
}

fn picture(plan: &Plan, stand: Stand) -> Picture {
    let places = places(plan);
    let under_way = |trial: &str, wait| {
        let trial: TrialId = trial.parse().unwrap();
        UnderWay {
            at: places.grid.place(&trial),
            trial,
            wait,
        }
    };
    let trials = vec![
        under_way(
            "close-issue~oracle~2",
            Some(waiting(
                Awaited::RateLimit,
                "openai:gpt-4o: status 429, rate limited",
                45,
            )),
        ),
        under_way(
            "create-bug~noop~2",
            Some(waiting(Awaited::Tool, "tool search of jira", 12)),
        ),
        under_way("read-only~noop~2", None),
    ];
    let going = matches!(stand, Stand::Going(_));
    let mut progress = bench_core::session::begin(plan).0;
    progress.trials_done = 7;
    progress.outcomes = OutcomeCounts {
        passed: 2,
        failed: 1,
        limit: 1,
        errored: 1,
        unscored: 1,
        cancelled: 1,
    };
    Picture {
        row: Row {
            key: Key::Run("run_20260102_030405_0badcafe".parse().unwrap()),
            harness: "jira-smoke (nightly)".into(),
            models: "oracle, noop".into(),
            runs: 3,
            progress,
            started_at: ago(302),
            stand,
        },
        causes: places.causes(),
        places,
        models: model_rows(&session()),
        under_way: if going { trials } else { vec![] },
        busy_and_idle: (2, 1),
        slots: 8,
        paces: vec![("openai".into(), 50.2)],
        cost: Some("$0.8422".into()),
        budget: Some(Usd::from(5.0)),
    }
}

fn live() -> Stand {
    Stand::Going(Going {
        doing: Doing::Running(Some(waiting(
            Awaited::RateLimit,
            "openai:gpt-4o: status 429, rate limited",
            45,
        ))),
        cost: Some("$0.8422".into()),
        left: Some(std::time::Duration::from_secs(720)),
    })
}

fn over() -> Stand {
    Stand::Over(Over {
        word: "failed".into(),
        cause: Some(
            "worker_lost, `resume` continues it: the worker (pid 4711) is gone and left no ending".into(),
        ),
        refused: None,
    })
}

fn run_of(scenarios: usize, stand: Stand, columns: u16, rows: u16) -> RunScreen {
    let mut run = RunScreen::new("run_20260102_030405_0badcafe".parse().unwrap(), now());
    update(&mut run, RunMessage::Size(columns, rows));
    let picture = Arc::new(picture(&plan(scenarios), stand));
    update(&mut run, RunMessage::News(RunNews::Picture(picture)));
    run
}

fn press(run: &mut RunScreen, code: KeyCode) -> Option<RunEffect> {
    update(run, RunMessage::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn shown(run: &RunScreen) -> String {
    screen(run.size.0, run.size.1, |frame| draw(run, LOOK, frame))
}

fn chosen(run: &RunScreen) -> String {
    let at = run.chosen_at().unwrap();
    run.grid().unwrap().trial(at).unwrap().to_string()
}

#[test]
fn a_run_under_way_on_a_small_terminal() {
    insta::assert_snapshot!(shown(&run_of(4, live(), 80, 24)), @r"
    jira-smoke (nightly) · oracle, noop                 ⠋ running · began 5m 02s ago
    7/24 trials · 2 passed · 1 failed · 1 errored · $0.8422 of $5.00 · ~12m left · …
    next request in 15s · 429 rate limit · openai:gpt-4o: status 429, rate limited …
      model      trials  passed   95% interval  verifiers        cost
      oracle       3/12   66.7%          4–99%        6/9     $0.4211
      noop         1/12    0.0%          0–79%        0/3     $0.4211

      scenario 1/4                      oracle  noop
    ❯ create-bug                        ✓✓·     ✗▶·
      close-issue                       ◔…·     !··
      assign-to-sarah-when-she-is-free  ···     ···
      read-only                         ?··     –▶·

    UNDER WAY  3
      close-issue~oracle~2  next request in 15s · 429 rate limit · openai:gpt-4o: s…
      create-bug~noop~2  given up in 48s, then tried again (2 of 2) · tool search o…
      read-only~noop~2  at work
    WITHOUT A VERDICT
      1 limit: 200 turns
      1 errored: gym ␛[2Jbroke
      1 cancelled: the run was cancelled

    create-bug~oracle~1 · passed · 2/3 verifiers · 1.20s · 1 turn · 0 tool calls
    ? help  q quit  Esc back  Enter open  Tab all  n not passed  x end  R report
    ");
}

#[test]
fn a_run_that_broke_on_a_large_terminal() {
    insta::assert_snapshot!(shown(&run_of(40, over(), 200, 60)), @r"
    jira-smoke (nightly) · oracle, noop                                                                                                                                      ✗ failed · 2026-01-02 04:59 UTC
    7/240 trials · 2 passed · 1 failed · 1 errored · $0.8422 of $5.00 · 1 at a limit · 1 unscored · 1 cancelled
    worker_lost, `resume` continues it: the worker (pid 4711) is gone and left no ending
      model      trials  passed   95% interval  verifiers        cost
      oracle       3/12   66.7%          4–99%        6/9     $0.4211
      noop         1/12    0.0%          0–79%        0/3     $0.4211

      scenario 1/40                     oracle  noop
    ❯ create-bug                        ✓✓·     ✗▶·
      close-issue                       ◔▶·     !··
      assign-to-sarah-when-she-is-free  ···     ···
      read-only                         ?··     –▶·
      scenario-4                        ···     ···
      scenario-5                        ···     ···
      scenario-6                        ···     ···
      scenario-7                        ···     ···
      scenario-8                        ···     ···
      scenario-9                        ···     ···
      scenario-10                       ···     ···
      scenario-11                       ···     ···
      scenario-12                       ···     ···
      scenario-13                       ···     ···
      scenario-14                       ···     ···
      scenario-15                       ···     ···
      scenario-16                       ···     ···
      scenario-17                       ···     ···
      scenario-18                       ···     ···
      scenario-19                       ···     ···
      scenario-20                       ···     ···
      scenario-21                       ···     ···
      scenario-22                       ···     ···
      scenario-23                       ···     ···
      scenario-24                       ···     ···
      scenario-25                       ···     ···
      scenario-26                       ···     ···
      scenario-27                       ···     ···
      scenario-28                       ···     ···
      scenario-29                       ···     ···
      scenario-30                       ···     ···
      scenario-31                       ···     ···
      scenario-32                       ···     ···
      scenario-33                       ···     ···
      scenario-34                       ···     ···
      scenario-35                       ···     ···
      scenario-36                       ···     ···
      scenario-37                       ···     ···
      scenario-38                       ···     ···
      scenario-39                       ···     ···





    WITHOUT A VERDICT
      1 limit: 200 turns
      1 errored: gym ␛[2Jbroke
      1 cancelled: the run was cancelled

    create-bug~oracle~1 · passed · 2/3 verifiers · 1.20s · 1 turn · 0 tool calls
    ? help  q quit  Esc back  Enter open  Tab all  n not passed  r resume  t try again  D remove  R report  c compare
    ");
}

#[test]
fn what_was_read_of_a_run_stays_when_it_is_removed_and_nothing_is_done_about_it_any_more() {
    let mut run = run_of(4, over(), 80, 24);
    assert_eq!(run.refusal(Act::Delete), None);
    let grid = |text: &str| text.lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
    let before = shown(&run);
    update(&mut run, RunMessage::News(RunNews::Gone));
    let text = shown(&run);
    assert!(
        text.contains("the run is no longer on disk: removed or moved; what was read of it stays"),
        "{text}"
    );
    let (before, after) = (grid(&before), grid(&text));
    assert_eq!(before[..before.len() - 1], after[..after.len() - 1]);
    assert!(
        before.concat().contains("r resume") && !after.concat().contains("r resume"),
        "{text}"
    );
    assert_eq!(run.refusal(Act::Delete), Some(GONE));
    assert!(!run.ticks());
}

#[test]
fn a_terminal_that_is_too_small_is_told_what_is_needed() {
    let mut run = run_of(4, live(), 79, 11);
    let text = shown(&run);
    assert!(
        text.starts_with("This terminal has 79 × 11 cells; 40 × 12 are needed here.\nq quit"),
        "{text}"
    );
    assert_eq!(press(&mut run, KeyCode::Char('q')), Some(RunEffect::Quit));
    assert!(shown(&run_of(4, live(), 40, 12)).contains("scenario 1/4"));
}

#[test]
fn nothing_is_still_to_begin_in_a_run_that_is_over() {
    let words = |stand| {
        let mut run = run_of(40, stand, 200, 60);
        let chosen = std::iter::repeat_with(|| {
            press(&mut run, KeyCode::Down);
            shown(&run).lines().rev().nth(1).unwrap_or_default().to_owned()
        });
        chosen.take(40).collect::<Vec<_>>().join("\n")
    };
    let (over, live) = (words(over()), words(live()));
    assert!(
        over.contains("has no end") && !over.contains("has not begun"),
        "{over}"
    );
    assert!(
        live.contains("has not begun") && !live.contains("has no end"),
        "{live}"
    );
}

#[test]
fn what_is_left_out_is_counted_and_stands_on_the_other_view() {
    let mut run = run_of(40, live(), 80, 24);
    let text = shown(&run);
    assert!(text.contains("UNDER WAY  3"), "{text}");
    assert!(
        text.contains("… 1 more under way, 3 causes of no verdict: Tab"),
        "{text}"
    );
    let mut picture = Picture::clone(run.picture.as_ref().unwrap());
    let more = |n: u32| UnderWay {
        trial: format!("scenario-{n}~oracle~1").parse().unwrap(),
        at: None,
        wait: None,
    };
    picture.under_way.extend((10..60).map(more));
    update(&mut run, RunMessage::News(RunNews::Picture(Arc::new(picture))));
    let text = shown(&run);
    assert!(text.contains("UNDER WAY  53"), "{text}");
    assert!(
        text.contains("… 51 more under way, 3 causes of no verdict: Tab"),
        "{text}"
    );

    press(&mut run, KeyCode::Tab);
    let mut seen = String::new();
    for _ in 0..9 {
        seen += &shown(&run);
        press(&mut run, KeyCode::PageDown);
    }
    for words in [
        "oracle: 66.7% passed (4–99%), 3/12 trials",
        "noop: 0.0%",
        "scenario-59~oracle~1",
        "gym ␛[2Jbroke",
        "1 at a limit",
    ] {
        assert!(seen.contains(words), "{words}\n{seen}");
    }
    // Whole sentences, whatever they are broken into.
    let whole = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        whole.contains("longest wait 45s (create-bug~gpt-4o~1, and 2 more)"),
        "{whole}"
    );
    assert_eq!(press(&mut run, KeyCode::Enter), None, "nothing is chosen here");
    assert_eq!(press(&mut run, KeyCode::Esc), None);
    assert!(shown(&run).contains("❯ create-bug"));
}

#[test]
fn nine_models_can_be_told_apart_and_all_are_reached() {
    let names: Vec<String> = (1..=9).map(|n| format!("openai:gpt-5-{n}-mini")).collect();
    let plan = plan_with(1, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let places = Places::new(Grid::of(&plan));
    let totals = |name: &String| Totals {
        model: name.clone(),
        trials_total: 3,
        ..Totals::default()
    };
    let session = Session {
        models: names.iter().map(totals).collect(),
        cells: vec![],
        ..session()
    };
    let picture = Picture {
        models: model_rows(&session),
        causes: vec![],
        under_way: vec![],
        places,
        ..picture(&self::plan(1), over())
    };
    let mut run = run_of(1, over(), 80, 24);
    update(&mut run, RunMessage::News(RunNews::Picture(Arc::new(picture))));
    insta::assert_snapshot!(shown(&run), @r"
    jira-smoke (nightly) · oracle, noop              ✗ failed · 2026-01-02 04:59 UTC
    7/6 trials · 2 passed · 1 failed · 1 errored · $0.8422 of $5.00 · 1 at a limit …
    worker_lost, `resume` continues it: the worker (pid 4711) is gone and left no e…
      model                   trials  passed   95% interval  verifiers        cost
      openai:gpt-5-1-mini        0/3       —              —        0/0           —
      openai:gpt-5-2-mini        0/3       —              —        0/0           —
      openai:gpt-5-3-mini        0/3       —              —        0/0           —
      openai:gpt-5-4-mini        0/3       —              —        0/0           —
      openai:gpt-5-5-mini        0/3       —              —        0/0           —
      openai:gpt-5-6-mini        0/3       —              —        0/0           —
      openai:gpt-5-7-mini        0/3       —              —        0/0           —
      openai:gpt-5-8-mini        0/3       —              —        0/0           —
      openai:gpt-5-9-mini        0/3       —              —        0/0           —
                                                                            → 1 more
      scenario 1/1    1       2       3       4       5       6       7       8
    ❯ create-bug      ···     ···     ···     ···     ···     ···     ···     ···






    create-bug~openai-gpt-5-1-mini~1 · has no end
    ? help  q quit  Esc back  Enter open  Tab all  n not passed  r resume
    ");
    for _ in 0..27 {
        press(&mut run, KeyCode::Right);
    }
    let text = shown(&run);
    assert!(text.contains("← 1 more") && !text.contains('→'), "{text}");
    update(&mut run, RunMessage::Size(80, 12));
    assert!(shown(&run).contains("further models: Tab"), "{}", shown(&run));
}

#[test]
fn more_than_fits_is_said_and_can_be_reached() {
    let mut run = run_of(40, live(), 80, 24);
    let text = shown(&run);
    assert!(text.contains("UNDER WAY  3") && text.contains("… "), "{text}");
    for key in [
        KeyCode::Down,
        KeyCode::PageDown,
        KeyCode::End,
        KeyCode::Up,
        KeyCode::Home,
    ] {
        for _ in 0..5 {
            press(&mut run, key);
            let text = shown(&run);
            assert_eq!(text.matches('❯').count(), 1, "{key:?}\n{text}");
        }
    }
}

#[test]
fn a_terminal_that_knows_only_ascii() {
    let plain = Look {
        color: false,
        unicode: false,
    };
    let run = run_of(4, live(), 80, 24);
    let text = screen(80, 24, |frame| draw(&run, plain, frame));
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn too_many_repetitions_scroll_sideways() {
    let mut run = run_of(2, live(), 40, 24);
    for (key, want) in [
        (KeyCode::Right, "create-bug~oracle~2"),
        (KeyCode::Right, "create-bug~oracle~3"),
        (KeyCode::Char('l'), "create-bug~noop~1"),
        (KeyCode::Left, "create-bug~oracle~3"),
        (KeyCode::Down, "close-issue~oracle~3"),
    ] {
        press(&mut run, key);
        assert_eq!(chosen(&run), want, "{key:?}");
        assert!(shown(&run).contains('❯'));
    }
    for _ in 0..9 {
        press(&mut run, KeyCode::Right);
    }
    assert_eq!(chosen(&run), "close-issue~noop~3");
}

#[test]
fn one_key_goes_to_what_did_not_pass() {
    let mut run = run_of(4, live(), 80, 24);
    let mut seen = Vec::new();
    for _ in 0..6 {
        press(&mut run, KeyCode::Char('n'));
        seen.push(chosen(&run));
    }
    assert_eq!(
        seen,
        [
            "create-bug~noop~1",
            "close-issue~oracle~1",
            "close-issue~noop~1",
            "read-only~oracle~1",
            "read-only~noop~1",
            "read-only~noop~1"
        ]
    );
    press(&mut run, KeyCode::Char('p'));
    assert_eq!(chosen(&run), "read-only~oracle~1");
}

#[test]
fn a_run_that_is_resumed_tries_again_what_has_no_verdict() {
    let plan = plan(4);
    let mut places = places(&plan);
    let at = |places: &Places, trial: &str| {
        let at = places.grid.place(&trial.parse().unwrap()).unwrap();
        places.sign(at)
    };
    assert_eq!(at(&places, "close-issue~noop~1"), Sign::Errored);
    places.over();
    assert_eq!(
        at(&places, "create-bug~noop~2"),
        Sign::Pending,
        "its worker is gone"
    );
    places.event(&Event::RunStarted {
        trials: 24,
        already_finished: 4,
    });
    assert_eq!(at(&places, "close-issue~noop~1"), Sign::Pending);
    assert_eq!(at(&places, "create-bug~noop~1"), Sign::Failed, "a verdict stays");
    assert!(
        places
            .causes()
            .iter()
            .all(|cause| cause.outcome == Outcome::Limit)
    );
}

#[test]
fn before_the_run_is_read_and_when_it_cannot_be() {
    let mut run = RunScreen::new("run_20260102_030405_0badcafe".parse().unwrap(), now());
    assert!(shown(&run).contains("reading …"));
    for key in [KeyCode::Down, KeyCode::Right, KeyCode::End, KeyCode::Char('n')] {
        press(&mut run, key);
    }
    update(&mut run, RunMessage::News(RunNews::Trouble("no such run".into())));
    assert!(shown(&run).contains("no such run"));
    assert_eq!(press(&mut run, KeyCode::Esc), Some(RunEffect::Back));
}
