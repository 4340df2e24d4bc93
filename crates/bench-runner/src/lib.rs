//! Runs benchmarks: lets each model of a plan try each scenario against its gyms, checks the final
//! state, and reports what happened. No terminal, no arguments, no paths inside a run folder.

pub mod env;
pub mod gym;
pub mod model;
pub mod process;
pub mod verify;
