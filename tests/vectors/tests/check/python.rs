//! Runs `check.py`, which was written from docs/format.md alone, on the vectors, an archive and a bundle of ours.

#![expect(
    clippy::disallowed_methods,
    reason = "files of a test's own directory: nothing depends on durability"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chain::note::{Signer, VerifierKey};
use chain::receipt::SignedReceipts;
use chain::{Checkpoint, Position, RecordHash, SecretKey, SignedCheckpoint, TreeSize, bundle, tree};
use serde_json::{Value, json};
use tempfile::TempDir;
use verify::given::Given;
use verify::manifest::Manifest;
use verify::{DirFiles, FileDigest, Options, Shape, ZipWriter, verify_archive};

/// The program that runs `check.py`, or a line in the log of what was skipped.
fn python(test: &str) -> Option<&'static str> {
    let found = Command::new("python3")
        .args(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"])
        .output()
        .is_ok_and(|output| output.status.success());
    if found {
        return Some("python3");
    }
    if let Some(log) = std::env::var_os("TRIALBOOK_SKIPPED_LOG") {
        let mut log = fs::OpenOptions::new().append(true).open(log).unwrap();
        writeln!(log, "{test}: there is no python3 of 3.9 or later").unwrap();
    }
    eprintln!("skipped: there is no python3 of 3.9 or later");
    None
}

fn run(python: &str, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("check.py");
    Command::new(python).arg("-B").arg(script).args(arguments).output().unwrap()
}

/// Status and first line, beside everything that was said.
fn check(output: &Output, status: i32, beginning: &str) {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.starts_with(beginning), "{said}");
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// A small archive, made by our code out of the published log, and its anchors.
struct Small {
    files: BTreeMap<&'static str, Vec<u8>>,
    key: String,
    genesis: String,
}

impl Small {
    fn new() -> Self {
        // The log's key in the published opening is that of this seed.
        Self::of("log.json", &[4])
    }

    /// The published log of a family under a checkpoint by the keys of these seeds, the first of which is its anchor.
    fn of(family: &str, seeds: &[u8]) -> Self {
        let text = fs::read_to_string(data().join(family)).unwrap();
        let log: Value = serde_json::from_str(&text).unwrap();
        let published = &log["vectors"][0]["output"];
        let records: Vec<_> =
            published["records"].as_array().unwrap().iter().map(|record| record.as_str().unwrap()).collect();
        assert_eq!(records.len(), 8, "the paths below are those of eight records");
        let hashes: Vec<_> = records.iter().map(|record| RecordHash::of(record.as_bytes())).collect();
        let origin = "trialbook.example/lupus-msct";
        let signer = |seed: &u8| Signer::new(origin, SecretKey::from_bytes(&[*seed; 32])).unwrap();
        let signers: Vec<Signer> = seeds.iter().map(signer).collect();
        let claim = Checkpoint::new(origin, TreeSize(8), tree::root_of(&hashes)).unwrap();
        let checkpoint = SignedCheckpoint::sign(claim, &signers.iter().collect::<Vec<_>>()).unwrap();
        let entries =
            |count: usize| bundle::encode(records[..count].iter().map(|record| record.as_bytes())).unwrap();
        let tile = |count: usize| hashes[..count].iter().flat_map(|hash| hash.0).collect::<Vec<_>>();
        let files = BTreeMap::from([
            ("checkpoint", checkpoint.to_string().into_bytes()),
            ("tile/0/000.p/5", tile(5)),
            ("tile/0/000.p/8", tile(8)),
            ("tile/entries/000.p/5", entries(5)),
            ("tile/entries/000.p/8", entries(8)),
        ]);
        let genesis = published["genesis"].as_str().unwrap().to_owned();
        Self { files, key: signers[0].verifier_key().to_string(), genesis }
    }

    fn run(&self, python: &str, path: &Path) -> Output {
        run(python, &[path.to_str().unwrap(), "--key", &self.key, "--genesis", &self.genesis])
    }

    /// The files of a bundle with this archive.
    fn bundled(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files: BTreeMap<_, _> =
            self.files.iter().map(|(path, bytes)| (format!("log/{path}"), bytes.clone())).collect();
        files.insert("README.html".to_owned(), b"<p>SYNTHETIC</p>".to_vec());
        files.insert("keys/log.vkey".to_owned(), self.key.clone().into_bytes());
        let mut manifest = Manifest::default();
        for (path, bytes) in &files {
            manifest.insert(path, FileDigest::of(bytes)).unwrap();
        }
        files.insert("MANIFEST".to_owned(), manifest.to_string().into_bytes());
        files
    }
}

