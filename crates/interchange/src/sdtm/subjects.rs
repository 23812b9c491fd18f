//! DM and DS: who was screened, who was enrolled, and how each left.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::{
    Age, AgeUnit, Disposition, DispositionReason, DispositionScope, Enrollment, ImportRow, Sex,
};
use clinical::{EventKind, MissingReason, PartialDate, SiteId, Stated, SubjectId};

use super::Study;
use super::plan::{Draft, Ledger, import, object};
use super::source::{Domain, Row};

/// Above it the exact age may identify; 90 stands for all.
const AGE_YEARS_MAX: u16 = 90;

/// A subject that statements can be about.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) id: SubjectId,
    pub(super) site: SiteId,
    /// First day of the first dosing, as far as known.
    pub(super) first_dose: Option<PartialDate>,
    /// Day of death, as far as known.
    pub(super) death: Option<PartialDate>,
}

/// The subjects by USUBJID, and why nothing can be stated about the others.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    known: BTreeMap<String, Subject>,
    unusable: BTreeMap<String, &'static str>,
    /// The sites of these subjects, with the country of each.
    pub(super) sites: BTreeMap<SiteId, String>,
}

impl Subjects {
    /// The subject of a row, or, with a line in the ledger, none.
    pub(super) fn of(&self, row: &Row<'_>, ledger: &mut Ledger) -> Option<&Subject> {
        let name = row.text("USUBJID");
        let found = self.known.get(&name);
        if found.is_none() {
            let reason = match self.unusable.get(&name) {
                _ if name.is_empty() => "the row names no subject",
                Some(reason) => reason,
                None => "the subject has no row in DM",
            };
            ledger.row(row, reason);
        }
        found
    }
}

/// An identifier of the grammar `[A-Z0-9][A-Z0-9-]{0,31}`: upper case, any other character a hyphen. `None` if nothing
/// is left, or it is too long.
fn identifier(text: &str) -> Option<String> {
    let written: String = text
        .to_uppercase()
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    let written = written.trim_start_matches('-');
    (1..=32).contains(&written.len()).then(|| written.to_owned())
}

type Drafts = Vec<Draft>;

/// The subjects, the statements that introduce them, and their dispositions.
pub(super) fn state(study: &Study, ledger: &mut Ledger) -> (Subjects, Drafts, Drafts) {
    let mut ends: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
    for row in study.rows(Domain::Ds) {
        ends.entry(row.text("USUBJID")).or_default().push(row);
    }
    let mut doses: BTreeMap<String, Option<PartialDate>> = BTreeMap::new();
    for row in study.rows(Domain::Ex).filter(|row| row.term("EXOCCUR") != "N") {
        let first = doses.entry(row.text("USUBJID")).or_default();
        let start = super::plan::date_of(&row.text("EXSTDTC"));
        *first = [*first, start].into_iter().flatten().min_by_key(|date| date.earliest());
    }
    let (mut subjects, mut introductions) = (Subjects::default(), Vec::new());
    let (mut ids, mut used) = (BTreeSet::new(), BTreeSet::new());
    for row in study.rows(Domain::Dm) {
        let name = row.text("USUBJID");
        match subject_of(study, &row, &subjects, &ids) {
            Ok((id, site)) => {
                let subject =
                    Subject { id, site, first_dose: doses.get(&name).copied().flatten(), death: None };
                let ends = ends.get(&name).map_or(&[][..], Vec::as_slice);
                match introduce(&row, &subject, ends, doses.contains_key(&name), &mut used, ledger) {
                    Ok(draft) => {
                        introductions.push(draft);
                        ids.insert(subject.id.clone());
                        note_site(&mut subjects.sites, &row, &subject.site, ledger);
                        subjects.known.insert(name, subject);
                    }
                    Err(reason) => {
                        ledger.row(&row, reason);
                        subjects.unusable.insert(name, reason);
                    }
                }
            }
            Err(reason) => {
                ledger.row(&row, reason);
                if !subjects.known.contains_key(&name) {
                    subjects.unusable.insert(name, reason);
                }
            }
        }
    }
    let changed =
        subjects.known.iter().filter(|(name, subject)| name.as_str() != subject.id.as_str()).count();
    if changed > 0 {
        ledger.notes.push(format!(
            "{changed} subjects are written with hyphens for what identifiers cannot hold, or by site and number"
        ));
    }
    let dispositions = dispositions(study, &mut subjects, &used, ledger);
    (subjects, introductions, dispositions)
}

fn note_site(sites: &mut BTreeMap<SiteId, String>, row: &Row<'_>, site: &SiteId, ledger: &mut Ledger) {
    let country = row.term("COUNTRY");
    let known = sites.entry(site.clone()).or_insert_with(|| country.clone());
    if known.is_empty() {
        known.clone_from(&country);
    } else if !country.is_empty() && *known != country {
        ledger.cell(row, "COUNTRY", "the site stands in another country by an earlier row");
    }
}

