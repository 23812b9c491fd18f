//! The witness over real HTTP, through every status of the protocol.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use chain::checkpoint::{Checkpoint, Cosigner, SignedCheckpoint};
use chain::note::{Signer, VerifierKey};
use chain::tree::{self, MemoryTree};
use chain::witness_request::{AddCheckpoint, REQUEST_BYTES_MAX};
use chain::{RecordHash, RootHash, SecretKey, TreeSize};
use futures_util::stream;
use keep::{Checkpoints, Purpose};
use tower::ServiceExt as _;
use witness::{Evidence, Witness};

const ORIGIN: &str = "log.example/t";

fn log() -> Signer {
    Signer::new(ORIGIN, SecretKey::from_bytes(&[1; 32])).unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::new("witness.example", SecretKey::from_bytes(&[2; 32])).unwrap()
}

/// Record hashes of a log; those of another `branch` differ from the 50th on.
fn leaves(count: u64, branch: u8) -> Vec<RecordHash> {
    (0..count)
        .map(|n| RecordHash::of(&[&n.to_be_bytes()[..], &[if n < 50 { 0 } else { branch }]].concat()))
        .collect()
}

fn signed(size: u64, branch: u8, by: &Signer) -> SignedCheckpoint {
    let root = tree::root_of(&leaves(size, branch));
    let checkpoint = Checkpoint::new(by.name(), TreeSize(size), root).unwrap();
    SignedCheckpoint::sign(checkpoint, &[by]).unwrap()
}

fn request(old: u64, new: u64, branch: u8) -> AddCheckpoint {
    let mut tree = MemoryTree::new(&leaves(new.max(old), branch));
    let proof = tree::consistency_proof(&mut tree, TreeSize(old.min(new)), TreeSize(new)).unwrap();
    AddCheckpoint { old: TreeSize(old), proof, checkpoint: signed(new, branch, &log()) }
}

/// The witness of a state in a directory.
fn witness_of(dir: &Path, clock: witness::Clock) -> Witness {
    let last = Arc::new(Checkpoints::open(&dir.join("checkpoints.sqlite")).unwrap());
    Witness::new(cosigner(), vec![log().verifier_key()], last, clock)
}

/// A served witness with its state in a directory.
struct Served {
    url: String,
    time: Arc<AtomicU64>,
    client: reqwest::Client,
}

async fn serve(dir: &Path) -> Served {
    let time = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&time);
    let witness = witness_of(dir, Arc::new(move || clock.load(Ordering::Relaxed)))
        .with_evidence(Evidence::open(&dir.join("forks")).unwrap());
    let app = axum::Router::new().nest("/w", witness::router(Arc::new(witness)));
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("http://{}/w/add-checkpoint", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    // The workspace's reqwest speaks TLS and wants to be told by what.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Served { url, time, client: reqwest::Client::new() }
}

impl Served {
    /// Status, content type and body of the answer.
    async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String, String) {
        let answer = self.client.post(&self.url).body(body).send().await.unwrap();
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), content_type, answer.text().await.unwrap())
    }

    async fn check(&self, request: &AddCheckpoint, status: u16) -> String {
        let (found, content_type, body) = self.post(request.to_string()).await;
        assert_eq!(found, status, "{body}");
        let expected = if status == 409 { "text/x.tlog.size" } else { "text/plain; charset=utf-8" };
        assert_eq!(content_type, expected);
        body
    }
}

/// The time of the one cosignature that an answer adds.
fn cosigned_at(request: &AddCheckpoint, body: &str) -> u64 {
    let witnesses = [cosigner().verifier_key()];
    let mut checkpoint = request.checkpoint.clone();
    assert_eq!(checkpoint.add_cosignatures(body.as_bytes(), &witnesses), Ok(1));
    let logs = [log().verifier_key()];
    checkpoint.verify(&logs, &witnesses).unwrap().cosignatures[0].time
}

