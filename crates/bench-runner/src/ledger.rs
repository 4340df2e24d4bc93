//! The budget of a run: reserved before each model turn, settled by what it cost, over all trials at once.
//!
//! A turn reserves what the dearest turn of its model has used so far. Where that does not fit beside the reservations
//! of other trials, it waits until one of them is settled; where it does not fit at all, the budget is over. From then on
//! no turn begins, and what is under way comes to its end. So the budget is exceeded at most by what the turns under way
//! use beyond their reservations: by no more than one in each slot.

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

#[derive(Debug, Default)]
struct Books {
    spent: Used,
    reserved: Used,
    open: usize,
    /// The most that one turn of each model has used.
    dearest: Vec<Used>,
}

/// A turn that may be taken.
pub(crate) struct Reservation<'a> {
    ledger: &'a Ledger,
    model: usize,
    held: Used,
}

impl Ledger {
    /// `spent` is what earlier workers of the run have used up.
    pub(crate) fn new(budget: Budget, models: usize, spent: Used) -> Self {
        let books = Books {
            spent,
            dearest: vec![Used::default(); models],
            ..Books::default()
        };
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
        let held = books.dearest.get(model).copied().unwrap_or_default();
        let (spent, reserved) = (books.spent, books.reserved);
        let fits =
            |used: f64, held: f64, next: f64, most: f64| used + held < most && used + held + next <= most;
        let dollars = |usd: Usd| f64::from(usd);
        #[expect(clippy::cast_precision_loss, reason = "nobody uses so many tokens")]
        let tokens = |n: u64| n as f64;
        let cause = if let Some(most) = self.budget.max_cost
            && !fits(
                dollars(spent.usd),
                dollars(reserved.usd),
                dollars(held.usd),
                dollars(most),
            ) {
            format!("the budget of the run is used up: {} of {most}", spent.usd)
        } else if let Some(most) = self.budget.max_tokens_total
            && !fits(
                tokens(spent.tokens),
                tokens(reserved.tokens),
                tokens(held.tokens),
                tokens(most),
            )
        {
            format!(
                "the budget of the run is used up: {} of {most} tokens",
                spent.tokens
            )
        } else {
            books.reserved.usd += held.usd;
            books.reserved.tokens = books.reserved.tokens.saturating_add(held.tokens);
            books.open += 1;
            return Ok(Reservation {
                ledger: self,
                model,
                held,
            });
        };
        Err((books.open == 0).then_some(cause))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation<'_> {
    /// A request of the turn was counted. One of unknown cost counts as much as the dearest turn so far.
    pub(crate) fn used(&self, cost: Cost, usage: &Usage) {
        let mut books = self.ledger.books();
        let used = Used {
            usd: cost.usd,
            tokens: usage.total(),
        };
        let unknown = (0..cost.unknown_calls).map(|_| self.held.usd).sum();
        books.spent.usd += used.usd + unknown;
        books.spent.tokens = books.spent.tokens.saturating_add(used.tokens);
        if let Some(dearest) = books.dearest.get_mut(self.model) {
            dearest.usd = dearest.usd.max(used.usd);
            dearest.tokens = dearest.tokens.max(used.tokens);
        }
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
        Ledger::new(budget, 1, Used::default())
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
    async fn what_earlier_workers_paid_counts() {
        let budget = Budget {
            max_tokens_total: Some(100),
            ..Budget::default()
        };
        let spent = Used {
            tokens: 100,
            ..Used::default()
        };
        assert!(Ledger::new(budget, 1, spent).reserve(0).await.is_none());
        let open = Ledger::new(Budget::default(), 1, spent);
        assert!(open.reserve(0).await.is_some(), "nothing is bounded");
    }
}
