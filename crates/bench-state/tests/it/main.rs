//! The store as an embedder sees it, in five parts: an ordinary life, the deaths of workers, damaged and foreign
//! files, what a reader may touch, and random histories against a model.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the way tests do"
)]

mod damage;
mod deaths;
mod job;
mod life;
mod model;
mod reading;
