//! Acute graft-versus-host disease: who was examined for it, and what was found.

use clinical::PartialDate;
use clinical::date::days_between;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, Meaning};

use crate::report::ReportError;
use crate::rows::Gvhd;
use crate::subject::{Examined, Subject};

/// Graft-versus-host disease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GvhdSection {
    /// Id of the definition of the overall grade.
    pub definition: String,
    /// The rule in words.
    pub rule: String,
    /// Subjects with an examination after their first infusion, of the safety set.
    pub assessed: Figure,
    /// Examinations done after first infusion.
    pub assessments: u64,
    /// Visits after first infusion that state that it was not examined for.
    pub not_done: u64,
    /// Subjects with any stage of 1 or more: of any organ, then of each.
    pub figures: Vec<Figure>,
    /// Subjects by their worst stage of each organ.
    pub stages: Vec<StageRow>,
    /// Subjects by their worst overall grade, 0 to IV.
    pub grades: [u64; 5],
    /// Each subject with any stage of 1 or more.
    pub listing: Vec<GvhdSubject>,
}

/// Assessed subjects by the worst stage of an organ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRow {
    /// `skin`, `liver`, `upper_gi` or `lower_gi`.
    pub organ: String,
    /// How many have stage 0, 1, 2, 3 and 4.
    pub subjects: [u64; 5],
}

/// A subject with the disease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GvhdSubject {
    /// The subject.
    pub subject: String,
    /// Its site.
    pub site: String,
    /// When any stage of 1 or more was found first.
    pub on: String,
    /// Days from first infusion to then; absent if either is not known to the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<i64>,
    /// Worst stage of the skin.
    pub skin: u8,
    /// Of the liver.
    pub liver: u8,
    /// Of the upper gastrointestinal tract.
    pub upper_gi: u8,
    /// Of the lower gastrointestinal tract.
    pub lower_gi: u8,
    /// Worst overall grade of any one examination, 0 to 4.
    pub grade: u8,
    /// Examinations with any stage of 1 or more.
    pub positive: u64,
    /// Position of the record that first found it.
    pub first_seq: u64,
    /// Position of the latest version of that record.
    pub latest_seq: u64,
}

const DEFINITION: &str = "gvhd-magic-1";

const RULE: &str = "examinations dated after the day of first infusion, or that may be, of the safety set; stages by MAGIC (Harris 2016); \
                    grade of one examination: IV any stage 4 of skin, liver or lower tract; III liver or lower tract 2 to 3; II skin 3, \
                    liver 1, upper tract 1 or lower tract 1; I skin 1 to 2; else 0";

const ORGANS: [&str; 4] = ["skin", "liver", "upper_gi", "lower_gi"];

/// The overall grade of one examination, 0 to 4 (MAGIC, Harris et al., Biol Blood Marrow Transplant 2016).
fn grade([skin, liver, upper, lower]: [u8; 4]) -> u8 {
    if skin >= 4 || liver >= 4 || lower >= 4 {
        4
    } else if liver >= 2 || lower >= 2 {
        3
    } else if skin == 3 || liver == 1 || upper >= 1 || lower == 1 {
        2
    } else {
        u8::from(skin >= 1)
    }
}

/// What was found of one subject.
struct Found<'a> {
    subject: &'a Subject,
    worst: [u8; 4],
    grade: u8,
    /// Examinations with any stage, the first of them, and whether none is certainly dated after first infusion.
    positive: u64,
    first: Option<&'a Examined>,
    uncertain: bool,
}

