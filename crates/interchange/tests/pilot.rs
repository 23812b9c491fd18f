//! The CDISC pilot study, imported whole: real data of 306 subjects at 17 sites.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chain::key::possession_message;
use chain::{Chain, Instant, Position, RecordHash, SecretKey};
use clinical::statement::{Author, Circumstances, compose};
use clinical::text::SealingRandomness;
use clinical::{
    Actor, Event, EventId, EventKind, FindingCode, Referenced, References, Role, Statement, Trial, TrialId,
    Zone,
};
use interchange::sdtm::{self, Plan};
use interchange::xpt::{Cell, Table};
use serde_json::json;

/// The study's directory, or a line in the log of what was skipped.
fn pilot(test: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the data are not in this tree; the environment says where they are"
    )]
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(dir) = variable("TRIALBOOK_CDISC_DIR") {
        return Some(dir.into());
    }
    if let Some(log) = variable("TRIALBOOK_SKIPPED_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
        writeln!(log, "{test}: TRIALBOOK_CDISC_DIR is not set").unwrap();
    }
    eprintln!("skipped: TRIALBOOK_CDISC_DIR is not set");
    None
}

/// The study's files: some copies leave out the tables about the trial itself.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xpt"));
    files.sort();
    files
}

/// The plan, made once for all tests.
fn plan_of(dir: &Path) -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| sdtm::read(dir).unwrap().plan())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_uppercase()
}

#[test]
fn the_pilot_study_is_imported_whole() {
    let Some(dir) = pilot("the_pilot_study_is_imported_whole") else { return };
    let plan = plan_of(&dir);
    let counts = &plan.counts;
    assert_eq!((counts.screened, counts.enrolled, counts.screen_failures, counts.sites), (306, 254, 52, 17));
    assert_eq!(counts.adverse_events, 961);
    assert_eq!(counts.adverse_events_before_treatment, 51);
    assert_eq!(counts.adverse_events_onset_partial, 24);
    assert_eq!(counts.adverse_events_without_causality, 4);
    assert_eq!((counts.serious_reported, counts.serious_derived), (3, 33));
    assert_eq!(counts.fatal_reported_not_serious, 3);
    assert_eq!(counts.dosing_periods, 591);
    assert_eq!((counts.visits, counts.visits_unscheduled, counts.visits_made), (3559, 122, 0));
    assert_eq!((counts.visits_same_day, counts.visits_after_death, counts.visits_continued), (92, 1, 0));
    assert_eq!(counts.dispositions, 254);
    assert_eq!(counts.units_not_mapped, BTreeMap::new());
    assert_eq!(plan.trial.trial.as_ref().unwrap().as_str(), "cdiscpilot01");
    assert!(plan.trial.sites.iter().all(|site| site.country == "US"));
    assert_eq!(plan.tables_not_read, [""; 0]);
    if dir.join("ts.xpt").exists() {
        // The byte 0x92 of Windows-1252.
        assert!(plan.trial.title.contains("Alzheimer\u{2019}s"), "{}", plan.trial.title);
    }
}

#[test]
fn every_row_is_stated_or_listed() {
    let Some(dir) = pilot("every_row_is_stated_or_listed") else { return };
    let plan = plan_of(&dir);
    let left: BTreeSet<_> = plan
        .not_imported
        .iter()
        .filter(|left| left.column.is_none())
        .map(|left| (left.table.clone(), left.row))
        .collect();
    let stated = stated_rows(plan);
    for path in files(&dir) {
        let (name, table) = (stem(&path), Table::parse(&std::fs::read(&path).unwrap()).unwrap());
        for row in 1..=u32::try_from(table.rows()).unwrap() {
            let key = (name.clone(), row);
            assert!(stated.contains(&key) != left.contains(&key), "{name} row {row}");
        }
        let count = |counts: &BTreeMap<String, u32>| counts.get(&name).copied().unwrap_or_default();
        let rows = count(&plan.counts.rows_carried) + count(&plan.counts.rows_not_imported);
        assert_eq!(usize::try_from(rows).unwrap(), table.rows(), "{name}");
    }
    // Of the tables of facts only milestones of DS are left: FINAL LAB VISIT and FINAL RETRIEVAL VISIT.
    for (table, rows) in [("DM", 0), ("DS", 290), ("EX", 0), ("SV", 0), ("VS", 0), ("LBCH", 0), ("AE", 0)] {
        assert_eq!(left.iter().filter(|(name, _)| name == table).count(), rows, "{table}");
    }
}

