//! A recall: from a donor or a lot to subjects, records and events.

use e2e::SmallTrial;
use serde_json::json;

use crate::statements::{adverse_event, enrollment, infusion, lines};

/// P1 was given lot L1 of donor D1, P2 nothing that is named. The enrollments stand at positions 8 and 9, the infusions at
/// 10 and 11, the events at 12 and 13.
fn given() -> SmallTrial {
    let trial = SmallTrial::new();
    let mut of_lot = infusion("P1");
    of_lot["data"]["cells"] = json!({
        "donor": "D1", "given_per_kg": 1_000_000, "lot": "L1", "planned_per_kg": 1_000_000, "source": "umbilical_cord"
    });
    let mut fever = adverse_event("P1", "hot");
    fever["data"]["coding"] =
        json!({"dictionary": "MedDRA", "pt": "Pyrexia", "soc": "General disorders", "version": "26.0"});
    fever["data"]["seriousness"] = json!(["hospitalisation"]);
    let statements =
        [enrollment("P1"), enrollment("P2"), of_lot, infusion("P2"), fever, adverse_event("P2", "cough")];
    trial.submit("bo.wang", &lines(&statements)).ends_with(0);
    trial
}

#[test]
fn a_donor_and_a_lot_lead_to_subjects_and_what_befell_them_since() {
    let trial = given();
    for asked in [["recall", "--donor", "D1"], ["recall", "--lot", "L1"]] {
        let told = trial.run(asked).ends_with(0).out;
        for expect in ["lot L1 · donors D1 · release not stated", "P1", "2020-02-01", "Pyrexia"] {
            assert!(told.contains(expect), "{expect}: {told}");
        }
        assert!(!told.contains("P2"), "{told}");
        let answer = trial.run(asked.into_iter().chain(["--json"])).ends_with(0).json();
        let infusion = &answer["lots"][0]["infusions"][0];
        assert_eq!((&infusion["subject"], &infusion["latest_seq"]), (&"P1".into(), &10.into()));
        let event = &answer["events"][0];
        assert_eq!((&event["pt"], &event["latest_seq"]), (&"Pyrexia".into(), &12.into()));
        assert_eq!((&event["serious"], &answer["events"][1]), (&true.into(), &serde_json::Value::Null));
    }
}

#[test]
fn what_no_record_names_is_not_there_to_recall() {
    let trial = given();
    let unknown = trial.run(["recall", "--donor", "L1"]).ends_with(4);
    assert!(unknown.err.contains("no record names a donor L1"), "{}", unknown.err);
    let unknown = trial.run(["recall", "--lot", "L9"]).ends_with(4);
    assert!(unknown.err.contains("no record names a lot L9"), "{}", unknown.err);
    trial.run(["recall"]).ends_with(2);
    trial.run(["recall", "--donor", "D1", "--lot", "L1"]).ends_with(2);
}
