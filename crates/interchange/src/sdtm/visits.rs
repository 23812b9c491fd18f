//! SV, VS and LB: visits, and what was examined at them.
//!
//! An observation belongs to the row of SV with its subject and visit number; of several, to the one on its date. Dated
//! on another day than that visit (laboratory samples often are) it keeps its own date. One that belongs to no row of
//! SV makes, with others of its subject, number and date, an unscheduled visit of its own.
//!
//! A visit is one event as long as it fits. The rest of one that does not follows as unscheduled, partial visits on the
//! same day, counted apart ([`super::Counts::visits_continued`]), so that no observation is lost. Each says which part
//! of how many it is.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::{ImportRow, Observation, Visit, VisitPart, VisitStatus};
use clinical::{EventKind, PartialDate};

use super::Study;
use super::observations::observation;
use super::plan::{Draft, Ledger, import, object};
use super::source::{Domain, Row};
use super::subjects::{Subject, Subjects};

/// Most bytes of observations and import rows in one event: of an event's 64,000, some 1,500 go to the envelope, and
/// the rest of the difference leaves room for longer names of people and organisations.
const CONTENT_BYTES_MAX: usize = 60_000;

struct Sheet<'a> {
    subject: &'a Subject,
    on: PartialDate,
    planned: Option<String>,
    status: VisitStatus,
    rows: Vec<ImportRow>,
    observations: Vec<(Observation, ImportRow)>,
}

/// Visits by subject and visit number, as positions in the list of sheets.
type ByNumber = BTreeMap<(String, String), Vec<usize>>;

/// One visit for each row of SV, and those made for observations that belong to none.
pub(super) fn state(study: &Study, subjects: &Subjects, ledger: &mut Ledger) -> Vec<Draft> {
    let (mut sheets, mut by_number) = scheduled(study, subjects, ledger);
    let results = study.rows(Domain::Vs).chain(study.rows(Domain::Lb));
    for row in results {
        let Some(subject) = subjects.of(&row, ledger) else { continue };
        let date = ledger.date(&row, if row.source.domain == Domain::Vs { "VSDTC" } else { "LBDTC" });
        let Some(sheet) = sheet_of(&row, date, subject, &mut sheets, &mut by_number, ledger) else {
            continue;
        };
        let sheet = &mut sheets[sheet];
        let on = date.filter(|date| *date != sheet.on);
        if let Some(observation) = observation(&row, on, ledger) {
            sheet.observations.push((observation, row.import()));
        }
    }
    let mut drafts = Vec::new();
    for sheet in sheets {
        drafts.extend(events(sheet, ledger));
    }
    drafts
}

fn scheduled<'a>(study: &Study, subjects: &'a Subjects, ledger: &mut Ledger) -> (Vec<Sheet<'a>>, ByNumber) {
    let (mut sheets, mut by_number, mut days) = (Vec::new(), ByNumber::new(), BTreeSet::new());
    for row in study.rows(Domain::Sv) {
        let Some(subject) = subjects.of(&row, ledger) else { continue };
        let Some(on) = ledger.date(&row, "SVSTDTC").or_else(|| ledger.date(&row, "SVENDTC")) else {
            ledger.row(&row, "a visit without a date");
            continue;
        };
        let planned = planned_name(&row);
        let missed = row.term("SVOCCUR") == "N";
        ledger.counts.visits += 1;
        ledger.counts.visits_unscheduled += u32::from(planned.is_none());
        ledger.counts.visits_same_day += u32::from(!days.insert((subject.id.clone(), on)));
        count_after_death(subject, on, ledger);
        by_number.entry((row.text("USUBJID"), row.text("VISITNUM"))).or_default().push(sheets.len());
        sheets.push(Sheet {
            subject,
            on,
            planned,
            status: if missed { VisitStatus::Missed } else { VisitStatus::Done },
            rows: vec![row.import()],
            observations: Vec::new(),
        });
    }
    (sheets, by_number)
}

