//! The page that verifies a bundle in the reader's browser, and the pages on findings that it leads to.
//!
//! It verifies nothing here: `verify.html` and `verify.js` are handed out as they are, and work from disk just as well.

use axum::extract::Path;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;

use crate::headers::asset;

const PAGE: &str = include_str!("../assets/verify.html");
const SCRIPT: &str = include_str!("../assets/verify.js");

/// Runs its one script and has its one style, which the page names by the same hash for those who open it from disk.
/// There is nothing it may load or call.
const POLICY: &str = concat!(
    "default-src 'none'; script-src 'self'; style-src 'sha256-/QFfM9NzzAKVjYMlnfK7aRLzNzJ0foGQNVWeBaVa19A='; img-src data:; ",
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

/// Pages on findings by their names, as the log's documentation has them.
macro_rules! pages {
    ($($name:literal,)*) => {
        [$(($name, include_str!(concat!("../../../docs/findings/", $name, ".md")))),*]
    };
}

const FINDINGS: [(&str, &str); 89] = pages![
    "actor-not-holder",
    "admission-contradicted",
    "after-death",
    "after-withdrawal",
    "already-enrolled",
    "amendment-not-of-latest",
    "authority-undecided",
    "authority-underivable",
    "awareness-late",
    "bad-signature",
    "beyond-this-version",
    "broken-link",
    "causality-missing",
    "cells-total-differs",
    "checkpoint-bad-signature",
    "checkpoint-key-unknown",
    "checkpoint-malformed",
    "checkpoint-missing",
    "checkpoint-not-signed",
    "checkpoint-of-another-log",
    "checkpoint-signature-missing",
    "clock-ahead",
    "consent-after-enrollment",
    "consent-missing",
    "copy-not-following",
    "criterion-not-done",
    "criterion-not-met",
    "cut-root-differs",
    "date-in-future",
    "death-date-differs",
    "dose-off-plan",
    "end-before-start",
    "entry-bundle-malformed",
    "event-malformed",
    "event-of-another-log",
    "file-differs",
    "file-missing",
    "file-unexpected",
    "fork",
    "genesis-differs",
    "grade-against-outcome",
    "id-repeated",
    "identity-check-missing",
    "infusion-before-consent",
    "infusion-number-repeated",
    "infusion-unplanned",
    "journal-damaged",
    "key-used-while-suspected",
    "known-checkpoint-unusable",
    "known-head-differs",
    "log-empty",
    "log-key-differs",
    "lot-expired",
    "lot-not-released",
    "mandatory-item-absent",
    "manifest-malformed",
    "manifest-missing",
    "not-endorsed",
    "pga-out-of-range",
    "position-missing",
    "position-repeated",
    "quorum-short",
    "receipt-not-honoured",
    "receipt-unusable",
    "record-malformed",
    "record-not-in-tree",
    "record-unavailable",
    "records-missing",
    "records-unchecked",
    "report-not-following",
    "report-unchecked",
    "screen-failure-enrolled",
    "seriousness-disagrees",
    "shorter-than-known",
    "signatures-unchecked",
    "signed-before-fact",
    "signer-not-entitled",
    "sledai-incomplete",
    "subject-not-enrolled",
    "tile-missing",
    "time-against-cosignature",
    "time-going-back",
    "unit-not-ucum",
    "viability-low",
    "visit-not-in-schedule",
    "visit-outside-window",
    "wrong-root",
    "wrong-tile",
    "zip-malformed",
];

pub(crate) async fn page() -> Response {
    let mut response = asset("text/html; charset=utf-8", PAGE);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

/// A page of docs/findings, as it is written.
pub(crate) async fn finding(Path(file): Path<String>, uri: Uri) -> Response {
    let named = |(name, _): &&(&str, &str)| file.strip_suffix(".md") == Some(*name);
    match FINDINGS.iter().find(named) {
        Some((_, page)) => asset("text/plain; charset=utf-8", page),
        None => crate::nothing_here(uri).await,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_page_and_its_header_name_the_one_style_that_it_has() {
        let style = PAGE.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let named = format!("style-src 'sha256-{}'", STANDARD.encode(Sha256::digest(style)));
        assert!(PAGE.contains(&named), "the page has to name {named}");
        assert!(POLICY.contains(&named), "the header has to name {named}");
    }

    #[test]
    fn the_page_has_one_script_and_refers_to_nothing_else() {
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(PAGE.contains("<script src=\"verify.js\"></script>"));
        for word in ["http://", "https://", "url(", "@import", " style=", " onclick"] {
            assert!(!PAGE.contains(word), "{word}");
        }
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "import("]
        {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }

    #[test]
    fn every_page_on_a_finding_is_handed_out() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/findings");
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "README.md")
            .collect();
        names.sort();
        let handed_out: Vec<String> = FINDINGS.iter().map(|(name, _)| format!("{name}.md")).collect();
        assert_eq!(handed_out, names);
    }
}
