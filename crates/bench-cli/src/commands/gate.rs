//! From results to the exit code.

use bench_core::session::{OutcomeCounts, Totals};
use bench_core::{Gate, Session};
use bench_report::text::percent;

use super::execute::End;
use crate::exit::Exit;

/// The exit code of a run, and what of the gate was missed, a sentence each.
pub(super) fn exit(end: &End, session: &Session, gate: &Gate) -> (Exit, Vec<String>) {
    match end {
        End::Cancelled => return (Exit::Interrupted, Vec::new()),
        End::OverBudget(_) => return (Exit::Unfinished, Vec::new()),
        End::Failed(error) => return (error.exit(), Vec::new()),
        End::Completed => {}
    }
    let missed = missed(session, gate);
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

fn missed(session: &Session, gate: &Gate) -> Vec<String> {
    let Some(wanted) = gate.fail_under else {
        return Vec::new();
    };
    session
        .models
        .iter()
        .flat_map(|model| missed_by(model, wanted, gate.min_verdicts))
        .collect()
}

fn missed_by(model: &Totals, wanted: f64, min_verdicts: f64) -> Vec<String> {
    let (scored, planned) = (model.outcomes.scored(), model.trials_total);
    let share = if planned == 0 {
        0.0
    } else {
        f64::from(scored) / f64::from(planned)
    };
    let mut missed = Vec::new();
    if share < min_verdicts {
        let least = percent(Some(min_verdicts));
        missed.push(format!(
            "--min-verdicts: {} has {scored} verdicts in {planned} trials, under {least}",
            model.model
        ));
    }
    // No trial with a verdict has no pass rate; that is not a rate of anything.
    let rate = model.outcomes.pass_rate();
    if rate.is_none_or(|rate| rate < wanted) {
        let (rate, wanted) = (percent(rate), percent(Some(wanted)));
        missed.push(format!(
            "--fail-under: {} passed {rate}, under {wanted}",
            model.model
        ));
    }
    missed
}

#[cfg(test)]
mod tests {
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
        let models = models.iter().enumerate().map(row).collect();
        Session {
            format: 1,
            harness_name: "h".into(),
            label: None,
            runs: 1,
            models,
            cells: Vec::new(),
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
            let (exit, missed) = exit(&End::Completed, &session(models), &gate(fail_under, strict));
            assert_eq!(exit, want, "{models:?} {fail_under:?} {strict}");
            assert_eq!(missed.is_empty(), want == Exit::Success, "{missed:?}");
        }
    }

    #[test]
    fn a_run_that_was_cut_short_meets_no_gate() {
        let perfect = session(&[(10, 0, 0)]);
        assert_eq!(
            exit(&End::Cancelled, &perfect, &gate(Some(0.0), false)).0,
            Exit::Interrupted
        );
    }

    #[test]
    fn misses_are_sentences() {
        let (_, missed) = exit(&End::Completed, &session(&[(2, 3, 5)]), &gate(Some(0.9), false));
        insta::assert_snapshot!(missed.join("\n"), @r"
        --min-verdicts: m0 has 5 verdicts in 10 trials, under 90.0%
        --fail-under: m0 passed 40.0%, under 90.0%
        ");
    }
}
