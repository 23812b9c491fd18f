//! What goes over the wire. Every read says what it covers.

use std::fmt;
use std::str::FromStr;

use chain::{Instant, KeyId, Position, RecordHash, RootHash};
use clinical::endorsement::{SignatureSeen, SignatureStanding};
use clinical::id::IdError;
use clinical::report::{Change, ReportCell, Sources};
use clinical::{
    ActorId, ConfirmedFinding, CutName, Date, EventKind, Finding, FindingCode, PartialDate, Receipt, SiteId,
    Statement, SubjectId, SubjectSummary, TrialId, Zone,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::problem::Problem;

/// What an answer covers: nothing after it is in the answer, everything up to it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Covers {
    /// Hash of the last record covered; zeros for none.
    #[schema(value_type = String)]
    pub head: RecordHash,
    /// Records that are durable but not yet in what answered: the projector's lag.
    pub lag_records: u64,
    /// How many records are covered.
    pub records: u64,
    /// When the last of them was recorded; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub recorded_at: Option<Instant>,
    /// Why what answered no longer follows the log, if it does not: it then shows its last good state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The last full verification; absent if there was none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// A full verification of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// When it ended.
    #[schema(value_type = String)]
    pub at: Instant,
    /// How many records it looked at.
    pub records: u64,
    /// `intact`, `broken` or `undecided`.
    pub verdict: String,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Begin after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many; 1 to 1,000, 100 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl Page {
    /// How many entries to give.
    pub fn limit(&self) -> usize {
        entries(self.limit)
    }
}

/// How many entries of a list are given to whoever asks for so many, or does not say.
pub(crate) fn entries(limit: Option<usize>) -> usize {
    limit.unwrap_or(100).clamp(1, 1_000)
}

/// The trials of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trials {
    /// In the order of their ids.
    pub trials: Vec<TrialView>,
}

/// A trial in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialView {
    /// What the answer covers.
    pub covers: Covers,
    /// Hash of the first record.
    #[schema(value_type = String)]
    pub genesis: RecordHash,
    /// Whether a subject was ever assigned to an arm: what tells arms apart is then withheld from readers of open reports.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_arms: bool,
    /// Verifier key of the log.
    pub log_key: String,
    /// Whether what is recorded need not be durable: the log's servers were not asked to prove that they sync it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_durable: bool,
    /// Whether its records are synthetic.
    pub synthetic: bool,
    /// Title.
    pub title: String,
    /// Id.
    #[schema(value_type = String)]
    pub trial: TrialId,
    /// Zone of its data cuts.
    #[schema(value_type = String)]
    pub zone: Zone,
}

/// A trial with its sites and keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialDetail {
    /// The trial.
    #[serde(flatten)]
    pub trial: TrialView,
    /// Data cuts, in the order of recording.
    #[serde(default)]
    pub cuts: Vec<CutView>,
    /// Keys, revoked ones included.
    pub keys: Vec<KeyView>,
    /// Active sites.
    pub sites: Vec<SiteView>,
}

/// A data cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CutView {
    /// Occurrences after this day are not counted.
    #[schema(value_type = String)]
    pub cutoff_date: PartialDate,
    /// Hash of the last record it covers.
    #[schema(value_type = String)]
    pub head: RecordHash,
    /// The record that made it.
    #[schema(value_type = u64)]
    pub made_at: Position,
    /// Its name.
    #[schema(value_type = String)]
    pub name: CutName,
    /// How many records it covers.
    pub records: u64,
    /// Root of the tree over them, as its maker states it.
    #[schema(value_type = String)]
    pub root: RootHash,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteView {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Name.
    pub name: String,
    /// Id.
    #[schema(value_type = String)]
    pub site: SiteId,
    /// Zone.
    #[schema(value_type = String)]
    pub zone: Zone,
}

/// A key and what it is entitled to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Position of the grant.
    #[schema(value_type = u64)]
    pub granted_at: Position,
    /// Who holds it.
    #[schema(value_type = String)]
    pub holder: ActorId,
    /// Id.
    #[schema(value_type = String)]
    pub key: KeyId,
    /// Organisation.
    pub organisation: String,
    /// Position of the revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub revoked_at: Option<Position>,
    /// Role.
    #[schema(value_type = String)]
    pub role: clinical::Role,
    /// Sites.
    #[schema(value_type = Vec<String>)]
    pub sites: Vec<SiteId>,
}

/// What became of one submitted event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Answer {
    /// Recorded now, and durable.
    Recorded {
        /// The receipt.
        #[schema(value_type = Object)]
        receipt: Receipt,
    },
    /// Recorded before: the same event's receipt again.
    Repeated {
        /// The receipt.
        #[schema(value_type = Object)]
        receipt: Receipt,
    },
    /// Not recorded.
    Refused {
        /// Why.
        problem: Problem,
    },
}

impl Answer {
    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Recorded { .. } => 201,
            Self::Repeated { .. } => 200,
            Self::Refused { problem } => problem.status,
        }
    }

    /// The receipt, if there is one.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Recorded { receipt } | Self::Repeated { receipt } => Some(receipt),
            Self::Refused { .. } => None,
        }
    }
}

/// One record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// The record that amends it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub amended_by: Option<Position>,
    /// What the answer covers.
    pub covers: Covers,
    /// What is to be looked at.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
    /// The record's hash.
    #[schema(value_type = String)]
    pub hash: RecordHash,
    /// Whether others may have had the key when it was recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_in_doubt: bool,
    /// The record's own bytes.
    #[schema(value_type = Object)]
    pub record: Box<RawValue>,
    /// Its position.
    #[schema(value_type = u64)]
    pub seq: Position,
    /// The signatures on it that are in force, each with whether it still holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub signatures: Vec<SignatureSeen>,
}

