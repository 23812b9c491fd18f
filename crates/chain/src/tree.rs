//! The Merkle tree over a log's record hashes: roots, inclusion and consistency proofs, made and verified.
//!
//! The tree is that of RFC 6962 §2.1. Its interior is addressed by complete subtrees ([`Node`]), the only part that
//! never changes as the log grows. Proofs are made from hashes read through [`HashReader`], a few for each proof, and
//! verified without recursion as RFC 9162 §2.1.3-4 lays down, at any sizes a stranger may state. Where hashes are
//! stored is no matter of this module: `tile` has one answer, a [`MemoryTree`] another.

mod frontier;
mod memory;
mod verify;

use std::fmt;

pub use frontier::{Frontier, FrontierError, SIZE_MAX};
pub use memory::MemoryTree;
pub use verify::{ProofError, root_of_inclusion, verify_consistency, verify_inclusion};

use crate::hash::{NodeHash, Position, RecordHash, RootHash, TreeSize};

/// A complete subtree: the leaves `index · 2^level` up to, not including, `(index + 1) · 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves, 0 to 63; a leaf is at 0.
    pub level: u32,
    /// Which of the complete subtrees of that height, from the left.
    pub index: u64,
}

impl Node {
    /// The leaf at `position`.
    pub fn leaf(position: Position) -> Self {
        Self { level: 0, index: position.0 }
    }

    /// Whether all its leaves are there in a tree of `size`.
    pub fn is_within(self, size: TreeSize) -> bool {
        // A complete subtree of height 64 would need 2^64 leaves, one more than can be counted.
        self.level < 64 && self.index < size.0 >> self.level
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subtree {} of height {}", self.index, self.level)
    }
}

/// Where the hashes of complete subtrees are read from.
///
/// An implementation MUST answer with one hash for each node asked for, in their order, or fail. It need not be
/// honest: a proof made of wrong hashes does not verify.
pub trait HashReader {
    /// Why hashes could not be read.
    type Error;

    /// Reads the hashes of `nodes`, all within the tree the caller names the size of.
    ///
    /// # Errors
    /// As the implementation says; nothing is read in part.
    fn read_hashes(&mut self, nodes: &[Node]) -> Result<Vec<NodeHash>, Self::Error>;
}

/// Why there is no such proof or root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    /// The leaf is not in the tree.
    #[error("position {position} is not in a tree of size {size}")]
    OutsideTree {
        /// The leaf asked for.
        position: Position,
        /// The tree's size.
        size: TreeSize,
    },
    /// The older tree is the larger.
    #[error("a tree of size {new} does not continue one of size {old}")]
    Shrunk {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// The reader answered with another number of hashes than it was asked for.
    #[error("{found} hashes were read where {expected} were asked for")]
    Count {
        /// How many were asked for.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The hashes could not be read.
    #[error("the tree's hashes cannot be read")]
    Read(#[source] E),
}

/// The complete subtrees, largest first, that together are the tree of `size`: one for each bit set in it.
///
/// ```
/// use chain::{TreeSize, tree::{Node, nodes_of}};
/// let nodes = nodes_of(TreeSize(5));
/// assert_eq!(nodes, [Node { level: 2, index: 0 }, Node { level: 0, index: 4 }]);
/// ```
pub fn nodes_of(size: TreeSize) -> Vec<Node> {
    nodes_between(0, size.0)
}

/// The complete subtrees whose hashes an inclusion proof is made of; no more than these are read.
///
/// # Errors
/// [`TreeError::OutsideTree`].
pub fn inclusion_nodes<E>(position: Position, size: TreeSize) -> Result<Vec<Node>, TreeError<E>> {
    Ok(inclusion_ranges(position, size)?.concat())
}

/// The complete subtrees whose hashes a consistency proof is made of; no more than these are read.
///
/// # Errors
/// [`TreeError::Shrunk`].
pub fn consistency_nodes<E>(old: TreeSize, new: TreeSize) -> Result<Vec<Node>, TreeError<E>> {
    Ok(consistency_ranges(old, new)?.concat())
}

/// The root of the tree of `size`.
///
/// # Errors
/// [`TreeError::Read`], [`TreeError::Count`].
pub fn root<R: HashReader>(reader: &mut R, size: TreeSize) -> Result<RootHash, TreeError<R::Error>> {
    if size.0 == 0 {
        return Ok(RootHash::empty());
    }
    let mut hashes = read_ranges(reader, &[nodes_of(size)])?;
    Ok(hashes.remove(0).into())
}

/// The root over a list of leaves.
///
/// ```
/// use chain::{NodeHash, RecordHash, RootHash, tree::root_of};
/// let leaves = [RecordHash::of(b"{}"), RecordHash::of(b"{}")];
/// assert_eq!(root_of(&leaves), NodeHash::over(&leaves[0].into(), &leaves[1].into()).into());
/// assert_eq!(root_of(&[]), RootHash::empty());
/// ```
pub fn root_of(leaves: &[RecordHash]) -> RootHash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.append(*leaf);
    }
    frontier.root()
}

