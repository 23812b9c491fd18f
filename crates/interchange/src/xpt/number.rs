//! IBM System/360 floats, and the decimal they were written for.

use super::Cell;

/// Bits of the fraction in the longest form.
const FRACTION_BITS: i32 = 56;

/// Significant digits that survive the way from a decimal through an IBM float (at least 53 bits) and back.
const DIGITS: usize = 15;

/// A number of 2 to 8 bytes: sign, exponent of 16 in excess 64, fraction. Shorter ones leave out the fraction's end.
/// A first byte `.`, `_` or `A` to `Z` with no fraction is a missing value.
pub(super) fn decode(bytes: &[u8]) -> Cell<'static> {
    let mut whole = [0; 8];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = *from;
    }
    let fraction = u64::from_be_bytes(whole) & ((1 << FRACTION_BITS) - 1);
    let first = whole[0];
    if fraction == 0 {
        return match first {
            b'.' | b'_' | b'A'..=b'Z' => Cell::Missing(char::from(first)),
            _ => Cell::Number(0.0),
        };
    }
    let sixteens = i32::from(first & 0x7f) - 64;
    // The power of two lies between 2^-312 and 2^196 and is made of its bits, so that only the fraction is rounded.
    let power = u64::try_from(1023 + 4 * sixteens - FRACTION_BITS).unwrap_or_default();
    let magnitude = fraction as f64 * f64::from_bits(power << 52);
    Cell::Number(if first & 0x80 == 0 { magnitude } else { -magnitude })
}

/// The number in decimal digits, without exponent and without zeros at the end of its fraction.
///
/// Rounded to 15 significant digits: what was written into the float with up to 15 comes back as it was written.
///
/// ```
/// assert_eq!(interchange::xpt::decimal_text(0.1 + 0.2), "0.3");
/// assert_eq!(interchange::xpt::decimal_text(-120.0), "-120");
/// ```
pub fn decimal_text(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0".to_owned();
    }
    let scientific = format!("{:.*e}", DIGITS - 1, number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let whole_digits = exponent + 1;
    let sign = if number < 0.0 { "-" } else { "" };
    let Ok(whole) = usize::try_from(whole_digits) else {
        return format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-whole_digits).unwrap_or_default()));
    };
    match (whole, digits.split_at_checked(whole)) {
        (0, _) => format!("{sign}0.{digits}"),
        (_, Some((whole, ""))) => format!("{sign}{whole}"),
        (_, Some((whole, fraction))) => format!("{sign}{whole}.{fraction}"),
        (_, None) => format!("{sign}{digits}{}", "0".repeat(whole - digits.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xpt::tests::ibm_float;

    #[test]
    fn a_float_gives_back_the_decimal_it_was_written_for() {
        for text in [
            "1.2", "0.1", "8.55", "13.9", "-0.04", "9.3", "1.1", "98.6", "100", "-1", "0.000001", "81",
            "2.675",
        ] {
            let Cell::Number(number) = decode(&ibm_float(text.parse().unwrap())) else { panic!("{text}") };
            assert_eq!(decimal_text(number), text);
        }
        // What SAS itself wrote for 8.55 has its last bits cut off.
        assert_eq!(decimal_text(8.549_999_999_999_999), "8.55");
        assert_eq!(decimal_text(1e20), "100000000000000000000");
        assert_eq!(decimal_text(0.0), "0");
    }

    #[test]
    fn known_floats_are_read_bit_for_bit() {
        // Worked by hand from the definition: 1 = 16^1 · 1/16; −118.625 = −(0x76.A) = −16^2 · 0x.76A.
        assert_eq!(decode(&[0x41, 0x10, 0, 0, 0, 0, 0, 0]), Cell::Number(1.0));
        assert_eq!(decode(&[0xc2, 0x76, 0xa0, 0, 0, 0, 0, 0]), Cell::Number(-118.625));
        assert_eq!(decode(&[0xc2, 0x76, 0xa0]), Cell::Number(-118.625));
        assert_eq!(decode(&[0; 8]), Cell::Number(0.0));
        assert_eq!(decode(&[0x80, 0, 0, 0, 0, 0, 0, 0]), Cell::Number(0.0));
    }

    #[test]
    fn missing_values_are_no_numbers() {
        for (byte, mark) in [(b'.', '.'), (b'_', '_'), (b'A', 'A'), (b'Z', 'Z')] {
            assert_eq!(decode(&[byte, 0, 0, 0, 0, 0, 0, 0]), Cell::Missing(mark));
        }
        assert!(matches!(decode(&[b'A', 0x10, 0, 0, 0, 0, 0, 0]), Cell::Number(_)));
    }
}
