use super::*;
use crate::note::TYPE_ED25519;
use proptest::prelude::*;

fn signer(name: &str, seed: u8) -> Signer {
    Signer::new(name, SecretKey::from_bytes(&[seed; 32])).unwrap()
}

fn signed(text: &str, signers: &[&Signer]) -> String {
    let lines: Vec<_> = signers.iter().map(|signer| signer.sign(text).unwrap()).collect();
    Note::new(text, lines).unwrap().to_string()
}

fn verify(note: &str, known: &[VerifierKey]) -> Result<Vec<String>, VerifyError> {
    let note = Note::parse(note.as_bytes()).unwrap();
    note.verify(known).map(|found| found.iter().map(|by| by.key.name().to_owned()).collect())
}

#[test]
fn a_published_note_with_a_published_key_verifies() {
    // The example of golang.org/x/mod/sumdb/note.
    let key =
        VerifierKey::from_text("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    assert_eq!(verify(note, std::slice::from_ref(&key)), Ok(vec!["PeterNeumann".to_owned()]));
    assert_eq!(
        verify(&note.replacen("answer", "Answer", 1), &[key]),
        Err(VerifyError::BadSignature { name: "PeterNeumann".to_owned() })
    );
}

#[test]
fn the_published_cosignature_of_the_specification_has_the_form_that_is_read() {
    // The example of C2SP tlog-cosignature; its witness key is not published with it.
    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let read = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(read.lines()[0].signature().len(), 64);
    assert_eq!(read.lines()[1].signature().len(), 72);
    assert_eq!(read.lines()[1].signature()[..8], 1_679_315_147_u64.to_be_bytes());
    assert_eq!(read.to_string(), note);
}

#[test]
fn known_keys_must_hold_and_unknown_ones_are_passed_over() {
    let (log, witness, stranger) =
        (signer("log.example", 1), signer("witness.example", 2), signer("s.example", 3));
    let note = signed("a\n\nb\n", &[&stranger, &log, &witness]);
    let keys = [log.verifier_key(), witness.verifier_key()];
    assert_eq!(verify(&note, &keys), Ok(vec!["log.example".to_owned(), "witness.example".to_owned()]));
    assert_eq!(verify(&note, &keys[..1]), Ok(vec!["log.example".to_owned()]));
    assert_eq!(verify(&note, &[]), Err(VerifyError::NoKnownKey));
    assert_eq!(verify(&note, &[signer("log.example", 9).verifier_key()]), Err(VerifyError::NoKnownKey));

    // A known key's line with a changed signature spoils the note, even beside one that holds.
    let line = witness.sign("a\n\nc\n").unwrap();
    let spoilt = Note::new("a\n\nb\n", [log.sign("a\n\nb\n").unwrap(), line]).unwrap().to_string();
    assert_eq!(verify(&spoilt, &keys), Err(VerifyError::BadSignature { name: "witness.example".to_owned() }));
    assert_eq!(verify(&spoilt, &keys[..1]), Ok(vec!["log.example".to_owned()]));
}

#[test]
fn a_key_that_signs_twice_must_sign_well_twice() {
    let log = signer("log.example", 1);
    let good = log.sign("a\n").unwrap();
    let bad = SignatureLine { signature: vec![0; 64], ..good.clone() };
    let keys = [log.verifier_key()];
    let twice = Note::new("a\n", [good.clone(), good.clone()]).unwrap();
    assert_eq!(twice.verify(&keys).unwrap().len(), 2);
    for lines in [[good.clone(), bad.clone()], [bad, good]] {
        let note = Note::new("a\n", lines).unwrap();
        assert_eq!(note.verify(&keys), Err(VerifyError::BadSignature { name: "log.example".to_owned() }));
    }
}

#[test]
fn a_line_that_shares_only_the_name_or_only_the_id_is_a_strangers() {
    let log = signer("log.example", 1);
    let good = log.sign("a\n").unwrap();
    let other_id = SignatureLine { key_id: [0; 4], signature: vec![0; 64], ..good.clone() };
    let other_name = SignatureLine { name: "gol.example".to_owned(), signature: vec![0; 64], ..good.clone() };
    let note = Note::new("a\n", [other_id, other_name, good]).unwrap();
    assert_eq!(note.verify(&[log.verifier_key()]).unwrap().len(), 1);
}

#[test]
fn a_cosignature_is_no_signature_and_its_time_is_signed() {
    let secret = SecretKey::from_bytes(&[2; 32]);
    let witness = VerifierKey::cosigner("w.example", secret.public()).unwrap();
    let log = VerifierKey::new("w.example", secret.public()).unwrap();
    let line = SignatureLine::cosignature(&witness, &secret, "a\n", 1_679_315_147);
    let note = Note::new("a\n", [line.clone()]).unwrap();
    assert_eq!(note.verify([&witness]), Ok(vec![Endorsement { key: &witness, time: Some(1_679_315_147) }]));
    assert_eq!(note.verify([&log]), Err(VerifyError::NoKnownKey));

    let refused = |line: SignatureLine, key: &VerifierKey| {
        let note = Note::new("a\n", [line]).unwrap();
        assert!(matches!(note.verify([key]), Err(VerifyError::BadSignature { .. })));
    };
    let mut later = line.clone();
    later.signature[7] ^= 1;
    refused(later, &witness);
    // The same bytes under the log's id are a signature of another length and message.
    refused(SignatureLine { key_id: log.id(), ..line.clone() }, &log);
    // A time above 2^63 − 1 is refused though it is signed.
    refused(SignatureLine::cosignature(&witness, &secret, "a\n", 1 << 63), &witness);
    refused(SignatureLine { signature: vec![0; 3], ..line }, &witness);
}

#[test]
fn what_is_not_a_note_is_refused_with_its_place() {
    let log = signer("log.example", 1);
    let good = signed("a\n", &[&log]);
    let line = good.strip_prefix("a\n\n").unwrap();
    let check = |note: &[u8], expected: NoteError| {
        assert_eq!(Note::parse(note), Err(expected), "{}", String::from_utf8_lossy(note));
    };
    let text = |error| NoteError::Text(error);
    check(b"", text(TextError::Unterminated));
    check(b"a", text(TextError::Unterminated));
    check(b"a\n", NoteError::NoSignatures);
    check(b"a\n\n", NoteError::NoSignatures);
    check(format!("\n{line}").as_bytes(), NoteError::NoSignatures);
    check(good.trim_end().as_bytes(), text(TextError::Unterminated));
    check(b"a\xff\n", NoteError::NotUtf8 { offset: 1 });
    check(good.replacen('a', "a\r", 1).as_bytes(), text(TextError::ControlCharacter { offset: 1 }));
    check(good.replacen('a', "a\t", 1).as_bytes(), text(TextError::ControlCharacter { offset: 1 }));
    check(&vec![b'a'; NOTE_BYTES_MAX + 1], NoteError::TooLarge { bytes: NOTE_BYTES_MAX + 1 });
    check(format!("a\n\n{}", line.repeat(101)).as_bytes(), NoteError::TooManySignatures);
    assert_eq!(Note::parse(format!("a\n\n{}", line.repeat(100)).as_bytes()).unwrap().lines().len(), 100);

    let third = NoteError::SignatureLine { line: 3 };
    for (from, to) in [
        ("\u{2014}", "-"),
        ("\u{2014} ", "\u{2014}"),
        ("\u{2014} ", "\u{2014}  "),
        ("log.example", ""),
        ("log.example", "log+example"),
        ("log.example", "log\u{a0}example"),
        ("=", ""),
        ("=", "= "),
        ("=", "=="),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        check(changed.as_bytes(), third);
    }
    check(format!("{good}b\n").as_bytes(), NoteError::SignatureLine { line: 4 });
    check("a\n\n\u{2014} k AAAAAA==\n".as_bytes(), third);
    assert!(Note::parse("a\n\n\u{2014} k AAAAAAA=\n".as_bytes()).is_ok());
}

#[test]
fn a_text_that_could_not_be_read_back_is_not_signed() {
    let log = signer("log.example", 1);
    assert_eq!(log.sign(""), Err(TextError::Unterminated));
    assert_eq!(log.sign("a"), Err(TextError::Unterminated));
    assert_eq!(log.sign("a\u{0}\n"), Err(TextError::ControlCharacter { offset: 1 }));
    assert_eq!(Note::new("a\n", []), Err(NoteError::NoSignatures));
    let line = log.sign("a\n").unwrap();
    assert_eq!(Note::new("a\n", vec![line.clone(); 101]), Err(NoteError::TooManySignatures));
    assert_eq!(Note::new("a", [line]), Err(NoteError::Text(TextError::Unterminated)));
    assert_eq!(log.verifier_key().kind().signature_type(), TYPE_ED25519);
}

#[test]
fn lines_alone_are_read_like_those_of_a_note() {
    let log = signer("log.example", 1);
    let line = log.sign("a\n").unwrap();
    let text = format!("{line}{line}");
    assert_eq!(parse_lines(text.as_bytes()), Ok(vec![line.clone(), line]));
    assert_eq!(parse_lines(b""), Err(NoteError::NoSignatures));
    assert_eq!(parse_lines(b"\n"), Err(NoteError::SignatureLine { line: 1 }));
    assert_eq!(parse_lines(b"\xff\n"), Err(NoteError::NotUtf8 { offset: 0 }));
}

proptest! {
    #[test]
    fn what_is_read_gives_back_its_bytes(
        text in "([a-z\u{2014} ]{0,6}\n){1,4}",
        change in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        changed in any::<bool>(),
    ) {
        let mut bytes = signed(&text, &[&signer("log.example", 1), &signer("w.example", 2)]).into_bytes();
        if changed {
            let at = change.index(bytes.len());
            bytes[at] = byte;
        }
        match Note::parse(&bytes) {
            Ok(note) => prop_assert_eq!(note.to_string().into_bytes(), bytes),
            Err(_) => prop_assert!(changed),
        }
    }

    #[test]
    fn no_changed_byte_of_the_text_goes_unnoticed(at in 0usize..12, bit in 0u8..8) {
        let log = signer("log.example", 1);
        let mut bytes = signed("first\nsecond\n", &[&log]).into_bytes();
        bytes[at] ^= 1 << bit;
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert!(note.verify(&[log.verifier_key()]).is_err());
        }
    }
}
