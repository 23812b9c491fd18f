//! Remission, computed from what a visit says. Whom an investigator or a committee calls in remission is theirs to say.

use serde::{Deserialize, Serialize};

use super::activity::{Assessment, Items, Told, Unknown};
use super::rule::Remission;
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
    let conditions = rule.conditions.iter().map(|condition| condition.holds(visit));
    let absent = rule.items_absent.iter().map(|item| is_absent(visit.items, *item));
    let new = Descriptor::ALL.into_iter().filter(|_| rule.no_new_items);
    let not_new = new.map(|item| is_not_new(visit.items, previous.and_then(|visit| visit.items), item));
    for told in conditions.chain(absent).chain(not_new) {
        match told {
            Told::Yes => {}
            Told::No => return Status::Not,
            Told::Unknown(unknown) => why.push(unknown),
        }
    }
    why.sort_unstable();
    why.dedup();
    if why.is_empty() { Status::Complete } else { Status::NotDeterminable { why } }
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
