//! A mirror against a server that may lie, and cut off wherever it writes.

mod cosign;
mod crash;
mod keys;
mod server;

use std::path::Path;

use chain::checkpoint::Cosigner;
use chain::tile::{TileHashes, bundles, tiles};
use chain::{Position, SecretKey, bundle};

use super::*;
use server::{Log, Server, log_key};

fn anchors() -> Anchors {
    Anchors { logs: vec![log_key(1).verifier_key()], genesis: None }
}

fn site() -> Scope {
    Scope::Site("CN-NJ".parse().unwrap())
}

async fn open(dir: &Path, scope: Scope) -> Mirror {
    Mirror::open(dir, anchors(), scope).await.unwrap()
}

/// Every file below a directory with its bytes, by path.
fn files(dir: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut below = vec![dir.to_path_buf()];
    while let Some(at) = below.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Holds a copy to be exactly that of a log of `size`: every tile, and of the records those that `scope` has.
fn check_copy(dir: &Path, log: &Log, size: u64, scope: &Scope) {
    let size = TreeSize(size);
    let found = files(&dir.join("log"));
    let mut expected: std::collections::BTreeMap<String, Vec<u8>> =
        tiles(size).map(|path| (path.to_string(), log.tile(path).unwrap())).collect();
    expected.insert("checkpoint".into(), log.checkpoint(size.0).to_string().into_bytes());
    if *scope != Scope::Hashes {
        for path in bundles(size) {
            let first = usize::try_from(path.index()).unwrap() * 256;
            let of_scope = |seq: usize| match scope {
                Scope::Site(_) if !log.is_for_site(seq) => &[][..],
                _ => &log.records[seq],
            };
            let records = (first..first + usize::from(path.width())).map(of_scope);
            expected.insert(path.to_string(), bundle::encode(records).unwrap());
        }
    }
    let names =
        |files: &std::collections::BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    assert!(found == expected, "a file has other bytes");
}

#[tokio::test]
async fn a_copy_grows_with_the_log_and_holds_what_its_scope_allows() {
    for scope in [Scope::Hashes, site(), Scope::Whole] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::new(Log::honest(600));
        let mut mirror = open(dir.path(), scope.clone()).await;
        let mut have = 0;
        for size in [0, 1, 2, 255, 256, 256, 257, 511, 600] {
            server.serve(size);
            let step = mirror.step(&server).await.unwrap();
            assert_eq!((step.from, step.size, step.foreign), (TreeSize(have), TreeSize(size), 0));
            let new = (have..size).filter(|seq| match &scope {
                Scope::Hashes => false,
                Scope::Site(_) => server.log().is_for_site(usize::try_from(*seq).unwrap()),
                Scope::Whole => true,
            });
            assert_eq!(step.records, new.count() as u64);
            check_copy(dir.path(), &server.log(), size, &scope);
            have = size;
        }
        assert_eq!(mirror.evidence().unwrap().len(), 0);
        drop(mirror);
        // Another run goes on from there.
        let mut mirror = open(dir.path(), scope.clone()).await;
        assert_eq!(mirror.copied().unwrap().claim().size, TreeSize(600));
        let before = server.requests();
        mirror.step(&server).await.unwrap();
        assert_eq!(server.requests() - before, 1, "nothing new costs one request");
    }
}

#[tokio::test]
async fn a_log_with_three_levels_of_tiles_is_copied_from_the_top() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(65_536 + 300));
    let mut mirror = open(dir.path(), Scope::Hashes).await;
    for size in [65_000, 65_536, 65_536 + 300] {
        server.serve(size);
        mirror.step(&server).await.unwrap();
        check_copy(dir.path(), &server.log(), size, &Scope::Hashes);
    }
}

#[tokio::test]
async fn a_partial_tile_that_is_gone_is_cut_out_of_the_full_one() {
    for scope in [Scope::Whole, Scope::Hashes] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::new(Log::honest(600));
        server.serve(300);
        server.without_partials_of(600);
        let mut mirror = open(dir.path(), scope.clone()).await;
        mirror.step(&server).await.unwrap();
        check_copy(dir.path(), &server.log(), 300, &scope);
    }
}