fn count_after_death(subject: &Subject, on: PartialDate, ledger: &mut Ledger) {
    let after = subject.death.is_some_and(|death| on.certainly_after(death));
    ledger.counts.visits_after_death += u32::from(after);
}

/// The planned visit's name; `None` for what says itself that it was not planned.
pub(super) fn planned_name(row: &Row<'_>) -> Option<String> {
    let name = row.text("VISIT");
    let unplanned = name.is_empty()
        || !row.text("SVUPDES").is_empty()
        || row.term("SVPRESP") == "N"
        || name.to_uppercase().starts_with("UNSCHEDULED")
        || name.to_uppercase().starts_with("UNPLANNED");
    (!unplanned).then_some(name)
}

fn sheet_of<'a>(
    row: &Row<'_>,
    date: Option<PartialDate>,
    subject: &'a Subject,
    sheets: &mut Vec<Sheet<'a>>,
    by_number: &mut ByNumber,
    ledger: &mut Ledger,
) -> Option<usize> {
    let key = (row.text("USUBJID"), row.text("VISITNUM"));
    let known = by_number.get(&key).map_or(&[][..], Vec::as_slice);
    let on_date = known.iter().find(|sheet| Some(sheets[**sheet].on) == date);
    // A visit that was made holds one date only: another date makes another.
    let of_table = known.iter().find(|sheet| !sheets[**sheet].rows.is_empty());
    if let Some(sheet) = on_date.or(of_table) {
        if date.is_none() {
            let column = if row.source.domain == Domain::Vs { "VSDTC" } else { "LBDTC" };
            ledger.cell(row, column, "no date: the observation is stated as of its visit's day");
        }
        return Some(*sheet);
    }
    let Some(on) = date else {
        ledger.row(row, "a result that belongs to no visit and has no date");
        return None;
    };
    ledger.counts.visits += 1;
    ledger.counts.visits_unscheduled += 1;
    ledger.counts.visits_made += 1;
    count_after_death(subject, on, ledger);
    by_number.entry(key).or_default().push(sheets.len());
    sheets.push(Sheet {
        subject,
        on,
        planned: None,
        status: VisitStatus::Done,
        rows: Vec::new(),
        observations: Vec::new(),
    });
    Some(sheets.len() - 1)
}

/// The events of one visit: one, unless its observations need more.
fn events(sheet: Sheet<'_>, ledger: &mut Ledger) -> Vec<Draft> {
    let bytes = |item: &(Observation, ImportRow)| {
        let length = |json: serde_json::Result<Vec<u8>>| json.map_or(0, |json| json.len());
        // Each stands in a list and has a comma.
        length(serde_json::to_vec(&item.0)) + length(serde_json::to_vec(&item.1)) + 2
    };
    let (mut parts, mut room) = (vec![Vec::new()], CONTENT_BYTES_MAX);
    for item in sheet.observations {
        let needed = bytes(&item);
        if needed > room {
            parts.push(Vec::new());
            room = CONTENT_BYTES_MAX;
        }
        room = room.saturating_sub(needed);
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    ledger.counts.visits_continued += u32::try_from(parts.len() - 1).unwrap_or(u32::MAX);
    let (mut planned, mut rows, mut status) = (sheet.planned, sheet.rows, sheet.status);
    let count = |parts: usize| u16::try_from(parts).unwrap_or(u16::MAX);
    let of = count(parts.len());
    let mut drafts = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        let (observations, of_part): (Vec<_>, Vec<_>) = part.into_iter().unzip();
        rows.extend(of_part);
        let data = Visit {
            gvhd: None,
            import: Some(import(std::mem::take(&mut rows))),
            medications: Vec::new(),
            missed_because: None,
            missed_because_text: None,
            observations,
            part: (of > 1).then(|| VisitPart { number: count(number + 1), of }),
            pga: None,
            planned: planned.take(),
            prednisone_mg_per_day: None,
            relapse: None,
            response: None,
            sledai: None,
            status,
        };
        status = VisitStatus::Partial;
        drafts.push(Draft::new(EventKind::Visit, sheet.subject, Some(sheet.on), object(&data)));
    }
    drafts
}
