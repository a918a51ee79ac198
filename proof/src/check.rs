//! Checking proofs: the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2.

use crate::merkle::{Hash, node_hash};

/// A proof that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf, or the older tree is larger than the newer one.
    #[error("the proof is about something beyond the tree's size")]
    Size,
    /// The proof has more or fewer hashes than such a proof has.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that the leaf at `index` (from 0) of the tree with this size and root has this hash.
///
/// # Errors
/// When the proof does not prove it.
pub fn inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, path: &[Hash]) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Size);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of size `old` is the beginning of the tree of size `new`.
///
/// # Errors
/// When the proof does not prove it.
pub fn consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Size);
    }
    if old == new || old == 0 {
        let empty = path.is_empty();
        let same = old == 0 || old_root == new_root;
        return if !empty {
            Err(ProofError::Length)
        } else if same {
            Ok(())
        } else {
            Err(ProofError::Root)
        };
    }
    // The root of a perfect old tree is not repeated in the proof.
    let (first, rest) = match path.split_first() {
        _ if old.is_power_of_two() => (old_root, path),
        Some((first, rest)) => (first, rest),
        None => return Err(ProofError::Length),
    };
    let mut node = old - 1;
    let mut last = new - 1;
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;
    use crate::merkle::{Frontier, join, leaf_hash};
    use crate::path;
    use crate::tile::{TILE_HEIGHT, Tile, TileId, subtrees};

    type Theirs = MemoryBackedTree<Sha256, Vec<u8>>;

    fn entry(index: u64) -> Vec<u8> {
        index.to_be_bytes().to_vec()
    }

    fn theirs(size: u64) -> Theirs {
        let mut tree = Theirs::new();
        (0..size).for_each(|index| tree.push(entry(index)));
        tree
    }

    fn root(size: u64) -> Hash {
        let mut tree = Frontier::default();
        (0..size).for_each(|index| tree.push(leaf_hash(&entry(index))));
        tree.root()
    }

    /// The hashes of a level's subtrees, as they are kept: computed once, when they are complete.
    fn kept(size: u64) -> Vec<Vec<Hash>> {
        let mut levels = vec![(0..size).map(|index| leaf_hash(&entry(index))).collect::<Vec<_>>()];
        let mut tree = Frontier::default();
        let mut above: Vec<Vec<Hash>> = vec![Vec::new(); 8];
        for leaf in levels[0].clone() {
            tree.push_noting(leaf, |height, hash| {
                if height % TILE_HEIGHT == 0 {
                    above[(height / TILE_HEIGHT - 1) as usize].push(*hash);
                }
            });
        }
        levels.extend(above);
        for (level, hashes) in (0..).zip(&levels) {
            assert_eq!(hashes.len() as u64, subtrees(level, size), "level {level} of {size}");
        }
        levels
    }

    /// A proof from tiles, as a server makes it.
    fn prove(levels: &[Vec<Hash>], size: u64, ranges: &[std::ops::Range<u64>]) -> Vec<Hash> {
        let node = |node| {
            let id = TileId::of(node);
            let number = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
            let (first, width) = (number(id.first()), number(id.width(size)));
            let tile = Tile::new(levels[id.level as usize][first..first + width].to_vec());
            tile.hash(node).ok_or("the tile is too narrow")
        };
        ranges
            .iter()
            .map(|range| {
                let hashes: Vec<Hash> =
                    path::nodes(range).into_iter().map(|one| node(one).unwrap_or_default()).collect();
                join(&hashes).unwrap_or_default()
            })
            .collect()
    }

    fn check_inclusion(size: u64, index: u64) -> Result<(), TestCaseError> {
        let (tree, levels, root) = (theirs(size), kept(size), root(size));
        let ours = prove(&levels, size, &path::inclusion(index, size).unwrap_or_default());
        let proof = tree.prove_inclusion(usize::try_from(index).unwrap_or_default());
        prop_assert_eq!(ours.concat(), proof.as_bytes().to_vec());
        let leaf = leaf_hash(&entry(index));
        prop_assert_eq!(inclusion(&leaf, index, size, &root, &ours), Ok(()));
        // And theirs believes ours.
        let theirs = InclusionProof::<Sha256>::try_from_bytes(ours.concat());
        let believed = theirs.is_ok_and(|proof| tree.root().verify_inclusion(&entry(index), index, &proof).is_ok());
        prop_assert!(believed);
        // Whatever is changed, it proves nothing any more.
        prop_assert!(inclusion(&root, index, size, &root, &ours).is_err() || size == 1);
        for at in 0..ours.len() {
            let mut other = ours.clone();
            other[at][0] ^= 1;
            prop_assert_eq!(inclusion(&leaf, index, size, &root, &other), Err(ProofError::Root));
            other.remove(at);
            prop_assert!(inclusion(&leaf, index, size, &root, &other).is_err());
        }
        let longer = [ours.clone(), vec![root]].concat();
        prop_assert!(inclusion(&leaf, index, size, &root, &longer).is_err());
        prop_assert_eq!(inclusion(&leaf, size, size, &root, &ours), Err(ProofError::Size));
        Ok(())
    }

    fn check_consistency(old: u64, new: u64) -> Result<(), TestCaseError> {
        let (tree, levels) = (theirs(new), kept(new));
        let (old_root, new_root) = (root(old), root(new));
        let ours = prove(&levels, new, &path::consistency(old, new).unwrap_or_default());
        prop_assert_eq!(consistency(old, &old_root, new, &new_root, &ours), Ok(()));
        if old > 0 {
            let proof = tree.prove_consistency(usize::try_from(new - old).unwrap_or_default());
            prop_assert_eq!(ours.concat(), proof.as_bytes().to_vec());
            let before: RootHash<Sha256> = theirs(old).root();
            let believed = ConsistencyProof::<Sha256>::try_from_bytes(ours.concat())
                .is_ok_and(|proof| tree.root().verify_consistency(&before, &proof).is_ok());
            prop_assert!(believed);
            prop_assert!(consistency(old, &[7; 32], new, &new_root, &ours).is_err());
            prop_assert!(consistency(old, &old_root, new, &[7; 32], &ours).is_err());
        }
        for at in 0..ours.len() {
            let mut other = ours.clone();
            other[at][31] ^= 1;
            prop_assert!(consistency(old, &old_root, new, &new_root, &other).is_err());
            other.remove(at);
            prop_assert!(consistency(old, &old_root, new, &new_root, &other).is_err());
        }
        let longer = [ours.clone(), vec![new_root]].concat();
        prop_assert!(consistency(old, &old_root, new, &new_root, &longer).is_err());
        prop_assert_eq!(consistency(new + 1, &old_root, new, &new_root, &ours), Err(ProofError::Size));
        Ok(())
    }

    #[test]
    fn every_proof_of_small_trees_is_that_of_an_independent_implementation() -> Result<(), TestCaseError> {
        for size in 1..=20 {
            (0..size).try_for_each(|index| check_inclusion(size, index))?;
            (0..=size).try_for_each(|old| check_consistency(old, size))?;
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Trees of several tiles: 256 leaves are one.
        #[test]
        fn proofs_from_tiles_are_those_of_an_independent_implementation(size in 1_u64..1_500, share in 0_u64..1_000) {
            check_inclusion(size, (size - 1) * share / 1_000)?;
            check_consistency(size * share / 1_000, size)?;
        }
    }

    #[test]
    fn a_leaf_or_a_tree_beyond_the_size_has_no_proof() {
        assert_eq!((path::inclusion(3, 3), path::consistency(4, 3)), (None, None));
        assert_eq!(path::consistency(0, 3), Some(Vec::new()));
    }

    #[test]
    fn sixty_five_thousand_leaves_fill_a_tile_of_level_one() {
        let size = 65_536 + 300;
        let levels = kept(size);
        for index in [0, 255, 256, 65_535, 65_536, 65_835] {
            let proof = prove(&levels, size, &path::inclusion(index, size).unwrap_or_default());
            let leaf = leaf_hash(&entry(index));
            assert_eq!(inclusion(&leaf, index, size, &root(size), &proof), Ok(()), "{index}");
        }
        for old in [1, 255, 256, 257, 65_535, 65_536, 65_537] {
            let proof = prove(&levels, size, &path::consistency(old, size).unwrap_or_default());
            assert_eq!(consistency(old, &root(old), size, &root(size), &proof), Ok(()), "{old}");
        }
    }
}
