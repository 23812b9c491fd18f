//! Flare: what set it off, clinical triggers apart from those of medication.

use rust_decimal::Decimal as Exact;
use serde::{Deserialize, Serialize};

use super::activity::{Assessment, Told, Unknown};
use super::remission::is_not_new;
use super::rule::Flare;
use crate::decimal::Decimal;
use crate::sledai::Descriptor;

/// How severe a trigger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Mild or moderate.
    MildModerate,
    /// Severe.
    Severe,
}

/// What set a flare off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The score rose.
    Sledai,
    /// The global assessment rose.
    Pga,
    /// An item is new.
    Item(Descriptor),
    /// A value newly lies where it should not: its measure.
    Value(String),
    /// A stay in hospital for the disease.
    Hospital,
    /// More prednisone.
    Prednisone,
    /// A drug was started.
    Drug(String),
}

/// One trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// What it was.
    pub cause: Cause,
    /// How severe.
    pub grade: Grade,
}

/// What one assessment against the one before sets off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Triggers {
    /// What was seen in the subject.
    pub clinical: Vec<Trigger>,
    /// What was done about it.
    pub medication: Vec<Trigger>,
    /// What could not be told and might be a trigger, or make one severe; each once, ascending.
    pub unknown: Vec<Unknown>,
}

impl Triggers {
    /// The worst clinical trigger.
    pub fn clinical_grade(&self) -> Option<Grade> {
        self.clinical.iter().map(|trigger| trigger.grade).max()
    }

    /// The worst trigger by medication.
    pub fn medication_grade(&self) -> Option<Grade> {
        self.medication.iter().map(|trigger| trigger.grade).max()
    }

    /// The worst of all: severe beats mild or moderate. `None` is no flare only if nothing is unknown.
    pub fn grade(&self) -> Option<Grade> {
        self.clinical_grade().max(self.medication_grade())
    }
}

/// What the assessment `now` sets off against the one before.
///
/// ```
/// use clinical::definitions::{activity::Assessment, find, flare::{self, Grade}};
/// let rule = find(&[], "selena-flare-1").unwrap().rule.flare().unwrap();
/// let before = Assessment { pga: Some("0.5".parse()?), ..Assessment::default() };
/// let now = Assessment { pga: Some("1.5".parse()?), ..Assessment::default() };
/// let triggers = flare::triggers(rule, &now, &before);
/// assert_eq!(triggers.clinical_grade(), Some(Grade::MildModerate));
/// assert_eq!(triggers.medication_grade(), None);
/// # Ok::<(), clinical::decimal::DecimalError>(())
/// ```
pub fn triggers(rule: &Flare, now: &Assessment, before: &Assessment) -> Triggers {
    let mut found = Found(Triggers::default());
    found.score(rule, now, before);
    found.pga(rule, now, before);
    let treated = found.prednisone(rule, now, before);
    found.items(rule, now, before, &treated);
    if now.hospitalised {
        found.clinical(Cause::Hospital, Grade::Severe);
    }
    for (drugs, grade) in [(&rule.drugs_mild, Grade::MildModerate), (&rule.drugs_severe, Grade::Severe)] {
        for drug in
            drugs.iter().filter(|drug| now.medications.contains(*drug) && !before.medications.contains(*drug))
        {
            found.0.medication.push(Trigger { cause: Cause::Drug(drug.clone()), grade });
        }
    }
    found.0.unknown.sort_unstable();
    found.0.unknown.dedup();
    found.0
}

struct Found(Triggers);

impl Found {
    fn clinical(&mut self, cause: Cause, grade: Grade) {
        self.0.clinical.push(Trigger { cause, grade });
    }

    fn unknown(&mut self, what: Unknown) {
        self.0.unknown.push(what);
    }

