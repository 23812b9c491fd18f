//! A subject as safety sees it: when treated, how long followed, and its adverse events.

use std::borrow::Cow;

use clinical::date::days_between;
use clinical::{Date, PartialDate};

use crate::case::{Case, Judgement, Recorded, Report as CaseReport, SentReport, cases};
use crate::report::Exclusions;
use crate::rows::{Fact, Gvhd, Judgements, Level, Visited, What};

/// An infusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Infusion {
    pub(crate) on: PartialDate,
    /// Start in seconds of UTC, where known.
    pub(crate) at: Option<i64>,
    pub(crate) lot: Option<String>,
    pub(crate) donor: Option<String>,
    /// Position of its latest version.
    pub(crate) latest: u64,
}

/// A death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) on: Date,
    pub(crate) imputed: bool,
    pub(crate) by: Judgements,
    pub(crate) root: u64,
    pub(crate) latest: u64,
}

/// What was examined at a visit that safety asks about.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) on: PartialDate,
    pub(crate) gvhd: Option<Gvhd>,
    /// Values that came with a reference range: analyte, where it lies, and when.
    pub(crate) labs: Vec<(String, Level, PartialDate)>,
    /// Values without one.
    pub(crate) unranged: u64,
    pub(crate) root: u64,
    /// Position of its latest version.
    pub(crate) latest: u64,
}

impl Examined {
    fn new(visited: Visited<'_>, root: u64, latest: u64) -> Self {
        let Visited { on, gvhd, labs, unranged } = visited;
        let labs =
            labs.into_iter().map(|lab| (lab.analyte.into_owned(), lab.level, lab.on.unwrap_or(on))).collect();
        Self { on, gvhd, labs, unranged, root, latest }
    }
}

/// Facts of one subject, as read from the rows.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    infusions: Vec<(Infusion, Option<PartialDate>)>,
    alive: Vec<PartialDate>,
    withdrawals: Vec<PartialDate>,
    deaths: Vec<(PartialDate, Judgements, u64, u64)>,
    recorded: Recorded,
    examined: Vec<Examined>,
    site: String,
    first_root: Option<u64>,
    /// The first day on which anything of the subject may have happened; an event without a date is of any day.
    known_from: Option<Date>,
}

/// A subject by the cutoff.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) site: String,
    /// By start; empty for who was not treated.
    pub(crate) infusions: Vec<Infusion>,
    pub(crate) death: Option<Death>,
    pub(crate) cases: Vec<Case>,
    /// Visits that examined for what safety asks about, by date.
    pub(crate) examined: Vec<Examined>,
    /// Day 0 and days of follow-up from it, if day 0 is certain.
    pub(crate) followed: Option<(Date, u32)>,
}

impl Facts {
    /// Takes in a row.
    pub(crate) fn add(&mut self, root: u64, fact: Fact<'_>, excluded: &mut Exclusions) {
        if self.first_root.is_none_or(|first| root < first) {
            self.first_root = Some(root);
            self.site = fact.site.into_owned();
        }
        excluded.amended_things += u64::from(fact.latest != root);
        let on = match &fact.what {
            What::Infused { on, .. }
            | What::Alive { on }
            | What::Known { on }
            | What::Withdrew { on }
            | What::Died { on, .. } => Some(on.earliest()),
            What::Visited(visited) => Some(visited.on.earliest()),
            What::Event(adverse) => Some(adverse.on.map_or(Date::MIN, PartialDate::earliest)),
            // Of the subject something is known by the event they are about.
            What::Assessed(_) | What::Sent(_) | What::Void { .. } => None,
        };
        self.known_from = [self.known_from, on].into_iter().flatten().min();
        match fact.what {
            What::Infused { on, at, until, lot, donor } => {
                let (lot, donor) = (lot.map(Cow::into_owned), donor.map(Cow::into_owned));
                self.infusions.push((Infusion { on, at, lot, donor, latest: fact.latest }, until));
            }
            What::Alive { on } => self.alive.push(on),
            What::Visited(visited) => {
                self.alive.push(visited.on);
                self.examined.push(Examined::new(*visited, root, fact.latest));
            }
            What::Known { .. } => {}
            What::Withdrew { on } => {
                self.alive.push(on);
                self.withdrawals.push(on);
            }
            What::Died { on, by } => self.deaths.push((on, by, root, fact.latest)),
            What::Event(adverse) => {
                self.recorded.reports.push(CaseReport::new(root, fact.latest, *adverse));
            }
            What::Assessed(assessed) => {
                self.recorded.judgements.push(Judgement::new(root, fact.latest, *assessed));
            }
            What::Sent(sent) => self.recorded.sent.push(SentReport::new(root, *sent)),
            What::Void { .. } => excluded.voided_things += 1,
        }
    }

