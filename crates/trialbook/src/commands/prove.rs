//! `prove`: that a record is in the log, on a file that is checked without the registry.

use std::path::{Path, PathBuf};

use anyhow::Result;
use chain::note::VerifierKey;
use chain::proof::LogProof;
use chain::{Position, RecordHash};

use super::{print, read_bytes, write_new};
use crate::access::Access;
use crate::cli::{Place, WhichTrial};
use crate::status;

/// Longest proof read, in bytes: a path of at most 64 hashes, and a checkpoint, which has at most 1 MiB.
const PROOF_BYTES_MAX: usize = 2 << 20;

/// Longest record, and a line feed that an editor puts behind it.
const RECORD_BYTES_MAX: usize = 65_536;

/// The record that is to be proved.
pub(super) enum Leaf {
    /// By its bytes.
    Record(PathBuf),
    /// By its hash.
    Hash(RecordHash),
}

/// Asks the registry for a record's proof.
pub(super) async fn ask(seq: u64, out: Option<&Path>, which: &WhichTrial, place: &Place) -> Result<u8> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    let proof = access.registry.proof(&trial, Position(seq)).await?;
    match out {
        Some(out) => write_new(out, proof.as_bytes())?,
        None => print(&proof)?,
    }
    Ok(0)
}

/// Checks a proof. Needs nothing but what is given.
pub(super) fn check(file: &Path, key: &VerifierKey, leaf: &Leaf) -> Result<u8> {
    let bytes = read_bytes(file, PROOF_BYTES_MAX)?;
    let hash = match leaf {
        Leaf::Hash(hash) => *hash,
        Leaf::Record(path) => {
            let bytes = read_bytes(path, RECORD_BYTES_MAX)?;
            // No record ends in a line feed.
            RecordHash::of(bytes.strip_suffix(b"\n").unwrap_or(&bytes))
        }
    };
    let proof = match LogProof::parse(&bytes) {
        Ok(proof) => proof,
        Err(error) => {
            eprintln!("{} is no proof: {error}", file.display());
            return Ok(status::USAGE);
        }
    };
    match proof.verify(hash, std::slice::from_ref(key), &[]) {
        Ok(trusted) => {
            print(&format!(
                "Proved: the record with hash {hash} stands at position {} of {}, under the checkpoint of {} records \
                 that {} signed.",
                proof.position,
                trusted.checkpoint.origin(),
                trusted.checkpoint.size,
                key.name(),
            ))?;
            Ok(0)
        }
        Err(fault) => {
            let position = proof.position;
            print(&format!("Not proved: the record with hash {hash} at position {position}: {fault}."))?;
            Ok(status::BROKEN)
        }
    }
}
