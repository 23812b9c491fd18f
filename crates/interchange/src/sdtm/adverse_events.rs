//! AE: the site's facts and the investigator's judgement.

use std::collections::{BTreeMap, BTreeSet};

use clinical::data::{
    Action, AdverseEvent, Agent, Causality, Coding, End, Outcome, Seriousness, SeverityOfEvent,
};
use clinical::{EventKind, MissingReason, PartialDate, Stated};
use serde_json::Value;

use super::Study;
use super::plan::{Draft, Ledger, import, object};
use super::source::{Domain, Row};
use super::subjects::{Subject, Subjects};

/// Criteria of seriousness by ICH E2A.
const CRITERIA: [(&str, Seriousness); 6] = [
    ("AESDTH", Seriousness::Death),
    ("AESLIFE", Seriousness::LifeThreatening),
    ("AESHOSP", Seriousness::Hospitalisation),
    ("AESDISAB", Seriousness::Disability),
    ("AESCONG", Seriousness::CongenitalAnomaly),
    ("AESMIE", Seriousness::MedicallyImportant),
];

/// What older collection forms ask for beside them. By ICH E2A neither makes an event serious, and whatever stands
/// among an event's criteria does: so these are listed, not stated.
const NO_CRITERIA: [&str; 2] = ["AESCAN", "AESOD"];

/// Longest text that can be sealed.
const TERM_BYTES_MAX: usize = clinical::text::TEXT_BYTES_MAX;

/// One adverse event for each row of AE.
pub(super) fn state(study: &Study, subjects: &Subjects, ledger: &mut Ledger) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for row in study.rows(Domain::Ae) {
        let Some(subject) = subjects.of(&row, ledger) else { continue };
        let onset = ledger.date(&row, "AESTDTC");
        let data = adverse_event(&row, ledger);
        count(&data, subject, onset, ledger);
        let mut object = object(&data);
        let term = row.text("AETERM");
        if term.is_empty() || term.len() > TERM_BYTES_MAX {
            ledger.cell(&row, "AETERM", "no term, or one too long to be sealed");
        } else {
            object.insert("term".to_owned(), Value::String(term));
        }
        let mut draft = Draft::new(EventKind::AdverseEvent, subject, onset, object);
        // An event of unknown onset comes where it was written down.
        draft.on = draft.on.or_else(|| super::plan::date_of(&row.text("AEDTC")).map(PartialDate::earliest));
        drafts.push(draft);
    }
    drafts
}

fn adverse_event(row: &Row<'_>, ledger: &mut Ledger) -> AdverseEvent {
    let unknown = MissingReason::Unknown;
    let outcome = term(row, "AEOUT", &OUTCOMES, ledger);
    let is_over =
        matches!(outcome.value(), Some(Outcome::Recovered | Outcome::RecoveredWithSequelae | Outcome::Fatal));
    AdverseEvent {
        action: Some(term(row, "AEACN", &ACTIONS, ledger)),
        causality: BTreeMap::from([(Agent::Product, term(row, "AEREL", &CAUSALITIES, ledger))]),
        coding: Some(coding(row, ledger)),
        // Without a day: absent while it goes on, unknown once it is over.
        end: ledger
            .date(row, "AEENDTC")
            .map(|end| Stated::Value(End { at: None, on: Some(end) }))
            .or(is_over.then_some(Stated::Missing(unknown))),
        import: Some(import(vec![row.import()])),
        outcome: Some(outcome),
        serious_reported: Some(
            yes_or_no(row, "AESER", ledger).map_or(Stated::Missing(unknown), Stated::Value),
        ),
        seriousness: seriousness(row, ledger),
        severity: Some(term(row, "AESEV", &SEVERITIES, ledger)),
        ..AdverseEvent::default()
    }
}

fn seriousness(row: &Row<'_>, ledger: &mut Ledger) -> BTreeSet<Seriousness> {
    for column in NO_CRITERIA {
        if yes_or_no(row, column, ledger) == Some(true) {
            ledger.cell(
                row,
                column,
                "no criterion of seriousness by ICH E2A; stated as one it would make the event serious",
            );
        }
    }
    let holds = |(column, criterion): (&str, Seriousness)| {
        (yes_or_no(row, column, ledger) == Some(true)).then_some(criterion)
    };
    CRITERIA.into_iter().filter_map(holds).collect()
}

fn yes_or_no(row: &Row<'_>, column: &str, ledger: &mut Ledger) -> Option<bool> {
    match row.term(column).as_str() {
        "Y" => Some(true),
        "N" => Some(false),
        "" => None,
        _ => {
            ledger.cell(row, column, "neither Y nor N");
            None
        }
    }
}

