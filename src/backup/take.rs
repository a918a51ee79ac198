//! Taking a copy while everything serves.

use std::path::{Path, PathBuf};

use keyledger_events::keys::MasterRecord;
use keyledger_events::merkle::{Frontier, Hash};
use keyledger_events::store::Head;
use keyledger_events::{LedgerError, Position, Timestamp};
use uuid::Uuid;

use super::archive::Archive;
use super::error::BackupError;
use super::events_file::EventLine;
use super::folder::{NewFolder, Published, Written};
use super::keys_file::KeyLine;
use super::manifest::{Counts, Kind, LedgerPoint, Manifest};
use super::{EVENTS_FILE, KEYS_FILE, KEYS_FOLDER, MASTER_KEY_FILE, Progress, Stage, master_key};
use crate::app::refuse_without_keys;
use crate::config::MasterKeySource;

/// Events that are read at once. Bodies of deliveries are among them, which may be large.
const PAGE_EVENTS: u32 = 250;
/// Keys and links that are read at once.
const PAGE_KEYS: u32 = 500;

/// Where a copy goes.
#[derive(Debug, Clone)]
pub struct To {
    /// The folder for the ledger.
    pub ledger: PathBuf,
    /// The folder for the keys; `None` puts them into a folder inside the ledger's.
    pub keys: Option<PathBuf>,
    /// The master key, where it is to go with the keys.
    pub master_key: Option<MasterKeySource>,
}

/// A copy that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The folder with the ledger.
    pub ledger: PathBuf,
    /// The folder with the keys.
    pub keys_folder: PathBuf,
    /// Where the copied ledger ends.
    pub point: LedgerPoint,
    /// When its last event was recorded; `None` in an empty ledger.
    pub recorded_at: Option<Timestamp>,
    /// Keys that were copied.
    pub keys: u64,
    /// Links that were copied.
    pub links: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Whether the master key is with the keys.
    pub master_key: bool,
}

/// Takes a copy of the ledger up to its present head, and then of the keys.
///
/// # Errors
/// When a folder cannot be written, the ledger does not verify, or a store does not answer. Nothing is left under the
/// names that were asked for.
pub async fn take(
    archive: &Archive,
    to: &To,
    now: Timestamp,
    mut progress: impl FnMut(Progress),
) -> Result<Taken, BackupError> {
    let head = archive.ledger.head().await?;
    if let Some(target) = archive.door.restoring().await? {
        return Err(LedgerError::Restoring { position: head.position, target: target.position }.into());
    }
    let keys_to = apart(to)?;
    refuse_without_keys(&*archive.ledger, &*archive.keys).await?;
    let in_force = steady_master(archive).await?;
    let master_key = to.master_key.as_ref().map(|source| master_key::in_force(source, in_force)).transpose()?;
    let folder = NewFolder::begin(&to.ledger)?;
    let keys_place = keys_to.map_or_else(|| folder.inside(KEYS_FOLDER), Path::to_owned);
    let keys_folder = NewFolder::begin_again(&keys_place)?;

    let (events, first) = copy_events(archive, &head, &folder, &mut progress).await?;
    let point = LedgerPoint::new(first, head.position, &head.frontier);
    let (keys, counts) = copy_keys(archive, in_force, &keys_folder, &mut progress).await?;
    let mut key_files = vec![keys];
    if let Some(text) = &master_key {
        let mut file = keys_folder.file(MASTER_KEY_FILE)?;
        file.write(text.as_bytes())?;
        key_files.push(file.finish()?);
    }

    // The keys appear first: where there is a copy of a ledger, its keys have been copied. Theirs keep their lock until
    // the ledger is there, so that the keys of a backup that ends in between are known for what they are.
    let manifest = manifest(Kind::Keys, now, &point, counts, &key_files);
    let mut published = Some(keys_folder.finish(&manifest, key_files)?);
    let mut bytes = 0;
    if keys_to.is_none() {
        // Inside the ledger's folder they appear with it.
        bytes += published.take().map(Published::release).transpose()?.unwrap_or_default();
    }
    let event_counts = Counts { events: point.position.0.unsigned_abs(), ..Counts::default() };
    let files = vec![events];
    bytes += folder.finish(&self::manifest(Kind::Ledger, now, &point, event_counts, &files), files)?.release()?;
    bytes += published.map(Published::release).transpose()?.unwrap_or_default();
    Ok(Taken {
        ledger: to.ledger.clone(),
        keys_folder: keys_to.map_or_else(|| keys_inside(&to.ledger), Path::to_owned),
        recorded_at: (head.position > Position::START).then_some(head.recorded_at),
        point,
        keys: counts.keys,
        links: counts.links,
        bytes,
        master_key: master_key.is_some(),
    })
}