/// Serves `second` after `first`; gives the error, and the evidence with the sizes and roots it states.
async fn refused(first: (Log, u64), second: (Log, u64)) -> (StepError, Vec<(u64, RootHash)>) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(first.0);
    server.serve(first.1);
    let mut mirror = open(dir.path(), Scope::Whole).await;
    mirror.step(&server).await.unwrap();
    let copy = files(&dir.path().join("log"));
    server.replace(second.0, second.1);
    let error = mirror.step(&server).await.unwrap_err();
    assert!(error.accuses_log() && !error.is_passing());
    let kept = |mirror: &Mirror| {
        let read = |path: &PathBuf| SignedCheckpoint::parse(&std::fs::read(path).unwrap()).unwrap();
        let checkpoints: Vec<_> = mirror.evidence().unwrap().iter().map(read).collect();
        for checkpoint in &checkpoints {
            checkpoint.verify(&anchors().logs, &[]).unwrap();
        }
        checkpoints.iter().map(|read| (read.claim().size.0, read.claim().root)).collect::<Vec<_>>()
    };
    let evidence = kept(&mirror);
    assert_eq!(files(&dir.path().join("log")), copy, "nothing of the other tree has entered the copy");
    // Asked again, it is refused again, and nothing is kept twice.
    mirror.step(&server).await.unwrap_err();
    assert_eq!(kept(&mirror), evidence);
    drop(mirror);
    // So it is by the next run.
    let mut mirror = open(dir.path(), Scope::Whole).await;
    assert!(mirror.step(&server).await.unwrap_err().accuses_log());
    assert_eq!(mirror.evidence().unwrap().len(), 2);
    (error, evidence)
}

#[tokio::test]
async fn a_log_that_shrinks_is_refused_and_both_sides_are_kept() {
    let (error, evidence) = refused((Log::honest(300), 300), (Log::honest(300), 299)).await;
    assert!(
        matches!(&error, StepError::RolledBack { seen: TreeSize(300), served: TreeSize(299), kept: Ok(_) }),
        "{error}"
    );
    let log = Log::honest(300);
    assert_eq!(evidence, [299, 300].map(|size| (size, log.root(size))));
}

#[tokio::test]
async fn a_fork_is_refused_whichever_side_is_longer_and_both_sides_are_kept() {
    for (first, second) in [(300, 300), (300, 301), (300, 600), (300, 280), (256, 257), (300, 512)] {
        let (error, evidence) = refused((Log::honest(600), first), (Log::forked(600, 250), second)).await;
        assert!(
            matches!(&error, StepError::Forked { seen, served, kept: Ok(_) } if (seen.0, served.0) == (first, second)),
            "{error}"
        );
        let mut expected =
            vec![(first, Log::honest(600).root(first)), (second, Log::forked(600, 250).root(second))];
        expected.sort_unstable();
        let mut evidence = evidence;
        evidence.sort_unstable();
        assert_eq!(evidence, expected);
    }
    // Where the trees part only behind both sizes, the shorter one is no contradiction.
    let (error, _) = refused((Log::honest(600), 300), (Log::forked(600, 290), 290)).await;
    assert!(matches!(error, StepError::RolledBack { .. }), "{error}");
}

#[tokio::test]
async fn after_a_fork_the_log_as_it_was_seen_is_followed_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(300);
    let mut mirror = open(dir.path(), Scope::Whole).await;
    mirror.step(&server).await.unwrap();
    server.replace(Log::forked(600, 250), 400);
    mirror.step(&server).await.unwrap_err();
    server.replace(Log::honest(600), 400);
    mirror.step(&server).await.unwrap();
    check_copy(dir.path(), &server.log(), 400, &Scope::Whole);
    assert_eq!(mirror.evidence().unwrap().len(), 2);
}

#[tokio::test]
async fn a_checkpoint_by_another_key_or_of_another_log_is_nobodys_fork() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(300));
    server.serve(100);
    let mut mirror = open(dir.path(), Scope::Hashes).await;
    mirror.step(&server).await.unwrap();
    let refused = async |mirror: &mut Mirror| {
        let error = mirror.step(&server).await.unwrap_err();
        assert!(!error.accuses_log());
        error
    };
    server.answer("checkpoint", server.log().checkpoint_by(200, &log_key(9)).to_string().into_bytes());
    assert!(matches!(refused(&mut mirror).await, StepError::Untrusted(_)));
    server.answer("checkpoint", b"nonsense".to_vec());
    assert!(matches!(refused(&mut mirror).await, StepError::NotACheckpoint(_)));
    let endless = chain::Checkpoint::new(log_key(1).name(), TreeSize(u64::MAX), RootHash([1; 32])).unwrap();
    let endless = SignedCheckpoint::sign(endless, &[&log_key(1)]).unwrap();
    server.answer("checkpoint", endless.to_string().into_bytes());
    assert!(matches!(refused(&mut mirror).await, StepError::TooLarge { .. }));
    assert_eq!(mirror.seen().unwrap().claim().size, TreeSize(100));
    assert_eq!(mirror.evidence().unwrap().len(), 0);
}

