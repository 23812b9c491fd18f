//! Who may sign what: roles, the role table, and grants.

use chain::{Instant, KeyId, Position, PublicKey};
use serde::{Deserialize, Serialize};

use crate::date::PartialDate;
use crate::id::{ActorId, SiteId};
use crate::kind::EventKind;

/// A role, as a key is granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers for the trial.
    Sponsor,
    /// Answers for a site and delegates there.
    PrincipalInvestigator,
    /// Examines and judges at a site.
    Investigator,
    /// Records at a site.
    Coordinator,
    /// Makes and releases cell products.
    CellLab,
    /// Compares records with their source.
    Monitor,
    /// Keeps the data in order, imports, locks.
    DataManager,
    /// Judges safety for the sponsor.
    SponsorSafety,
    /// Adjudicates endpoints.
    Committee,
    /// Makes data cuts and reports.
    Statistician,
    /// Reads for an authority.
    Inspector,
    /// Reads for the sponsor's quality assurance.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 12] = [
        Self::Sponsor,
        Self::PrincipalInvestigator,
        Self::Investigator,
        Self::Coordinator,
        Self::CellLab,
        Self::Monitor,
        Self::DataManager,
        Self::SponsorSafety,
        Self::Committee,
        Self::Statistician,
        Self::Inspector,
        Self::Auditor,
    ];

    /// Whether the role is held at sites, for their own subjects, and granted by their principal investigator.
    pub fn is_of_a_site(self) -> bool {
        matches!(self, Self::PrincipalInvestigator | Self::Investigator | Self::Coordinator)
    }

    /// The role's name in the bytes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sponsor => "sponsor",
            Self::PrincipalInvestigator => "principal_investigator",
            Self::Investigator => "investigator",
            Self::Coordinator => "coordinator",
            Self::CellLab => "cell_lab",
            Self::Monitor => "monitor",
            Self::DataManager => "data_manager",
            Self::SponsorSafety => "sponsor_safety",
            Self::Committee => "committee",
            Self::Statistician => "statistician",
            Self::Inspector => "inspector",
            Self::Auditor => "auditor",
        }
    }
}

/// On what condition a role may sign a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entitlement {
    /// Not at all.
    No,
    /// For the whole trial.
    Trial,
    /// For the sites of the grant.
    OwnSites,
    /// Only what is marked as imported.
    Imports,
}

/// One cell of the role table.
///
/// ```
/// use clinical::authority::{Entitlement, entitlement};
/// use clinical::{EventKind, Role};
/// assert_eq!(entitlement(Role::Coordinator, EventKind::Visit), Entitlement::OwnSites);
/// assert_eq!(entitlement(Role::Inspector, EventKind::Visit), Entitlement::No);
/// ```
pub fn entitlement(role: Role, kind: EventKind) -> Entitlement {
    use Entitlement::{Imports, No, OwnSites, Trial};
    use EventKind as K;
    match role {
        Role::Sponsor => match kind {
            K::TrialOpened
            | K::SiteActivated
            | K::SiteClosed
            | K::ProtocolAmended
            | K::LogKeyChanged
            | K::ServiceKeyGranted
            | K::KeyGranted
            | K::KeyRevoked => Trial,
            _ => No,
        },
        Role::PrincipalInvestigator => match kind {
            K::KeyGranted | K::KeyRevoked => OwnSites,
            _ => entitlement(Role::Investigator, kind),
        },
        Role::Investigator => match kind {
            K::Screening
            | K::Consent
            | K::Enrollment
            | K::Infusion
            | K::Visit
            | K::AdverseEvent
            | K::Disposition
            | K::Contact
            | K::ProtocolDeviation
            | K::SubjectTransferred
            | K::Unblinding
            | K::Signature => OwnSites,
            _ => No,
        },
        Role::Coordinator => match kind {
            K::Screening
            | K::Consent
            | K::Enrollment
            | K::Visit
            | K::Infusion
            | K::Contact
            | K::Disposition
            | K::AdverseEvent => OwnSites,
            _ => No,
        },
        Role::CellLab => match kind {
            K::ProductLot => Trial,
            _ => No,
        },
        Role::Monitor => match kind {
            K::Query | K::Verification => Trial,
            _ => No,
        },
        Role::DataManager => match kind {
            K::Query | K::Lock | K::Unlock | K::DataCut | K::SubjectsLinked | K::Allocation => Trial,
            K::Screening
            | K::Enrollment
            | K::Infusion
            | K::Visit
            | K::AdverseEvent
            | K::Disposition
            | K::Contact => Imports,
            _ => No,
        },
        Role::SponsorSafety => match kind {
            K::AeAssessment | K::SafetyReportSent | K::Unblinding => Trial,
            _ => No,
        },
        Role::Committee => match kind {
            K::Adjudication => Trial,
            _ => No,
        },
        Role::Statistician => match kind {
            K::DataCut | K::ReportPublished => Trial,
            _ => No,
        },
        Role::Inspector | Role::Auditor => No,
    }
}

