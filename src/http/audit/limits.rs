//! What auditors may ask for at once, and the end of what goes on for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::envelope::ApiError;
use crate::stop::Stopping;

/// Streams of events that are open at once, in one process.
const STREAMS_MAX: usize = 64;
/// Reports that are counted at once, in one process: each reads a stretch of the ledger.
const REPORTS_MAX: usize = 2;
/// How long a report waits for its turn.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(20);

/// Places for what takes long. Clones share them.
#[derive(Clone)]
pub struct AuditLimits {
    streams: Arc<Semaphore>,
    reports: Arc<Semaphore>,
    stopping: Stopping,
}

impl AuditLimits {
    /// All places are free. Streams end when it is time to stop.
    pub fn new(stopping: Stopping) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        Self { streams, reports: Arc::new(Semaphore::new(REPORTS_MAX)), stopping }
    }

    /// A place for a stream, as long as it is held.
    pub(super) fn stream(&self) -> Result<(OwnedSemaphorePermit, Stopping), ApiError> {
        let full = || {
            let details = format!("{STREAMS_MAX} streams of events are open already; close one, or ask again later");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_STREAMS", details)
        };
        let place = self.streams.clone().try_acquire_owned().map_err(|_| full())?;
        Ok((place, self.stopping.clone()))
    }

    /// Waits for its turn to count a report.
    pub(super) async fn report(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = tokio::time::timeout(REPORT_WAIT_MAX, self.reports.clone().acquire_owned()).await;
        let busy = |_| {
            let details = "other reports are being counted; ask again in a minute";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REPORTS", details)
        };
        turn.map_err(busy)?.map_err(|error| ApiError::internal(&error))
    }
}
