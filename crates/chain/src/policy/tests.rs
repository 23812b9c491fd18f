use super::*;
use crate::checkpoint::{Checkpoint, Cosigner, SignedCheckpoint};
use crate::note::Signer;
use crate::{RootHash, SecretKey, TreeSize};
use proptest::prelude::*;

fn log(seed: u8) -> VerifierKey {
    VerifierKey::new("log.example/t", SecretKey::from_bytes(&[seed; 32]).public()).unwrap()
}

fn witness(seed: u8) -> VerifierKey {
    VerifierKey::cosigner("w.example", SecretKey::from_bytes(&[seed; 32]).public()).unwrap()
}

/// `@1` stands for the log key of seed 1, `%1` for the witness key.
fn text(template: &str) -> String {
    let mut text = template.to_owned();
    for seed in 1..=9 {
        text = text.replace(&format!("@{seed}"), &log(seed).to_string());
        text = text.replace(&format!("%{seed}"), &witness(seed).to_string());
    }
    text
}

fn policy(template: &str) -> Policy {
    Policy::parse(text(template).as_bytes()).unwrap()
}

fn shortfalls(policy: &Policy, seeds: &[u8]) -> Vec<String> {
    let keys: Vec<_> = seeds.iter().map(|seed| witness(*seed)).collect();
    let evaluation = policy.evaluate(&keys);
    let show = |short: &Shortfall<'_>| {
        format!("{} {}/{}: {}", short.name, short.present, short.needed, short.missing.join(" "))
    };
    assert_eq!(evaluation.is_met(), evaluation.short.is_empty());
    evaluation.short.iter().map(show).collect()
}

#[test]
fn the_example_of_the_specification_asks_for_two_x_and_one_y() {
    let policy = policy(
        "log @1\n\nwitness X1 %1\nwitness X2 %2\nwitness X3 %3\ngroup X-witnesses 2 X1 X2 X3\n\n\
         witness Y1 %4\nwitness Y2 %5\nwitness Y3 %6\ngroup Y-witnesses any Y1 Y2 Y3\n\n\
         group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
    );
    for met in [&[1, 2, 4][..], &[2, 3, 6], &[1, 2, 3, 4, 5, 6], &[1, 1, 3, 5, 9]] {
        assert_eq!(shortfalls(&policy, met), [""; 0], "{met:?}");
    }
    assert_eq!(
        shortfalls(&policy, &[1, 1, 1]),
        ["X-and-Y 0/2: X-witnesses Y-witnesses", "X-witnesses 1/2: X2 X3", "Y-witnesses 0/1: Y1 Y2 Y3"]
    );
    assert_eq!(shortfalls(&policy, &[1, 2]), ["X-and-Y 1/2: Y-witnesses", "Y-witnesses 0/1: Y1 Y2 Y3"]);
    assert_eq!(shortfalls(&policy, &[4, 9]), ["X-and-Y 1/2: X-witnesses", "X-witnesses 0/2: X1 X2 X3"]);
    assert_eq!(policy.evaluate(&[witness(6), witness(9), witness(2)]).cosigned, ["X2", "Y3"]);
    assert_eq!(policy.logs(), [log(1)]);
    assert_eq!(policy.witnesses().len(), 6);
}

#[test]
fn a_quorum_is_a_witness_a_group_or_none() {
    assert_eq!(shortfalls(&policy("quorum none"), &[]), [""; 0]);
    assert_eq!(shortfalls(&policy("quorum none\nwitness a %1\n"), &[]), [""; 0]);
    let single = policy("witness a %1\nwitness b %2\nquorum a\n");
    assert_eq!(shortfalls(&single, &[1]), [""; 0]);
    assert_eq!(shortfalls(&single, &[2]), ["a 0/1: a"]);
    // A log's key of the same seed is no witness.
    assert!(!single.evaluate(&[log(1)]).is_met());
}

#[test]
fn white_space_comments_and_order_are_free_and_printing_is_not() {
    let policy = policy(
        "\t # a comment\n\n witness\ta  %1\thttps://w.example/ \n#log\nlog @1 https://log.example/t\nquorum a\ngroup g 1 a",
    );
    let printed =
        text("log @1 https://log.example/t\nwitness a %1 https://w.example/\ngroup g all a\nquorum a\n");
    assert_eq!(policy.to_string(), printed);
    assert_eq!(Policy::parse(printed.as_bytes()), Ok(policy.clone()));
    assert_eq!(policy.log_urls(), [Some("https://log.example/t".to_owned())]);
    assert_eq!(policy.witness_urls(), [Some("https://w.example/".to_owned())]);
    assert_eq!(policy.witness_names(), ["a"]);
}

#[test]
fn names_that_look_alike_are_different_names() {
    // An ASCII K and the sign of kelvin.
    let policy = policy("witness K %1\nwitness \u{212a} %2\nquorum \u{212a}\n");
    assert_eq!(shortfalls(&policy, &[1]), ["\u{212a} 0/1: \u{212a}"]);
    assert_eq!(shortfalls(&policy, &[2]), [""; 0]);
}

