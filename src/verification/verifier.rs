//! One verification from the question to the verdict.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyledger_events::{AppendOutcome, LedgerError, Position, TeamId, Timestamp, WriterError};
use keyledger_projections::{CatchUpError, License, SeatKind, view};
use uuid::Uuid;

use super::append::{self, Holder, SealError};
use super::asked::Asked;
use super::cache::{CacheError, Known, LicenseCache, Slot};
use super::code::{Code, Refusal};
use super::decide::{Case, Effects, Stop, decide};
use super::follow::Follower;
use super::probe::Probe;
use super::seat::LastSeen;
use crate::activity::ActivityError;
use crate::app::{App, CATCH_UP_MAX};
use crate::directory::{DirectoryError, Team};
use crate::keys;
use crate::stop::Stopping;

/// How long ago the memory must have been known to be up to date to be believed.
const STALE_MAX: Duration = Duration::from_secs(1);
/// How long a change of settings is waited for that was heard of and is not in the views yet.
const SETTINGS_WAIT_MAX: Duration = Duration::from_secs(1);
/// Times a licence that others keep changing is decided again. Each time somebody else got on.
const DECISIONS_MAX: u32 = 200;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A licence cannot be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The team cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The views are behind.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// What was seen when cannot be read.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// A seat cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The licences in memory do not keep up with the ledger.
    #[error("licences in memory cannot be brought up to date with the ledger")]
    Stale,
    /// The licence kept changing.
    #[error("the licence kept changing; gave up after {DECISIONS_MAX} decisions")]
    Contended,
}

/// Who asks, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The client's address.
    pub address: IpAddr,
    /// The client's country in two letters, if a trusted proxy says so.
    pub country: Option<String>,
}

/// What came of a verification.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The team, if there is one.
    pub team: Option<Arc<Team>>,
    /// The licence, if there is one.
    pub known: Option<Arc<Known>>,
    /// The address's seat.
    pub address: Option<Holder>,
    /// The device's seat.
    pub device: Option<Holder>,
    /// Accepted, or why not.
    pub verdict: Result<(), Refusal>,
}

impl Verified {
    fn refused(team: Option<Arc<Team>>, code: Code, details: &str) -> Self {
        let verdict = Err(Refusal::new(code, details));
        Self { team, known: None, address: None, device: None, verdict }
    }

    /// The licence, if there is one.
    pub fn license(&self) -> Option<&License> {
        self.known.as_ref().map(|known| &known.license)
    }
}

/// When seats were last seen, as far as that was looked up.
#[derive(Debug, Default)]
struct Seen {
    devices: Option<LastSeen>,
    addresses: Option<LastSeen>,
}

/// A licence that was found, and who asks for it.
struct Found {
    team: Arc<Team>,
    slot: Arc<Slot>,
    known: Arc<Known>,
    address: Holder,
    device: Option<Holder>,
}

/// Verifies. Clones share what they know.
#[derive(Clone)]
pub struct Verifier {
    app: App,
    cache: LicenseCache,
    follower: Follower,
    head: Arc<Probe<Position>>,
    /// Changes of settings up to here are in the views, or were waited for long enough.
    settled: Arc<AtomicI64>,
}

impl Verifier {
    /// A verifier that knows nothing yet, over the cache that the Writer tells of its commits.
    pub fn new(app: App) -> Self {
        let cache = app.licenses.clone();
        let follower = Follower::new(app.ledger.clone(), cache.clone());
        Self { app, cache, follower, head: Arc::default(), settled: Arc::default() }
    }

    /// Follows the ledger until told to stop. Without it there are no verdicts.
    pub async fn run(self, stopping: Stopping) {
        self.follower.run(stopping).await;
    }

    /// A verdict.
    ///
    /// # Errors
    /// When ledger, views, keys or activity do not answer; never as a form of "no".
    pub async fn verify(&self, team: TeamId, asked: &Asked, caller: &Caller) -> Result<Verified, VerifyError> {
        // What is rare is boxed, here and below: a verdict from memory needs little room.
        let is_stale = self.follower.age().is_none_or(|age| age > STALE_MAX);
        if (is_stale || self.follower.is_behind()) && !Box::pin(self.follower.refreshed(CATCH_UP_MAX)).await {
            return Err(VerifyError::Stale);
        }
        let settings = self.cache.settings_moved_at();
        if settings.0 > self.settled.load(Ordering::SeqCst) {
            Box::pin(self.settle(settings)).await;
        }
        let verified = self.attempt(team, asked, caller).await?;
        if verified.verdict.is_ok() {
            return Ok(verified);
        }
        Box::pin(self.attempt_anew(team, asked, caller)).await
    }

    /// Waits until the views have a change of settings. One that stands still goes on serving what it has, and is waited
    /// for once.
    async fn settle(&self, settings: Position) {
        let views = [view::TEAMS, view::PRODUCTS];
        if let Err(error) = self.app.runner.catch_up(settings, &views, SETTINGS_WAIT_MAX).await {
            tracing::warn!(%error, "verifications are answered by the settings before a change");
        }
        self.settled.fetch_max(settings.0, Ordering::SeqCst);
    }

    /// Nobody says no from memory: what it did not know may be in the ledger.
    async fn attempt_anew(&self, team: TeamId, asked: &Asked, caller: &Caller) -> Result<Verified, VerifyError> {
        self.catch_up().await?;
        self.attempt(team, asked, caller).await
    }

