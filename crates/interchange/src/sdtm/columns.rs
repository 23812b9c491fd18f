//! Columns: which of them statements carry, and why the others are left out.

use super::Study;
use super::plan::ColumnNotImported;
use super::source::{Domain, Row};
use super::visits::planned_name;

/// What becomes of a column.
enum Fate {
    /// Its values are stated, or listed one by one where they are not.
    Carried,
    /// Left out.
    Left(&'static str),
    /// Left out, or out in part, where the row and its value say so.
    Where(&'static str, fn(&Row<'_>, &str) -> bool),
}

/// The date is stated, the time of day beside it is not.
const DATE_ONLY: Fate =
    Fate::Where("the time of day is left out: the tables state no zone", |_, value| value.contains('T'));

const FROM_DATES: &str = "follows from the dates, which are stated, and the trial's elements";
const WRITTEN_AT: &str = "the visit at which a fact was written down is not stated with it";
const ARM: &str = "the arm is carried by allocation under an unblinding key, never in clear";
const DERIVED: &str = "derived in the source from the value as reported, which is stated";
const ROW: &str = "names the row in its table; statements name it by its number";
const ORDER: &str = "visits are told apart by name and date";
const SUMMARY: &str = "sums up other tables, whose rows are stated";
const FREE_TEXT: &str = "free text, for which this kind of event has no sealed item";
const TERM_LEVELS: &str = "a coding states preferred term and system organ class";
const NO_ITEM: &str = "no kind of event has an item for it";

fn fate(domain: Domain, column: &str) -> Fate {
    use Fate::{Carried, Left, Where};
    let stem = column.strip_prefix(domain.code()).unwrap_or(column);
    match (domain, stem) {
        (_, "STUDYID" | "DOMAIN" | "USUBJID" | "RDOMAIN") => Carried,
        (_, "SEQ" | "SPID" | "GRPID" | "REFID" | "LNKID" | "LNKGRP")
            if domain != Domain::Ex || stem != "SEQ" =>
        {
            Left(ROW)
        }
        (_, "DY" | "STDY" | "ENDY" | "EPOCH" | "TAETORD" | "DUR") => Left(FROM_DATES),
        // Each row of these is listed, or its trial facts are stated.
        (Domain::Suppdm | Domain::Ta | Domain::Ts, _) => Carried,
        (Domain::Tv, "VISITNUM" | "VISIT" | "VISITDY") => Carried,
        (Domain::Dm, "SITEID" | "AGE" | "AGEU" | "SEX" | "COUNTRY" | "DTHFL") => Carried,
        (Domain::Dm, "RFSTDTC" | "DTHDTC") => DATE_ONLY,
        (Domain::Dm, "SUBJID") => Left("part of the subject's unique identifier"),
        (Domain::Dm, "BRTHDTC") => Left("the year is stated; the day would identify"),
        (_, "ARM" | "ARMCD" | "ACTARM" | "ACTARMCD" | "ARMNRS" | "ACTARMUD") => Left(ARM),
        (Domain::Dm, "RFENDTC" | "RFXSTDTC" | "RFXENDTC" | "RFPENDTC") => Left(SUMMARY),
        (Domain::Dm, "RFICDTC") => Left("a consent needs its document's version and language"),
        (Domain::Ds, "DECOD" | "CAT" | "SCAT") => Carried,
        (Domain::Ds, "TERM") => Left(FREE_TEXT),
        (Domain::Ds | Domain::Ex | Domain::Ae, "VISITNUM" | "VISIT" | "VISITDY") => Left(WRITTEN_AT),
        (Domain::Ex, "SEQ" | "DOSE" | "DOSU" | "DOSFRQ" | "ROUTE" | "OCCUR") => Carried,
        (Domain::Ex, "TRT" | "LOT") => Left(ARM),
        (Domain::Ex | Domain::Ds | Domain::Ae | Domain::Sv, "STDTC") => DATE_ONLY,
        (Domain::Ex | Domain::Ae, "ENDTC") => DATE_ONLY,
        (Domain::Sv, "OCCUR" | "PRESP") => Carried,
        (Domain::Sv, "VISIT") => Where("an unscheduled visit has no name", |row, value| {
            !value.is_empty() && planned_name(row).is_none()
        }),
        (Domain::Sv, "ENDTC") => Where("a visit has one day, the first", |row, value| {
            !value.is_empty() && value != row.text("SVSTDTC")
        }),
        (Domain::Sv, "UPDES" | "REASOC") => Left(FREE_TEXT),
        (Domain::Sv | Domain::Vs | Domain::Lb, "VISITNUM" | "VISIT") => Left(ORDER),
        (_, "VISITDY") => Left("the trial's schedule states planned days"),
        (Domain::Vs | Domain::Lb, "TESTCD" | "TEST" | "ORRES" | "ORRESU" | "STAT") => Carried,
        (Domain::Vs | Domain::Lb, "POS" | "LOC" | "METHOD" | "SPEC" | "TPT") => Carried,
        (Domain::Vs | Domain::Lb, "DTC") => DATE_ONLY,
        (
            Domain::Vs | Domain::Lb,
            "STRESC" | "STRESN" | "STRESU" | "STNRLO" | "STNRHI" | "BLFL" | "LOBXFL",
        ) => Left(DERIVED),
        (Domain::Vs | Domain::Lb, "TPTNUM" | "ELTM" | "TPTREF") => Left("the time point is stated by name"),
        (Domain::Lb, "ORNRLO" | "ORNRHI" | "LOINC") => Carried,
        (
            Domain::Ae,
            "TERM" | "DECOD" | "PTCD" | "BODSYS" | "BDSYCD" | "SEV" | "SER" | "ACN" | "REL" | "OUT",
        ) => Carried,
        (Domain::Ae, "SDTH" | "SLIFE" | "SHOSP" | "SDISAB" | "SCONG" | "SMIE" | "SCAN" | "SOD") => Carried,
        (Domain::Ae, "LLT" | "LLTCD" | "HLT" | "HLTCD" | "HLGT" | "HLGTCD") => Left(TERM_LEVELS),
        (Domain::Ae, "SOC") => Where(TERM_LEVELS, |row, value| differs(value, &row.text("AEBODSYS"))),
        (Domain::Ae, "SOCCD") => Where(TERM_LEVELS, |row, value| differs(value, &row.text("AEBDSYCD"))),
        (Domain::Ae | Domain::Ds | Domain::Dm, "DTC") => {
            Left("when it was written down, not when it happened")
        }
        _ => Left(NO_ITEM),
    }
}

/// Whether a value stands beside another that is stated in its place.
fn differs(value: &str, stated: &str) -> bool {
    !value.is_empty() && !stated.is_empty() && value != stated
}

/// Each column that has values no statement carries.
pub(super) fn left_out(study: &Study) -> Vec<ColumnNotImported> {
    let mut left = Vec::new();
    for source in &study.sources {
        for column in source.table.columns() {
            let (reason, is_left): (_, fn(&Row<'_>, &str) -> bool) = match fate(source.domain, &column.name) {
                Fate::Carried => continue,
                Fate::Left(reason) => (reason, |_, value| !value.is_empty()),
                Fate::Where(reason, is_left) => (reason, is_left),
            };
            let values = source.rows().filter(|row| is_left(row, &row.text(&column.name))).count();
            if values > 0 {
                left.push(ColumnNotImported {
                    column: column.name.clone(),
                    reason,
                    table: source.name.clone(),
                    values: u32::try_from(values).unwrap_or(u32::MAX),
                });
            }
        }
    }
    left
}
