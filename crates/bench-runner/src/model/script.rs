//! The model that plays a file: calls, answers and faults, for tests and for studying bad worlds.
//!
//! ```json
//! {
//!   "scenarios": {
//!     "create-issue": [
//!       {"calls": [{"tool": "create_issue", "arguments": {"summary": "x"}, "as": "issue"}]},
//!       {"error": "rate_limit", "retry_after_seconds": 1, "times": 2},
//!       {"calls": [{"tool": "get_issue", "arguments": {"key": "{{issue/key}}"}}], "say": "I look.", "repeat": 3},
//!       {"answer": "Created {{issue/key}}."}
//!     ],
//!     "flaky": {"1": [{"answer": "wrong"}], "*": [{"answer": "right"}]},
//!     "*": [{"answer": "done"}]
//!   }
//! }
//! ```
//!
//! Scenarios are found by id, `*` is for all others; their value is a list of turns, or one list per
//! repetition. A turn does exactly one thing:
//!
//! | turn | does |
//! |---|---|
//! | `{"calls": […], "say": "…"}` | calls tools `{tool, server, arguments, as}`; arguments that are no object are played as they are |
//! | `{"answer": "…"}` | answers; the next turn answers the next prompt |
//! | `{"empty": true}` | says nothing and calls nothing |
//! | `{"error": "rate_limit", "status": 429, "retry_after_seconds": 1, "message": "…"}` | fails with a class of [`super::ErrorClass`] |
//! | `{"never_answer": true}` | is silent until the request's time is over |
//!
//! Replies take `repeat` (how often), `delay_ms` (before it) and `usage`. A fault takes `times`: it ends
//! that many requests, then the turn behind it plays; without `times` it ends every request. Requests are
//! counted per scenario, repetition and place in the script for as long as the client lives, so a fault
//! that is over stays over when the trial is tried again.

mod format;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bench_core::ModelRef;
use bench_core::hash::sha256_hex;
use futures_util::future::BoxFuture;
use thiserror::Error;

use self::format::{Fault, FaultKind, File, Part};
use super::play::{no_script, replies_in, reply};
use super::{ErrorClass, ModelClient, ModelError, TurnReply, TurnRequest};

/// Why a script cannot be played.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the script `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is no script.
    #[error("`{}` is no script: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The file is not the one that the run was planned with.
    #[error("the script `{}` has changed since the run was planned; start a new run, or put the old one back", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// The hash of a script's content as [`bench_core::ModelSpec::script_sha256`] holds it. Blocking.
pub fn fingerprint(path: &Path) -> Result<String, ScriptError> {
    read(path).map(sha256_hex)
}

