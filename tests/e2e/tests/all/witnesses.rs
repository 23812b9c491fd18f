//! A log with three witnesses of which two have to cosign, each a process of its own that comes and goes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::{DEADLINE, Http, Run, SmallTrial, copy_dir, run, run_with_input, write};
use serde_json::Value;

use crate::evidence::{Running, log_key, sealed, text};
use crate::rotation::{next_key, revocation};
use crate::statements::{contact, with_subject};

/// The log's name.
const ORIGIN: &str = "localhost/small";

/// A witness and the process that serves it, while there is one.
struct Witness {
    verifier_key: String,
    /// What it is started with but for the address.
    arguments: Vec<String>,
    address: String,
    running: Option<Running>,
}

impl Witness {
    fn new(trial: &SmallTrial, name: &str) -> Self {
        let key = trial.beside().join(format!("{name}.key"));
        let made = run(["witness", "new-key", &format!("witness.example/{name}"), "--out", text(&key)]);
        let made = made.ends_with(0).out;
        let verifier_key = made.lines().find_map(|line| line.strip_prefix("verifier key  ")).unwrap();
        let state = trial.beside().join(format!("{name}.state"));
        let log = log_key(trial);
        let arguments = ["witness", "--key", text(&key), "--state", text(&state), "--log", &log, "--listen"];
        let mut witness = Self {
            verifier_key: verifier_key.to_owned(),
            arguments: arguments.map(str::to_owned).into(),
            address: "127.0.0.1:0".to_owned(),
            running: None,
        };
        witness.up();
        witness
    }

    /// Starts it where it was before.
    fn up(&mut self) {
        let arguments = self.arguments.iter().chain([&self.address]).map(String::as_str);
        let running = Running::start(&arguments.collect::<Vec<_>>());
        running.address().strip_prefix("http://").unwrap().clone_into(&mut self.address);
        self.running = Some(running);
    }

    /// Kills it.
    fn down(&mut self) {
        self.running = None;
    }
}

/// A trial that is served, and its three witnesses.
struct Witnessed {
    trial: SmallTrial,
    witnesses: [Witness; 3],
    policy: PathBuf,
    server: Running,
    http: Http,
}

impl Witnessed {
    fn new() -> Self {
        let trial = with_subject();
        let witnesses = ["one", "two", "three"].map(|name| Witness::new(&trial, name));
        let mut lines = format!("log {}\n", log_key(&trial));
        for (name, witness) in ["one", "two", "three"].iter().zip(&witnesses) {
            lines += &format!("witness {name} {} http://{}\n", witness.verifier_key, witness.address);
        }
        let policy = trial.beside().join("policy");
        write(&policy, lines + "group most 2 one two three\nquorum most\n");
        let data = trial.data();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data", text(&data), "--policy", text(&policy)];
        let server = Running::start(&serve);
        let http = Http::new(server.address());
        Self { trial, witnesses, policy, server, http }
    }

    fn evidence(&self) -> Value {
        self.http.get("/v1/trials/small/log").json()
    }

    /// Waits until the log's status is as wanted.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let evidence = self.evidence();
            if wanted(&evidence) {
                return evidence;
            }
            assert!(begun.elapsed() < DEADLINE, "{evidence}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn submit(&self, on: &str, options: &[&str]) -> Run {
        self.trial.submit_with("bo.wang", &contact("P1", on).to_string(), options)
    }

    /// How many witnesses have cosigned this file of the log.
    fn cosignatures(&self, file: &str) -> usize {
        let note = self.http.get(&format!("/v1/trials/small/log/{file}"));
        assert_eq!(note.status, 200, "{file}");
        note.text().matches("\n\u{2014} witness.example/").count()
    }

    /// Verifies a file with both anchors and the policy; what it says.
    fn verified(&self, path: &Path, status: i32) -> String {
        let key = log_key(&self.trial);
        let anchors = ["--genesis", &self.trial.genesis, "--key", &key, "--policy", text(&self.policy)];
        run([&["verify", text(path)], &anchors[..]].concat()).ends_with(status).out
    }
}

