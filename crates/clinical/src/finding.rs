//! Findings: what is accepted because it may be true, and looked at because it may not.

use chain::Position;
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// To be clarified.
    Minor,
    /// Touches an endpoint or the protocol.
    Major,
    /// Touches a subject's safety or rights.
    Critical,
}

macro_rules! findings {
    ($( $variant:ident = $code:literal, $severity:ident, $doc:literal; )*) => {
        /// What was noticed about an accepted event. Each code has its text in docs/findings/.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingCode {
            $( #[doc = $doc] #[serde(rename = $code)] $variant, )*
        }

        impl FindingCode {
            /// Every code.
            pub const ALL: &[Self] = &[$( Self::$variant, )*];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }

            /// How much it matters.
            pub fn severity(self) -> Severity {
                match self { $( Self::$variant => Severity::$severity, )* }
            }

            /// One sentence for a reader.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }
        }
    };
}

findings! {
    AfterDeath = "after-death", Major, "The fact is dated after the subject's death.";
    AfterWithdrawal = "after-withdrawal", Critical, "The fact is dated after the subject withdrew from all contact.";
    AlreadyEnrolled = "already-enrolled", Major, "The subject is enrolled already.";
    AwarenessLate = "awareness-late", Critical, "A serious event was recorded more than 24 hours after the site became aware of it.";
    CausalityMissing = "causality-missing", Major, "The event's relation to the product is not judged.";
    CellsTotalDiffers = "cells-total-differs", Major, "Cells in all differ by more than 10 % from cells per kg times body weight.";
    ClockAhead = "clock-ahead", Minor, "The event was signed later than it was recorded: the signer's clock is ahead.";
    ConsentAfterEnrollment = "consent-after-enrollment", Critical, "The consent was signed after the enrollment.";
    ConsentMissing = "consent-missing", Critical, "No consent is stated.";
    CriterionNotDone = "criterion-not-done", Major, "An eligibility criterion was not examined.";
    CriterionNotMet = "criterion-not-met", Critical, "An eligibility criterion is not met.";
    DateInFuture = "date-in-future", Major, "The fact is dated after the day it was recorded.";
    DeathDateDiffers = "death-date-differs", Major, "The subject's death is recorded already, with another date.";
    DoseOffPlan = "dose-off-plan", Major, "The dose given differs by more than 10 % from the plan.";
    EndBeforeStart = "end-before-start", Minor, "It ends before it begins.";
    GradeAgainstOutcome = "grade-against-outcome", Major, "Grade 5 and a fatal outcome come together or not at all.";
    IdentityCheckMissing = "identity-check-missing", Critical, "The check by two persons is missing, or one person made both.";
    InfusionBeforeConsent = "infusion-before-consent", Critical, "The product was given before the consent was signed.";
    InfusionNumberRepeated = "infusion-number-repeated", Major, "An infusion of that number is recorded already.";
    InfusionUnplanned = "infusion-unplanned", Major, "More infusions than the subject's course has.";
    KeyUsedWhileSuspected = "key-used-while-suspected", Major, "The key signed records since the day from which on others may have had it.";
    LotExpired = "lot-expired", Critical, "The lot had expired.";
    LotNotReleased = "lot-not-released", Critical, "The lot was not released.";
    MandatoryItemAbsent = "mandatory-item-absent", Minor, "An item that the trial demands is neither stated nor given a reason.";
    NotEndorsed = "not-endorsed", Notice, "A judgement entered by a coordinator waits for an investigator's signature.";
    PgaOutOfRange = "pga-out-of-range", Minor, "The global assessment lies outside 0 to 3.";
    ScreenFailureEnrolled = "screen-failure-enrolled", Major, "The subject is enrolled and failed screening as well.";
    SeriousnessDisagrees = "seriousness-disagrees", Major, "Reported seriousness and the criteria of seriousness disagree.";
    SignedBeforeFact = "signed-before-fact", Major, "The event was signed before the day of the fact.";
    SledaiIncomplete = "sledai-incomplete", Minor, "SLEDAI-2K descriptors were not examined: the score is not complete.";
    SubjectNotEnrolled = "subject-not-enrolled", Major, "The product was given to a subject who is not enrolled.";
    UnitNotUcum = "unit-not-ucum", Notice, "A number was reported without a unit that maps to UCUM.";
    ViabilityLow = "viability-low", Major, "Fewer than 70 % of the cells were viable.";
    VisitNotInSchedule = "visit-not-in-schedule", Minor, "The schedule has no visit of that name.";
    VisitOutsideWindow = "visit-outside-window", Minor, "The visit lies outside its window.";
}

/// Most records that one finding names.
pub const RECORDS_NAMED_MAX: usize = 8;

/// A finding about one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// JSON pointer into the event.
    pub pointer: String,
    /// Earlier records that it does not go together with: the first record of each such thing, ascending,
    /// [`RECORDS_NAMED_MAX`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Position>,
    /// How much it matters.
    pub severity: Severity,
}

impl Finding {
    /// A finding at `pointer` in what the event states by itself.
    pub fn new(code: FindingCode, pointer: impl Into<String>) -> Self {
        Self::beside(code, pointer, Vec::new())
    }

    /// A finding at `pointer` in what the event states beside those records.
    pub fn beside(code: FindingCode, pointer: impl Into<String>, mut records: Vec<Position>) -> Self {
        records.sort_unstable();
        records.truncate(RECORDS_NAMED_MAX);
        Self { code, pointer: pointer.into(), records, severity: code.severity() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_written_alike_everywhere() {
        let codes: std::collections::BTreeSet<_> =
            FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), FindingCode::ALL.len());
        for code in FindingCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