#[test]
fn what_is_not_a_policy_is_refused_with_its_line() {
    for (template, line, fault) in [
        ("", 1, PolicyFault::QuorumMissing),
        ("log @1\n", 2, PolicyFault::QuorumMissing),
        ("quorum none\nquorum none\n", 2, PolicyFault::QuorumRepeated),
        ("quorum\n", 1, PolicyFault::Words),
        ("quorum none none\n", 1, PolicyFault::Words),
        ("quorum a\nwitness a %1\n", 1, PolicyFault::NameUnknown),
        ("Log @1\n", 1, PolicyFault::Keyword),
        ("witness\n", 1, PolicyFault::Words),
        ("witness a\n", 1, PolicyFault::Words),
        ("witness a %1 url more\n", 1, PolicyFault::Words),
        ("log\n", 1, PolicyFault::Words),
        ("log @1 url more\n", 1, PolicyFault::Words),
        ("log %1\n", 1, PolicyFault::LogKey),
        ("log @1\nlog @1\n", 2, PolicyFault::KeyRepeated),
        ("witness a @1\n", 1, PolicyFault::WitnessKey),
        ("witness a %1\nwitness b %1\n", 2, PolicyFault::KeyRepeated),
        ("witness a %1\nwitness a %2\n", 2, PolicyFault::NameTaken),
        ("witness none %1\n", 1, PolicyFault::NameTaken),
        ("witness a %1\ngroup a 1 a\n", 2, PolicyFault::NameTaken),
        ("witness a %1\ngroup g 1 g\n", 2, PolicyFault::NameUnknown),
        ("group g 1 none\n", 1, PolicyFault::NameUnknown),
        ("group g 1\n", 1, PolicyFault::Words),
        ("group g\n", 1, PolicyFault::Words),
        ("witness a %1\ngroup g 1 a a\n", 2, PolicyFault::MemberRepeated),
        ("witness a %1\ngroup g 1 a\ngroup h 1 a\n", 3, PolicyFault::MemberRepeated),
        ("witness a %1\ngroup g 0 a\n", 2, PolicyFault::Threshold),
        ("witness a %1\ngroup g 2 a\n", 2, PolicyFault::Threshold),
        ("witness a %1\ngroup g 01 a\n", 2, PolicyFault::Threshold),
        ("witness a %1\ngroup g ALL a\n", 2, PolicyFault::Threshold),
        ("quorum none\r\n", 1, PolicyFault::Characters),
        ("quorum none\n# \u{1}\n", 2, PolicyFault::Characters),
        ("quorum none\n# \u{7f}\n", 2, PolicyFault::Characters),
    ] {
        assert_eq!(Policy::parse(text(template).as_bytes()), Err(PolicyError { line, fault }), "{template}");
    }
    let fault = |bytes: &[u8]| Policy::parse(bytes).unwrap_err().fault;
    assert_eq!(fault(b"# \xff\nquorum none\n"), PolicyFault::Characters);
    assert_eq!(fault(&vec![b'\n'; NOTE_BYTES_MAX + 1]), PolicyFault::TooLarge);
}

#[test]
fn a_checkpoint_is_held_against_its_policy() {
    let signer = Signer::new("log.example/t", SecretKey::from_bytes(&[1; 32])).unwrap();
    let cosigner = |seed| Cosigner::new("w.example", SecretKey::from_bytes(&[seed; 32])).unwrap();
    let checkpoint = Checkpoint::new("log.example/t", TreeSize(0), RootHash::empty()).unwrap();
    let mut signed = SignedCheckpoint::sign(checkpoint.clone(), &[&signer]).unwrap();
    let policy = policy("log @1\nwitness a %2\nwitness b %3\ngroup g all a b\nquorum g\n");
    for (seed, met) in [(4, false), (2, false), (3, true)] {
        let answer = cosigner(seed).cosign(&checkpoint, 5).unwrap().to_string();
        signed.add_cosignatures(answer.as_bytes(), &[witness(seed)]).unwrap();
        let (trusted, evaluation) = policy.check(&signed, policy.logs()).unwrap();
        assert_eq!(evaluation.is_met(), met, "{seed}");
        assert_eq!(trusted.checkpoint, checkpoint);
    }
    assert!(policy.check(&signed, &[log(9)]).is_err());
}

proptest! {
    #[test]
    fn any_text_gets_an_answer_and_what_is_read_prints_to_the_same(
        words in prop::collection::vec(
            prop::sample::select(vec!["log", "witness", "group", "quorum", "none", "a", "b", "g", "any", "all", "1", "2", "@1", "%1", "%2", "\n", "\n", "\n", "#"]),
            0..40,
        ),
    ) {
        let text = text(&words.join(" "));
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            prop_assert_eq!(Policy::parse(policy.to_string().as_bytes()), Ok(policy));
        }
    }

    #[test]
    fn more_cosignatures_never_undo_a_quorum(seeds in prop::collection::vec(1u8..=6, 0..6), more in 1u8..=6) {
        let policy = policy(
            "witness a %1\nwitness b %2\nwitness c %3\nwitness d %4\nwitness e %5\nwitness f %6\n\
             group g 2 a b c\ngroup h any d e\ngroup i 2 g h f\nquorum i\n",
        );
        // The same quorum in words of its own.
        let has = |seeds: &[u8], seed: u8| usize::from(seeds.contains(&seed));
        let expected = |seeds: &[u8]| {
            let g = usize::from(has(seeds, 1) + has(seeds, 2) + has(seeds, 3) >= 2);
            let h = usize::from(has(seeds, 4) + has(seeds, 5) >= 1);
            g + h + has(seeds, 6) >= 2
        };
        let before = shortfalls(&policy, &seeds).is_empty();
        prop_assert_eq!(before, expected(&seeds));
        let after = shortfalls(&policy, &[&seeds[..], &[more]].concat()).is_empty();
        prop_assert!(after || !before);
    }
}
