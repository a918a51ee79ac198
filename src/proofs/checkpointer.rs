//! Signing checkpoints: every 1,000 events, or every minute in which the ledger grew.

use std::time::Duration;

use keyledger_events::store::SharedProofStore;
use keyledger_events::store::proofs::{PROOF_ROWS_MAX, Stored, StoredCheckpoint};
use keyledger_proof::merkle::{Frontier, Hash};
use keyledger_proof::tile::{TILE_HEIGHT, TILE_WIDTH, subtrees};
use keyledger_proof::{Checkpoint, NoteSigner};

use super::{LogKey, ProofsError, Tree};
use crate::app::App;
use crate::stop::Stopping;

/// Events after which a checkpoint is signed, however little time has passed.
const EVENTS_MAX: u64 = 1_000;
/// How long after a checkpoint the next one is signed, however little the ledger grew.
const AGE_MAX_SECONDS: u64 = 60;
/// How often the ledger's end is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Hashes of a level that are computed from one read of the level below.
const TILES_AT_ONCE: u64 = PROOF_ROWS_MAX as u64 / TILE_WIDTH;
/// Hashes of a full tile.
const TILE_HASHES: usize = 1 << TILE_HEIGHT;

/// Signs checkpoints until it is time to stop. Any number of nodes may do so.
pub async fn run(app: App, key: LogKey, mut stopping: Stopping) {
    let mut complained = String::new();
    while tokio::time::timeout(LOOK, stopping.requested()).await.is_err() {
        match sign_if_due(&app, &key).await {
            Ok(()) => complained.clear(),
            Err(error) => {
                let complaint = error.to_string();
                if complaint != complained {
                    tracing::error!(%error, "no checkpoint can be signed");
                    complained = complaint;
                }
            }
        }
    }
}

pub(super) async fn sign_if_due(app: &App, key: &LogKey) -> Result<(), ProofsError> {
    let newest = app.proofs.newest_checkpoint().await?;
    let size = app.ledger.head().await?.position.0.unsigned_abs();
    let due = match newest {
        None => size > 0,
        Some(newest) => {
            // A clock that was ahead and was corrected makes it a time to come: that is no reason to wait for it.
            let age = app.clock.now().as_second().abs_diff(newest.signed_at.as_second());
            let grown = size.saturating_sub(newest.size);
            grown >= EVENTS_MAX || grown > 0 && age >= AGE_MAX_SECONDS
        }
    };
    if due {
        sign_now(app, key).await?;
    }
    Ok(())
}

/// The checkpoint over the whole ledger, signed now unless it was before.
///
/// # Errors
/// When the ledger is empty or does not answer, and when its tree is not the one that was signed before.
pub async fn sign_now(app: &App, key: &NoteSigner) -> Result<StoredCheckpoint, ProofsError> {
    let proofs = &app.proofs;
    // In this order: a checkpoint that is read before the head is never over more than the head.
    let newest = proofs.newest_checkpoint().await?;
    let head = app.ledger.head().await?;
    let (size, root) = (head.frontier.size(), head.frontier.root());
    if size == 0 {
        return Err(ProofsError::Empty);
    }
    integrate(proofs, size).await?;
    let mut tree = Tree::new(proofs.clone(), size);
    if tree.root(size).await? != root {
        let found = "the events' hashes do not give the tree of the head row".to_owned();
        return Err(ProofsError::Inconsistent(found));
    }
    if let Some(newest) = newest {
        continues(&mut tree, key, &newest, size).await?;
        if newest.size == size {
            return Ok(newest);
        }
    }
    let signed_at = app.clock.now().max(head.recorded_at);
    let checkpoint = StoredCheckpoint { size, root, signed_at, note: Checkpoint::sign(key, size, &root) };
    match proofs.store_checkpoint(&checkpoint).await? {
        Stored::Appended => {
            metrics::gauge!("keyledger_checkpoint_events").set(as_f64(size));
            tracing::debug!(size, "a checkpoint was signed");
            Ok(checkpoint)
        }
        // Another node was faster, and what it signed counts.
        Stored::AlreadyThere => {
            let theirs = proofs.checkpoints(size - 1, 1).await?.into_iter().next();
            let theirs = theirs.filter(|theirs| theirs.size == size).ok_or(ProofsError::NoCheckpoint(size))?;
            continues(&mut tree, key, &theirs, size).await?;
            Ok(theirs)
        }
    }
}

/// A log never signs what contradicts something that it signed before.
async fn continues(tree: &mut Tree, key: &NoteSigner, before: &StoredCheckpoint, size: u64) -> Result<(), ProofsError> {
    let signed = Checkpoint::open(key.key(), &before.note)
        .map_err(|source| ProofsError::Checkpoint { size: before.size, source })?;
    if signed.size > size {
        let found = format!("a checkpoint was signed over {} events, but the ledger has {size}", signed.size);
        return Err(ProofsError::Inconsistent(found));
    }
    if tree.root(signed.size).await? != signed.root {
        let found = format!("the first {} events are not those that were signed before", signed.size);
        return Err(ProofsError::Inconsistent(found));
    }
    Ok(())
}

/// Keeps the hashes of all subtrees that `size` events complete and that are not kept yet.
async fn integrate(proofs: &SharedProofStore, size: u64) -> Result<(), ProofsError> {
    for level in 1.. {
        let complete = subtrees(level, size);
        if complete == 0 {
            break;
        }
        let mut next = proofs.tiles_kept(level).await?;
        while next < complete {
            let count = (complete - next).min(TILES_AT_ONCE);
            let (first, wanted) = (next * TILE_WIDTH, count * TILE_WIDTH);
            let below = proofs.hashes(level - 1, first, u32::try_from(wanted).unwrap_or(PROOF_ROWS_MAX)).await?;
            let found = below.len() as u64;
            if found < wanted {
                return Err(ProofsError::Missing { level: level - 1, index: first + found });
            }
            let (tiles, _) = below.as_chunks::<{ TILE_HASHES }>();
            let roots: Vec<Hash> = tiles.iter().map(|tile| root(tile)).collect();
            proofs.store_tiles(level, next, &roots).await?;
            next += count;
        }
    }
    Ok(())
}

fn root(hashes: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    hashes.iter().for_each(|hash| tree.push(*hash));
    tree.root()
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; sizes beyond 2^53 are out of reach")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
