//! What a verification found: the verdict, each check with its count, and the findings with their places.

use std::collections::BTreeMap;

use chain::{Instant, Position, RecordHash, RootHash, TreeSize};
use clinical::EventKind;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::code::{Class, Code};
use crate::copy::Texts;

/// What the evidence comes to. Conduct does not touch it: a trial may be run badly and recorded truthfully.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything holds, back to the known genesis.
    Intact,
    /// Everything holds, but no genesis was known to hold it against: anybody could have made such a log.
    ConsistentNotAuthenticated,
    /// Evidence contradicts itself or an anchor.
    Broken,
    /// Nothing contradicts, but something that is needed was missing.
    Undecided,
}

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How often.
    pub count: u64,
    /// How often it did not hold.
    pub failed: u64,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// The record's position: the one it has by its links, else the one that was due.
    pub seq: Option<Position>,
    /// JSON pointer into the record; empty for the record as a whole.
    pub pointer: String,
    /// Byte offset in the record, where its form is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// File and offset, or whatever the storage calls its places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<String>,
}

/// Something that does not hold, is missing, or is against the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What exactly: what was found and what was due. Never subject data.
    pub detail: String,
}

impl Finding {
    /// The code's class.
    pub fn class(&self) -> Class {
        self.code.class()
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Finding", 4)?;
        object.serialize_field("class", &self.class())?;
        object.serialize_field("code", &self.code)?;
        object.serialize_field("detail", &self.detail)?;
        object.serialize_field("place", &self.place)?;
        object.end()
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Covers {
    /// How many records were read.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many records more there ought to be that are not there.
    pub missing: u64,
    /// How many records a part of a log leaves out, as it may.
    pub left_out: u64,
    /// Hash of the last record; zeros if there is none.
    pub head: RecordHash,
    /// Hash of the record at position 0, if there is one.
    pub genesis: Option<RecordHash>,
    /// Up to which size the log was held against what was known of it. What was recorded after that is checked for
    /// itself, but whoever holds the files could have left some of it out and linked the rest anew.
    pub known_size: TreeSize,
}

/// What an archive or a bundle says of its records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sealed {
    /// How many files there are.
    pub files: u64,
    /// How many of them are of records beyond the checkpoint, or not finished, as an archive has that is being
    /// written: not judged.
    pub files_beyond: u64,
    /// The checkpoint, if there is one that can be read.
    pub checkpoint: Option<CheckpointSeen>,
    /// Contradicting checkpoints, each as it was signed.
    pub forks: Vec<Fork>,
    /// The reports of a bundle.
    pub reports: Vec<ReportSeen>,
    /// Of which part of the log this is a certified copy; `None` of a whole log.
    pub part: Option<PartSeen>,
}

/// A certified copy, by what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartSeen {
    /// The site whose part it is.
    pub site: String,
    /// When it was made, by the clock of whoever made it.
    pub made_at: Instant,
    /// Who certifies it, with role and organisation; `None` if nobody's key does.
    pub certified_by: Option<String>,
    /// Whether that person's signature holds; `None` without one, or if nobody's authority can be derived.
    pub signature_holds: Option<bool>,
    /// What its pages show of free text.
    pub texts: Texts,
}

/// A report that came with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportSeen {
    /// Where it stands.
    pub path: String,
    /// Which report it says it is.
    pub report: String,
    /// What made it, by its own word.
    pub engine: String,
    /// How many records it covers.
    pub records: u64,
    /// Whether it follows from them; `None` if that is not judged: another engine made it, or records are missing.
    pub follows: Option<bool>,
}

/// A checkpoint and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointSeen {
    /// The log's name.
    pub origin: String,
    /// How many records it covers.
    pub size: TreeSize,
    /// The tree's root over them.
    pub root: RootHash,
    /// The log's keys that signed it, as verifier keys; none if its signatures do not hold.
    pub signed_by: Vec<String>,
    /// The witnesses of the policy that cosigned it.
    pub cosigned: Vec<CosignedBy>,
    /// Whether the policy's quorum is met; `None` without a policy.
    pub quorum: Option<bool>,
    /// Names on signature lines by keys that nobody has named, so that they were not checked.
    pub unchecked: Vec<String>,
}

/// That a witness saw a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CosignedBy {
    /// The witness's name in the policy.
    pub witness: String,
    /// When, in seconds since the Unix epoch.
    pub time: u64,
}

/// Two checkpoints of one log that cannot both be true: proof, to whoever knows the log's key, that it was rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// The one that was brought to compare with, with its signatures.
    pub known: String,
    /// The one that was found with the records, with its signatures.
    pub found: String,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the evidence comes to.
    pub verdict: Verdict,
    /// Whether conduct was asked to count.
    pub strict: bool,
    /// Each check with its count.
    pub checks: Vec<Check>,
    /// Findings, evidence first, then absence, then conduct, each by place. Of each code the first ones only; see
    /// `found` for how many there are.
    pub findings: Vec<Finding>,
    /// How many findings of each code there are.
    pub found: BTreeMap<Code, u64>,
    /// What was looked at.
    pub covers: Covers,
    /// What an archive or a bundle says of the records; `None` of records alone.
    pub sealed: Option<Sealed>,
    /// How many events of each kind were read.
    pub kinds: BTreeMap<EventKind, u64>,
}

impl Report {
    /// The exit status (FORMAT §7): 0 intact; 1 an evidence finding, or under `strict` one of conduct; 3 could not
    /// decide.
    pub fn status(&self) -> u8 {
        match self.verdict {
            Verdict::Broken => 1,
            _ if self.strict && self.count(Class::Conduct) > 0 => 1,
            Verdict::Intact => 0,
            Verdict::ConsistentNotAuthenticated | Verdict::Undecided => 3,
        }
    }

    /// How many findings of a class there are.
    pub fn count(&self, class: Class) -> u64 {
        self.found.iter().filter(|(code, _)| code.class() == class).map(|(_, count)| count).sum()
    }

    /// How many findings there are beyond those listed.
    pub fn unlisted(&self) -> u64 {
        self.found.values().sum::<u64>() - self.findings.len() as u64
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Report", 11)?;
        object.serialize_field("verdict", &self.verdict)?;
        object.serialize_field("status", &self.status())?;
        object.serialize_field("sentence", &self.sentence())?;
        object.serialize_field("strict", &self.strict)?;
        object.serialize_field("covers", &self.covers)?;
        object.serialize_field("sealed", &self.sealed)?;
        object.serialize_field("checks", &self.checks)?;
        object.serialize_field("findings", &self.findings)?;
        object.serialize_field("unlisted", &self.unlisted())?;
        object.serialize_field("found", &self.found)?;
        object.serialize_field("kinds", &self.kinds)?;
        object.end()
    }
}
