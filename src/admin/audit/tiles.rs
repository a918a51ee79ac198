//! The kept tiles against those that the events make.

use keyledger_events::store::SharedProofStore;
use keyledger_events::store::proofs::{PROOF_ROWS_MAX, StoredTile};

use super::walk::Tiles;
use super::{Problem, Stopped};

/// Compares each kept tile; `tiles` are those of the events up to `head`.
pub(super) async fn check(proofs: &SharedProofStore, mut tiles: Tiles, head: i64) -> Result<(), Stopped> {
    let mut after = None;
    // The kept ones of a level have no gap: which are missing beyond them is yet to be computed.
    let mut kept_until = std::collections::HashMap::new();
    let mut beyond: Option<StoredTile> = None;
    loop {
        let page = proofs.tiles(after, PROOF_ROWS_MAX).await?;
        let Some(StoredTile { level, index, .. }) = page.last().copied() else { break };
        after = Some((level, index));
        for tile in page {
            let until = kept_until.entry(tile.level).or_insert(0);
            if tile.index != *until {
                let missing = StoredTile { index: *until, ..tile };
                let what = format!("{} is missing, but later ones are there", name(&missing));
                return Err(Problem::new(missing.first(), what).into());
            }
            *until += 1;
            if tile.last() > head {
                beyond = beyond.filter(|furthest| furthest.last() >= tile.last()).or(Some(tile));
            } else if tiles.remove(&(tile.level, tile.index)) != Some(tile.hash) {
                let what = format!("{} does not fit the events", name(&tile));
                return Err(Problem::new(tile.first(), what).into());
            }
        }
    }
    match beyond {
        Some(tile) => follows_events(proofs, &tile).await,
        None => Ok(()),
    }
}

/// What is beyond the head was kept after the verification began, for events that are there by now; or somebody made it
/// up, or cut off the events under it.
async fn follows_events(proofs: &SharedProofStore, tile: &StoredTile) -> Result<(), Stopped> {
    let end = proofs.edges().await?.last.unwrap_or(0);
    if tile.last() <= end {
        return Ok(());
    }
    let (name, last) = (name(tile), tile.last());
    let what = format!("{name} is over events up to position {last}, but the ledger ends at {end}");
    Err(Problem::new(end.saturating_add(1), what).into())
}

fn name(tile: &StoredTile) -> String {
    format!("tile hash {} of level {}", tile.index, tile.level)
}