fn manifest(kind: Kind, now: Timestamp, point: &LedgerPoint, counts: Counts, files: &[Written]) -> Manifest {
    Manifest::new(kind, now, point.clone(), counts, files.iter().cloned().map(Into::into).collect())
}

/// Copies the events up to the head, each compared with its hash and all of them with the head's Merkle tree. Tells the
/// leaf of the first one.
async fn copy_events(
    archive: &Archive,
    head: &Head,
    folder: &NewFolder,
    progress: &mut impl FnMut(Progress),
) -> Result<(Written, Option<Hash>), BackupError> {
    let mut file = folder.file(EVENTS_FILE)?;
    let (mut frontier, mut first, mut at) = (Frontier::default(), None, Position::START);
    let mut buffer = Vec::new();
    while at < head.position {
        let page = archive.ledger.read(at, PAGE_EVENTS).await?;
        if page.is_empty() {
            return Err(BackupError::Corrupt(at.next()));
        }
        for event in page.iter().take_while(|event| event.position <= head.position) {
            if event.position != at.next() {
                return Err(BackupError::Corrupt(at.next()));
            }
            event.check_hash().map_err(LedgerError::from)?;
            let line = EventLine::of(event).ok_or(BackupError::Corrupt(event.position))?;
            file.line(&line, &mut buffer)?;
            frontier.push(event.leaf_hash);
            first.get_or_insert(event.leaf_hash);
            at = event.position;
        }
        let (done, of) = (at.0.unsigned_abs(), Some(head.position.0.unsigned_abs()));
        progress(Progress { stage: Stage::CopyEvents, done, of });
    }
    if frontier != head.frontier {
        return Err(BackupError::Corrupt(head.position));
    }
    Ok((file.finish()?, first))
}

/// Copies the keys. `in_force` is the master key that they were under when the backup began, whose text may be in it.
async fn copy_keys(
    archive: &Archive,
    in_force: Option<Uuid>,
    folder: &NewFolder,
    progress: &mut impl FnMut(Progress),
) -> Result<(Written, Counts), BackupError> {
    let mut file = folder.file(KEYS_FILE)?;
    let (mut counts, mut buffer) = (Counts::default(), Vec::new());
    let mut after = None;
    loop {
        let page = archive.keys.page(after, PAGE_KEYS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        page.iter().try_for_each(|key| file.line(&KeyLine::from(key), &mut buffer))?;
        counts.keys += page.len() as u64;
        progress(Progress { stage: Stage::CopyKeys, done: counts.keys, of: None });
    }
    let mut after = None;
    loop {
        let page = archive.keys.links_after(after, PAGE_KEYS).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        page.iter().try_for_each(|link| file.line(&KeyLine::from(link), &mut buffer))?;
        counts.links += page.len() as u64;
        progress(Progress { stage: Stage::CopyKeys, done: counts.keys + counts.links, of: None });
    }
    for key in archive.keys.server_keys().await? {
        file.line(&KeyLine::from(&key), &mut buffer)?;
        counts.server_keys += 1;
    }
    if steady_master(archive).await? != in_force {
        return Err(BackupError::Rotating);
    }
    Ok((file.finish()?, counts))
}

/// The id of the master key that every key is under; `None` where none is known yet.
async fn steady_master(archive: &Archive) -> Result<Option<Uuid>, BackupError> {
    match archive.keys.master().await? {
        Some(MasterRecord { handed_over: Some(_), .. }) => Err(BackupError::Rotating),
        steady => Ok(steady.map(|record| record.id)),
    }
}

/// The folder of its own for the keys; `None` where they go inside the ledger's, named or not. Any other folder in the
/// other could not be given its name at the end.
fn apart(to: &To) -> Result<Option<&Path>, BackupError> {
    let Some(keys) = to.keys.as_deref() else { return Ok(None) };
    let (ledger_at, keys_at) = (real(&to.ledger)?, real(keys)?);
    if keys_at == keys_inside(&ledger_at) {
        return Ok(None);
    }
    if keys_at == ledger_at {
        return Err(BackupError::SamePlace(to.ledger.clone()));
    }
    if keys_at.starts_with(&ledger_at) || ledger_at.starts_with(&keys_at) {
        return Err(BackupError::Nested { ledger: to.ledger.clone(), keys: keys.to_owned() });
    }
    Ok(Some(keys))
}

/// A path from the root on, without links as far as it exists.
fn real(path: &Path) -> Result<PathBuf, BackupError> {
    let absolute = std::path::absolute(path).map_err(BackupError::file(path))?;
    let known = absolute.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    Ok(match known {
        Some((above, real)) => real.join(absolute.strip_prefix(above).unwrap_or(Path::new(""))),
        None => absolute,
    })
}

/// Where the keys are when nobody says otherwise.
pub(super) fn keys_inside(ledger: &Path) -> PathBuf {
    ledger.join(KEYS_FOLDER)
}
