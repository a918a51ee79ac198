//! The kept tiles against those that the events make.

use keyledger_events::store::SharedProofStore;
use keyledger_events::store::proofs::{PROOF_ROWS_MAX, StoredTile};
use keyledger_proof::tile::TILE_HEIGHT;

use super::walk::Tiles;
use super::{Problem, Stopped};

/// Compares each kept tile; `tiles` are those of the events up to `head`.
pub(super) async fn check(proofs: &SharedProofStore, mut tiles: Tiles, head: i64) -> Result<(), Stopped> {
    let mut after = None;
    // The kept ones of a level have no gap: which are missing beyond them is yet to be computed.
    let mut kept_until = std::collections::HashMap::new();
    loop {
        let page = proofs.tiles(after, PROOF_ROWS_MAX).await?;
        let Some(StoredTile { level, index, .. }) = page.last().copied() else { break };
        after = Some((level, index));
        for tile in page {
            let until = kept_until.entry(tile.level).or_insert(0);
            if tile.index != *until {
                return Err(Problem::new(first(tile.level, *until), missing(tile.level, *until)).into());
            }
            *until += 1;
            // What is beyond the head was kept after the verification began.
            if end(tile.level, tile.index) > head.unsigned_abs() {
                continue;
            }
            if tiles.remove(&(tile.level, tile.index)) != Some(tile.hash) {
                let StoredTile { level, index, .. } = tile;
                let what = format!("tile hash {index} of level {level} does not fit the events");
                return Err(Problem::new(first(level, index), what).into());
            }
        }
    }
    Ok(())
}

fn missing(level: u32, index: u64) -> String {
    format!("tile hash {index} of level {level} is missing, but later ones are there")
}

/// The first position under a tile's hash.
fn first(level: u32, index: u64) -> i64 {
    let before = index.checked_shl(level.saturating_mul(TILE_HEIGHT)).unwrap_or(0);
    i64::try_from(before).unwrap_or(i64::MAX).saturating_add(1)
}

/// The last position under a tile's hash.
fn end(level: u32, index: u64) -> u64 {
    index.saturating_add(1).checked_shl(level.saturating_mul(TILE_HEIGHT)).unwrap_or(u64::MAX)
}