    /// The subject by the cutoff; `None` if all that was recorded of it is void or later.
    pub(crate) fn into_subject(
        mut self,
        id: String,
        cutoff: Date,
        excluded: &mut Exclusions,
    ) -> Option<Subject> {
        if self.known_from.is_none_or(|from| from > cutoff) {
            excluded.subjects_after_cutoff += u64::from(self.known_from.is_some());
            return None;
        }
        self.quarantine(cutoff, excluded);
        self.alive.extend(
            self.infusions.iter().flat_map(|(infusion, until)| [Some(infusion.on), *until]).flatten(),
        );
        let death = self.death().filter(|death| {
            let by_then = death.on <= cutoff;
            excluded.after_cutoff += u64::from(!by_then);
            by_then
        });
        let mut by_then = |on: Option<PartialDate>| {
            let by_then = on.is_none_or(|on| on.earliest() <= cutoff);
            excluded.after_cutoff += u64::from(!by_then);
            by_then
        };
        let mut infusions: Vec<Infusion> = self
            .infusions
            .iter()
            .map(|(infusion, _)| infusion)
            .filter(|one| by_then(Some(one.on)))
            .cloned()
            .collect();
        self.recorded.reports.retain(|report| by_then(report.on));
        self.recorded.judgements.retain(|judgement| by_then(Some(judgement.on)));
        infusions.sort_by_key(|one| (one.on.earliest(), one.on.day().is_none(), one.at));
        let visits = self.examined.len();
        self.examined.retain(|visit| visit.on.earliest() <= cutoff);
        excluded.examinations_after_cutoff += (visits - self.examined.len()) as u64;
        self.examined.sort_by_key(|visit| (visit.on.earliest(), visit.on.latest(), visit.root));
        let followed = self.followed(infusions.first(), death.as_ref(), cutoff);
        let (cases, without) = cases(self.recorded, infusions.first());
        excluded.without_event += without;
        let examined = self.examined;
        Some(Subject { id, site: self.site, infusions, death, cases, examined, followed })
    }

    /// Sets aside what was recorded after a withdrawal from all contact that had happened by the cutoff.
    fn quarantine(&mut self, cutoff: Date, excluded: &mut Exclusions) {
        let end = self
            .withdrawals
            .iter()
            .copied()
            .filter(|on| on.earliest() <= cutoff)
            .min_by_key(|on| (on.latest(), on.earliest()));
        let Some(end) = end else { return };
        let count = &mut excluded.outside_consent;
        let mut within = |on: PartialDate| {
            let within = !on.certainly_after(end);
            *count += u64::from(!within);
            within
        };
        self.infusions.retain(|(infusion, _)| within(infusion.on));
        self.alive.retain(|on| within(*on));
        self.deaths.retain(|(on, ..)| within(*on));
        self.recorded.reports.retain(|report| report.on.is_none_or(&mut within));
        // Each is among the days on which the subject was alive, and counted there.
        self.examined.retain(|visit| !visit.on.certainly_after(end));
    }

    /// The earliest death stated; of a partial date the first day on which the subject may have died, having been
    /// alive as far as is known (`impute-1`).
    fn death(&self) -> Option<Death> {
        let deaths = self.deaths.iter().map(|(on, by, root, latest)| {
            let last_alive =
                self.alive.iter().map(|on| on.earliest()).filter(|day| *day <= on.latest()).max();
            let imputed = last_alive.map_or(on.earliest(), |day| day.max(on.earliest()));
            Death {
                on: on.day().unwrap_or(imputed),
                imputed: on.day().is_none(),
                by: by.clone(),
                root: *root,
                latest: *latest,
            }
        });
        deaths.min_by_key(|death| (death.on, death.imputed, death.root))
    }

    /// Day 0, and the days from it to death, last contact or cutoff.
    fn followed(&self, first: Option<&Infusion>, death: Option<&Death>, cutoff: Date) -> Option<(Date, u32)> {
        let day_0 = first?.on.day()?;
        let end = match death {
            Some(death) => death.on,
            None => self.alive.iter().map(|on| on.earliest()).max()?.min(cutoff).max(day_0),
        };
        Some((day_0, u32::try_from(days_between(day_0, end)).ok()?))
    }
}

impl Subject {
    /// Received the product at least once.
    pub(crate) fn treated(&self) -> bool {
        !self.infusions.is_empty()
    }

    /// Whether an event that many days after day 0 lies in the subject's life, as followed: one dated after the death is
    /// listed, and is in no rate and no estimate.
    pub(crate) fn may_have(&self, day: u32) -> bool {
        self.death.is_none() || self.followed.is_none_or(|(_, lived)| day <= lived)
    }
}
