//! What model calls cost, counted while they are made, and found again in what a dead worker left.
//!
//! A [`Meter`] counts one attempt at a trial. Each request is a [`Call`]: answered, failed, or dropped on the way. What
//! may have been paid without anybody saying how much is a call of unknown cost, never nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bench_core::plan::Paid;
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

/// What an attempt without an end used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spent {
    pub(crate) turns: u32,
    pub(crate) usage: Usage,
    /// Tokens of judges.
    pub(crate) judge_usage: Usage,
    pub(crate) cost: Cost,
}

/// What the transcript of a trial says of its attempts without an end: of all that were `begun`, those after the first
/// `settled`. The last of them may have waited for a reply that nobody wrote down: that is a call of unknown cost. So is
/// an attempt that was lost with the machine's power; which one that was is not known, so what then may be settled already
/// or not is counted as calls of unknown cost, never as dollars. `None` if no model was asked.
pub(crate) fn left_in(
    transcript: impl IntoIterator<Item = Entry>,
    begun: usize,
    settled: usize,
    paid: Paid,
) -> Option<Spent> {
    let attempts = attempts_in(transcript, paid);
    let lost = begun.saturating_sub(attempts.len());
    let surely_settled = settled.saturating_sub(lost);
    let (mut spent, mut asked) = (Spent::default(), false);
    for (index, attempt) in attempts.iter().enumerate().skip(surely_settled) {
        asked |= attempt.asked;
        if index < settled {
            spent.cost += Cost::unknown(attempt.paid_calls);
            continue;
        }
        spent.turns = spent.turns.saturating_add(attempt.spent.turns);
        spent.usage += attempt.spent.usage;
        spent.judge_usage += attempt.spent.judge_usage;
        spent.cost += attempt.spent.cost;
    }
    if !paid.model && !paid.judge {
        return asked.then_some(spent);
    }
    let last = attempts.last().filter(|_| attempts.len() > settled);
    let model_is_asked = paid.model && asked && last.is_some_and(|last| !last.over);
    if model_is_asked || last.is_some_and(|last| last.judge_is_asked) {
        spent.cost += Cost::unknown(1);
    }
    let lost = lost.min(begun.saturating_sub(settled));
    spent.cost += Cost::unknown(u32::try_from(lost).unwrap_or(u32::MAX));
    (asked || lost > 0).then_some(spent)
}

/// An attempt, as far as a transcript tells of it.
#[derive(Debug, Default)]
struct Told {
    spent: Spent,
    /// Requests that were or may have been paid, if what they cost is not looked at.
    paid_calls: u32,
    /// Requests of unknown cost that came to nothing since the last reply.
    lost_lately: u32,
    asked: bool,
    /// The conversation.
    over: bool,
    /// A judge that is paid, and has not answered yet.
    judge_is_asked: bool,
}

impl Told {
    /// A reply of somebody who is paid. It names what came to nothing before it, which mostly was told one by one.
    fn pay(&mut self, usd: Option<Usd>, unknown_calls: u32) {
        let untold = unknown_calls.saturating_sub(std::mem::take(&mut self.lost_lately));
        self.paid_calls = self.paid_calls.saturating_add(1).saturating_add(untold);
        self.spent.cost += Cost::of_call(usd);
        self.spent.cost += Cost::unknown(untold);
    }

    /// A request of somebody who is paid came to nothing.
    fn lose(&mut self, usd: Option<Usd>) {
        self.lost_lately = self.lost_lately.saturating_add(u32::from(usd.is_none()));
        self.paid_calls = self.paid_calls.saturating_add(1);
        self.spent.cost += Cost::of_call(usd);
    }
}

