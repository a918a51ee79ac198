//! Deliveries that wait for their answer go before those that have theirs. A provider that is kept waiting delivers again,
//! to everybody else's cost; what follows from a delivery can wait a little, for it is in the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// So many deliveries at once are no crowd.
const CALM: usize = 8;
/// How long one who lets a crowd go first is kept: so two hundred deliveries a second are interpreted, and as many mails
/// written, however many come in. A crowd is gone when none was seen for as long, for the answers of many go out at once and are followed by the next.
const LET_PASS: Duration = Duration::from_millis(5);

/// The deliveries that this process is taking in. Clones are the same crowd.
#[derive(Debug, Clone)]
pub struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    present: AtomicUsize,
    begun: Instant,
    /// Until when a crowd goes first, in microseconds since `begun`.
    first_until: AtomicU64,
}

/// A delivery that waits for its answer.
#[derive(Debug)]
pub struct Present(Arc<Inner>);

impl Default for Crowd {
    fn default() -> Self {
        Self(Arc::new(Inner { present: AtomicUsize::new(0), begun: Instant::now(), first_until: AtomicU64::new(0) }))
    }
}

impl Crowd {
    /// A delivery joins it, until what is returned is dropped.
    pub fn join(&self) -> Present {
        if self.0.present.fetch_add(1, Ordering::Relaxed) >= CALM {
            self.0.first_until.fetch_max(self.0.micros(LET_PASS), Ordering::Relaxed);
        }
        Present(self.0.clone())
    }

    /// Lets a crowd go first, if there is one, but not for long.
    pub async fn let_pass(&self) {
        let crowded = self.0.present.load(Ordering::Relaxed) > CALM;
        if crowded || self.0.first_until.load(Ordering::Relaxed) > self.0.micros(Duration::ZERO) {
            tokio::time::sleep(LET_PASS).await;
        }
    }
}

impl Inner {
    /// The time `ahead` of now.
    fn micros(&self, ahead: Duration) -> u64 {
        u64::try_from((self.begun.elapsed() + ahead).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_kept(crowd: &Crowd) -> bool {
        pin!(crowd.let_pass()).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn a_few_keep_nobody() {
        let crowd = Crowd::default();
        for _ in 0..100 {
            let _few: Vec<_> = (0..CALM).map(|_| crowd.join()).collect();
        }
        assert!(!is_kept(&crowd));
    }

    #[tokio::test]
    async fn a_crowd_goes_first_and_is_gone_soon_after_its_last() {
        let crowd = Crowd::default();
        let many: Vec<_> = (0..=CALM).map(|_| crowd.join()).collect();
        assert!(is_kept(&crowd));
        crowd.let_pass().await;
        assert!(is_kept(&crowd), "they are still there; who is kept comes back after a while");
        drop(many);
        assert!(!is_kept(&crowd));
    }
}
