//! A question on behalf of many callers at once.

use std::sync::atomic::{AtomicU64, Ordering};

/// Whoever waits while a question is under way shares the next one. So a thousand requests a second cost a few
/// questions, and still none of them is answered from before it asked.
#[derive(Debug, Default)]
pub struct Probe<T> {
    asked: AtomicU64,
    /// The number of callers that the answer covers, and the answer.
    answered: tokio::sync::Mutex<(u64, T)>,
}

impl<T: Copy> Probe<T> {
    /// The answer to a question that is asked after this call.
    ///
    /// # Errors
    /// As the question; then every caller asks for itself.
    pub async fn ask<E>(&self, question: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut answered = self.answered.lock().await;
        if answered.0 < ticket {
            let covers = self.asked.load(Ordering::SeqCst);
            *answered = (covers, question().await?);
        }
        Ok(answered.1)
    }
}
