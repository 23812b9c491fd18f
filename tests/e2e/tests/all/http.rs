//! The API over HTTP, with a plain client.

use std::time::{Duration, Instant};

use e2e::{DEADLINE, Http, Reply, Server, SmallTrial};
use reqwest::Method;
use serde_json::Value;

use crate::statements::{adverse_event, contact, enrollment, infusion, visit, with_subject};

pub(crate) const EVENTS: &str = "/v1/trials/small/events";

/// The answer of a read, once it covers `records` records.
pub(crate) fn covering(server: &Server, path: &str, records: u64) -> Value {
    let begun = Instant::now();
    loop {
        let reply = server.get(path);
        assert_eq!((reply.status, &*reply.content_type), (200, "application/json"), "{path}");
        let answer = reply.json();
        if answer["covers"]["records"] == records {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "{path} does not come to {records} records: {answer}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn records(server: &Server) -> u64 {
    server.get("/v1/trials/small").json()["covers"]["records"].as_u64().unwrap()
}

fn post(server: &Server, submission: &[u8]) -> Reply {
    server.post(EVENTS, "application/json", submission)
}

#[test]
fn one_event_is_recorded_once_and_other_bytes_with_its_id_are_a_conflict() {
    let trial = SmallTrial::new();
    let server = Server::start(&trial.data());
    let bo = trial.person("bo.wang");
    let composed = bo.sign("small", &trial.genesis, &enrollment("P1"));

    let first = post(&server, &composed.submission());
    assert_eq!(first.status, 201, "{}", first.text());
    let answer = first.json();
    assert_eq!(answer["outcome"], "recorded");
    let receipt = &answer["receipt"];
    assert_eq!((&receipt["seq"], &receipt["trial"]), (&SmallTrial::RECORDS.into(), &"small".into()));
    assert_eq!(receipt["hash"].as_str().unwrap().len(), 64);
    assert_eq!(receipt["findings"], serde_json::json!([]));

    let again = post(&server, &composed.submission());
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.json()["outcome"], "repeated");
    assert_eq!(&again.json()["receipt"], receipt);
    // An editor's line feed at the end is no other submission.
    let with_line_feed = [composed.submission(), b"\n".to_vec()].concat();
    assert_eq!(post(&server, &with_line_feed).status, 200);

    let mut other: Value = serde_json::from_slice(&composed.event).unwrap();
    other["occurred_on"] = "2020-01-11".into();
    let other = bo.submission_of(&chain::canonical::canonicalize(&other).unwrap());
    assert_eq!(post(&server, &other).problem(), (409, "id-conflict".into(), "/id".into()));
    assert_eq!(records(&server), SmallTrial::RECORDS + 1);

    let path = format!("/v1/trials/small/records/{}", receipt["seq"]);
    let record = covering(&server, &path, SmallTrial::RECORDS + 1);
    let sent: Value = serde_json::from_slice(&composed.event).unwrap();
    assert_eq!((&record["record"]["event"], &record["hash"]), (&sent, &receipt["hash"]));
}

#[test]
fn each_line_of_a_batch_has_its_own_answer_and_touches_no_other() {
    let trial = SmallTrial::new();
    let server = Server::start(&trial.data());
    let (bo, dan) = (trial.person("bo.wang"), trial.person("dan.sun"));
    let sign = |statement: &Value| bo.sign("small", &trial.genesis, statement).submission();
    let first = sign(&enrollment("P1"));
    let lines = [
        first.clone(),
        b"no JSON".to_vec(),
        sign(&infusion("P1")),
        dan.sign("small", &trial.genesis, &visit("P1", "2021-02-01", "none")).submission(),
        first,
        Vec::new(),
        sign(&contact("NOBODY", "2021-03-01")),
        sign(&contact("P1", "2021-03-01")),
    ];
    let reply = server.post(EVENTS, "application/x-ndjson", lines.join(&b'\n'));
    assert_eq!((reply.status, &*reply.content_type), (200, "application/x-ndjson"));
    let answers: Vec<Value> = reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<String> = answers
        .iter()
        .map(|answer| match answer["outcome"].as_str().unwrap() {
            "refused" => answer["problem"]["code"].as_str().unwrap().to_owned(),
            outcome => format!("{outcome} {}", answer["receipt"]["seq"]),
        })
        .collect();
    assert_eq!(
        said,
        [
            "recorded 8",
            "not-canonical",
            "recorded 9",
            "site-not-entitled",
            "repeated 8",
            "not-canonical",
            "subject-unknown",
            "recorded 10"
        ]
    );
    assert_eq!(records(&server), 11);
}

#[test]
fn what_is_implausible_is_recorded_and_stands_on_the_work_list() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let before = records(&server);
    let mut death = contact("P1", "2021-06-01");
    death["kind"] = "disposition".into();
    death["data"] = serde_json::json!({"reason": "death", "scope": "study", "death": {}});
    let mut twice = infusion("P1");
    twice["data"]["number"] = 2.into();
    twice["data"]["identity_check"]["second"] = "bo.wang".into();
    let mut early = visit("P1", "2020-05-01", "none");
    early["data"]["pga"] = "3.5".into();
    let mut event = adverse_event("P1", "");
    event["data"] = serde_json::json!({
        "ctcae": {"grade": 5, "version": "5.0"}, "outcome": "recovered",
        "serious_reported": false, "seriousness": ["death"]
    });
    let check = |statement: &Value, due: &[&str]| {
        let reply = post(&server, &trial.submission("bo.wang", statement));
        assert_eq!(reply.status, 201, "{}", reply.text());
        let receipt = reply.json()["receipt"].clone();
        let mut codes: Vec<_> =
            receipt["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        assert_eq!(codes, due, "{statement}");
        receipt
    };
    let receipts = [
        // The contact that the trial begins with found P1 alive later than this.
        check(&death, &["after-death"]),
        check(&contact("P1", "2021-06-02"), &["after-death"]),
        check(&twice, &["identity-check-missing", "infusion-unplanned"]),
        check(&early, &["pga-out-of-range", "visit-outside-window"]),
        check(&event, &["causality-missing", "grade-against-outcome", "seriousness-disagrees"]),
        check(&enrollment("P1"), &["already-enrolled", "infusion-unplanned"]),
    ];
    let findings = covering(&server, "/v1/trials/small/findings", before + 6);
    let listed: Vec<(u64, Value)> = findings["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (record["seq"].as_u64().unwrap(), record["findings"].clone()))
        .collect();
    let due: Vec<(u64, Value)> = receipts
        .iter()
        .map(|receipt| (receipt["seq"].as_u64().unwrap(), receipt["findings"].clone()))
        .collect();
    assert_eq!(listed, due);
    // The report follows the death.
    let report = covering(&server, "/v1/trials/small/reports/outcomes", before + 6);
    assert_eq!(report["report"]["survival"]["deaths"]["numerator"], 1);
}

#[test]
fn every_read_says_what_it_covers() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let count = records(&server);
    let head = server.get("/v1/trials/small").json()["covers"]["head"].clone();
    assert_eq!(server.get("/v1/trials").json()["trials"][0]["covers"]["head"], head);
    for path in [
        "/v1/trials/small",
        "/v1/trials/small/records/8",
        "/v1/trials/small/subjects",
        "/v1/trials/small/subjects/P1/records",
        "/v1/trials/small/reports/outcomes",
        "/v1/trials/small/reports/safety",
        "/v1/trials/small/reports/outcomes?cutoff=2021-12-31",
        "/v1/trials/small/reports/safety/cells",
        "/v1/trials/small/reports/outcomes/sources?cell=/flow/enrolled",
        "/v1/trials/small/findings",
    ] {
        let answer = covering(&server, path, count);
        assert_eq!(answer["covers"]["head"], head, "{path}");
        assert_eq!(answer["covers"]["lag_records"], 0, "{path}");
    }
    let subjects = server.get("/v1/trials/small/subjects").json();
    assert_eq!(subjects["subjects"][0]["subject"], "P1");
    let of_subject = server.get("/v1/trials/small/subjects/P1/records").json();
    let seqs: Vec<_> = of_subject["records"].as_array().unwrap().iter().map(|r| r["seq"].clone()).collect();
    assert_eq!(seqs, [8, 9, 10, 11]);
    let page = server.get("/v1/trials/small/subjects/P1/records?after=8&limit=2").json();
    let seqs: Vec<_> = page["records"].as_array().unwrap().iter().map(|r| r["seq"].clone()).collect();
    assert_eq!((seqs, &page["next"]), (vec![9.into(), 10.into()], &10.into()));
}

#[test]
fn the_feed_begins_where_it_is_asked_to_and_goes_on_after_the_last_event_seen() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let ids = |events: Vec<(u64, String)>| events.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let feed = "/v1/trials/small/feed";
    let first = server.events(feed, &[], 3);
    for (id, data) in &first {
        let record = server.get(&format!("/v1/trials/small/records/{id}")).json()["record"].clone();
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), record);
    }
    assert_eq!(ids(first), [0, 1, 2]);
    assert_eq!(ids(server.events(feed, &[("last-event-id", "2")], 4)), [3, 4, 5, 6]);
    assert_eq!(ids(server.events(&format!("{feed}?from=10"), &[], 2)), [10, 11]);
    // The header is of the later request: a client that reconnects repeats its address.
    assert_eq!(ids(server.events(&format!("{feed}?from=1"), &[("last-event-id", "9")], 1)), [10]);
    // A record made after the feed caught up comes too.
    let submission = trial.submission("bo.wang", &contact("P1", "2022-01-31"));
    let address = server.address.clone();
    let events = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let second = Http::new(&address);
            second.events(feed, &[("last-event-id", "10")], 2)
        });
        assert_eq!(post(&server, &submission).status, 201);
        reader.join().unwrap()
    });
    assert_eq!(ids(events), [11, 12]);
}

