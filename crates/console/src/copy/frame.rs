//! The frame of every page of a copy, and how it tells time.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Copy;
use crate::words::local;

/// The whole style, in the page: a copy must look the same wherever and whenever it is opened. No colour carries a
/// meaning that words do not.
const STYLE: &str = include_str!("../../assets/copy.css");

/// A page. `up` leads from it to the copy's top.
pub(super) fn page(copy: &Copy, title: &str, up: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // No page needs anything from anywhere.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) " · site " (copy.site.site) " · " (copy.trial_id()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.trial { (copy.trial.title) }
                    p.quiet {
                        "Trial " (copy.trial_id()) " · certified copy of the part of site " (copy.site.site)
                        " · times in UTC, below them in " (copy.site.zone)
                        @if !up.is_empty() { " · " a href=(format!("{up}README.html")) { "Cover sheet" } }
                    }
                    @if copy.trial.synthetic {
                        p.synthetic { "SYNTHETIC: every record of this trial is made up; nobody was treated." }
                    }
                }
                main { (main) }
                footer {
                    p {
                        "Log " code { (copy.origin) } " under the checkpoint of " (copy.size) " records with root "
                        code { (copy.root) } ". Copied " (copy.made_at) "."
                    }
                }
            }
        }
    }
}

/// An instant of the log, in UTC and in a zone.
pub(super) fn both_times(zone: &str, at: &str) -> Markup {
    html! {
        span.time { (utc(at)) }
        br; span.time.quiet { (local(at, zone).unwrap_or_default()) }
    }
}

/// `2026-11-22T13:28:45.123456Z` to the second. Whatever else is shown as it is.
fn utc(at: &str) -> String {
    match (at.get(..10), at.get(11..19)) {
        (Some(day), Some(time)) if at.ends_with('Z') => format!("{day} {time} UTC"),
        _ => at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_in_both_zones() {
        let at = "2008-03-11T18:05:06.123456Z";
        assert_eq!(utc(at), "2008-03-11 18:05:06 UTC");
        assert_eq!(local(at, "Asia/Shanghai").unwrap(), "2008-03-12 02:05:06 +08:00");
        assert_eq!(utc("soon"), "soon");
    }
}