#[tokio::test]
async fn a_first_checkpoint_counts_as_seen_only_if_its_tiles_make_up_its_root() {
    for size in [0, 1, 300] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::new(Log::honest(300));
        let claim = chain::Checkpoint::new(log_key(1).name(), TreeSize(size), RootHash([1; 32])).unwrap();
        let claim = SignedCheckpoint::sign(claim, &[&log_key(1)]).unwrap();
        server.answer("checkpoint", claim.to_string().into_bytes());
        let mut mirror = open(dir.path(), Scope::Whole).await;
        let error = mirror.step(&server).await.unwrap_err();
        assert!(matches!(error, StepError::WrongTiles(_)), "{error}");
        assert_eq!((mirror.seen(), mirror.copied()), (None, None));
        assert_eq!(files(&dir.path().join("log")).len(), 0);
        server.answer_honestly();
        mirror.step(&server).await.unwrap();
    }
}

/// Lets one answer be something else, at each size; gives the errors.
async fn tampered(scope: Scope, path: &str, tamper: impl Fn(&mut Vec<u8>)) -> StepError {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(100);
    let mut mirror = open(dir.path(), scope.clone()).await;
    mirror.step(&server).await.unwrap();
    server.serve(600);
    let mut bytes = server.honest(path).unwrap_or_else(|| panic!("{path} is not there"));
    tamper(&mut bytes);
    server.answer(path, bytes);
    let error = mirror.step(&server).await.unwrap_err();
    assert_eq!(mirror.copied().unwrap().claim().size, TreeSize(100));
    let checkpoint = files(&dir.path().join("log"))["checkpoint"].clone();
    assert_eq!(checkpoint, server.log().checkpoint(100).to_string().into_bytes());
    // Once the server is honest again, the copy is completed.
    server.answer_honestly();
    mirror.step(&server).await.unwrap();
    check_copy(dir.path(), &server.log(), 600, &scope);
    error
}

#[tokio::test]
async fn a_tampered_a_cut_or_a_lengthened_tile_is_refused_and_does_not_enter_the_copy() {
    for path in ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let tampers: [fn(&mut Vec<u8>); 3] = [
            |bytes| *bytes.last_mut().unwrap() ^= 1,
            |bytes| bytes.truncate(bytes.len() - 1),
            |bytes| bytes.push(0),
        ];
        for tamper in tampers {
            let error = tampered(Scope::Hashes, path, tamper).await;
            let too_long = matches!(&error, StepError::Fetch { source: FetchError::TooLarge { .. }, .. });
            assert!(matches!(error, StepError::WrongTiles(_)) || too_long, "{path}: {error}");
            assert!(!error.accuses_log());
        }
    }
}

#[tokio::test]
async fn a_tampered_record_is_refused_and_does_not_enter_the_copy() {
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(3).rposition(|three| three == b"\"n\"").unwrap();
        bytes[at + 4] ^= 1;
    };
    let error = tampered(Scope::Whole, "tile/entries/002.p/88", flip).await;
    assert!(matches!(error, StepError::WrongRecord { seq: Position(599) }), "{error}");
    assert!(!error.accuses_log());
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let error = tampered(Scope::Whole, "tile/entries/001", cut).await;
    assert!(matches!(error, StepError::WrongBundle { .. }), "{error}");
    // A site's view in place of the whole.
    let empty = |bytes: &mut Vec<u8>| *bytes = vec![0; 512];
    let error = tampered(Scope::Whole, "tile/entries/001", empty).await;
    assert!(matches!(error, StepError::WrongRecord { seq: Position(256) }), "{error}");

    let digit = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(5).position(|five| five == b"\\\"n\\\"").unwrap();
        bytes[at + 6] ^= 1;
    };
    let error = tampered(site(), "site/CN-NJ?after=99", digit).await;
    assert!(matches!(error, StepError::WrongRecord { .. }), "{error}");
}

