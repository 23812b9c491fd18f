//! What the log must hold already for a transfer, a link, a cut, a signature, and what is about another record.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use chain::{Position, RecordHash, SecretKey};
use clinical::decide::{Referenced, References, authorize};
use clinical::{Event, RefusalCode as R, SubjectStatus, Trial};
use serde_json::{Value, json};

const AT: &str = "2020-03-12T01:10:00.000000Z";

/// A trial with the sites A and B, and people in the roles that sign what is tried. Without signatures: admission is asked,
/// not authentication.
struct Log {
    trial: Trial,
    records: Vec<Referenced>,
}

struct Records<'a>(&'a [Referenced]);

impl References for Records<'_> {
    fn record(&self, seq: Position) -> Option<Referenced> {
        self.0.get(usize::try_from(seq.0).ok()?).cloned()
    }
}

fn secret(role: &str, site: &str) -> SecretKey {
    let seed =
        role.bytes().chain(site.bytes()).fold(7_u8, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte));
    SecretKey::from_bytes(&[seed; 32])
}

fn hash(seq: usize) -> RecordHash {
    let mut hash = [9; 32];
    hash[..8].copy_from_slice(&(seq as u64).to_be_bytes());
    RecordHash(hash)
}

fn read(role: &str, site: &str, number: usize, fact: &Value) -> Event {
    let organisation = if site.is_empty() { "Sponsor".to_owned() } else { format!("Hospital {site}") };
    let mut event = json!({
        "actor": {"id": format!("{}.{}", role.replace('_', "-"), number_of(site)), "organisation": organisation, "role": role},
        "id": format!("01936b2e-7c5a-7d3e-8f10-{number:012}"),
        "key": secret(role, site).public().id(),
        "log": RecordHash([2; 32]),
        "schema": 1,
        "signed_at": AT,
        "trial": "lupus",
        "zone": "Asia/Shanghai"
    });
    event.as_object_mut().unwrap().extend(fact.as_object().unwrap().clone());
    Event::parse(&chain::canonical::canonicalize(&event).unwrap()).unwrap()
}

/// Actors are named in lower case.
fn number_of(site: &str) -> &str {
    match site {
        "A" => "a",
        "B" => "b",
        _ => "0",
    }
}

impl Log {
    fn opened() -> Self {
        let opening = json!({"kind": "trial_opened", "data": {
            "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
                "relapse": "relapse-1", "remission": "ccr-registry-1"},
            "log_key": "", "profile": {"mandatory": {}}, "rule_set": 1,
            "schedule": [{"day": 30, "name": "month-1", "window_after": 7, "window_before": 7}],
            "sponsor_keys": [{"holder": "sponsor.0", "organisation": "Sponsor",
                "public_key": secret("sponsor", "").public().to_text()}],
            "synthetic": true, "title": "Synthetic", "zone": "UTC"}});
        let opening = read("sponsor", "", 0, &opening);
        let trial = Trial::open(&opening, RecordHash([2; 32])).unwrap();
        let mut log = Self { trial, records: vec![Referenced::of(&opening, hash(0))] };
        for site in ["A", "B"] {
            let data = json!({"country": "CN", "name": site, "zone": "Asia/Shanghai"});
            log.take("sponsor", "", &json!({"kind": "site_activated", "site": site, "data": data}));
        }
        for (role, site) in [
            ("principal_investigator", "A"),
            ("principal_investigator", "B"),
            ("data_manager", ""),
            ("statistician", ""),
            ("sponsor_safety", ""),
            ("coordinator", "A"),
            ("investigator", "A"),
        ] {
            let sites: Vec<&str> = if site.is_empty() { vec![] } else { vec![site] };
            let organisation =
                if site.is_empty() { "Sponsor".to_owned() } else { format!("Hospital {site}") };
            let data = json!({"holder": format!("{}.{}", role.replace('_', "-"), number_of(site)),
                "organisation": organisation, "possession": "", "sites": sites, "role": role,
                "public_key": secret(role, site).public().to_text()});
            log.take("sponsor", "", &json!({"kind": "key_granted", "data": data}));
        }
        log
    }

    /// Records it whether admission likes it or not.
    fn take(&mut self, role: &str, site: &str, fact: &Value) -> Position {
        let seq = self.records.len();
        let event = read(role, site, seq, fact);
        self.records.push(Referenced::of(&event, hash(seq)));
        self.trial.apply(&event, Position(seq as u64), AT.parse().unwrap());
        Position(seq as u64)
    }

    /// Why it is refused, and where.
    fn refused(&self, role: &str, site: &str, fact: &Value) -> Option<(R, String)> {
        let event = read(role, site, self.records.len(), fact);
        let outcome = authorize(Some(&self.trial), &event, AT.parse().unwrap(), &Records(&self.records));
        outcome.err().map(|refusal| (refusal.code, refusal.pointer))
    }

    /// Records it, which admission must allow.
    fn accept(&mut self, role: &str, site: &str, fact: &Value) -> Position {
        assert_eq!(self.refused(role, site, fact), None, "{fact}");
        self.take(role, site, fact)
    }
}

