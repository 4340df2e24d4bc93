//! One attempt at a trial: open its gyms, have the conversation, ask the verifiers, clean up.
//!
//! Whatever happens in between, the gyms are closed: in order here, and by their own guards if this
//! future is dropped.

mod end;
mod gyms;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bench_core::event::Awaited;
use bench_core::evidence::Keep;
use bench_core::plan::PlannedScenario;
use bench_core::transcript::Entry;
use bench_core::{Event, Limits, ModelSpec, Trial, TrialRecord, Verdict};
use chrono::Utc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Broken, Said, Toolbox};
use crate::dispatch::Reporter;
use crate::durations::seconds;
use crate::env::Environment;
use crate::gym::{Admission, Gym};
use crate::judging::{Bench, Seat};
use crate::model::ModelClient;
use crate::model::retry::RetryPolicy;
use crate::rate::Rate;
use crate::scratch::Scratch;
use crate::slots::TrialSlot;
use crate::spend::Meter;
use crate::verify::judge::{AskJudge, SYSTEM_PROMPT};
use crate::verify::steps::Steps;
use crate::verify::{TrialEnd, Verifier, verify_all};
use crate::watch::{Waiting, Watch};
pub(crate) use end::Next;
use end::{End, next_after};
use gyms::Open;

/// What the system prompt says where a scenario gives none.
pub const DEFAULT_SYSTEM_PROMPT: &str = "\
You are an autonomous agent working in a live environment through tools. Nobody will answer questions: \
decide yourself. Find out what is there before you change it, use the tools rather than guess, and change \
nothing that was not asked for. If a tool call fails, read the error and try it differently. When the task \
is done, say in one or two sentences what you did.";

/// Everything an attempt needs. Shared by all attempts of a run but for the trial itself.
pub(crate) struct Attempt<'a> {
    pub(crate) run_id: &'a str,
    pub(crate) trial: &'a Trial,
    pub(crate) number: u32,
    pub(crate) scenario: &'a PlannedScenario,
    pub(crate) model: &'a ModelSpec,
    pub(crate) client: &'a dyn ModelClient,
    pub(crate) gyms: &'a [Arc<dyn Gym>],
    pub(crate) verifiers: &'a BTreeMap<String, Arc<dyn Verifier>>,
    pub(crate) env: &'a Environment,
    pub(crate) limits: &'a Limits,
    pub(crate) retry: &'a RetryPolicy,
    /// Of which requests evidence is kept.
    pub(crate) evidence: Keep,
    /// Whether the checks are looked at after each tool call, too.
    pub(crate) verify_each_step: bool,
    pub(crate) rate: &'a Rate,
    pub(crate) reporter: &'a Reporter,
    pub(crate) slot: &'a TrialSlot,
    pub(crate) meter: &'a Meter<'a>,
    /// Who judges, if a check of the scenario asks a judge.
    pub(crate) seat: Option<&'a Seat<'a>>,
    /// At most so many gyms are opened at once: a burst of connects overflows a server's backlog.
    pub(crate) opening: &'a tokio::sync::Semaphore,
    pub(crate) cancel: &'a CancellationToken,
}

