//! What comes in over the one channel of the dashboard.

use std::sync::mpsc::Sender;
use std::time::Instant;

use bench_core::TrialId;
use bench_state::RunId;
use ratatui::crossterm::event::Event;

use super::acts::child::Outcome;
use super::data::runs::RunsNews;
use super::run::RunNews;
use super::trial::TrialNews;

/// Something to take in.
pub(crate) enum Message {
    /// A key, the wheel, a new size, a text that was pasted.
    Input {
        event: Event,
        /// When the first of the keys was pressed that came with this one, each right behind the other.
        since: Instant,
    },
    /// The terminal cannot be read any more.
    InputGone(std::io::Error),
    /// A signal asks the program to end.
    Signal(&'static str),
    /// The list of runs changed.
    Runs(RunsNews),
    /// What is known of a run changed.
    Run(RunId, RunNews),
    /// What is known of a trial of a run changed.
    Trial(RunId, TrialId, TrialNews),
    /// The command of this number ended.
    Acted(usize, Outcome),
    /// The pager has ended.
    Paged,
    /// There is nothing to be shown any more.
    Leave,
    /// A thread panicked.
    Broke(&'static str),
}

/// Where messages go. Whoever sends them ends when nobody takes them in any more.
pub(crate) type Tell = Sender<Message>;
