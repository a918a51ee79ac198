//! Restoring a copy. Everything is checked before anything is written: every file against its sum, every event against
//! its leaf, all of them against the root, every key against the master key.

use std::path::PathBuf;

use keyledger_events::keys::{KeyLink, MasterKey, MasterKeyError, WrappedKey};
use keyledger_events::merkle::{Frontier, Hash};
use keyledger_events::store::RestoreTarget;
use keyledger_events::writer::{RESTORE_BATCH_EVENTS_MAX, Restore, RestoreError};
use keyledger_events::{Position, RecordedEvent};
use zeroize::Zeroizing;

use super::archive::Archive;
use super::checked::CheckedFolder;
use super::error::{CopyError, RestoreCopyError};
use super::events_file::{EventsFile, Lines};
use super::forgotten::Forgotten;
use super::keys_file::{KeyEntry, KeyLine};
use super::manifest::{Counts, Kind, LedgerPoint};
use super::take::keys_inside;
use super::{EVENTS_FILE, KEYS_FILE, MANIFEST_FILE, MASTER_KEY_FILE, Progress, Stage, master_key};
use crate::config::{DatabaseUrl, MasterKeySource};
use crate::presence;

/// Keys and links that are stored at once.
const BATCH_KEYS: usize = 500;
/// Payload bytes of one batch of events; a single event may have more.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// How many events are checked between two reports.
const REPORT_EVENTS: u64 = 1_000;

/// What is restored.
#[derive(Debug, Clone)]
pub struct RestoreFrom {
    /// The folder with the ledger.
    pub ledger: PathBuf,
    /// The folder with the keys; `None` is the folder inside the ledger's.
    pub keys: Option<PathBuf>,
    /// Where the master key of the restored ledger comes from.
    pub master_key: MasterKeySource,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Where the ledger ends.
    pub point: LedgerPoint,
    /// Events that were there from an interrupted restore.
    pub resumed_at: Position,
    /// Keys that were restored.
    pub keys: u64,
    /// Keys that were left out, because the ledger says that their owner was forgotten.
    pub forgotten: u64,
    /// Where the copy's master key was put, if there was none.
    pub master_key: Option<PathBuf>,
}

/// A copy in which everything fits.
struct Sound {
    ledger: CheckedFolder,
    keys: CheckedFolder,
    forgotten: Forgotten,
    target: RestoreTarget,
    /// The copy's master key, where it is to be put.
    master_text: Option<Zeroizing<String>>,
}

