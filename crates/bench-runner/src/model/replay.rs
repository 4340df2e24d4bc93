//! The model that says once more what was said in a recorded run, turn by turn, to a fresh world.
//!
//! Nothing is sent to anybody. What a fresh world makes up anew (ids, times, the trial's own folder) is put in the place
//! of what the recorded world had made up, in arguments and in texts: an issue that was created then is found now. What
//! else differs is told as drift by who calls the tools ([`Recorded`] goes along with each turn).
//!
//! Where a trial is in its recording follows from its conversation alone. Transcripts are read when they are needed, and
//! only those of trials under way are kept.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, MatchKind};
use bench_core::drift::compare_prompt;
use bench_core::{ModelRef, ModelSpec, Outcome};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::play::{no_script, replies_in};
use super::{Message, ModelClient, ModelError, Recorded, RecordedAnswer, TurnReply, TurnRequest};
use crate::recording::{Recording, RecordingError, Reply, Tape};
use crate::scratch;

/// Plays the trials of one model of a run.
pub(super) struct Replay {
    model: ModelRef,
    /// The model that was recorded, as `provider:name`.
    plays: String,
    recording: Arc<Recording>,
    tapes: Mutex<VecDeque<(Key, Arc<Tape>)>>,
    most_tapes: usize,
}

/// A trial: scenario and repetition.
type Key = (String, u32);

impl Replay {
    /// Opens the recording that `replay:RUN/MODEL` names. Blocking.
    pub(super) fn open(
        spec: &ModelSpec,
        results: &Path,
        max_concurrency: usize,
    ) -> Result<Self, RecordingError> {
        let (run, plays) = spec.model.name.split_once('/').unwrap_or((&spec.model.name, ""));
        let recording = Recording::open(results, run)?;
        recording.check_model(plays)?;
        Ok(Self {
            model: spec.model.clone(),
            plays: plays.to_owned(),
            recording: Arc::new(recording),
            tapes: Mutex::default(),
            most_tapes: max_concurrency.max(1),
        })
    }

    async fn play(&self, request: &TurnRequest<'_>) -> Result<TurnReply, ModelError> {
        let reading = tokio::time::timeout(request.timeout, self.tape(request)).await;
        let late = |_| {
            Err(format!(
                "its recording could not be read within {:?}",
                request.timeout
            ))
        };
        let tape = reading.unwrap_or_else(late).map_err(|why| {
            let scenario = &request.scenario.scenario_id;
            no_script(&self.model, format!("scenario `{scenario}`: {why}"))
        })?;
        let index = replies_in(request.messages);
        let Some(reply) = tape.replies.get(index) else {
            return self.behind_the_end(&tape);
        };
        if index + 1 == tape.replies.len() {
            self.forget(request);
        }
        Ok(self.turn(&tape, reply, request))
    }

    /// The recording of a trial, from the disk if this is its first turn.
    async fn tape(&self, request: &TurnRequest<'_>) -> Result<Arc<Tape>, String> {
        let key = key(request);
        let known = self.with(|tapes| {
            tapes
                .iter()
                .find(|(of, _)| *of == key)
                .map(|(_, tape)| Arc::clone(tape))
        });
        if let Some(tape) = known {
            return Ok(tape);
        }
        let trial = self.recording.trial(&self.plays, &key.0, key.1);
        let trial = trial
            .ok_or_else(|| "nothing was recorded of it".to_owned())?
            .clone();
        let recording = Arc::clone(&self.recording);
        let read = tokio::task::spawn_blocking(move || recording.tape(&trial)).await;
        let tape = Arc::new(read.unwrap_or_else(|panicked| Err(panicked.to_string()))?);
        self.with(|tapes| {
            if tapes.len() >= self.most_tapes {
                tapes.pop_front(); // should it be wanted again, it is read again
            }
            tapes.push_back((key, Arc::clone(&tape)));
        });
        Ok(tape)
    }

    fn forget(&self, request: &TurnRequest<'_>) {
        let key = key(request);
        self.with(|tapes| tapes.retain(|(of, _)| *of != key));
    }

