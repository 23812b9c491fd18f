//! What three checkers that share no code say of the same evidence: the binary, `check.py`, and the page in a browser. Of a
//! log whose key changed and of certified copies, good ones and tampered ones, they have to say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use chain::note::Signer;
use chain::{SecretKey, SignedCheckpoint};
use e2e::{Browser, SmallTrial, run, write};
use serde_json::{Value, json};

use crate::access::with_two_sites;
use crate::browser::{from_disk, manifest, packed, sha256, unpacked, verify};
use crate::evidence::{bundle, log_key, text};
use crate::rotation::{next_key, revocation};
use crate::statements::with_subject;

pub(crate) type Unpacked = BTreeMap<String, Vec<u8>>;

/// Codes with their places: a record by its position, a file by its path.
type Found = BTreeSet<String>;

/// A place as any of the three writes it: of a record the position, whatever stands behind it.
fn place(text: &str) -> String {
    let text = text.strip_prefix("log/record ").map_or_else(|| text.to_owned(), |at| format!("record {at}"));
    let words: Vec<&str> = text.split([' ', ':']).collect();
    match words[..] {
        ["record", position, ..] => format!("record {position}"),
        [first, ..] => first.to_owned(),
        [] => String::new(),
    }
}

/// The three, and where a file is put for them.
pub(crate) struct Checkers<'a> {
    pub(crate) browser: Browser,
    pub(crate) trial: &'a SmallTrial,
}

impl Checkers<'_> {
    fn of_binary(&self, path: &Path, key: &str) -> (i32, Found) {
        let ran = run(["verify", text(path), "--genesis", &self.trial.genesis, "--key", key, "--json"]);
        let report = ran.json();
        let findings = report["findings"].as_array().unwrap().iter();
        // Reports and conduct are the binary's alone to judge.
        let is_shared = |finding: &&Value| {
            finding["class"] != "conduct" && !finding["code"].as_str().unwrap().starts_with("report-")
        };
        let found = findings.filter(is_shared).map(|finding| {
            let at = &finding["place"];
            let place = match at["seq"].as_u64() {
                // Of a tile the place is the tile, whichever record shows it.
                Some(seq) if finding["code"] != "wrong-tile" => format!("record {seq}"),
                _ => place(at["stored_at"].as_str().unwrap_or("log")),
            };
            format!("{} at {place}", finding["code"].as_str().unwrap())
        });
        (ran.status, found.collect())
    }

    fn of_python(&self, path: &Path, key: &str) -> (i32, Found) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/check.py");
        let ran = Command::new("python3")
            .arg("-B")
            .arg(script)
            .args([text(path), "--genesis", &self.trial.genesis, "--key", key])
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        let found = said.lines().filter_map(|line| line.split_once(" at "));
        let found = found.filter(|(code, _)| !code.contains(' '));
        (ran.status.code().unwrap(), found.map(|(code, at)| format!("{code} at {}", place(at))).collect())
    }

    fn of_page(&self, path: &Path, key: &str) -> (i32, Found) {
        let anchors = [("#key", key), ("#genesis", &*self.trial.genesis)];
        let seen = verify(&self.browser, &from_disk(), path, &anchors);
        let status = match seen.verdict.as_str() {
            "intact" => 0,
            "broken" => 1,
            "undecided" | "consistent" => 3,
            // Nothing was verified.
            _ => -1,
        };
        let found = seen.findings.iter().map(|(code, at)| format!("{code} at {}", place(at)));
        (status, found.collect())
    }

    /// Whether all three find exactly this in a zip of these files, and end with this status.
    #[track_caller]
    pub(crate) fn find(&self, files: &Unpacked, key: &str, status: i32, due: &[&str]) {
        let path = self.trial.beside().join("checked.zip");
        write(&path, packed(files));
        let due: Found = due.iter().map(|finding| (*finding).to_owned()).collect();
        for (who, (ended, found)) in [
            ("the binary", self.of_binary(&path, key)),
            ("check.py", self.of_python(&path, key)),
            ("the page", self.of_page(&path, key)),
        ] {
            assert_eq!((ended, &found), (status, &due), "{who}");
        }
    }

    #[track_caller]
    pub(crate) fn intact(&self, files: &Unpacked, key: &str) {
        self.find(files, key, 0, &[]);
    }
}

