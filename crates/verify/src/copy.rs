//! What a certified copy of a site's part says of itself, and whether that follows from what is in it.
//!
//! A copy is an archive that leaves records out, with pages for people around it. Its archive is checked as any other;
//! here is its certificate, and the proof of each of the site's own records. Pages are held against the MANIFEST alone:
//! they are made of the records, and nobody need believe them who has those.

use std::collections::{BTreeMap, BTreeSet};

use chain::canonical::canonicalize;
use chain::proof::LogProof;
use chain::{Instant, KeyId, NodeHash, Position, RecordHash, RootHash, Signature, TreeSize, tree};
use clinical::authority::Grant;
use clinical::{Actor, Event, SiteId, SubjectId, Trial, TrialId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::archive::at_file;
use crate::code::{Absence, Evidence};
use crate::files::{Files, Listed, read};
use crate::findings::Findings;
use crate::manifest::Manifest;
use crate::report::{PartSeen, Place};
use crate::source::SourceError;
use crate::tally::Tally;

/// Where a copy's certificate stands.
pub const CERTIFICATE: &str = "certificate.json";

/// Where the proofs of a site's own records stand, each under its position.
pub const PROOFS: &str = "proofs/";

/// What is signed begins with this, so that it cannot be taken for anything else that a person's key signs.
const DOMAIN: &str = "trialbook certified copy v1\n";

/// Longest certificate read, in bytes: a dozen identifiers and hashes.
const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// Longest proof read, in bytes: a path of at most 64 hashes, and a checkpoint, which has at most 1 MiB.
const PROOF_BYTES_MAX: usize = 2 << 20;

/// A certificate, as it stands in a copy: nothing of it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Who certifies the copy with a key of the log; `None` if nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_by: Option<CertifiedBy>,
    /// What the copy is of.
    pub copy: CopyOf,
}

/// Who certifies a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedBy {
    /// The person, with role and organisation.
    pub actor: Actor,
    /// The person's key.
    pub key: KeyId,
    /// The signature, standard base64, over [`CopyOf::message`].
    pub signature: String,
}

/// What a copy is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyOf {
    /// SHA-256 over the MANIFEST without its line for the certificate ([`contents`]).
    pub contents: NodeHash,
    /// Hash of the log's first record.
    pub genesis: RecordHash,
    /// When the copy was made, by the clock of whoever made it.
    pub made_at: Instant,
    /// The log's name.
    pub origin: String,
    /// How many records of the site's own subjects are in it.
    pub records_of_site: u64,
    /// How many records of the trial as a whole are in it.
    pub records_of_trial: u64,
    /// The root of the checkpoint.
    pub root: RootHash,
    /// The site.
    pub site: SiteId,
    /// The size of the checkpoint.
    pub size: TreeSize,
    /// How many subjects these records are about.
    pub subjects: u64,
    /// Whether the pages show free text.
    pub texts: Texts,
    /// The trial.
    pub trial: TrialId,
}

/// What the pages of a copy show of free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Texts {
    /// That there is one, and its commitment.
    Sealed,
    /// The text.
    Opened,
}

impl CopyOf {
    /// What is signed to certify the copy; `None` if it cannot be written canonically.
    pub fn message(&self) -> Option<Vec<u8>> {
        let bytes = canonicalize(&serde_json::to_value(self).ok()?).ok()?;
        Some([DOMAIN.as_bytes(), &bytes].concat())
    }
}

impl Certificate {
    /// The certificate's one writing; `None` if it has none.
    pub fn to_canonical_json(&self) -> Option<Vec<u8>> {
        canonicalize(&serde_json::to_value(self).ok()?).ok()
    }

    /// Reads a certificate in its one writing.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let certificate: Self = serde_json::from_slice(bytes).ok()?;
        (certificate.to_canonical_json()? == bytes).then_some(certificate)
    }
}

/// What a copy's certificate pins of its other files.
pub fn contents(manifest: &Manifest) -> NodeHash {
    let mut sha256 = Sha256::new();
    for (path, digest) in manifest.iter().filter(|(path, _)| *path != CERTIFICATE) {
        sha256.update(format!("{digest} {path}\n"));
    }
    NodeHash(sha256.finalize().into())
}

