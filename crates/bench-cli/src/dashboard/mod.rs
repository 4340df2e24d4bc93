//! The dashboard: every run, live and past, on one terminal. A reader of the run folders: closing it touches nothing. What
//! it is told to do about a run, commands of this program do.
//!
//! Each screen is a state, an `update` that takes a message and says what is to be done about it, and a `draw` that turns
//! the state into cells. Neither reads files, asks the clock or waits; threads in [`data`] do, and send what they find.
//! One thread, the [`app`], takes in messages and draws.
//!
//! | part | what it does |
//! |---|---|
//! | [`app`] | the screens on top of each other, the loop, when to draw |
//! | [`enter`], [`beside`] | the ways in: all runs, one that is attached to, the run of this process |
//! | [`home`] | runs in progress and completed ones |
//! | [`mod@run`] | one run: its models, its trials, what they wait for |
//! | [`trial`] | one trial: what was said, its verdicts, its requests, its log |
//! | [`acts`] | what can be done about runs: asked, done, told, above every screen |
//! | [`data`] | threads that read the store |
//! | [`pager`] | a transcript in a program of the user's own choice, which has the terminal meanwhile |
//! | [`keys`] | which key does what, on which screen: for decoding, footers and help alike |
//! | [`terminal`] | taking over the terminal, and giving it back whatever happens |
//! | [`input`] | threads that send keys and signals |
//! | [`look`], [`paint`], [`wrap`], [`scroll`] | colours and signs; lines that fit; lines that do not; texts that do not |

mod acts;
mod app;
mod beside;
mod data;
mod enter;
mod home;
mod input;
mod keys;
mod look;
mod message;
mod pager;
mod paint;
mod run;
mod scroll;
mod terminal;
#[cfg(test)]
mod test_screen;
mod trial;
mod wrap;

pub(crate) use beside::{Beside, Curtain};
pub(crate) use enter::{attached, can_run, lacks, run};
