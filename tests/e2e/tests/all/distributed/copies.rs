//! Each server's copy of a log, held against the others' by the notary.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use nats_suite::{Raw, Servers};

use super::killed::STREAM;
use super::processes::{PATIENCE, Registry};

/// What the notary has found of the servers' copies: for each whether it was not whole.
fn faulty_copies(registry: &Registry) -> BTreeMap<String, bool> {
    let metrics = registry.http("notary").get("/metrics");
    let lines = metrics.text().lines().filter(|line| line.starts_with("trialbook_replica_faulty{"));
    let copy = |line: &str| Some((line.split_once("server=\"")?.1[..2].to_owned(), line.ends_with(" 1")));
    lines.filter_map(copy).collect()
}

/// Waits until the notary has found that the copies in `due` are not whole, and the others are.
fn finds(registry: &Registry, due: &[&str]) {
    let due: BTreeMap<String, bool> =
        ["n1", "n2", "n3"].map(|server| (server.to_owned(), due.contains(&server))).into();
    let begun = Instant::now();
    while faulty_copies(registry) != due {
        assert!(begun.elapsed() < PATIENCE, "{:?}, not {due:?}", faulty_copies(registry));
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_notary_tells_which_servers_copy_is_not_whole() {
    let Some(program) =
        nats_suite::nats_server("distributed::the_notary_tells_which_servers_copy_is_not_whole")
    else {
        return;
    };
    let (_trial, mut registry) = Registry::moved(Servers::start(&program, 3));
    registry.servers.await_whole(STREAM);
    registry.start("notary");
    finds(&registry, &[]);
    // It looks when it starts; a copy that cannot be read is none.
    registry.stop("notary");
    let leader =
        registry.servers.index_of(&registry.servers.leader(&Raw::connect(registry.servers.port(0)), STREAM));
    let follower = (leader + 1) % 3;
    registry.servers.kill(follower);
    registry.start("notary");
    finds(&registry, &[["n1", "n2", "n3"][follower]]);
    let ready = registry.http("notary").get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.text());
    let told = registry.http("notary").get("/readyz").text().to_owned();
    assert!(told.contains(&format!("small: copy on n{}", follower + 1)), "{told}");
    registry.stop("notary");
}
