//! Each class of refusal: code, status, pointer, a problem document, and nothing written.

use e2e::{Reply, Server, SmallTrial};
use serde_json::Value;

use crate::http::{EVENTS, covering, records};
use crate::statements::{
    adverse_event, contact, enrollment, hash_of, replacing, visit, voiding, with_subject,
};

/// A trial with one subject, its server, and a count that must not change.
struct Desk {
    trial: SmallTrial,
    server: Server,
    before: u64,
}

impl Desk {
    fn open() -> Self {
        let trial = with_subject();
        let server = Server::start(&trial.data());
        let before = records(&server);
        Self { trial, server, before }
    }

    fn post(&self, submission: impl Into<Vec<u8>>) -> Reply {
        self.server.post(EVENTS, "application/json", submission)
    }

    /// The event of a statement of bo.wang's, changed before it is signed.
    fn changed(&self, statement: &Value, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let bo = self.trial.person("bo.wang");
        let composed = bo.sign("small", &self.trial.genesis, statement);
        let mut event: Value = serde_json::from_slice(&composed.event).unwrap();
        change(&mut event);
        bo.submission_of(&chain::canonical::canonicalize(&event).unwrap())
    }

    #[track_caller]
    fn refuses(&self, submission: impl Into<Vec<u8>>, status: u16, code: &str, pointer: &str) {
        assert_eq!(self.post(submission).problem(), (status, code.to_owned(), pointer.to_owned()));
        assert_eq!(records(&self.server), self.before, "{code}: something was written");
    }
}

#[test]
fn bytes_that_are_no_event_are_refused_with_the_place() {
    let desk = Desk::open();
    let call = contact("P1", "2022-01-01");
    let good = String::from_utf8(desk.trial.submission("bo.wang", &call)).unwrap();

    let long = format!("{{\"event\":{{\"a\":\"{}\"}},\"signature\":\"\"}}", "x".repeat(64_200));
    desk.refuses(long, 413, "event-too-large", "");
    // A float anywhere is named with its place.
    desk.refuses(good.replace("\"phone\"", "1.5"), 400, "not-canonical", "/data/means");
    // A space where none may be: the place is the member before it.
    desk.refuses(good.replace(",\"kind\"", ", \"kind\""), 400, "not-canonical", "/key");
    desk.refuses(
        good.replace("\"kind\":\"contact\",", "\"kind\":\"contact\",\"kind\":\"contact\","),
        400,
        "not-canonical",
        "/kind",
    );
    desk.refuses("no JSON", 400, "not-canonical", "");
    desk.refuses("", 400, "not-canonical", "");
    desk.refuses([0xff, 0xfe], 400, "not-canonical", "");
    desk.refuses("{}", 400, "event-malformed", "");
    desk.refuses(good.replace("\"event\"", "\"evens\""), 400, "event-malformed", "");

    let change = |pointer: &'static str, value: Value| {
        desk.changed(&call, |event| *event.pointer_mut(pointer).unwrap() = value)
    };
    desk.refuses(change("/data/means", "pigeon".into()), 400, "event-malformed", "/data/means");
    desk.refuses(change("/occurred_on", "2022-02-30".into()), 400, "event-malformed", "/occurred_on");
    desk.refuses(change("/subject", "p 1".into()), 400, "event-malformed", "/subject");
    let unknown_member = desk.changed(&call, |event| event["data"]["mood"] = "good".into());
    desk.refuses(unknown_member, 400, "event-malformed", "/data/mood");
    desk.refuses(change("/schema", 2.into()), 422, "schema-unknown", "/schema");
    desk.refuses(change("/kind", "query".into()), 422, "kind-reserved", "/kind");
}

#[test]
fn signers_who_are_not_entitled_are_refused() {
    let desk = Desk::open();
    let call = contact("P1", "2022-01-01");
    let bo = desk.trial.person("bo.wang");
    let event = bo.sign("small", &desk.trial.genesis, &call).event;

    // Somebody else's signature under the event.
    desk.refuses(desk.trial.person("dan.sun").submission_of(&event), 403, "signature-invalid", "");
    // A key that was never granted.
    let mut stranger = bo.clone();
    stranger.secret = chain::SecretKey::from_bytes(&[9; 32]);
    let unknown = stranger.sign("small", &desk.trial.genesis, &call).submission();
    desk.refuses(unknown, 403, "key-unknown", "/key");
    let as_another = desk.changed(&call, |event| event["actor"]["id"] = "an.li".into());
    desk.refuses(as_another, 403, "actor-differs", "/actor/id");
    desk.refuses(desk.trial.submission("nan.monitor", &call), 403, "role-not-entitled", "/kind");
    desk.refuses(desk.trial.submission("dan.sun", &call), 403, "site-not-entitled", "/site");
    let mut elsewhere = call.clone();
    elsewhere["site"] = "S02".into();
    let of_another = desk.trial.submission("dan.sun", &elsewhere);
    desk.refuses(of_another, 403, "subject-of-another-site", "/subject");
    desk.refuses(
        desk.trial.submission("bo.wang", &contact("P2", "2022-01-01")),
        422,
        "subject-unknown",
        "/subject",
    );
    let other_log = bo.sign("small", &"7".repeat(64), &call).submission();
    desk.refuses(other_log, 422, "log-differs", "/log");
    let other_trial = bo.sign("other", &desk.trial.genesis, &call).submission();
    desk.refuses(other_trial, 422, "trial-differs", "/trial");
}

