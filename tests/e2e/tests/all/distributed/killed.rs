//! Each process killed under load and started again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Http, Server, SmallTrial};

use super::processes::{self, Registry};
use super::{EVENTS, contacts};
use crate::evidence::text;
use crate::statements::with_subject;

/// Who submit, each to one registrar first.
const SUBMITTERS: usize = 4;

/// How long a submission may remain without an answer while something is killed now and then.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the submitters tell.
#[derive(Default)]
struct Told {
    acknowledged: Vec<Vec<u8>>,
    submitted: usize,
    last: Option<Instant>,
    longest: Duration,
}

impl Told {
    fn acknowledge(&mut self, submission: Vec<u8>) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.longest = self.longest.max(now - last);
        }
        self.acknowledged.push(submission);
    }
}

/// Tells the submitters to stop, also where the test has failed: it could not end else.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Submits until told to stop; each submission until it is answered, at the other registrar when one is away.
fn submit(trial: &SmallTrial, addresses: &[String], first: usize, told: &Mutex<Told>, stop: &AtomicBool) {
    let registrars: Vec<Http> = addresses.iter().map(|address| Http::new(address)).collect();
    while !stop.load(Ordering::SeqCst) {
        let submission = contacts(trial, 1).remove(0);
        told.lock().unwrap().submitted += 1;
        let begun = Instant::now();
        for turn in first.. {
            let registrar = &registrars[turn % registrars.len()];
            match registrar.try_post(EVENTS, "application/json", submission.clone()) {
                Ok(reply) if reply.status == 200 || reply.status == 201 => break,
                Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
                // It is down, or was killed: what became of it is asked of the other.
                Err(_) => {}
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answers");
            thread::sleep(Duration::from_millis(20));
        }
        told.lock().unwrap().acknowledge(submission);
    }
}

#[test]
fn whichever_process_is_killed_under_load_nothing_acknowledged_is_lost_or_doubled() {
    let Some(program) = nats_suite::nats_server(
        "distributed::whichever_process_is_killed_under_load_nothing_acknowledged_is_lost_or_doubled",
    ) else {
        return;
    };
    let trial = with_subject();
    let mut registry = Registry::new(&program, "");
    registry.migrate(text(&trial.data()), &registry.url()).ends_with(0);
    registry.carry_keys(&trial);
    registry.start_all();
    let addresses = ["registrar-1", "registrar-2"].map(|name| registry.address(name));
    let (told, stop) = (Mutex::new(Told::default()), AtomicBool::new(false));
    let acknowledged = || told.lock().unwrap().acknowledged.len();
    thread::scope(|scope| {
        for first in 0..SUBMITTERS {
            let (trial, addresses, told, stop) = (&trial, &addresses, &told, &stop);
            scope.spawn(move || submit(trial, addresses, first, told, stop));
        }
        let _stop = StopWhenDropped(&stop);
        for name in ["registrar-1", "notary", "outcomes", "registrar-2", "safety"] {
            let before = acknowledged();
            let begun = Instant::now();
            // It is killed while others are answered, and while it is down they go on.
            for due in [before + 20, before + 40] {
                while acknowledged() < due && begun.elapsed() < PATIENCE {
                    thread::sleep(Duration::from_millis(5));
                }
                if due == before + 20 {
                    registry.kill(name);
                }
            }
            registry.start(name);
        }
    });
    let told = told.into_inner().unwrap();
    let size = 12 + told.acknowledged.len() as u64;
    registry.covering(size);
    let reports =
        ["outcomes", "safety"].map(|kind| processes::report_of(registry.http("console"), kind, size));
    registry.stop_all();

    // A fresh replay, on files.
    let back = registry.path("back");
    registry.migrate(&registry.url(), text(&back)).ends_with(0);
    processes::copy_keys(&trial.data(), &back);
    let server = Server::start(&back);
    let (lost, doubled) = processes::lost_and_doubled(&server, size, &told.acknowledged);
    eprintln!(
        "submitted {}, acknowledged {}, lost {lost}, doubled {doubled}, longest unavailability {} ms",
        told.submitted,
        told.acknowledged.len(),
        told.longest.as_millis(),
    );
    assert_eq!((lost, doubled), (0, 0));
    let replayed = ["outcomes", "safety"].map(|kind| processes::report_of(&server, kind, size));
    assert_eq!(reports, replayed);
    assert_eq!(server.stop(), 0);
}