fn read(path: &Path) -> Result<Vec<u8>, ScriptError> {
    std::fs::read(path).map_err(|source| ScriptError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A place in a script: scenario, repetition, index of the reply.
type Place = (String, u32, usize);

/// Plays a script. All it holds of the trials is how many requests each fault has ended.
pub(super) struct Script {
    model: ModelRef,
    file: File,
    asked: Mutex<HashMap<Place, u32>>,
}

impl Script {
    /// Reads a script, and refuses one whose hash is not `sha256`. Blocking.
    pub(super) fn read(model: ModelRef, path: &Path, sha256: Option<&str>) -> Result<Self, ScriptError> {
        let bytes = read(path)?;
        if sha256.is_some_and(|sha256| sha256 != sha256_hex(&bytes)) {
            return Err(ScriptError::Changed {
                path: path.to_owned(),
            });
        }
        let file = File::parse(&bytes).map_err(|reason| ScriptError::Format {
            path: path.to_owned(),
            reason,
        })?;
        Ok(Self {
            model,
            file,
            asked: Mutex::default(),
        })
    }

    async fn play(&self, request: &TurnRequest<'_>) -> Result<TurnReply, ModelError> {
        let scenario = &request.scenario.scenario_id;
        let part = self.file.part(scenario, request.repetition).ok_or_else(|| {
            no_script(
                &self.model,
                format!("the script has nothing for scenario `{scenario}`; add it, or `*`"),
            )
        })?;
        let index = replies_in(request.messages);
        if let Some(fault) = self.fault(part, request, index) {
            return Err(self.fail(fault, request).await);
        }
        let line = part.reply(index).ok_or_else(|| {
            let turn = index + 1;
            no_script(
                &self.model,
                format!("the script has no turn {turn} for scenario `{scenario}`"),
            )
        })?;
        if !line.delay.is_zero() {
            tokio::time::sleep(line.delay).await;
        }
        reply(&line.step(), request, &|index| {
            part.reply(index).map(format::Line::step)
        })
        .map_err(|why| {
            no_script(
                &self.model,
                format!("scenario `{scenario}`, turn {}: {why}", index + 1),
            )
        })
    }

    /// The fault that ends this request.
    fn fault<'p>(&self, part: &'p Part, request: &TurnRequest<'_>, index: usize) -> Option<&'p Fault> {
        let faults = part.faults(index);
        if faults.is_empty() {
            return None;
        }
        let place = (request.scenario.scenario_id.clone(), request.repetition, index);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(place).or_default();
        let mut before = *count;
        *count = count.saturating_add(1);
        faults.iter().find(|fault| match fault.times {
            Some(times) if times <= before => {
                before -= times;
                false
            }
            _ => true,
        })
    }

    async fn fail(&self, fault: &Fault, request: &TurnRequest<'_>) -> ModelError {
        let (class, status, retry_after, message) = match &fault.kind {
            FaultKind::Error {
                class,
                status,
                retry_after,
                message,
            } => (
                *class,
                *status,
                *retry_after,
                message.as_deref().unwrap_or("the script says so").to_owned(),
            ),
            FaultKind::Silence => {
                tokio::time::sleep(request.timeout).await;
                (
                    ErrorClass::Timeout,
                    None,
                    None,
                    format!("no answer within {:?}", request.timeout),
                )
            }
        };
        ModelError {
            model: self.model.to_string(),
            class,
            status,
            retry_after,
            maybe_paid: false,
            usage: None,
            adjusted: None,
            should_retry: None,
            message,
        }
    }
}

impl ModelClient for Script {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(self.play(request))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench_core::{Provider, Scenario};
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::super::fixture::{Talk, scenario};
    use super::*;

    fn script(scenarios: &Value) -> Script {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json!({"scenarios": scenarios}).to_string()).unwrap();
        let model = ModelRef::new(Provider::Script, "play.json");
        Script::read(model, file.path(), Some(&fingerprint(file.path()).unwrap())).unwrap()
    }

    fn any() -> Scenario {
        scenario(json!([{"text": "1"}, {"text": "2"}]), Value::Null)
    }

    #[tokio::test]
    async fn turns_play_in_order_over_all_prompts() {
        let script = script(&json!({"s": [
            {"calls": [{"tool": "a", "as": "x"}, {"tool": "b", "arguments": "{\"half"}], "say": "both"},
            {"calls": [{"tool": "c", "arguments": {"id": "{{x/id}}"}}], "repeat": 2},
            {"answer": "first {{x/id}}"},
            {"empty": true, "usage": {"input_tokens": 5, "output_tokens": 1}},
        ]}));
        let scenario = any();
        let mut talk = Talk::new(&script, &scenario);
        assert_eq!(
            talk.step(&[json!({"id": 4}), Value::Null]).await,
            r#"a {}; b "{\"half""#
        );
        assert_eq!(talk.step(&[Value::Null]).await, r#"c {"id":4}"#);
        assert_eq!(talk.step(&[Value::Null]).await, r#"c {"id":4}"#);
        assert_eq!(talk.step(&[]).await, "first 4");
        let empty = talk.ask().await.unwrap();
        assert_eq!((empty.turn.text.as_str(), empty.turn.tool_calls.len()), ("", 0));
        assert_eq!(empty.usage.total(), 6);
        talk.step(&[]).await;
        let error = talk.ask().await.unwrap_err();
        insta::assert_snapshot!(error, @"script:play.json: the script has no turn 6 for scenario `s`");
    }

    #[tokio::test]
    async fn faults_end_as_many_requests_as_they_say_and_each_trial_counts_for_itself() {
        let script = script(&json!({"s": [
            {"error": "rate_limit", "status": 429, "retry_after_seconds": 1.5, "times": 2},
            {"error": "network", "times": 1},
            {"answer": "at last"},
            {"error": "auth", "message": "no"},
        ]}));
        let scenario = any();
        let mut first = Talk::new(&script, &scenario);
        let mut second = Talk::new(&script, &scenario);
        second.repetition = 2;
        for talk in [&mut first, &mut second] {
            let mut classes = Vec::new();
            for _ in 0..3 {
                classes.push(talk.ask().await.unwrap_err());
            }
            assert_eq!(classes[1].retry_after, Some(Duration::from_millis(1500)));
            assert_eq!(classes[1].status, Some(429));
            let classes: Vec<_> = classes.iter().map(|error| error.class).collect();
            assert_eq!(
                classes,
                [ErrorClass::RateLimit, ErrorClass::RateLimit, ErrorClass::Network]
            );
            assert_eq!(talk.step(&[]).await, "at last");
            for _ in 0..3 {
                assert_eq!(talk.ask().await.unwrap_err().class, ErrorClass::Auth, "for ever");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_lasts_as_long_as_the_request_may_take() {
        let script =
            script(&json!({"*": [{"never_answer": true, "times": 1}, {"answer": "a", "delay_ms": 250}]}));
        let scenario = any();
        let talk = Talk::new(&script, &scenario);
        let start = Instant::now();
        assert_eq!(talk.ask().await.unwrap_err().class, ErrorClass::Timeout);
        assert_eq!(start.elapsed(), Duration::from_secs(600));
        talk.ask().await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(600_250));
    }

    #[tokio::test]
    async fn a_scenario_without_a_script_is_an_error() {
        let error = Talk::new(&script(&json!({"other": []})), &any())
            .ask()
            .await
            .unwrap_err();
        insta::assert_snapshot!(error, @"script:play.json: the script has nothing for scenario `s`; add it, or `*`");
    }

    #[test]
    fn a_script_that_changed_or_is_gone_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"scenarios":{}}"#).unwrap();
        let read =
            |sha256: Option<&str>| Script::read(ModelRef::new(Provider::Script, "p"), file.path(), sha256);
        assert!(read(None).is_ok());
        assert!(matches!(read(Some("00")), Err(ScriptError::Changed { .. })));
        let gone = fingerprint(Path::new("/no/such/file"));
        assert!(matches!(gone, Err(ScriptError::Read { .. })));
    }
}
