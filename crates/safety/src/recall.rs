//! Donors, their lots, and who was infused with them: what a recall asks.

use std::collections::{BTreeMap, BTreeSet};

use clinical::PartialDate;
use clinical::data::ReleaseStatus;
use clinical::report::{Arms, Reading};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Emergence};
use crate::rows::Lot;
use crate::subject::{Infusion, Subject};

/// Donors, lots and subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallSection {
    /// Infusions, by the cutoff; absent where lots are withheld, since their number at two cutoffs tells who had a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infusions: Option<u64>,
    /// Those that name no lot: a recall finds them by their donor only. Absent like `infusions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infusions_without_lot: Option<u64>,
    /// Why no donor and no lot is shown, if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Each donor with its lots: those whose statement names it, and those that an infusion gave under its name.
    pub donors: Vec<RecallDonor>,
    /// Each lot that was stated or given.
    pub lots: Vec<RecallLot>,
}

/// A donor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallDonor {
    /// Its pseudonym.
    pub donor: String,
    /// Its lots.
    pub lots: Vec<String>,
    /// Subjects infused with any of them, or with the donor's cells without a lot.
    pub subjects: Vec<String>,
    /// Infusions that name the donor and no lot, by date.
    pub infusions_without_lot: Vec<RecallInfusion>,
}

/// A lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallLot {
    /// Its name.
    pub lot: String,
    /// Its donors, by its own statement and by infusions.
    pub donors: Vec<String>,
    /// Whether it was released, as its own statement says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseStatus>,
    /// Position of its statement; absent if only infusions name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_seq: Option<u64>,
    /// Donors that an infusion names and the lot's own statement does not.
    pub donors_not_stated: Vec<String>,
    /// Whom it was given to, by date.
    pub infusions: Vec<RecallInfusion>,
}

/// An infusion of a lot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallInfusion {
    /// Its day, as far as known.
    pub on: String,
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// The subject's adverse events that began or worsened since, or may have.
    pub events: u64,
    /// Those serious by any criterion.
    pub serious_events: u64,
    /// Positions of the latest versions of the last records of these events.
    pub event_seqs: Vec<u64>,
    /// Position of the latest version of its record.
    pub latest_seq: u64,
}

/// What only infusions say of a lot.
#[derive(Default)]
struct Given {
    donors: BTreeSet<String>,
    infusions: Vec<Dated>,
}

/// An infusion and the date it is sorted by.
type Dated = (PartialDate, RecallInfusion);

pub(crate) fn recall(
    subjects: &[Subject],
    stated: &BTreeMap<String, Lot>,
    arms: Arms,
    reading: Reading<'_>,
) -> RecallSection {
    let mut lots: BTreeMap<&str, Given> = stated.keys().map(|lot| (lot.as_str(), Given::default())).collect();
    let mut without_lot: BTreeMap<&str, Vec<Dated>> = BTreeMap::new();
    let (mut infusions, mut without) = (0, 0);
    for subject in subjects {
        for infusion in &subject.infusions {
            infusions += 1;
            without += u64::from(infusion.lot.is_none());
            match (&infusion.lot, &infusion.donor) {
                (Some(lot), donor) => {
                    let given = lots.entry(lot).or_default();
                    given.donors.extend(donor.clone());
                    given.infusions.push(listed(subject, infusion));
                }
                (None, Some(donor)) => {
                    without_lot.entry(donor).or_default().push(listed(subject, infusion));
                }
                (None, None) => {}
            }
        }
    }
    let withheld = arms == Arms::Withheld;
    let lots: Vec<RecallLot> = lots
        .into_iter()
        // A lot that was given to others says nothing of some subjects alone.
        .filter(|(_, given)| !withheld && (reading.only().is_none() || !given.infusions.is_empty()))
        .map(|(name, given)| lot(name, given, stated.get(name)))
        .collect();
    if withheld {
        without_lot.clear();
    }
    RecallSection {
        infusions: (!withheld).then_some(infusions),
        infusions_without_lot: (!withheld).then_some(without),
        withheld: withheld.then(|| "the trial has arms, which this would tell apart".to_owned()),
        donors: donors(&lots, without_lot),
        lots,
    }
}

