//! A minimal writer of transport files, and what the reader makes of sound and of broken ones.

use super::*;

/// Eight bytes of an IBM float; bits beyond the 56th are cut off, as SAS cuts them.
pub(crate) fn ibm_float(number: f64) -> [u8; 8] {
    if number == 0.0 {
        return [0; 8];
    }
    let bits = number.abs().to_bits();
    let exponent = i32::try_from(bits >> 52).unwrap() - 1022;
    let sixteens = exponent.div_euclid(4) + i32::from(exponent.rem_euclid(4) != 0);
    // 53 bits with the leading one at the top of 56, moved down to the next power of sixteen.
    let fraction = ((bits & ((1 << 52) - 1)) | (1 << 52)) << 3 >> (4 * sixteens - exponent);
    let mut bytes = fraction.to_be_bytes();
    bytes[0] = u8::try_from(sixteens + 64).unwrap() | if number < 0.0 { 0x80 } else { 0 };
    bytes
}

/// A value to write.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Vec<u8>),
    Number(f64),
    Missing,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into_bytes())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

fn record(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(RECORD_BYTES, b' ');
    bytes
}

fn header(name: &str, digits: &str) -> Vec<u8> {
    record(&format!("HEADER RECORD*******{name:<8}HEADER RECORD!!!!!!!{digits:0<30}"))
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(RECORD_BYTES), b' ');
    bytes
}

/// A file of one table. A column whose first value is a number or missing is numeric; texts get the width they need.
pub(crate) fn write(name: &str, columns: &[&str], rows: &[Vec<Value>]) -> Vec<u8> {
    let widths: Vec<_> = (0..columns.len())
        .map(|column| {
            let bytes = |row: &Vec<Value>| match &row[column] {
                Value::Text(text) => (2, text.len().max(1)),
                Value::Number(_) | Value::Missing => (1, 8),
            };
            rows.iter().map(bytes).max_by_key(|(_, bytes)| *bytes).unwrap_or((2, 1))
        })
        .collect();
    write_of_widths(name, columns, &widths, rows)
}

/// As [`write`], with each column's type (1 or 2) and width given.
pub(crate) fn write_of_widths(
    name: &str,
    columns: &[&str],
    widths: &[(i16, usize)],
    rows: &[Vec<Value>],
) -> Vec<u8> {
    let (mut descriptions, mut position) = (Vec::new(), 0_i32);
    for (number, (column, (kind, bytes))) in columns.iter().zip(widths).enumerate() {
        let mut of = Vec::new();
        let width = i16::try_from(*bytes).unwrap();
        for short in [*kind, 0, width, i16::try_from(number + 1).unwrap()] {
            of.extend(short.to_be_bytes());
        }
        of.extend(format!("{column:<8}{column:<40}{:8}", "").bytes());
        of.resize(84, 0);
        of.extend(position.to_be_bytes());
        of.resize(140, 0);
        position += i32::from(width);
        descriptions.extend(of);
    }
    let mut data = Vec::new();
    for row in rows {
        for (value, (_, bytes)) in row.iter().zip(widths) {
            let mut cell = match value {
                Value::Text(text) => text.clone(),
                Value::Number(number) => ibm_float(*number).to_vec(),
                Value::Missing => b".\0\0\0\0\0\0\0".to_vec(),
            };
            cell.resize(*bytes, b' ');
            data.extend(cell);
        }
    }
    [
        header("LIBRARY", ""),
        record("SAS     SAS     SASLIB"),
        record("01JAN13:00:00:00"),
        header("MEMBER", "000000000000000001600000000140"),
        header("DSCRPTR", ""),
        record(&format!("SAS     {name:<8}SASDATA")),
        record(&format!("{:32}A label", "01JAN13:00:00:00")),
        header("NAMESTR", &format!("000000{:04}", columns.len())),
        padded(descriptions),
        header("OBS", ""),
        padded(data),
    ]
    .concat()
}

fn sound() -> Vec<u8> {
    let rows = [
        vec!["01-701-1015".into(), 1.2.into(), "Alzheimer".into()],
        vec!["01-701-1023".into(), Value::Missing, Value::Text(b"Alzheimer\x92s".to_vec())],
        vec!["01-701-1028".into(), (-0.1).into(), "".into()],
    ];
    write("AE", &["USUBJID", "AESEQ", "AETERM"], &rows)
}

fn fault(bytes: &[u8]) -> XptFault {
    Table::parse(bytes).map(|table| panic!("{} rows", table.rows())).unwrap_err().fault
}

#[test]
fn a_table_is_read_with_its_names_and_values() {
    let bytes = sound();
    let table = Table::parse(&bytes).unwrap();
    assert_eq!((table.name(), table.label(), table.rows()), ("AE", "A label", 3));
    assert_eq!(table.column("AETERM"), Some(2));
    assert_eq!(table.cell(0, 0), Some(Cell::Text("01-701-1015".into())));
    assert_eq!(table.cell(0, 1), Some(Cell::Number(1.2)));
    assert_eq!(table.cell(1, 1), Some(Cell::Missing('.')));
    assert_eq!(table.cell(1, 2), Some(Cell::Text("Alzheimer\u{2019}s".into())));
    assert_eq!(table.cell(2, 2), Some(Cell::Text("".into())));
    assert_eq!((table.cell(3, 0), table.cell(0, 3)), (None, None));
    assert_eq!(table.encoding(), Encoding::Windows1252);
    assert_eq!(table.repairs(), []);
}

