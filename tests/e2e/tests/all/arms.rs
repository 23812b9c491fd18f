//! A trial with two arms: the closed report and its list, and what a reader of open reports can come to know.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::{DEADLINE, Reply, Run, Server, SmallTrial, run, write};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::access::token;
use crate::evidence::{bundle, log_key, sealed, text};
use crate::statements::{contact, lines};

/// What would tell the arms apart: their names, lots (which are the kits' names), donors, doses, planned courses, sources,
/// and the day of a second infusion, which one arm has.
const BETRAYING: [&str; 15] = [
    SECOND_INFUSION,
    "ruby-arm",
    "opal-arm",
    "KIT-AMBER-7",
    "KIT-COBALT-3",
    "DONOR-QUARTZ",
    "DONOR-BERYL",
    "123456789012",
    "765432109876",
    "431.25",
    "987.75",
    "41773",
    "51889",
    "bone_marrow",
    "adipose",
];

/// Day of the second infusion of who is in the arm that has one.
const SECOND_INFUSION: &str = "2020-09-17";

/// Subject, site, arm, key of the commitment.
const ARMS: [(&str, &str, &str, u8); 4] = [
    ("P1", "S01", "ruby-arm", 1),
    ("P2", "S01", "opal-arm", 2),
    ("P3", "S02", "ruby-arm", 3),
    ("P4", "S02", "opal-arm", 4),
];

