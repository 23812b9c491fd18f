//! What may happen to an archive or a bundle, and what of it shows.

use std::sync::Arc;

use chain::checkpoint::Checkpoint;
use chain::note::Signer;
use chain::{Record, RecordHash, SecretKey, SignedCheckpoint, TreeSize, bundle};
use verify::{
    Absence, Anchors, Class, Code, Depth, Evidence, Options, Report, Shape, Verdict, verify_archive,
};

use crate::archive::{
    Memory, SEEN_S, check, check_zip, checkpoint, codes, cosigned, hashes, log_signer, policy, small, witness,
};
use crate::support::{Log, relinked, visit};

pub(crate) fn check_codes(
    files: &Memory,
    anchors: &Anchors,
    status: u8,
    expected: &[(&str, &str)],
) -> Report {
    let report = check(files, anchors);
    let found = codes(&report);
    let found: Vec<(&str, &str)> = found.iter().map(|(code, place)| (*code, place.as_str())).collect();
    assert_eq!(found, expected, "{report}");
    assert_eq!(report.status(), status, "{report}");
    report
}

/// Each code that only an archive or a bundle can have, with a report of one that has it; untouched, they are intact.
pub(crate) fn cases() -> Vec<(Code, Report)> {
    use {Absence as A, Evidence as E};
    let (log, archive) = small();
    let bundled = archive.bundled();
    let (anchors, trusting) = (log.anchors(), trusting(&log));
    let stranger = Signer::new("log.example/lupus", SecretKey::from_bytes(&[9; 32])).unwrap();
    let harmed = |change: fn(&mut Memory)| check(&archive.but(change), &trusting);
    let harmed_bundle = |change: fn(&mut Memory)| check(&bundled.but(change), &trusting);
    let signed = |signed: SignedCheckpoint| {
        archive.but(|archive| *archive.file("checkpoint") = signed.to_string().into_bytes())
    };
    let other = Signer::new("log.example/other", SecretKey::from_bytes(&[51; 32])).unwrap();
    let forged = Checkpoint::new("log.example/lupus", TreeSize(9), chain::RootHash([7; 32])).unwrap();
    let forged = SignedCheckpoint::sign(forged, &[&log_signer(1)]).unwrap();
    let unsigned = checkpoint(&log.records[..3], &stranger);
    let known = |known: SignedCheckpoint| Anchors { checkpoints: vec![known], ..log.anchors() };
    let early = cosigned(checkpoint(&log.records, &log_signer(1)), &[witness(201)], 5);
    let mut zip = bundled.zip();
    zip.push(0);
    let copy = copy_without(&archive, &log, |at| at == 5);
    vec![
        (E::CheckpointBadSignature.into(), harmed(|archive| archive.file("checkpoint")[19] ^= 1)),
        (E::CheckpointMalformed.into(), harmed(|archive| archive.file("checkpoint").truncate(50))),
        (E::CheckpointNotSigned.into(), check(&signed(checkpoint(&log.records, &stranger)), &anchors)),
        (E::CheckpointOfAnotherLog.into(), check(&signed(checkpoint(&log.records, &other)), &anchors)),
        (E::CheckpointSignatureMissing.into(), crate::log_keys::signed_by_the_old_key_alone()),
        (E::EntryBundleMalformed.into(), harmed(|archive| archive.file("tile/entries/000.p/17").truncate(9))),
        (E::FileDiffers.into(), harmed_bundle(|bundle| bundle.file("README.html").push(b'!'))),
        (E::FileUnexpected.into(), harmed(|archive| drop(archive.files.insert("x".into(), Vec::new())))),
        (E::Fork.into(), check(&archive, &known(forged))),
        (E::ManifestMalformed.into(), harmed_bundle(|bundle| bundle.file("MANIFEST").push(b'!'))),
        (E::RecordNotInTree.into(), harmed(|archive| archive.file("tile/entries/000.p/17")[9] ^= 1)),
        (
            E::TimeAgainstCosignature.into(),
            check(&signed(early), &Anchors { policy: Some(policy(1)), ..log.anchors() }),
        ),
        (
            E::WrongRoot.into(),
            check(&signed(checkpoint(&Log::of_every_kind(2).records, &log_signer(1))), &anchors),
        ),
        (E::WrongTile.into(), harmed(|archive| archive.file("tile/0/000.p/11")[9] ^= 1)),
        (E::ZipMalformed.into(), check_zip(&zip, &trusting)),
        (A::AuthorityUndecided.into(), check(&copy, &anchors)),
        (
            A::CheckpointKeyUnknown.into(),
            check(&copy_without(&archive, &log, |at| at == 0), &Anchors { log_key: None, ..log.anchors() }),
        ),
        (A::CheckpointMissing.into(), harmed(|archive| drop(archive.files.remove("checkpoint")))),
        (A::FileMissing.into(), harmed_bundle(|bundle| drop(bundle.files.remove("README.html")))),
        (A::KnownCheckpointUnusable.into(), check(&archive, &known(unsigned))),
        (A::ManifestMissing.into(), harmed_bundle(|bundle| drop(bundle.files.remove("MANIFEST")))),
        (A::QuorumShort.into(), check(&signed(checkpoint(&log.records, &log_signer(1))), &trusting)),
        (A::RecordsMissing.into(), check(&copy, &anchors)),
        (A::TileMissing.into(), harmed(|archive| drop(archive.files.remove("tile/0/000.p/17")))),
        (
            E::ReportNotFollowing.into(),
            crate::reports::with_reports(&log, 17, |report| report.replace("17", "16")),
        ),
        (A::ReportUnchecked.into(), crate::reports::with_reports(&log, 16, |report| report)),
        crate::copies::case(),
    ]
}

