//! The kinds of events.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $scope:ident; )*) => {
        /// What an event states. Exhaustive on purpose: a new kind fails to compile until everyone has decided about it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind {
            $( $(#[$doc])* $variant, )*
        }

        impl EventKind {
            /// Every kind, in the order of the format's list.
            pub const ALL: &[Self] = &[$( Self::$variant, )*];

            /// The kind's name in the bytes.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }

            /// What the kind is about.
            pub fn scope(self) -> Scope {
                match self {
                    $( Self::$variant => Scope::$scope, )*
                }
            }
        }
    };
}

/// What an event of a kind is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The trial, its sites, keys and analyses: no subject. Revoked or superseded, never amended.
    Trial,
    /// One subject at one site. Amendable.
    Subject,
}

kinds! {
    /// The log's first record: what the trial is and whose keys it starts with.
    TrialOpened = "trial_opened", Trial;
    /// A site takes part from here on.
    SiteActivated = "site_activated", Trial;
    /// A person's key is entitled to a role.
    KeyGranted = "key_granted", Trial;
    /// A key is no longer entitled.
    KeyRevoked = "key_revoked", Trial;
    /// A subject is enrolled.
    Enrollment = "enrollment", Subject;
    /// The investigational product is administered.
    Infusion = "infusion", Subject;
    /// A visit, planned or not, done or missed.
    Visit = "visit", Subject;
    /// An adverse event: the site's facts and the investigator's judgement.
    AdverseEvent = "adverse_event", Subject;
    /// A subject leaves treatment or study, fails screening, or dies.
    Disposition = "disposition", Subject;
    /// A contact outside a visit that says whether the subject is alive.
    Contact = "contact", Subject;
    /// A subject is examined for whether to enter, and enters or does not.
    Screening = "screening", Subject;
    /// A consent is signed, once more or for a newer document.
    Consent = "consent", Subject;
    /// What a lot of the product is made of.
    ProductLot = "product_lot", Trial;
    /// The sponsor's judgement of an adverse event.
    AeAssessment = "ae_assessment", Subject;
    /// An authority was told of an adverse event.
    SafetyReportSent = "safety_report_sent", Subject;
    /// A committee decides about an endpoint.
    Adjudication = "adjudication", Subject;
    /// A subject is assigned to an arm, which is not said.
    Allocation = "allocation", Subject;
    /// Somebody came to know a subject's arm.
    Unblinding = "unblinding", Subject;
    /// The protocol was not followed.
    ProtocolDeviation = "protocol_deviation", Subject;
    /// The protocol, its schedule or its definitions changed.
    ProtocolAmended = "protocol_amended", Trial;
    /// Up to which record and which day an analysis looks.
    DataCut = "data_cut", Trial;
    /// A report was made of a cut; its hash.
    ReportPublished = "report_published", Trial;
    /// An investigator of the site puts the own name to records about a subject.
    Signature = "signature", Subject;
    /// Reserved.
    Query = "query", Subject;
    /// Reserved.
    Verification = "verification", Subject;
    /// Reserved.
    Lock = "lock", Trial;
    /// Reserved.
    Unlock = "unlock", Trial;
    /// Reserved.
    AuditReview = "audit_review", Trial;
    /// Reserved.
    TextKeyDestroyed = "text_key_destroyed", Subject;
    /// A subject moves to another site.
    SubjectTransferred = "subject_transferred", Subject;
    /// Two pseudonyms are one person.
    SubjectsLinked = "subjects_linked", Trial;
    /// Reserved.
    SiteClosed = "site_closed", Trial;
    /// A key of the registry's own is named: the one that signs receipts.
    ServiceKeyGranted = "service_key_granted", Trial;
    /// The log's checkpoints are signed with a further key from here on.
    LogKeyChanged = "log_key_changed", Trial;
}

impl EventKind {
    /// Whether this version of the program accepts events of the kind; the others are reserved names.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::TrialOpened
                | Self::SiteActivated
                | Self::KeyGranted
                | Self::KeyRevoked
                | Self::Enrollment
                | Self::Infusion
                | Self::Visit
                | Self::AdverseEvent
                | Self::Disposition
                | Self::Contact
                | Self::Screening
                | Self::Consent
                | Self::ProductLot
                | Self::AeAssessment
                | Self::SafetyReportSent
                | Self::Adjudication
                | Self::Allocation
                | Self::Unblinding
                | Self::ProtocolDeviation
                | Self::ProtocolAmended
                | Self::DataCut
                | Self::ReportPublished
                | Self::Signature
                | Self::SubjectTransferred
                | Self::SubjectsLinked
                | Self::ServiceKeyGranted
                | Self::LogKeyChanged
        )
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_bytes_and_in_code_agree() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(EventKind::from_name(kind.as_str()), Some(*kind));
        }
    }
}
