//! Writing down once a second, and purging once an hour.

use std::time::Duration;

use keyledger_events::clock::DAY_US;
use keyledger_events::{SharedClock, give_way, spawn_on_own_thread};
use tokio::time::MissedTickBehavior;

use super::pending::Part;
use super::{Activity, before};
use crate::stop::Stopping;

/// How long the requests log is kept unless somebody says otherwise.
pub const RETENTION_DAYS: u32 = 30;
/// How often what is pending is written down.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How often the log is purged.
const PURGE_INTERVAL: Duration = Duration::from_secs(3_600);

impl Activity {
    /// Writes and purges until told to stop. What is noted after that is for the caller to write.
    pub async fn run(self, clock: SharedClock, retention_days: u32, stopping: Stopping) {
        tokio::join!(self.purge_hourly(clock, retention_days, stopping.clone()), self.keep_flushing(stopping));
    }

    async fn keep_flushing(&self, stopping: Stopping) {
        if self.database.is_postgres() {
            return self.flush_often(stopping).await;
        }
        // On SQLite it works on the spot, beside answers that somebody waits for.
        let (activity, until) = (self.clone(), stopping.clone());
        let flushing = spawn_on_own_thread(async move {
            give_way();
            activity.flush_often(until).await;
        });
        let _ = flushing.await;
        if !stopping.is_requested() {
            tracing::error!("the thread that writes down what was seen and asked has ended early");
        }
    }

    async fn purge_hourly(&self, clock: SharedClock, retention_days: u32, mut stopping: Stopping) {
        let sessions = self.sessions(clock.clone());
        loop {
            let purging = async {
                sessions.purge().await?;
                self.purge_forms(clock.now()).await?;
                self.purge(before(clock.now(), i64::from(retention_days).saturating_mul(DAY_US))).await
            };
            tokio::select! {
                purged = purging => if let Err(error) = purged {
                    tracing::warn!(%error, "old requests and sessions could not be purged; this is tried again in an hour");
                },
                () = stopping.requested() => return,
            }
            if tokio::time::timeout(PURGE_INTERVAL, stopping.requested()).await.is_ok() {
                return;
            }
        }
    }

    async fn flush_often(&self, mut stopping: Stopping) {
        let mut failing = false;
        let mut seconds = tokio::time::interval(FLUSH_INTERVAL);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let part = tokio::select! {
                () = stopping.requested() => return,
                _ = seconds.tick() => Part::All,
                () = self.log_soon.notified(), if !failing => Part::Log,
            };
            match self.clone().write(part).await {
                Ok(()) => failing = false,
                Err(error) if failing => tracing::debug!(%error, "activity still cannot be written down"),
                Err(error) => {
                    failing = true;
                    tracing::warn!(%error, "activity cannot be written down for now; this is tried again every second");
                }
            }
        }
    }
}
