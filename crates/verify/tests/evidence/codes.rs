//! Each code of evidence and absence: a log that makes it, at its place, and a near neighbour that must not.

use std::sync::Arc;

use chain::{Position, Record, RecordHash, TreeSize};
use serde_json::json;
use verify::{
    Absence, Anchors, Bytes, Class, Code, Damage, Depth, Evidence, KnownHead, Options, Receipt, ReceiptNote,
    Records, Report, Source, SourceError, Step,
};

use crate::support::{Log, check, check_source, enrollment, person, relinked, visit};

/// What a log harmed in one way is found to be, the position where the code is due, and what its neighbour is.
struct Case {
    code: Code,
    seq: Option<u64>,
    harmed: Report,
    neighbour: Report,
}

fn case(code: impl Into<Code>, seq: impl Into<Option<u64>>, harmed: Report, neighbour: Report) -> Case {
    Case { code: code.into(), seq: seq.into(), harmed, neighbour }
}

/// Two logs of a running trial that differ in what is recorded last, at position 7.
fn last(code: impl Into<Code>, harmed: impl FnOnce(&mut Log), neighbour: impl FnOnce(&mut Log)) -> Case {
    let report = |write: Box<dyn FnOnce(&mut Log) + '_>| {
        let mut log = Log::running(1);
        write(&mut log);
        check(&log.records, &log.anchors())
    };
    case(code, 7, report(Box::new(harmed)), report(Box::new(neighbour)))
}

/// As [`last`], but both logs are the running trial's, with their records changed.
fn changed(
    code: impl Into<Code>,
    seq: u64,
    harm: impl FnOnce(&mut Vec<Arc<[u8]>>),
    neighbour: impl FnOnce(&mut Vec<Arc<[u8]>>),
) -> Case {
    let log = Log::running(1);
    let (mut harmed, mut near) = (log.records.clone(), log.records.clone());
    harm(&mut harmed);
    neighbour(&mut near);
    case(code, seq, check(&harmed, &log.anchors()), check(&near, &log.anchors()))
}

/// The running trial's log against two sets of anchors.
fn anchored(
    code: impl Into<Code>,
    seq: u64,
    harm: impl FnOnce(&mut Anchors),
    near: impl FnOnce(&mut Anchors),
) -> Case {
    let log = Log::running(1);
    let (mut wrong, mut right) = (log.anchors(), log.anchors());
    harm(&mut wrong);
    near(&mut right);
    case(code, seq, check(&log.records, &wrong), check(&log.records, &right))
}

