//! How far the budgets of a plan reach.

use super::sums::{Amount, together};
use super::{CellEstimate, Needs, Reach, Spread};
use crate::plan::Plan;

/// How far the budgets reach, trial by trial in the order in which they start.
pub(super) fn reaches(plan: &Plan, cells: &[CellEstimate]) -> Vec<Reach> {
    let each: Vec<Vec<&Needs>> = cells.iter().map(|cell| cell.needs().collect()).collect();
    let order: Vec<&[&Needs]> = (0..plan.runs)
        .flat_map(|_| each.iter().map(Vec::as_slice))
        .collect();
    let mut reaches = Vec::new();
    if let Some(most) = plan.budget.max_cost {
        let of = |needs: &Needs| needs.cost_usd;
        reaches.push(reach("max_cost", most.to_string(), most, &order, of));
    }
    if let Some(most) = plan.budget.max_tokens_total {
        let of = |needs: &Needs| {
            let (input, output) = (needs.input_tokens?, needs.output_tokens?);
            Some(Spread {
                median: input.median.plus(output.median),
                p90: input.p90.plus(output.p90),
            })
        };
        reaches.push(reach("max_tokens_total", most.to_string(), most, &order, of));
    }
    reaches
}

fn reach<T: Amount + Ord>(
    budget: &'static str,
    in_words: String,
    most: T,
    order: &[&[&Needs]],
    of: impl Fn(&Needs) -> Option<Spread<T>>,
) -> Reach {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let ends_after = |pick: fn(Spread<T>) -> T| {
        let mut used = T::default();
        let over = order.iter().position(|needs| {
            used = used.plus(pick(together(needs, &of).0));
            used > most
        });
        over.map(count)
    };
    Reach {
        budget,
        most: in_words,
        ends_after_at_median: ends_after(|spread| spread.median),
        ends_after_at_p90: ends_after(|spread| spread.p90),
        unknown_trials: count(order.iter().filter(|needs| !together(needs, &of).1).count()),
    }
}