#[test]
fn what_was_signed_and_refused_waits_on_the_work_list_until_it_is_recorded() {
    let desk = Desk::open();
    let post = |submission: &[u8]| desk.post(submission).status;
    let waiting = |query: &str| {
        let page = desk.server.get(&format!("/v1/trials/small/refused{query}")).json();
        let entry = |one: &Value| {
            let text = |member: &str| one[member].as_str().unwrap_or_default().to_owned();
            [
                text("code"),
                text("actor"),
                text("subject"),
                text("site"),
                text("kind"),
                one["times"].to_string(),
            ]
        };
        page["refused"].as_array().unwrap().iter().map(entry).collect::<Vec<_>>()
    };
    // What nobody known has signed, or nobody can read, is on nobody's list.
    let call = contact("P1", "2022-01-01");
    let event = desk.trial.person("bo.wang").sign("small", &desk.trial.genesis, &call).event;
    assert_eq!(post(&desk.trial.person("dan.sun").submission_of(&event)), 403);
    assert_eq!(post(b"no JSON"), 400);
    assert!(waiting("").is_empty());

    let early = desk.trial.submission("bo.wang", &contact("P2", "2022-01-01"));
    assert_eq!((post(&early), post(&early)), (422, 422));
    let elsewhere = desk.trial.submission("dan.sun", &call);
    assert_eq!(post(&elsewhere), 403);
    let of_bo = ["subject-unknown", "bo.wang", "P2", "S01", "contact", "2"].map(str::to_owned);
    // Who signs for a site that is not theirs finds it on their own site's list.
    let of_dan = ["site-not-entitled", "dan.sun", "P1", "S02", "contact", "1"].map(str::to_owned);
    assert_eq!(waiting(""), [of_dan.clone(), of_bo.clone()]);
    assert_eq!(waiting("?site=S01"), std::slice::from_ref(&of_bo));
    assert_eq!(waiting("?limit=1"), std::slice::from_ref(&of_dan));
    assert_eq!(desk.server.get("/v1/trials/small/refused?site=s1").status, 400);
    let page = desk.server.get("/trials/small/work?site=S01");
    let refused = page.text().split_once("<h2>Refused</h2>").unwrap().1.split_once("</section>").unwrap().0;
    assert!(refused.contains("bo.wang") && !refused.contains("dan.sun"), "{refused}");

    // It lasts, and goes once the very same event is recorded.
    let Desk { trial, server, .. } = desk;
    assert_eq!(server.stop(), 0);
    let server = Server::start(&trial.data());
    let desk = Desk { before: records(&server), trial, server };
    let listed = || desk.server.get("/v1/trials/small/refused").json()["refused"].as_array().unwrap().len();
    assert_eq!(listed(), 2);
    assert_eq!(desk.post(desk.trial.submission("bo.wang", &enrollment("P2"))).status, 201);
    assert_eq!(desk.post(early).status, 201);
    covering(&desk.server, "/v1/trials/small/refused", desk.before + 2);
    assert_eq!(listed(), 1);
}

#[test]
fn amendments_of_anything_but_the_latest_version_are_refused() {
    let trial = with_subject();
    let call = contact("P1", "2021-12-31");
    let hash = hash_of(&trial, 11);
    trial
        .submit("bo.wang", &replacing(&contact("P1", "2021-12-30"), 11, &hash, "transcription").to_string())
        .ends_with(0);
    let latest = hash_of(&trial, 12);
    let server = Server::start(&trial.data());
    let before = records(&server);
    let desk = Desk { trial, server, before };
    let bo = |statement: &Value| desk.trial.submission("bo.wang", statement);

    desk.refuses(bo(&replacing(&call, 11, &hash, "other")), 409, "stale-amendment", "/amends/seq");
    desk.refuses(bo(&voiding(&call, 11, &hash, "other")), 409, "stale-amendment", "/amends/seq");
    desk.refuses(bo(&replacing(&call, 12, &hash, "other")), 422, "amended-differs", "/amends/hash");
    desk.refuses(bo(&replacing(&call, 99, &latest, "other")), 422, "amended-unknown", "/amends/seq");
    let another_kind = visit("P1", "2021-12-31", "none");
    desk.refuses(bo(&replacing(&another_kind, 12, &latest, "other")), 422, "amended-differs", "/amends");
    // What must pass beside them.
    assert_eq!(desk.post(bo(&voiding(&call, 12, &latest, "other"))).status, 201);
    let before = records(&desk.server);
    let void = desk.server.get("/v1/trials/small/records/13").json()["hash"].as_str().unwrap().to_owned();
    let desk = Desk { before, ..desk };
    let again = desk.trial.submission("bo.wang", &voiding(&call, 13, &void, "other"));
    desk.refuses(again, 409, "already-void", "/amends/effect");
}

