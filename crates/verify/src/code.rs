//! The codes of findings: stable, each with a page in docs/findings.

use std::fmt;

use clinical::{FindingCode, RefusalCode};
use serde::{Serialize, Serializer};

/// What a finding says about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Bytes contradict a hash, a link, a signature, an authority or an anchor.
    Evidence,
    /// Something that is needed for a verdict is missing.
    Absence,
    /// A record against the trial's rules; the log itself holds.
    Conduct,
}

macro_rules! codes {
    ($(#[$top:meta])* $name:ident { $( $variant:ident = $code:literal, $doc:literal; )* }) => {
        $(#[$top])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( #[doc = $doc] $variant, )*
        }

        impl $name {
            /// Every code.
            pub const ALL: &[Self] = &[$( Self::$variant, )*];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }

            /// One sentence for a reader.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }
        }
    };
}

codes! {
    /// Codes of [`Class::Evidence`].
    Evidence {
        ActorNotHolder = "actor-not-holder", "Actor, role or organisation are not those the signing key was granted to.";
        AdmissionContradicted = "admission-contradicted", "The event contradicts the log before it, so that no registrar may have recorded it.";
        AmendmentNotOfLatest = "amendment-not-of-latest", "The amendment does not name the latest version of an earlier record of the same thing.";
        BadSignature = "bad-signature", "The signature does not verify.";
        BrokenLink = "broken-link", "The record does not name the hash of the record before it.";
        CheckpointBadSignature = "checkpoint-bad-signature", "A signature on the checkpoint by a known key does not hold.";
        CheckpointMalformed = "checkpoint-malformed", "The checkpoint is not a signed statement of a log's name, size and root.";
        CheckpointNotSigned = "checkpoint-not-signed", "No known key of the log signed the checkpoint.";
        CheckpointOfAnotherLog = "checkpoint-of-another-log", "The checkpoint bears the name of another log.";
        CheckpointSignatureMissing = "checkpoint-signature-missing", "A log key that was in force at the checkpoint's size did not sign it.";
        CopyNotFollowing = "copy-not-following", "The certified copy says something of itself that does not follow from its records.";
        CutRootDiffers = "cut-root-differs", "The data cut's root is not that of the tree over the records it covers.";
        EntryBundleMalformed = "entry-bundle-malformed", "A file of records is not the run of records that its path says.";
        EventMalformed = "event-malformed", "The event is not of the form of its kind.";
        EventOfAnotherLog = "event-of-another-log", "The event was signed for another log or another trial.";
        FileDiffers = "file-differs", "A file of the bundle is not the one that its MANIFEST lists.";
        FileUnexpected = "file-unexpected", "There is a file that does not belong there.";
        Fork = "fork", "Two checkpoints that the log signed contradict each other.";
        GenesisDiffers = "genesis-differs", "The first record is not the one whose hash is known.";
        IdRepeated = "id-repeated", "An event with this id stands in the log before.";
        JournalDamaged = "journal-damaged", "Stored bytes contradict their checksums, or read differently a second time.";
        KnownHeadDiffers = "known-head-differs", "The record that ended the log at a known size is another one.";
        LogKeyDiffers = "log-key-differs", "The log never named the known log key.";
        ManifestMalformed = "manifest-malformed", "The bundle's MANIFEST is not a list of files in its one writing.";
        PositionMissing = "position-missing", "The record is not at the next position: one or more before it are missing.";
        PositionRepeated = "position-repeated", "The record states a position that was taken before.";
        ReceiptNotHonoured = "receipt-not-honoured", "A receipt promised a record at a position where the log has another or none.";
        RecordMalformed = "record-malformed", "The bytes are not a record.";
        RecordNotInTree = "record-not-in-tree", "The record's hash is not the one that the tree has at its position.";
        ReportNotFollowing = "report-not-following", "The report is not what this program makes of the records it covers.";
        ShorterThanKnown = "shorter-than-known", "The log holds fewer records than it is known to have held.";
        SignerNotEntitled = "signer-not-entitled", "The signing key was not entitled to this event when it was recorded.";
        TimeAgainstCosignature = "time-against-cosignature", "The record was recorded after a witness had seen the log with it.";
        TimeGoingBack = "time-going-back", "The record was recorded before the record before it.";
        WrongRoot = "wrong-root", "Records and tiles do not hash to the checkpoint's root.";
        WrongTile = "wrong-tile", "A tile does not hold the hashes that are due there.";
        ZipMalformed = "zip-malformed", "The bundle's zip is not written as a bundle is.";
    }
}

