//! `verify`: verdicts and their statuses.

use std::path::Path;

use e2e::{Run, SmallTrial, files_under, run, write};
use serde_json::Value;

use crate::statements::with_subject;

fn verify(dir: &Path, options: &[&str]) -> Run {
    let arguments = ["verify".as_ref(), dir.as_os_str()];
    run(arguments.into_iter().chain(options.iter().map(AsRef::as_ref)))
}

#[test]
fn a_whole_log_is_intact_with_its_genesis_and_only_consistent_without() {
    let trial = with_subject();
    let genesis = ["--genesis", trial.genesis.as_str()];
    for dir in [trial.data(), trial.trial_dir(), trial.trial_dir().join("journal")] {
        let intact = verify(&dir, &genesis).ends_with(0);
        assert!(
            intact.out.starts_with("Intact: all 12 records hold, back to the known genesis"),
            "{}",
            intact.out
        );
    }
    let consistent = verify(&trial.data(), &[]).ends_with(3);
    assert!(consistent.out.starts_with("Consistent, not authenticated: "), "{}", consistent.out);
    let other = "1".repeat(64);
    let wrong = verify(&trial.data(), &["--genesis", &other]).ends_with(1);
    assert!(wrong.out.contains("genesis-differs"), "{}", wrong.out);

    let json = verify(&trial.data(), &[&genesis[..], &["--json"]].concat()).ends_with(0).json();
    assert_eq!((&json["verdict"], &json["status"]), (&"intact".into(), &0.into()));
    let head = json["covers"]["head"].as_str().unwrap();
    let known = verify(&trial.data(), &[&genesis[..], &["--known", &format!("12:{head}")]].concat());
    known.ends_with(0);
    let longer =
        verify(&trial.data(), &[&genesis[..], &["--known", &format!("13:{head}")]].concat()).ends_with(1);
    assert!(longer.out.contains("shorter-than-known"), "{}", longer.out);
    let other_head = format!("11:{head}");
    let forked = verify(&trial.data(), &[&genesis[..], &["--known", &other_head]].concat()).ends_with(1);
    assert!(forked.out.contains("known-head-differs"), "{}", forked.out);

    let key = std::fs::read_to_string(trial.trial_dir().join("log.vkey")).unwrap();
    verify(&trial.data(), &[&genesis[..], &["--key", key.trim_end()]].concat()).ends_with(0);
    let other_key =
        std::fs::read_to_string(crate::demo::demo().dir.path().join("trials/lupus-msct/log.vkey")).unwrap();
    verify(&trial.data(), &[&genesis[..], &["--key", other_key.trim_end()]].concat()).ends_with(1);
}

#[test]
fn a_flipped_byte_in_a_record_is_found_and_named_with_its_position() {
    let trial = with_subject();
    let segment = files_under(&trial.trial_dir().join("journal"))
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "segment"))
        .unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    // In the visit of record 10: as text, so that only checksum, hash and signature can tell.
    let place = bytes.windows(8).position(|window| window == b"complete").unwrap();
    let mut flipped = bytes.clone();
    flipped[place] ^= 0x01;
    write(&segment, &flipped);
    let broken = verify(&trial.data(), &["--genesis", &trial.genesis, "--json"]).ends_with(1).json();
    assert_eq!(broken["verdict"], "broken");
    let finding = &broken["findings"][0];
    assert_eq!((&finding["class"], &finding["code"]), (&"evidence".into(), &"journal-damaged".into()));
    // The four of the subject were submitted in one batch, which begins at position 8.
    let seq = finding["place"]["seq"].as_u64().unwrap();
    assert!((8..=11).contains(&seq), "{finding}");
    assert!(finding["place"]["stored_at"].as_str().unwrap().contains("segment at byte "), "{finding}");
    let said = verify(&trial.data(), &["--genesis", &trial.genesis]).ends_with(1).out;
    assert!(said.starts_with("Broken: "), "{said}");
    // The registry does not serve on it.
    let refused = trial.run(["report", "outcomes"]).ends_with(7);
    assert!(refused.err.contains("segment"), "{}", refused.err);
    write(&segment, &bytes);
    verify(&trial.data(), &["--genesis", &trial.genesis]).ends_with(0);
}

#[test]
fn wrong_usage_and_a_missing_directory_have_statuses_of_their_own() {
    let trial = SmallTrial::new();
    verify(&trial.data(), &["--genesis", "short"]).ends_with(2);
    verify(&trial.data(), &["--unknown"]).ends_with(2);
    run(["verify"]).ends_with(2);
    let nowhere = trial.beside().join("nowhere");
    assert!(verify(&nowhere, &[]).ends_with(7).err.contains("nowhere"));
    assert!(!nowhere.exists());
    verify(&trial.data(), &["--trial", "other"]).ends_with(7);
}

#[test]
fn findings_of_conduct_touch_the_status_only_where_they_are_asked_to() {
    let trial = with_subject();
    let death = crate::statements::contact("P1", "2030-01-01");
    let mut early = crate::statements::visit("P1", "2020-04-01", "none");
    early["data"]["pga"] = "9".into();
    trial.submit("bo.wang", &crate::statements::lines(&[death, early])).ends_with(0);
    let genesis = ["--genesis", trial.genesis.as_str()];
    let lenient = verify(&trial.data(), &genesis).ends_with(0);
    assert!(lenient.out.contains("findings of conduct, which do not touch the verdict"), "{}", lenient.out);
    let strict = verify(&trial.data(), &[&genesis[..], &["--strict", "--json"]].concat()).ends_with(1).json();
    assert_eq!(strict["verdict"], Value::from("intact"));
}
