//! What starts the clocks of an adverse event's expedited reports, record by record; dates and terms are not its matter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::rows::{Expected, Known, Relation, Weight};

/// What the awareness that starts a clock is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwareBy {
    /// The sponsor's judgement states it.
    Sponsor,
    /// The event's record states when the site became aware.
    Site,
    /// Neither does: the instant of recording.
    Recording,
}

/// A clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) weight: Weight,
    /// Whether one had started before.
    pub(crate) upgrade: bool,
    /// Whether the sponsor has not judged the event as it was then.
    pub(crate) presumed: bool,
    /// Microseconds since 1970.
    pub(crate) aware: i64,
    pub(crate) aware_by: AwareBy,
    /// The record that started it.
    pub(crate) seq: u64,
}

/// What is known of an event, up to a record.
#[derive(Default)]
struct State {
    weight: Option<Weight>,
    /// The investigator's, by first records of the event's reports.
    investigator: BTreeMap<u64, Relation>,
    /// The sponsor's, by first records of its judgements: how the event was then, and what it was held to be.
    sponsor: BTreeMap<u64, (Weight, Relation, Expected)>,
    site_aware: Option<i64>,
}

impl State {
    /// Takes in a record: the weight never goes down.
    fn take(&mut self, known: &Known) {
        let weight = self.weight.map_or(known.weight, |weight| weight.max(known.weight));
        self.weight = Some(weight);
        if let Some(expected) = known.by_sponsor {
            self.sponsor.insert(known.thing, (weight, known.relation, expected));
        } else {
            self.investigator.insert(known.thing, known.relation);
            self.site_aware = known.aware.or(self.site_aware);
        }
    }

    /// Whether a report is required, and whether that is presumed. A judgement made before the event weighed what it
    /// weighs now says nothing of it as it is.
    fn required(&self, weight: Weight) -> (bool, bool) {
        let latest = self.sponsor.last_key_value().map(|(_, judged)| judged);
        match latest.filter(|(then, ..)| *then >= weight) {
            None => (true, true),
            Some((_, sponsor, expected)) => {
                let investigator = self.investigator.values().max();
                let suspected = *sponsor != Relation::Unrelated
                    || investigator.is_some_and(|relation| *relation != Relation::Unrelated);
                (suspected && *expected != Expected::Yes, false)
            }
        }
    }
}

/// Whether the event is or was serious, and the clocks that run for it, in the order in which they started.
///
/// What is presumed the sponsor's first judgement decides: it confirms the clock, or ends it. A clock that a judgement
/// has confirmed or started runs whatever is judged later.
pub(crate) fn clocks(case: &Case, known: &BTreeMap<u64, Vec<Known>>) -> (bool, Vec<Started>) {
    let stands = |one: &&Known| {
        one.by_sponsor.is_none() || case.judgements.iter().any(|judgement| judgement.root == one.thing)
    };
    let mut known: Vec<&Known> =
        case.roots.iter().filter_map(|root| known.get(root)).flatten().filter(stands).collect();
    known.sort_by_key(|one| one.seq);
    let mut state = State::default();
    let mut started: Vec<Started> = Vec::new();
    for one in known {
        state.take(one);
        let Some(weight) = state.weight.filter(|weight| *weight > Weight::NotSerious) else { continue };
        let (required, presumed) = state.required(weight);
        if !presumed {
            started.retain(|clock| required || !clock.presumed);
            for clock in started.iter_mut().filter(|clock| clock.presumed) {
                clock.presumed = false;
                if let (Some(_), Some(aware)) = (one.by_sponsor, one.aware) {
                    (clock.aware, clock.aware_by) = (aware, AwareBy::Sponsor);
                }
            }
        }
        if !required || started.iter().any(|clock| clock.weight == weight) {
            continue;
        }
        let by_sponsor = one.by_sponsor.and(one.aware).map(|aware| (aware, AwareBy::Sponsor));
        let by_site = if one.by_sponsor.is_some() { state.site_aware } else { one.aware };
        let (aware, aware_by) = by_sponsor
            .or(by_site.map(|aware| (aware, AwareBy::Site)))
            .unwrap_or((one.recorded, AwareBy::Recording));
        let upgrade = !started.is_empty();
        started.push(Started { weight, upgrade, presumed, aware, aware_by, seq: one.seq });
    }
    (state.weight.is_some_and(|weight| weight > Weight::NotSerious), started)
}
