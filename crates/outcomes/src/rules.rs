//! What the trial's definitions ask of this report, read once for all subjects. It counts nobody.

use std::collections::BTreeSet;

use clinical::Date;
use clinical::date::anniversary;
use clinical::definitions::rule::{
    Change, Evaluable, EvaluableRule, Flare, Imputation, Landmarks, Measure, Relapse, Remission, Severity,
    Windows,
};
use clinical::definitions::{Definitions, Kind, find, shipped};
use clinical::expedited::days_after;
use clinical::report::{Replaced, replaced};
use clinical::rows::TrialRows;
use stats::DAYS_PER_YEAR;

use crate::computed;

/// The kinds of definition that this report goes by.
const KINDS: [Kind; 9] = [
    Kind::Evaluable,
    Kind::Flare,
    Kind::Imputation,
    Kind::Landmarks,
    Kind::Populations,
    Kind::Relapse,
    Kind::Severity,
    Kind::Sledai,
    Kind::Windows,
];

/// What the report goes by. Definitions that this version does not know are the shipped ones here.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The last day that counts.
    pub(crate) cutoff: Date,
    /// The date of the last record: nothing that is recorded happened later.
    pub(crate) last_record: Date,
    pub(crate) evaluable: Evaluable,
    pub(crate) evaluable_id: String,
    /// Ascending, each once.
    pub(crate) marks: Vec<Mark>,
    pub(crate) landmarks_id: String,
    /// Days before and after a landmark within which a visit tells the status.
    pub(crate) window_days: i32,
    pub(crate) imputation: Imputation,
    pub(crate) imputation_id: String,
    pub(crate) relapse: Relapse,
    /// As the trial states it: judgements by another are not counted.
    pub(crate) relapse_id: String,
    /// As the trial states it: judgements by another are not counted.
    pub(crate) remission_id: String,
    /// Definitions of remission by which it is computed: the trial's, if this version knows it; the shipped others; then
    /// the trial's own others.
    pub(crate) remissions: Vec<RemissionRule>,
    /// Codes of observations that they ask for.
    pub(crate) remission_codes: BTreeSet<String>,
    /// The trial's own measures of relapse.
    pub(crate) own_measures: Vec<OwnRule>,
    /// What a flare is, where the trial says it.
    pub(crate) flare: Option<FlareRule>,
    pub(crate) sledai_id: String,
    pub(crate) severity: Severity,
    pub(crate) severity_id: String,
    pub(crate) change: Change,
    pub(crate) change_id: String,
    pub(crate) windows: Windows,
    pub(crate) windows_id: String,
    /// What the trial states and this version does not know.
    pub(crate) replaced: Vec<Replaced>,
}

/// A definition of remission.
#[derive(Debug)]
pub(crate) struct RemissionRule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) rule: Remission,
    /// It is the one by which the trial judges.
    pub(crate) chosen: bool,
    /// The trial chooses or brings it.
    pub(crate) own: bool,
}

/// A definition of flare.
#[derive(Debug)]
pub(crate) struct FlareRule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) rule: Flare,
}

/// A measure of relapse that the trial brings.
#[derive(Debug)]
pub(crate) struct OwnRule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) rule: Measure,
}

/// A landmark, and what its period begins after: a year before, of days the landmark before; `None`: with the first
/// infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: At,
    pub(crate) before: Option<At>,
}

/// So long after the first infusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// A calendar anniversary.
    Years(u16),
    /// Days.
    Days(u32),
}

impl Rules {
    /// What the trial's definitions say, as far as this version knows them.
    pub(crate) fn of(trial: &TrialRows, cutoff: Date) -> Self {
        let definitions = &*trial.header.definitions;
        let shipped_sets = find(&[], Kind::Populations.shipped_id()).map(|shipped| &shipped.rule);
        let used = |kind: Kind| match definitions.chosen_or_shipped(kind) {
            // Sets are told apart in one way here, whatever a definition of the trial's own asks for.
            own if kind == Kind::Populations && Some(&own.rule) != shipped_sets => kind.shipped_id(),
            used => used.id.as_str(),
        };
        let stated: Vec<(&str, &str, &str)> =
            KINDS.iter().map(|kind| (kind.as_str(), definitions.id_of(*kind), used(*kind))).collect();
        // The definition is of the kind asked for: `chosen_or_shipped` says so.
        macro_rules! rule {
            ($kind:ident, $rule:ident) => {
                definitions
                    .chosen_or_shipped(Kind::$kind)
                    .rule
                    .$rule()
                    .expect("a chosen definition is of its kind")
            };
        }
        let landmarks = rule!(Landmarks, landmarks);
        let own_measures = definitions.own.iter().filter_map(|own| {
            let rule = own.rule.measure().filter(|_| find(&[], own.id.as_str()).is_none())?;
            Some(OwnRule { id: own.id.to_string(), title: own.title.clone(), rule: rule.clone() })
        });
        // A kind that has no choice: the trial's own, if it brings one.
        let mut changes = definitions.own.iter().chain(find(&[], Kind::Change.shipped_id()));
        let (change, change_id) = changes
            .find_map(|one| Some((one.rule.change()?.clone(), one.id.to_string())))
            .expect("one is shipped");
        let remissions = remissions(definitions);
        let flare = definitions.flare.is_some().then(|| {
            let chosen = definitions.chosen_or_shipped(Kind::Flare);
            FlareRule {
                id: chosen.id.to_string(),
                title: chosen.title.clone(),
                rule: rule!(Flare, flare).clone(),
            }
        });
        Self {
            cutoff,
            last_record: trial.last_record,
            evaluable: rule!(Evaluable, evaluable).clone(),
            evaluable_id: used(Kind::Evaluable).to_owned(),
            marks: marks(landmarks),
            landmarks_id: used(Kind::Landmarks).to_owned(),
            window_days: i32::try_from(landmarks.window_days).unwrap_or(i32::MAX),
            imputation: rule!(Imputation, imputation).clone(),
            imputation_id: used(Kind::Imputation).to_owned(),
            relapse: rule!(Relapse, relapse).clone(),
            relapse_id: definitions.relapse.clone(),
            remission_id: definitions.remission.clone(),
            remission_codes: computed::codes(remissions.iter().map(|one| &one.rule)),
            remissions,
            own_measures: own_measures.collect(),
            flare,
            sledai_id: used(Kind::Sledai).to_owned(),
            severity: rule!(Severity, severity).clone(),
            severity_id: used(Kind::Severity).to_owned(),
            change,
            change_id,
            windows: rule!(Windows, windows).clone(),
            windows_id: used(Kind::Windows).to_owned(),
            replaced: replaced(&stated),
        }
    }