/// Restores a copy into an empty ledger, or goes on with one that was interrupted.
///
/// # Errors
/// When the copy is damaged or does not fit together, the master key is another one, or there is a ledger already.
pub async fn restore(
    url: &DatabaseUrl,
    from: &RestoreFrom,
    mut progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Restored, RestoreCopyError> {
    let checked = from.clone();
    // Hashing gigabytes is no work for a thread that others wait for.
    let checking = tokio::task::spawn_blocking(move || check(&checked, &mut progress).map(|sound| (sound, progress)));
    let (sound, mut progress) = checking.await.map_err(|error| RestoreCopyError::Stopped(error.to_string()))??;
    let _alone = presence::alone(url).await?;
    let archive = Archive::open(url).await?;
    let mut restore = Restore::begin(archive.door.clone(), sound.target).await?;
    let resumed_at = restore.position();
    if resumed_at == Position::START {
        archive.keys.clear().await.map_err(RestoreCopyError::Keys)?;
    }
    let master_key = match (&sound.master_text, &from.master_key) {
        (Some(text), MasterKeySource::File(path)) => {
            master_key::install(path, text)?;
            Some(path.clone())
        }
        _ => None,
    };
    let (keys, forgotten) = restore_keys(&archive, &sound, &mut progress).await?;
    restore_events(&mut restore, &sound, &mut progress).await?;
    restore.finish().await?;
    Ok(Restored { point: sound.ledger.manifest.ledger, resumed_at, keys, forgotten, master_key })
}

/// Checks everything that can be checked without the database.
fn check(from: &RestoreFrom, progress: &mut impl FnMut(Progress)) -> Result<Sound, RestoreCopyError> {
    let mut read = |done, of| progress(Progress { stage: Stage::CheckFiles, done, of: Some(of) });
    let keys_folder = from.keys.clone().unwrap_or_else(|| keys_inside(&from.ledger));
    let ledger = CheckedFolder::open(Kind::Ledger, &from.ledger, &mut read)?;
    let keys = CheckedFolder::open(Kind::Keys, &keys_folder, &mut read)?;
    belong_together(&ledger, &keys)?;
    let copied = keys.has(MASTER_KEY_FILE).then(|| keys.path(MASTER_KEY_FILE));
    let master = master_key::for_restore(&from.master_key, copied.as_deref())?;
    check_keys(&keys, &master.key).map_err(|error| match error {
        RestoreCopyError::MasterKey(MasterKeyError::Other(_)) => {
            RestoreCopyError::OtherMasterKey { origin: master.origin, keys: keys_folder, copied }
        }
        other => other,
    })?;
    let (target, forgotten) = check_events(&ledger, progress)?;
    Ok(Sound { ledger, keys, forgotten, target, master_text: master.copied })
}

/// The keys must be of the same ledger and no older than its copy.
fn belong_together(ledger: &CheckedFolder, keys: &CheckedFolder) -> Result<(), RestoreCopyError> {
    let (events, known) = (&ledger.manifest.ledger, &keys.manifest.ledger);
    let folders = || (keys.folder.clone(), ledger.folder.clone());
    let same_ledger = events.first.is_none() || known.first.is_none() || events.first == known.first;
    let same_point = events.position != known.position || events.root == known.root;
    if !same_ledger || !same_point {
        let (keys, ledger) = folders();
        return Err(RestoreCopyError::Strangers { keys, ledger });
    }
    if known.position < events.position {
        let (keys, ledger) = folders();
        return Err(RestoreCopyError::OldKeys { keys, at: known.position, ledger, head: events.position });
    }
    Ok(())
}

fn check_keys(keys: &CheckedFolder, master: &MasterKey) -> Result<(), RestoreCopyError> {
    let mut counts = Counts::default();
    let mut lines = Lines::open(&keys.path(KEYS_FILE))?;
    while let Some(entry) = next_key(&mut lines)? {
        match entry {
            KeyEntry::Key(key) => {
                master.unwrap(&key)?;
                counts.keys += 1;
            }
            KeyEntry::Link(_) => counts.links += 1,
            KeyEntry::ServerKey(_) => counts.server_keys += 1,
        }
    }
    if counts != keys.manifest.counts {
        let problem = format!("it promises {:?}, but there are {counts:?}", keys.manifest.counts);
        return Err(CopyError::damaged(&keys.path(MANIFEST_FILE), problem).into());
    }
    Ok(())
}

fn next_key(lines: &mut Lines) -> Result<Option<KeyEntry>, CopyError> {
    let Some(line) = lines.next::<KeyLine>()? else { return Ok(None) };
    line.entry().map(Some).map_err(|problem| lines.damaged(problem))
}

fn check_events(
    ledger: &CheckedFolder,
    progress: &mut impl FnMut(Progress),
) -> Result<(RestoreTarget, Forgotten), CopyError> {
    let LedgerPoint { first, position, .. } = &ledger.manifest.ledger;
    let of = Some(position.0.unsigned_abs());
    let (mut frontier, mut forgotten, mut first_leaf) = (Frontier::default(), Forgotten::default(), None::<Hash>);
    let mut events = EventsFile::open(&ledger.path(EVENTS_FILE))?;
    while let Some(event) = events.next()? {
        let expected = i64::try_from(frontier.size()).unwrap_or(i64::MAX).saturating_add(1);
        if event.position.0 != expected {
            return Err(events.damaged(format!("position {expected} is missing")));
        }
        event.check_hash().map_err(|error| events.damaged(error))?;
        frontier.push(event.leaf_hash);
        first_leaf.get_or_insert(event.leaf_hash);
        forgotten.learn(&event);
        let done = frontier.size();
        if done.is_multiple_of(REPORT_EVENTS) {
            progress(Progress { stage: Stage::CheckEvents, done, of });
        }
    }
    let manifest = ledger.path(MANIFEST_FILE);
    let found = LedgerPoint::new(first_leaf, Position(i64::try_from(frontier.size()).unwrap_or(i64::MAX)), &frontier);
    let fits = found == ledger.manifest.ledger && ledger.manifest.counts.events == frontier.size();
    match ledger.manifest.ledger.root_hash().filter(|_| fits) {
        Some(root) => Ok((RestoreTarget { position: *position, root }, forgotten)),
        None => {
            let problem = format!("it promises {position} events from {first:?} on, and the events are {found:?}");
            Err(CopyError::damaged(&manifest, problem))
        }
    }
}

/// New keys are there before anything that they seal. What an interrupted restore stored already stays.
/// Tells how many keys were restored, and how many were left out.
async fn restore_keys(
    archive: &Archive,
    sound: &Sound,
    progress: &mut impl FnMut(Progress),
) -> Result<(u64, u64), RestoreCopyError> {
    let Counts { keys, links, .. } = sound.keys.manifest.counts;
    let mut lines = Lines::open(&sound.keys.path(KEYS_FILE))?;
    let (mut batch, mut server_keys) = (Batch::default(), Vec::new());
    let (mut done, mut restored, mut left_out) = (0, 0, 0);
    while let Some(entry) = next_key(&mut lines)? {
        match entry {
            KeyEntry::Key(key) if !sound.forgotten.holds(key.id) => batch.keys.push(key),
            KeyEntry::Link(link) if !sound.forgotten.holds_link(&link) => batch.links.push(link),
            KeyEntry::ServerKey(key) => server_keys.push(key),
            KeyEntry::Key(_) => left_out += 1,
            _ => {}
        }
        if batch.keys.len() + batch.links.len() >= BATCH_KEYS {
            restored += batch.keys.len() as u64;
            done += batch.store(archive).await?;
            progress(Progress { stage: Stage::RestoreKeys, done, of: Some(keys + links) });
        }
    }
    restored += batch.keys.len() as u64;
    batch.store(archive).await?;
    let stored = archive.keys.server_keys().await.map_err(RestoreCopyError::Keys)?.len();
    for (known, key) in server_keys.iter().enumerate().skip(stored) {
        archive.keys.add_server_key(key, &[], known).await.map_err(RestoreCopyError::Keys)?;
    }
    Ok((restored, left_out))
}

/// Keys and links on their way into the store.
#[derive(Default)]
struct Batch {
    keys: Vec<WrappedKey>,
    links: Vec<KeyLink>,
}

impl Batch {
    async fn store(&mut self, archive: &Archive) -> Result<u64, RestoreCopyError> {
        archive.keys.insert(&self.keys, &self.links).await.map_err(RestoreCopyError::Keys)?;
        let stored = self.keys.len() + self.links.len();
        self.keys.clear();
        self.links.clear();
        Ok(stored as u64)
    }
}

async fn restore_events(
    restore: &mut Restore,
    sound: &Sound,
    progress: &mut impl FnMut(Progress),
) -> Result<(), RestoreCopyError> {
    let of = Some(sound.target.position.0.unsigned_abs());
    let mut events = EventsFile::open(&sound.ledger.path(EVENTS_FILE))?;
    let (mut batch, mut bytes): (Vec<RecordedEvent>, usize) = (Vec::new(), 0);
    while let Some(event) = events.next()? {
        if event.position <= restore.position() {
            continue;
        }
        bytes += event.payload.len();
        batch.push(event);
        if batch.len() >= RESTORE_BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_MAX {
            append(restore, &mut batch, &mut bytes).await?;
            progress(Progress { stage: Stage::RestoreEvents, done: restore.position().0.unsigned_abs(), of });
        }
    }
    append(restore, &mut batch, &mut bytes).await?;
    Ok(())
}

async fn append(restore: &mut Restore, batch: &mut Vec<RecordedEvent>, bytes: &mut usize) -> Result<(), RestoreError> {
    restore.append(batch).await?;
    batch.clear();
    *bytes = 0;
    Ok(())
}