#[test]
fn a_text_without_meaning_in_its_encoding_is_named() {
    let rows = [vec![Value::Text(b"ok".to_vec())], vec![Value::Text(b"a\x81".to_vec())]];
    let table = Table::parse(&write("TS", &["TSVAL"], &rows)).unwrap();
    assert_eq!(table.repairs(), [(1, 0, Repair::Unmapped)]);
}

#[test]
fn utf8_is_told_from_windows_1252_by_its_bytes() {
    let read = |bytes: &[u8]| {
        let rows = [vec![Value::Text(bytes.to_vec())]];
        Table::parse(&write("TS", &["TSVAL"], &rows)).unwrap().encoding()
    };
    assert_eq!(read("café".as_bytes()), Encoding::Utf8);
    assert_eq!(read(b"caf\xe9"), Encoding::Windows1252);
}

#[test]
fn a_cut_anywhere_is_an_error_or_a_shorter_table_and_never_a_panic() {
    // 80 rows of a row as long as a record: the only format in which a cut can hide, at the end of a row.
    let rows: Vec<_> = (0..3).map(|row| vec![Value::from(format!("{row:080}").as_str())]).collect();
    let bytes = write("AE", &["AETERM"], &rows);
    let start = bytes.len() - 3 * 80;
    for length in 0..bytes.len() {
        match Table::parse(&bytes[..length]) {
            Ok(table) => {
                assert!(length >= start && (length - start).is_multiple_of(80), "{length}");
                assert_eq!(table.rows(), (length - start) / 80);
            }
            Err(error) => assert!(error.offset <= length, "{length}: {error}"),
        }
    }
}

#[test]
fn an_incomplete_last_row_is_named_with_its_place() {
    let bytes = sound();
    let start = bytes.len() - 160;
    assert_eq!(fault(&bytes[..bytes.len() - 1]), XptFault::RowIncomplete);
    // Rows of 30 bytes: the first record holds two and a part of the third.
    let error = Table::parse(&bytes[..start + 80]).unwrap_err();
    assert_eq!(error, XptError { offset: start + 60, fault: XptFault::RowIncomplete });
}

#[test]
fn what_is_no_transport_file_of_one_table_is_refused_by_name() {
    assert_eq!(fault(b""), XptFault::NotTransport);
    assert_eq!(fault(&[b'x'; 800]), XptFault::NotTransport);
    assert_eq!(fault(&record("HEADER RECORD*******LIBV8   HEADER RECORD!!!!!!!")), XptFault::Version8);
    let twice = [sound(), sound()[3 * 80..].to_vec()].concat();
    assert_eq!(fault(&twice), XptFault::SecondTable);
    for (record, name) in [(3, "member"), (4, "descriptor"), (7, "variables")] {
        let mut bytes = sound();
        bytes[record * 80] = b'h';
        let error = Table::parse(&bytes).unwrap_err();
        assert_eq!(error, XptError { offset: record * 80, fault: XptFault::HeaderExpected(name) });
    }
}

#[test]
fn variables_that_cannot_be_are_refused_by_number() {
    let with = |at: usize, value: &[u8]| {
        let mut bytes = sound();
        // The second variable's description.
        let start = 8 * 80 + 140 + at;
        bytes[start..start + value.len()].copy_from_slice(value);
        fault(&bytes)
    };
    assert_eq!(with(0, &[0, 3]), XptFault::VariableType { variable: 2, kind: 3 });
    assert_eq!(with(4, &[0xff, 0xff]), XptFault::VariableWidth { variable: 2, bytes: -1 });
    assert_eq!(with(4, &[0, 9]), XptFault::VariableWidth { variable: 2, bytes: 9 });
    assert_eq!(with(8, b"        "), XptFault::VariableName { variable: 2 });
    assert_eq!(with(8, b"USUBJID "), XptFault::VariableName { variable: 2 });
    let moved = XptFault::VariablePosition { variable: 2, position: -1, expected: 11 };
    assert_eq!(with(84, &[0xff; 4]), moved);
    let mut none = sound();
    none[7 * 80 + 54..7 * 80 + 58].copy_from_slice(b"0000");
    assert_eq!(fault(&none), XptFault::NumberExpected("count of variables"));
    none[7 * 80 + 54..7 * 80 + 58].copy_from_slice(b"9999");
    assert_eq!(fault(&none), XptFault::Truncated);
}

#[test]
fn numbers_may_be_shorter_than_eight_bytes() {
    let rows = [vec![Value::Text(vec![0xc2, 0x76, 0xa0])]];
    let bytes = write_of_widths("LB", &["LBSEQ"], &[(1, 3)], &rows);
    assert_eq!(Table::parse(&bytes).unwrap().cell(0, 0), Some(Cell::Number(-118.625)));
}

#[test]
fn an_empty_table_has_no_rows() {
    assert_eq!(Table::parse(&write("DS", &["USUBJID"], &[])).unwrap().rows(), 0);
}