fn stated_rows(plan: &Plan) -> BTreeSet<(String, u32)> {
    let mut rows: BTreeSet<_> = plan.trial.rows.iter().map(|row| (row.table.clone(), row.row)).collect();
    for statement in &plan.statements {
        assert_eq!(statement.data["import"]["standard"], "sdtm");
        for row in statement.data["import"]["rows"].as_array().unwrap() {
            let number = u32::try_from(row["row"].as_u64().unwrap()).unwrap();
            rows.insert((row["table"].as_str().unwrap().to_owned(), number));
        }
    }
    rows
}

#[test]
fn adverse_events_by_class_and_term_equal_a_tally_of_the_table_by_another_reader() {
    let Some(dir) = pilot("adverse_events_by_class_and_term_equal_a_tally_of_the_table_by_another_reader")
    else {
        return;
    };
    let plan = plan_of(&dir);
    let mut stated: BTreeMap<(String, String), (u32, BTreeSet<String>)> = BTreeMap::new();
    for statement in plan.statements.iter().filter(|statement| statement.kind == EventKind::AdverseEvent) {
        let text = |member: &str| statement.data["coding"][member].as_str().unwrap().to_owned();
        let (events, subjects) = stated.entry((text("soc"), text("pt"))).or_default();
        *events += 1;
        subjects.insert(statement.subject.as_ref().unwrap().to_string());
    }
    let table = xportrs::Xpt::read(dir.join("ae.xpt")).unwrap();
    let column =
        |name: &str| match table.columns().iter().find(|column| column.name() == name).unwrap().data() {
            xportrs::ColumnData::String(values) => values.clone(),
            _ => panic!("{name} holds no texts"),
        };
    let (socs, pts, subjects) = (column("AEBODSYS"), column("AEDECOD"), column("USUBJID"));
    let mut tally: BTreeMap<(String, String), (u32, BTreeSet<String>)> = BTreeMap::new();
    for ((soc, pt), subject) in socs.into_iter().zip(pts).zip(subjects) {
        let (events, subjects) = tally.entry((soc.unwrap(), pt.unwrap())).or_default();
        *events += 1;
        subjects.insert(subject.unwrap());
    }
    assert_eq!(stated, tally);
}

#[test]
fn this_reader_and_another_read_the_same_cells() {
    let Some(dir) = pilot("this_reader_and_another_read_the_same_cells") else { return };
    for path in files(&dir) {
        let ours = Table::parse(&std::fs::read(&path).unwrap()).unwrap();
        let theirs = xportrs::Xpt::read(&path).unwrap();
        for (index, column) in theirs.columns().iter().enumerate() {
            assert_eq!(column.name(), ours.columns()[index].name);
            let same = |row: usize| match (ours.cell(row, index).unwrap(), column.data()) {
                (Cell::Number(ours), xportrs::ColumnData::F64(theirs)) => {
                    // One unit in the last place: the other reader cuts where this one rounds.
                    theirs[row].is_some_and(|theirs| (ours - theirs).abs() <= ours.abs() * f64::EPSILON)
                }
                (Cell::Missing(_), xportrs::ColumnData::F64(theirs)) => theirs[row].is_none(),
                (Cell::Text(ours), xportrs::ColumnData::String(theirs)) => {
                    let theirs = theirs[row].as_deref().unwrap_or_default();
                    // The other reader puts U+FFFD for what is no UTF-8.
                    ours == theirs || theirs.contains('\u{fffd}')
                }
                _ => false,
            };
            assert!((0..ours.rows()).all(same), "{} {}", path.display(), column.name());
        }
        assert_eq!(theirs.nrows(), ours.rows());
    }
}

#[test]
fn no_arm_stands_in_any_statement() {
    let Some(dir) = pilot("no_arm_stands_in_any_statement") else { return };
    let plan = plan_of(&dir);
    for statement in &plan.statements {
        let text = serde_json::to_string(statement).unwrap().to_uppercase();
        assert!(!["PLACEBO", "XANOMELINE", "XAN_"].iter().any(|arm| text.contains(arm)), "{text}");
    }
}

/// A log as a registrar keeps it, without storing anything.
struct Log {
    trial: Option<Trial>,
    chain: Chain,
    ids: u64,
    findings: BTreeMap<FindingCode, u32>,
}

struct NoReferences;

impl References for NoReferences {
    fn record(&self, _: Position) -> Option<Referenced> {
        None
    }
}

const SUBJECT_KEY: [u8; 32] = [9; 32];

