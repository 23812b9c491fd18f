//! Stating something by the pages: forms without JavaScript, and `trialbook sign`.

use std::path::PathBuf;

use clinical::statement::{Author, Circumstances, compose};
use clinical::text::SealingRandomness;
use e2e::{Browser, Reply, Server, SmallTrial, run, write};
use reqwest::Method;
use serde_json::{Value, json};

use crate::demo::figure;

/// A person with a browser that runs no script, and a command line for their key.
pub(crate) struct Desk<'a> {
    pub(crate) trial: &'a SmallTrial,
    pub(crate) server: &'a Server,
    signed: std::cell::Cell<usize>,
}

/// The hidden field of that name, as a browser would send it.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let begin = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    let found = page.split_once(&begin);
    assert!(found.is_some(), "no field {name} in {page}");
    let (_, rest) = found.unwrap();
    let value = rest.split_once('"').unwrap().0;
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn encode(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

impl<'a> Desk<'a> {
    pub(crate) fn new(trial: &'a SmallTrial, server: &'a Server) -> Self {
        Self { trial, server, signed: std::cell::Cell::new(0) }
    }

    pub(crate) fn send(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("origin", &self.server.address)];
        self.server.send(Method::POST, path, &headers, pairs.join("&").into_bytes())
    }

    /// Fills a form in and sends it: the page that shows what would be signed.
    pub(crate) fn prepare(&self, path: &str, holder: &str, fields: &[(&str, &str)]) -> String {
        let form = self.server.get(path);
        assert_eq!(form.status, 200, "{}", form.text());
        let key = self.trial.person(holder).secret.public().id().to_string();
        let mut all = vec![("step", "prepare"), ("signer", key.as_str()), ("site", "S01")];
        all.extend(fields);
        let amended = form.text().contains("name=\"amends\"").then(|| hidden(form.text(), "amends"));
        all.extend(amended.iter().map(|seq| ("amends", seq.as_str())));
        let page = self.send(path, &all).text().to_owned();
        let to_confirm: Vec<&str> =
            page.split("name=\"confirmed ").skip(1).map(|part| part.split_once('"').unwrap().0).collect();
        if to_confirm.is_empty() {
            return page;
        }
        assert!(!page.contains("name=\"rehearsal\""), "nothing is signed unconfirmed: {page}");
        let names: Vec<String> = to_confirm.iter().map(|name| format!("confirmed {name}")).collect();
        all.extend(names.iter().map(|name| (name.as_str(), "as_in_source")));
        self.send(path, &all).text().to_owned()
    }

    /// Downloads the statement.
    pub(crate) fn download(&self, page: &str) -> PathBuf {
        let rehearsal = hidden(page, "rehearsal");
        let statement = self.send("/trials/small/statement", &[("rehearsal", rehearsal.as_str())]);
        assert_eq!(statement.status, 200, "{}", statement.text());
        assert!(statement.headers["content-disposition"].starts_with("attachment; filename="));
        self.signed.set(self.signed.get() + 1);
        let file = self.trial.beside().join(format!("statement-{}.json", self.signed.get()));
        write(&file, &statement.body);
        file
    }

    /// Signs a downloaded statement on the person's own machine.
    pub(crate) fn sign(&self, statement: &std::path::Path, holder: &str) -> Vec<u8> {
        let (key, out) = (self.trial.key(holder), statement.with_extension("signed"));
        let server = self.server.address.as_str();
        let arguments =
            ["sign", statement.to_str().unwrap(), "--key", key.to_str().unwrap(), "--server", server];
        run(arguments.into_iter().chain(["--out", out.to_str().unwrap()])).ends_with(0);
        std::fs::read(out).unwrap()
    }

    /// Submits a signed file as a browser sends files: the page with the receipt.
    pub(crate) fn submit(&self, signed: &[u8]) -> String {
        let mut body = Vec::new();
        body.extend(b"--b\r\nContent-Disposition: form-data; name=\"signed\"; filename=\"signed.json\"\r\nContent-Type: application/json\r\n\r\n");
        body.extend(signed);
        body.extend(b"\r\n--b--\r\n");
        let headers = [("content-type", "multipart/form-data; boundary=b"), ("origin", &self.server.address)];
        self.server.send(Method::POST, "/trials/small/submit", &headers, body).text().to_owned()
    }

    /// All of it: form, statement, signature, receipt.
    pub(crate) fn record(&self, path: &str, holder: &str, fields: &[(&str, &str)]) -> Value {
        let page = self.prepare(path, holder, fields);
        assert!(page.contains("look before you sign"), "{page}");
        let done = self.submit(&self.sign(&self.download(&page), holder));
        assert!(done.contains("✓ Recorded"), "{done}");
        serde_json::from_str(&hidden(&done, "receipt")).unwrap()
    }
}

