//! Who vouches for a checkpoint: the log's keys, and the witnesses of a policy.

use chain::note::VerifierKey;
use chain::policy::Policy;
use chain::{Instant, SignedCheckpoint};

use crate::code::{Absence, Code, Evidence};
use crate::fold::Seen;
use crate::report::{CheckpointSeen, CosignedBy};
use crate::tally::Tally;

/// How long after a witness saw a checkpoint by its own clock a record in it may have been recorded by the registrar's.
const CLOCKS_APART_S: i64 = 60;

/// What is known of the log's keys and witnesses.
pub(crate) struct Trust<'a> {
    pub keys: Vec<VerifierKey>,
    pub policy: Option<&'a Policy>,
}

/// A checkpoint, judged.
pub(crate) struct Judged {
    pub seen: CheckpointSeen,
    /// Whether a known key of the log signed it, and no signature by a known key fails.
    pub is_signed: bool,
    /// What does not hold or is missing, each with its detail.
    pub found: Vec<(Code, String)>,
    /// What the witnesses' times say of the records.
    pub times: Vec<Seen>,
    pub signatures: Tally,
    pub cosignatures: Tally,
}

impl Trust<'_> {
    fn witnesses(&self) -> &[VerifierKey] {
        self.policy.map_or(&[], Policy::witnesses)
    }

    /// Judges a checkpoint's signatures.
    pub(crate) fn judge(&self, signed: &SignedCheckpoint) -> Judged {
        let claim = signed.claim();
        let is_known = |name: &str, id: [u8; 4]| {
            self.keys.iter().chain(self.witnesses()).any(|key| key.name() == name && key.id() == id)
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
            times: Vec::new(),
            signatures: Tally::default(),
            cosignatures: Tally::default(),
        };
        if self.keys.is_empty() {
            let detail = "neither is a log key given nor can one be read in the log's opening";
            judged.found.push((Absence::CheckpointKeyUnknown.into(), detail.to_owned()));
            return judged;
        }
        if let [key] = self.keys.as_slice()
            && key.name() != claim.origin()
        {
            let detail = format!("it is of {}; the known key is of {}", claim.origin(), key.name());
            judged.found.push((Evidence::CheckpointOfAnotherLog.into(), detail));
            judged.signatures.add(false);
            return judged;
        }
        let trusted = match signed.verify(&self.keys, self.witnesses()) {
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
        judged.is_signed = true;
        for key in trusted.logs {
            judged.signatures.add(true);
            judged.seen.signed_by.push(key.to_string());
        }
        let Some(policy) = self.policy else { return judged };
        for cosignature in &trusted.cosignatures {
            let place = policy.witnesses().iter().position(|key| key == cosignature.key);
            let Some(name) = place.and_then(|place| policy.witness_names().get(place)) else { continue };
            judged.cosignatures.add(true);
            judged.seen.cosigned.push(CosignedBy { witness: name.clone(), time: cosignature.time });
            judged.times.extend(time_limit(cosignature.time).map(|until| Seen {
                size: claim.size,
                until,
                witness: name.clone(),
            }));
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
