//! Who vouches for a checkpoint: the log's keys, and the witnesses of a policy.

use chain::note::VerifierKey;
use chain::policy::Policy;
use chain::{Instant, SignedCheckpoint, TreeSize};
use clinical::LogKeys;

use crate::code::{Absence, Code, Evidence};
use crate::fold::Seen;
use crate::report::{CheckpointSeen, CosignedBy};
use crate::tally::Tally;

/// How long after a witness saw a checkpoint by its own clock a record in it may have been recorded by the registrar's.
const CLOCKS_APART_S: i64 = 60;

/// What is known of the log's keys and witnesses.
pub(crate) struct Trust<'a> {
    /// Keys of the log that are known before its records are read.
    pub given: Vec<VerifierKey>,
    /// The keys that the records name, if they are the known log's.
    pub named: Option<&'a LogKeys>,
    /// Whether records are missing, which may name further keys, or revoke some.
    pub gaps: bool,
    pub policy: Option<&'a Policy>,
}

/// What the policy's witnesses, who need not know the log's keys of today, say of when they saw a checkpoint of the log
/// that `given` are keys of.
pub(crate) fn times(signed: &SignedCheckpoint, given: &[VerifierKey], policy: Option<&Policy>) -> Vec<Seen> {
    let claim = signed.claim();
    let (Some(policy), true) = (policy, given.iter().any(|key| key.name() == claim.origin())) else {
        return Vec::new();
    };
    let Ok(cosigned) = signed.note().verify(policy.witnesses()) else { return Vec::new() };
    let seen = cosigned.iter().filter_map(|endorsement| {
        let (name, time) = (witness_name(policy, endorsement.key)?, endorsement.time?);
        Some(Seen { size: claim.size, until: time_limit(time)?, witness: name.to_owned() })
    });
    seen.collect()
}

/// The name that a policy gives a witness.
fn witness_name<'p>(policy: &'p Policy, key: &VerifierKey) -> Option<&'p str> {
    let place = policy.witnesses().iter().position(|known| known == key)?;
    policy.witness_names().get(place).map(String::as_str)
}

/// A checkpoint, judged.
pub(crate) struct Judged {
    pub seen: CheckpointSeen,
    /// Whether a key of the log that was in force at its size signed it, and no signature by a known key fails.
    pub is_signed: bool,
    /// What does not hold or is missing, each with its detail.
    pub found: Vec<(Code, String)>,
    pub signatures: Tally,
    pub cosignatures: Tally,
}

impl Trust<'_> {
    fn witnesses(&self) -> &[VerifierKey] {
        self.policy.map_or(&[], Policy::witnesses)
    }

    /// Every known key of the log, be it in force or not.
    fn keys(&self) -> Vec<VerifierKey> {
        match self.named {
            Some(named) => named.all().iter().map(|key| key.verifier_key.clone()).collect(),
            None => self.given.clone(),
        }
    }

    /// Holds those who signed against the keys that had to, by the log's own records; whether one of them did.
    fn hold_due(&self, size: TreeSize, signed: &[&VerifierKey], judged: &mut Judged) -> bool {
        let Some(named) = self.named else { return true };
        let mut is_signed = false;
        for due in named.due(size) {
            if signed.contains(&due) {
                is_signed = true;
                continue;
            }
            judged.signatures.add(false);
            let detail = format!("{due} has not signed, which at a size of {size} had to");
            let code: Code = if self.gaps {
                Absence::AuthorityUndecided.into()
            } else {
                Evidence::CheckpointSignatureMissing.into()
            };
            judged.found.push((code, detail));
        }
        is_signed
    }

    /// Judges a checkpoint's signatures.
    pub(crate) fn judge(&self, signed: &SignedCheckpoint) -> Judged {
        let claim = signed.claim();
        let keys = self.keys();
        let is_known = |name: &str, id: [u8; 4]| {
            keys.iter().chain(self.witnesses()).any(|key| key.name() == name && key.id() == id)
        };
        let unchecked = signed.note().lines().iter().filter(|line| !is_known(line.name(), line.key_id()));
        let mut judged = Judged {
            seen: CheckpointSeen {
                origin: claim.origin().to_owned(),
                size: claim.size,
                root: claim.root,
                signed_by: Vec::new(),
                cosigned: Vec::new(),
                quorum: None,
                unchecked: unchecked.map(|line| line.name().to_owned()).collect(),
            },
            is_signed: false,
            found: Vec::new(),
            signatures: Tally::default(),
            cosignatures: Tally::default(),
        };
        if keys.is_empty() {
            let detail = "neither is a log key given nor can one be read in the log's opening";
            judged.found.push((Absence::CheckpointKeyUnknown.into(), detail.to_owned()));
            return judged;
        }
        if let Some(key) = keys.first()
            && keys.iter().all(|key| key.name() != claim.origin())
        {
            let detail = format!("it is of {}; the known key is of {}", claim.origin(), key.name());
            judged.found.push((Evidence::CheckpointOfAnotherLog.into(), detail));
            judged.signatures.add(false);
            return judged;
        }
        let trusted = match signed.verify(&keys, self.witnesses()) {
            Ok(trusted) => trusted,
            Err(error) => {
                let code = match &error {
                    chain::checkpoint::TrustError::Signatures(chain::note::VerifyError::BadSignature {
                        ..
                    }) => Evidence::CheckpointBadSignature,
                    _ => Evidence::CheckpointNotSigned,
                };
                judged.found.push((code.into(), error.to_string()));
                judged.signatures.add(false);
                return judged;
            }
        };
        for key in &trusted.logs {
            judged.signatures.add(true);
            judged.seen.signed_by.push(key.to_string());
        }
        judged.is_signed = self.hold_due(claim.size, &trusted.logs, &mut judged);
        let Some(policy) = self.policy else { return judged };
        for cosignature in &trusted.cosignatures {
            let Some(name) = witness_name(policy, cosignature.key) else { continue };
            judged.cosignatures.add(true);
            judged.seen.cosigned.push(CosignedBy { witness: name.to_owned(), time: cosignature.time });
        }
        let evaluation = policy.evaluate(trusted.cosignatures.iter().map(|cosignature| cosignature.key));
        judged.seen.quorum = Some(evaluation.is_met());
        for short in &evaluation.short {
            let detail = format!(
                "{} needs {} and has {}; missing: {}",
                short.name,
                short.needed,
                short.present,
                short.missing.join(", ")
            );
            judged.cosignatures.add(false);
            judged.found.push((Absence::QuorumShort.into(), detail));
        }
        judged
    }
}

/// The latest time at which a record that a witness saw may have been recorded; `None` if no record can be later.
fn time_limit(seconds: u64) -> Option<Instant> {
    let seconds = i64::try_from(seconds).ok()?.checked_add(CLOCKS_APART_S)?;
    Instant::from_microseconds(seconds.checked_mul(1_000_000)?).ok()
}
