//! MCP over a pair of pipes: one JSON-RPC message in a line.
//!
//! The protocol library's own transport drops a line that it cannot read, or that is larger than 16 MiB, without a
//! word: the call that it answers would wait for its whole deadline. Here such a line ends that call at once, where it
//! can only be its answer: it names its id, or nothing else is waited for. Every line that is no message is told to the
//! log of the trial; servers that write their log to standard output work.
//!
//! A task reads, so that nothing is lost when somebody stops waiting, and large lines are decoded on a thread of
//! their own.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleClient;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::line::{self, LARGEST, Piece};
use crate::process::LineLog;

/// Bytes from which on a line is decoded on a thread of its own.
const LARGE: usize = 256 * 1024;

/// Lines that are no message and are told to the log.
const TOLD: usize = 20;

/// The two pipes of a server.
pub(super) struct Pipes<W> {
    messages: mpsc::Receiver<ServerJsonRpcMessage>,
    input: Arc<tokio::sync::Mutex<Option<W>>>,
    waiting: Arc<Waiting>,
    _reader: AbortOnDropHandle<()>,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Pipes<W> {
    /// Begins to read. Needs a tokio runtime. `log` is told what is no message.
    pub(super) fn new(output: impl AsyncRead + Send + Unpin + 'static, input: W, log: LineLog) -> Self {
        // Whoever receives is quick; more than a few messages ahead would only take memory.
        let (found, messages) = mpsc::channel(4);
        let waiting = Arc::<Waiting>::default();
        let reader = Reader {
            output: BufReader::with_capacity(64 * 1024, output),
            found,
            waiting: Arc::clone(&waiting),
            log,
            told: 0,
        };
        Self {
            messages,
            input: Arc::new(tokio::sync::Mutex::new(Some(input))),
            waiting,
            _reader: AbortOnDropHandle::new(tokio::spawn(reader.run())),
        }
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Transport<RoleClient> for Pipes<W> {
    type Error = io::Error;

    fn name() -> Cow<'static, str> {
        "pipes".into()
    }

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        self.waiting.sent(&message);
        let input = Arc::clone(&self.input);
        async move {
            let mut line = serde_json::to_vec(&message)?;
            line.push(b'\n');
            let mut input = input.lock().await;
            let input = input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            input.write_all(&line).await?;
            input.flush().await
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.messages.recv().await
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        drop(self.input.lock().await.take());
        Ok(())
    }
}

/// The requests without an answer.
#[derive(Default)]
struct Waiting(Mutex<Vec<RequestId>>);

impl Waiting {
    fn ids(&self) -> MutexGuard<'_, Vec<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self, message: &ClientJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => self.ids().push(request.id.clone()),
            JsonRpcMessage::Notification(told) => {
                if let ClientNotification::CancelledNotification(cancelled) = &told.notification {
                    self.ids()
                        .retain(|id| Some(id) != cancelled.params.request_id.as_ref());
                }
            }
            _ => {}
        }
    }

    fn received(&self, message: &ServerJsonRpcMessage) {
        let answered = match message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        if let Some(answered) = answered {
            self.ids().retain(|id| id != answered);
        }
    }

    /// The one request that a line answers of which no more is known than its id, or not even that.
    fn answered_by(&self, id: Option<RequestId>) -> Option<RequestId> {
        let ids = self.ids();
        match id {
            Some(id) => ids.contains(&id).then_some(id),
            None => match ids.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
        }
    }
}

/// A line with what it is. Nothing when the program ends.
async fn decoded(line: Vec<u8>) -> Option<(Vec<u8>, Piece)> {
    let large = line.len() >= LARGE;
    let decode = move || {
        let piece = line::read(&line);
        (line, piece)
    };
    if !large {
        return Some(decode());
    }
    tokio::task::spawn_blocking(decode).await.ok()
}

/// Reads a server's output to its end.
struct Reader<R> {
    output: BufReader<R>,
    found: mpsc::Sender<ServerJsonRpcMessage>,
    waiting: Arc<Waiting>,
    log: LineLog,
    told: usize,
}

/// A line as it was read.
enum Read {
    Whole(Vec<u8>),
    /// Only its beginning: it is too large. The rest follows.
    Beginning(Vec<u8>),
    /// Without an end, at the end of the output.
    Last(Vec<u8>),
}

impl<R: AsyncRead + Send + Unpin> Reader<R> {
    async fn run(mut self) {
        loop {
            let going_on = match self.line().await {
                Ok(Read::Whole(line)) => match decoded(line).await {
                    Some((line, piece)) => self.take(&line, piece).await,
                    None => false,
                },
                Ok(Read::Beginning(line)) => {
                    let told = self.take(&line, line::too_large(&line)).await;
                    drop(line);
                    told && self.skip().await.is_ok()
                }
                Ok(Read::Last(line)) => {
                    self.last(&line).await;
                    false
                }
                Err(error) => {
                    tracing::debug!(%error, "a server's output broke off");
                    false
                }
            };
            if !going_on {
                return;
            }
        }
    }

    async fn line(&mut self) -> io::Result<Read> {
        let mut line = Vec::new();
        let most = LARGEST as u64 + 1;
        (&mut self.output).take(most).read_until(b'\n', &mut line).await?;
        Ok(match line.last() {
            Some(b'\n') => Read::Whole(line),
            _ if line.len() > LARGEST => Read::Beginning(line),
            _ => Read::Last(line),
        })
    }

    /// Reads to the end of a line.
    async fn skip(&mut self) -> io::Result<()> {
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let count = (&mut self.output)
                .take(LARGE as u64)
                .read_until(b'\n', &mut piece)
                .await?;
            if count == 0 || piece.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }

    /// Hands on what a line says. False when nobody listens any more.
    async fn take(&mut self, line: &[u8], piece: Piece) -> bool {
        match piece {
            Piece::Nothing => true,
            Piece::Stray => {
                self.tell(|| format!("no MCP message on standard output: {}", line::shown(line)));
                true
            }
            Piece::Messages(messages) => self.hand_on(messages).await,
            Piece::Unreadable { id, why } => {
                self.tell(|| format!("an answer on standard output {why}"));
                match self.waiting.answered_by(id) {
                    Some(id) => self.hand_on(vec![line::instead(id, why)]).await,
                    None => true,
                }
            }
        }
    }

    async fn hand_on(&mut self, messages: Vec<ServerJsonRpcMessage>) -> bool {
        for message in messages {
            self.waiting.received(&message);
            if let JsonRpcMessage::Error(error) = &message
                && error.id.is_none()
            {
                let words = &error.error.message;
                self.tell(|| format!("an error on standard output that names no request: {words}"));
            }
            if self.found.send(message).await.is_err() {
                return false;
            }
        }
        true
    }

    /// What stands after the last line break. A message that was cut off is none: the connection is closed.
    async fn last(&mut self, line: &[u8]) {
        let piece = line::read(line);
        match piece {
            Piece::Unreadable { .. } => {
                self.tell(|| {
                    format!(
                        "its standard output ended within a message: {}",
                        line::shown(line)
                    )
                });
            }
            piece => {
                self.take(line, piece).await;
            }
        }
    }

    fn tell(&mut self, words: impl FnOnce() -> String) {
        self.told += 1;
        if self.told <= TOLD {
            (self.log)(&words());
        } else if self.told == TOLD + 1 {
            (self.log)("… (more of its standard output is no MCP message; it is not logged)");
        }
    }
}
