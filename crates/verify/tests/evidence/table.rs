//! What may be done to a log by whoever has its files, its server or its key, each as an inspector meets it: files on disk,
//! the program, a status, and the finding's code and place. Beside each stands a near neighbour that is intact.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assert_cmd::Command;
use chain::note::Signer;
use chain::{Checkpoint, Record, RecordHash, SecretKey, SignedCheckpoint, TreeSize};
use clinical::report::Parameters;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::archive::{Memory, checkpoint, log_signer, policy, small};
use crate::archives::{foreign_zip, large, rewritten, with_records};
use crate::binary::{write, write_all};
use crate::reports::reports;
use crate::support::{Log, person, relinked, visit};

/// Longest that any of these may take: none of them is larger than a few hundred kilobytes.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What the program says: its status, the codes of evidence and absence with the place of the first of each, and its text.
struct Said {
    status: i32,
    found: Vec<(String, String)>,
    text: String,
}

impl Said {
    #[track_caller]
    fn is(&self, status: i32, found: &[(&str, &str)]) {
        let due: Vec<_> = found.iter().map(|(code, at)| ((*code).to_owned(), (*at).to_owned())).collect();
        assert_eq!((self.status, &self.found), (status, &due), "{}", self.text);
    }

    /// The place of the first finding of a code.
    fn place(&self, code: &str) -> Option<&str> {
        self.found.iter().find(|(found, _)| found == code).map(|(_, place)| place.as_str())
    }

    /// Of findings that come with others: each is there.
    #[track_caller]
    fn has(&self, status: i32, found: &[(&str, &str)]) {
        assert_eq!(self.status, status, "{}", self.text);
        for (code, at) in found {
            let due = ((*code).to_owned(), (*at).to_owned());
            assert!(self.found.contains(&due), "{due:?} in {:?}\n{}", self.found, self.text);
        }
    }
}

fn run(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trialbook-verify"))
        .current_dir(dir)
        .args(arguments)
        .timeout(TIMEOUT)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    // Without a status a signal ended it: that of the timeout.
    (output.status.code().expect("it answers in time"), String::from_utf8(output.stdout).unwrap())
}

fn judged(dir: &Path, log: &Log, path: &str, more: &[&str]) -> Said {
    let (key, genesis) = (log.verifier.to_string(), log.genesis.to_string());
    let arguments = [&[path, "--key", &key, "--genesis", &genesis], more].concat();
    let (status, text) = run(dir, &arguments);
    let (again, answer) = run(dir, &[&arguments[..], &["--json"]].concat());
    assert_eq!(status, again);
    let report: Value = serde_json::from_str(&answer).unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    for finding in report["findings"].as_array().unwrap() {
        let code = finding["code"].as_str().unwrap().to_owned();
        if finding["class"] != "conduct" && !found.iter().any(|(found, _)| *found == code) {
            let place = &finding["place"];
            let seq = place["seq"].as_u64().map(|seq| seq.to_string());
            found.push((code, place["stored_at"].as_str().map(str::to_owned).or(seq).unwrap_or_default()));
        }
    }
    Said { status, found, text }
}

/// Lays an archive or bundle out in a directory and has it judged.
fn of(files: &Memory, log: &Log, more: &[(&str, &[u8])], options: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    write_all(&dir.path().join("files"), files);
    for (name, bytes) in more {
        write(&dir.path().join(name), bytes);
    }
    judged(dir.path(), log, "files", options)
}

fn zip(bytes: &[u8], log: &Log) -> Said {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("bundle.zip"), bytes);
    judged(dir.path(), log, "bundle.zip", &[])
}

/// The archive that whoever owns the files and the log's key makes of these records.
fn sealed(records: &[Arc<[u8]>]) -> Memory {
    Memory::of(records, &checkpoint(records, &log_signer(1)))
}

const TILE: &str = "tile/0/000.p/17";
const RECORDS: &str = "tile/entries/000.p/17";

/// Where each file of a bundle's zip begins, with its header, in the order they stand there, and where the last one ends.
fn layout(bundle: &Memory) -> (Vec<(usize, &str)>, usize) {
    let mut at = 0;
    let begins = bundle.files.iter().map(|(path, bytes)| {
        let begin = at;
        at += 30 + path.len() + bytes.len();
        (begin, path.as_str())
    });
    (begins.collect(), at)
}

