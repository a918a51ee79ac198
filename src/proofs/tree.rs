//! Reading the tree from its tiles: a few hundred hashes for a proof, whatever the ledger's size.

use std::collections::HashMap;
use std::ops::Range;

use keyledger_events::store::SharedProofStore;
use keyledger_proof::merkle::{Frontier, Hash, join};
use keyledger_proof::path::{Node, nodes};
use keyledger_proof::tile::{Tile, TileId};

use super::ProofsError;

/// Tiles kept in memory at most: half a MiB.
const TILES_MAX: usize = 32;

/// The tree over the ledger's first events.
pub struct Tree {
    store: SharedProofStore,
    size: u64,
    tiles: HashMap<TileId, Tile>,
}

impl Tree {
    /// The tree over the first `size` events, whose tiles are kept.
    pub fn new(store: SharedProofStore, size: u64) -> Self {
        Self { store, size, tiles: HashMap::new() }
    }

    /// The root over the first `size` events, at most as many as the tree has.
    ///
    /// # Errors
    /// When the ledger does not answer or a hash is missing.
    pub async fn root(&mut self, size: u64) -> Result<Hash, ProofsError> {
        match size {
            0 => Ok(Frontier::default().root()),
            _ => self.hash(&(0..size)).await,
        }
    }

    /// The hashes of a proof.
    ///
    /// # Errors
    /// As [`Tree::root`].
    pub async fn path(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Hash>, ProofsError> {
        let mut path = Vec::with_capacity(ranges.len());
        for range in ranges {
            path.push(self.hash(range).await?);
        }
        Ok(path)
    }

    async fn hash(&mut self, range: &Range<u64>) -> Result<Hash, ProofsError> {
        let mut hashes = Vec::new();
        for node in nodes(range) {
            hashes.push(self.node(node).await?);
        }
        join(&hashes).ok_or(ProofsError::Missing { level: 0, index: range.start })
    }

    async fn node(&mut self, node: Node) -> Result<Hash, ProofsError> {
        let id = TileId::of(node);
        let missing = || ProofsError::Missing { level: id.level, index: id.first() };
        if !self.tiles.contains_key(&id) {
            let width = u32::try_from(id.width(self.size)).map_err(|_| missing())?;
            let hashes = self.store.hashes(id.level, id.first(), width).await?;
            if self.tiles.len() >= TILES_MAX {
                // Those of higher levels are few and used by every proof.
                self.tiles.retain(|kept, _| kept.level > 0);
            }
            if self.tiles.len() >= TILES_MAX {
                self.tiles.clear();
            }
            self.tiles.insert(id, Tile::new(hashes));
        }
        self.tiles.get(&id).and_then(|tile| tile.hash(node)).ok_or_else(missing)
    }
}
