//! What was typed → runs with their models, and who is compared with whom.

use std::collections::BTreeMap;

use bench_core::event::TrialFinished;
use bench_core::plan::{Difference, Selection};
use bench_core::{Event, Plan, Provider, Session, TrialId};
use bench_report::compare::{Couple, Mixed, Origin, Side};
use bench_runner::BenchJob;
use bench_state::{RunStore, StateError};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::resume::REPEAT;
use super::super::{evidence, list};
use super::settings::{Settings, one_after_the_other};
use crate::error::CliError;

/// A run, as far as comparing needs it.
pub(super) struct Run {
    id: String,
    status: String,
    older_tool: bool,
    session: Session,
    /// None of a result of the older tool, and where `plan.json` cannot be read.
    plan: Option<Plan>,
    /// Its trials were chosen by how they had ended in another run.
    retry: Option<Selection>,
    /// By gym: name and version of its server, and how many tools it offers.
    servers: BTreeMap<String, String>,
    /// Of each model in the session's order: that a resume changed what its trials may do.
    mixed: Vec<Option<Mixed>>,
    /// What is wrong with its files.
    problems: Vec<String>,
    /// Those of them that make its totals others than those that were recorded.
    damage: Vec<String>,
}

/// A model of a run: places of both.
type Place = (usize, usize);

/// Runs and those of their models that are compared, as they were typed.
pub(super) struct Operands {
    runs: Vec<Run>,
    /// For each word that was typed.
    chosen: Vec<Vec<Place>>,
}

/// Who is compared with whom.
pub(super) struct Match {
    /// Everybody in any comparison.
    pub(super) sides: Vec<Side>,
    /// The comparisons.
    pub(super) couples: Vec<Couple>,
    /// Models that have nobody to be compared with, and their runs.
    pub(super) left_out: Vec<String>,
}

impl Operands {
    /// Reads what was typed: `RUN` or `RUN#MODEL`, and models to look at in all of them.
    pub(super) fn read(
        store: &RunStore<BenchJob>,
        now: DateTime<Utc>,
        words: &[String],
        models: &[String],
    ) -> Result<Self, CliError> {
        let mut operands = Self {
            runs: Vec::new(),
            chosen: Vec::new(),
        };
        for word in words {
            let (run, model) = match word.split_once('#') {
                Some((run, model)) => (run, Some(model)),
                None => (word.as_str(), None),
            };
            let run = operands.run(Run::read(store, run, now)?);
            let chosen = operands.runs[run].choose(model, models)?;
            operands
                .chosen
                .push(chosen.into_iter().map(|model| (run, model)).collect());
        }
        operands.check_models(models)?;
        operands.check_samples()?;
        Ok(operands)
    }

    /// What is wrong with the files of the runs.
    pub(super) fn problems(&self) -> Vec<String> {
        let problems = self.runs.iter().flat_map(|run| run.problems.iter().cloned());
        problems.collect()
    }

    /// What makes their totals others than those that were recorded.
    pub(super) fn damage(&self) -> Vec<String> {
        self.runs
            .iter()
            .flat_map(|run| run.damage.iter().cloned())
            .collect()
    }

    /// Its place; a run that was named twice is there once.
    fn run(&mut self, run: Run) -> usize {
        let known = self.runs.iter().position(|known| known.id == run.id);
        known.unwrap_or_else(|| {
            self.runs.push(run);
            self.runs.len() - 1
        })
    }

    fn check_models(&self, models: &[String]) -> Result<(), CliError> {
        let missing = models
            .iter()
            .find(|wanted| !self.runs.iter().any(|run| run.find(wanted).len() == 1));
        match missing {
            Some(wanted) => {
                Err(CliError::usage(format!("no run has one model `{wanted}`")).hint(self.models()))
            }
            None => Ok(()),
        }
    }

    /// A run of trials that were chosen by how they had ended is no sample: what failed by chance passes more often then,
    /// whatever is tried.
    fn check_samples(&self) -> Result<(), CliError> {
        let chosen = |run: &Run| Some((run.id.clone(), run.retry.clone()?));
        let Some((id, retry)) = self.runs.iter().find_map(chosen) else {
            return Ok(());
        };
        let what = format!(
            "`{id}` cannot be compared: it has only {retry}; what failed by chance passes more often then"
        );
        Err(CliError::usage(what).hint(REPEAT))
    }