#[test]
fn each_code_of_archives_is_found_where_it_is_due() {
    for (code, report) in cases() {
        assert!(report.found.contains_key(&code), "{code}: {report}");
        assert_eq!(
            report.status(),
            if report.count(Class::Evidence) > 0 { 1 } else { 3 },
            "{code}: {report}"
        );
        assert!(report.count(code.class()) > 0 && report.to_string().is_ascii());
    }
}

fn trusting(log: &Log) -> Anchors {
    Anchors { policy: Some(policy(2)), ..log.anchors() }
}

#[test]
fn the_tree_alone_shows_that_these_are_the_sealed_bytes_and_nothing_of_what_they_say() {
    let (log, archive) = small();
    let tree = |files: &Memory| {
        let options = Options { depth: Depth::Tree, ..Options::default() };
        verify_archive(files, Shape::Archive, &trusting(&log), options).unwrap()
    };
    let found = |report: &Report| codes(report).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    let report = tree(&archive);
    assert_eq!((found(&report), report.status()), (vec!["records-unchecked"], 3));
    let count = |name: &str| report.checks.iter().find(|check| check.name == name).map(|check| check.count);
    assert_eq!(
        (count("records in the tree"), count("root"), count("signatures")),
        (Some(17), Some(1), Some(0))
    );
    let record = tree(&archive.but(|archive| archive.file("tile/entries/000.p/17")[9] ^= 1));
    assert!(found(&record).contains(&"record-not-in-tree"), "{record}");
    let tile = tree(&archive.but(|archive| archive.file("tile/0/000.p/11")[9] ^= 1));
    assert!(found(&tile).contains(&"wrong-tile"), "{tile}");
    // Sealed as it is, so the tree has nothing to say of it; whoever reads it has.
    let mut records = log.records.clone();
    records[16] = b"{}".as_slice().into();
    let signed = checkpoint(&records, &log_signer(1));
    let signed = cosigned(signed, &[witness(201), witness(202)], SEEN_S);
    let nonsense = Memory::of(&records, &signed);
    assert_eq!(found(&tree(&nonsense)), ["records-unchecked"]);
    assert!(codes(&check(&nonsense, &trusting(&log))).iter().any(|(code, _)| *code == "record-malformed"));
}