    /// Days before and after a landmark within which a visit makes a completer.
    pub(crate) fn completer_days(&self) -> i32 {
        let days = self.evaluable.window_days;
        days.map_or(self.window_days, |days| i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// Of whom figures at a landmark are, in words.
    pub(crate) fn denominator(&self) -> String {
        let rule = match self.evaluable.rule {
            EvaluableRule::Anniversary => {
                "infused, alive on the day so long after first infusion, last contact on or after it: conditional on \
                 survival to it"
            }
            EvaluableRule::PotentialFollowUp => {
                "infused so long before the cutoff, whatever happened since: who died stays in"
            }
            EvaluableRule::VisitCompleter => "infused, with a visit in the window around the day",
            EvaluableRule::AllInfused => "all infused, whatever their follow-up",
        };
        format!("{rule} ({})", self.evaluable_id)
    }
}

fn remissions(definitions: &Definitions) -> Vec<RemissionRule> {
    let chosen = definitions.chosen(Kind::Remission);
    let mut rules: Vec<RemissionRule> = Vec::new();
    for definition in chosen.into_iter().chain(shipped()).chain(&definitions.own) {
        let known = rules.iter().any(|one| one.id == definition.id.as_str());
        let Some(rule) = definition.rule.remission().filter(|_| !known) else { continue };
        rules.push(RemissionRule {
            id: definition.id.to_string(),
            title: definition.title.clone(),
            rule: rule.clone(),
            chosen: chosen.is_some_and(|chosen| chosen.id == definition.id),
            own: chosen.into_iter().chain(&definitions.own).any(|own| own.id == definition.id),
        });
    }
    rules
}

/// The landmarks, ascending and each once.
fn marks(landmarks: &Landmarks) -> Vec<Mark> {
    let days = landmarks.days.iter().flatten().map(|days| At::Days(*days));
    let mut all: Vec<At> = days.chain(landmarks.years.iter().map(|years| At::Years(*years))).collect();
    all.sort_by(|one, other| one.curve_days().total_cmp(&other.curve_days()));
    all.dedup();
    let mut last_days = None;
    all.into_iter()
        .map(|at| {
            let before = match at {
                At::Years(years) => years.checked_sub(1).filter(|years| *years > 0).map(At::Years),
                At::Days(_) => last_days.replace(at),
            };
            Mark { at, before }
        })
        .collect()
}

impl At {
    /// The day, for who was first infused on `day_0`. Beyond the year 9999 there is none, and nobody has reached it.
    pub(crate) fn due(self, day_0: Date) -> Date {
        match self {
            Self::Years(years) => {
                let years = i16::try_from(years).unwrap_or(i16::MAX);
                anniversary(day_0, years).unwrap_or(Date::MAX)
            }
            // Nobody is followed for 65,535 days.
            Self::Days(days) => days_after(day_0, u16::try_from(days).unwrap_or(u16::MAX)),
        }
    }

    /// How far along a curve it lies: a year has 365.25 days there.
    pub(crate) fn curve_days(self) -> f64 {
        match self {
            Self::Years(years) => DAYS_PER_YEAR * f64::from(years),
            Self::Days(days) => f64::from(days),
        }
    }

    /// How it stands in the ids of figures.
    pub(crate) fn id(self) -> String {
        match self {
            Self::Years(years) => format!("year_{years}"),
            Self::Days(days) => format!("day_{days}"),
        }
    }

    /// In words.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Years(1) => "1 year".to_owned(),
            Self::Years(years) => format!("{years} years"),
            Self::Days(1) => "1 day".to_owned(),
            Self::Days(days) => format!("{days} days"),
        }
    }

    /// In words, for a curve.
    pub(crate) fn curve_label(self) -> String {
        match self {
            Self::Years(years) => format!("{} months", 12 * u32::from(years)),
            Self::Days(_) => self.label(),
        }
    }

    /// As an argument: `RelapseInYear(1)`.
    pub(crate) fn argument(self) -> String {
        match self {
            Self::Years(years) => years.to_string(),
            Self::Days(days) => format!("day {days}"),
        }
    }
}