fn lay_out<P: AsRef<Path>>(files: impl IntoIterator<Item = (P, Vec<u8>)>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

/// Flips a bit in the middle of a file's bytes.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_unrelated_checker_makes_every_vector_again_and_notices_a_changed_one() {
    let Some(python) = python("an_unrelated_checker_makes_every_vector_again_and_notices_a_changed_one")
    else {
        return;
    };
    let output = run(python, &["--vectors", data().to_str().unwrap()]);
    // Every family, and every vector of each.
    let published =
        |file: fs::DirEntry| -> Value { serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap() };
    let families: Vec<Value> = fs::read_dir(data()).unwrap().map(|file| published(file.unwrap())).collect();
    let vectors: usize = families.iter().map(|family| family["vectors"].as_array().unwrap().len()).sum();
    let agreed = format!("Agreed: {vectors} vectors of {} families.\n", families.len());
    check(&output, 0, &agreed);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), agreed);

    let published = fs::read_to_string(data().join("tree-root.json")).unwrap();
    let root = tree::root_of(&[]).to_string();
    assert!(published.contains(&root));
    let other = if root.ends_with('0') { '1' } else { '0' };
    let changed = published.replace(&root, &format!("{}{other}", &root[..63]));
    let dir = lay_out([("tree-root.json", changed.into_bytes())]);
    check(&run(python, &["--vectors", dir.path().to_str().unwrap()]), 1, "Differing: 1 of ");
}

#[test]
fn an_unrelated_checker_finds_our_archive_intact_and_a_flipped_bit_in_each_of_its_files() {
    let Some(python) =
        python("an_unrelated_checker_finds_our_archive_intact_and_a_flipped_bit_in_each_of_its_files")
    else {
        return;
    };
    let small = Small::new();
    let dir = lay_out(small.files.clone());
    check(&small.run(python, dir.path()), 0, "Intact, as far as this program judges: all 8 records hold");
    for path in small.files.keys() {
        let dir = lay_out(small.files.clone());
        flip(&dir.path().join(path));
        check(&small.run(python, dir.path()), 1, "Broken: ");
    }
    let without_genesis = run(python, &[dir.path().to_str().unwrap(), "--key", &small.key]);
    check(&without_genesis, 3, "Consistent, not authenticated: ");
    fs::remove_file(dir.path().join("checkpoint")).unwrap();
    check(&small.run(python, dir.path()), 3, "Undecided: ");
    check(&run(python, &[]), 2, "usage: ");
    check(&small.run(python, &dir.path().join("nowhere")), 7, "cannot read: ");
}

#[test]
fn an_unrelated_checker_knows_which_of_a_logs_keys_had_to_sign() {
    let Some(python) = python("an_unrelated_checker_knows_which_of_a_logs_keys_had_to_sign") else { return };
    // At the end of that log only the last of its keys, 7, 8 and 9, is in force.
    let (last, every) = (Small::of("log-keys.json", &[9]), Small::of("log-keys.json", &[7, 8, 9]));
    for small in [&last, &every] {
        let dir = lay_out(small.files.clone());
        check(&small.run(python, dir.path()), 0, "Intact, as far as this program judges: all 8 records hold");
    }
    let anchored_in_the_first = Small { key: every.key, ..last };
    let dir = lay_out(anchored_in_the_first.files.clone());
    check(&anchored_in_the_first.run(python, dir.path()), 0, "Intact, ");
    let says = |small: &Small, code: &str| {
        let dir = lay_out(small.files.clone());
        let output = small.run(python, dir.path());
        check(&output, 1, "Broken: ");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("\n{code} at ")), "{code}: {said}");
    };
    says(&Small::of("log-keys.json", &[8, 7]), "checkpoint-signature-missing");
    says(&Small::of("log-keys.json", &[6]), "log-key-differs");
}

#[test]
fn an_unrelated_checker_reads_our_bundle_zipped_and_unpacked() {
    let Some(python) = python("an_unrelated_checker_reads_our_bundle_zipped_and_unpacked") else { return };
    let small = Small::new();
    let files = small.bundled();
    let intact = "Intact, as far as this program judges: all 8 records hold";
    let unpacked = lay_out(files.clone());
    check(&small.run(python, unpacked.path()), 0, intact);
    flip(&unpacked.path().join("README.html"));
    check(&small.run(python, unpacked.path()), 1, "Broken: ");

    let mut zip = ZipWriter::new(Vec::new());
    for (path, bytes) in &files {
        zip.add(path, bytes).unwrap();
    }
    let zipped = zip.finish().unwrap();
    let dir = lay_out([("bundle.zip", zipped.clone())]);
    let path = dir.path().join("bundle.zip");
    check(&small.run(python, &path), 0, intact);
    flip(&path);
    check(&small.run(python, &path), 1, "Broken: ");
    fs::write(&path, [&zipped[..], b"\0"].concat()).unwrap();
    check(&small.run(python, &path), 1, "Broken: ");
}