pub(crate) fn read(zip: &Path) -> Unpacked {
    unpacked(&std::fs::read(zip).unwrap())
}

/// The same files changed, and listed anew by whoever changed them.
pub(crate) fn changed(files: &Unpacked, change: impl FnOnce(&mut Unpacked)) -> Unpacked {
    let mut files = files.clone();
    change(&mut files);
    files.insert("MANIFEST".to_owned(), manifest(&files));
    files
}

/// The checkpoint in `log/`, changed as a text.
fn with_checkpoint(files: &Unpacked, change: impl FnOnce(&str) -> String) -> Unpacked {
    changed(files, |files| {
        let checkpoint = String::from_utf8(files["log/checkpoint"].clone()).unwrap();
        let other = change(&checkpoint);
        assert_ne!(other, checkpoint);
        files.insert("log/checkpoint".to_owned(), other.into_bytes());
    })
}

/// The checkpoint without the signature by a verifier key.
fn without_signature(checkpoint: &str, key: &str) -> String {
    let line = signature_line(checkpoint, key);
    checkpoint.replacen(&line, "", 1)
}

/// The line of a checkpoint that is signed by a verifier key: the one whose base64 begins with the key's id.
fn signature_line(checkpoint: &str, key: &str) -> String {
    let id = key.split('+').nth(1).unwrap();
    let id: Vec<u8> = (0..4).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
    let is_by = |line: &&str| {
        let encoded = line.rsplit(' ').next().unwrap();
        line.starts_with('\u{2014}')
            && chain::key::from_base64(encoded).is_some_and(|bytes| bytes.starts_with(&id))
    };
    format!("{}\n", checkpoint.lines().find(is_by).unwrap())
}

/// The same claim, signed with the log's keys in these files instead.
pub(crate) fn signed_with(checkpoint: &str, secrets: &[&Path]) -> String {
    let claim = SignedCheckpoint::parse(checkpoint.as_bytes()).unwrap().claim().clone();
    let signers: Vec<Signer> = secrets
        .iter()
        .map(|path| {
            let secret = std::fs::read_to_string(path).unwrap();
            let seed = chain::key::from_base64(secret.trim()).unwrap().try_into().unwrap();
            Signer::new(claim.origin(), SecretKey::from_bytes(&seed)).unwrap()
        })
        .collect();
    SignedCheckpoint::sign(claim, &signers.iter().collect::<Vec<_>>()).unwrap().to_string()
}

/// The records of a bundle of records; an empty one is left out.
pub(crate) fn entries(bundle: &[u8]) -> Vec<Vec<u8>> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while at < bundle.len() {
        let length = usize::from(u16::from_be_bytes([bundle[at], bundle[at + 1]]));
        entries.push(bundle[at + 2..at + 2 + length].to_vec());
        at += 2 + length;
    }
    entries
}

/// A bundle of records with other records in it.
fn with_entries(files: &mut Unpacked, path: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut records = entries(&files[path]);
    change(&mut records);
    let encoded = records.iter().flat_map(|record| {
        let length = u16::try_from(record.len()).unwrap().to_be_bytes();
        [&length[..], record].concat()
    });
    let encoded: Vec<u8> = encoded.collect();
    files.insert(path.to_owned(), encoded);
}

/// Starts the browser, if there is one and a Python too.
pub(crate) fn started(test: &str) -> Option<Browser> {
    let python = Command::new("python3").arg("--version").output();
    assert!(
        python.is_ok_and(|output| output.status.success()),
        "python3 is needed, as for every test of copies"
    );
    Browser::start(test)
}