#[test]
fn a_flipped_bit_in_a_log_an_archive_or_a_bundle() {
    let (log, archive) = small();
    of(&archive, &log, &[], &[]).is(0, &[]);
    // Behind the log's own signature stand those of witnesses that nobody named here: they prove nothing.
    let note = String::from_utf8(archive.files["checkpoint"].clone()).unwrap();
    let signed = note.find("\u{2014} witness").unwrap();
    let places = [
        (TILE, archive.files[TILE].len(), 61, &["wrong-tile"][..]),
        (RECORDS, archive.files[RECORDS].len(), 499, &["record-not-in-tree", "entry-bundle-malformed"]),
        (
            "checkpoint",
            signed,
            29,
            &[
                "checkpoint-malformed",
                "checkpoint-bad-signature",
                "checkpoint-not-signed",
                "checkpoint-of-another-log",
            ],
        ),
    ];
    let mut flips = 0;
    for (path, bytes, step, codes) in places {
        for at in (0..bytes).step_by(step) {
            let said = of(&archive.but(|archive| archive.file(path)[at] ^= 1), &log, &[], &[]);
            assert_eq!(said.status, 1, "{path} byte {at}: {}", said.text);
            let is_named =
                |(code, place): &(String, String)| codes.contains(&&**code) && place.starts_with(path);
            assert!(said.found.iter().any(is_named), "{path} byte {at}: {:?}\n{}", said.found, said.text);
            flips += 1;
        }
    }
    println!("{flips} flips in an archive by the program itself, all found and named");
    assert!(flips > 30);
    let bundled = archive.bundled();
    let bundle = bundled.zip();
    zip(&bundle, &log).is(0, &[]);
    let (begins, directory) = layout(&bundled);
    // Of each file its header and its data; then the directory, and what ends the zip.
    let in_files = begins.iter().flat_map(|(begin, path)| [begin + 7, begin + 30 + path.len()]);
    let behind = (directory..bundle.len()).step_by(97).chain([bundle.len() - 1]);
    let mut flips = 0;
    for at in in_files.chain(behind) {
        let mut flipped = bundle.clone();
        flipped[at] ^= 1;
        let said = zip(&flipped, &log);
        assert_eq!(said.status, 1, "byte {at}: {}", said.text);
        let file = begins.iter().rfind(|(begin, _)| *begin <= at && at < directory).map(|(_, path)| *path);
        let is_named = |place: &str| match file {
            Some(path) => place.starts_with(path),
            None => place.ends_with(" of the zip"),
        };
        let place = said.place("zip-malformed");
        assert!(place.is_some_and(is_named), "byte {at} of {file:?}: {:?}\n{}", said.found, said.text);
        flips += 1;
    }
    println!("{flips} flips in the zip of a bundle by the program itself, all found and named");
    assert!(flips > 30);
}

#[test]
fn a_record_dropped_doubled_swapped_or_linked_anew() {
    let (log, archive) = small();
    let with = |change: fn(&mut Vec<Arc<[u8]>>)| {
        let mut records = log.records.clone();
        change(&mut records);
        records
    };
    let dropped = with(|records| drop(records.remove(8)));
    let doubled = with(|records| records[9] = records[8].clone());
    let swapped = with(|records| records.swap(7, 8));
    let bundle = |count: usize| format!("tile/entries/000.p/{count}");
    for (records, code, at) in [(&dropped, "position-missing", "9"), (&doubled, "position-repeated", "8")] {
        let said = of(&with_records(&archive, records), &log, &[], &[]);
        said.has(1, &[("record-not-in-tree", &bundle(records.len())), (code, at)]);
    }
    of(&with_records(&archive, &swapped), &log, &[], &[]).has(
        1,
        &[("record-not-in-tree", &bundle(17)), ("position-missing", "8"), ("position-repeated", "7")],
    );
    // Linked, hashed and sealed anew by whoever owns the files: the checkpoint's signature is over another root.
    let resealed = |change: fn(&mut Vec<Record<'_>>)| {
        let mut files = sealed(&relinked(&log.records, change));
        let old = checkpoint(&log.records, &log_signer(1)).to_string();
        *files.file("checkpoint") = old.into_bytes();
        of(&files, &log, &[], &[])
    };
    resealed(|parts| parts[16].recorded_at = parts[15].recorded_at).is(1, &[("wrong-root", "checkpoint")]);
    // The checkpoint covers one record more than there are; and what follows or amends another named it where it stood.
    let due = [
        ("admission-contradicted", "8"),
        ("amendment-not-of-latest", "11"),
        ("records-missing", RECORDS),
        ("tile-missing", TILE),
    ];
    let resealed_without = resealed(|parts| {
        parts.remove(8);
    });
    resealed_without.is(1, &due);
    resealed(|_| ()).is(0, &[]);
    // The neighbour: all records, in their order.
    of(&with_records(&archive, &log.records), &log, &[], &[]).is(0, &[]);
}