fn key_text(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn commitment(subject: &str, arm: &str, key: u8) -> String {
    let message = clinical::data::allocation_message(SmallTrial::ID, subject, arm, &[key; 32]);
    Sha256::digest(message).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Makes a key and grants it a role of the trial as a whole.
fn join(trial: &SmallTrial, holder: &str, role: &str) {
    let key = trial.key(holder);
    let key = text(&key);
    let new = ["keys", "new", "--holder", holder, "--organisation", "Sponsor", "--role", role, "--out", key];
    run(new).ends_with(0);
    let grant = run(["keys", "request", "--genesis", &trial.genesis, "--key", key]).ends_with(0).out;
    trial.submit("sponsor.one", &grant).ends_with(0);
}

fn statement(kind: &str, site: &str, subject: &str, on: &str, data: &Value) -> Value {
    json!({"kind": kind, "site": site, "subject": subject, "occurred_on": on, "data": data})
}

/// Four subjects in two arms, which differ in all that was given: lot, donor, dose, source, planned course and how often. Cut as
/// `none-yet` before anybody was allocated and as `board-1` after the last.
fn with_two_arms() -> SmallTrial {
    let trial = SmallTrial::new();
    for (holder, role) in
        [("dora.data", "data_manager"), ("lin.lab", "cell_lab"), ("eva.stat", "statistician")]
    {
        join(&trial, holder, role);
    }
    let given = |arm: &str| match arm {
        "ruby-arm" => ("KIT-AMBER-7", "DONOR-QUARTZ", 123_456_789_012_u64, "431.25", 41773, "bone_marrow"),
        _ => ("KIT-COBALT-3", "DONOR-BERYL", 765_432_109_876_u64, "987.75", 51889, "adipose"),
    };
    let investigator = |site: &str| if site == "S01" { "bo.wang" } else { "dan.sun" };
    for arm in ["ruby-arm", "opal-arm"] {
        let (lot, donor, .., source) = given(arm);
        let data = json!({"donors": [donor], "lot": lot, "release": "released", "source": source});
        trial.submit("lin.lab", &json!({"kind": "product_lot", "data": data}).to_string()).ends_with(0);
    }
    for (subject, site, arm, _) in ARMS {
        let data = json!({
            "consent": {"document_version": "1", "language": "en", "signed_on": "2020-01-10"},
            "planned_infusions": given(arm).4
        });
        let enrolled = statement("enrollment", site, subject, "2020-01-10", &data);
        trial.submit(investigator(site), &enrolled.to_string()).ends_with(0);
    }
    cut(&trial, "none-yet");
    for (subject, site, arm, key) in ARMS {
        let data = json!({"commitment": commitment(subject, arm, key)});
        let allocated = statement("allocation", site, subject, "2020-01-12", &data);
        trial.submit("dora.data", &allocated.to_string()).ends_with(0);
        let (lot, donor, per_kg, dose, _, source) = given(arm);
        let infused = |number: u8| {
            json!({
                "cells": {
                    "donor": donor, "given_per_kg": per_kg, "lot": lot, "planned_per_kg": per_kg + 1, "source": source
                },
                "dose": {"amount": dose, "unit": "mL"},
                "identity_check": {"first": "one", "second": "two"}, "number": number
            })
        };
        let event = json!({
            "causality": {"product": "possible"}, "outcome": "recovered", "serious_reported": true,
            "seriousness": ["hospitalisation"]
        });
        let mut seen = contact(subject, "2021-12-31");
        seen["site"] = site.into();
        // On the day after the second infusion both arms have an event, which is a reaction in the one that has it.
        let mild = json!({"causality": {"product": "none"}, "outcome": "recovered"});
        let mut of = vec![
            statement("infusion", site, subject, "2020-02-01", &infused(1)),
            statement("adverse_event", site, subject, "2020-03-01", &event),
            statement("adverse_event", site, subject, "2020-09-18", &mild),
            seen,
        ];
        if arm == "opal-arm" {
            of.push(statement("infusion", site, subject, SECOND_INFUSION, &infused(2)));
        }
        trial.submit(investigator(site), &lines(&of)).ends_with(0);
    }
    cut(&trial, "board-1");
    trial
}

fn cut(trial: &SmallTrial, name: &str) {
    let key = trial.key("eva.stat");
    trial.run(["cut", "create", name, "--cutoff", "2022-06-30", "--key", text(&key)]).ends_with(0);
}

/// The list of arms, in a file.
fn list(trial: &SmallTrial, name: &str, entries: &[(&str, &str, u8)]) -> PathBuf {
    let path = trial.beside().join(name);
    let entries = entries.iter().map(|(subject, arm, key)| (subject, arm, key_text(*key)));
    if path.extension().is_some_and(|extension| extension == "csv") {
        let rows = entries.map(|(subject, arm, key)| format!("{subject},{arm},{key}\n"));
        write(&path, format!("subject,arm,key\n{}", rows.collect::<String>()));
    } else {
        let rows = entries.map(|(subject, arm, key)| json!({"arm": arm, "key": key, "subject": subject}));
        write(&path, Value::Array(rows.collect()).to_string());
    }
    path
}

fn right() -> Vec<(&'static str, &'static str, u8)> {
    ARMS.iter().map(|(subject, _, arm, key)| (*subject, *arm, *key)).collect()
}

/// What betrays and stands in `answer`, by itself: a number may stand within a hash by chance.
fn found(answer: &str) -> BTreeSet<&'static str> {
    let apart = |around: Option<char>| around.is_none_or(|letter| !letter.is_ascii_alphanumeric());
    let stands = |text: &&str| {
        answer.match_indices(*text).any(|(at, _)| {
            apart(answer[..at].chars().next_back()) && apart(answer[at + text.len()..].chars().next())
        })
    };
    BETRAYING.into_iter().filter(stands).collect()
}

/// A page without what a form offers to everybody and nobody has chosen: the words of the format itself.
fn without_choices(page: &str) -> String {
    let mut parts = page.split("<option");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| {
        let (option, after) = part.split_once("</option>").unwrap_or((part, ""));
        let is_chosen = option.split('>').next().is_some_and(|tag| tag.contains(" selected"));
        if is_chosen { kept + option + after } else { kept + after }
    })
}

#[test]
fn of_a_form_what_is_chosen_is_looked_at_and_what_is_offered_is_not() {
    let form = r#"<p>opal</p><option value="adipose">adipose</option><option value="bone_marrow" selected>x</option><p>y"#;
    let kept = without_choices(form);
    assert!(kept.contains("opal") && kept.contains("bone_marrow") && kept.ends_with("<p>y"), "{kept}");
    assert!(!kept.contains("adipose"), "{kept}");
}

