//! From results to the exit code: those of a run, and those of a comparison.

use bench_core::plan::Selection;
use bench_core::session::OutcomeCounts;
use bench_core::statistics::{self, Tally, Verdict};
use bench_core::{Gate, Session};
use bench_report::compare::{Outcome, Refusal, Side};
use bench_report::summary::unlike_trials;
use bench_report::text::percent;

use super::execute::End;
use crate::args::compare::CompareGateArgs;
use crate::exit::Exit;

/// A mean is a sum of fractions: so much below what is asked is rounding. No benchmark has so many trials that one of them
/// weighs as little.
const ROUNDING: f64 = 1e-9;

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
    let mut missed = missed(session, gate.min_verdicts, rate);
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
    let rate = gate.fail_under.map(|rate| {
        let least = (gate.min_verdicts - Gate::default().min_verdicts).abs() > f64::EPSILON;
        let least = least.then(|| format!(" --min-verdicts {}", percent(Some(gate.min_verdicts))));
        format!(
            "--fail-under {}{}",
            percent(Some(rate)),
            least.unwrap_or_default()
        )
    });
    let strict = gate.strict.then(|| "--strict".to_owned());
    rate.into_iter().chain(strict).collect::<Vec<_>>().join(" ")
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

fn missed(session: &Session, least: f64, wanted: Option<f64>) -> Vec<String> {
    let Some(wanted) = wanted else {
        return Vec::new();
    };
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
            };
            let few = who.too_few_verdicts(least);
            few.into_iter().chain(who.under(wanted))
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
            let words = words.map(|words| format!(" ({words})")).unwrap_or_default();
            let (name, rate, wanted) = (self.name, percent(self.rate), percent(Some(wanted)));
            format!("--fail-under: {name} passed {rate}{words}, under {wanted}")
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
            missed.extend(who(side, &candidate).under(least));
        }
        if let Some(least) = asked.min_trials.filter(|least| one.trials < *least) {
            let trials = one.trials;
            missed.push(format!(
                "--min-trials: {candidate} and {baseline}: only {trials} trials with a verdict can be compared, under {least}"
            ));
        }
    }
    let least = asked.min_verdicts.unwrap_or(Gate::default().min_verdicts);
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
    }
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
            min_verdicts: 0.9,
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