#[test]
fn a_whole_log_rewritten_with_fresh_keys() {
    let (log, forged) = (Log::of_every_kind(1), Log::of_every_kind(100));
    let archive = Memory::of(&forged.records, &checkpoint(&forged.records, &log_signer(100)));
    let due = [("genesis-differs", "0"), ("checkpoint-not-signed", "checkpoint"), ("log-key-differs", "0")];
    of(&archive, &log, &[], &[]).has(1, &due);
    of(&archive, &forged, &[], &[]).is(0, &[]);
}

#[test]
fn a_log_rewritten_with_the_stolen_log_key_but_not_the_witnesses() {
    let (log, records) = rewritten();
    let archive = sealed(&records);
    // Nothing in the files tells.
    of(&archive, &log, &[], &[]).is(0, &[]);
    let trusting = policy(1).to_string();
    of(&archive, &log, &[("policy", trusting.as_bytes())], &["--policy", "policy"])
        .is(3, &[("quorum-short", "checkpoint")]);
    let older = checkpoint(&log.records[..8], &log_signer(1)).to_string();
    let said = of(&archive, &log, &[("older", older.as_bytes())], &["--checkpoint", "older"]);
    said.is(1, &[("fork", "known checkpoint of size 8")]);
    // Both sides are shown, each as the log signed it.
    for (title, note) in
        [("known", older), ("found", String::from_utf8(archive.files["checkpoint"].clone()).unwrap())]
    {
        let (_, shown) = said.text.split_once(&format!("Fork, the checkpoint {title}:\n")).unwrap();
        let root = note.lines().nth(2).unwrap();
        assert!(shown.lines().take(3).any(|line| line.trim() == root), "{}", said.text);
    }
    let before = checkpoint(&log.records[..7], &log_signer(1)).to_string();
    of(&archive, &log, &[("before", before.as_bytes())], &["--checkpoint", "before"]).is(0, &[]);
}

#[test]
fn a_tail_cut_below_a_receipt() {
    let (log, _) = rewritten();
    let archive = sealed(&log.records[..9]);
    let receipt = |seq: usize| json!({"seq": seq, "hash": log.hash(seq), "trial": "lupus"}).to_string();
    let with = |seq| of(&archive, &log, &[("receipt", receipt(seq).as_bytes())], &["--receipt", "receipt"]);
    with(9).is(1, &[("receipt-not-honoured", "9")]);
    with(8).is(0, &[]);
    let later = checkpoint(&log.records, &log_signer(1)).to_string();
    of(&archive, &log, &[("later", later.as_bytes())], &["--checkpoint", "later"])
        .is(1, &[("shorter-than-known", "known checkpoint of size 10")]);
}

#[test]
fn a_checkpoint_edited_signed_by_another_key_or_of_another_size() {
    let (log, archive) = small();
    let with = |note: String| {
        of(&archive.but(|archive| *archive.file("checkpoint") = note.into_bytes()), &log, &[], &[])
    };
    let own = checkpoint(&log.records, &log_signer(1));
    with(own.to_string()).is(0, &[]);
    let text = own.to_string();
    let root = own.claim().root;
    with(text.replacen("\n17\n", "\n16\n", 1)).has(1, &[("checkpoint-bad-signature", "checkpoint")]);
    with(text.replacen("\n17\n", "\n017\n", 1)).has(1, &[("checkpoint-malformed", "checkpoint")]);
    let signed = |size: u64, seed: u8| {
        let signer = Signer::new("log.example/lupus", SecretKey::from_bytes(&[seed; 32])).unwrap();
        let claim = Checkpoint::new(signer.name(), TreeSize(size), root).unwrap();
        SignedCheckpoint::sign(claim, &[&signer]).unwrap().to_string()
    };
    with(signed(17, 9)).is(1, &[("checkpoint-not-signed", "checkpoint")]);
    // By the log's own key, over a size that it does not have.
    with(signed(16, 51)).has(1, &[("wrong-root", "checkpoint")]);
    // One record more than there are: it is missing, and with it what the root is over.
    with(signed(18, 51))
        .is(3, &[("records-missing", "tile/entries/000.p/18"), ("tile-missing", "tile/0/000.p/18")]);
    with(String::new()).has(1, &[("checkpoint-malformed", "checkpoint")]);
}

