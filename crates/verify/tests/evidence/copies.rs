//! Certified copies of a site's part: what they are found to be, and what of a changed one shows.

use chain::proof::LogProof;
use chain::tree::{MemoryTree, inclusion_proof};
use chain::{Checkpoint, NodeHash, Position, SecretKey, SignedCheckpoint, TreeSize};
use clinical::Role;
use serde_json::json;
use verify::copy::{CERTIFICATE, Certificate, CertifiedBy, CopyOf, PROOFS, Texts, contents};
use verify::manifest::Manifest;
use verify::{Code, Evidence, FileDigest, Options, Report, Shape};

use crate::archive::{Memory, checkpoint, codes, hashes, log_signer};
use crate::archives::copy_without;
use crate::support::{Log, Person, enrollment, event_of, person, visit};

const ORIGIN: &str = crate::archive::ORIGIN;

/// A log of two sites, its first site's part, and who certifies that.
struct Place {
    log: Log,
    archive: Memory,
    signed: SignedCheckpoint,
}

impl Place {
    fn new() -> Self {
        let mut log = Log::of_every_kind(1);
        let other = person("he.pi", "CN-HF Hospital", Role::PrincipalInvestigator, 60);
        log.say(
            &log.sponsor.clone(),
            json!({"kind": "site_activated", "site": "CN-HF",
                   "data": {"country": "CN", "name": "Other site", "zone": "Asia/Shanghai"}}),
        );
        log.grant(&log.sponsor.clone(), &other, &["CN-HF"]);
        for mut statement in [enrollment("S9"), visit("S9", "2008-03-11")] {
            statement["site"] = "CN-HF".into();
            log.say(&other, statement);
        }
        log.say(&log.investigator.clone(), visit("S1", "2008-03-20"));
        let signed = checkpoint(&log.records, &log_signer(1));
        let archive = Memory::of(&log.records, &signed);
        Self { log, archive, signed }
    }

    fn is_of_others(&self, at: usize) -> bool {
        event_of(&self.log.records[at]).site.is_some_and(|site| site.as_str() == "CN-HF")
            && event_of(&self.log.records[at]).subject.is_some()
    }

    fn proof(&self, at: usize) -> Vec<u8> {
        let (seq, size) = (Position(at as u64), TreeSize(self.log.records.len() as u64));
        let path = inclusion_proof(&mut MemoryTree::new(&hashes(&self.log.records)), seq, size).unwrap();
        LogProof { position: seq, path, checkpoint: self.signed.clone() }.to_string().into_bytes()
    }

    /// The files of a copy that leaves these records out, without certificate and MANIFEST.
    fn files(&self, left_out: impl Fn(usize) -> bool) -> Memory {
        let archive = copy_without(&self.archive, &self.log, &left_out);
        let mut copy = Memory::default();
        for (path, bytes) in archive.files {
            copy.files.insert(format!("log/{path}"), bytes);
        }
        for at in (0..self.log.records.len()).filter(|at| !left_out(*at)) {
            if event_of(&self.log.records[at]).subject.is_some() {
                copy.files.insert(format!("{PROOFS}{at}"), self.proof(at));
            }
        }
        for page in ["README.html", "delegation.html", "casebooks/S1.html", "keys/genesis"] {
            copy.files.insert(page.to_owned(), b"<p>SYNTHETIC".to_vec());
        }
        copy
    }

    fn scope(&self) -> CopyOf {
        let records = self.log.records.len();
        let of_site = (0..records)
            .filter(|at| !self.is_of_others(*at) && event_of(&self.log.records[*at]).subject.is_some())
            .count() as u64;
        let others = (0..records).filter(|at| self.is_of_others(*at)).count();
        CopyOf {
            contents: NodeHash([0; 32]),
            genesis: self.log.genesis,
            made_at: event_of(&self.log.records[0]).signed_at,
            origin: ORIGIN.to_owned(),
            records_of_site: of_site,
            records_of_trial: (records - others) as u64 - of_site,
            root: self.signed.claim().root,
            site: "CN-NJ".parse().unwrap(),
            size: self.signed.claim().size,
            subjects: 1,
            texts: Texts::Sealed,
            trial: "lupus".parse().unwrap(),
        }
    }

    /// The site's copy as it ought to be.
    fn whole(&self) -> Memory {
        sealed(self.files(|at| self.is_of_others(at)), self.scope(), Some(&self.log.principal))
    }
}

