//! Totals: what the events of a run add up to, also when trials are tried again.

use bench_core::event::{TrialFinished, TrialInterrupted};
use bench_core::record::{FileRef, TriedAgain};
use bench_core::session::{Totals, begin, fold};
use bench_core::{
    Cost, Event, GymChoice, Harness, ModelSpec, Outcome, Plan, Progress, Scenario, Session, Usage, Usd,
};

fn plan() -> Plan {
    let scenario = |id: &str| Scenario {
        scenario_id: id.into(),
        ..Scenario::default()
    };
    let harness = Harness {
        scenarios: vec![scenario("a"), scenario("b")],
        ..Harness::default()
    };
    let models = ["noop", "openai:gpt-4o"].map(|name| ModelSpec::new(name.parse().unwrap()));
    Plan::builder(harness)
        .models(models)
        .gyms(GymChoice::tracker())
        .runs(3)
        .build()
        .unwrap()
        .0
}

fn finished(scenario: &str, model: &str, outcome: Outcome, verifiers: (u32, u32)) -> TrialFinished {
    TrialFinished {
        trial: format!("{scenario}~x~1").parse().unwrap(),
        scenario_id: scenario.into(),
        model: model.into(),
        repetition: 1,
        attempt: 1,
        outcome,
        replaces: None,
        cause: None,
        verifiers_passed: verifiers.0,
        verifiers_total: verifiers.1,
        turns: 2,
        tool_calls: 3,
        drift: 0,
        usage: Usage {
            input_tokens: Some(10),
            ..Usage::default()
        },
        retried_usage: Usage::default(),
        tried_again: TriedAgain::default(),
        judge_usage: Usage::default(),
        cost: None,
        took_ms: 100,
        record: FileRef::default(),
        transcript: FileRef::default(),
    }
}

fn totals(trials: &[TrialFinished]) -> (Progress, Session) {
    let (mut progress, mut session) = begin(&plan());
    fold(
        &mut progress,
        &mut session,
        &Event::RunStarted {
            trials: 12,
            already_finished: 0,
        },
    );
    for trial in trials {
        fold(&mut progress, &mut session, &Event::TrialFinished(trial.clone()));
    }
    (progress, session)
}

/// `passed/scored verifiers rate` of a row.
fn shown(totals: &Totals) -> String {
    let counts = totals.outcomes;
    format!(
        "{} {}/{} of {} done {} verifiers {}/{} rate {:?} turns {} tokens {:?} ms {}",
        totals.model,
        counts.passed,
        counts.scored(),
        totals.trials_total,
        counts.done(),
        totals.verifiers_passed,
        totals.verifiers_total,
        counts.pass_rate(),
        totals.turns,
        totals.usage.input_tokens,
        totals.took_ms
    )
}

#[test]
fn all_totals_are_known_before_anything_happens() {
    let (progress, session) = begin(&plan());
    assert_eq!((progress.trials_total, progress.trials_done), (12, 0));
    let cells: Vec<_> = session
        .cells
        .iter()
        .map(|c| {
            (
                c.scenario_id.as_str(),
                c.totals.model.as_str(),
                c.totals.trials_total,
            )
        })
        .collect();
    assert_eq!(
        cells,
        [
            ("a", "noop", 3),
            ("a", "openai:gpt-4o", 3),
            ("b", "noop", 3),
            ("b", "openai:gpt-4o", 3)
        ]
    );
    assert_eq!(
        session.models.iter().map(|m| m.trials_total).collect::<Vec<_>>(),
        [6, 6]
    );
}

