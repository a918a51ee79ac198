//! Tiles: how the tree is kept, so that no proof reads more than a few hundred hashes for each three digits of events.
//!
//! As in C2SP's tlog-tiles, a tile of level L holds up to 256 hashes of perfect subtrees of height 8 × L. Those of level
//! 0 are the leaves themselves. A hash between two levels is computed from the tile below it.

use crate::merkle::{Hash, node_hash};
use crate::path::Node;

/// Heights of the tree in a tile.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes of a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Its level, from 0.
    pub level: u32,
    /// Which of its level, from 0.
    pub index: u64,
}

impl TileId {
    /// The tile that a subtree's hash is found in or computed from.
    pub fn of(node: Node) -> Self {
        let (level, above) = (node.height / TILE_HEIGHT, node.height % TILE_HEIGHT);
        Self { level, index: (node.index << above) / TILE_WIDTH }
    }

    /// The number of the first hash in it, among those of its level.
    pub fn first(self) -> u64 {
        self.index * TILE_WIDTH
    }

    /// How many hashes it has in a tree of `size` leaves.
    pub fn width(self, size: u64) -> u64 {
        subtrees(self.level, size).saturating_sub(self.first()).min(TILE_WIDTH)
    }
}

/// How many perfect subtrees of a level a tree of `size` leaves has.
pub fn subtrees(level: u32, size: u64) -> u64 {
    size.checked_shr(level * TILE_HEIGHT).unwrap_or(0)
}

/// A tile's hashes and the perfect subtrees over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// By height above the tile's level.
    rows: Vec<Vec<Hash>>,
}

impl Tile {
    /// Computes the subtrees.
    pub fn new(hashes: Vec<Hash>) -> Self {
        let mut rows = vec![hashes];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let (pairs, _) = row.as_chunks::<2>();
            let above = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
            rows.push(above);
        }
        Self { rows }
    }

    /// The hash of a subtree whose tile this is; `None` when the tile is not as wide.
    pub fn hash(&self, node: Node) -> Option<Hash> {
        let above = node.height % TILE_HEIGHT;
        let within = ((node.index << above) % TILE_WIDTH) >> above;
        self.rows.get(usize::try_from(above).ok()?)?.get(usize::try_from(within).ok()?).copied()
    }
}
