//! What earlier workers of a run left: trials with an end, and databases that nobody removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench_core::event::{TrialFinished, TrialInterrupted};
use bench_core::plan::Paid;
use bench_core::session::{Database, fold_database};
use bench_core::transcript::Entry;
use bench_core::{Cost, Event, ModelRef, Plan, TrialId, Usage};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::dispatch::Reporter;
use crate::gym::Gym;
use crate::ledger::Before;
use crate::spend::left::{Spent, left_in};

/// How long the removal of one database may take, the gym's own second try included.
const REMOVAL: Duration = Duration::from_secs(25);

/// What the journal of a run says about its earlier workers. Empty for a new run.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    finished: BTreeMap<TrialId, TrialFinished>,
    /// How often each trial was begun, and how many of those attempts are counted.
    attempts: BTreeMap<TrialId, Attempts>,
    interrupted: BTreeMap<TrialId, Spent>,
    /// What each model used up, by its name.
    used: BTreeMap<String, Before>,
    databases: Vec<Database>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Attempts {
    begun: usize,
    counted: usize,
}

impl Attempts {
    fn is_open(&self) -> bool {
        self.begun > self.counted
    }
}

impl Earlier {
    /// Adds the events of a journal in their order. Of several ends of a trial the last one counts.
    #[must_use]
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut earlier = Self::default();
        for event in events {
            earlier.add(event);
        }
        earlier
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::TrialStarted { trial, .. } => self.attempts.entry(trial).or_default().begun += 1,
            Event::TrialInterrupted(lost) => {
                self.counted(&lost.trial);
                self.spend(&lost.model, lost.turns, lost.cost, [lost.usage], lost.judge_usage);
            }
            Event::TrialFinished(finished) => {
                self.counted(&finished.trial);
                let own = [finished.usage, finished.retried_usage];
                let cost = finished.cost.unwrap_or_default();
                let judge = finished.judge_usage;
                self.spend(&finished.model, finished.turns, cost, own, judge);
                self.finished.insert(finished.trial.clone(), finished);
            }
            event => fold_database(&mut self.databases, &event),
        }
    }

    /// What was used up so far, for each model that the plan asks. What judges used is in it with the models they judged.
    pub(crate) fn used(&self, plan: &Plan) -> Vec<Before> {
        let models = plan.models.iter().map(|spec| spec.model.to_string());
        let mut used: Vec<Before> = models
            .map(|model| self.used.get(&model).copied().unwrap_or_default())
            .collect();
        used.resize_with(plan.asked().count(), Before::default);
        used
    }

    /// Counts what a trial used. Tokens of a model that is no service were used by nobody: a `replay` has those of its
    /// recording.
    fn spend<const N: usize>(
        &mut self,
        model: &str,
        turns: u32,
        cost: Cost,
        own: [Usage; N],
        of_judge: Usage,
    ) {
        let free = model
            .parse()
            .is_ok_and(|model: ModelRef| model.provider.is_local());
        let own = own.into_iter().filter(|_| !free);
        let before = self.used.entry(model.to_owned()).or_default();
        before.turns = before.turns.saturating_add(turns);
        before.used.usd += cost.usd;
        before.unknown = before.unknown.saturating_add(cost.unknown_calls);
        for usage in own.chain([of_judge]) {
            before.used.tokens = before.used.tokens.saturating_add(usage.total());
        }
    }

    fn counted(&mut self, trial: &TrialId) {
        let attempts = self.attempts.entry(trial.clone()).or_default();
        attempts.counted = attempts.begun;
    }

    /// Trials that were begun by a worker that died before their end: what they cost is in their transcripts alone.
    pub fn interrupted(&self) -> impl Iterator<Item = &TrialId> {
        let open = self.attempts.iter().filter(|(_, n)| n.is_open());
        open.map(|(trial, _)| trial)
    }

    /// Whether a trial is one of them.
    pub(crate) fn is_interrupted(&self, trial: &TrialId) -> bool {
        self.attempts.get(trial).is_some_and(Attempts::is_open)
    }

    /// Counts what such a trial cost, by its whole transcript. The next worker writes that down.
    pub fn count_interrupted(
        &mut self,
        trial: &TrialId,
        model: &str,
        paid: Paid,
        transcript: impl IntoIterator<Item = Entry>,
    ) {
        let Attempts { begun, counted } = self.attempts.get(trial).copied().unwrap_or_default();
        if let Some(spent) = left_in(transcript, begun, counted, paid) {
            self.spend(model, spent.turns, spent.cost, [spent.usage], spent.judge_usage);
            self.interrupted.insert(trial.clone(), spent);
        }
    }

    /// What was counted of trials without an end, as events.
    pub(crate) fn interrupted_in(&self, plan: &Plan) -> Vec<Event> {
        let trials = plan.trials().into_iter();
        let events = trials.filter_map(|trial| {
            let spent = self.interrupted.get(&trial.id)?;
            Some(Event::TrialInterrupted(TrialInterrupted {
                scenario_id: plan.scenarios[trial.scenario].scenario_id.clone(),
                model: plan.models[trial.model].model.to_string(),
                trial: trial.id,
                turns: spent.turns,
                tool_calls: spent.tool_calls,
                took_ms: spent.took_ms,
                usage: spent.usage,
                judge_usage: spent.judge_usage,
                cost: spent.cost,
            }))
        });
        events.collect()
    }

    /// The last end of each trial that has one.
    pub fn finished(&self) -> impl Iterator<Item = &TrialFinished> {
        self.finished.values()
    }

    /// The last end of a trial.
    pub(crate) fn end_of(&self, trial: &TrialId) -> Option<&TrialFinished> {
        self.finished.get(trial)
    }

    pub(crate) fn insert(&mut self, finished: TrialFinished) {
        self.finished.insert(finished.trial.clone(), finished);
    }

    /// Removes what was left where its gym is at hand, all at once, and reports each one. What cannot be removed stays
    /// named as that, and is tried again by the next worker.
    pub(crate) async fn remove_databases(&self, gyms: &BTreeMap<String, Arc<dyn Gym>>, reporter: &Reporter) {
        let removals = self.databases.iter().filter_map(|database| {
            let gym = gyms.get(&database.gym)?;
            Some(async move { reporter.note(remove(database, gym.as_ref()).await).await })
        });
        join_all(removals).await;
    }
}

