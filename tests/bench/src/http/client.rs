//! Just enough of an HTTP/1.1 client: requests made beforehand, connections kept, answers kept to be checked later.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request, head and body.
pub(super) struct Request {
    bytes: Vec<u8>,
    lines: usize,
}

/// An answer.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// How many events the request held.
    pub(super) lines: usize,
    /// When the first byte was sent; of requests that are paced, when it was due.
    pub(super) begun: Instant,
    /// From then to the last byte received.
    pub(super) latency: Duration,
}

impl Request {
    /// A POST of `body`, which holds `lines` events.
    pub(super) fn new(path: &str, content_type: &str, body: &[u8], lines: usize) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self { bytes: [head.as_bytes(), body].concat(), lines }
    }

    /// A GET.
    pub(super) fn get(path: &str) -> Self {
        Self { bytes: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes(), lines: 0 }
    }
}

/// Sends `requests` over so many connections, each taking the next request when it has its answer.
pub(super) async fn send(
    address: SocketAddr,
    requests: &Arc<Vec<Request>>,
    connections: usize,
) -> Result<Vec<Answered>> {
    send_paced(address, requests, connections, None).await
}

/// As [`send`]; each request is due so long after the one before it, whether or not that one was answered. One that no
/// connection is free for in time is late, and its time is counted all the same.
pub(super) async fn send_paced(
    address: SocketAddr,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    every: Option<Duration>,
) -> Result<Vec<Answered>> {
    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections.min(requests.len()) {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut answered = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(number) else { break };
                let begun = match every {
                    None => Instant::now(),
                    Some(every) => {
                        let due = start + every * u32::try_from(number)?;
                        tokio::time::sleep_until(due.into()).await;
                        due
                    }
                };
                answered.push(connection.ask(request, begun).await?);
            }
            Ok(answered)
        });
    }
    let mut all = Vec::with_capacity(requests.len());
    while let Some(answered) = tasks.join_next().await {
        let answered: Result<Vec<Answered>> = answered?;
        all.extend(answered?);
    }
    Ok(all)
}

/// A connection that is kept.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    pub(super) async fn ask(&mut self, request: &Request, begun: Instant) -> Result<Answered> {
        self.stream.write_all(&request.bytes).await?;
        self.buffer.clear();
        let head = loop {
            self.more().await?;
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = read_head(&self.buffer[..head])?;
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        ensure!(self.buffer.len() == head + length, "more bytes came than were announced");
        let body = self.buffer[head..].to_vec();
        Ok(Answered { status, body, lines: request.lines, begun, latency: begun.elapsed() })
    }

    async fn more(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let status = head.get(9..12).context("the answer has a status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    Ok((status, length.context("the answer says its length")?.parse()?))
}
