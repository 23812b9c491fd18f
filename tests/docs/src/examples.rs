//! Examples of `docs/format.md` are published vectors, and hold.

use std::collections::BTreeSet;

use chain::canonical::{canonicalize, check};
use chain::note::VerifierKey;
use chain::{PublicKey, Record, RecordHash, SecretKey, Signature};
use clinical::text::{TextPlace, open};
use clinical::{Event, SealedText};
use serde_json::Value;

use crate::markdown::{fenced, format_page, read, root, section};

/// Every text of the published vectors, and every object in its canonical form.
fn published() -> BTreeSet<String> {
    fn gather(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(found.insert(text.clone())),
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            Value::Object(members) => {
                if let Ok(bytes) = canonicalize(value) {
                    found.insert(String::from_utf8(bytes).unwrap());
                }
                members.values().for_each(|value| gather(value, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("tests/vectors/data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            gather(&serde_json::from_str(&read(&path)).unwrap(), &mut found);
        }
    }
    found
}

#[test]
fn every_json_example_is_a_published_vector() {
    let published = published();
    let blocks: Vec<_> = fenced(&format_page()).into_iter().filter(|(kind, _)| kind == "json").collect();
    assert!(blocks.len() >= 2);
    for (_, block) in blocks {
        assert_eq!(check(block.as_bytes()), Ok(()), "{block}");
        assert!(published.contains(&block), "{block}");
    }
}

#[test]
fn every_long_value_of_an_example_is_published() {
    let published = published();
    let mut values = 0;
    for (_, block) in fenced(&format_page()).iter().filter(|(kind, _)| kind == "text") {
        for word in block.replace("\\n", " ").split_whitespace().filter(|word| word.len() >= 40) {
            // As a value of its own, or within a longer one, such as a message or a record.
            assert!(published.iter().any(|text| text.contains(word)), "{word}");
            values += 1;
        }
    }
    assert!(values >= 6, "{values}");
}

/// The words after `name` in the text example of a section.
fn value(section: &str, name: &str) -> String {
    let blocks = fenced(section);
    let lines = blocks.iter().flat_map(|(_, block)| block.lines());
    let line = lines.filter_map(|line| line.strip_prefix(name)).find(|rest| rest.starts_with("  "));
    line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}

#[test]
fn the_proof_of_possession_holds() {
    let page = format_page();
    let section = section(&page, "## 3 Keys and signatures");
    let key = PublicKey::from_text(&value(section, "public key")).unwrap();
    let seed = chain::hash::from_hex(&value(section, "seed")).unwrap();
    assert_eq!(SecretKey::from_bytes(&seed).public(), key);
    let message = value(section, "message").replace("\\n", "\n");
    let genesis: RecordHash = "22".repeat(32).parse().unwrap();
    assert_eq!(message.as_bytes(), chain::key::possession_message(genesis, "li.wei", key));
    let proof = Signature::from_text(&value(section, "possession")).unwrap();
    assert!(key.verify(message.as_bytes(), &proof).is_ok());
    let verifier_key = fenced(section).pop().unwrap().1;
    assert_eq!(VerifierKey::from_text(&verifier_key).unwrap().to_string(), verifier_key);
}

#[test]
fn the_context_of_an_event_is_the_codes() {
    let page = format_page();
    let context = std::str::from_utf8(chain::key::EVENT_CONTEXT).unwrap().replace('\n', "\\n");
    assert!(section(&page, "## 3 Keys and signatures").contains(&format!("`{context}` ‖ the event's bytes")));
}

#[test]
fn the_sealed_text_opens_to_the_word_that_is_told() {
    let page = format_page();
    let block = fenced(section(&page, "## 5 Sealed texts")).pop().unwrap().1;
    let sealed: SealedText = serde_json::from_str(&block).unwrap();
    let place = TextPlace {
        trial: &"lupus-msct".parse().unwrap(),
        subject: &"S0007".parse().unwrap(),
        event: "01936b2e-7c5a-7d3e-8f10-0123456789ab".parse().unwrap(),
        pointer: "/data/term",
    };
    assert_eq!(open(&sealed, place, &[5; 32]).unwrap(), "fever");
}

#[test]
fn the_record_has_the_hash_and_the_signature_that_it_is_shown_with() {
    let page = format_page();
    let section = section(&page, "## 13 Records and links");
    let block = fenced(section).into_iter().find(|(kind, _)| kind == "json").unwrap().1;
    let record = Record::parse(block.as_bytes()).unwrap();
    assert_eq!(RecordHash::of(block.as_bytes()).to_string(), value(section, "hash"));
    assert_eq!(record.prev.to_string(), value(section, "prev"));
    let event = Event::parse(record.event).unwrap();
    assert_eq!(event.amends.as_ref().unwrap().hash, record.prev);
    // The signer of the published log's events about subjects.
    let key = SecretKey::from_bytes(&[4; 32]).public();
    assert_eq!(event.key, key.id());
    assert!(key.verify_event(record.event, &record.signature).is_ok());
}
