//! Results of a run as text: tables, a trial's page, a conversation.
//!
//! Pure functions: values of `bench-core` in, text out. The width is an argument; nothing here knows a
//! terminal, a file or a clock. Text that models and servers wrote passes [`text::clean`] on its way, so
//! that none of it can command a terminal.
//!
//! | part | what it shows |
//! |---|---|
//! | [`summary`] | one row per model: outcomes, pass rate with its range, verifiers, tokens |
//! | [`scenarios`] | scenarios that not every model passed, as a grid |
//! | [`causes`] | why trials did not end in a verdict, grouped and counted |
//! | [`drift`] | replayed trials that went otherwise than recorded |
//! | [`evidence`] | one request to a model and what came back |
//! | [`trial`] | one trial: its outcome and verdicts |
//! | [`steps`] | one trial: when its verifiers held, step by step |
//! | [`compare`] | two models, or two runs, side by side, with a verdict |
//! | [`conversation`] | one trial: everything that was said |
//! | [`rescore`] | what judging a run again has changed |
//! | [`runs`] | a list of runs |
//! | [`report`] | a run as a document: values, and an HTML page made of them |
//! | [`json`] | values for programs, harmless on a terminal too |
//! | [`table`], [`text`] | what they are made of |
//!
//! ```
//! use bench_core::session::{Cell, OutcomeCounts, Session, Totals};
//!
//! let outcomes = OutcomeCounts { passed: 3, failed: 1, ..Default::default() };
//! let row = Totals { model: "oracle".into(), trials_total: 4, outcomes, ..Default::default() };
//! let session = Session {
//!     format: 1,
//!     harness_name: "quickstart".into(),
//!     label: None,
//!     runs: 1,
//!     cells: vec![Cell { scenario_id: "comment-on-issue".into(), totals: row.clone() }],
//!     models: vec![row],
//!     databases: vec![],
//! };
//! let text = bench_report::summary::table(&session).render(80);
//! assert!(text.contains("75.0%"));
//! ```

pub mod causes;
pub mod compare;
pub mod conversation;
pub mod drift;
pub mod evidence;
pub mod json;
pub mod report;
pub mod rescore;
pub mod runs;
pub mod scenarios;
pub mod sections;
pub mod steps;
pub mod summary;
pub mod table;
pub mod text;
pub mod trial;
