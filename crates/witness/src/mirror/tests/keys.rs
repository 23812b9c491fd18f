//! A log's key follows another, and a mirror that copies records follows that.

use chain::Record;
use chain::checkpoint::Checkpoint;
use chain::note::VerifierKey;
use serde_json::Value;

use super::server::{Log, Server, log_key};
use super::*;

/// What made-up records say, `{"names":2}` or `{"revokes":1}`, without asking who says it; the first key is the log's from
/// its first record on.
#[derive(Clone, Default)]
struct Said(Vec<(u8, u64, Option<u64>)>);

impl Said {
    fn keys(&self, is: impl Fn(&(u8, u64, Option<u64>)) -> bool) -> Vec<VerifierKey> {
        self.0.iter().filter(|key| is(key)).map(|(seed, ..)| log_key(*seed).verifier_key()).collect()
    }
}

impl Authority for Said {
    fn follow(&mut self, record: &[u8]) {
        let read = Record::parse(record).unwrap();
        let event: Value = serde_json::from_slice(read.event).unwrap();
        let seed = |name: &str| event[name].as_u64().and_then(|seed| u8::try_from(seed).ok());
        let named = if read.seq == Position(0) { Some(1) } else { seed("names") };
        if let Some(seed) = named
            && !self.0.iter().any(|(known, ..)| *known == seed)
        {
            self.0.push((seed, read.seq.0, None));
        }
        for key in self.0.iter_mut().filter(|key| Some(key.0) == seed("revokes") && key.2.is_none()) {
            key.2 = Some(read.seq.0);
        }
    }

    fn due(&self, size: TreeSize) -> Vec<VerifierKey> {
        self.keys(|(_, from, until)| *from < size.0 && until.is_none_or(|until| until >= size.0))
    }

    fn named(&self) -> Vec<VerifierKey> {
        self.keys(|_| true)
    }

    fn branch(&self) -> Box<dyn Authority> {
        Box::new(self.clone())
    }
}

