//! From results to the exit code: those of a run, and those of a comparison.

use bench_core::plan::Selection;
use bench_core::session::OutcomeCounts;
use bench_core::statistics::{self, Tally, Verdict};
use bench_core::{Gate, Session};
use bench_report::compare::{Compared, Outcome, Refusal, Side, words};
use bench_report::summary::unlike_trials;
use bench_report::text::{percent, percents_apart};

use super::execute::End;
use crate::args::compare::CompareGateArgs;
use crate::exit::Exit;

/// A mean is a sum of fractions: so much below what is asked is rounding. No benchmark has so many trials that one of them
/// weighs as little.
const ROUNDING: f64 = 1e-9;
/// The share of trials that must have a verdict, and of scenarios that must be compared, where nothing else is said.
const MOST: f64 = 0.9;

/// What a gate of a run looks at.
pub(super) struct Known<'a> {
    /// What its trials add up to.
    pub(super) session: &'a Session,
    /// What makes these totals others than those that were recorded.
    pub(super) damage: &'a [String],
    /// Its trials were chosen by how they had ended in another run.
    pub(super) retry: Option<&'a Selection>,
}

/// The exit code of a run, and what of the gate was missed, a sentence each. One that looks at totals which lack something,
/// or asks for the rate of chosen trials, is not met and not missed: it could not be asked.
pub(super) fn exit(end: &End, known: &Known<'_>, gate: &Gate) -> (Exit, Vec<String>) {
    let Known {
        session,
        damage,
        retry,
    } = known;
    match end {
        End::Cancelled => return (Exit::Interrupted, Vec::new()),
        End::OverBudget(_) => return (Exit::Unfinished, Vec::new()),
        End::Failed(error) => return (error.exit(), Vec::new()),
        End::Completed => {}
    }
    let rate = gate.fail_under.filter(|_| retry.is_none());
    let mut missed = missed(session, gate.verdicts(), rate);
    if let (Some(_), Some(retry)) = (gate.fail_under, retry) {
        missed.insert(0, no_rate(retry));
        return (Exit::Unfinished, missed);
    }
    if !damage.is_empty() && !gate.asks_nothing() {
        return (Exit::Unfinished, unknown(damage).chain(missed).collect());
    }
    let count = |of: fn(&OutcomeCounts) -> u32| session.models.iter().map(|m| of(&m.outcomes)).sum::<u32>();
    let errored = count(|outcomes| outcomes.errored);
    if errored > 0 && count(|outcomes| outcomes.scored() + outcomes.unscored) == 0 {
        let nothing = "no trial could be judged: all of them errored".to_owned();
        return (Exit::Unfinished, missed.into_iter().chain([nothing]).collect());
    }
    if gate.strict && errored > 0 {
        let more = format!("--strict: {errored} of the trials errored");
        return (Exit::Unfinished, missed.into_iter().chain([more]).collect());
    }
    (
        if missed.is_empty() {
            Exit::Success
        } else {
            Exit::Gate
        },
        missed,
    )
}

/// What is asked of the results, as it would be typed: `--fail-under 90.0% --strict`. Defaults are left out.
pub(super) fn words(gate: &Gate) -> String {
    let asked = [
        ("--fail-under", gate.fail_under),
        ("--min-verdicts", gate.min_verdicts),
    ];
    let shares = asked
        .into_iter()
        .filter_map(|(what, share)| Some(format!("{what} {}", percent(Some(share?)))));
    let strict = gate.strict.then(|| "--strict".to_owned());
    shares.chain(strict).collect::<Vec<_>>().join(" ")
}

/// Why a gate cannot be asked of runs whose files are damaged.
fn unknown(damage: &[String]) -> impl Iterator<Item = String> {
    damage
        .iter()
        .map(|what| format!("a gate needs everything that was recorded: {what}"))
}

/// Why no pass rate can be asked of chosen trials.
pub(super) fn no_rate(retry: &Selection) -> String {
    let (how, of) = (retry.chosen.words(), &retry.of);
    format!("--fail-under: only trials that {how} in {of} were tried, and their rate is no model's")
}

