//! Who is where: the flow of subjects, the way from enrolled to evaluable, and the sites.

use std::collections::BTreeMap;

use clinical::definitions::rule::EvaluableRule;
use serde::{Deserialize, Serialize};

use crate::count;
use crate::course::{Course, Standing, Unanalysable};
use crate::rules::{At, Rules};

/// Counts of subjects. `infused` splits into `died` to `in_follow_up`; `enrolled` into `infused` and `never_infused`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Entered screening: a screening, an enrollment, a screen failure or an infusion is recorded. Splits into
    /// `screen_failures`, `screened_not_enrolled` and `enrolled`.
    pub screened: u64,
    /// Did not pass screening and was not infused.
    pub screen_failures: u64,
    /// Passed screening, and no enrollment is recorded.
    pub screened_not_enrolled: u64,
    /// Enrolled: recorded so and no screen failure, or infused.
    pub enrolled: u64,
    /// Received the product at least once.
    pub infused: u64,
    /// Enrolled, not infused.
    pub never_infused: u64,
    /// Of the infused: died.
    pub died: u64,
    /// Of the infused: withdrew from all contact or from the study.
    pub withdrawn: u64,
    /// Of the infused: lost to follow-up and not found again.
    pub lost: u64,
    /// Of the infused: completed the study.
    pub completed: u64,
    /// Of the infused: left the study for another reason.
    pub discontinued: u64,
    /// Of the infused: in follow-up.
    pub in_follow_up: u64,
    /// Infused without a record of enrollment; within `enrolled`.
    pub infused_without_enrollment: u64,
    /// Infused although a screen failure is recorded; within `enrolled`.
    pub infused_screen_failures: u64,
    /// Of the enrolled: assigned to an arm.
    pub allocated: u64,
    /// Of the enrolled: moved to another site. Counted where they enrolled.
    pub transferred: u64,
    /// Pseudonyms given up: each turned out to be a person who has another, and counts as that one.
    pub linked_pseudonyms: u64,
    /// Died without having been infused; not within `died`.
    pub died_never_infused: u64,
    /// Reported dead by a contact only, without a record of the death; not within `died`.
    pub deaths_without_record: u64,
}

/// Why subjects do not go on to the next stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// Enrolled, not infused.
    NeverInfused,
    /// Day 0 is not certain.
    NotAnalysable,
    /// Died before or on the day.
    Died,
    /// The day lies after the cutoff.
    NotYetDue,
    /// Withdrew.
    Withdrawn,
    /// Lost to follow-up.
    Lost,
    /// Completed the study before.
    Completed,
    /// Left the study for another reason.
    Discontinued,
    /// A planned visit was missed since the last contact.
    Missed,
    /// No contact is recorded since, and nothing says why.
    NoContact,
    /// Followed to the day, and not seen in the window around it.
    NotSeen,
}

/// Subjects lost to a stage for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Why.
    pub reason: LossReason,
    /// How many.
    pub subjects: u64,
}

/// A stage: those of another stage, less the losses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// `enrolled`, `infused`, `analysable`, then `evaluable_1` and so on for each landmark.
    pub id: String,
    /// Id of the stage that the losses are from; absent for the first. The stage before, but where the rule of evaluable
    /// says otherwise: who is seen at one landmark need not have been at another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// In words.
    pub label: String,
    /// How many are in it.
    pub subjects: u64,
    /// Who of that stage is not, and why; sums to the difference.
    pub losses: Vec<Loss>,
}

/// From enrolled to evaluable at the last landmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waterfall {
    /// Id of the definition of evaluable.
    pub definition: String,
    /// The stages, first to last.
    pub stages: Vec<Stage>,
}

/// A subject whose times cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotAnalysable {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// `first_infusion_partial` or `death_before_infusion`.
    pub reason: String,
}

/// A site's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteRow {
    /// The site.
    pub id: String,
    /// Its name; empty if the site is not in the rows.
    pub name: String,
    /// ISO 3166-1 alpha-2 code of its country.
    pub country: String,
    /// Screened.
    pub screened: u64,
    /// Enrolled.
    pub enrolled: u64,
    /// Infused.
    pub infused: u64,
    /// Deaths of the infused.
    pub deaths: u64,
    /// Infused with a relapse.
    pub relapses: u64,
}

pub(crate) fn flow(courses: &[Course], linked_pseudonyms: usize) -> Flow {
    let infused = || courses.iter().filter(|course| course.infused);
    let standing = |standing| count(infused(), |course| course.standing == standing);
    Flow {
        screened: count(courses, |course| course.screened()),
        screen_failures: count(courses, |course| course.screen_failure && !course.infused),
        screened_not_enrolled: count(courses, |course| {
            course.screened() && !course.screen_failure && !course.enrolled()
        }),
        enrolled: count(courses, |course| course.enrolled()),
        infused: infused().count() as u64,
        never_infused: count(courses, |course| course.enrolled() && !course.infused),
        died: standing(Standing::Died),
        withdrawn: standing(Standing::Withdrawn),
        lost: standing(Standing::Lost),
        completed: standing(Standing::Completed),
        discontinued: standing(Standing::Discontinued),
        in_follow_up: standing(Standing::Followed),
        infused_without_enrollment: count(infused(), |course| !course.has_enrollment),
        infused_screen_failures: count(infused(), |course| course.screen_failure),
        allocated: count(courses, |course| course.enrolled() && course.allocated),
        transferred: count(courses, |course| course.enrolled() && course.transferred),
        linked_pseudonyms: linked_pseudonyms as u64,
        died_never_infused: count(courses, |course| !course.infused && course.death.is_some()),
        deaths_without_record: count(courses, |course| course.death_unrecorded),
    }
}

