//! One call of a tool: made, told the model, written down.

use std::time::Duration;

use bench_core::event::Awaited;
use bench_core::transcript::{Entry, ToolCall};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Agent, Broken, Said};
use crate::cut::cut_middle;
use crate::durations::{millis, seconds};
use crate::gym::{GymError, ToolDeadline, ToolOutput};
use crate::model::{Recorded, ToolAnswer};
use crate::verify::CallRecord;
use crate::watch::Waiting;

/// How much later than its deadline a gym may say that it has passed.
const GRACE: Duration = Duration::from_secs(1);

impl Agent<'_> {
    /// `recorded` is for a replay: what was recorded of the turn, and which of its calls this is.
    pub(super) async fn call_tool(
        &self,
        call: &ToolCall,
        recorded: Option<(&Recorded, usize)>,
        said: &mut Said,
        left: Duration,
    ) -> Result<ToolAnswer, Broken> {
        let called = Instant::now();
        let (gym, output) = match (self.tools.home(&call.name), arguments_of(call)) {
            (None, _) => (None, told(self.tools.unknown(&call.name))),
            (home, Err(problem)) => (home.map(|(gym, _)| gym), told(problem)),
            (Some((gym, name)), Ok(arguments)) => match self.call_gym(gym, name, arguments, left).await {
                Ok(output) => (Some(gym), output),
                Err(broken) => return Err(self.unanswered(call, broken, said).await),
            },
        };
        said.calls.push(self.call_record(call, output.is_error));
        let (for_model, cut_bytes) = cut_middle(&output.text, self.limits.tool_result_bytes);
        let took = millis(called.elapsed());
        let failed = if output.is_error { ", failed" } else { "" };
        let (tool, bytes) = (&call.name, output.text.len());
        self.reporter.log(
            self.trial,
            &format!("  {tool} → {bytes} bytes in {took} ms{failed}"),
        );
        let likeness = recorded
            .map(|(turn, place)| self.likeness(turn.answers.get(place), &output))
            .unwrap_or_default();
        let answer = ToolAnswer {
            call_id: call.id.clone(),
            tool: call.name.clone(),
            text: for_model,
            structured: match output.structured {
                Value::Null => serde_json::from_str(&output.text).unwrap_or_default(),
                ref structured => structured.clone(),
            },
            is_error: output.is_error,
            renamed: likeness.renamed,
        };
        let entry = Entry::ToolResult {
            turn: said.turns,
            call_id: call.id.clone(),
            tool: call.name.clone(),
            gym: gym.map(|gym| self.name_of(gym)).unwrap_or_default(),
            is_error: output.is_error,
            text: output.text,
            structured: output.structured,
            cut_bytes,
            took_ms: took,
        };
        self.reporter.entry(self.trial, entry).await;
        if let Some(what) = likeness.difference {
            self.note_drift(said, call.name.clone(), what).await;
        }
        Ok(answer)
    }

    /// A call that nothing answered is counted, and the transcript says why nothing follows it.
    async fn unanswered(&self, call: &ToolCall, broken: Broken, said: &mut Said) -> Broken {
        said.calls.push(self.call_record(call, true));
        let text = broken.to_string();
        self.reporter.entry(self.trial, Entry::Note { text }).await;
        broken
    }

    fn name_of(&self, gym: usize) -> String {
        let gym = self.gyms.get(gym);
        gym.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Verifiers know a tool by its gym's name for it.
    fn call_record(&self, call: &ToolCall, failed: bool) -> CallRecord {
        let name = self
            .tools
            .home(&call.name)
            .map_or(call.name.as_str(), |(_, name)| name);
        CallRecord {
            call: ToolCall {
                name: name.to_owned(),
                ..call.clone()
            },
            failed,
        }
    }

    async fn call_gym(
        &self,
        gym: usize,
        tool: &str,
        arguments: Map<String, Value>,
        left: Duration,
    ) -> Result<ToolOutput, Broken> {
        let Some((gym, session)) = self.gyms.get(gym) else {
            return Ok(told(self.tools.unknown(tool)));
        };
        let deadline = ToolDeadline {
            idle: seconds(self.limits.tool_timeout_seconds).min(left),
            total: seconds(self.limits.tool_timeout_max_seconds).min(left),
        };
        let waiting = Waiting::at_most(deadline.idle, Awaited::Tool, format!("tool {tool} of {gym}"));
        let call = tokio::time::timeout(
            deadline.total + GRACE,
            session.call_tool(tool, arguments, deadline),
        );
        let late = |_| GymError::ToolTimeout {
            gym: gym.clone(),
            tool: tool.to_owned(),
            after: deadline.total,
        };
        Ok(self
            .watch()
            .busy(call, &waiting)
            .await
            .unwrap_or_else(|over| Err(late(over)))?)
    }
}

/// A sentence for the model in place of a tool's answer.
fn told(text: String) -> ToolOutput {
    ToolOutput {
        text,
        structured: Value::Null,
        is_error: true,
    }
}

fn arguments_of(call: &ToolCall) -> Result<Map<String, Value>, String> {
    match &call.arguments {
        Value::Object(arguments) => Ok(arguments.clone()),
        Value::Null => Ok(Map::new()),
        _ => Err(format!(
            "The arguments of `{}` must be one JSON object.",
            call.name
        )),
    }
}
