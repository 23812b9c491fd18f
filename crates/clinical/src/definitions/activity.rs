//! What one visit says of disease activity, and what can be told of a score that may be incomplete.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rule::{Bound, Change, Condition, Severity};
use crate::data::{Quantity, Visit};
use crate::decimal::Decimal;
pub use crate::sledai::Items;
use crate::sledai::Score;
use crate::stated::value;

/// What one visit says, as far as definitions of disease activity ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Assessment {
    /// Body weight in kg, as last known.
    pub body_weight_kg: Option<Decimal>,
    /// Whether the subject is known to have been in hospital for the disease since the assessment before.
    pub hospitalised: bool,
    /// The SLEDAI-2K's items; `None`: the index was not taken.
    pub items: Option<Items>,
    /// Drugs given at the visit, in lower case.
    pub medications: BTreeSet<String>,
    /// Observations by system and code, such as `loinc:1751-7`.
    pub observations: BTreeMap<String, Quantity>,
    /// Physician's global assessment, 0 to 3.
    pub pga: Option<Decimal>,
    /// Prednisone equivalent in mg/day.
    pub prednisone_mg_per_day: Option<Decimal>,
}

/// Drugs given at a visit, in lower case: those for which it states no last day.
pub fn given(visit: &Visit) -> impl Iterator<Item = String> {
    visit.medications.iter().filter(|drug| drug.until.is_none()).map(|drug| drug.name.to_lowercase())
}

impl Assessment {
    /// What a visit says by itself. A drug counts as given while no last day is stated. Of several values of one code the
    /// last in the visit's own list counts. Body weight and hospital are not the visit's to say.
    pub fn of(visit: &Visit) -> Self {
        let observations = visit.observations.iter().filter_map(|observation| {
            let local = observation.local.as_ref().map(|local| format!("{}:{}", local.system, local.code));
            let code = observation.loinc.as_ref().map(|code| format!("loinc:{code}")).or(local)?;
            Some((code, observation.ucum.clone()?))
        });
        Self {
            body_weight_kg: None,
            hospitalised: false,
            items: visit.sledai.as_ref().map(Items::of),
            medications: given(visit).collect(),
            observations: observations.collect(),
            pga: value(visit.pga.as_ref()).cloned(),
            prednisone_mg_per_day: value(visit.prednisone_mg_per_day.as_ref()).cloned(),
        }
    }
}

/// Why something cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The SLEDAI-2K was not taken.
    SledaiNotTaken,
    /// Items were not examined.
    ItemsNotDone,
    /// A value is not stated, or not in the unit asked for.
    NotStated(String),
    /// There is no assessment before, or it does not tell.
    NothingBefore,
}

/// Whether something holds, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown(Unknown),
}

impl Condition {
    /// Whether the visit's value lies so. A score with items not examined tells only what these cannot change, and never
    /// that a score is low.
    pub fn holds(&self, visit: &Assessment) -> Told {
        let plain = |value: Option<&Decimal>| match value {
            Some(value) => self.lies(value.exact()),
            None => Told::Unknown(Unknown::NotStated(self.measure.clone())),
        };
        match self.measure.as_str() {
            "sledai_total" => self.score_lies(visit, |score| score.total),
            "sledai_clinical" => self.score_lies(visit, |score| score.clinical),
            "pga" => plain(visit.pga.as_ref()),
            "prednisone_mg_per_day" => plain(visit.prednisone_mg_per_day.as_ref()),
            code => {
                let found = visit.observations.get(code);
                let fits =
                    |quantity: &&Quantity| self.unit.as_ref().is_none_or(|unit| *unit == quantity.unit);
                plain(found.filter(fits).map(|quantity| &quantity.value))
            }
        }
    }

    /// The visit's value as stated; of a score that is not complete the least it can be. Empty if there is none.
    pub(super) fn found(&self, visit: &Assessment) -> String {
        let score = |part: fn(Score) -> u16| {
            let score = visit.items.map(Items::score);
            let more = |score: Score| if score.not_done > 0 { " or more" } else { "" };
            score.map_or_else(String::new, |score| format!("{}{}", part(score), more(score)))
        };
        let plain =
            |value: Option<&Decimal>| value.map_or_else(String::new, |value| value.as_str().to_owned());
        match self.measure.as_str() {
            "sledai_total" => score(|score| score.total),
            "sledai_clinical" => score(|score| score.clinical),
            "pga" => plain(visit.pga.as_ref()),
            "prednisone_mg_per_day" => plain(visit.prednisone_mg_per_day.as_ref()),
            code => plain(visit.observations.get(code).map(|quantity| &quantity.value)),
        }
    }

    /// Where the value must lie, in words.
    pub(super) fn bound(&self) -> String {
        let side = match self.is {
            Bound::AtMost => "at most",
            Bound::Below => "below",
            Bound::AtLeast => "at least",
            Bound::Above => "above",
        };
        format!("{side} {}", self.value.as_str())
    }

    fn lies(&self, value: rust_decimal::Decimal) -> Told {
        let bound = self.value.exact();
        let lies = match self.is {
            Bound::AtMost => value <= bound,
            Bound::Below => value < bound,
            Bound::AtLeast => value >= bound,
            Bound::Above => value > bound,
        };
        if lies { Told::Yes } else { Told::No }
    }

    fn score_lies(&self, visit: &Assessment, part: impl Fn(Score) -> u16) -> Told {
        let Some(items) = visit.items else { return Told::Unknown(Unknown::SledaiNotTaken) };
        let score = items.score();
        // What is present can only be joined by more.
        let certain = match self.is {
            Bound::AtMost | Bound::Below => Told::No,
            Bound::AtLeast | Bound::Above => Told::Yes,
        };
        let told = self.lies(part(score).into());
        if score.not_done == 0 || told == certain { told } else { Told::Unknown(Unknown::ItemsNotDone) }
    }
}