    /// A rise to above the severe line is severe if it crosses the line or is a rise by itself.
    fn score(&mut self, rule: &Flare, now: &Assessment, before: &Assessment) {
        let (Some(now), Some(before)) = (now.items, before.items) else {
            return self.unknown(Unknown::SledaiNotTaken);
        };
        let judge = |now: u16, before: u16| {
            let rises = now >= before.saturating_add(rule.sledai_rise_min);
            let crosses = now > rule.sledai_severe_above && before <= rule.sledai_severe_above;
            if crosses || (rises && now > rule.sledai_severe_above) {
                Some(Grade::Severe)
            } else {
                rises.then_some(Grade::MildModerate)
            }
        };
        let ((now_least, now_most), (before_least, before_most)) = (now.total_range(), before.total_range());
        // What holds of the smallest rise that the items allow is certain. One item can stand open in both.
        let (certain, possible) = (judge(now_least, before_most), judge(now_most, before_least));
        if let Some(grade) = certain {
            self.clinical(Cause::Sledai, grade);
        }
        if certain != possible {
            self.unknown(Unknown::ItemsNotDone);
        }
    }

    fn pga(&mut self, rule: &Flare, now: &Assessment, before: &Assessment) {
        let (Some(now), Some(before)) = (exact(now.pga.as_ref()), exact(before.pga.as_ref())) else {
            return self.unknown(Unknown::NotStated("pga".to_owned()));
        };
        let severe = rule.pga_severe_above.exact();
        if now > severe && now > before {
            self.clinical(Cause::Pga, Grade::Severe);
        } else if now - before >= rule.pga_rise_min.exact() {
            self.clinical(Cause::Pga, Grade::MildModerate);
        }
    }

    /// Takes in a rise of the dose; answers whether the dose was doubled or lies above the severe line, or the subject was
    /// in hospital: what a severe item has to ask for.
    fn prednisone(&mut self, rule: &Flare, now: &Assessment, before: &Assessment) -> Told {
        let unknown = |what: &str| Unknown::NotStated(what.to_owned());
        let doses =
            exact(now.prednisone_mg_per_day.as_ref()).zip(exact(before.prednisone_mg_per_day.as_ref()));
        let Some((dose, dose_before)) = doses else {
            self.unknown(unknown("prednisone_mg_per_day"));
            return if now.hospitalised {
                Told::Yes
            } else {
                Told::Unknown(unknown("prednisone_mg_per_day"))
            };
        };
        let rises = dose > dose_before;
        // A dose has at most 18 digits before the point, so that a product of two always fits.
        let severe = exact(now.body_weight_kg.as_ref())
            .and_then(|weight| weight.checked_mul(rule.prednisone_severe_above.exact()))
            .map(|line| dose > line);
        if rises {
            let grade = if severe == Some(true) { Grade::Severe } else { Grade::MildModerate };
            self.0.medication.push(Trigger { cause: Cause::Prednisone, grade });
            if severe.is_none() {
                self.unknown(unknown("body_weight_kg"));
            }
        }
        let doubled = rises && dose - dose_before >= dose_before;
        match severe {
            _ if now.hospitalised || doubled => Told::Yes,
            Some(true) => Told::Yes,
            Some(false) => Told::No,
            None if dose.is_zero() => Told::No,
            None => Told::Unknown(unknown("body_weight_kg")),
        }
    }

    fn items(&mut self, rule: &Flare, now: &Assessment, before: &Assessment, treated: &Told) {
        for item in &rule.items_mild {
            self.item(Cause::Item(*item), Grade::MildModerate, is_not_new(now.items, before.items, *item));
        }
        let severe = rule.items_severe.iter().map(|item| {
            let told = is_not_new(now.items, before.items, *item);
            (Cause::Item(*item), told)
        });
        let values = rule.conditions_severe.iter().filter_map(|condition| {
            // Values are looked at where there are any: not every visit takes blood.
            let told = match (condition.holds(now), condition.holds(before)) {
                (Told::Yes, Told::No) => Told::No,
                (Told::Yes, Told::Unknown(_)) => Told::Unknown(Unknown::NothingBefore),
                _ => return None,
            };
            Some((Cause::Value(condition.measure.clone()), told))
        });
        for (cause, not_new) in severe.chain(values).collect::<Vec<_>>() {
            match (not_new, treated) {
                // Not treated so, it is in the score alone.
                (Told::Yes, _) | (_, Told::No) => {}
                (Told::No, Told::Unknown(unknown)) => self.unknown(unknown.clone()),
                (not_new, _) => self.item(cause, Grade::Severe, not_new),
            }
        }
    }

