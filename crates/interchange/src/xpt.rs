//! SAS transport files, version 5: one table, read strictly.
//!
//! The layout is that of the public SAS technical note TS-140: 80-byte header records, 140-byte descriptions of the
//! variables, then fixed-width rows, padded with spaces to a whole record. Numbers are IBM System/360 floats.
//!
//! A file is refused with the byte where it stops making sense. Two things the format cannot show: it holds no count
//! of rows, so a file cut exactly at the end of a row and a record reads as a shorter table; and rows of nothing but
//! spaces at the very end, within the last record, cannot be told from padding.
//!
//! The crate `xportrs` is not used to read: it panics on numbers shorter than eight bytes and on negative positions
//! (both are a matter of bytes in the file), ends a table at a blank row, drops an incomplete last row, and knows
//! ISO 8859-1 but not Windows-1252, each without a word. The tests hold this reader against it where both are sound.

mod number;
mod text;

pub use number::decimal_text;
pub use text::{Encoding, Repair};

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Everything but the rows' padding comes in records of this size.
const RECORD_BYTES: usize = 80;

/// Longest value of a character variable in version 5.
const TEXT_BYTES_MAX: usize = 200;

const LIBRARY: &[u8] = b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!";
const LIBRARY_VERSION_8: &[u8] = b"HEADER RECORD*******LIBV8";
const MEMBER: &[u8] = b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!";
const DESCRIPTOR: &[u8] = b"HEADER RECORD*******DSCRPTR HEADER RECORD!!!!!!!";
const NAMES: &[u8] = b"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!";
const OBSERVATIONS: &[u8] = b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!";

/// Why bytes are not a transport file of one table, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {offset}")]
pub struct XptError {
    /// Offset in the file.
    pub offset: usize,
    /// What is wrong there.
    pub fault: XptFault,
}

/// What is wrong in a transport file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XptFault {
    /// No transport file at all.
    #[error("no SAS transport file: expected the library header")]
    NotTransport,
    /// Version 8, which SDTM does not use.
    #[error("a SAS transport file of version 8; version 5 is read")]
    Version8,
    /// The file ends inside a header.
    #[error("the file ends inside its headers")]
    Truncated,
    /// Another record stands where this one should.
    #[error("expected the {0} header")]
    HeaderExpected(&'static str),
    /// A number of a header that is none.
    #[error("expected the {0} in digits")]
    NumberExpected(&'static str),
    /// A variable that is neither numeric nor character.
    #[error("variable {variable} has type {kind}, expected 1 or 2")]
    VariableType {
        /// Its number, from 1.
        variable: usize,
        /// What stands there.
        kind: i16,
    },
    /// A variable's width: numbers have 2 to 8 bytes, texts 1 to 200.
    #[error("variable {variable} is {bytes} bytes wide")]
    VariableWidth {
        /// Its number, from 1.
        variable: usize,
        /// What stands there.
        bytes: i16,
    },
    /// A variable whose name is empty, no ASCII, or another's.
    #[error("variable {variable} has no name of its own")]
    VariableName {
        /// Its number, from 1.
        variable: usize,
    },
    /// Variables that overlap or leave a gap in the row.
    #[error("variable {variable} begins at {position}, expected {expected}")]
    VariablePosition {
        /// Its number, from 1.
        variable: usize,
        /// Where it says it begins in the row.
        position: i32,
        /// Where the ones before it end.
        expected: usize,
    },
    /// A second table in the file.
    #[error("a second table; one file holds one table")]
    SecondTable,
    /// Bytes after the last whole row that are no padding.
    #[error("the last row is incomplete")]
    RowIncomplete,
}

/// Whether a variable holds numbers or texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Texts.
    Text,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, upper case.
    pub name: String,
    /// Its label.
    pub label: String,
    /// What it holds.
    pub kind: Kind,
    start: usize,
    bytes: usize,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// A text without its trailing spaces; empty if there is none.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// A missing number: `.`, `_` or `A` to `Z`.
    Missing(char),
}