/// What one asker was answered: each address with its status and text.
fn crawl(server: &Server, token: &str, records: u64) -> BTreeMap<String, (u16, String)> {
    let bearer = format!("Bearer {token}");
    let get = |path: &str| -> Reply {
        server.send(Method::GET, path, &[("authorization", bearer.as_str())], Vec::new())
    };
    let mut due: VecDeque<String> = VecDeque::new();
    let document = server.get("/openapi.json").json();
    for (route, methods) in document["paths"].as_object().unwrap() {
        // Feed and tail do not end: whether they are open is asked elsewhere.
        if methods.get("get").is_none() || route.ends_with("/feed") || route.ends_with("/tail") {
            continue;
        }
        let mut paths = vec![route.replace("{trial}", SmallTrial::ID)];
        let positions: Vec<String> = (0..records).map(|seq| seq.to_string()).collect();
        let tiles: Vec<String> = [format!("entries/000.p/{records}"), format!("0/000.p/{records}")].into();
        for (name, values) in [
            ("{seq}", positions),
            ("{subject}", ARMS.map(|(subject, ..)| subject.to_owned()).into()),
            ("{site}", vec!["S01".to_owned(), "S02".to_owned()]),
            ("{kind}", vec!["outcomes".to_owned(), "safety".to_owned()]),
            ("{*path}", tiles),
        ] {
            let with = |path: &String| -> Vec<String> {
                if path.contains(name) {
                    values.iter().map(|value| path.replace(name, value)).collect()
                } else {
                    vec![path.clone()]
                }
            };
            paths = paths.iter().flat_map(with).collect();
        }
        assert!(paths.iter().all(|path| !path.contains('{')), "a variable of {route} that nobody thought of");
        due.extend(paths);
    }
    for what in [
        "/v1/trials/small/reports/outcomes",
        "/v1/trials/small/reports/safety",
        "/trials/small/outcomes",
        "/trials/small/outcomes/response",
        "/trials/small/outcomes/measurements",
        "/trials/small/outcomes/courses",
        "/trials/small/safety",
        "/trials/small/safety/interest",
        "/trials/small/safety/reporting",
        "/trials/small",
    ] {
        for query in [
            "as_of=none-yet",
            "as_of=board-1",
            "as_of=12",
            "as_of=20",
            "cutoff=2019-12-31",
            "since=none-yet",
            "since=board-1",
        ] {
            due.push_back(format!("{what}?{query}"));
        }
    }
    for cell in ["outcomes/sources?cell=/swimmer/lanes/P1", "safety/sources?cell=/populations/safety_set"] {
        for query in ["", "&as_of=board-1", "&as_of=none-yet"] {
            due.push_back(format!("/v1/trials/small/reports/{cell}{query}"));
        }
    }
    due.extend(["/", "/trials/small", "/login", "/verify"].map(str::to_owned));
    // Pages that no page leads to whoever is refused there.
    let pages = [
        "findings",
        "subjects",
        "work",
        "status",
        "inspection",
        "inspection/sample",
        "intact",
        "trail",
        "record",
        "bundle",
    ];
    due.extend(pages.map(|page| format!("/trials/small/{page}")));
    due.extend((0..records).map(|seq| format!("/trials/small/records/{seq}")));
    due.extend(ARMS.map(|(subject, ..)| format!("/trials/small/subjects/{subject}")));
    let mut answers: BTreeMap<String, (u16, String)> = BTreeMap::new();
    while let Some(path) = due.pop_front() {
        if answers.contains_key(&path) {
            continue;
        }
        let reply = get(&path);
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        // Every page that a page leads to, which may say in its address what it shows.
        for link in body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            // What is behind a number is looked at of the present report: of each cut it is the same again.
            let again = link.contains("/sources?") && (link.contains("as_of=") || link.contains("cutoff="));
            if (link.starts_with("/trials/") && !again) || link == "/" {
                due.push_back(link.replace("&amp;", "&"));
            }
        }
        answers.insert(path, (reply.status, without_choices(&body)));
    }
    answers
}

