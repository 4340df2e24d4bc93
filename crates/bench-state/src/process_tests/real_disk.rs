//! Power cuts on a real ext4: a file system in a file, which is shut down without its journal at some step of a run.
//!
//! Needs to be root, a loop device, `mkfs.ext4` and Python 3 (which issues the ioctl that shuts down, as that takes
//! unsafe code here). Where one is missing this says so and tries nothing; the model in `power_loss` needs nothing.
//!
//! The worker is killed at the step, and then the power goes: what it had written is in the memory of the kernel only
//! if it was not synced. ext4 as it is mounted by default hides some mistakes, by writing out a file when it replaces
//! another one; so every other round goes without that, and syncs another file, which commits the names of all.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::inspection::inspect;
use super::{folder, promised, tell, was_killed};

/// Power cuts to come to at least.
const CYCLES: u64 = 300;

/// Longer than anything takes from its fork to its own program.
const FORKS_ARE_OVER: Duration = Duration::from_secs(20);

/// Shuts down, without writing out anything, the file system of each folder it is told. 2 is NOLOGFLUSH.
const SHUTDOWN: &str = r#"
import fcntl, os, struct, sys
EXT4_IOC_SHUTDOWN = 0x8004587D
for line in sys.stdin:
    folder = os.open(line.rstrip("\n"), os.O_RDONLY)
    fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", 2))
    os.close(folder)
    print("down", flush=True)
"#;

/// A file system in a file, and the means to cut its power.
struct Machine {
    home: tempfile::TempDir,
    cutter: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Machine {
    /// # Errors
    /// What is missing.
    fn new() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let home = folder();
        File::create(home.path().join("image"))
            .unwrap()
            .set_len(24 << 20)
            .unwrap();
        fs::create_dir(home.path().join("mounted")).unwrap();
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(home.path().join("image")))?;
        let mut cutter = Command::new("python3")
            .args(["-c", SHUTDOWN])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("no python3: {error}"))?;
        let (orders, answers) = (cutter.stdin.take().unwrap(), cutter.stdout.take().unwrap());
        let mut machine = Self {
            home,
            cutter,
            orders,
            answers: BufReader::new(answers),
        };
        machine.boot("")?;
        machine.cut_power()?;
        Ok(machine)
    }

    fn disk(&self) -> PathBuf {
        self.home.path().join("mounted")
    }

    /// Mounts, with the mount `options`.
    fn boot(&self, options: &str) -> Result<(), String> {
        let options = format!("loop,{options}");
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", options.trim_end_matches(',')])
            .arg(self.home.path().join("image"))
            .arg(self.disk()))
    }

    /// Unmounts, with nothing left in memory.
    fn cut_power(&mut self) -> Result<(), String> {
        writeln!(self.orders, "{}", self.disk().display()).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .map_err(|error| error.to_string())?;
        if answer != "down\n" {
            return Err("ext4 cannot be shut down here".to_owned());
        }
        self.unmount()
    }

    fn unmount(&self) -> Result<(), String> {
        let deadline = Instant::now() + FORKS_ARE_OVER;
        loop {
            match run(Command::new("umount").arg(self.disk())) {
                // What another thread forks has our files open until it becomes another program.
                Err(error) if error.contains("busy") && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                outcome => return outcome,
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Not mounted, unless a test failed.
        drop(run(Command::new("umount").arg("-l").arg(self.disk())));
        drop((self.cutter.kill(), self.cutter.wait()));
    }
}

/// Runs a command that says nothing unless it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Err(error) => Err(format!("no {name}: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// Commits what ext4 has in its journal, which is names, but not the content of other files.
fn sync_another_file(disk: &Path) {
    File::create(disk.join("another")).unwrap().sync_all().unwrap();
}

#[test]
fn three_hundred_power_cuts_on_a_real_ext4() {
    let mut machine = match Machine::new() {
        Ok(machine) => machine,
        Err(missing) => return tell(&format!("SKIPPED: power cuts on a real ext4: {missing}")),
    };
    let mut cycles = 0;
    while cycles < CYCLES {
        for script in [
            "child_works",
            "later_life::child_resumes",
            "later_life::child_prunes",
        ] {
            for fatal in 0.. {
                let bare = cycles % 2 == 1;
                let killed = cut_at(&mut machine, script, fatal, bare);
                cycles += 1;
                if !killed {
                    break;
                }
            }
        }
    }
    tell(&format!(
        "power cut on a real ext4: {cycles} cycles, no violation"
    ));
}

/// One life that ends in a power cut; says whether that came before its end.
fn cut_at(machine: &mut Machine, script: &str, fatal: u64, bare: bool) -> bool {
    let options = if bare { "noauto_da_alloc" } else { "" };
    machine.boot(options).unwrap();
    let disk = machine.disk();
    let home = disk.join("home");
    if home.exists() {
        fs::remove_dir_all(&home).unwrap();
    }
    fs::create_dir(&home).unwrap();
    if script != "child_works" {
        was_killed("child_works", &home, 100);
    }
    // What is there now is there for certain.
    rustix::fs::syncfs(File::open(&disk).unwrap()).unwrap();
    let killed = was_killed(script, &home, fatal);
    if bare {
        sync_another_file(&disk);
    }
    let promises = fs::read(home.join("promised")).unwrap_or_default();
    machine.cut_power().unwrap();

    machine.boot(options).unwrap();
    fs::write(home.join("promised"), promises).unwrap();
    inspect(&home, &format!("{script}, cut at {fatal}, bare: {bare}"));
    assert!(killed || promised(&home, "finished") || script != "child_works");
    machine.unmount().unwrap();
    killed
}