/// A table. Holds the rows as they stand in the file and decodes a value when it is asked for.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
    label: String,
    columns: Vec<Column>,
    encoding: Encoding,
    data: Vec<u8>,
    row_bytes: usize,
    rows: usize,
}

impl Table {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`XptError`], at the first byte that cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, XptError> {
        Parser { bytes, at: 0 }.table()
    }

    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its variables, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How its texts are encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Where the column of that name stands.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The value in `row` and `column`, both from 0; `None` outside the table.
    pub fn cell(&self, row: usize, column: usize) -> Option<Cell<'_>> {
        let column = self.columns.get(column)?;
        let bytes = self.bytes_of(row, column)?;
        Some(match column.kind {
            Kind::Number => number::decode(bytes),
            Kind::Text => Cell::Text(text::decode(bytes, self.encoding).0),
        })
    }

    /// Every value whose text could not be taken over as it is, with row and column from 0.
    pub fn repairs(&self) -> Vec<(usize, usize, Repair)> {
        let texts: Vec<_> =
            self.columns.iter().enumerate().filter(|(_, column)| column.kind == Kind::Text).collect();
        let mut found = Vec::new();
        for row in 0..self.rows {
            for (index, column) in &texts {
                let repair =
                    self.bytes_of(row, column).and_then(|bytes| text::decode(bytes, self.encoding).1);
                found.extend(repair.map(|repair| (row, *index, repair)));
            }
        }
        found
    }

    fn bytes_of(&self, row: usize, column: &Column) -> Option<&[u8]> {
        let start = row.checked_mul(self.row_bytes)?.checked_add(column.start)?;
        (row < self.rows).then(|| self.data.get(start..start + column.bytes)).flatten()
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, fault: XptFault) -> Result<T, XptError> {
        Err(XptError { offset: self.at, fault })
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], XptError> {
        let Some(taken) = self.bytes.get(self.at..self.at + bytes) else {
            return Err(XptError { offset: self.bytes.len(), fault: XptFault::Truncated });
        };
        self.at += bytes;
        Ok(taken)
    }

    fn header(&mut self, begins: &[u8], name: &'static str) -> Result<&'a [u8], XptError> {
        let record = self.take(RECORD_BYTES)?;
        if record.starts_with(begins) {
            return Ok(record);
        }
        self.at -= RECORD_BYTES;
        self.fail(XptFault::HeaderExpected(name))
    }

    fn digits(&self, record: &[u8], from: usize, to: usize, what: &'static str) -> Result<usize, XptError> {
        let parsed = std::str::from_utf8(&record[from..to]).ok().and_then(|text| text.trim().parse().ok());
        parsed
            .ok_or(XptError { offset: self.at - RECORD_BYTES + from, fault: XptFault::NumberExpected(what) })
    }

    fn table(mut self) -> Result<Table, XptError> {
        if !self.bytes.starts_with(LIBRARY) {
            let version_8 = self.bytes.starts_with(LIBRARY_VERSION_8);
            return self.fail(if version_8 { XptFault::Version8 } else { XptFault::NotTransport });
        }
        // The library's header, who wrote it, and when it was changed.
        self.take(3 * RECORD_BYTES)?;
        let member = self.header(MEMBER, "member")?;
        // 140 bytes a variable; 136 on the one system that left out the last four, which are filling.
        let description_bytes = self.digits(member, 74, 78, "length of a variable's description")?;
        if ![136, 140].contains(&description_bytes) {
            return self.fail(XptFault::NumberExpected("length of a variable's description"));
        }
        self.header(DESCRIPTOR, "descriptor")?;
        let name = label_text(&self.take(RECORD_BYTES)?[8..16]);
        let label = label_text(&self.take(RECORD_BYTES)?[32..72]);
        let names = self.header(NAMES, "variables")?;
        let count = self.digits(names, 54, 58, "count of variables")?;
        let columns = self.columns(count, description_bytes)?;
        let row_bytes = columns.iter().map(|column| column.bytes).sum();
        self.header(OBSERVATIONS, "rows")?;
        let rows = self.rows(row_bytes)?;
        let data = self.bytes[self.at..self.at + rows * row_bytes].to_vec();
        let mut table =
            Table { name, label, columns, encoding: Encoding::Windows1252, data, row_bytes, rows };
        table.encoding = encoding_of(&table);
        Ok(table)
    }

    fn columns(&mut self, count: usize, description_bytes: usize) -> Result<Vec<Column>, XptError> {
        let start = self.at;
        let block = self.take((count * description_bytes).next_multiple_of(RECORD_BYTES))?;
        let (mut columns, mut names, mut expected) = (Vec::with_capacity(count), BTreeSet::new(), 0);
        for (index, of) in block.chunks_exact(description_bytes).take(count).enumerate() {
            let variable = index + 1;
            self.at = start + index * description_bytes;
            let (kind, width) = (short(of, 0), short(of, 4));
            let position = i32::from_be_bytes([of[84], of[85], of[86], of[87]]);
            let kind = match kind {
                1 => Kind::Number,
                2 => Kind::Text,
                kind => return self.fail(XptFault::VariableType { variable, kind }),
            };
            let widths = if kind == Kind::Number { 2..=8 } else { 1..=TEXT_BYTES_MAX };
            let bytes = usize::try_from(width).unwrap_or_default();
            if !widths.contains(&bytes) {
                return self.fail(XptFault::VariableWidth { variable, bytes: width });
            }
            let name = label_text(&of[8..16]).to_ascii_uppercase();
            let proper = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            if !proper || !names.insert(name.clone()) {
                return self.fail(XptFault::VariableName { variable });
            }
            if usize::try_from(position) != Ok(expected) {
                return self.fail(XptFault::VariablePosition { variable, position, expected });
            }
            columns.push(Column { name, label: label_text(&of[16..56]), kind, start: expected, bytes });
            expected += bytes;
        }
        self.at = start + block.len();
        if columns.is_empty() {
            return self.fail(XptFault::NumberExpected("count of variables"));
        }
        Ok(columns)
    }

    /// Counts the rows between here and the file's end.
    fn rows(&self, row_bytes: usize) -> Result<usize, XptError> {
        let data = &self.bytes[self.at..];
        let is_blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == b' ');
        let second = data.chunks(RECORD_BYTES).position(|record| record.starts_with(MEMBER));
        if let Some(records) = second {
            let offset = self.at + records * RECORD_BYTES;
            return Err(XptError { offset, fault: XptFault::SecondTable });
        }
        let mut rows = data.len() / row_bytes;
        let rest = &data[rows * row_bytes..];
        // Padding fills the last record and no more; every header before ends on a record.
        if !data.len().is_multiple_of(RECORD_BYTES) || rest.len() >= RECORD_BYTES || !is_blank(rest) {
            return Err(XptError { offset: self.at + rows * row_bytes, fault: XptFault::RowIncomplete });
        }
        while rows > 0 {
            let last = (rows - 1) * row_bytes;
            if data.len() - last >= RECORD_BYTES || !is_blank(&data[last..]) {
                break;
            }
            rows -= 1;
        }
        Ok(rows)
    }
}

/// Texts of the headers, which decide nothing: padded with spaces, by some programs with zeros.
fn label_text(bytes: &[u8]) -> String {
    text::decode(bytes, Encoding::Windows1252).0.trim().to_owned()
}

fn short(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// UTF-8 if every text that is not ASCII reads as UTF-8: Windows-1252 texts hardly ever do.
fn encoding_of(table: &Table) -> Encoding {
    let mut texts = (0..table.rows).flat_map(|row| {
        table
            .columns
            .iter()
            .filter(|column| column.kind == Kind::Text)
            .filter_map(move |column| table.bytes_of(row, column))
    });
    if texts.all(|bytes| std::str::from_utf8(bytes).is_ok()) { Encoding::Utf8 } else { Encoding::Windows1252 }
}

#[cfg(test)]
pub(crate) mod tests;