    fn item(&mut self, cause: Cause, grade: Grade, not_new: Told) {
        match not_new {
            Told::Yes => {}
            Told::No => self.clinical(cause, grade),
            Told::Unknown(unknown) => self.unknown(unknown),
        }
    }
}

fn exact(value: Option<&Decimal>) -> Option<Exact> {
    value.map(Decimal::exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Quantity;
    use crate::definitions::activity::Items;
    use crate::definitions::find;
    use crate::sledai::Presence;

    use Descriptor::{Arthritis, LowComplement, Proteinuria, Rash, Seizure, Vasculitis};

    fn visit(present: &[Descriptor], pga: &str, dose: &str) -> Assessment {
        let mut items = Items::default();
        for item in Descriptor::ALL {
            items.set(item, if present.contains(&item) { Presence::Present } else { Presence::Absent });
        }
        Assessment {
            body_weight_kg: Some("60".parse().unwrap()),
            items: Some(items),
            pga: Some(pga.parse().unwrap()),
            prednisone_mg_per_day: Some(dose.parse().unwrap()),
            ..Assessment::default()
        }
    }

    fn of(now: &Assessment, before: &Assessment) -> Triggers {
        triggers(find(&[], "selena-flare-1").unwrap().rule.flare().unwrap(), now, before)
    }

    type Causes = Vec<(Cause, Grade)>;

    /// The clinical and the medication's triggers, none unknown.
    fn causes(triggers: &Triggers) -> (Causes, Causes) {
        assert_eq!(triggers.unknown, []);
        let list = |list: &[Trigger]| list.iter().map(|one| (one.cause.clone(), one.grade)).collect();
        (list(&triggers.clinical), list(&triggers.medication))
    }

    use Grade::{MildModerate, Severe};

    #[test]
    fn nothing_new_is_no_flare() {
        let same = visit(&[Rash], "1", "10");
        assert_eq!(causes(&of(&same, &same)), (vec![], vec![]));
        assert_eq!(causes(&of(&visit(&[], "0", "5"), &same)), (vec![], vec![]));
    }

    #[test]
    fn the_score_sets_it_off_from_three_points_on_and_severely_above_twelve() {
        let check = |before: &[Descriptor], now: &[Descriptor], due: Option<Grade>| {
            let triggers = of(&visit(now, "1", "0"), &visit(before, "1", "0"));
            let found = triggers.clinical.iter().find(|one| one.cause == Cause::Sledai).map(|one| one.grade);
            assert_eq!(found, due, "{before:?} to {now:?}");
        };
        check(&[], &[LowComplement], None);
        check(&[], &[Arthritis], Some(MildModerate));
        // 8 to 12: not above.
        check(&[Seizure], &[Seizure, Arthritis], Some(MildModerate));
        // 12 to 14: it crosses, by less than three points.
        check(&[Seizure, Arthritis], &[Seizure, Arthritis, Rash], Some(Severe));
        // 14 to 16, above already and no rise of its own; 14 to 18 is one.
        check(&[Seizure, Arthritis, Rash], &[Seizure, Arthritis, Rash, LowComplement], None);
        check(&[Seizure, Arthritis, Rash], &[Seizure, Arthritis, Rash, Proteinuria], Some(Severe));
    }

    #[test]
    fn the_global_assessment_sets_it_off_from_one_point_on_and_severely_above_two_and_a_half() {
        let check = |before: &str, now: &str, due: Option<Grade>| {
            assert_eq!(
                of(&visit(&[], now, "0"), &visit(&[], before, "0")).clinical_grade(),
                due,
                "{before} to {now}"
            );
        };
        check("0", "0.9", None);
        check("0", "1.0", Some(MildModerate));
        check("1.5", "2.5", Some(MildModerate));
        check("2.4", "2.6", Some(Severe));
        check("2.6", "2.6", None);
    }

    #[test]
    fn a_mild_item_is_a_trigger_and_a_severe_one_if_it_asked_for_treatment() {
        let before = visit(&[], "0", "10");
        let (clinical, medication) = causes(&of(&visit(&[Rash], "0", "10"), &before));
        assert_eq!((clinical, medication), (vec![(Cause::Item(Rash), MildModerate)], vec![]));
        // 8 points by the score, and no treatment for it.
        let (clinical, _) = causes(&of(&visit(&[Vasculitis], "0", "10"), &before));
        assert_eq!(clinical, [(Cause::Sledai, MildModerate)]);
        let severe = [(Cause::Sledai, MildModerate), (Cause::Item(Vasculitis), Severe)];
        // Doubled, and not above 0.5 mg/kg/day: the medication itself is no severe trigger.
        let (clinical, medication) = causes(&of(&visit(&[Vasculitis], "0", "20"), &before));
        assert_eq!((&clinical[..], &medication[..]), (&severe[..], &[(Cause::Prednisone, MildModerate)][..]));
        let mut admitted = visit(&[Vasculitis], "0", "10");
        admitted.hospitalised = true;
        let (clinical, medication) = causes(&of(&admitted, &before));
        assert_eq!(clinical, [&severe[..], &[(Cause::Hospital, Severe)]].concat());
        assert_eq!(medication, []);
    }

    #[test]
    fn prednisone_is_severe_above_half_a_milligram_a_kilogram() {
        let check = |before: &str, now: &str, due: &[(Cause, Grade)]| {
            let found = causes(&of(&visit(&[], "0", now), &visit(&[], "0", before)));
            assert_eq!(found, (vec![], due.to_vec()), "{before} to {now}");
        };
        check("10", "10", &[]);
        check("10", "10.5", &[(Cause::Prednisone, MildModerate)]);
        check("10", "30", &[(Cause::Prednisone, MildModerate)]);
        check("10", "30.5", &[(Cause::Prednisone, Severe)]);
        check("40", "40", &[]);
    }

    #[test]
    fn drugs_count_when_they_are_started() {
        let with = |drugs: &[&str]| Assessment {
            medications: drugs.iter().map(|drug| (*drug).to_owned()).collect(),
            ..visit(&[], "0", "0")
        };
        let drug = |name: &str| Cause::Drug(name.to_owned());
        let found = of(&with(&["azathioprine", "hydroxychloroquine"]), &with(&["hydroxychloroquine"]));
        assert_eq!(causes(&found), (vec![], vec![(drug("azathioprine"), Severe)]));
        assert_eq!((found.clinical_grade(), found.grade()), (None, Some(Severe)));
        let found = of(&with(&["naproxen", "aspirin"]), &with(&[]));
        assert_eq!(causes(&found), (vec![], vec![(drug("naproxen"), MildModerate)]));
    }

    #[test]
    fn platelets_below_sixty_are_severe_if_newly_so_and_treated() {
        let with = |count: &str, dose: &str| Assessment {
            observations: [(
                "loinc:777-3".to_owned(),
                Quantity { unit: "10*9/L".to_owned(), value: count.parse().unwrap() },
            )]
            .into(),
            ..visit(&[], "0", dose)
        };
        let value = vec![(Cause::Value("loinc:777-3".to_owned()), Severe)];
        assert_eq!(causes(&of(&with("59", "20"), &with("60", "10"))).0, value);
        assert_eq!(causes(&of(&with("60", "20"), &with("90", "10"))).0, []);
        assert_eq!(causes(&of(&with("59", "10"), &with("60", "10"))).0, []);
        assert_eq!(causes(&of(&with("50", "20"), &with("55", "10"))).0, []);
    }

    #[test]
    fn what_is_not_stated_is_unknown_and_no_trigger() {
        let bare = Assessment::default();
        let found = of(&bare, &bare);
        let not_stated = |what: &str| Unknown::NotStated(what.to_owned());
        assert_eq!(
            found.unknown,
            [Unknown::SledaiNotTaken, not_stated("pga"), not_stated("prednisone_mg_per_day")]
        );
        assert_eq!(found.grade(), None);
        // An item that stands open may be new, and the score may have risen by it.
        let before = visit(&[], "0", "0");
        let mut open = before.clone();
        open.items.as_mut().unwrap().set(Seizure, Presence::NotDone);
        let found = of(&open, &before);
        assert_eq!((found.grade(), &found.unknown[..]), (None, &[Unknown::ItemsNotDone][..]));
        // What is certain is told all the same.
        open.items.as_mut().unwrap().set(Rash, Presence::Present);
        open.items.as_mut().unwrap().set(Arthritis, Presence::Present);
        assert_eq!(of(&open, &before).clinical_grade(), Some(MildModerate));
    }
}
