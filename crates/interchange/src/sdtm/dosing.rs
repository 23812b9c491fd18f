//! EX: periods of constant dosing.

use clinical::data::{Dose, Infusion};
use clinical::{EventKind, MissingReason, Stated};

use super::Study;
use super::plan::{Draft, Ledger, import, object};
use super::source::{Domain, Row};
use super::subjects::Subjects;

/// One administration for each row of EX.
pub(super) fn state(study: &Study, subjects: &Subjects, ledger: &mut Ledger) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for row in study.rows(Domain::Ex) {
        let Some(subject) = subjects.of(&row, ledger) else { continue };
        if row.term("EXOCCUR") == "N" {
            ledger.row(&row, "the product was not given");
            continue;
        }
        let Some(on) = ledger.date(&row, "EXSTDTC") else {
            ledger.row(&row, "an administration without its first day");
            continue;
        };
        let unknown = MissingReason::Unknown;
        let stopped_on = ledger.date(&row, "EXENDTC");
        let route = row.text("EXROUTE");
        let data = Infusion {
            dose: Some(dose(&row, ledger).map_or(Stated::Missing(unknown), Stated::Value)),
            import: Some(import(vec![row.import()])),
            number: row.text("EXSEQ").parse().ok().filter(|number| *number > 0).map(Stated::Value),
            route: Some(if route.is_empty() { Stated::Missing(unknown) } else { Stated::Value(route) }),
            stopped_on: Some(stopped_on.map_or(Stated::Missing(unknown), Stated::Value)),
            ..Infusion::default()
        };
        ledger.counts.dosing_periods += 1;
        drafts.push(Draft::new(EventKind::Infusion, subject, Some(on), object(&data)));
    }
    if !drafts.is_empty() {
        ledger.notes.push(
            "doses are stated as given: where arms differ by dose, or placebo is a dose of 0, whoever may read a \
             subject's records can tell the arm from them"
                .to_owned(),
        );
    }
    drafts
}

fn dose(row: &Row<'_>, ledger: &mut Ledger) -> Option<Dose> {
    let (amount, unit, frequency) = (row.text("EXDOSE"), row.text("EXDOSU"), row.text("EXDOSFRQ"));
    if amount.is_empty() {
        return None;
    }
    let Ok(amount) = amount.parse() else {
        ledger.cell(row, "EXDOSE", "a number with more digits than a decimal has");
        return None;
    };
    if unit.is_empty() {
        ledger.cell(row, "EXDOSE", "a dose without a unit");
        return None;
    }
    Some(Dose { amount, frequency: (!frequency.is_empty()).then_some(frequency), unit })
}
