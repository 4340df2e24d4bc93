//! What model calls cost, counted while they are made. What a dead worker paid is found again in [`left`].
//!
//! A [`Meter`] counts one attempt at a trial. Each request is a [`Call`]: answered, failed, or dropped on the way. What
//! may have been paid without anybody saying how much is a call of unknown cost, never nothing.

pub(crate) mod left;

use std::sync::{Mutex, MutexGuard, PoisonError};

use bench_core::transcript::Entry;
use bench_core::{Cost, ModelSpec, Price, TrialId, Usage, Usd};

use crate::dispatch::Reporter;
use crate::ledger::{Ledger, Reservation};

/// Counts what the requests of one attempt cost.
pub(crate) struct Meter<'a> {
    price: Option<&'a Price>,
    /// The model is no service: nobody pays for it.
    free: bool,
    /// Which of the plan's models it is.
    index: usize,
    ledger: &'a Ledger,
    counted: Mutex<Counted>,
}

/// What the requests of an attempt came to so far.
#[derive(Default)]
struct Counted {
    cost: Cost,
    /// The most that one of them cost.
    dearest: Usd,
    /// A reply came whose cost is not known.
    uncounted: bool,
    /// Tokens of replies.
    replied: Usage,
    /// Tokens of answers that held no turn.
    lost: Usage,
}

/// A turn that the run's budget has room for; none is held for a model that costs nothing.
pub(crate) struct Turn<'a>(Option<Reservation<'a>>);

/// A request that may have to be paid.
pub(crate) struct Call<'a> {
    meter: &'a Meter<'a>,
    turn: &'a Turn<'a>,
    settled: bool,
}

impl<'a> Meter<'a> {
    /// For a model at its price.
    pub(crate) fn new(model: &'a ModelSpec, index: usize, ledger: &'a Ledger) -> Self {
        Self {
            price: model.price.as_ref(),
            free: model.model.provider.is_local(),
            index,
            ledger,
            counted: Mutex::default(),
        }
    }

    /// Whether replies have a cost that is known.
    pub(crate) fn has_price(&self) -> bool {
        self.price.is_some()
    }

    /// Adds an entry to the transcript. If somebody is paid the system has it when this returns: costs are found by it.
    pub(crate) async fn tell(&self, reporter: &Reporter, trial: &TrialId, entry: Entry) {
        if self.free {
            reporter.entry(trial, entry).await;
        } else {
            reporter.entry_kept(trial, entry).await;
        }
    }

    /// What a reply cost, where that is known.
    pub(crate) fn price_of(&self, usage: &Usage) -> Option<Usd> {
        self.price?.of(usage)
    }

    /// What was counted so far, requests under way not included.
    pub(crate) fn cost(&self) -> Cost {
        self.counted().cost
    }

    /// Tokens of all replies, also of one that nobody could take any more.
    pub(crate) fn replied(&self) -> Usage {
        self.counted().replied
    }

    /// Tokens of answers that held no turn, as far as they were counted.
    pub(crate) fn lost(&self) -> Usage {
        self.counted().lost
    }

    /// Why the attempt may not ask again, if it may cost `most`: what its dearest request has cost would not fit any more. A
    /// request of unknown cost counts like that one.
    ///
    /// # Errors
    /// The limit cannot be kept, because nobody knows what replies cost.
    pub(crate) fn limit(&self, most: Usd) -> Result<Option<String>, String> {
        if self.free {
            return Ok(None);
        }
        let counted = self.counted();
        let unkept = |why: &str| Err(format!("its cost limit of {most} cannot be kept: {why}"));
        if self.price.is_none() {
            return unkept("nobody knows the price of the model");
        }
        if counted.uncounted {
            return unkept("the provider does not say how many tokens a reply used");
        }
        let unknown: Usd = (0..counted.cost.unknown_calls).map(|_| counted.dearest).sum();
        let spent = counted.cost.usd + unknown;
        let fits = spent < most && spent + counted.dearest <= most;
        Ok((!fits).then(|| format!("cost limit reached ({} of {most})", counted.cost)))
    }