#[test]
fn a_tile_altered_missing_cut_or_partial_where_a_full_one_is_due() {
    let (log, archive) = small();
    let changed = |change: &dyn Fn(&mut Memory)| of(&archive.but(|archive| change(archive)), &log, &[], &[]);
    changed(&|archive| archive.file(TILE)[40] ^= 1).is(1, &[("wrong-tile", &format!("{TILE} byte 32"))]);
    changed(&|archive| drop(archive.files.remove(TILE))).is(3, &[("tile-missing", TILE)]);
    changed(&|archive| archive.file(TILE).truncate(17 * 32 - 1)).is(1, &[("wrong-tile", TILE)]);
    changed(&|archive| archive.file(TILE).clear()).is(1, &[("wrong-tile", TILE)]);
    let (log, archive) = large();
    of(&archive, &log, &[], &[]).is(0, &[]);
    let without = |path: &str| of(&archive.but(|archive| drop(archive.files.remove(path))), &log, &[], &[]);
    without("tile/0/001").is(3, &[("tile-missing", "tile/0/001")]);
    without("tile/entries/001").is(3, &[("records-missing", "tile/entries/001")]);
    // The partial ones beside them may go: what they hold is in the full ones.
    without("tile/0/001.p/44").is(0, &[]);
    without("tile/entries/001.p/44").is(0, &[]);
}

#[test]
fn length_prefixes_that_lie() {
    let (log, archive) = small();
    let prefix = |bytes: [u8; 2]| {
        of(&archive.but(|archive| archive.file(RECORDS)[..2].copy_from_slice(&bytes)), &log, &[], &[])
    };
    let length = u16::try_from(log.records[0].len()).unwrap();
    prefix(length.to_be_bytes()).is(0, &[]);
    prefix([0xff, 0xff]).has(1, &[("entry-bundle-malformed", RECORDS)]);
    // Off by one, the first record has other bytes, and the next length is read from within it.
    for bytes in [(length + 1).to_be_bytes(), (length - 1).to_be_bytes()] {
        prefix(bytes).has(1, &[("record-not-in-tree", RECORDS), ("entry-bundle-malformed", RECORDS)]);
    }
    let longer = archive.but(|archive| archive.file(RECORDS).push(0));
    of(&longer, &log, &[], &[]).has(1, &[("entry-bundle-malformed", RECORDS)]);
}

#[test]
fn an_event_without_the_role_after_revocation_under_a_used_id_or_of_another_log() {
    let last = |write: &dyn Fn(&mut Log)| {
        let mut log = Log::of_every_kind(1);
        write(&mut log);
        let last = (log.records.len() - 1).to_string();
        (of(&sealed(&log.records), &log, &[], &[]), last)
    };
    // The neighbour: the same visit by whoever may sign it.
    let (said, _) = last(&|log| {
        log.say(&log.investigator.clone(), visit("S1", "2008-03-18"));
    });
    said.is(0, &[]);
    let (said, at) = last(&|log| {
        let monitor = person("nan.monitor", "Office", clinical::Role::Monitor, 70);
        log.grant(&log.sponsor.clone(), &monitor, &[]);
        log.say(&monitor, visit("S1", "2008-03-18"));
    });
    said.is(1, &[("signer-not-entitled", &at)]);
    // The coordinator's key is revoked in this log.
    let (said, at) = last(&|log| {
        log.say(&log.coordinator.clone(), visit("S1", "2008-03-18"));
    });
    said.is(1, &[("signer-not-entitled", &at)]);
    let (said, at) = last(&|log| {
        let replayed = log.records[7].clone();
        let replayed = Record::parse(&replayed).unwrap();
        log.record(replayed.event, replayed.signature);
    });
    said.is(1, &[("id-repeated", &at)]);
    let (said, at) = last(&|log| {
        let mut other = Log::opened(1);
        other.genesis = RecordHash([3; 32]);
        let composed = other.event(&log.investigator.clone(), visit("S1", "2008-03-18"));
        log.record(&composed.event, composed.signature);
    });
    said.has(1, &[("event-of-another-log", &at)]);
    // Signed by another key in the investigator's name.
    let (said, at) = last(&|log| {
        let composed = log.event(&log.investigator.clone(), visit("S1", "2008-03-18"));
        log.record(&composed.event, log.principal.key.sign_event(&composed.event));
    });
    said.is(1, &[("bad-signature", &at)]);
}

