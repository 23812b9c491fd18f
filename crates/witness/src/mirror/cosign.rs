//! A mirror's own cosignatures, by the witness whose key it holds.

use std::path::PathBuf;

use chain::TreeSize;
use chain::checkpoint::{CosignatureError, SignedCheckpoint};
use chain::note::SignatureLine;
use chain::tree;
use chain::witness_request::{AddCheckpoint, Answer};

use super::disk::DiskError;
use super::tiles::{self, TilesError};
use super::{Mirror, Tree};
use crate::service::{Decision, Witness, WitnessError};

/// A cosignature that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCosignature {
    /// The line, for whoever collects them.
    pub line: SignatureLine,
    /// The copy's checkpoint with the line in it.
    pub checkpoint: SignedCheckpoint,
    /// The file that holds that checkpoint.
    pub path: PathBuf,
}

/// Why the copy's checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// The witness has cosigned a larger tree: somebody else asked it, and the mirror is behind.
    #[error("the witness has cosigned {last} records, the copy has {size}")]
    Behind {
        /// Records of the last tree that the witness cosigned.
        last: TreeSize,
        /// Records of the copy.
        size: TreeSize,
    },
    /// The witness refuses it. If the copy does not continue what it has cosigned before, that is a fork.
    #[error("the witness refuses: {}", .0.to_string().trim_end())]
    Refused(Answer),
    /// The copy's own tiles are not sound.
    #[error("the copy's own tiles are damaged")]
    OwnTiles(#[source] TilesError),
    /// The witness could not decide.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The cosignature does not fit into the checkpoint.
    #[error("the cosignature cannot be added: {0}")]
    NotAdded(CosignatureError),
    /// The directory could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Mirror {
    /// Has the copy's checkpoint cosigned, if it was not yet, and keeps the result. The witness proves for itself that the
    /// checkpoint continues the last one it cosigned, which it may have been asked for over HTTP; it MUST be of the same
    /// log. None if there is nothing to cosign.
    ///
    /// # Errors
    /// [`CosignError`].
    pub async fn cosign(&self, witness: &Witness) -> Result<Option<OwnCosignature>, CosignError> {
        let Some(copied) = &self.copied else { return Ok(None) };
        let tree = Tree::from(copied);
        if self.disk.cosignature(tree.size).exists() {
            return Ok(None);
        }
        let last = witness.last(copied.claim().origin())?;
        let old = last.size;
        if old > tree.size {
            return Err(CosignError::Behind { last: old, size: tree.size });
        }
        let nodes = tree::consistency_nodes(old, tree.size).map_err(CosignError::OwnTiles)?;
        let at_hand = self.disk.tiles_for(&nodes, tree.size).await?;
        let proof = {
            let mut hashes = tiles::open(&at_hand, tree).map_err(CosignError::OwnTiles)?;
            tree::consistency_proof(&mut hashes, old, tree.size).map_err(CosignError::OwnTiles)?
        };
        let request = AddCheckpoint { old, proof, checkpoint: copied.clone() };
        let line = match witness.add_of(&request, &self.keys_of(tree.size))? {
            Decision::Cosigned(line) => line,
            Decision::Refused(answer) => return Err(CosignError::Refused(answer)),
        };
        let mut checkpoint = copied.clone();
        checkpoint
            .add_cosignatures(line.to_string().as_bytes(), &[witness.verifier_key()])
            .map_err(CosignError::NotAdded)?;
        // A crash before this leaves a witness that cosigns the same tree again.
        let path = self.disk.put_cosignature(&checkpoint)?;
        Ok(Some(OwnCosignature { line, checkpoint, path }))
    }
}