#[test]
fn an_untouched_archive_and_its_bundle_are_intact_and_every_check_ran() {
    let (log, archive) = small();
    let report = check_codes(&archive, &trusting(&log), 0, &[]);
    assert_eq!(report.verdict, Verdict::Intact);
    assert_eq!(report.covers.known_size, TreeSize(17));
    let count = |name: &str| {
        let check = report.checks.iter().find(|check| check.name == name);
        let check = check.unwrap_or_else(|| panic!("no check of {name}"));
        assert_eq!(check.failed, 0, "{name}");
        check.count
    };
    // A checkpoint, and a tile and a bundle at each of three sizes.
    assert_eq!((count("files"), count("tiles and bundles")), (7, 6));
    assert_eq!((count("checkpoint signatures"), count("cosignatures")), (1, 2));
    assert_eq!((count("records in the tree"), count("root")), (17, 1));
    assert_eq!((count("signatures"), count("times against cosignatures")), (17, 17));

    let bundled = archive.bundled();
    check_codes(&bundled, &trusting(&log), 0, &[]);
    let report = check_zip(&bundled.zip(), &trusting(&log));
    assert_eq!((report.status(), codes(&report)), (0, vec![]), "{report}");
    assert!(report.checks.iter().any(|check| check.name == "manifest" && check.count == 10));
    assert!(report.sentence().contains("cosigned by 2 witnesses"), "{}", report.sentence());
}

#[test]
fn without_anchors_the_same_archive_is_consistent_and_not_authenticated() {
    let (log, archive) = small();
    let report = check_codes(&archive, &Anchors::default(), 3, &[]);
    assert_eq!(report.verdict, Verdict::ConsistentNotAuthenticated);
    // The log key that the opening names was used; the witnesses nobody named.
    let checkpoint = report.sealed.unwrap().checkpoint.unwrap();
    assert_eq!(checkpoint.signed_by, [log.verifier.to_string()]);
    assert_eq!(checkpoint.unchecked, ["witness.example/201", "witness.example/202"]);
}

/// With one bit flipped at one byte; another bit for each byte, so that all eight are met many times over.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1 << (at % 8);
}