#[tokio::test]
async fn a_sites_answer_out_of_form_or_order_is_refused() {
    let path = "site/CN-NJ?after=99";
    let error = tampered(site(), path, |bytes| bytes.extend_from_slice(b"{}\n")).await;
    assert!(matches!(error, StepError::WrongAnswer { fault: SiteAnswerFault::Line { .. } }), "{error}");
    let error = tampered(site(), path, |bytes| {
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let line = bytes[..first].to_vec();
        bytes.extend(line);
    })
    .await;
    assert!(matches!(error, StepError::WrongAnswer { fault: SiteAnswerFault::Order { .. } }), "{error}");
    // Asked for what is behind position 99, it begins at 0 again.
    let again = Server::new(Log::honest(600)).honest("site/CN-NJ").unwrap();
    let error = tampered(site(), path, |bytes| bytes.clone_from(&again)).await;
    let fault = SiteAnswerFault::Order { seq: Position(0) };
    assert!(matches!(&error, StepError::WrongAnswer { fault: found } if *found == fault), "{error}");
}

#[tokio::test]
async fn another_sites_record_is_counted_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(300));
    server.serve(300);
    let strangers = (0..300).filter(|seq| !server.log().is_for_site(*seq)).count() as u64;
    assert!(strangers > 50);
    server.tell_sites_everything();
    let mut mirror = open(dir.path(), site()).await;
    let step = mirror.step(&server).await.unwrap();
    assert_eq!((step.records, step.foreign), (300 - strangers, strangers));
    check_copy(dir.path(), &server.log(), 300, &site());
}

#[tokio::test]
async fn what_the_log_has_signed_and_should_not_is_kept_as_evidence() {
    for scope in [Scope::Whole, site()] {
        for at in [0, 1, 99, 256, 257] {
            for (bad, expected) in Log::bad_records(at) {
                let dir = tempfile::tempdir().unwrap();
                let server = Server::new(Log::with_bad_record(300, at, &bad));
                server.serve(300);
                let mut mirror = open(dir.path(), scope.clone()).await;
                let error = mirror.step(&server).await.unwrap_err();
                assert!(error.accuses_log());
                let StepError::Misrecorded { seq, fault, kept } = error else { panic!("{error}") };
                assert_eq!(seq, Position(at as u64));
                assert_eq!(std::mem::discriminant(&fault), std::mem::discriminant(&expected), "{fault}");
                assert_eq!(std::fs::read(&kept).unwrap(), server.log().records[at]);
                assert_eq!(mirror.evidence().unwrap(), [kept]);
                // It does not go away by asking again.
                assert!(mirror.step(&server).await.unwrap_err().accuses_log());
                assert!(mirror.copied().is_none());
            }
        }
    }
}

#[tokio::test]
async fn a_log_with_another_first_record_is_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(300));
    server.serve(300);
    let first = RecordHash::of(&server.log().records[0]);
    let other = Anchors { genesis: Some(RecordHash([1; 32])), ..anchors() };
    let mut mirror = Mirror::open(dir.path(), other, Scope::Hashes).await.unwrap();
    let error = mirror.step(&server).await.unwrap_err();
    assert!(matches!(error, StepError::GenesisDiffers { found, .. } if found == first), "{error}");
    assert!(mirror.copied().is_none());
    drop(mirror);
    let right = Anchors { genesis: Some(first), ..anchors() };
    let mut mirror = Mirror::open(dir.path(), right, Scope::Hashes).await.unwrap();
    mirror.step(&server).await.unwrap();
}

#[tokio::test]
async fn more_cosignatures_are_taken_over_and_fewer_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(300));
    server.serve(300);
    let mut mirror = open(dir.path(), Scope::Hashes).await;
    mirror.step(&server).await.unwrap();
    let witness = Cosigner::new("witness.example", SecretKey::from_bytes(&[2; 32])).unwrap();
    let mut cosigned = server.log().checkpoint(300);
    let line = witness.cosign(cosigned.claim(), 5).unwrap().to_string();
    cosigned.add_cosignatures(line.as_bytes(), &[witness.verifier_key()]).unwrap();
    let published = || std::fs::read_to_string(dir.path().join("log/checkpoint")).unwrap();
    server.answer("checkpoint", cosigned.to_string().into_bytes());
    mirror.step(&server).await.unwrap();
    assert_eq!(published(), cosigned.to_string());
    server.answer_honestly();
    mirror.step(&server).await.unwrap();
    assert_eq!((published(), mirror.seen()), (cosigned.to_string(), Some(&cosigned)));
}

