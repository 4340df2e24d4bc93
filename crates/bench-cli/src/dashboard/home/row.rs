//! A run in the list: what is known of it, and how that is said.

use std::time::Duration;

use bench_core::{Progress, TrialId};
use bench_report::runs;
use bench_state::RunId;
use chrono::{DateTime, Utc};

use crate::commands::Refused;
use crate::dashboard::look::Sign;
use crate::progress::board::Wait;

pub(crate) use bench_report::text::whole_seconds as whole;

/// A tool or a gym that takes longer than this, while nothing else moves, holds the run up.
const STALLED: Duration = Duration::from_secs(30);
/// A wait is worth a line of its own from here on, although other trials move.
const NOTEWORTHY: Duration = Duration::from_secs(10);

/// Which run it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// One of ours.
    Run(RunId),
    /// One of the older tool, by its folder.
    Older(String),
}

/// What the list shows of a run. Its texts are safe for a terminal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) harness: String,
    pub(crate) models: String,
    /// Repetitions; 0 if that is not known.
    pub(crate) runs: u32,
    pub(crate) progress: Progress,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) stand: Stand,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stand {
    Going(Going),
    Over(Over),
}

/// A run that goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Going {
    pub(crate) doing: Doing,
    /// What it cost so far; none if nobody pays.
    pub(crate) cost: Option<String>,
    /// About how much longer it takes.
    pub(crate) left: Option<Duration>,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    /// `completed`, `failed`, `cancelled`, or the older tool's word.
    pub(crate) word: String,
    /// Why, where the word alone does not say it.
    pub(crate) cause: Option<String>,
    /// Why it cannot be resumed.
    pub(crate) refused: Option<Refused>,
}

/// What a run that goes on is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    /// No trial has begun.
    Beginning,
    /// Trials move; the one that waits longest, if one does.
    Running(Option<Waiting>),
    /// No trial moves.
    Waiting(Waiting),
    /// Somebody asked for its end.
    Ending { since: DateTime<Utc> },
    /// Its worker has its lease, but gives no sign of life.
    Silent { since: DateTime<Utc> },
    /// The process of its worker is stopped.
    Stopped {
        pid: u32,
        /// The last sign of life.
        heard: Option<DateTime<Utc>>,
    },
    /// Its worker is on another machine and gives no sign of life.
    Unknown { since: Option<DateTime<Utc>> },
    /// Its worker is gone, and the run could not be given its end.
    Orphaned,
}

/// A wait, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) trial: String,
    pub(crate) wait: Wait,
    /// Further trials that wait.
    pub(crate) more: usize,
}

impl Waiting {
    /// The wait of a trial.
    pub(crate) fn of(trial: &TrialId, wait: &Wait, more: usize) -> Self {
        Self {
            trial: trial.to_string(),
            wait: wait.clone(),
            more,
        }
    }

    /// Whether something that should be quick is not.
    pub(crate) fn is_stalled(&self, now: DateTime<Utc>) -> bool {
        let wait = &self.wait;
        !wait.idle && wait.kind.is_usually_quick() && wait.waited(now) >= STALLED
    }

    /// `given up in 42s · tool search of jira · waits 18s`.
    pub(crate) fn words_alone(&self, now: DateTime<Utc>) -> String {
        self.wait.words(now)
    }

    /// The same with the trial, and how many more there are.
    fn words(&self, waits: &str, now: DateTime<Utc>) -> String {
        let more = match self.more {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        format!("{} ({}{more})", self.wait.told_as(waits, now), self.trial)
    }
}

impl Row {
    /// Whether it goes on.
    pub(crate) fn is_going(&self) -> bool {
        matches!(self.stand, Stand::Going(_))
    }

    /// One word for where it stands.
    pub(crate) fn word(&self, now: DateTime<Utc>) -> &str {
        match &self.stand {
            Stand::Over(over) => &over.word,
            Stand::Going(going) => match &going.doing {
                Doing::Beginning => "starting",
                Doing::Running(_) => "running",
                Doing::Waiting(waiting) if waiting.is_stalled(now) => "stalled",
                Doing::Waiting(_) => "waiting",
                Doing::Ending { .. } => "ending",
                Doing::Silent { .. } => "silent",
                Doing::Stopped { .. } => "stopped",
                Doing::Unknown { .. } => "unknown",
                Doing::Orphaned => "orphaned",
            },
        }
    }

