//! The page that verifies in the browser: a checker of its own, held against good bundles, damaged ones and the golden
//! vectors, in a real browser.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use e2e::{Browser, Server, SmallTrial, files_under, run, write};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::demo::{demo, genesis_of, own_demo};
use crate::evidence::{bundle, log_key, text};
use crate::statements::with_subject;

/// The page as it lies in the tree, opened from disk.
pub(crate) fn from_disk() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/console/assets/verify.html");
    format!("file://{}", page.canonicalize().unwrap().display())
}

/// What a person sees once the page has verified.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The verdict in a word, by which the sentence is coloured.
    pub(crate) verdict: String,
    pub(crate) sentence: String,
    /// What stands under the sentence.
    pub(crate) rest: String,
    /// The findings, each its code and its place.
    pub(crate) findings: Vec<(String, String)>,
    /// The codes of the findings, each once.
    codes: Vec<String>,
}

/// Presses the button and reads the answer.
fn answer(browser: &Browser) -> Seen {
    browser.click("button");
    browser
        .wait_for("return document.querySelector('button').disabled", |disabled| *disabled == json!(false));
    let seen = browser.evaluate(
        "const [sentence, result] = ['#sentence', '#result'].map((id) => document.querySelector(id)); \
         const findings = [...result.querySelectorAll('li')].map((item) => \
             [item.querySelector('a').innerText, item.querySelector('strong').innerText]); \
         return [sentence.className, sentence.innerText, result.innerText, findings]",
        &[],
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let finding = |finding: &Value| (text(&finding[0]), text(&finding[1]));
    let findings: Vec<_> = seen[3].as_array().unwrap().iter().map(finding).collect();
    let codes: BTreeSet<String> = findings.iter().map(|(code, _)| code.clone()).collect();
    Seen {
        verdict: text(&seen[0]),
        sentence: text(&seen[1]),
        rest: text(&seen[2]),
        findings,
        codes: codes.into_iter().collect(),
    }
}

/// Opens the page anew, chooses a bundle, gives the anchors, presses the button.
pub(crate) fn verify(browser: &Browser, page: &str, zip: &Path, fields: &[(&str, &str)]) -> Seen {
    browser.open(page);
    browser.evaluate("document.querySelector('details').open = true", &[]);
    browser.type_into("#bundle", text(zip));
    for (field, value) in fields {
        browser.type_into(field, value);
    }
    answer(browser)
}

/// A small trial's bundle, damaged at will.
struct Small {
    trial: SmallTrial,
    bundle: PathBuf,
    key: String,
}

impl Small {
    fn new() -> Self {
        let trial = with_subject();
        let bundle = bundle(&trial, "bundle.zip");
        let key = log_key(&trial);
        Self { trial, bundle, key }
    }

    fn anchors(&self) -> [(&str, &str); 2] {
        [("#key", &self.key), ("#genesis", &self.trial.genesis)]
    }

    /// The bundle unpacked, changed and packed again, its MANIFEST made anew if `listed`.
    fn repacked(&self, listed: bool, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> PathBuf {
        let mut files = unpacked(&std::fs::read(&self.bundle).unwrap());
        change(&mut files);
        if listed {
            files.insert("MANIFEST".to_owned(), manifest(&files));
        }
        let out = self.trial.beside().join("changed.zip");
        write(&out, packed(&files));
        out
    }
}

/// The files of a zip as a bundle is written: stored, one after another.
pub(crate) fn unpacked(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let number = |at: usize, bytes: usize| {
        zip[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (mut files, mut at) = (BTreeMap::new(), 0);
    while zip[at..].starts_with(b"PK\x03\x04") {
        let (length, name) = (number(at + 18, 4), number(at + 26, 2));
        let data = at + 30 + name;
        let path = String::from_utf8(zip[at + 30..data].to_vec()).unwrap();
        files.insert(path, zip[data..data + length].to_vec());
        at = data + length;
    }
    files
}

pub(crate) fn manifest(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let line = |(path, bytes): (&String, &Vec<u8>)| format!("{} {} {path}\n", sha256(bytes), bytes.len());
    files.iter().filter(|(path, _)| *path != "MANIFEST").map(line).collect::<String>().into_bytes()
}

pub(crate) fn packed(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let first = files.get_key_value("MANIFEST");
    for (path, bytes) in first.into_iter().chain(files.iter().filter(|(path, _)| *path != "MANIFEST")) {
        let place = u32::try_from(out.len()).unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let mut common = vec![0, 8, 0, 0, 0, 0, 33, 0];
        common.extend(crc32fast::hash(bytes).to_le_bytes());
        common.extend([length, length].concat());
        common.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
        out.extend([&b"PK\x03\x04\x14\0"[..], &common, &[0, 0], path.as_bytes(), bytes].concat());
        directory.extend([&b"PK\x01\x02\x14\x03\x14\0"[..], &common, &[0; 8]].concat());
        directory.extend(2_175_008_768_u32.to_le_bytes());
        directory.extend([&place.to_le_bytes()[..], path.as_bytes()].concat());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let end = [directory.len(), out.len()].map(|number| u32::try_from(number).unwrap().to_le_bytes());
    out.extend(directory);
    out.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &end.concat(), &[0, 0]].concat());
    out
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[test]
fn the_demonstrations_bundle_is_intact_in_a_page_opened_from_disk_and_without_anchors_only_consistent() {
    let name =
        "the_demonstrations_bundle_is_intact_in_a_page_opened_from_disk_and_without_anchors_only_consistent";
    let Some(browser) = Browser::start(name) else { return };
    let data = own_demo();
    let out = data.path().join("bundle.zip");
    run(["export", "bundle", "--data", text(data.path()), "--out", text(&out)]).ends_with(0);
    let key = std::fs::read_to_string(data.path().join("trials/lupus-msct/log.vkey")).unwrap();
    let anchors = [("#key", key.trim_end()), ("#genesis", genesis_of(&demo().printed))];
    let seen = verify(&browser, &from_disk(), &out, &anchors);
    let intact =
        "Intact: all 863 records hold, back to the known genesis, under the checkpoint that the log signed.";
    assert!(seen.sentence.contains(intact), "{seen:?}");
    assert!(seen.sentence.ends_with("The reports in it were not made anew here."), "{seen:?}");
    assert_eq!(seen.codes, [""; 0], "{seen:?}");
    for check in
        ["zip\t16\tok", "files\t16\tok", "manifest\t15\tok", "record form\t863\tok", "times\t862\tok"]
    {
        assert!(seen.rest.contains(check), "{check}: {seen:?}");
    }
    for check in ["records in the tree", "links", "authority", "signatures"] {
        assert!(seen.rest.contains(&format!("{check}\t863\tok")), "{check}: {seen:?}");
    }
    assert!(seen.rest.contains("verified by the browser"), "{seen:?}");
    // The same files unpacked into a directory are checked alike.
    let dir = data.path().join("unpacked");
    for (path, bytes) in unpacked(&std::fs::read(&out).unwrap()) {
        let file = dir.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        write(&file, bytes);
    }
    browser.type_into("#directory", text(&dir));
    let seen = answer(&browser);
    assert!(seen.sentence.contains(intact) && seen.rest.contains("zip\t0\tnothing to check"), "{seen:?}");
    let seen = verify(&browser, &from_disk(), &out, &[]);
    assert!(seen.sentence.contains("Consistent, not authenticated: all 863 records hold"), "{seen:?}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn each_damage_is_found_by_the_page_that_is_served_and_its_near_neighbour_is_intact() {
    let name = "each_damage_is_found_by_the_page_that_is_served_and_its_near_neighbour_is_intact";
    let Some(browser) = Browser::start(name) else { return };
    let small = Small::new();
    let server = Server::start(&small.trial.data());
    let page = format!("{}/verify", server.address);
    let seen_of = |zip: &Path| verify(&browser, &page, zip, &small.anchors());
    let broken = |seen: &Seen, codes: &[&str]| {
        assert!(seen.sentence.contains("Broken: "), "{seen:?}");
        for code in codes {
            assert!(seen.codes.iter().any(|found| found == code), "{code}: {seen:?}");
        }
    };
    let seen = seen_of(&small.repacked(true, |_| ()));
    assert!(seen.sentence.contains("Intact: all 12 records hold"), "{seen:?}");
    assert_eq!(browser.complaints(), [""; 0]);

    // As a whole: another genesis, another key of the same name, no zip at all.
    let genesis = "1".repeat(64);
    let seen = verify(&browser, &page, &small.bundle, &[("#key", &small.key), ("#genesis", &genesis)]);
    broken(&seen, &["genesis-differs"]);
    let key = "localhost/small+099aed3c+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3";
    let seen = verify(&browser, &page, &small.bundle, &[("#key", key), ("#genesis", &small.trial.genesis)]);
    broken(&seen, &["checkpoint-not-signed", "log-key-differs"]);
    let cut = small.trial.beside().join("cut.zip");
    let whole = std::fs::read(&small.bundle).unwrap();
    write(&cut, &whole[..whole.len() - 1]);
    broken(&seen_of(&cut), &["zip-malformed"]);

    // One byte of a file, as it is damaged in transit and as somebody alters it who makes zip and MANIFEST anew.
    let altered = |listed: bool, path: &str, at: usize| {
        seen_of(&small.repacked(listed, |files| files.get_mut(path).unwrap()[at] ^= 1))
    };
    let (records, tile) = ("log/tile/entries/000.p/12", "log/tile/0/000.p/12");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    write(&cut, &flipped);
    broken(&seen_of(&cut), &["zip-malformed", "file-differs"]);
    broken(&altered(false, records, 100), &["file-differs", "record-not-in-tree"]);
    // The opening's bytes: its hash is no longer the genesis.
    broken(&altered(true, records, 100), &["genesis-differs", "record-not-in-tree"]);
    let last = small.repacked(true, |files| {
        let bytes = files.get_mut(records).unwrap();
        let at = bytes.windows(12).rposition(|window| window == b"\"2021-12-31\"").unwrap();
        bytes[at + 10] = b'0';
    });
    broken(&seen_of(&last), &["bad-signature", "record-not-in-tree"]);
    broken(&altered(true, tile, 40), &["wrong-tile"]);
    broken(&altered(true, records, 1), &["entry-bundle-malformed"]);
    broken(&altered(true, "log/checkpoint", 0), &["checkpoint-of-another-log"]);
    let resized = small.repacked(true, |files| {
        let checkpoint = String::from_utf8(files["log/checkpoint"].clone()).unwrap();
        files.insert("log/checkpoint".to_owned(), checkpoint.replacen("\n12\n", "\n11\n", 1).into_bytes());
    });
    broken(&seen_of(&resized), &["checkpoint-bad-signature", "wrong-root"]);
    let digest = small.repacked(false, |files| {
        let digit = &mut files.get_mut("MANIFEST").unwrap()[3];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    });
    broken(&seen_of(&digest), &["file-differs"]);
    broken(&altered(false, "MANIFEST", 64), &["manifest-malformed"]);

    // Files that are not there, or should not be.
    let seen = seen_of(&small.repacked(true, |files| drop(files.remove(records))));
    assert!(seen.sentence.contains("Could not be decided: "), "{seen:?}");
    assert!(seen.codes.contains(&"records-missing".to_owned()), "{seen:?}");
    let seen = seen_of(&small.repacked(true, |files| drop(files.remove(tile))));
    assert_eq!(seen.codes, ["tile-missing"], "{seen:?}");
    let seen = seen_of(&small.repacked(false, |files| drop(files.remove("README.html"))));
    assert_eq!(seen.codes, ["file-missing"], "{seen:?}");
    let stranger = |path: &str| {
        seen_of(&small.repacked(true, |files| drop(files.insert(path.to_owned(), b"x".to_vec()))))
    };
    broken(&stranger("log/tile/0/0000"), &["file-unexpected"]);
    broken(&stranger("other"), &["file-unexpected"]);
    broken(&stranger("log/../../escape"), &["zip-malformed"]);
}

#[test]
fn a_byte_flipped_anywhere_in_a_bundle_is_found_by_the_page() {
    let Some(browser) = Browser::start("a_byte_flipped_anywhere_in_a_bundle_is_found_by_the_page") else {
        return;
    };
    let small = Small::new();
    browser.open(&from_disk());
    browser.type_into("#bundle", text(&small.bundle));
    let script = "
        const [key, genesis, done] = arguments;
        (async () => {
          const bytes = new Uint8Array(await document.querySelector('#bundle').files[0].arrayBuffer());
          const anchors = await trialbook.readAnchors({ key, genesis });
          const step = Math.ceil(bytes.length / 300);
          const [tried, missed] = [[], []];
          for (let at = 0; at < bytes.length; at += step) {
            const flipped = Uint8Array.from(bytes);
            flipped[at] ^= 1 << (at % 8);
            tried.push(at);
            const { verdict } = await trialbook.verify(new Blob([flipped]), anchors);
            if (verdict !== 'broken') missed.push([at, verdict]);
          }
          done({ tried: tried.length, missed });
        })();";
    let answer = browser.compute(script, &[json!(small.key), json!(small.trial.genesis)]);
    assert!(answer["tried"].as_u64().unwrap() >= 200, "{answer}");
    assert_eq!(answer["missed"], json!([]));
}

#[test]
fn the_page_holds_a_log_against_what_a_person_knows_of_it() {
    let Some(browser) = Browser::start("the_page_holds_a_log_against_what_a_person_knows_of_it") else {
        return;
    };
    let small = Small::new();
    let page = from_disk();
    let with = |zip: &Path, more: &[(&str, &str)]| {
        verify(&browser, &page, zip, &[&small.anchors()[..], more].concat())
    };
    let before = std::fs::read_to_string(small.trial.trial_dir().join("archive/checkpoint")).unwrap();
    let receipts = small.trial.beside().join("receipts");
    let statement = crate::statements::contact("P1", "2022-01-01").to_string();
    small.trial.submit_with("bo.wang", &statement, &["--receipts", text(&receipts)]).ends_with(0);
    let later = bundle(&small.trial, "later.zip");
    let receipt = std::fs::read_to_string(&files_under(&receipts)[0]).unwrap();
    let after = std::fs::read_to_string(small.trial.trial_dir().join("archive/checkpoint")).unwrap();

    let seen = with(&later, &[("#checkpoint", &before), ("#receipts", receipt.trim_end())]);
    assert!(seen.sentence.contains("Intact: all 13 records hold"), "{seen:?}");
    assert!(seen.rest.contains("receipt of record 12\nhas a signed note"), "{seen:?}");
    assert!(seen.rest.contains("known heads and receipts\t1\tok"), "{seen:?}");
    assert!(seen.rest.contains("known checkpoints\t1\tok"), "{seen:?}");
    // The older bundle lacks what was promised since.
    let seen = with(&small.bundle, &[("#checkpoint", &after), ("#receipts", receipt.trim_end())]);
    assert_eq!(seen.codes, ["receipt-not-honoured", "shorter-than-known"], "{seen:?}");
    let head = format!("12:{}", "1".repeat(64));
    assert_eq!(with(&later, &[("#heads", &head)]).codes, ["known-head-differs"]);
    let forged = receipt.replacen("\"seq\":12", "\"seq\":11", 1);
    assert_eq!(with(&later, &[("#receipts", forged.trim_end())]).codes, ["receipt-unusable"]);
    let of_another = json!({ "hash": "1".repeat(64), "seq": 3 }).to_string();
    assert_eq!(with(&later, &[("#receipts", &of_another)]).codes, ["receipt-not-honoured"]);
    let strange = with(&later, &[("#checkpoint", &before.replacen("\n12\n", "\n11\n", 1))]);
    assert_eq!(strange.codes, ["known-checkpoint-unusable"], "{strange:?}");

    let witness = "witness.example/nanjing+25647cfb+BCCCi/XFvcrLaEhjM2wgL7VZnaSL5VlmFXQhcHBb7Kn3";
    let policy = |quorum: &str| format!("log {}\nwitness nanjing {witness}\nquorum {quorum}\n", small.key);
    let seen = with(&later, &[("#policy", &policy("nanjing"))]);
    assert_eq!(seen.codes, ["quorum-short"], "{seen:?}");
    assert!(seen.sentence.contains("Could not be decided: "), "{seen:?}");
    assert!(with(&later, &[("#policy", &policy("none"))]).sentence.contains("Intact: "));
    // What is no anchor is said, and nothing is verified.
    let seen = with(&later, &[("#policy", "quorum nobody\n")]);
    assert!(seen.sentence.starts_with("The policy cannot be read") && seen.rest.is_empty(), "{seen:?}");
}

#[test]
fn the_golden_vectors_hold_in_the_page() {
    let Some(browser) = Browser::start("the_golden_vectors_hold_in_the_page") else { return };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data");
    let mut files = serde_json::Map::new();
    for file in files_under(&dir) {
        let vectors: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        files.insert(file.file_stem().unwrap().to_str().unwrap().to_owned(), vectors);
    }
    browser.open(&from_disk());
    let answer = browser.compute(include_str!("vectors.js"), &[Value::Object(files.clone())]);
    assert_eq!(answer["failed"], json!([]));
    // Every family, and every vector of each: a family that the page's test has nothing for shows here.
    let count = |(name, family): (&String, &Value)| {
        (name.clone(), json!(family["vectors"].as_array().unwrap().len()))
    };
    let due: serde_json::Map<String, Value> = files.iter().map(count).collect();
    let total: u64 = due.values().filter_map(Value::as_u64).sum();
    println!("{total} vectors of {} families hold in the page", due.len());
    assert_eq!(answer["counts"], Value::Object(due));
}

#[test]
fn signatures_are_held_strictly_by_the_browser_and_by_the_pages_own_arithmetic() {
    let name = "signatures_are_held_strictly_by_the_browser_and_by_the_pages_own_arithmetic";
    let Some(browser) = Browser::start(name) else { return };
    browser.open(&from_disk());
    // RFC 8032 section 7.1, test 2, and what may not hold in its place: S + L, an R or a key of small order, a key with
    // a part of small order, whose signature holds only if the equation is multiplied by the cofactor.
    let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let r = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da";
    let s = "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let s_and_order = "f52db7415978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10";
    let identity = format!("01{}", "00".repeat(31));
    let mixed = "5ee6dd7434c00c480c0d5022902e98b48a91ebfc7605b1dafc3cc12d6a8f60d8";
    let multiplied = "b115a9ae05b53af309629289952ab2aa7eb39032a2be845a3f4643196560bad2\
                      cf773984bc440f124910c7127bc6759f5c0cc7907fa12c99d12308474c34940f";
    let zeros = "00".repeat(32);
    let cases = json!([
        [key, "72", format!("{r}{s}"), true],
        [key, "73", format!("{r}{s}"), false],
        [key, "72", format!("{r}{s_and_order}"), false],
        [key, "72", format!("{identity}{zeros}"), false],
        [identity, "72", format!("{identity}{zeros}"), false],
        [identity, "72", format!("{r}{s}"), false],
        [mixed, "747269616c626f6f6b", multiplied, false],
    ]);
    let script = "
        const [cases, done] = arguments;
        const t = trialbook;
        (async () => {
          const wrong = [];
          for (const [key, message, signature, due] of cases) {
            for (const own of [false, true]) {
              const holds = await t.signatureHolds(t.unhex(key), t.unhex(message), t.unhex(signature), own);
              if (holds !== due) wrong.push([key, signature, own, holds]);
            }
          }
          done({ wrong, browser: await t.browserVerifies() });
        })();";
    assert_eq!(browser.compute(script, &[cases]), json!({ "browser": true, "wrong": [] }));
}

#[test]
fn what_the_page_says_of_a_finding_is_what_its_page_says_and_the_link_leads_there() {
    let name = "what_the_page_says_of_a_finding_is_what_its_page_says_and_the_link_leads_there";
    let Some(browser) = Browser::start(name) else { return };
    browser.open(&from_disk());
    let meanings = browser.evaluate("return trialbook.meanings", &[]);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings");
    for (code, meaning) in meanings.as_object().unwrap() {
        let page = std::fs::read_to_string(docs.join(format!("{code}.md"))).unwrap();
        assert_eq!(page.lines().nth(2), meaning.as_str(), "{code}");
    }
    let small = Small::new();
    let server = Server::start(&small.trial.data());
    for page in [from_disk(), format!("{}/verify", server.address)] {
        let anchors = [("#key", &*small.key), ("#genesis", &*"1".repeat(64))];
        verify(&browser, &page, &small.bundle, &anchors);
        browser.click("#result li a");
        let shown = browser.evaluate("return document.body.innerText", &[]);
        assert!(shown.as_str().unwrap().starts_with("# genesis-differs"), "{shown}");
    }
}
