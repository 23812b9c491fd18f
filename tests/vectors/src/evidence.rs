//! The tree over a log's records, tiles, and the texts by which it is vouched for.
//!
//! Trees are over made-up records, so that a vector states a size and not its contents: the record at position n is n in
//! decimal digits, in ASCII.

pub(crate) mod texts;
pub(crate) mod tree;

use anyhow::{Result, bail};
use chain::note::{Signer, VerifierKey};
use chain::tree::MemoryTree;
use chain::{NodeHash, RecordHash, RootHash, SecretKey, TreeSize};
use serde_json::{Value, json};

use crate::Input;

/// The rule of the records, as each family tells it.
macro_rules! records_rule {
    () => {
        "The record at position n is n in decimal digits, in ASCII."
    };
}
pub(crate) use records_rule;

/// Trees larger than this would make the vectors slow to check, not better.
const SIZE_MAX: u64 = 70_000;

fn record(position: u64) -> Vec<u8> {
    position.to_string().into_bytes()
}

/// Hashes of the records `from..to`.
fn leaves(from: u64, to: u64) -> Result<Vec<RecordHash>> {
    if to > SIZE_MAX {
        bail!("the vectors' trees have at most {SIZE_MAX} records");
    }
    Ok((from..to).map(|position| RecordHash::of(&record(position))).collect())
}

fn tree_of(size: TreeSize) -> Result<MemoryTree> {
    Ok(MemoryTree::new(&leaves(0, size.0)?))
}

fn root_of(size: TreeSize) -> Result<RootHash> {
    Ok(tree_of(size)?.root())
}

fn hex(hashes: &[NodeHash]) -> Value {
    hashes.iter().map(ToString::to_string).collect()
}

impl Input<'_> {
    fn number(&self, name: &str) -> Result<u64> {
        Ok(serde_json::from_value(self.member(name)?.clone())?)
    }

    fn size(&self, name: &str) -> Result<TreeSize> {
        Ok(TreeSize(self.number(name)?))
    }

    fn secret(&self, name: &str) -> Result<SecretKey> {
        Ok(SecretKey::from_bytes(&self.array(name)?))
    }

    /// Texts of a list.
    fn texts(&self, name: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.member(name)?.clone())?)
    }

    fn signer(&self, name: &str, seed: &str) -> Result<Signer> {
        Ok(Signer::new(self.text(name)?, self.secret(seed)?)?)
    }

    /// Verifier keys of logs in a list.
    fn log_keys(&self, name: &str) -> Result<Vec<VerifierKey>> {
        self.texts(name)?.iter().map(|text| Ok(VerifierKey::from_text(text)?)).collect()
    }

    /// Verifier keys of witnesses in a list.
    fn witness_keys(&self, name: &str) -> Result<Vec<VerifierKey>> {
        self.texts(name)?.iter().map(|text| Ok(VerifierKey::cosigner_from_text(text)?)).collect()
    }
}

/// A case that states numbers.
fn numbers(name: &str, members: &[(&str, u64)]) -> (String, Value) {
    let members: serde_json::Map<_, _> =
        members.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
    (name.to_owned(), members.into())
}