/// A log whose record 300 names the second key, and whose record 303 revokes the first.
fn changing() -> Log {
    Log::with_records(600, |seq| match seq {
        300 => r#"{"names":2}"#.to_owned(),
        303 => r#"{"revokes":1}"#.to_owned(),
        _ => format!(r#"{{"n":{seq}}}"#),
    })
}

/// The checkpoint of a size by the keys of these seeds.
fn serve(server: &Server, size: u64, seeds: &[u8]) {
    let checkpoint = Checkpoint::new(log_key(1).name(), TreeSize(size), server.log().root(size)).unwrap();
    let signers: Vec<_> = seeds.iter().map(|seed| log_key(*seed)).collect();
    let signed = SignedCheckpoint::sign(checkpoint, &signers.iter().collect::<Vec<_>>()).unwrap();
    server.answer("checkpoint", signed.to_string().into_bytes());
}

async fn following(dir: &Path, scope: &Scope, genesis: Option<RecordHash>) -> Mirror {
    let anchors = Anchors { genesis, ..anchors() };
    let mirror = Mirror::open(dir, anchors, scope.clone()).await.unwrap();
    mirror.following(Box::new(Said::default())).await.unwrap()
}

/// The size the copy then has, or why it does not go there.
async fn step(mirror: &mut Mirror, server: &Server) -> Result<u64, StepError> {
    mirror.step(server).await.map(|step| step.size.0)
}

#[tokio::test]
async fn a_mirror_of_records_follows_a_change_of_the_logs_key_by_itself() {
    for scope in [site(), Scope::Whole] {
        // Seen while both sign, or only before and after.
        for between in [vec![302], vec![]] {
            let dir = tempfile::tempdir().unwrap();
            let server = Server::new(changing());
            let mut mirror = following(dir.path(), &scope, None).await;
            serve(&server, 250, &[1]);
            assert_eq!(step(&mut mirror, &server).await.unwrap(), 250);
            for size in between {
                serve(&server, size, &[1, 2]);
                assert_eq!(step(&mut mirror, &server).await.unwrap(), size);
            }
            serve(&server, 500, &[2]);
            assert_eq!(step(&mut mirror, &server).await.unwrap(), 500);
            drop(mirror);
            // Another run is still given the old key alone.
            let mut mirror = following(dir.path(), &scope, None).await;
            serve(&server, 600, &[2]);
            assert_eq!(step(&mut mirror, &server).await.unwrap(), 600);
            assert_eq!(mirror.evidence().unwrap().len(), 0);
        }
    }
}

#[tokio::test]
async fn with_the_genesis_a_new_copy_begins_after_the_change_and_without_it_does_not() {
    let server = Server::new(changing());
    serve(&server, 500, &[2]);
    let genesis = RecordHash::of(&server.log().records[0]);
    for (known, begins) in [(Some(genesis), true), (None, false), (Some(RecordHash([7; 32])), false)] {
        for scope in [site(), Scope::Whole] {
            let dir = tempfile::tempdir().unwrap();
            let stepped = step(&mut following(dir.path(), &scope, known).await, &server).await;
            match stepped {
                Ok(size) => assert!(begins && size == 500),
                Err(error) => assert!(!begins && matches!(error, StepError::Untrusted(_)), "{error}"),
            }
        }
    }
    // Nor does one that copies no records, however much it knows.
    let dir = tempfile::tempdir().unwrap();
    let stepped = step(&mut following(dir.path(), &Scope::Hashes, Some(genesis)).await, &server).await;
    assert!(matches!(stepped, Err(StepError::Untrusted(_))));
    // A genesis does not make up for a key that is none of the log's.
    let dir = tempfile::tempdir().unwrap();
    let anchors = Anchors { logs: vec![log_key(9).verifier_key()], genesis: Some(genesis) };
    let mirror = Mirror::open(dir.path(), anchors, Scope::Whole).await.unwrap();
    let stepped = step(&mut mirror.following(Box::new(Said::default())).await.unwrap(), &server).await;
    assert!(matches!(stepped, Err(StepError::Untrusted(_))));
}

#[tokio::test]
async fn a_key_that_the_records_do_not_name_or_have_revoked_is_not_believed_and_accuses_nobody() {
    for scope in [site(), Scope::Whole] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::new(changing());
        let mut mirror = following(dir.path(), &scope, None).await;
        serve(&server, 250, &[1]);
        step(&mut mirror, &server).await.unwrap();
        let refused = async |mirror: &mut Mirror, size, seeds: &[u8]| {
            serve(&server, size, seeds);
            let error = step(mirror, &server).await.unwrap_err();
            assert!(!error.accuses_log(), "{error}");
            error
        };
        // Before its record, and a key that no record names.
        assert!(matches!(refused(&mut mirror, 300, &[2]).await, StepError::Untrusted(_)));
        assert!(matches!(refused(&mut mirror, 500, &[9]).await, StepError::Untrusted(_)));
        // Both have to sign while both are in force, and the old one alone does no more: not even if the records that say so
        // come with its checkpoint.
        assert!(matches!(refused(&mut mirror, 302, &[2]).await, StepError::SignatureMissing { .. }));
        assert_eq!(mirror.seen().unwrap().claim().size, TreeSize(250));
        assert!(matches!(refused(&mut mirror, 302, &[1]).await, StepError::SignatureMissing { .. }));
        assert_eq!(mirror.copied().unwrap().claim().size, TreeSize(250));
        serve(&server, 400, &[2]);
        assert_eq!(step(&mut mirror, &server).await.unwrap(), 400);
        refused(&mut mirror, 500, &[1]).await;
        // Another tree, of which the first key is said to have named the next.
        server.replace(Log::with_records(600, |seq| format!(r#"{{"names":{}}}"#, 2 + seq / 300)), 500);
        assert!(matches!(refused(&mut mirror, 500, &[3]).await, StepError::Untrusted(_)));
        assert_eq!(mirror.seen().unwrap().claim().size, TreeSize(400));
        assert_eq!(mirror.evidence().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn what_is_altered_on_the_way_names_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new(changing());
    let mut mirror = following(dir.path(), &Scope::Whole, None).await;
    serve(&server, 250, &[1]);
    step(&mut mirror, &server).await.unwrap();
    serve(&server, 500, &[9]);
    let mut bytes = server.honest("tile/entries/001.p/244").unwrap();
    let place = bytes.windows(9).position(|nine| nine == br#""names":2"#).unwrap();
    bytes[place + 8] = b'9';
    server.answer("tile/entries/001.p/244", bytes);
    assert!(matches!(step(&mut mirror, &server).await, Err(StepError::Untrusted(_))));
    assert_eq!(mirror.copied().unwrap().claim().size, TreeSize(250));
    // What does not come is no verdict.
    server.fail("tile/entries/001");
    let failed = step(&mut mirror, &server).await.unwrap_err();
    assert!(failed.is_passing(), "{failed}");
}