/// What a key is entitled to, and since when and until when.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who holds the key.
    pub holder: ActorId,
    /// For which organisation.
    pub organisation: String,
    /// In which role.
    pub role: Role,
    /// At which sites; empty for roles of no site.
    pub sites: Vec<SiteId>,
    /// The key.
    pub public_key: PublicKey,
    /// Entitled from this time of recording on.
    pub valid_from: Option<Instant>,
    /// Entitled before this time of recording.
    pub valid_until: Option<Instant>,
    /// The record that granted it.
    pub granted_at: Position,
    /// The key that signed the grant.
    pub granted_by: KeyId,
    /// The record that revoked it.
    pub revoked_at: Option<Position>,
    /// From when on others may have had the key, as its revocation states.
    pub suspected_since: Option<PartialDate>,
}

impl Grant {
    /// Whether the key may be used for a record made at `at`, as far as time and revocation go.
    pub fn is_in_force(&self, at: Instant) -> bool {
        self.revoked_at.is_none()
            && self.valid_from.is_none_or(|from| from <= at)
            && self.valid_until.is_none_or(|until| at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The role table of docs/format.md, row by row: kinds that may be signed, with the condition.
    const TABLE: &[(Role, &[(&str, Entitlement)])] = &[
        (
            Role::Sponsor,
            &[
                (
                    "trial_opened site_activated site_closed protocol_amended log_key_changed service_key_granted",
                    Entitlement::Trial,
                ),
                ("key_granted key_revoked", Entitlement::Trial),
            ],
        ),
        (
            Role::PrincipalInvestigator,
            &[
                (
                    "screening consent enrollment infusion visit adverse_event disposition contact protocol_deviation subject_transferred unblinding signature",
                    Entitlement::OwnSites,
                ),
                ("key_granted key_revoked", Entitlement::OwnSites),
            ],
        ),
        (
            Role::Investigator,
            &[(
                "screening consent enrollment infusion visit adverse_event disposition contact protocol_deviation subject_transferred unblinding signature",
                Entitlement::OwnSites,
            )],
        ),
        (
            Role::Coordinator,
            &[(
                "screening consent enrollment visit infusion contact disposition adverse_event",
                Entitlement::OwnSites,
            )],
        ),
        (Role::CellLab, &[("product_lot", Entitlement::Trial)]),
        (Role::Monitor, &[("query verification", Entitlement::Trial)]),
        (
            Role::DataManager,
            &[
                ("query lock unlock data_cut subjects_linked allocation", Entitlement::Trial),
                (
                    "screening enrollment infusion visit adverse_event disposition contact",
                    Entitlement::Imports,
                ),
            ],
        ),
        (Role::SponsorSafety, &[("ae_assessment safety_report_sent unblinding", Entitlement::Trial)]),
        (Role::Committee, &[("adjudication", Entitlement::Trial)]),
        (Role::Statistician, &[("data_cut report_published", Entitlement::Trial)]),
        (Role::Inspector, &[]),
        (Role::Auditor, &[]),
    ];

    #[test]
    fn each_cell_of_the_role_table_holds() {
        let mut cells = 0;
        for (role, row) in TABLE {
            for kind in EventKind::ALL {
                let due = row
                    .iter()
                    .find(|(kinds, _)| kinds.split(' ').any(|name| name == kind.as_str()))
                    .map_or(Entitlement::No, |(_, entitlement)| *entitlement);
                assert_eq!(entitlement(*role, *kind), due, "{role:?} {kind}");
                cells += 1;
            }
        }
        assert_eq!(cells, Role::ALL.len() * EventKind::ALL.len());
    }

    #[test]
    fn role_names_in_bytes_and_in_code_agree() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }
}