    /// Who is compared with whom.
    pub(super) fn matched(&self) -> Result<Match, CliError> {
        let (pairs, alone) = match self.chosen.as_slice() {
            [only] => within(only),
            [first, others @ ..] => self.across(first, others),
            [] => (Vec::new(), Vec::new()),
        };
        if pairs.is_empty() {
            let why = if self.chosen.len() == 1 {
                "one run needs two models to compare"
            } else {
                "the runs have no model in common"
            };
            return Err(CliError::usage(format!("nothing to compare: {why}"))
                .hint(self.models())
                .hint("RUN#MODEL names one model of a run"));
        }
        if let Some((run, model)) = pairs.iter().find(|(a, b)| a == b).map(|(same, _)| *same) {
            let what = format!("{} of {}", self.name((run, model)), self.runs[run].id);
            return Err(CliError::usage(format!("{what} would be compared with itself")));
        }
        let mut places: Vec<Place> = Vec::new();
        let mut place = |wanted: Place| {
            let known = places.iter().position(|known| *known == wanted);
            known.unwrap_or_else(|| {
                places.push(wanted);
                places.len() - 1
            })
        };
        let numbered: Vec<(usize, usize)> = pairs.iter().map(|(a, b)| (place(*a), place(*b))).collect();
        let couples = numbered
            .iter()
            .zip(&pairs)
            .map(|(numbers, pair)| self.couple(*numbers, *pair));
        let couples = couples.collect();
        let sides = places.iter().filter_map(|place| self.side(*place)).collect();
        let alone = alone
            .into_iter()
            .map(|place| format!("{} in {}", self.name(place), self.runs[place.0].id));
        Ok(Match {
            sides,
            couples,
            left_out: alone.collect(),
        })
    }

    /// The first run's models with those of the others: by name, or else one with each.
    fn across(&self, first: &[Place], others: &[Vec<Place>]) -> (Vec<(Place, Place)>, Vec<Place>) {
        let (mut pairs, mut alone) = (Vec::new(), Vec::new());
        for other in others {
            let same = |after: &Place| {
                first
                    .iter()
                    .find(|before| self.played(**before) == self.played(*after))
            };
            let named = other.iter().any(|after| same(after).is_some());
            for after in other {
                match (same(after), first) {
                    (Some(before), _) => pairs.push((*before, *after)),
                    (None, [only]) if !named => pairs.push((*only, *after)),
                    _ => alone.push(*after),
                }
            }
        }
        (pairs, alone)
    }

    fn name(&self, (run, model): Place) -> &str {
        &self.runs[run].session.models[model].model
    }

    /// The name of a model; of one that plays a recording, the name of the recorded one.
    fn played(&self, place: Place) -> &str {
        let name = self.name(place);
        let recorded = name
            .strip_prefix(Provider::Replay.name())
            .and_then(|rest| rest.strip_prefix(':'));
        recorded
            .and_then(|rest| rest.split_once('/'))
            .map_or(name, |(_, model)| model)
    }

    fn side(&self, place: Place) -> Option<Side> {
        let run = &self.runs[place.0];
        let origin = Origin {
            run: &run.id,
            status: &run.status,
            partial: run.status != "completed",
            older_tool: run.older_tool,
            plan_unknown: run.plan.is_none(),
            mixed: run.mixed.get(place.1).cloned().flatten(),
        };
        Side::of(&origin, &run.session, self.name(place))
    }

    fn couple(&self, (baseline, candidate): (usize, usize), (before, after): (Place, Place)) -> Couple {
        let mut couple = Couple {
            baseline,
            candidate,
            ..Couple::default()
        };
        let (ours, theirs) = (&self.runs[before.0], &self.runs[after.0]);
        if let (Some(plan), Some(other)) = (&ours.plan, &theirs.plan) {
            let place = |plan: &Plan, name: &str| {
                let names = plan.models.iter().map(|spec| spec.model.to_string());
                names
                    .enumerate()
                    .find(|(_, of)| of == name)
                    .map_or(usize::MAX, |(place, _)| place)
            };
            let models = (place(plan, self.name(before)), place(other, self.name(after)));
            couple.not_comparable = plan.not_comparable_with(other);
            couple.differences = plan.differences(other, models.0, models.1);
            let mixed = |run: &Run, place: usize| run.mixed.get(place).cloned().flatten();
            let (was, is) = (mixed(ours, before.1), mixed(theirs, after.1));
            for one in &mut couple.differences {
                let (was, is) = (
                    one_after_the_other(was.as_ref(), one),
                    one_after_the_other(is.as_ref(), one),
                );
                one.before = was.or(one.before.take());
                one.after = is.or(one.after.take());
            }
            couple.differences.extend(servers(ours, theirs));
        }
        couple
    }

    /// Which run has which models, for who has named them wrongly.
    fn models(&self) -> String {
        let runs = self
            .runs
            .iter()
            .map(|run| format!("{}: {}", run.id, run.names().join(", ")));
        runs.collect::<Vec<_>>().join("; ")
    }
}

/// The other models of a run with its first.
fn within(chosen: &[Place]) -> (Vec<(Place, Place)>, Vec<Place>) {
    let pairs = chosen
        .split_first()
        .map(|(first, others)| others.iter().map(|other| (*first, *other)).collect());
    (pairs.unwrap_or_default(), Vec::new())
}

/// Servers that were others when the runs reached them.
fn servers(ours: &Run, theirs: &Run) -> Vec<Difference> {
    let common = ours
        .servers
        .iter()
        .filter_map(|(gym, was)| Some((gym, was, theirs.servers.get(gym)?)));
    let changed = common.filter(|(_, was, is)| was != is);
    changed
        .map(|(gym, was, is)| Difference::new("server", gym, Some(was.clone()), Some(is.clone())))
        .collect()
}