fn missed(session: &Session, least: Option<f64>, wanted: Option<f64>) -> Vec<String> {
    session
        .models
        .iter()
        .flat_map(|model| {
            let tallies = statistics::model::tallies(session, &model.model);
            let who = Who {
                name: &model.model,
                rate: statistics::mean(&tallies).map(|mean| mean.rate),
                outcomes: &model.outcomes,
                planned: model.trials_total,
                beside: None,
            };
            let few = least.and_then(|least| who.too_few_verdicts(least));
            few.into_iter().chain(wanted.and_then(|wanted| who.under(wanted)))
        })
        .collect()
}

/// The trials of a model, for sentences.
struct Who<'a> {
    name: &'a str,
    /// The pass rate that tables show: the mean of the scenarios' rates.
    rate: Option<f64>,
    outcomes: &'a OutcomeCounts,
    planned: u32,
    /// What else is shown as its rate, and of what that is one.
    beside: Option<String>,
}

impl Who<'_> {
    fn too_few_verdicts(&self, least: f64) -> Option<String> {
        let (scored, planned) = (self.outcomes.scored(), self.planned);
        let share = if planned == 0 {
            0.0
        } else {
            f64::from(scored) / f64::from(planned)
        };
        (share < least).then(|| {
            let least = percent(Some(least));
            format!(
                "--min-verdicts: {} has {scored} verdicts in {planned} trials, under {least}",
                self.name
            )
        })
    }

    fn under(&self, wanted: f64) -> Option<String> {
        // No trial with a verdict has no pass rate; that is not a rate of anything.
        self.rate.is_none_or(|rate| rate < wanted - ROUNDING).then(|| {
            let trials = Tally::new(self.outcomes.passed, self.outcomes.scored());
            let words = self.rate.and_then(|rate| unlike_trials(rate, trials));
            let words = words.into_iter().chain(self.beside.clone());
            let words = words.collect::<Vec<_>>().join("; ");
            let words = if words.is_empty() {
                words
            } else {
                format!(" ({words})")
            };
            let (rate, wanted) = match self.rate {
                Some(rate) => percents_apart(rate, wanted),
                None => (percent(None), percent(Some(wanted))),
            };
            format!("--fail-under: {} passed {rate}{words}, under {wanted}", self.name)
        })
    }
}

/// The exit code of a comparison, and what of the gate was missed, a sentence each. A gate that looks at runs which are not
/// completed or whose files are damaged, or at two that cannot be compared, is not met and not missed: it could not be
/// asked.
pub(super) fn compared(
    sides: &[Side],
    outcome: &Outcome,
    asked: &CompareGateArgs,
    damage: &[String],
) -> (Exit, Vec<String>) {
    if !asked.asks() {
        return (Exit::Success, Vec::new());
    }
    let several = sides.windows(2).any(|two| two[0].run != two[1].run);
    let name = |place: usize| match sides.get(place) {
        Some(side) if several => format!("{} in {}", side.model, side.run),
        Some(side) => side.model.clone(),
        None => String::new(),
    };
    let mut missed = Vec::new();
    for one in &outcome.comparisons {
        let (baseline, candidate) = (name(one.baseline), name(one.candidate));
        if asked.fail_if_worse && one.comparison.verdict == Verdict::Worse {
            let by = 100.0 * one.comparison.difference.abs();
            missed.push(format!(
                "--fail-if-worse: {candidate} is worse than {baseline} by {by:.1} points"
            ));
        }
        if let (Some(least), Some(side)) = (asked.fail_under, sides.get(one.candidate)) {
            let judged = Who {
                beside: other_rate(side, one),
                ..who(side, &candidate)
            };
            missed.extend(judged.under(least));
        }
        missed.extend(too_few_compared(
            one,
            &format!("{candidate} and {baseline}"),
            asked.min_compared.unwrap_or(MOST),
        ));
        if let Some(least) = asked.min_trials.filter(|least| one.trials < *least) {
            let trials = one.trials;
            missed.push(format!(
                "--min-trials: {candidate} and {baseline}: only {trials} trials with a verdict can be compared, under {least}"
            ));
        }
    }
    let least = asked.min_verdicts.unwrap_or(MOST);
    missed.extend(
        (0..sides.len()).filter_map(|place| who(&sides[place], &name(place)).too_few_verdicts(least)),
    );
    let met = if missed.is_empty() {
        Exit::Success
    } else {
        Exit::Gate
    };
    let partial = sides.iter().filter(|side| side.partial);
    let mut unknown: Vec<String> = partial
        .map(|side| format!("{} is {}: a gate needs whole runs", side.run, side.status))
        .collect();
    unknown.dedup();
    unknown.extend(self::unknown(damage));
    let refused = outcome.refused.iter();
    unknown.extend(refused.map(|one| {
        format!(
            "{} and {} cannot be compared",
            name(one.candidate),
            name(one.baseline)
        )
    }));
    let exit = if unknown.is_empty() { met } else { Exit::Unfinished };
    (exit, unknown.into_iter().chain(missed).collect())
}

