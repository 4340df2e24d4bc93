//! What the store's files look like. The only place that knows; the rest of the crate uses the domain types.
//!
//! `state.json` has fixed names that scripts rely on, with the job's summary flat among them. `session.json` is the
//! job's own, plus one member `store`. `plan.json` and the items are the job's alone. Times are written in UTC with
//! milliseconds. A file with a higher format number is read as far as its members are still there, and never
//! written.

use chrono::{DateTime, SubsecRound, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Result, StateError};
use crate::ids::RunId;
use crate::items::ItemRef;
use crate::job::Job;
use crate::journal::Checkpoint;
use crate::state::{CancelRequest, RunState};
use crate::status::{CancelReason, Cause, CauseKind, Ending, RunStatus};
use crate::worker::Worker;

/// The format this version writes.
pub(crate) const FORMAT: u32 = 1;

/// `state.json` without the job's summary.
#[derive(Serialize, Deserialize)]
struct StateDoc<P> {
    format: u32,
    run_id: RunId,
    status: String,
    #[serde(with = "stamp")]
    started_at: DateTime<Utc>,
    #[serde(with = "stamp::option")]
    completed_at: Option<DateTime<Utc>>,
    error: Option<String>,
    cause: Option<String>,
    progress: P,
    worker: Option<Worker>,
    generation: u32,
    #[serde(with = "stamp")]
    updated_at: DateTime<Utc>,
    #[serde(default, with = "stamp::option", skip_serializing_if = "Option::is_none")]
    cancel_requested_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<String>,
    journal: Checkpoint,
}

/// Why a `state.json` cannot be used.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Of a format so new that we cannot make sense of it.
    Newer(u32),
    /// Not JSON, or not ours.
    Malformed(serde_json::Error),
    /// Its members contradict each other.
    Inconsistent(String),
}

/// The members of `state.json`, in order.
pub(crate) fn state_members<J: Job>(state: &RunState<J>) -> Result<Map<String, Value>> {
    let (error, cause) = state.status.ending().map_or((None, None), words);
    let cancel = state.cancel_requested.as_ref();
    let doc = StateDoc {
        format: FORMAT,
        run_id: state.id.clone(),
        status: state.status.word().to_owned(),
        started_at: state.started_at,
        completed_at: state.status.completed_at(),
        error,
        cause,
        progress: &state.progress,
        worker: state.worker.clone(),
        generation: state.generation,
        updated_at: state.updated_at,
        cancel_requested_at: cancel.map(|cancel| cancel.at),
        cancel_reason: cancel.map(|cancel| cancel.reason.code().to_owned()),
        journal: state.journal,
    };
    let store = members("progress", &doc, &[])?;
    let names: Vec<&str> = store.keys().map(String::as_str).collect();
    let mut summary = members("summary", &state.summary, &names)?;
    let mut all = Map::new();
    for (name, value) in store {
        let after_progress = name == "progress";
        all.insert(name, value);
        if after_progress {
            all.append(&mut summary);
        }
    }
    Ok(all)
}

/// `state.json` as a file.
pub(crate) fn encode_state<J: Job>(state: &RunState<J>) -> Result<Vec<u8>> {
    Ok(pretty(state_members(state)?))
}

/// Reads a `state.json`.
pub(crate) fn decode_state<J: Job>(bytes: &[u8]) -> Result<RunState<J>, Unreadable> {
    let format = format_of(bytes);
    decode_known(bytes).map_err(|error| match format {
        Some(found) if found > FORMAT => Unreadable::Newer(found),
        _ => error,
    })
}

fn format_of(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct OnlyFormat {
        format: u32,
    }
    serde_json::from_slice::<OnlyFormat>(bytes)
        .ok()
        .map(|doc| doc.format)
}

fn decode_known<J: Job>(bytes: &[u8]) -> Result<RunState<J>, Unreadable> {
    let doc: StateDoc<J::Progress> = serde_json::from_slice(bytes).map_err(Unreadable::Malformed)?;
    let summary: J::Summary = serde_json::from_slice(bytes).map_err(Unreadable::Malformed)?;
    let status = match (doc.status.as_str(), doc.completed_at) {
        ("running", None) => RunStatus::Running,
        (word, Some(completed_at)) => {
            let ending = ending(word, doc.cause, doc.error)
                .ok_or_else(|| Unreadable::Inconsistent(format!("status `{word}` with an end")))?;
            RunStatus::Over { completed_at, ending }
        }
        (word, None) => {
            return Err(Unreadable::Inconsistent(format!(
                "status `{word}` without `completed_at`"
            )));
        }
    };
    Ok(RunState {
        format: doc.format,
        id: doc.run_id,
        status,
        started_at: doc.started_at,
        progress: doc.progress,
        summary,
        worker: doc.worker,
        generation: doc.generation,
        updated_at: doc.updated_at,
        cancel_requested: doc.cancel_requested_at.map(|at| CancelRequest {
            at,
            reason: doc
                .cancel_reason
                .as_deref()
                .map_or(CancelReason::Requested, CancelReason::from),
        }),
        journal: doc.journal,
    })
}

