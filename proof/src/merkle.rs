//! The RFC 6962 Merkle tree over the ledger's leaves, kept as its frontier.
//!
//! The frontier holds the roots of the perfect subtrees that the tree's size is made of, largest first: one
//! hash for every 1 in the binary form of the size, so appending costs a constant number of hashes on average.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)` (RFC 6962 section 2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 6962 section 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The part of the tree that is needed to append to it and to know its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

/// Stored bytes that are not a frontier of the stated size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frontier of {size} leaves has {expected} hashes of 32 bytes, but {bytes} bytes are stored")]
pub struct FrontierError {
    size: u64,
    expected: u32,
    bytes: usize,
}

impl Frontier {
    /// Reads a frontier of `size` leaves back from [`Frontier::to_bytes`].
    ///
    /// # Errors
    /// When the number of hashes does not fit the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, FrontierError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let subtrees = hashes.to_vec();
        let expected = size.count_ones();
        if !rest.is_empty() || u32::try_from(subtrees.len()) != Ok(expected) {
            return Err(FrontierError { size, expected, bytes: bytes.len() });
        }
        Ok(Self { size, subtrees })
    }

    /// The hashes, one after the other, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.subtrees.concat()
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_noting(leaf, |_, _| {});
    }

    /// Appends a leaf, and tells the height and the root of every perfect subtree that it completes, the lowest first.
    pub fn push_noting(&mut self, leaf: Hash, mut completed: impl FnMut(u32, &Hash)) {
        let mut hash = leaf;
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
                completed(height, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root over all leaves; the hash of nothing for an empty tree (RFC 6962 section 2.1).
    pub fn root(&self) -> Hash {
        join(&self.subtrees).unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The root over neighbouring perfect subtrees, the largest first; `None` over none.
pub fn join(subtrees: &[Hash]) -> Option<Hash> {
    let (smallest, larger) = subtrees.split_last()?;
    Some(larger.iter().rev().fold(*smallest, |right, left| node_hash(left, &right)))
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn root_is_that_of_an_independent_implementation(leaves in proptest::collection::vec(any::<[u8; 8]>(), 0..200)) {
            let mut theirs = MemoryBackedTree::<Sha256, [u8; 8]>::new();
            let mut ours = Frontier::default();
            for leaf in leaves {
                theirs.push(leaf);
                ours.push(leaf_hash(&leaf));
                let stored = Frontier::from_bytes(ours.size(), &ours.to_bytes());
                prop_assert_eq!(stored.as_ref(), Ok(&ours));
                let (our_root, their_root) = (ours.root(), theirs.root());
                prop_assert_eq!(our_root.as_slice(), their_root.as_bytes().as_slice());
            }
        }
    }

    #[test]
    fn a_frontier_with_a_hash_missing_is_refused() {
        assert!(Frontier::from_bytes(3, &[0; 32]).is_err());
        assert!(Frontier::from_bytes(1, &[0; 33]).is_err());
    }
}
