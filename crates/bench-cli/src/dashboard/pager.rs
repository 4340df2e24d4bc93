//! The transcript of a trial in a pager: a program of the user's own choice, which has the terminal meanwhile.
//!
//! The text is written into its stdin while it is made: a long one is there at once, and none is left on the disk. The pager
//! is in the dashboard's own process group, as if a shell had started both: Ctrl-Z stops both, and Ctrl-C, which reaches
//! both, is the pager's alone ([`Paging::takes`]). Whatever ends the dashboard meanwhile ends the pager, too.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bench_core::TrialId;
use bench_report::conversation::Detail;
use bench_runner::BenchJob;
use bench_state::{ItemId, RunId, RunStore};
use chrono::Utc;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::data::watched;
use super::input::Keys;
use super::message::{Message, Tell};
use super::terminal::Screen;
use crate::commands::write_trial;
use crate::error::CliError;
use crate::render::error::in_a_line;
use crate::sink::Sink;

/// What helps where nothing could be read.
const ADVICE: &str = "set PAGER to a pager, such as `less -R`";
/// A program that is over so soon has shown nothing that anybody could read.
const AT_ONCE: Duration = Duration::from_millis(300);
/// How long a pager may take to leave the terminal in order once it is asked to.
const PATIENCE: Duration = Duration::from_secs(1);
/// Ctrl-C in a pager may be heard so long after the pager, which it ended.
const LATE: Duration = Duration::from_secs(1);

/// The programs to try, in this order, each in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Programs(Vec<Vec<String>>);

impl Programs {
    /// `PAGER`, else what there usually is. None if `PAGER` is no command.
    pub(crate) fn of(variables: &BTreeMap<String, String>) -> Self {
        let named = variables.get("PAGER").filter(|named| !named.trim().is_empty());
        Self(match named.map(|named| shlex::split(named)) {
            None => vec![vec!["less".into(), "-R".into()], vec!["more".into()]],
            Some(words) => words.into_iter().filter(|words| !words.is_empty()).collect(),
        })
    }
}

/// What is to be read.
pub(crate) struct Transcript {
    pub(crate) store: RunStore<BenchJob>,
    pub(crate) run: RunId,
    pub(crate) trial: TrialId,
    /// How wide its tables may be.
    pub(crate) columns: usize,
}

/// Who has the terminal.
pub(crate) struct Paging {
    programs: Programs,
    wanted: Option<Transcript>,
    open: Option<Open>,
    /// Whether the one that is open has ended.
    over: bool,
    /// When the last one was taken away.
    left: Option<Instant>,
}

/// The terminal is the dashboard's again.
pub(crate) struct Back {
    /// What went wrong.
    pub(crate) words: Option<String>,
}

impl Paging {
    /// The terminal is the dashboard's.
    pub(crate) fn new(programs: Programs) -> Self {
        Self {
            programs,
            wanted: None,
            open: None,
            over: false,
            left: None,
        }
    }

    /// This is to be read at the next turn.
    pub(crate) fn want(&mut self, what: Transcript) {
        self.wanted = Some(what);
    }

    /// The pager has ended; the next turn takes the terminal back.
    pub(crate) fn ended(&mut self) {
        self.over = true;
    }

    /// Whether a pager has the terminal.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a signal is the pager's: Ctrl-C in it reaches the dashboard, too.
    pub(crate) fn takes(&self, signal: &str) -> bool {
        let late = || self.left.is_some_and(|left| left.elapsed() < LATE);
        signal == "SIGINT" && (self.is_open() || late())
    }

    /// Lends the terminal or takes it back, if that is due.
    pub(crate) fn turn(
        &mut self,
        screen: &mut Screen,
        keys: &mut Keys,
        tell: &Tell,
    ) -> io::Result<Option<Back>> {
        let words = if let Some(what) = self.wanted.take() {
            keys.stop();
            screen.lend()?;
            match self.programs.start(what, tell)? {
                Ok(open) => {
                    (self.open, self.over) = (Some(open), false);
                    return Ok(None);
                }
                Err(words) => Some(words),
            }
        } else if std::mem::take(&mut self.over)
            && let Some(mut open) = self.open.take()
        {
            self.left = Some(Instant::now());
            trouble(&open.shown, open.child.wait()?, open.since.elapsed())
        } else {
            return Ok(None);
        };
        screen.take_back()?;
        keys.go_on()?;
        Ok(Some(Back { words }))
    }

    /// Ends the pager, if there is one.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }
}

impl Programs {
    /// Starts the first there is, or says why there is none. The threads around it may fail to start, too.
    fn start(&self, what: Transcript, tell: &Tell) -> io::Result<Result<Open, String>> {
        let mut why = format!("PAGER is no command: {ADVICE}");
        for words in &self.0 {
            match spawn(words) {
                Ok(child) => return Open::new(child, words.join(" "), what, tell).map(Ok),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    why = format!("`{}` was not found: {ADVICE}", words.join(" "));
                }
                Err(error) => {
                    let words = words.join(" ");
                    return Ok(Err(format!("`{words}` could not be started: {error}; {ADVICE}")));
                }
            }
        }
        Ok(Err(why))
    }
}

fn spawn(words: &[String]) -> io::Result<Child> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::NotFound)?;
    // Who told `less` to end at the end of a short text did not mean that it is not to be seen at all.
    let options = std::env::var("LESS").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).env("LESS", format!("{options} -+F"));
    command.stdin(Stdio::piped()).spawn()
}

