//! Requests as the bytes that go over the wire, made before the clock starts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::measure::as_f64;

/// Requests, one behind the other.
#[derive(Default)]
pub(crate) struct Prepared {
    bytes: String,
    ends: Vec<usize>,
}

impl Prepared {
    /// Adds a POST of `body`.
    pub(crate) fn push(&mut self, host: &str, path: &str, header: &str, body: &str) {
        // Writing to a string cannot fail.
        let _ = write!(
            self.bytes,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{header}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.ends.push(self.bytes.len());
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.as_bytes().get(start..end)
    }
}

/// Hands each request out once, until the time is up.
pub(crate) struct Dispenser {
    prepared: Prepared,
    next: AtomicUsize,
    start: Instant,
    deadline: Instant,
    rate: Option<f64>,
}

/// A request that is handed out.
pub(crate) struct Request<'a> {
    pub(crate) bytes: &'a [u8],
    /// When to send it; `None` for at once.
    pub(crate) due: Option<Instant>,
}

impl Dispenser {
    /// Hands out `prepared` for so long after `start`, `rate` a second where there is one.
    pub(crate) fn new(prepared: Prepared, start: Instant, time: Duration, rate: Option<f64>) -> Self {
        Self { prepared, next: AtomicUsize::new(0), start, deadline: start + time, rate }
    }

    /// The next request; `None` when all are out or the time is up.
    pub(crate) fn next(&self) -> Option<Request<'_>> {
        if Instant::now() >= self.deadline {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let bytes = self.prepared.get(index)?;
        let due = match self.rate {
            Some(rate) => Some(self.start + Duration::from_secs_f64(as_f64(u64::try_from(index).ok()?) / rate)),
            None => None,
        };
        due.is_none_or(|due| due < self.deadline).then_some(Request { bytes, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_goes_out_once() {
        let mut prepared = Prepared::default();
        prepared.push("h", "/a", "x: 1", "{}");
        prepared.push("h", "/b", "x: 2", "[1]");
        let start = Instant::now();
        let dispenser = Dispenser::new(prepared, start, Duration::from_secs(60), Some(4.0));
        let check = |head: &[u8], tail: &[u8], due| {
            let next = dispenser.next();
            next.is_some_and(|next| {
                next.bytes.starts_with(head) && next.bytes.ends_with(tail) && next.due == Some(start + due)
            })
        };
        assert!(check(b"POST /a ", b"\r\n\r\n{}", Duration::ZERO));
        assert!(check(b"POST /b ", b"\r\n\r\n[1]", Duration::from_millis(250)));
        assert!(dispenser.next().is_none());
    }
}
