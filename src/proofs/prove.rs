//! Making proofs, and checking them before they go out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyledger_events::store::proofs::StoredCheckpoint;
use keyledger_events::{Position, TeamId, Timestamp};
use keyledger_proof::merkle::Hash;
use keyledger_proof::{NoteSigner, check, path};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ProofsError, Tree};
use crate::app::App;

/// A checkpoint, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointJson {
    /// Events that it is over.
    pub size: u64,
    /// Hex of the Merkle tree's root over them (RFC 6962).
    pub root: String,
    /// When it was signed.
    #[schema(value_type = String, format = DateTime)]
    pub signed_at: Timestamp,
    /// The signed note (C2SP tlog-checkpoint).
    pub note: String,
    /// The log's verifier key.
    pub log: String,
}

/// That the ledger has an event, proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inclusion {
    /// The event's position, from 1. Its index in the tree is one less.
    #[schema(value_type = i64)]
    pub position: Position,
    /// Its id.
    pub event_id: Uuid,
    /// Hex of its leaf's hash.
    pub leaf_hash: String,
    /// The proof's hashes in base64 (RFC 6962 section 2.1.1).
    pub path: Vec<String>,
    /// The checkpoint that it is proved against.
    pub checkpoint: CheckpointJson,
}

/// That one tree is the beginning of another, proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consistency {
    /// Events of the older tree.
    pub from: u64,
    /// Hex of its root.
    pub from_root: String,
    /// Events of the newer tree.
    pub to: u64,
    /// Hex of its root.
    pub to_root: String,
    /// The proof's hashes in base64 (RFC 6962 section 2.1.2).
    pub path: Vec<String>,
    /// The signed note over the older tree, if one was signed.
    pub from_note: Option<String>,
    /// The signed note over the newer tree, if one was signed.
    pub to_note: Option<String>,
    /// The log's verifier key.
    pub log: String,
}

/// A stored checkpoint, for programs.
pub fn checkpoint_json(key: &NoteSigner, checkpoint: &StoredCheckpoint) -> CheckpointJson {
    CheckpointJson {
        size: checkpoint.size,
        root: hex::encode(checkpoint.root),
        signed_at: checkpoint.signed_at,
        note: checkpoint.note.clone(),
        log: key.key().to_string(),
    }
}

/// Proves that the event at a position is in the tree of the newest checkpoint, or of the one with this size. Where a
/// team is named, other teams' events are as if there were none.
///
/// # Errors
/// When there is no such event or checkpoint, the ledger does not answer, or it was changed.
pub async fn inclusion(
    app: &App,
    key: &NoteSigner,
    team: Option<TeamId>,
    position: Position,
    size: Option<u64>,
) -> Result<Inclusion, ProofsError> {
    let number = u64::try_from(position.0).ok();
    let index = number.and_then(|number| number.checked_sub(1)).ok_or(ProofsError::NoEvent(position))?;
    let event = app.ledger.read(position.previous(), 1).await?.into_iter().next();
    let event = event.filter(|event| event.position == position && team.is_none_or(|team| event.team == team));
    let event = event.ok_or(ProofsError::NoEvent(position))?;
    event.check_hash()?;
    let checkpoint = match size {
        Some(size) => at(app, size).await?.ok_or(ProofsError::NoCheckpoint(size))?,
        None => newest(app, index + 1).await?,
    };
    let ranges = path::inclusion(index, checkpoint.size);
    let ranges = ranges.ok_or(ProofsError::NotYet { position: index + 1, size: checkpoint.size })?;
    let path = Tree::new(app.proofs.clone(), checkpoint.size).path(&ranges).await?;
    check::inclusion(&event.leaf_hash, index, checkpoint.size, &checkpoint.root, &path)?;
    Ok(Inclusion {
        position,
        event_id: event.event_id,
        leaf_hash: hex::encode(event.leaf_hash),
        path: encoded(&path),
        checkpoint: checkpoint_json(key, &checkpoint),
    })
}

/// Proves that the tree over the first `from` events is the beginning of that over the first `to`, which is the newest
/// checkpoint's unless it is named.
///
/// # Errors
/// As [`inclusion`].
pub async fn consistency(app: &App, key: &NoteSigner, from: u64, to: Option<u64>) -> Result<Consistency, ProofsError> {
    let newest = newest(app, to.unwrap_or(from)).await?;
    let to = to.unwrap_or(newest.size);
    let ranges = path::consistency(from, to).filter(|_| from > 0).ok_or(ProofsError::Order { from, to })?;
    let mut tree = Tree::new(app.proofs.clone(), newest.size);
    let (from_root, to_root) = (tree.root(from).await?, tree.root(to).await?);
    let path = tree.path(&ranges).await?;
    check::consistency(from, &from_root, to, &to_root, &path)?;
    Ok(Consistency {
        from,
        from_root: hex::encode(from_root),
        to,
        to_root: hex::encode(to_root),
        path: encoded(&path),
        from_note: at(app, from).await?.map(|checkpoint| checkpoint.note),
        to_note: at(app, to).await?.map(|checkpoint| checkpoint.note),
        log: key.key().to_string(),
    })
}

/// The newest checkpoint, if it is over this position.
async fn newest(app: &App, position: u64) -> Result<StoredCheckpoint, ProofsError> {
    let newest = app.proofs.newest_checkpoint().await?;
    let size = newest.as_ref().map_or(0, |newest| newest.size);
    newest.filter(|newest| newest.size >= position).ok_or(ProofsError::NotYet { position, size })
}

/// The checkpoint over exactly so many events.
async fn at(app: &App, size: u64) -> Result<Option<StoredCheckpoint>, ProofsError> {
    let Some(before) = size.checked_sub(1) else { return Ok(None) };
    let found = app.proofs.checkpoints(before, 1).await?.into_iter().next();
    Ok(found.filter(|found| found.size == size))
}

fn encoded(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| BASE64.encode(hash)).collect()
}
