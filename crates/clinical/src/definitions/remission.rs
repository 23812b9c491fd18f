//! Remission, computed from what a visit says. Whom an investigator or a committee calls in remission is theirs to say.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::activity::{Assessment, Items, Told, Unknown};
use super::rule::{Condition, Remission};
use crate::sledai::{Descriptor, Presence};

/// Whether a visit's facts make a remission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All that the definition asks for holds.
    Complete,
    /// Something that it asks for certainly does not.
    Not,
    /// What is stated fails nothing, but something is missing.
    NotDeterminable {
        /// What, each once, ascending.
        why: Vec<Unknown>,
    },
}

/// The status at a visit. `previous` is the assessment before, which only some definitions ask about.
///
/// ```
/// use clinical::definitions::{activity::Assessment, find, remission::{self, Status}};
/// let rule = find(&[], "ccr-registry-1").unwrap().rule.remission().unwrap();
/// let visit = Assessment { prednisone_mg_per_day: Some("10.5".parse()?), ..Assessment::default() };
/// // Nothing that the index could say would make up for the dose.
/// assert_eq!(remission::status(rule, &visit, None), Status::Not);
/// # Ok::<(), clinical::decimal::DecimalError>(())
/// ```
pub fn status(rule: &Remission, visit: &Assessment, previous: Option<&Assessment>) -> Status {
    let mut why = Vec::new();
    for asked in asked(rule) {
        match asked.told(visit, previous) {
            Told::Yes => {}
            Told::No => return Status::Not,
            Told::Unknown(unknown) => why.push(unknown),
        }
    }
    why.sort_unstable();
    why.dedup();
    if why.is_empty() { Status::Complete } else { Status::NotDeterminable { why } }
}

/// What stands against a remission, or leaves it open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A value does not lie where it must.
    Value {
        /// Which.
        measure: String,
        /// As stated; of a score that is not complete the least it can be.
        is: String,
        /// Where it must lie.
        asked: String,
    },
    /// An item that must be absent is present.
    Present(Descriptor),
    /// An item is present that was absent before.
    New(Descriptor),
    /// It cannot be told.
    Unknown(Unknown),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { measure, is, asked } => write!(f, "{measure} is {is}, not {asked}"),
            Self::Present(item) => write!(f, "{} is present", item.as_str()),
            Self::New(item) => write!(f, "{} is new", item.as_str()),
            Self::Unknown(Unknown::SledaiNotTaken) => f.write_str("the activity score was not taken"),
            Self::Unknown(Unknown::ItemsNotDone) => f.write_str("items were not examined"),
            Self::Unknown(Unknown::NotStated(what)) => write!(f, "{what} is not stated"),
            Self::Unknown(Unknown::NothingBefore) => {
                f.write_str("there is no assessment before to compare with")
            }
        }
    }
}

/// Why [`status`] tells no remission: all that fails; if nothing does, what is missing. Each once, ascending; empty for a
/// remission.
///
/// ```
/// use clinical::definitions::{activity::Assessment, find, remission};
/// let rule = find(&[], "ccr-registry-1").unwrap().rule.remission().unwrap();
/// let visit = Assessment { prednisone_mg_per_day: Some("10.5".parse()?), ..Assessment::default() };
/// let reasons = remission::reasons(rule, &visit, None);
/// assert_eq!(reasons[0].to_string(), "prednisone_mg_per_day is 10.5, not at most 10");
/// # Ok::<(), clinical::decimal::DecimalError>(())
/// ```
pub fn reasons(rule: &Remission, visit: &Assessment, previous: Option<&Assessment>) -> Vec<Reason> {
    let (mut failing, mut open) = (Vec::new(), Vec::new());
    for asked in asked(rule) {
        match asked.told(visit, previous) {
            Told::Yes => {}
            Told::No => failing.push(asked.reason(visit)),
            Told::Unknown(unknown) => open.push(Reason::Unknown(unknown)),
        }
    }
    let mut reasons = if failing.is_empty() { open } else { failing };
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

/// One thing that a definition asks for.
enum Asked<'a> {
    Condition(&'a Condition),
    Absent(Descriptor),
    NotNew(Descriptor),
}

fn asked(rule: &Remission) -> impl Iterator<Item = Asked<'_>> {
    let conditions = rule.conditions.iter().map(Asked::Condition);
    let absent = rule.items_absent.iter().map(|item| Asked::Absent(*item));
    let new = Descriptor::ALL.into_iter().filter(|_| rule.no_new_items).map(Asked::NotNew);
    conditions.chain(absent).chain(new)
}

