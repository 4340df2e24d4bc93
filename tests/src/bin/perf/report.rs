//! The tables: one row per workload and runner, median with least and most.

use std::io::{self, Write};

use bench_tests::measure::Cost;
use bench_tests::model_stub::Stats;

use crate::workload::Workload;
use crate::{Failure, Runner};

/// One measured run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) cost: Cost,
    pub(crate) stats: Stats,
}

/// All measured runs of a workload by one runner.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) runner: Runner,
    pub(crate) rows: Vec<Row>,
}

/// Least, middle and most of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        Self {
            least: at(0),
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            most: at(last),
        }
    }

    fn show(self, digits: usize) -> String {
        format!(
            "{:.digits$} ({:.digits$}–{:.digits$})",
            self.median, self.least, self.most
        )
    }
}

impl Series<'_> {
    fn spread(&self, figure: impl Fn(&Row) -> f64) -> Spread {
        Spread::of(self.rows.iter().map(figure))
    }

    fn wall(&self) -> Spread {
        self.spread(|row| row.cost.wall_s)
    }

    fn cpu_per_call(&self) -> Spread {
        self.spread(|row| 1000.0 * row.cost.cpu_s() / count(row.stats.calls))
    }

    fn requests_per_call(&self) -> Spread {
        self.spread(|row| count(row.stats.calls) / count(row.stats.calls - row.stats.refused))
    }

    fn name(&self) -> &'static str {
        match self.runner {
            Runner::Bench => "bench",
            Runner::BareLoop => "bare loop",
        }
    }
}

/// Prints the tables.
pub(crate) fn print(all: &[Series<'_>]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let runs = all.first().map_or(0, |series| series.rows.len());
    writeln!(out, "Median (least–most) of {runs} runs each.\n")?;
    writeln!(
        out,
        "| work | who | wall s | wall / ideal | CPU s (user+sys) | CPU ms / model call | × bare loop | peak MiB | requests / call | most model calls at once | machine busy |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|")?;
    for series in all {
        let same_work = |other: &&Series<'_>| other.workload.name == series.workload.name;
        let bare = all
            .iter()
            .filter(same_work)
            .find(|s| s.runner == Runner::BareLoop);
        writeln!(out, "{}", line(series, bare))?;
    }
    Ok(())
}

fn line(series: &Series<'_>, bare: Option<&Series<'_>>) -> String {
    let work = series.workload;
    let wall = series.wall();
    let cpu = series.cpu_per_call();
    let ideal = work.ideal_s().map(|ideal| format!("{:.2}", wall.median / ideal));
    let ratio = bare.map(|bare| format!("{:.1}", cpu.median / bare.cpu_per_call().median));
    let user = series.spread(|row| row.cost.user_s).median;
    let system = series.spread(|row| row.cost.system_s).median;
    let cells = [
        format!("{} {}", work.name.to_uppercase(), work.what),
        series.name().to_owned(),
        wall.show(3),
        ideal.unwrap_or_default(),
        format!("{:.3} ({user:.3}+{system:.3})", user + system),
        cpu.show(3),
        ratio.unwrap_or_default(),
        series.spread(|row| row.cost.peak_mib).show(1),
        series.requests_per_call().show(2),
        format!("{:.0}", series.spread(|row| count(row.stats.max_in_flight)).most),
        format!("{:.2}", series.spread(|row| row.cost.machine_busy).median),
    ];
    format!("| {} |", cells.join(" | "))
}

fn count(n: u64) -> f64 {
    u32::try_from(n).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_of_an_even_number_takes_the_middle_of_the_middle() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter());
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([7.0].into_iter()).show(1), "7.0 (7.0–7.0)");
    }
}
