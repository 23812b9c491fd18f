//! Infusion reactions: what began, or may have begun, within 24 hours of the start of an infusion.

use clinical::PartialDate;
use clinical::date::days_between;
use serde::{Deserialize, Serialize};
use stats::figure::{Figure, Meaning};

use crate::case::{Case, Emergence};
use crate::listing::EventLine;
use crate::report::{ReportError, SAFETY_SET};
use crate::subject::{Infusion, Subject};
use crate::timing::{TimingClass, since_infusion};

/// Reactions to infusions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReactionSection {
    /// Id of the definition.
    pub definition: String,
    /// The rule in words.
    pub rule: String,
    /// Subjects with any, of the safety set.
    pub subjects: Figure,
    /// Infusions with any, of the infusions given; absent where the trial has arms, which their number may tell apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infusions: Option<Figure>,
    /// Events that are counted.
    pub events: u64,
    /// Of them, on the infusion's day or the next without both times: counted, and footnoted.
    pub time_unknown: u64,
    /// Treatment-emergent events that may have begun so soon by a date that is not known to the day: listed, and in no
    /// figure.
    pub undetermined: u64,
    /// Each of them, those of `undetermined` too.
    pub listing: Vec<Reaction>,
}

/// One event after an infusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reaction {
    /// The event.
    pub event: EventLine,
    /// `within_24_hours`, `one_day_time_unknown` or `undetermined`.
    pub class: TimingClass,
    /// Whether it began before treatment and worsened then: it counts from the day it had worsened.
    pub worsened: bool,
    /// Which infusion of the subject, by start, from 1; absent if undetermined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infusion: Option<u64>,
    /// Its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infused_on: Option<String>,
    /// Hours from its start to onset, 1 digit; absent unless both times are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// Position of the latest version of its record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infusion_seq: Option<u64>,
}

impl ReactionSection {
    /// Without the list and the number of infusions: that somebody reacted on a day tells that it was infused then, and so
    /// how often.
    pub(crate) fn without_infusions(self) -> Self {
        Self { listing: Vec::new(), infusions: None, ..self }
    }
}

const DEFINITION: &str = "infusion-reaction-1";

const RULE: &str = "treatment-emergent events with onset up to 24 hours after the start of the latest infusion before, whatever \
                    the cause; without both times, on the infusion's day or the next (counted and footnoted); what began before \
                    treatment counts from the day it had worsened";

/// Digits of hours.
const HOURS_DIGITS: u8 = 1;

pub(crate) fn reactions(subjects: &[Subject]) -> Result<ReactionSection, ReportError> {
    let mut listing = Vec::new();
    let (mut treated, mut given) = (0_u64, 0_u64);
    let (mut subjects_with, mut infusions_with) = (0_u64, 0_u64);
    for subject in subjects.iter().filter(|subject| subject.treated()) {
        treated += 1;
        given += subject.infusions.len() as u64;
        let mut with = std::collections::BTreeSet::new();
        for case in subject.cases.iter().filter(|case| case.emergence.is_emergent()) {
            let Some((class, place)) = after_infusion(case, &subject.infusions) else { continue };
            with.extend(place);
            listing.push(reaction(subject, case, class, place)?);
        }
        subjects_with += u64::from(!with.is_empty());
        infusions_with += with.len() as u64;
    }
    listing.sort_by(|one, other| one.place().cmp(&other.place()));
    let of = |class| listing.iter().filter(|one: &&Reaction| one.class == class).count() as u64;
    let (within, time_unknown) = (of(TimingClass::Within24Hours), of(TimingClass::OneDayTimeUnknown));
    let meaning = |id: &str, label: &str, denominator_rule| Meaning {
        id: format!("infusion_reaction.{id}"),
        label: label.to_owned(),
        population: SAFETY_SET,
        definition: DEFINITION,
        denominator_rule,
    };
    let by_subject =
        meaning("subjects", "Subjects with an infusion reaction", "all treated, whatever their follow-up");
    let by_infusion = meaning(
        "infusions",
        "Infusions with a reaction",
        "infusions started by the cutoff; the interval takes those of one subject as independent",
    );
    Ok(ReactionSection {
        definition: DEFINITION.to_owned(),
        rule: RULE.to_owned(),
        subjects: Figure::new(by_subject, subjects_with, treated, 0)?,
        infusions: Some(Figure::new(by_infusion, infusions_with, given, 0)?),
        events: within + time_unknown,
        time_unknown,
        undetermined: of(TimingClass::Undetermined),
        listing,
    })
}

/// The class of a reaction and the infusion by its place; `None` for an event that is none.
fn after_infusion(case: &Case, infusions: &[Infusion]) -> Option<(TimingClass, Option<usize>)> {
    let at = case.at.filter(|_| case.emergence != Emergence::Worsened);
    let day = case.emerged.and_then(PartialDate::day);
    if let Some((class @ (TimingClass::Within24Hours | TimingClass::OneDayTimeUnknown), place)) =
        day.and_then(|day| since_infusion(day, at, infusions))
    {
        return Some((class, Some(place)));
    }
    let may = infusions
        .iter()
        .filter(|infusion| day.is_none() || infusion.on.day().is_none())
        .any(|infusion| may_follow(case.emerged, infusion.on));
    may.then_some((TimingClass::Undetermined, None))
}

/// Whether an onset may lie on an infusion's day or the next.
fn may_follow(onset: Option<PartialDate>, infused: PartialDate) -> bool {
    onset.is_none_or(|onset| {
        onset.latest() >= infused.earliest() && days_between(infused.latest(), onset.earliest()) <= 1
    })
}

fn reaction(
    subject: &Subject,
    case: &Case,
    class: TimingClass,
    place: Option<usize>,
) -> Result<Reaction, ReportError> {
    let infusion = place.and_then(|place| Some((place as u64 + 1, subject.infusions.get(place)?)));
    let times = infusion.and_then(|(_, infusion)| case.at.zip(infusion.at));
    let hours = times
        .filter(|_| class == TimingClass::Within24Hours)
        .map(|(at, start)| stats::decimal((at - start) as f64 / 3_600.0, HOURS_DIGITS))
        .transpose()?;
    Ok(Reaction {
        event: EventLine::new(subject, case),
        class,
        worsened: case.emergence == Emergence::Worsened,
        infusion: infusion.map(|(number, _)| number),
        infused_on: infusion.map(|(_, infusion)| infusion.on.to_string()),
        hours,
        infusion_seq: infusion.map(|(_, infusion)| infusion.latest),
    })
}

impl Reaction {
    fn place(&self) -> impl Ord + '_ {
        (self.event.place(), self.class, self.infusion, &self.hours)
    }
}
