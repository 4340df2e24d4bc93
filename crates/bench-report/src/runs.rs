//! A list of runs, newest first.

use std::time::Duration;

use bench_core::Progress;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::table::{Column, Table};
use crate::text;

/// What a list shows of a run.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub run_id: String,
    /// The word for where it stands.
    pub status: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Its counters.
    pub progress: Progress,
    /// Name of the harness, and the label if there is one.
    pub harness: String,
    /// The models in one line.
    pub models: String,
}

/// How instants are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// For people: `5m ago`, counted up to this instant.
    Ago(DateTime<Utc>),
    /// For programs: ISO 8601.
    Iso,
}

impl Times {
    /// An instant as text. One that is still to come is `just now`: clocks differ.
    pub fn text(self, at: DateTime<Utc>) -> String {
        let Self::Ago(now) = self else {
            return at.to_rfc3339_opts(SecondsFormat::Secs, true);
        };
        let seconds = (now - at).num_seconds();
        match seconds {
            ..5 => "just now".to_owned(),
            5..60 => format!("{seconds}s ago"),
            60..3_600 => format!("{}m ago", seconds / 60),
            3_600..86_400 => format!("{}h ago", seconds / 3_600),
            _ => format!("{}d ago", seconds / 86_400),
        }
    }
}

/// One row per run. How long runs took is counted up to `now`.
pub fn table(rows: &[RunRow], times: Times, now: DateTime<Utc>) -> Table {
    let mut table = Table::new([
        Column::word("run"),
        Column::word("status"),
        Column::word("started").dispensable(4),
        Column::figure("time").dispensable(2),
        Column::figure("trials"),
        Column::figure("verifiers").dispensable(3),
        Column::figure("pass rate"),
        Column::text("harness").dispensable(1),
        Column::text("models").dispensable(5),
    ])
    .one_line();
    for run in rows {
        let progress = &run.progress;
        // Of one that goes on there may be verdicts yet.
        let none_judged = run.completed_at.and_then(|_| none_judged(progress));
        let rate = || rate(progress);
        table.row([
            run.run_id.clone(),
            run.status.clone(),
            times.text(run.started_at),
            age(run.started_at, run.completed_at.unwrap_or(now)),
            trials(progress),
            format!("{}/{}", progress.verifiers_passed, progress.verifiers_total),
            none_judged.map_or_else(rate, |words| format!("! {words}")),
            text::shorten(&text::clean_line(&run.harness), 60).into_owned(),
            text::shorten(&text::clean_line(&run.models), 60).into_owned(),
        ]);
    }
    table
}

/// `(3/5)`; `—` where trials were not counted.
pub fn trials(progress: &Progress) -> String {
    match progress.trials_total {
        0 => "—".to_owned(),
        total => format!("({}/{total})", progress.trials_done),
    }
}

/// `100% !12`: passed of the trials that count, and how many errored, which are in no rate.
fn rate(progress: &Progress) -> String {
    let rate = text::percent(progress.outcomes.pass_rate());
    match progress.outcomes.errored {
        0 => rate,
        errored => format!("{rate} !{errored}"),
    }
}

/// `0/16 judged`, of a run whose trials ended without a single verdict: counters alone would look as if nothing was wrong.
pub fn none_judged(progress: &Progress) -> Option<String> {
    let total = progress.trials_total;
    progress
        .outcomes
        .none_judged()
        .then(|| format!("0/{total} judged"))
}

/// The time between two instants; never negative, whatever the clock did.
pub fn age(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    text::short_duration((to - from).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use bench_core::session::OutcomeCounts;

    use super::*;

    #[test]
    fn a_list_shows_where_each_run_stands() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let progress = Progress {
            trials_total: 5,
            trials_done: 3,
            outcomes: OutcomeCounts {
                passed: 2,
                failed: 1,
                ..OutcomeCounts::default()
            },
            verifiers_passed: 45,
            verifiers_total: 50,
            verifiers_planned: 80,
        };
        let run = |id: &str, status: &str, completed_at| RunRow {
            run_id: id.into(),
            status: status.into(),
            started_at: at("2026-01-02T03:04:05Z"),
            completed_at,
            progress: progress.clone(),
            harness: "quickstart (the night before the release)".into(),
            models: "oracle, noop".into(),
        };
        let rows = [
            run("run_20260102_030405_0badcafe", "running", None),
            run(
                "run_20260102_030405_0badcaff",
                "completed",
                Some(at("2026-01-02T03:04:06Z")),
            ),
        ];
        let now = at("2026-01-02T05:04:05Z");
        let table = table(&rows, Times::Ago(now), now);
        insta::assert_snapshot!(table.render(120), @r"
        run                           status     started    time  trials  verifiers  pass rate  harness             models
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        run_20260102_030405_0badcafe  running    2h ago   2h 00m   (3/5)      45/50      66.7%  quickstart (the…    oracle, noop
        run_20260102_030405_0badcaff  completed  2h ago    1.00s   (3/5)      45/50      66.7%  quickstart (the…    oracle, noop
        ");
        insta::assert_snapshot!(table.render(100), @r"
        run                           status     started    time  trials  verifiers  pass rate  harness
        ────────────────────────────────────────────────────────────────────────────────────────────────────
        run_20260102_030405_0badcafe  running    2h ago   2h 00m   (3/5)      45/50      66.7%  quickstart…
        run_20260102_030405_0badcaff  completed  2h ago    1.00s   (3/5)      45/50      66.7%  quickstart…
        ");
        insta::assert_snapshot!(table.render(80), @r"
        run                           status       time  trials  pass rate  harness
        ────────────────────────────────────────────────────────────────────────────────
        run_20260102_030405_0badcafe  running    2h 00m   (3/5)      66.7%  quickstart…
        run_20260102_030405_0badcaff  completed   1.00s   (3/5)      66.7%  quickstart…
        ");
        let mut half = run("run_20260102_030405_0badcafe", "completed", None);
        (half.progress.outcomes.failed, half.progress.outcomes.errored) = (0, 3);
        let shown = super::table(&[half], Times::Ago(now), now).render(120);
        assert!(shown.contains("  100% !3  "), "{shown}");
        let outcomes = OutcomeCounts {
            errored: 5,
            ..OutcomeCounts::default()
        };
        let judged = |completed_at| {
            let mut run = run("run_20260102_030405_0badcafe", "completed", completed_at);
            run.progress.outcomes = outcomes;
            super::table(&[run], Times::Ago(now), now)
                .render(120)
                .contains("  ! 0/5 judged  ")
        };
        assert!(
            judged(Some(now)) && !judged(None),
            "one that goes on may have verdicts yet"
        );
        for (started, want) in [
            ("2026-01-02T05:04:06Z", "just now"),
            ("2026-01-02T05:03:55Z", "10s ago"),
            ("2026-01-02T04:59:05Z", "5m ago"),
            ("2026-01-01T05:04:06Z", "23h ago"),
            ("2025-12-31T05:04:05Z", "2d ago"),
        ] {
            assert_eq!(Times::Ago(now).text(at(started)), want, "{started}");
        }
        assert_eq!(age(at("2026-01-02T05:00:00Z"), at("2026-01-02T04:00:00Z")), "0ms");
    }
}
