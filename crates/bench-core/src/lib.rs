//! The words and the sums of `bench`: what a harness file says, what a plan holds, what a trial
//! reported, when a verdict is true, and what it all adds up to.
//!
//! Everything here is a value or a pure function. This crate never touches the disk, the clock, the
//! environment, the network or a terminal: "now" is an argument, file texts are arguments, variables
//! are looked up through a closure. So every rule can be tested with plain values.
//!
//! | part | what it holds |
//! |---|---|
//! | [`harness`] | harness files (scenario form, task form, rows) → [`Harness`], all problems at once |
//! | [`gym`] | gym files → [`GymSpec`] |
//! | [`plan`] | [`PlanBuilder`] → [`Plan`]: the matrix scenario × model × repetition, with stable trial ids |
//! | [`compare`], [`verifier`] | what a verifier asks, and whether a value satisfies it |
//! | [`solution`] | `{{name/json/pointer}}`: results of earlier calls in later ones |
//! | [`lint`], [`schema`] | what is allowed but probably a mistake; JSON Schemas of the input files |
//! | [`problem`] | what is wrong with an input, and where |
//! | [`drift`] | whether a tool answered as it did when it was recorded |
//! | [`evidence`] | what went over the wire to a model |
//! | [`outcome`] | verdicts → outcome of a trial |
//! | [`event`], [`transcript`], [`record`] | what a running trial reports; the forms on disk |
//! | [`steps`] | what the checks of a trial said step by step |
//! | [`price`] | prices per million tokens, what calls cost |
//! | [`estimate`] | what a plan will cost, by what trials have cost before |
//! | [`session`] | events → progress and totals |
//! | [`statistics`] | totals → rates with intervals, comparisons with a verdict |

pub mod compare;
pub mod drift;
pub mod estimate;
pub mod event;
pub mod evidence;
pub mod gym;
pub mod harness;
pub mod hash;
pub mod id;
mod json;
pub mod limits;
pub mod lint;
pub mod model;
pub mod outcome;
pub mod plan;
pub mod price;
pub mod problem;
pub mod record;
pub mod schema;
pub mod session;
pub mod setting;
pub mod shown;
pub mod solution;
pub mod statistics;
pub mod steps;
mod suggest;
pub mod transcript;
pub mod usage;
pub mod verifier;

pub use compare::{CompareError, Comparison, Operator};
pub use event::Event;
pub use gym::{GymSpec, Transport};
pub use harness::{Harness, Prompt, Scenario, Solution, SolutionCall, Source};
pub use id::TrialId;
pub use limits::Limits;
pub use model::{ModelRef, ModelSettings, ModelSpec, Provider};
pub use outcome::{Outcome, Verdict, VerdictStatus};
pub use plan::{Gate, GymChoice, GymOverride, Plan, PlanBuilder, PlanChanges, Trial};
pub use price::{Cost, Price, Usd};
pub use problem::{Place, Problem, Problems, Severity};
pub use record::TrialRecord;
pub use session::{Progress, Session};
pub use setting::{SecretRef, Setting};
pub use usage::Usage;
pub use verifier::{Check, VerifierSpec};
