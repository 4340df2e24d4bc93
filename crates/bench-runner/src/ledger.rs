//! The budget of a run: reserved before each model turn, settled by what it cost, over all trials at once.
//!
//! A turn reserves what the dearest turn of its model has used so far. Where that does not fit beside the reservations
//! of other trials, it waits until one of them is settled; where it does not fit at all, the budget is over. From then on
//! no turn begins, and what is under way comes to its end. So the budget is exceeded at most by what the turns under way
//! use beyond their reservations: by no more than one in each slot. A request of unknown cost counts as much as the dearest
//! turn of its model, also one of an earlier worker.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bench_core::plan::Budget;
use bench_core::{Cost, Usage, Usd};
use tokio::sync::Notify;

/// What was used up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) usd: Usd,
    pub(crate) tokens: u64,
}

/// Counts what a run uses up against what it may.
pub(crate) struct Ledger {
    budget: Budget,
    books: Mutex<Books>,
    settled: Notify,
    over: OnceLock<String>,
}

/// What earlier workers of a run did with one model.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    /// Turns whose cost is known, and what they used.
    pub(crate) turns: u32,
    pub(crate) used: Used,
    /// Requests of unknown cost.
    pub(crate) unknown: u32,
}

#[derive(Debug, Default)]
struct Books {
    spent: Used,
    reserved: Used,
    open: usize,
    models: Vec<OfModel>,
}

#[derive(Debug, Clone, Copy, Default)]
struct OfModel {
    /// The most that one turn has used; of earlier workers it is the mean that is known.
    dearest: Used,
    /// Requests of unknown cost.
    unknown: u32,
}

/// A turn that may be taken.
pub(crate) struct Reservation<'a> {
    ledger: &'a Ledger,
    model: usize,
    held: Used,
}

impl Ledger {
    /// `before` is what earlier workers of the run have used up, for each model.
    pub(crate) fn new(budget: Budget, before: &[Before]) -> Self {
        let mut books = Books::default();
        for before in before {
            books.spent = books.spent.and(before.used);
            books.models.push(OfModel {
                dearest: before.mean(),
                unknown: before.unknown,
            });
        }
        Self {
            budget,
            books: Mutex::new(books),
            settled: Notify::new(),
            over: OnceLock::new(),
        }
    }

    /// Why the budget is over, if it is.
    pub(crate) fn over(&self) -> Option<&str> {
        self.over.get().map(String::as_str)
    }

    /// Ends it. The first cause stays.
    pub(crate) fn end(&self, cause: String) {
        self.over.set(cause).unwrap_or_default();
        self.settled.notify_waiters();
    }