/// Puts a certificate and a MANIFEST on top of the files.
fn sealed(mut copy: Memory, mut scope: CopyOf, by: Option<&Person>) -> Memory {
    let mut manifest = Manifest::default();
    for (path, bytes) in &copy.files {
        manifest.insert(path, FileDigest::of(bytes)).unwrap();
    }
    scope.contents = contents(&manifest);
    let message = scope.message().unwrap();
    let certified_by = by.map(|person| CertifiedBy {
        actor: person.actor.clone(),
        key: person.key.public().id(),
        signature: person.key.sign(&message).to_text(),
    });
    let certificate = Certificate { certified_by, copy: scope };
    copy.files.insert(CERTIFICATE.to_owned(), certificate.to_canonical_json().unwrap());
    copy.with_manifest()
}

fn check(copy: &Memory, log: &Log) -> Report {
    assert_eq!(Shape::of(copy).unwrap(), Some(Shape::Copy));
    verify::verify_archive(copy, Shape::Copy, &log.anchors(), Options::default()).unwrap()
}

#[track_caller]
fn check_codes(copy: &Memory, log: &Log, status: u8, due: &[(&str, &str)]) -> Report {
    let report = check(copy, log);
    let due: Vec<_> = due.iter().map(|(code, place)| (*code, (*place).to_owned())).collect();
    assert_eq!((report.status(), codes(&report)), (status, due), "{report}");
    report
}

#[test]
fn a_sites_copy_is_intact_as_the_part_it_is_and_says_who_certifies_it() {
    let place = Place::new();
    let report = check_codes(&place.whole(), &place.log, 0, &[]);
    assert_eq!((report.covers.records, report.covers.left_out, report.covers.missing), (20, 2, 0));
    let sentence = report.sentence();
    assert!(
        sentence.starts_with("Intact as the part of site CN-NJ: the 20 records in it hold"),
        "{sentence}"
    );
    assert!(sentence.contains("2 others of the log are left out"), "{sentence}");
    let part = report.sealed.clone().unwrap().part.unwrap();
    assert_eq!((part.site.as_str(), part.signature_holds), ("CN-NJ", Some(true)));
    assert!(
        report
            .to_string()
            .contains("certified by sun.pi (principal_investigator, CN-NJ Hospital): the signature holds")
    );
    // Nobody need certify it.
    let files = place.files(|at| place.is_of_others(at));
    let report = check_codes(&sealed(files, place.scope(), None), &place.log, 0, &[]);
    assert!(report.to_string().contains("certified by nobody's key"), "{report}");
}

#[test]
fn a_flipped_bit_in_any_file_of_a_copy_is_found() {
    let place = Place::new();
    let whole = place.whole();
    let mut flips = 0;
    for path in whole.files.keys() {
        for at in (0..whole.files[path].len()).step_by(7) {
            let report = check(&whole.but(|copy| copy.file(path)[at] ^= 1), &place.log);
            assert_eq!(report.status(), 1, "{path} byte {at}: {report}");
            flips += 1;
        }
    }
    println!("{flips} flips, all found");
    assert!(flips > 1_000);
}

#[test]
fn what_a_copys_certificate_says_must_follow_from_its_records() {
    let place = Place::new();
    let log = &place.log;
    let files = || place.files(|at| place.is_of_others(at));
    let with = |change: fn(&mut CopyOf)| {
        let mut scope = place.scope();
        change(&mut scope);
        sealed(files(), scope, Some(&log.principal))
    };
    let due = [("copy-not-following", CERTIFICATE)];
    let changes: [fn(&mut CopyOf); 6] = [
        |scope| scope.records_of_site += 1,
        |scope| scope.records_of_trial -= 1,
        |scope| scope.subjects = 2,
        |scope| scope.size = TreeSize(scope.size.0 - 1),
        |scope| scope.origin.push('x'),
        |scope| scope.trial = "other".parse().unwrap(),
    ];
    for change in changes {
        check_codes(&with(change), log, 1, &due);
    }
    // A page exchanged, and MANIFEST made anew: what the certificate pins is another.
    let whole = place.whole();
    let page = whole.but(|copy| *copy.file("casebooks/S1.html") = b"<p>other".to_vec()).with_manifest();
    check_codes(&page, log, 1, &due);
    // Whoever can make the certificate anew too cannot make the signature.
    let stranger = person("eve", "CN-NJ Hospital", Role::Investigator, 77);
    let mut impostor = stranger.clone();
    impostor.actor = log.principal.actor.clone();
    for by in [&stranger, &impostor, &log.coordinator] {
        // The coordinator's key is revoked in this log.
        check_codes(&sealed(files(), place.scope(), Some(by)), log, 1, &due);
    }
    let nothing = whole.but(|copy| *copy.file(CERTIFICATE) = b"{}".to_vec()).with_manifest();
    check_codes(&nothing, log, 1, &due);
}

