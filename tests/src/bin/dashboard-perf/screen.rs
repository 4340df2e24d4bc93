//! The dashboard in a pseudo terminal: keys in, bytes out, and what its process has used.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::Failure;

/// What takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(20);
/// After a key the screen is left alone, so that the next one does not wait for the least time between two drawings.
const REST: Duration = Duration::from_millis(60);
/// The kernel counts processor time in these.
const TICK: Duration = Duration::from_millis(10);

/// A dashboard, open.
pub(crate) struct Screen {
    process: Child,
    keys: File,
    drawn: Receiver<(Instant, Vec<u8>)>,
    began: Instant,
}

impl Screen {
    /// Starts a command in a terminal of so many columns and rows.
    pub(crate) fn open(mut command: Command, (columns, rows): (u16, u16)) -> Result<Self, Failure> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None)?;
        let (keys, slave) = (File::from(pair.master), File::from(pair.slave));
        command
            .env("TERM", "xterm-256color")
            .stdin(Stdio::from(slave.try_clone()?))
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave));
        let mut screen = keys.try_clone()?;
        let began = Instant::now();
        let process = command.spawn()?;
        drop(command); // it holds the other end of the terminal
        let (tell, drawn) = channel();
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            // A terminal whose other end is closed gives an error.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if tell.send((Instant::now(), bytes[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            process,
            keys,
            drawn,
            began,
        })
    }

    /// Time from the start until these bytes were drawn.
    pub(crate) fn until(&mut self, wanted: &[u8]) -> Result<Duration, Failure> {
        Ok(self.drawn_at(wanted)? - self.began)
    }

    /// Presses a key, and says how long it took until these bytes were drawn.
    pub(crate) fn press(&mut self, key: &str, wanted: &[u8]) -> Result<Duration, Failure> {
        while self.drawn.try_recv().is_ok() {}
        let pressed = Instant::now();
        self.keys.write_all(key.as_bytes())?;
        let at = self.drawn_at(wanted)?;
        thread::sleep(REST);
        Ok(at - pressed)
    }

    /// Presses a key, and lets it be done.
    pub(crate) fn send(&mut self, key: &str) -> Result<(), Failure> {
        self.keys.write_all(key.as_bytes())?;
        thread::sleep(10 * REST);
        Ok(())
    }

    fn drawn_at(&mut self, wanted: &[u8]) -> Result<Instant, Failure> {
        let (deadline, mut seen) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.drawn.recv_timeout(left) {
                Ok((at, bytes)) => {
                    seen.extend(bytes);
                    if seen.windows(wanted.len()).any(|part| part == wanted) {
                        return Ok(at);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let (wanted, seen) = (String::from_utf8_lossy(wanted), String::from_utf8_lossy(&seen));
                    return Err(format!("`{wanted}` was not drawn, but {seen:?}").into());
                }
            }
        }
    }

    /// The share of one core that it uses in such a time, left alone.
    pub(crate) fn cpu_share(&mut self, time: Duration) -> Result<f64, Failure> {
        let (before, began) = (self.ticks()?, Instant::now());
        thread::sleep(time);
        let used = TICK * u32::try_from(self.ticks()? - before)?;
        Ok(used.as_secs_f64() / began.elapsed().as_secs_f64())
    }

    /// Processor time that it has used.
    fn ticks(&self) -> Result<u64, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
        let times = fields.split_ascii_whitespace().skip(11).take(2);
        Ok(times.map(str::parse::<u64>).sum::<Result<_, _>>()?)
    }

    /// The most memory that it has used.
    pub(crate) fn peak_mib(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(kib.ok_or("no peak is told")?.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