#[test]
fn three_checkers_agree_about_a_log_in_which_one_log_key_follows_another() {
    let name = "three_checkers_agree_about_a_log_in_which_one_log_key_follows_another";
    let Some(browser) = started(name) else { return };
    let trial = with_subject();
    let old = log_key(&trial);
    let before = read(&bundle(&trial, "before.zip"));
    let (statement, new) = next_key(&trial, "log");
    trial.submit_with("sponsor.one", &statement, &["--wait", "sealed"]).ends_with(0);
    let overlap = read(&bundle(&trial, "overlap.zip"));
    trial.submit_with("sponsor.one", &revocation(&old, "replaced", &[]), &["--wait", "sealed"]).ends_with(0);
    let after = read(&bundle(&trial, "after.zip"));
    // Signed once by each, though every command starts a notary of its own, which reads the records again.
    for (files, signatures) in [(&before, 1), (&overlap, 2), (&after, 1)] {
        let checkpoint = std::str::from_utf8(&files["log/checkpoint"]).unwrap();
        assert_eq!(checkpoint.matches('\u{2014}').count(), signatures, "{checkpoint}");
    }
    let keys = trial.data().join("keys");
    let first = keys.join("small.log.key");
    let second = std::fs::read_dir(&keys)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| text(path).contains("small.log.") && *path != first)
        .unwrap();
    let checkers = Checkers { browser, trial: &trial };

    // Either key is an anchor, across the change and behind it, and one whose reign has ended may sign besides.
    checkers.intact(&before, &old);
    for key in [&old, &new] {
        checkers.intact(&overlap, key);
        checkers.intact(&after, key);
        checkers.intact(&with_checkpoint(&after, |found| signed_with(found, &[&second, &first])), key);
    }

    let missing = ["checkpoint-signature-missing at log/checkpoint"];
    for key in [&old, &new] {
        // In the overlap one of the two alone is not enough, whichever it is.
        for lacking in [&old, &new] {
            let tampered = with_checkpoint(&overlap, |found| without_signature(found, lacking));
            checkers.find(&tampered, key, 1, &missing);
        }
        // Signed by the key whose reign has ended, and by it alone.
        checkers.find(&with_checkpoint(&after, |found| signed_with(found, &[&first])), key, 1, &missing);
        // A signature that is none, by either of the two that are known.
        let spoilt = with_checkpoint(&overlap, |found| {
            let line = signature_line(found, &old);
            let (kept, last) = line.split_at(line.len() - 10);
            found.replacen(
                &line,
                &format!(
                    "{kept}{}",
                    last.replacen(&last[..1], if last.starts_with('A') { "B" } else { "A" }, 1)
                ),
                1,
            )
        });
        checkers.find(&spoilt, key, 1, &["checkpoint-bad-signature at log/checkpoint"]);
    }
    // Of another log by its name, whichever keys are known.
    let renamed = with_checkpoint(&after, |found| found.replacen("localhost/small", "localhost/other", 1));
    checkers.find(&renamed, &old, 1, &["checkpoint-of-another-log at log/checkpoint"]);
    // By a key that the log names only behind the end of this copy.
    let early = with_checkpoint(&before, |found| signed_with(found, &[&second]));
    checkers.find(&early, &old, 1, &["checkpoint-not-signed at log/checkpoint"]);
    checkers.find(&early, &new, 1, &["log-key-differs at record 0"]);
    // The record that names the new key taken out: nobody can say who had to sign.
    let gap = changed(&after, |files| {
        with_entries(files, "log/tile/entries/000.p/14", |records| records[12].clear());
    });
    let due = [
        "records-missing at record 12",
        "authority-undecided at record 13",
        "checkpoint-not-signed at log/checkpoint",
    ];
    checkers.find(&gap, &old, 1, &due);
    let undecided = ["records-missing at record 12", "authority-undecided at record 13"];
    checkers.find(&gap, &new, 3, &undecided);
    // Altered, it names no key any more.
    let altered = changed(&after, |files| {
        with_entries(files, "log/tile/entries/000.p/14", |records| {
            let record = String::from_utf8(records[12].clone()).unwrap();
            let possession = record.split_once("\"possession\":\"").unwrap().1;
            let other = if possession.starts_with('A') { "B" } else { "A" };
            records[12] =
                record.replacen(possession, &format!("{other}{}", &possession[1..]), 1).into_bytes();
        });
    });
    let due = [
        "bad-signature at record 12",
        "record-not-in-tree at record 12",
        "broken-link at record 13",
        "admission-contradicted at record 13",
        "checkpoint-not-signed at log/checkpoint",
    ];
    checkers.find(&altered, &old, 1, &due);
}

