//! What a log hands out for others to hold against it: bundles, proofs, copies, cosignatures, receipts.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{DEADLINE, Http, Run, Server, SmallTrial, copy_dir, files_under, holds, run, write};

use crate::statements::{contact, lines, with_subject};

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The log's verifier key.
pub(crate) fn log_key(trial: &SmallTrial) -> String {
    std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap().trim_end().to_owned()
}

/// Verifies what is at `path` with both anchors; what it says.
fn verified(trial: &SmallTrial, path: &Path, status: i32) -> String {
    run(["verify", text(path), "--genesis", &trial.genesis, "--key", &log_key(trial)]).ends_with(status).out
}

pub(crate) fn bundle(trial: &SmallTrial, name: &str) -> PathBuf {
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
fn a_bundle_fetched_from_the_page_is_as_good_and_leaves_nothing_behind() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    let before = entries(&trial.data());
    let reply = server.get("/trials/small/bundle");
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/zip"));
    let named = &reply.headers["content-disposition"];
    assert_eq!(named, "attachment; filename=\"small-12.zip\"");
    let out = trial.beside().join("fetched.zip");
    write(&out, &reply.body);
    let said = verified(&trial, &out, 0);
    assert!(said.starts_with("Intact: all 12 records hold"), "{said}");
    assert_eq!(entries(&trial.data()), before);
    assert_eq!(server.get("/trials/nowhere/bundle").status, 404);
    assert!(server.get("/trials/small/inspection").text().contains("href=\"/trials/small/bundle\""));
}

fn entries(directory: &Path) -> BTreeSet<std::ffi::OsString> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
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

/// A command that runs until it is dropped, and the address that it said it listens at.
pub(crate) struct Running {
    child: Child,
    pub(crate) said: String,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(e2e::trialbook())
            .args(arguments)
            .env("TRIALBOOK_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Self { child, said }
    }

