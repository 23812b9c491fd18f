//! Backups of a log on servers, made beside whoever writes, restored into empty servers; and that nobody signs for a log
//! that was put back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use e2e::Http;
use nats_suite::Servers;

use super::processes::{PATIENCE, Registry, copy_keys, head_and_root};
use super::{EVENTS, contacts};
use crate::evidence::text;

/// Submits each of these; all are recorded.
fn record(http: &Http, submissions: &[Vec<u8>]) {
    for submission in submissions {
        let reply = http.post(EVENTS, "application/json", submission.as_slice());
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
}

/// Waits until a process has logged `what`.
fn said(registry: &Registry, name: &str, what: &str) {
    let begun = Instant::now();
    while !registry.log(name).contains(what) {
        assert!(begun.elapsed() < PATIENCE, "{name} does not say {what:?}:\n{}", registry.log(name));
        thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_backup_is_restored_whole_and_an_older_one_is_never_signed_for() {
    let Some(program) = nats_suite::nats_server(
        "distributed::a_backup_is_restored_whole_and_an_older_one_is_never_signed_for",
    ) else {
        return;
    };
    let (trial, mut registry) = Registry::moved(Servers::start(&program, 1));
    registry.start("registrar-1");
    registry.start("notary");

    // Beside a registrar that writes: the backup holds what was there when it came to the log's end.
    let backup = registry.path("backup");
    let (first, address) = (contacts(&trial, 100), registry.address("registrar-1"));
    let done = AtomicBool::new(false);
    let (backed_up, written) = thread::scope(|scope| {
        let (done, first) = (&done, &first);
        let writer = scope.spawn(move || {
            let http = Http::new(&address);
            let until = first.iter().take_while(|_| !done.load(Ordering::SeqCst));
            until.inspect(|one| record(&http, std::slice::from_ref(*one))).count()
        });
        let made = registry.command(&["backup", "--out", text(&backup)]);
        done.store(true, Ordering::SeqCst);
        (made.ends_with(0).out, writer.join().unwrap())
    });
    let (head, root) = head_and_root(&backed_up);
    registry.command(&["backup", "--out", text(&backup)]).ends_with(7);

    // More is recorded, and signed for.
    let later = contacts(&trial, 5);
    record(registry.http("registrar-1"), &later);
    let size = 12 + written as u64 + 5;
    crate::evidence::sealed(registry.http("notary"), size);
    registry.stop_all();

    // The restored log is what was backed up; restored again, nothing is to do.
    registry.go_to(Servers::start(&program, 1));
    for _ in 0..2 {
        let restored = registry.command(&["restore", text(&backup)]).ends_with(0).out;
        assert_eq!(head_and_root(&restored), (head.clone(), root.clone()), "{restored}");
    }

    // The notary has signed for more than that, and knows it.
    registry.start("notary");
    said(&registry, "notary", "were durable once");
    let checkpoint = || registry.http("notary").get("/v1/trials/small/log/checkpoint");
    assert_eq!(checkpoint().status, 503, "{}", checkpoint().text());
    registry.stop("notary");

    // Nor when others have taken the restored log beyond the size that it has signed for.
    std::fs::remove_dir_all(registry.path("registrar-1")).unwrap();
    copy_keys(&trial.data(), &registry.path("registrar-1"));
    registry.start("registrar-1");
    let covered =
        || registry.http("registrar-1").get("/v1/trials/small").json()["covers"]["records"].as_u64();
    let missing = usize::try_from(size - covered().unwrap()).unwrap();
    record(registry.http("registrar-1"), &contacts(&trial, missing + 3));
    assert_eq!(covered(), Some(size + 3));
    registry.start("notary");
    let begun = Instant::now();
    let evidence = loop {
        let evidence = registry.http("notary").get("/v1/trials/small/log").json();
        if evidence["refused"].is_string() {
            break evidence;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "the notary does not refuse: {evidence}\n{}",
            registry.log("notary")
        );
        thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_ne!(evidence["checkpoint"]["size"], size + 3, "{evidence}");
    eprintln!("the notary refuses: {}", evidence["refused"]);
    registry.stop_all();

    // A backup in which a byte differs is not restored.
    let segment = backup.join("trials/small/journal/0000000000.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(9).position(|window| window == b"\"contact\"").unwrap();
    bytes[place + 1] ^= 1;
    e2e::write(&segment, bytes);
    registry.go_to(Servers::start(&program, 1));
    let refused = registry.command(&["restore", text(&backup)]);
    assert_ne!(refused.status, 0, "{}", refused.out);
    assert!(!refused.out.contains("equal to the backup"), "{}", refused.out);
}