#[test]
fn every_path_of_the_openapi_document_is_served_and_every_path_served_is_in_it() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let document = server.get("/openapi.json").json();
    let mut documented: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    documented.sort();
    let served = [
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/readyz"),
        ("GET", "/v1/projectors"),
        ("GET", "/v1/trials"),
        ("GET", "/v1/trials/{trial}"),
        ("GET", "/v1/trials/{trial}/envelopes"),
        ("GET", "/v1/trials/{trial}/feed"),
        ("GET", "/v1/trials/{trial}/findings"),
        ("GET", "/v1/trials/{trial}/log"),
        ("GET", "/v1/trials/{trial}/log/checkpoint"),
        ("GET", "/v1/trials/{trial}/log/site/{site}"),
        ("GET", "/v1/trials/{trial}/log/tile/{*path}"),
        ("GET", "/v1/trials/{trial}/log/witnessed"),
        ("GET", "/v1/trials/{trial}/plan"),
        ("GET", "/v1/trials/{trial}/proofs/{seq}"),
        ("GET", "/v1/trials/{trial}/records/{seq}"),
        ("GET", "/v1/trials/{trial}/refused"),
        ("GET", "/v1/trials/{trial}/reports/{kind}"),
        ("GET", "/v1/trials/{trial}/reports/{kind}/cells"),
        ("GET", "/v1/trials/{trial}/reports/{kind}/sources"),
        ("GET", "/v1/trials/{trial}/subjects"),
        ("GET", "/v1/trials/{trial}/subjects/{subject}/records"),
        ("GET", "/v1/trials/{trial}/tail"),
        ("GET", "/v1/trials/{trial}/trail"),
        ("GET", "/v1/trials/{trial}/verification"),
        ("POST", "/v1/trials"),
        ("POST", "/v1/trials/{trial}/events"),
        ("POST", "/v1/trials/{trial}/projectors/{name}/rebuild"),
        ("POST", "/v1/trials/{trial}/rehearsals"),
        ("POST", "/v1/trials/{trial}/text-keys"),
    ];
    let due: Vec<_> =
        served.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    // The document does not have to list itself.
    let without_itself = |paths: Vec<(String, String)>| -> Vec<_> {
        paths.into_iter().filter(|(_, path)| path != "/openapi.json").collect()
    };
    assert_eq!(without_itself(documented), without_itself(due));
    for (method, path) in
        served.into_iter().filter(|(_, path)| !path.ends_with("/feed") && !path.ends_with("/tail"))
    {
        let path = path.replace("{trial}", "small").replace("{seq}", "8").replace("{name}", "safety");
        let path = path.replace("{subject}", "P1").replace("{kind}", "safety");
        let path = path.replace("{site}", "S01").replace("{*path}", "0/000.p/12");
        let path = path.replace("/sources", "/sources?cell=/populations/safety_set");
        let reply = server.send(method.parse::<Method>().unwrap(), &path, &[], Vec::new());
        match method {
            // Without a policy nothing is ever witnessed.
            "GET" if path.ends_with("/witnessed") => assert_eq!(reply.problem().0, 404, "{path}"),
            "GET" => assert_eq!(reply.status, 200, "{path}"),
            _ if path.ends_with("/rebuild") => assert_eq!(reply.status, 202, "{path}"),
            // An empty body is refused, by the path itself.
            _ => assert_eq!(reply.problem().0, 400, "{path}"),
        }
    }
}