fn attempts_in(transcript: impl IntoIterator<Item = Entry>, paid: Paid) -> Vec<Told> {
    let mut attempts: Vec<Told> = Vec::new();
    for entry in transcript {
        if matches!(entry, Entry::Attempt { .. }) {
            attempts.push(Told::default());
            continue;
        }
        let Some(told) = attempts.last_mut() else { continue };
        match entry {
            Entry::User { .. } => {
                if paid.model && !told.asked {
                    told.paid_calls += 1; // the one that may be under way
                }
                told.asked = true;
            }
            Entry::Assistant {
                usage,
                cost_usd,
                unknown_calls,
                ..
            } => {
                told.spent.turns = told.spent.turns.saturating_add(1);
                told.spent.usage += usage;
                if paid.model {
                    told.pay(cost_usd, unknown_calls);
                }
            }
            Entry::JudgeAsked { .. } => {
                told.over = true;
                told.judge_is_asked = paid.judge;
            }
            Entry::JudgeReplied {
                usage,
                cost_usd,
                unknown_calls,
                ..
            } => {
                told.judge_is_asked = false;
                told.spent.judge_usage += usage;
                if paid.judge {
                    told.pay(cost_usd, unknown_calls);
                }
            }
            Entry::Lost { usage, cost_usd } => {
                if told.over {
                    told.spent.judge_usage += usage; // after the conversation only the judge is asked
                } else {
                    told.spent.usage += usage;
                }
                told.lose(cost_usd);
            }
            Entry::Verdict(_) => {
                told.over = true;
                told.judge_is_asked = false;
            }
            _ => {}
        }
    }
    attempts
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

    const NOBODY: Paid = Paid {
        model: false,
        judge: false,
    };
    const MODEL: Paid = Paid {
        model: true,
        judge: false,
    };
    const JUDGE: Paid = Paid {
        model: false,
        judge: true,
    };
    const BOTH: Paid = Paid {
        model: true,
        judge: true,
    };

    fn attempt() -> Entry {
        Entry::Attempt { attempt: 1 }
    }

    fn asked() -> Entry {
        Entry::User {
            prompt: 0,
            text: String::new(),
        }
    }

    fn reply(dollars: f64) -> Entry {
        Entry::Assistant {
            turn: 1,
            text: String::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            stop_reason: String::new(),
            served_by: None,
            request_id: None,
            usage: used(3, 4),
            cost_usd: Some(Usd::from(dollars)),
            unknown_calls: 0,
            took_ms: 1,
            first_token_ms: None,
            raw: serde_json::Value::Null,
        }
    }

    #[test]
    fn what_a_dead_worker_paid_is_found_once_with_what_was_under_way() {
        let shown = |entries: Vec<Entry>, begun, settled| {
            left_in(entries, begun, settled, MODEL).map(|spent| (spent.turns, spent.cost.to_string()))
        };
        let unknown = |turns, cost: &str| Some((turns, cost.to_owned()));
        let first = || vec![attempt(), asked(), reply(1.0)];
        assert_eq!(shown(vec![attempt()], 1, 0), None, "the gym was being opened");
        assert_eq!(
            shown(vec![attempt(), asked()], 1, 0),
            unknown(0, "unknown (1 call)")
        );
        let two = || [first(), vec![attempt(), asked(), reply(0.5), reply(0.25)]].concat();
        let all = "≥ $1.75 + 1 call of unknown cost";
        assert_eq!(shown(two(), 2, 0), unknown(3, all));
        let last = "≥ $0.7500 + 1 call of unknown cost";
        assert_eq!(
            shown(two(), 2, 1),
            unknown(2, last),
            "the first one is counted already"
        );
        assert_eq!(shown(two(), 2, 2), None);
        let free = left_in(two(), 2, 0, NOBODY).unwrap();
        assert_eq!((free.turns, free.cost), (3, Cost::default()));
    }

    #[test]
    fn requests_that_came_to_nothing_are_found_however_the_turn_went_on() {
        let shown = |entries: Vec<Entry>, begun, settled| {
            left_in(entries, begun, settled, MODEL).map(|spent| spent.cost.to_string())
        };
        let unknown = |text: &str| Some(text.to_owned());
        let retrying = || vec![attempt(), asked(), lost_call(), lost_call()];
        assert_eq!(
            shown(retrying(), 1, 0),
            unknown("unknown (3 calls)"),
            "two, and the one under way"
        );
        let mut answered = reply(1.0);
        if let Entry::Assistant { unknown_calls, .. } = &mut answered {
            *unknown_calls = 2;
        }
        let healed = || [retrying(), vec![answered.clone()]].concat();
        let once = unknown("≥ $1.00 + 3 calls of unknown cost");
        assert_eq!(shown(healed(), 1, 0), once, "the reply names the same two");
        let older = vec![attempt(), asked(), answered.clone()];
        assert_eq!(shown(older, 1, 0), once, "without lines of their own");
        let retried = [retrying(), vec![attempt()]].concat();
        assert_eq!(
            shown(retried, 2, 0),
            unknown("unknown (3 calls)"),
            "never less, although a gym was being opened"
        );
        // It may be the settled one, or one after it.
        assert_eq!(shown(healed(), 2, 1), unknown("unknown (5 calls)"));
    }

    #[test]
    fn an_attempt_that_no_transcript_tells_of_is_a_call_of_unknown_cost() {
        let shown = |entries: Vec<Entry>, begun, settled| {
            left_in(entries, begun, settled, MODEL).map(|spent| spent.cost.to_string())
        };
        let one = || vec![attempt(), asked(), reply(1.0)];
        let unknown = |text: &str| Some(text.to_owned());
        assert_eq!(shown(vec![], 1, 0), unknown("unknown (1 call)"));
        assert_eq!(shown(one(), 2, 0), unknown("≥ $1.00 + 2 calls of unknown cost"));
        // The one in the transcript may be the settled one, or the one after it.
        assert_eq!(shown(one(), 2, 1), unknown("unknown (3 calls)"));
        assert_eq!(shown(vec![], 1, 1), None, "it was counted");
        assert_eq!(left_in(vec![], 1, 0, NOBODY), None, "nobody pays for it");
    }

    fn judge_asked() -> Entry {
        Entry::JudgeAsked {
            verifier: 0,
            name: "polite".into(),
            model: "compatible:judge".into(),
            text: String::new(),
        }
    }

    fn judge_replied(dollars: Option<f64>) -> Entry {
        Entry::JudgeReplied {
            verifier: 0,
            text: String::new(),
            reasoning: String::new(),
            stop_reason: String::new(),
            served_by: None,
            request_id: None,
            usage: used(5, 6),
            cost_usd: dollars.map(Usd::from),
            unknown_calls: 0,
            took_ms: 1,
        }
    }

    #[test]
    fn what_judges_were_paid_is_found_too_whoever_serves_the_model() {
        let shown = |more: &[Entry], paid| {
            let all = [attempt(), asked(), reply(1.0)]
                .into_iter()
                .chain(more.iter().cloned());
            let spent = left_in(all, 1, 0, paid).unwrap();
            (
                spent.usage.total(),
                spent.judge_usage.total(),
                spent.cost.to_string(),
            )
        };
        let is = |model, judge, cost: &str| (model, judge, cost.to_owned());
        let waits = [judge_asked()];
        assert_eq!(shown(&waits, BOTH), is(7, 0, "≥ $1.00 + 1 call of unknown cost"));
        let lost = Entry::Lost {
            usage: used(2, 1),
            cost_usd: Some(Usd::from(1.0)),
        };
        let counted = [judge_asked(), lost];
        assert_eq!(
            shown(&counted, BOTH),
            is(7, 3, "≥ $2.00 + 1 call of unknown cost")
        );
        assert_eq!(shown(&waits, JUDGE), is(7, 0, "unknown (1 call)"));
        assert_eq!(
            shown(&waits, MODEL),
            is(7, 0, "$1.00"),
            "the conversation is over"
        );
        assert_eq!(shown(&waits, NOBODY), is(7, 0, "$0"));
        let replied = [judge_asked(), judge_replied(Some(0.25))];
        assert_eq!(shown(&replied, BOTH), is(7, 11, "$1.25"), "nobody is waited for");
        assert_eq!(shown(&replied, JUDGE), is(7, 11, "$0.2500"));
        assert_eq!(shown(&replied, MODEL), is(7, 11, "$1.00"), "a script judges");
        let again = [&replied[..], &waits].concat();
        assert_eq!(
            shown(&again, JUDGE),
            is(7, 11, "≥ $0.2500 + 1 call of unknown cost")
        );
        let unpriced = [judge_asked(), judge_replied(None)];
        assert_eq!(shown(&unpriced, JUDGE), is(7, 11, "unknown (1 call)"));
        assert_eq!(
            left_in([], 1, 0, JUDGE).unwrap().cost,
            Cost::unknown(1),
            "lost with the power"
        );
        let two = [vec![attempt(), asked(), reply(1.0)], replied.to_vec()].concat();
        let maybe_settled = left_in(two, 2, 1, JUDGE).unwrap();
        assert_eq!(
            maybe_settled.cost,
            Cost::unknown(2),
            "its judge's call, and the lost attempt"
        );
    }
}