codes! {
    /// Codes of [`Class::Absence`].
    Absence {
        AuthorityUndecided = "authority-undecided", "Whether the signer was entitled rests on records that are not there.";
        AuthorityUnderivable = "authority-underivable", "The log's opening cannot be read, so nobody's authority can be derived from it.";
        BeyondThisVersion = "beyond-this-version", "The event's kind or schema is not known to this version of the verifier.";
        CheckpointKeyUnknown = "checkpoint-key-unknown", "No key of the log is known by which to check the checkpoint.";
        CheckpointMissing = "checkpoint-missing", "There is no checkpoint.";
        FileMissing = "file-missing", "A file that the MANIFEST lists is not there.";
        KnownCheckpointUnusable = "known-checkpoint-unusable", "A checkpoint brought to compare with is not signed by a known key of this log.";
        LogEmpty = "log-empty", "There is no record to verify.";
        ManifestMissing = "manifest-missing", "The bundle has no MANIFEST.";
        QuorumShort = "quorum-short", "Fewer witnesses cosigned the checkpoint than the policy demands.";
        ReceiptUnusable = "receipt-unusable", "A receipt brought to compare with is not signed by a key for receipts that this log grants.";
        RecordUnavailable = "record-unavailable", "An earlier record that an event names could not be read again.";
        RecordsMissing = "records-missing", "Records that the checkpoint covers are not there.";
        RecordsUnchecked = "records-unchecked", "Records were hashed and not read, by request.";
        ReportUnchecked = "report-unchecked", "The report could not be made anew, because what it follows from is not all there.";
        SignaturesUnchecked = "signatures-unchecked", "Signatures were not checked, by request.";
        TileMissing = "tile-missing", "A tile that the checkpoint's size demands is not there.";
    }
}

/// A finding's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Bytes contradict.
    Evidence(Evidence),
    /// Something is missing.
    Absence(Absence),
    /// Against the trial's rules.
    Conduct(FindingCode),
}

impl Code {
    /// Every code of every class, in the order findings are listed.
    pub fn all() -> impl Iterator<Item = Self> {
        let evidence = Evidence::ALL.iter().map(|code| Self::Evidence(*code));
        let absence = Absence::ALL.iter().map(|code| Self::Absence(*code));
        evidence.chain(absence).chain(FindingCode::ALL.iter().map(|code| Self::Conduct(*code)))
    }

    /// Its class.
    pub fn class(self) -> Class {
        match self {
            Self::Evidence(_) => Class::Evidence,
            Self::Absence(_) => Class::Absence,
            Self::Conduct(_) => Class::Conduct,
        }
    }

    /// The stable code; `docs/findings/<code>.md` is its page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evidence(code) => code.as_str(),
            Self::Absence(code) => code.as_str(),
            Self::Conduct(code) => code.as_str(),
        }
    }

    /// One sentence for a reader.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Evidence(code) => code.meaning(),
            Self::Absence(code) => code.meaning(),
            Self::Conduct(code) => code.meaning(),
        }
    }

    /// What it means that a log holds an event that admission refuses with `refusal` at `pointer`.
    pub fn of_refusal(refusal: RefusalCode, pointer: &str) -> Self {
        use RefusalCode as R;
        Self::Evidence(match refusal {
            R::KindReserved | R::SchemaUnknown => return Self::Absence(Absence::BeyondThisVersion),
            R::TooLarge | R::NotCanonical | R::Malformed => Evidence::EventMalformed,
            R::SignatureInvalid | R::GrantWithoutPossession => Evidence::BadSignature,
            R::IdConflict => Evidence::IdRepeated,
            R::TrialDiffers | R::LogDiffers => Evidence::EventOfAnotherLog,
            R::ActorDiffers => Evidence::ActorNotHolder,
            R::KeyUnknown
            | R::KeyNotInForce
            | R::KeyRevoked
            | R::RoleNotEntitled
            | R::SiteNotEntitled
            | R::ImportUnmarked
            | R::OtherOrganisation
            | R::GrantNotEntitled
            | R::RevokesItself => Evidence::SignerNotEntitled,
            // What follows another record corrects nothing: only an amendment can miss the latest version.
            R::AmendedUnknown | R::AmendedDiffers if pointer.starts_with("/follows") => {
                Evidence::AdmissionContradicted
            }
            R::AmendedUnknown | R::AmendedDiffers | R::StaleAmendment | R::AlreadyVoid => {
                Evidence::AmendmentNotOfLatest
            }
            R::TrialNotOpen
            | R::TrialAlreadyOpen
            | R::SiteUnknown
            | R::SiteAlreadyActive
            | R::SubjectUnknown
            | R::SubjectOfAnotherSite
            | R::GrantKeyRepeated
            | R::GrantMalformed
            | R::RevokedUnknown
            | R::RevokedAlready
            | R::RevokesLastLogKey
            | R::ReferenceUnknown
            | R::ReferenceDiffers
            | R::ReferenceNotInForce
            | R::TransferImpossible
            | R::LinkImpossible
            | R::CutNameRepeated
            | R::CutUnknown
            | R::CutDiffers
            | R::OpeningMalformed => Evidence::AdmissionContradicted,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<Evidence> for Code {
    fn from(code: Evidence) -> Self {
        Self::Evidence(code)
    }
}

impl From<Absence> for Code {
    fn from(code: Absence) -> Self {
        Self::Absence(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_classes_are_distinct_and_kebab_case() {
        let codes: std::collections::BTreeSet<_> = Code::all().map(Code::as_str).collect();
        assert_eq!(codes.len(), Code::all().count());
        for code in codes {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        }
    }

    #[test]
    fn every_refusal_has_a_code_that_is_no_mere_conduct() {
        for refusal in RefusalCode::ALL {
            assert_ne!(Code::of_refusal(*refusal, "").class(), Class::Conduct, "{refusal:?}");
        }
        let of = |pointer| Code::of_refusal(RefusalCode::AmendedUnknown, pointer);
        assert_eq!(of("/amends/seq"), Evidence::AmendmentNotOfLatest.into());
        assert_eq!(of("/follows/seq"), Evidence::AdmissionContradicted.into());
    }
}
