//! A table with what is known of its domain, and its rows by column name.

use clinical::data::ImportRow;

use crate::xpt::{Cell, Table, decimal_text};

/// The domains that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Domain {
    /// Demographics.
    Dm,
    /// Disposition.
    Ds,
    /// Exposure.
    Ex,
    /// Subject visits.
    Sv,
    /// Vital signs.
    Vs,
    /// Laboratory.
    Lb,
    /// Adverse events.
    Ae,
    /// Supplemental qualifiers of the demographics.
    Suppdm,
    /// Trial arms.
    Ta,
    /// Trial summary.
    Ts,
    /// Trial visits.
    Tv,
}

impl Domain {
    /// Every one.
    pub(super) const ALL: &[Self] = &[
        Self::Dm,
        Self::Ds,
        Self::Ex,
        Self::Sv,
        Self::Vs,
        Self::Lb,
        Self::Ae,
        Self::Suppdm,
        Self::Ta,
        Self::Ts,
        Self::Tv,
    ];

    /// Its code: the file's stem.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Dm => "DM",
            Self::Ds => "DS",
            Self::Ex => "EX",
            Self::Sv => "SV",
            Self::Vs => "VS",
            Self::Lb => "LB",
            Self::Ae => "AE",
            Self::Suppdm => "SUPPDM",
            Self::Ta => "TA",
            Self::Ts => "TS",
            Self::Tv => "TV",
        }
    }

    /// The domain of a file with that upper-case stem. Laboratory tables may be split: `LB` and two more letters.
    pub(super) fn of_file(stem: &str) -> Option<Self> {
        let is_part =
            stem.len() == 4 && stem.starts_with("LB") && stem.bytes().all(|b| b.is_ascii_alphabetic());
        if is_part {
            return Some(Self::Lb);
        }
        Self::ALL.iter().copied().find(|domain| domain.code() == stem)
    }

    /// Whether every import needs it.
    pub(super) fn is_required(self) -> bool {
        !matches!(self, Self::Suppdm | Self::Ta | Self::Ts | Self::Tv)
    }

    /// The file it is looked for in.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Dm => "dm.xpt",
            Self::Ds => "ds.xpt",
            Self::Ex => "ex.xpt",
            Self::Sv => "sv.xpt",
            Self::Vs => "vs.xpt",
            Self::Lb => "lb.xpt, or parts such as lbch.xpt, lbhe.xpt, lbur.xpt",
            Self::Ae => "ae.xpt",
            Self::Suppdm => "suppdm.xpt",
            Self::Ta => "ta.xpt",
            Self::Ts => "ts.xpt",
            Self::Tv => "tv.xpt",
        }
    }

    /// The columns without which it says nothing.
    pub(super) fn required_columns(self) -> &'static [&'static str] {
        match self {
            Self::Dm => &["STUDYID", "USUBJID", "SITEID", "ARMCD"],
            Self::Ds => &["USUBJID", "DSDECOD", "DSSTDTC"],
            Self::Ex => &["USUBJID", "EXSTDTC"],
            Self::Sv => &["USUBJID", "VISITNUM", "SVSTDTC"],
            Self::Vs => &["USUBJID", "VSTESTCD", "VSORRES", "VSORRESU", "VISITNUM", "VSDTC"],
            Self::Lb => &["USUBJID", "LBTESTCD", "LBORRES", "LBORRESU", "VISITNUM", "LBDTC"],
            Self::Ae => &["USUBJID", "AETERM", "AESTDTC"],
            Self::Suppdm => &["USUBJID", "QNAM", "QVAL"],
            Self::Ta => &["ARMCD"],
            Self::Ts => &["TSPARMCD", "TSVAL"],
            Self::Tv => &["VISITNUM", "VISIT"],
        }
    }
}

/// A table of a study.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Its domain.
    pub(super) domain: Domain,
    /// Its name in listings and in `import.rows`: the file's stem, upper case.
    pub(super) name: String,
    /// Its contents.
    pub(super) table: Table,
}

impl Source {
    /// Its rows, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.table.rows()).map(|index| Row { source: self, index })
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Its table.
    pub(super) source: &'a Source,
    /// From 0.
    pub(super) index: usize,
}

impl Row<'_> {
    /// The value of a column as text, without the spaces around it; a number in decimal digits. Empty if there is none,
    /// or no such column.
    pub(super) fn text(&self, column: &str) -> String {
        let table = &self.source.table;
        match table.column(column).and_then(|column| table.cell(self.index, column)) {
            Some(Cell::Text(text)) => text.trim().to_owned(),
            Some(Cell::Number(number)) => decimal_text(number),
            Some(Cell::Missing(_)) | None => String::new(),
        }
    }

    /// As [`Row::text`], upper case: for controlled terms, whose case varies.
    pub(super) fn term(&self, column: &str) -> String {
        self.text(column).to_uppercase()
    }

    /// How a statement names it.
    pub(super) fn import(&self) -> ImportRow {
        // A file of two gibibytes has fewer than 2^32 rows: each has at least one byte.
        ImportRow { table: self.source.name.clone(), row: u32::try_from(self.index + 1).unwrap_or(u32::MAX) }
    }
}
