//! What several trials need together.

use super::{CellEstimate, Spread, Sum, Sums};
use crate::price::Usd;

impl Sums {
    pub(super) fn of<'c>(cells: impl Iterator<Item = &'c CellEstimate>) -> Self {
        let mut sums = Self::default();
        for cell in cells {
            let (trials, each) = (cell.trials, &cell.per_trial);
            sums.trials = sums.trials.saturating_add(trials);
            add(&mut sums.calls, each.calls, trials);
            add(&mut sums.input_tokens, each.input_tokens, trials);
            add(&mut sums.output_tokens, each.output_tokens, trials);
            add(&mut sums.cost_usd, each.cost_usd, trials);
        }
        sums
    }
}

fn add<T: Amount>(sum: &mut Sum<T>, needed: Option<Spread<T>>, trials: u32) {
    match needed {
        Some(Spread { median, p90 }) => {
            sum.known.median = sum.known.median.plus(median.times(trials));
            sum.known.p90 = sum.known.p90.plus(p90.times(trials));
        }
        None => sum.unknown_trials = sum.unknown_trials.saturating_add(trials),
    }
}

/// What can be summed; what is too large stays at the largest number.
pub(super) trait Amount: Copy {
    fn plus(self, other: Self) -> Self;

    fn times(self, n: u32) -> Self;
}

impl Amount for u64 {
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    fn times(self, n: u32) -> Self {
        self.saturating_mul(n.into())
    }
}

impl Amount for Usd {
    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn times(self, n: u32) -> Self {
        Self::times(self, n)
    }
}
