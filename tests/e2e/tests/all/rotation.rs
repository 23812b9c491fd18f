//! Keys that follow one another, as the people who do it would: the log's, the registry's for receipts, a sponsor's, and
//! a person's that was lost.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{DEADLINE, Run, Server, SmallTrial, run, write};
use serde_json::Value;

use crate::evidence::{log_key, log_url, mirror, sealed};
use crate::statements::{contact, with_subject};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The statement that names the registry's next key, and the verifier key in it.
pub(crate) fn next_key(trial: &SmallTrial, service: &str) -> (String, String) {
    let statement = trial.run(["service-key", "new", service]).ends_with(0).out;
    let value: Value = serde_json::from_str(&statement).unwrap();
    let key = value["data"]["verifier_key"].as_str().unwrap().to_owned();
    (statement, key)
}

/// The statement that revokes a key.
pub(crate) fn revocation(key: &str, reason: &str, more: &[&str]) -> String {
    run([&["keys", "revoke", key, "--reason", reason], more].concat()).ends_with(0).out
}

/// Verifies a path with the genesis and one key.
fn verified(trial: &SmallTrial, path: &Path, key: &str) -> Run {
    run(["verify", text(path), "--genesis", &trial.genesis, "--key", key])
}

#[test]
fn a_log_key_follows_another_without_a_restart_and_either_is_an_anchor() {
    let trial = with_subject();
    let old = log_key(&trial);
    let server = Server::start(&trial.data());
    sealed(&server, 12);
    let (statement, new) = next_key(&trial, "log");
    trial.submit_with("sponsor.one", &statement, &["--wait", "sealed"]).ends_with(0);
    let checkpoint = || server.get("/v1/trials/small/log/checkpoint").text().to_owned();
    assert_eq!(checkpoint().matches("\n\u{2014} localhost/small ").count(), 2, "{}", checkpoint());

    // Whoever knows one key follows while both sign.
    let (url, copy) = (log_url(&server.address), trial.beside().join("copy"));
    mirror(&trial, &url, &copy, &["--whole"]).ends_with(0);
    for key in [&old, &new] {
        verified(&trial, &copy.join("log"), key).ends_with(0);
    }

    let revoke = revocation(&old, "replaced", &[]);
    trial.submit_with("sponsor.one", &revoke, &["--wait", "sealed"]).ends_with(0);
    assert_eq!(checkpoint().matches("\n\u{2014} localhost/small ").count(), 1, "{}", checkpoint());
    let listed = trial.run(["service-key", "list"]).ends_with(0).out;
    assert!(listed.contains(&format!("{old}  named by record 0, revoked by record 13")), "{listed}");
    assert!(listed.contains(&format!("{new}  named by record 12\n")), "{listed}");

    // Who knows the old one alone goes on where the records are copied that name the new one; else it stops, and says why.
    mirror(&trial, &url, &copy, &["--whole"]).ends_with(0);
    let hashes = trial.beside().join("hashes");
    let stopped = mirror(&trial, &url, &hashes, &[]).ends_with(1);
    assert!(stopped.err.starts_with("not copied: "), "{}", stopped.err);
    assert!(stopped.err.contains("reads no records: if the log has changed its key"), "{}", stopped.err);
    mirror(&trial, &url, &hashes, &["--key", &new]).ends_with(0);
    // An address is verified with either key, and with the genesis alone beside the old one.
    run(["verify", &url, "--genesis", &trial.genesis, "--key", &old]).ends_with(0);
    assert!(run(["verify", &url, "--key", &old]).ends_with(1).err.contains("not the log's"));
    let said = verified(&trial, &copy.join("log"), &old).ends_with(0).out;
    assert!(said.starts_with("Intact: all 14 records hold") && said.contains(&new), "{said}");
    verified(&trial, &copy.join("log"), &new).ends_with(0);
    let another = run(["verify", text(&copy.join("log")), "--key", &next_key(&trial, "log").1]);
    assert!(another.ends_with(1).out.contains("log-key-differs"));

    // The last key cannot go; what the server hands out holds under the new one.
    let last = trial.submit("sponsor.one", &revocation(&new, "replaced", &[])).ends_with(6);
    assert!(last.err.contains("without a key that signs it"), "{}", last.err);
    let proof = trial.beside().join("proof");
    trial.run(["prove", "10", "--out", text(&proof)]).ends_with(0);
    let hash = crate::statements::hash_of(&trial, 10);
    run(["prove", "--check", text(&proof), "--key", &new, "--hash", &hash]).ends_with(0);
    let bundle = trial.beside().join("bundle.zip");
    trial.run(["export", "bundle", "--out", text(&bundle)]).ends_with(0);
    verified(&trial, &bundle, &old).ends_with(0);
    assert_eq!(server.stop(), 0);

    // The old secret is of no more use, and a start finds everything in order without it.
    std::fs::remove_file(trial.data().join("keys/small.log.key")).unwrap();
    trial
        .submit_with("bo.wang", &contact("P1", "2022-01-01").to_string(), &["--wait", "sealed"])
        .ends_with(0);
    verified(&trial, &trial.trial_dir().join("archive"), &old).ends_with(0);
}

