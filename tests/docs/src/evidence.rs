//! Sections 17 to 20: tree, tiles, notes, checkpoints, receipts, proofs, policies and requests, as the code has them.

use chain::checkpoint::SignedCheckpoint;
use chain::note::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, TYPE_COSIGNATURE, TYPE_ED25519};
use chain::policy::{Policy, PolicyFault};
use chain::proof::LogProof;
use chain::receipt::ReceiptNote;
use chain::tile::{TILE_BYTES_MAX, TileKind, TilePath};
use chain::witness_request::{PROOF_HASHES_MAX, SIZE_CONTENT_TYPE};
use chain::{TreeSize, bundle};

use crate::markdown::{code_spans, fenced, format_page, name, section, table};

const TREE: &str = "## 17 Tree, tiles, bundles";
const NOTES: &str = "## 18 Signed notes, checkpoints, cosignatures";
const RECEIPTS: &str = "## 19 Receipt notes";
const PROOFS: &str = "## 20 Proofs, policies, requests to witnesses";

/// The first text example of a section, as the file it shows.
fn example(heading: &str) -> String {
    let page = format_page();
    fenced(section(&page, heading)).into_iter().find(|(kind, _)| kind == "text").unwrap().1 + "\n"
}

/// The section's words, whatever lines they stand in.
fn words(heading: &str) -> String {
    section(&format_page(), heading).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn the_paths_of_an_archive_are_those_of_the_code_with_their_lengths() {
    let page = format_page();
    let rows = table(section(&page, TREE), &["path", "content", "bytes"]);
    let shown: Vec<_> = rows.iter().map(|row| (name(&row[0]), row[2].clone())).collect();
    let record = chain::RECORD_BYTES_MAX + 2;
    let due = [
        ("checkpoint", format!("at most {}", grouped(NOTE_BYTES_MAX))),
        ("tile/<level>/<index>", grouped(TILE_BYTES_MAX)),
        ("tile/<level>/<index>.p/<width>", "32 · width".to_owned()),
        ("tile/entries/<index>", format!("at most {}", grouped(bundle::BUNDLE_BYTES_MAX))),
        ("tile/entries/<index>.p/<width>", format!("at most {} · width", grouped(record))),
    ];
    assert_eq!(shown, due.map(|(path, bytes)| (path.to_owned(), bytes)));
    for (path, _) in &shown[1..] {
        let path = path.replace("<level>", "1").replace("<index>", "x001/x234/067").replace("<width>", "9");
        assert_eq!(path.parse::<TilePath>().unwrap().index(), 1_234_067);
    }
    assert!(words(TREE).contains("1234067 is `x001/x234/067`"));
}

#[test]
fn no_log_has_tiles_above_the_level_that_is_told() {
    assert!(words(TREE).contains("No log has tiles above level 7"));
    let exists = |level| {
        let path = |width| TilePath::new(TileKind::Hashes(level), 0, width).unwrap();
        (1..=256).any(|width| path(width).exists_in(TreeSize(u64::MAX)))
    };
    assert!((0..=7).all(exists) && !(8..=63).any(exists));
}

#[test]
fn the_types_of_signatures_are_the_codes() {
    let page = format_page();
    let rows = table(section(&page, NOTES), &["type", "signs", "message", "after the key id"]);
    let types: Vec<_> = rows.iter().map(|row| name(&row[0])).collect();
    assert_eq!(types, [TYPE_ED25519, TYPE_COSIGNATURE].map(|kind| format!("0x{kind:02x}")));
    let limits =
        format!("at most {} bytes, and 1 to {NOTE_SIGNATURES_MAX} signature lines", grouped(NOTE_BYTES_MAX));
    assert!(words(NOTES).contains(&limits));
}

#[test]
fn the_examples_are_what_they_are_said_to_be() {
    let checkpoint = SignedCheckpoint::parse(example(NOTES).as_bytes()).unwrap();
    assert_eq!(checkpoint.claim().size, TreeSize(300));
    let signatures: Vec<_> = checkpoint.note().lines().iter().map(|line| line.signature().len()).collect();
    assert_eq!(signatures, [64, 72]);

    let receipt = Note::parse(example(RECEIPTS).as_bytes()).unwrap();
    let stated = ReceiptNote::parse(receipt.text()).unwrap();
    assert_eq!(chain::receipt::key_name(stated.origin()), receipt.lines()[0].name());

    let proof = LogProof::parse(example(PROOFS).as_bytes()).unwrap();
    assert_eq!((proof.position.0, proof.path.len(), proof.checkpoint.claim().size.0), (1, 2, 3));
}

#[test]
fn the_lines_of_a_policy_are_the_ones_that_are_read() {
    let page = format_page();
    let rows = table(section(&page, PROOFS), &["line", "meaning"]);
    let keywords: Vec<_> =
        rows.iter().map(|row| name(&row[0]).split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(keywords, ["log", "witness", "group", "quorum"]);
    for keyword in keywords {
        // Known, and short of words.
        assert_eq!(Policy::parse(keyword.as_bytes()).unwrap_err().fault, PolicyFault::Words, "{keyword}");
    }
    assert!(code_spans(&words(PROOFS)).contains(&"none".to_owned()));
    assert!(Policy::parse(b"quorum none\n").is_ok());
}

#[test]
fn a_request_has_as_many_hashes_and_a_conflict_the_type_that_are_told() {
    assert!(words(PROOFS).contains(&format!("at most {PROOF_HASHES_MAX} lines of a consistency proof")));
    assert!(code_spans(&words(PROOFS)).contains(&SIZE_CONTENT_TYPE.to_owned()));
    let page = format_page();
    let rows = table(section(&page, PROOFS), &["status", "when"]);
    let statuses: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(statuses, ["400", "404", "403", "400", "409", "422", "200"]);
}