#[test]
fn health_readiness_and_metrics_are_told() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    assert_eq!(server.get("/healthz").text(), "ok\n");
    let ready = server.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    let names: Vec<_> =
        ready.json()["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    let due = ["registrar", "index", "outcomes", "safety", "notary", "sealing"];
    assert_eq!(names, due.map(|name| format!("small: {name}")));
    let submission = trial.submission("bo.wang", &contact("P1", "2022-01-31"));
    assert_eq!(post(&server, &submission).status, 201);
    assert_eq!(post(&server, &submission).status, 200);
    assert_eq!(post(&server, b"{}").status, 400);
    let metrics = server.get("/metrics");
    assert_eq!(metrics.content_type, "text/plain; version=0.0.4");
    for line in [
        "trialbook_records{trial=\"small\"} 13",
        "trialbook_submissions_total{outcome=\"recorded\"} 1",
        "trialbook_submissions_total{outcome=\"repeated\"} 1",
        "trialbook_submissions_total{outcome=\"refused\"} 1",
        "trialbook_registrar_refusing{trial=\"small\"} 0",
        "trialbook_sealing_late{trial=\"small\"} 0",
    ] {
        assert!(metrics.text().lines().any(|found| found == line), "no {line} in\n{}", metrics.text());
    }
    assert!(!metrics.text().contains("P1"), "metrics hold no subject's data");
}

