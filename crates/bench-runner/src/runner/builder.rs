//! Collects what a run needs, and checks that all of it is there.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bench_core::Plan;
use bench_core::event::TrialFinished;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::work::{OPENING, Work};
use super::{RunError, Runner};
use crate::dispatch::Listener;
use crate::earlier::Earlier;
use crate::env::Environment;
use crate::gym::Gym;
use crate::journal::{Journal, MemoryJournal};
use crate::judging::Judge;
use crate::ledger::Ledger;
use crate::model::ModelClient;
use crate::model::retry::RetryPolicy;
use crate::rate::Rate;
use crate::verify::{self, Verifier};

/// Collects what a run needs.
pub struct RunnerBuilder {
    run_id: String,
    plan: Plan,
    gyms: BTreeMap<String, Arc<dyn Gym>>,
    models: BTreeMap<String, Arc<dyn ModelClient>>,
    judge: Option<Arc<dyn ModelClient>>,
    verifiers: BTreeMap<String, Arc<dyn Verifier>>,
    journal: Box<dyn Journal>,
    listeners: Vec<Listener>,
    cancel: CancellationToken,
    env: Environment,
    retry: RetryPolicy,
    earlier: Earlier,
}

impl Runner {
    /// Starts collecting what a run of `plan` needs. `run_id` reaches child processes as `BENCH_RUN_ID`:
    /// what still bears it at the end is ended, so no two runs of this process may have the same.
    pub fn builder(run_id: impl Into<String>, plan: Plan) -> RunnerBuilder {
        RunnerBuilder {
            run_id: run_id.into(),
            plan,
            gyms: BTreeMap::new(),
            models: BTreeMap::new(),
            judge: None,
            verifiers: BTreeMap::new(),
            journal: Box::new(MemoryJournal::default()),
            listeners: Vec::new(),
            cancel: CancellationToken::new(),
            env: Environment::default(),
            retry: RetryPolicy::default(),
            earlier: Earlier::default(),
        }
    }
}

impl RunnerBuilder {
    /// A gym of the plan, found by its key.
    #[must_use]
    pub fn gym(mut self, gym: Arc<dyn Gym>) -> Self {
        self.gyms.insert(gym.spec().key.clone(), gym);
        self
    }

    /// A client for a model of the plan, found by `provider:name`.
    #[must_use]
    pub fn model(mut self, client: Arc<dyn ModelClient>) -> Self {
        self.models.insert(client.model().to_string(), client);
        self
    }

    /// The client of the plan's judge, for checks that ask one.
    #[must_use]
    pub fn judge(mut self, client: Arc<dyn ModelClient>) -> Self {
        self.judge = Some(client);
        self
    }

    /// A verifier for checks of this kind ([`bench_core::Check::Custom`]).
    #[must_use]
    pub fn verifier(mut self, kind: impl Into<String>, verifier: Arc<dyn Verifier>) -> Self {
        self.verifiers.insert(kind.into(), verifier);
        self
    }

    /// Where the run is written down; in memory without it.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Box::new(journal);
        self
    }

    /// Told of every event once it is durable, from the dispatcher's thread. Must be quick.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Ends the run early: running trials are cancelled, their gyms closed, finished ones kept.
    #[must_use]
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The environment: its secrets are taken out of everything that is written, and child processes
    /// get PATH, HOME, LANG, TMPDIR and USER of it. Without it they get nothing.
    #[must_use]
    pub fn environment(mut self, env: &Environment) -> Self {
        self.env = env.clone();
        self
    }

    /// When failed model requests are sent again.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// What earlier workers of this run left: trials with a verdict are not run again, databases that nobody removed
    /// are removed first.
    #[must_use]
    pub fn earlier(mut self, earlier: Earlier) -> Self {
        self.earlier = earlier;
        self
    }

    /// Trials that ended elsewhere: those with a verdict are not run again.
    #[must_use]
    pub fn finished(mut self, finished: impl IntoIterator<Item = TrialFinished>) -> Self {
        for trial in finished {
            self.earlier.insert(trial);
        }
        self
    }

    /// Checks that everything the plan names is there.
    pub fn build(self) -> Result<Runner, RunError> {
        let missing = |what: String| RunError::Missing { what };
        let mut models = Vec::new();
        for spec in &self.plan.models {
            let client = self.models.get(&spec.model.to_string());
            models.push(Arc::clone(
                client.ok_or_else(|| missing(format!("the model `{}`", spec.model)))?,
            ));
        }
        let keys = self.plan.scenarios.iter().flat_map(|s| &s.gym_keys);
        if let Some(key) = keys.into_iter().find(|key| !self.gyms.contains_key(*key)) {
            return Err(missing(format!("the gym `{key}`")));
        }
        for url in verify::addresses(&self.plan) {
            self.env.secrets().add_credentials_of(&url);
        }
        let asked: Vec<_> = self.plan.asked().cloned().collect();
        let mut rates = Rate::of_models(&asked, self.plan.max_concurrency);
        let judge = if self.plan.scenarios.iter().any(|s| s.asks_judge()) {
            let spec = self.plan.judge.clone().zip(rates.pop());
            let no_judge = || missing("a judge: a check asks one".to_owned());
            let ((spec, rate), client) = spec.zip(self.judge).ok_or_else(no_judge)?;
            Some(Judge::new(spec, client, rate))
        } else {
            None
        };
        let work = Work {
            given_up: models.iter().map(|_| OnceLock::new()).collect(),
            rates,
            judge,
            ledger: Ledger::new(self.plan.budget, &self.earlier.used(&self.plan)),
            run_id: self.run_id,
            plan: self.plan,
            gyms: self.gyms,
            models,
            verifiers: self.verifiers,
            retry: self.retry,
            env: self.env,
            opening: Semaphore::new(OPENING),
        };
        Ok(Runner {
            work: Arc::new(work),
            journal: self.journal,
            listeners: self.listeners,
            cancel: self.cancel,
            earlier: self.earlier,
        })
    }
}
