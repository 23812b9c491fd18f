//! How names, numbers and instants are put before a reader.

use std::fmt::Display;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

/// `principal_investigator` and the like, as words.
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// The same with a capital.
pub(crate) fn heading(name: &str) -> String {
    let words = words(name);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `3421` as `3,421`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `3,421 records`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// An instant of the log, to the second, in UTC; the whole of it for those who ask.
pub(crate) fn instant(at: impl Display) -> Markup {
    let whole = at.to_string();
    // Instants have one form: 2026-11-22T13:28:45.123456Z. Anything else is shown as it is.
    let short = match (whole.get(..10), whole.get(11..19)) {
        (Some(day), Some(time)) if whole.ends_with('Z') => format!("{day} {time} UTC"),
        _ => whole.clone(),
    };
    html! { time datetime=(whole) title=(whole) { (short) } }
}

/// An instant of the log where a zone's clocks are; `None` if the zone is not known to this program.
pub(crate) fn local(at: &str, zone: &str) -> Option<String> {
    let at: Timestamp = at.parse().ok()?;
    let zoned = at.to_zoned(TimeZone::get(zone).ok()?);
    Some(zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

/// A date, which is not to be broken at its hyphens.
pub(crate) fn date(date: impl Display) -> Markup {
    html! { span.date { (date) } }
}

/// A hash, short; whole for those who ask.
pub(crate) fn hash(hash: impl Display) -> Markup {
    let whole = hash.to_string();
    let short = match (whole.get(..4), whole.len().checked_sub(2).and_then(|from| whole.get(from..))) {
        (Some(first), Some(last)) if whole.len() > 8 => format!("{first}…{last}"),
        _ => whole.clone(),
    };
    html! { code title=(whole) { (short) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_where_a_zones_clocks_are() {
        assert_eq!(
            local("2008-03-11T18:05:06.123456Z", "Asia/Shanghai").unwrap(),
            "2008-03-12 02:05:06 +08:00"
        );
        assert_eq!(local("2008-03-11T18:05:06.123456Z", "Nowhere/Atall"), None);
        assert_eq!(local("soon", "Asia/Shanghai"), None);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (87, "87"), (999, "999"), (3_421, "3,421"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "record", "records"), "1 record");
        assert_eq!(counted(0, "record", "records"), "0 records");
    }

    #[test]
    fn an_instant_is_shown_to_the_second_and_kept_whole() {
        let shown = instant("2026-11-22T13:28:45.123456Z").into_string();
        assert!(shown.contains(">2026-11-22 13:28:45 UTC<"), "{shown}");
        assert!(shown.contains(r#"datetime="2026-11-22T13:28:45.123456Z""#), "{shown}");
    }

    #[test]
    fn a_hash_is_short_and_kept_whole() {
        let whole = format!("9f2c{}e1", "0".repeat(58));
        assert_eq!(hash(&whole).into_string(), format!(r#"<code title="{whole}">9f2c…e1</code>"#));
    }

    #[test]
    fn names_become_words() {
        assert_eq!(words("adverse_event"), "adverse event");
        assert_eq!(heading("adverse_event"), "Adverse event");
        assert_eq!(heading(""), "");
    }
}
