//! Verifiers at run time: execute a check on the final state and say what was found.
//!
//! Anything that stops a check from being executed is an errored verdict, never a false one.

use std::path::Path;

use bench_core::transcript::ToolCall;
use bench_core::{Scenario, Verdict, VerifierSpec};
use futures_util::future::BoxFuture;

use crate::gym::GymSession;

/// A check that an embedding program brings, registered by name (`Check::Custom`).
pub trait Verifier: Send + Sync {
    /// Looks at the final state.
    fn verify<'a>(&'a self, spec: &'a VerifierSpec, end: &'a TrialEnd<'a>) -> BoxFuture<'a, Verdict>;
}

/// Everything a verifier may look at.
pub struct TrialEnd<'a> {
    /// The scenario that was tried.
    pub scenario: &'a Scenario,
    /// The final answer, if there was one.
    pub answer: Option<&'a str>,
    /// All tool calls, in order.
    pub calls: &'a [CallRecord],
    /// The open gyms: name and session, the scenario's first gym first.
    pub gyms: &'a [(String, Box<dyn GymSession>)],
    /// The trial's scratch folder (`{{trial_dir}}`).
    pub scratch: &'a Path,
    /// The folder that relative paths of the harness start from.
    pub harness_dir: &'a Path,
    /// The run, for `BENCH_RUN_ID` of children.
    pub run_id: &'a str,
}

/// A tool call that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// What was called.
    pub call: ToolCall,
    /// Whether it failed (tool error, unknown tool, bad arguments, deadline).
    pub failed: bool,
}