    /// Waits until a turn of a model may be taken; `None` if no more may be.
    pub(crate) async fn reserve(&self, model: usize) -> Option<Reservation<'_>> {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.over().is_some() {
                return None;
            }
            match self.try_reserve(model) {
                Ok(reservation) => return Some(reservation),
                Err(None) => settled.await,
                Err(Some(cause)) => self.end(cause),
            }
        }
    }

    /// A reservation; else the cause if there is nothing to wait for.
    fn try_reserve(&self, model: usize) -> Result<Reservation<'_>, Option<String>> {
        let mut books = self.books();
        let held = books.models.get(model).map(|of| of.dearest).unwrap_or_default();
        if let Some(cause) = books.why_not(&self.budget, books.reserved, held) {
            return Err((books.open == 0).then_some(cause));
        }
        books.reserved = books.reserved.and(held);
        books.open += 1;
        Ok(Reservation {
            ledger: self,
            model,
            held,
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn and(self, other: Self) -> Self {
        Self {
            usd: self.usd + other.usd,
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    fn times(self, n: u32) -> Self {
        Self {
            usd: self.usd.times(n),
            tokens: self.tokens.saturating_mul(n.into()),
        }
    }
}

impl Before {
    fn mean(&self) -> Used {
        let turns = self.turns.max(1);
        Used {
            usd: Usd::from(f64::from(self.used.usd) / f64::from(turns)),
            tokens: self.used.tokens / u64::from(turns),
        }
    }
}

impl Books {
    /// Why there is no room for a turn that uses `next`, beside what is `reserved`.
    fn why_not(&self, budget: &Budget, reserved: Used, next: Used) -> Option<String> {
        let unknown = self.models.iter().map(|of| of.dearest.times(of.unknown));
        let taken = unknown.fold(self.spent.and(reserved), Used::and);
        let then = taken.and(next);
        let said = "the budget of the run is used up:";
        if let Some(most) = budget.max_cost
            && (taken.usd >= most || then.usd > most)
        {
            let cost = Cost {
                usd: self.spent.usd,
                unknown_calls: self.models.iter().map(|of| of.unknown).sum(),
            };
            return Some(format!("{said} {cost} of {most}"));
        }
        let most = budget.max_tokens_total?;
        let full = taken.tokens >= most || then.tokens > most;
        full.then(|| format!("{said} {} of {most} tokens", self.spent.tokens))
    }
}

impl Reservation<'_> {
    /// A request of the turn was counted.
    pub(crate) fn used(&self, cost: Cost, usage: &Usage) {
        let mut books = self.ledger.books();
        let used = Used {
            usd: cost.usd,
            tokens: usage.total(),
        };
        books.spent = books.spent.and(used);
        if let Some(of) = books.models.get_mut(self.model) {
            of.unknown = of.unknown.saturating_add(cost.unknown_calls);
            of.dearest.usd = of.dearest.usd.max(used.usd);
            of.dearest.tokens = of.dearest.tokens.max(used.tokens);
        }
    }

    /// Whether the turn may send another request, because one that came to nothing may have to be paid. Else the budget is
    /// over.
    pub(crate) fn again(&self) -> Result<(), String> {
        let books = self.ledger.books();
        let cause = books.why_not(&self.ledger.budget, books.reserved, Used::default());
        drop(books);
        // What the turn holds is its next request's.
        self.ended_by(cause)
    }

    /// Whether anything is left at all, now that a request of the turn is sent: it may have waited while others paid, and
    /// hold nothing, because nobody knew yet what a turn uses. Else the budget is over.
    pub(crate) fn goes_on(&self) -> Result<(), String> {
        let none = Used::default();
        let cause = self.ledger.books().why_not(&self.ledger.budget, none, none);
        self.ended_by(cause)
    }

    fn ended_by(&self, cause: Option<String>) -> Result<(), String> {
        let Some(cause) = cause else { return Ok(()) };
        self.ledger.end(cause.clone());
        Err(cause)
    }

    /// A reply came whose tokens nobody counted: what comes after it cannot be held to the budget.
    pub(crate) fn uncounted(&self, has_price: bool) {
        let budget = &self.ledger.budget;
        if (budget.max_cost.is_some() && has_price) || budget.max_tokens_total.is_some() {
            self.ledger.end(
                "the budget of the run cannot be kept: the provider does not say how many tokens a reply used".to_owned(),
            );
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut books = self.ledger.books();
        books.reserved.usd = books.reserved.usd.saturating_sub(self.held.usd);
        books.reserved.tokens = books.reserved.tokens.saturating_sub(self.held.tokens);
        books.open = books.open.saturating_sub(1);
        drop(books);
        self.ledger.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn ledger(dollars: f64) -> Ledger {
        let budget = Budget {
            max_cost: Some(Usd::from(dollars)),
            ..Budget::default()
        };
        Ledger::new(budget, &[Before::default()])
    }

    fn pay(turn: &Reservation<'_>, dollars: f64) {
        turn.used(Cost::of_call(Some(Usd::from(dollars))), &Usage::default());
    }

    #[tokio::test]
    async fn a_turn_that_does_not_fit_waits_for_those_under_way() {
        let ledger = ledger(1.0);
        let first = ledger.reserve(0).await.unwrap();
        pay(&first, 0.4);
        drop(first);
        let second = ledger.reserve(0).await.unwrap();
        let mut third = std::pin::pin!(ledger.reserve(0));
        assert!(
            third.as_mut().now_or_never().is_none(),
            "0.4 + 0.4 + 0.4 is too much"
        );
        pay(&second, 0.1);
        drop(second);
        let third = third.await.unwrap();
        pay(&third, 0.4);
        drop(third);
        assert!(ledger.reserve(0).await.is_none());
        assert_eq!(
            ledger.over(),
            Some("the budget of the run is used up: $0.9000 of $1.00")
        );
    }

    #[tokio::test]
    async fn what_is_unknown_counts_like_the_dearest_turn() {
        let ledger = ledger(1.0);
        let turn = ledger.reserve(0).await.unwrap();
        pay(&turn, 0.4);
        drop(turn);
        let turn = ledger.reserve(0).await.unwrap();
        turn.used(Cost::unknown(1), &Usage::default());
        drop(turn);
        assert!(ledger.reserve(0).await.is_none(), "0.4 + 0.4 are gone");
    }

    #[tokio::test]
    async fn a_turn_asks_again_only_as_long_as_what_may_be_paid_fits() {
        let ledger = ledger(1.0);
        let turn = ledger.reserve(0).await.unwrap();
        pay(&turn, 0.3);
        drop(turn);
        let turn = ledger.reserve(0).await.unwrap();
        turn.used(Cost::unknown(1), &Usage::default());
        assert_eq!(turn.again(), Ok(()), "0.3 + 0.3 and 0.3 for the next one");
        turn.used(Cost::unknown(1), &Usage::default());
        let over = "the budget of the run is used up: ≥ $0.3000 + 2 calls of unknown cost of $1.00";
        assert_eq!(turn.again(), Err(over.to_owned()));
        assert_eq!(ledger.over(), Some(over));
    }

    #[tokio::test]
    async fn what_earlier_workers_paid_counts_and_what_nobody_knows_of_it() {
        let budget = Budget {
            max_tokens_total: Some(100),
            ..Budget::default()
        };
        let mut before = Before {
            turns: 2,
            used: Used {
                tokens: 40,
                usd: Usd::ZERO,
            },
            unknown: 2,
        };
        let full = Ledger::new(budget, &[before]);
        let turn = full.reserve(0).await;
        assert!(turn.is_some(), "40, twice 20, and 20 for the turn fit");
        before.unknown = 3;
        assert!(Ledger::new(budget, &[before]).reserve(0).await.is_none());
        let open = Ledger::new(Budget::default(), &[before]);
        assert!(open.reserve(0).await.is_some(), "nothing is bounded");
    }
}