/// Remission after a year, once the report knows of anybody who could have it.
fn remission(trial: &SmallTrial) -> Option<(u64, u64)> {
    let report = trial.run(["report", "outcomes", "--json", "--cutoff", "2022-06-30"]).ends_with(0).json();
    let year_1 = figure(&report, "remission.year_1")?;
    Some((year_1["numerator"].as_u64()?, year_1["denominator"].as_u64()?))
}

/// Asks until there is an answer: what was recorded is read a moment later.
pub(crate) fn asked_until<T>(ask: impl Fn() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < std::time::Duration::from_mins(3), "there is no answer");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_subject_is_enrolled_seen_and_corrected_by_forms_and_the_correction_reaches_the_report() {
    let trial = SmallTrial::new();
    let server = Server::start(&trial.data());
    let desk = Desk::new(&trial, &server);
    // The coordinator's request, granted by the principal investigator from a page.
    let file = trial.key("cy.ding");
    let file = file.to_str().unwrap();
    let key = ["keys", "new", "--holder", "cy.ding", "--organisation", "Hospital 1", "--role", "coordinator"];
    run(key.into_iter().chain(["--zone", "Asia/Shanghai", "--out", file])).ends_with(0);
    let request = ["keys", "request", "--key", file, "--genesis", &trial.genesis, "--site", "S01"];
    let request = run(request).ends_with(0).out;
    let granting = [("request", request.as_str()), ("from", "2026-01-01"), ("until", "2126-01-01")];
    desk.record("/trials/small/keys/grant", "an.li", &granting);
    let enrollment = desk.record(
        "/trials/small/record/enrollment",
        "cy.ding",
        &[
            ("subject", "P1"),
            ("occurred_on", "2020-01-10"),
            ("d:consent.document_version", "1"),
            ("d:consent.language", "en"),
            ("d:consent.signed_on", "2020-01-10"),
            ("d:planned_infusions", "1"),
            ("m:sex", "refused"),
        ],
    );
    assert_eq!(enrollment["seq"], 9);
    let about = "/trials/small/subjects/P1/record";
    let infusion = [("occurred_on", "2020-02-01"), ("d:number", "1")];
    desk.record(&format!("{about}/infusion"), "bo.wang", &infusion);
    let visit = [
        ("occurred_on", "2021-02-01"),
        ("d:status", "done"),
        ("d:planned", "M12"),
        ("d:pga", "0.5"),
        ("d:response.definition", "ccr-registry-1"),
        ("d:response.status", "none"),
    ];
    let receipt = desk.record(&format!("{about}/visit"), "bo.wang", &visit);
    assert_eq!(receipt["seq"], 11);
    asked_until(|| (remission(&trial) == Some((0, 1))).then_some(()));

    // From the record's page to its correction: the form is filled with what was stated.
    let record =
        asked_until(|| Some(server.get("/trials/small/records/11")).filter(|reply| reply.status == 200));
    let link = "/trials/small/subjects/P1/record/visit?amends=11";
    assert!(record.text().contains(&format!("href=\"{link}\"")), "{}", record.text());
    let form = server.get(link);
    for filled in
        ["value=\"2021-02-01\"", "value=\"M12\"", "value=\"0.5\"", "<option value=\"none\" selected>"]
    {
        assert!(form.text().contains(filled), "{filled}: {}", form.text());
    }
    let mut corrected = visit.to_vec();
    corrected[5].1 = "complete";
    corrected.extend([
        ("effect", "replace"),
        ("reason", "transcription"),
        ("comment", "read off the wrong line"),
    ]);
    let receipt = desk.record(link, "an.li", &corrected);
    assert_eq!(receipt["seq"], 12);
    asked_until(|| (remission(&trial) == Some((1, 1))).then_some(()));
    let trail = trial.run(["trail", "--subject", "P1"]).ends_with(0).out;
    assert!(trail.contains("/data/response/status: \"none\" → \"complete\""), "{trail}");
    asked_until(|| {
        let page = server.get("/trials/small/records/12");
        page.text().contains("with a sealed comment").then_some(())
    });

    // The earlier version is no longer corrected, and nothing was recorded that nobody signed.
    let stale = server.get(link);
    assert!(stale.status == 400 && stale.text().contains("correct the latest version"), "{}", stale.text());
    assert_eq!(trial.records(), 13);
}

