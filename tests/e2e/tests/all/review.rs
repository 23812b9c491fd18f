//! What is asked across records: the trail, subjects against the plan, and the lines by which a record is checked.

use std::process::Command;

use e2e::{Server, SmallTrial, trialbook};
use serde_json::{Value, json};

use crate::access::with_two_sites;
use crate::evidence::sealed;
use crate::http::covering;
use crate::statements::{enrollment, hash_of, infusion, replacing, visit};

fn seqs(page: &Value, list: &str) -> Vec<u64> {
    page[list].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

/// Records 0 to 7 are the trial's own; P1 has 8 to 11 and 13, P9 of S02 has 12; 14 amends 10.
fn with_a_correction() -> SmallTrial {
    let trial = with_two_sites();
    let mut corrected = visit("P1", "2021-02-02", "partial");
    corrected = replacing(&corrected, 10, &hash_of(&trial, 10), "transcription");
    trial.submit("bo.wang", &corrected.to_string()).ends_with(0);
    trial
}

#[test]
fn the_trail_holds_what_its_filter_names_page_by_page() {
    let trial = with_a_correction();
    let server = Server::start(&trial.data());
    let check = |query: &str, due: &[u64]| {
        let page = covering(&server, &format!("/v1/trials/small/trail{query}"), 15);
        assert_eq!(seqs(&page, "entries"), due, "{query}");
        page
    };
    check("", &(0..15).collect::<Vec<_>>());
    check("?who=bo.wang", &[8, 9, 10, 11, 13, 14]);
    check("?kind=visit,infusion", &[9, 10, 14]);
    check("?site=S02&kind=enrollment", &[12]);
    check("?subject=P1&kind=contact", &[11, 13]);
    let amended = check("?reason=any", &[14]);
    let entry = &amended["entries"][0];
    assert_eq!(entry["amends"], json!({"effect": "replace", "reason": "transcription", "seq": 10}));
    assert_eq!(
        (&entry["actor"]["role"], &entry["hash"]),
        (&json!("investigator"), &json!(hash_of_running(&server, 14)))
    );
    check("?reason=coding", &[]);
    check("?until=2001-01-01", &[]);
    check("?from=2001-01-01&who=dan.sun", &[12]);
    // Page by page it is the same.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = covering(&server, &format!("/v1/trials/small/trail?who=bo.wang&limit=2{after}"), 15);
        seen.extend(seqs(&page, "entries"));
        let Some(next) = page["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, [8, 9, 10, 11, 13, 14]);
    for wrong in ["kind=visits", "from=2001", "reason=because", "who=Bo%20Wang", "after=x", "limit=x"] {
        assert_eq!(server.get(&format!("/v1/trials/small/trail?{wrong}")).problem().0, 400, "{wrong}");
    }
}

fn hash_of_running(server: &Server, seq: u64) -> String {
    let record = server.get(&format!("/v1/trials/small/records/{seq}")).json();
    record["hash"].as_str().unwrap().to_owned()
}

#[test]
fn subjects_stand_against_the_plan_on_the_day_that_is_asked_for() {
    let trial = with_a_correction();
    // Infused on 1 February 2020: the visit M12 is due from 2 December 2020 to 1 April 2021.
    trial.submit("bo.wang", &format!("{}\n{}", enrollment("P2"), infusion("P2"))).ends_with(0);
    let server = Server::start(&trial.data());
    let state = |on: &str, subject: &str| {
        let page = covering(&server, &format!("/v1/trials/small/plan?on={on}"), 17);
        let subjects = page["subjects"].as_array().unwrap();
        let found = subjects.iter().find(|plan| plan["subject"] == subject).unwrap();
        found["visits"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("2020-12-01", "P2"), "not_due");
    assert_eq!(state("2020-12-02", "P2"), "due");
    assert_eq!(state("2021-04-01", "P2"), "due");
    assert_eq!(state("2021-04-02", "P2"), "overdue");
    assert_eq!(state("2021-04-02", "P1"), "done");
    assert_eq!(state("2021-04-02", "P9"), "not_due");
    let page = covering(&server, "/v1/trials/small/plan?site=S01&limit=1", 17);
    let p1 = &page["subjects"][0];
    assert_eq!((&p1["subject"], &page["next"]), (&json!("P1"), &json!("P1")));
    // The latest version of the visit counts.
    assert_eq!((&p1["visits"][0]["seq"], &p1["visits"][0]["on"]), (&json!(14), &json!("2021-02-02")));
    assert_eq!(p1["consent"], "before");
    let page = covering(&server, "/v1/trials/small/plan?site=S01&limit=1&after=P1", 17);
    assert_eq!(page["subjects"][0]["subject"], "P2");
    let page = covering(&server, "/v1/trials/small/plan?site=S02", 17);
    assert_eq!(page["subjects"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(server.get("/v1/trials/small/plan?on=soon").problem().0, 400);
}

/// The lines that a record's page gives, as a reader copies them.
fn lines_of(page: &str) -> Vec<String> {
    let blocks = page.split("<pre class=\"lines\"").skip(1);
    let text = |block: &str| {
        let text = block.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0;
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    };
    blocks.map(text).collect()
}

#[test]
fn the_lines_on_a_records_page_check_that_record_and_no_other() {
    let trial = with_a_correction();
    let server = Server::start(&trial.data());
    sealed(&server, 15);
    let dir = trial.beside().join("checked");
    std::fs::create_dir(&dir).unwrap();
    // Found by its path here, by its name where a reader has it.
    let ours = format!("{} prove", trialbook().display());
    let run = |lines: &str| {
        let ran = Command::new("sh")
            .args(["-c", &lines.replace("trialbook prove", &ours)])
            .current_dir(&dir)
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        (ran.status.success(), said)
    };
    // The opening, a grant by the sponsor, one by an investigator, subjects' records, an amendment.
    for seq in [0, 4, 7, 8, 12, 14] {
        let at = format!("/trials/small/records/{seq}");
        let page = server.get(&at).text().to_owned();
        let hash = hash_of_running(&server, seq);
        let record = dir.join(format!("record-{seq}.json"));
        e2e::write(&record, server.get(&format!("{at}/bytes")).body);
        e2e::write(&dir.join(format!("proof-{seq}.txt")), server.get(&format!("{at}/proof")).body);
        let lines = lines_of(&page);
        let [sha256sum, openssl, python, ours] = lines.as_slice() else { panic!("{lines:?}") };
        let holds = |changed: bool| {
            let (_, said) = run(sha256sum);
            assert_eq!(said.contains(&hash), !changed, "{seq}: {said}");
            let (good, said) = run(openssl);
            assert_eq!(
                good && said.contains("Signature Verified Successfully"),
                !changed,
                "{seq}: {openssl}: {said}"
            );
            let (good, said) = run(python);
            assert_eq!(good && said.contains(&format!("record {seq} IS under")), !changed, "{seq}: {said}");
            let (good, said) = run(ours);
            assert_eq!(good && said.contains("Proved: "), !changed, "{seq}: {said}");
        };
        holds(false);
        // One digit of the signing time: nothing of it holds any more.
        let bytes = String::from_utf8(std::fs::read(&record).unwrap()).unwrap();
        let (before, after) = bytes.split_once("\"signed_at\":\"").unwrap();
        e2e::write(&record, format!("{before}\"signed_at\":\"3{}", &after[1..]));
        holds(true);
    }
}

#[test]
fn a_list_leaves_as_a_file_with_what_it_covers() {
    let trial = with_a_correction();
    let server = Server::start(&trial.data());
    sealed(&server, 15);
    covering(&server, "/v1/trials/small/findings", 15);
    let lists = [
        "consent",
        "criteria",
        "deviations",
        "serious-events",
        "deaths",
        "delegation",
        "endorsement",
        "corrections",
        "unblindings",
        "lost-keys",
    ];
    let paths = lists.map(|list| (list, format!("/trials/small/inspection/{list}")));
    for (list, path) in paths.into_iter().chain([("trail", "/trials/small/trail".to_owned())]) {
        covering(&server, "/v1/trials/small/reports/safety", 15);
        let csv = server.get(&format!("{path}?format=csv"));
        assert_eq!((csv.status, &*csv.content_type), (200, "text/csv; charset=utf-8"), "{path}");
        assert_eq!(
            csv.headers["content-disposition"],
            format!("attachment; filename=\"small-{list}-15.csv\"")
        );
        let json = server.get(&format!("{path}?format=json")).json();
        assert_eq!((&json["trial"], &json["covers"]["records"]), (&json!("small"), &json!(15)), "{path}");
        assert_eq!(
            csv.text().trim_end().lines().count(),
            json["rows"].as_array().unwrap().len() + 1,
            "{path}"
        );
    }
    let rows = |path: &str| server.get(path).json()["rows"].as_array().unwrap().clone();
    let corrections = rows("/trials/small/inspection/corrections?format=json");
    assert_eq!(corrections.len(), 1);
    assert_eq!(
        (&corrections[0]["amends"], &corrections[0]["reason"]),
        (&json!("10"), &json!("transcription"))
    );
    assert_eq!(corrections[0]["endpoint_item"], "date of the fact, response › status");
    let consent = rows("/trials/small/inspection/consent?format=json");
    assert_eq!(consent.iter().map(|row| row["subject"].clone()).collect::<Vec<_>>(), ["P1", "P9"]);
    assert_eq!((&consent[0]["days"], &consent[0]["standing"]), (&json!(22), &json!("before")));
    let delegation = rows("/trials/small/inspection/delegation?format=json");
    let bo = delegation.iter().find(|row| row["who"] == "bo.wang" || row["holder"] == "bo.wang").unwrap();
    assert_eq!((&bo["granted_by"], &bo["sites"]), (&json!("an.li"), &json!("S01")));
}
