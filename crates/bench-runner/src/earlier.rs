//! What earlier workers of a run left: trials with an end, and databases that nobody removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench_core::event::TrialFinished;
use bench_core::session::{Database, fold_database};
use bench_core::{Event, TrialId};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::dispatch::Reporter;
use crate::gym::Gym;

/// How long the removal of one database may take, the gym's own second try included.
const REMOVAL: Duration = Duration::from_secs(25);

/// What the journal of a run says about its earlier workers. Empty for a new run.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    finished: BTreeMap<TrialId, TrialFinished>,
    databases: Vec<Database>,
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
            Event::TrialFinished(finished) => {
                self.finished.insert(finished.trial.clone(), finished);
            }
            event => fold_database(&mut self.databases, &event),
        }
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