/// A copy's own statements, while its records are folded.
pub(crate) struct Part<'f> {
    files: &'f dyn Files,
    certificate: Option<Certificate>,
    manifest: Option<Manifest>,
    checkpoint: Option<String>,
    tree: Option<(TreeSize, RootHash)>,
    /// Proofs that are there and not yet used, by position, with their paths.
    proofs: BTreeMap<Position, String>,
    of_site: u64,
    of_trial: u64,
    subjects: BTreeSet<SubjectId>,
    checked: Tally,
    said: Tally,
}

impl<'f> Part<'f> {
    /// Reads the certificate, and takes in which proofs there are.
    pub(crate) fn of(
        files: &'f dyn Files,
        listed: &[Listed],
        manifest: Option<Manifest>,
        signed: Option<&chain::SignedCheckpoint>,
        findings: &mut Findings,
    ) -> Result<Self, SourceError> {
        let bytes = read(files, CERTIFICATE, CERTIFICATE_BYTES_MAX)?.unwrap_or_default();
        let certificate = Certificate::parse(&bytes);
        let mut said = Tally::default();
        said.add(certificate.is_some());
        if certificate.is_none() {
            at_file(findings, Evidence::CopyNotFollowing, CERTIFICATE, "is no certificate");
        }
        let mut proofs = BTreeMap::new();
        for file in listed.iter().filter(|file| file.length.is_some()) {
            let Some(name) = file.path.strip_prefix(PROOFS) else { continue };
            match name.parse::<u64>().ok().filter(|seq| seq.to_string() == name) {
                Some(seq) => drop(proofs.insert(Position(seq), file.path.clone())),
                None => at_file(findings, Evidence::FileUnexpected, &file.path, "it is no record's proof"),
            }
        }
        Ok(Self {
            files,
            certificate,
            manifest,
            checkpoint: signed.map(ToString::to_string),
            tree: signed.map(|signed| (signed.claim().size, signed.claim().root)),
            proofs,
            of_site: 0,
            of_trial: 0,
            subjects: BTreeSet::new(),
            checked: Tally::default(),
            said,
        })
    }

    /// Takes in the next record that is there.
    pub(crate) fn record(
        &mut self,
        seq: Position,
        event: Option<&Event>,
        hash: RecordHash,
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        let Some(event) = event else { return Ok(()) };
        let Some(subject) = &event.subject else {
            self.of_trial += 1;
            return Ok(());
        };
        let site = self.certificate.as_ref().map(|certificate| &certificate.copy.site);
        if site.is_some_and(|site| event.site.as_ref() != Some(site)) {
            self.said.add(false);
            let place = Place { seq: Some(seq), pointer: "/event/site".to_owned(), ..Place::default() };
            findings.add(Evidence::CopyNotFollowing.into(), seq.0, place, || {
                "is of another site's subject".to_owned()
            });
        }
        self.of_site += 1;
        if !self.subjects.contains(subject) {
            self.subjects.insert(subject.clone());
        }
        let Some(path) = self.proofs.remove(&seq) else {
            at_file(findings, Absence::FileMissing, &format!("{PROOFS}{seq}"), "the record has no proof");
            return Ok(());
        };
        let Some(bytes) = read(self.files, &path, PROOF_BYTES_MAX)? else { return Ok(()) };
        let fault = self.fault(&bytes, seq, hash);
        self.checked.add(fault.is_none());
        if let Some(fault) = fault {
            at_file(findings, Evidence::CopyNotFollowing, &path, &fault);
        }
        Ok(())
    }

    /// What keeps a file from being the proof of a record under the copy's checkpoint.
    fn fault(&self, bytes: &[u8], seq: Position, hash: RecordHash) -> Option<String> {
        let (size, root) = self.tree?;
        let proof = match LogProof::parse(bytes) {
            Ok(proof) => proof,
            Err(error) => return Some(format!("is no proof: {error}")),
        };
        if proof.position != seq {
            return Some(format!("is the proof of a record at position {}", proof.position));
        }
        if self.checkpoint.as_ref() != Some(&proof.checkpoint.to_string()) {
            return Some("is under another checkpoint than the copy".to_owned());
        }
        let fault = tree::verify_inclusion(hash, seq, size, &proof.path, root).err();
        fault.map(|fault| format!("does not prove the record with hash {hash}: {fault}"))
    }

