//! A real terminal: a shell in tmux, in which a person types, looks, and which a person closes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PATIENCE, TestBed, binary};

/// Time between two looks at the screen.
const LOOK: Duration = Duration::from_millis(20);

/// What a person takes at least between two keys.
const MOMENT: Duration = Duration::from_millis(50);

/// What the shell shows when it waits for a command.
const PROMPT: &str = "bed$ ";

/// A terminal with a shell. Dropping it closes it.
#[derive(Debug)]
pub struct Terminal {
    /// The socket of a tmux server of its own.
    folder: TempDir,
}

impl Terminal {
    /// Opens a terminal in the folder of a bed, with its environment and `bench-cli` on the path.
    ///
    /// `None`, with a line that says so, where there is no tmux. Continuous integration has one.
    pub fn open(bed: &TestBed, columns: u16, rows: u16) -> Option<Self> {
        if Command::new("tmux")
            .arg("-V")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            assert!(std::env::var_os("CI").is_none(), "tmux is not installed");
            writeln!(io::stderr(), "SKIPPED: this needs tmux, which is not installed").ok();
            return None;
        }
        let folder = tempfile::Builder::new()
            .prefix("tmux-")
            // The name of a socket has room for a hundred bytes, and `TMPDIR` may be longer.
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        let terminal = Self { folder };
        let mut shell = vec!["env".to_owned(), "-i".to_owned()];
        let program = binary::bench_cli()
            .parent()
            .expect("a folder")
            .display()
            .to_string();
        for (name, value) in &bed.environment {
            shell.push(match name.as_str() {
                "PATH" => format!("PATH={program}:{value}"),
                _ => format!("{name}={value}"),
            });
        }
        shell.extend([
            format!("PS1={PROMPT}"),
            "TERM=screen-256color".to_owned(),
            "sh".to_owned(),
        ]);
        let mut tmux = terminal.tmux();
        tmux.args(["-f", "/dev/null", "new-session", "-d", "-s", "bed"])
            .args(["-x", &columns.to_string(), "-y", &rows.to_string()])
            .arg("-c")
            .arg(bed.dir())
            .args(shell);
        let output = tmux.output().expect("tmux starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        terminal.wait_for(PATIENCE, |screen| screen.contains(PROMPT.trim_end()));
        Some(terminal)
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket()).env_remove("TMUX");
        command
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn ask(&self, words: &[&str]) -> Output {
        self.tmux().args(words).output().expect("tmux answers")
    }

    /// Types a line and presses Enter.
    pub fn enter(&self, line: &str) {
        self.ask(&["send-keys", "-t", "bed", "-l", line]);
        self.press("Enter");
    }

    /// Presses a key, by tmux's name of it: `C-c`, `Enter`. As a person does, a moment after the key before, or after what
    /// was last seen: keys that come at once are taken for a text that was pasted.
    pub fn press(&self, key: &str) {
        std::thread::sleep(MOMENT);
        self.ask(&["send-keys", "-t", "bed", key]);
    }

    /// Pastes a text, as something pasted if the program asked to be told, or as a terminal does that cannot tell.
    pub fn paste(&self, text: &str, told: bool) {
        self.ask(&["set-buffer", text]);
        let how: &[&str] = if told { &["-p", "-r"] } else { &["-r"] };
        self.ask(&[&["paste-buffer"], how, &["-t", "bed"]].concat());
    }

    /// What is on the screen, and what has scrolled off it; long lines are whole.
    pub fn screen(&self) -> String {
        let output = self.ask(&["capture-pane", "-p", "-J", "-S", "-", "-t", "bed"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen fits, and returns it. A second look sees all of what may have been drawn in part.
    ///
    /// # Panics
    /// It does not in time: what is on it is shown.
    pub fn wait_for(&self, within: Duration, fits: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if fits(&screen) {
                std::thread::sleep(LOOK);
                return Some(self.screen()).filter(|again| fits(again)).unwrap_or(screen);
            }
            assert!(
                began.elapsed() < within,
                "not within {within:?}; on the screen:\n{screen}"
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Enters a command, and returns what it showed when the shell waits for the next one.
    pub fn run(&self, line: &str, within: Duration) -> String {
        let prompts = |screen: &str| {
            screen
                .lines()
                .filter(|line| line.starts_with(PROMPT.trim_end()))
                .count()
        };
        let before = prompts(&self.screen());
        self.enter(line);
        let screen = self.wait_for(within, |screen| prompts(screen) > before);
        let mut seen = 0;
        let since = screen.lines().skip_while(|line| {
            seen += usize::from(line.starts_with(PROMPT.trim_end()));
            seen < before
        });
        since.collect::<Vec<_>>().join("\n")
    }

    /// Closes it, as the cross on a window does: whatever runs in its foreground is hung up on.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}
