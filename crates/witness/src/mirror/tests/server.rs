//! A log, and a server of it that says what it is told to say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chain::checkpoint::{Checkpoint, SignedCheckpoint};
use chain::note::Signer;
use chain::tile::{HashTile, TileKind, TilePath};
use chain::tree::{HashReader as _, MemoryTree, Node};
use chain::{Position, Record, RecordHash, RootHash, SecretKey, Signature, TreeSize, bundle, tree};

use super::super::RecordFault;
use crate::fetch::{Fetch, FetchError, Resource};

pub(super) fn log_key(seed: u8) -> Signer {
    Signer::new("log.example/t", SecretKey::from_bytes(&[seed; 32])).unwrap()
}

/// Records, each linked to the one before.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) records: Vec<Vec<u8>>,
    leaves: Vec<RecordHash>,
}

/// Makes a record that follows the one of this hash.
type BadRecord = Box<dyn Fn(RecordHash) -> Vec<u8>>;

/// Of every three records one has no subject, one is the site's, and one another site's.
fn event(seq: usize, branch: u8) -> Vec<u8> {
    let whose = match seq % 3 {
        0 => "",
        1 => r#","site":"CN-NJ","subject":"S1""#,
        _ => r#","site":"US-BO","subject":"S2""#,
    };
    format!(r#"{{"b":{branch},"n":{seq}{whose}}}"#).into_bytes()
}

fn record(event: &[u8], seq: usize, prev: RecordHash) -> Vec<u8> {
    let recorded_at = "2026-11-22T13:28:45.123456Z".parse().unwrap();
    Record { event, prev, recorded_at, seq: Position(seq as u64), signature: Signature([9; 64]) }.join()
}

impl Log {
    pub(super) fn honest(size: usize) -> Self {
        Self::forked(size, size)
    }

    /// As the honest one up to a position, and another from there on.
    pub(super) fn forked(size: usize, from: usize) -> Self {
        Self::with(size, |seq, prev| record(&event(seq, u8::from(seq >= from)), seq, prev))
    }

    /// An honest one but for one record.
    pub(super) fn with_bad_record(size: usize, at: usize, bad: &dyn Fn(RecordHash) -> Vec<u8>) -> Self {
        Self::with(size, |seq, prev| if seq == at { bad(prev) } else { record(&event(seq, 0), seq, prev) })
    }

    /// An honest one whose events are these.
    pub(super) fn with_records(size: usize, event: impl Fn(usize) -> String) -> Self {
        Self::with(size, |seq, prev| record(event(seq).as_bytes(), seq, prev))
    }

    fn with(size: usize, mut record: impl FnMut(usize, RecordHash) -> Vec<u8>) -> Self {
        let mut log = Self { records: Vec::new(), leaves: Vec::new() };
        for seq in 0..size {
            let prev = log.leaves.last().copied().unwrap_or(RecordHash::ZERO);
            let bytes = record(seq, prev);
            log.leaves.push(RecordHash::of(&bytes));
            log.records.push(bytes);
        }
        log
    }

    /// What a log may sign at a position and must not, each with what it is. All of them are sent to the site.
    pub(super) fn bad_records(at: usize) -> Vec<(BadRecord, RecordFault)> {
        let hash = RecordHash::ZERO;
        let link: BadRecord = Box::new(move |_| record(&event(0, 0), at, RecordHash([7; 32])));
        vec![
            (link, RecordFault::Link { stated: hash, actual: hash }),
            (
                Box::new(move |prev| record(&event(0, 0), at + 1, prev)),
                RecordFault::Position { stated: Position(0) },
            ),
            (Box::new(|_| b"{ }".to_vec()), RecordFault::Malformed(String::new())),
        ]
    }

    pub(super) fn is_for_site(&self, seq: usize) -> bool {
        !self.records[seq].windows(7).any(|seven| seven == br#""US-BO""#)
    }

    pub(super) fn tree(&self) -> MemoryTree {
        MemoryTree::new(&self.leaves)
    }

    pub(super) fn root(&self, size: u64) -> RootHash {
        tree::root_of(&self.leaves[..usize::try_from(size).unwrap()])
    }

    pub(super) fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        self.checkpoint_by(size, &log_key(1))
    }

    pub(super) fn checkpoint_by(&self, size: u64, key: &Signer) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(key.name(), TreeSize(size), self.root(size)).unwrap();
        SignedCheckpoint::sign(checkpoint, &[key]).unwrap()
    }

    /// A tile or bundle of any width that the log reaches.
    pub(super) fn tile(&self, path: TilePath) -> Option<Vec<u8>> {
        let first = usize::try_from(path.index()).ok()? * 256;
        let end = first + usize::from(path.width());
        match path.kind() {
            TileKind::Entries => bundle::encode(self.records.get(first..end)?.iter().map(Vec::as_slice)).ok(),
            TileKind::Hashes(0) => {
                let hashes: Vec<_> = self.leaves.get(first..end)?.iter().map(|leaf| (*leaf).into()).collect();
                Some(HashTile::encode(&hashes))
            }
            TileKind::Hashes(level) => {
                let node = |index| Node { level: u32::from(level) * 8, index };
                let nodes: Vec<_> = (first as u64..end as u64).map(node).collect();
                let within = nodes.iter().all(|node| node.is_within(TreeSize(self.leaves.len() as u64)));
                within.then(|| HashTile::encode(&self.tree().read_hashes(&nodes).unwrap()))
            }
        }
    }
}

