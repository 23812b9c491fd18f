//! Checkpoints (C2SP tlog-checkpoint): a log's name, size and root in three lines, signed by the log, cosigned by
//! witnesses (C2SP tlog-cosignature).
//!
//! A checkpoint of this format has no extension lines: nobody could audit what they say.

use std::fmt;

use crate::hash::{RootHash, TreeSize};
use crate::key::{SecretKey, to_base64};
use crate::lines::{read_hash, read_number};
use crate::note::{
    self, KeyKind, Note, NoteError, SignatureLine, Signer, VerifierKey, VerifierKeyError, VerifyError,
};

/// What a log states about itself at one size.
///
/// ```
/// use chain::{RootHash, TreeSize, checkpoint::Checkpoint};
/// let checkpoint = Checkpoint::new("log.example/t", TreeSize(0), RootHash::empty()).unwrap();
/// let text = "log.example/t\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
/// assert_eq!(checkpoint.to_string(), text);
/// assert_eq!(Checkpoint::parse(text), Ok(checkpoint));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    /// How many records the log holds.
    pub size: TreeSize,
    /// The tree's root over them.
    pub root: RootHash,
}

/// A text that is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Line 1 is not the name of a log: empty, or with white space, `+` or a control character.
    #[error("line 1, the origin, is not the name of a log")]
    Origin,
    /// Line 2 is not a number below 2^64 without sign or leading zeros.
    #[error("line 2, the size, is not a number in its one writing")]
    Size,
    /// Line 3 is not strict base64 of 32 bytes.
    #[error("line 3, the root, is not base64 of 32 bytes")]
    Root,
    /// There are more or fewer than three lines.
    #[error("a checkpoint has exactly three lines, each ended by a line feed")]
    Lines,
}

impl Checkpoint {
    /// A checkpoint of the log named `origin`.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`].
    pub fn new(origin: &str, size: TreeSize, root: RootHash) -> Result<Self, CheckpointError> {
        if note::is_name(origin) {
            Ok(Self { origin: origin.to_owned(), size, root })
        } else {
            Err(CheckpointError::Origin)
        }
    }

    /// Reads a note's text.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<_> = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n').collect();
        let [origin, size, root] = lines.as_slice() else { return Err(CheckpointError::Lines) };
        let size = TreeSize(read_number(size).ok_or(CheckpointError::Size)?);
        let root = RootHash(read_hash(root).ok_or(CheckpointError::Root)?);
        Self::new(origin, size, root)
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root.0))
    }
}

/// A checkpoint with signature lines, as it is served and kept. Until it is verified it is no more than a claim.
///
/// Its `Display` gives back exactly the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

/// Bytes that are not a signed checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedCheckpointError {
    /// Not a signed note.
    #[error("{0}")]
    Note(NoteError),
    /// A note, but not about a log's size and root.
    #[error("{0}")]
    Checkpoint(CheckpointError),
}

/// Why a signed checkpoint vouches for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A known key's signature does not hold, or no known key signed.
    #[error("{0}")]
    Signatures(VerifyError),
    /// No log key of the checkpoint's origin signed it; what witnesses say of it does not matter then.
    #[error("no known key of {origin} signed the checkpoint")]
    NotTheLogs {
        /// The name the checkpoint bears.
        origin: String,
    },
}

impl TrustError {
    /// Whether no known key of the log has signed, so that it may be the log's by a key not known, and no known key's
    /// signature is bad.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Signatures(VerifyError::NoKnownKey) | Self::NotTheLogs { .. })
    }
}

/// A checkpoint whose signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCheckpoint<'k> {
    /// What the log states.
    pub checkpoint: Checkpoint,
    /// The log's keys that signed it: at least one.
    pub logs: Vec<&'k VerifierKey>,
    /// The known witnesses' cosignatures.
    pub cosignatures: Vec<Cosignature<'k>>,
}

/// A witness's statement that, at that time, it had seen no larger and no other tree of this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosignature<'k> {
    /// The witness's key.
    pub key: &'k VerifierKey,
    /// Seconds since the Unix epoch.
    pub time: u64,
}

