//! What happens to one server's disk: a bit of it flips, or it is full. The audit names the server, no reader skips a
//! record, and the repair of docs/guide/operator.md brings it back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chain::{LinkedRecord, Position};
use journal::conformance::record;
use journal::{Head, Journal as _, ReadError};
use journal_nats::{Cluster, Fault, NatsJournal, ReplicaAudit};
use nats_suite::{Load, Raw, Servers, nats_server, skipped};

const TRIAL: &str = "lupus";
const STREAM: &str = "trialbook-lupus";

fn leader(servers: &Servers) -> usize {
    let raw = Raw::connect(servers.port(0));
    servers.index_of(&servers.leader(&raw, STREAM))
}

/// Audits until `is_good`, which it has to become.
fn audit_until(journal: &NatsJournal, is_good: impl Fn(&[ReplicaAudit]) -> bool) -> Vec<ReplicaAudit> {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let audits = journal.audit();
        match audits {
            Ok(audits) if is_good(&audits) => return audits,
            audits => assert!(Instant::now() < deadline, "{audits:?}"),
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn is_whole(audits: &[ReplicaAudit], size: u64) -> bool {
    audits.len() == 3 && audits.iter().all(|audit| audit.faults.is_empty() && audit.records == size)
}

/// Reads the whole log; `Err` with the place where it is damaged.
fn read_whole(journal: &NatsJournal) -> Result<Vec<LinkedRecord>, ReadError> {
    let mut records: Vec<LinkedRecord> = Vec::new();
    loop {
        let more = journal.read(Position(records.len() as u64), usize::MAX)?;
        if more.is_empty() {
            return Ok(records);
        }
        records.extend(more);
    }
}

#[test]
fn a_flipped_bit_on_one_server_is_named_by_the_audit_skipped_by_no_reader_and_repaired() {
    let test = "a_flipped_bit_on_one_server_is_named_by_the_audit_skipped_by_no_reader_and_repaired";
    let Some(program) = nats_server(test) else { return };
    let mut servers = Servers::start(&program, 3);
    let journal = NatsJournal::create(&servers.connect(), TRIAL, 3).unwrap();
    let mut head = Head::EMPTY;
    let mut appended = Vec::new();
    // Enough to be read through a consumer.
    for _ in 0..10 {
        let records: Vec<_> = (head.size.0..head.size.0 + 1_000).map(|seq| record(seq, 300)).collect();
        head = journal.append(head, &records).unwrap();
        appended.extend(records);
    }
    audit_until(&journal, |audits| is_whole(audits, 10_000));

    // Ended in order, so that the server has nothing to make its copy again from but the block.
    let victim = (leader(&servers) + 1) % 3;
    let name = format!("n{}", victim + 1);
    servers.stop(victim);
    let block = servers.blocks(victim, STREAM).remove(0);
    let mut bytes = fs::read(&block).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(&block, &bytes);
    servers.start_node(victim);

    let faulty = |audits: &[ReplicaAudit]| audits.iter().any(|audit| lost(audit).is_some());
    let audits = audit_until(&journal, faulty);
    let place = audits.iter().find_map(lost).unwrap();
    assert!((4_000..6_000).contains(&place.0), "{place:?}");
    for audit in &audits {
        assert_eq!(audit.faults.is_empty(), audit.server != name, "{audit:?}");
    }

    let near = Cluster::connect(&Servers::options_by(&[servers.port(victim)])).unwrap();
    let near = NatsJournal::open(&near, TRIAL, 3).unwrap();
    let mut noticed = 0;
    for _ in 0..40 {
        match read_whole(&near) {
            Ok(records) => assert!(records == appended, "a reader has other records"),
            Err(ReadError::Damaged { seq, place: said, .. }) => {
                assert_eq!(seq, place);
                assert_eq!(said, format!("stream {STREAM}, sequence {}", place.0 + 1));
                noticed += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("{test}: record {place} lost on {name}; {noticed} of 40 readers met it");
    // Each reads from one of the three by chance, so that none meets it with a probability of (2/3)^40, below 10^-7.
    assert!(noticed > 0);

    // The repair: the others are whole, so this one may forget everything and be told anew.
    servers.stop(victim);
    fs::remove_dir_all(servers.store(victim)).unwrap();
    servers.start_node(victim);
    audit_until(&journal, |audits| is_whole(audits, 10_000));
    assert!(read_whole(&near).unwrap() == appended);
    journal.append(head, &[record(10_000, 10)]).unwrap();
}

fn lost(audit: &ReplicaAudit) -> Option<Position> {
    audit.faults.iter().find_map(|fault| if let Fault::Lost { seq, .. } = fault { Some(*seq) } else { None })
}

/// A file system of its own in memory; away when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where one may not make any.
    fn mount(path: PathBuf, mib: u32) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(path))
    }

    /// Writes a file that leaves no room.
    fn fill(&self) {
        let mut filler = fs::File::create(self.0.join("filler")).unwrap();
        for step in [vec![0; 1 << 20], vec![0; 1 << 10], vec![0; 1]] {
            while filler.write_all(&step).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_leader_whose_disk_is_full_loses_and_doubles_nothing() {
    let test = "a_leader_whose_disk_is_full_loses_and_doubles_nothing";
    let Some(program) = nats_server(test) else { return };
    let directory = tempfile::tempdir().unwrap();
    let disks: Vec<Disk> =
        (0..3).map_while(|n| Disk::mount(directory.path().join(n.to_string()), 200)).collect();
    if disks.len() < 3 {
        return skipped(test, "file systems cannot be mounted here");
    }
    let stores: Vec<PathBuf> = disks.iter().map(|disk| disk.0.join("store")).collect();
    let mut servers = Servers::start_on(&program, &stores);
    let journals = [
        Arc::new(NatsJournal::create(&servers.connect(), TRIAL, 3).unwrap()),
        Arc::new(NatsJournal::open(&servers.connect(), TRIAL, 3).unwrap()),
    ];
    let load = Load::start(&journals);
    load.await_more(200);
    let victim = leader(&servers);
    disks[victim].fill();
    load.await_more(400);
    disks[victim].make_room();
    servers.stop(victim);
    servers.start_node(victim);
    load.await_more(200);
    let reader = NatsJournal::open(&servers.connect(), TRIAL, 3).unwrap();
    let account = load.end(&reader);
    println!("{test}: {account}");
    assert_eq!((account.lost, account.doubled), (0, 0), "{account}");
    audit_until(&reader, |audits| is_whole(audits, account.records as u64));
}

#[expect(clippy::disallowed_methods, reason = "it is there to be damaged")]
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}
