//! Faults given to the real binary from outside, and what must hold of its results afterwards.
//!
//! | part | what it does |
//! |---|---|
//! | [`strace`] | kills a process before a chosen system call, or lets that call fail |
//! | [`audit`] | reads a folder of results without the product's code and says what is wrong with it |
//! | [`leftovers`] | whether processes of a run outlive it |
//! | [`soak`] | workers, readers and random kills, for as long as wanted |
//! | [`volume`] | small, full and read-only file systems |
//! | [`world`] | a run of three trials on two gyms, made for breaking |
//! | `needs` | what a stage needs of the machine, and saying so where it is missing |
//!
//! The stages themselves are in `tests/battery`.

pub mod audit;
pub mod leftovers;
mod needs;
pub mod soak;
pub mod strace;
pub mod volume;
pub mod world;

pub use needs::{Need, lacks};