impl SignedCheckpoint {
    /// Signs a checkpoint by the log's key; by two where one log key takes over from another.
    ///
    /// # Errors
    /// [`SignedCheckpointError::Note`], where no or too many signers are given.
    pub fn sign(checkpoint: Checkpoint, signers: &[&Signer]) -> Result<Self, SignedCheckpointError> {
        let text = checkpoint.to_string();
        let lines: Result<Vec<_>, _> = signers.iter().map(|signer| signer.sign(&text)).collect();
        let lines = lines.map_err(|error| SignedCheckpointError::Note(NoteError::Text(error)))?;
        let note = Note::new(&text, lines).map_err(SignedCheckpointError::Note)?;
        Ok(Self { checkpoint, note })
    }

    /// Reads a signed checkpoint; no signature is checked.
    ///
    /// # Errors
    /// [`SignedCheckpointError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignedCheckpointError> {
        let note = Note::parse(bytes).map_err(SignedCheckpointError::Note)?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(SignedCheckpointError::Checkpoint)?;
        Ok(Self { checkpoint, note })
    }

    /// What it claims, before any signature is checked: to find the keys by which to check it.
    pub fn claim(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note it is.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Checks it by the keys known: the log's, of which those named like the origin count, and the witnesses'. Keys of
    /// the other kind in either list are passed over.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn verify<'k>(
        &self,
        logs: &'k [VerifierKey],
        witnesses: &'k [VerifierKey],
    ) -> Result<TrustedCheckpoint<'k>, TrustError> {
        let logs =
            logs.iter().filter(|key| key.kind() == KeyKind::Log && key.name() == self.checkpoint.origin);
        let witnesses = witnesses.iter().filter(|key| key.kind() == KeyKind::Cosigner);
        let known: Vec<&VerifierKey> = logs.chain(witnesses).collect();
        let mut trusted = TrustedCheckpoint {
            checkpoint: self.checkpoint.clone(),
            logs: Vec::new(),
            cosignatures: Vec::new(),
        };
        for endorsement in self.note.verify(known).map_err(TrustError::Signatures)? {
            match endorsement.time {
                None => trusted.logs.push(endorsement.key),
                Some(time) => trusted.cosignatures.push(Cosignature { key: endorsement.key, time }),
            }
        }
        if trusted.logs.is_empty() {
            return Err(TrustError::NotTheLogs { origin: self.checkpoint.origin.clone() });
        }
        Ok(trusted)
    }

    /// Adds the cosignatures of a witness's answer, which are checked first: lines by keys that are not among
    /// `witnesses`, and lines that are there already, are left out. Gives how many came.
    ///
    /// # Errors
    /// [`CosignatureError`]; the checkpoint then stays as it was.
    pub fn add_cosignatures(
        &mut self,
        answer: &[u8],
        witnesses: &[VerifierKey],
    ) -> Result<usize, CosignatureError> {
        let lines = note::parse_lines(answer).map_err(CosignatureError::Note)?;
        let cosigners: Vec<_> = witnesses.iter().filter(|key| key.kind() == KeyKind::Cosigner).collect();
        let mut all = self.note.lines().to_vec();
        for line in lines {
            let alone = Note::new(self.note.text(), [line.clone()]).map_err(CosignatureError::Note)?;
            match alone.verify(cosigners.iter().copied()) {
                Ok(_) if !all.contains(&line) => all.push(line),
                Ok(_) | Err(VerifyError::NoKnownKey) => {}
                Err(error) => return Err(CosignatureError::Signatures(error)),
            }
        }
        let added = all.len() - self.note.lines().len();
        self.note = Note::new(self.note.text(), all).map_err(CosignatureError::Note)?;
        Ok(added)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// A witness's answer that cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// Not signature lines, or too many of them.
    #[error("{0}")]
    Note(NoteError),
    /// A known witness's cosignature does not hold over this checkpoint.
    #[error("{0}")]
    Signatures(VerifyError),
}

/// A named secret key that cosigns other logs' checkpoints, and nothing else: the signed bytes do not say the name, so
/// one key serves one witness.
///
/// ```
/// use chain::checkpoint::{Checkpoint, Cosigner, SignedCheckpoint};
/// use chain::{RootHash, SecretKey, TreeSize, note::Signer};
/// let log = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
/// let witness = Cosigner::new("witness.example", SecretKey::from_bytes(&[2; 32])).unwrap();
/// let checkpoint = Checkpoint::new("log.example/t", TreeSize(0), RootHash::empty()).unwrap();
/// let mut signed = SignedCheckpoint::sign(checkpoint, &[&log]).unwrap();
///
/// let answer = witness.cosign(signed.claim(), 1_679_315_147).unwrap().to_string();
/// let witnesses = [witness.verifier_key()];
/// assert_eq!(signed.add_cosignatures(answer.as_bytes(), &witnesses), Ok(1));
/// let logs = [log.verifier_key()];
/// assert_eq!(signed.verify(&logs, &witnesses).unwrap().cosignatures[0].time, 1_679_315_147);
/// ```
#[derive(Debug, Clone)]
pub struct Cosigner {
    secret: SecretKey,
    key: VerifierKey,
}

