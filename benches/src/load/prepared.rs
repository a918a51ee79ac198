//! Requests as the bytes that go over the wire, made before the clock starts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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
    deadline: Instant,
}

impl Dispenser {
    /// Hands out `prepared` until `deadline`.
    pub(crate) fn new(prepared: Prepared, deadline: Instant) -> Self {
        Self { prepared, next: AtomicUsize::new(0), deadline }
    }

    /// The next request; `None` when all are out or the time is up.
    pub(crate) fn next(&self) -> Option<&[u8]> {
        if Instant::now() >= self.deadline {
            return None;
        }
        self.prepared.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_request_goes_out_once() {
        let mut prepared = Prepared::default();
        prepared.push("h", "/a", "x: 1", "{}");
        prepared.push("h", "/b", "x: 2", "[1]");
        let dispenser = Dispenser::new(prepared, Instant::now() + Duration::from_secs(60));
        assert!(dispenser.next().is_some_and(|bytes| bytes.starts_with(b"POST /a ") && bytes.ends_with(b"\r\n\r\n{}")));
        assert!(
            dispenser.next().is_some_and(|bytes| bytes.starts_with(b"POST /b ") && bytes.ends_with(b"\r\n\r\n[1]"))
        );
        assert!(dispenser.next().is_none());
    }
}