/// A controlled term by its table; what is not in it is listed and stated as unknown.
fn term<T: Copy>(row: &Row<'_>, column: &str, terms: &[(&str, T)], ledger: &mut Ledger) -> Stated<T> {
    let text = row.term(column);
    let found = terms.iter().find(|(term, _)| *term == text).map(|(_, meaning)| *meaning);
    if found.is_none() && !text.is_empty() && text != "UNKNOWN" {
        ledger.cell(row, column, "a term that is not mapped: stated as unknown");
    }
    found.map_or(Stated::Missing(MissingReason::Unknown), Stated::Value)
}

const SEVERITIES: [(&str, SeverityOfEvent); 3] = [
    ("MILD", SeverityOfEvent::Mild),
    ("MODERATE", SeverityOfEvent::Moderate),
    ("SEVERE", SeverityOfEvent::Severe),
];

const CAUSALITIES: [(&str, Causality); 13] = [
    ("NONE", Causality::None),
    ("N", Causality::None),
    ("NOT RELATED", Causality::None),
    ("UNRELATED", Causality::None),
    ("REMOTE", Causality::Unlikely),
    ("UNLIKELY", Causality::Unlikely),
    ("UNLIKELY RELATED", Causality::Unlikely),
    ("POSSIBLE", Causality::Possible),
    ("POSSIBLY RELATED", Causality::Possible),
    ("PROBABLE", Causality::Probable),
    ("PROBABLY RELATED", Causality::Probable),
    ("CERTAIN", Causality::Certain),
    ("DEFINITE", Causality::Certain),
];

const OUTCOMES: [(&str, Outcome); 6] = [
    ("RECOVERED/RESOLVED", Outcome::Recovered),
    ("RECOVERED/RESOLVED WITH SEQUELAE", Outcome::RecoveredWithSequelae),
    ("RECOVERING/RESOLVING", Outcome::Recovering),
    ("NOT RECOVERED/NOT RESOLVED", Outcome::NotRecovered),
    ("FATAL", Outcome::Fatal),
    ("UNKNOWN", Outcome::Unknown),
];

const ACTIONS: [(&str, Action); 6] = [
    ("DOSE NOT CHANGED", Action::NotChanged),
    ("DOSE REDUCED", Action::Reduced),
    ("DRUG INTERRUPTED", Action::Interrupted),
    ("DRUG WITHDRAWN", Action::Withdrawn),
    ("DOSE INCREASED", Action::Increased),
    ("NOT APPLICABLE", Action::NotApplicable),
];

/// MedDRA's preferred term and system organ class; its version stands nowhere in SDTM's tables.
fn coding(row: &Row<'_>, ledger: &mut Ledger) -> Stated<Coding> {
    let text = |column: &str| Some(row.text(column)).filter(|text| !text.is_empty());
    let (pt, soc) = (text("AEDECOD"), text("AEBODSYS").or_else(|| text("AESOC")));
    let (Some(pt), Some(soc)) = (pt, soc) else {
        if text("AEDECOD").is_some() || text("AEBODSYS").is_some() {
            ledger.cell(row, "AEDECOD", "a coding needs preferred term and system organ class");
        }
        return Stated::Missing(MissingReason::Unknown);
    };
    Stated::Value(Coding {
        dictionary: "MedDRA".to_owned(),
        pt,
        pt_code: text("AEPTCD"),
        soc,
        soc_code: text("AEBDSYCD").or_else(|| text("AESOCCD")),
        version: Stated::Missing(MissingReason::Unknown),
    })
}

fn count(data: &AdverseEvent, subject: &Subject, onset: Option<PartialDate>, ledger: &mut Ledger) {
    let counts = &mut ledger.counts;
    let before = onset.zip(subject.first_dose).is_some_and(|(onset, dose)| onset.certainly_before(dose));
    let reported = data.serious_reported.as_ref().and_then(Stated::value);
    let is_fatal = data.outcome.as_ref().and_then(Stated::value) == Some(&Outcome::Fatal);
    let is_judged = data.causality.get(&Agent::Product).is_some_and(|judged| judged.value().is_some());
    counts.adverse_events += 1;
    counts.adverse_events_before_treatment += u32::from(before);
    counts.adverse_events_onset_partial += u32::from(onset.is_some_and(|onset| onset.day().is_none()));
    counts.adverse_events_without_causality += u32::from(!is_judged);
    counts.serious_reported += u32::from(reported == Some(&true));
    counts.serious_derived += u32::from(data.is_serious());
    counts.fatal_reported_not_serious += u32::from(is_fatal && reported == Some(&false));
}