    /// Everything that a verdict rests on has passed the ledger's head at the time of this call.
    async fn catch_up(&self) -> Result<(), VerifyError> {
        let head = self.head.ask(async || Ok::<_, LedgerError>(self.app.ledger.head().await?.position)).await?;
        if !self.follower.reach(head, CATCH_UP_MAX).await {
            return Err(VerifyError::Stale);
        }
        let views = [view::TEAMS, view::PRODUCTS, view::LICENSE_KEYS];
        Ok(self.app.runner.catch_up(head, &views, CATCH_UP_MAX).await?)
    }

    /// A verdict on what is known now.
    async fn attempt(&self, team: TeamId, asked: &Asked, caller: &Caller) -> Result<Verified, VerifyError> {
        let found = match self.find(team, asked, caller).await? {
            Ok(found) => found,
            Err(refused) => return Ok(*refused),
        };
        let mut seen = Seen::default();
        let now = self.app.clock.now();
        let first = self.decide(&found, asked, caller, &mut seen, now).await?;
        match first {
            Ok(effects) if !effects.is_empty() => Box::pin(self.change(found, asked, caller, seen)).await,
            other => Ok(found.concluded(other.map(drop))),
        }
    }

    /// A verdict that changes the licence: decided on its own, one after the other.
    async fn change(
        &self,
        mut found: Found,
        asked: &Asked,
        caller: &Caller,
        mut seen: Seen,
    ) -> Result<Verified, VerifyError> {
        let team = found.team.config.id;
        let slot = found.slot.clone();
        let _one_decides = slot.deciding.lock().await;
        for _ in 0..DECISIONS_MAX {
            let Some(known) = self.cache.known(&slot).await? else {
                return Err(CacheError::Contended(found.id()).into());
            };
            found.known = known;
            let now = self.app.clock.now();
            let effects = match self.decide(&found, asked, caller, &mut seen, now).await? {
                Ok(effects) if !effects.is_empty() => effects,
                other => return Ok(found.concluded(other.map(drop))),
            };
            let Found { known, address, device, .. } = &found;
            let request = append::request(&self.app, team, known, &effects, address, device.as_ref(), now).await?;
            match self.app.writer.append(request).await? {
                AppendOutcome::Appended { .. } => {
                    if let Some(known) = self.cache.known(&slot).await? {
                        found.known = known;
                    }
                    return Ok(found.concluded(Ok(())));
                }
                AppendOutcome::Conflict { actual, .. } => slot.outdate(actual),
                // Ids are fresh: an append whose commit was lost and found is answered `Appended`.
                AppendOutcome::AlreadyApplied { .. } => {}
            }
            seen = Seen::default();
        }
        Err(VerifyError::Contended)
    }

    async fn find(
        &self,
        team_id: TeamId,
        asked: &Asked,
        caller: &Caller,
    ) -> Result<Result<Found, Box<Verified>>, VerifyError> {
        let refused = |team, code, details| Ok(Err(Box::new(Verified::refused(team, code, details))));
        let Some(team) = self.app.directory.team(team_id).await? else {
            return refused(None, Code::TeamNotFound, "Team not found");
        };
        let lookup = keys::lookup(&self.app.keys, team_id, &asked.license_key);
        let found = self.cache.of_key(&self.app.views, team_id, &lookup).await?;
        let Some((slot, known)) = found.filter(|(_, known)| known.license.key_lookup == lookup) else {
            return refused(Some(team), Code::LicenseNotFound, "License not found");
        };
        let holder = |kind, identifier| Holder::new(&self.app, team_id, known.license.id, kind, identifier);
        let address = holder(SeatKind::Address, caller.address.to_string());
        let device = asked.hardware_identifier.clone().map(|identifier| holder(SeatKind::Device, identifier));
        Ok(Ok(Found { team, slot, known, address, device }))
    }

    /// Runs the checks, looking up when seats were last seen where that decides.
    async fn decide(
        &self,
        found: &Found,
        asked: &Asked,
        caller: &Caller,
        seen: &mut Seen,
        now: Timestamp,
    ) -> Result<Result<Effects, Refusal>, VerifyError> {
        loop {
            let case = found.case(asked, caller, seen, now);
            let kind = match decide(&case) {
                Ok(effects) => return Ok(Ok(effects)),
                Err(Stop::Refused(refusal)) => return Ok(Err(refusal)),
                Err(Stop::Unseen(kind)) => kind,
            };
            let team = found.team.config.id;
            let last_seen = Box::pin(last_seen(&self.app, team, found.id(), kind)).await?;
            match kind {
                SeatKind::Device => seen.devices = Some(last_seen),
                SeatKind::Address => seen.addresses = Some(last_seen),
            }
        }
    }
}

/// When the devices or the addresses of a licence were last seen.
pub(super) async fn last_seen(
    app: &App,
    team: TeamId,
    license_id: Uuid,
    kind: SeatKind,
) -> Result<LastSeen, ActivityError> {
    let seen = app.activity.last_seen(team, license_id, kind).await?;
    Ok(seen.into_iter().map(|seat| (seat.seat_id, seat.last_seen)).collect())
}

impl Found {
    fn id(&self) -> Uuid {
        self.known.license.id
    }

    fn case<'a>(&'a self, asked: &'a Asked, caller: &'a Caller, seen: &'a Seen, now: Timestamp) -> Case<'a> {
        Case {
            asked,
            address: caller.address,
            country: caller.country.as_deref(),
            settings: &self.team.config.verification,
            blacklist: &self.team.blacklist,
            known: &self.known,
            device_id: self.device.as_ref().map(|device| device.id),
            address_id: self.address.id,
            devices_seen: seen.devices.as_ref(),
            addresses_seen: seen.addresses.as_ref(),
            now,
        }
    }

    fn concluded(self, verdict: Result<(), Refusal>) -> Verified {
        let Self { team, known, address, device, .. } = self;
        Verified { team: Some(team), known: Some(known), address: Some(address), device, verdict }
    }
}