    fn with<T>(&self, f: impl FnOnce(&mut VecDeque<(Key, Arc<Tape>)>) -> T) -> T {
        f(&mut self.tapes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn turn(&self, tape: &Tape, reply: &Reply, request: &TurnRequest<'_>) -> TurnReply {
        let renames = Renames::of(tape, request, self.recording.run().as_str());
        let mut turn = reply.turn.clone();
        turn.text = renames.text(&turn.text);
        for call in &mut turn.tool_calls {
            renames.value(&mut call.arguments);
        }
        let answers = reply.answers.iter().map(|answer| renames.answer(answer));
        TurnReply {
            turn,
            stop_reason: reply.stop_reason.clone(),
            usage: reply.usage,
            recorded: Some(Recorded {
                prompt: prompt_differs(tape, request),
                answers: answers.collect(),
                limit: None,
            }),
            ..TurnReply::default()
        }
    }

    /// What there is when nothing more was said.
    fn behind_the_end(&self, tape: &Tape) -> Result<TurnReply, ModelError> {
        let cause = tape.cause.as_deref().unwrap_or_default();
        if tape.outcome == Some(Outcome::Limit) {
            let recorded = Recorded {
                limit: Some(cause.to_owned()),
                ..Recorded::default()
            };
            return Ok(TurnReply {
                recorded: Some(recorded),
                ..TurnReply::default()
            });
        }
        let outcome = tape.outcome.map_or("", Outcome::name);
        let ended = if cause.is_empty() {
            outcome.to_owned()
        } else {
            format!("{outcome}: {cause}")
        };
        let count = tape.replies.len();
        let (trial, run) = (&tape.trial, self.recording.run());
        let message =
            format!("the recording of `{trial}` in `{run}` is over after {count} replies ({ended})");
        Err(no_script(&self.model, message))
    }
}

impl ModelClient for Replay {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(self.play(request))
    }
}

fn key(request: &TurnRequest<'_>) -> Key {
    (request.scenario.scenario_id.clone(), request.repetition)
}

/// How the prompt differs, if this turn is the first answer to it.
fn prompt_differs(tape: &Tape, request: &TurnRequest<'_>) -> Option<String> {
    let Some(Message::User(now)) = request.messages.last() else {
        return None;
    };
    match tape.prompts.get(request.prompt) {
        Some(recorded) => compare_prompt(recorded, now),
        None => Some("the prompt was not there when it was recorded".to_owned()),
    }
}

/// What the recorded world had made up, and what stands in its place in this one.
struct Renames {
    made_up: Option<(AhoCorasick, Vec<String>)>,
    folder: Option<Folder>,
}

/// The trial's own folder: as it was called then begins with this, and what it is called now.
struct Folder {
    marker: String,
    now: String,
}

impl Renames {
    /// From everything that the tools have answered so far. Who called them has compared it, whole, with what was recorded.
    fn of(tape: &Tape, request: &TurnRequest<'_>, run: &str) -> Self {
        let answers = request.messages.iter().filter_map(|message| match message {
            Message::Tools(answers) => Some(answers.as_slice()),
            Message::User(_) | Message::Assistant(_) => None,
        });
        let mut known = HashSet::new();
        let pairs = answers.flatten().flat_map(|answer| &answer.renamed);
        let (then, now): (Vec<_>, Vec<_>) = pairs.filter(|(then, _)| known.insert(then)).cloned().unzip();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&then);
        let marker = scratch::name_of_run(run);
        let uses_folder = tape.replies.iter().any(|reply| mentions(reply, &marker));
        let path = uses_folder.then(|| request.scratch.path().ok()).flatten();
        Self {
            made_up: finder
                .ok()
                .filter(|_| !then.is_empty())
                .map(|finder| (finder, now)),
            folder: path.map(|path| Folder {
                marker,
                now: path.to_string_lossy().into_owned(),
            }),
        }
    }

    fn text(&self, text: &str) -> String {
        let text = match &self.folder {
            Some(folder) => folder.replace(text),
            None => text.to_owned(),
        };
        match &self.made_up {
            Some((finder, now)) => finder.replace_all(&text, now),
            None => text,
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value)),
            Value::Object(map) => map.values_mut().for_each(|value| self.value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn answer(&self, recorded: &RecordedAnswer) -> RecordedAnswer {
        let mut answer = recorded.clone();
        answer.text = self.text(&answer.text);
        self.value(&mut answer.structured);
        answer
    }
}

impl Folder {
    /// Every path to or into the recorded folder: from its root to the random part of its name.
    fn replace(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(&self.marker) {
            let in_path = |c: char| c.is_alphanumeric() || "/._-+@%".contains(c);
            let begins = rest[..at]
                .rfind(|c| !in_path(c))
                .map_or(0, |i| i + rest[i..].chars().next().map_or(1, char::len_utf8));
            let random = &rest[at + self.marker.len()..];
            let ends = random
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(random.len());
            out.push_str(&rest[..begins]);
            out.push_str(&self.now);
            rest = &random[ends..];
        }
        out + rest
    }
}

/// Whether a reply or its answers speak of a scratch folder of the recorded run.
fn mentions(reply: &Reply, marker: &str) -> bool {
    let in_value = |value: &Value| !value.is_null() && value.to_string().contains(marker);
    let calls = &reply.turn.tool_calls;
    reply.turn.text.contains(marker)
        || calls.iter().any(|call| in_value(&call.arguments))
        || reply
            .answers
            .iter()
            .any(|answer| answer.text.contains(marker) || in_value(&answer.structured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_trial_is_replaced_wherever_it_is_named() {
        let folder = Folder {
            marker: "bench-run_1-".to_owned(),
            now: "/scratch/new".to_owned(),
        };
        for (recorded, now) in [
            ("/tmp/bench-run_1-aB3x/a.txt", "/scratch/new/a.txt"),
            (
                "in \"/var/tmp/bench-run_1-aB3x\", é(/tmp/bench-run_1-Zz/b)",
                "in \"/scratch/new\", é(/scratch/new/b)",
            ),
            ("/tmp/bench-run_2-aB3x", "/tmp/bench-run_2-aB3x"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(folder.replace(recorded), now);
        }
    }
}