impl RecordView {
    fn is_endorsed(&self) -> bool {
        self.signatures.iter().any(SignatureSeen::endorses)
    }

    /// Whether it is in force and has a judgement that waits for an investigator.
    pub fn waits_for_endorsement(&self) -> bool {
        let waits = self.findings.iter().any(|finding| finding.code == FindingCode::NotEndorsed);
        waits && self.amended_by.is_none() && !self.is_endorsed()
    }

    /// Whether it is in force, and others may have had the key that it was signed with, or endorsed with; and nobody
    /// endorsed it with another.
    pub fn is_in_doubt(&self) -> bool {
        let in_doubt = |seen: &SignatureSeen| seen.standing == SignatureStanding::InDoubt;
        let is_in_doubt = self.key_in_doubt || self.signatures.iter().any(in_doubt);
        is_in_doubt && self.amended_by.is_none() && !self.is_endorsed()
    }
}

/// A statement that somebody is about to sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rehearsal {
    /// The key that is to sign it.
    #[schema(value_type = String)]
    pub key: KeyId,
    /// What is to be stated, texts in clear.
    #[schema(value_type = Object)]
    pub statement: Statement,
}

/// What would become of a statement: it would be recorded. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rehearsed {
    /// What would be to be looked at.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
}

/// A page of subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubjectsPage {
    /// What the answer covers.
    pub covers: Covers,
    /// `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next: Option<SubjectId>,
    /// In the order of their ids.
    #[schema(value_type = Vec<Object>)]
    pub subjects: Vec<SubjectSummary>,
}

/// A page of a subject's records, in order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SubjectRecords {
    /// What the answer covers.
    pub covers: Covers,
    /// `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub next: Option<Position>,
    /// The records.
    pub records: Vec<RecordView>,
    /// The subject.
    #[schema(value_type = String)]
    pub subject: SubjectId,
}

/// A page of records that are to be looked at, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingsPage {
    /// What the answer covers.
    pub covers: Covers,
    /// `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub next: Option<Position>,
    /// The records.
    pub records: Vec<RecordFindings>,
}

/// What is to be looked at in one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordFindings {
    /// Those that its signer knew of, each with the reason why it is stated all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub confirmed: Vec<ConfirmedFinding>,
    /// What.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
    /// Kind of event.
    #[schema(value_type = String)]
    pub kind: EventKind,
    /// Date of the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub occurred_on: Option<PartialDate>,
    /// Position.
    #[schema(value_type = u64)]
    pub seq: Position,
    /// Site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub site: Option<SiteId>,
    /// Subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<SubjectId>,
}

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Outcomes.
    Outcomes,
    /// Safety.
    Safety,
}

impl ReportKind {
    /// The report's name in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outcomes => "outcomes",
            Self::Safety => "safety",
        }
    }
}

/// Which report is asked for: of what was known, and of what had happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportAsked {
    /// What is known; `None`: all that is recorded.
    pub as_of: Option<AsOf>,
    /// What has happened: occurrences after this day are not counted. `None`: the cut's own day, or that of the last record.
    pub cutoff: Option<Date>,
    /// A cut that the report is compared with.
    pub since: Option<CutName>,
}

/// Up to where the log is looked at. Written as a number of records, or as the name of a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsOf {
    /// So many records from the log's beginning.
    Records(u64),
    /// As many as a data cut covers.
    Cut(CutName),
}

impl FromStr for AsOf {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse() {
            Ok(records) => Ok(Self::Records(records)),
            Err(_) => text.parse().map(Self::Cut),
        }
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(records) => write!(f, "{records}"),
            Self::Cut(name) => write!(f, "{name}"),
        }
    }
}

/// What a report says otherwise than it did at a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// Each value that differs.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Change>,
    /// The cut.
    #[schema(value_type = String)]
    pub cut: CutName,
    /// How many records it covers.
    pub records: u64,
}

/// A report. Its own bytes are canonical JSON and depend on the records, the definitions and the cutoff alone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportView {
    /// What the answer covers.
    pub covers: Covers,
    /// The report's bytes.
    #[schema(value_type = Object)]
    pub report: Box<RawValue>,
    /// What has changed since the cut that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// A page of a report's cells, in the report's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CellsPage {
    /// The cells.
    pub cells: Vec<CellView>,
    /// What the answer covers.
    pub covers: Covers,
    /// `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A cell of a report: a text, a number or a truth value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    /// Where it stands, what it says, and the nearest label around it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub cell: ReportCell,
    /// The path, with its query, that tells the records behind it.
    pub sources: String,
}

/// What is behind a cell of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourcesView {
    /// What the answer covers.
    pub covers: Covers,
    /// The subjects, a page of them, each with its records.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub sources: Sources,
}

/// A record as the feed carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedItem {
    /// Its position.
    pub seq: Position,
    /// The record's bytes.
    pub record: String,
}

/// A part of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPart {
    /// The records, in order; not those that are not for the asker.
    pub items: Vec<FeedItem>,
    /// Where the next part begins.
    pub next: Position,
}

/// Whether the registry can take and answer requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Each thing that has to work.
    pub checks: Vec<ReadinessCheck>,
    /// Whether all do.
    pub ready: bool,
}

/// One thing that has to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadinessCheck {
    /// What is the matter, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
}
