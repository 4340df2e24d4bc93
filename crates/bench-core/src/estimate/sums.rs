//! What several trials need together.

use super::{Needs, Spread, Sum, Sums};
use crate::price::Usd;

impl Sums {
    /// Of so many trials, each of which has these needs.
    pub(super) fn of<'n, N: IntoIterator<Item = &'n Needs>>(all: impl Iterator<Item = (u32, N)>) -> Self {
        let mut sums = Self::default();
        for (trials, each) in all {
            let each: Vec<&Needs> = each.into_iter().collect();
            sums.trials = sums.trials.saturating_add(trials);
            add(&mut sums.calls, together(&each, |needs| needs.calls), trials);
            add(
                &mut sums.input_tokens,
                together(&each, |needs| needs.input_tokens),
                trials,
            );
            add(
                &mut sums.output_tokens,
                together(&each, |needs| needs.output_tokens),
                trials,
            );
            add(
                &mut sums.cost_usd,
                together(&each, |needs| needs.cost_usd),
                trials,
            );
        }
        sums
    }
}

fn add<T: Amount>(sum: &mut Sum<T>, (needed, is_all): (Spread<T>, bool), trials: u32) {
    sum.known = plus(
        sum.known,
        Spread {
            median: needed.median.times(trials),
            p90: needed.p90.times(trials),
        },
    );
    if !is_all {
        sum.unknown_trials = sum.unknown_trials.saturating_add(trials);
    }
}

/// What is known of several needs of a trial, and whether that is all of it.
pub(super) fn together<'n, T: Amount>(
    each: &[&'n Needs],
    of: impl Fn(&'n Needs) -> Option<Spread<T>>,
) -> (Spread<T>, bool) {
    let known = each.iter().filter_map(|needs| of(needs));
    let is_all = known.clone().count() == each.len();
    (known.fold(Spread::default(), plus), is_all)
}

fn plus<T: Amount>(a: Spread<T>, b: Spread<T>) -> Spread<T> {
    Spread {
        median: a.median.plus(b.median),
        p90: a.p90.plus(b.p90),
    }
}

/// What can be summed; what is too large stays at the largest number.
pub(super) trait Amount: Copy + Default {
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
