//! Submissions over NATS, and a trial that is opened there: the same bytes and answers as over HTTP, and no site in
//! another's name.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Http, SmallTrial, run, run_with_input};
use nats_suite::{Raw, Servers};
use serde_json::Value;

use super::contacts;
use super::killed::StopWhenDropped;
use super::processes::{PATIENCE, Registry, lost_and_doubled};
use crate::evidence::text;
use crate::http::EVENTS;
use crate::statements::contact;

/// The users of two sites, in the account of the logs: each may publish where its own site submits and hear its own
/// answers, nothing else.
fn site_users() -> String {
    let user = |site: &str| {
        format!(
            "{{ user: site-{site}, password: site-{site}, permissions: {{ \
             publish: [\"trialbook.small.submit.{site}\"], subscribe: [\"_INBOX_site-{site}.>\"] }} }}"
        )
    };
    format!("{}, {}", user("S01"), user("S02"))
}

#[test]
fn a_site_submits_over_nats_as_over_http_and_nobody_in_its_name() {
    let Some(program) =
        nats_suite::nats_server("distributed::a_site_submits_over_nats_as_over_http_and_nobody_in_its_name")
    else {
        return;
    };
    let (trial, mut registry) = Registry::moved(Servers::start_for(&program, &site_users()));
    registry.start("registrar-1");
    let http = registry.http("registrar-1");
    let port = registry.servers.port(0);
    let (own, other) = (Raw::connect_as(port, "site-S01"), Raw::connect_as(port, "site-S02"));
    let (subject, of_other) = ("trialbook.small.submit.S01", "trialbook.small.submit.S02");

    // Recorded by one way, and recorded before by the other: the same bytes.
    let submission = trial.submission("bo.wang", &contact("P1", "2022-01-01"));
    holds_the_document(http, subject, &submission);
    let (status, recorded) = own.submit(subject, &submission);
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&recorded));
    let by_http = http.post(EVENTS, "application/json", submission.clone());
    assert_eq!(own.submit(subject, &submission), (by_http.status, by_http.body.clone()));
    assert_eq!(by_http.status, 200);
    let receipt = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["receipt"].clone();
    let without_note = |mut receipt: Value| {
        // It is signed anew, for the commit of then.
        receipt.as_object_mut().unwrap().retain(|name, _| name != "note" && name != "path");
        receipt
    };
    assert_eq!(without_note(receipt(&recorded)), without_note(receipt(&by_http.body)));

    // Refused: the same problem with the same status.
    let mut unsigned = submission.clone();
    let last = unsigned.len() - 10;
    unsigned[last] = if unsigned[last] == b'A' { b'B' } else { b'A' };
    let unknown = trial.submission("bo.wang", &contact("P9", "2022-01-01"));
    for refused in [unsigned, unknown, b"{}".to_vec(), Vec::new()] {
        let by_http = http.post(EVENTS, "application/json", refused.clone());
        assert!((400..500).contains(&by_http.status), "{}", by_http.text());
        assert_eq!(own.submit(subject, &refused), (by_http.status, by_http.body));
    }

    // Another site's event by one's own subject.
    let (status, problem) = other.submit(of_other, &submission);
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!((status, &problem["code"]), (403, &Value::from("site-differs")));

    // What the server keeps a site from.
    for forbidden in
        [of_other, "trialbook.small.log", "trialbook.small.head", "$JS.API.STREAM.MSG.GET.trialbook-small"]
    {
        let said = own.refused_publish(forbidden, b"{}");
        assert!(
            said.contains("permissions violation for publish") && said.contains(&forbidden.to_lowercase()),
            "{said}"
        );
    }
    for forbidden in ["trialbook.small.log", "trialbook.small.submit.*", "_INBOX_site-S02.>"] {
        let said = own.refused_subscribe(forbidden);
        assert!(said.contains("permissions violation for subscription"), "{said}");
    }
    assert_eq!(http.get("/v1/trials/small").json()["covers"]["records"], 13);
    registry.stop_all();
}

/// docs/asyncapi.yaml names the subject, and the schemas of `/openapi.json`; and it lists a submission's members.
fn holds_the_document(http: &Http, subject: &str, submission: &[u8]) {
    let document = include_str!("../../../../../docs/asyncapi.yaml");
    let document: Value = serde_saphyr::from_str(document).unwrap();
    let address = document["channels"]["submit"]["address"].as_str().unwrap();
    assert_eq!(address.replace("{trial}", "small").replace("{site}", "S01"), subject);
    let schemas = http.get("/openapi.json").json()["components"]["schemas"].clone();
    let messages = &document["components"]["messages"];
    for (message, schema) in [("answer", "Answer"), ("problem", "Problem")] {
        let url = messages[message]["payload"]["externalDocs"]["url"].as_str().unwrap();
        assert_eq!(url, format!("/openapi.json#/components/schemas/{schema}"));
        assert!(schemas[schema].is_object(), "{schema}");
    }
    let submission: Value = serde_json::from_slice(submission).unwrap();
    let payload = &messages["submission"]["payload"];
    let members: Vec<&String> = submission.as_object().unwrap().keys().collect();
    assert_eq!(payload["required"], serde_json::json!(members));
    assert!(payload["properties"].as_object().unwrap().keys().eq(members));
}

