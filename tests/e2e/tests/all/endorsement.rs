//! Endorsing what another entered: in the page, by the command line, and what the lists say before and after.

use chain::{Position, Record, RecordHash};
use clinical::statement::Composed;
use e2e::{Browser, Server, SmallTrial, run};
use serde_json::{Value, json};

use crate::checkers::{Checkers, Unpacked, changed, entries, read, signed_with, started};
use crate::entry::{asked_until, open_key, sign_here};
use crate::evidence::{bundle, log_key};
use crate::statements::{hash_of, replacing, visit, with_subject};

/// The trial with a subject, and a coordinator at its site: record 12 is the grant.
fn with_coordinator() -> SmallTrial {
    let trial = with_subject();
    let file = trial.key("cy.ding");
    let file = file.to_str().unwrap();
    let made =
        ["keys", "new", "--holder", "cy.ding", "--organisation", "Hospital 1", "--role", "coordinator"];
    run(made.into_iter().chain(["--zone", "Asia/Shanghai", "--out", file])).ends_with(0);
    let request = ["keys", "request", "--key", file, "--genesis", &trial.genesis, "--site", "S01"];
    let request = run(request).ends_with(0).out;
    trial.submit("an.li", &request).ends_with(0);
    trial
}

/// Records with what the inspection list says of each.
fn listed(server: &Server) -> Option<Vec<(String, String)>> {
    let reply = server.get("/trials/small/inspection/endorsement?format=json");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = (reply.status == 200).then(|| reply.json()["rows"].clone())?;
    Some(rows.as_array().unwrap().iter().map(|row| (text(&row["record"]), text(&row["state"]))).collect())
}

/// Waits until the list says this.
fn lists(server: &Server, due: &[(&str, &str)]) {
    let due: Vec<_> = due.iter().map(|(record, state)| ((*record).to_owned(), (*state).to_owned())).collect();
    asked_until(|| listed(server).filter(|found| *found == due).map(drop));
}

fn endorsement(trial: &SmallTrial, seqs: &[u64]) -> Value {
    let named = |seq: &u64| json!({"hash": hash_of(trial, *seq), "seq": seq});
    let statements: Vec<Value> = seqs.iter().map(named).collect();
    json!({"kind": "signature", "site": "S01", "subject": "P1",
        "data": {"meaning": "endorsement", "statements": statements}})
}

#[test]
fn a_judgement_of_a_coordinator_is_endorsed_in_the_page_and_waits_again_when_it_is_amended() {
    let name = "a_judgement_of_a_coordinator_is_endorsed_in_the_page_and_waits_again_when_it_is_amended";
    let Some(browser) = Browser::start(name) else { return };
    let trial = with_coordinator();
    trial.submit("cy.ding", &visit("P1", "2021-03-01", "partial").to_string()).ends_with(0);
    let server = Server::start(&trial.data());
    lists(&server, &[("13", "not endorsed")]);

    // From what waits to what is signed.
    browser.open(&format!("{}/trials/small/work", server.address));
    browser.click("td a[href*='/subjects/P1/record/signature']");
    let chosen =
        "return [...document.querySelectorAll('input[name=statement]:checked')].map((box) => box.value)";
    browser.wait_for(chosen, |chosen| *chosen == json!(["13"]));
    let signer = trial.person("bo.wang").secret.public().id().to_string();
    browser.evaluate("document.getElementsByName('signer')[0].value = arguments[0]", &[json!(signer)]);
    browser.click("form.stated p:not(.hidden-button) > button.main");
    browser
        .wait_for("return document.querySelector('#here')?.hidden === false", |shown| *shown == json!(true));
    let page = browser.evaluate("return document.querySelector('main').innerText", &[]);
    for what in ["What you sign", "the judgements in it are my own", "partial", "cy.ding"] {
        assert!(page.as_str().unwrap().contains(what), "{what}: {page}");
    }
    assert!(open_key(&browser, &trial.key("bo.wang"), "").contains("The key is open"));
    let (seq, event) = sign_here(&browser);
    assert_eq!(seq, 14);
    let event: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["data"], endorsement(&trial, &[13])["data"]);
    lists(&server, &[]);
    let record = server.get("/trials/small/records/13");
    assert!(record.text().contains("✓ Endorsed by <strong>bo.wang</strong>"), "{}", record.text());
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");

    // What was endorsed is no longer what stands.
    let other = visit("P1", "2021-03-01", "complete");
    let other = replacing(&other, 13, &hash_of(&trial, 13), "transcription");
    trial.submit("cy.ding", &other.to_string()).ends_with(0);
    let stale = ("13", "signature stale: amended since");
    lists(&server, &[("15", "not endorsed"), stale]);
    let refused = trial.submit("bo.wang", &endorsement(&trial, &[13]).to_string());
    assert!(refused.err.contains("reference-not-in-force"), "{refused:?}");

    // A lost key: what it signed is signed again with another.
    let lost = json!({"kind": "key_revoked", "data": {"key": signer, "reason": "lost", "suspected_since": "2020-01-01"}});
    trial.submit("an.li", &lost.to_string()).ends_with(0);
    let in_doubt = ["8", "9", "10", "11"].map(|seq| (seq, "key in doubt"));
    lists(&server, &[&[("15", "not endorsed")], &in_doubt[..], &[stale]].concat());
    trial.submit("an.li", &endorsement(&trial, &[8, 9, 10, 11, 15]).to_string()).ends_with(0);
    lists(&server, &[stale]);
    drop(server);

    let files = read(&bundle(&trial, "signed.zip"));
    Checkers { browser, trial: &trial }.intact(&files, &log_key(&trial));
}

