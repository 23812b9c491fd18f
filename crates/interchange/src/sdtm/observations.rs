//! A row of VS or LB as an observation.

use clinical::data::{LocalCode, Observation, Quantity, Range, Reported};
use clinical::{Decimal, MissingReason, PartialDate, Stated};

use super::plan::Ledger;
use super::source::{Domain, Row};
use super::units;

/// What LOINC calls some tests where they are masses in a volume of serum, plasma or blood.
const LOINC: [(&str, &str); 4] = [("CREAT", "2160-0"), ("ALB", "1751-7"), ("C3", "4485-9"), ("C4", "4498-2")];

/// Units of a mass in a volume.
const MASS_IN_VOLUME: [&str; 4] = ["g/L", "g/dL", "mg/L", "mg/dL"];

/// An observation of `row`, dated `on` if that is not the visit's day. `None`, with a line in the ledger, if the row
/// names no test.
pub(super) fn observation(
    row: &Row<'_>,
    on: Option<PartialDate>,
    ledger: &mut Ledger,
) -> Option<Observation> {
    let domain = row.source.domain;
    let of = |item: &str| format!("{}{item}", domain.code());
    let code = row.text(&of("TESTCD"));
    if code.is_empty() {
        ledger.row(row, "a result without a test");
        return None;
    }
    let (value, unit) = (row.text(&of("ORRES")), row.text(&of("ORRESU")));
    let is_done = row.term(&of("STAT")) != "NOT DONE";
    let reported = match (value.is_empty(), is_done) {
        (true, false) => Stated::Missing(MissingReason::NotDone),
        (true, true) => Stated::Missing(MissingReason::NotAvailable),
        (false, _) => {
            Stated::Value(Reported { unit: (!unit.is_empty()).then(|| unit.clone()), value: value.clone() })
        }
    };
    let ucum = quantity(&value, &unit, ledger);
    let name = row.text(&of("TEST"));
    ledger.counts.observations += 1;
    ledger.counts.observations_on_another_day += u32::from(on.is_some());
    ledger.counts.observations_in_ucum += u32::from(ucum.is_some());
    let system = format!("sdtm.{}testcd", domain.code().to_ascii_lowercase());
    Some(Observation {
        loinc: loinc(row, domain, &code, ucum.as_ref()),
        local: Some(LocalCode { code, name: (!name.is_empty()).then_some(name), system }),
        method: method(row, domain),
        on,
        range: range(row, domain, ledger),
        reported,
        ucum,
    })
}

fn quantity(value: &str, unit: &str, ledger: &mut Ledger) -> Option<Quantity> {
    let number = units::number(value).filter(|_| !unit.is_empty())?;
    let code = units::ucum(unit);
    if code.is_none() {
        *ledger.counts.units_not_mapped.entry(unit.to_owned()).or_default() += 1;
    }
    code.map(|code| Quantity { unit: code.to_owned(), value: number })
}

/// The table's own LOINC code, else one that is sure: by the test, a unit of mass in volume, and a serum chemistry.
fn loinc(row: &Row<'_>, domain: Domain, code: &str, ucum: Option<&Quantity>) -> Option<String> {
    if domain != Domain::Lb {
        return None;
    }
    let own = row.text("LBLOINC");
    if !own.is_empty() {
        return Some(own);
    }
    let is_mass = ucum.is_some_and(|ucum| MASS_IN_VOLUME.contains(&ucum.unit.as_str()));
    let specimen = row.term("LBSPEC");
    let is_serum = match specimen.as_str() {
        "" => row.term("LBCAT") == "CHEMISTRY",
        specimen => ["SERUM", "PLASMA", "SERUM OR PLASMA"].contains(&specimen),
    };
    let known = LOINC.iter().find(|(test, _)| *test == code);
    known.filter(|_| is_mass && is_serum).map(|(_, loinc)| (*loinc).to_owned())
}

/// What makes values of one test not interchangeable: position, time point, place, method, specimen.
fn method(row: &Row<'_>, domain: Domain) -> Option<String> {
    let parts: Vec<_> = ["POS", "TPT", "LOC", "METHOD", "SPEC"]
        .iter()
        .map(|item| row.text(&format!("{}{item}", domain.code())))
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn range(row: &Row<'_>, domain: Domain, ledger: &mut Ledger) -> Option<Range> {
    if domain != Domain::Lb {
        return None;
    }
    let mut end = |column: &str| -> Option<Decimal> {
        let text = row.text(column);
        let number = units::number(&text);
        if number.is_none() && !text.is_empty() {
            ledger.cell(row, column, "an end of a reference range that is no number");
        }
        number
    };
    let (low, high) = (end("LBORNRLO"), end("LBORNRHI"));
    (low.is_some() || high.is_some()).then_some(Range { high, low })
}