#[test]
fn the_dry_run_finds_what_the_registrar_finds_and_records_nothing() {
    let trial = crate::statements::with_subject();
    let server = Server::start(&trial.data());
    let desk = Desk::new(&trial, &server);
    let path = "/trials/small/subjects/P1/record/visit";
    let strange = [("occurred_on", "2021-06-01"), ("d:status", "done"), ("d:pga", "7.5")];
    let page = desk.prepare(path, "bo.wang", &strange);
    assert!(page.contains("pga-out-of-range"), "{page}");
    let before = trial.records();
    let refused = desk.prepare(
        path,
        "bo.wang",
        &[("occurred_on", "2021-06-01"), ("d:status", "done"), ("d:pga", "high")],
    );
    assert!(refused.contains("This would be refused") && refused.contains("/data/pga"), "{refused}");
    let other_site = desk.prepare(path, "dan.sun", &strange);
    assert!(other_site.contains("site-not-entitled"), "{other_site}");
    assert_eq!(trial.records(), before);
    let signed = desk.sign(&desk.download(&page), "bo.wang");
    let done = desk.submit(&signed);
    assert!(done.contains("✓ Recorded") && done.contains("pga-out-of-range"), "{done}");
    let again = desk.submit(&signed);
    assert!(again.contains("recorded once"), "{again}");
    assert_eq!(trial.records(), before + 1);
    let damaged = String::from_utf8(signed).unwrap().replace("7.5", "2.5");
    let refused = desk.submit(damaged.as_bytes());
    assert!(refused.contains("✗ Refused") && refused.contains("signature-invalid"), "{refused}");
}

/// Fills in the form of a visit in a browser, up to the page that shows what would be signed.
fn prepare_visit(browser: &Browser, server: &Server, key: &str, day: &str, text: Option<&str>) {
    browser.open(&format!("{}/trials/small/subjects/P1/record/visit", server.address));
    let fields = json!({"signer": key, "site": "S01", "occurred_on": day, "d:status": "missed", "d:missed_because_text": text});
    browser.evaluate(
        "for (const [name, value] of Object.entries(arguments[0])) document.getElementsByName(name)[0].value = value ?? ''",
        &[fields],
    );
    browser.click("form.stated p:not(.hidden-button) > button.main");
    // The trial demands an assessment, which a missed visit has not.
    let asks = "return document.querySelectorAll('select[name^=\"confirmed \"]').length";
    browser.wait_for(asks, |asked| *asked == json!(1));
    browser.choose("select[name^='confirmed ']", "being_clarified");
    browser.click("form.stated p > button.main");
    browser
        .wait_for("return document.querySelector('#here')?.hidden === false", |shown| *shown == json!(true));
}

/// Opens a key file with a passphrase; what the page says, once it says something else than that it tries.
pub(crate) fn open_key(browser: &Browser, file: &std::path::Path, passphrase: &str) -> String {
    browser.type_into("#keyfile", file.to_str().unwrap());
    browser.clear("#passphrase");
    browser.type_into("#passphrase", passphrase);
    browser.click("#open");
    let said = "return document.querySelector('#said').textContent";
    let said =
        browser.wait_for(said, |said| !["", "Opening the key…"].contains(&said.as_str().unwrap_or("")));
    said.as_str().unwrap().to_owned()
}

