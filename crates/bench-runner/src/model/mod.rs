//! Models: one trait, and one small client per wire format.
//!
//! | part | what it does |
//! |---|---|
//! | [`ModelClient`] | the seam: one call is one request |
//! | `http`, `failure`, [`exchange`] | sending a request, what its failure means, what went over the wire |
//! | `limits` | what headers say about a provider's rate limits |
//! | `format`, `wire`, `raw` | the one client over HTTP; what formats share; a turn in its own bytes |
//! | `openai_chat`, `openai_responses`, `anthropic`, `gemini` | the wire formats |
//! | `stream`, `lines` | replies that come in pieces, until they are whole; the lines of an event stream that count |
//! | `bounds` | how much a model may say in one turn |
//! | [`script`], `oracle`, `noop` | models that need no network; `play` is what they share |
//! | `replay` | the model that says once more what was recorded |
//! | `schemas` | what providers refuse in the schemas of tools, and the tools without it |
//! | [`retry`] | whether a failed request is sent again, and when |
//! | [`mod@connect`], `providers` | from a [`bench_core::ModelSpec`] and the environment to a client |
//!
//! History is kept as the provider sent it: an [`AssistantTurn`] carries its raw form, which goes back
//! verbatim (signatures, unknown fields), beside the view that the agent loop reads.

mod anthropic;
mod bounds;
pub mod connect;
mod counted;
pub mod exchange;
mod failure;
#[cfg(test)]
mod fixture;
mod format;
mod gemini;
pub(crate) mod http;
mod limits;
mod lines;
mod noop;
mod openai_chat;
mod openai_responses;
mod oracle;
mod play;
mod providers;
mod raw;
mod replay;
pub mod retry;
mod schemas;
pub mod script;
mod stream;
mod wire;

use std::time::Duration;

use bench_core::drift::ToolSaid;
use bench_core::event::ToolChange;
use bench_core::transcript::ToolCall;
use bench_core::{ModelRef, ModelSettings, Scenario, Usage};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::scratch::Scratch;

pub use connect::{ConnectError, Connector, connect};
pub use exchange::{Exchange, Witness};
pub use providers::{ProviderStatus, providers};
pub use raw::Raw;
pub use retry::{RetryPolicy, Wait, WorkSlot, take_turn_with_retries};
pub use schemas::SchemasAdjusted;

/// The name under which a tool is offered when several gyms of a trial have one of its name.
///
/// Whoever lists the tools for a model uses it, and the models that play a part find tools by it.
pub fn qualified_tool_name(gym: &str, tool: &str) -> String {
    format!("{gym}__{tool}")
}

/// Answers one turn of a conversation.
///
/// One call is one request. Retries, limits and logging belong to the caller. Dropping the future
/// abandons the request.
pub trait ModelClient: Send + Sync {
    /// The model that answers.
    fn model(&self) -> &ModelRef;

    /// Sends the conversation and waits for the model's turn, at most [`TurnRequest::timeout`].
    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>>;
}

/// Everything a model needs for its next turn.
#[derive(Debug, Clone, Copy)]
pub struct TurnRequest<'a> {
    /// The scenario being tried, for models that play a part: `oracle`, `script`, `replay`.
    pub scenario: &'a Scenario,
    /// Which try at it, from 1.
    pub repetition: u32,
    /// The prompt being answered, from 0.
    pub prompt: usize,
    /// Which reply of the trial this will be, from 1.
    pub turn: u32,
    /// The trial's own scratch folder, `{{trial_dir}}` for models that play a part.
    pub scratch: &'a Scratch,
    /// The system prompt.
    pub system: &'a str,
    /// The conversation so far; the last message is the user's or holds tool answers.
    pub messages: &'a [Message],
    /// The tools it may call, names unique.
    pub tools: &'a [ToolSpec],
    /// What is sent with every request.
    pub settings: &'a ModelSettings,
    /// How long the request may take.
    pub timeout: Duration,
    /// Which request for this turn it is, from 1.
    pub attempt: u32,
    /// Who sees what goes over the wire, if anybody wants to.
    pub witness: Option<&'a dyn Witness>,
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Unique among the tools of a trial.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of its arguments, as the server sent it.
    pub input_schema: Map<String, Value>,
    /// Its server says that it only reads (`readOnlyHint`). Models are not told.
    pub reads_only: bool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A prompt.
    User(String),
    /// A model reply.
    Assistant(AssistantTurn),
    /// The answers to all tool calls of the reply before, in its order.
    Tools(Vec<ToolAnswer>),
}

/// A model reply: a view for us, and the form in which it goes back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssistantTurn {
    /// What it said, empty if it only called tools.
    pub text: String,
    /// Its reasoning, as far as it is shown.
    pub reasoning: String,
    /// The tools it calls, in order. Arguments are a [`Value::String`] where the model wrote no valid JSON.
    pub tool_calls: Vec<ToolCall>,
    /// The turn as the provider sent it (chat: the message; responses: the output items; messages: the content blocks;
    /// generateContent: the content). Goes back byte for byte.
    pub raw: Raw,
}