#[test]
fn each_trial_counts_for_its_model_and_its_cell() {
    let (progress, session) = totals(&[
        finished("a", "noop", Outcome::Passed, (2, 2)),
        finished("a", "noop", Outcome::Failed, (1, 2)),
        finished("b", "noop", Outcome::Errored, (1, 2)),
        finished("b", "openai:gpt-4o", Outcome::Limit, (0, 2)),
        finished("b", "openai:gpt-4o", Outcome::Unscored, (0, 0)),
    ]);
    let rows: Vec<String> = session
        .models
        .iter()
        .chain(session.cells.iter().map(|c| &c.totals))
        .map(shown)
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    noop 1/2 of 6 done 3 verifiers 3/4 rate Some(0.5) turns 6 tokens Some(30) ms 300
    openai:gpt-4o 0/1 of 6 done 2 verifiers 0/2 rate Some(0.0) turns 4 tokens Some(20) ms 200
    noop 1/2 of 3 done 2 verifiers 3/4 rate Some(0.5) turns 4 tokens Some(20) ms 200
    openai:gpt-4o 0/0 of 3 done 0 verifiers 0/0 rate None turns 0 tokens None ms 0
    noop 0/0 of 3 done 1 verifiers 0/0 rate None turns 2 tokens Some(10) ms 100
    openai:gpt-4o 0/1 of 3 done 2 verifiers 0/2 rate Some(0.0) turns 4 tokens Some(20) ms 200
    "#);
    insta::assert_snapshot!(serde_json::to_string(&progress).unwrap(), @r#"{"trials_total":12,"trials_done":5,"passed":1,"failed":1,"limit":1,"errored":1,"unscored":1,"cancelled":0,"verifiers_passed":3,"verifiers_total":6,"verifiers_planned":0}"#);
}

#[test]
fn trials_without_a_verdict_are_open_again_when_the_run_goes_on_but_what_they_cost_stays() {
    let (mut progress, mut session) = totals(&[
        finished("a", "noop", Outcome::Errored, (0, 2)),
        finished("b", "noop", Outcome::Failed, (1, 2)),
        finished("b", "noop", Outcome::Cancelled, (0, 2)),
    ]);
    assert_eq!(progress.trials_done, 3);
    let mut add = |event: &Event| {
        fold(&mut progress, &mut session, event);
        (
            progress.trials_done,
            progress.outcomes.errored,
            progress.outcomes.cancelled,
        )
    };
    let started = Event::RunStarted {
        trials: 12,
        already_finished: 1,
    };
    assert_eq!(add(&started), (1, 0, 0), "only what has a verdict is done");
    let again = |outcome, replaces| {
        Event::TrialFinished(TrialFinished {
            replaces: Some(replaces),
            ..finished("a", "noop", outcome, (2, 2))
        })
    };
    assert_eq!(add(&again(Outcome::Cancelled, Outcome::Errored)), (2, 0, 1));
    assert_eq!(add(&started), (1, 0, 0));
    assert_eq!(add(&again(Outcome::Passed, Outcome::Cancelled)), (2, 0, 0));
    assert_eq!((progress.verifiers_passed, progress.verifiers_total), (3, 4));
    insta::assert_snapshot!(shown(&session.models[0]), @"noop 1/2 of 6 done 2 verifiers 3/4 rate Some(0.5) turns 4 tokens Some(50) ms 200");
    for totals in [&session.models[0], &session.cells[0].totals] {
        assert_eq!(
            totals.took_ms,
            100 * u64::from(totals.outcomes.done()),
            "of those that are over"
        );
        let done = u64::from(totals.outcomes.done());
        assert_eq!((totals.turns, totals.tool_calls), (2 * done, 3 * done));
    }
    let first = &session.models[0];
    assert_eq!(
        (
            first.tried_again_ms,
            first.tried_again_turns,
            first.tried_again_tool_calls
        ),
        (300, 6, 9),
        "what was given up"
    );
    assert_eq!(
        session.cells[0].totals.outcomes.done() + session.cells[2].totals.outcomes.done(),
        2
    );
}

#[test]
fn a_trial_of_nobody_changes_only_the_progress() {
    let (progress, session) = totals(&[finished("z", "who", Outcome::Passed, (1, 1))]);
    assert_eq!(progress.trials_done, 1);
    assert!(session.models.iter().all(|row| row.outcomes.done() == 0));
}

proptest::proptest! {
    /// Cells, models and progress always agree, in whatever order trials end.
    #[test]
    fn cells_models_and_progress_agree(ends in proptest::collection::vec((0..2_usize, 0..2_usize, 0..6_usize, 0..4_u32), 0..40)) {
        let trials: Vec<TrialFinished> = ends
            .into_iter()
            .map(|(s, m, o, v)| finished(["a", "b"][s], ["noop", "openai:gpt-4o"][m], Outcome::ALL[o], (v, 4)))
            .collect();
        let (progress, session) = totals(&trials);
        let sum = |rows: &[&Totals]| {
            rows.iter().fold((0, 0, 0, 0), |sum, row| {
                (sum.0 + row.outcomes.done(), sum.1 + row.outcomes.passed, sum.2 + row.verifiers_passed, sum.3 + row.verifiers_total)
            })
        };
        let models = sum(&session.models.iter().collect::<Vec<_>>());
        let cells = sum(&session.cells.iter().map(|c| &c.totals).collect::<Vec<_>>());
        proptest::prop_assert_eq!(models, cells);
        let expected = (progress.trials_done, progress.outcomes.passed, progress.verifiers_passed, progress.verifiers_total);
        proptest::prop_assert_eq!(models, expected);
    }
}

#[test]
fn databases_are_left_until_they_are_removed_and_totals_do_not_care() {
    let (mut progress, mut session) = begin(&plan());
    let before = progress.clone();
    let named = |id: &str| Event::DatabaseNamed {
        trial: "a~x~1".parse().unwrap(),
        gym: "jira".into(),
        database_id: id.into(),
    };
    let removed = |id: &str, problem: Option<&str>| Event::DatabaseRemoved {
        trial: "a~x~1".parse().unwrap(),
        gym: "jira".into(),
        database_id: id.into(),
        problem: problem.map(str::to_owned),
    };
    let events = [
        named("1"),
        named("1"),
        named("2"),
        removed("1", None),
        removed("2", Some("down")),
        removed("9", None),
    ];
    for event in &events {
        fold(&mut progress, &mut session, event);
    }
    let left: Vec<&str> = session
        .databases
        .iter()
        .map(|left| left.database_id.as_str())
        .collect();
    assert_eq!(left, ["2"]);
    assert_eq!(progress, before);
}

#[test]
fn what_was_paid_is_counted_whatever_came_of_it() {
    let call = |dollars: f64| Cost::of_call(Some(Usd::from(dollars)));
    let (mut progress, mut session) = begin(&plan());
    let retried = TrialFinished {
        retried_usage: Usage {
            input_tokens: Some(1000),
            ..Usage::default()
        },
        tried_again: TriedAgain {
            turns: 5,
            tool_calls: 4,
            took_ms: 1000,
        },
        cost: Some(call(0.5)),
        ..finished("a", "openai:gpt-4o", Outcome::Errored, (0, 1))
    };
    let own = retried.usage.input_tokens.unwrap();
    let mut lost = call(0.25);
    lost += Cost::unknown(1);
    let lost = TrialInterrupted {
        judge_usage: Usage::default(),
        trial: retried.trial.clone(),
        scenario_id: "a".into(),
        model: "openai:gpt-4o".into(),
        turns: 1,
        tool_calls: 2,
        took_ms: 40,
        usage: Usage::default(),
        cost: lost,
    };
    for event in [
        Event::TrialFinished(retried),
        Event::RunStarted {
            trials: 2,
            already_finished: 0,
        },
        Event::TrialInterrupted(lost),
        Event::TrialFinished(TrialFinished {
            cost: Some(call(0.125)),
            ..finished("a", "openai:gpt-4o", Outcome::Passed, (1, 1))
        }),
    ] {
        // As it comes back from the journal.
        let line = serde_json::to_string(&event).unwrap();
        fold(&mut progress, &mut session, &serde_json::from_str(&line).unwrap());
    }
    assert_eq!(
        session.cost().unwrap().to_string(),
        "≥ $0.8750 + 1 call of unknown cost"
    );
    let cell = session
        .cells
        .iter()
        .find(|cell| cell.scenario_id == "a" && cell.totals.model == "openai:gpt-4o");
    assert_eq!(cell.unwrap().totals.cost, session.models[1].cost);
    let model = &session.models[1];
    assert_eq!(model.usage.input_tokens, Some(1000 + 2 * own));
    assert_eq!(
        (model.turns, model.tool_calls, model.took_ms),
        (2, 3, 100),
        "of the attempt that counts"
    );
    assert_eq!(
        (
            model.tried_again_turns,
            model.tried_again_tool_calls,
            model.tried_again_ms
        ),
        (5 + 2 + 1, 4 + 3 + 2, 1000 + 100 + 40),
        "tried again in the run, after a resume, after a death: told in one place"
    );
    assert_eq!(progress.trials_done, 1, "what was interrupted has no end");
}

#[test]
fn what_older_versions_wrote_has_an_unknown_cost_instead_of_none() {
    let (mut progress, mut session) = begin(&plan());
    for model in ["openai:gpt-4o", "noop"] {
        let old = TrialFinished {
            turns: 3,
            cost: None,
            ..finished("a", model, Outcome::Passed, (1, 1))
        };
        fold(&mut progress, &mut session, &Event::TrialFinished(old));
    }
    let shown: Vec<String> = session
        .models
        .iter()
        .map(|model| model.cost.unwrap().to_string())
        .collect();
    assert_eq!(shown, ["$0", "unknown (3 calls)"]);
    let old: Totals = serde_json::from_str("{}").unwrap();
    assert_eq!(old.cost, None);
}

#[test]
fn totals_of_absurd_counts_stay_at_the_largest_number() {
    let most = Usage {
        input_tokens: Some(u64::MAX),
        output_tokens: Some(u64::MAX),
        ..Usage::default()
    };
    let absurd = TrialFinished {
        took_ms: u64::MAX,
        usage: most,
        retried_usage: most,
        ..finished("a", "openai:gpt-4o", Outcome::Passed, (u32::MAX, u32::MAX))
    };
    let (progress, session) = totals(&[absurd.clone(), absurd]);
    let model = &session.models[1];
    assert_eq!((model.took_ms, model.usage), (u64::MAX, most));
    assert_eq!(model.usage.total(), u64::MAX);
    assert_eq!(
        (progress.verifiers_total, model.verifiers_total),
        (u32::MAX, u32::MAX)
    );
}
