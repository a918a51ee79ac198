//! One keep-alive HTTP/1.1 connection: write a request, read its answer, check it, and again.
//!
//! The parser knows what servers here answer: a status line, a content-length and a body. It is this plain so that the
//! generator costs little beside the server that it shares the machine with.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::prepared::Dispenser;
use crate::measure::Measure;

/// Bytes of an answer at most; a longer one is not ours.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long an answer is waited for. The contract lets a delivery wait 5 s for a place in a full queue.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Failures in a row after which a connection gives up: the server is gone.
const FAILURES_IN_A_ROW_MAX: u32 = 100;

/// What connections have seen.
#[derive(Default)]
pub(crate) struct Tally {
    latencies_us: Vec<u32>,
    good: u64,
    failed: u64,
    first_failure: Option<String>,
}

impl Tally {
    /// Adds what another connection has seen.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.good += other.good;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }

    /// The result, with `elapsed` on the clock.
    pub(crate) fn into_measure(self, elapsed: Duration) -> Measure {
        let measure =
            Measure { failed: self.failed, first_failure: self.first_failure, ..Measure::of(self.good, elapsed) };
        measure.with_latencies(self.latencies_us)
    }
}

/// A connection to the server under load.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    expected: &'static str,
}

impl Connection {
    /// Connects. An answer is good when its status is 200 and its body contains `expected`.
    pub(crate) async fn open(address: SocketAddr, expected: &'static str) -> io::Result<Self> {
        let stream = connect(address).await?;
        Ok(Self { address, stream, buffer: Vec::with_capacity(4_096), expected })
    }

    /// Sends what the dispenser gives until it gives no more.
    pub(crate) async fn run(mut self, dispenser: Arc<Dispenser>) -> Tally {
        let mut tally = Tally::default();
        let mut failures_in_a_row = 0;
        while let Some(request) = dispenser.next() {
            let start = match request.due {
                Some(due) => {
                    tokio::time::sleep_until(due.into()).await;
                    due
                }
                None => Instant::now(),
            };
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request.bytes)).await;
            tally.latencies_us.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
            let failure = match answer {
                Ok(Ok(None)) => {
                    tally.good += 1;
                    failures_in_a_row = 0;
                    continue;
                }
                Ok(Ok(Some(answer))) => answer,
                Ok(Err(error)) => self.reconnect(error.to_string()).await,
                Err(_) => self.reconnect(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())).await,
            };
            tally.failed += 1;
            tally.first_failure.get_or_insert(failure);
            failures_in_a_row += 1;
            if failures_in_a_row >= FAILURES_IN_A_ROW_MAX {
                break;
            }
        }
        tally
    }

    /// `None` for a good answer, else the answer's text.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<Option<String>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            if let Some(answer) = Answer::parse(&self.buffer)? {
                let good = answer.ok && contains(answer.body, self.expected.as_bytes());
                return Ok((!good).then(|| String::from_utf8_lossy(&self.buffer).into_owned()));
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other(format!("an answer of over {ANSWER_BYTES_MAX} bytes")));
            }
        }
    }

    async fn reconnect(&mut self, reason: String) -> String {
        match connect(self.address).await {
            Ok(stream) => {
                self.stream = stream;
                reason
            }
            Err(error) => format!("{reason}; connecting again: {error}"),
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A whole answer.
struct Answer<'a> {
    ok: bool,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// `None` while bytes are missing.
    fn parse(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let Some(head_end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = bytes.split_at(head_end);
        let Some(length) = content_length(head) else {
            return Err(io::Error::other("an answer without content-length"));
        };
        // The four bytes of the empty line come first.
        Ok(rest.get(4..4 + length).map(|body| Self { ok: head.starts_with(b"HTTP/1.1 200 "), body }))
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(b"content-length:".len())?;
        let value = name.eq_ignore_ascii_case(b"content-length:").then_some(value)?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    find(bytes, needle).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() -> io::Result<()> {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
        for cut in 0..whole.len() {
            assert!(Answer::parse(&whole[..cut])?.is_none());
        }
        assert!(Answer::parse(whole)?.is_some_and(|answer| answer.ok && answer.body == b"abcd"));
        let refused = Answer::parse(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")?;
        assert!(refused.is_some_and(|answer| !answer.ok));
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        Ok(())
    }
}