/// The answer to one tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// Id of the call.
    pub call_id: String,
    /// Name of the tool.
    pub tool: String,
    /// What the model is told.
    pub text: String,
    /// Structured content, or the text parsed as JSON; null if it is neither.
    pub structured: Value,
    /// Whether the call failed.
    pub is_error: bool,
    /// What was made up anew in all of the answer, also where it is cut for the model: as it was recorded, and now. Only
    /// `replay` knows anything.
    pub renamed: Vec<(String, String)>,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TurnReply {
    /// The turn.
    pub turn: AssistantTurn,
    /// Why it stopped, in the provider's word.
    pub stop_reason: String,
    /// Tokens of this request.
    pub usage: Usage,
    /// The model version that answered, where the provider says it.
    pub served_by: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// How long until the first piece of it came, where it came in pieces.
    pub first_token: Option<Duration>,
    /// How long the provider takes no further request: this one was the last that its rate limit allowed.
    pub hold: Option<Duration>,
    /// What the schemas of tools were sent without, because the provider refuses it there.
    pub tools_changed: Vec<ToolChange>,
    /// What is known of this turn from an earlier run; only `replay` knows anything.
    pub recorded: Option<Recorded>,
}

/// What a replayed turn led to when it was recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recorded {
    /// How the prompt that is being answered differs from the recorded one.
    pub prompt: Option<String>,
    /// What its tool calls were answered, in their order; shorter where the recording ends among them.
    pub answers: Vec<RecordedAnswer>,
    /// There is no further turn: this limit ended the recorded trial here, and ends this one too.
    pub limit: Option<String>,
}

/// What a tool answered when the trial was recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordedAnswer {
    /// Whether the call failed.
    pub is_error: bool,
    /// The text, whole.
    pub text: String,
    /// Structured content, null if there was none.
    pub structured: Value,
}

impl RecordedAnswer {
    /// For a comparison.
    pub(crate) fn said(&self) -> ToolSaid<'_> {
        ToolSaid {
            is_error: self.is_error,
            text: &self.text,
            structured: &self.structured,
        }
    }
}

/// Why a model gave no turn.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{model}: {message}")]
pub struct ModelError {
    /// The model, as `provider:name`.
    pub model: String,
    /// What kind of failure; decides whether it is tried again.
    pub class: ErrorClass,
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the provider may have done the work, and wants to be paid for it.
    pub maybe_paid: bool,
    /// What the answer counts, if it is one that holds no turn and counts all the same.
    pub usage: Option<Box<Usage>>,
    /// It refused schemas of tools, and they are sent without what it refuses from here on: the same request may go again at
    /// once. None for every other failure, and where nothing known is left to take out.
    pub adjusted: Option<Box<SchemasAdjusted>>,
    /// What the provider says itself of sending the same request again (`x-should-retry`). It knows better than its status.
    pub should_retry: Option<bool>,
    /// What happened and what to try next, without secrets.
    pub message: String,
}

impl ModelError {
    /// Whether the same request may succeed later: as the provider says, else by the class.
    pub fn is_transient(&self) -> bool {
        self.should_retry.unwrap_or_else(|| self.class.is_transient())
    }

    /// Whether another attempt at the trial may end differently, once retries of the request did not help.
    pub fn may_heal(&self) -> bool {
        self.should_retry != Some(false) && self.class.may_heal()
    }
}

/// Kinds of failures of a model request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// 429.
    RateLimit,
    /// 500, 502, 503, 504, 529.
    Overloaded,
    /// No answer in time (also 408, 409, 425).
    Timeout,
    /// Could not connect, or the connection broke.
    Network,
    /// Could not connect to a server that never answered so far: more likely a wrong address than a passing failure.
    Unreachable,
    /// 401, 403: every further request would fail too.
    Auth,
    /// 402, or a quota that waiting does not mend.
    OutOfCredit,
    /// 400, 404, 422 and their like: the request itself is refused.
    BadRequest,
    /// The conversation no longer fits the model.
    ContextTooLong,
    /// The provider's filter refused what was said. Another model's filter may not.
    ContentFilter,
    /// The answer is not what the format promises, or a server says that it could not read what its model wrote.
    Malformed,
    /// A scripted model has nothing to play here.
    NoScript,
}

impl ErrorClass {
    /// Whether the same request may succeed later.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::RateLimit
                | Self::Overloaded
                | Self::Timeout
                | Self::Network
                | Self::Unreachable
                | Self::Malformed
        )
    }

    /// Whether another attempt at the trial may end differently, once retries of the request did not help.
    pub fn may_heal(self) -> bool {
        self.is_transient() && self != Self::Unreachable
    }

    /// Whether every other request to the model would end the same way.
    pub fn concerns_all_requests(self) -> bool {
        matches!(self, Self::Auth | Self::OutOfCredit)
    }
}