struct State {
    log: Log,
    size: u64,
    answers: BTreeMap<String, Vec<u8>>,
    forbidden: Option<String>,
    failing: Option<String>,
    no_partials_of: Option<TreeSize>,
    everything: bool,
}

pub(super) struct Server {
    state: Mutex<State>,
    requests: AtomicUsize,
}

impl Server {
    pub(super) fn new(log: Log) -> Self {
        let size = log.records.len() as u64;
        let state = State {
            log,
            size,
            answers: BTreeMap::new(),
            forbidden: None,
            failing: None,
            no_partials_of: None,
            everything: false,
        };
        Self { state: Mutex::new(state), requests: AtomicUsize::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Serves the checkpoint of a size from now on.
    pub(super) fn serve(&self, size: u64) {
        self.state().size = size;
    }

    pub(super) fn replace(&self, log: Log, size: u64) {
        let mut state = self.state();
        state.log = log;
        state.size = size;
    }

    pub(super) fn log(&self) -> Log {
        self.state().log.clone()
    }

    /// Answers one request with other bytes.
    pub(super) fn answer(&self, path: &str, bytes: Vec<u8>) {
        self.state().answers.insert(path.to_owned(), bytes);
    }

    pub(super) fn answer_honestly(&self) {
        self.state().answers.clear();
    }

    /// No longer has the partial tiles whose places are full in a log of that size.
    pub(super) fn without_partials_of(&self, size: u64) {
        self.state().no_partials_of = Some(TreeSize(size));
    }

    pub(super) fn tell_sites_everything(&self) {
        self.state().everything = true;
    }

    pub(super) fn forbid(&self, prefix: &str) {
        self.state().forbidden = Some(prefix.to_owned());
    }

    pub(super) fn fail(&self, prefix: &str) {
        self.state().failing = Some(prefix.to_owned());
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// What is answered to an honest request for this path.
    pub(super) fn honest(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        if path == "checkpoint" {
            return Some(state.log.checkpoint(state.size).to_string().into_bytes());
        }
        if let Some(rest) = path.strip_prefix("site/CN-NJ") {
            let first = rest.strip_prefix("?after=").map_or(0, |after| after.parse::<usize>().unwrap() + 1);
            let mine = |seq: &usize| state.everything || state.log.is_for_site(*seq);
            // A hundred at a time, and more than the checkpoint covers, as a real server may send.
            let lines = (first..state.log.records.len()).filter(mine).take(100).map(|seq| {
                let record = std::str::from_utf8(&state.log.records[seq]).unwrap();
                format!("{}\n", serde_json::json!({ "seq": seq, "record": record }))
            });
            return Some(lines.collect::<String>().into_bytes());
        }
        let path: TilePath = path.parse().ok()?;
        let superseded = |size| !path.is_full() && path.full().exists_in(size);
        let there = !state.no_partials_of.is_some_and(superseded);
        there.then(|| state.log.tile(path)).flatten()
    }
}

#[async_trait]
impl Fetch for Server {
    async fn fetch(&self, resource: Resource<'_>) -> Result<Vec<u8>, FetchError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let path = resource.to_string();
        let is = |prefix: &Option<String>| prefix.as_ref().is_some_and(|prefix| path.starts_with(prefix));
        let (forbidden, failing, answer) = {
            let state = self.state();
            (is(&state.forbidden), is(&state.failing), state.answers.get(&path).cloned())
        };
        if failing {
            return Err(FetchError::Failed("no connection".into()));
        }
        if forbidden {
            return Err(FetchError::Forbidden);
        }
        answer.or_else(|| self.honest(&path)).ok_or(FetchError::NotFound)
    }
}