#[test]
fn two_witnesses_of_three_are_waited_for_and_one_alone_is_not_taken_for_them() {
    let mut log = Witnessed::new();
    let wait = ["--wait", "witnessed"];
    // All three are there, then two of them.
    let said = log.submit("2022-01-01", &wait).ends_with(0).out;
    assert!(said.contains("witnessed: as many as the policy asks for"), "{said}");
    log.witnesses[2].down();
    let said = log.submit("2022-02-01", &wait).ends_with(0).out;
    assert!(said.contains("have cosigned the checkpoint of 14 records"), "{said}");
    assert!(log.evidence()["witnessed"]["size"].as_u64() >= Some(14), "{}", log.evidence());
    assert!(log.cosignatures("witnessed") >= 2);

    // One is not enough: it is recorded, waited for to the end, and told.
    log.witnesses[1].down();
    let begun = Instant::now();
    let late = log.submit("2022-03-01", &["--wait", "witnessed", "--wait-at-most", "3"]).ends_with(3);
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert!(late.out.starts_with("recorded at position 14 "), "{}", late.out);
    assert!(!late.out.contains("witnessed"), "{}", late.out);
    let told = "recorded, and durable, but not waited for to the end: 1 of 3 witnesses have cosigned, fewer than the \
                policy asks for";
    assert!(late.err.contains(told), "{}", late.err);
    let evidence = log.evidence();
    assert_eq!((&evidence["checkpoint"]["size"], &evidence["witnessed"]["size"]), (&15.into(), &14.into()));
    assert_eq!((log.cosignatures("checkpoint"), log.cosignatures("witnessed")), (1, 2));
    // Sealed it is.
    log.submit("2022-04-01", &["--wait", "sealed"]).ends_with(0);

    // The second comes back, and cosigns what it has not seen.
    log.witnesses[1].up();
    let said = log.submit("2022-05-01", &wait).ends_with(0).out;
    assert!(said.contains("have cosigned the checkpoint of 17 records"), "{said}");
    let archive = log.trial.trial_dir().join("archive");
    assert!(log.verified(&archive, 0).starts_with("Intact: all 17 records hold"));
}

#[test]
fn a_witness_shows_over_http_what_it_has_cosigned_last() {
    let log = Witnessed::new();
    log.until(|evidence| evidence["witnesses"]["cosigned"] == 3 && evidence["checkpoint"]["size"] == 12);
    let served = log.http.get("/v1/trials/small/log/checkpoint").text().to_owned();
    for witness in &log.witnesses {
        let http = Http::new(&format!("http://{}", witness.address));
        let shown = http.get(&format!("/last-checkpoint?origin={}", ORIGIN.replace('/', "%2F")));
        assert_eq!((shown.status, shown.content_type.as_str()), (200, "text/plain; charset=utf-8"));
        // The log's own lines, and nobody's cosignature.
        let (signed, lines) = served.split_once("\n\n").unwrap();
        let own: Vec<_> =
            lines.lines().filter(|line| line.starts_with(&format!("\u{2014} {ORIGIN} "))).collect();
        assert_eq!(shown.text(), format!("{signed}\n\n{}\n", own.join("\n")));
        assert_eq!(http.get("/last-checkpoint?origin=localhost%2Fother").status, 404);
        assert_eq!(http.get("/last-checkpoint").status, 400);
    }
}