/// The identifiers of the subject that a row of DM is about.
fn subject_of(
    study: &Study,
    row: &Row<'_>,
    subjects: &Subjects,
    ids: &BTreeSet<SubjectId>,
) -> Result<(SubjectId, SiteId), &'static str> {
    let name = row.text("USUBJID");
    if row.text("STUDYID") != study.id {
        return Err("the row is of another study");
    }
    if name.is_empty() {
        return Err("the row names no subject");
    }
    if subjects.known.contains_key(&name) || subjects.unusable.contains_key(&name) {
        return Err("an earlier row of DM is about the same subject");
    }
    let site = identifier(&row.text("SITEID")).and_then(|site| site.parse::<SiteId>().ok());
    let site = site.ok_or("the subject has no site that can be written as an identifier")?;
    // Two names that become one identifier would make two subjects one: the second is written by site and number.
    let short = format!("{site}-{}", row.text("SUBJID"));
    let id = [name, short]
        .iter()
        .filter_map(|text| identifier(text)?.parse::<SubjectId>().ok())
        .find(|id| !ids.contains(id))
        .ok_or("the subject cannot be written as an identifier of its own")?;
    Ok((id, site))
}

/// The statement by which the log comes to know a subject: an enrollment of who was assigned to an arm or treated, a
/// screen failure of who failed screening.
fn introduce<'a>(
    row: &Row<'a>,
    subject: &Subject,
    ends: &[Row<'a>],
    is_treated: bool,
    used: &mut BTreeSet<(String, u32)>,
    ledger: &mut Ledger,
) -> Result<Draft, &'static str> {
    let (arm, no_arm) = (row.term("ARMCD"), row.term("ARMNRS"));
    let mut rows = vec![row.import()];
    let mut take = |row: &Row<'_>, rows: &mut Vec<ImportRow>| {
        let import = row.import();
        used.insert((import.table.clone(), import.row));
        rows.push(import);
    };
    let end = |term: &str| ends.iter().find(|end| end.term("DSDECOD") == term);
    if is_treated || !(arm.is_empty() || ["SCRNFAIL", "NOTASSGN"].contains(&arm.as_str())) {
        let randomized = end("RANDOMIZED").or_else(|| end("ENROLLED"));
        let randomized_on = randomized.and_then(|end| ledger.date(end, "DSSTDTC"));
        if let (Some(end), Some(_)) = (randomized, randomized_on) {
            take(end, &mut rows);
        }
        let on = randomized_on
            .or_else(|| ledger.date(row, "RFSTDTC"))
            .or(subject.first_dose)
            .or_else(|| ledger.date(row, "DMDTC"))
            .ok_or("the subject has no date of randomization, first dose or collection")?;
        let data = enrollment(row, rows, ledger);
        ledger.counts.enrolled += 1;
        ledger.counts.screened += 1;
        return Ok(Draft::new(EventKind::Enrollment, subject, Some(on), object(&data)));
    }
    let failure = end("SCREEN FAILURE");
    if failure.is_none() && arm != "SCRNFAIL" && no_arm != "SCREEN FAILURE" {
        return Err("the subject was neither enrolled nor a screen failure");
    }
    let failed_on = failure.and_then(|end| ledger.date(end, "DSSTDTC"));
    if let (Some(end), Some(_)) = (failure, failed_on) {
        take(end, &mut rows);
    }
    let on = failed_on
        .or_else(|| ledger.date(row, "RFPENDTC"))
        .or_else(|| ledger.date(row, "DMDTC"))
        .ok_or("the screen failure has no date")?;
    let data = Disposition {
        death: None,
        import: Some(import(rows)),
        reason: DispositionReason::ScreenFailure,
        scope: DispositionScope::Screening,
        withdrawal: None,
    };
    for column in ["AGE", "SEX"] {
        if !row.text(column).is_empty() {
            ledger.cell(row, column, "a screen failure's disposition has no item for it");
        }
    }
    ledger.counts.screen_failures += 1;
    ledger.counts.screened += 1;
    Ok(Draft::new(EventKind::Disposition, subject, Some(on), object(&data)))
}

fn enrollment(row: &Row<'_>, rows: Vec<ImportRow>, ledger: &mut Ledger) -> Enrollment {
    let unknown = MissingReason::Unknown;
    let sex = match row.term("SEX").as_str() {
        "F" => Stated::Value(Sex::Female),
        "M" => Stated::Value(Sex::Male),
        "UNDIFFERENTIATED" => Stated::Value(Sex::Undifferentiated),
        "" | "U" => Stated::Missing(unknown),
        _ => {
            ledger.cell(row, "SEX", "a term that is not mapped");
            Stated::Missing(unknown)
        }
    };
    let birth = ledger.date(row, "BRTHDTC").and_then(|date| u16::try_from(date.earliest().year()).ok());
    Enrollment {
        age: Some(age(row, ledger).map_or(Stated::Missing(unknown), Stated::Value)),
        birth_year: birth.map(Stated::Value),
        consent: Some(Stated::Missing(unknown)),
        import: Some(import(rows)),
        planned_infusions: Some(Stated::Missing(unknown)),
        sex: Some(sex),
        ..Enrollment::default()
    }
}

