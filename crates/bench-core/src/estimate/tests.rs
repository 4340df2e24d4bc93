//! Which trials count, and what is said where none do.

use super::*;
use crate::harness::{Harness, Origin, Scenario};
use crate::model::ModelSpec;
use crate::plan::{Budget, GymChoice};
use crate::price::{Price, Rates};
use crate::verifier::{Check, ResponseCheck, VerifierSpec};

fn plan(models: &[&str], runs: u32) -> Plan {
    let scenario = |id: &str| Scenario {
        scenario_id: id.into(),
        origin: Origin {
            sha256: format!("hash of {id}"),
            ..Origin::default()
        },
        ..Scenario::default()
    };
    let harness = Harness {
        scenarios: vec![scenario("a"), scenario("b")],
        ..Harness::default()
    };
    let rates = Rates {
        input: 1.0,
        cached_input: None,
        cache_write: None,
        output: 10.0,
    };
    let price = Price {
        rates,
        long: None,
        source: "test".into(),
        date: None,
    };
    let spec = |name: &&str| ModelSpec {
        price: (*name != "compatible:unpriced").then(|| price.clone()),
        ..ModelSpec::new(name.parse().unwrap())
    };
    let builder = Plan::builder(harness)
        .models(models.iter().map(spec).collect::<Vec<_>>())
        .gyms(GymChoice::tracker())
        .runs(runs);
    builder.build().unwrap().0
}

fn past(scenario: &str, model: &str, calls: u32) -> PastTrial {
    PastTrial {
        run: format!("run_{calls:03}"),
        scenario_id: scenario.into(),
        sha256: format!("hash of {scenario}"),
        model: model.into(),
        local: model == "oracle",
        calls,
        usage: Usage {
            input_tokens: (model != "oracle").then_some(u64::from(calls) * 1_000_000),
            output_tokens: (model != "oracle").then_some(u64::from(calls) * 100_000),
            ..Usage::default()
        },
        judged: None,
    }
}

fn bases(plan: &Plan, past: &[PastTrial]) -> Vec<(Basis, usize)> {
    let cells = estimate(plan, past).cells.into_iter();
    cells.map(|cell| (cell.basis, cell.past_trials)).collect()
}

#[test]
fn the_most_alike_trials_count_and_without_any_nothing_is_known() {
    let plan = plan(&["openai:m", "oracle"], 1);
    assert_eq!(bases(&plan, &[]), [(Basis::Nothing, 0); 4]);
    let changed = PastTrial {
        sha256: "before".into(),
        ..past("b", "openai:m", 1)
    };
    let (other_model, oracle) = (past("b", "openai:n", 1), past("b", "oracle", 1));
    let all = [
        past("a", "openai:m", 1),
        changed.clone(),
        other_model.clone(),
        oracle,
    ];
    let want = [
        Basis::Same,
        Basis::OtherScenarios,
        Basis::ScenarioChanged,
        Basis::Same,
    ];
    assert_eq!(bases(&plan, &all), want.map(|basis| (basis, 1)));
    let want = [
        (Basis::OtherScenarios, 1),
        (Basis::Nothing, 0),
        (Basis::ScenarioChanged, 1),
        (Basis::Nothing, 0),
    ];
    assert_eq!(bases(&plan, &[changed, other_model.clone()]), want);
    let of_others = estimate(&plan, &[other_model]);
    assert_eq!(of_others.cells[2].basis, Basis::OtherModels);
    let Needs { calls, cost_usd, .. } = of_others.cells[2].per_trial;
    assert!(
        calls.is_some() && cost_usd.is_none(),
        "another model's cost is no knowledge"
    );
    assert_eq!(
        of_others.cells[3].basis,
        Basis::Nothing,
        "nor are its calls for who plays a file"
    );
}

#[test]
fn sums_are_of_medians_and_of_ninetieth_percentiles_and_say_what_is_unknown() {
    let plan = plan(&["openai:m", "compatible:unpriced", "oracle"], 3);
    let mut seen: Vec<PastTrial> = (1..=10).map(|calls| past("a", "openai:m", calls)).collect();
    seen.push(past("a", "compatible:unpriced", 2));
    let estimate = estimate(&plan, &seen);
    let m = &estimate.models[0];
    assert_eq!(
        (m.sums.trials, m.sums.calls.known),
        (6, Spread { median: 30, p90: 54 })
    );
    // A call costs $1 of input and $1 of output.
    assert_eq!(m.sums.cost_usd.known.p90, Usd::from(108.0));
    let from: Vec<_> = m
        .from
        .iter()
        .map(|from| (from.basis, from.trials, from.past_trials))
        .collect();
    assert_eq!(from, [(Basis::Same, 3, 10), (Basis::OtherScenarios, 3, 10)]);
    assert_eq!(m.from[0].runs[0], "run_010", "newest first");
    let unpriced = &estimate.models[1].sums;
    assert_eq!(
        (unpriced.calls.unknown_trials, unpriced.cost_usd.unknown_trials),
        (0, 6)
    );
    let oracle = &estimate.models[2].sums;
    assert_eq!(
        (oracle.calls.unknown_trials, oracle.cost_usd.unknown_trials),
        (6, 0)
    );
    assert_eq!(estimate.total.cost_usd.unknown_trials, 6);
}

