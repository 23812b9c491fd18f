//! Free texts: in no file in clear, and opened for whoever is entitled at the subject's site.

use e2e::{Server, files_under, holds};

use crate::statements::{adverse_event, hash_of, replacing, with_subject};

const TERM: &str = "painful vesicles on the trunk";
const COMMENT: &str = "the chart says both legs";

#[test]
fn texts_are_stored_encrypted_and_opened_for_the_subjects_site_alone() {
    let trial = with_subject();
    let server = Server::start(&trial.data());
    trial.submit("bo.wang", &adverse_event("P1", TERM).to_string()).ends_with(0);
    let mut amended = replacing(&adverse_event("P1", TERM), 12, &hash_of(&trial, 12), "source_corrected");
    amended["amends"]["comment"] = COMMENT.into();
    trial.submit("an.li", &amended.to_string()).ends_with(0);

    let show = |seq: &str, holder: &str| {
        let key = trial.key(holder);
        trial.run(["show", seq, "--key", key.to_str().unwrap()])
    };
    for holder in ["bo.wang", "an.li", "nan.monitor"] {
        let shown = show("12", holder).ends_with(0).out;
        assert!(shown.contains(&format!("\"term\": \"{TERM}\"")), "{holder}: {shown}");
    }
    let shown = show("13", "bo.wang").ends_with(0).out;
    assert!(shown.contains(TERM) && shown.contains(COMMENT), "{shown}");
    for holder in ["dan.sun", "sponsor.one"] {
        let refused = show("12", holder).ends_with(5);
        assert!(!refused.out.contains(TERM) && refused.err.contains("text-key-refused"), "{}", refused.err);
    }
    let plain = trial.run(["show", "12"]).ends_with(0).out;
    assert!(!plain.contains(TERM) && plain.contains("\"ciphertext\""), "{plain}");
    for answer in ["/v1/trials/small/subjects/P1/records", "/v1/trials/small/reports/safety", "/metrics"] {
        assert!(!server.get(answer).text().contains("vesicles"), "{answer}");
    }

    assert_eq!(server.stop(), 0);
    let files = files_under(&trial.data());
    assert!(files.len() > 10);
    for file in &files {
        for text in [TERM, COMMENT] {
            assert!(!holds(file, text.as_bytes()), "{} holds a text in clear", file.display());
        }
    }
    // The search itself works: the subject's id is in the journal.
    let journal = trial.trial_dir().join("journal");
    assert!(files_under(&journal).iter().any(|file| holds(file, b"\"subject\":\"P1\"")));
    // Without a server, from the files.
    assert!(show("12", "bo.wang").ends_with(0).out.contains(TERM));
    show("12", "dan.sun").ends_with(5);
}