fn fact(kind: &str, site: &str, subject: &str, data: &Value) -> Value {
    json!({"kind": kind, "site": site, "subject": subject, "occurred_on": "2020-01-01", "data": data})
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with may be none")]
fn refusal(code: R, pointer: &str) -> Option<(R, String)> {
    Some((code, pointer.to_owned()))
}

const PI: &str = "principal_investigator";

#[test]
fn screening_and_consent_make_a_subject_known() {
    let mut log = Log::opened();
    let consent = json!({"document_version": "1", "language": "zh", "occasion": "initial"});
    log.accept(PI, "A", &fact("consent", "A", "S1", &consent));
    let status = |log: &Log, subject: &str| log.trial.subject(&subject.parse().unwrap()).unwrap().status();
    assert_eq!(status(&log, "S1"), SubjectStatus::InScreening);
    log.accept(PI, "A", &fact("screening", "A", "S1", &json!({"result": "failed"})));
    assert_eq!(status(&log, "S1"), SubjectStatus::ScreenFailure);
    log.accept(PI, "A", &fact("screening", "A", "S2", &json!({"result": "passed"})));
    assert_eq!(status(&log, "S2"), SubjectStatus::InScreening);
    let deviation = json!({"category": "visit", "severity": "minor"});
    let unknown = fact("protocol_deviation", "A", "S3", &deviation);
    assert_eq!(log.refused(PI, "A", &unknown), refusal(R::SubjectUnknown, "/subject"));
}

#[test]
fn a_transferred_subject_is_the_other_sites_and_its_old_records_stay_the_old_sites() {
    let mut log = Log::opened();
    let enrolled = log.accept(PI, "A", &fact("enrollment", "A", "S1", &json!({})));
    let event = log.accept(PI, "A", &fact("adverse_event", "A", "S1", &json!({})));
    let transfer = |to: &str| fact("subject_transferred", "A", "S1", &json!({"to": to}));
    assert_eq!(log.refused(PI, "A", &transfer("A")), refusal(R::TransferImpossible, "/data/to"));
    assert_eq!(log.refused(PI, "A", &transfer("C")), refusal(R::SiteUnknown, "/data/to"));
    let visit = |site: &str| fact("visit", site, "S1", &json!({"status": "done"}));
    assert_eq!(log.refused(PI, "B", &visit("B")), refusal(R::SubjectOfAnotherSite, "/subject"));
    let moved = log.accept(PI, "A", &transfer("B"));
    log.accept(PI, "B", &visit("B"));
    assert_eq!(log.refused(PI, "A", &visit("A")), refusal(R::SubjectOfAnotherSite, "/subject"));

    let named = |seq: Position| json!({"hash": hash(usize::try_from(seq.0).unwrap()), "seq": seq});
    let mut worse = fact("adverse_event", "B", "S1", &json!({}));
    worse["follows"] = named(event);
    log.accept(PI, "B", &worse);
    let amending = |site: &str, effect: &str, seq: Position, kind: &str| {
        let mut amending = fact(kind, site, "S1", &json!({}));
        amending["amends"] = named(seq);
        amending["amends"]["effect"] = json!(effect);
        amending["amends"]["reason"] = json!("other");
        amending
    };
    let not_its_own = amending("B", "replace", enrolled, "enrollment");
    assert_eq!(log.refused(PI, "B", &not_its_own), refusal(R::AmendedDiffers, "/amends"));
    log.accept(PI, "A", &amending("A", "replace", enrolled, "enrollment"));
    // Back again: the transfer never held.
    log.accept(PI, "A", &amending("A", "void", moved, "subject_transferred"));
    log.accept(PI, "A", &visit("A"));
    assert_eq!(log.refused(PI, "B", &visit("B")), refusal(R::SubjectOfAnotherSite, "/subject"));
}

#[test]
fn a_judgement_names_an_adverse_event_of_the_same_subject() {
    let mut log = Log::opened();
    for subject in ["S1", "S2"] {
        log.accept(PI, "A", &fact("enrollment", "A", subject, &json!({})));
    }
    let event = log.accept(PI, "A", &fact("adverse_event", "A", "S1", &json!({})));
    let of = |seq: u64, hash_of: u64, subject: &str| {
        let named = json!({"hash": hash(usize::try_from(hash_of).unwrap()), "seq": seq});
        fact("ae_assessment", "A", subject, &json!({"adverse_event": named, "expectedness": "expected"}))
    };
    log.accept("sponsor_safety", "", &of(event.0, event.0, "S1"));
    let refused = |fact: &Value| log.refused("sponsor_safety", "", fact);
    assert_eq!(refused(&of(99, 99, "S1")), refusal(R::ReferenceUnknown, "/data/adverse_event/seq"));
    assert_eq!(refused(&of(event.0, 1, "S1")), refusal(R::ReferenceDiffers, "/data/adverse_event/hash"));
    assert_eq!(refused(&of(event.0, event.0, "S2")), refusal(R::ReferenceDiffers, "/data/adverse_event"));
    let enrolled = event.0 - 1;
    assert_eq!(refused(&of(enrolled, enrolled, "S2")), refusal(R::ReferenceDiffers, "/data/adverse_event"));
}

#[test]
fn a_pseudonym_is_given_up_once_and_the_other_stays() {
    let mut log = Log::opened();
    for subject in ["S1", "S2", "S3"] {
        log.accept(PI, "A", &fact("enrollment", "A", subject, &json!({})));
    }
    let link = |duplicate: &str, kept: &str| json!({"kind": "subjects_linked", "data": {"duplicate": duplicate, "kept": kept}});
    log.accept("data_manager", "", &link("S2", "S1"));
    let refused = |duplicate, kept| log.refused("data_manager", "", &link(duplicate, kept));
    assert_eq!(refused("S2", "S3"), refusal(R::LinkImpossible, "/data/duplicate"));
    assert_eq!(refused("S3", "S2"), refusal(R::LinkImpossible, "/data/kept"));
    assert_eq!(refused("S1", "S3"), refusal(R::LinkImpossible, "/data/duplicate"));
    assert_eq!(refused("S3", "S3"), refusal(R::LinkImpossible, "/data/duplicate"));
    assert_eq!(refused("S9", "S1"), refusal(R::SubjectUnknown, "/data/duplicate"));
    assert_eq!(refused("S3", "S1"), None);
}

#[test]
fn a_cut_names_its_last_record_and_the_cut_before() {
    let mut log = Log::opened();
    let cut = |name: &str, records: u64, head: u64, previous: Option<&str>| {
        let mut data = json!({"cutoff_date": "2020-01-01", "head": hash(usize::try_from(head).unwrap()), "name": name,
            "records": records, "root": "44".repeat(32)});
        if let Some(previous) = previous {
            data["previous"] = json!(previous);
        }
        json!({"kind": "data_cut", "data": data})
    };
    assert_eq!(
        log.refused("statistician", "", &cut("a", 5, 4, Some("z"))),
        refusal(R::CutUnknown, "/data/previous")
    );
    assert_eq!(log.refused("statistician", "", &cut("a", 5, 3, None)), refusal(R::CutDiffers, "/data/head"));
    assert_eq!(
        log.refused("statistician", "", &cut("a", 99, 98, None)),
        refusal(R::CutDiffers, "/data/records")
    );
    assert_eq!(
        log.refused("statistician", "", &cut("a", 0, 0, None)),
        refusal(R::CutDiffers, "/data/records")
    );
    log.accept("statistician", "", &cut("a", 5, 4, None));
    assert_eq!(
        log.refused("statistician", "", &cut("a", 6, 5, Some("a"))),
        refusal(R::CutNameRepeated, "/data/name")
    );
    assert_eq!(
        log.refused("statistician", "", &cut("b", 6, 5, None)),
        refusal(R::CutUnknown, "/data/previous")
    );
    assert_eq!(
        log.refused("statistician", "", &cut("b", 4, 3, Some("a"))),
        refusal(R::CutDiffers, "/data/records")
    );
    log.accept("data_manager", "", &cut("b", 6, 5, Some("a")));

    let published = |cut: &str| {
        json!({"kind": "report_published", "data": {"access": "open", "bytes": 1, "cut": cut, "engine": "0",
            "report": "outcomes", "sha256": "44".repeat(32)}})
    };
    assert_eq!(log.refused("statistician", "", &published("c")), refusal(R::CutUnknown, "/data/cut"));
    log.accept("statistician", "", &published("a"));
}

#[test]
fn an_amended_protocol_holds_from_its_own_position_on() {
    let mut log = Log::opened();
    let amended = json!({"kind": "protocol_amended", "data": {"effective_on": "2020-01-01", "summary": "A visit more.",
        "schedule": [{"day": 14, "name": "week-2", "window_after": 3, "window_before": 3},
            {"day": 30, "name": "month-1", "window_after": 7, "window_before": 7}], "version": "2"}});
    let before = log.trial.clone();
    log.accept("sponsor", "", &amended);
    assert!(before.planned_visit("week-2").is_none() && log.trial.planned_visit("week-2").is_some());
    assert_eq!((before.definitions, before.profile), (log.trial.definitions, log.trial.profile));
}

fn signature(site: &str, subject: &str, statements: &[(u64, u64)]) -> Value {
    let named =
        |(seq, hash_of): &(u64, u64)| json!({"hash": hash(usize::try_from(*hash_of).unwrap()), "seq": seq});
    let statements: Vec<Value> = statements.iter().map(named).collect();
    let data = json!({"meaning": "endorsement", "statements": statements});
    json!({"kind": "signature", "site": site, "subject": subject, "data": data})
}

fn amending(kind: &str, effect: &str, seq: Position, data: &Value) -> Value {
    let mut amending = fact(kind, "A", "S1", data);
    if kind == "signature" {
        amending.as_object_mut().unwrap().remove("occurred_on");
    }
    amending["amends"] = json!({"effect": effect, "hash": hash(usize::try_from(seq.0).unwrap()), "reason": "other",
        "seq": seq});
    amending
}

#[test]
fn a_signature_names_statements_of_the_own_site_about_the_subject_in_force() {
    let mut log = Log::opened();
    let visit = json!({"status": "done"});
    log.accept(PI, "A", &fact("enrollment", "A", "S1", &json!({})));
    log.accept(PI, "A", &fact("enrollment", "A", "S2", &json!({})));
    let first = log.accept("coordinator", "A", &fact("visit", "A", "S1", &visit)).0;
    let second = log.accept("coordinator", "A", &fact("visit", "A", "S1", &visit)).0;
    let of_another = log.accept("coordinator", "A", &fact("visit", "A", "S2", &visit)).0;
    let event = log.accept("coordinator", "A", &fact("adverse_event", "A", "S1", &json!({}))).0;
    let assessed = json!({"adverse_event": {"hash": hash(usize::try_from(event).unwrap()), "seq": event},
        "expectedness": "expected"});
    let assessed = log.accept("sponsor_safety", "", &fact("ae_assessment", "A", "S1", &assessed)).0;

    let both = signature("A", "S1", &[(first, first), (second, second)]);
    assert_eq!(log.refused("coordinator", "A", &both), refusal(R::RoleNotEntitled, "/kind"));
    assert_eq!(
        log.refused(PI, "B", &signature("A", "S1", &[(first, first)])),
        refusal(R::SiteNotEntitled, "/site")
    );
    let signed = log.accept("investigator", "A", &both);
    log.accept(PI, "A", &both);

    let named = |seq: u64, hash_of: u64| signature("A", "S1", &[(first, first), (seq, hash_of)]);
    let refused = |log: &Log, fact: &Value| log.refused("investigator", "A", fact);
    assert_eq!(refused(&log, &named(99, 99)), refusal(R::ReferenceUnknown, "/data/statements/1/seq"));
    assert_eq!(refused(&log, &named(second, first)), refusal(R::ReferenceDiffers, "/data/statements/1/hash"));
    for other in [of_another, assessed, signed.0] {
        let due = refusal(R::ReferenceDiffers, "/data/statements/1");
        assert_eq!(refused(&log, &named(other, other)), due, "{other}");
    }

    // What was amended is signed in its latest version, and what never held not at all.
    let replaced = log.accept("coordinator", "A", &amending("visit", "replace", Position(second), &visit)).0;
    let due = refusal(R::ReferenceNotInForce, "/data/statements/1/seq");
    assert_eq!(refused(&log, &named(second, second)), due);
    log.accept("investigator", "A", &named(replaced, replaced));
    let voided = log.accept("coordinator", "A", &amending("visit", "void", Position(replaced), &json!({}))).0;
    assert_eq!(refused(&log, &named(voided, voided)), due);
    assert_eq!(refused(&log, &named(replaced, replaced)), due);

    // A signature is taken back as any statement is.
    log.accept("investigator", "A", &amending("signature", "void", signed, &json!({})));
}

#[test]
fn a_site_signs_what_it_stated_of_a_subject_that_has_moved_on_and_nothing_of_the_next() {
    let mut log = Log::opened();
    let enrolled = log.accept(PI, "A", &fact("enrollment", "A", "S1", &json!({}))).0;
    let unmoved = signature("B", "S1", &[(enrolled, enrolled)]);
    assert_eq!(log.refused(PI, "B", &unmoved), refusal(R::SubjectOfAnotherSite, "/subject"));
    log.accept(PI, "A", &fact("subject_transferred", "A", "S1", &json!({"to": "B"})));
    let seen = log.accept(PI, "B", &fact("visit", "B", "S1", &json!({"status": "done"}))).0;
    log.accept("investigator", "A", &signature("A", "S1", &[(enrolled, enrolled)]));
    let due = refusal(R::ReferenceDiffers, "/data/statements/0");
    assert_eq!(log.refused("investigator", "A", &signature("A", "S1", &[(seen, seen)])), due);
    assert_eq!(log.refused(PI, "B", &unmoved), due);
    log.accept(PI, "B", &signature("B", "S1", &[(seen, seen)]));
}