fn record_with(bytes: &[u8], change: impl FnOnce(&mut Record<'_>)) -> Arc<[u8]> {
    let mut record = Record::parse(bytes).unwrap();
    change(&mut record);
    record.join().into()
}

fn amendment(log: &Log, seq: usize, day: &str) -> serde_json::Value {
    let mut amendment = visit("S1", day);
    amendment["amends"] =
        json!({"effect": "replace", "hash": log.hash(seq), "reason": "transcription", "seq": seq});
    amendment
}

/// A signature that endorses the record at `seq`.
fn signature(log: &Log, subject: &str, seq: usize) -> serde_json::Value {
    let statements = json!([{"hash": log.hash(seq), "seq": seq}]);
    json!({"kind": "signature", "site": "CN-NJ", "subject": subject,
           "data": {"meaning": "endorsement", "statements": statements}})
}

/// A data cut of the first `records`, with the root of the first `hashed`.
fn cut(log: &Log, name: &str, previous: Option<&str>, records: usize, hashed: usize) -> serde_json::Value {
    let hashes: Vec<RecordHash> = (0..hashed).map(|seq| log.hash(seq)).collect();
    let root = RecordHash(chain::tree::root_of(&hashes).0);
    let mut data = json!({"cutoff_date": "2008-04-01", "head": log.hash(records - 1), "name": name,
                          "records": records, "root": root});
    if let Some(previous) = previous {
        data["previous"] = json!(previous);
    }
    json!({"kind": "data_cut", "data": data})
}

/// The cut states another root than that of the first five records; and that of three, then five.
fn cut_case() -> Case {
    let report = |cuts: &[(&str, Option<&str>, usize, usize)]| {
        let mut log = Log::running(1);
        let statistician = person("stat.one", "Sponsor", clinical::Role::Statistician, 40);
        log.grant(&log.sponsor.clone(), &statistician, &[]);
        for (name, previous, records, hashed) in cuts {
            let statement = cut(&log, name, *previous, *records, *hashed);
            log.say(&statistician, statement);
        }
        check(&log.records, &log.anchors())
    };
    let holds = [("first", None, 3, 3), ("second", Some("first"), 5, 5)];
    case(Evidence::CutRootDiffers, 8, report(&[("first", None, 5, 4)]), report(&holds))
}

fn form_cases() -> Vec<Case> {
    let with_byte = |bytes: &[u8], byte: u8| -> Arc<[u8]> { [bytes, &[byte]].concat().into() };
    vec![
        changed(
            Evidence::RecordMalformed,
            6,
            |records| records[6] = with_byte(&records[6], b'\n'),
            |records| records[6] = records[6].to_vec().into(),
        ),
        last(
            Evidence::EventMalformed,
            |log| {
                log.say_changed(&log.investigator.clone(), visit("S1", "2008-03-18"), |event| {
                    event["data"]["status"] = json!("perhaps");
                });
            },
            |log| {
                log.say_changed(&log.investigator.clone(), visit("S1", "2008-03-18"), |event| {
                    event["data"]["planned"] = json!("l\u{e0}\n\u{201c}a \\ b\u{201d}");
                });
            },
        ),
        last(
            Absence::BeyondThisVersion,
            |log| {
                log.say_changed(&log.investigator.clone(), visit("S1", "2008-03-18"), |event| {
                    event["schema"] = json!(2);
                });
            },
            |log| {
                log.say_changed(&log.investigator.clone(), visit("S1", "2008-03-18"), |event| {
                    event["schema"] = json!(1);
                });
            },
        ),
    ]
}

fn chain_cases() -> Vec<Case> {
    vec![
        changed(
            Evidence::BrokenLink,
            6,
            |records| records[6] = record_with(&records[6], |record| record.prev = RecordHash([1; 32])),
            |records| records[6] = record_with(&records[6], |_| ()),
        ),
        changed(
            Evidence::PositionMissing,
            6,
            |records| drop(records.remove(5)),
            |records| drop(records.remove(6)),
        ),
        changed(
            Evidence::PositionRepeated,
            6,
            |records| records.push(records[6].clone()),
            |records| records.truncate(7),
        ),
        last(
            Evidence::IdRepeated,
            |log| {
                let copied = log.records[6].clone();
                let copied = Record::parse(&copied).unwrap();
                log.record(copied.event, copied.signature);
            },
            // The same fact once more is another event.
            |log| {
                log.say(&log.investigator.clone(), visit("S1", "2008-03-11"));
            },
        ),
        {
            let log = Log::running(1);
            let recorded = |seconds: i64| {
                let before = Record::parse(&log.records[5]).unwrap().recorded_at;
                let at =
                    chain::Instant::from_microseconds(before.microseconds() + seconds * 1_000_000).unwrap();
                check(&relinked(&log.records, |parts| parts[6].recorded_at = at), &log.anchors())
            };
            case(Evidence::TimeGoingBack, 6, recorded(-1), recorded(0))
        },
    ]
}

fn authority_cases() -> Vec<Case> {
    let day = "2008-03-18";
    let revoke = |log: &mut Log| {
        let key = log.investigator.key.public().id();
        log.say(
            &log.principal.clone(),
            json!({"kind": "key_revoked", "data": {"key": key, "reason": "left"}}),
        );
    };
    vec![
        last(
            Evidence::BadSignature,
            |log| {
                let composed = log.event(&log.investigator.clone(), visit("S1", day));
                let foreign = log.coordinator.key.sign_event(&composed.event);
                log.record(&composed.event, foreign);
            },
            |log| {
                let composed = log.event(&log.investigator.clone(), visit("S1", day));
                log.record(&composed.event, composed.signature);
            },
        ),
        {
            let report = |revoked_first: bool| {
                let mut log = Log::running(1);
                if revoked_first {
                    revoke(&mut log);
                }
                log.say(&log.investigator.clone(), visit("S1", day));
                if !revoked_first {
                    revoke(&mut log);
                }
                check(&log.records, &log.anchors())
            };
            case(Evidence::SignerNotEntitled, 8, report(true), report(false))
        },
        last(
            Evidence::ActorNotHolder,
            |log| {
                "CN-BJ Hospital".clone_into(&mut log.investigator.actor.organisation);
                log.say(&log.investigator.clone(), visit("S1", day));
            },
            |log| {
                log.say(&log.investigator.clone(), visit("S1", day));
            },
        ),
        last(
            Evidence::EventOfAnotherLog,
            |log| {
                log.say_changed(&log.investigator.clone(), visit("S1", day), |event| {
                    event["log"] = json!("11".repeat(32));
                });
            },
            |log| {
                let genesis = log.genesis;
                log.say_changed(&log.investigator.clone(), visit("S1", day), |event| {
                    event["log"] = json!(genesis);
                });
            },
        ),
        {
            let report = |amended: usize| {
                let mut log = Log::running(1);
                let first = amendment(&log, 6, day);
                log.say(&log.investigator.clone(), first);
                let second = amendment(&log, amended, "2008-03-19");
                log.say(&log.investigator.clone(), second);
                check(&log.records, &log.anchors())
            };
            case(Evidence::AmendmentNotOfLatest, 8, report(6), report(7))
        },
        last(
            Evidence::AdmissionContradicted,
            |log| {
                log.say(&log.investigator.clone(), visit("S2", day));
            },
            |log| {
                log.say(&log.investigator.clone(), enrollment("S2"));
                log.say(&log.investigator.clone(), visit("S2", day));
            },
        ),
        cut_case(),
        {
            let log = Log::running(1);
            case(
                Absence::AuthorityUnderivable,
                None,
                check(&log.records[1..], &log.anchors()),
                check(&log.records[..1], &log.anchors()),
            )
        },
    ]
}

fn anchor_cases() -> Vec<Case> {
    let log = Log::running(1);
    let head = |size: u64, head| KnownHead { size: TreeSize(size), head };
    let other = person("x", "x", clinical::Role::Sponsor, 200).key.public();
    let other = chain::note::VerifierKey::new("log.example/lupus", other).unwrap();
    vec![
        // The forged log is whole in itself; only who knows the genesis sees it.
        {
            let forged = Log::running(100);
            let forged_opening = &forged.records[..1];
            let (known, own) = (log.anchors(), forged.anchors());
            let known = Anchors { log_key: None, ..known };
            case(Evidence::GenesisDiffers, 0, check(forged_opening, &known), check(forged_opening, &own))
        },
        anchored(Evidence::LogKeyDiffers, 0, |anchors| anchors.log_key = Some(other), |_| ()),
        anchored(
            Evidence::KnownHeadDiffers,
            5,
            |anchors| anchors.known_heads.push(head(6, log.hash(4))),
            |anchors| anchors.known_heads.push(head(6, log.hash(5))),
        ),
        anchored(
            Evidence::ShorterThanKnown,
            7,
            |anchors| anchors.known_heads.push(head(8, RecordHash([5; 32]))),
            |anchors| anchors.known_heads.push(head(7, log.hash(6))),
        ),
        anchored(
            Evidence::ReceiptNotHonoured,
            9,
            |anchors| anchors.receipts.push(Receipt { seq: Position(9), hash: log.hash(6), note: None }),
            |anchors| anchors.receipts.push(Receipt { seq: Position(6), hash: log.hash(6), note: None }),
        ),
        anchored(
            Absence::ReceiptUnusable,
            6,
            |anchors| {
                let note = Some(ReceiptNote { note: "a promise".to_owned(), path: Vec::new() });
                anchors.receipts.push(Receipt { seq: Position(6), hash: log.hash(6), note });
            },
            |anchors| anchors.receipts.push(Receipt { seq: Position(6), hash: log.hash(6), note: None }),
        ),
        {
            let anchors = Anchors { genesis: None, ..log.anchors() };
            case(Absence::LogEmpty, None, check(&[], &anchors), check(&log.records[..1], &log.anchors()))
        },
    ]
}

/// What a source answers when it is asked for a record again.
type Again = Box<dyn Fn() -> Option<Arc<[u8]>>>;

/// A source that has damage after some records, or serves a record otherwise when it is asked again.
struct Harmed {
    records: Records,
    damage: Option<Damage>,
    again: Option<Again>,
}

impl Source for Harmed {
    fn next(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) -> Result<Step, SourceError> {
        match (self.records.next(bytes_max, out)?, self.damage.take()) {
            (Step::End, Some(damage)) => Ok(Step::Damage(damage)),
            (step, damage) => {
                self.damage = damage;
                Ok(step)
            }
        }
    }

    fn record(&self, seq: Position) -> Result<Option<Bytes>, SourceError> {
        match &self.again {
            Some(again) => Ok(again().map(Bytes::from_owner)),
            None => self.records.record(seq),
        }
    }
}

fn source_cases() -> Vec<Case> {
    let log = Log::running(1);
    let mut amended = log.clone();
    let amendment = amendment(&log, 6, "2008-03-18");
    amended.say(&amended.investigator.clone(), amendment);
    let read = |log: &Log, damage: Option<Damage>, again: Option<Again>| {
        let records = Records::new(log.records.iter().cloned());
        check_source(Harmed { records, damage, again }, &log.anchors())
    };
    let damage =
        Damage { seq: Position(7), place: "segment 1 byte 4096".into(), what: "checksum differs".into() };
    let other = amended.records[5].clone();
    let unchecked = Options { depth: Depth::Records, ..Options::default() };
    let hashed = Options { depth: Depth::Tree, ..Options::default() };
    let records = || Records::new(log.records.iter().cloned());
    vec![
        case(Evidence::JournalDamaged, 7, read(&log, Some(damage), None), read(&log, None, None)),
        case(
            Evidence::JournalDamaged,
            7,
            read(&amended, None, Some(Box::new(move || Some(other.clone())))),
            read(&amended, None, None),
        ),
        case(
            Absence::RecordUnavailable,
            7,
            read(&amended, None, Some(Box::new(|| None))),
            // Nothing is read again where nothing is amended.
            read(&log, None, Some(Box::new(|| None))),
        ),
        case(
            Absence::SignaturesUnchecked,
            None,
            verify::verify(records(), &log.anchors(), unchecked).unwrap(),
            check(&log.records, &log.anchors()),
        ),
        case(
            Absence::RecordsUnchecked,
            None,
            verify::verify(records(), &log.anchors(), hashed).unwrap(),
            check(&log.records, &log.anchors()),
        ),
    ]
}

fn cases() -> Vec<Case> {
    [form_cases(), chain_cases(), authority_cases(), anchor_cases(), source_cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn records_of_a_suspected_key_are_found_by_the_time_of_their_recording() {
    let check_since = |since: Option<&str>, expected: &[(&str, &str)]| {
        let mut log = Log::running(1);
        // Recorded on the first of April 2008; signed, as it says itself, long before.
        log.say_changed(&log.investigator.clone(), visit("S1", "2008-03-18"), |event| {
            event["signed_at"] = json!("2008-03-18T10:00:00.000000Z");
        });
        let key = log.investigator.key.public().id();
        let mut data = json!({"key": key, "reason": "compromised"});
        if let Some(since) = since {
            data["suspected_since"] = json!(since);
        }
        log.say(&log.principal.clone(), json!({"kind": "key_revoked", "data": data}));
        let report = check(&log.records, &log.anchors_with_head());
        assert_eq!(report.status(), 0, "{report}");
        let found: Vec<_> =
            report.findings.iter().map(|finding| (finding.code.as_str(), &*finding.detail)).collect();
        assert_eq!(found, expected, "{since:?}");
    };
    let found = [("key-used-while-suspected", "beside record 7")];
    check_since(Some("2008-04-01"), &found);
    check_since(Some("2008-04"), &found);
    check_since(Some("2007"), &found);
    check_since(Some("2008-04-02"), &[]);
    check_since(None, &[]);
}

#[test]
fn each_code_has_a_log_that_makes_it_at_its_place_and_a_near_neighbour_that_does_not() {
    for Case { code, seq, harmed, neighbour } in cases() {
        let found = harmed.findings.iter().find(|finding| finding.code == code);
        let found = found.unwrap_or_else(|| panic!("{code} is not found: {harmed}"));
        assert_eq!(found.place.seq, seq.map(Position), "{code}");
        assert_eq!(
            harmed.status(),
            if harmed.count(Class::Evidence) > 0 { 1 } else { 3 },
            "{code}: {harmed}"
        );
        let clean = neighbour.count(Class::Evidence) + neighbour.count(Class::Absence) == 0;
        assert!(clean && neighbour.status() == 0, "the neighbour of {code}: {neighbour}");
    }
}

#[test]
fn no_code_of_evidence_or_absence_is_without_its_case() {
    let of_archives = crate::archives::cases().into_iter().map(|(code, _)| code);
    let with_case: Vec<Code> = cases().iter().map(|case| case.code).chain(of_archives).collect();
    for code in Code::all().filter(|code| code.class() != Class::Conduct) {
        assert!(with_case.contains(&code), "{code}");
    }
}

#[test]
fn every_refusal_of_admission_that_can_stand_in_a_log_makes_a_finding() {
    use Evidence::{AdmissionContradicted, BadSignature, EventOfAnotherLog, SignerNotEntitled};
    // What says that the signer was not entitled, or that the log contradicts itself, is one code each; here is that
    // each way of it is seen.
    let day = "2008-03-18";
    let check_last = |expected: Evidence, pointer: &str, write: &dyn Fn(&mut Log)| {
        let mut log = Log::running(1);
        write(&mut log);
        let report = check(&log.records, &log.anchors());
        let found: Vec<_> =
            report.findings.iter().filter(|finding| finding.class() == Class::Evidence).collect();
        assert_eq!(found.len(), 1, "{pointer}: {report}");
        assert_eq!((found[0].code, &*found[0].place.pointer), (expected.into(), pointer));
        assert_eq!(found[0].place.seq, Some(Position(log.records.len() as u64 - 1)));
    };
    check_last(AdmissionContradicted, "/event/kind", &|log| {
        let opening = Log::opened(1).records[0].clone();
        let data = crate::support::event_of(&opening).data;
        let clinical::Data::TrialOpened(data) = data else { panic!("an opening") };
        let data = serde_json::to_value(data).unwrap();
        log.say(&log.sponsor.clone(), json!({"kind": "trial_opened", "data": data}));
    });
    check_last(EventOfAnotherLog, "/event/trial", &|log| {
        log.say_changed(&log.investigator.clone(), visit("S1", day), |event| event["trial"] = json!("other"));
    });
    check_last(SignerNotEntitled, "/event/kind", &|log| {
        let site = json!({"kind": "site_activated", "site": "CN-BJ",
                          "data": {"country": "CN", "name": "Site", "zone": "Asia/Shanghai"}});
        log.say(&log.principal.clone(), site);
    });
    check_last(SignerNotEntitled, "/event/data/import", &|log| {
        let manager = person("data.manager", "Sponsor", clinical::Role::DataManager, 30);
        log.grant(&log.sponsor.clone(), &manager, &[]);
        log.say(&manager, visit("S1", day));
    });
    check_last(SignerNotEntitled, "/event/key", &|log| {
        let investigator = person("new.hand", "CN-NJ Hospital", clinical::Role::Investigator, 31);
        let mut grant = log.grant_statement(&investigator, &["CN-NJ"]);
        grant["data"]["valid_from"] = json!("2009-01-01T00:00:00.000000Z");
        log.say(&log.principal.clone(), grant);
        log.say(&investigator, visit("S1", day));
    });
    check_last(SignerNotEntitled, "/event/data/role", &|log| {
        let monitor = person("monitor", "CRO", clinical::Role::Monitor, 32);
        log.grant(&log.principal.clone(), &monitor, &[]);
    });
    check_last(SignerNotEntitled, "/event/data/organisation", &|log| {
        let investigator = person("new.hand", "CN-BJ Hospital", clinical::Role::Investigator, 31);
        log.grant(&log.principal.clone(), &investigator, &["CN-NJ"]);
    });
    check_last(SignerNotEntitled, "/event/data/key", &|log| {
        let key = log.sponsor.key.public().id();
        log.say(&log.sponsor.clone(), json!({"kind": "key_revoked", "data": {"key": key, "reason": "left"}}));
    });
    check_last(BadSignature, "/event/data/possession", &|log| {
        let investigator = person("new.hand", "CN-NJ Hospital", clinical::Role::Investigator, 31);
        let mut grant = log.grant_statement(&investigator, &["CN-NJ"]);
        grant["data"]["holder"] = json!("other.hand");
        log.say(&log.principal.clone(), grant);
    });
    check_last(AdmissionContradicted, "/event/data/public_key", &|log| {
        let again = log.coordinator.clone();
        log.grant(&log.principal.clone(), &again, &["CN-NJ"]);
    });
    check_last(AdmissionContradicted, "/event/site", &|log| {
        let site = json!({"kind": "site_activated", "site": "CN-NJ",
                          "data": {"country": "CN", "name": "Site", "zone": "Asia/Shanghai"}});
        log.say(&log.sponsor.clone(), site);
    });
    check_last(AdmissionContradicted, "/event/follows/hash", &|log| {
        let mut follows = visit("S1", day);
        follows["follows"] = json!({"hash": log.hash(5), "seq": 6});
        log.say(&log.investigator.clone(), follows);
    });
    check_last(AdmissionContradicted, "/event/data/statements/0/seq", &|log| {
        // What was amended before it was signed; in its latest version it could have been.
        let amended = amendment(log, 6, day);
        log.say(&log.investigator.clone(), amended);
        log.say(&log.investigator.clone(), signature(log, "S1", 7));
        log.say(&log.investigator.clone(), signature(log, "S1", 6));
    });
    check_last(AdmissionContradicted, "/event/data/statements/0", &|log| {
        log.say(&log.investigator.clone(), enrollment("S2"));
        log.say(&log.investigator.clone(), signature(log, "S2", 6));
    });
    check_last(SignerNotEntitled, "/event/kind", &|log| {
        log.say(&log.coordinator.clone(), signature(log, "S1", 6));
    });
    check_last(Evidence::AmendmentNotOfLatest, "/event/amends/seq", &|log| {
        // Only what stands before it can be amended, not what will come.
        let mut amends = amendment(log, 6, day);
        amends["amends"]["seq"] = json!(7);
        log.say(&log.investigator.clone(), amends);
    });
}

#[test]
fn conduct_is_what_the_registrars_own_rules_say_and_touches_no_verdict_unless_asked_to() {
    let mut log = Log::running(1);
    log.say(
        &log.investigator.clone(),
        json!({"kind": "adverse_event", "site": "CN-NJ", "subject": "S1", "occurred_on": "2008-03-12",
               "data": {"serious_reported": true}}),
    );
    log.say(&log.investigator.clone(), visit("S1", "2031-01-01"));
    let report = check(&log.records, &log.anchors());
    let conduct: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.place.seq.unwrap().0, finding.place.pointer.as_str()))
        .collect();
    assert_eq!(
        conduct,
        [
            ("causality-missing", 7, "/event/data/causality/product"),
            ("seriousness-disagrees", 7, "/event/data/serious_reported"),
            ("date-in-future", 8, "/event/occurred_on"),
            ("signed-before-fact", 8, "/event/signed_at"),
        ]
    );
    assert_eq!(report.status(), 0);
    let strict = Options { strict: true, ..Options::default() };
    let report = verify::verify(Records::new(log.records.clone()), &log.anchors(), strict).unwrap();
    assert_eq!((report.verdict, report.status()), (verify::Verdict::Intact, 1));
}

#[test]
fn what_a_later_version_reads_is_signed_by_the_key_it_names_all_the_same() {
    for (member, value) in [("schema", json!(2)), ("kind", json!("query"))] {
        for (flipped, status) in [(false, 3), (true, 1)] {
            let mut log = Log::running(1);
            let investigator = log.investigator.clone();
            let composed = log.event(&investigator, visit("S1", "2008-03-18"));
            let mut event: serde_json::Value = serde_json::from_slice(&composed.event).unwrap();
            event[member] = value.clone();
            let event = chain::canonical::canonicalize(&event).unwrap();
            let mut signature = investigator.key.sign_event(&event);
            signature.0[7] ^= u8::from(flipped);
            log.record(&event, signature);
            let report = crate::support::check(&log.records, &log.anchors());
            assert_eq!(report.status(), status, "{member}: {report}");
            let bad = report.findings.iter().any(|finding| finding.code == Evidence::BadSignature.into());
            assert_eq!(bad, flipped, "{member}: {report}");
        }
    }
}
