//! A site's certified copy: written, read by people, verified, and kept from whoever has no right to it.

use std::path::{Path, PathBuf};

use e2e::{Server, SmallTrial, copy_dir, run, write};

use crate::statements::{adverse_event, contact, hash_of, lines, replacing, voiding, with_subject};

const TERM: &str = "painful <vesicles> on the trunk & \"both\" legs";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn log_key(trial: &SmallTrial) -> String {
    std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap().trim_end().to_owned()
}

fn verified(trial: &SmallTrial, path: &Path, status: i32) -> String {
    run(["verify", text(path), "--genesis", &trial.genesis, "--key", &log_key(trial)]).ends_with(status).out
}

/// A trial with a subject of whom something was corrected, something voided, and a text stated.
fn with_history() -> SmallTrial {
    let trial = with_subject();
    let (term, first) = (adverse_event("P1", TERM), contact("P1", "2022-01-01"));
    trial.submit("bo.wang", &lines(&[term, first, contact("P1", "2022-02-01")])).ends_with(0);
    let corrected = replacing(&contact("P1", "2022-01-02"), 13, &hash_of(&trial, 13), "transcription");
    trial.submit("an.li", &corrected.to_string()).ends_with(0);
    let void = voiding(&contact("P1", "2022-02-01"), 14, &hash_of(&trial, 14), "wrong_subject");
    trial.submit("an.li", &void.to_string()).ends_with(0);
    trial
}

/// Unpacks a zip; where.
fn unpacked(trial: &SmallTrial, zip: &Path) -> PathBuf {
    let dir = trial.beside().join(format!("{}.d", zip.file_name().unwrap().to_str().unwrap()));
    let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    let done = std::process::Command::new("python3").args(["-c", script]).arg(zip).arg(&dir).status();
    assert!(done.unwrap().success());
    dir
}

#[test]
fn a_certified_copy_tells_a_subjects_history_without_our_software_and_verifies_with_it() {
    let trial = with_history();
    let out = trial.beside().join("S01.zip");
    let key = trial.key("an.li");
    let said =
        trial.run(["certified-copy", "--site", "S01", "--key", text(&key), "--out", text(&out)]).ends_with(0);
    let sentence = "Intact as the part of site S01: the 17 records in it hold";
    assert!(said.out.contains(sentence), "{}", said.out);
    let judged = verified(&trial, &out, 0);
    assert!(judged.starts_with(sentence), "{judged}");
    assert!(
        judged.contains("certified by an.li (principal_investigator, Hospital 1): the signature holds"),
        "{judged}"
    );
    // A mirror's rule holds here too: what is there is not overwritten.
    trial.run(["certified-copy", "--site", "S01", "--out", text(&out)]).ends_with(7);

    let dir = unpacked(&trial, &out);
    assert!(verified(&trial, &dir, 0).starts_with(sentence));
    let page = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let book = page("casebooks/P1.html");
    for shown in [
        "SYNTHETIC: every record of this trial is made up",
        "<del><span class=\"text\">2022-01-01</span></del>",
        "2022-01-02",
        "transcription",
        "<strong>Void. </strong>",
        "wrong subject",
        "an.li",
        "principal investigator",
        " UTC",
        "+08:00",
        "sealed text",
        &hash_of(&trial, 15),
    ] {
        assert!(book.contains(shown), "{shown}: {book}");
    }
    assert!(!book.contains("vesicles") && !book.contains("<script") && !book.contains("http://"));
    let delegation = page("delegation.html");
    assert!(
        delegation.contains("bo.wang")
            && delegation.contains("sponsor.one")
            && !delegation.contains("dan.sun")
    );
    let cover = page("README.html");
    assert!(
        cover.contains("0 records of other sites&#39; subjects")
            || cover.contains("0 records of other sites' subjects"),
        "{cover}"
    );
    assert!(cover.contains(&trial.genesis) && cover.contains("1 free text is shown as sealed"), "{cover}");

    // A value changed on a page after it was certified.
    write(&dir.join("casebooks/P1.html"), book.replacen("2022-01-02", "2022-01-03", 1));
    let judged = verified(&trial, &dir, 1);
    assert!(judged.contains("casebooks/P1.html: file-differs"), "{judged}");
}

