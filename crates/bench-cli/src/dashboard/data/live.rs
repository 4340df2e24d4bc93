//! A run that goes on, followed: its counters, its waits, and what it is at.

use std::time::Duration;

use bench_core::{Event, ModelRef, Usd};
use bench_runner::{BenchJob, Earlier, item_id};
use bench_state::{Follow, Followed, HEARTBEAT_SECONDS, RunStore, RunSummary, RunView, Standing, StateError};
use chrono::{DateTime, TimeDelta, Utc};

use crate::dashboard::home::row::{Doing, Going, Waiting};
use crate::progress::board::Board;

/// Heartbeats that a worker may miss before it is said to be silent.
const MISSED: u64 = 4;

/// A run that goes on.
pub(crate) struct Live {
    view: RunView<BenchJob>,
    follow: Follow<BenchJob>,
    board: Board,
    /// Whether anybody pays for it.
    paid: bool,
    budget: Option<Usd>,
}

/// What became of a run since the last look.
pub(crate) enum Became {
    /// It goes on.
    Goes,
    /// It is over.
    Over(Box<RunSummary<BenchJob>>),
}

impl Live {
    /// Opens a run; nothing is read of its journal yet.
    pub(crate) fn open(
        store: &RunStore<BenchJob>,
        run: &RunSummary<BenchJob>,
        now: DateTime<Utc>,
    ) -> Result<Self, StateError> {
        let view = store.read(&run.state.id, now)?;
        let plan = view.plan()?;
        let paid = plan.models.iter().any(|spec| !is_free(&spec.model));
        Ok(Self {
            follow: store.follow(&run.state.id, now)?,
            board: Board::new(&plan, &Earlier::default()),
            paid,
            budget: plan.budget.max_cost,
            view,
        })
    }

    /// Takes in what was recorded since the last time. Does not wait.
    pub(crate) fn look(&mut self) -> Result<Became, StateError> {
        self.look_at(|_| {})
    }

    /// The same, and shows every event.
    pub(crate) fn look_at(&mut self, mut show: impl FnMut(&Event)) -> Result<Became, StateError> {
        loop {
            match self.follow.next_within(Duration::ZERO)? {
                Followed::Event(recorded) => {
                    self.board.event(&recorded.event, recorded.at);
                    show(&recorded.event);
                }
                Followed::Over(summary) => return Ok(Became::Over(summary)),
                Followed::Log(_) => {}
                Followed::Quiet => break,
            }
        }
        self.forget_waits_that_ended();
        Ok(Became::Goes)
    }

    /// That a wait is over is told by nobody but what the trial says next.
    fn forget_waits_that_ended(&mut self) {
        let waits = self.board.trials().filter(|(_, wait)| wait.is_some());
        let trials: Vec<_> = waits.map(|(trial, _)| trial.clone()).collect();
        for trial in trials {
            let written = item_id(&trial)
                .ok()
                .and_then(|id| self.view.item_log_written(&id).ok().flatten());
            if let Some(written) = written {
                self.board.spoke(&trial, written);
            }
        }
    }

    /// The counters.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// What it cost so far; none if nobody pays.
    pub(crate) fn cost(&self) -> Option<String> {
        let cost = self.board.session.cost().filter(|_| self.paid);
        cost.map(|cost| cost.brief())
    }

    /// What it may cost.
    pub(crate) fn budget(&self) -> Option<Usd> {
        self.budget
    }

    /// What a list shows of it.
    pub(crate) fn going(&self, run: &RunSummary<BenchJob>, now: DateTime<Utc>) -> Going {
        let doing = self.doing(run, now);
        let moves = match &doing {
            Doing::Beginning | Doing::Running(_) | Doing::Ending { .. } => true,
            Doing::Waiting(waiting) => !waiting.is_stalled(now),
            Doing::Silent { .. } | Doing::Stopped { .. } | Doing::Unknown { .. } | Doing::Orphaned => false,
        };
        let left = self.board.time_left(now).filter(|_| moves);
        Going {
            doing,
            cost: self.cost(),
            // A guess to the second would change all the time.
            left: left.map(|time| Duration::from_secs(time.as_secs().div_ceil(5) * 5)),
        }
    }

    fn doing(&self, run: &RunSummary<BenchJob>, now: DateTime<Utc>) -> Doing {
        match run.standing {
            Standing::Unknown { silent_for } => {
                return Doing::Unknown {
                    since: silent_for.map(|time| now - time),
                };
            }
            Standing::Orphaned { .. } => return Doing::Orphaned,
            Standing::Alive | Standing::Over => {}
        }
        let stopped = run.state.worker.as_ref().filter(|worker| worker.is_stopped());
        if let Some(worker) = stopped {
            return Doing::Stopped {
                pid: worker.pid,
                heard: run.heartbeat_at,
            };
        }
        let longest_silence = TimeDelta::seconds((HEARTBEAT_SECONDS * MISSED).cast_signed());
        if let Some(since) = run.heartbeat_at.filter(|at| now - *at > longest_silence) {
            return Doing::Silent { since };
        }
        if let Some(request) = &run.state.cancel_requested {
            return Doing::Ending { since: request.at };
        }
        let under_way = self.board.trials().count();
        if under_way == 0 && self.board.progress.trials_done == 0 {
            return Doing::Beginning;
        }
        let Some((trial, wait, more)) = self.board.longest() else {
            return Doing::Running(None);
        };
        let waiting = Waiting::of(trial, wait, more);
        if more + 1 == under_way {
            Doing::Waiting(waiting)
        } else {
            Doing::Running(Some(waiting))
        }
    }
}

fn is_free(model: &ModelRef) -> bool {
    model.provider.is_local()
}