    /// The sign of where it stands; none while it runs, for that is shown by something that turns.
    pub(crate) fn sign(&self, now: DateTime<Utc>) -> Option<Sign> {
        match self.word(now) {
            "starting" | "running" => None,
            "waiting" | "ending" => Some(Sign::Waiting),
            "completed" if self.none_judged().is_some() => Some(Sign::Errored),
            "completed" => Some(Sign::Passed),
            "failed" => Some(Sign::Failed),
            "cancelled" => Some(Sign::Cancelled),
            "stalled" | "silent" | "stopped" | "orphaned" => Some(Sign::Errored),
            _ => Some(Sign::Unscored),
        }
    }

    /// What follows by itself, or what helps, and why, if there is something to be said: in this order, for a line that is cut
    /// off.
    pub(crate) fn note(&self, now: DateTime<Utc>) -> Option<String> {
        let age = |since: DateTime<Utc>| whole((now - since).to_std().unwrap_or_default());
        let going = match &self.stand {
            Stand::Over(over) => return over.cause.clone(),
            Stand::Going(going) => going,
        };
        match &going.doing {
            Doing::Beginning | Doing::Running(None) => None,
            Doing::Running(Some(waiting)) => {
                (waiting.wait.waited(now) >= NOTEWORTHY).then(|| waiting.words("longest wait", now))
            }
            Doing::Waiting(waiting) if waiting.is_stalled(now) => Some(waiting.words("stalled", now)),
            Doing::Waiting(waiting) => Some(waiting.words("waits", now)),
            Doing::Ending { since } => Some(format!(
                "running trials are being ended · asked for {} ago",
                age(*since)
            )),
            Doing::Silent { since } => Some(format!(
                "`bench-cli kill` ends it, nothing else does · its worker lives, but gave no sign for {}",
                age(*since)
            )),
            Doing::Stopped { pid, heard } => {
                let heard = heard.map(|at| format!(" · last sign {} ago", age(at)));
                Some(format!(
                    "`kill -CONT {pid}` continues it, `bench-cli kill` ends it · worker stopped{}",
                    heard.unwrap_or_default()
                ))
            }
            Doing::Unknown { since: Some(since) } => Some(format!(
                "`cleanup` can end it · its worker on another machine is silent for {}",
                age(*since)
            )),
            Doing::Unknown { since: None } => {
                Some("`cleanup` can end it · its worker is on another machine and gave no sign".to_owned())
            }
            Doing::Orphaned => {
                Some("settled as failed (worker_lost) by who can write here · its worker is gone".to_owned())
            }
        }
    }

    /// How it ended, for whoever did not look: `run_… completed: 45/50 verifiers passed`.
    pub(crate) fn ended_words(&self) -> String {
        let word = match &self.stand {
            Stand::Over(over) => &over.word,
            Stand::Going(_) => "goes on",
        };
        match (
            self.progress.verifiers_passed,
            self.progress.verifiers_total,
            self.none_judged(),
        ) {
            (.., Some(none)) => format!("{} {word}: {none}", self.id()),
            (_, 0, _) => format!("{} {word}", self.id()),
            (passed, total, _) => format!("{} {word}: {passed}/{total} verifiers passed", self.id()),
        }
    }

    /// `0/16 judged`, of a run that is over without a single verdict.
    pub(crate) fn none_judged(&self) -> Option<String> {
        if self.is_going() {
            return None; // there may be verdicts yet
        }
        runs::none_judged(&self.progress)
    }

    /// Share of verifiers that were true.
    pub(crate) fn share(&self) -> Option<f64> {
        let (passed, total) = (self.progress.verifiers_passed, self.progress.verifiers_total);
        (total > 0).then(|| f64::from(passed) / f64::from(total))
    }

    /// The name it is known by.
    pub(crate) fn id(&self) -> &str {
        match &self.key {
            Key::Run(id) => id.as_str(),
            Key::Older(id) => id,
        }
    }