#[test]
fn a_flipped_bit_at_every_byte_of_an_archive_is_found_and_named() {
    let log = Log::running(1);
    let signed = cosigned(checkpoint(&log.records, &log_signer(1)), &[witness(201), witness(202)], SEEN_S);
    let archive = Memory::sealed_at(&log.records, &[3, 7], &signed);
    let anchors = trusting(&log);
    check_codes(&archive, &anchors, 0, &[]);
    let flip_each = |path: &str| {
        let bytes = archive.files[path].len();
        for at in 0..bytes {
            let report = check(&archive.but(|archive| flip(archive.file(path), at)), &anchors);
            assert_ne!(report.status(), 0, "{path} byte {at}");
            let names =
                |place: &verify::Place| place.stored_at.as_ref().is_some_and(|at| at.starts_with(path));
            assert!(
                report.findings.iter().any(|finding| names(&finding.place)),
                "{path} byte {at}: {report}"
            );
        }
        bytes
    };
    let flips: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = archive.files.keys().map(|path| scope.spawn(|| flip_each(path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{flips} flips in {} files, all found", archive.files.len());
    assert_eq!(flips, archive.files.values().map(Vec::len).sum::<usize>());
}

#[test]
fn a_flipped_bit_at_every_byte_of_a_bundles_zip_is_found() {
    let log = Log::running(1);
    let archive = Memory::of(&log.records, &checkpoint(&log.records, &log_signer(1)));
    let zip = archive.bundled().zip();
    assert_eq!(check_zip(&zip, &log.anchors()).status(), 0);
    for at in 0..zip.len() {
        let mut zip = zip.clone();
        flip(&mut zip, at);
        let report = check_zip(&zip, &log.anchors());
        assert_eq!(report.status(), 1, "byte {at}: {report}");
    }
    println!("{} flips in the zip of a bundle, all found", zip.len());
}

#[test]
fn only_what_nobody_vouches_for_may_be_altered_unseen() {
    let (log, archive) = small();
    // Witnesses that nobody named: their lines prove nothing, so that altering them changes nothing.
    let text = String::from_utf8(archive.files["checkpoint"].clone()).unwrap();
    let cosignatures = text.find("\u{2014} witness.example").unwrap();
    let mut harmless = 0;
    for at in 0..text.len() {
        let report = check(&archive.but(|archive| flip(archive.file("checkpoint"), at)), &log.anchors());
        if report.status() == 0 {
            assert!(at >= cosignatures, "byte {at}");
            harmless += 1;
        }
    }
    println!("{harmless} of {} flips in lines by unknown keys are harmless", text.len() - cosignatures);
    assert!(harmless > 100);
}

#[test]
fn a_tile_altered_cut_or_missing_is_named() {
    let (log, archive) = small();
    let due = "tile/0/000.p/17";
    let anchors = trusting(&log);
    let altered = archive.but(|archive| archive.file(due)[64] ^= 1);
    check_codes(&altered, &anchors, 1, &[("wrong-tile", "tile/0/000.p/17 byte 64")]);
    let cut = archive.but(|archive| archive.file(due).truncate(500));
    check_codes(&cut, &anchors, 1, &[("wrong-tile", due)]);
    let missing = archive.but(|archive| drop(archive.files.remove(due)));
    check_codes(&missing, &anchors, 3, &[("tile-missing", due)]);
    // A partial that was superseded may go, and may stay; what it holds is checked.
    let superseded = "tile/0/000.p/5";
    check_codes(&archive.but(|archive| drop(archive.files.remove(superseded))), &anchors, 0, &[]);
    let altered = archive.but(|archive| archive.file(superseded)[33] ^= 1);
    check_codes(&altered, &anchors, 1, &[("wrong-tile", "tile/0/000.p/5 byte 32")]);
}

#[test]
fn lying_lengths_in_a_bundle_are_named_and_its_other_records_still_checked() {
    let (log, archive) = small();
    let (path, anchors) = ("tile/entries/000.p/17", trusting(&log));
    let second = 2 + log.records[0].len();
    for (at, by) in [(second, 0x40), (second + 1, 1)] {
        let lying = archive.but(|archive| archive.file(path)[at] ^= by);
        let report = check(&lying, &anchors);
        assert_eq!(report.status(), 1);
        assert!(codes(&report).contains(&("entry-bundle-malformed", path.to_owned())), "{report}");
        assert!(report.covers.records >= 1);
    }
    let cut = archive.but(|archive| assert!(archive.file(path).pop().is_some()));
    let report = check_codes(&cut, &anchors, 1, &[("entry-bundle-malformed", path)]);
    assert_eq!((report.covers.records, report.covers.missing), (16, 1));
    let longer = archive.but(|archive| archive.file(path).extend(b"\x00\x02{}"));
    let report = check_codes(&longer, &anchors, 1, &[("entry-bundle-malformed", path)]);
    assert_eq!(report.covers.records, 17);
}

#[test]
fn a_checkpoint_edited_signed_anew_or_of_another_size_vouches_for_nothing() {
    let (log, archive) = small();
    let anchors = log.anchors();
    let with = |signed: &str| archive.but(|archive| *archive.file("checkpoint") = signed.as_bytes().to_vec());
    let text = String::from_utf8(archive.files["checkpoint"].clone()).unwrap();
    let at = "checkpoint";

    let smaller = with(&text.replacen("\n17\n", "\n11\n", 1));
    check_codes(&smaller, &anchors, 1, &[("checkpoint-bad-signature", at), ("wrong-root", at)]);
    let larger = with(&text.replacen("\n17\n", "\n18\n", 1));
    let codes = [
        ("checkpoint-bad-signature", at),
        ("records-missing", "tile/entries/000.p/18"),
        ("tile-missing", "tile/0/000.p/18"),
    ];
    check_codes(&larger, &anchors, 1, &codes);
    let vast = with(&text.replacen("\n17\n", "\n18446744073709551615\n", 1));
    let report = check(&vast, &anchors);
    assert!(report.status() == 1 && report.findings.len() < 15, "{report}");
    assert_eq!(report.covers.records, 17);

    let stranger = Signer::new("log.example/lupus", SecretKey::from_bytes(&[9; 32])).unwrap();
    let resigned = with(&checkpoint(&log.records, &stranger).to_string());
    check_codes(&resigned, &anchors, 1, &[("checkpoint-not-signed", at)]);
    let other = Signer::new("log.example/other", SecretKey::from_bytes(&[51; 32])).unwrap();
    let renamed = with(&checkpoint(&log.records, &other).to_string());
    check_codes(&renamed, &anchors, 1, &[("checkpoint-of-another-log", at)]);
    let both = SignedCheckpoint::sign(
        Checkpoint::new("log.example/lupus", TreeSize(17), chain::tree::root_of(&hashes(&log.records)))
            .unwrap(),
        &[&stranger, &log_signer(1)],
    );
    check_codes(&with(&both.unwrap().to_string()), &anchors, 0, &[]);

    check_codes(&with("no checkpoint"), &anchors, 1, &[("checkpoint-malformed", at)]);
    let missing = archive.but(|archive| drop(archive.files.remove(at)));
    let report = check_codes(&missing, &anchors, 3, &[("checkpoint-missing", at)]);
    assert_eq!(report.covers.records, 17);
}

#[test]
fn an_older_checkpoint_with_newer_files_beside_it_is_intact_up_to_its_size() {
    let (log, archive) = small();
    let older = checkpoint(&log.records[..11], &log_signer(1));
    let behind = archive.but(|archive| *archive.file("checkpoint") = older.to_string().into_bytes());
    let report = check_codes(&behind, &log.anchors(), 0, &[]);
    assert_eq!(report.covers.records, 11);
    // The first eleven hashes of what comes after it are its own.
    let altered = behind.but(|archive| archive.file("tile/0/000.p/17")[0] ^= 1);
    check_codes(&altered, &log.anchors(), 1, &[("wrong-tile", "tile/0/000.p/17 byte 0")]);
    // Its own files may be gone for the newer ones.
    let moved = behind.but(|archive| archive.files.retain(|path, _| !path.ends_with(".p/11")));
    check_codes(&moved, &log.anchors(), 0, &[]);
}

/// Replaces the records of the one bundle and leaves everything else.
pub(crate) fn with_records(archive: &Memory, records: &[Arc<[u8]>]) -> Memory {
    let bytes = bundle::encode(records.iter().map(|record| &**record)).unwrap();
    archive.but(|archive| {
        archive.files.retain(|path, _| !path.starts_with("tile/entries/"));
        archive.files.insert(format!("tile/entries/000.p/{}", records.len()), bytes);
    })
}

#[test]
fn a_record_dropped_doubled_or_swapped_is_held_against_the_tree() {
    let (log, archive) = small();
    let changed = |change: fn(&mut Vec<Arc<[u8]>>)| {
        let mut records = log.records.clone();
        change(&mut records);
        with_records(&archive, &records)
    };
    let swapped = changed(|records| records.swap(7, 8));
    let report = check(&swapped, &trusting(&log));
    assert_eq!(report.found[&Code::from(Evidence::RecordNotInTree)], 2);
    assert_eq!(report.status(), 1);
    let doubled = changed(|records| records[9] = records[8].clone());
    let report = check(&doubled, &trusting(&log));
    assert_eq!(report.found[&Code::from(Evidence::RecordNotInTree)], 1);
    let dropped = changed(|records| drop(records.remove(8)));
    let report = check(&dropped, &trusting(&log));
    assert_eq!((report.status(), report.covers.missing), (1, 1), "{report}");
    assert_eq!(report.found[&Code::from(Evidence::RecordNotInTree)], 8);
}

#[test]
fn a_whole_log_written_anew_with_fresh_keys_is_another_log() {
    let log = Log::of_every_kind(1);
    let forged = Log::of_every_kind(100);
    let archive = Memory::of(&forged.records, &checkpoint(&forged.records, &log_signer(100)));
    check_codes(&archive, &Anchors::default(), 3, &[]);
    let report = check(&archive, &log.anchors());
    let found = codes(&report);
    for code in ["genesis-differs", "log-key-differs", "checkpoint-not-signed"] {
        assert!(found.iter().any(|(found, _)| *found == code), "{code}: {report}");
    }
}

/// A log without its eighth record, and linked anew: no signature and no link shows it.
pub(crate) fn rewritten() -> (Log, Vec<Arc<[u8]>>) {
    let mut log = Log::running(1);
    for day in ["2008-03-18", "2008-03-25", "2008-04-01"] {
        log.say(&log.investigator.clone(), visit("S1", day));
    }
    let records = relinked(&log.records, |parts| {
        parts.remove(7);
    });
    (log, records)
}

#[test]
fn a_vast_file_where_a_tile_is_due_is_answered_by_its_length() {
    let (log, archive) = small();
    // These files fail the test when they are opened.
    for (path, code) in
        [("tile/0/000.p/17", "wrong-tile"), ("tile/entries/000.p/17", "entry-bundle-malformed")]
    {
        let vast = archive.but(|archive| archive.says_long(path));
        let report = check(&vast, &trusting(&log));
        assert!(codes(&report).contains(&(code, path.to_owned())), "{report}");
    }
    let bundled = archive.bundled();
    let vast = bundled.but(|bundled| bundled.says_long("reports/outcomes.html"));
    check_codes(&vast, &trusting(&log), 1, &[("file-differs", "reports/outcomes.html")]);
}

#[test]
fn files_that_belong_nowhere_are_named() {
    let (log, archive) = small();
    for path in [
        "notes.txt",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/00/000",
        "tile/entries/000.p/256",
        "tile/8/000",
        "tile/0/000#",
    ] {
        let more = archive.but(|archive| drop(archive.files.insert(path.to_owned(), b"?".to_vec())));
        let report = check(&more, &trusting(&log));
        assert_eq!(codes(&report), [("file-unexpected", path.to_owned())], "{report}");
    }
    // An archive that is being written has files that its checkpoint does not cover yet.
    let ahead = archive.but(|archive| {
        for path in ["tile/entries/001", "tile/1/000.p/1", "tile/0/007.p/3", "tile/0/000#1"] {
            archive.files.insert(path.to_owned(), b"?".to_vec());
        }
    });
    assert_eq!(check_codes(&ahead, &trusting(&log), 0, &[]).sealed.unwrap().files_beyond, 4);
    let bundled = archive.bundled();
    let more = |path: &str| bundled.but(|bundled| drop(bundled.files.insert(path.to_owned(), b"?".to_vec())));
    for path in ["notes.txt", "reports/safety.json", "log/tile/0/001.p/3"] {
        let found = check(&more(path), &trusting(&log));
        assert!(codes(&found).contains(&("file-unexpected", path.to_owned())), "{found}");
    }
    // Even if the MANIFEST lists it.
    let found = check(&more("notes.txt").with_manifest(), &trusting(&log));
    assert_eq!(codes(&found), [("file-unexpected", "notes.txt".to_owned())]);
}

#[test]
fn a_bundle_is_what_its_manifest_lists() {
    let (log, archive) = small();
    let bundled = archive.bundled();
    let anchors = trusting(&log);
    let altered = bundled.but(|bundled| bundled.file("reports/outcomes.html")[0] ^= 1);
    check_codes(&altered, &anchors, 1, &[("file-differs", "reports/outcomes.html")]);
    let missing = bundled.but(|bundled| drop(bundled.files.remove("README.html")));
    check_codes(&missing, &anchors, 3, &[("file-missing", "README.html")]);
    let without = bundled.but(|bundled| drop(bundled.files.remove("MANIFEST")));
    check_codes(&without, &anchors, 3, &[("manifest-missing", "MANIFEST")]);
    let malformed = bundled.but(|bundled| bundled.file("MANIFEST").push(b'\n'));
    check_codes(&malformed, &anchors, 1, &[("manifest-malformed", "MANIFEST")]);
}

/// Makes the zip that another program would make, one local header and one line of the directory for each file.
pub(crate) fn foreign_zip(files: &[(&str, u16, &[u8], u32)]) -> Vec<u8> {
    let header = |path: &str, method: u16, data: &[u8], length: u32| {
        let mut bytes = vec![20, 0, 0, 8];
        bytes.extend(method.to_le_bytes());
        bytes.extend([0, 0, 33, 0, 0, 0, 0, 0]);
        bytes.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    };
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (path, method, data, length) in files {
        let offset = u32::try_from(zip.len()).unwrap();
        let header = header(path, *method, data, *length);
        zip.extend([&b"PK\x03\x04"[..], &header, path.as_bytes(), data].concat());
        directory.extend([&b"PK\x01\x02\x14\x03"[..], &header, &[0; 6], &[0, 0, 0xa4, 0x81]].concat());
        directory.extend(offset.to_le_bytes());
        directory.extend(path.as_bytes());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let start = u32::try_from(zip.len()).unwrap().to_le_bytes();
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    zip.extend(directory);
    zip.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &length, &start, &[0, 0]].concat());
    zip
}

#[test]
fn a_zip_that_escapes_repeats_or_inflates_is_named_and_nothing_of_it_is_inflated() {
    let whats = |files: &[(&str, u16, &[u8], u32)]| {
        let report = check_zip(&foreign_zip(files), &Anchors::default());
        assert_eq!(report.status(), 1, "{report}");
        let zip = report.findings.into_iter().filter(|finding| finding.code == Evidence::ZipMalformed.into());
        zip.map(|finding| finding.detail).collect::<Vec<_>>().join("; ")
    };
    // The zip as such is well made: only an empty file's checksum is always right.
    assert!(!whats(&[("MANIFEST", 0, b"", 0), ("keys/a", 0, b"x", 1)]).contains("line in the directory"));
    for path in ["../escape", "/etc/passwd", "log/../../x", "C:\\x", "a//b"] {
        assert!(whats(&[(path, 0, b"", 0)]).contains("no path of a bundle"), "{path}");
    }
    assert!(whats(&[("keys/a", 0, b"", 0), ("keys/a", 0, b"", 0)]).contains("stands twice"));
    assert!(whats(&[("keys/b", 0, b"", 0), ("keys/a", 0, b"", 0)]).contains("order of names"));
    // Deflated; and a bomb that says it would be four gigabytes.
    assert!(whats(&[("keys/a", 8, b"\x03\0", 0)]).contains("line in the directory"));
    assert!(whats(&[("keys/a", 8, b"\x03\0", u32::MAX - 9)]).contains("line in the directory"));
    assert!(whats(&[("keys/a", 0, b"\x03\0", u32::MAX - 9)]).contains("line in the directory"));
}

/// A log of more than two full tiles, and its archive with the partial tiles of size 300.
pub(crate) fn large() -> (Log, Memory) {
    let mut log = Log::running(1);
    let investigator = log.investigator.clone();
    while log.records.len() < 600 {
        log.say(&investigator, visit("S1", "2008-03-18"));
    }
    let signed = checkpoint(&log.records, &log_signer(1));
    let archive = Memory::sealed_at(&log.records, &[300, 600], &signed);
    (log, archive)
}

#[test]
fn tiles_of_all_levels_are_held_against_each_other() {
    let (log, archive) = large();
    let anchors = log.anchors();
    check_codes(&archive, &anchors, 0, &[]);
    let flipped = |path: &str, at: usize| archive.but(|archive| archive.file(path)[at] ^= 1);
    check_codes(&flipped("tile/0/001", 65), &anchors, 1, &[("wrong-tile", "tile/0/001 byte 64")]);
    check_codes(&flipped("tile/0/001.p/44", 65), &anchors, 1, &[("wrong-tile", "tile/0/001.p/44 byte 64")]);
    check_codes(&flipped("tile/0/002.p/88", 1), &anchors, 1, &[("wrong-tile", "tile/0/002.p/88 byte 0")]);
    check_codes(&flipped("tile/1/000.p/2", 33), &anchors, 1, &[("wrong-tile", "tile/1/000.p/2 byte 32")]);
    check_codes(&flipped("tile/1/000.p/1", 3), &anchors, 1, &[("wrong-tile", "tile/1/000.p/1 byte 0")]);
    // A record altered in its signature, in a full bundle and in a superseded one.
    let records = archive.files["tile/entries/001"].len();
    let report = check(&flipped("tile/entries/001", records - 5), &anchors);
    assert!(codes(&report).contains(&("record-not-in-tree", "tile/entries/001".to_owned())), "{report}");
    let records = archive.files["tile/entries/001.p/44"].len();
    let superseded = flipped("tile/entries/001.p/44", records - 5);
    check_codes(&superseded, &anchors, 1, &[("record-not-in-tree", "tile/entries/001.p/44")]);
    // Record and tile altered together, and all that is below made anew: the tile above shows it, and the root.
    let mut bytes = log.records[300].to_vec();
    let end = bytes.len() - 5;
    bytes[end] ^= 1;
    let mut records = log.records.clone();
    records[300] = bytes.into();
    let signed = checkpoint(&log.records, &log_signer(1));
    let forged = Memory::of(&records, &signed);
    let report = check(&forged, &anchors);
    assert!(codes(&report).contains(&("wrong-root", "checkpoint".to_owned())), "{report}");
}

#[test]
fn a_partial_where_a_full_tile_is_due_is_no_tile() {
    let (log, archive) = large();
    let without = |path: &str| archive.but(|archive| drop(archive.files.remove(path)));
    check_codes(&without("tile/0/001"), &log.anchors(), 3, &[("tile-missing", "tile/0/001")]);
    // Of its records the partial bundle still holds the first 44.
    let missing = [("records-missing", "tile/entries/001")];
    let report = check_codes(&without("tile/entries/001"), &log.anchors(), 3, &missing);
    assert_eq!((report.covers.records, report.covers.missing), (388, 212));
    check_codes(&without("tile/1/000.p/2"), &log.anchors(), 3, &[("tile-missing", "tile/1/000.p/2")]);
}

/// A site's own copy: all hashes, and of the records those it may read, the others left out.
pub(crate) fn copy_without(archive: &Memory, log: &Log, left_out: impl Fn(usize) -> bool) -> Memory {
    archive.but(|archive| {
        let bundles: Vec<String> =
            archive.files.keys().filter(|path| path.starts_with("tile/entries/")).cloned().collect();
        for path in bundles {
            let tile: chain::tile::TilePath = path.parse().unwrap();
            let first = usize::try_from(tile.index() * 256).unwrap();
            let entries = (first..first + usize::from(tile.width()))
                .map(|at| if left_out(at) { &[][..] } else { &*log.records[at] });
            *archive.file(&path) = bundle::encode(entries).unwrap();
        }
    })
}

#[test]
fn a_sites_own_copy_is_undecided_and_all_it_holds_is_checked() {
    let (log, archive) = large();
    let copy = copy_without(&archive, &log, |at| (20..400).contains(&at) || at == 599);
    let report = check_codes(&copy, &log.anchors(), 3, &[("records-missing", "tile/entries/000")]);
    assert_eq!((report.covers.records, report.covers.missing), (219, 381));
    assert_eq!(report.covers.head, log.chain.head);
    // A record in it that does not link to what is left out before it.
    let stray = Record { prev: RecordHash([3; 32]), ..Record::parse(&log.records[400]).unwrap() };
    let mut harmed = log.clone();
    harmed.records[400] = stray.join().into();
    let copy = copy_without(&archive, &harmed, |at| (20..400).contains(&at));
    let found = codes(&check(&copy, &log.anchors()));
    assert!(found.contains(&("broken-link", "400".to_owned())), "{found:?}");
    assert!(found.contains(&("record-not-in-tree", "tile/entries/001".to_owned())), "{found:?}");
}

#[test]
fn what_rests_on_missing_records_is_undecided_and_no_evidence() {
    let (log, archive) = large();
    // Without the grants and the enrollment: nobody seems entitled.
    let copy = copy_without(&archive, &log, |at| (2..6).contains(&at));
    let report = check(&copy, &log.anchors());
    assert_eq!(report.count(Class::Evidence), 0, "{report}");
    assert!(codes(&report).iter().any(|(code, _)| *code == "authority-undecided"));
    // Without the opening there is no authority at all, and no log key but the one given.
    let copy = copy_without(&archive, &log, |at| at == 0);
    let report = check(&copy, &log.anchors());
    assert_eq!(report.count(Class::Evidence), 0, "{report}");
    assert!(codes(&report).iter().any(|(code, _)| *code == "authority-underivable"));
    let report = check(&copy, &Anchors { log_key: None, ..log.anchors() });
    assert!(codes(&report).iter().any(|(code, _)| *code == "checkpoint-key-unknown"));
    // What the signer signed for another log is foreign whatever is missing.
    let mut foreign = log.clone();
    foreign.say_changed(&log.investigator.clone(), visit("S1", "2008-03-18"), |event| {
        event["log"] = serde_json::json!("0".repeat(64));
    });
    let archive = Memory::of(&foreign.records, &checkpoint(&foreign.records, &log_signer(1)));
    let copy = copy_without(&archive, &foreign, |at| (2..6).contains(&at));
    let found = codes(&check(&copy, &log.anchors()));
    assert!(found.contains(&("event-of-another-log", "600".to_owned())), "{found:?}");
}

#[test]
fn an_archive_of_nothing_is_no_log() {
    let log = Log::running(1);
    let empty = Memory::of(&[], &checkpoint(&[], &log_signer(1)));
    check_codes(&empty, &log.anchors(), 1, &[("shorter-than-known", "0")]);
    let nothing = Memory::default();
    let report = check(&nothing, &Anchors::default());
    assert_eq!(report.verdict, Verdict::Undecided);
}
