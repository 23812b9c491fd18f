//! Events that are looked at apart wherever cells are given: infections and malignancies, by their system organ class.

use serde::{Deserialize, Serialize};
use stats::figure::{Figure, Meaning, Rate};

use crate::case::Case;
use crate::incidence;
use crate::listing::EventLine;
use crate::report::ReportError;
use crate::subject::Subject;
use crate::table::Frame;

/// Treatment-emergent events of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterestSection {
    /// `infections` or `malignancies`.
    pub id: String,
    /// In words.
    pub label: String,
    /// The system organ class whose events are counted, whatever its letters' case.
    pub soc: String,
    /// All, serious, severe and fatal ones. They overlap.
    pub categories: Vec<InterestCategory>,
    /// First events in the time to them.
    pub first: Rate,
    /// All events in all the time.
    pub all: Rate,
    /// Each event.
    pub listing: Vec<EventLine>,
}

/// One category of a group's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterestCategory {
    /// `any`, `serious`, `severe` or `fatal`.
    pub id: String,
    /// Events.
    pub events: u64,
    /// Subjects with at least one, of the safety set.
    pub subjects: Figure,
}

/// A group: id, label, definition and system organ class by its MedDRA name.
struct Group {
    id: &'static str,
    label: &'static str,
    definition: &'static str,
    soc: &'static str,
}

/// The one place where the classes are named.
const GROUPS: [Group; 2] = [
    Group {
        id: "infections",
        label: "Infections",
        definition: "infections-1",
        soc: "Infections and infestations",
    },
    Group {
        id: "malignancies",
        label: "Malignancies and other neoplasms",
        definition: "malignancies-1",
        soc: "Neoplasms benign, malignant and unspecified (incl cysts and polyps)",
    },
];

impl Group {
    fn has(&self, case: &Case) -> bool {
        case.emergence.is_emergent()
            && case.coding.as_ref().is_some_and(|(soc, _)| soc.trim().eq_ignore_ascii_case(self.soc))
    }
}

/// Id, words and test of a category.
type Kind = (&'static str, &'static str, fn(&Case) -> bool);

const KINDS: [Kind; 4] = [
    ("any", "any", |_| true),
    ("serious", "serious by any criterion", Case::is_serious),
    ("severe", "severe, or of grade 3 or more", Case::is_severe),
    ("fatal", "fatal", Case::is_fatal),
];

pub(crate) fn interest(subjects: &[Subject], frame: &Frame<'_>) -> Result<Vec<InterestSection>, ReportError> {
    GROUPS.iter().map(|group| section(subjects, frame, group)).collect()
}

fn section(subjects: &[Subject], frame: &Frame<'_>, group: &Group) -> Result<InterestSection, ReportError> {
    let meaning = |id: &str, words: &str| Meaning {
        id: format!("{}.{id}", group.id),
        label: format!("{}: {words}", group.label),
        population: frame.population,
        definition: group.definition,
        denominator_rule: "every subject of the population, whatever the follow-up",
    };
    let mut categories = Vec::new();
    for (id, words, is) in KINDS {
        let of = |subject: &Subject| {
            subject.cases.iter().filter(|case| group.has(case) && is(case)).count() as u64
        };
        let with = subjects.iter().filter(|subject| of(subject) > 0).count() as u64;
        categories.push(InterestCategory {
            id: id.to_owned(),
            events: subjects.iter().map(of).sum(),
            subjects: Figure::new(meaning(id, words), with, frame.denominator, 0)?,
        });
    }
    let (first, all) = incidence::rates(subjects, &meaning("rate", "any"), |case| group.has(case))?;
    let mut listing: Vec<_> = subjects
        .iter()
        .flat_map(|subject| subject.cases.iter().map(move |case| (subject, case)))
        .filter(|(_, case)| group.has(case))
        .map(|(subject, case)| EventLine::new(subject, case))
        .collect();
    listing.sort_by(|one, other| one.place().cmp(&other.place()));
    Ok(InterestSection {
        id: group.id.to_owned(),
        label: group.label.to_owned(),
        soc: group.soc.to_owned(),
        categories,
        first,
        all,
        listing,
    })
}
