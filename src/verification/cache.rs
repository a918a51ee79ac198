//! Licences in memory, with their seats: bounded, and never behind what this process could know.
//!
//! A licence has one slot as long as anybody holds it, and the slot can be found by the licence's id before its licence is
//! read. Whoever hears of a new event of the licence (the Writer of this process before its callers, the follower for
//! what others append) raises the version that the slot must have; a slot below it reads on. So a read that was under way
//! when the event came cannot bring the old state back. A verification finds the slot by the key, in one look.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use keyledger_events::event::DecodeError;
use keyledger_events::merkle::Hash;
use keyledger_events::store::Change;
use keyledger_events::{
    Event, LedgerError, Observer, Position, RecordedEvent, SharedLedger, StreamId, StreamKind, TeamId,
};
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
    /// How often everything was forgotten: what was read before is not believed after.
    forgotten: u64,
}

impl State {
    fn current(&self) -> Option<&Arc<Known>> {
        self.known.as_ref().filter(|known| known.license.version >= self.version_min)
    }
}

/// The slots that anybody holds, by the licence.
type Slots = Mutex<HashMap<(TeamId, Uuid), Weak<Slot>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A licence's place in the cache.
#[derive(Debug)]
pub struct Slot {
    team: TeamId,
    id: Uuid,
    /// Where it is found by its licence.
    slots: Arc<Slots>,
    state: RwLock<State>,
    /// One reads the ledger, the others wait for what it finds.
    reading: tokio::sync::Mutex<()>,
    /// One decides what changes the licence; the others decide on what it left.
    pub deciding: tokio::sync::Mutex<()>,
}

impl Slot {
    fn new(team: TeamId, id: Uuid, slots: Arc<Slots>) -> Self {
        Self { team, id, slots, state: RwLock::default(), reading: Default::default(), deciding: Default::default() }
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

    /// What is known, and how often everything was forgotten before that.
    fn so_far(&self) -> (Option<Arc<Known>>, u64) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (state.known.clone(), state.forgotten)
    }

    /// Takes up what was read, unless everything was forgotten meanwhile.
    fn learn(&self, known: Known, forgotten: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.forgotten == forgotten {
            state.known = Some(Arc::new(known));
        }
    }

    fn forget(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.known = None;
        state.version_min = 0;
        state.forgotten += 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = lock(&self.slots);
        let licence = (self.team, self.id);
        // Somebody may have made another one since the last holder of this one let go.
        if slots.get(&licence).is_some_and(|slot| slot.strong_count() == 0) {
            slots.remove(&licence);
        }
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

/// A licence key's fingerprint, and whose it is.
type Key = (TeamId, [u8; 32]);

impl Weighter<Key, Weighed> for ByBytes {
    fn weight(&self, _: &Key, weighed: &Weighed) -> u64 {
        weighed.bytes.into()
    }
}

/// Licences by key. Clones share them.
#[derive(Clone)]
pub struct LicenseCache {
    ledger: SharedLedger,
    /// The licence that a key opens or opened: this never changes, and the licence says whether it still does.
    keys: Arc<Cache<Key, Weighed, ByBytes>>,
    slots: Arc<Slots>,
    /// The last event that this process has committed.
    committed: Arc<Mutex<Option<(Position, Hash)>>>,
    /// Every change up to here has been heard of.
    heard_to: Arc<AtomicI64>,
    /// The last change to what holds for all of a team's licences.
    settings: Arc<AtomicI64>,
}

impl LicenseCache {
    /// An empty cache over a ledger.
    pub fn new(ledger: SharedLedger) -> Self {
        let licenses_max = usize::try_from(LICENSES_BYTES_MAX / u64::from(LICENSE_BYTES)).unwrap_or(usize::MAX);
        let keys = Arc::new(Cache::with_weighter(licenses_max, LICENSES_BYTES_MAX, ByBytes));
        let (slots, committed, heard_to, settings) = Default::default();
        Self { ledger, keys, slots, committed, heard_to, settings }
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
        let Weighed { slot, bytes } = match self.keys.get(&key) {
            Some(weighed) => weighed,
            None => {
                let found = Box::pin(views.team(team).license_by_key(lookup)).await?;
                let Some(id) = found else { return Ok(None) };
                let weighed = Weighed { slot: self.slot(team, id), bytes: LICENSE_BYTES };
                self.keys.insert(key, weighed.clone());
                weighed
            }
        };
        let known = self.known(&slot).await?;
        if let Some(known) = known.as_deref().filter(|known| known.bytes() != bytes) {
            self.weigh_again(&key, known.bytes());
        }
        Ok(known.map(|known| (slot, known)))
    }

    /// The place of a licence, whether it exists or not.
    fn slot(&self, team: TeamId, id: Uuid) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        slots.get(&(team, id)).and_then(Weak::upgrade).unwrap_or_else(|| {
            let slot = Arc::new(Slot::new(team, id, self.slots.clone()));
            slots.insert((team, id), Arc::downgrade(&slot));
            slot
        })
    }

    /// The place of a licence, where anybody holds it.
    fn slot_in_use(&self, team: TeamId, id: Uuid) -> Option<Arc<Slot>> {
        lock(&self.slots).get(&(team, id)).and_then(Weak::upgrade)
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
            let (so_far, forgotten) = slot.so_far();
            let version = so_far.as_ref().map_or(0, |known| known.license.version);
            let events = self.ledger.read_stream_after(slot.team, slot.stream(), version).await?;
            let Some(known) = Known::evolve(so_far.as_deref(), &events)? else { return Ok(None) };
            slot.learn(known, forgotten);
        }
        Err(CacheError::Contended(slot.id))
    }

