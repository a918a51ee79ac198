//! Licences in memory, with their seats: bounded, and never behind what this process could know.
//!
//! A slot is in the map before its licence is read. Whoever hears of a new event of the licence (the Writer of this
//! process before its callers, the follower for what others append) raises the version that the slot must have; a
//! slot below it reads on. So a read that was under way when the event came cannot bring the old state back.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keyledger_events::event::DecodeError;
use keyledger_events::{Event, LedgerError, Observer, RecordedEvent, SharedLedger, StreamId, StreamKind, TeamId};
use keyledger_projections::{License, QueryError, Seats, ViewStore};
use quick_cache::Weighter;
use quick_cache::sync::{Cache, EntryAction};
use uuid::Uuid;

/// Memory for licences, in bytes.
const LICENSES_BYTES_MAX: u64 = 160 << 20;
/// What a licence takes, seats aside: the struct, its texts, and the map's own part.
const LICENSE_BYTES: u32 = 1_450;
/// What a seat takes.
const SEAT_BYTES: u32 = 48;
/// Licence keys whose licence is remembered, so that the view need not be asked.
const KEYS_MAX: usize = 250_000;
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

/// A slot and what the map has counted for it, in bytes.
#[derive(Debug, Clone)]
struct Weighed {
    slot: Arc<Slot>,
    bytes: u32,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<(TeamId, Uuid), Weighed> for ByBytes {
    fn weight(&self, _: &(TeamId, Uuid), weighed: &Weighed) -> u64 {
        weighed.bytes.into()
    }
}

/// Licences by id and by key. Clones share them.
#[derive(Clone)]
pub struct LicenseCache {
    ledger: SharedLedger,
    slots: Arc<Cache<(TeamId, Uuid), Weighed, ByBytes>>,
    /// Whose a key is or was, by its fingerprint: this never changes, and the licence says whether it still is.
    keys: Arc<Cache<(TeamId, [u8; 32]), Uuid>>,
}

impl LicenseCache {
    /// An empty cache over a ledger.
    pub fn new(ledger: SharedLedger) -> Self {
        let licenses_max = usize::try_from(LICENSES_BYTES_MAX / u64::from(LICENSE_BYTES)).unwrap_or(usize::MAX);
        let slots = Arc::new(Cache::with_weighter(licenses_max, LICENSES_BYTES_MAX, ByBytes));
        Self { ledger, slots, keys: Arc::new(Cache::new(KEYS_MAX)) }
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
                let found = Box::pin(views.team(team).license_by_key(lookup)).await?;
                let Some(id) = found else { return Ok(None) };
                self.keys.insert(key, id);
                id
            }
        };
        let slot = self.slot(team, id);
        Ok(self.known(&slot).await?.map(|known| (slot, known)))
    }

    /// The place of a licence, whether it exists or not.
    fn slot(&self, team: TeamId, id: Uuid) -> Arc<Slot> {
        let made = || Ok::<_, Infallible>(Weighed { slot: Arc::new(Slot::new(team, id)), bytes: LICENSE_BYTES });
        match self.slots.get_or_insert_with(&(team, id), made) {
            Ok(weighed) => weighed.slot,
        }
    }

    /// The licence as this process knows it now, read where it must be; `None` when the ledger has none.
    ///
    /// # Errors
    /// When the ledger does not answer or holds what this build cannot read.
    pub async fn known(&self, slot: &Arc<Slot>) -> Result<Option<Arc<Known>>, CacheError> {
        match slot.current() {
            Some(known) => Ok(Some(known)),
            // A place of its own, for it is rare and large.
            None => Box::pin(self.read(slot)).await,
        }
    }

    async fn read(&self, slot: &Arc<Slot>) -> Result<Option<Arc<Known>>, CacheError> {
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
        let bytes = slot.so_far().0.map_or(LICENSE_BYTES, |known| known.bytes());
        // Where there is none, this gives the right to insert one, and is given back.
        drop(self.slots.entry(&(slot.team, slot.id), Some(Duration::ZERO), |_, weighed| {
            if Arc::ptr_eq(&weighed.slot, slot) {
                weighed.bytes = bytes;
            }
            EntryAction::Retain(())
        }));
    }

    /// A stream moved on.
    pub fn moved(&self, team: TeamId, stream: StreamId, version: i64) {
        if stream.kind == StreamKind::License
            && let Some(weighed) = self.slots.peek(&(team, stream.id))
        {
            weighed.slot.outdate(version);
        }
    }

    /// Forgets everything, when it is not known what was missed.
    pub fn clear(&self) {
        self.slots.clear();
    }
}

impl Observer for LicenseCache {
    fn committed(&self, events: &[RecordedEvent]) {
        for event in events {
            self.moved(event.team, event.stream, event.stream_version);
        }
    }
}
