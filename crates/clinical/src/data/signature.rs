//! `signature`: an investigator of the site puts the own name to statements that are on record.

use serde::{Deserialize, Serialize};

use super::Reference;

/// `signature`: the signer stands by records about the subject that the own site made, each in the version in force. It has
/// no date of a fact: it is made when it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementsSigned {
    /// What the signature means.
    pub meaning: SignatureMeaning,
    /// The records, in ascending order of their positions, each once; at least one.
    pub statements: Vec<Reference>,
}

/// What a signature means (21 CFR 11.50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureMeaning {
    /// The judgements in them are the signer's own, whoever entered them.
    Endorsement,
    /// The signer has read them and holds them against the source.
    Review,
    /// The signer answers for them as the site's.
    Approval,
}

impl SignatureMeaning {
    /// The meaning's name in the bytes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Endorsement => "endorsement",
            Self::Review => "review",
            Self::Approval => "approval",
        }
    }
}
