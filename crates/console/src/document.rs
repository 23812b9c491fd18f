//! A report as a page of its own, made of the report's JSON alone by the functions that make the console's pages.
//!
//! It is a file, not an answer: it leads nowhere, runs nothing, needs nothing from anywhere, and knows no host and no
//! clock. Same JSON, same page, to the byte.

use std::fmt::Write as _;

use clinical::TrialId;
use clinical::report::{Arms, Covers, Engine, TrialHeader};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::by_arm;
use crate::links::Links;
use crate::report::{Cutoff, Report};
use crate::words::{count, words};
use crate::{outcomes, safety};

/// The pages' own style, in the page: it must look the same wherever and whenever it is opened.
const STYLE: &str = include_str!("../assets/console.css");

/// Why there is no page of these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAReport;

impl std::fmt::Display for NotAReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("these bytes are no report of a kind that this version knows")
    }
}

impl std::error::Error for NotAReport {}

/// What every report says of itself.
#[derive(Deserialize)]
pub(crate) struct Head {
    pub(crate) report: String,
    schema: u32,
    engine: Engine,
    trial: TrialHeader,
    synthetic: bool,
    covers: Covers,
    cutoff: Cutoff,
    /// What is done about arms, in an open report; a closed one lists them here.
    arms: ArmsOrList,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ArmsOrList {
    Open(Arms),
    Closed(#[expect(dead_code, reason = "that it is a list says all")] Vec<serde::de::IgnoredAny>),
}

/// The page of a report, of its canonical JSON.
///
/// # Errors
/// [`NotAReport`].
pub fn document(json: &[u8]) -> Result<String, NotAReport> {
    let value: Value = serde_json::from_slice(json).map_err(|_| NotAReport)?;
    let head = Head::deserialize(&value).map_err(|_| NotAReport)?;
    let trial: TrialId = head.trial.id.parse().map_err(|_| NotAReport)?;
    let links = Links { on_paper: true, to_subjects: false, trial, as_of: None, cutoff: None };
    let (title, main) = match head.report.as_str() {
        "outcomes" => ("Outcomes", outcomes::sections(&Report::of(value, String::new()), &links)),
        "safety" => ("Safety", safety::sections(&Report::of(value, String::new()), &links)),
        "outcomes_by_arm" => ("Outcomes by arm", by_arm::sections(&value, outcomes::sections, &links)),
        "safety_by_arm" => ("Safety by arm", by_arm::sections(&value, safety::sections, &links)),
        _ => return Err(NotAReport),
    };
    let is_closed = matches!(head.arms, ArmsOrList::Closed(_));
    Ok(page(&head, title, is_closed, &sha256(json), &main).into_string())
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn page(head: &Head, title: &str, is_closed: bool, sha256: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Nothing runs, and nothing is loaded.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) " · " (head.trial.id) " · " (head.cutoff.date) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    div.bar {
                        p.trial { (head.trial.title) }
                        @if head.synthetic { strong.synthetic { "SYNTHETIC" } }
                    }
                    @if is_closed {
                        p.alert role="note" {
                            strong { "Closed report. " } "It tells the arms of the trial apart, and is for those alone who may know them."
                        }
                    }
                    p.covers { "Trial " code { (head.trial.id) } " · report " code { (head.report) } ", form " (head.schema) }
                }
                main {
                    h1 { (title) }
                    @if head.synthetic {
                        p.note { strong { "Synthetic. " } "Every record of this trial is made up: nobody was treated, nothing follows for patients." }
                    }
                    (made_of(head, sha256))
                    (main)
                }
                footer {
                    p {
                        "Made of the report's canonical JSON alone, whose SHA-256 stands above. Positions of records, such as #12, are those of the "
                        "trial's log: whoever has a copy of it can make the report again, and compare it byte for byte."
                    }
                }
            }
        }
    }
}

