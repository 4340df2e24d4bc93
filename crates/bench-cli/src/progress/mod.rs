//! Progress of a run under way, on a thread of its own: a terminal that does not read must never hold up a trial.
//!
//! | part | what it does |
//! |---|---|
//! | [`Show`] | the thread, and the listener that feeds it |
//! | [`Watcher`] | the seam: `bars`, `plain` and `lines` look at the same events |
//! | [`board`] | the counters they show |

mod bars;
pub(crate) mod board;
mod lines;
mod plain;

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use bench_core::{Event, Plan};
use bench_runner::Earlier;
use bench_state::RunId;
use chrono::{DateTime, Utc};

use crate::args::run::Ui;
use crate::context::{Context, Look};
use crate::dashboard::{Beside, Curtain};
use crate::progress::board::Board;
use crate::render::error::in_a_line;

/// Time between two looks at the clock while nothing happens.
const TICK: Duration = Duration::from_millis(200);
/// How long the last words of the progress may take after the run is over.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Shows events as they happen.
pub(crate) trait Watcher: Send {
    /// Something became durable.
    fn event(&mut self, event: &Event, at: DateTime<Utc>);

    /// Some time has passed.
    fn tick(&mut self, _now: DateTime<Utc>) {}

    /// Nothing more will come.
    fn end(&mut self) {}
}

/// The thread that shows progress.
pub(crate) struct Show {
    events: Sender<(Event, DateTime<Utc>)>,
    ended: Receiver<()>,
    /// Hides the bars.
    curtain: Curtain,
    /// What hides them.
    view: Option<Beside>,
}

impl Show {
    /// Starts showing a run of this plan, of which some trials may be over.
    pub(crate) fn start(
        plan: &Plan,
        earlier: &Earlier,
        ui: Ui,
        json: bool,
        cx: &Context,
    ) -> std::io::Result<Self> {
        let mut watchers: Vec<Box<dyn Watcher>> = Vec::new();
        if json {
            watchers.push(Box::new(lines::Lines::new(cx.out.clone())));
        }
        let curtain = Curtain::new(ui == Ui::Tui);
        match kind(ui, json, cx.out_look, cx.err_look) {
            Kind::Bars => {
                let board = Board::new(plan, earlier);
                let bars = bars::Bars::new(board, cx.err.clone(), cx.err_look, curtain.clone());
                watchers.push(Box::new(bars));
            }
            Kind::Plain => {
                let board = Board::new(plan, earlier);
                watchers.push(Box::new(plain::Plain::new(plan, board, cx.err.clone(), cx.now)));
            }
            Kind::Nothing => {}
        }
        let (events, queue) = channel();
        let (done, ended) = channel();
        thread::Builder::new().name("progress".into()).spawn(move || {
            watch(&queue, &mut watchers);
            done.send(()).unwrap_or_default(); // nobody waits any more
        })?;
        Ok(Self {
            events,
            ended,
            curtain,
            view: None,
        })
    }

    /// Opens the view of the run of this process in front of everything else. Without it there are bars.
    pub(crate) fn open_view(&mut self, run: &RunId, cx: &Context) {
        match Beside::open(run.clone(), self.curtain.clone(), cx) {
            Ok(view) => self.view = Some(view),
            Err(error) => {
                self.curtain.open();
                writeln!(cx.err.clone(), "{}", in_a_line(&error)).unwrap_or_default(); // nobody listens
            }
        }
    }

    /// What the runner calls for every event: never waits.
    pub(crate) fn listener(&self) -> bench_runner::Listener {
        let events = self.events.clone();
        // Without a thread nobody watches, and the run goes on.
        Box::new(move |event, at| events.send((event.clone(), at)).unwrap_or_default())
    }

    /// Waits until everything is shown; every listener must be gone. `false` if a stuck terminal holds it up.
    pub(crate) fn finish(mut self) -> bool {
        let left = self.view.as_mut().is_none_or(Beside::close);
        drop(self.events);
        left && self.ended.recv_timeout(LAST_WORDS).is_ok()
    }
}

fn watch(queue: &Receiver<(Event, DateTime<Utc>)>, watchers: &mut [Box<dyn Watcher>]) {
    loop {
        match queue.recv_timeout(TICK) {
            Ok((event, at)) => all(watchers, |watcher| watcher.event(&event, at)),
            Err(RecvTimeoutError::Timeout) => all(watchers, |watcher| watcher.tick(Utc::now())),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    all(watchers, |watcher| watcher.end());
}

fn all(watchers: &mut [Box<dyn Watcher>], mut show: impl FnMut(&mut dyn Watcher)) {
    for watcher in watchers {
        show(watcher.as_mut());
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Bars,
    Plain,
    Nothing,
}

/// Bars need a terminal on stderr that no event lines are written to.
fn kind(ui: Ui, json: bool, out: Look, err: Look) -> Kind {
    let bars = err.terminal && !(json && out.terminal);
    match (ui, bars, json) {
        (Ui::Auto | Ui::Tui, true, _) => Kind::Bars,
        (Ui::Auto | Ui::Tui, false, false) | (Ui::Plain, ..) => Kind::Plain,
        (Ui::Auto | Ui::Tui, false, true) | (Ui::Quiet, ..) => Kind::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_appear_only_where_nothing_tears_them() {
        let look = |terminal| Look {
            width: 80,
            terminal,
            color: false,
        };
        for (ui, json, out, err, want) in [
            (Ui::Auto, false, true, true, Kind::Bars),
            (Ui::Auto, false, false, true, Kind::Bars),
            (Ui::Auto, true, false, true, Kind::Bars),
            (Ui::Auto, true, true, true, Kind::Nothing),
            (Ui::Auto, false, true, false, Kind::Plain),
            (Ui::Plain, true, true, true, Kind::Plain),
            (Ui::Quiet, false, true, true, Kind::Nothing),
            (Ui::Tui, false, true, true, Kind::Bars),
            (Ui::Tui, false, true, false, Kind::Plain),
        ] {
            assert_eq!(
                kind(ui, json, look(out), look(err)),
                want,
                "{ui:?} {json} {out} {err}"
            );
        }
    }
}