impl Log {
    /// Composes, reads back, decides, links and applies; a refusal ends the test.
    fn submit(&mut self, statement: &Statement, actor: &Actor, key: &SecretKey) -> usize {
        let (trial, zone) =
            ("cdiscpilot01".parse::<TrialId>().unwrap(), "America/New_York".parse::<Zone>().unwrap());
        let log = self.trial.as_ref().map_or(RecordHash::ZERO, |trial| trial.genesis);
        self.ids += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        (id[6], id[8]) = (0x70, 0x80);
        let now: Instant = "2026-11-22T13:00:00.000000Z".parse().unwrap();
        let mut randomness = || SealingRandomness([7; 112]);
        let mut circumstances = Circumstances {
            id: EventId(id),
            signed_at: now,
            text_key: Some(&SUBJECT_KEY),
            randomness: &mut randomness,
        };
        let author = Author { actor, key, trial: &trial, log, zone: &zone };
        let composed = compose(statement, author, &mut circumstances)
            .unwrap_or_else(|error| panic!("{error}: {:?}", statement.data));
        let event = Event::parse(&composed.event).unwrap();
        let findings = clinical::decide(self.trial.as_ref(), &event, &composed.event, now, &NoReferences)
            .unwrap_or_else(|refusal| panic!("{refusal} {}: {:?}", refusal.pointer, statement.data));
        for finding in findings {
            *self.findings.entry(finding.code).or_default() += 1;
        }
        let seq = self.chain.size.next_position();
        let record = self.chain.link(&composed.event, composed.signature, now);
        match &mut self.trial {
            Some(trial) => trial.apply(&event, seq, now),
            None => self.trial = Trial::open(&event, record.hash),
        }
        composed.event.len()
    }
}

fn statement(value: serde_json::Value) -> Statement {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_registrar_accepts_every_statement_of_the_plan() {
    let Some(dir) = pilot("a_registrar_accepts_every_statement_of_the_plan") else { return };
    let plan = plan_of(&dir);
    let mut log = Log { trial: None, chain: Chain::default(), ids: 0, findings: BTreeMap::new() };
    let actor = |id: &str, role| Actor { id: id.parse().unwrap(), organisation: "CDISC".to_owned(), role };
    let (sponsor, manager) = (actor("sponsor", Role::Sponsor), actor("importer", Role::DataManager));
    let (sponsor_key, manager_key) = (SecretKey::from_bytes(&[1; 32]), SecretKey::from_bytes(&[2; 32]));

    let log_key = chain::note::VerifierKey::new("example.org/cdiscpilot01", sponsor_key.public()).unwrap();
    let opening = json!({
        "definitions": {"evaluable": "evaluable-1", "imputation": "impute-1", "related": "related-1",
            "relapse": "relapse-1", "remission": "ccr-registry-1"},
        "log_key": log_key.to_string(), "profile": {"mandatory": {}}, "rule_set": 1,
        "schedule": plan.trial.schedule, "sponsor_keys": [{"holder": "sponsor", "organisation": "CDISC",
            "public_key": sponsor_key.public().to_text()}],
        "synthetic": false, "title": plan.trial.title, "zone": plan.trial.zone,
    });
    log.submit(&statement(json!({"kind": "trial_opened", "data": opening})), &sponsor, &sponsor_key);
    for site in &plan.trial.sites {
        let data = json!({"name": site.name, "country": site.country, "zone": site.zone});
        let activated = json!({"kind": "site_activated", "site": site.site, "data": data});
        log.submit(&statement(activated), &sponsor, &sponsor_key);
    }
    let genesis = log.trial.as_ref().unwrap().genesis;
    let possession = manager_key.sign(&possession_message(genesis, "importer", manager_key.public()));
    let granted = json!({"kind": "key_granted", "data": {"holder": "importer", "organisation": "CDISC",
        "possession": possession.to_text(), "public_key": manager_key.public().to_text(),
        "role": "data_manager", "sites": []}});
    log.submit(&statement(granted), &sponsor, &sponsor_key);

    let begun = std::time::Instant::now();
    let mut longest = 0;
    for statement in &plan.statements {
        longest = longest.max(log.submit(statement, &manager, &manager_key));
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{} statements, {:.0}/s composed and decided, longest event {longest} bytes",
        plan.statements.len(),
        plan.statements.len() as f64 / seconds
    );
    assert_eq!(plan.statements.len(), 254 + 306 + 591 + 3559 + 961);
    assert_eq!(log.trial.as_ref().unwrap().subject_count(), 306);
    let findings: BTreeMap<&str, u32> =
        log.findings.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    let expected = BTreeMap::from([
        ("after-death", 1),
        ("causality-missing", 4),
        ("consent-missing", 254),
        ("seriousness-disagrees", 30),
        ("visit-not-in-schedule", 74),
    ]);
    assert_eq!(findings, expected);
}
