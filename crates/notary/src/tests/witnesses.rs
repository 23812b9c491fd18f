//! Witnesses: honest, slow, dead, ahead, in disagreement, and forging.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chain::checkpoint::Cosigner;
use chain::policy::Policy;
use chain::witness_request::{AddCheckpoint, Answer, Cosigned};
use chain::{Checkpoint, RootHash, SecretKey, SignedCheckpoint, TreeSize};

use super::store::{Extent, Mode};
use super::threads::{LONG, parts};
use super::{World, signer};
use crate::{Parts, Phase, Refusal, Settings, Side, Status, Stop, WaitError, Watch, WitnessClient, start};

type Answered = Result<(u16, Vec<u8>), String>;

/// An honest witness that can be kept from answering.
#[derive(Clone)]
pub(crate) struct Witness {
    name: String,
    seed: u8,
    pub(crate) last: Arc<Mutex<Cosigned>>,
    /// Its clock: each cosignature is a second after the one before.
    time: Arc<Mutex<u64>>,
    /// The checkpoint that it shows as its last.
    shown: Arc<Mutex<Option<Vec<u8>>>>,
    /// What it answers instead.
    instead: Arc<Mutex<Option<Answered>>>,
    /// It answers only when this says so.
    gate: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Witness {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            last: Arc::new(Mutex::new(Cosigned::nothing())),
            time: Arc::new(Mutex::new(1_700_000_000)),
            shown: Arc::default(),
            instead: Arc::default(),
            gate: None,
        }
    }

    fn cosigner(&self) -> Cosigner {
        Cosigner::new(&format!("{}.example", self.name), SecretKey::from_bytes(&[self.seed; 32])).unwrap()
    }

    fn answer_instead(&self, answer: Result<(u16, &str), &str>) {
        let answer = answer.map(|(status, body)| (status, body.as_bytes().to_vec())).map_err(str::to_owned);
        *self.instead.lock().unwrap() = Some(answer);
    }

    fn answer_honestly(&self) {
        *self.instead.lock().unwrap() = None;
    }

    fn boxed(&self) -> Box<dyn WitnessClient> {
        Box::new(self.clone())
    }
}

impl WitnessClient for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn add_checkpoint(&self, request: &AddCheckpoint) -> Answered {
        if let Some(gate) = &self.gate {
            gate.lock().unwrap().recv().map_err(|_| "the gate is gone".to_owned())?;
        }
        if let Some(answer) = self.instead.lock().unwrap().clone() {
            return answer;
        }
        // As over the wire.
        let request = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        let mut last = self.last.lock().unwrap();
        let answer = request.answer(&[signer(1).verifier_key()], *last);
        let body = match &answer {
            Answer::Cosign { next } => {
                *last = *next;
                let mut time = self.time.lock().unwrap();
                *time += 1;
                self.cosigner().cosign(request.checkpoint.claim(), *time).unwrap().to_string()
            }
            refusal => refusal.to_string(),
        };
        Ok((answer.status(), body.into_bytes()))
    }

    fn last_checkpoint(&self, origin: &str) -> Option<Vec<u8>> {
        assert_eq!(origin, super::ORIGIN);
        self.shown.lock().unwrap().clone()
    }
}

/// A checkpoint that the key of `seed` has signed.
fn signed(size: u64, root: RootHash, seed: u8) -> Vec<u8> {
    let checkpoint = Checkpoint::new(super::ORIGIN, TreeSize(size), root).unwrap();
    SignedCheckpoint::sign(checkpoint, &[&signer(seed)]).unwrap().to_string().into_bytes()
}

fn policy(threshold: &str, witnesses: &[&Witness]) -> Policy {
    let mut text = String::new();
    for witness in witnesses {
        text += &format!("witness {} {}\n", witness.name, witness.cosigner().verifier_key());
    }
    let names: Vec<_> = witnesses.iter().map(|witness| witness.name.as_str()).collect();
    text += &format!("group all {threshold} {}\nquorum all\n", names.join(" "));
    Policy::parse(text.as_bytes()).unwrap()
}

