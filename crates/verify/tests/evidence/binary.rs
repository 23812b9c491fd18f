//! The binary from outside: files in, one sentence and a status out.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

use crate::archive::{Memory, checkpoint, log_signer, policy, small};
use crate::support::Log;

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().write_all(bytes).unwrap();
}

pub(crate) fn write_all(dir: &Path, files: &Memory) {
    for (path, bytes) in &files.files {
        write(&dir.join(path), bytes);
    }
}

struct Place {
    dir: TempDir,
    log: Log,
}

impl Place {
    /// A small log as an archive, as a bundle and as the directory that a bundle is unpacked into.
    fn new() -> Self {
        let (log, archive) = small();
        let place = Self { dir: tempfile::tempdir().unwrap(), log };
        write_all(&place.at("trial/archive"), &archive);
        write_all(&place.at("unpacked"), &archive.bundled());
        write_all(&place.at("mirror/log"), &archive);
        write(&place.at("mirror/seen"), b"");
        write(&place.at("bundle.zip"), &archive.bundled().zip());
        write(&place.at("policy"), policy(2).to_string().as_bytes());
        place
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    /// Runs the binary in the directory; gives status, answer and complaint.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_trialbook-verify"))
            .current_dir(self.dir.path())
            .args(arguments)
            .timeout(Duration::from_mins(1))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs it with the key and the genesis.
    fn verify(&self, arguments: &[&str]) -> (i32, String) {
        let (key, genesis) = (self.log.verifier.to_string(), self.log.genesis.to_string());
        let anchors = ["--key", &key, "--genesis", &genesis];
        let (status, answer, complaint) = self.run(&[arguments, &anchors].concat());
        assert_eq!(complaint, "");
        (status, answer)
    }
}

#[test]
fn the_same_log_is_intact_in_each_shape_it_can_be_handed_over_in() {
    let place = Place::new();
    for path in ["bundle.zip", "unpacked", "trial/archive", "trial", "mirror"] {
        let (status, answer) = place.verify(&[path, "--policy", "policy"]);
        assert_eq!(status, 0, "{path}: {answer}");
        let sentence = "Intact: all 17 records hold, back to the known genesis, under the checkpoint that the log \
                        signed, cosigned by 2 witnesses as the policy asks.\n";
        assert!(answer.starts_with(sentence), "{answer}");
    }
    let (status, answer, _) = place.run(&["bundle.zip"]);
    assert!(status == 3 && answer.starts_with("Consistent, not authenticated"), "{answer}");
}

#[test]
fn the_answer_as_json_is_the_whole_report() {
    let place = Place::new();
    let (status, answer) = place.verify(&["bundle.zip", "--policy", "policy", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &report["verdict"]), (0, &"intact".into()));
    assert_eq!(report["sealed"]["checkpoint"]["cosigned"][1]["witness"], "regulator");
    assert_eq!(report["covers"]["known_size"], 17);
    assert_eq!(report["strict"], false);
}

#[test]
fn what_is_known_from_elsewhere_is_brought_as_files() {
    let place = Place::new();
    let log = &place.log;
    write(&place.at("earlier"), checkpoint(&log.records[..9], &log_signer(1)).to_string().as_bytes());
    let receipt = |hash| serde_json::json!({"seq": 9, "hash": hash, "trial": "lupus"}).to_string();
    write(&place.at("receipt"), receipt(log.hash(9)).as_bytes());
    write(&place.at("another"), receipt(log.hash(8)).as_bytes());
    let head = format!("17:{}", log.chain.head);
    let (status, answer) =
        place.verify(&["bundle.zip", "--checkpoint", "earlier", "--receipt", "receipt", "--known", &head]);
    assert_eq!(status, 0, "{answer}");
    let (status, answer) = place.verify(&["bundle.zip", "--receipt", "another"]);
    assert!(status == 1 && answer.contains("record 9: receipt-not-honoured"), "{answer}");
    let forged = Log::running(1);
    write(&place.at("other"), checkpoint(&forged.records[..7], &log_signer(1)).to_string().as_bytes());
    let (status, _) = place.verify(&["bundle.zip", "--checkpoint", "other"]);
    assert_eq!(status, 0, "both logs begin with the same seven records");
    write(
        &place.at("other"),
        checkpoint(&Log::of_every_kind(2).records, &log_signer(1)).to_string().as_bytes(),
    );
    let (status, answer) = place.verify(&["bundle.zip", "--checkpoint", "other"]);
    assert!(status == 1 && answer.contains("Fork, the checkpoint known:"), "{answer}");
}

#[test]
fn wrong_usage_and_unreadable_files_have_their_own_status() {
    let place = Place::new();
    write(&place.at("nothing/here"), b"");
    write(&place.at("text"), b"no zip");
    assert_eq!(place.run(&["bundle.zip", "--genesis", "12"]).0, 2);
    assert_eq!(place.run(&["bundle.zip", "--key", "12"]).0, 2);
    assert_eq!(place.run(&["bundle.zip", "--policy", "text"]).0, 2);
    assert_eq!(place.run(&["nothing"]).0, 2);
    assert_eq!(place.run(&["gone.zip"]).0, 7);
    assert_eq!(place.run(&["bundle.zip", "--policy", "gone"]).0, 7);
    // What is there and is no bundle is no evidence of anything but that.
    let (status, answer, _) = place.run(&["text"]);
    assert!(status == 1 && answer.contains("zip-malformed"), "{answer}");
}

#[test]
fn a_vast_sparse_file_as_a_tile_is_answered_at_once() {
    let place = Place::new();
    for tile in
        ["trial/archive/tile/0/000.p/17", "trial/archive/tile/entries/000.p/11", "trial/archive/checkpoint"]
    {
        let file = File::options().write(true).open(place.at(tile)).unwrap();
        file.set_len(10 << 30).unwrap();
    }
    let (status, answer) = place.verify(&["trial"]);
    assert_eq!(status, 1);
    for found in ["checkpoint-malformed", "wrong-tile", "entry-bundle-malformed"] {
        assert!(answer.contains(found), "{answer}");
    }
}

#[test]
fn anybodys_unzip_opens_a_bundle() {
    let place = Place::new();
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint(len(z.namelist()))";
    let python =
        std::process::Command::new("python3").args(["-c", script]).arg(place.at("bundle.zip")).output();
    match python {
        Ok(output) => assert_eq!(String::from_utf8(output.stdout).unwrap(), "11\n"),
        Err(error) => println!("skipped: python3 cannot be run: {error}"),
    }
}

#[test]
fn an_unpacked_bundle_whose_list_is_gone_is_no_mere_log() {
    let place = Place::new();
    for beside in ["keys/genesis", "reports/notes.txt", "README.html"] {
        let dir = format!("no-list/{}", &beside[..4]);
        write_all(&place.at(&dir), &small().1.bundled());
        fs::remove_file(place.at(&dir).join("MANIFEST")).unwrap();
        write(&place.at(&dir).join(beside), b"whatever");
        let (status, answer) = place.verify(&[&dir]);
        assert!(status == 3 && answer.contains("manifest-missing"), "{beside}: {status} {answer}");
    }
}
