//! Remission computed from what visits state, beside what was judged. Which of the two a figure heads with is not said here.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::{Quantity, RemissionStatus, VisitStatus};
use clinical::date::days_between;
use clinical::definitions::activity::Assessment;
use clinical::definitions::remission::{Status, reasons, status};
use clinical::definitions::rule::Remission;
use clinical::sledai::{Descriptor, Presence};
use clinical::{Date, PartialDate};
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, FigureError, Meaning};

use crate::count;
use crate::course::{Course, Followed};
use crate::facts::{Dated, Facts, VisitFact};
use crate::judgement::AtLandmark;
use crate::remission::{Known, known};
use crate::rules::{At, Mark, RemissionRule, Rules};
use crate::values::Terms;

/// Remission by one definition, computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputedRemission {
    /// Id of the definition.
    pub definition: String,
    /// Its name.
    pub title: String,
    /// What it asks for besides and visits do not state: taken as absent.
    pub taken_as_absent: Vec<String>,
    /// At each landmark.
    pub figures: Vec<ComputedFigure>,
}

/// Remission at a landmark, computed at the visit nearest to it within the window that states anything asked for; of two
/// as near the later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputedFigure {
    /// The landmark, such as `year_1`.
    pub landmark: String,
    /// In words.
    pub label: String,
    /// In remission, of the evaluable.
    pub figure: Figure,
    /// Of the denominator: something that is asked for certainly does not hold.
    pub not: u64,
    /// Of the denominator: what is stated fails nothing, but something is missing.
    pub not_determinable: u64,
    /// Of the denominator: without such a visit.
    pub without_visit: u64,
    /// Of the denominator: died by the day.
    pub died: u64,
    /// Of the denominator: not followed to the day.
    pub not_followed: u64,
}

/// At a landmark, of the evaluable who lived to it: how many were judged so and computed so, by the trial's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionAgreement {
    /// The landmark.
    pub landmark: String,
    /// `complete`, `partial`, `none`, `not_determinable` or `not_judged`.
    pub judged: String,
    /// `remission`, `not`, `not_determinable` or `without_visit`.
    pub computed: String,
    /// How many.
    pub subjects: u64,
}

/// A subject of whom another status was judged than its visit makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemissionDifference {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// The landmark.
    pub landmark: String,
    /// Date of the visit that was computed.
    pub on: String,
    /// The same in days from first infusion.
    pub day: i64,
    /// What was judged; `not_judged` if nothing.
    pub judged: String,
    /// `committee`, `investigator` or `nobody`.
    pub judged_by: String,
    /// `remission`, `not` or `not_determinable`.
    pub computed: String,
    /// What does not hold, or is missing; empty for a remission.
    pub why: Vec<String>,
    /// The record that states the judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Stated>,
    /// The record that states the visit.
    pub visit: Stated,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// Position of the record that first stated it.
    pub first_seq: u64,
    /// Position of its latest version.
    pub latest_seq: u64,
}

/// What visits of one day make, by each of the rules' definitions of remission in their order.
#[derive(Debug, Clone)]
pub(crate) struct Computed {
    on: Date,
    by: Vec<ByDefinition>,
}

#[derive(Debug, Clone)]
struct ByDefinition {
    told: Told,
    /// Kept of the trial's own definition only.
    why: Vec<String>,
    visit: Stated,
}

/// Of visits of one day the first of these counts: what is certain before what is open, a failure before all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Not,
    Remission,
    NotDeterminable,
}

impl Told {
    fn name(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Remission => "remission",
            Self::NotDeterminable => "not_determinable",
        }
    }
}

/// What the visit nearest to the landmark makes, of those that state anything that the definitions ask for.
pub(crate) fn at(facts: &Facts, at: At, day_0: Date, rules: &Rules, terms: &Terms) -> Option<Computed> {
    let due = at.due(day_0);
    let offset = |on: Date| days_between(due, on);
    let visits = || facts.visits.iter().filter_map(|visit| Some((placed(visit)?, visit)));
    let (on, _) = visits()
        .filter(|(on, visit)| {
            *on >= day_0 && offset(*on).abs() <= rules.window_days && states(visit, rules, terms)
        })
        .min_by_key(|(on, _)| (offset(*on).abs(), offset(*on) < 0))?;
    let before =
        rules.remissions.iter().any(|one| one.rule.no_new_items).then(|| before(facts, on)).flatten();
    let assessed: Vec<(Assessment, Stated)> = visits()
        .filter(|(day, visit)| *day == on && states(visit, rules, terms))
        .map(|(_, visit)| {
            let stated = Stated { first_seq: visit.root, latest_seq: visit.latest };
            (assessment(visit, rules, terms), stated)
        })
        .collect();
    let by = rules.remissions.iter().map(|definition| by_definition(definition, &assessed, before.as_ref()));
    Some(Computed { on, by: by.collect::<Option<_>>()? })
}