fn who<'a>(side: &'a Side, name: &'a str) -> Who<'a> {
    Who {
        name,
        rate: side.pass_rate.map(|mean| mean.rate),
        outcomes: &side.outcomes,
        planned: side.trials_total,
        beside: None,
    }
}

/// What the row of a comparison shows as the rate of its candidate, where that is not the rate of all its scenarios.
fn other_rate(side: &Side, one: &Compared) -> Option<String> {
    let (all, compared) = (side.pass_rate?.scenarios, one.comparison.scenarios);
    (all != compared).then(|| {
        let rate = percent(Some(one.comparison.after));
        format!("over all its {all} scenarios; {rate} over the {compared} compared")
    })
}

/// That most of what was tried is in no verdict: fewer than `least` of the scenarios that either side has.
fn too_few_compared(one: &Compared, names: &str, least: f64) -> Option<String> {
    let compared = one.comparison.scenarios;
    let left_out: usize = words::left_out(one).iter().map(|(n, _)| n).sum();
    let all = compared
        .saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX))
        .max(1);
    let share = f64::from(compared) / f64::from(all);
    (share < least - ROUNDING).then(|| {
        let why = words::left_out(one).into_iter().map(|(n, why)| format!("{n} {why}"));
        let why = why.collect::<Vec<_>>().join(", ");
        let (share, least) = percents_apart(share, least);
        let accept = (100.0 * f64::from(compared) / f64::from(all)).floor();
        format!(
            "--min-compared: {names}: only {compared} of {all} scenarios ({share}) are compared, under {least}: {why}; \
             `--min-compared {accept}%` accepts it"
        )
    })
}

