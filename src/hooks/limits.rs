//! `limit.reached`: a verification was refused because every seat is taken.
//!
//! A refusal is never in the ledger, since a stranger with a key must not be able to grow it; so these hooks leave
//! nothing there either. They are told best effort: once per licence, limit and hour, with a `webhook-id` that is the
//! same on every node, tried a few times from memory, and lost when the process ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyledger_events::{TeamId, Timestamp, id};
use keyledger_projections::webhooks::kind::LIMIT_REACHED;
use keyledger_projections::{Endpoint, SeatKind};
use moka::sync::Cache;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::letter::letter;
use super::post::Poster;
use super::{DeliverError, body};
use crate::app::App;
use crate::stop::Stopping;

/// Notices that wait; further ones are dropped.
const QUEUE_MAX: usize = 1_024;
/// Licences of which it is remembered that the hour's notice was given.
const REMEMBERED_MAX: u64 = 100_000;
/// How often a licence's limit is told of.
const SECONDS_PER_NOTICE: i64 = 3_600;
/// Notices under way to one endpoint; further ones are dropped.
const PER_ENDPOINT_MAX: usize = 4;
/// Endpoints whose places are kept; beyond that those that are idle are forgotten.
const ENDPOINTS_MAX: usize = 1_024;
/// The pauses before each try.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(30)];

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Notice {
    team: TeamId,
    license_id: Uuid,
    kind: SeatKind,
    /// Hours since 1970.
    hour: i64,
    at: Timestamp,
}

/// Takes notices of limits that were reached. Clones share what was told already.
#[derive(Clone)]
pub struct LimitNotices {
    queue: mpsc::Sender<Notice>,
    told: Cache<(Uuid, bool, i64), ()>,
}

/// Where the notices come out.
pub struct LimitQueue(mpsc::Receiver<Notice>);

/// A pair of the two.
pub fn notices() -> (LimitNotices, LimitQueue) {
    let (queue, receiver) = mpsc::channel(QUEUE_MAX);
    let hour = Duration::from_secs(SECONDS_PER_NOTICE.unsigned_abs());
    let told = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(hour).build();
    (LimitNotices { queue, told }, LimitQueue(receiver))
}

impl LimitNotices {
    /// Every seat of a licence is taken. Costs a look into memory, and nothing more within the same hour.
    pub fn reached(&self, team: TeamId, license_id: Uuid, kind: SeatKind, at: Timestamp) {
        let hour = at.as_second().div_euclid(SECONDS_PER_NOTICE);
        let entry = self.told.entry((license_id, kind == SeatKind::Device, hour)).or_insert(());
        if entry.is_fresh() && self.queue.try_send(Notice { team, license_id, kind, hour, at }).is_err() {
            dropped("busy");
        }
    }
}

fn dropped(why: &'static str) {
    metrics::counter!("keyledger_limit_hooks_dropped_total", "why" => why).increment(1);
}

/// Sends notices until told to stop; what is under way then is lost.
pub async fn run(app: App, poster: Poster, queue: LimitQueue, mut stopping: Stopping) {
    let LimitQueue(mut queue) = queue;
    let mut places: HashMap<Uuid, Arc<Semaphore>> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let notice = tokio::select! {
            () = stopping.requested() => break,
            notice = queue.recv() => notice,
        };
        let Some(notice) = notice else { break };
        while tasks.try_join_next().is_some() {}
        let endpoints = match app.views.team(notice.team).webhooks().await {
            Ok(endpoints) => endpoints,
            Err(error) => {
                tracing::debug!(%error, "webhooks cannot be listed; a notice of a limit is dropped");
                dropped("views");
                continue;
            }
        };
        if places.len() > ENDPOINTS_MAX {
            places.retain(|_, places| places.available_permits() < PER_ENDPOINT_MAX);
        }
        for endpoint in endpoints.into_iter().filter(|endpoint| endpoint.wants(LIMIT_REACHED)) {
            let of_endpoint = places.entry(endpoint.id).or_insert_with(|| Arc::new(Semaphore::new(PER_ENDPOINT_MAX)));
            let Ok(place) = of_endpoint.clone().try_acquire_owned() else {
                dropped("endpoint");
                continue;
            };
            tasks.spawn(tell(app.clone(), poster.clone(), endpoint, notice, place));
        }
    }
    tasks.shutdown().await;
}

/// Tells one endpoint, in a few tries.
async fn tell(app: App, poster: Poster, endpoint: Endpoint, notice: Notice, place: OwnedSemaphorePermit) {
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        match post(&app, &poster, &endpoint, notice).await {
            Ok(true) => {
                metrics::counter!("keyledger_limit_hooks_total").increment(1);
                return;
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, webhook = %endpoint.id, "a notice of a limit could not be made"),
        }
    }
    dropped("failed");
    drop(place);
}

/// Whether the endpoint took it, or there is nothing to tell.
async fn post(app: &App, poster: &Poster, endpoint: &Endpoint, notice: Notice) -> Result<bool, DeliverError> {
    let Notice { team, license_id, kind, hour, at } = notice;
    let Some(license) = app.views.team(team).license(license_id).await? else { return Ok(true) };
    let (limit, code) = match kind {
        SeatKind::Device => ("hwid", "HWID_LIMIT_REACHED"),
        SeatKind::Address => ("ip", "IP_LIMIT_REACHED"),
    };
    let parts = ["hook", &endpoint.id.to_string(), "limit", &license_id.to_string(), limit, &hour.to_string()];
    let hook_id = id::derived(team, &parts);
    let shown = body::of_license(app, endpoint, &license, at).await?;
    let data = json!({
        "teamId": team, "webhookId": endpoint.id, "license": shown, "limit": limit, "code": code, "occurredAt": at,
    });
    let letter = letter(app, endpoint, hook_id, body::write(LIMIT_REACHED, at, data)?, app.clock.now()).await?;
    Ok(letter.post(poster, app.clock.now()).await.is_ok_and(|answer| answer.status.is_success()))
}