fn found<'a>(subject: &'a Subject, done: &[(&'a Examined, [u8; 4])], infused: PartialDate) -> Found<'a> {
    let mut found = Found { subject, worst: [0; 4], grade: 0, positive: 0, first: None, uncertain: true };
    for (visit, stages) in done {
        for (worst, stage) in found.worst.iter_mut().zip(stages) {
            *worst = (*worst).max(*stage);
        }
        found.grade = found.grade.max(grade(*stages));
        found.uncertain &= !visit.on.certainly_after(infused);
        if stages.iter().any(|stage| *stage > 0) {
            found.positive += 1;
            // Visits are in the order of their dates.
            found.first = found.first.or(Some(visit));
        }
    }
    found
}

pub(crate) fn gvhd(subjects: &[Subject]) -> Result<GvhdSection, ReportError> {
    let (mut treated, mut assessments, mut not_done) = (0_u64, 0_u64, 0_u64);
    let mut assessed = Vec::new();
    for subject in subjects {
        let Some(first) = subject.infusions.first() else { continue };
        treated += 1;
        let mut done = Vec::new();
        for visit in subject.examined.iter().filter(|visit| visit.on.latest() > first.on.earliest()) {
            match visit.gvhd {
                Some(Gvhd::Stages(stages)) => done.push((visit, stages)),
                Some(Gvhd::NotDone) => not_done += 1,
                None => {}
            }
        }
        assessments += done.len() as u64;
        if !done.is_empty() {
            assessed.push(found(subject, &done, first.on));
        }
    }
    let count = |is: &dyn Fn(&Found<'_>) -> bool| assessed.iter().filter(|found| is(found)).count() as u64;
    let uncertain = count(&|found| found.uncertain);
    let denominator = count(&|_| true);
    let meaning = |id: &str, label: String, (population, denominator_rule)| Meaning {
        id: format!("gvhd.{id}"),
        label,
        population,
        definition: DEFINITION,
        denominator_rule,
    };
    let of_treated = (crate::report::SAFETY_SET, "all treated, whatever their follow-up");
    let of_assessed =
        ("Safety set, examined after first infusion", "examined at least once after first infusion");
    let any = meaning("any", "Any stage of 1 or more".to_owned(), of_assessed);
    let mut figures = vec![Figure::new(any, count(&|found| found.positive > 0), denominator, uncertain)?];
    let mut stages = Vec::new();
    for (place, organ) in ORGANS.into_iter().enumerate() {
        let meaning = meaning(
            organ,
            format!("Stage 1 or more: {}", organ.replace("_gi", " gastrointestinal tract")),
            of_assessed,
        );
        figures.push(Figure::new(meaning, count(&|found| found.worst[place] > 0), denominator, uncertain)?);
        let subjects = [0, 1, 2, 3, 4].map(|stage| count(&|found| found.worst[place].min(4) == stage));
        stages.push(StageRow { organ: organ.to_owned(), subjects });
    }
    let mut listing: Vec<_> = assessed.iter().filter_map(listed).collect();
    listing.sort();
    Ok(GvhdSection {
        definition: DEFINITION.to_owned(),
        rule: RULE.to_owned(),
        assessed: Figure::new(
            meaning("assessed", "Examined after first infusion".to_owned(), of_treated),
            denominator,
            treated,
            uncertain,
        )?,
        assessments,
        not_done,
        figures,
        stages,
        grades: [0, 1, 2, 3, 4].map(|grade| count(&|found| found.grade == grade)),
        listing,
    })
}

fn listed(found: &Found<'_>) -> Option<GvhdSubject> {
    let first = found.first?;
    let [skin, liver, upper_gi, lower_gi] = found.worst;
    let day_0 = found.subject.infusions.first().and_then(|infusion| infusion.on.day());
    Some(GvhdSubject {
        subject: found.subject.id.clone(),
        site: found.subject.site.clone(),
        on: first.on.to_string(),
        day: day_0.zip(first.on.day()).map(|(day_0, on)| i64::from(days_between(day_0, on))),
        skin,
        liver,
        upper_gi,
        lower_gi,
        grade: found.grade,
        positive: found.positive,
        first_seq: first.root,
        latest_seq: first.latest,
    })
}

#[cfg(test)]
mod tests {
    use super::grade;

    #[test]
    fn the_overall_grade_is_that_of_the_organ_that_fares_worst() {
        // Skin, liver, upper and lower tract, by the published table.
        for (stages, expect) in [
            ([0, 0, 0, 0], 0),
            ([1, 0, 0, 0], 1),
            ([2, 0, 0, 0], 1),
            ([3, 0, 0, 0], 2),
            ([0, 1, 0, 0], 2),
            ([0, 0, 1, 0], 2),
            ([2, 0, 0, 1], 2),
            ([0, 2, 0, 0], 3),
            ([3, 3, 1, 0], 3),
            ([0, 0, 0, 2], 3),
            ([3, 1, 1, 3], 3),
            ([4, 0, 0, 0], 4),
            ([0, 4, 0, 0], 4),
            ([0, 0, 1, 4], 4),
        ] {
            assert_eq!(grade(stages), expect, "{stages:?}");
        }
    }
}
