//! What a stub model says: conversations, their turns, and the faults on the way.
//!
//! A turn is chosen by counting the assistant messages of a request, so one stub serves any number of
//! parallel trials and the turn of a repeated request is the same again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything a stub model plays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Script {
    /// The first one that fits a request is played.
    pub conversations: Vec<Conversation>,
}

/// One conversation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// Text that the first user message must contain. Empty fits all.
    #[serde(default)]
    pub when: String,
    /// In order.
    pub turns: Vec<Turn>,
    /// The last turn is played for ever, instead of refusing further requests.
    #[serde(default)]
    pub forever: bool,
}

/// What happens at one turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Turn {
    /// Played first, one a request.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Then this.
    pub reply: Reply,
}

/// What a model answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A final text.
    Say(String),
    /// Tool calls, all in one turn.
    Call(Vec<Call>),
    /// Neither text nor tool calls.
    Empty,
    /// The same fault at every request.
    Fault(Fault),
}

/// A tool call.
///
/// In its arguments a string `{{n/pointer}}` is replaced by what stands there in the `n`-th tool result
/// of the conversation (from 0), read as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Name of the tool.
    pub tool: String,
    /// Its arguments. A string is sent as it is, valid JSON or not.
    pub arguments: Value,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An error in the provider's form.
    Status {
        /// HTTP status.
        status: u16,
        /// What the `retry-after` header says.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// A 400 in the provider's form, with this message.
    Refusal(String),
    /// The connection is reset in the middle of the answer.
    Reset,
    /// The answer is complete for HTTP, but its JSON ends half way.
    Truncated,
    /// The answer is a web page.
    NotJson,
    /// No answer, ever.
    Hang,
}

/// The two forms of a `retry-after` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date, so many seconds from now.
    DateIn(u64),
}

impl Script {
    /// One conversation for every request.
    pub fn always(turns: impl Into<Vec<Turn>>) -> Self {
        Self {
            conversations: vec![Conversation::when("", turns)],
        }
    }

    /// Adds a conversation, which is looked at after those before.
    #[must_use]
    pub fn and(mut self, conversation: Conversation) -> Self {
        self.conversations.push(conversation);
        self
    }
}

impl Conversation {
    /// A conversation for requests whose first user message contains a text.
    pub fn when(text: &str, turns: impl Into<Vec<Turn>>) -> Self {
        Self {
            when: text.to_owned(),
            turns: turns.into(),
            forever: false,
        }
    }

    /// Plays the last turn for ever.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.forever = true;
        self
    }

    /// The turn that follows so many assistant messages.
    pub(super) fn turn(&self, assistant_messages: usize) -> Option<&Turn> {
        match self.turns.get(assistant_messages) {
            None if self.forever => self.turns.last(),
            turn => turn,
        }
    }
}

impl Turn {
    /// A turn that calls tools, all at once.
    pub fn call(calls: impl Into<Vec<Call>>) -> Self {
        Reply::Call(calls.into()).into()
    }

    /// A turn that ends the conversation.
    pub fn say(text: &str) -> Self {
        Reply::Say(text.to_owned()).into()
    }

    /// The same turn, after these faults.
    #[must_use]
    pub fn after(mut self, faults: impl Into<Vec<Fault>>) -> Self {
        self.faults = faults.into();
        self
    }
}

impl From<Reply> for Turn {
    fn from(reply: Reply) -> Self {
        Self {
            faults: Vec::new(),
            reply,
        }
    }
}

/// A call of a tool with arguments.
pub fn call(tool: &str, arguments: Value) -> Call {
    Call {
        tool: tool.to_owned(),
        arguments,
    }
}

/// An error status without a `retry-after` header.
pub fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
    }
}

/// Puts earlier tool results into arguments.
pub(super) fn fill(arguments: &Value, results: &[Value]) -> Value {
    match arguments {
        Value::String(text) => reference(text, results).unwrap_or_else(|| arguments.clone()),
        Value::Array(items) => items.iter().map(|item| fill(item, results)).collect(),
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(name, value)| (name.clone(), fill(value, results)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn reference(text: &str, results: &[Value]) -> Option<Value> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let (index, pointer) = inner.split_once('/')?;
    let result = results.get(index.parse::<usize>().ok()?)?;
    result.pointer(&format!("/{pointer}")).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_take_earlier_results_with_their_type() {
        let results = [json!({"issue": {"key": "WEB-7", "id": 7}})];
        let arguments =
            json!({"issueIdOrKey": "{{0/issue/key}}", "ids": ["{{0/issue/id}}"], "text": "{{1/x}}"});
        assert_eq!(
            fill(&arguments, &results),
            json!({"issueIdOrKey": "WEB-7", "ids": [7], "text": "{{1/x}}"})
        );
    }

    #[test]
    fn only_a_conversation_that_goes_on_for_ever_repeats_its_last_turn() {
        let once = Conversation::when("", [Turn::say("done")]);
        assert!(once.turn(1).is_none());
        assert!(once.forever().turn(9).is_some());
    }
}