fn by_definition(
    definition: &RemissionRule,
    assessed: &[(Assessment, Stated)],
    before: Option<&Assessment>,
) -> Option<ByDefinition> {
    let rule = &definition.rule;
    let (told, _, assessment, visit) = assessed
        .iter()
        .map(|(assessment, visit)| {
            let told = match status(rule, assessment, before) {
                Status::Complete => Told::Remission,
                Status::Not => Told::Not,
                Status::NotDeterminable { .. } => Told::NotDeterminable,
            };
            (told, visit.first_seq, assessment, *visit)
        })
        .min_by_key(|(told, root, ..)| (*told, *root))?;
    let why = match told {
        Told::Remission => Vec::new(),
        _ if !definition.chosen => Vec::new(),
        _ => reasons(rule, assessment, before).iter().map(ToString::to_string).collect(),
    };
    Some(ByDefinition { told, why, visit })
}

/// The day of a visit that took place.
pub(crate) fn placed(visit: &Dated<VisitFact>) -> Option<Date> {
    visit.on.day().filter(|_| visit.what.status != VisitStatus::Missed)
}

/// The assessment before the day, as far as new items are told by it. Of several of one day that with the most items.
fn before(facts: &Facts, day: Date) -> Option<Assessment> {
    let earlier = facts.visits.iter().filter_map(|visit| {
        let on = placed(visit).filter(|on| *on < day)?;
        let items = visit.what.sledai?;
        let with = |presence| count(Descriptor::ALL, |item| items.presence(*item) == presence);
        Some((on, Descriptor::ALL.len() as u64 - with(Presence::NotDone), with(Presence::Present), items))
    });
    let (.., items) = earlier.max_by_key(|(on, done, present, _)| (*on, *done, *present))?;
    Some(Assessment { items: Some(items), ..Assessment::default() })
}

fn observations<'a>(
    visit: &'a Dated<VisitFact>,
    rules: &'a Rules,
    terms: &'a Terms,
) -> impl Iterator<Item = (&'a str, &'a str, &'a clinical::Decimal)> {
    visit.what.measured.iter().filter_map(|(term, value, _)| {
        let term = terms.known.get(*term)?;
        rules.remission_codes.contains(&term.measure).then_some((&*term.measure, &*term.unit, value))
    })
}

/// Whether a visit states anything that a definition asks for.
fn states(visit: &Dated<VisitFact>, rules: &Rules, terms: &Terms) -> bool {
    visit.what.sledai.is_some()
        || visit.what.pga.is_some()
        || visit.what.prednisone.is_some()
        || (!rules.remission_codes.is_empty() && observations(visit, rules, terms).next().is_some())
}

fn assessment(visit: &Dated<VisitFact>, rules: &Rules, terms: &Terms) -> Assessment {
    let observed = observations(visit, rules, terms).map(|(code, unit, value)| {
        (code.to_owned(), Quantity { unit: unit.to_owned(), value: value.clone() })
    });
    Assessment {
        items: visit.what.sledai,
        pga: visit.what.pga.clone(),
        prednisone_mg_per_day: visit.what.prednisone.clone(),
        observations: observed.collect(),
        ..Assessment::default()
    }
}

/// Codes of observations that definitions ask for.
pub(crate) fn codes<'a>(rules: impl Iterator<Item = &'a Remission>) -> BTreeSet<String> {
    let conditions = rules.flat_map(|rule| &rule.conditions);
    // What is no code is told by members of a visit.
    conditions.map(|condition| condition.measure.clone()).filter(|measure| measure.contains(':')).collect()
}

/// Who is evaluable at a landmark.
pub(crate) struct Row<'a> {
    course: &'a Course,
    judged: Known,
    computed: Option<&'a Computed>,
}

/// The evaluable at each landmark.
pub(crate) fn rows<'a>(courses: &'a [Course], rules: &Rules) -> Vec<Vec<Row<'a>>> {
    let at = |(index, mark): (usize, &Mark)| {
        let evaluable = courses.iter().filter(|course| course.evaluable(mark.at, rules));
        let row = |course: &'a Course| {
            let computed = |followed: &'a Followed| followed.computed.get(index)?.as_ref();
            let judged = known(course, mark.at, rules);
            Row { course, judged, computed: course.analysable().and_then(computed) }
        };
        evaluable.map(row).collect()
    };
    rules.marks.iter().enumerate().map(at).collect()
}

fn any(courses: &[Course], is: impl Fn(&Computed) -> bool) -> bool {
    courses.iter().filter_map(Course::analysable).flat_map(|followed| &followed.computed).flatten().any(is)
}