#[test]
fn texts_are_opened_for_a_copy_by_whoever_may_read_them_and_stay_text() {
    let trial = with_history();
    let copy = |holder: &str, name: &str, texts: &[&str]| {
        let (key, out) = (trial.key(holder), trial.beside().join(name));
        let asked = ["certified-copy", "--site", "S01", "--key", text(&key), "--out", text(&out)];
        let ran = trial.run([&asked[..], texts].concat());
        (ran, out)
    };
    let (ran, out) = copy("bo.wang", "opened.zip", &["--texts"]);
    ran.ends_with(0);
    let book = std::fs::read_to_string(unpacked(&trial, &out).join("casebooks/P1.html")).unwrap();
    assert!(book.contains("painful &lt;vesicles&gt; on the trunk &amp; &quot;both&quot; legs"), "{book}");
    assert!(!book.contains("<vesicles>"));
    assert!(verified(&trial, &out, 0).contains("free text was opened for them"));
    // Another site's key certifies nothing here; the sponsor's may, and opens nothing.
    for (holder, texts) in [("dan.sun", &[][..]), ("dan.sun", &["--texts"]), ("sponsor.one", &["--texts"])] {
        let (ran, out) = copy(holder, "refused.zip", texts);
        ran.ends_with(5);
        assert!(!out.exists(), "{holder}");
    }
    let (ran, out) = copy("sponsor.one", "sponsor.zip", &[]);
    ran.ends_with(0);
    verified(&trial, &out, 0);
    trial.run(["certified-copy", "--site", "S01", "--texts", "--out", "x.zip"]).ends_with(2);
    trial.run(["certified-copy", "--site", "S09", "--out", "x.zip"]).ends_with(7);
}

#[test]
fn a_sites_copy_made_beside_a_server_leaves_the_other_sites_subjects_out() {
    let trial = with_history();
    let server = Server::start(&trial.data());
    let out = trial.beside().join("S02.zip");
    trial.run(["certified-copy", "--site", "S02", "--out", text(&out)]).ends_with(0);
    let judged = verified(&trial, &out, 0);
    assert!(judged.starts_with("Intact as the part of site S02: the 8 records in it hold"), "{judged}");
    assert!(
        judged.contains("left out 9 records of others") && judged.contains("certified by nobody's key"),
        "{judged}"
    );
    assert!(!e2e::holds(&out, b"\"P1\"") && !e2e::holds(&out, b"vesicles"));
    // With another genesis it is another log's.
    let other = ["verify", text(&out), "--genesis", &"1".repeat(64), "--key", &log_key(&trial)];
    run(other).ends_with(1);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_restored_older_state_makes_the_notary_refuse_and_doctor_say_so() {
    let trial = with_subject();
    let (state, kept) = (trial.data().join("state"), trial.beside().join("state"));
    trial
        .submit_with("bo.wang", &contact("P1", "2022-01-01").to_string(), &["--wait", "sealed"])
        .ends_with(0);
    copy_dir(&state, &kept);
    let healthy = trial.run(["doctor"]).ends_with(0).out;
    assert!(healthy.contains("all is well"), "{healthy}");
    trial
        .submit_with("bo.wang", &contact("P1", "2022-02-01").to_string(), &["--wait", "sealed"])
        .ends_with(0);
    // The archive has a checkpoint over 14 records, the restored state one over 13.
    std::fs::remove_dir_all(&state).unwrap();
    copy_dir(&kept, &state);
    let waited =
        trial.submit_with("bo.wang", &contact("P1", "2022-03-01").to_string(), &["--wait", "sealed"]);
    let waited = waited.ends_with(7);
    assert!(waited.out.contains("recorded at position 14"), "{}", waited.out);
    assert!(waited.err.contains("is over 14 records"), "{}", waited.err);
    // Nothing was signed over it, and doctor does not say that all is well.
    let claimed = std::fs::read_to_string(trial.trial_dir().join("archive/checkpoint")).unwrap();
    assert_eq!(claimed.lines().nth(1), Some("14"));
    let sick = trial.run(["doctor"]).ends_with(7).out;
    assert!(sick.contains("NOT small: notary") && !sick.contains("all is well"), "{sick}");
}