    /// Tells the map what a licence weighs now.
    fn weigh_again(&self, key: &Key, bytes: u32) {
        // Where there is none, this gives the right to insert one, and is given back.
        drop(self.keys.entry(key, Some(Duration::ZERO), |_, weighed| {
            weighed.bytes = bytes;
            EntryAction::Retain(())
        }));
    }

    /// A stream moved on.
    pub fn moved(&self, change: &Change) {
        match change.stream.kind {
            StreamKind::License => {
                if let Some(slot) = self.slot_in_use(change.team, change.stream.id) {
                    slot.outdate(change.stream_version);
                }
            }
            StreamKind::Team | StreamKind::Product => {
                self.settings.fetch_max(change.position.0, Ordering::SeqCst);
            }
            _ => {}
        }
    }

    /// Where what holds for all licences of a team was last changed, be it settings, the blacklist or products: they are
    /// read from views.
    pub fn settings_moved_at(&self) -> Position {
        Position(self.settings.load(Ordering::SeqCst))
    }

    /// Every change up to here has been heard of: from this process's Writer, or from whoever follows the ledger.
    pub fn heard_to(&self) -> Position {
        Position(self.heard_to.load(Ordering::SeqCst))
    }

    /// Every change up to `position` has been told of.
    pub fn has_heard_to(&self, position: Position) {
        self.heard_to.fetch_max(position.0, Ordering::SeqCst);
    }

    /// Changes are told of from `position` on, which may be behind what was heard of before. What came before it is not known.
    pub fn hears_from(&self, position: Position) {
        self.heard_to.store(position.0, Ordering::SeqCst);
        self.settings.fetch_max(position.0, Ordering::SeqCst);
    }

    /// The last event that this process has committed since everything was forgotten.
    pub fn last_committed(&self) -> Option<(Position, Hash)> {
        *lock(&self.committed)
    }

    /// Forgets everything, when it is not known what was missed.
    pub fn clear(&self) {
        *lock(&self.committed) = None;
        let slots: Vec<_> = lock(&self.slots).values().filter_map(Weak::upgrade).collect();
        slots.iter().for_each(|slot| slot.forget());
    }
}

impl Observer for LicenseCache {
    fn committed(&self, events: &[RecordedEvent]) {
        for event in events {
            self.moved(&Change::of(event));
        }
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            *lock(&self.committed) = Some((last.position, last.leaf_hash));
            // Where others have appended in between, it is for who follows the ledger to tell of theirs first.
            let before = first.position.previous().0;
            let _ = self.heard_to.compare_exchange(before, last.position.0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;
    use crate::test_support::{Home, TestResult, stories};
    use keyledger_events::event::license::ExpirationStart;

    stories!(
        a_licence_has_one_place_however_often_the_map_loses_it,
        what_was_read_before_everything_was_forgotten_is_not_believed_after,
    );

    async fn issued(home: &Home) -> TestResult<String> {
        let key = keys::generate();
        home.issue_with_key(home.one_off(None, ExpirationStart::Creation), &key).await?;
        home.app.catch_up_patiently().await?;
        Ok(keys::lookup(&home.app.keys, home.team, &key))
    }

    /// Guards: a place that was thrown out and is still held, which no longer hears of changes.
    async fn a_licence_has_one_place_however_often_the_map_loses_it(home: Home) -> TestResult {
        let cache = LicenseCache::new(home.app.ledger.clone());
        let lookup = issued(&home).await?;
        let found = cache.of_key(&home.app.views, home.team, &lookup).await?;
        let (slot, known) = found.ok_or("no licence")?;
        cache.keys.clear();
        let again = cache.of_key(&home.app.views, home.team, &lookup).await?;
        assert!(again.is_some_and(|(again, _)| Arc::ptr_eq(&slot, &again)));
        cache.keys.clear();
        let (team, stream, stream_version) = (home.team, slot.stream(), known.license.version + 1);
        let (position, leaf_hash) = (home.app.ledger.head().await?.position.next(), Hash::default());
        cache.moved(&Change { position, team, stream, stream_version, leaf_hash });
        assert!(slot.current().is_none());
        drop(slot);
        assert!(lock(&cache.slots).is_empty(), "nothing is left of what nobody holds");
        Ok(())
    }

    /// Guards: a read that was under way when it became unknown what was missed, and ends afterwards.
    async fn what_was_read_before_everything_was_forgotten_is_not_believed_after(home: Home) -> TestResult {
        let cache = LicenseCache::new(home.app.ledger.clone());
        let lookup = issued(&home).await?;
        let found = cache.of_key(&home.app.views, home.team, &lookup).await?;
        let (slot, known) = found.ok_or("no licence")?;
        let (_, forgotten) = slot.so_far();
        cache.clear();
        slot.learn(Known::clone(&known), forgotten);
        assert!(slot.current().is_none());
        let again = cache.of_key(&home.app.views, home.team, &lookup).await?;
        assert_eq!(again.map(|(_, again)| again), Some(known));
        assert!(slot.current().is_some());
        Ok(())
    }
}