    /// Waits until the run's budget has room for a turn; fails with the reason if there will be none.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, String> {
        if self.free {
            return Ok(Turn(None));
        }
        let reservation = self.ledger.reserve(self.index).await;
        let over = || self.ledger.over().unwrap_or_default().to_owned();
        reservation.map(|held| Turn(Some(held))).ok_or_else(over)
    }

    /// A request of a turn is about to be sent.
    pub(crate) fn begin<'b>(&'b self, turn: &'b Turn<'b>) -> Call<'b> {
        Call {
            meter: self,
            turn,
            settled: false,
        }
    }

    fn add(&self, cost: Cost, usage: &Usage, turn: &Turn<'_>) {
        if let Some(reservation) = &turn.0 {
            let mut counted = self.counted();
            counted.cost += cost;
            counted.dearest = counted.dearest.max(cost.usd);
            drop(counted);
            reservation.used(cost, usage);
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Whether another request may be sent after one that may have to be paid; fails with the reason if not.
    pub(crate) fn again(&self) -> Result<(), String> {
        self.0.as_ref().map_or(Ok(()), Reservation::again)
    }

    /// Whether a request may be sent now, after a wait or none; fails with the reason if not.
    pub(crate) fn goes_on(&self) -> Result<(), String> {
        self.0.as_ref().map_or(Ok(()), Reservation::goes_on)
    }
}

impl Call<'_> {
    /// It was answered.
    pub(crate) fn answered(mut self, usage: &Usage) {
        self.settled = true;
        let cost = Cost::of_call(self.meter.price_of(usage));
        self.meter.add(cost, usage, self.turn);
        self.meter.counted().replied += *usage;
        if let Some(reservation) = &self.turn.0
            && (usage.input_tokens.is_none() || usage.output_tokens.is_none())
        {
            self.meter.counted().uncounted = true;
            reservation.uncounted(self.meter.has_price());
        }
    }

    /// It failed. A refusal costs nothing; what broke off, or holds no turn, may have been answered in full. What is to be
    /// written down of it, if it may have to be paid.
    pub(crate) fn failed(mut self, maybe_paid: bool, usage: Option<Usage>) -> Option<Entry> {
        self.settled = true;
        if !maybe_paid || self.meter.free {
            return None;
        }
        let usage = usage.unwrap_or_default();
        let cost_usd = self.meter.price_of(&usage);
        self.meter.add(Cost::of_call(cost_usd), &usage, self.turn);
        self.meter.counted().lost += usage;
        Some(Entry::Lost { usage, cost_usd })
    }
}

impl Drop for Call<'_> {
    /// Nobody waits for the answer any more; it is paid all the same.
    fn drop(&mut self) {
        if !self.settled {
            self.meter.add(Cost::unknown(1), &Usage::default(), self.turn);
        }
    }
}

/// A request of unknown cost that came to nothing.
pub(crate) fn lost_call() -> Entry {
    Entry::Lost {
        usage: Usage::default(),
        cost_usd: None,
    }
}

#[cfg(test)]
mod tests {
    use bench_core::plan::Budget;
    use bench_core::price::Rates;

    use super::*;
    use crate::ledger::Before;

    fn model(name: &str, priced: bool) -> ModelSpec {
        let rates = Rates {
            input: 1.0,
            cached_input: None,
            cache_write: None,
            output: 2.0,
        };
        let price = Price {
            rates,
            long: None,
            source: "test".into(),
            date: None,
        };
        ModelSpec {
            price: priced.then_some(price),
            ..ModelSpec::new(name.parse().unwrap())
        }
    }

