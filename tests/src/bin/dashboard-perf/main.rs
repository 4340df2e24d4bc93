//! Measures the dashboard in a terminal: 10,000 past runs, 20 that go on, a trial with 100,000 lines.
//!
//! `cargo run --release -p bench-tests --bin dashboard-perf -- --folder /var/tmp` builds the release `bench-cli`, makes the
//! runs (one real one, copied; those that go on are real workers that wait for a stub model), opens the dashboard in a
//! pseudo terminal, presses keys, and prints what `docs/performance.md` keeps. `--past N` makes fewer.
//!
//! | part | what it does |
//! |---|---|
//! | `world` | the runs |
//! | `screen` | the dashboard in a pseudo terminal: keys in, bytes out, and what its process has used |
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench_tests::bed::binary;

mod screen;
mod world;

use screen::Screen;
use world::World;

/// Why a figure could not be taken.
type Failure = Box<dyn std::error::Error>;

/// Runs that go on: half of them while nobody presses a key.
const ACTIVE: usize = 20;
/// Times a key is pressed.
const KEYS: usize = 200;
/// Words that are typed as a filter.
const WORDS: usize = 20;
/// Times the dashboard, and then the trial, is opened.
const STARTS: usize = 10;
/// How long an idle dashboard is watched.
const IDLE: Duration = Duration::from_secs(20);
/// By then all runs are listed.
const SETTLES: Duration = Duration::from_secs(5);
/// Lines of the long transcript.
const LINES: usize = 100_000;
/// Columns and rows.
const SIZE: (u16, u16) = (120, 40);

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            writeln!(io::stderr(), "dashboard-perf: {failure}").ok();
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failure> {
    let (folder, past) = options()?;
    let world = World::make(&folder, past, LINES)?;
    say(&format!(
        "{past} past runs; {} columns, {} rows\n",
        SIZE.0, SIZE.1
    ))?;
    say("| | median | worst |\n|---|---|---|")?;

    world.begin(ACTIVE / 2)?;
    let mut screen = open(&world)?;
    let cpu = screen.cpu_share(IDLE)?;
    drop(screen);

    world.begin(ACTIVE / 2)?;
    let starts = (0..STARTS).map(|_| Screen::open(world.command("view"), SIZE)?.until(b"COMPLETED"));
    row("first screen", starts.collect::<Result<_, _>>()?)?;
    let mut screen = open(&world)?;
    row("a key, until it is drawn", keys(&mut screen)?)?;
    row("a letter of a filter", filter(&mut screen)?)?;
    let of_list = screen.peak_mib()?;
    drop(screen);

    let run = format!("view {}", world.long);
    let mut screen = Screen::open(world.command(&run), SIZE)?;
    screen.until(b"scenario 1/")?;
    row("a trial of 100,000 lines, opened", trial(&mut screen)?)?;
    row("a page up in it", scroll(&mut screen)?)?;
    let of_trial = screen.peak_mib()?;

    say(&format!(
        "\npeak memory: {of_list:.0} MiB with the list, {of_trial:.0} MiB with the trial"
    ))?;
    let cpu = cpu * 100.0;
    say(&format!(
        "CPU while {} runs go on and nobody presses a key: {cpu:.2} % of one core",
        ACTIVE / 2
    ))
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

/// A line of the table.
fn row(name: &str, mut figures: Vec<Duration>) -> Result<(), Failure> {
    figures.sort_unstable();
    let (Some(median), Some(worst)) = (figures.get(figures.len() / 2), figures.last()) else {
        return Err(format!("{name}: no figure").into());
    };
    let shown = |time: &Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    say(&format!("| {name} | {} | {} |", shown(median), shown(worst)))
}

fn options() -> Result<(PathBuf, usize), Failure> {
    let (mut folder, mut past) = (std::env::temp_dir(), 10_000);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{name}: expected a value"))?;
        match name.as_str() {
            "--folder" => folder = PathBuf::from(value),
            "--past" => past = value.parse()?,
            other => return Err(format!("unknown option `{other}`").into()),
        }
    }
    binary::bench_cli(); // built before anything is timed
    Ok((folder, past))
}

/// A dashboard that has read everything.
fn open(world: &World) -> Result<Screen, Failure> {
    let mut screen = Screen::open(world.command("view"), SIZE)?;
    screen.until(b"COMPLETED")?;
    std::thread::sleep(SETTLES);
    Ok(screen)
}

/// Down and up: what marks the chosen run has to be drawn anew.
fn keys(screen: &mut Screen) -> Result<Vec<Duration>, Failure> {
    let pointer = "❯".as_bytes();
    screen.send("g")?; // from the top on nothing scrolls, so that the mark moves
    let keys = ["j", "k"].into_iter().cycle().take(KEYS);
    keys.map(|key| screen.press(key, pointer)).collect()
}

/// Types a word letter by letter, and takes it away again.
fn filter(screen: &mut Screen) -> Result<Vec<Duration>, Failure> {
    let mut figures = Vec::new();
    for _ in 0..WORDS {
        screen.press("/", b"/_")?;
        for letter in "smoke".chars() {
            figures.push(screen.press(&letter.to_string(), format!("{letter}_").as_bytes())?);
        }
        screen.press("\x1b", b"active")?;
    }
    Ok(figures)
}

/// Opens the trial and leaves it again.
fn trial(screen: &mut Screen) -> Result<Vec<Duration>, Failure> {
    let mut figures = Vec::new();
    for _ in 0..STARTS {
        figures.push(screen.press("\r", b"get_issue")?);
        screen.press("\x1b", b"scenario 1/")?;
    }
    Ok(figures)
}

/// Opens the trial, and goes a page up again and again: which entry is at the mark has to be drawn anew.
fn scroll(screen: &mut Screen) -> Result<Vec<Duration>, Failure> {
    screen.press("\r", b"get_issue")?;
    screen.send("G")?;
    (0..KEYS).map(|_| screen.press("\x02", "❯".as_bytes())).collect()
}
