//! What each kind of definition says: its parameters. What they mean in a report is told by the definition's text.
//!
//! Every member but an `Option` is needed, so that a definition has one writing.

use serde::{Deserialize, Serialize, Serializer};

use crate::data::{Agent, Causality, Seriousness};
use crate::decimal::Decimal;
use crate::sledai::Descriptor;

macro_rules! kinds {
    ($( $variant:ident, $name:ident, $shipped:literal, $doc:literal; )*) => {
        /// What a definition is of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $( #[doc = $doc] $variant, )*
        }

        /// A definition's parameters, by kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Rule {
            $( #[doc = $doc] $variant($variant), )*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$( Self::$variant, )*];

            /// Its name in the bytes.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => stringify!($name), )* }
            }

            /// What it is about, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }

            /// The shipped definition that holds where a trial chooses none.
            pub fn shipped_id(self) -> &'static str {
                match self { $( Self::$variant => $shipped, )* }
            }

            /// Reads parameters of this kind.
            pub(super) fn read<'de, D: serde::Deserializer<'de>>(self, from: D) -> Result<Rule, D::Error> {
                match self { $( Self::$variant => $variant::deserialize(from).map(Rule::$variant), )* }
            }
        }

        impl Rule {
            /// Its kind.
            pub fn of(&self) -> Kind {
                match self { $( Self::$variant(_) => Kind::$variant, )* }
            }

            $(
                #[doc = concat!("The parameters, if it is a rule of ", stringify!($name), ".")]
                pub fn $name(&self) -> Option<&$variant> {
                    match self { Self::$variant(rule) => Some(rule), _ => None }
                }
            )*
        }

        impl Serialize for Rule {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $( Self::$variant(rule) => rule.serialize(serializer), )* }
            }
        }
    };
}

kinds! {
    Change, change, "sledai-change-1", "What counts as a change of the disease activity score.";
    Evaluable, evaluable, "evaluable-1", "Who counts as evaluable at the k-th year.";
    Flare, flare, "selena-flare-1", "What a flare is.";
    Imputation, imputation, "impute-1", "How partial dates are completed.";
    Landmarks, landmarks, "landmarks-1", "At which anniversaries or days status is told.";
    Measure, measure, "relapse-in-year-1", "A proportion with relapse: which relapses over which subjects.";
    Populations, populations, "sets-1", "Which sets of subjects are told apart.";
    Related, related, "related-1", "What makes an adverse event related.";
    Relapse, relapse, "relapse-1", "What a relapse is.";
    Remission, remission, "ccr-registry-1", "What remission is.";
    Serious, serious, "seriousness-1", "What makes an adverse event serious.";
    Severity, severity, "sledai-bands-eular-1", "Names of ranges of the disease activity score.";
    Sledai, sledai, "sledai-2k-1", "How the disease activity score is taken.";
    Stopping, stopping, "stopping-beta-binomial-1", "When treatment is to be stopped.";
    Windows, windows, "windows-1", "Which of several visits counts for a planned one.";
}

/// Parameters of [`Kind::Change`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Points up to which a difference, either way, is none.
    pub within: u16,
}

/// Parameters of [`Kind::Evaluable`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluable {
    /// Which rule.
    pub rule: EvaluableRule,
    /// Days before and after the anniversary within which a visit must lie, where the rule asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_days: Option<u32>,
}

/// Who is evaluable at the k-th anniversary of first infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluableRule {
    /// Alive on it, with a last contact on or after it.
    Anniversary,
    /// Infused that long before the cutoff, whatever happened since.
    PotentialFollowUp,
    /// Assessed within the window around it.
    VisitCompleter,
    /// Everybody infused.
    AllInfused,
}

/// Parameters of [`Kind::Flare`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flare {
    /// Values that count like an item of `items_severe` when they newly hold.
    pub conditions_severe: Vec<Condition>,
    /// Drugs whose start is mild or moderate, as visits name them in lower case.
    pub drugs_mild: Vec<String>,
    /// Drugs whose start is severe.
    pub drugs_severe: Vec<String>,
    /// Items whose new presence is mild or moderate.
    pub items_mild: Vec<Descriptor>,
    /// Items whose new presence is severe where it asked for treatment.
    pub items_severe: Vec<Descriptor>,
    /// Rise of the global assessment from which on it is a flare.
    pub pga_rise_min: Decimal,
    /// Global assessment above which a rise is severe.
    pub pga_severe_above: Decimal,
    /// Prednisone equivalent above which a rise is severe, in mg/kg/day.
    pub prednisone_severe_above: Decimal,
    /// Rise of the score from which on it is a flare, in points.
    pub sledai_rise_min: u16,
    /// Score above which a rise is severe.
    pub sledai_severe_above: u16,
}

/// Parameters of [`Kind::Imputation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imputation {
    /// Day of death, of those not before the subject was last known alive.
    pub death: End,
    /// Day of death in the analysis of sensitivity.
    pub death_sensitivity: End,
    /// Day on which an adverse event ends, of those not after death or cutoff.
    pub event_end: End,
    /// Day on which an adverse event begins; the first infusion's, where that is among them.
    pub onset: End,
    /// Day of relapse, of those from first infusion on.
    pub relapse: End,
}

/// An end of the days that a partial date can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The first of them.
    Earliest,
    /// The last of them.
    Latest,
}

/// Parameters of [`Kind::Landmarks`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landmarks {
    /// Further landmarks, in days from first infusion: for what is over within a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<u32>>,
    /// Days before and after the landmark within which the nearest visit tells the status.
    pub window_days: u32,
    /// Anniversaries of first infusion, in years.
    pub years: Vec<u16>,
}

