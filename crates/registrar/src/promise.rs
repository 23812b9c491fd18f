//! What a receipt promises: its record will be in every checkpoint of a size above its position (FORMAT §6). One
//! signature serves a whole commit, and is made by whoever answers, not on the sequencer's thread.

use std::sync::{Arc, OnceLock};

use chain::note::{Signer, VerifierKey};
use chain::receipt::{SignedReceipts, key_name};
use chain::{KeyId, Position, RecordHash, SecretKey};
use clinical::{Receipt, Trial};

use crate::outcome::Outcome;

/// Gives the secret half of a receipt key, if it is here. Asked when a key is granted or revoked, and at the start.
pub type ReceiptKeys = Arc<dyn Fn(KeyId) -> Option<SecretKey> + Send + Sync>;

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

    /// With the key that the log granted last, of those in force whose secret half is here; `None` if there is none.
    pub(crate) fn entitled(trial: &Trial, secrets: &ReceiptKeys) -> Option<Self> {
        let log = VerifierKey::from_text(&trial.log_key).ok()?;
        let mut granted: Vec<_> =
            trial.service_keys.iter().filter(|(_, service)| service.revoked_at.is_none()).collect();
        granted.sort_by_key(|(_, service)| std::cmp::Reverse(service.granted_at));
        let secret = granted.into_iter().find_map(|(id, _)| secrets(*id))?;
        Self::new(log.name(), &secret)
    }

    fn sign(&self, first: Position, records: &[RecordHash]) -> Option<SignedReceipts> {
        // The name was checked when the signer was made, and a commit holds at least the record that is asked for.
        SignedReceipts::sign(&self.origin, first, records, &self.signer).ok()
    }
}

/// The records of one commit, and their receipts once somebody needs them.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// Set when the commit is closed.
    pub(crate) closed: OnceLock<Closed>,
    signed: OnceLock<Option<SignedReceipts>>,
}

/// A commit to which nothing is added any more.
#[derive(Debug)]
pub(crate) struct Closed {
    /// The first position.
    pub(crate) first: Position,
    /// The hashes from there on.
    pub(crate) records: Vec<RecordHash>,
    /// With a key that is in force behind the last of them, and so at each: one note promises them all. `None`: the log
    /// entitles no key of ours, and receipts bind nobody.
    pub(crate) signer: Option<Arc<ReceiptSigner>>,
}

/// What became of submissions that were decided together.
#[derive(Debug)]
pub struct Decided {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) commit: Arc<Commit>,
    /// Who signs what is repeated: whoever does so today, since the key of the first answer may be gone.
    pub(crate) signer: Option<Arc<ReceiptSigner>>,
}

impl Decided {
    /// The outcomes, in order, their receipts signed. To be called once the commit is durable: a signed receipt
    /// promises its record. Takes as long as a signature; call it where it keeps nobody waiting.
    pub fn into_outcomes(self) -> Vec<Outcome> {
        let sign = |outcome| match outcome {
            Outcome::Recorded(receipt) => Outcome::Recorded(self.commit.bind(receipt)),
            // Its commit is long past: a note for it alone promises the same.
            Outcome::Repeated(receipt) => {
                let signer = self.signer.as_ref();
                let signed = signer.and_then(|signer| signer.sign(receipt.seq, &[receipt.hash]));
                Outcome::Repeated(bind(receipt, signed.as_ref(), 0))
            }
            outcome @ (Outcome::Rehearsed(_) | Outcome::Refused(_) | Outcome::Unready(_)) => outcome,
        };
        self.outcomes.into_iter().map(sign).collect()
    }
}

impl Commit {
    fn bind(&self, receipt: Receipt) -> Receipt {
        let Some(Closed { first, records, signer }) = self.closed.get() else { return receipt };
        let Some(signer) = signer else { return receipt };
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