/// The plan, with a judge for its first scenario.
fn judged(judge: Option<&str>) -> Plan {
    let mut plan = plan(&["openai:m", "oracle"], 2);
    plan.judge = judge.map(|judge| ModelSpec {
        model: judge.parse().unwrap(),
        ..plan.models[0].clone()
    });
    plan.scenarios[0].scenario.verifiers = vec![VerifierSpec::new(
        "polite",
        Check::ResponseCheck(ResponseCheck::Judge {
            comparison_prompt: "Is it polite?".into(),
            minimum_comparison_value: 7.0,
            sql_query: None,
        }),
    )];
    plan
}

fn judging(scenario: &str, model: &str, judge: &str, calls: u32) -> PastTrial {
    let of_judge = past(scenario, "any:model", calls).usage;
    PastTrial {
        judged: Some(PastJudging {
            judge: judge.into(),
            calls,
            usage: if calls == 0 { Usage::default() } else { of_judge },
        }),
        ..past(scenario, model, 1)
    }
}

#[test]
fn what_judging_needs_is_known_by_trials_that_the_same_judge_judged() {
    let plan = judged(Some("openai:j"));
    let seen = [
        judging("a", "openai:m", "openai:j", 2),
        judging("a", "openai:m", "openai:other", 9),
        judging("b", "openai:m", "openai:j", 9),
        past("a", "oracle", 1),
    ];
    let known = estimate(&plan, &seen);
    let bases: Vec<_> = known
        .cells
        .iter()
        .map(|cell| {
            cell.judging
                .as_ref()
                .map(|judging| (judging.basis, judging.past_trials))
        })
        .collect();
    let want = [Some((Basis::Same, 1)), Some((Basis::OtherModels, 1)), None, None];
    assert_eq!(
        bases, want,
        "neither another judge nor another scenario says anything"
    );
    let dollars = |sums: &Sums| {
        (
            sums.trials,
            sums.cost_usd.known.median,
            sums.cost_usd.unknown_trials,
        )
    };
    let judge = known.judge.unwrap();
    assert_eq!(dollars(&judge.sums), (4, Usd::from(16.0), 0));
    assert_eq!(
        dollars(&known.models[0].sums),
        (4, Usd::from(8.0), 0),
        "the judge aside"
    );
    assert_eq!(
        dollars(&known.total),
        (8, Usd::from(24.0), 0),
        "the judge included"
    );

    for (judge, name) in [(Some("openai:new"), "openai:new"), (None, "")] {
        let unknown = estimate(&judged(judge), &seen);
        let of_judge = unknown.judge.unwrap();
        assert_eq!(
            (of_judge.model.as_str(), of_judge.from[0].basis),
            (name, Basis::Nothing)
        );
        assert_eq!(dollars(&of_judge.sums), (4, Usd::default(), 4));
        assert_eq!(
            dollars(&unknown.total),
            (8, Usd::from(8.0), 4),
            "what is known stays known"
        );
    }
    let silent = [judging("a", "openai:m", "openai:j", 0)];
    let judge = estimate(&plan, &silent).judge.unwrap();
    assert_eq!(
        dollars(&judge.sums),
        (4, Usd::default(), 0),
        "without an answer nobody is asked"
    );
}

#[test]
fn budgets_reach_as_far_as_what_is_known() {
    let mut plan = plan(&["openai:m", "compatible:unpriced"], 2);
    let seen = [1, 1, 1, 1, 3].map(|calls| past("a", "openai:m", calls));
    let mut reach = |dollars: f64| {
        plan.budget = Budget {
            max_cost: Some(Usd::from(dollars)),
            ..Budget::default()
        };
        let reach = estimate(&plan, &seen).budgets.remove(0);
        assert_eq!(reach.unknown_trials, 4);
        (reach.ends_after_at_median, reach.ends_after_at_p90)
    };
    assert_eq!(reach(24.0), (None, None), "4 trials at $6 fit exactly");
    assert_eq!(reach(8.0), (None, Some(2)));
    assert_eq!(reach(5.0), (Some(4), Some(0)));
    plan.budget = Budget {
        max_tokens_total: Some(2_300_000),
        ..Budget::default()
    };
    let tokens = estimate(&plan, &seen).budgets.remove(0);
    assert_eq!(
        tokens.ends_after_at_median,
        Some(2),
        "other models' tokens count, too"
    );
}
