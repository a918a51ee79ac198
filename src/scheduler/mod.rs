//! The scheduler: time passing is an event, and this is who says so.
//!
//! Every second it works off all licences whose end has come and of which the ledger does not say so yet. Which
//! ones those are is a view; what is decided rests on each licence's own stream. So after an outage everything is
//! made up for, late but with the time it was due, and of several nodes that say the same one is recorded.
//! Every few seconds it looks which ends come near, and reminds of them.

mod expire;
mod remind;
#[cfg(test)]
mod tests;
mod told;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::app::App;
use crate::stop::Stopping;
use expire::Expirer;
use remind::Reminder;

/// Every second.
const SCHEDULE: &str = "* * * * * *";
/// After this long without a beat the work is done anyway: the schedule follows the machine's wall clock and falls
/// silent when that is set back.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Who is to be reminded is looked up with one beat in so many: a reminder is for days ahead.
const BEATS_PER_REMINDER: u32 = 5;

/// Why there is no heartbeat.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler's heartbeat cannot be started or stopped: {0}")]
pub struct HeartbeatError(#[from] JobSchedulerError);

/// Expires what is due, every second, and reminds of what will be, until told to stop.
///
/// # Errors
/// When there is no heartbeat to begin with. A database that does not answer is tried again with every beat.
pub async fn run(app: App, mut stopping: Stopping) -> Result<(), HeartbeatError> {
    let beat = Arc::new(Notify::new());
    let mut heartbeat = start_heartbeat(beat.clone()).await?;
    let (mut expirer, mut reminder) = (Expirer::new(app.clone()), Reminder::new(app));
    let (mut failing, mut beats) = (false, 0_u32);
    loop {
        tokio::select! {
            () = stopping.requested() => break,
            _ = tokio::time::timeout(SILENCE_MAX, beat.notified()) => {}
        }
        let mut worked = expirer.work_off(&stopping).await;
        if beats == 0 && worked.is_ok() {
            worked = reminder.work_off(&stopping).await;
        }
        beats = (beats + 1) % BEATS_PER_REMINDER;
        match worked {
            Ok(_) => failing = false,
            Err(error) if failing => tracing::debug!(%error, "licences still cannot be expired or reminded of"),
            Err(error) => {
                failing = true;
                tracing::warn!(
                    %error,
                    "licences cannot be expired or reminded of for now; this is tried again every second"
                );
            }
        }
    }
    Ok(heartbeat.shutdown().await?)
}

/// The job only rings: beats that come while the work is under way become one, and the schedule, whose tasks
/// outlive its end, holds on to nothing of ours but the bell.
async fn start_heartbeat(beat: Arc<Notify>) -> Result<JobScheduler, HeartbeatError> {
    let heartbeat = JobScheduler::new().await?;
    heartbeat.add(Job::new(SCHEDULE, move |_, _| beat.notify_one())?).await?;
    heartbeat.start().await?;
    Ok(heartbeat)
}
