//! `sign`: sign and encrypt, for somebody else to submit.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use chain::RecordHash;

use super::submit::{place_of, statements, texts_in_clear};
use super::{print, read_text, write_new};
use crate::access::Access;
use crate::cli::{Place, WhichTrial};
use crate::keyfile::KeyFile;
use crate::signing::Signer;

/// Signs the statements of a file, one line of the output each. What is signed is shown on standard error, and records
/// nothing.
pub(super) async fn run(
    file: &Path,
    key: &Path,
    out: Option<&Path>,
    which: &WhichTrial,
    place: &Place,
) -> Result<u8> {
    let key = KeyFile::read(key)?;
    let statements = statements(&read_text(file)?)?;
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    let genesis: RecordHash = access.registry.trial(&trial).await?.trial.genesis;
    let mut signer = Signer::new(&key, &trial, genesis);
    let mut signed = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let composed = signer.sign(&*access.registry, statement).await;
        let composed = composed.with_context(|| place_of(index, statements.len()))?;
        // Whoever reads no messages still gets what is signed, in the file.
        let _ = writeln!(
            std::io::stderr(),
            "signed by {} as {}; once recorded it is never deleted, only amended:\n{}\n{}",
            key.actor.id,
            key.actor.role.as_str(),
            String::from_utf8_lossy(&composed.event),
            texts_in_clear(statement)?,
        );
        signed.extend(composed.submission());
        signed.push(b'\n');
    }
    match out {
        Some(path) => write_new(path, &signed)?,
        None => print(&String::from_utf8(signed)?)?,
    }
    Ok(0)
}