/// A pager that has the terminal. Dropping it ends it.
struct Open {
    child: Child,
    /// What was started.
    shown: String,
    since: Instant,
    /// Closed when it has ended.
    ended: Receiver<()>,
}

impl Open {
    /// Writes to a pager that has begun, and waits for its end, in threads.
    fn new(mut child: Child, shown: String, what: Transcript, tell: &Tell) -> io::Result<Self> {
        let (end, ended) = channel();
        let (stdin, pid) = (child.stdin.take(), Pid::from_child(&child));
        let open = Self {
            child,
            shown,
            since: Instant::now(),
            ended,
        };
        watched("pager", tell.clone(), move |tell| {
            let _end: Sender<()> = end;
            // It is left for the other thread to take away: until then no other process has its number.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            retry_on_intr(|| waitid(WaitId::Pid(pid), options)).unwrap_or_default();
            tell.send(Message::Paged).unwrap_or_default(); // nobody listens
        })?;
        if let Some(stdin) = stdin {
            watched("transcript", tell.clone(), move |_| what.write(stdin))?;
        }
        Ok(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked, it leaves the terminal as it was.
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap_or_default();
        if self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            self.child.kill().unwrap_or_default();
        }
        self.child.wait().unwrap_or_default();
    }
}

impl Transcript {
    /// Writes it until it is all there, or until nobody reads it any more.
    fn write(&self, to: impl Write + Send + 'static) {
        let to: Box<dyn Write + Send> = Box::new(BufWriter::new(to));
        let mut out = Sink::plain(to);
        if let Err(error) = self.write_to(&mut out) {
            writeln!(out, "{}", in_a_line(&error)).unwrap_or_default(); // nobody reads it
        }
        out.flush().unwrap_or_default();
    }

    fn write_to(&self, out: &mut Sink) -> Result<(), CliError> {
        let view = self.store.read(&self.run, Utc::now())?;
        let id: ItemId = self.trial.as_str().parse()?;
        let mut err = out.clone();
        write_trial(&view, &id, Detail::Full, self.columns, (out, &mut err))
    }
}

/// What there is to say about the end of a pager.
fn trouble(shown: &str, status: ExitStatus, after: Duration) -> Option<String> {
    let ctrl_c = Signal::INT.as_raw();
    match (status.code(), status.signal()) {
        (Some(0), _) if after < AT_ONCE => Some(format!("`{shown}` was over at once: {ADVICE}")),
        (Some(0), _) => None,
        (_, Some(signal)) if signal == ctrl_c => None,
        (Some(127), _) => Some(format!("`{shown}` found no program: {ADVICE}")),
        (Some(code), _) => Some(format!("`{shown}` ended with exit status {code}")),
        (None, signal) => Some(format!(
            "`{shown}` was killed by signal {}",
            signal.unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(pager: &str) -> Vec<Vec<String>> {
        Programs::of(&BTreeMap::from([("PAGER".into(), pager.into())])).0
    }

    #[test]
    fn what_is_asked_for_is_split_as_a_shell_does() {
        assert_eq!(programs("'my pager' -x \"a b\""), [["my pager", "-x", "a b"]]);
        let usual = Programs::of(&BTreeMap::new()).0;
        assert_eq!(usual, [vec!["less", "-R"], vec!["more"]]);
        assert_eq!(programs(" "), usual, "an empty variable is no choice");
        let none: Vec<Vec<String>> = Vec::new();
        assert_eq!(programs("less 'never closed"), none);
        assert_eq!(programs("# less"), none);
    }

    #[test]
    fn without_a_program_it_is_said_what_to_set() {
        let dir = tempfile::tempdir().unwrap();
        let (tell, _messages) = channel();
        let what = || Transcript {
            store: RunStore::open(dir.path()).unwrap(),
            run: "run_20260102_030405_0badcafe".parse().unwrap(),
            trial: "a~m~1".parse().unwrap(),
            columns: 80,
        };
        let refused = |programs: Programs| programs.start(what(), &tell).unwrap().err().unwrap();
        let missing = refused(Programs(vec![vec!["no-such-pager-1".into(), "-R".into()]]));
        assert!(missing.contains("`no-such-pager-1 -R`"), "{missing}");
        assert!(missing.contains("set PAGER to"), "{missing}");
        assert_eq!(
            refused(Programs(Vec::new())),
            format!("PAGER is no command: {ADVICE}")
        );
    }

    #[test]
    fn ends_that_are_worth_a_word() {
        let long = Duration::from_secs(9);
        let end = |raw, after| trouble("p", ExitStatus::from_raw(raw), after);
        assert_eq!(end(0, long), None);
        assert_eq!(end(Signal::INT.as_raw(), Duration::ZERO), None, "Ctrl-C");
        assert_eq!(
            end(0, Duration::ZERO).unwrap(),
            format!("`p` was over at once: {ADVICE}")
        );
        assert_eq!(end(3 << 8, long).unwrap(), "`p` ended with exit status 3");
        assert_eq!(end(9, long).unwrap(), "`p` was killed by signal 9");
        assert!(end(127 << 8, long).unwrap().contains("set PAGER"));
    }

    #[test]
    fn ctrl_c_in_a_pager_is_the_pager_s() {
        let mut paging = Paging::new(Programs(Vec::new()));
        assert!(!paging.takes("SIGINT"), "without a pager it ends the dashboard");
        paging.left = Some(Instant::now());
        assert!(paging.takes("SIGINT"), "it may come late");
        assert!(!paging.takes("SIGTERM"));
    }
}
