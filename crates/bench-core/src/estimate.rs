//! What a plan will need, by what trials of earlier runs have needed. Sums only: who reads those runs is elsewhere.
//!
//! Of each scenario and model of the plan, the past trials that are most like it count ([`Basis`]): their median and their
//! 90th percentile, times the number of trials. Where there are none, nothing is known, and nothing is guessed. Costs are
//! those of the plan's prices.

use std::collections::BTreeMap;

use serde::Serialize;

use self::alike::{Found, needs, source};
use self::judging::Judging;
use self::reach::reaches;
use crate::plan::Plan;
use crate::price::Usd;
use crate::usage::Usage;

mod alike;
mod judging;
mod reach;
mod sums;

/// A trial that was run before, to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastTrial {
    /// Id of its run.
    pub run: String,
    /// Its scenario.
    pub scenario_id: String,
    /// Hash of the scenario as it was written then.
    pub sha256: String,
    /// Its model, as `provider:name`, with the settings behind it.
    pub model: String,
    /// Its model is no service: what it needs says nothing of others.
    pub local: bool,
    /// Model replies.
    pub calls: u32,
    /// Tokens of all of them.
    pub usage: Usage,
    /// What its judge was asked, if a check of it asks one.
    pub judged: Option<PastJudging>,
}

/// What judging a past trial needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PastJudging {
    /// The judge, as `provider:name`, with the settings behind it.
    pub judge: String,
    /// Its replies; none for a trial without an answer.
    pub calls: u32,
    /// Tokens of all of them.
    pub usage: Usage,
}

/// Which past trials an estimate stands on, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// The same scenario with the same model.
    Same,
    /// The same, when something else was written in the scenario.
    ScenarioChanged,
    /// The same model with other scenarios.
    OtherScenarios,
    /// The same scenario with other models. Says nothing of the cost.
    OtherModels,
    /// None: nothing is known.
    Nothing,
}

impl Basis {
    /// For people, behind "trials of".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Same => "the same scenario and model",
            Self::ScenarioChanged => "the same model and an earlier version of the scenario",
            Self::OtherScenarios => "the same model with other scenarios",
            Self::OtherModels => "the same scenario with other models",
            Self::Nothing => "no past run",
        }
    }
}

/// The middle of what was seen, and what nine of ten were not above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Spread<T> {
    /// The median.
    pub median: T,
    /// The 90th percentile.
    pub p90: T,
}

/// What one trial needs. Absent is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Needs {
    /// Model replies.
    pub calls: Option<Spread<u64>>,
    /// Input tokens.
    pub input_tokens: Option<Spread<u64>>,
    /// Output tokens.
    pub output_tokens: Option<Spread<u64>>,
    /// US dollars.
    pub cost_usd: Option<Spread<Usd>>,
}

/// The trials of one scenario with one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellEstimate {
    /// The scenario.
    pub scenario_id: String,
    /// The model.
    pub model: String,
    /// Trials in the plan.
    pub trials: u32,
    /// What it stands on.
    pub basis: Basis,
    /// So many past trials.
    pub past_trials: usize,
    /// What each trial needs, its judge aside.
    pub per_trial: Needs,
    /// What judging them needs; none if no check asks a judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judging: Option<JudgingEstimate>,
}

/// Judging the trials of one scenario with one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgingEstimate {
    /// What it stands on, of trials with the same judge.
    pub basis: Basis,
    /// So many past trials.
    pub past_trials: usize,
    /// What judging each trial needs.
    pub per_trial: Needs,
}

/// What several trials need together, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sum<T> {
    /// Those that are known: their medians, and their 90th percentiles.
    #[serde(flatten)]
    pub known: Spread<T>,
    /// Trials of which nothing is known.
    pub unknown_trials: u32,
}

/// What several trials need together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sums {
    /// How many they are.
    pub trials: u32,
    /// Model replies.
    pub calls: Sum<u64>,
    /// Input tokens.
    pub input_tokens: Sum<u64>,
    /// Output tokens.
    pub output_tokens: Sum<u64>,
    /// US dollars.
    pub cost_usd: Sum<Usd>,
}

/// Past trials that an estimate stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Which.
    pub basis: Basis,
    /// Trials of the plan that are estimated by them.
    pub trials: u32,
    /// Past trials; those that stand for several scenarios are counted once.
    pub past_trials: usize,
    /// Their runs, newest first.
    pub runs: Vec<String>,
}

