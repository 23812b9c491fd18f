use super::*;
use crate::checkpoint::{Checkpoint, Cosigner};
use crate::note::Signer;
use crate::receipt::SignedReceipts;
use crate::tree::MemoryTree;
use proptest::prelude::*;

/// Well-formed inputs of every decoder, to be harmed: what is made of chance alone rarely gets past a first line.
fn samples() -> Vec<Vec<u8>> {
    let log = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
    let registrar = Signer::new("log.example/t/receipts", SecretKey::from_bytes(&[2; 32])).unwrap();
    let witness = Cosigner::new("witness.example", SecretKey::from_bytes(&[3; 32])).unwrap();
    let leaves: Vec<_> = (0..7).map(|n| RecordHash::of(&[n])).collect();
    let mut tree = MemoryTree::new(&leaves);
    let checkpoint = Checkpoint::new(log.name(), TreeSize(7), tree.root()).unwrap();
    let mut signed = SignedCheckpoint::sign(checkpoint.clone(), &[&log]).unwrap();
    let line = witness.cosign(&checkpoint, 1_700_000_000).unwrap().to_string();
    signed.add_cosignatures(line.as_bytes(), &[witness.verifier_key()]).unwrap();

    let path = tree::inclusion_proof(&mut tree, Position(5), TreeSize(7)).unwrap();
    let proof = LogProof { position: Position(5), path: path.clone(), checkpoint: signed.clone() };
    let consistency = tree::consistency_proof(&mut tree, TreeSize(3), TreeSize(7)).unwrap();
    let request = AddCheckpoint { old: TreeSize(3), proof: consistency, checkpoint: signed.clone() };
    let receipts = SignedReceipts::sign(log.name(), Position(3), &leaves, &registrar).unwrap();
    let policy = format!(
        "log {}\nwitness a {}\ngroup g any a\nquorum g\n",
        log.verifier_key(),
        witness.verifier_key()
    );
    let event = br#"{"a":{"b":["x",1,true]}}"#;
    let signature = SecretKey::from_bytes(&[4; 32]).sign_event(event);
    let submission = Submission { event, signature };
    let record = Record {
        event,
        prev: leaves[0],
        recorded_at: "2026-11-22T13:28:45.123456Z".parse().unwrap(),
        seq: Position(42),
        signature,
    };
    let mut bundle = vec![2];
    bundle.extend(bundle::encode([&b"abc"[..], b"", b"defg"]).unwrap());
    let mut proof_bytes = [6_u64.to_be_bytes(), 7_u64.to_be_bytes()].concat();
    proof_bytes.extend(HashTile::encode(&path));
    vec![
        event.to_vec(),
        record.join(),
        submission.join(),
        bundle,
        signed.to_string().into_bytes(),
        line.into_bytes(),
        proof.to_string().into_bytes(),
        request.to_string().into_bytes(),
        receipts.note.clone().into_bytes(),
        receipts.note.split("\n\n").next().unwrap().as_bytes().to_vec(),
        policy.into_bytes(),
        log.verifier_key().to_string().into_bytes(),
        witness.verifier_key().to_string().into_bytes(),
        b"tile/0/x001/x234/067.p/8".to_vec(),
        b"tile/entries/999".to_vec(),
        proof_bytes,
        [70_000_u64.to_be_bytes(), 3_u64.to_be_bytes(), 5_u64.to_be_bytes(), [9; 8]].concat(),
        [u64::MAX.to_be_bytes(), 63_u64.to_be_bytes(), 0_u64.to_be_bytes(), [9; 8]].concat(),
    ]
}

fn drive(bytes: &[u8]) {
    for (_, body) in BODIES {
        body(bytes);
    }
}

/// One way of harming bytes.
#[derive(Debug, Clone)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    // Bytes with a meaning in some format, and any.
    let byte = || prop_oneof![prop::sample::select(b"\n \t+=\"{}0/x#\xe2\x00\xff".to_vec()), any::<u8>()];
    prop_oneof![
        (any::<prop::sample::Index>(), 0u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Harm::Set(at, byte)),
        (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Harm::Insert(at, byte)),
        any::<prop::sample::Index>().prop_map(Harm::Remove),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(from, to)| Harm::Repeat(from, to)),
    ]
}

fn harmed(mut bytes: Vec<u8>, harms: Vec<Harm>) -> Vec<u8> {
    for harm in harms {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match harm {
            Harm::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Harm::Set(at, byte) => bytes[at.index(length)] = byte,
            Harm::Insert(at, byte) => bytes.insert(at.index(length), byte),
            Harm::Remove(at) => drop(bytes.remove(at.index(length))),
            Harm::Cut(at) => bytes.truncate(at.index(length)),
            Harm::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let run = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(to..to, run);
            }
        }
    }
    bytes
}

#[test]
fn every_sample_and_every_prefix_of_it_gets_an_answer() {
    for sample in samples() {
        for length in 0..=sample.len() {
            drive(&sample[..length]);
        }
    }
}

#[test]
fn the_samples_reach_behind_every_decoder() {
    let samples = samples();
    let some = |reads: &dyn Fn(&[u8]) -> bool| samples.iter().any(|sample| reads(sample));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap_or_default();
    assert!(some(&|bytes| canonical::check(bytes).is_ok()));
    assert!(some(&|bytes| Record::parse(bytes).is_ok()));
    assert!(some(&|bytes| Submission::parse(bytes).is_ok()));
    assert!(some(&|bytes| bundle::decode(&bytes[1..], u16::from(bytes[0]) + 1).is_ok()));
    assert!(some(&|bytes| text(bytes).parse::<TilePath>().is_ok()));
    assert!(some(&|bytes| SignedCheckpoint::parse(bytes).is_ok()));
    assert!(some(&|bytes| note::parse_lines(bytes).is_ok()));
    assert!(some(&|bytes| Note::parse(bytes).is_ok_and(|note| ReceiptNote::parse(note.text()).is_ok())));
    assert!(some(&|bytes| LogProof::parse(bytes).is_ok()));
    assert!(some(&|bytes| AddCheckpoint::parse(bytes).is_ok()));
    assert!(some(&|bytes| Policy::parse(bytes).is_ok()));
    assert!(some(&|bytes| VerifierKey::from_text(&text(bytes)).is_ok()));
    assert!(some(&|bytes| VerifierKey::cosigner_from_text(&text(bytes)).is_ok()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn harmed_samples_get_an_answer(
        sample in prop::sample::select(samples()),
        harms in prop::collection::vec(harm(), 1..5),
    ) {
        drive(&harmed(sample, harms));
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drive(&bytes);
    }
}
