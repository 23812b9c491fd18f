//! Cut off before each write in turn, a mirror goes on afterwards as if nothing had been.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Log, Server};
use super::*;

/// Opens a mirror that fails at its write of that number, and at every later one.
async fn open_until(dir: &Path, scope: &Scope, writes: usize) -> Result<Mirror, MirrorOpenError> {
    let mut disk = Disk::open(dir).await?;
    let left = Arc::new(AtomicUsize::new(writes));
    disk.before_write = Box::new(move || {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| io::Error::other("cut off"))
    });
    Mirror::on(disk, anchors(), scope.clone()).await
}

fn is_cut_off(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(at) = error {
        if at.to_string() == "cut off" {
            return true;
        }
        error = at.source();
    }
    false
}

/// Whether the copy is whole for the checkpoint in it: what a verifier would find at this moment.
fn is_whole(dir: &Path, server: &Server) -> Option<u64> {
    let read = |name: &str| std::fs::read(dir.join("log").join(name)).ok();
    let size = SignedCheckpoint::parse(&read("checkpoint")?).unwrap().claim().size;
    let files = tiles(size).chain(bundles(size));
    for path in files {
        assert!(read(&path.to_string()).is_some(), "{path} of a log of {size}");
    }
    for path in tiles(size) {
        assert_eq!(read(&path.to_string()), server.log().tile(path), "{path}");
    }
    Some(size.0)
}

/// Cuts the step from `first` to 600 records off before its write of that number. Whether there was such a write.
async fn check_cut(scope: &Scope, first: Option<u64>, writes: usize) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(800));
    if let Some(first) = first {
        server.serve(first);
        open(dir.path(), scope.clone()).await.step(&server).await.unwrap();
    }
    server.serve(600);
    let error: Box<dyn std::error::Error> = match open_until(dir.path(), scope, writes).await {
        Err(error) => error.into(),
        Ok(mut mirror) => match mirror.step(&server).await {
            Ok(_) => return false,
            Err(error) => error.into(),
        },
    };
    assert!(is_cut_off(&*error), "{error}");
    let whole = is_whole(dir.path(), &server);
    assert!(whole == first || whole == Some(600), "{whole:?} before write {writes}");

    // What the next run meets: the same checkpoint, or a later one.
    let next = if writes.is_multiple_of(2) { 600 } else { 800 };
    server.serve(next);
    let mut mirror = open(dir.path(), scope.clone()).await;
    let step = mirror.step(&server).await.unwrap();
    assert_eq!((step.from.0, step.size.0), (whole.unwrap_or(0), next));
    // Partial tiles of the step that was cut off are swept when the mirror is opened next.
    drop(mirror);
    let mirror = open(dir.path(), scope.clone()).await;
    assert_eq!(mirror.evidence().unwrap().len(), 0);
    check_copy(dir.path(), &server.log(), next, scope);
    true
}

#[tokio::test]
async fn cut_off_before_any_write_a_mirror_goes_on_afterwards() {
    for scope in [site(), Scope::Whole] {
        for first in [None, Some(300)] {
            let mut cuts = 0;
            while check_cut(&scope, first, cuts).await {
                cuts += 1;
            }
            // Of the scope, what is seen, two tiles at the edge, two or one full ones, three or two bundles, the
            // checkpoint, and then the removal of three partial files.
            assert_eq!(cuts, if first.is_none() { 10 } else { 11 });
        }
    }
}

#[tokio::test]
async fn once_seen_a_checkpoint_binds_though_the_copy_was_not_completed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(300);
    open(dir.path(), Scope::Whole).await.step(&server).await.unwrap();
    server.serve(600);
    // Scope and seen are written, nothing else.
    let mut mirror = open_until(dir.path(), &Scope::Whole, 2).await.unwrap();
    mirror.step(&server).await.unwrap_err();
    assert_eq!(mirror.copied().unwrap().claim().size, TreeSize(300));
    drop(mirror);
    server.serve(599);
    let mut mirror = open(dir.path(), Scope::Whole).await;
    let error = mirror.step(&server).await.unwrap_err();
    assert!(matches!(error, StepError::RolledBack { seen: TreeSize(600), .. }), "{error}");
}

/// Cuts a step from 300 to 600 records off before its write of that number, and lets `meanwhile` happen. What the next
/// step says, and whether it succeeds once the server is honest.
async fn resumed(writes: usize, meanwhile: impl Fn(&Path, &Server)) -> (StepError, bool) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(300);
    open(dir.path(), Scope::Whole).await.step(&server).await.unwrap();
    server.serve(600);
    open_until(dir.path(), &Scope::Whole, writes).await.unwrap().step(&server).await.unwrap_err();
    meanwhile(dir.path(), &server);
    let mut mirror = open(dir.path(), Scope::Whole).await;
    let error = mirror.step(&server).await.unwrap_err();
    assert!(!error.accuses_log());
    assert_eq!(mirror.copied().unwrap().claim().size, TreeSize(300));
    server.answer_honestly();
    (error, mirror.step(&server).await.is_ok())
}

#[tokio::test]
async fn what_a_step_that_was_cut_off_left_is_believed_no_more_than_what_is_fetched() {
    let flip = |bytes: &mut Vec<u8>| bytes[40] ^= 1;
    for edge in ["tile/0/002.p/88", "tile/1/000.p/2"] {
        let (error, goes_on) = resumed(2, |_, server| {
            let mut bytes = server.honest(edge).unwrap();
            flip(&mut bytes);
            server.answer(edge, bytes);
        })
        .await;
        assert!(matches!(error, StepError::WrongTiles(_)), "{error}");
        assert!(goes_on);
    }
    // Scope, seen, two tiles at the edge and a full one are written; that one is damaged before it is taken up again.
    let (error, goes_on) = resumed(5, |dir, _| {
        let path = dir.join("log/tile/0/001");
        let mut bytes = std::fs::read(&path).unwrap();
        flip(&mut bytes);
        crate::files::replace(&path, &bytes).unwrap();
    })
    .await;
    let different = DiskError::Put(archive::PutError::Different { path: "tile/0/001".parse().unwrap() });
    assert_eq!(error.to_string(), different.to_string());
    assert!(!goes_on);
}

#[tokio::test]
async fn evidence_that_cannot_be_kept_does_not_hide_the_fork() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(300);
    let mut mirror = open(dir.path(), Scope::Hashes).await;
    mirror.step(&server).await.unwrap();
    std::fs::remove_dir(dir.path().join("forks")).unwrap();
    server.replace(Log::forked(600, 250), 400);
    let error = mirror.step(&server).await.unwrap_err();
    assert!(matches!(error, StepError::Forked { kept: Err(_), .. }), "{error}");
}
