//! Recipes: small programs that show how to use the crates of `bench`. Every one of them runs offline.
//!
//! | recipe | shows |
//! |---|---|
//! | `embed_runner` | a benchmark inside your own program: own verifier, own model client, the built-in tracker |
//! | `own_gym` | a gym in process, without MCP: a type that implements two traits |
//! | `background_job_state` | `bench-state` alone: a job that has nothing to do with models, and its sudden death |
//! | `ci_gate.sh` | a pass rate as a condition in continuous integration |
//!
//! `examples/run-all` runs them all. The folders beside `src` hold harnesses: `quickstart`, `filesystem`, `memory`.

/// The programs in that page are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
