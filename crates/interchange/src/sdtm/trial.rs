//! What the trial's opening and its sites' activation need, as far as the tables know it.

use std::collections::BTreeMap;

use clinical::data::{ImportRow, PlannedVisit};
use clinical::{SiteId, TrialId, Zone};

use super::plan::Ledger;
use super::source::{Domain, Row};
use super::subjects::Subjects;
use super::visits::planned_name;
use super::{Study, places};

/// SDTM states no windows around planned visits. A hundred years on each side: no visit is called outside a window
/// that nobody stated.
const WINDOW_DAYS_UNSTATED: u32 = 36_525;

/// What is known of the trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialFacts {
    /// The study's id, as the tables give it.
    pub study_id: String,
    /// An identifier made of it; `None` if nothing of it can stand in one.
    pub trial: Option<TrialId>,
    /// The title, from TS; without TS the study's id.
    pub title: String,
    /// Planned visits with a planned day, by day; day 0 is the day of first dosing (SDTM's day 1).
    pub schedule: Vec<PlannedVisit>,
    /// The sites with subjects.
    pub sites: Vec<SiteFacts>,
    /// The zone of most sites: a guess, like theirs.
    pub zone: Zone,
    /// The rows these facts were taken from.
    pub rows: Vec<ImportRow>,
}

/// What is known of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFacts {
    /// Its id.
    pub site: SiteId,
    /// Its name: SDTM has none but the id.
    pub name: String,
    /// ISO 3166-1 alpha-2 code; `ZZ`, which that standard leaves to users, if the tables give none.
    pub country: String,
    /// A guess by the country: the zone in which most of its people live, `UTC` if that is not known here.
    pub zone: Zone,
}

pub(super) fn facts(study: &Study, subjects: &Subjects, ledger: &mut Ledger) -> TrialFacts {
    let mut rows = Vec::new();
    let title = title(study, &mut rows, ledger);
    let schedule = schedule(study, &mut rows, ledger);
    for row in study.rows(Domain::Ta) {
        ledger.row(&row, "arms are not stated in clear: allocation carries them under an unblinding key");
    }
    for row in study.rows(Domain::Suppdm) {
        ledger.row(&row, "a qualifier of the demographics that no kind of event has an item for");
    }
    let sites: Vec<_> = subjects.sites.iter().map(|(site, country)| site_facts(site, country)).collect();
    ledger.counts.sites = u32::try_from(sites.len()).unwrap_or(u32::MAX);
    ledger.notes.push("the zones of trial and sites are guessed from the sites' countries".to_owned());
    ledger.notes.push(
        "enrollments are dated by the randomization in DS, else by the reference start (RFSTDTC): SDTM has no \
         date of enrollment of its own"
            .to_owned(),
    );
    let mut zones: BTreeMap<&Zone, usize> = BTreeMap::new();
    for site in &sites {
        *zones.entry(&site.zone).or_default() += 1;
    }
    let zone =
        zones.iter().max_by_key(|(_, count)| **count).map_or_else(places::utc, |(zone, _)| (*zone).clone());
    TrialFacts { trial: trial_id(&study.id), study_id: study.id.clone(), title, schedule, sites, zone, rows }
}

fn trial_id(study_id: &str) -> Option<TrialId> {
    let written: String = study_id
        .to_lowercase()
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    written.trim_start_matches('-').parse().ok()
}

fn site_facts(site: &SiteId, country: &str) -> SiteFacts {
    let country = places::alpha_2(country);
    SiteFacts {
        site: site.clone(),
        name: format!("Site {site}"),
        zone: places::zone(country.unwrap_or_default()),
        country: country.unwrap_or("ZZ").to_owned(),
    }
}

fn title(study: &Study, rows: &mut Vec<ImportRow>, ledger: &mut Ledger) -> String {
    let mut title = None;
    for row in study.rows(Domain::Ts) {
        let value = row.text("TSVAL");
        if row.term("TSPARMCD") == "TITLE" && !value.is_empty() && title.is_none() {
            rows.push(row.import());
            title = Some(value);
        } else {
            ledger.row(&row, "a parameter of the trial that its opening has no item for");
        }
    }
    title.unwrap_or_else(|| study.id.clone())
}

/// Planned visits from TV; without TV from the planned visits in SV.
fn schedule(study: &Study, rows: &mut Vec<ImportRow>, ledger: &mut Ledger) -> Vec<PlannedVisit> {
    let has_tv = study.rows(Domain::Tv).next().is_some();
    // Rows of SV are stated as visits, whatever they tell of the plan.
    let mut leave = |row: &Row<'_>, reason| {
        if has_tv {
            ledger.row(row, reason);
        }
    };
    let mut days: BTreeMap<String, i32> = BTreeMap::new();
    for row in study.rows(if has_tv { Domain::Tv } else { Domain::Sv }) {
        match (planned_name(&row), planned_day(&row)) {
            (None, _) => leave(&row, "a planned visit without a name"),
            (Some(name), _) if days.contains_key(&name) => {
                leave(&row, "an earlier row plans a visit of that name");
            }
            (Some(_), None) => leave(&row, "a visit without a planned day: the schedule cannot hold it"),
            (Some(name), Some(day)) => {
                days.insert(name, day);
                if has_tv {
                    rows.push(row.import());
                }
            }
        }
    }
    let visit = |(name, day): (String, i32)| PlannedVisit {
        day,
        name,
        window_after: WINDOW_DAYS_UNSTATED,
        window_before: WINDOW_DAYS_UNSTATED,
    };
    let mut schedule: Vec<_> = days.into_iter().map(visit).collect();
    schedule.sort_by_key(|visit| visit.day);
    schedule
}

/// SDTM's study days have no 0: day 1 is the day of first dosing, day -1 the day before.
fn planned_day(row: &Row<'_>) -> Option<i32> {
    let day: i32 = row.text("VISITDY").parse().ok()?;
    Some(if day > 0 { day - 1 } else { day })
}