/// Where the records of a small copy stand.
const RECORDS: &str = "log/tile/entries/000.p/14";
const TILE: &str = "log/tile/0/000.p/14";
const CERTIFICATE: &str = "certificate.json";
const NOT_FOLLOWING: &str = "copy-not-following at certificate.json";

/// A site's certified copy, and what somebody without the certifier's key can make of it.
struct Copy {
    files: Unpacked,
}

impl Copy {
    fn of(trial: &SmallTrial, name: &str) -> PathBuf {
        let (key, out) = (trial.key("an.li"), trial.beside().join(name));
        trial.run(["certified-copy", "--site", "S01", "--key", text(&key), "--out", text(&out)]).ends_with(0);
        out
    }

    /// Changed and listed anew, the certificate left as it was signed.
    fn changed(&self, change: impl FnOnce(&mut Unpacked)) -> Unpacked {
        changed(&self.files, change)
    }

    /// Changed, listed anew, and with a certificate that fits but nobody signs: `state` alters what it says.
    fn forged(&self, change: impl FnOnce(&mut Unpacked), state: impl FnOnce(&mut Value)) -> Unpacked {
        let mut files = self.files.clone();
        change(&mut files);
        let mut certificate: Value = serde_json::from_slice(&files[CERTIFICATE]).unwrap();
        certificate.as_object_mut().unwrap().remove("certified_by");
        files.remove(CERTIFICATE);
        certificate["copy"]["contents"] = json!(sha256(&manifest(&files)));
        state(&mut certificate["copy"]);
        let bytes = chain::canonical::canonicalize(&certificate).unwrap();
        changed(&files, |files| drop(files.insert(CERTIFICATE.to_owned(), bytes)))
    }
}