/// Of which records, up to which day, and of which bytes.
fn made_of(head: &Head, sha256: &str) -> Markup {
    let cutoff = &head.cutoff;
    html! {
        dl.facts {
            dt { "Counted up to" }
            dd {
                strong { (cutoff.date) } " ("
                @match cutoff.basis.as_str() {
                    "given" => "as the data cut or the reader chose",
                    "last_record" => "the day of the last record",
                    other => (words(other)),
                }
                @if !cutoff.zone.is_empty() { ", zone " (cutoff.zone) }
                ")"
            }
            dt { "Data cut" } dd { "the first " strong { (count(head.covers.records)) } " records of the log" }
            dt { "Head of the log there" } dd { code.whole { (head.covers.head) } }
            dt { "SHA-256 of the JSON" } dd { code.whole { (sha256) } }
            dt { "Made by" } dd { (head.engine.name) " " (head.engine.version) }
            @if matches!(head.arms, ArmsOrList::Open(Arms::Withheld)) {
                dt { "Arms" } dd { "the trial has arms; what tells them apart is left out of this open report" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(name: &str) -> Value {
        json!({
            "arms": "none", "conventions": {"month_days": "30.4375"},
            "covers": {"head": "ab".repeat(32), "records": 863}, "cutoff":
                {"basis": "given", "date": "2011-06-30", "zone": "Asia/Shanghai"},
            "engine": {"name": "trialbook", "version": "0.1.0"}, "report": name, "schema": 3, "survival": {
                "crude": {"id": "survival.crude", "label": "Alive", "numerator": 2, "denominator": 3, "percent": "66.7"},
                "from_infusion": {
                    "label": "Survival from first infusion", "landmarks": [], "steps": [
                        {"at_risk": 3, "censored": 0, "day": 100, "deaths": 1, "survival": "0.6667"},
                        {"at_risk": 2, "censored": 2, "day": 400, "deaths": 0, "survival": "0.6667"}
                    ]
                },
                "listing": [{"first_seq": 12, "latest_seq": 12, "on": "2009-01-01", "site": "S01", "subject": "P1"}]
            },
            "synthetic": true, "trial": {"id": "small", "title": "A small trial"}
        })
    }

    #[test]
    fn a_page_is_made_of_the_json_alone_and_names_it() {
        let json = report("outcomes").to_string();
        let page = document(json.as_bytes()).unwrap();
        assert_eq!(document(json.as_bytes()).unwrap(), page);
        for part in [
            "863",
            &"ab".repeat(32),
            &sha256(json.as_bytes()),
            "2011-06-30",
            "SYNTHETIC",
            "<svg",
            "#12",
            "P1",
        ] {
            assert!(page.contains(part), "{part}");
        }
        // It leads nowhere, runs nothing, and loads nothing.
        for part in ["href=", "src=", "<script", "<form", "url(", "@import", "https:"] {
            assert!(!page.contains(part), "{part}");
        }
        let other = document(json.replace("2009-01-01", "2009-01-02").as_bytes()).unwrap();
        assert!(!other.contains(&sha256(json.as_bytes())));
    }

    #[test]
    fn arms_stand_beside_the_whole_and_each_id_of_the_page_stands_once() {
        let arm = |arm: &str| json!({"allocated": 1, "arm": arm, "report": report("outcomes")});
        let mut closed = report("outcomes_by_arm");
        let object = closed.as_object_mut().unwrap();
        object.remove("arms");
        object.insert("whole".to_owned(), report("outcomes"));
        object.insert("arms".to_owned(), json!([arm("cells"), arm("<placebo>")]));
        let page = document(closed.to_string().as_bytes()).unwrap();
        assert!(
            page.contains("Closed report.")
                && page.contains("&lt;placebo&gt;")
                && !page.contains("<placebo>")
        );
        let row = page.split("<tr>").find(|row| row.contains(">Alive<")).unwrap();
        assert_eq!(row.matches("2/3 = 66.7%").count(), 3, "{row}");
        let mut ids: Vec<_> =
            page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(ids.len() >= 6, "{ids:?}");
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }

    #[test]
    fn what_is_no_report_has_no_page() {
        for json in ["", "[]", "{}", &report("elsewhere").to_string()] {
            assert_eq!(document(json.as_bytes()), Err(NotAReport), "{json}");
        }
        let mut closed = report("safety_by_arm");
        closed["arms"] = json!([]);
        // A closed report lists its arms where an open one says what it did about them.
        assert!(document(closed.to_string().as_bytes()).unwrap().contains("No subject was assigned"));
    }
}
