//! Where a statement was taken from that its signer entered for somebody else.
//!
//! It changes nothing of who is entitled to what: a judgement that a coordinator enters for an investigator waits for an
//! investigator's signature, whoever is named here.

use serde::{Deserialize, Serialize};

use crate::id::ActorId;

/// Names that stand in the bytes, each with its text.
macro_rules! names {
    ($( #[$doc:meta] $name:ident { $( #[$of:meta] $variant:ident = $text:literal, )* } )*) => {
        $(
            #[$doc]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
            #[serde(rename_all = "snake_case")]
            pub enum $name {
                $( #[$of] $variant, )*
            }

            impl $name {
                /// Every one.
                pub const ALL: &[Self] = &[$( Self::$variant, )*];

                /// Its name in the bytes.
                pub fn as_str(self) -> &'static str {
                    match self { $( Self::$variant => $text, )* }
                }
            }
        )*
    };
}

pub(crate) use names;

names! {
    /// By what means the signer has it.
    Means {
        /// From the subject's file or another source document.
        Chart = "chart",
        /// From a form or diary on paper.
        Paper = "paper",
        /// Told by telephone.
        Phone = "phone",
        /// Told face to face.
        InPerson = "in_person",
        /// Written in a letter or message.
        Message = "message",
        /// From another system, by hand.
        System = "system",
        /// In another way.
        Other = "other",
    }

    /// Who reported it.
    Reporter {
        /// An investigator of the site, the principal one too.
        Investigator = "investigator",
        /// A coordinator of the site.
        Coordinator = "coordinator",
        /// Other staff of the site.
        SiteStaff = "site_staff",
        /// The subject.
        Subject = "subject",
        /// Somebody close to the subject.
        Relative = "relative",
        /// A physician elsewhere.
        OtherPhysician = "other_physician",
        /// A laboratory.
        Laboratory = "laboratory",
        /// An authority or a register.
        Authority = "authority",
        /// Somebody else.
        Other = "other",
    }
}

/// What was not the signer's own observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenFrom {
    /// By what means.
    pub means: Means,
    /// Who reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_by: Option<ReportedBy>,
}

/// Whoever reported it. Only people of the trial are named: nobody else may be known by the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedBy {
    /// The person, of staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ActorId>,
    /// In which capacity.
    pub role: Reporter,
}

impl ReportedBy {
    /// Whether a person is named where one may be: of staff alone.
    pub(crate) fn is_well_formed(&self) -> bool {
        let is_staff =
            matches!(self.role, Reporter::Investigator | Reporter::Coordinator | Reporter::SiteStaff);
        self.id.is_none() || is_staff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_bytes_and_in_code_agree() {
        for means in Means::ALL {
            assert_eq!(serde_json::to_value(means).unwrap(), means.as_str());
        }
        for reporter in Reporter::ALL {
            assert_eq!(serde_json::to_value(reporter).unwrap(), reporter.as_str());
        }
    }
}