#[test]
fn three_checkers_agree_about_the_records_and_the_tree_of_certified_copies() {
    let name = "three_checkers_agree_about_the_records_and_the_tree_of_certified_copies";
    let Some(browser) = started(name) else { return };
    let trial = with_two_sites();
    let key = log_key(&trial);
    let copy = Copy { files: read(&Copy::of(&trial, "copy.zip")) };
    let whole = entries(&read(&bundle(&trial, "whole.zip"))[RECORDS]);
    let checkers = Checkers { browser, trial: &trial };
    let broken = |files: &Unpacked, due: &[&str]| checkers.find(files, &key, 1, due);

    // As it is, and certified by nobody; unpacked it reads the same.
    checkers.intact(&copy.files, &key);
    checkers.intact(&copy.forged(|_| (), |_| ()), &key);
    let path = trial.beside().join("checked.zip");
    let seen =
        verify(&checkers.browser, &from_disk(), &path, &[("#key", &key), ("#genesis", &trial.genesis)]);
    let sentence = "Intact as the part of site S01: the 13 records in it hold, back to the known genesis, under the \
                    checkpoint that the log signed; 1 other of the log is left out.";
    assert!(seen.sentence.ends_with(sentence), "{seen:?}");
    assert!(seen.rest.contains("certificate\t8\tok") && seen.rest.contains("proofs\t5\tok"), "{seen:?}");

    // A record of the site left out.
    let leave_out = |files: &mut Unpacked| with_entries(files, RECORDS, |records| records[11].clear());
    broken(&copy.forged(leave_out, |_| ()), &[NOT_FOLLOWING, "file-unexpected at proofs/11"]);
    let without_proof = |files: &mut Unpacked| {
        leave_out(files);
        files.remove("proofs/11");
    };
    broken(&copy.forged(without_proof, |_| ()), &[NOT_FOLLOWING]);
    broken(&copy.changed(without_proof), &[NOT_FOLLOWING]);
    // Whoever counts anew and signs nothing shows nothing by that: section 23 says so.
    checkers.intact(&copy.forged(without_proof, |stated| stated["records_of_site"] = json!(4)), &key);

    // A record of the site altered.
    let alter = |files: &mut Unpacked| {
        with_entries(files, RECORDS, |records| {
            let record = String::from_utf8(records[13].clone()).unwrap();
            records[13] = record.replacen("2022-01-31", "2022-01-30", 1).into_bytes();
        });
    };
    let due =
        ["bad-signature at record 13", "record-not-in-tree at record 13", "copy-not-following at proofs/13"];
    broken(&copy.forged(alter, |_| ()), &due);
    broken(&copy.changed(alter), &[&due[..], &[NOT_FOLLOWING]].concat());

    // Another site's record smuggled in: with its own proof even, it is not this site's.
    let smuggle =
        |files: &mut Unpacked| with_entries(files, RECORDS, |records| records[12].clone_from(&whole[12]));
    let of_another = "copy-not-following at record 12";
    broken(&copy.forged(smuggle, |_| ()), &[NOT_FOLLOWING, of_another, "file-missing at proofs/12"]);
    let proof = trial.beside().join("proof");
    trial.run(["prove", "12", "--out", text(&proof)]).ends_with(0);
    let with_proof = |files: &mut Unpacked| {
        smuggle(files);
        files.insert("proofs/12".to_owned(), std::fs::read(&proof).unwrap());
    };
    let count = |stated: &mut Value| {
        stated["records_of_site"] = json!(6);
        stated["subjects"] = json!(2);
    };
    broken(&copy.forged(with_proof, count), &[of_another]);

    // A hash of the tree altered: that of a record that is there, and of one that is left out.
    let flip = |at: usize| move |files: &mut Unpacked| files.get_mut(TILE).unwrap()[at] ^= 1;
    broken(&copy.forged(flip(32 * 11), |_| ()), &["wrong-tile at log/tile/0/000.p/14"]);
    let due = ["broken-link at record 13", "wrong-root at log/checkpoint"];
    broken(&copy.forged(flip(32 * 12), |_| ()), &due);
    let without_tile = copy.forged(|files| drop(files.remove(TILE)), |_| ());
    checkers.find(
        &without_tile,
        &key,
        3,
        &["records-missing at record 12", "tile-missing at log/tile/0/000.p/14"],
    );
}

