//! What its signer knew would be found about a statement, and why it is stated all the same.
//!
//! It silences nothing: whoever looks at a finding reads with it what the signer says of it.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::id::{FindingName, MemberPointer};
use crate::taken_from::names;

names! {
    /// Why a statement stands that something was found about.
    ConfirmReason {
        /// Its source says so.
        AsInSource = "as_in_source",
        /// An investigator looked at it, and it is so.
        InvestigatorAgrees = "investigator_agrees",
        /// It is not known yet, and is asked after; a correction may follow.
        BeingClarified = "being_clarified",
        /// Another reason; the comment says which.
        Other = "other",
    }
}

/// The findings that the signer saw. `T` is the form of the comment: in clear before it is signed, sealed afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed<T> {
    /// More about the reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<T>,
    /// Each finding with its reason; at least one, ascending by name and pointer.
    pub findings: Vec<ConfirmedFinding>,
}

impl<T> Confirmed<T> {
    /// Whether there are findings, and each stands once, in their order.
    pub(crate) fn is_ascending(&self) -> bool {
        !self.findings.is_empty() && self.findings.windows(2).all(|two| two[0].place() < two[1].place())
    }
}

/// One finding, and why the statement stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmedFinding {
    /// The finding's code.
    pub finding: FindingName,
    /// The member that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<MemberPointer>,
    /// Why.
    pub reason: ConfirmReason,
}

impl ConfirmedFinding {
    /// That the signer saw `finding`; nothing for a code that no name can be.
    pub fn new(finding: &Finding, reason: ConfirmReason) -> Option<Self> {
        let name = finding.code.as_str().parse().ok()?;
        Some(Self { finding: name, pointer: finding.pointer.parse().ok(), reason })
    }

    /// Where it stands among the others.
    pub fn place(&self) -> (&FindingName, Option<&MemberPointer>) {
        (&self.finding, self.pointer.as_ref())
    }

    fn is_about(&self, finding: &Finding) -> bool {
        self.finding.as_str() == finding.code.as_str() && self.pointer == finding.pointer.parse().ok()
    }
}

/// Why a statement stands in spite of `finding`, if its signer says so.
pub fn reason(confirmed: &[ConfirmedFinding], finding: &Finding) -> Option<ConfirmReason> {
    confirmed.iter().find(|one| one.is_about(finding)).map(|one| one.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::FindingCode;

    #[test]
    fn every_finding_can_be_confirmed_and_a_confirmation_is_of_one_member() {
        for code in FindingCode::ALL {
            let (here, there) = (Finding::new(*code, "/data/pga"), Finding::new(*code, "/data/criteria/3"));
            let confirmed = [ConfirmedFinding::new(&here, ConfirmReason::AsInSource).unwrap()];
            assert_eq!(reason(&confirmed, &here), Some(ConfirmReason::AsInSource));
            assert_eq!(reason(&confirmed, &there), None);
        }
    }

    #[test]
    fn a_pointer_that_cannot_be_stated_in_clear_is_left_out_and_its_finding_confirmed_all_the_same() {
        let finding = Finding::new(FindingCode::MandatoryItemAbsent, "/data/weight of the patient");
        let one = ConfirmedFinding::new(&finding, ConfirmReason::BeingClarified).unwrap();
        assert_eq!(one.pointer, None);
        assert_eq!(reason(&[one], &finding), Some(ConfirmReason::BeingClarified));
    }

    #[test]
    fn names_in_bytes_and_in_code_agree() {
        for reason in ConfirmReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