/// A bundle of one bundle of records, with one more, which nobody was asked about, and sealed anew with the log's key.
fn appended(trial: &SmallTrial, files: &Unpacked, said: &Composed) -> Unpacked {
    let (old, new) = ("log/tile/entries/000.p/15", "log/tile/entries/000.p/16");
    let mut records = entries(&files[old]);
    let last = records.last().unwrap();
    let record = Record {
        event: &said.event,
        prev: RecordHash::of(last),
        recorded_at: Record::parse(last).unwrap().recorded_at,
        seq: Position(15),
        signature: said.signature,
    };
    records.push(record.join());
    let hashes: Vec<RecordHash> = records.iter().map(|record| RecordHash::of(record)).collect();
    let tile: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let bundle = records.iter().flat_map(|record| {
        let length = u16::try_from(record.len()).unwrap().to_be_bytes();
        [&length[..], record].concat()
    });
    let checkpoint = std::str::from_utf8(&files["log/checkpoint"]).unwrap();
    let mut lines: Vec<&str> = checkpoint.lines().collect();
    let root = chain::key::to_base64(&chain::tree::root_of(&hashes).0);
    (lines[1], lines[2]) = ("16", &root);
    let secret = trial.data().join("keys").join("small.log.key");
    let checkpoint = signed_with(&format!("{}\n", lines.join("\n")), &[&secret]);
    changed(files, |files| {
        files.insert(new.to_owned(), bundle.collect());
        files.insert("log/tile/0/000.p/16".to_owned(), tile);
        files.insert("log/checkpoint".to_owned(), checkpoint.into_bytes());
    })
}

#[test]
fn three_checkers_agree_about_signatures_and_what_is_entered_for_another() {
    let name = "three_checkers_agree_about_signatures_and_what_is_entered_for_another";
    let Some(browser) = started(name) else { return };
    let trial = with_coordinator();
    let (first, second) = (visit("P1", "2021-03-01", "partial"), visit("P1", "2021-03-01", "complete"));
    trial.submit("cy.ding", &first.to_string()).ends_with(0);
    trial.submit("cy.ding", &replacing(&second, 13, &hash_of(&trial, 13), "coding").to_string()).ends_with(0);
    let files = read(&bundle(&trial, "before.zip"));
    let checkers = Checkers { browser, trial: &trial };
    let key = log_key(&trial);
    let find = |said: &Composed, status: i32, due: &[&str]| {
        checkers.find(&appended(&trial, &files, said), &key, status, due);
    };
    let says = |holder: &str, statement: &Value| {
        trial.person(holder).sign(SmallTrial::ID, &trial.genesis, statement)
    };
    // The same event, changed and signed anew, whatever becomes of its form.
    let altered = |said: &Composed, change: &dyn Fn(&mut Value)| {
        let mut event: Value = serde_json::from_slice(&said.event).unwrap();
        change(&mut event);
        let event = chain::canonical::canonicalize(&event).unwrap();
        let signature = trial.person("bo.wang").secret.sign_event(&event);
        Composed { event, signature }
    };

    let good = says("bo.wang", &endorsement(&trial, &[8, 14]));
    find(&good, 0, &[]);
    let contradicted = ["admission-contradicted at record 15"];
    find(&says("bo.wang", &endorsement(&trial, &[8, 13])), 1, &contradicted);
    find(&says("bo.wang", &endorsement(&trial, &[8, 12])), 1, &contradicted);
    let other_hash = |event: &mut Value| event["data"]["statements"][1]["hash"] = json!("1".repeat(64));
    find(&altered(&good, &other_hash), 1, &contradicted);
    let to_come = |event: &mut Value| event["data"]["statements"][1]["seq"] = json!(15);
    find(&altered(&good, &to_come), 1, &contradicted);
    find(&says("cy.ding", &endorsement(&trial, &[8])), 1, &["signer-not-entitled at record 15"]);
    let malformed = ["event-malformed at record 15"];
    let backwards = |event: &mut Value| event["data"]["statements"].as_array_mut().unwrap().reverse();
    find(&altered(&good, &backwards), 1, &malformed);
    find(&altered(&good, &|event| event["data"]["statements"] = json!([])), 1, &malformed);
    find(&altered(&good, &|event| event["data"]["meaning"] = json!("applause")), 1, &malformed);
    find(&altered(&good, &|event| event["occurred_on"] = json!("2021-03-01")), 1, &malformed);
    find(&altered(&good, &|event| event["taken_from"] = json!({"means": "chart"})), 1, &malformed);

    let entered = says("bo.wang", &visit("P1", "2021-04-01", "none"));
    let by = |role: &str, id: Option<&str>| {
        let (role, id) = (role.to_owned(), id.map(str::to_owned));
        altered(&entered, &move |event| {
            event["taken_from"] = json!({"means": "phone", "reported_by": {"role": role}});
            if let Some(id) = &id {
                event["taken_from"]["reported_by"]["id"] = json!(id);
            }
        })
    };
    find(&by("relative", None), 0, &[]);
    find(&by("investigator", Some("an.li")), 0, &[]);
    find(&by("relative", Some("an.li")), 1, &malformed);
    find(&by("investigator", Some("bo.wang")), 1, &malformed);
    find(&by("king", None), 1, &malformed);
}