#[test]
fn a_data_directory_restored_from_before_a_change_of_the_logs_key_signs_nothing() {
    let trial = with_subject();
    let (old, backup) = (log_key(&trial), trial.beside().join("backup"));
    copy_dir(&trial.data(), &backup);
    let mut witness = Witness::new(&trial, "one");
    let policy = trial.beside().join("policy");
    let line = format!("witness one {} http://{}", witness.verifier_key, witness.address);
    write(&policy, format!("{line}\nquorum one\n"));
    let serve = |data: &Path| {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data", text(data), "--policy", text(&policy)];
        Running::start(&serve)
    };
    let cosigned = |server: &Running, size: u64| {
        let (http, begun) = (Http::new(server.address()), Instant::now());
        while http.get("/v1/trials/small/log").json()["witnessed"]["size"].as_u64() < Some(size) {
            assert!(begun.elapsed() < DEADLINE, "{}", http.get("/v1/trials/small/log").text());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let server = serve(&trial.data());
    cosigned(&server, 12);
    let (statement, new) = next_key(&trial, "log");
    let both = format!("{}\n{}", statement.trim_end(), revocation(&old, "replaced", &[]));
    trial.submit_with("sponsor.one", &both, &["--wait", "sealed"]).ends_with(0);
    // The witness has to be told: it sees no record.
    let http = Http::new(server.address());
    let doctor = trial.run(["doctor"]).ends_with(7).out;
    assert!(doctor.contains("a witness reads no records: if the log has changed its key"), "{doctor}");
    for argument in &mut witness.arguments {
        if *argument == old {
            argument.clone_from(&new);
        }
    }
    witness.down();
    witness.up();
    cosigned(&server, 14);
    assert_eq!(http.get("/v1/trials/small/log").json()["witnesses"]["cosigned"], 1);
    drop(server);

    let server = serve(&backup);
    let (key, next) = (trial.key("bo.wang"), contact("P1", "2022-01-01").to_string());
    let submit = ["submit", "-", "--data", text(&backup), "--key", text(&key), "--wait", "sealed"];
    let refused = run_with_input(submit, next.as_bytes()).ends_with(7);
    let why = "witness one is over 14 records and signed by no key that the journal names: the journal may be an older copy";
    assert!(
        refused.err.contains("no checkpoints are signed") && refused.err.contains(why),
        "{}",
        refused.err
    );
    assert!(run(["doctor", "--data", text(&backup)]).ends_with(7).out.contains(why));
    let served = Http::new(server.address()).get("/v1/trials/small/log/checkpoint");
    assert!(served.text().starts_with("localhost/small\n12\n"), "{}", served.text());
}

/// Passes connections on to `server`; when somebody asks for `line`, the first time, `first` happens before that is
/// passed on. Gives its address.
fn through(server: &str, line: &'static str, first: impl FnOnce() + Send + 'static) -> String {
    let server = server.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let first = Arc::new(Mutex::new(Some(first)));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                // Either side may have gone; what it has not read it does not want.
                let _ = std::io::copy(&mut back, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let first = Arc::clone(&first);
            std::thread::spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(count @ 1..) = client.read(&mut bytes) {
                    if bytes[..count].starts_with(line.as_bytes())
                        && let Some(happens) = first.lock().unwrap().take()
                    {
                        happens();
                    }
                    if server.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                let _ = server.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

#[test]
fn a_bundle_is_made_of_what_is_witnessed_though_more_is_sealed() {
    let mut log = Witnessed::new();
    log.submit("2022-01-01", &["--wait", "witnessed"]).ends_with(0);
    log.until(|evidence| evidence["witnessed"]["size"] == 13);
    // When the reports are made nobody witnesses any more, and the log goes on.
    for witness in &mut log.witnesses {
        witness.down();
    }
    let (server, key) = (log.server.address().to_owned(), log.trial.key("bo.wang"));
    let next = contact("P1", "2022-02-01").to_string();
    let at = server.clone();
    let more = move || {
        let submit = ["submit", "-", "--server", &at, "--key", text(&key)];
        run_with_input(submit, next.as_bytes()).ends_with(0);
        sealed(&Http::new(&at), 14);
    };
    let between = through(&server, "GET /v1/trials/small/log ", more);
    let out = log.trial.beside().join("bundle.zip");
    let export = ["export", "bundle", "--server", &between, "--out", text(&out)];
    let said = run(export).ends_with(0);
    assert!(said.out.contains("13 records of localhost/small"), "{}", said.out);
    assert!(!said.err.contains("not witnessed"), "{}", said.err);
    let evidence = log.evidence();
    assert_eq!((&evidence["checkpoint"]["size"], &evidence["witnessed"]["size"]), (&14.into(), &13.into()));
    assert!(log.verified(&out, 0).starts_with("Intact: all 13 records hold"));

    // What the reports cover now nobody has witnessed: that is told, and whoever asks for a quorum finds it short.
    let out = log.trial.beside().join("unwitnessed.zip");
    let said = run(["export", "bundle", "--server", &server, "--out", text(&out)]).ends_with(0);
    assert!(said.err.contains("not witnessed: 0 of 3 witnesses have cosigned"), "{}", said.err);
    assert!(log.verified(&out, 3).contains("quorum-short"));
}
