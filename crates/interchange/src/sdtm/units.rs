//! Units as laboratories report them, and what UCUM calls them.
//!
//! Only other names of the same unit: no value is converted. A unit that is not here stays as reported, and is counted.

use clinical::Decimal;

/// Unit as reported (white space left out) and its UCUM code. Compared as written first, then without regard to case:
/// `g` and `G` are told apart only where both are here.
const UNITS: &[(&str, &str)] = &[
    // Counts in a volume.
    ("10^9/L", "10*9/L"),
    ("10E9/L", "10*9/L"),
    ("10**9/L", "10*9/L"),
    ("GI/L", "10*9/L"),
    ("10^12/L", "10*12/L"),
    ("10E12/L", "10*12/L"),
    ("10**12/L", "10*12/L"),
    ("TI/L", "10*12/L"),
    ("THOU/uL", "10*3/uL"),
    ("10^3/uL", "10*3/uL"),
    ("K/uL", "10*3/uL"),
    ("MILL/uL", "10*6/uL"),
    ("10^6/uL", "10*6/uL"),
    ("10^6/L", "10*6/L"),
    ("/uL", "/uL"),
    ("/mm3", "/mm3"),
    ("/HPF", "/[HPF]"),
    ("/LPF", "/[LPF]"),
    // Mass and substance in a volume.
    ("g/L", "g/L"),
    ("g/dL", "g/dL"),
    ("mg/L", "mg/L"),
    ("mg/dL", "mg/dL"),
    ("ug/L", "ug/L"),
    ("ug/dL", "ug/dL"),
    ("ug/mL", "ug/mL"),
    ("ng/L", "ng/L"),
    ("ng/dL", "ng/dL"),
    ("ng/mL", "ng/mL"),
    ("pg/mL", "pg/mL"),
    ("mol/L", "mol/L"),
    ("mmol/L", "mmol/L"),
    ("umol/L", "umol/L"),
    ("nmol/L", "nmol/L"),
    ("pmol/L", "pmol/L"),
    ("mEq/L", "meq/L"),
    ("mg/24h", "mg/(24.h)"),
    ("g/24h", "g/(24.h)"),
    ("mg/day", "mg/d"),
    ("g/day", "g/d"),
    ("mg/g", "mg/g"),
    ("mg/mmol", "mg/mmol"),
    // Activity and international units.
    ("U/L", "U/L"),
    ("U/mL", "U/mL"),
    ("ukat/L", "ukat/L"),
    ("IU/L", "[IU]/L"),
    ("IU/mL", "[IU]/mL"),
    ("kIU/L", "k[IU]/L"),
    ("mIU/L", "m[IU]/L"),
    ("mIU/mL", "m[IU]/mL"),
    ("uIU/mL", "u[IU]/mL"),
    // Cells.
    ("fL", "fL"),
    ("pg", "pg"),
    ("fmol", "fmol"),
    ("%", "%"),
    // Vital signs.
    ("mmHg", "mm[Hg]"),
    ("beats/min", "/min"),
    ("breaths/min", "/min"),
    ("/min", "/min"),
    ("bpm", "/min"),
    ("C", "Cel"),
    ("F", "[degF]"),
    ("kg", "kg"),
    ("g", "g"),
    ("LB", "[lb_av]"),
    ("cm", "cm"),
    ("m", "m"),
    ("in", "[in_i]"),
    ("kg/m2", "kg/m2"),
    ("mL/min", "mL/min"),
    ("s", "s"),
    ("sec", "s"),
    ("mm/h", "mm/h"),
    ("mm/hr", "mm/h"),
    ("msec", "ms"),
    ("ms", "ms"),
];

/// The UCUM code of a unit as reported.
pub(super) fn ucum(reported: &str) -> Option<&'static str> {
    let plain: String = reported
        .chars()
        .filter(|character| !character.is_whitespace())
        // Micro sign and Greek mu.
        .map(|character| if matches!(character, '\u{b5}' | '\u{3bc}') { 'u' } else { character })
        .collect();
    let exact = UNITS.iter().find(|(unit, _)| *unit == plain);
    let folded = || UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(&plain));
    exact.or_else(folded).map(|(_, code)| *code)
}

/// The number that a value as reported states, zeros before it left out: `098.6` is 98.6, `.5` is 0.5. `None` for
/// what is no number, such as `<0.2`.
pub(super) fn number(reported: &str) -> Option<Decimal> {
    let (sign, digits) = reported.strip_prefix('-').map_or(("", reported), |digits| ("-", digits));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.is_empty() && fraction.is_none_or(str::is_empty) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let written = match fraction {
        None | Some("") => format!("{sign}{whole}"),
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
    };
    written.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_of_a_unit_become_its_ucum_code() {
        for (reported, code) in [
            ("10^9/L", "10*9/L"),
            ("THOU/uL", "10*3/uL"),
            ("THOU/\u{b5}L", "10*3/uL"),
            ("IU/L", "[IU]/L"),
            ("mg/24 h", "mg/(24.h)"),
            ("mEq/L", "meq/L"),
            ("MMHG", "mm[Hg]"),
            ("F", "[degF]"),
        ] {
            assert_eq!(ucum(reported), Some(code), "{reported}");
        }
        assert_eq!(ucum("furlong"), None);
        assert_eq!(ucum(""), None);
    }

    #[test]
    fn codes_are_none_that_ucum_refuses() {
        for (_, code) in UNITS {
            let plain = code.replace("[IU]", "");
            assert!(!plain.contains(['^', ' ']) && !plain.contains("IU"), "{code}");
        }
    }

    #[test]
    fn a_number_keeps_its_precision_and_loses_zeros_before_it() {
        let check = |reported: &str, expected: Option<&str>| {
            assert_eq!(number(reported).map(|number| number.to_string()).as_deref(), expected, "{reported}");
        };
        check("098.6", Some("98.6"));
        check("1.20", Some("1.20"));
        check(".5", Some("0.5"));
        check("5.", Some("5"));
        check("000", Some("0"));
        check("-0.5", Some("-0.5"));
        for wrong in ["", ".", "-", "<0.2", "NEGATIVE", "1e3", "1,5", "1.2.3", "-0"] {
            check(wrong, None);
        }
    }
}