#[tokio::test]
async fn a_server_that_does_not_answer_or_does_not_allow_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(300));
    server.serve(300);
    server.forbid("tile/entries/");
    let mut mirror = open(dir.path(), Scope::Whole).await;
    let error = mirror.step(&server).await.unwrap_err();
    assert!(
        matches!(&error, StepError::Fetch { what, source: FetchError::Forbidden } if what == "tile/entries/000"),
        "{error}"
    );
    assert!(!error.is_passing() && !error.accuses_log());
    server.fail("checkpoint");
    assert!(mirror.step(&server).await.unwrap_err().is_passing());
}

#[tokio::test]
async fn a_mirror_is_opened_once_with_its_own_scope_and_its_own_logs_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(300));
    server.serve(300);
    let mut mirror = open(dir.path(), site()).await;
    mirror.step(&server).await.unwrap();
    let again = Mirror::open(dir.path(), anchors(), site()).await;
    assert!(matches!(again, Err(MirrorOpenError::InUse { .. })));
    drop(mirror);
    for scope in [Scope::Hashes, Scope::Whole, Scope::Site("US-BO".parse().unwrap())] {
        let other = Mirror::open(dir.path(), anchors(), scope).await;
        assert!(matches!(other, Err(MirrorOpenError::OtherScope { found, .. }) if found == "site CN-NJ"));
    }
    let other = Anchors { logs: vec![log_key(9).verifier_key()], genesis: None };
    let other = Mirror::open(dir.path(), other, site()).await;
    assert!(matches!(other, Err(MirrorOpenError::State { name: "seen", .. })));

    let seen = dir.path().join("seen");
    let good = std::fs::read(&seen).unwrap();
    let set_back = server.log().checkpoint(200).to_string();
    crate::files::replace(&seen, set_back.as_bytes()).unwrap();
    let opened = Mirror::open(dir.path(), anchors(), site()).await;
    assert!(matches!(opened, Err(MirrorOpenError::SetBack)));
    std::fs::remove_file(&seen).unwrap();
    let opened = Mirror::open(dir.path(), anchors(), site()).await;
    assert!(matches!(opened, Err(MirrorOpenError::SetBack)));
    crate::files::replace(&seen, &good).unwrap();
    open(dir.path(), site()).await.step(&server).await.unwrap();
}

#[tokio::test]
async fn damage_to_the_copy_itself_is_not_laid_to_the_logs_charge() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(300);
    let mut mirror = open(dir.path(), site()).await;
    mirror.step(&server).await.unwrap();
    let damage = |path: &str| {
        let path = dir.path().join("log").join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        crate::files::replace(&path, &bytes).unwrap();
    };
    // The record before a new one is told by a tile that the copy has already.
    damage("tile/0/000");
    server.serve(299);
    let error = mirror.step(&server).await.unwrap_err();
    assert!(matches!(error, StepError::RolledBack { .. }), "{error}");
    damage("tile/0/000");
    damage("tile/entries/001.p/44");
    server.serve(600);
    let error = mirror.step(&server).await.unwrap_err();
    assert!(matches!(error, StepError::OwnCopy { .. }), "{error}");
    assert!(!error.accuses_log());
}

#[tokio::test]
async fn what_the_copy_holds_proves_each_of_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(Log::honest(600));
    server.serve(600);
    open(dir.path(), site()).await.step(&server).await.unwrap();
    let read = |path: chain::tile::TilePath| std::fs::read(dir.path().join("log").join(path.to_string()));
    let root = server.log().root(600);
    let size = TreeSize(600);
    for seq in [0_u64, 1, 255, 256, 599] {
        let (path, place) = chain::tile::bundle_of(Position(seq), size).unwrap();
        let bytes = read(path).unwrap();
        let record = bundle::decode(&bytes, path.width()).unwrap()[place];
        let mut hashes = TileHashes::open(read, size, root).unwrap();
        let proof = tree::inclusion_proof(&mut hashes, Position(seq), size).unwrap();
        let proven = tree::verify_inclusion(RecordHash::of(record), Position(seq), size, &proof, root);
        assert_eq!(proven.is_ok(), server.log().is_for_site(usize::try_from(seq).unwrap()));
    }
}