/// Waits until every list and report is of so many records.
fn caught_up(server: &Server, token: &str, records: u64) {
    let bearer = format!("Bearer {token}");
    let begun = Instant::now();
    for path in ["findings", "reports/outcomes", "reports/safety"] {
        let path = format!("/v1/trials/small/{path}");
        let covers = || {
            let reply = server.send(Method::GET, &path, &[("authorization", bearer.as_str())], Vec::new());
            reply.json()["covers"]["records"].as_u64()
        };
        while covers() != Some(records) {
            assert!(begun.elapsed() < DEADLINE, "{path} does not come to {records} records");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn nothing_that_a_reader_of_open_reports_can_fetch_tells_the_arms_apart() {
    let trial = with_two_arms();
    let (statistician, inspector) = (token(&trial, "statistician"), token(&trial, "inspector"));
    let records = trial.records();
    let server = Server::start(&trial.data());
    sealed(&server, records);
    caught_up(&server, &inspector, records);

    let seen = crawl(&server, &inspector, records);
    let by_inspector: BTreeSet<&str> = seen.values().flat_map(|(_, body)| found(body)).collect();
    // Arms stand nowhere in the log. All else an inspector sees, or the search below could not fail.
    let all: BTreeSet<&str> = BETRAYING.into_iter().filter(|text| !text.ends_with("-arm")).collect();
    assert_eq!(by_inspector, all);

    let seen = crawl(&server, &statistician, records);
    for (path, (_, body)) in &seen {
        assert_eq!(found(body), BTreeSet::new(), "{path} betrays");
    }
    // It is not that everything is refused; what holds whole records is, and says why.
    let status = |path: &str| seen[path].0;
    for path in
        ["/v1/trials/small", "/v1/trials/small/reports/safety", "/trials/small", "/trials/small/safety"]
    {
        assert_eq!(status(path), 200, "{path}: {}", seen[path].1);
    }
    assert_eq!(status("/trials/small/outcomes?as_of=board-1"), 200);
    for path in [
        "/v1/trials/small/records/0",
        "/v1/trials/small/subjects",
        "/v1/trials/small/subjects/P1/records",
        "/v1/trials/small/findings",
        "/trials/small/records/12",
        "/trials/small/subjects",
        "/trials/small/findings",
        "/v1/trials/small/reports/safety?as_of=none-yet",
        "/v1/trials/small/reports/safety?since=none-yet",
        "/v1/trials/small/reports/safety?as_of=20",
        "/v1/trials/small/reports/safety/sources?cell=/populations/safety_set",
        "/v1/trials/small/reports/outcomes/sources?cell=/swimmer/lanes/P1&as_of=board-1",
    ] {
        assert_eq!(status(path), 403, "{path}: {}", seen[path].1);
        assert!(seen[path].1.contains("arms-withheld"), "{path}: {}", seen[path].1);
    }
    let bearer = format!("Bearer {statistician}");
    let feed = server.send(Method::GET, "/v1/trials/small/feed", &[("authorization", &bearer)], Vec::new());
    assert_eq!(feed.status, 403, "{}", feed.text());

    // The commands, in every form, with that token; a cut is made with it all the same.
    let file = trial.beside().join("statistician.token");
    write(&file, &statistician);
    let at = ["--server", &server.address, "--token-file", text(&file)];
    for kind in ["outcomes", "safety"] {
        for form in [&[][..], &["--json"], &["--html"], &["--as-of", "board-1"], &["--since", "board-1"]] {
            let made = run([&["report", kind], form, &at].concat()).ends_with(0);
            assert_eq!(found(&made.out), BTreeSet::new(), "{kind} {form:?}");
            assert!(made.out.len() > 20, "{}", made.out);
        }
    }
    run([&["show", "12"], &at[..]].concat()).ends_with(5);
    let key = trial.key("eva.stat");
    let create = ["cut", "create", "board-2", "--cutoff", "2022-12-31", "--key", text(&key)];
    let created = run([&create[..], &at].concat()).ends_with(0).out;
    assert!(created.contains("cut board-2 of the first"), "{created}");
    assert_eq!(server.stop(), 0);
    // And what is published of it.
    let out = trial.beside().join("open.json");
    let publish =
        ["report", "publish", "safety", "--cut", "board-2", "--key", text(&key), "--out", text(&out)];
    trial.run(publish).ends_with(0);
    for file in [out.clone(), out.with_extension("html")] {
        let published = std::fs::read_to_string(&file).unwrap();
        assert_eq!(found(&published), BTreeSet::new(), "{}", file.display());
        assert!(published.contains("the trial has arms, which this would tell apart"), "{published}");
    }
}

#[test]
fn a_closed_report_is_made_where_the_list_is_and_made_anew_from_log_and_list() {
    let trial = with_two_arms();
    let (arms, data) = (list(&trial, "arms.json", &right()), trial.data());
    let same = list(&trial, "arms.csv", &right());
    let closed = |kind: &str, arms: &PathBuf, log: &PathBuf, more: &[&str]| -> Run {
        run([&["report", kind, "--arms", text(arms), "--log", text(log)], more].concat())
    };
    let json = closed("safety", &arms, &data, &["--as-of", "board-1", "--json"]).ends_with(0).out;
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["report"], &report["access"]), (&"safety_by_arm".into(), &"closed".into()));
    let names: Vec<_> = report["arms"].as_array().unwrap().iter().map(|arm| &arm["arm"]).collect();
    assert_eq!(names, ["opal-arm", "ruby-arm"]);
    let of = |arm: usize| {
        (&report["arms"][arm]["allocated"], &report["arms"][arm]["report"]["populations"]["safety_set"])
    };
    assert_eq!((of(0), of(1)), ((&2.into(), &2.into()), (&2.into(), &2.into())));
    assert_eq!(report["whole"]["populations"]["safety_set"], 4);
    assert_eq!(report["arms"][1]["report"]["recall"]["lots"][0]["lot"], "KIT-AMBER-7");
    assert!(report["arms"][1]["report"]["recall"]["lots"][1].is_null());
    // From a bundle, or with the list as CSV, it is the same.
    let log = bundle(&trial, "log.zip");
    for (arms, log) in [(&same, &data), (&arms, &log)] {
        let again = closed("safety", arms, log, &["--as-of", "board-1", "--json"]).ends_with(0).out;
        assert_eq!(again, json);
    }
    let tables = closed("outcomes", &arms, &log, &[]).ends_with(0).out;
    assert!(tables.contains("ARM opal-arm · 2 subjects assigned"), "{tables}");

    let (out, key) = (trial.beside().join("closed.json"), trial.key("eva.stat"));
    let publish =
        ["report", "publish", "safety", "--cut", "board-1", "--key", text(&key), "--out", text(&out)];
    let published =
        trial.run([&publish[..], &["--arms", text(&arms), "--log", text(&log)]].concat()).ends_with(0).out;
    assert!(published.contains("the safety_by_arm report of cut board-1"), "{published}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), json.trim_end());
    let last = (trial.records() - 1).to_string();
    let record = trial.run(["show", &last, "--json"]).ends_with(0).json();
    assert_eq!(record["record"]["event"]["data"]["access"], "closed");
    let page = out.with_extension("html");
    let shown = std::fs::read_to_string(&page).unwrap();
    assert!(shown.contains("Closed report") && shown.contains("Side by side") && shown.contains("ruby-arm"));

    let anchors = ["--genesis", &trial.genesis, "--key", &log_key(&trial)];
    let reproduce = |more: &[&str]| {
        run([&["report", "reproduce", text(&out), "--log", text(&log)], &anchors[..], more].concat())
    };
    let told = reproduce(&["--arms", text(&arms), "--html", text(&page)]).ends_with(0).out;
    assert!(told.contains("REPRODUCED"), "{told}");
    // Without the list it cannot be told, and a number altered is found.
    let undecided = reproduce(&[]).ends_with(3).out;
    assert!(undecided.contains("NOT DECIDED") && undecided.contains("by arm"), "{undecided}");
    write(&out, json.trim_end().replacen("\"safety_set\":2", "\"safety_set\":3", 1));
    let differs = reproduce(&["--arms", text(&arms)]).ends_with(1).out;
    assert!(differs.contains("NOT REPRODUCED"), "{differs}");
}

#[test]
fn of_a_list_that_is_not_the_logs_nothing_is_made() {
    let trial = with_two_arms();
    let data = trial.data();
    let refused = |entries: &[(&str, &str, u8)], due: &str| {
        let arms = list(&trial, "wrong.csv", entries);
        let options = ["--arms", text(&arms), "--log", text(&data)];
        let made = run([&["report", "outcomes"], &options[..]].concat()).ends_with(7);
        assert!(made.err.contains(due) && made.out.is_empty(), "{made:?}");
        assert_eq!(found(&made.err), BTreeSet::new());
        std::fs::remove_file(&arms).unwrap();
    };
    let mut entries = right();
    entries[1].1 = "ruby-arm";
    refused(&entries, "the entry of subject P2 does not match the commitment in the log");
    refused(&right()[..3], "subject P4 was allocated, and is not in the list");
    let mut entries = right();
    entries.push(("P5", "ruby-arm", 5));
    refused(&entries, "subject P5 is in the list, and the log holds no allocation of it");
    let broken = trial.beside().join("broken.json");
    write(&broken, "[{\"arm\": \"ruby-arm\"}]");
    let made = run(["report", "outcomes", "--arms", text(&broken), "--log", text(&data)]).ends_with(7);
    assert!(made.err.contains("no JSON list") && !made.err.contains("ruby"), "{made:?}");
}
