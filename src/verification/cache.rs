//! Licences in memory, with their seats: bounded, and never behind what this process could know.
//!
//! A slot is in the map before its licence is read. Whoever hears of a new event of the licence (the Writer of this
//! process before its callers, the follower for what others append) raises the version that the slot must have; a
//! slot below it reads on. So a read that was under way when the event came cannot bring the old state back.

use std::sync::{Arc, PoisonError, RwLock};

use keyledger_events::event::DecodeError;
use keyledger_events::{Event, LedgerError, Observer, RecordedEvent, SharedLedger, StreamId, StreamKind, TeamId};
use keyledger_projections::{License, QueryError, Seats, ViewStore};
use moka::ops::compute::Op;
use moka::sync::Cache;
use uuid::Uuid;

/// Memory for licences, in bytes.
const LICENSES_BYTES_MAX: u64 = 160 << 20;
/// What a licence takes, seats aside: the struct, its texts, and the map's own part.
const LICENSE_BYTES: u32 = 1_600;
/// What a seat takes.
const SEAT_BYTES: u32 = 48;
/// Licence keys whose licence is remembered, so that the view need not be asked.
const KEYS_MAX: u64 = 250_000;
/// Times a licence that moves on while it is read is read again.
const READS_MAX: u32 = 20;

/// A licence and who holds its seats.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The licence.
    pub license: License,
    /// Its seats.
    pub seats: Seats,
}

impl Known {
    /// Folds further events of the stream into what is known.
    fn evolve(known: Option<&Self>, events: &[RecordedEvent]) -> Result<Option<Self>, DecodeError> {
        let mut license = known.map(|known| known.license.clone());
        let mut seats = known.map(|known| known.seats.clone()).unwrap_or_default();
        for recorded in events {
            let event: Event = recorded.decode()?;
            seats.evolve(recorded, &event);
            license = License::evolve(license, recorded, &event);
        }
        Ok(license.map(|license| Self { license, seats }))
    }

    fn bytes(&self) -> u32 {
        let seats = self.seats.devices.len() + self.seats.addresses.len();
        LICENSE_BYTES.saturating_add(SEAT_BYTES.saturating_mul(u32::try_from(seats).unwrap_or(u32::MAX)))
    }
}

/// Why a licence cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// An event of the licence cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The licence kept moving on while it was read.
    #[error("licence {0} kept changing while it was read")]
    Contended(Uuid),
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<Known>>,
    /// The version that `known` must have to be the licence as it is.
    version_min: i64,
}

impl State {
    fn current(&self) -> Option<&Arc<Known>> {
        self.known.as_ref().filter(|known| known.license.version >= self.version_min)
    }
}

/// A licence's place in the cache.
#[derive(Debug)]
pub struct Slot {
    team: TeamId,
    id: Uuid,
    state: RwLock<State>,
    /// One reads the ledger, the others wait for what it finds.
    reading: tokio::sync::Mutex<()>,
    /// One decides what changes the licence; the others decide on what it left.
    pub deciding: tokio::sync::Mutex<()>,
}

impl Slot {
    fn new(team: TeamId, id: Uuid) -> Self {
        Self { team, id, state: RwLock::default(), reading: Default::default(), deciding: Default::default() }
    }

    /// The licence's stream.
    pub fn stream(&self) -> StreamId {
        StreamId::new(StreamKind::License, self.id)
    }

    /// The licence is at this version at least: what is known of an earlier one is not used any more.
    pub fn outdate(&self, version: i64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.version_min = state.version_min.max(version);
    }

    fn current(&self) -> Option<Arc<Known>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).current().cloned()
    }

    /// What is known and how much of the stream that is.
    fn so_far(&self) -> (Option<Arc<Known>>, i64) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.known.clone(), state.known.as_ref().map_or(0, |known| known.license.version))
    }
}