fn witnessed(world: &World, threshold: &str, witnesses: &[&Witness]) -> Parts {
    Parts {
        witnesses: witnesses.iter().map(|witness| witness.boxed()).collect(),
        policy: Some(policy(threshold, witnesses)),
        settings: Settings { interval: Duration::ZERO, witness_wait: LONG, ..Settings::default() },
        ..parts(world)
    }
}

/// Waits until the status is as wanted.
fn until(watch: &Watch, wanted: impl Fn(&Status) -> bool) -> Status {
    let found = (0..6_000).find_map(|_| {
        let status = watch.status();
        if wanted(&status) {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
        None
    });
    found.unwrap_or_else(|| panic!("{:?}", watch.status()))
}

#[test]
fn cosignatures_are_gathered_and_the_served_checkpoint_fulfils_the_policy() {
    let world = World::new(600);
    let (a, b) = (Witness::new("a", 11), Witness::new("b", 12));
    let parts = witnessed(&world, "all", &[&a, &b]);
    let policy = parts.policy.clone().unwrap();
    let notary = start(parts).unwrap();
    let watch = notary.watch();
    for size in [3, 300, 600] {
        world.grow(size);
        watch.wait_witnessed(TreeSize(size), LONG).unwrap();
        let note = watch.witnessed_checkpoint().unwrap();
        assert!(policy.check(&note, &[signer(1).verifier_key()]).unwrap().1.is_met());
    }
    let status = until(&watch, |status| status.missing.is_empty());
    assert_eq!(status.witnesses[1].cosigned, Some(TreeSize(600)));
    assert_eq!(world.served(), watch.witnessed_checkpoint().unwrap());
    assert_eq!(world.served().note().lines().len(), 3);
    let kept = world.keep().last(super::ORIGIN, keep::Purpose::Witnessed).unwrap().unwrap();
    assert_eq!(kept.note, world.served().to_string().into_bytes());
    drop(notary.stop());
    world.assert_whole(600);

    // Asked again after a restart, they add nothing to what is there.
    let notary = start(witnessed(&world, "all", &[&a, &b])).unwrap();
    let all =
        |status: &Status| status.witnesses.iter().all(|witness| witness.cosigned == Some(TreeSize(600)));
    assert_eq!(until(&notary.watch(), all).missing, [""; 0]);
    assert_eq!(notary.watch().status().witnessed.unwrap().size, TreeSize(600));
    drop(notary.stop());
    assert_eq!(world.served().note().lines().len(), 3);
}

#[test]
fn a_slow_witness_delays_only_its_own_cosignature() {
    let world = World::new(600);
    let (open, gate) = channel();
    let a = Witness::new("a", 11);
    let slow = Witness { gate: Some(Arc::new(Mutex::new(gate))), ..Witness::new("slow", 12) };
    let mut parts = witnessed(&world, "1", &[&a, &slow]);
    parts.settings.witness_wait = Duration::ZERO;
    let notary = start(parts).unwrap();
    let watch = notary.watch();
    for size in [10, 300, 600] {
        world.grow(size);
        watch.wait_witnessed(TreeSize(size), LONG).unwrap();
    }
    let status = until(&watch, |status| status.missing == ["slow"]);
    assert_eq!(status.signed.unwrap().size, TreeSize(600));
    // It answers about what it was asked first, then about what is out now.
    for _ in 0..10 {
        open.send(()).unwrap();
    }
    until(&watch, |status| status.missing.is_empty());
    assert_eq!(world.served().note().lines().len(), 3);
    drop(notary.stop());
    world.assert_whole(600);
}

#[test]
fn a_cosignature_is_told_of_once_it_stands_in_the_archive() {
    let world = World::new(10);
    let (open, gate) = channel();
    let a = Witness { gate: Some(Arc::new(Mutex::new(gate))), ..Witness::new("a", 11) };
    let mut parts = witnessed(&world, "all", &[&a]);
    parts.settings.witness_wait = Duration::ZERO;
    let notary = start(parts).unwrap();
    let watch = notary.watch();
    // It is asked about the empty tree first.
    open.send(()).unwrap();
    world.grow(10);
    watch.wait_sealed(TreeSize(10), LONG).unwrap();
    world.store.plan(0, Mode::Failed, Extent::ForGood);
    open.send(()).unwrap();
    let status = until(&watch, |status| {
        status.witnesses[0].cosigned == Some(TreeSize(10)) && status.last_error.is_some()
    });
    assert_eq!((status.missing, status.witnessed), (vec!["a".to_owned()], None));
    world.store.heal();
    until(&watch, |status| status.missing.is_empty());
    assert_eq!(world.served().note().lines().len(), 2);
    drop(notary.stop());
}

#[test]
fn a_dead_witness_delays_the_quorum_alone_and_partial_tiles_wait_for_it() {
    let world = World::new(900);
    let a = Witness::new("a", 11);
    let mut parts = witnessed(&world, "all", &[&a]);
    parts.settings.round = Duration::ZERO;
    let notary = start(parts).unwrap();
    let watch = notary.watch();
    world.grow(300);
    watch.wait_witnessed(TreeSize(300), LONG).unwrap();

    a.answer_instead(Err("no route to host"));
    for size in [310, 600, 900] {
        world.grow(size);
        watch.wait_sealed(TreeSize(size), LONG).unwrap();
    }
    let status = until(&watch, |status| status.witnesses[0].error.is_some());
    assert_eq!(status.witnesses[0].error.as_deref(), Some("no route to host"));
    assert_eq!(status.missing, ["a"]);
    assert_eq!(status.witnessed.unwrap().size, TreeSize(300));
    assert!(status.last_error.is_none());
    let kept = ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"].map(str::to_owned);
    let edge = ["tile/0/003.p/132", "tile/1/000.p/3", "tile/entries/003.p/132"].map(str::to_owned);
    let partials = world.partials();
    assert!(kept.iter().chain(&edge).all(|path| partials.contains(path)), "{partials:?}");
    assert!(!partials.contains("tile/0/001.p/54"), "{partials:?}");

    a.answer_honestly();
    watch.wait_witnessed(TreeSize(900), LONG).unwrap();
    drop(notary.stop());
    let partials = world.partials();
    assert!(
        !partials.contains("tile/0/001.p/44") && !partials.contains("tile/entries/001.p/44"),
        "{partials:?}"
    );
    world.assert_whole(900);
}

#[test]
fn a_witness_that_is_behind_is_proven_everything_since() {
    let world = World::sealed(700, &[5, 300, 600]);
    let a = Witness::new("a", 11);
    let hashes: Vec<_> = world.records.iter().map(|record| record.hash).collect();
    *a.last.lock().unwrap() = Cosigned { size: TreeSize(5), root: chain::tree::root_of(&hashes[..5]) };
    let notary = start(witnessed(&world, "all", &[&a])).unwrap();
    notary.watch().wait_witnessed(TreeSize(600), LONG).unwrap();
    world.grow(700);
    notary.watch().wait_witnessed(TreeSize(700), LONG).unwrap();
    assert_eq!(notary.stop().phase, Phase::Stopped(Stop::Asked));
    assert_eq!(a.last.lock().unwrap().size, TreeSize(700));
}

#[test]
fn a_witness_that_has_seen_more_or_else_forbids_to_sign() {
    let check = |cosigned: Cosigned, sizes: &[u64], expected: Refusal| {
        let world = World::sealed(20, sizes);
        world.grow(20);
        let before = world.store.checkpoints();
        let a = Witness::new("a", 11);
        *a.last.lock().unwrap() = cosigned;
        let notary = start(witnessed(&world, "all", &[&a])).unwrap();
        assert_eq!(notary.watch().wait_stopped(LONG), Ok(Stop::Refused(expected)));
        assert_eq!(world.store.checkpoints(), before);
    };
    let seen = |size| Cosigned { size: TreeSize(size), root: RootHash([1; 32]) };
    let behind = |kept: Option<u64>| Refusal::StateBehind {
        kept: kept.map(TreeSize),
        side: Side::Witness("a".to_owned()),
        size: TreeSize(15),
    };
    // Even if the journal is longer: what was signed over 15 is not known here.
    check(seen(15), &[10], behind(Some(10)));
    check(seen(15), &[], behind(None));
    let disagrees = || Refusal::WitnessDisagrees { witness: "a".to_owned(), size: TreeSize(10) };
    check(seen(10), &[10], disagrees());
    check(seen(5), &[10], disagrees());
}

#[test]
fn what_a_witness_says_is_weighed_by_the_checkpoint_that_it_shows() {
    let other = RootHash([1; 32]);
    let check = |answer: (u16, &str), shown: Vec<u8>, expected: Result<&str, Refusal>| {
        let world = World::sealed(20, &[10]);
        let a = Witness::new("a", 11);
        a.answer_instead(Ok(answer));
        *a.shown.lock().unwrap() = Some(shown);
        let notary = start(witnessed(&world, "all", &[&a])).unwrap();
        world.grow(20);
        match expected {
            Err(refusal) => {
                assert_eq!(notary.watch().wait_stopped(LONG), Ok(Stop::Refused(refusal)));
                assert_eq!(world.served().claim().size, TreeSize(10));
            }
            Ok(told) => {
                notary.watch().wait_sealed(TreeSize(20), LONG).unwrap();
                let status = until(&notary.watch(), |status| status.witnesses[0].error.is_some());
                let error = status.witnesses[0].error.clone().unwrap();
                assert!(error.contains(told), "{error}");
                assert_eq!(status.missing, ["a"]);
                assert_eq!(notary.stop().phase, Phase::Stopped(Stop::Asked));
                world.assert_whole(20);
            }
        }
    };
    let ahead = (409, "1000\n");
    let behind = |size| Refusal::StateBehind {
        kept: Some(TreeSize(10)),
        side: Side::Witness("a".to_owned()),
        size: TreeSize(size),
    };
    // Our own signature over more than we know of: an older state was restored, or somebody else has the key.
    check(ahead, signed(1_000, other, 1), Err(behind(1_000)));
    check(ahead, signed(15, other, 1), Err(behind(15)));
    // By a key that our journal does not name: the journal may be older than the key.
    let unknown = |size| Refusal::KeyUnknown { side: Side::Witness("a".to_owned()), size: TreeSize(size) };
    check(ahead, signed(1_000, other, 2), Err(unknown(1_000)));
    // Another log's, none, and one of ours that we know.
    let others = Checkpoint::new("log.example/u", TreeSize(1_000), other).unwrap();
    let by = chain::note::Signer::new("log.example/u", SecretKey::from_bytes(&[1; 32])).unwrap();
    let others = SignedCheckpoint::sign(others, &[&by]).unwrap().to_string().into_bytes();
    check(ahead, others, Ok("not believed"));
    check(ahead, b"trust me".to_vec(), Ok("not believed"));
    check(ahead, signed(7, other, 1), Ok("shows our checkpoint over 7"));
    // It knows our key no more: because of a later one, or not yet, or because somebody else is asked.
    let unknown_key = (403, "who?\n");
    check(unknown_key, signed(15, other, 2), Err(unknown(15)));
    check(unknown_key, signed(15, other, 1), Err(behind(15)));
    check(unknown_key, signed(7, other, 1), Ok("answers 403: who?"));
    check(unknown_key, b"trust me".to_vec(), Ok("answers 403: who?"));
    let disagrees = (422, "no\n");
    let fork = Refusal::WitnessDisagrees { witness: "a".to_owned(), size: TreeSize(10) };
    check(disagrees, signed(7, other, 1), Err(fork.clone()));
    check(disagrees, signed(10, other, 1), Err(fork));
    check(disagrees, signed(7, other, 2), Err(unknown(7)));
    check(disagrees, signed(7, other, 1)[1..].to_vec(), Ok("not believed"));
    let world = World::sealed(20, &[10]);
    let hashes: Vec<_> = world.records.iter().map(|record| record.hash).collect();
    let ours = chain::tree::root_of(&hashes[..7]);
    check(disagrees, signed(7, ours, 1), Ok("which it does continue"));
}

#[test]
fn a_witness_that_has_cosigned_since_the_start_is_not_believed_to_have_seen_more() {
    let world = World::sealed(20, &[10]);
    let a = Witness::new("a", 11);
    let notary = start(witnessed(&world, "all", &[&a])).unwrap();
    notary.watch().wait_witnessed(TreeSize(10), LONG).unwrap();
    a.answer_instead(Ok((409, "1000\n")));
    world.grow(15);
    notary.watch().wait_sealed(TreeSize(15), LONG).unwrap();
    let told = |status: &Status, words: &str| {
        status.witnesses[0].error.as_ref().is_some_and(|error| error.contains(words))
    };
    until(&notary.watch(), |status| told(status, "shows no checkpoint: it is not believed"));
    // Nor with a checkpoint by a key of its own.
    *a.shown.lock().unwrap() = Some(signed(1_000, RootHash([1; 32]), 2));
    world.grow(20);
    until(&notary.watch(), |status| told(status, "that this log has signed: it is not believed"));
    notary.watch().wait_sealed(TreeSize(20), LONG).unwrap();
    assert_eq!(notary.stop().phase, Phase::Stopped(Stop::Asked));
    world.assert_whole(20);
}

#[test]
fn a_witness_that_does_not_answer_forbids_nothing() {
    for (answer, told) in [
        (Err("timed out"), "timed out"),
        (Ok((404, "no such log")), "answers 404: no such log"),
        (Ok((500, "line\u{7}\nline")), "answers 500: line  line"),
        (Ok((409, "many\n")), "answers 409 and no other size: many"),
        (Ok((200, "not a line\n")), "cosigns badly"),
    ] {
        let world = World::sealed(20, &[10]);
        let a = Witness::new("a", 11);
        a.answer_instead(answer);
        let notary = start(witnessed(&world, "all", &[&a])).unwrap();
        world.grow(20);
        notary.watch().wait_sealed(TreeSize(20), LONG).unwrap();
        let status = until(&notary.watch(), |status| status.witnesses[0].error.is_some());
        assert!(status.witnesses[0].error.as_deref().unwrap().starts_with(told), "{status:?}");
        assert_eq!(status.witnesses[0].cosigned, None);
        let waited = notary.watch().wait_witnessed(TreeSize(1), Duration::ZERO);
        assert_eq!(waited, Err(WaitError::TimedOut));
        assert_eq!(notary.stop().phase, Phase::Stopped(Stop::Asked));
        world.assert_whole(20);
    }
}

#[test]
fn a_cosignature_that_does_not_hold_or_is_anothers_is_not_taken() {
    let world = World::new(20);
    let (a, b) = (Witness::new("a", 11), Witness::new("b", 12));
    // b answers with what a would say, and then with a signature of its own over something else.
    let notary = start(witnessed(&world, "all", &[&a, &b])).unwrap();
    let watch = notary.watch();
    world.grow(10);
    watch.wait_witnessed(TreeSize(10), LONG).unwrap();
    let stale = world.served().note().lines()[1..].iter().map(ToString::to_string).collect::<String>();
    b.answer_instead(Ok((200, &stale)));
    world.grow(20);
    let status = until(&watch, |status| status.witnesses[1].error.is_some());
    assert!(status.witnesses[1].error.as_deref().unwrap().starts_with("cosigns badly"), "{status:?}");
    until(&watch, |status| status.missing == ["b"]);
    assert_eq!(watch.status().witnessed.unwrap().size, TreeSize(10));
    drop(notary.stop());
    assert_eq!(world.served().note().lines().len(), 2);
    world.assert_whole(20);
}