#[test]
fn a_report_altered_by_one_digit() {
    let log = Log::of_every_kind(1);
    let bundle = |change: &dyn Fn(String) -> String| {
        let mut bundle = sealed(&log.records).bundled();
        for (path, report) in reports(&log, 17, Parameters::default()) {
            let report = if path == "reports/outcomes.json" { change(report) } else { report };
            bundle.files.insert(path.to_owned(), report.into_bytes());
        }
        of(&bundle.with_manifest(), &log, &[], &[])
    };
    bundle(&|report| report).is(0, &[]);
    let altered = bundle(&|report| {
        // A figure: the last digit in it, behind what says how the report is made.
        let digit = report.rfind(|c: char| c.is_ascii_digit()).unwrap();
        let other = if report.as_bytes()[digit] == b'9' { "8" } else { "9" };
        [&report[..digit], other, &report[digit + 1..]].concat()
    });
    altered.is(1, &[("report-not-following", "reports/outcomes.json")]);
}

#[test]
fn a_vast_sparse_file_as_a_tile() {
    let (log, archive) = small();
    for (path, code) in [(TILE, "wrong-tile"), (RECORDS, "entry-bundle-malformed")] {
        let dir = tempfile::tempdir().unwrap();
        write_all(&dir.path().join("files"), &archive);
        let file = File::options().write(true).open(dir.path().join("files").join(path)).unwrap();
        file.set_len(10 << 30).unwrap();
        judged(dir.path(), &log, "files", &[]).has(1, &[(code, path)]);
    }
    // The neighbour: a full tile, which has as many bytes as any may have; and what one byte more is.
    let (log, archive) = large();
    assert_eq!(archive.files["tile/0/000"].len(), 32 * 256);
    of(&archive, &log, &[], &[]).is(0, &[]);
    let longer = archive.but(|archive| archive.file("tile/0/000").push(0));
    of(&longer, &log, &[], &[]).is(1, &[("wrong-tile", "tile/0/000")]);
}

#[test]
fn a_path_out_of_the_zip_and_a_bomb() {
    let (log, archive) = small();
    let outside: TempDir = tempfile::tempdir().unwrap();
    let escape = format!("../{}/escaped", outside.path().file_name().unwrap().to_str().unwrap());
    for path in [escape.as_str(), "../../etc/passwd", "/etc/passwd"] {
        // Its line of the directory stands behind its header.
        let place = format!("{path}, byte {} of the zip", 30 + path.len());
        zip(&foreign_zip(&[(path, 0, b"", 0)]), &log).has(1, &[("zip-malformed", &place)]);
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    // Two bytes, deflated, that say they are four gigabytes; and a stored file that says so.
    for method in [8, 0] {
        let bomb = foreign_zip(&[("log/checkpoint", method, b"\x03\0", u32::MAX - 9)]);
        zip(&bomb, &log).has(1, &[("zip-malformed", "log/checkpoint, byte 46 of the zip")]);
    }
    // The neighbours: a name full of dots that leads nowhere, and a file that would deflate to next to nothing but is
    // stored, as all are: a bundle's zip knows no other way.
    let with = |path: &str, bytes: Vec<u8>| {
        let mut bundle = archive.bundled();
        bundle.files.insert(path.to_owned(), bytes);
        zip(&bundle.with_manifest().zip(), &log)
    };
    with("reports/..odd/...-_.name..", b"x".to_vec()).is(0, &[]);
    with("reports/zeros", vec![0; 4 << 20]).is(0, &[]);
    // A receipt that is a vast file is not read either.
    let dir = tempfile::tempdir().unwrap();
    File::create(dir.path().join("receipt")).unwrap().set_len(10 << 30).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trialbook-verify"))
        .args(["files", "--receipt", "receipt"])
        .current_dir(dir.path())
        .timeout(TIMEOUT)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
