//! Numbers as decimal strings, for reports whose bytes are hashed.

/// The most digits after the point: 2^53 · 10^22 is below 2^127, so the scaled mantissa fits a `u128`.
pub const DIGITS_MAX: u8 = 22;

/// Why a number could not be written.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum DecimalError {
    /// NaN or infinite.
    #[error("{value} is not a finite number")]
    NotFinite {
        /// What was given.
        value: f64,
    },
    /// More digits than [`DIGITS_MAX`].
    #[error("{digits} digits after the point asked, at most {DIGITS_MAX} are possible")]
    TooManyDigits {
        /// What was asked.
        digits: u8,
    },
}

/// `value` with exactly `digits` digits after the point, rounded half to even.
///
/// The exact binary value is rounded, so only true ties go to even: 0.125 is one, 2.675 (a little less than it reads)
/// is not. Never an exponent, never a negative zero. Independent of the standard library's rounding.
///
/// # Errors
/// [`DecimalError`].
///
/// ```
/// use stats::decimal;
/// assert_eq!(decimal(0.125, 2).as_deref(), Ok("0.12"));
/// assert_eq!(decimal(0.375, 2).as_deref(), Ok("0.38"));
/// assert_eq!(decimal(-0.001, 2).as_deref(), Ok("0.00"));
/// assert!(decimal(f64::NAN, 2).is_err());
/// ```
pub fn decimal(value: f64, digits: u8) -> Result<String, DecimalError> {
    if !value.is_finite() {
        return Err(DecimalError::NotFinite { value });
    }
    if digits > DIGITS_MAX {
        return Err(DecimalError::TooManyDigits { digits });
    }
    let (mantissa, exponent) = parts(value.abs());
    let width = usize::from(digits);
    let mut text = if exponent >= 0 {
        // A whole number, at most 2^1024: the standard library writes it exactly, there is nothing to round.
        let mut whole = format!("{:.0}", value.abs());
        whole.extend(std::iter::repeat_n('0', width));
        whole
    } else {
        let scaled = u128::from(mantissa) * 10_u128.pow(u32::from(digits));
        format!("{:0>1$}", shift_right_half_even(scaled, exponent.unsigned_abs()), width + 1)
    };
    if digits > 0 {
        text.insert(text.len() - width, '.');
    }
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        text.insert(0, '-');
    }
    Ok(text)
}

/// The integer mantissa and the binary exponent of a finite, non-negative number: `mantissa · 2^exponent`.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match i32::try_from(bits >> 52).expect("eleven bits of a number without sign") {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent - 1075),
    }
}

/// `number / 2^shift`, rounded half to even. `number` is below 2^127, so that from 128 on it is less than half.
fn shift_right_half_even(number: u128, shift: u32) -> u128 {
    if shift > 127 {
        return 0;
    }
    let whole = number >> shift;
    let rest = number - (whole << shift);
    let half = 1_u128 << (shift - 1);
    whole + u128::from(rest > half || (rest == half && whole % 2 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: f64, digits: u8, text: &str) {
        assert_eq!(decimal(value, digits).as_deref(), Ok(text));
    }

    #[test]
    fn true_ties_go_to_even() {
        check(0.5, 0, "0");
        check(1.5, 0, "2");
        check(2.5, 0, "2");
        check(-2.5, 0, "-2");
        check(0.0625, 3, "0.062");
        check(0.1875, 3, "0.188");
    }

    #[test]
    fn what_only_reads_like_a_tie_goes_to_its_nearest() {
        check(2.675, 2, "2.67");
        check(1.005, 2, "1.00");
        check(0.15, 1, "0.1");
        check(0.45, 1, "0.5");
    }

    #[test]
    fn a_nine_carries_into_a_new_digit() {
        check(9.999, 2, "10.00");
        check(0.999_9, 3, "1.000");
    }

    #[test]
    fn the_last_possible_digit_is_written() {
        check(3.4e-21, 22, "0.0000000000000000000034");
        check(1e-22, 22, "0.0000000000000000000001");
        check(6e-23, 22, "0.0000000000000000000001");
        check(4e-23, 22, "0.0000000000000000000000");
    }

    #[test]
    fn zero_has_no_sign() {
        check(-0.0, 2, "0.00");
        check(-0.004, 2, "0.00");
        check(-0.006, 2, "-0.01");
        check(-f64::MIN_POSITIVE, 22, "0.0000000000000000000000");
    }

    #[test]
    fn whole_numbers_are_written_in_full() {
        check(1e23, 1, "99999999999999991611392.0");
        check(-3.0, 0, "-3");
        check(9_007_199_254_740_993.0, 2, "9007199254740992.00");
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        assert!(matches!(decimal(f64::NAN, 2), Err(DecimalError::NotFinite { .. })));
        assert!(matches!(decimal(f64::INFINITY, 2), Err(DecimalError::NotFinite { .. })));
        assert_eq!(decimal(1.0, 23), Err(DecimalError::TooManyDigits { digits: 23 }));
    }

    proptest! {
        #[test]
        fn the_text_is_the_exact_value_within_half_a_last_digit(value in -1e6..1e6_f64, digits in 0..10_u8) {
            let text = decimal(value, digits).unwrap();
            // 1074 digits are enough for any double, so here the standard library has nothing to round either.
            let exact = format!("{:.1074}", value.abs());
            let cut = exact.find('.').unwrap() + 1 + usize::from(digits);
            let (kept, rest) = (exact[..cut].replace('.', ""), &exact[cut..]);
            let up = match rest.cmp(&format!("5{}", "0".repeat(rest.len() - 1))) {
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => kept.ends_with(['1', '3', '5', '7', '9']),
                std::cmp::Ordering::Greater => true,
            };
            let expected = kept.parse::<u128>().unwrap() + u128::from(up);
            prop_assert_eq!(text.replace(['-', '.'], "").parse::<u128>().unwrap(), expected);
            prop_assert_eq!(text.starts_with('-'), value < 0.0 && expected > 0);
        }
    }
}