impl Run {
    fn read(store: &RunStore<BenchJob>, wanted: &str, now: DateTime<Utc>) -> Result<Self, CliError> {
        let id = match store.resolve(wanted) {
            Ok(id) => id,
            Err(error) => return Self::of_older_tool(store, wanted, error),
        };
        let view = store.inspect(&id, now)?;
        let mut plan = view.plan().ok();
        let (mut servers, mut settings) = (BTreeMap::new(), Settings::default());
        let mut ends: BTreeMap<TrialId, TrialFinished> = BTreeMap::new();
        for recorded in view.events()? {
            match (recorded?.event, &mut plan) {
                (
                    Event::GymReached {
                        gym, server, tools, ..
                    },
                    _,
                ) => {
                    servers.insert(gym, format!("{server} ({tools} tools)"));
                }
                (Event::TrialFinished(end), _) => {
                    settings.ended(&end.trial);
                    ends.insert(end.trial.clone(), end);
                }
                // What has no verdict is tried again from here on.
                (Event::RunStarted { .. }, _) => ends.retain(|_, end| end.outcome.is_verdict()),
                (Event::PlanChanged(changes), Some(plan)) => {
                    settings.changed(&changes, plan);
                    changes.apply(plan);
                }
                _ => {}
            }
        }
        let mut problems: Vec<String> = view.problems().iter().map(evidence::in_words).collect();
        problems.extend(evidence::problems_before_deciding(&view, ends.values())?);
        let session = view.session()?;
        let models = session.models.iter();
        Ok(Self {
            mixed: models
                .map(|totals| settings.mixed(ends.values(), &totals.model))
                .collect(),
            id: id.to_string(),
            status: list::row(view.summary()).status,
            older_tool: false,
            session,
            retry: list::retry(view.summary(), plan.as_ref()),
            plan,
            servers,
            problems,
            damage: evidence::damage(&view),
        })
    }

    fn of_older_tool(
        store: &RunStore<BenchJob>,
        wanted: &str,
        otherwise: StateError,
    ) -> Result<Self, CliError> {
        let rows = store.legacy().map(|legacy| legacy.rows).unwrap_or_default();
        let Some(row) = rows.into_iter().find(|row| row.id == wanted) else {
            return Err(otherwise.into());
        };
        let document = store.legacy_session(&row)?.map(Value::Object);
        let Some(session) = document.as_ref().and_then(Session::of_older_tool) else {
            let what = format!("the older tool has written down no trial of `{wanted}`");
            return Err(CliError::usage(what).hint("it did so only when all of a run was over"));
        };
        Ok(Self {
            id: row.id,
            status: row.status,
            older_tool: true,
            session,
            plan: None,
            retry: None,
            mixed: Vec::new(),
            servers: BTreeMap::new(),
            problems: Vec::new(),
            damage: Vec::new(),
        })
    }

    fn names(&self) -> Vec<&str> {
        self.session
            .models
            .iter()
            .map(|totals| totals.model.as_str())
            .collect()
    }

    /// The models that a name fits: the one of that name, else those that begin so, with or without their provider.
    fn find(&self, wanted: &str) -> Vec<usize> {
        let names = self.names();
        if let Some(exact) = names.iter().position(|name| *name == wanted) {
            return vec![exact];
        }
        let begins = |name: &&str| {
            let own = name.split_once(':').map_or(*name, |(_, own)| own);
            name.starts_with(wanted) || own.starts_with(wanted)
        };
        let fitting = names.iter().enumerate().filter(|(_, name)| begins(name));
        fitting.map(|(place, _)| place).collect()
    }

    /// The models that are compared: the one behind the `#`, else those of `--model` in that order, else all.
    fn choose(&self, model: Option<&str>, models: &[String]) -> Result<Vec<usize>, CliError> {
        let Some(wanted) = model else {
            if models.is_empty() {
                return Ok((0..self.session.models.len()).collect());
            }
            let found = models.iter().map(|wanted| self.find(wanted));
            return Ok(found.filter(|fitting| fitting.len() == 1).flatten().collect());
        };
        if wanted.is_empty() {
            let what = format!("the name of a model is missing behind `{}#`", self.id);
            return Err(CliError::usage(what).hint(format!("one of {}", self.names().join(", "))));
        }
        let fitting = self.find(wanted);
        if let [only] = fitting.as_slice() {
            return Ok(vec![*only]);
        }
        let (which, names) = if fitting.is_empty() {
            ("no model".to_owned(), self.names())
        } else {
            let names = self.names();
            let fitting = fitting.iter().map(|place| names[*place]).collect();
            ("more than one model".to_owned(), fitting)
        };
        let what = format!("{which} of run `{}` is `{wanted}`", self.id);
        Err(CliError::usage(what).hint(format!("one of {}", names.join(", "))))
    }
}