/// The hashes that prove the leaf at `position` under the root of `size`, the leaf's sibling first (RFC 6962 §2.1.1).
///
/// # Errors
/// [`TreeError`].
///
/// ```
/// use chain::{Position, RecordHash, TreeSize, tree};
/// let leaves: Vec<_> = (0..5).map(|n| RecordHash::of(&[n])).collect();
/// let mut tree = tree::MemoryTree::new(&leaves);
/// let proof = tree::inclusion_proof(&mut tree, Position(2), TreeSize(5)).unwrap();
/// let root = tree::root_of(&leaves);
/// assert_eq!(tree::verify_inclusion(leaves[2], Position(2), TreeSize(5), &proof, root), Ok(()));
/// ```
pub fn inclusion_proof<R: HashReader>(
    reader: &mut R,
    position: Position,
    size: TreeSize,
) -> Result<Vec<NodeHash>, TreeError<R::Error>> {
    read_ranges(reader, &inclusion_ranges(position, size)?)
}

/// The hashes that prove that the tree of size `new` begins with the tree of size `old` (RFC 6962 §2.1.2); none where
/// that needs no proof, from size 0 and between equal sizes.
///
/// # Errors
/// [`TreeError`].
///
/// ```
/// use chain::{RecordHash, TreeSize, tree};
/// let leaves: Vec<_> = (0..5).map(|n| RecordHash::of(&[n])).collect();
/// let mut tree = tree::MemoryTree::new(&leaves);
/// let proof = tree::consistency_proof(&mut tree, TreeSize(3), TreeSize(5)).unwrap();
/// let (old, new) = (tree::root_of(&leaves[..3]), tree::root_of(&leaves));
/// assert_eq!(tree::verify_consistency(TreeSize(3), old, TreeSize(5), new, &proof), Ok(()));
/// ```
pub fn consistency_proof<R: HashReader>(
    reader: &mut R,
    old: TreeSize,
    new: TreeSize,
) -> Result<Vec<NodeHash>, TreeError<R::Error>> {
    read_ranges(reader, &consistency_ranges(old, new)?)
}

/// Reads all the ranges' subtrees at once and hashes each range together to one hash.
fn read_ranges<R: HashReader>(
    reader: &mut R,
    ranges: &[Vec<Node>],
) -> Result<Vec<NodeHash>, TreeError<R::Error>> {
    let nodes = ranges.concat();
    let hashes =
        if nodes.is_empty() { Vec::new() } else { reader.read_hashes(&nodes).map_err(TreeError::Read)? };
    if hashes.len() != nodes.len() {
        return Err(TreeError::Count { expected: nodes.len(), found: hashes.len() });
    }
    let mut rest = hashes.as_slice();
    let mut folded = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (hashes, after) = rest.split_at(range.len());
        rest = after;
        folded.extend(fold(hashes));
    }
    Ok(folded)
}

/// Hashes adjoining subtrees, largest first, together: each smaller one is the right side of all before it.
fn fold(hashes: &[NodeHash]) -> Option<NodeHash> {
    let (last, before) = hashes.split_last()?;
    Some(before.iter().rev().fold(*last, |right, left| NodeHash::over(left, &right)))
}

/// The range of leaves beside the path to `position`, at each level from the leaf up, as complete subtrees.
fn inclusion_ranges<E>(position: Position, size: TreeSize) -> Result<Vec<Vec<Node>>, TreeError<E>> {
    if position.0 >= size.0 {
        return Err(TreeError::OutsideTree { position, size });
    }
    let (mut from, mut to) = (0, size.0);
    let mut beside = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if position.0 < middle {
            beside.push(nodes_between(middle, to));
            to = middle;
        } else {
            beside.push(nodes_between(from, middle));
            from = middle;
        }
    }
    beside.reverse();
    Ok(beside)
}

/// The ranges of leaves of a consistency proof, in its order, as complete subtrees.
fn consistency_ranges<E>(old: TreeSize, new: TreeSize) -> Result<Vec<Vec<Node>>, TreeError<E>> {
    if old > new {
        return Err(TreeError::Shrunk { old, new });
    }
    if old.0 == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut from, mut to) = (0, new.0);
    let mut ranges = Vec::new();
    // SUBPROOF of RFC 6962 §2.1.2, from the top down: `from..to` is the subtree that the old tree ends in.
    while to != old.0 {
        let middle = from + split(to - from);
        if old.0 <= middle {
            ranges.push(nodes_between(middle, to));
            to = middle;
        } else {
            ranges.push(nodes_between(from, middle));
            from = middle;
        }
    }
    // The old tree's own root is known to whoever verifies, so it is left out where the old tree is this subtree.
    if from != 0 {
        ranges.push(nodes_between(from, to));
    }
    ranges.reverse();
    Ok(ranges)
}

/// The largest power of two below `leaves`, which is at least 2: where a tree of so many leaves parts.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The complete subtrees, from the left, that together are the leaves `from..to`. In this module `from` is always a
/// multiple of a power of two that is not below `to - from`, so that sizes fall from left to right.
fn nodes_between(from: u64, to: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = from;
    while at < to {
        let level = (to - at).ilog2();
        nodes.push(Node { level, index: at >> level });
        at += 1 << level;
    }
    nodes
}

#[cfg(test)]
mod tests;
