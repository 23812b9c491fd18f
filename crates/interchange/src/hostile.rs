//! What must hold whatever bytes a stranger hands in: the bodies of the fuzz targets in `fuzz/`, which the tests drive
//! too. Each reads the bytes, does with the result what a caller would, and panics only if a promise is broken.

use crate::xpt::{Cell, Table, decimal_text};

/// Bytes of a variable's description, in the shortest form.
const DESCRIPTION_BYTES_MIN: usize = 136;

/// A table never claims more than its file holds, each of its values can be read, none outside it, and all of them
/// together take no more than a small multiple of the file.
///
/// # Panics
/// A promise of the reader is broken.
pub fn xpt_table(bytes: &[u8]) {
    let table = match Table::parse(bytes) {
        Ok(table) => table,
        Err(error) => return assert!(error.offset <= bytes.len(), "{error}"),
    };
    let (rows, columns) = (table.rows(), table.columns().len());
    assert!(columns >= 1 && columns * DESCRIPTION_BYTES_MIN < bytes.len());
    // No value is shorter than a byte.
    assert!(rows.checked_mul(columns).is_some_and(|values| values < bytes.len()));
    for (place, column) in table.columns().iter().enumerate() {
        assert_eq!(table.column(&column.name), Some(place));
    }
    let mut text_bytes = 0;
    for row in 0..rows {
        for column in 0..columns {
            match table.cell(row, column) {
                Some(Cell::Text(text)) => text_bytes += text.len(),
                Some(Cell::Number(number)) => {
                    let text = decimal_text(number);
                    let read: f64 = text.parse().unwrap_or(f64::NAN);
                    let error = (read - number).abs();
                    assert!(text.len() < 128 && error <= number.abs() * 1e-14, "{number} as {text}");
                }
                Some(Cell::Missing(mark)) => assert!(matches!(mark, '.' | '_' | 'A'..='Z')),
                None => assert!(column >= columns, "no value in row {row}, column {column}"),
            }
        }
        assert_eq!(table.cell(row, columns), None);
    }
    // A byte becomes at most U+FFFD or the sign of the euro, both three; normalization at most triples.
    assert!(text_bytes <= 3 * bytes.len());
    assert_eq!(table.cell(rows, 0), None);
    assert!(table.repairs().iter().all(|(row, column, _)| *row < rows && *column < columns));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xpt::tests::{Value, write, write_of_widths};

    const RECORD_BYTES: usize = 80;

    /// Where the descriptions of the variables begin, behind eight records.
    const DESCRIPTIONS: usize = 8 * RECORD_BYTES;

    /// Three rows of text, number, short number and text, with a missing number and bytes beyond ASCII.
    fn sample() -> Vec<u8> {
        let rows = [
            vec!["01-701-1015".into(), 1.2.into(), Value::Text(vec![0xc2, 0x76, 0xa0]), "Alzheimer".into()],
            vec!["01-701-1023".into(), Value::Missing, Value::Text(b".\0\0".to_vec()), "caf\u{e9}".into()],
            vec!["".into(), (-8e9).into(), Value::Text(vec![0, 0, 1]), Value::Text(b"a\x81\x92".to_vec())],
        ];
        let columns = ["USUBJID", "AESEQ", "AEDY", "AETERM"];
        write_of_widths("AE", &columns, &[(2, 11), (1, 8), (1, 3), (2, 9)], &rows)
    }

    /// The sample with `value` written at each of `places`.
    fn drive_with(places: &[usize], value: &[u8]) {
        let mut bytes = sample();
        for place in places {
            bytes[*place..*place + value.len()].copy_from_slice(value);
        }
        xpt_table(&bytes);
    }

    #[test]
    fn the_sample_is_read_whole() {
        let table = Table::parse(&sample()).unwrap();
        assert_eq!((table.rows(), table.columns().len(), table.repairs().len()), (3, 4, 1));
        xpt_table(&sample());
    }

    #[test]
    fn every_cut_and_every_flipped_bit_of_a_table_gets_an_answer() {
        let bytes = sample();
        for length in 0..bytes.len() {
            xpt_table(&bytes[..length]);
            for bit in 0..8 {
                drive_with(&[length], &[bytes[length] ^ (1 << bit)]);
            }
        }
    }

    #[test]
    fn every_record_dropped_doubled_or_put_elsewhere_gets_an_answer() {
        let bytes = sample();
        let records: Vec<_> = bytes.chunks(RECORD_BYTES).collect();
        for at in 0..records.len() {
            xpt_table(&[&records[..at], &records[at + 1..]].concat().concat());
            for to in 0..records.len() {
                let mut moved = records.clone();
                moved.insert(to, records[at]);
                xpt_table(&moved.concat());
            }
        }
    }

    #[test]
    fn lengths_that_lie_get_an_answer_alone_and_together() {
        // Count of variables, length of a description.
        let digits = [7 * RECORD_BYTES + 54, 3 * RECORD_BYTES + 74];
        for text in [b"0000", b"0001", b"0003", b"0005", b"0136", b"9999", b"-001", b"+004", b"1e99", b"    "]
        {
            drive_with(&digits[..1], text);
            drive_with(&digits[1..], text);
            drive_with(&digits, text);
        }
        // Type, width and position of each variable.
        let extremes = [0_u32, 1, 2, 3, 9, 200, 201, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0xffff_ffff];
        for variable in 0..4 {
            let start = DESCRIPTIONS + variable * 140;
            for value in extremes {
                let [_, _, high, low] = value.to_be_bytes();
                drive_with(&[start], &[high, low]);
                drive_with(&[start + 4], &[high, low]);
                drive_with(&[start, start + 4], &[high, low]);
                drive_with(&[start + 84], &value.to_be_bytes());
            }
        }
        // As many bytes as can be, in one variable and in many.
        let long = vec![vec!["x".repeat(200).into()]; 5];
        xpt_table(&write("AE", &["AETERM"], &long));
        let names: Vec<_> = (0..999).map(|n| format!("V{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        xpt_table(&write("AE", &names, &[vec![0.5.into(); 999], vec![Value::Missing; 999]]));
    }

    #[test]
    fn numbers_of_every_exponent_keep_fifteen_digits() {
        for first in 0..=u8::MAX {
            let rows = [[first, 1, 0, 0, 0, 0, 0, 0], [first, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
                .map(|bytes| vec![Value::Text(bytes.to_vec())]);
            xpt_table(&write_of_widths("LB", &["LBSTRESN"], &[(1, 8)], &rows));
        }
    }
}
