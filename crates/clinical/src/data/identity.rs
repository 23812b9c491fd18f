//! `subject_transferred` and `subjects_linked`: a subject moves, and one person turns out to be two subjects.

use serde::{Deserialize, Serialize};

use crate::id::{SiteId, SubjectId};

/// `subject_transferred`: from this record on the subject belongs to another site. Stated by the site it leaves;
/// `occurred_on` is the day. Reports by enrolling site still count the subject where it enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectTransferred {
    /// The site it goes to.
    pub to: SiteId,
}

/// `subjects_linked`: two pseudonyms are one person. Reports count one subject, with the facts of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectsLinked {
    /// The pseudonym that is given up.
    pub duplicate: SubjectId,
    /// The pseudonym that stays.
    pub kept: SubjectId,
}
