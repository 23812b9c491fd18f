//! Commands beside a server on the same data: through it or from the files, and the same answers either way.

use e2e::{Server, SmallTrial, run};
use serde_json::Value;

use crate::http::covering;
use crate::statements::{contact, enrollment, lines, with_subject};

/// Commands that only read, with what they must say alike.
const READS: [&[&str]; 8] = [
    &["report", "outcomes", "--json"],
    &["report", "safety", "--json"],
    &["report", "outcomes"],
    &["show", "10"],
    &["show", "10", "--json"],
    &["trail", "--subject", "P1"],
    &["findings", "--json"],
    &["findings"],
];

#[test]
fn every_command_says_the_same_beside_a_server_as_without_one() {
    let trial = with_subject();
    let read = || READS.map(|arguments| trial.run(arguments.iter().copied()).ends_with(0).out);
    let alone = read();
    let server = Server::start(&trial.data());
    covering(&server, "/v1/trials/small/reports/outcomes", 12);
    covering(&server, "/v1/trials/small/reports/safety", 12);
    covering(&server, "/v1/trials/small/findings", 12);
    // The server tells of its own verification; the rest is equal to the byte.
    let without_verification = |texts: [String; 8]| texts.map(|text| drop_member(&text, "verified"));
    assert_eq!(without_verification(read()), without_verification(alone));
    // The same by address, from anywhere.
    let by_address = run(["report", "outcomes", "--json", "--server", &server.address]).ends_with(0);
    assert_eq!(by_address.out, trial.run(["report", "outcomes", "--json"]).out);

    let data = trial.data();
    let verify = ["verify", data.to_str().unwrap(), "--genesis", &trial.genesis];
    let beside = run(verify).ends_with(0).out;
    assert!(beside.starts_with("Intact: all 12 records hold"), "{beside}");

    let doctor = trial.run(["doctor"]).ends_with(0).out;
    assert!(doctor.starts_with("a server is running\nsmall · 12 records"), "{doctor}");

    let submitted = trial.submit("bo.wang", &contact("P1", "2022-01-01").to_string()).ends_with(0);
    assert!(submitted.out.starts_with("recorded at position 12 "), "{}", submitted.out);
    covering(&server, "/v1/trials/small/records/12", 13);
    let beside = run(verify).ends_with(0).out;
    assert!(beside.starts_with("Intact: all 13 records hold"), "{beside}");
    assert_eq!(server.stop(), 0);
    assert_eq!(run(verify).ends_with(0).out, beside);
    assert_eq!(trial.records(), 13);
}

/// The text without a member of JSON documents in it.
fn drop_member(text: &str, member: &str) -> String {
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(mut value) => {
            if let Some(covers) = value.pointer_mut("/covers").and_then(Value::as_object_mut) {
                covers.remove(member);
            }
            value.to_string()
        }
        Err(_) => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_told_of_the_first() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let second = trial.run(["serve", "--listen", "127.0.0.1:0"]).ends_with(7);
    assert!(second.err.contains(&server.address), "{}", second.err);
    let open_to_all = SmallTrial::new().run(["serve", "--listen", "0.0.0.0:0"]).ends_with(7);
    assert!(open_to_all.err.contains("loopback"), "{}", open_to_all.err);
}

#[test]
fn a_dry_run_shows_what_would_be_signed_and_records_nothing() {
    let trial = with_subject();
    let statements =
        lines(&[enrollment("P2"), crate::statements::adverse_event("P1", "a rash on both arms")]);
    let before = trial.records();
    let dry = trial.submit_with("bo.wang", &statements, &["--dry-run"]).ends_with(0);
    assert!(dry.out.contains("would be signed by bo.wang as investigator"), "{}", dry.out);
    let shown: Vec<Value> = dry
        .out
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(shown.len(), 2, "{}", dry.out);
    for event in &shown {
        assert_eq!(
            (&event["log"], &event["actor"]["id"]),
            (&trial.genesis.as_str().into(), &"bo.wang".into())
        );
    }
    assert!(dry.out.contains("text at /data/term: a rash on both arms"), "{}", dry.out);
    assert!(shown[1]["data"]["term"]["ciphertext"].is_string(), "{}", shown[1]);
    assert_eq!(trial.records(), before);
    // With a server on the data, too.
    let server = Server::start(&trial.data());
    trial.submit_with("bo.wang", &statements, &["--dry-run"]).ends_with(0);
    assert_eq!(crate::http::records(&server), before);
}

#[test]
fn a_proxy_of_the_network_is_not_asked_for_the_server_on_this_machine() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    covering(&server, "/v1/trials/small/reports/outcomes", 12);
    let report = std::process::Command::new(e2e::trialbook())
        .args(["report", "outcomes", "--data"])
        .arg(trial.data())
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .output()
        .unwrap();
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
}