/// By each definition that can be computed of what this trial's visits state.
pub(crate) fn by_definitions(
    courses: &[Course],
    rows: &[Vec<Row<'_>>],
    rules: &Rules,
) -> Result<Vec<ComputedRemission>, FigureError> {
    let mut all = Vec::new();
    for (number, definition) in rules.remissions.iter().enumerate() {
        let tells = |one: &Computed| one.by.get(number).is_some_and(|by| by.told != Told::NotDeterminable);
        // The trial's own are shown wherever there is anything to compute from.
        if !any(courses, |one| definition.own || tells(one)) {
            continue;
        }
        let figures =
            rules.marks.iter().zip(rows).map(|(mark, rows)| figure(rows, number, definition, mark.at, rules));
        all.push(ComputedRemission {
            definition: definition.id.clone(),
            title: definition.title.clone(),
            taken_as_absent: definition.rule.taken_as_absent.clone(),
            figures: figures.collect::<Result<_, _>>()?,
        });
    }
    Ok(all)
}

fn figure(
    rows: &[Row<'_>],
    number: usize,
    definition: &RemissionRule,
    at: At,
    rules: &Rules,
) -> Result<ComputedFigure, FigureError> {
    // The dead and those not followed are not asked for a visit.
    let asked = || rows.iter().filter(|row| matches!(row.judged, Known::Judged(_) | Known::WithoutVisit));
    let told = |told| {
        let of = |row: &&Row<'_>| row.computed.and_then(|one| one.by.get(number)).map(|by| by.told);
        count(asked(), |row| of(row) == told)
    };
    let meaning = Meaning {
        id: format!("remission.computed.{}.{}", definition.id, at.id()),
        label: format!("{} at {}, computed", definition.title, at.curve_label()),
        population: &format!("Evaluable({})", at.argument()),
        definition: &definition.id,
        denominator_rule: &rules.denominator(),
    };
    Ok(ComputedFigure {
        landmark: at.id(),
        label: at.label(),
        figure: Figure::new(meaning, told(Some(Told::Remission)), rows.len() as u64, 0)?,
        not: told(Some(Told::Not)),
        not_determinable: told(Some(Told::NotDeterminable)),
        without_visit: told(None),
        died: count(rows, |row| row.judged == Known::Died),
        not_followed: count(rows, |row| row.judged == Known::NotFollowed),
    })
}

/// Judged beside computed by the trial's definition, counted and where they differ listed; empty if this version does not
/// know it, or no visit states anything that it asks for.
pub(crate) fn beside(
    courses: &[Course],
    rows: &[Vec<Row<'_>>],
    rules: &Rules,
) -> (Vec<RemissionAgreement>, Vec<RemissionDifference>) {
    let (mut agreement, mut differences) = (Vec::new(), Vec::new());
    let chosen = rules.remissions.iter().position(|one| one.chosen);
    let Some(number) = chosen.filter(|_| any(courses, |_| true)) else {
        return (agreement, differences);
    };
    for (mark, rows) in rules.marks.iter().zip(rows) {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for row in rows {
            let judged = match row.judged {
                Known::Judged(judged) => Some(judged),
                Known::WithoutVisit => None,
                Known::Died | Known::NotFollowed => continue,
            };
            let word = judged.map_or("not_judged", |judged| crate::judgement::name(judged.status));
            let by = row.computed.and_then(|one| Some((one, one.by.get(number)?)));
            let computed = by.map_or("without_visit", |(_, by)| by.told.name());
            *counts.entry((word, computed)).or_default() += 1;
            let Some((one, by)) = by.filter(|(_, by)| differ(judged, by.told)) else { continue };
            let Some(followed) = row.course.analysable() else { continue };
            differences.push(RemissionDifference {
                subject: row.course.subject.clone(),
                site: row.course.site.clone(),
                landmark: mark.at.id(),
                on: PartialDate::Day(one.on).to_string(),
                day: i64::from(days_between(followed.day_0, one.on)),
                judged: word.to_owned(),
                judged_by: match judged {
                    None => "nobody",
                    Some(judged) if judged.adjudicated => "committee",
                    Some(_) => "investigator",
                }
                .to_owned(),
                computed: computed.to_owned(),
                why: by.why.clone(),
                judgement: judged.map(|judged| judged.stated),
                visit: by.visit,
            });
        }
        agreement.extend(counts.into_iter().map(|((judged, computed), subjects)| RemissionAgreement {
            landmark: mark.at.id(),
            judged: judged.to_owned(),
            computed: computed.to_owned(),
            subjects,
        }));
    }
    (agreement, differences)
}

/// A partial remission is none here: definitions tell complete ones. Where nobody judged, only a remission is a difference.
fn differ(judged: Option<AtLandmark>, computed: Told) -> bool {
    let Some(judged) = judged else { return computed == Told::Remission };
    let judged = match judged.status {
        RemissionStatus::Complete => Told::Remission,
        RemissionStatus::Partial | RemissionStatus::None => Told::Not,
        RemissionStatus::NotDeterminable => Told::NotDeterminable,
    };
    judged != computed
}