/// How a command ends that was asked to compare what cannot be compared.
pub(super) fn refused(why: Refusal) -> Exit {
    match why {
        Refusal::NoVerdict => Exit::Unfinished,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use bench_core::plan::Chosen;
    use bench_core::session::{Cell, Totals};
    use bench_core::statistics::Mean;
    use bench_report::compare::{Couple, Origin, compare};

    use super::*;

    fn session(models: &[(u32, u32, u32)]) -> Session {
        let row = |(n, (passed, failed, errored)): (usize, &(u32, u32, u32))| Totals {
            model: format!("m{n}"),
            trials_total: 10,
            outcomes: OutcomeCounts {
                passed: *passed,
                failed: *failed,
                errored: *errored,
                ..OutcomeCounts::default()
            },
            ..Totals::default()
        };
        let models: Vec<Totals> = models.iter().enumerate().map(row).collect();
        let cell = |totals: &Totals| Cell {
            scenario_id: "s".into(),
            totals: totals.clone(),
        };
        Session {
            format: 1,
            harness_name: "h".into(),
            label: None,
            runs: 1,
            cells: models.iter().map(cell).collect(),
            models,
            databases: Vec::new(),
        }
    }

    fn gate(fail_under: Option<f64>, strict: bool) -> Gate {
        Gate {
            fail_under,
            min_verdicts: None,
            strict,
        }
    }

    fn known<'a>(session: &'a Session, damage: &'a [String]) -> Known<'a> {
        Known {
            session,
            damage,
            retry: None,
        }
    }

    fn ended(session: &Session, gate: &Gate) -> (Exit, Vec<String>) {
        exit(&End::Completed, &known(session, &[]), gate)
    }

    /// However many of them pass: they were chosen because they had not.
    #[test]
    fn a_rate_of_chosen_trials_meets_no_gate() {
        let retry = Selection {
            of: "run_1".into(),
            chosen: Chosen::Failed,
        };
        let perfect = session(&[(10, 0, 0)]);
        let known = Known {
            retry: Some(&retry),
            ..known(&perfect, &[])
        };
        let asked = |gate: &Gate| exit(&End::Completed, &known, gate);
        let (code, missed) = asked(&gate(Some(0.9), false));
        assert_eq!(code, Exit::Unfinished);
        insta::assert_snapshot!(missed.join("\n"), @"--fail-under: only trials that failed in run_1 were tried, and their rate is no model's");
        for gate in [gate(None, false), gate(None, true)] {
            assert_eq!(asked(&gate), (Exit::Success, Vec::new()), "no rate is asked for");
        }
    }

    #[test]
    fn the_gate_looks_at_each_model() {
        type Row = (&'static [(u32, u32, u32)], Option<f64>, bool, Exit);
        let all: [Row; 10] = [
            (&[(0, 10, 0)], None, false, Exit::Success),
            (&[(9, 1, 0), (10, 0, 0)], Some(0.9), false, Exit::Success),
            (&[(8, 2, 0), (10, 0, 0)], Some(0.9), false, Exit::Gate),
            (&[(9, 0, 1)], Some(0.9), false, Exit::Success),
            (&[(8, 0, 2)], Some(0.9), false, Exit::Gate),
            (&[(0, 0, 10)], Some(0.0), false, Exit::Unfinished),
            (&[(0, 0, 10), (0, 1, 9)], None, false, Exit::Success),
            (&[(9, 0, 1)], None, true, Exit::Unfinished),
            (&[(10, 0, 0)], None, true, Exit::Success),
            (&[(0, 0, 10)], None, false, Exit::Unfinished),
        ];
        for (models, fail_under, strict, want) in all {
            let (exit, missed) = ended(&session(models), &gate(fail_under, strict));
            assert_eq!(exit, want, "{models:?} {fail_under:?} {strict}");
            assert_eq!(missed.is_empty(), want == Exit::Success, "{missed:?}");
        }
    }

    #[test]
    fn a_run_that_was_cut_short_meets_no_gate() {
        let perfect = session(&[(10, 0, 0)]);
        assert_eq!(
            exit(&End::Cancelled, &known(&perfect, &[]), &gate(Some(0.0), false)).0,
            Exit::Interrupted
        );
    }

    /// A model with these scenarios, each with so many trials passed and failed.
    fn uneven(scenarios: &[(u32, u32)]) -> Session {
        let rows: Vec<_> = scenarios
            .iter()
            .map(|(passed, failed)| (*passed, *failed, 0))
            .collect();
        let mut session = session(&rows);
        for (n, cell) in session.cells.iter_mut().enumerate() {
            (cell.scenario_id, cell.totals.model) = (format!("s{n}"), "m0".into());
        }
        session.models.truncate(1);
        let all = &mut session.models[0];
        all.outcomes.passed = rows.iter().map(|row| row.0).sum();
        all.outcomes.failed = rows.iter().map(|row| row.1).sum();
        all.trials_total = all.outcomes.scored();
        session
    }

    /// Of a scenario in which most trials errored as much is said as of the others: what passes with 3 of 4 trials does not
    /// pass with half of its scenarios.
    #[test]
    fn the_gate_takes_the_mean_of_the_scenarios_and_says_so() {
        let of = |scenarios: &[(u32, u32)], wanted| ended(&uneven(scenarios), &gate(Some(wanted), false));
        let (code, missed) = of(&[(3, 0), (0, 1)], 0.7);
        assert_eq!(code, Exit::Gate);
        insta::assert_snapshot!(missed.join("\n"), @"--fail-under: m0 passed 50.0% (the mean of its scenarios; 3 of 4 trials passed), under 70.0%");
        assert_eq!(of(&[(1, 0), (0, 3)], 0.5), (Exit::Success, Vec::new()));
        let always = [(4, 1); 6];
        assert_eq!(
            of(&always, 0.8),
            (Exit::Success, Vec::new()),
            "the mean of 4/5 is 4/5"
        );
    }

    /// What is left may meet it; nobody knows of what is lost.
    #[test]
    fn a_run_that_lost_lines_meets_no_gate() {
        let left = session(&[(19, 0, 0)]);
        let damage = ["`events.jsonl` is damaged".to_owned()];
        let asked = |gate: &Gate| exit(&End::Completed, &known(&left, &damage), gate);
        for gate in [gate(Some(0.9), false), gate(None, true)] {
            let (exit, missed) = asked(&gate);
            assert_eq!(exit, Exit::Unfinished, "{gate:?}");
            insta::allow_duplicates! {
                insta::assert_snapshot!(missed.join("\n"), @"a gate needs everything that was recorded: `events.jsonl` is damaged");
            }
        }
        assert_eq!(
            asked(&gate(None, false)),
            (Exit::Success, Vec::new()),
            "nothing is asked"
        );
    }

    #[test]
    fn misses_are_sentences() {
        let (_, missed) = ended(&session(&[(2, 3, 5)]), &gate(Some(0.9), false));
        insta::assert_snapshot!(missed.join("\n"), @r"
        --min-verdicts: m0 has 5 verdicts in 10 trials, under 90.0%
        --fail-under: m0 passed 40.0%, under 90.0%
        ");
    }

    fn side(run: &str, scenarios: &[(&str, u32, u32)]) -> Side {
        let totals = |passed, errored, planned| Totals {
            model: "m".into(),
            trials_total: planned,
            outcomes: OutcomeCounts {
                passed,
                errored,
                ..OutcomeCounts::default()
            },
            ..Totals::default()
        };
        let sum = |of: fn(&(&str, u32, u32)) -> u32| scenarios.iter().map(of).sum::<u32>();
        let all = totals(sum(|s| s.1), sum(|s| s.2), sum(|s| s.1 + s.2));
        let mut session = session(&[]);
        session.models.push(all);
        session
            .cells
            .extend(scenarios.iter().map(|(id, passed, errored)| Cell {
                scenario_id: (*id).to_owned(),
                totals: totals(*passed, *errored, passed + errored),
            }));
        let origin = Origin {
            run,
            status: "completed",
            partial: false,
            older_tool: false,
            plan_unknown: false,
            mixed: None,
        };
        Side::of(&origin, &session, "m").unwrap()
    }

    /// The rest of the sides with the first.
    fn gate_of(sides: &[Side], asked: &CompareGateArgs) -> (Exit, Vec<String>) {
        let couples = (1..sides.len()).map(|candidate| Couple {
            candidate,
            ..Couple::default()
        });
        compared(sides, &compare(sides, couples.collect()), asked, &[])
    }

    #[test]
    fn verdicts_can_be_asked_for_without_a_rate() {
        let asked = |least| Gate {
            min_verdicts: Some(least),
            ..Gate::default()
        };
        let some = session(&[(0, 5, 5)]);
        let (code, missed) = ended(&some, &asked(0.9));
        assert_eq!(code, Exit::Gate);
        insta::assert_snapshot!(missed.join("\n"), @"--min-verdicts: m0 has 5 verdicts in 10 trials, under 90.0%");
        assert_eq!(ended(&some, &asked(0.5)), (Exit::Success, Vec::new()));
        assert_eq!(words(&asked(0.5)), "--min-verdicts 50.0%");
        assert!(!asked(0.5).asks_nothing());
    }

    #[test]
    fn what_misses_by_little_has_as_many_digits_as_show_it() {
        let (_, missed) = ended(&session(&[(5, 7, 0)]), &gate(Some(0.417), false));
        insta::assert_snapshot!(missed.last().unwrap(), @"--fail-under: m0 passed 41.67%, under 41.70%");
    }

    /// What is left may be the same in both, and all that changed is left out.
    #[test]
    fn a_gate_wants_most_scenarios_compared() {
        let gate = |min_compared, fail_under| CompareGateArgs {
            fail_if_worse: true,
            fail_under,
            min_compared,
            ..CompareGateArgs::default()
        };
        let before = side("one", &[("a", 1, 0), ("b", 1, 0), ("gone", 1, 0)]);
        let after = side("two", &[("a", 1, 0), ("b", 1, 0), ("new", 0, 1)]);
        let sides = [before, after];
        let (exit, missed) = gate_of(&sides, &gate(None, None));
        assert_eq!(exit, Exit::Gate);
        insta::assert_snapshot!(missed.join("\n"), @r"
        --min-compared: m in two and m in one: only 2 of 4 scenarios (50.0%) are compared, under 90.0%: 1 only in A, 1 only in B; `--min-compared 50%` accepts it
        --min-verdicts: m in two has 2 verdicts in 3 trials, under 90.0%
        ");
        let enough = gate(Some(0.5), None);
        let verdicts = CompareGateArgs {
            min_verdicts: Some(0.5),
            ..enough
        };
        assert_eq!(gate_of(&sides, &verdicts), (Exit::Success, Vec::new()));
        let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|id| (id, 1, 0));
        let ten = [&nine[..], &[("j", 1, 0)]].concat();
        let most = [side("one", &nine), side("two", &ten)];
        assert_eq!(
            gate_of(&most, &gate(None, None)),
            (Exit::Success, Vec::new()),
            "9 of 10 are 90 %"
        );
    }

    /// The rate of all scenarios is asked for, and the row shows that of those that are compared.
    #[test]
    fn the_rate_that_is_asked_for_is_told_beside_the_one_that_is_shown() {
        let mut half = side("two", &[("a", 1, 0), ("new", 1, 0)]);
        half.pass_rate = half.pass_rate.map(|mean| Mean { rate: 0.5, ..mean });
        let asked = CompareGateArgs {
            fail_under: Some(0.9),
            min_compared: Some(0.0),
            ..CompareGateArgs::default()
        };
        let (_, missed) = gate_of(&[side("one", &[("a", 1, 0)]), half], &asked);
        insta::assert_snapshot!(missed.join("\n"), @"--fail-under: m in two passed 50.0% (the mean of its scenarios; 2 of 2 trials passed; over all its 2 scenarios; 100% over the 1 compared), under 90.0%");
    }

    #[test]
    fn a_comparison_that_cannot_be_made_meets_no_gate() {
        let worse = CompareGateArgs {
            fail_if_worse: true,
            ..CompareGateArgs::default()
        };
        let good = side("one", &[("a", 9, 1)]);
        assert_eq!(
            gate_of(&[good.clone(), good.clone()], &worse),
            (Exit::Success, Vec::new())
        );
        let down = side("two", &[("a", 8, 2)]);
        let (exit, missed) = gate_of(&[good.clone(), down.clone()], &worse);
        assert_eq!(exit, Exit::Gate);
        insta::assert_snapshot!(missed.join("\n"), @"--min-verdicts: m in two has 8 verdicts in 10 trials, under 90.0%");
        let mut live = good.clone();
        (live.run, live.status, live.partial) = ("three".into(), "running".into(), true);
        let other = side("four", &[("b", 10, 0)]);
        let (exit, missed) = gate_of(&[good.clone(), live, other], &worse);
        assert_eq!(exit, Exit::Unfinished);
        insta::assert_snapshot!(missed.join("\n"), @r"
        three is running: a gate needs whole runs
        m in four and m in one cannot be compared
        ");
        let nothing = CompareGateArgs::default();
        assert_eq!(
            gate_of(&[good, down], &nothing),
            (Exit::Success, Vec::new()),
            "nothing is asked"
        );
    }
}