/// How a score went from one assessment to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// It rose by more than the definition calls none.
    Worse,
    /// It did neither.
    Unchanged,
    /// It fell by more.
    Better,
    /// A score is not complete.
    NotDeterminable,
}

impl Change {
    /// How the total went.
    ///
    /// ```
    /// use clinical::definitions::activity::Changed;
    /// use clinical::sledai::Score;
    /// let rule = clinical::definitions::find(&[], "sledai-change-1").unwrap().rule.change().unwrap();
    /// let score = |total| Score { total, clinical: total, not_done: 0 };
    /// assert_eq!(rule.between(score(4), score(7)), Changed::Unchanged);
    /// assert_eq!(rule.between(score(4), score(8)), Changed::Worse);
    /// ```
    pub fn between(&self, before: Score, now: Score) -> Changed {
        if before.not_done > 0 || now.not_done > 0 {
            return Changed::NotDeterminable;
        }
        self.of(i128::from(now.total) - i128::from(before.total), 1)
    }

    /// How a complete score went that rose by `difference`, of which `point` make a point of the score: where scores of
    /// one day are averaged, a difference is a part of a point.
    pub fn of(&self, difference: i128, point: i128) -> Changed {
        let within = i128::from(self.within).saturating_mul(point);
        if difference > within {
            Changed::Worse
        } else if difference < -within {
            Changed::Better
        } else {
            Changed::Unchanged
        }
    }
}

impl Severity {
    /// Name of the range that a complete score's total lies in; `None` if the score is not complete or no range holds it.
    ///
    /// ```
    /// use clinical::sledai::Score;
    /// let rule = clinical::definitions::find(&[], "sledai-bands-bsr-1").unwrap().rule.severity().unwrap();
    /// let score = |total, not_done| Score { total, clinical: total, not_done };
    /// assert_eq!(rule.band(score(12, 0)), Some("moderate"));
    /// assert_eq!(rule.band(score(13, 0)), Some("severe"));
    /// assert_eq!(rule.band(score(13, 1)), None);
    /// ```
    pub fn band(&self, score: Score) -> Option<&str> {
        let reached = self.bands.iter().filter(|band| score.not_done == 0 && band.from <= score.total);
        reached.max_by_key(|band| band.from).map(|band| band.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::find;

    #[test]
    fn a_visit_says_what_it_states_and_no_more() {
        let visit: Visit = serde_json::from_value(serde_json::json!({
            "medications": [{"name": "Azathioprine"}, {"name": "naproxen", "until": "2020-01-01"}],
            "observations": [
                {"loinc": "1751-7", "reported": {"value": "40"}, "ucum": {"unit": "g/L", "value": "40"}},
                {"local": {"code": "ACTOT", "system": "qs"}, "reported": {"value": "9"},
                 "ucum": {"unit": "1", "value": "9"}},
                {"loinc": "4485-9", "reported": {"value": "low"}}
            ],
            "pga": "0.5", "prednisone_mg_per_day": {"missing": "unknown"},
            "sledai": {"rash": "present", "fever": "absent"}, "status": "done"
        }))
        .unwrap();
        let said = Assessment::of(&visit);
        assert_eq!(said.medications, ["azathioprine".to_owned()].into());
        assert_eq!(said.observations.keys().collect::<Vec<_>>(), ["loinc:1751-7", "qs:ACTOT"]);
        assert_eq!((said.pga.unwrap().as_str(), said.prednisone_mg_per_day), ("0.5", None));
        assert_eq!(said.items.unwrap().score(), Score { total: 2, clinical: 2, not_done: 22 });
        assert_eq!((said.body_weight_kg, said.hospitalised), (None, false));
    }

    #[test]
    fn each_band_begins_where_its_scheme_says() {
        let check = |id: &str, due: &[(u16, &str)]| {
            let rule = find(&[], id).unwrap().rule.severity().unwrap();
            for (total, name) in due {
                let score = Score { total: *total, clinical: 0, not_done: 0 };
                assert_eq!(rule.band(score), Some(*name), "{id} {total}");
            }
        };
        check(
            "sledai-bands-eular-1",
            &[
                (0, "none"),
                (1, "low"),
                (4, "low"),
                (5, "moderate"),
                (10, "moderate"),
                (11, "high"),
                (105, "high"),
            ],
        );
        check(
            "sledai-bands-bsr-1",
            &[(0, "mild"), (5, "mild"), (6, "moderate"), (12, "moderate"), (13, "severe")],
        );
        check(
            "sledai-bands-cook-1",
            &[
                (0, "none"),
                (5, "mild"),
                (6, "moderate"),
                (10, "moderate"),
                (11, "high"),
                (19, "high"),
                (20, "very high"),
            ],
        );
    }

    #[test]
    fn three_points_either_way_are_no_change_and_an_incomplete_score_tells_none() {
        let rule = find(&[], "sledai-change-1").unwrap().rule.change().unwrap();
        let score = |total, not_done| Score { total, clinical: 0, not_done };
        for (before, now, due) in [
            (8, 8, Changed::Unchanged),
            (8, 11, Changed::Unchanged),
            (8, 12, Changed::Worse),
            (8, 5, Changed::Unchanged),
            (8, 4, Changed::Better),
            (0, 105, Changed::Worse),
        ] {
            assert_eq!(rule.between(score(before, 0), score(now, 0)), due, "{before} to {now}");
        }
        assert_eq!(rule.between(score(8, 1), score(20, 0)), Changed::NotDeterminable);
        assert_eq!(rule.between(score(8, 0), score(20, 1)), Changed::NotDeterminable);
    }
}