fn last(dir: &Path) -> Option<u64> {
    let store = Checkpoints::open(&dir.join("checkpoints.sqlite")).unwrap();
    store.last(ORIGIN, Purpose::Cosigned).unwrap().map(|kept| kept.size)
}

#[tokio::test]
async fn what_continues_the_last_checkpoint_is_cosigned_and_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    for (old, new) in [(0, 0), (0, 7), (7, 7), (7, 60), (60, 300)] {
        let request = request(old, new, 0);
        served.time.store(1_000 + new, Ordering::Relaxed);
        let body = served.check(&request, 200).await;
        assert_eq!(cosigned_at(&request, &body), 1_000 + new);
        assert_eq!(last(dir.path()), Some(new));
    }
    // Another process on the same state goes on where this one is.
    let again = serve(dir.path()).await;
    assert_eq!(again.check(&request(60, 300, 0), 409).await, "300\n");
    again.check(&request(300, 301, 0), 200).await;
}

#[tokio::test]
async fn every_refusal_has_its_status_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    served.check(&request(0, 60, 0), 200).await;

    let (status, _, body) = served.post("old 60\nnonsense\n\n").await;
    assert_eq!((status, body.as_str()), (400, "line 2 is not base64 of 32 bytes\n"));
    served.check(&request(61, 60, 0), 400).await;
    let stranger = Signer::new("other.example", SecretKey::from_bytes(&[1; 32])).unwrap();
    let unknown = AddCheckpoint { checkpoint: signed(70, 0, &stranger), ..request(60, 70, 0) };
    served.check(&unknown, 404).await;
    let thief = Signer::new(ORIGIN, SecretKey::from_bytes(&[9; 32])).unwrap();
    let forged = AddCheckpoint { checkpoint: signed(70, 0, &thief), ..request(60, 70, 0) };
    served.check(&forged, 403).await;
    for old in [0, 7, 59] {
        assert_eq!(served.check(&request(old, 70, 0), 409).await, "60\n");
    }
    let unproven = AddCheckpoint { proof: Vec::new(), ..request(60, 70, 0) };
    served.check(&unproven, 422).await;
    assert_eq!(last(dir.path()), Some(60));

    served.check(&request(60, 70, 0), 200).await;
    assert_eq!(last(dir.path()), Some(70));
}

