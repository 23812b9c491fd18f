//! What a receipt promises: its record will be in every checkpoint of a size above its position (FORMAT §6). One
//! signature serves a whole commit, and is made by whoever answers, not on the sequencer's thread.

use std::sync::{Arc, OnceLock};

use chain::note::{Signer, VerifierKey};
use chain::receipt::{SignedReceipts, key_name};
use chain::{Position, RecordHash, SecretKey};
use clinical::{Receipt, Trial};

use crate::outcome::Outcome;

/// The registry's own key for the receipts of one log.
#[derive(Debug)]
pub struct ReceiptSigner {
    origin: String,
    signer: Signer,
}

impl ReceiptSigner {
    /// The key `secret` for the log of that origin; `None` if the origin cannot name a key.
    pub fn new(origin: &str, secret: &SecretKey) -> Option<Self> {
        let signer = Signer::new(&key_name(origin), secret.clone()).ok()?;
        Some(Self { origin: origin.to_owned(), signer })
    }

    /// By which its receipts are checked; a sponsor names it in the log with a `service_key_granted`.
    pub fn verifier_key(&self) -> VerifierKey {
        self.signer.verifier_key()
    }

    /// Whether the log entitles the key.
    pub(crate) fn is_granted(&self, trial: &Trial) -> bool {
        let granted = trial.service_keys.get(&self.verifier_key().key().id());
        granted.is_some_and(|granted| granted.revoked_at.is_none())
    }

    fn sign(&self, first: Position, records: &[RecordHash]) -> Option<SignedReceipts> {
        // The name was checked when the signer was made, and a commit holds at least the record that is asked for.
        SignedReceipts::sign(&self.origin, first, records, &self.signer).ok()
    }
}

/// The records of one commit, and their receipts once somebody needs them.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// Set when the commit is closed: the first position, and the hashes from there on.
    pub(crate) records: OnceLock<(Position, Vec<RecordHash>)>,
    signed: OnceLock<Option<SignedReceipts>>,
}

/// What became of submissions that were decided together.
#[derive(Debug)]
pub struct Decided {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) commit: Arc<Commit>,
    /// `None`: the log entitles no key of ours, and receipts bind nobody.
    pub(crate) signer: Option<Arc<ReceiptSigner>>,
}

impl Decided {
    /// The outcomes, in order, their receipts signed. To be called once the commit is durable: a signed receipt
    /// promises its record. Takes as long as a signature; call it where it keeps nobody waiting.
    pub fn into_outcomes(self) -> Vec<Outcome> {
        let Some(signer) = &self.signer else { return self.outcomes };
        let sign = |outcome| match outcome {
            Outcome::Recorded(receipt) => Outcome::Recorded(self.commit.bind(receipt, signer)),
            // Its commit is long past: a note for it alone promises the same.
            Outcome::Repeated(receipt) => {
                let signed = signer.sign(receipt.seq, &[receipt.hash]);
                Outcome::Repeated(bind(receipt, signed.as_ref(), 0))
            }
            outcome @ (Outcome::Refused(_) | Outcome::Unready(_)) => outcome,
        };
        self.outcomes.into_iter().map(sign).collect()
    }
}

impl Commit {
    fn bind(&self, receipt: Receipt, signer: &ReceiptSigner) -> Receipt {
        let Some((first, records)) = self.records.get() else { return receipt };
        let signed = self.signed.get_or_init(|| signer.sign(*first, records));
        let place = receipt.seq.0.saturating_sub(first.0);
        bind(receipt, signed.as_ref(), place)
    }
}

fn bind(receipt: Receipt, signed: Option<&SignedReceipts>, place: u64) -> Receipt {
    let bound = signed.and_then(|signed| Some((signed.note.clone(), signed.path(place)?)));
    let (note, path) = bound.unzip();
    Receipt { note, path, ..receipt }
}