/// The codes that `check.py` names.
fn codes_of(output: &Output) -> BTreeSet<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().filter_map(|line| line.split_once(" at ")).map(|(code, _)| code.to_owned()).collect()
}

#[test]
fn an_unrelated_checker_names_what_is_missing_as_our_verifier_does() {
    let Some(python) = python("an_unrelated_checker_names_what_is_missing_as_our_verifier_does") else {
        return;
    };
    let small = Small::new();
    let archive: BTreeMap<String, Vec<u8>> =
        small.files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
    let bundle = small.bundled();
    let check = |files: &BTreeMap<String, Vec<u8>>, receipt: Option<&str>, due: &[&str]| {
        let dir = lay_out(files.clone());
        let shape = Shape::of(&DirFiles::new(dir.path())).unwrap().unwrap_or(Shape::Bundle);
        let outside = lay_out([("receipt", receipt.unwrap_or_default().as_bytes().to_vec())]);
        let path = outside.path().join("receipt");
        let given = Given {
            key: Some(VerifierKey::from_text(&small.key).unwrap()),
            genesis: Some(small.genesis.parse().unwrap()),
            receipts: receipt.map(|_| path.clone()).into_iter().collect(),
            ..Given::default()
        };
        let ours =
            verify_archive(&DirFiles::new(dir.path()), shape, &given.anchors().unwrap(), Options::default())
                .unwrap();
        let found: BTreeSet<String> = ours
            .found
            .keys()
            .filter(|code| code.class() != verify::Class::Conduct)
            .map(ToString::to_string)
            .collect();
        let due: BTreeSet<String> = due.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(found, due, "{ours}");
        let mut arguments =
            vec![dir.path().to_str().unwrap(), "--key", &small.key, "--genesis", &small.genesis];
        if receipt.is_some() {
            arguments.extend(["--receipt", path.to_str().unwrap()]);
        }
        let theirs = run(python, &arguments);
        assert_eq!(codes_of(&theirs), due, "{}", String::from_utf8_lossy(&theirs.stdout));
        assert_eq!(theirs.status.code(), Some(i32::from(ours.status())));
    };
    let without = |files: &BTreeMap<String, Vec<u8>>, path: &str| {
        let mut files = files.clone();
        assert!(files.remove(path).is_some());
        files
    };
    check(&archive, None, &[]);
    // The size is then that of the files, also where a narrower bundle holds only some of the records.
    let unsigned = without(&archive, "checkpoint");
    check(&unsigned, None, &["checkpoint-missing"]);
    check(&without(&unsigned, "tile/entries/000.p/8"), None, &["checkpoint-missing", "records-missing"]);
    let unlisted = without(&bundle, "MANIFEST");
    check(&unlisted, None, &["manifest-missing"]);
    let mut stray = unlisted.clone();
    stray.insert("other/file".to_owned(), b"?".to_vec());
    check(&stray, None, &["file-unexpected", "manifest-missing"]);
    // A receipt whose note nobody of this log has signed accuses nobody, whatever it says.
    let log: Value = serde_json::from_slice(&fs::read(data().join("log.json")).unwrap()).unwrap();
    let last = log["vectors"][0]["output"]["records"][7].as_str().unwrap();
    let hashes = [RecordHash::of(last.as_bytes()), RecordHash([7; 32])];
    let signer = Signer::new("trialbook.example/lupus-msct/receipts", SecretKey::from_bytes(&[77; 32]));
    let signer = signer.unwrap();
    for hash in hashes {
        let origin = "trialbook.example/lupus-msct";
        let signed = SignedReceipts::sign(origin, Position(7), &[hash], &signer).unwrap();
        let receipt = json!({"hash": hash, "note": signed.note, "path": signed.path(0).unwrap(), "seq": 7});
        check(&archive, Some(&receipt.to_string()), &["receipt-unusable"]);
    }
    let bare = json!({"hash": hashes[1], "seq": 7}).to_string();
    check(&archive, Some(&bare), &["receipt-not-honoured"]);
    let bare = json!({"hash": hashes[0], "seq": 7}).to_string();
    check(&archive, Some(&bare), &[]);
}