/// Licences by id and by key. Clones share them.
#[derive(Clone)]
pub struct LicenseCache {
    ledger: SharedLedger,
    slots: Cache<(TeamId, Uuid), Arc<Slot>>,
    /// Whose a key is or was, by its fingerprint: this never changes, and the licence says whether it still is.
    keys: Cache<(TeamId, [u8; 32]), Uuid>,
}

impl LicenseCache {
    /// An empty cache over a ledger.
    pub fn new(ledger: SharedLedger) -> Self {
        let weigh = |_: &(TeamId, Uuid), slot: &Arc<Slot>| slot.so_far().0.map_or(LICENSE_BYTES, |known| known.bytes());
        let slots = Cache::builder().weigher(weigh).max_capacity(LICENSES_BYTES_MAX).build();
        Self { ledger, slots, keys: Cache::new(KEYS_MAX) }
    }

    /// The licence that a key opens or opened, by its `key_lookup`, and its place; `None` when there is none. A
    /// key that was replaced still leads to its licence, but is its `key_lookup` no longer.
    ///
    /// # Errors
    /// When the view or the ledger cannot be read.
    pub async fn of_key(
        &self,
        views: &ViewStore,
        team: TeamId,
        lookup: &str,
    ) -> Result<Option<(Arc<Slot>, Arc<Known>)>, CacheError> {
        let mut fingerprint = [0; 32];
        if hex::decode_to_slice(lookup, &mut fingerprint).is_err() {
            return Ok(None);
        }
        let key = (team, fingerprint);
        let id = match self.keys.get(&key) {
            Some(id) => id,
            None => {
                let Some(id) = views.team(team).license_by_key(lookup).await? else { return Ok(None) };
                self.keys.insert(key, id);
                id
            }
        };
        let slot = self.slot(team, id);
        Ok(self.known(&slot).await?.map(|known| (slot, known)))
    }

    /// The place of a licence, whether it exists or not.
    fn slot(&self, team: TeamId, id: Uuid) -> Arc<Slot> {
        self.slots.get_with((team, id), || Arc::new(Slot::new(team, id)))
    }

    /// The licence as this process knows it now, read where it must be; `None` when the ledger has none.
    ///
    /// # Errors
    /// When the ledger does not answer or holds what this build cannot read.
    pub async fn known(&self, slot: &Arc<Slot>) -> Result<Option<Arc<Known>>, CacheError> {
        if let Some(known) = slot.current() {
            return Ok(Some(known));
        }
        let _one_reads = slot.reading.lock().await;
        for _ in 0..READS_MAX {
            if let Some(known) = slot.current() {
                return Ok(Some(known));
            }
            let (so_far, version) = slot.so_far();
            let events = self.ledger.read_stream_after(slot.team, slot.stream(), version).await?;
            let Some(known) = Known::evolve(so_far.as_deref(), &events)? else { return Ok(None) };
            slot.state.write().unwrap_or_else(PoisonError::into_inner).known = Some(Arc::new(known));
            self.weigh_again(slot);
        }
        Err(CacheError::Contended(slot.id))
    }

    /// Tells the map what a slot weighs now. One that was thrown out meanwhile must not come back: it may have missed
    /// a change.
    fn weigh_again(&self, slot: &Arc<Slot>) {
        self.slots.entry((slot.team, slot.id)).and_compute_with(|entry| match entry {
            Some(entry) if Arc::ptr_eq(entry.value(), slot) => Op::Put(slot.clone()),
            _ => Op::Nop,
        });
    }

    /// A stream moved on.
    pub fn moved(&self, team: TeamId, stream: StreamId, version: i64) {
        if stream.kind == StreamKind::License
            && let Some(slot) = self.slots.get(&(team, stream.id))
        {
            slot.outdate(version);
        }
    }

    /// Forgets everything, when it is not known what was missed.
    pub fn clear(&self) {
        self.slots.invalidate_all();
    }
}

impl Observer for LicenseCache {
    fn committed(&self, events: &[RecordedEvent]) {
        for event in events {
            self.moved(event.team, event.stream, event.stream_version);
        }
    }
}