#[test]
fn requests_that_no_path_takes_are_answered_with_problems_too() {
    let desk = Desk::open();
    let get = |path: &str| desk.server.get(path).problem();
    let not_found = |path: &str| assert_eq!(get(path), (404, "not-found".into(), String::new()), "{path}");
    for path in [
        "/v1/trials/other",
        "/v1/trials/Not%20an%20id",
        "/v1/trials/other/records/0",
        "/v1/trials/other/subjects",
        "/v1/trials/other/subjects/P1/records",
        "/v1/trials/other/reports/outcomes",
        "/v1/trials/other/findings",
        "/v1/trials/other/feed",
        "/v1/trials/small/records/99",
        "/v1/trials/small/records/last",
        "/v1/trials/small/subjects/P9/records",
        "/v1/trials/small/reports/costs",
    ] {
        not_found(path);
    }
    let event = desk.trial.submission("bo.wang", &contact("P1", "2022-01-01"));
    let other = desk.server.post("/v1/trials/other/events", "application/json", event);
    assert_eq!(other.problem(), (404, "not-found".into(), String::new()));
    for path in [
        "/v1/trials/small/reports/outcomes?cutoff=2021-02-30",
        "/v1/trials/small/reports/outcomes?cutoff=2021",
        "/v1/trials/small/subjects/P1/records?after=x",
    ] {
        assert_eq!(get(path).0, 400, "{path}");
    }
    let lines = desk.server.post(EVENTS, "application/x-ndjson", "\n".repeat(10_001) + "x");
    assert_eq!(lines.problem(), (413, "too-many-lines".into(), String::new()));
    assert_eq!(records(&desk.server), desk.before);
}

#[test]
fn the_command_line_ends_with_the_status_of_the_refusal() {
    let trial = with_subject();
    let before = trial.records();
    let check = |holder: &str, statement: &Value, status: i32, code: &str| {
        let run = trial.submit(holder, &statement.to_string()).ends_with(status);
        assert!(run.err.contains(code), "{}", run.err);
    };
    check("bo.wang", &contact("P9", "2022-01-01"), 4, "subject-unknown");
    check("dan.sun", &contact("P1", "2022-01-01"), 5, "site-not-entitled");
    check(
        "bo.wang",
        &replacing(&contact("P1", "2022-01-01"), 10, &hash_of(&trial, 10), "other"),
        4,
        "amended-differs",
    );
    assert_eq!(trial.records(), before);
    let hash = hash_of(&trial, 11);
    let amendment = replacing(&contact("P1", "2021-12-30"), 11, &hash, "transcription");
    trial.submit("bo.wang", &amendment.to_string()).ends_with(0);
    check("bo.wang", &amendment, 6, "stale-amendment");
    // The worst of several is the status, and each line is told by its number.
    let lines = crate::statements::lines(&[
        contact("P1", "2022-02-01"),
        contact("P9", "2022-02-01"),
        enrollment("P2"),
        adverse_event("P2", "headache"),
    ]);
    let run = trial.submit("bo.wang", &lines).ends_with(4);
    assert!(run.out.contains("line 1: recorded") && run.out.contains("line 4: recorded"), "{}", run.out);
    assert!(run.err.contains("line 2: refused: subject-unknown at /subject"), "{}", run.err);
    assert_eq!(trial.records(), before + 4);
    // The `doctor` of nothing.
    let status = trial.run(["report", "outcomes", "--trial", "other"]).status;
    assert_eq!(status, 4);
}

#[test]
fn what_the_server_itself_cannot_read_is_answered_with_a_problem_too() {
    let desk = Desk::open();
    for path in [
        "/v1/trials/small/findings?limit=many",
        "/v1/trials/small/subjects?limit=-1",
        "/v1/trials/small/feed?from=x",
        "/v1/trials/small/subjects/%ff/records",
    ] {
        assert_eq!(desk.server.get(path).problem().0, 400, "{path}");
    }
    let body = desk.server.post(EVENTS, "application/x-ndjson", vec![b'x'; (16 << 20) + 1]);
    assert_eq!(body.problem().0, 413);
    let delete = desk.server.send(reqwest::Method::DELETE, "/v1/trials/small", &[], Vec::new());
    assert_eq!(delete.problem().0, 405);
    let opening = desk.server.post("/v1/trials", "application/json", r#"{"event":{"a":1.5},"signature":""}"#);
    assert_eq!(opening.problem(), (400, "not-canonical".into(), "/a".into()));
    assert_eq!(records(&desk.server), desk.before);
}
