//! A study small enough to see through, written as files.

use chain::{RecordHash, SecretKey};
use clinical::statement::{Author, Circumstances, compose};
use clinical::text::SealingRandomness;
use clinical::{Actor, EventKind, Role, Statement};
use serde_json::Value as Json;

use crate::sdtm::{NotImported, Plan, ReadError, Study, read};
use crate::xpt::tests::{Value, write};

pub(super) type Rows = Vec<Vec<Value>>;

/// A study as it is written: file name, columns, rows.
pub(super) struct Files(pub(super) Vec<(&'static str, Vec<&'static str>, Rows)>);

macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$(Value::from($value)),*] };
}

impl Files {
    /// One subject treated, one screen failure, one visit with one observation of each kind, one adverse event.
    pub(super) fn small() -> Self {
        let dm = [
            "STUDYID", "USUBJID", "SUBJID", "SITEID", "AGE", "AGEU", "SEX", "ARMCD", "COUNTRY", "RFSTDTC",
            "DTHDTC",
        ];
        let vs = ["USUBJID", "VSTESTCD", "VSTEST", "VSORRES", "VSORRESU", "VSSTAT", "VISITNUM", "VSDTC"];
        let lb = [
            "USUBJID", "LBTESTCD", "LBTEST", "LBCAT", "LBORRES", "LBORRESU", "LBORNRLO", "VISITNUM", "LBDTC",
        ];
        Self(vec![
            (
                "dm.xpt",
                dm.to_vec(),
                vec![
                    row!["S1", "01-001", "001", "01", 63.0, "YEARS", "F", "ACT", "USA", "2013-02-12", ""],
                    row!["S1", "01-002", "002", "01", 70.0, "YEARS", "M", "Scrnfail", "USA", "", ""],
                ],
            ),
            (
                "ds.xpt",
                vec!["USUBJID", "DSDECOD", "DSCAT", "DSSTDTC"],
                vec![
                    row!["01-001", "COMPLETED", "DISPOSITION EVENT", "2013-08"],
                    row!["01-002", "SCREEN FAILURE", "DISPOSITION EVENT", "2013-01-20"],
                ],
            ),
            (
                "ex.xpt",
                vec!["USUBJID", "EXSEQ", "EXDOSE", "EXDOSU", "EXSTDTC", "EXENDTC"],
                vec![row!["01-001", 1.0, 0.1, "mg", "2013-02-12", ""]],
            ),
            (
                "sv.xpt",
                vec!["USUBJID", "VISITNUM", "VISIT", "VISITDY", "SVSTDTC"],
                vec![row!["01-001", 1.1, "BASELINE", 1.0, "2013-02-12"]],
            ),
            (
                "vs.xpt",
                vs.to_vec(),
                vec![row!["01-001", "TEMP", "Temperature", "098.6", "F", "", 1.1, "2013-02-12"]],
            ),
            (
                "lb.xpt",
                lb.to_vec(),
                vec![row![
                    "01-001",
                    "CREAT",
                    "Creatinine",
                    "CHEMISTRY",
                    "1.20",
                    "mg/dL",
                    "0.6",
                    1.1,
                    "2013-02-11T08:00"
                ]],
            ),
            (
                "ae.xpt",
                vec!["USUBJID", "AETERM", "AEDECOD", "AEBODSYS", "AESTDTC", "AEREL", "AESER", "AESHOSP"],
                vec![row!["01-001", "FEVER", "Pyrexia", "General disorders", "2013-03", "REMOTE", "N", "Y"]],
            ),
        ])
    }

    pub(super) fn rows(&mut self, file: &str) -> &mut Rows {
        &mut self.0.iter_mut().find(|(name, ..)| *name == file).unwrap().2
    }

    /// Sets the value of a column in a row (from 0).
    pub(super) fn set(mut self, file: &str, row: usize, column: &str, value: impl Into<Value>) -> Self {
        let (_, columns, rows) = self.0.iter_mut().find(|(name, ..)| *name == file).unwrap();
        let column = columns.iter().position(|name| *name == column).unwrap();
        rows[row][column] = value.into();
        self
    }

    pub(super) fn with(mut self, file: &str, row: Vec<Value>) -> Self {
        self.rows(file).push(row);
        self
    }

    pub(super) fn and(mut self, file: &'static str, columns: &[&'static str], rows: Rows) -> Self {
        self.0.push((file, columns.to_vec(), rows));
        self
    }

    pub(super) fn without(mut self, file: &str) -> Self {
        self.0.retain(|(name, ..)| *name != file);
        self
    }

    pub(super) fn write(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, columns, rows) in &self.0 {
            put(&dir, file, &write("T", columns, rows));
        }
        dir
    }

    pub(super) fn read(&self) -> Result<Study, ReadError> {
        read(self.write().path())
    }

    /// The plan, of which every statement can be signed and every row is stated or listed.
    pub(super) fn plan(&self) -> Plan {
        let study = self.read().unwrap();
        let plan = study.plan();
        for statement in &plan.statements {
            assert!(signed(statement).is_ok(), "{:?}", signed(statement));
        }
        for source in &study.sources {
            let count = |counts: &std::collections::BTreeMap<String, u32>| {
                counts.get(&source.name).copied().unwrap_or_default()
            };
            let rows = count(&plan.counts.rows_carried) + count(&plan.counts.rows_not_imported);
            assert_eq!(usize::try_from(rows).unwrap(), source.table.rows(), "{}", source.name);
        }
        plan
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of a test need not last")]
pub(super) fn put(dir: &tempfile::TempDir, file: &str, bytes: &[u8]) {
    std::fs::write(dir.path().join(file), bytes).unwrap();
}

pub(super) fn signed(statement: &Statement) -> Result<usize, clinical::statement::ComposeError> {
    let actor = Actor {
        id: "importer".parse().unwrap(),
        organisation: "A hospital with a long name".to_owned(),
        role: Role::DataManager,
    };
    let (trial, zone) = ("s1".parse().unwrap(), "UTC".parse().unwrap());
    let key = SecretKey::from_bytes(&[1; 32]);
    let author = Author { actor: &actor, key: &key, trial: &trial, log: RecordHash([2; 32]), zone: &zone };
    let mut circumstances = Circumstances {
        id: "01936b2e-7c5a-7d3e-8f10-0123456789ab".parse().unwrap(),
        signed_at: "2026-11-22T13:00:00.000000Z".parse().unwrap(),
        text_key: Some(&[5; 32]),
        randomness: &mut || SealingRandomness([7; 112]),
    };
    compose(statement, author, &mut circumstances).map(|composed| composed.event.len())
}

pub(super) fn of(plan: &Plan, kind: EventKind) -> Vec<&Statement> {
    plan.statements.iter().filter(|statement| statement.kind == kind).collect()
}

pub(super) fn one(plan: &Plan, kind: EventKind) -> (Option<String>, Json) {
    let [statement] = of(plan, kind)[..] else { panic!("{:?}", of(plan, kind)) };
    let mut data = statement.data.clone();
    data.remove("import").unwrap();
    (statement.occurred_on.map(|on| on.to_string()), Json::Object(data))
}

pub(super) fn left(plan: &Plan) -> Vec<String> {
    let text = |left: &NotImported| {
        let column = left.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        format!("{}{column} {}: {}", left.table, left.row, left.reason)
    };
    plan.not_imported.iter().map(text).collect()
}
