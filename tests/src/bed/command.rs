//! A command: started, watched, signalled, ended within a deadline.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::filter;

/// A command that still runs. Dropping it kills its process group.
#[derive(Debug)]
pub struct Started {
    line: String,
    folder: PathBuf,
    pid: Pid,
    stdout: Arc<Text>,
    stderr: Arc<Text>,
    /// Behind a lock only so that threads may share what else is known.
    ended: Mutex<Receiver<ExitStatus>>,
    began: Instant,
    over: bool,
}

/// What a command printed, and how it ended.
///
/// `Display` shows all of it with run ids, paths, ports and times filtered out, for snapshots; the fields
/// are as they came.
#[derive(Debug, Clone)]
pub struct Shot {
    /// The command line.
    pub line: String,
    /// Exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
    /// Wall-clock time.
    pub took: Duration,
    folder: PathBuf,
}

/// Text that grows while a command runs.
#[derive(Debug, Default)]
struct Text {
    so_far: Mutex<Growing>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Growing {
    text: String,
    ended: bool,
}

impl Started {
    /// Starts a command in a process group of its own.
    pub(super) fn spawn(mut command: Command, line: String, folder: PathBuf) -> Self {
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let began = Instant::now();
        let mut child = command.spawn().expect("the command starts");
        let pid = Pid::from_child(&child);
        let stdout = Text::read(child.stdout.take().expect("stdout is piped"));
        let stderr = Text::read(child.stderr.take().expect("stderr is piped"));
        Self {
            line,
            folder,
            pid,
            stdout,
            stderr,
            ended: Mutex::new(wait(child)),
            began,
            over: false,
        }
    }

    /// Waits until a line on stdout fits, and returns it.
    pub fn stdout_line(&self, within: Duration, fits: impl Fn(&str) -> bool) -> String {
        self.stdout
            .line(within, fits)
            .unwrap_or_else(|text| self.give_up("line on stdout", &text))
    }

    /// Waits until a line on stderr fits, and returns it.
    pub fn stderr_line(&self, within: Duration, fits: impl Fn(&str) -> bool) -> String {
        self.stderr
            .line(within, fits)
            .unwrap_or_else(|text| self.give_up("line on stderr", &text))
    }

    fn give_up(&self, what: &str, text: &str) -> ! {
        panic!("`{}`: no such {what} came; what came:\n{text}", self.line)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal to the process alone. One that has ended meanwhile needs none.
    pub fn signal(&self, signal: Signal) {
        match kill_process(self.pid, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => panic!("`{}` cannot be signalled: {error}", self.line),
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It has not ended in time: it is killed, and what it printed is shown.
    pub fn finish(mut self, within: Duration) -> Shot {
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Ok(status) = ended.recv_timeout(within) else {
            panic!(
                "`{}` still runs after {within:?}\n{}\n{}",
                self.line,
                self.stdout.now(),
                self.stderr.now()
            );
        };
        self.over = true;
        let took = self.began.elapsed();
        // Someone else may hold the pipes: a child that was left behind. The test then looks for it.
        let patience = Duration::from_secs(20);
        Shot {
            line: self.line.clone(),
            code: status
                .code()
                .or_else(|| status.signal().map(|n| -n))
                .filter(|n| *n >= 0),
            stdout: self.stdout.all(patience),
            stderr: self.stderr.all(patience),
            took,
            folder: self.folder.clone(),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.over {
            kill_process_group(self.pid, Signal::KILL).ok();
        }
    }
}

fn wait(mut child: Child) -> Receiver<ExitStatus> {
    let (told, ended) = channel();
    thread::spawn(move || child.wait().map(|status| told.send(status)));
    ended
}

impl Text {
    fn read(from: impl Read + Send + 'static) -> Arc<Self> {
        let text = Arc::new(Self::default());
        let shared = Arc::clone(&text);
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                shared.grow(|t| t.text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
            shared.grow(|t| t.ended = true);
        });
        text
    }

    fn grow(&self, change: impl FnOnce(&mut Growing)) {
        change(&mut self.lock());
        self.grown.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Growing> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> String {
        self.lock().text.clone()
    }

    fn all(&self, within: Duration) -> String {
        let waited = self.grown.wait_timeout_while(self.lock(), within, |t| !t.ended);
        waited.map_or_else(|_| String::new(), |(t, _)| t.text.clone())
    }

    /// The first line that fits, or everything that came instead.
    fn line(&self, within: Duration, fits: impl Fn(&str) -> bool) -> Result<String, String> {
        let find = |t: &Growing| t.text.lines().find(|line| fits(line)).map(str::to_owned);
        let waiting = |t: &mut Growing| !t.ended && find(t).is_none();
        match self.grown.wait_timeout_while(self.lock(), within, waiting) {
            Ok((t, _)) => find(&t).ok_or_else(|| t.text.clone()),
            Err(_) => Err(String::new()),
        }
    }
}

impl Shot {
    /// Like `Display`, for output with tables that hold durations: widths of columns do not count.
    pub fn table(&self) -> String {
        self.show(filter::clean_table)
    }

    fn show(&self, clean: fn(&str, &Path) -> String) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let mut text = format!("$ {}\nexit {code}", clean(&self.line, &self.folder));
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text += "\n── ";
                text += name;
                text += "\n";
                text += clean(stream, &self.folder).trim_end();
            }
        }
        text
    }
}

impl fmt::Display for Shot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show(filter::clean))
    }
}
