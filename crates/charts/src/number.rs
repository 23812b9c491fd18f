//! How a coordinate is written: two decimals, half a hundredth of a pixel is not seen.

/// `number` with two decimals and without a negative zero. Rust writes fixed decimals exactly, on every machine alike.
pub(crate) fn fixed(number: f64) -> String {
    let text = format!("{number:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinate_has_two_decimals_and_zero_has_no_sign() {
        for (number, text) in [
            (0.0, "0.00"),
            (-0.0, "0.00"),
            (-0.004, "0.00"),
            (1.0 / 3.0, "0.33"),
            (-1.5, "-1.50"),
            (720.0, "720.00"),
        ] {
            assert_eq!(fixed(number), text);
        }
    }
}