/// All trials of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelEstimate {
    /// The model.
    pub model: String,
    /// What its trials need together.
    #[serde(flatten)]
    pub sums: Sums,
    /// What that stands on, best first.
    pub from: Vec<Source>,
}

/// How far a budget reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The budget, by its name in the plan: `max_cost`.
    pub budget: &'static str,
    /// How much it is, for people.
    pub most: String,
    /// It would end the run after about so many trials, if each needs its median; not at all if absent.
    pub ends_after_at_median: Option<u32>,
    /// The same if each needs its 90th percentile.
    pub ends_after_at_p90: Option<u32>,
    /// Trials of which nothing is known; they were counted as nothing.
    pub unknown_trials: u32,
}

/// What a plan will need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Per scenario and model, in the plan's order.
    pub cells: Vec<CellEstimate>,
    /// Per model, in the plan's order, its judge aside.
    pub models: Vec<ModelEstimate>,
    /// The judge; none if no check asks one. Its name is empty if the plan has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<ModelEstimate>,
    /// All together, the judge included.
    pub total: Sums,
    /// How far each budget of the plan reaches.
    pub budgets: Vec<Reach>,
}

/// Past trials by what they stand for: the place of the model in the plan, and how like they are.
type Sources<'p> = BTreeMap<(usize, Basis), Vec<&'p PastTrial>>;

/// Estimates what a plan will need. `past` is newest first.
pub fn estimate(plan: &Plan, past: &[PastTrial]) -> Estimate {
    let found = Found::of(past);
    let judging = Judging::of(plan, past);
    let (mut cells, mut sources, mut of_judge) = (Vec::new(), Sources::new(), Sources::new());
    for scenario in &plan.scenarios {
        for (index, model) in plan.models.iter().enumerate() {
            let (basis, alike) = found.most_like(scenario, model);
            let judging = scenario.asks_judge().then(|| {
                let (estimate, alike) = judging.of_trials(scenario, model);
                of_judge.entry((0, estimate.basis)).or_default().extend(alike);
                estimate
            });
            cells.push(CellEstimate {
                scenario_id: scenario.scenario_id.clone(),
                model: model.model.to_string(),
                trials: plan.runs,
                basis,
                past_trials: alike.len(),
                per_trial: needs(&alike, model, basis),
                judging,
            });
            sources.entry((index, basis)).or_default().extend(alike);
        }
    }
    let models = plan.models.iter().enumerate().map(|(index, model)| {
        let cells = cells.iter().skip(index).step_by(plan.models.len());
        let own = cells.map(|cell| (cell.trials, cell.basis, &cell.per_trial));
        model_estimate(model.model.to_string(), &own.collect::<Vec<_>>(), &sources, index)
    });
    let models = models.collect();
    let judged = |cell: &'_ CellEstimate| {
        let judging = cell.judging.as_ref()?;
        Some((cell.trials, judging.basis, judging.per_trial))
    };
    let judged: Vec<_> = cells.iter().filter_map(judged).collect();
    let judge = (!judged.is_empty()).then(|| {
        let name = plan.judge.as_ref().map(|judge| judge.model.to_string());
        let judged: Vec<_> = judged
            .iter()
            .map(|(trials, basis, needs)| (*trials, *basis, needs))
            .collect();
        model_estimate(name.unwrap_or_default(), &judged, &of_judge, 0)
    });
    Estimate {
        models,
        judge,
        total: Sums::of(cells.iter().map(|cell| (cell.trials, cell.needs()))),
        budgets: reaches(plan, &cells),
        cells,
    }
}

/// All trials of one model, or of the judge. `own` are these: how many, by what, and what each needs.
fn model_estimate(
    model: String,
    own: &[(u32, Basis, &Needs)],
    sources: &Sources<'_>,
    index: usize,
) -> ModelEstimate {
    ModelEstimate {
        model,
        sums: Sums::of(own.iter().map(|(trials, _, needs)| (*trials, [*needs]))),
        from: sources
            .range((index, Basis::Same)..=(index, Basis::Nothing))
            .map(|((_, basis), past)| {
                let like = own.iter().filter(|(_, of, _)| of == basis);
                source(*basis, like.map(|(trials, ..)| trials).sum(), past)
            })
            .collect(),
    }
}

impl CellEstimate {
    /// What each trial needs, and what judging it needs.
    fn needs(&self) -> impl Iterator<Item = &Needs> {
        let judging = self.judging.iter().map(|judging| &judging.per_trial);
        std::iter::once(&self.per_trial).chain(judging)
    }
}

#[cfg(test)]
mod tests {
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
}
