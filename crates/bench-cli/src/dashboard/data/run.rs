//! One run, followed for its screen: events become a picture, sent when it changed, ten times a second at most.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench_core::Event;
use bench_report::text::clean_line;
use bench_runner::BenchJob;
use bench_state::{RunId, RunStore, RunSummary, StateError};
use chrono::Utc;

use super::live::{Became, Live};
use super::{Asked, Reader, runs};
use crate::commands::{Refused, refused_of, used_up_by};
use crate::dashboard::home::row::{Row, Stand, Waiting};
use crate::dashboard::message::{Message, Tell};
use crate::dashboard::run::RunNews;
use crate::dashboard::run::picture::{Grid, Picture, Places, UnderWay, model_rows};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time between two looks at the signs of life of the worker, or for a resume.
const SIGNS_EVERY: Duration = Duration::from_secs(1);

/// Starts following.
pub(crate) fn start(store: RunStore<BenchJob>, id: RunId, tell: Tell) -> io::Result<Reader> {
    super::start("run", tell, move |asked, tell| {
        if let Err(error) = follow(&store, &id, asked, tell) {
            let news = match error {
                StateError::UnknownRun { .. } | StateError::Moved { .. } => RunNews::Gone,
                error => RunNews::Trouble(clean_line(&error.to_string())),
            };
            tell.send(Message::Run(id, news)).unwrap_or_default(); // nobody listens
        }
    })
}

/// Returns when nobody listens, or with what keeps the run from being read.
fn follow(store: &RunStore<BenchJob>, id: &RunId, asked: &Asked, tell: &Tell) -> Result<(), StateError> {
    let mut watch = Watch::open(store, id)?;
    let mut signs_at = Instant::now();
    loop {
        let changed = watch.look(store)?;
        if changed {
            let news = RunNews::Picture(Arc::new(watch.picture()));
            if tell.send(Message::Run(id.clone(), news)).is_err() {
                return Ok(());
            }
        }
        if !asked.pause(LOOK_EVERY) {
            return Ok(());
        }
        if signs_at.elapsed() >= SIGNS_EVERY {
            signs_at = Instant::now();
            watch.signs(store, id)?;
        }
    }
}

/// What is known of the run.
struct Watch {
    live: Live,
    run: RunSummary<BenchJob>,
    places: Places,
    over: bool,
    /// What is wrong with the files of a run that was over when it was opened, and why it could not be resumed.
    damage: Option<String>,
    refused: Option<Refused>,
    /// What was last shown of the run itself.
    said: Option<Row>,
    fresh: bool,
}

impl Watch {
    fn open(store: &RunStore<BenchJob>, id: &RunId) -> Result<Self, StateError> {
        let now = Utc::now();
        let view = store.inspect(id, now)?;
        let damage = view.problems().first().map(ToString::to_string);
        let run = view.summary().clone();
        let places = Places::new(Grid::of(&view.plan()?));
        Ok(Self {
            live: Live::open(store, &run, now)?,
            over: false,
            damage,
            refused: refused_of(&view).or_else(|| used_up_by(store, &run)),
            run,
            places,
            said: None,
            fresh: true,
        })
    }

    /// Takes in what is new; whether the picture changed.
    fn look(&mut self, store: &RunStore<BenchJob>) -> Result<bool, StateError> {
        if self.over {
            return Ok(std::mem::take(&mut self.fresh));
        }
        let (places, mut events) = (&mut self.places, 0_usize);
        let became = self.live.look_at(|event: &Event| {
            places.event(event);
            events += 1;
        })?;
        if let Became::Over(summary) = became {
            self.run = *summary;
            self.refused = self.refused.or_else(|| used_up_by(store, &self.run));
            self.over = true;
            self.places.over();
            self.fresh = false;
            crate::commands::sweep_quietly(store);
            self.said = Some(self.row());
            return Ok(true);
        }
        let row = self.row();
        let changed = events > 0 || self.said.as_ref() != Some(&row) || std::mem::take(&mut self.fresh);
        self.said = Some(row);
        Ok(changed)
    }

    /// Reads signs of life; a run that was over and is resumed is followed anew.
    fn signs(&mut self, store: &RunStore<BenchJob>, id: &RunId) -> Result<(), StateError> {
        let run = store.read(id, Utc::now())?.summary().clone();
        // It may even be over again by now.
        let resumed = run.state.generation != self.run.state.generation;
        if self.over && (resumed || !run.state.status.is_over()) {
            *self = Self::open(store, id)?;
        } else {
            self.run = run;
        }
        Ok(())
    }

    fn row(&self) -> Row {
        if self.over {
            let mut row = runs::over(&self.run, self.refused);
            row.progress = self.live.board().progress.clone();
            if let (Stand::Over(over), Some(damage), None) = (&mut row.stand, &self.damage, self.refused) {
                let damage = format!(
                    "`show` tells what is wrong with its files: {}",
                    clean_line(damage)
                );
                over.cause = Some(match over.cause.take() {
                    Some(cause) => format!("{cause}; {damage}"),
                    None => damage,
                });
            }
            return row;
        }
        runs::going(&self.run, &self.live, Utc::now())
    }

    fn picture(&self) -> Picture {
        let board = self.live.board();
        let trials = board.trials().map(|(trial, wait)| UnderWay {
            at: self.places.grid.place(trial),
            trial: trial.clone(),
            wait: wait.map(|wait| Waiting::of(trial, wait, 0)),
        });
        let mut under_way: Vec<UnderWay> = if self.over { Vec::new() } else { trials.collect() };
        under_way.sort_by_key(|trial| {
            trial
                .wait
                .as_ref()
                .map_or((true, None), |waiting| (false, Some(waiting.wait.since)))
        });
        Picture {
            row: self.said.clone().unwrap_or_else(|| self.row()),
            places: self.places.clone(),
            models: model_rows(&board.session),
            under_way,
            busy_and_idle: board.busy_and_idle(),
            slots: board.slots(),
            causes: self.places.causes(),
            paces: board
                .paces
                .iter()
                .map(|(name, pace)| (name.clone(), *pace))
                .collect(),
            cost: self.live.cost(),
            budget: self.live.budget(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use super::super::trial::tests::bed;
    use super::*;

    #[test]
    fn a_damaged_run_says_in_its_view_why_it_is_not_resumed() {
        let bed = bed(0);
        let journal = bed.dir.join("events.jsonl");
        let whole = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, whole.split_inclusive('\n').next().unwrap()).unwrap();
        let (tell, told) = channel();
        let _reader = start(bed.store.clone(), bed.run.clone(), tell).unwrap();
        let Message::Run(_, RunNews::Picture(picture)) = told.recv_timeout(Duration::from_secs(20)).unwrap()
        else {
            panic!("nothing else should be told");
        };
        let Stand::Over(over) = &picture.row.stand else {
            panic!("{:?}", picture.row)
        };
        let refused = over.refused.unwrap();
        assert!(refused.words.starts_with("its journal is damaged"), "{refused:?}");
    }

    #[test]
    fn a_run_that_is_removed_while_it_is_shown_is_told_as_gone() {
        let bed = bed(0);
        let (tell, told) = channel();
        let _reader = start(bed.store.clone(), bed.run.clone(), tell).unwrap();
        let news = || match told.recv_timeout(Duration::from_secs(20)).unwrap() {
            Message::Run(_, news) => news,
            _ => panic!("nothing else should be told"),
        };
        assert!(matches!(news(), RunNews::Picture(_)));
        fs::remove_dir_all(&bed.dir).unwrap();
        assert!(matches!(news(), RunNews::Gone));
    }
}