#[test]
fn a_server_that_is_asked_to_stop_closes_its_stores() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let before = server.get("/v1/trials/small/reports/outcomes").json()["report"].clone();
    let address = trial.data().join("address");
    assert_eq!(std::fs::read_to_string(&address).unwrap(), server.address);
    assert_eq!(server.stop(), 0);
    assert!(!address.exists());
    let report = trial.run(["report", "outcomes", "--json"]).ends_with(0).json();
    assert_eq!(report["survival"], before["survival"]);
    let status = Server::try_start(&e2e::trialbook(), &trial.data());
    assert_eq!(status.unwrap().get("/readyz").status, 200);
}

#[test]
fn a_trial_that_cannot_be_opened_keeps_no_other_from_its_work_and_is_not_hidden() {
    let trial = SmallTrial::new();
    let gone = trial.data().join("trials/gone");
    std::fs::create_dir(&gone).unwrap();
    e2e::write(&gone.join("genesis"), "0".repeat(64));
    let server = Server::start(&trial.data());
    assert_eq!(records(&server), SmallTrial::RECORDS);
    let submission = trial.person("bo.wang").sign("small", &trial.genesis, &enrollment("P1")).submission();
    assert_eq!(post(&server, &submission).status, 201);
    let reply = server.get("/v1/trials/gone");
    assert_eq!(reply.status, 503, "{}", reply.text());
    // Why, which may name files, is for who may know what is the matter.
    assert!(!reply.text().contains("journal"), "{}", reply.text());
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("its journal is gone"), "{}", ready.text());
    assert!(!gone.join("journal").exists(), "no empty journal was put in its place");
}

#[test]
fn a_request_that_names_another_host_is_turned_away() {
    use std::io::{Read as _, Write as _};
    let trial = SmallTrial::new();
    let server = Server::start(&trial.data());
    let address = server.address.strip_prefix("http://").unwrap();
    let status = |host: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET /v1/trials HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(address), "200");
    assert_eq!(status("localhost"), "200");
    assert_eq!(status("trials.example.org"), "421");
}
