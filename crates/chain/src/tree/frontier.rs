//! The right edge of a growing tree: all that is needed to append to it and to say its root.

use crate::hash::{NodeHash, RecordHash, RootHash, TreeSize};

/// Most leaves of a tree that is built here: positions are JSON integers, at most 2^53 − 1. Verification of proofs
/// has no such limit.
pub const SIZE_MAX: TreeSize = TreeSize(1 << 53);

/// The complete subtrees that a tree of some size consists of, largest first; [`nodes_of`](super::nodes_of) names
/// them. Appending costs one hash on average, memory is at most 54 hashes.
///
/// ```
/// use chain::{RecordHash, TreeSize, tree::{Frontier, root_of}};
/// let leaves: Vec<_> = (0..3).map(|n| RecordHash::of(&[n])).collect();
/// let mut frontier = Frontier::default();
/// leaves.iter().for_each(|leaf| frontier.append(*leaf));
/// assert_eq!((frontier.size(), frontier.root()), (TreeSize(3), root_of(&leaves)));
/// let again = Frontier::from_hashes(frontier.size(), frontier.hashes().to_vec()).unwrap();
/// assert_eq!(again, frontier);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: TreeSize,
    hashes: Vec<NodeHash>,
}

/// A size and hashes that are no frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// Larger than [`SIZE_MAX`].
    #[error("a tree of size {size}, at most {SIZE_MAX} is allowed")]
    TooLarge {
        /// The size stated.
        size: TreeSize,
    },
    /// Another number of hashes than the size has subtrees.
    #[error("{found} hashes where the size has {expected} subtrees")]
    Count {
        /// How many subtrees a tree of the size stated consists of.
        expected: usize,
        /// How many hashes there are.
        found: usize,
    },
}

impl Frontier {
    /// The frontier of a tree of `size` whose subtrees have these hashes, as [`Frontier::hashes`] gave them. Whether
    /// they are the right ones only a known root can say: compare it with [`Frontier::root`].
    ///
    /// # Errors
    /// [`FrontierError`].
    pub fn from_hashes(size: TreeSize, hashes: Vec<NodeHash>) -> Result<Self, FrontierError> {
        if size > SIZE_MAX {
            return Err(FrontierError::TooLarge { size });
        }
        // At most 54: no cast can lose anything.
        let expected = size.0.count_ones() as usize;
        if hashes.len() != expected {
            return Err(FrontierError::Count { expected, found: hashes.len() });
        }
        Ok(Self { size, hashes })
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: RecordHash) {
        let mut hash = NodeHash::from(leaf);
        // Each bit that carries over when the size is counted up joins two subtrees of equal height.
        for _ in 0..self.size.0.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = NodeHash::over(&left, &hash);
            }
        }
        self.hashes.push(hash);
        // From at most 2^53 there are not enough appends in any machine's life to overflow.
        self.size.0 += 1;
    }

    /// How many leaves there are.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Hashes of the complete subtrees, largest first.
    pub fn hashes(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> RootHash {
        super::fold(&self.hashes).map_or_else(RootHash::empty, RootHash::from)
    }
}