/// Submits as a site does, again and again until it is answered. How often it was not.
fn submit_until_answered(site: &Raw, subject: &str, submission: &[u8]) -> usize {
    let (begun, mut unanswered) = (Instant::now(), 0);
    loop {
        match site.try_submit(subject, submission) {
            Some((200 | 201, _)) => return unanswered,
            Some((status, problem)) => assert_eq!(status, 503, "{}", String::from_utf8_lossy(&problem)),
            // Nobody is there, or nobody answered.
            None => unanswered += 1,
        }
        assert!(begun.elapsed() < PATIENCE, "nobody answers");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_submission_over_nats_while_the_registrar_stops_is_answered_or_repeated_without_a_second_record() {
    let Some(program) = nats_suite::nats_server(
        "distributed::a_submission_over_nats_while_the_registrar_stops_is_answered_or_repeated_without_a_second_record",
    ) else {
        return;
    };
    let (trial, mut registry) = Registry::moved(Servers::start_for(&program, &site_users()));
    registry.start("registrar-1");
    let port = registry.servers.port(0);
    let (stop, submitted) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let unanswered: usize = thread::scope(|scope| {
        let (trial, stop, submitted) = (&trial, &stop, &submitted);
        let sites: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(move || {
                    let site = Raw::connect_as(port, "site-S01");
                    let mut unanswered = 0;
                    while !stop.load(Ordering::SeqCst) {
                        let submission = contacts(trial, 1).remove(0);
                        unanswered += submit_until_answered(&site, "trialbook.small.submit.S01", &submission);
                        submitted.lock().unwrap().push(submission);
                    }
                    unanswered
                })
            })
            .collect();
        let _stop = StopWhenDropped(stop);
        for _ in 0..3 {
            let (due, begun) = (submitted.lock().unwrap().len() + 40, Instant::now());
            while submitted.lock().unwrap().len() < due {
                assert!(begun.elapsed() < PATIENCE, "nothing is recorded");
                thread::sleep(Duration::from_millis(5));
            }
            // They submit all the time: some are on their way now.
            registry.stop("registrar-1");
            registry.start("registrar-1");
        }
        stop.store(true, Ordering::SeqCst);
        sites.into_iter().map(|site| site.join().unwrap()).sum()
    });
    let submitted = submitted.into_inner().unwrap();
    let size = 12 + submitted.len() as u64;
    let (lost, doubled) = lost_and_doubled(registry.http("registrar-1"), size, &submitted);
    eprintln!(
        "submitted over NATS {}, lost {lost}, doubled {doubled}, repeated {unanswered}",
        submitted.len()
    );
    assert_eq!((lost, doubled), (0, 0));
    registry.stop_all();
}

#[test]
fn a_trial_is_opened_on_nats_from_nothing_and_its_receipts_bind() {
    let Some(program) =
        nats_suite::nats_server("distributed::a_trial_is_opened_on_nats_from_nothing_and_its_receipts_bind")
    else {
        return;
    };
    // Its people and its statements; the log is made anew.
    let people = SmallTrial::new();
    let mut registry = Registry::new(Servers::start(&program, 1));
    let (notary, registrar) = (registry.path("notary"), registry.path("registrar-1"));
    let first = ["service-key", "first", "--trial", "small", "--origin", "registry.example", "--data"];
    let log_key = run([&first[..], &[text(&notary)]].concat()).ends_with(0).out;
    registry.start_all();
    let server = registry.address("registrar-1");
    let sponsor = people.key("sponsor.one");
    let opening = people.beside().join("opening.json");
    let open =
        ["open", text(&opening), "--trial", "small", "--key", text(&sponsor), "--log-key", log_key.trim()];
    let said = run([&open[..], &["--server", &server]].concat()).ends_with(0).out;
    let genesis = said.lines().find_map(|line| line.strip_prefix("genesis ")).unwrap().to_owned();

    let receipts = run(["service-key", "new", "receipts", "--trial", "small", "--data", text(&registrar)])
        .ends_with(0)
        .out;
    let submit = |statement: &str, options: &[&str]| {
        let submit = ["submit", "-", "--key", text(&sponsor), "--server", &server];
        run_with_input([&submit[..], options].concat(), statement.as_bytes())
    };
    submit(&receipts, &[]).ends_with(0);
    let site = serde_json::json!({
        "kind": "site_activated", "site": "S01",
        "data": {"country": "CN", "name": "Hospital S01", "zone": "Asia/Shanghai"}
    });
    let kept = registry.path("receipts");
    submit(&site.to_string(), &["--receipts", text(&kept)]).ends_with(0);

    // The notary and the projectors find the trial by themselves.
    registry.covering(3);
    let bundle = registry.path("bundle.zip");
    let console = registry.address("console");
    run(["export", "bundle", "--server", &console, "--out", text(&bundle)]).ends_with(0);
    let anchors = ["--genesis", &genesis, "--key", log_key.trim()];
    let said = run([&["verify", text(&bundle)], &anchors[..]].concat()).ends_with(0).out;
    assert!(said.starts_with("Intact: all 3 records hold"), "{said}");
    // A receipt that binds: it is signed by the key that the sponsor granted, and the log keeps it.
    let archive = registry.path("notary/trials/small/archive");
    let check = ["receipts", "check", text(&kept), "--log", text(&archive), "--key", log_key.trim()];
    let said = run(check).ends_with(0).out;
    assert!(said.starts_with("1 of 1 receipts"), "{said}");
    let receipt = e2e::files_under(&kept).pop().unwrap();
    let note: Value = serde_json::from_slice(&std::fs::read(&receipt).unwrap()).unwrap();
    assert!(note["note"].as_str().unwrap().contains("\u{2014} registry.example/small"), "{note}");
    registry.stop_all();
}