/// A mirror that goes on until it is dropped.
struct Watching {
    child: Child,
    dir: PathBuf,
    err: PathBuf,
}

impl Watching {
    fn start(trial: &SmallTrial, url: &str, name: &str, options: &[&str]) -> Self {
        let (dir, err) = (trial.beside().join(name), trial.beside().join(format!("{name}.err")));
        let key = log_key(trial);
        let mirror = ["mirror", url, "--dir", text(&dir), "--key", &key, "--genesis", &trial.genesis];
        let child = Command::new(e2e::trialbook())
            .args(mirror.iter().chain(&["--watch", "--every", "1"]).chain(options))
            .stdout(Stdio::null())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Self { child, dir, err }
    }

    /// How many records the copy covers.
    fn size(&self) -> u64 {
        let checkpoint = std::fs::read_to_string(self.dir.join("log/checkpoint")).unwrap_or_default();
        checkpoint.lines().nth(1).map_or(0, |size| size.parse().unwrap())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    fn until(&self, mut wanted: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !wanted(self) {
            assert!(begun.elapsed() < DEADLINE, "{}: {}", self.size(), self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn running_mirrors_of_records_follow_a_change_of_the_logs_key_and_one_of_hashes_says_that_it_cannot() {
    let trial = with_subject();
    let old = log_key(&trial);
    let server = Server::start(&trial.data());
    sealed(&server, 12);
    let url = log_url(&server.address);
    let (witness, state) = (trial.beside().join("witness.key"), trial.beside().join("witness.state"));
    run(["witness", "new-key", "witness.example/one", "--out", text(&witness)]).ends_with(0);
    let cosign = ["--whole", "--cosign-key", text(&witness), "--state", text(&state)];
    let whole = Watching::start(&trial, &url, "whole", &cosign);
    let site = Watching::start(&trial, &url, "site", &["--site", "S02"]);
    let mut hashes = Watching::start(&trial, &url, "hashes", &[]);
    for mirror in [&whole, &site, &hashes] {
        mirror.until(|mirror| mirror.size() == 12);
    }

    // Both records at once: no checkpoint need be signed with both keys.
    let (statement, new) = next_key(&trial, "log");
    let both = format!("{}\n{}", statement.trim_end(), revocation(&old, "replaced", &[]));
    trial.submit_with("sponsor.one", &both, &["--wait", "sealed"]).ends_with(0);
    trial.submit("bo.wang", &contact("P1", "2022-01-01").to_string()).ends_with(0);
    sealed(&server, 15);
    for mirror in [&whole, &site] {
        mirror.until(|mirror| mirror.size() == 15);
        assert_eq!(mirror.said(), "");
    }
    let said = verified(&trial, &whole.dir.join("log"), &old).ends_with(0).out;
    assert!(said.starts_with("Intact: all 15 records hold") && said.contains(&new), "{said}");
    whole.until(|whole| whole.dir.join("cosignatures/15").exists());
    // It goes on looking: whoever runs it may be a day late with the new key.
    hashes.until(|hashes| hashes.said().contains("reads no records: if the log has changed its key"));
    assert!(hashes.child.try_wait().unwrap().is_none());
    assert!(hashes.size() < 15);
}

#[test]
fn a_lost_log_key_is_followed_by_one_that_signs_alone() {
    let trial = with_subject();
    let old = log_key(&trial);
    trial
        .submit_with("bo.wang", &contact("P1", "2022-01-01").to_string(), &["--wait", "sealed"])
        .ends_with(0);
    let before = trial.beside().join("before");
    e2e::copy_dir(&trial.trial_dir().join("archive"), &before);
    std::fs::remove_file(trial.data().join("keys/small.log.key")).unwrap();
    let (statement, new) = next_key(&trial, "log");
    let both = format!("{}\n{}", statement.trim_end(), revocation(&old, "lost", &[]));
    // No checkpoint is signed between the two: none could be.
    trial.submit("sponsor.one", &both).ends_with(0);
    trial
        .submit_with("bo.wang", &contact("P1", "2022-02-01").to_string(), &["--wait", "sealed"])
        .ends_with(0);
    let said = verified(&trial, &trial.trial_dir().join("archive"), &old).ends_with(0).out;
    assert!(said.starts_with("Intact: all 16 records hold") && said.contains(&new), "{said}");
    // A checkpoint from before is still the log's.
    verified(&trial, &before, &old).ends_with(0);
}

#[test]
fn receipts_signed_with_an_old_key_stay_good_and_a_repeated_one_is_signed_with_the_new() {
    let trial = with_subject();
    let key = log_key(&trial);
    let server = Server::start(&trial.data());
    let (first, second) = (trial.beside().join("first"), trial.beside().join("second"));
    let event = trial.submission("bo.wang", &contact("P1", "2022-01-01"));
    let receipt = |dir: &Path, status: u16| {
        let answer = server.post("/v1/trials/small/events", "application/json", event.clone());
        assert_eq!(answer.status, status, "{}", answer.text());
        let receipt = answer.json()["receipt"].clone();
        std::fs::create_dir(dir).unwrap();
        write(&dir.join("12.json"), receipt.to_string());
        receipt
    };
    let old = receipt(&first, 201);
    let (statement, new_key) = next_key(&trial, "receipts");
    trial.submit("sponsor.one", &statement).ends_with(0);
    let listed = trial.run(["service-key", "list", "--json"]).ends_with(0).json();
    let keys: Vec<_> = listed["receipt_keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2, "{listed}");
    let old_key = keys.iter().find(|key| **key != new_key).unwrap().as_str().unwrap();
    trial.submit("sponsor.one", &revocation(old_key, "replaced", &[])).ends_with(0);
    trial.submit("bo.wang", &contact("P1", "2022-02-01").to_string()).ends_with(0);
    let new = receipt(&second, 200);
    assert_eq!((&old["hash"], &old["seq"]), (&new["hash"], &new["seq"]));
    assert_ne!(old["note"], new["note"]);
    sealed(&server, 16);
    assert_eq!(server.stop(), 0);

    let archive = trial.trial_dir().join("archive");
    for dir in [&first, &second] {
        run(["receipts", "check", text(dir), "--log", text(&archive), "--key", &key]).ends_with(0);
    }
    // A receipt made with the old key for a record behind its revocation binds nobody.
    let forged = trial.beside().join("forged");
    std::fs::create_dir(&forged).unwrap();
    write(&forged.join("15.json"), forged_receipt(&trial, 15).to_string());
    let said = run(["receipts", "check", text(&forged), "--log", text(&archive), "--key", &key]);
    assert!(said.ends_with(1).out.contains("does not bind the registry"));
}

/// A receipt for a record of the log, signed with the first receipt key.
fn forged_receipt(trial: &SmallTrial, seq: u64) -> Value {
    let shown = trial.run(["show", &seq.to_string(), "--json"]).ends_with(0).json();
    let hash: chain::RecordHash = shown["hash"].as_str().unwrap().parse().unwrap();
    let secret = std::fs::read_to_string(trial.data().join("keys/small.receipts.key")).unwrap();
    let seed = chain::key::from_base64(secret.trim()).unwrap().try_into().unwrap();
    let name = chain::receipt::key_name("localhost/small");
    let signer = chain::note::Signer::new(&name, chain::SecretKey::from_bytes(&seed)).unwrap();
    let position = chain::Position(seq);
    let signed = chain::receipt::SignedReceipts::sign("localhost/small", position, &[hash], &signer).unwrap();
    serde_json::json!({
        "findings": [], "hash": hash, "note": signed.note, "path": signed.path(0).unwrap(),
        "recorded_at": "2026-01-01T00:00:00.000000Z", "seq": seq, "trial": "small"
    })
}

/// Makes a key file and gives the request to be granted it.
fn key_request(
    trial: &SmallTrial,
    file: &str,
    holder: &str,
    role: &str,
    organisation: &str,
    site: &[&str],
) -> String {
    let key = trial.key(file);
    let of = ["keys", "new", "--holder", holder, "--role", role, "--organisation", organisation, "--out"];
    run([&of[..], &[text(&key)]].concat()).ends_with(0);
    let request = ["keys", "request", "--genesis", &trial.genesis, "--key", text(&key)];
    run([&request[..], site].concat()).ends_with(0).out
}

/// The id of the key that somebody was granted by a record.
fn key_of(trial: &SmallTrial, granted_at: u64, holder: &str) -> String {
    let keys = trial.run(["keys", "list", "--json"]).ends_with(0).json();
    let mut found = keys.as_array().unwrap().iter();
    let found = found.find(|key| key["granted_at"] == granted_at && key["holder"] == holder).unwrap();
    found["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_sponsors_key_is_revoked_by_another_and_never_the_only_one() {
    let trial = SmallTrial::new();
    let first = key_of(&trial, 0, "sponsor.one");
    let alone = trial.submit("sponsor.one", &revocation(&first, "replaced", &[])).ends_with(5);
    assert!(alone.err.contains("revoked only by another sponsor key"), "{}", alone.err);
    let request = key_request(&trial, "sponsor.one.new", "sponsor.one", "sponsor", "Sponsor", &[]);
    trial.submit("sponsor.one", &request).ends_with(0);
    trial.submit("sponsor.one.new", &revocation(&first, "replaced", &[])).ends_with(0);
    let listed = trial.run(["keys", "list"]).ends_with(0).out;
    let line = listed.lines().find(|line| line.contains(&first)).unwrap();
    assert!(line.split_whitespace().rev().take(2).eq(["9", "0"]), "{listed}");
    // The old key is of no more use, the new one is.
    let again = key_request(&trial, "third", "sponsor.three", "sponsor", "Sponsor", &[]);
    assert!(trial.submit("sponsor.one", &again).ends_with(5).err.contains("is revoked"));
    trial.submit("sponsor.one.new", &again).ends_with(0);
    assert_eq!(trial.records(), SmallTrial::RECORDS + 3);
    run(["verify", text(&trial.data()), "--genesis", &trial.genesis]).ends_with(0);
}

#[test]
fn records_of_a_lost_key_stand_and_are_flagged_in_receipt_reports_and_verification() {
    let trial = with_subject();
    let lost = key_of(&trial, 7, "bo.wang");
    let today = "2020-01-01";
    let revoke = revocation(&lost, "lost", &["--suspected-since", today]);
    let said = trial.submit("an.li", &revoke).ends_with(0).out;
    assert!(said.contains("key-used-while-suspected"), "{said}");
    let refused = trial.submit("bo.wang", &contact("P1", "2022-01-01").to_string()).ends_with(5);
    assert!(refused.err.contains("is revoked"), "{}", refused.err);
    // The same person goes on with a new key.
    let site = ["--site", "S01"];
    let request = key_request(&trial, "bo.wang.new", "bo.wang", "investigator", "Hospital 1", &site);
    trial.submit("an.li", &request).ends_with(0);
    trial.submit("bo.wang.new", &contact("P1", "2022-01-01").to_string()).ends_with(0);

    for report in ["outcomes", "safety"] {
        let made = trial.run(["report", report, "--json"]).ends_with(0).out;
        assert!(made.contains(&lost), "{report}: {made}");
    }
    let found = trial.run(["findings"]).ends_with(0).out;
    assert!(found.contains("key-used-while-suspected"), "{found}");
    let data = trial.data();
    let verify = ["verify", text(&data), "--genesis", &trial.genesis];
    let said = run(verify).ends_with(0).out;
    assert!(said.contains("key-used-while-suspected"), "{said}");
    run([&verify[..], &["--strict"]].concat()).ends_with(1);
    // A revocation that suspects nothing flags nothing.
    let other = with_subject();
    let key = key_of(&other, 7, "bo.wang");
    let said = other.submit("an.li", &revocation(&key, "left", &[])).ends_with(0).out;
    assert!(!said.contains("key-used-while-suspected"), "{said}");
}