    /// Holds what the certificate says against what was found; `trial` is the state after the last record.
    pub(crate) fn finish(
        mut self,
        trial: Option<&Trial>,
        genesis: Option<RecordHash>,
        findings: &mut Findings,
    ) -> (Option<PartSeen>, Tally, Tally) {
        for path in self.proofs.values() {
            at_file(findings, Evidence::FileUnexpected, path, "no record of a subject stands there");
        }
        let Some(certificate) = self.certificate else { return (None, self.said, self.checked) };
        let copy = &certificate.copy;
        let due = |holds: Option<bool>, what: &str| (holds.unwrap_or(true), what.to_owned());
        let found = (self.of_site, self.of_trial, self.subjects.len() as u64);
        let stated = (copy.records_of_site, copy.records_of_trial, copy.subjects);
        let mut held = vec![
            due(self.manifest.as_ref().map(|manifest| contents(manifest) == copy.contents), "its contents"),
            due(self.tree.map(|tree| tree == (copy.size, copy.root)), "the checkpoint"),
            due(genesis.map(|genesis| genesis == copy.genesis), "the genesis"),
            due(trial.map(|trial| trial.id == copy.trial), "the trial"),
            due(trial.map(|trial| is_named(trial, &copy.origin)), "the log's name"),
            due(trial.map(|trial| trial.sites.contains_key(&copy.site)), "the site, which is not active"),
            due(Some(found == stated), "how many records and subjects it has"),
        ];
        let signed = certificate.certified_by.as_ref().zip(trial);
        let signed = signed.map(|(by, trial)| holds(by, copy, trial));
        held.extend(signed.map(|holds| due(Some(holds), "who certifies it")));
        for (holds, what) in held {
            self.said.add(holds);
            if !holds {
                let detail = format!("what it states does not follow from the records: {what}");
                at_file(findings, Evidence::CopyNotFollowing, CERTIFICATE, &detail);
            }
        }
        let seen = PartSeen {
            site: copy.site.to_string(),
            made_at: copy.made_at,
            certified_by: certificate.certified_by.map(|by| {
                let Actor { id, organisation, role } = by.actor;
                format!("{id} ({}, {organisation})", role.as_str())
            }),
            signature_holds: signed,
            texts: copy.texts,
        };
        (Some(seen), self.said, self.checked)
    }
}

/// Whether a trial's log has this name.
fn is_named(trial: &Trial, origin: &str) -> bool {
    chain::note::VerifierKey::from_text(&trial.log_key).is_ok_and(|key| key.name() == origin)
}

/// Whether a person certifies the copy with a key that the log grants, that is not revoked in it, and that is of no other
/// site.
fn holds(by: &CertifiedBy, copy: &CopyOf, trial: &Trial) -> bool {
    let of_site = |grant: &&Grant| grant.sites.is_empty() || grant.sites.contains(&copy.site);
    let is_holder = |grant: &&Grant| {
        (&grant.holder, grant.role, &grant.organisation)
            == (&by.actor.id, by.actor.role, &by.actor.organisation)
    };
    let grant = trial.keys.get(&by.key).filter(|grant| grant.revoked_at.is_none());
    let parts = grant.filter(of_site).filter(is_holder).zip(Signature::from_text(&by.signature));
    let parts = parts.zip(copy.message());
    parts.is_some_and(|((grant, signature), message)| grant.public_key.verify(&message, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FileDigest;

    #[test]
    fn the_contents_are_all_files_but_the_certificate() {
        let mut manifest = Manifest::default();
        manifest.insert("a", FileDigest::of(b"a")).unwrap();
        let without = contents(&manifest);
        manifest.insert(CERTIFICATE, FileDigest::of(b"x")).unwrap();
        assert_eq!(contents(&manifest), without);
        manifest.insert("b", FileDigest::of(b"b")).unwrap();
        assert_ne!(contents(&manifest), without);
    }

    #[test]
    fn a_certificate_has_one_writing() {
        let copy = CopyOf {
            contents: NodeHash([1; 32]),
            genesis: RecordHash([2; 32]),
            made_at: Instant::from_microseconds(0).unwrap(),
            origin: "log.example/t".to_owned(),
            records_of_site: 1,
            records_of_trial: 2,
            root: RootHash([3; 32]),
            site: "S01".parse().unwrap(),
            size: TreeSize(4),
            subjects: 1,
            texts: Texts::Sealed,
            trial: "t".parse().unwrap(),
        };
        let certificate = Certificate { certified_by: None, copy };
        let bytes = certificate.to_canonical_json().unwrap();
        assert_eq!(Certificate::parse(&bytes), Some(certificate));
        assert_eq!(Certificate::parse(&[&bytes[..], b"\n"].concat()), None);
        assert_eq!(Certificate::parse(b"{}"), None);
    }
}