/// `error` and `cause` of an ending.
fn words(how: &Ending) -> (Option<String>, Option<String>) {
    match how {
        Ending::Completed => (None, None),
        Ending::Failed { cause } => (Some(cause.message.clone()), Some(cause.kind.code().to_owned())),
        Ending::Cancelled { reason } => (None, Some(reason.code().to_owned())),
    }
}

/// The ending of a status word; `None` for a word that is no ending.
fn ending(word: &str, cause: Option<String>, error: Option<String>) -> Option<Ending> {
    let cause = cause.unwrap_or_default();
    match word {
        "completed" => Some(Ending::Completed),
        "failed" => Some(Ending::Failed {
            cause: Cause {
                kind: CauseKind::from(cause.as_str()),
                message: error.unwrap_or_default(),
            },
        }),
        "cancelled" => Some(Ending::Cancelled {
            reason: CancelReason::from(cause.as_str()),
        }),
        _ => None,
    }
}

/// The member `store` of `session.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionMark {
    pub(crate) format: u32,
    pub(crate) run_id: RunId,
    /// Up to where the session has taken in the journal.
    pub(crate) journal: Checkpoint,
}

/// `session.json` as a file.
pub(crate) fn encode_session<S: Serialize>(session: &S, mark: &SessionMark) -> Result<Vec<u8>> {
    let mut all = Map::from_iter([("store".to_owned(), to_value("session", mark)?)]);
    all.append(&mut members("session", session, &["store"])?);
    Ok(pretty(all))
}

/// Reads a `session.json`.
pub(crate) fn decode_session<S: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<(S, SessionMark)> {
    #[derive(Deserialize)]
    struct OnlyMark {
        store: SessionMark,
    }
    let OnlyMark { store } = serde_json::from_slice(bytes)?;
    Ok((serde_json::from_slice(bytes)?, store))
}

/// A journal line of the store's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreNote {
    /// A worker began (generation 1) or continued the run. Holds what `state.json` cannot be rebuilt without.
    Begun {
        format: u32,
        run_id: RunId,
        summary: Value,
        worker: Worker,
        /// `plan.json` as it was written; runs of earlier versions have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Box<ItemRef>>,
    },
    /// The worker that the run was handed to took it up.
    Adopted { worker: Worker },
    /// The run ended.
    Over {
        status: String,
        error: Option<String>,
        cause: Option<String>,
    },
}

impl StoreNote {
    /// The note of an ending.
    pub(crate) fn over(how: &Ending) -> Self {
        let (error, cause) = words(how);
        Self::Over {
            status: how.word().to_owned(),
            error,
            cause,
        }
    }

    /// The ending it notes; `None` if it notes something else, or an ending this version does not know.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match self {
            Self::Over { status, error, cause } => ending(status, cause.clone(), error.clone()),
            Self::Begun { .. } | Self::Adopted { .. } => None,
        }
    }
}

/// A value of the job (`what`, for messages) as JSON.
pub(crate) fn to_value<T: Serialize + ?Sized>(what: &'static str, value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| StateError::Unstorable {
        what,
        reason: error.to_string(),
    })
}

/// The members of a value of the job that will stand among ours, which are called `taken`.
///
/// # Errors
/// [`StateError::Unstorable`] if it is no JSON object or uses one of those names.
pub(crate) fn members<T: Serialize>(
    what: &'static str,
    value: &T,
    taken: &[&str],
) -> Result<Map<String, Value>> {
    let Value::Object(members) = to_value(what, value)? else {
        return Err(StateError::Unstorable {
            what,
            reason: "it is not a JSON object".to_owned(),
        });
    };
    match taken.iter().find(|name| members.contains_key(**name)) {
        Some(name) => Err(StateError::Unstorable {
            what,
            reason: format!("`{name}` is the store's own name"),
        }),
        None => Ok(members),
    }
}

/// A file for people: indented, ending in a newline.
fn pretty(members: Map<String, Value>) -> Vec<u8> {
    let mut text = format!("{:#}", Value::Object(members));
    text.push('\n');
    text.into_bytes()
}

/// A time as the files hold it: whole milliseconds. Applied where times enter the store, so that what is in memory
/// equals what is read back.
pub(crate) fn to_millis(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(3)
}

/// Times in files: `2026-01-02T03:04:05.678Z`, always with milliseconds, which scripts in any language can parse.
pub(crate) mod stamp {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn text(at: DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*at))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::deserialize(deserializer)
    }

    /// The same for a time that may be missing.
    pub(crate) mod option {
        use super::{DateTime, Deserialize, Deserializer, Serializer, Utc};

        #[expect(clippy::ref_option, reason = "the signature serde asks for")]
        pub(crate) fn serialize<S: Serializer>(
            at: &Option<DateTime<Utc>>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<DateTime<Utc>>, D::Error> {
            Option::deserialize(deserializer)
        }
    }
}