#[test]
fn a_copy_holds_its_sites_records_alone_and_each_with_its_proof() {
    let place = Place::new();
    let log = &place.log;
    // Another site's record slipped in, with its proof.
    let (mine, theirs) = (5, (0..log.records.len()).find(|at| place.is_of_others(*at)).unwrap());
    let files = place.files(|at| place.is_of_others(at) && at != theirs);
    let mut scope = place.scope();
    scope.records_of_site += 1;
    scope.subjects += 1;
    let slipped = sealed(files, scope, None);
    check_codes(&slipped, log, 1, &[("copy-not-following", &theirs.to_string())]);
    let again = |change: &dyn Fn(&mut Memory)| {
        let mut files = place.files(|at| place.is_of_others(at));
        change(&mut files);
        sealed(files, place.scope(), None)
    };
    let proof = format!("{PROOFS}{mine}");
    let missing = again(&|files| drop(files.files.remove(&proof)));
    check_codes(&missing, log, 3, &[("file-missing", &proof)]);
    let anothers = again(&|files| *files.file(&proof) = place.proof(mine + 1));
    check_codes(&anothers, log, 1, &[("copy-not-following", &proof)]);
    let renumbered = again(&|files| {
        let text = String::from_utf8(place.proof(mine + 1)).unwrap();
        let index = format!("index {}\n", mine + 1);
        assert!(text.contains(&index));
        *files.file(&proof) = text.replacen(&index, &format!("index {mine}\n"), 1).into_bytes();
    });
    check_codes(&renumbered, log, 1, &[("copy-not-following", &proof)]);
    let of_none = again(&|files| drop(files.files.insert(format!("{PROOFS}{theirs}"), place.proof(theirs))));
    check_codes(&of_none, log, 1, &[("file-unexpected", &format!("{PROOFS}{theirs}"))]);
    let odd = again(&|files| drop(files.files.insert(format!("{PROOFS}05"), place.proof(mine))));
    check_codes(&odd, log, 1, &[("file-unexpected", &format!("{PROOFS}05"))]);
}

#[test]
fn a_record_altered_in_a_copy_is_found_and_one_left_out_shows_by_its_count_alone() {
    let place = Place::new();
    let log = &place.log;
    let files = place.files(|at| place.is_of_others(at) || at == 8);
    let short = sealed(files.but(|_| {}), place.scope(), None);
    // Whoever leaves a record out must state another count, which the site can compare with its own.
    let report = check(&short, log);
    assert!(codes(&report).contains(&("copy-not-following", CERTIFICATE.to_owned())), "{report}");
    let mut harmed = log.clone();
    let mut bytes = harmed.records[8].to_vec();
    let at = bytes.len() - 20;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    harmed.records[8] = bytes.into();
    let altered = place.whole().but(|copy| {
        let with = copy_without(&place.archive, &harmed, |at| place.is_of_others(at));
        for (path, bytes) in with.files {
            copy.files.insert(format!("log/{path}"), bytes);
        }
    });
    let found = codes(&check(&altered.with_manifest(), log));
    for code in ["bad-signature", "record-not-in-tree", "copy-not-following"] {
        assert!(found.iter().any(|(found, _)| *found == code), "{found:?}");
    }
}

#[test]
fn a_copy_under_a_checkpoint_that_the_log_did_not_sign_is_refused() {
    let place = Place::new();
    let other = chain::note::Signer::new(ORIGIN, SecretKey::from_bytes(&[9; 32])).unwrap();
    let claim = place.signed.claim();
    let forged = Checkpoint::new(ORIGIN, claim.size, claim.root).unwrap();
    let forged = SignedCheckpoint::sign(forged, &[&other]).unwrap();
    let signed = Place { signed: forged, ..Place::new() };
    let files = signed.files(|at| signed.is_of_others(at)).but(|files| {
        *files.file("log/checkpoint") = signed.signed.to_string().into_bytes();
    });
    let copy = sealed(files, signed.scope(), None);
    check_codes(&copy, &place.log, 1, &[("checkpoint-not-signed", "log/checkpoint")]);
}

/// A copy that says too much of itself, for the list of codes and their cases.
pub(crate) fn case() -> (Code, Report) {
    let place = Place::new();
    let mut scope = place.scope();
    scope.subjects += 1;
    let copy = sealed(place.files(|at| place.is_of_others(at)), scope, None);
    (Evidence::CopyNotFollowing.into(), check(&copy, &place.log))
}
