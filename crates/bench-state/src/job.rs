//! What an embedder says about its work: six types and one fold.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a job stores. The store knows nothing else about it.
///
/// All types are kept as JSON and read back, possibly by a later version of the job: give new fields a default
/// and enums a catch-all variant, and do not deny unknown fields, since some are stored among the store's own.
///
/// Truth is the plan and the journal of events. [`Progress`](Job::Progress) and [`Session`](Job::Session) are
/// sums over the events, rewritten now and then for readers; if they are lost or behind, folding restores them.
pub trait Job: 'static {
    /// The input, written once as `plan.json`. Whatever a worker needs to do the work, and no secrets.
    type Plan: Serialize + DeserializeOwned;
    /// Small facts for lists, known at the start. A struct: its fields stand in `state.json` beside the store's.
    type Summary: Serialize + DeserializeOwned + Clone + Send;
    /// Counters for lists and progress bars; `progress` in `state.json`.
    type Progress: Serialize + DeserializeOwned + Clone + Send;
    /// The results so far, of any size that is fine to rewrite every 2 s; a struct, the body of `session.json`.
    type Session: Serialize + DeserializeOwned + Send;
    /// Something that happened: one journal line, in its member `event`. Must not serialize to `null`.
    type Event: Serialize + DeserializeOwned + Clone;
    /// The record of one finished piece of work: `trials/<id>.json`.
    type Item: Serialize + DeserializeOwned;

    /// Progress and session before any event.
    fn begin(plan: &Self::Plan) -> (Self::Progress, Self::Session);

    /// Folds one event, with the time it was recorded at, into both.
    ///
    /// Must be total: it never panics, and an event that makes no sense changes nothing. Must depend on nothing
    /// but its arguments, because readers in other processes repeat it.
    fn fold(
        progress: &mut Self::Progress,
        session: &mut Self::Session,
        event: &Self::Event,
        at: DateTime<Utc>,
    );
}