    /// Whether all these words, in lower case, are in its texts.
    pub(crate) fn has(&self, words: &[String], now: DateTime<Utc>) -> bool {
        // The word that `list --status` goes by, too: what waits or stands still is running.
        let status = if self.is_going() { "running" } else { "" };
        let fields = [self.id(), &self.harness, &self.models, self.word(now), status];
        let text = fields.join(" ").to_lowercase();
        words.iter().all(|word| text.contains(word))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bench_core::Event;
    use bench_core::event::Awaited;
    use bench_runner::Earlier;

    use super::*;
    use crate::progress::board::Board;
    use crate::progress::board::tests::plan;

    pub(crate) fn now() -> DateTime<Utc> {
        "2026-01-02T05:04:05Z".parse().unwrap()
    }

    pub(crate) fn ago(seconds: i64) -> DateTime<Utc> {
        now() - chrono::TimeDelta::seconds(seconds)
    }

    /// A wait that ends a minute after it began.
    pub(crate) fn waiting(kind: Awaited, reason: &str, seconds: i64) -> Waiting {
        let idle = matches!(kind, Awaited::RateLimit | Awaited::Budget);
        let event = Event::TrialWaiting {
            trial: "create-bug~gpt-4o~1".parse().unwrap(),
            kind,
            waiting_for: reason.into(),
            waited_ms: 1_000,
            then: if idle { "sent again" } else { "given up" }.into(),
            then_in_ms: Some(59_000),
            idle,
        };
        let mut board = Board::new(&plan(), &Earlier::default());
        board.event(&event, ago(seconds - 1));
        let (trial, wait, _) = board.longest().unwrap();
        Waiting::of(trial, wait, 2)
    }

    fn row(doing: Doing) -> Row {
        Row {
            key: Key::Older("x".into()),
            harness: "h".into(),
            models: "m".into(),
            runs: 1,
            progress: Progress::default(),
            started_at: ago(600),
            stand: Stand::Going(Going {
                doing,
                cost: None,
                left: None,
            }),
        }
    }

    #[test]
    fn every_state_says_its_cause_and_what_follows() {
        let (reply, tool, rate) = (Awaited::Reply, Awaited::Tool, Awaited::RateLimit);
        let states = [
            Doing::Beginning,
            Doing::Running(None),
            Doing::Running(Some(waiting(reply, "reply of openai:o3", 3))),
            Doing::Running(Some(waiting(tool, "tool search of jira", 12))),
            Doing::Waiting(waiting(rate, "openai:gpt-4o: rate \x1b[2Jlimited", 45)),
            Doing::Waiting(waiting(rate, "openai:gpt-4o: it limits its rate", 61)),
            Doing::Waiting(waiting(reply, "reply of openai:o3", 45)),
            Doing::Waiting(waiting(tool, "tool search of jira", 29)),
            Doing::Waiting(waiting(tool, "tool search of jira", 30)),
            Doing::Waiting(waiting(tool, "tool search of jira", 61)),
            Doing::Waiting(waiting(tool, "tool search of jira", 63)),
            Doing::Ending { since: ago(5) },
            Doing::Silent { since: ago(125) },
            Doing::Stopped {
                pid: 4711,
                heard: Some(ago(12)),
            },
            Doing::Unknown {
                since: Some(ago(300)),
            },
            Doing::Unknown { since: None },
            Doing::Orphaned,
        ];
        let said = states.map(|doing| {
            let row = row(doing);
            format!("{}: {}\n", row.word(now()), row.note(now()).unwrap_or_default())
        });
        insta::assert_snapshot!(said.concat(), @r"
        starting: 
        running: 
        running: 
        running: given up in 48s, then tried again (2 of 2) · tool search of jira · longest wait 12s (create-bug~gpt-4o~1, and 2 more)
        waiting: next request in 15s · rate limit · openai:gpt-4o: rate ␛[2Jlimited · waits 45s (create-bug~gpt-4o~1, and 2 more)
        waiting: next request as soon as it is its turn · rate limit · openai:gpt-4o: it limits its rate · waits 1m 01s (create-bug~gpt-4o~1, and 2 more)
        waiting: given up in 15s · reply of openai:o3 · waits 45s (create-bug~gpt-4o~1, and 2 more)
        waiting: given up in 31s, then tried again (2 of 2) · tool search of jira · waits 29s (create-bug~gpt-4o~1, and 2 more)
        stalled: given up in 30s, then tried again (2 of 2) · tool search of jira · stalled 30s (create-bug~gpt-4o~1, and 2 more)
        stalled: given up now, then tried again (2 of 2) · tool search of jira · stalled 1m 01s (create-bug~gpt-4o~1, and 2 more)
        stalled: given up when it reports no more progress, then tried again (2 of 2) · tool search of jira · stalled 1m 03s (create-bug~gpt-4o~1, and 2 more)
        ending: running trials are being ended · asked for 5s ago
        silent: `bench-cli kill` ends it, nothing else does · its worker lives, but gave no sign for 2m 05s
        stopped: `kill -CONT 4711` continues it, `bench-cli kill` ends it · worker stopped · last sign 12s ago
        unknown: `cleanup` can end it · its worker on another machine is silent for 5m 00s
        unknown: `cleanup` can end it · its worker is on another machine and gave no sign
        orphaned: settled as failed (worker_lost) by who can write here · its worker is gone
        ");
    }
}