#[tokio::test]
async fn a_fork_is_refused_and_two_trees_of_one_size_are_kept_with_the_logs_lines_alone() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    let with_junk = |mut request: AddCheckpoint| {
        let junk = Cosigner::new("junk.example", SecretKey::from_bytes(&[7; 32])).unwrap();
        let line = junk.cosign(request.checkpoint.claim(), 1).unwrap().to_string();
        request.checkpoint.add_cosignatures(line.as_bytes(), &[junk.verifier_key()]).unwrap();
        request
    };
    served.check(&with_junk(request(0, 60, 0)), 200).await;
    // A longer other tree: its proof does not hold, and that alone is no evidence.
    served.check(&request(60, 70, 1), 422).await;
    let forks = || {
        let mut files: Vec<_> =
            std::fs::read_dir(dir.path().join("forks")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    };
    assert_eq!(forks().len(), 0);

    let other = with_junk(request(60, 60, 1));
    served.check(&other, 422).await;
    served.check(&other, 422).await;
    let logs = [log().verifier_key()];
    let kept: Vec<RootHash> = forks()
        .iter()
        .map(|path| {
            let checkpoint = SignedCheckpoint::parse(&std::fs::read(path).unwrap()).unwrap();
            assert_eq!(checkpoint.note().lines().len(), 1);
            checkpoint.verify(&logs, &[]).unwrap().checkpoint.root
        })
        .collect();
    assert_eq!(kept.len(), 2);
    assert!([0, 1].iter().all(|branch| kept.contains(&tree::root_of(&leaves(60, *branch)))));
    assert_eq!(last(dir.path()), Some(60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_trees_racing_for_one_size_one_is_cosigned() {
    for round in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        // Two processes on one state, as far as SQLite is concerned.
        let (one, two) = (serve(dir.path()).await, serve(dir.path()).await);
        one.check(&request(0, 50, 0), 200).await;
        let requests =
            [request(50, 60 + round % 2, 0), request(50, 60, 1)].map(|request| request.to_string());
        let ((first, ..), (second, _, body)) =
            tokio::join!(one.post(requests[0].clone()), two.post(requests[1].clone()));
        let mut statuses = [first, second];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_ask_for_the_same_checkpoint_none_is_told_another_tree() {
    let dir = tempfile::tempdir().unwrap();
    let served = Arc::new(serve(dir.path()).await);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let served = Arc::clone(&served);
        asking.spawn(async move { served.post(request(0, 60, 0).to_string()).await });
    }
    let mut cosigned = 0;
    while let Some(answer) = asking.join_next().await {
        match answer.unwrap() {
            (200, ..) => cosigned += 1,
            (409, _, body) => assert_eq!(body, "60\n"),
            other => panic!("{other:?}"),
        }
    }
    assert!(cosigned >= 1);
    assert_eq!(last(dir.path()), Some(60));
}

#[tokio::test]
async fn a_body_longer_than_any_request_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    let answer = served.client.post(&served.url).body(vec![b'a'; REQUEST_BYTES_MAX]).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer = served.client.post(&served.url).body(vec![b'a'; REQUEST_BYTES_MAX + 1]).send().await;
    // The server may close the connection while the client is still writing.
    assert!(answer.map_or(true, |answer| answer.status() == 413));
    assert_eq!(served.client.get(&served.url).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn bodies_that_do_not_arrive_take_up_a_bounded_number_of_places() {
    let dir = tempfile::tempdir().unwrap();
    let router = witness::router(Arc::new(witness_of(dir.path(), Arc::new(|| 5))));
    let post = |body| {
        let request = axum::http::Request::post("/add-checkpoint").body(body).unwrap();
        Box::pin(router.clone().oneshot(request))
    };
    let mut waiting: Vec<_> = (0..64)
        .map(|_| post(Body::from_stream(stream::pending::<Result<Vec<u8>, std::convert::Infallible>>())))
        .collect();
    for answer in &mut waiting {
        // Looked at once, each has its place, and no answer.
        assert!(futures_util::poll!(answer).is_pending());
    }
    let whole = || post(Body::from(request(0, 60, 0).to_string()));
    let answer = whole().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    // Who goes away leaves its place to another.
    drop(waiting.pop());
    assert_eq!(whole().await.unwrap().status(), 200);
    assert_eq!(last(dir.path()), Some(60));
}

#[tokio::test]
async fn where_the_state_is_damaged_nothing_is_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path()).await;
    served.check(&request(0, 60, 0), 200).await;
    let file = dir.path().join("checkpoints.sqlite");
    let bytes = std::fs::metadata(&file).unwrap().len();
    let damaged = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&damaged, &vec![0xff; usize::try_from(bytes).unwrap()], 0)
        .unwrap();
    let answer = served.client.post(&served.url).body(request(60, 70, 0).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 503);
}

#[test]
fn the_witness_says_its_key_and_its_last_tree() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Checkpoints::open(&dir.path().join("c")).unwrap());
    let witness = Witness::new(cosigner(), vec![log().verifier_key()], store, Arc::new(|| 5));
    let key = VerifierKey::cosigner_from_text(&witness.verifier_key().to_string()).unwrap();
    assert_eq!(key, cosigner().verifier_key());
    assert_eq!(witness.last(ORIGIN).unwrap().size, TreeSize(0));
    witness.answer(request(0, 60, 0).to_string().as_bytes()).unwrap();
    assert_eq!(witness.last(ORIGIN).unwrap().root, tree::root_of(&leaves(60, 0)));
}