/// Parameters of [`Kind::Measure`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Over whom.
    pub denominator: Denominator,
    /// Which first relapses.
    pub period: Period,
}

/// Over whom a proportion is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denominator {
    /// The evaluable at that year, those with an earlier relapse among them.
    Evaluable,
    /// The evaluable at that year without an earlier relapse.
    AtRisk,
    /// The infused with a documented response; only a relapse after it counts.
    Responders,
    /// Everybody enrolled.
    Enrolled,
}

/// Which first relapses a proportion counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Those after the anniversary before and up to this one.
    Year,
    /// All from first infusion to the cutoff.
    Ever,
}

/// Parameters of [`Kind::Populations`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Populations {
    /// The sets.
    pub sets: Vec<Set>,
}

/// A set of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// Screened, whether enrolled or not.
    Screened,
    /// Enrolled, whether infused or not.
    Enrolled,
    /// Infused at least once: the safety set.
    Infused,
    /// Evaluable at a year, by the rule of [`Kind::Evaluable`].
    Evaluable,
}

/// Parameters of [`Kind::Related`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// To which agents.
    pub agents: Vec<Agent>,
    /// Whether a missing judgement counts as related.
    pub missing_is_related: bool,
    /// From which judgement on.
    pub threshold: Causality,
}

/// Parameters of [`Kind::Relapse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relapse {
    /// Whose judgement makes one.
    pub judged_by: Vec<Judge>,
    /// Whether a response must have come before.
    pub prior_response: bool,
}

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// The investigator, at a visit.
    Investigator,
    /// The committee.
    Adjudication,
}

/// Parameters of [`Kind::Remission`]: all of it has to hold at the visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remission {
    /// Values that must lie so.
    pub conditions: Vec<Condition>,
    /// Items that must be absent.
    pub items_absent: Vec<Descriptor>,
    /// Whether no item may be present that was absent at the assessment before.
    pub no_new_items: bool,
    /// What the definition asks for besides and visits do not carry: taken as absent.
    pub taken_as_absent: Vec<String>,
}

/// Where a value must lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// On which side of the bound.
    pub is: Bound,
    /// Which value: `sledai_total`, `sledai_clinical`, `pga`, `prednisone_mg_per_day`, or an observation by its system
    /// and code, such as `loinc:1751-7`.
    pub measure: String,
    /// An observation's UCUM unit: one in another does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The bound.
    pub value: Decimal,
}

/// A side of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The bound or less.
    AtMost,
    /// Less than the bound.
    Below,
    /// The bound or more.
    AtLeast,
    /// More than the bound.
    Above,
}

/// Parameters of [`Kind::Serious`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serious {
    /// Criteria of which one is enough.
    pub any_of: Vec<Seriousness>,
}

/// Parameters of [`Kind::Severity`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Severity {
    /// The ranges; a score belongs to the one with the highest `from` that it reaches.
    pub bands: Vec<Band>,
}

/// A range of a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Its lowest score.
    pub from: u16,
    /// Its name.
    pub name: String,
}

/// Parameters of [`Kind::Sledai`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sledai {
    /// Joints with pain and inflammation from which on it is arthritis.
    pub arthritis_joints_min: u16,
    /// Whether rash, ulcers, hair loss and proteinuria that persist count, not only new or recurring ones.
    pub persistent_counts: bool,
    /// How far back the score looks, in days.
    pub window_days: Lookback,
}

/// How far back the score looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Lookback {
    /// 10 days.
    Days10,
    /// 28 days.
    Days28,
    /// 30 days.
    Days30,
}

impl TryFrom<u16> for Lookback {
    type Error = &'static str;

    fn try_from(days: u16) -> Result<Self, Self::Error> {
        match days {
            10 => Ok(Self::Days10),
            28 => Ok(Self::Days28),
            30 => Ok(Self::Days30),
            _ => Err("expected 10, 28 or 30"),
        }
    }
}

impl From<Lookback> for u16 {
    fn from(lookback: Lookback) -> Self {
        match lookback {
            Lookback::Days10 => 10,
            Lookback::Days28 => 28,
            Lookback::Days30 => 30,
        }
    }
}

/// Parameters of [`Kind::Stopping`]: stop once the probability is above `probability` that the event's rate is above
/// `rate`, given the prior Beta(`prior_alpha`, `prior_beta`) and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// Which event; a subject with several counts once.
    pub event: StoppingEvent,
    /// First parameter of the prior.
    pub prior_alpha: Decimal,
    /// Second parameter of the prior.
    pub prior_beta: Decimal,
    /// How sure one must be.
    pub probability: Decimal,
    /// The rate that is borne.
    pub rate: Decimal,
    /// Days from first infusion on in which the event counts; a subject counts once they are over.
    pub window_days: u32,
}

/// The event that a stopping rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppingEvent {
    /// Death of any cause.
    Death,
    /// A related adverse event.
    Related,
    /// A serious adverse event.
    Serious,
    /// An adverse event that is serious and related.
    SeriousRelated,
}

/// Parameters of [`Kind::Windows`]: the visit nearest to the target day counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Of two as near, which.
    pub tie: Tie,
    /// Whether an unscheduled or repeated visit can be the one.
    pub unscheduled: bool,
}

/// Which of two visits as near to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// The earlier.
    Earlier,
    /// The later.
    Later,
}