impl Attempt<'_> {
    /// Tries once. Every way out is a record.
    pub(crate) async fn run(&self) -> (TrialRecord, Next) {
        let id = &self.trial.id;
        self.reporter
            .note(Event::TrialStarted {
                trial: id.clone(),
                attempt: self.number,
            })
            .await;
        // Also for the first: what an earlier worker of the run was told before it died may stand above.
        let entry = Entry::Attempt { attempt: self.number };
        self.payer().tell(self.reporter, id, entry).await;
        self.reporter
            .log(id, &format!("attempt {} with {}", self.number, self.model.model));
        let scratch = Scratch::of_run(self.run_id);
        let admitted = tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            admitted = self.slot.aside(self.admitted(&scratch)) => Some(admitted),
        };
        // Waiting for room is nobody's time.
        let (started_at, started) = (Utc::now(), Instant::now());
        let end = match admitted {
            Some(admissions) => self.try_once(&scratch, admissions).await,
            None => End::cancelled(Said::default()),
        };
        let cause = end.cause.as_deref().map(|c| format!(": {c}")).unwrap_or_default();
        self.reporter.log(id, &format!("{}{cause}", end.outcome.name()));
        let next = end.next;
        (self.record(end, started_at, started.elapsed()), next)
    }

    /// Whose bill grows by the trial, if anybody's does.
    fn payer(&self) -> &Meter<'_> {
        match self.seat {
            Some(seat) if self.model.model.provider.is_local() => &seat.meter,
            _ => self.meter,
        }
    }

    fn watch(&self) -> Watch<'_> {
        Watch {
            reporter: self.reporter,
            trial: &self.trial.id,
        }
    }

    async fn try_once(&self, scratch: &Scratch, admissions: Vec<Admission>) -> End {
        let gyms = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return End::cancelled(Said::default()),
            opened = self.open_gyms(scratch) => opened,
        };
        drop(admissions); // open sessions have their share
        let gyms = match gyms {
            Ok(gyms) => gyms,
            Err(error) => return End::errored(error.to_string()),
        };
        let uses = self.uses(&gyms);
        let mut end = self.converse_and_verify(&gyms, scratch).await;
        end.gyms = uses;
        self.close_and_log(gyms).await;
        end
    }

    async fn converse_and_verify(&self, gyms: &Open, scratch: &Scratch) -> End {
        let mut said = Said::default();
        let broken = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return End::cancelled(said),
            result = self.converse(gyms, scratch, &mut said) => result.err(),
        };
        if let Some(Broken::Budget(cause)) = broken {
            return End {
                cause: Some(cause),
                ..End::cancelled(said)
            };
        }
        if let Some(broken) = broken {
            return End {
                said,
                next: next_after(&broken),
                ..End::errored(broken.to_string())
            };
        }
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => End::cancelled(said),
            verdicts = self.verify(gyms, &said, scratch) => match verdicts {
                Ok(verdicts) => End::judged(said, verdicts),
                Err(cause) => End {
                    cause: Some(cause),
                    ..End::cancelled(said)
                },
            },
        }
    }

    async fn converse(&self, gyms: &Open, scratch: &Scratch, said: &mut Said) -> Result<(), Broken> {
        let system = self
            .scenario
            .system_prompt
            .as_deref()
            .unwrap_or(DEFAULT_SYSTEM_PROMPT);
        let tools = Toolbox::new(self.scenario, gyms);
        self.reporter
            .entry(
                &self.trial.id,
                Entry::System {
                    text: system.to_owned(),
                },
            )
            .await;
        let steps = self.verify_each_step.then(|| Steps {
            world: self.world(gyms, scratch),
            custom: self.verifiers,
            most: seconds(self.limits.max_seconds),
        });
        let agent = Agent {
            steps: steps.as_ref(),
            ..self.agent(gyms, scratch, system, &tools)
        };
        agent.converse(said).await
    }

    fn agent<'b>(
        &'b self,
        gyms: &'b Open,
        scratch: &'b Scratch,
        system: &'b str,
        tools: &'b Toolbox,
    ) -> Agent<'b> {
        let (now, away) = (Instant::now(), self.slot.away());
        Agent {
            trial: &self.trial.id,
            scenario: self.scenario,
            repetition: self.trial.repetition,
            scratch,
            system,
            model: self.client,
            settings: &self.model.settings,
            limits: self.limits,
            retry: self.retry,
            rate: self.rate,
            tools,
            gyms,
            reporter: self.reporter,
            slot: self.slot,
            meter: self.meter,
            attempt: self.number,
            evidence: self.evidence,
            judging: None,
            steps: None,
            started: now.checked_sub(away).unwrap_or(now), // what it was away before is taken off again
        }
    }

    /// The judge, with as much time as the trial had.
    fn bench<'b>(&'b self, seat: &'b Seat<'b>, scratch: &'b Scratch, none: &'b (Open, Toolbox)) -> Bench<'b> {
        let agent = Agent {
            model: seat.judge.client.as_ref(),
            settings: &seat.judge.spec.settings,
            rate: &seat.judge.rate,
            meter: &seat.meter,
            ..self.agent(&none.0, scratch, SYSTEM_PROMPT, &none.1)
        };
        Bench { seat, agent }
    }

    /// Asks all verifiers. The error is the cause if the run's budget ends it.
    async fn verify(&self, gyms: &Open, said: &Said, scratch: &Scratch) -> Result<Vec<Verdict>, String> {
        let none = (Open::new(), Toolbox::default());
        let bench = self.seat.map(|seat| self.bench(seat, scratch, &none));
        let end = TrialEnd {
            answer: said.answer.as_deref(),
            calls: &said.calls,
            judge: bench.as_ref().map(|bench| bench as &dyn AskJudge),
            ..self.world(gyms, scratch)
        };
        let verifying = verify_all(&self.scenario.verifiers, &end, self.verifiers);
        let waiting = Waiting {
            kind: Awaited::Verifiers,
            what: "its verifiers".to_owned(),
            then: "each has a time limit",
            at: None,
        };
        let verdicts = self.watch().busy(verifying, &waiting).await?;
        for verdict in &verdicts {
            self.reporter
                .entry(&self.trial.id, Entry::Verdict(verdict.clone()))
                .await;
        }
        Ok(verdicts)
    }

    /// What verifiers may look at before anything was said. There is nobody to ask.
    fn world<'b>(&'b self, gyms: &'b Open, scratch: &'b Scratch) -> TrialEnd<'b> {
        let harness = Path::new(&self.scenario.origin.file);
        TrialEnd {
            scenario: self.scenario,
            answer: None,
            calls: &[],
            gyms,
            scratch,
            harness_dir: harness.parent().unwrap_or(Path::new(".")),
            run_id: self.run_id,
            trial: self.trial.id.as_str(),
            env: self.env,
            log: self.reporter.for_log(&self.trial.id),
            judge: None,
        }
    }
}
