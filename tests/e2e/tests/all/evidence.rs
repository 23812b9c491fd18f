//! What a log hands out for others to hold against it: bundles, proofs, copies, cosignatures, receipts.

use std::path::{Path, PathBuf};

use e2e::{Server, SmallTrial, run, write};

use crate::statements::{contact, with_subject};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The log's verifier key.
fn log_key(trial: &SmallTrial) -> String {
    std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap().trim_end().to_owned()
}

/// Verifies what is at `path` with both anchors; what it says.
fn verified(trial: &SmallTrial, path: &Path, status: i32) -> String {
    run(["verify", text(path), "--genesis", &trial.genesis, "--key", &log_key(trial)]).ends_with(status).out
}

fn bundle(trial: &SmallTrial, name: &str) -> PathBuf {
    let out = trial.beside().join(name);
    let said = trial.run(["export", "bundle", "--out", text(&out)]).ends_with(0).out;
    assert!(said.contains("wrote ") && said.contains(&trial.genesis), "{said}");
    out
}

#[test]
fn a_bundle_is_intact_with_its_anchors_and_its_reports_follow_from_it() {
    let trial = with_subject();
    let out = bundle(&trial, "bundle.zip");
    let said = verified(&trial, &out, 0);
    assert!(
        said.starts_with("Intact: all 12 records hold, back to the known genesis, under the checkpoint"),
        "{said}"
    );
    for report in ["reports/outcomes.json", "reports/safety.json"] {
        let line = said.lines().find(|line| line.contains(report)).unwrap_or_default();
        assert!(line.contains("follows from 12 records"), "{said}");
    }
    // Without the genesis from elsewhere it is only consistent, whatever keys/genesis says.
    run(["verify", text(&out)]).ends_with(3);
    run(["verify", text(&out), "--genesis", &"1".repeat(64)]).ends_with(1);

    // What is there is not overwritten.
    let before = std::fs::read(&out).unwrap();
    trial.run(["export", "bundle", "--out", text(&out)]).ends_with(7);
    assert_eq!(std::fs::read(&out).unwrap(), before);

    // A figure altered in a report, with the zip's bytes around it left alone.
    let place = before.windows(9).rposition(|window| window == b"\"records\"").unwrap();
    let mut altered = before;
    altered[place + 1] = b'x';
    let other = trial.beside().join("altered.zip");
    write(&other, &altered);
    let said = verified(&trial, &other, 1);
    assert!(said.contains("file-differs"), "{said}");
}

#[test]
fn a_bundle_made_beside_a_server_is_as_good() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    trial.submit("bo.wang", &contact("P1", "2022-01-01").to_string()).ends_with(0);
    let said = verified(&trial, &bundle(&trial, "bundle.zip"), 0);
    assert!(said.starts_with("Intact: all 13 records hold"), "{said}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_proof_holds_for_its_record_alone_and_without_the_registry() {
    let trial = with_subject();
    let key = log_key(&trial);
    let proof = trial.beside().join("proof");
    trial.run(["prove", "10", "--out", text(&proof)]).ends_with(0);
    assert_eq!(trial.run(["prove", "10"]).ends_with(0).out, std::fs::read_to_string(&proof).unwrap());
    trial.run(["prove", "10", "--out", text(&proof)]).ends_with(7);
    trial.run(["prove", "12"]).ends_with(4);

    let check = |options: &[&str]| run([&["prove", "--check", text(&proof)], options].concat());
    let (hash, other) = (crate::statements::hash_of(&trial, 10), crate::statements::hash_of(&trial, 9));
    let said = check(&["--key", &key, "--hash", &hash]).ends_with(0).out;
    assert!(said.starts_with("Proved: ") && said.contains("position 10 of localhost/small"), "{said}");
    check(&["--key", &key, "--hash", &other]).ends_with(1);
    let record = trial.beside().join("record");
    let shown = trial.run(["show", "10", "--json"]).ends_with(0).out;
    let begin = shown.find("\"record\":").unwrap() + "\"record\":".len();
    let mut depth = 0;
    let end = shown[begin..].find(|character| {
        depth += i32::from(character == '{') - i32::from(character == '}');
        depth == 0
    });
    let bytes = &shown[begin..=begin + end.unwrap()];
    write(&record, format!("{bytes}\n"));
    check(&["--key", &key, "--record", text(&record)]).ends_with(0);
    write(&record, bytes.replacen("complete", "completf", 1));
    check(&["--key", &key, "--record", text(&record)]).ends_with(1);

    // Another log's key, and a proof that is none.
    let others =
        std::fs::read_to_string(crate::demo::demo().dir.path().join("trials/lupus-msct/log.vkey")).unwrap();
    check(&["--key", others.trim_end(), "--hash", &hash]).ends_with(1);
    check(&["--key", "nonsense", "--hash", &hash]).ends_with(2);
    check(&["--key", &key]).ends_with(2);
    run(["prove"]).ends_with(2);
    write(&proof, "c2sp.org/tlog-proof@v1\nindex ten\n\n");
    check(&["--key", &key, "--hash", &hash]).ends_with(2);
}
