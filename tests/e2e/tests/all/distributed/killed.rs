//! Each process killed under load and started again, and each fault of the servers: nothing acknowledged is lost or
//! doubled, and every report is that of a fresh replay and that of the file engine.

use std::ffi::OsString;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Http, Server, SmallTrial};
use nats_suite::{Fault, Servers};

use super::processes::{self, PATIENCE, Registry};
use super::{EVENTS, contacts};
use crate::evidence::text;

/// Who submit, each to one registrar first.
const SUBMITTERS: usize = 4;

/// Acknowledged before something happens, while it lasts, and after it.
const SOME: usize = 20;

/// The stream of the trial.
pub(super) const STREAM: &str = "trialbook-small";

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
pub(super) struct StopWhenDropped<'a>(pub(super) &'a AtomicBool);

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

/// A registry, and all that it has acknowledged since its trial was brought to the servers.
struct UnderTest {
    trial: SmallTrial,
    registry: Registry,
    acknowledged: Vec<Vec<u8>>,
    chance: Chance,
}

impl UnderTest {
    /// With every process at work.
    fn start(servers: Servers) -> Self {
        let (trial, mut registry) = Registry::moved(servers);
        registry.start_all();
        Self { trial, registry, acknowledged: Vec::new(), chance: Chance::from_environment() }
    }

    /// Records in the log.
    fn size(&self) -> u64 {
        12 + self.acknowledged.len() as u64
    }

    /// Loads both registrars while it happens, and holds what was acknowledged against the log. What happens is given
    /// the registry, and a way to wait until so many more are acknowledged, which says whether they are in the time.
    fn befalls(&mut self, what: &str, happens: impl FnOnce(&mut Registry, &dyn Fn(Duration) -> bool)) {
        let addresses = ["registrar-1", "registrar-2"].map(|name| self.registry.address(name));
        let (told, stop) = (Mutex::new(Told::default()), AtomicBool::new(false));
        let more_of = |count: usize, time: Duration| {
            let (begun, acknowledged) = (Instant::now(), || told.lock().unwrap().acknowledged.len());
            let due = acknowledged() + count;
            while acknowledged() < due && begun.elapsed() < time {
                thread::sleep(Duration::from_millis(5));
            }
            acknowledged() >= due
        };
        let more = |time: Duration| more_of(SOME, time);
        thread::scope(|scope| {
            for first in 0..SUBMITTERS {
                let (trial, addresses, told, stop) = (&self.trial, &addresses, &told, &stop);
                scope.spawn(move || submit(trial, addresses, first, told, stop));
            }
            let _stop = StopWhenDropped(&stop);
            assert!(more_of(self.chance.moment(), PATIENCE), "{what}: nothing is recorded before it");
            happens(&mut self.registry, &more);
            assert!(more(PATIENCE), "{what}: nothing is recorded after it");
        });
        let Told { acknowledged, submitted, longest, .. } = told.into_inner().unwrap();
        self.acknowledged.extend_from_slice(&acknowledged);
        let registrar = self.registry.http("registrar-1");
        let (lost, doubled) = processes::lost_and_doubled(registrar, self.size(), &acknowledged);
        eprintln!(
            "{what}: submitted {submitted}, acknowledged {}, lost {lost}, doubled {doubled}, longest unavailability {} ms",
            acknowledged.len(),
            longest.as_millis(),
        );
        assert_eq!((lost, doubled), (0, 0));
    }

    /// The projectors' reports are those of projectors that begin anew, and those of the file engine.
    fn ends(mut self) {
        let (size, registry) = (self.size(), &mut self.registry);
        registry.covering(size);
        let kinds = ["outcomes", "safety"];
        let of_all = |registry: &Registry| {
            kinds.map(|kind| processes::report_of(registry.http("console"), kind, size))
        };
        let reports = of_all(registry);
        for kind in kinds {
            registry.stop(kind);
            fs::remove_dir_all(registry.path(kind).join("trials")).unwrap();
            registry.start(kind);
        }
        assert_eq!(reports, of_all(registry), "a fresh replay makes other reports");
        registry.stop_all();

        let back = registry.path("back");
        registry.migrate(&registry.url(), text(&back)).ends_with(0);
        processes::copy_keys(&self.trial.data(), &back);
        let server = Server::start(&back);
        assert_eq!(processes::lost_and_doubled(&server, size, &self.acknowledged), (0, 0));
        let of_files = kinds.map(|kind| processes::report_of(&server, kind, size));
        assert_eq!(reports, of_files, "the file engine makes other reports");
        assert_eq!(server.stop(), 0);
    }
}

/// How often each thing happens, and when: `cargo xtask soak` has each happen often, in any order, at any moment.
struct Chance {
    rounds: Option<usize>,
}

impl Chance {
    fn from_environment() -> Self {
        let rounds = std::env::var_os("TRIALBOOK_FAULT_ROUNDS");
        let rounds = rounds.map(OsString::into_string).map(|rounds| rounds.unwrap().parse().unwrap());
        Self { rounds }
    }

    fn below(limit: usize) -> usize {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        usize::from_le_bytes(bytes) % limit
    }

    /// Each of these once, in their order; or as often as is asked for, in any order.
    fn of<T: Copy>(&self, each: &[T]) -> Vec<T> {
        let mut all = each.repeat(self.rounds.unwrap_or(1));
        if self.rounds.is_some() {
            // Fisher and Yates.
            for place in (1..all.len()).rev() {
                all.swap(place, Self::below(place + 1));
            }
        }
        all
    }

    /// After how many acknowledgements it happens.
    fn moment(&self) -> usize {
        if self.rounds.is_some() { SOME + Self::below(4 * SOME) } else { SOME }
    }
}

#[test]
fn whichever_process_is_killed_under_load_nothing_acknowledged_is_lost_or_doubled() {
    let Some(program) = nats_suite::nats_server(
        "distributed::whichever_process_is_killed_under_load_nothing_acknowledged_is_lost_or_doubled",
    ) else {
        return;
    };
    let mut test = UnderTest::start(Servers::start(&program, 1));
    for name in test.chance.of(&["registrar-1", "notary", "outcomes", "registrar-2", "safety"]) {
        test.befalls(&format!("{name} killed"), |registry, more| {
            registry.kill(name);
            // While it is down the others go on.
            assert!(more(PATIENCE), "nothing is recorded without {name}");
            registry.start(name);
        });
    }
    test.ends();
}

#[test]
fn whatever_befalls_three_servers_under_load_nothing_acknowledged_is_lost_or_doubled_and_reports_are_the_same()
 {
    let Some(program) = nats_suite::nats_server(
        "distributed::whatever_befalls_three_servers_under_load_nothing_acknowledged_is_lost_or_doubled_and_reports_are_the_same",
    ) else {
        return;
    };
    let mut test = UnderTest::start(Servers::start_divisible(&program));
    for fault in test.chance.of(&Fault::ALL) {
        test.befalls(&format!("{fault:?}"), |registry, more| {
            fault.strike(&mut registry.servers, STREAM, more);
        });
        // One at a time: two servers at once are more than a log on three of them is made for.
        test.registry.servers.await_whole(STREAM);
    }
    test.ends();
}