    fn used(input: u64, output: u64) -> Usage {
        Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            ..Usage::default()
        }
    }

    fn ledger() -> Ledger {
        Ledger::new(Budget::default(), &[Before::default()])
    }

    #[tokio::test]
    async fn what_may_have_been_paid_is_never_nothing() {
        let (model, ledger) = (model("compatible:m", true), ledger());
        let meter = Meter::new(&model, 0, &ledger);
        let turn = meter.turn().await.unwrap();
        meter.begin(&turn).answered(&used(1_000_000, 500_000));
        assert_eq!(meter.cost().to_string(), "$2.00");
        meter.begin(&turn).failed(false, None);
        assert_eq!(meter.cost().to_string(), "$2.00", "refusals cost nothing");
        meter.begin(&turn).failed(true, None);
        meter.begin(&turn).answered(&Usage::default());
        drop(meter.begin(&turn));
        assert_eq!(meter.cost().to_string(), "≥ $2.00 + 3 calls of unknown cost");
        let lost = meter.begin(&turn).failed(true, Some(used(1_000_000, 0)));
        let known = Entry::Lost {
            usage: used(1_000_000, 0),
            cost_usd: Some(Usd::from(1.0)),
        };
        assert_eq!(
            lost,
            Some(known),
            "an answer without a turn that counts its tokens"
        );
        assert_eq!(meter.cost().to_string(), "≥ $3.00 + 3 calls of unknown cost");
        assert_eq!(meter.lost().total(), 1_000_000);
    }

    #[tokio::test]
    async fn a_limit_ends_an_attempt_before_the_next_turn_would_not_fit() {
        let (model, ledger) = (model("compatible:m", true), ledger());
        let meter = Meter::new(&model, 0, &ledger);
        let reached = |most: f64| meter.limit(Usd::from(most)).unwrap();
        let turn = meter.turn().await.unwrap();
        assert_eq!(reached(0.1), None, "nothing was asked yet");
        meter.begin(&turn).answered(&used(0, 200_000));
        meter.begin(&turn).answered(&used(0, 100_000));
        assert_eq!(reached(1.0), None, "0.6 + 0.4 fit");
        let why = "cost limit reached ($0.6000 of $0.9900)";
        assert_eq!(reached(0.99).as_deref(), Some(why));
        drop(meter.begin(&turn));
        let why = "cost limit reached (≥ $0.6000 + 1 call of unknown cost of $1.00)";
        assert_eq!(reached(1.0).as_deref(), Some(why));
        meter.begin(&turn).answered(&Usage::default());
        let unkept = meter.limit(Usd::from(99.0)).unwrap_err();
        assert!(unkept.ends_with("how many tokens a reply used"), "{unkept}");
    }

    #[tokio::test]
    async fn a_limit_without_a_price_cannot_be_kept_and_costs_nothing_nobody() {
        let (unpriced, oracle, ledger) = (model("compatible:m", false), model("oracle", false), ledger());
        let most = Usd::from(1.0);
        let unkept = Meter::new(&unpriced, 0, &ledger).limit(most).unwrap_err();
        assert_eq!(
            unkept,
            "its cost limit of $1.00 cannot be kept: nobody knows the price of the model"
        );
        assert_eq!(Meter::new(&oracle, 0, &ledger).limit(most), Ok(None));
    }

    #[tokio::test]
    async fn a_model_without_a_price_is_unknown_and_one_without_a_provider_free() {
        let (unpriced, oracle) = (model("compatible:m", false), model("oracle", false));
        let ledger = ledger();
        let (unpriced, oracle) = (Meter::new(&unpriced, 0, &ledger), Meter::new(&oracle, 0, &ledger));
        for meter in [&unpriced, &oracle] {
            let turn = meter.turn().await.unwrap();
            meter.begin(&turn).answered(&used(1, 1));
            drop(meter.begin(&turn));
        }
        assert_eq!(unpriced.cost().to_string(), "unknown (2 calls)");
        assert_eq!(oracle.cost().to_string(), "$0");
    }
}
