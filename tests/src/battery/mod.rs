//! Faults given to the real binary from outside, and what must hold of its results afterwards.
//!
//! | part | what it does |
//! |---|---|
//! | [`strace`] | kills a process before a chosen system call, or lets that call fail |
//! | [`audit`] | reads a folder of results without the product's code and says what is wrong with it |
//! | `needs` | what a stage needs of the machine, and saying so where it is missing |
//!
//! The stages themselves are in `tests/battery`.

pub mod audit;
mod needs;
pub mod strace;

pub use needs::{Need, lacks};
