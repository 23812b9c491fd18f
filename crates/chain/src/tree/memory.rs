//! A whole tree in memory: for a commit's receipts and for small logs.

use std::convert::Infallible;

use super::{HashReader, Node};
use crate::hash::{NodeHash, RecordHash, RootHash};

/// Every complete subtree of a list of leaves: two hashes a leaf.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    /// By height, then from the left.
    levels: Vec<Vec<NodeHash>>,
}

impl MemoryTree {
    /// Hashes the leaves together; each proof then costs no hashing but at its right edge.
    pub fn new(leaves: &[RecordHash]) -> Self {
        let mut levels = Vec::new();
        let mut level: Vec<NodeHash> = leaves.iter().copied().map(NodeHash::from).collect();
        while !level.is_empty() {
            let above =
                level.as_chunks::<2>().0.iter().map(|[left, right]| NodeHash::over(left, right)).collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        Self { levels }
    }

    /// How many leaves there are.
    pub fn leaves(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// The root over all leaves.
    pub fn root(&self) -> RootHash {
        // A height with an odd number of complete subtrees has its last one on the right edge.
        let odd = self.levels.iter().rev().filter(|level| level.len() % 2 == 1);
        let edge: Vec<_> = odd.filter_map(|level| level.last().copied()).collect();
        super::fold(&edge).map_or_else(RootHash::empty, RootHash::from)
    }
}

impl HashReader for &MemoryTree {
    type Error = Infallible;

    fn read_hashes(&mut self, nodes: &[Node]) -> Result<Vec<NodeHash>, Infallible> {
        let hash = |node: &Node| {
            let level = self.levels.get(usize::try_from(node.level).ok()?)?;
            level.get(usize::try_from(node.index).ok()?).copied()
        };
        // A node that is not there shortens the answer, which the asker takes for what it is.
        Ok(nodes.iter().filter_map(hash).collect())
    }
}

impl HashReader for MemoryTree {
    type Error = Infallible;

    fn read_hashes(&mut self, nodes: &[Node]) -> Result<Vec<NodeHash>, Infallible> {
        (&*self).read_hashes(nodes)
    }
}