    pub(crate) fn address(&self) -> &str {
        let is_address = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
        self.said.split_whitespace().find(is_address).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn log_url(server: &str) -> String {
    format!("{server}/v1/trials/small/log")
}

/// Mirrors a log into `dir` with both anchors.
pub(crate) fn mirror(trial: &SmallTrial, url: &str, dir: &Path, options: &[&str]) -> Run {
    let key = log_key(trial);
    let arguments = ["mirror", url, "--dir", text(dir), "--key", &key, "--genesis", &trial.genesis];
    run([&arguments[..], options].concat())
}

/// Waits until a checkpoint covers `size` records.
pub(crate) fn sealed(http: &Http, size: u64) {
    let begun = Instant::now();
    while http.get("/v1/trials/small/log").json()["checkpoint"]["size"].as_u64().unwrap_or(0) < size {
        assert!(begun.elapsed() < DEADLINE, "{size} records are not sealed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_copy_follows_the_log_and_a_sites_own_leaves_out_the_others_subjects() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    sealed(&server, 12);
    let url = log_url(&server.address);
    let (whole, site, other) =
        (trial.beside().join("whole"), trial.beside().join("S01"), trial.beside().join("S02"));
    let said = mirror(&trial, &url, &whole, &["--whole"]).ends_with(0).out;
    assert!(said.starts_with("copied 0 to 12 records") && said.contains(" 12 records written"), "{said}");
    let said = verified(&trial, &whole.join("log"), 0);
    assert!(said.starts_with("Intact: all 12 records hold"), "{said}");
    mirror(&trial, &url, &site, &["--site", "S01"]).ends_with(0);
    verified(&trial, &site.join("log"), 0);
    // The records of P1 are none of S02's: it has the eight of the trial as a whole.
    let said = mirror(&trial, &url, &other, &["--site", "S02"]).ends_with(0).out;
    assert!(said.contains(" 8 records written"), "{said}");
    let said = verified(&trial, &other.join("log"), 3);
    assert!(said.contains("records-missing") && said.contains("missing  4 records"), "{said}");
    assert!(!files_under(&other).iter().any(|file| holds(file, b"\"P1\"")));
    assert!(files_under(&site).iter().any(|file| holds(file, b"\"P1\"")));

    trial.submit("bo.wang", &contact("P1", "2022-01-01").to_string()).ends_with(0);
    sealed(&server, 13);
    let said = mirror(&trial, &url, &whole, &["--whole"]).ends_with(0).out;
    assert!(said.starts_with("copied 12 to 13 records"), "{said}");
    assert!(verified(&trial, &whole.join("log"), 0).starts_with("Intact: all 13 records hold"));
    // A directory keeps what it is a copy of, and an address can be verified at once.
    mirror(&trial, &url, &whole, &[]).ends_with(7);
    assert!(verified(&trial, Path::new(&url), 0).starts_with("Intact: all 13 records hold"));
    run(["verify", &url, "--genesis", &trial.genesis]).ends_with(7);
}

#[test]
fn a_log_that_was_set_back_or_rewritten_is_refused_and_both_sides_are_kept() {
    let trial = with_subject();
    let backup = trial.beside().join("backup");
    copy_dir(&trial.data(), &backup);
    let dir = trial.beside().join("copy");
    {
        let server = Server::start(&trial.data());
        trial.submit("bo.wang", &contact("P1", "2022-01-01").to_string()).ends_with(0);
        sealed(&server, 13);
        mirror(&trial, &log_url(&server.address), &dir, &["--site", "S01"]).ends_with(0);
    }
    let server = Server::start(&backup);
    sealed(&server, 12);
    let url = log_url(&server.address);
    let back = mirror(&trial, &url, &dir, &["--site", "S01"]).ends_with(1);
    assert!(back.err.contains("seen with 13 records and is served with 12"), "{}", back.err);
    assert_eq!(files_under(&dir.join("forks")).len(), 2);
    // Whoever restored it goes on, with other records: the same key now stands under two trees.
    let rest = [contact("P1", "2022-02-01"), contact("P1", "2022-03-01")].map(|one| one.to_string());
    let arguments = ["submit", "-", "--server", &server.address, "--key"];
    let key = trial.key("bo.wang");
    e2e::run_with_input([&arguments[..], &[text(&key)]].concat(), rest.join("\n").as_bytes()).ends_with(0);
    sealed(&server, 14);
    let forked = mirror(&trial, &url, &dir, &["--site", "S01"]).ends_with(1);
    assert!(forked.err.contains("do not go together") && forked.err.contains("forks/14-"), "{}", forked.err);
    // What had been copied is still whole, and each side is the log's own word.
    assert!(verified(&trial, &dir.join("log"), 0).starts_with("Intact: all 13 records hold"));
    let sides: Vec<_> = files_under(&dir.join("forks"));
    assert_eq!(sides.len(), 3, "{sides:?}");
}

#[test]
fn a_tile_altered_at_the_server_does_not_enter_a_copy() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    sealed(&server, 12);
    let tile = trial.trial_dir().join("archive/tile/0/000.p/12");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    write(&tile, &bytes);
    let dir = trial.beside().join("copy");
    let refused = mirror(&trial, &log_url(&server.address), &dir, &["--whole"]).ends_with(1);
    assert!(refused.err.starts_with("not copied: "), "{}", refused.err);
    assert!(!dir.join("log/checkpoint").exists());
    bytes[40] ^= 1;
    write(&tile, &bytes);
    mirror(&trial, &log_url(&server.address), &dir, &["--whole"]).ends_with(0);
    verified(&trial, &dir.join("log"), 0);
}

#[test]
fn a_witness_is_asked_and_its_cosignature_stands_under_the_checkpoint() {
    let trial = with_subject();
    let key = trial.beside().join("witness.key");
    let made = run(["witness", "new-key", "witness.example/one", "--out", text(&key)]).ends_with(0).out;
    let witness_key = made.lines().find_map(|line| line.strip_prefix("verifier key  ")).unwrap().to_owned();
    run(["witness", "new-key", "witness.example/one", "--out", text(&key)]).ends_with(7);
    let (state, log) = (trial.beside().join("witness.state"), log_key(&trial));
    let of_witness = ["--key", text(&key), "--state", text(&state), "--log", &log];
    let witness = Running::start(&[&["witness", "--listen", "127.0.0.1:0"], &of_witness[..]].concat());
    assert!(witness.said.contains(&witness_key), "{}", witness.said);
    let policy = trial.beside().join("policy");
    write(&policy, format!("log {log}\nwitness one {witness_key} {}\nquorum one\n", witness.address()));
    let data = trial.data();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--policy", text(&policy)];
    let server = Running::start(&serve);
    let http = Http::new(server.address());
    let begun = Instant::now();
    loop {
        let evidence = http.get("/v1/trials/small/log").json();
        if evidence["witnesses"]["cosigned"] == 1 && evidence["checkpoint"]["size"] == 12 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{evidence}");
        std::thread::sleep(Duration::from_millis(20));
    }
    // It is told of when it stands in the archive, and not before.
    let checkpoint = http.get("/v1/trials/small/log/checkpoint");
    assert!(checkpoint.text().contains("\n\u{2014} witness.example/one "), "{}", checkpoint.text());

    // A mirror with the witness's key and state cosigns what it has copied, as the same witness.
    let dir = trial.beside().join("copy");
    let options = ["--cosign-key", text(&key), "--state", text(&state)];
    let said = mirror(&trial, &log_url(server.address()), &dir, &options).ends_with(0).out;
    assert!(said.contains("cosigned 12 records"), "{said}");
    let cosigned = std::fs::read_to_string(dir.join("cosignatures/12")).unwrap();
    assert!(cosigned.contains("\u{2014} witness.example/one "), "{cosigned}");
    let open_to_all = [&["witness", "--listen", "0.0.0.0:0"], &of_witness[..]].concat();
    assert!(run(open_to_all).ends_with(7).err.contains("loopback"));
}

#[test]
fn receipts_are_kept_by_the_log_that_gave_them_and_by_no_other() {
    let trial = with_subject();
    let backup = trial.beside().join("backup");
    copy_dir(&trial.data(), &backup);
    let (receipts, key) = (trial.beside().join("receipts"), log_key(&trial));
    let options = ["--wait", "sealed", "--receipts", text(&receipts)];
    let both = lines(&[contact("P1", "2022-01-01"), contact("P1", "2022-02-01")]);
    let said = trial.submit_with("bo.wang", &both, &options).ends_with(0).out;
    assert!(said.contains("sealed under the checkpoint of 14 records"), "{said}");
    let names: Vec<_> = files_under(&receipts);
    assert_eq!(names, [receipts.join("small-12.json"), receipts.join("small-13.json")]);
    let check = |log: &Path| run(["receipts", "check", text(&receipts), "--log", text(log), "--key", &key]);
    let said = check(&trial.trial_dir()).ends_with(0).out;
    assert!(said.starts_with("2 of 2 receipts are kept by localhost/small with 14 records"), "{said}");
    {
        let server = Server::start(&trial.data());
        check(Path::new(&log_url(&server.address))).ends_with(0);
        // A site that holds none of the subject's records can check them all the same.
        let copy = trial.beside().join("S02");
        mirror(&trial, &log_url(&server.address), &copy, &["--site", "S02"]).ends_with(0);
        check(&copy).ends_with(0);
    }
    // A log set back does not reach them; one that went on with other records has broken them.
    let data = text(&backup);
    let signer = trial.key("bo.wang");
    let submit = ["submit", "-", "--wait", "sealed", "--data", data, "--key", text(&signer)];
    let other = |on: &str| e2e::run_with_input(submit, contact("P1", on).to_string().as_bytes()).ends_with(0);
    run(["export", "bundle", "--data", data, "--out", text(&trial.beside().join("b.zip"))]).ends_with(0);
    let said = check(&backup.join("trials/small")).ends_with(3).out;
    assert!(said.contains("2 undecided") && said.contains("does not reach position 12"), "{said}");
    other("2022-03-01");
    let said = check(&backup.join("trials/small")).ends_with(1).out;
    assert!(
        said.contains("1 broken, 1 undecided") && said.contains("another record at position 12"),
        "{said}"
    );
    // A receipt that somebody made up.
    let forged = std::fs::read_to_string(&names[0]).unwrap().replacen("\"seq\":12", "\"seq\":11", 1);
    write(&receipts.join("forged.json"), forged);
    let said = check(&trial.trial_dir()).ends_with(1).out;
    assert!(said.contains("1 broken") && said.contains("forged.json"), "{said}");
    // Nobody was asked to witness.
    let waited = ["--wait", "witnessed"];
    let run = trial.submit_with("bo.wang", &contact("P1", "2022-04-01").to_string(), &waited).ends_with(7);
    assert!(run.err.contains("no witnesses are asked"), "{}", run.err);
}