#[test]
fn three_checkers_agree_about_what_stands_around_the_records_of_certified_copies() {
    let name = "three_checkers_agree_about_what_stands_around_the_records_of_certified_copies";
    let Some(browser) = started(name) else { return };
    let trial = with_two_sites();
    let key = log_key(&trial);
    let copy = Copy { files: read(&Copy::of(&trial, "copy.zip")) };
    let checkers = Checkers { browser, trial: &trial };
    let broken = |files: &Unpacked, due: &[&str]| checkers.find(files, &key, 1, due);

    // Pages and proofs.
    let page = "casebooks/P1.html";
    let edit = |files: &mut Unpacked| files.get_mut(page).unwrap().push(b'\n');
    broken(&copy.changed(edit), &[NOT_FOLLOWING]);
    checkers.intact(&copy.forged(edit, |_| ()), &key);
    let swap = |files: &mut Unpacked| {
        let other = files["proofs/9"].clone();
        files.insert("proofs/8".to_owned(), other);
    };
    broken(&copy.forged(swap, |_| ()), &["copy-not-following at proofs/8"]);
    let spoil = |files: &mut Unpacked| {
        let proof = String::from_utf8(files["proofs/8"].clone()).unwrap();
        files.insert("proofs/8".to_owned(), proof.replacen("index 8", "index  8", 1).into_bytes());
    };
    broken(&copy.forged(spoil, |_| ()), &["copy-not-following at proofs/8"]);
    let unproved = copy.forged(|files| drop(files.remove("proofs/8")), |_| ());
    checkers.find(&unproved, &key, 3, &["file-missing at proofs/8"]);
    let named = |path: &str| {
        let path = path.to_owned();
        copy.forged(move |files| drop(files.insert(path, b"x".to_vec())), |_| ())
    };
    broken(&named("proofs/08"), &["file-unexpected at proofs/08"]);
    broken(&named("proofs/99"), &["file-unexpected at proofs/99"]);
    broken(&named("reports/safety.json"), &["file-unexpected at reports/safety.json"]);

    // What the certificate says.
    for (member, value) in [
        ("genesis", json!("1".repeat(64))),
        ("origin", json!("localhost/other")),
        ("root", json!("1".repeat(64))),
        ("size", json!(13)),
        ("trial", json!("other")),
        ("records_of_trial", json!(9)),
        ("contents", json!("1".repeat(64))),
        ("site", json!("s01")),
        ("texts", json!("shown")),
    ] {
        broken(&copy.forged(|_| (), |stated| stated[member] = value), &[NOT_FOLLOWING]);
    }
    let (of_another_site, not_active) = ([8, 9, 10, 11, 13], "S09");
    let due: Vec<String> =
        of_another_site.iter().map(|seq| format!("copy-not-following at record {seq}")).collect();
    let due: Vec<&str> = due.iter().map(String::as_str).chain([NOT_FOLLOWING]).collect();
    broken(&copy.forged(|_| (), |stated| stated["site"] = json!(not_active)), &due);
    let restated = |change: &dyn Fn(&mut Value)| {
        copy.changed(|files| {
            let mut certificate: Value = serde_json::from_slice(&files[CERTIFICATE]).unwrap();
            change(&mut certificate);
            let bytes = chain::canonical::canonicalize(&certificate).unwrap();
            files.insert(CERTIFICATE.to_owned(), bytes);
        })
    };
    let opening: Value = serde_json::from_slice(&entries(&copy.files[RECORDS])[0]).unwrap();
    let changes: [&dyn Fn(&mut Value); 4] = [
        &|certificate| certificate["copy"]["made_at"] = json!("2020-01-01T00:00:00.000000Z"),
        &|certificate| certificate["certified_by"]["actor"]["id"] = json!("bo.wang"),
        &|certificate| certificate["certified_by"]["key"] = opening["event"]["key"].clone(),
        &|certificate| certificate["certified_by"]["signature"] = json!("none"),
    ];
    for change in changes {
        broken(&restated(change), &[NOT_FOLLOWING]);
    }
    let spaced = copy.changed(|files| files.get_mut(CERTIFICATE).unwrap().push(b'\n'));
    broken(&spaced, &[NOT_FOLLOWING]);

    // Once the log's key has changed, a copy is as good with either; which keys had to sign, records left out may say.
    let (statement, new) = next_key(&trial, "log");
    trial.submit_with("sponsor.one", &statement, &["--wait", "sealed"]).ends_with(0);
    let later = Copy { files: read(&Copy::of(&trial, "later.zip")) };
    for anchor in [&key, &new] {
        checkers.intact(&later.files, anchor);
    }
    let lacking = with_checkpoint(&later.files, |found| without_signature(found, &key));
    let proofs = [8, 9, 10, 11, 13].map(|seq| format!("copy-not-following at proofs/{seq}"));
    let due =
        proofs.iter().map(String::as_str).chain([NOT_FOLLOWING, "authority-undecided at log/checkpoint"]);
    broken(&lacking, &due.collect::<Vec<_>>());
}