impl Asked<'_> {
    fn told(&self, visit: &Assessment, previous: Option<&Assessment>) -> Told {
        match self {
            Self::Condition(condition) => condition.holds(visit),
            Self::Absent(item) => is_absent(visit.items, *item),
            Self::NotNew(item) => is_not_new(visit.items, previous.and_then(|visit| visit.items), *item),
        }
    }

    /// Why it fails, where it does.
    fn reason(&self, visit: &Assessment) -> Reason {
        match self {
            Self::Condition(condition) => Reason::Value {
                measure: condition.measure.clone(),
                is: condition.found(visit),
                asked: condition.bound(),
            },
            Self::Absent(item) => Reason::Present(*item),
            Self::NotNew(item) => Reason::New(*item),
        }
    }
}

fn is_absent(items: Option<Items>, item: Descriptor) -> Told {
    match items.map(|items| items.presence(item)) {
        None => Told::Unknown(Unknown::SledaiNotTaken),
        Some(Presence::Present) => Told::No,
        Some(Presence::Absent) => Told::Yes,
        Some(Presence::NotDone) => Told::Unknown(Unknown::ItemsNotDone),
    }
}

/// Whether an item is not newly present.
pub(super) fn is_not_new(now: Option<Items>, before: Option<Items>, item: Descriptor) -> Told {
    let Some(now) = now else { return Told::Unknown(Unknown::SledaiNotTaken) };
    let before = before.map_or(Presence::NotDone, |items| items.presence(item));
    match (before, now.presence(item)) {
        (_, Presence::Absent) | (Presence::Present, _) => Told::Yes,
        (Presence::Absent, Presence::Present) => Told::No,
        (Presence::NotDone, Presence::Present) => Told::Unknown(Unknown::NothingBefore),
        (_, Presence::NotDone) => Told::Unknown(Unknown::ItemsNotDone),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Quantity;
    use crate::definitions::{Kind, find, shipped};

    fn items(present: &[Descriptor], not_done: &[Descriptor]) -> Items {
        let mut items = Items::default();
        for item in Descriptor::ALL {
            let presence = match item {
                _ if present.contains(&item) => Presence::Present,
                _ if not_done.contains(&item) => Presence::NotDone,
                _ => Presence::Absent,
            };
            items.set(item, presence);
        }
        items
    }

    /// A visit with every item done, of which some are present, the global assessment and the dose.
    fn visit(present: &[Descriptor], pga: &str, dose: &str) -> Assessment {
        Assessment {
            items: Some(items(present, &[])),
            pga: Some(pga.parse().unwrap()),
            prednisone_mg_per_day: Some(dose.parse().unwrap()),
            ..Assessment::default()
        }
    }

    fn rule(id: &str) -> &'static Remission {
        find(&[], id).unwrap().rule.remission().unwrap()
    }

    #[track_caller]
    fn check(id: &str, visit: &Assessment, due: &Status) {
        assert_eq!(
            status(rule(id), visit, Some(&Assessment { items: Some(items(&[], &[])), ..visit.clone() })),
            *due,
            "{id}"
        );
    }

    fn unknown(why: &[Unknown]) -> Status {
        Status::NotDeterminable { why: why.to_vec() }
    }

    use Descriptor::{Alopecia, Arthritis, Fever, IncreasedDnaBinding, LowComplement, Proteinuria, Rash};

    #[test]
    fn complete_clinical_remission_bears_ten_milligrams_and_serology_and_no_clinical_item() {
        let check = |visit: &Assessment, due: &Status| check("ccr-registry-1", visit, due);
        check(&visit(&[], "3", "10"), &Status::Complete);
        check(&visit(&[], "0", "10.0"), &Status::Complete);
        check(&visit(&[], "0", "10.5"), &Status::Not);
        check(&visit(&[], "0", "10.000000001"), &Status::Not);
        check(&visit(&[LowComplement, IncreasedDnaBinding], "0", "0"), &Status::Complete);
        check(&visit(&[Fever], "0", "0"), &Status::Not);
    }

    #[test]
    fn doris_asks_for_less_than_half_a_point_and_five_milligrams() {
        let check = |visit: &Assessment, due: &Status| check("doris-2021", visit, due);
        check(&visit(&[LowComplement], "0.49", "5"), &Status::Complete);
        check(&visit(&[], "0.5", "5"), &Status::Not);
        check(&visit(&[], "0.50", "5"), &Status::Not);
        check(&visit(&[], "0.4", "5.1"), &Status::Not);
        check(&visit(&[Rash], "0.4", "5"), &Status::Not);
    }

    #[test]
    fn low_activity_bears_four_points_outside_the_major_organs() {
        let check = |visit: &Assessment, due: &Status| check("lldas-registry-1", visit, due);
        let skin = visit(&[Rash, Alopecia], "1", "7.5");
        // Both items are new against an assessment without any.
        check(&skin, &Status::Not);
        assert_eq!(status(rule("lldas-registry-1"), &skin, Some(&skin)), Status::Complete);
        assert_eq!(status(rule("lldas-registry-1"), &skin, None), unknown(&[Unknown::NothingBefore]));
        check(&visit(&[], "1", "7.5"), &Status::Complete);
        assert_eq!(status(rule("lldas-registry-1"), &visit(&[], "1", "7.5"), None), Status::Complete);
        check(&visit(&[], "1.1", "7.5"), &Status::Not);
        check(&visit(&[], "1", "7.6"), &Status::Not);
        for item in [Fever, Proteinuria] {
            let major = visit(&[item], "0", "0");
            assert_eq!(status(rule("lldas-registry-1"), &major, Some(&major)), Status::Not, "{item:?}");
        }
        let three = visit(&[Rash, Alopecia, LowComplement], "0", "0");
        assert_eq!(status(rule("lldas-registry-1"), &three, Some(&three)), Status::Not);
        let joints = visit(&[Arthritis], "0", "0");
        assert_eq!(status(rule("lldas-registry-1"), &joints, Some(&joints)), Status::Complete);
    }

    #[test]
    fn two_points_are_the_line_of_the_plain_score() {
        check("sledai-2-1", &visit(&[Rash], "3", "60"), &Status::Complete);
        check("sledai-2-1", &visit(&[Rash, Fever], "0", "0"), &Status::Not);
    }

    #[test]
    fn an_item_not_done_leaves_it_open_unless_something_else_fails() {
        for definition in shipped().iter().filter(|one| one.rule.of() == Kind::Remission) {
            let rule = definition.rule.remission().unwrap();
            for item in Descriptor::ALL {
                let mut open = visit(&[], "0", "0");
                open.items = Some(items(&[], &[item]));
                assert_eq!(
                    status(rule, &open, Some(&open)),
                    unknown(&[Unknown::ItemsNotDone]),
                    "{} {item:?}",
                    definition.id
                );
            }
            let mut failing = visit(&[], "0", "0");
            failing.items = Some(items(&[Arthritis, Rash], &[Fever]));
            assert_eq!(status(rule, &failing, Some(&failing)), Status::Not, "{}", definition.id);
        }
    }

    #[test]
    fn all_that_fails_is_named_and_what_is_missing_only_if_nothing_fails() {
        let named = |id: &str, visit: &Assessment, before: Option<&Assessment>| {
            reasons(rule(id), visit, before).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let quiet = visit(&[], "0", "0");
        assert_eq!(named("lldas-registry-1", &quiet, None), [""; 0]);
        let mut active = visit(&[Fever, Rash, Arthritis], "1.5", "20");
        assert_eq!(
            named("lldas-registry-1", &active, Some(&quiet)),
            [
                "pga is 1.5, not at most 1",
                "prednisone_mg_per_day is 20, not at most 7.5",
                "sledai_total is 7, not at most 4",
                "fever is present",
                "arthritis is new",
                "rash is new",
                "fever is new",
            ]
        );
        // Of a score that is not complete: the least it is.
        active.items = Some(items(&[Arthritis], &[Fever]));
        (active.pga, active.prednisone_mg_per_day) = (None, None);
        assert_eq!(named("ccr-registry-1", &active, None), ["sledai_clinical is 4 or more, not at most 0"]);
        active.items = Some(items(&[], &[Fever]));
        assert_eq!(
            named("doris-2021", &active, None),
            ["items were not examined", "pga is not stated", "prednisone_mg_per_day is not stated"]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut bare = visit(&[], "0", "0");
        (bare.pga, bare.prednisone_mg_per_day) = (None, None);
        let not_stated = |what: &str| Unknown::NotStated(what.to_owned());
        check("ccr-registry-1", &bare, &unknown(&[not_stated("prednisone_mg_per_day")]));
        check("doris-2021", &bare, &unknown(&[not_stated("pga"), not_stated("prednisone_mg_per_day")]));
        bare.items = None;
        check("sledai-2-1", &bare, &unknown(&[Unknown::SledaiNotTaken]));
        // A dose that is too high decides without the index.
        bare.prednisone_mg_per_day = Some("11".parse().unwrap());
        check("ccr-registry-1", &bare, &Status::Not);
    }

    #[test]
    fn a_definition_of_another_disease_asks_for_observations_of_its_own() {
        let rule: Remission = serde_json::from_value(serde_json::json!({
            "conditions": [{"is": "at_most", "measure": "sdtm.qstestcd:ACTOT", "unit": "1", "value": "9"}],
            "items_absent": [], "no_new_items": false, "taken_as_absent": []
        }))
        .unwrap();
        let with = |unit: &str, value: &str| Assessment {
            observations: [(
                "sdtm.qstestcd:ACTOT".to_owned(),
                Quantity { unit: unit.to_owned(), value: value.parse().unwrap() },
            )]
            .into(),
            ..Assessment::default()
        };
        assert_eq!(status(&rule, &with("1", "9"), None), Status::Complete);
        assert_eq!(status(&rule, &with("1", "10"), None), Status::Not);
        let open = unknown(&[Unknown::NotStated("sdtm.qstestcd:ACTOT".to_owned())]);
        assert_eq!(status(&rule, &with("%", "9"), None), open);
    }

    fn rank(status: &Status) -> u8 {
        match status {
            Status::Not => 0,
            Status::NotDeterminable { .. } => 1,
            Status::Complete => 2,
        }
    }

    fn any_items() -> impl Strategy<Value = Items> {
        // Mostly absent, or nothing would ever be complete.
        prop::collection::vec(prop_oneof![9 => Just(0u8), 1 => Just(1), 1 => Just(2)], 24).prop_map(
            |states| {
                let mut items = Items::default();
                for (item, state) in Descriptor::ALL.into_iter().zip(states) {
                    items.set(
                        item,
                        [Presence::Absent, Presence::Present, Presence::NotDone][usize::from(state)],
                    );
                }
                items
            },
        )
    }

    proptest! {
        #[test]
        fn an_item_that_becomes_present_never_makes_remission_more_likely(
            now in any_items(), before in any_items(), item in 0usize..24, dose in 0u32..12, pga in 0u32..3,
        ) {
            let mut visit = visit(&[], &pga.to_string(), &dose.to_string());
            let previous = Assessment { items: Some(before), ..Assessment::default() };
            let mut items = now;
            items.set(Descriptor::ALL[item], Presence::Absent);
            visit.items = Some(items);
            items.set(Descriptor::ALL[item], Presence::Present);
            let worse = Assessment { items: Some(items), ..visit.clone() };
            for definition in shipped().iter().filter_map(|one| one.rule.remission()) {
                let before = status(definition, &visit, Some(&previous));
                let why = reasons(definition, &visit, Some(&previous));
                prop_assert_eq!(why.is_empty(), before == Status::Complete);
                let open = why.iter().all(|reason| matches!(reason, Reason::Unknown(_)));
                prop_assert_eq!(open, before != Status::Not);
                prop_assert!(rank(&status(definition, &worse, Some(&previous))) <= rank(&before));
            }
        }

        #[test]
        fn what_is_told_stays_when_more_is_known(
            now in any_items(), before in any_items(), item in 0usize..24, present in any::<bool>(),
        ) {
            let mut visit = visit(&[], "0", "0");
            let previous = Assessment { items: Some(before), ..Assessment::default() };
            let mut open = now;
            open.set(Descriptor::ALL[item], Presence::NotDone);
            visit.items = Some(open);
            let mut known = open;
            known.set(Descriptor::ALL[item], if present { Presence::Present } else { Presence::Absent });
            let more = Assessment { items: Some(known), ..visit.clone() };
            for definition in shipped().iter().filter_map(|one| one.rule.remission()) {
                let less_known = status(definition, &visit, Some(&previous));
                if !matches!(less_known, Status::NotDeterminable { .. }) {
                    prop_assert_eq!(status(definition, &more, Some(&previous)), less_known);
                }
            }
        }
    }
}
