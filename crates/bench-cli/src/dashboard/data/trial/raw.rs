//! What went over the wire for the chosen entry.

use bench_report::conversation::{Piece, Tone};
use bench_report::evidence::{WHY_NONE, pieces};
use bench_runner::BenchJob;
use bench_runner::evidence::{Index, SUFFIX};
use bench_state::{ItemId, RunView};

use super::pages::Pages;
use super::{Changed, at_most, said};
use crate::dashboard::trial::{TrialNews, Wish};

/// Most that is shown, in bytes.
const MOST: usize = 1 << 20;
/// Requests for one reply that are shown.
const MOST_AGAIN: usize = 8;

/// The evidence of the trial, as far as it was looked through.
#[derive(Default)]
pub(super) struct Raw {
    index: Option<Index>,
    /// The entry that was last told of, and the records that were known then.
    told: Option<(usize, usize)>,
}

impl Raw {
    /// What changed since the last time.
    pub(super) fn look(
        &mut self,
        wish: &Wish,
        view: &RunView<BenchJob>,
        id: &ItemId,
        pages: &Pages,
    ) -> Changed {
        let Some(entry) = wish.raw else {
            self.told = None;
            return Ok(None);
        };
        if self.index.is_none() {
            self.index = view.item_file(id, SUFFIX).map_err(said)?.map(Index::new);
        }
        if let Some(index) = &mut self.index {
            index.grow().map_err(said)?;
        }
        let known = self.index.as_ref().map_or(0, Index::len);
        if self.told == Some((entry, known)) {
            return Ok(None);
        }
        let requests = match &self.index {
            Some(index) => index.asked_by(pages.at(entry), MOST_AGAIN).map_err(said)?,
            None => Vec::new(),
        };
        let mut shown: Vec<Piece> = requests.iter().flat_map(pieces).collect();
        if shown.is_empty() {
            let (tone, text) = (Tone::Fact, format!("no request was kept: {WHY_NONE}"));
            shown.push(Piece { tone, text });
        }
        self.told = Some((entry, known));
        Ok(Some(TrialNews::Raw(entry, at_most(shown, MOST))))
    }
}
