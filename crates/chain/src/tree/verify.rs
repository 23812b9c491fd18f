//! Proofs, verified as RFC 9162 §2.1.3.2 and §2.1.4.2 lay down: step by step from the leaf's side, in at most 64 steps
//! whatever sizes are stated.

use crate::hash::{NodeHash, Position, RecordHash, RootHash, TreeSize};

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size.
    #[error("position {position} is not in a tree of size {size}")]
    OutsideTree {
        /// The position stated.
        position: Position,
        /// The size stated.
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
    /// Another number of hashes than a proof between these sizes has.
    #[error("{found} hashes are not a proof of these sizes")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root than the one stated.
    #[error("the proof leads to root {found}, not to {expected}")]
    RootDiffers {
        /// The root stated.
        expected: RootHash,
        /// The root the hashes lead to.
        found: RootHash,
    },
    /// The hashes do not lead to the older root stated.
    #[error("the proof begins at root {found}, not at {expected}")]
    OldRootDiffers {
        /// The older root stated.
        expected: RootHash,
        /// The older root the hashes lead to.
        found: RootHash,
    },
}

/// The root that `proof` leads to from the leaf at `position` in a tree of `size`.
///
/// # Errors
/// [`ProofError::OutsideTree`], [`ProofError::Length`].
pub fn root_of_inclusion(
    leaf: RecordHash,
    position: Position,
    size: TreeSize,
    proof: &[NodeHash],
) -> Result<RootHash, ProofError> {
    if position.0 >= size.0 {
        return Err(ProofError::OutsideTree { position, size });
    }
    let mut path = Path { node: position.0, last: size.0 - 1 };
    let mut hash = NodeHash::from(leaf);
    for beside in proof {
        match path.climb() {
            None => return Err(ProofError::Length { found: proof.len() }),
            Some(Side::Left) => hash = NodeHash::over(beside, &hash),
            Some(Side::Right) => hash = NodeHash::over(&hash, beside),
        }
    }
    if path.last == 0 { Ok(hash.into()) } else { Err(ProofError::Length { found: proof.len() }) }
}

/// Checks that the leaf at `position` is under `root` of a tree of `size`.
///
/// # Errors
/// [`ProofError`]. The example stands at [`inclusion_proof`](super::inclusion_proof).
pub fn verify_inclusion(
    leaf: RecordHash,
    position: Position,
    size: TreeSize,
    proof: &[NodeHash],
    root: RootHash,
) -> Result<(), ProofError> {
    let found = root_of_inclusion(leaf, position, size, proof)?;
    if found == root { Ok(()) } else { Err(ProofError::RootDiffers { expected: root, found }) }
}

/// Checks that the tree of size `new` with `new_root` begins with the tree of size `old` with `old_root`.
///
/// Stricter than RFC 9162 §2.1.4.2, which leaves size 0 open: the root at size 0 must be that of the empty tree, and
/// from size 0, as between equal sizes, the proof must be empty.
///
/// # Errors
/// [`ProofError`]. The example stands at [`consistency_proof`](super::consistency_proof).
pub fn verify_consistency(
    old: TreeSize,
    old_root: RootHash,
    new: TreeSize,
    new_root: RootHash,
    proof: &[NodeHash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    let length = Err(ProofError::Length { found: proof.len() });
    if old.0 == 0 {
        let empty = RootHash::empty();
        if old_root != empty {
            return Err(ProofError::OldRootDiffers { expected: old_root, found: empty });
        }
        if new.0 == 0 && new_root != empty {
            return Err(ProofError::RootDiffers { expected: new_root, found: empty });
        }
        return if proof.is_empty() { Ok(()) } else { length };
    }
    if old == new {
        if !proof.is_empty() {
            return length;
        }
        return if old_root == new_root {
            Ok(())
        } else {
            Err(ProofError::RootDiffers { expected: new_root, found: old_root })
        };
    }
    let mut path = Path { node: old.0 - 1, last: new.0 - 1 };
    // Up to the largest subtree that ends where the old tree ends; where that is the whole old tree, the proof leaves
    // its hash out, and the old root stands for it.
    let whole = path.node.trailing_ones();
    path = Path { node: path.node >> whole, last: path.last >> whole };
    let (first, rest) = match proof.split_first() {
        _ if path.node == 0 => (NodeHash(old_root.0), proof),
        Some((first, rest)) => (*first, rest),
        None => return length,
    };
    let (mut old_hash, mut new_hash) = (first, first);
    for beside in rest {
        match path.climb() {
            None => return length,
            Some(Side::Left) => {
                old_hash = NodeHash::over(beside, &old_hash);
                new_hash = NodeHash::over(beside, &new_hash);
            }
            Some(Side::Right) => new_hash = NodeHash::over(&new_hash, beside),
        }
    }
    if path.last != 0 {
        return length;
    }
    let (old_found, new_found) = (RootHash::from(old_hash), RootHash::from(new_hash));
    if old_found != old_root {
        return Err(ProofError::OldRootDiffers { expected: old_root, found: old_found });
    }
    if new_found == new_root {
        Ok(())
    } else {
        Err(ProofError::RootDiffers { expected: new_root, found: new_found })
    }
}

/// Where a proof has climbed to: the node on the path and the last node of its level.
struct Path {
    node: u64,
    last: u64,
}

/// On which side of the path the next hash stands.
enum Side {
    Left,
    Right,
}

impl Path {
    /// Goes to the node over the next hash of the proof; `None` above the root.
    fn climb(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level without a right neighbour stands for itself in the levels above, up to the
            // first where it has a left one.
            if self.node & 1 == 0 {
                let alone = self.node.trailing_zeros();
                self.node >>= alone;
                self.last >>= alone;
            }
            Side::Left
        } else {
            Side::Right
        };
        self.node >>= 1;
        self.last >>= 1;
        Some(side)
    }
}