/// A time after which no cosignature can be: 2^63 seconds or more after the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cosignature's time is at most 2^63 − 1")]
pub struct CosignatureTimeError;

impl Cosigner {
    /// Names a secret key.
    ///
    /// # Errors
    /// As [`VerifierKey::cosigner`].
    pub fn new(name: &str, secret: SecretKey) -> Result<Self, VerifierKeyError> {
        Ok(Self { key: VerifierKey::cosigner(name, secret.public())?, secret })
    }

    /// The key by which others verify.
    pub fn verifier_key(&self) -> VerifierKey {
        self.key.clone()
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// States that at `time`, in seconds since the Unix epoch, this was the largest tree seen of the log, and
    /// continued every one seen before. Whoever calls this has checked that, and has made it last.
    ///
    /// # Errors
    /// [`CosignatureTimeError`].
    pub fn cosign(&self, checkpoint: &Checkpoint, time: u64) -> Result<SignatureLine, CosignatureTimeError> {
        if i64::try_from(time).is_err() {
            return Err(CosignatureTimeError);
        }
        Ok(SignatureLine::cosignature(&self.key, &self.secret, &checkpoint.to_string(), time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORIGIN: &str = "log.example/t";

    fn log(seed: u8) -> Signer {
        Signer::new(ORIGIN, SecretKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn witness(seed: u8) -> Cosigner {
        Cosigner::new(&format!("witness.example/{seed}"), SecretKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint::new(ORIGIN, TreeSize(7), RootHash([7; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_has_one_writing() {
        let good = checkpoint().to_string();
        assert_eq!(Checkpoint::parse(&good), Ok(checkpoint()));
        for (from, to, error) in [
            ("\n7\n", "\n07\n", CheckpointError::Size),
            ("\n7\n", "\n+7\n", CheckpointError::Size),
            ("\n7\n", "\n-7\n", CheckpointError::Size),
            ("\n7\n", "\n\n", CheckpointError::Size),
            ("\n7\n", "\n7 \n", CheckpointError::Size),
            ("\n7\n", "\n18446744073709551616\n", CheckpointError::Size),
            ("=\n", "\n", CheckpointError::Root),
            ("=\n", "=\r\n", CheckpointError::Root),
            ("Bwc=\n", "Bw==\n", CheckpointError::Root),
            ("Bwc=\n", "Bwd=\n", CheckpointError::Root),
            ("log", "lo g", CheckpointError::Origin),
            ("log", "lo+g", CheckpointError::Origin),
            (ORIGIN, "", CheckpointError::Origin),
            ("=\n", "=\nextension\n", CheckpointError::Lines),
            ("=\n", "=\n\n", CheckpointError::Lines),
            ("=\n", "=", CheckpointError::Lines),
            ("\n7\n", "\n", CheckpointError::Lines),
        ] {
            let changed = good.replacen(from, to, 1);
            assert_ne!(changed, good, "{from}");
            assert_eq!(Checkpoint::parse(&changed), Err(error), "{changed:?}");
        }
        let largest = good.replacen("\n7\n", "\n18446744073709551615\n", 1);
        assert_eq!(Checkpoint::parse(&largest).unwrap().size, TreeSize(u64::MAX));
        assert_eq!(Checkpoint::new("", TreeSize(0), RootHash::empty()), Err(CheckpointError::Origin));
    }

    #[test]
    fn only_a_key_of_the_origin_makes_it_the_logs() {
        let signed = SignedCheckpoint::sign(checkpoint(), &[&log(1)]).unwrap();
        let (logs, witnesses) = ([log(1).verifier_key()], [witness(2).verifier_key()]);
        let trusted = signed.verify(&logs, &witnesses).unwrap();
        assert_eq!((trusted.logs, trusted.cosignatures), (vec![&logs[0]], vec![]));
        assert_eq!(trusted.checkpoint, checkpoint());

        let no_known_key = Err(TrustError::Signatures(VerifyError::NoKnownKey));
        assert_eq!(signed.verify(&[log(3).verifier_key()], &[]), no_known_key);
        // The right key in the wrong list is no log key.
        assert_eq!(signed.verify(&[], &logs), no_known_key);

        // Signed by a log, but under another log's name.
        let other = Signer::new("other.example", SecretKey::from_bytes(&[1; 32])).unwrap();
        let signed = SignedCheckpoint::sign(checkpoint(), &[&other]).unwrap();
        assert_eq!(signed.verify(&[other.verifier_key()], &[]), no_known_key);
    }

    #[test]
    fn witnesses_alone_do_not_vouch() {
        let witness = witness(2);
        let line = witness.cosign(&checkpoint(), 5).unwrap();
        let note = Note::new(&checkpoint().to_string(), [line]).unwrap();
        let signed = SignedCheckpoint::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(
            signed.verify(&[log(1).verifier_key()], &[witness.verifier_key()]),
            Err(TrustError::NotTheLogs { origin: ORIGIN.to_owned() })
        );
    }

    #[test]
    fn both_keys_sign_where_one_takes_over() {
        let signed = SignedCheckpoint::sign(checkpoint(), &[&log(1), &log(2)]).unwrap();
        for known in [vec![1], vec![2], vec![1, 2]] {
            let keys: Vec<_> = known.iter().map(|seed| log(*seed).verifier_key()).collect();
            assert_eq!(signed.verify(&keys, &[]).unwrap().logs.len(), known.len());
        }
        assert!(matches!(SignedCheckpoint::sign(checkpoint(), &[]), Err(SignedCheckpointError::Note(_))));
    }

    #[test]
    fn of_a_witness_answer_only_known_and_good_cosignatures_are_taken() {
        let mut signed = SignedCheckpoint::sign(checkpoint(), &[&log(1)]).unwrap();
        let (known, stranger) = (witness(2), witness(3));
        let witnesses = [known.verifier_key()];
        let logs = [log(1).verifier_key()];
        let line = |by: &Cosigner, time| by.cosign(&checkpoint(), time).unwrap().to_string();
        let answer = line(&stranger, 8) + &line(&known, 9);
        assert_eq!(signed.add_cosignatures(answer.as_bytes(), &witnesses), Ok(1));
        assert_eq!(signed.add_cosignatures(answer.as_bytes(), &witnesses), Ok(0));
        let trusted = signed.verify(&logs, &witnesses).unwrap();
        assert_eq!(trusted.cosignatures, [Cosignature { key: &witnesses[0], time: 9 }]);
        assert_eq!(signed.note().lines().len(), 2);

        let before = signed.clone();
        let other = Checkpoint::new(ORIGIN, TreeSize(8), RootHash([7; 32])).unwrap();
        let wrong = known.cosign(&other, 9).unwrap().to_string();
        assert!(matches!(
            signed.add_cosignatures(wrong.as_bytes(), &witnesses),
            Err(CosignatureError::Signatures(VerifyError::BadSignature { .. }))
        ));
        assert!(matches!(signed.add_cosignatures(b"", &witnesses), Err(CosignatureError::Note(_))));
        assert_eq!(signed, before);
        assert_eq!(known.cosign(&checkpoint(), 1 << 63), Err(CosignatureTimeError));
    }

    proptest! {
        #[test]
        fn what_is_read_gives_back_its_bytes(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut signed = SignedCheckpoint::sign(checkpoint(), &[&log(1)]).unwrap();
            let answer = witness(2).cosign(&checkpoint(), 5).unwrap().to_string();
            signed.add_cosignatures(answer.as_bytes(), &[witness(2).verifier_key()]).unwrap();
            let good = signed.to_string().into_bytes();
            let mut bytes = good.clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = SignedCheckpoint::parse(&bytes) {
                prop_assert_eq!(read.to_string().into_bytes(), bytes.clone());
                // Whatever was changed, it is not the same checkpoint with both signatures any more.
                let (logs, witnesses) = ([log(1).verifier_key()], [witness(2).verifier_key()]);
                let whole = read.verify(&logs, &witnesses).is_ok_and(|found| found.cosignatures.len() == 1);
                prop_assert_eq!(whole, bytes == good);
            }
        }
    }
}
