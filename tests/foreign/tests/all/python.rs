//! Python's `aics-tlog` and `aics-witness` audit our logs, cosign our checkpoints, and ask our witness.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chain::SignedCheckpoint;
use chain::note::VerifierKey;
use chain::policy::Policy;
use e2e::{DEADLINE, Http, Server, SmallTrial, run};
use foreign::{Log, ORIGIN, skipped};
use verify::{Anchors, DirFiles, Options, Shape, Verdict, verify_archive};

use crate::running::Running;

/// A Python that has both packages, or a line in the log of what was skipped. Whoever knows that this machine has no
/// Python new enough for them says so by an empty variable.
fn python(test: &str) -> Option<PathBuf> {
    match std::env::var_os("TRIALBOOK_AICS_PYTHON") {
        Some(python) if python.is_empty() => {
            eprintln!("no Python that aics-tlog and aics-witness run on");
            None
        }
        Some(python) => Some(python.into()),
        None => {
            skipped(test, "TRIALBOOK_AICS_PYTHON is not set");
            None
        }
    }
}

/// A script of ours with its arguments: its status and what it says.
fn script(python: &Path, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name);
    let output = Command::new(python).arg("-B").arg(path).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Waits until the checkpoint at `address` covers `size` records and `enough` is true of it.
fn checkpoint(address: &str, size: u64, enough: impl Fn(&str) -> bool) -> String {
    let (http, begun) = (Http::new(address), Instant::now());
    loop {
        let reply = http.get("/v1/trials/small/log/checkpoint");
        let note = reply.text();
        if reply.status == 200 && note.lines().nth(1) == Some(&size.to_string()) && enough(note) {
            return note.to_owned();
        }
        assert!(begun.elapsed() < DEADLINE, "{} {note}", reply.status);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_python_auditor_walks_every_tile_and_bundle_of_ours_and_notices_a_flipped_bit() {
    let Some(python) =
        python("a_python_auditor_walks_every_tile_and_bundle_of_ours_and_notices_a_flipped_bit")
    else {
        return;
    };
    let audit = |log: &Log| {
        let archive = log.archive();
        let older = log.checkpoints.iter().map(|path| text(path));
        let arguments: Vec<_> = [text(&archive), &log.key].into_iter().chain(older).collect();
        script(&python, "audit.py", &arguments)
    };
    let said = audit(&Log::sealed(&[1, 255, 256, 257, 65_536, 70_000]));
    assert_eq!(said, (Some(0), "holds: 70000 records, 277 tiles, 274 bundles, 6 older\n".to_owned()));

    let log = Log::sealed(&[1, 256, 700]);
    assert_eq!(audit(&log).0, Some(0));
    let in_archive = ["0/001", "0/002.p/188", "1/000.p/2", "entries/000", "entries/002.p/188"];
    let archive = log.archive();
    let tiles = in_archive.iter().map(|path| archive.join("tile").join(path));
    for path in tiles.chain([archive.join("checkpoint"), log.checkpoints[1].clone()]) {
        let bytes = fs::read(&path).unwrap();
        let mut altered = bytes.clone();
        let middle = bytes.len() / 2;
        altered[middle] ^= 1;
        e2e::write(&path, &altered);
        let (status, said) = audit(&log);
        assert_eq!(status, Some(1), "{}: {said}", path.display());
        assert!(said.starts_with("does not hold: "), "{}: {said}", path.display());
        e2e::write(&path, &bytes);
    }
}

#[test]
fn a_python_auditor_reads_a_log_as_our_server_serves_it() {
    let Some(python) = python("a_python_auditor_reads_a_log_as_our_server_serves_it") else { return };
    let trial = SmallTrial::new();
    let server = Server::start(&trial.data());
    let note = checkpoint(&server.address, SmallTrial::RECORDS, |_| true);
    let (url, key) = (format!("{}/v1/trials/small/log", server.address), log_key(&trial));
    let said = script(&python, "audit.py", &[&url, &key]);
    assert_eq!(said, (Some(0), "holds: 8 records, 1 tiles, 1 bundles, 0 older\n".to_owned()));
    // The same log by another name is not the one that was asked for.
    let other = Log::sealed(&[1]).key;
    let (status, said) = script(&python, "audit.py", &[&url, &other]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("origin mismatch"), "{said} {note}");
}

/// The log's verifier key.
fn log_key(trial: &SmallTrial) -> String {
    fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap().trim_end().to_owned()
}

#[test]
fn a_python_witness_cosigns_our_checkpoints_and_our_verifier_counts_it() {
    let Some(python) = python("a_python_witness_cosigns_our_checkpoints_and_our_verifier_counts_it") else {
        return;
    };
    let trial = SmallTrial::new();
    let log = log_key(&trial);
    let origin = log.split('+').next().unwrap();
    let config = trial.beside().join("witness.json");
    let witness = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-B", "-m", "aics_witness"]).args(arguments).args(["--config", text(&config)]);
        command
    };
    let done = |arguments: &[&str]| {
        let output = witness(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let named = ["init", "--name", "witness.example/python", "--listen", "127.0.0.1:0"];
    let key = done(&named).trim_end().to_owned();
    done(&["add-log", "--origin", origin, "--vkey", &log]);
    let running = Running::start(&mut witness(&["serve"]));
    let policy = format!("log {log}\nwitness one {key} {}\nquorum one\n", running.address);
    let file = trial.beside().join("policy");
    e2e::write(&file, &policy);

    let mut serve = Command::new(e2e::trialbook());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(trial.data());
    let server = Running::start(serve.arg("--policy").arg(&file).env("TRIALBOOK_LOG", "error"));
    let is_cosigned = |note: &str| note.contains("\n\u{2014} witness.example/python ");
    checkpoint(&server.address, SmallTrial::RECORDS, is_cosigned);
    // A second one, which the witness has to be shown to continue the first.
    let site = serde_json::json!({"kind": "site_activated", "site": "S03", "data": {
        "country": "CN", "name": "Hospital S03", "zone": "Asia/Shanghai"
    }});
    trial.submit("sponsor.one", &site.to_string()).ends_with(0);
    checkpoint(&server.address, SmallTrial::RECORDS + 1, is_cosigned);

    let verified = |policy: &str| {
        let anchors = Anchors {
            genesis: Some(trial.genesis.parse().unwrap()),
            log_key: Some(VerifierKey::from_text(&log).unwrap()),
            policy: Some(Policy::parse(policy.as_bytes()).unwrap()),
            ..Anchors::default()
        };
        let files = DirFiles::new(trial.trial_dir().join("archive"));
        verify_archive(&files, Shape::Archive, &anchors, Options::default()).unwrap()
    };
    let report = verified(&policy);
    assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
    let other = policy.replace(&key, &another_witness(&trial));
    let report = verified(&other);
    assert_ne!(report.verdict, Verdict::Intact, "{report:?}");
}

/// The key of a witness whom nobody asks.
fn another_witness(trial: &SmallTrial) -> String {
    let file = trial.beside().join("other.key");
    let made = run(["witness", "new-key", "witness.example/other", "--out", text(&file)]).ends_with(0).out;
    made.lines().find_map(|line| line.strip_prefix("verifier key  ")).unwrap().to_owned()
}

#[test]
fn a_python_log_has_our_witness_cosign_and_checks_its_cosignatures() {
    let Some(python) = python("a_python_log_has_our_witness_cosign_and_checks_its_cosignatures") else {
        return;
    };
    let log = Log::sealed(&[1, 256, 700]);
    let dir = tempfile::tempdir().unwrap();
    let (key, state) = (dir.path().join("witness.key"), dir.path().join("state"));
    let made = run(["witness", "new-key", "witness.example/ours", "--out", text(&key)]).ends_with(0).out;
    let verifier = made.lines().find_map(|line| line.strip_prefix("verifier key  ")).unwrap();
    let mut command = Command::new(e2e::trialbook());
    command.args(["witness", "--listen", "127.0.0.1:0", "--key", text(&key), "--state", text(&state)]);
    let witness = Running::start(command.args(["--log", &log.key]));
    let (archive, checkpoints) = (log.archive(), log.checkpoints.iter().map(|path| text(path)));
    let arguments = [text(&archive), &log.key, &witness.address, verifier];
    let arguments: Vec<_> = arguments.into_iter().chain(checkpoints).collect();
    let (status, said) = script(&python, "feed.py", &arguments);
    // Their client warns of the refusal, after that.
    assert!(said.starts_with("cosigned: 3 checkpoints; refused: [403, 409]\n"), "{said}");
    assert_eq!(status, Some(0), "{said}");

    // What their client made of it is what ours reads.
    let logs = [VerifierKey::from_text(&log.key).unwrap()];
    let witnesses = [VerifierKey::cosigner_from_text(verifier).unwrap()];
    for (path, size) in log.checkpoints.iter().zip([1, 256, 700]) {
        let cosigned = fs::read(format!("{}.cosigned", text(path))).unwrap();
        let trusted = SignedCheckpoint::parse(&cosigned).unwrap().verify(&logs, &witnesses).unwrap();
        assert_eq!((trusted.checkpoint.origin(), trusted.checkpoint.size.0), (ORIGIN, size));
        assert_eq!(trusted.cosignatures.len(), 1);
    }
}
