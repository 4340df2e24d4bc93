//! A server that misbehaves as it is told, one connection after another, and the clock that it stops.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Far longer than what was written takes on its way within a machine.
const TO_READ: Duration = Duration::from_millis(20);

/// The clock of a test: stands still at first.
#[derive(Clone, Default)]
pub(super) struct Clock {
    runs: Arc<Mutex<bool>>,
}

impl Clock {
    pub(super) fn run(&self) {
        let mut runs = self.runs.lock().unwrap();
        if !std::mem::replace(&mut *runs, true) {
            tokio::time::resume();
        }
    }

    /// From now on time passes only where everybody waits for it, and then at once.
    pub(super) fn stand_still(&self) {
        let mut runs = self.runs.lock().unwrap();
        if std::mem::replace(&mut *runs, false) {
            tokio::time::pause();
        }
    }
}

/// What a server does with a request: writes, and then …
#[derive(Clone)]
pub(super) struct Act {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Then {
    /// … closes the connection.
    Close,
    /// … closes it with a reset.
    Reset,
    /// … says nothing more, for ever.
    Silence,
}

/// Plays the acts, one per request, and then the good answer; with `always` the last act for ever.
pub(super) async fn serve(acts: Vec<Act>, good: Act, always: bool, clock: Clock) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut acts = VecDeque::from(acts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let act = match (acts.len(), always) {
                (0, _) => good.clone(),
                (1, true) => acts[0].clone(),
                _ => acts.pop_front().unwrap(),
            };
            tokio::spawn(play(stream, act, clock.clone()));
        }
    });
    url
}

async fn play(mut stream: TcpStream, act: Act, clock: Clock) {
    if !read_request(&mut stream).await {
        return;
    }
    // Who expects no more may be gone.
    stream.write_all(&act.bytes).await.ok();
    match act.then {
        Then::Close => stream.shutdown().await.unwrap_or_default(),
        Then::Reset => stream.set_zero_linger().unwrap(),
        Then::Silence => {
            // Time for the client to read what was written; the system may take some to bring it there.
            let began = Instant::now();
            let mut turns = 0;
            while turns < 500 || began.elapsed() < TO_READ {
                tokio::task::yield_now().await;
                turns += 1;
            }
            clock.stand_still();
            std::future::pending::<()>().await;
        }
    }
}

/// All of it: a socket that is closed with something unread in it is reset.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return false;
        }
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return true;
        }
    }
}