#[test]
fn three_checkers_agree_about_confirmed_findings() {
    let Some(browser) = started("three_checkers_agree_about_confirmed_findings") else { return };
    let trial = with_coordinator();
    for day in ["2021-03-01", "2021-04-01"] {
        trial.submit("cy.ding", &visit("P1", day, "partial").to_string()).ends_with(0);
    }
    let files = read(&bundle(&trial, "before.zip"));
    let checkers = Checkers { browser, trial: &trial };
    let key = log_key(&trial);
    let author = trial.person("bo.wang");
    let find = |confirmed: Value, due: i32| {
        let said = author.sign(SmallTrial::ID, &trial.genesis, &visit("P1", "2021-05-01", "none"));
        let mut event: Value = serde_json::from_slice(&said.event).unwrap();
        event["confirmed"] = confirmed;
        let event = chain::canonical::canonicalize(&event).unwrap();
        let signature = author.secret.sign_event(&event);
        let due_findings = if due == 0 { &[][..] } else { &["event-malformed at record 15"][..] };
        checkers.find(&appended(&trial, &files, &Composed { event, signature }), &key, due, due_findings);
    };
    let one = |finding: &str, pointer: Option<&str>, reason: &str| match pointer {
        Some(pointer) => json!({"finding": finding, "pointer": pointer, "reason": reason}),
        None => json!({"finding": finding, "reason": reason}),
    };
    let (death, pga) = ("after-death", "pga-out-of-range");
    let whole = one(death, None, "being_clarified");
    let there = one(death, Some("/occurred_on"), "as_in_source");
    let of_pga = one(pga, Some("/data/pga"), "investigator_agrees");
    find(json!({"findings": [whole, there, of_pga]}), 0);
    find(json!({"findings": [one("not-yet-thought-of", Some("/data/items/3.x_y~1z"), "other")]}), 0);
    for refused in [
        json!({"findings": []}),
        json!({}),
        json!([one(death, None, "other")]),
        json!({"findings": {"first": whole}}),
        json!({"findings": [there, whole]}),
        json!({"findings": [of_pga, there]}),
        json!({"findings": [there, there]}),
        json!({"findings": [one("After death", None, "other")]}),
        json!({"findings": [one(death, Some(""), "other")]}),
        json!({"findings": [one(death, Some("/data/he was in Suzhou"), "other")]}),
        json!({"findings": [one(death, Some("/1/2/3/4/5/6/7/8/9"), "other")]}),
        json!({"findings": [one(death, Some("occurred_on"), "other")]}),
        json!({"findings": [one(death, None, "he was in Suzhou")]}),
        json!({"findings": [{"finding": death}]}),
        json!({"findings": [whole], "comment": "he was in Suzhou"}),
        json!({"findings": [whole], "comment": {"alg": "xchacha20poly1305"}}),
    ] {
        find(refused, 1);
    }
}
