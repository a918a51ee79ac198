//! Which hashes a proof consists of: RFC 6962 section 2.1, as ranges of leaves whose subtree hashes follow one another
//! in the proof, and as the perfect subtrees that each range is made of.

use std::ops::Range;

/// A perfect subtree: all `2^height` leaves from `index * 2^height` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its height; 0 is a leaf.
    pub height: u32,
    /// Which of those of its height, from 0.
    pub index: u64,
}

/// The audit path of the leaf at `index` (from 0) in a tree of `size` leaves: its hashes are those of these ranges, in
/// this order (RFC 6962 section 2.1.1). `None` when the tree has no such leaf.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if index >= size {
        return None;
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(middle..high);
            high = middle;
        } else {
            path.push(low..middle);
            low = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The proof that a tree of `old` leaves is the beginning of one of `new` leaves (RFC 6962 section 2.1.2). It is empty
/// where there is nothing to prove: of equal sizes, and of no leaves. `None` when `old` is larger than `new`.
pub fn consistency(old: u64, new: u64) -> Option<Vec<Range<u64>>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    let (mut low, mut high) = (0, new);
    // Whether the range still begins where the old tree does: then its verifier knows the old root.
    let mut known = true;
    let mut path = Vec::new();
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(middle..high);
            high = middle;
        } else {
            path.push(low..middle);
            low = middle;
            known = false;
        }
    }
    if !known {
        path.push(low..high);
    }
    path.reverse();
    Some(path)
}

/// The perfect subtrees of a range of the tree, the largest first. The range must begin where a subtree does that is
/// at least as large as the range, as every range of a proof does.
pub fn nodes(range: &Range<u64>) -> Vec<Node> {
    let (mut at, mut left) = (range.start, range.end.saturating_sub(range.start));
    let mut nodes = Vec::new();
    while left > 0 {
        let height = left.ilog2();
        nodes.push(Node { height, index: at >> height });
        at += 1 << height;
        left -= 1 << height;
    }
    nodes
}

/// The largest power of two below `leaves`, of which there are at least two.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}