/// Signs and submits; position of the record, and the event as the page showed it.
pub(crate) fn sign_here(browser: &Browser) -> (u64, String) {
    let event = browser.evaluate("return document.querySelector('#event').textContent", &[]);
    browser.click("#sign");
    browser.wait_for("return document.querySelector('h1').textContent", |title| {
        ["Recorded", "Not recorded"].contains(&title.as_str().unwrap_or_default())
    });
    let page = browser.evaluate("return document.querySelector('main').innerText", &[]);
    assert!(page.as_str().unwrap().contains("✓ Recorded"), "{page}");
    let receipt = browser.evaluate("return document.getElementsByName('receipt')[0].value", &[]);
    let receipt: Value = serde_json::from_str(receipt.as_str().unwrap()).unwrap();
    (receipt["seq"].as_u64().unwrap(), event.as_str().unwrap().to_owned())
}

#[test]
fn a_browser_signs_the_bytes_that_the_command_line_makes_and_says_when_the_passphrase_is_wrong() {
    let name = "a_browser_signs_the_bytes_that_the_command_line_makes_and_says_when_the_passphrase_is_wrong";
    let Some(browser) = Browser::start(name) else { return };
    let trial = crate::statements::with_subject();
    let passphrase = trial.beside().join("passphrase");
    write(&passphrase, "correct horse battery\n");
    let (file, pass) = (trial.key("cy.ding"), passphrase.to_str().unwrap());
    let made =
        ["keys", "new", "--holder", "cy.ding", "--organisation", "Hospital 1", "--role", "coordinator"];
    let out = ["--out", file.to_str().unwrap(), "--passphrase-file", pass];
    let made = run(made.into_iter().chain(out)).ends_with(0).out;
    let key_id = made.lines().find_map(|line| line.strip_prefix("key id      ")).unwrap().to_owned();
    let request =
        ["keys", "request", "--key", file.to_str().unwrap(), "--genesis", &trial.genesis, "--site", "S01"];
    let request = run(request.into_iter().chain(["--passphrase-file", pass])).ends_with(0).out;
    trial.submit("an.li", &request).ends_with(0);
    let server = Server::start(&trial.data());

    // A key under a passphrase, and free text.
    prepare_visit(&browser, &server, &key_id, "2021-03-01", Some("no train & no bus"));
    assert!(open_key(&browser, &file, "wrong horse battery").contains("passphrase is wrong"));
    assert!(open_key(&browser, &trial.key("bo.wang"), "").contains("This is not the key of cy.ding"));
    assert!(open_key(&browser, &file, "correct horse battery").contains("The key is open"));
    let (seq, event) = sign_here(&browser);
    let (data, seq) = (trial.data(), seq.to_string());
    let shown = server.get(&format!("/v1/trials/small/records/{seq}"));
    assert!(shown.text().contains(&event), "what was shown is what is recorded: {event}");
    let arguments = ["show", &seq, "--key", file.to_str().unwrap(), "--passphrase-file", pass, "--data"];
    let shown = run(arguments.into_iter().chain([data.to_str().unwrap()])).ends_with(0).out;
    assert!(shown.contains("no train & no bus"), "{shown}");

    // A key in clear, and the same bytes from the command line's own code.
    let person = trial.person("bo.wang");
    prepare_visit(&browser, &server, &person.secret.public().id().to_string(), "2021-04-01", None);
    assert!(open_key(&browser, &trial.key("bo.wang"), "").contains("The key is open"));
    let (_, event) = sign_here(&browser);
    let signed: Value = serde_json::from_str(&event).unwrap();
    let found =
        json!([{"finding": "mandatory-item-absent", "pointer": "/data/pga", "reason": "being_clarified"}]);
    let statement = json!({"kind": "visit", "site": "S01", "subject": "P1", "occurred_on": "2021-04-01",
        "confirmed": {"findings": found}, "data": {"status": "missed"}});
    let (id, small) = (trial.genesis.parse().unwrap(), SmallTrial::ID.parse().unwrap());
    let zone = "Asia/Shanghai".parse().unwrap();
    let author = Author { actor: &person.actor, key: &person.secret, trial: &small, log: id, zone: &zone };
    let mut circumstances = Circumstances {
        id: signed["id"].as_str().unwrap().parse().unwrap(),
        signed_at: signed["signed_at"].as_str().unwrap().parse().unwrap(),
        text_key: None,
        randomness: &mut || SealingRandomness([0; 112]),
    };
    let composed = compose(&serde_json::from_value(statement).unwrap(), author, &mut circumstances).unwrap();
    assert_eq!(String::from_utf8(composed.event).unwrap(), event);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_browser_that_runs_no_script_records_by_download_signature_and_upload() {
    let name = "a_browser_that_runs_no_script_records_by_download_signature_and_upload";
    let Some(browser) = Browser::start(name) else { return };
    let trial = crate::statements::with_subject();
    let server = Server::start(&trial.data());
    let key = trial.person("bo.wang").secret.public().id().to_string();
    let downloads = trial.beside().join("downloads");
    std::fs::create_dir(&downloads).unwrap();
    browser.run_scripts(false);
    browser.download_to(&downloads);

    browser.open(&format!("{}/trials/small/subjects/P1/record/visit", server.address));
    browser.choose("[name=signer]", &key);
    browser.choose("[name=site]", "S01");
    browser.choose("[name='d:status']", "done");
    browser.type_into("[name=occurred_on]", "2021-06-01");
    browser.type_into("[name='d:pga']", "7.5");
    browser.click("form.stated p:not(.hidden-button) > button.main");
    let page = browser.evaluate("return document.querySelector('main').innerText", &[]);
    let page = page.as_str().unwrap();
    assert!(page.contains("look before you sign") && page.contains("pga-out-of-range"), "{page}");
    assert!(!page.contains("Sign it here"), "nothing is offered that needs a script: {page}");
    assert!(!page.contains("Download the statement"), "nothing is signed unconfirmed: {page}");
    let reason = "[name='confirmed pga-out-of-range /data/pga']";
    // Another reason that is told nowhere is none.
    browser.choose(reason, "other");
    browser.click("form.stated p > button.main");
    let page = browser.evaluate("return document.querySelector('main').innerText", &[]);
    assert!(page.as_str().unwrap().contains("another reason is told in the comment"), "{page}");
    browser.choose(reason, "investigator_agrees");
    browser.type_into("[name=confirmed_comment]", "scale of the old form");
    browser.click("form.stated p > button.main");
    browser.click("#prepared button.main");
    let statement = asked_until(|| {
        let files = std::fs::read_dir(&downloads).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "json"))
    });

    let desk = Desk::new(&trial, &server);
    desk.sign(&statement, "bo.wang");
    let signed = statement.with_extension("signed");
    browser.type_into("[name=signed]", signed.to_str().unwrap());
    let before = trial.records();
    browser.click("#signed button.main");
    let page = browser.evaluate("return document.querySelector('main').innerText", &[]);
    assert!(page.as_str().unwrap().contains("✓ Recorded"), "{page}");
    assert_eq!(trial.records(), before + 1);

    // The reason is signed with the statement and stands beside the finding; its comment is sealed.
    let record: Value = server.get(&format!("/v1/trials/small/records/{before}")).json();
    let confirmed = &record["record"]["event"]["confirmed"];
    let due =
        json!([{"finding": "pga-out-of-range", "pointer": "/data/pga", "reason": "investigator_agrees"}]);
    assert_eq!(confirmed["findings"], due);
    assert_eq!(confirmed["comment"]["alg"], "xchacha20poly1305");
    asked_until(|| {
        let list = server.get("/trials/small/findings");
        list.text().contains("an investigator looked at it, and it is so").then_some(())
    });
}