pub(crate) fn waterfall(courses: &[Course], rules: &Rules) -> Waterfall {
    let enrolled: Vec<&Course> = courses.iter().filter(|course| course.enrolled()).collect();
    let infused: Vec<&Course> = enrolled.iter().copied().filter(|course| course.infused).collect();
    let analysable: Vec<&Course> =
        infused.iter().copied().filter(|course| course.analysable().is_some()).collect();
    let lost = |reason, subjects: usize| BTreeMap::from([(reason, subjects as u64)]);
    let mut stages = vec![
        stage("enrolled", "Enrolled".to_owned(), None, enrolled.len(), BTreeMap::new()),
        stage(
            "infused",
            "Infused".to_owned(),
            Some("enrolled"),
            infused.len(),
            lost(LossReason::NeverInfused, enrolled.len() - infused.len()),
        ),
        stage(
            "analysable",
            "Day of first infusion certain".to_owned(),
            Some("infused"),
            analysable.len(),
            lost(LossReason::NotAnalysable, infused.len() - analysable.len()),
        ),
    ];
    let (mut before, mut of) = match rules.evaluable.rule {
        EvaluableRule::AllInfused => (infused, "infused".to_owned()),
        _ => (analysable, "analysable".to_owned()),
    };
    for mark in &rules.marks {
        let (evaluable, lost): (Vec<&Course>, Vec<&Course>) =
            before.iter().partition(|course| course.evaluable(mark.at, rules));
        let mut losses = BTreeMap::new();
        for course in lost {
            *losses.entry(reason(course, mark.at, rules)).or_insert(0) += 1;
        }
        let id = format!("evaluable_{}", mark.at.argument().replace(' ', "_"));
        let label = format!("Evaluable at {}", mark.at.label());
        stages.push(stage(&id, label, Some(&of), evaluable.len(), losses));
        if rules.evaluable.rule != EvaluableRule::VisitCompleter {
            (before, of) = (evaluable, id);
        }
    }
    Waterfall { definition: rules.evaluable_id.clone(), stages }
}

fn stage(
    id: &str,
    label: String,
    of: Option<&str>,
    subjects: usize,
    losses: BTreeMap<LossReason, u64>,
) -> Stage {
    let losses = losses
        .into_iter()
        .filter(|(_, subjects)| *subjects > 0)
        .map(|(reason, subjects)| Loss { reason, subjects })
        .collect();
    Stage { id: id.to_owned(), label, of: of.map(str::to_owned), subjects: subjects as u64, losses }
}

/// Why a subject is not evaluable at a landmark. A death says more than that the day is not due.
fn reason(course: &Course, at: At, rules: &Rules) -> LossReason {
    let Some(followed) = course.analysable() else { return LossReason::NotAnalysable };
    let due = at.due(followed.day_0);
    // By potential follow-up nobody is lost for what happened.
    if course.death.is_some() && rules.evaluable.rule != EvaluableRule::PotentialFollowUp {
        return LossReason::Died;
    }
    if due > rules.cutoff {
        return LossReason::NotYetDue;
    }
    if rules.evaluable.rule == EvaluableRule::VisitCompleter && course.end >= due {
        return LossReason::NotSeen;
    }
    match course.standing {
        Standing::Died => LossReason::Died,
        Standing::Withdrawn => LossReason::Withdrawn,
        Standing::Lost => LossReason::Lost,
        Standing::Completed => LossReason::Completed,
        Standing::Discontinued => LossReason::Discontinued,
        Standing::Followed if course.missed_since => LossReason::Missed,
        Standing::Followed => LossReason::NoContact,
    }
}

pub(crate) fn not_analysable(courses: &[Course]) -> Vec<NotAnalysable> {
    courses
        .iter()
        .filter_map(|course| {
            let reason = match course.followed.as_ref()?.as_ref().err()? {
                Unanalysable::FirstInfusionPartial => "first_infusion_partial",
                Unanalysable::DeathBeforeInfusion => "death_before_infusion",
            };
            Some(NotAnalysable {
                subject: course.subject.clone(),
                site: course.site.clone(),
                reason: reason.to_owned(),
            })
        })
        .collect()
}

pub(crate) fn sites(courses: &[Course], names: &BTreeMap<String, (String, String)>) -> Vec<SiteRow> {
    let mut rows: BTreeMap<&str, SiteRow> = BTreeMap::new();
    for (id, (name, country)) in names {
        rows.insert(id, SiteRow { name: name.clone(), country: country.clone(), ..SiteRow::default() });
    }
    for course in courses {
        let row = rows.entry(&course.site).or_default();
        row.screened += u64::from(course.screened());
        row.enrolled += u64::from(course.enrolled());
        row.infused += u64::from(course.infused);
        row.deaths += u64::from(course.infused && course.death.is_some());
        row.relapses +=
            u64::from(course.analysable().is_some_and(|followed| followed.first_relapse.is_some()));
    }
    rows.into_iter().map(|(id, row)| SiteRow { id: id.to_owned(), ..row }).collect()
}