fn age(row: &Row<'_>, ledger: &mut Ledger) -> Option<Age> {
    let text = row.text("AGE");
    if text.is_empty() {
        return None;
    }
    let unit = match row.term("AGEU").as_str() {
        "YEARS" => Some(AgeUnit::Years),
        "MONTHS" => Some(AgeUnit::Months),
        _ => None,
    };
    let (Some(unit), Ok(value)) = (unit, text.parse::<u16>()) else {
        ledger.cell(row, "AGE", "no whole number of years or months");
        return None;
    };
    let identifies = unit == AgeUnit::Years && value > AGE_YEARS_MAX;
    if identifies {
        ledger.cell(row, "AGE", "above 89 years the exact age may identify; 90 stands for all");
    }
    Some(Age { unit, value: if identifies { AGE_YEARS_MAX } else { value } })
}

/// What DS calls a disposition, and deaths that only DM knows.
fn dispositions(
    study: &Study,
    subjects: &mut Subjects,
    used: &BTreeSet<(String, u32)>,
    ledger: &mut Ledger,
) -> Drafts {
    let (mut drafts, mut deaths) = (Vec::new(), BTreeMap::new());
    for row in study.rows(Domain::Ds) {
        let import_row = row.import();
        if used.contains(&(import_row.table.clone(), import_row.row)) {
            continue;
        }
        let Some(subject) = subjects.of(&row, ledger) else { continue };
        if !["", "DISPOSITION EVENT"].contains(&row.term("DSCAT").as_str()) {
            ledger.row(&row, "no disposition by its category: a milestone that no kind of event states");
            continue;
        }
        let Some(on) = ledger.date(&row, "DSSTDTC") else {
            ledger.row(&row, "a disposition without a date");
            continue;
        };
        let data = disposition(&row, ledger);
        if data.reason == DispositionReason::Death {
            deaths.insert(row.text("USUBJID"), (on, drafts.len()));
        }
        ledger.counts.dispositions += 1;
        drafts.push((subject.clone(), on, data));
    }
    for row in study.rows(Domain::Dm) {
        let name = row.text("USUBJID");
        let Some(subject) = subjects.known.get_mut(&name) else { continue };
        let in_ds = deaths.get(&name);
        subject.death = in_ds.map(|(on, _)| *on);
        let Some(on) = ledger.date(&row, "DTHDTC") else {
            if row.term("DTHFL") == "Y" && in_ds.is_none() {
                ledger.cell(&row, "DTHFL", "a death without a date");
            }
            continue;
        };
        if let Some((_, draft)) = in_ds.filter(|(in_ds, _)| *in_ds == on) {
            if let Some(import) = drafts.get_mut(*draft).and_then(|(_, _, data)| data.import.as_mut()) {
                import.rows.push(row.import());
            }
            continue;
        }
        // Another date than DS gives is stated too: which one holds is for people to find out.
        subject.death = subject.death.or(Some(on));
        ledger.counts.dispositions += 1;
        let data = Disposition {
            death: None,
            import: Some(import(vec![row.import()])),
            reason: DispositionReason::Death,
            scope: DispositionScope::Study,
            withdrawal: None,
        };
        drafts.push((subject.clone(), on, data));
    }
    let draft = |(subject, on, data): &(Subject, PartialDate, Disposition)| {
        Draft::new(EventKind::Disposition, subject, Some(*on), object(data))
    };
    drafts.iter().map(draft).collect()
}

fn disposition(row: &Row<'_>, ledger: &mut Ledger) -> Disposition {
    use DispositionReason as R;
    let reason = match row.term("DSDECOD").as_str() {
        "COMPLETED" => R::Completed,
        "DEATH" => R::Death,
        "SCREEN FAILURE" => R::ScreenFailure,
        "ADVERSE EVENT" => R::AdverseEvent,
        "WITHDRAWAL BY SUBJECT" | "WITHDRAWAL OF CONSENT" => R::WithdrawalBySubject,
        "LOST TO FOLLOW-UP" => R::LostToFollowUp,
        "PHYSICIAN DECISION" => R::PhysicianDecision,
        "SPONSOR DECISION" => R::SponsorDecision,
        "PROTOCOL VIOLATION" | "PROTOCOL DEVIATION" => R::ProtocolViolation,
        "LACK OF EFFICACY" => R::LackOfEfficacy,
        "STUDY TERMINATED BY SPONSOR" => R::StudyTerminated,
        "OTHER" => R::Other,
        _ => {
            ledger.cell(row, "DSDECOD", "a term that is not mapped: the reason is stated as `other`");
            R::Other
        }
    };
    let scope = match reason {
        R::ScreenFailure => DispositionScope::Screening,
        _ if row.term("DSSCAT").contains("TREATMENT") => DispositionScope::Treatment,
        _ => DispositionScope::Study,
    };
    // From what the subject withdrew is not stated in SDTM.
    let withdrawal = (reason == R::WithdrawalBySubject).then_some(Stated::Missing(MissingReason::Unknown));
    Disposition { death: None, import: Some(import(vec![row.import()])), reason, scope, withdrawal }
}