/// Removes databases that a run left, all at once, where their gym is among these; what became of each is to be
/// recorded in that run. The run must be over, and not be continued meanwhile.
pub async fn remove_databases(left: &[Database], gyms: &[Arc<dyn Gym>]) -> Vec<Event> {
    let removals = left.iter().filter_map(|database| {
        let gym = gyms.iter().find(|gym| gym.spec().key == database.gym)?;
        Some(remove(database, gym.as_ref()))
    });
    join_all(removals).await
}

/// Removes one, and says what became of it.
async fn remove(database: &Database, gym: &dyn Gym) -> Event {
    let removed = timeout(REMOVAL, gym.remove_database(&database.database_id)).await;
    let problem = match removed {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", REMOVAL.as_secs())),
    };
    Event::DatabaseRemoved {
        trial: database.trial.clone(),
        gym: database.gym.clone(),
        database_id: database.database_id.clone(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        let (kind, id) = text.split_once(' ').unwrap();
        let (trial, gym, database_id) = ("a~noop~1".parse().unwrap(), "g".to_owned(), id.to_owned());
        match kind {
            "named" => Event::DatabaseNamed {
                trial,
                gym,
                database_id,
            },
            kind => Event::DatabaseRemoved {
                trial,
                gym,
                database_id,
                problem: (kind == "kept").then(|| "gone".to_owned()),
            },
        }
    }

    #[test]
    fn what_nobody_was_paid_for_counts_for_no_budget() {
        let tokens = |n| Usage {
            input_tokens: Some(n),
            ..Usage::default()
        };
        let end = |model: &str, trial: &str| {
            let lost = TrialInterrupted {
                trial: trial.parse().unwrap(),
                scenario_id: "s".to_owned(),
                model: model.to_owned(),
                turns: 2,
                tool_calls: 1,
                took_ms: 30,
                usage: tokens(100),
                judge_usage: tokens(7),
                cost: Cost::default(),
            };
            Event::TrialInterrupted(lost)
        };
        let replayed = "replay:run/compatible:m";
        let mut earlier = Earlier::of([end(replayed, "s~r~1"), end("compatible:m", "s~m~1")]);
        assert_eq!(
            earlier.used[replayed].used.tokens, 7,
            "the judge was asked in this run"
        );
        assert_eq!(earlier.used["compatible:m"].used.tokens, 107);
        let said = [
            Entry::Attempt { attempt: 1 },
            Entry::User {
                prompt: 0,
                text: String::new(),
            },
            Entry::Assistant {
                turn: 1,
                text: String::new(),
                reasoning: String::new(),
                tool_calls: Vec::new(),
                stop_reason: String::new(),
                usage: tokens(50),
                cost_usd: None,
                unknown_calls: 0,
                took_ms: 0,
                first_token_ms: None,
                served_by: None,
                request_id: None,
                raw: serde_json::Value::Null,
            },
        ];
        let trial: TrialId = "s~r~2".parse().unwrap();
        earlier.add(Event::TrialStarted {
            trial: trial.clone(),
            attempt: 1,
        });
        let free = Paid {
            model: false,
            judge: false,
        };
        earlier.count_interrupted(&trial, replayed, free, said);
        assert_eq!(earlier.interrupted[&trial].usage.total(), 50, "told as used");
        assert_eq!(earlier.used[replayed].used.tokens, 7);
    }

    #[test]
    fn databases_are_left_until_they_are_removed_without_a_problem() {
        let all = [
            "named 1",
            "named 2",
            "named 3",
            "removed 1",
            "kept 2",
            "removed 4",
        ];
        let earlier = Earlier::of(all.map(event));
        let left: Vec<&str> = earlier
            .databases
            .iter()
            .map(|database| database.database_id.as_str())
            .collect();
        assert_eq!(left, ["2", "3"]);
    }
}