fn listed(subject: &Subject, infusion: &Infusion) -> Dated {
    let since: Vec<&Case> = subject.cases.iter().filter(|case| is_since(case, infusion)).collect();
    let mut event_seqs: Vec<u64> = since.iter().map(|case| case.latest).collect();
    event_seqs.sort_unstable();
    let listed = RecallInfusion {
        on: infusion.on.to_string(),
        subject: subject.id.clone(),
        site: subject.site.clone(),
        events: since.len() as u64,
        serious_events: since.iter().filter(|case| case.is_serious()).count() as u64,
        event_seqs,
        latest_seq: infusion.latest,
    };
    (infusion.on, listed)
}

fn by_date(mut infusions: Vec<Dated>) -> Vec<RecallInfusion> {
    infusions.sort_by(|(on, one), (other_on, other)| (on.earliest(), one).cmp(&(other_on.earliest(), other)));
    infusions.into_iter().map(|(_, infusion)| infusion).collect()
}

/// Unless it certainly began before: on the same day by the times.
fn is_since(case: &Case, infusion: &Infusion) -> bool {
    match (case.at, infusion.at) {
        (Some(at), Some(start)) if case.emergence != Emergence::Worsened => at >= start,
        _ => case.emerged.is_none_or(|on| !on.certainly_before(infusion.on)),
    }
}

fn lot(name: &str, given: Given, stated: Option<&Lot>) -> RecallLot {
    let of_statement: BTreeSet<String> = stated.into_iter().flat_map(|lot| lot.donors.clone()).collect();
    let not_stated = given.donors.difference(&of_statement).filter(|_| stated.is_some()).cloned().collect();
    RecallLot {
        lot: name.to_owned(),
        donors: of_statement.union(&given.donors).cloned().collect(),
        release: stated.map(|lot| lot.release),
        latest_seq: stated.map(|lot| lot.seq),
        donors_not_stated: not_stated,
        infusions: by_date(given.infusions),
    }
}

fn donors(lots: &[RecallLot], without_lot: BTreeMap<&str, Vec<Dated>>) -> Vec<RecallDonor> {
    let mut donors: BTreeMap<&str, RecallDonor> = BTreeMap::new();
    let names = lots.iter().flat_map(|lot| &lot.donors).map(String::as_str);
    for donor in names.chain(without_lot.keys().copied()) {
        let empty = || RecallDonor {
            donor: donor.to_owned(),
            lots: Vec::new(),
            subjects: Vec::new(),
            infusions_without_lot: Vec::new(),
        };
        donors.entry(donor).or_insert_with(empty);
    }
    for lot in lots {
        for name in &lot.donors {
            if let Some(donor) = donors.get_mut(name.as_str()) {
                donor.lots.push(lot.lot.clone());
                donor.subjects.extend(lot.infusions.iter().map(|infusion| infusion.subject.clone()));
            }
        }
    }
    for (name, infusions) in without_lot {
        if let Some(donor) = donors.get_mut(name) {
            donor.infusions_without_lot = by_date(infusions);
            donor
                .subjects
                .extend(donor.infusions_without_lot.iter().map(|infusion| infusion.subject.clone()));
        }
    }
    for donor in donors.values_mut() {
        donor.subjects.sort();
        donor.subjects.dedup();
    }
    donors.into_values().collect()
}

impl RecallSection {
    /// The lots of a donor.
    ///
    /// ```
    /// # use safety::{RecallLot, RecallSection};
    /// let lot = RecallLot {
    ///     lot: "L1".to_owned(), donors: vec!["D1".to_owned()], release: None, latest_seq: None,
    ///     donors_not_stated: vec![], infusions: vec![],
    /// };
    /// let section = RecallSection {
    ///     infusions: None, infusions_without_lot: None, withheld: None, donors: vec![], lots: vec![lot],
    /// };
    /// assert_eq!(section.of_donor("D1").count(), 1);
    /// assert_eq!(section.of_donor("D2").count(), 0);
    /// ```
    pub fn of_donor<'a>(&'a self, donor: &'a str) -> impl Iterator<Item = &'a RecallLot> {
        self.lots.iter().filter(move |lot| lot.donors.iter().any(|one| one == donor))
    }
}
