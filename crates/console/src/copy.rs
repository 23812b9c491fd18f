//! The pages of a certified copy: a cover sheet, the site's delegation log, a casebook for each subject.
//!
//! They are files, not answers: each stands for itself, without scripts, styles or pictures from elsewhere, on a screen
//! as on paper. They judge nothing, and show what they are given.

mod casebook;
mod cover;
mod delegation;
mod frame;

use std::collections::BTreeMap;

use api::{KeyView, RecordView, SiteView, TrialView};
use clinical::{SubjectId, TrialId};

use crate::trail::Read;
use crate::values::leaves;

/// What all pages of a copy share.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The trial.
    pub trial: TrialView,
    /// The site whose part it is.
    pub site: SiteView,
    /// The log's name.
    pub origin: String,
    /// How many records the log has under the checkpoint.
    pub size: u64,
    /// The root over them.
    pub root: String,
    /// The hash of the last of them.
    pub head: String,
    /// When the copy was made: an instant in its one writing.
    pub made_at: String,
    /// Which program made it.
    pub made_by: String,
    /// Who certifies the copy with a key of the log: person, role, organisation, key.
    pub certifier: Option<Certifier>,
    /// The keys granted in the log, in the order of their grants.
    pub keys: Vec<KeyView>,
    /// The records of the trial as a whole.
    pub of_trial: Vec<TrialRecord>,
    /// The site's subjects, each with all its records in order.
    pub subjects: BTreeMap<SubjectId, Vec<RecordView>>,
    /// Free text that was opened for this copy, by record and pointer into the event; `None` if none is.
    pub opened: Option<BTreeMap<(u64, String), String>>,
}

/// Who certifies a copy.
#[derive(Debug, Clone)]
pub struct Certifier {
    /// The person.
    pub holder: String,
    /// In which role.
    pub role: String,
    /// For which organisation.
    pub organisation: String,
    /// The key's id.
    pub key: String,
}

/// A record of the trial as a whole.
#[derive(Debug, Clone)]
pub struct TrialRecord {
    /// Its position.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// Its bytes.
    pub record: serde_json::Value,
}

impl Copy {
    /// Every page, by its path in the copy.
    pub fn pages(&self) -> BTreeMap<String, String> {
        let mut pages = BTreeMap::new();
        for (subject, records) in &self.subjects {
            pages.insert(casebook_path(subject), casebook::page(self, subject, records).into_string());
        }
        pages.insert(DELEGATION.to_owned(), delegation::page(self).into_string());
        pages.insert(COVER.to_owned(), cover::page(self).into_string());
        pages
    }

    fn trial_id(&self) -> &TrialId {
        &self.trial.trial
    }

    /// How many records of the site's subjects there are.
    fn of_site(&self) -> u64 {
        self.subjects.values().map(|records| records.len() as u64).sum()
    }

    /// How many free texts these records hold.
    fn texts(&self) -> usize {
        let is_text = |value: &serde_json::Value| value.get("ciphertext").is_some();
        let count = |view: &RecordView| {
            let read = Read::new(view);
            leaves(read.event()).iter().filter(|(_, value)| is_text(value)).count()
        };
        self.subjects.values().flatten().map(count).sum()
    }

    fn findings(&self) -> usize {
        self.subjects.values().flatten().map(|view| view.findings.len()).sum()
    }
}

/// The page that a reader opens first.
const COVER: &str = "README.html";

const DELEGATION: &str = "delegation.html";

/// A subject's casebook for a page of the registry: nothing of it is opened.
pub(crate) fn casebook_of(zone: &str, subject: &SubjectId, records: &[RecordView]) -> maud::Markup {
    casebook::main(&casebook::Manner { zone, opened: None }, subject, records)
}

fn casebook_path(subject: &SubjectId) -> String {
    format!("casebooks/{subject}.html")
}
