//! What `report_published` records say, held against the files at hand: their hashes, and that they are of the cut that is named.
//!
//! It makes no report anew. A file of another version of this program's, or of a closed report, can still be told from another.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Position, RecordHash};
use clinical::data::{Data, DataCut, ReportAccess, ReportPublished};
use clinical::report::{Covers, Cutoff};
use clinical::{CutName, Event};

use super::Published;
use crate::archive::at_file;
use crate::code::{Absence, Evidence};
use crate::files::FileDigest;
use crate::findings::Findings;
use crate::report::Place;
use crate::tally::Tally;

/// A report's file.
pub(super) struct File {
    path: String,
    /// Whether it was brought from elsewhere: a bundle's own were made for it, and nobody published them.
    brought: bool,
    digest: FileDigest,
    report: String,
    covers: Covers,
    cutoff: Cutoff,
}

impl File {
    pub(super) fn of(published: &Published, brought: bool) -> Self {
        Self {
            path: published.path.clone(),
            brought,
            digest: FileDigest::of(&published.bytes),
            report: published.stated.report.clone(),
            covers: published.stated.covers.clone(),
            cutoff: published.stated.cutoff.clone(),
        }
    }

    /// What of the record or of its cut does not hold of the file.
    fn against(&self, record: &ReportPublished, cut: Option<&DataCut>) -> Option<String> {
        if self.digest.length != record.bytes {
            return Some(format!("has {} bytes, {} are stated", self.digest.length, record.bytes));
        }
        if self.report != record.report {
            return Some(format!("is called {}, and published as {}", self.report, record.report));
        }
        let Some(cut) = cut else {
            return Some(format!("is published of cut {}, which is none", record.cut));
        };
        if (self.covers.records, self.covers.head) != (cut.records, cut.head) {
            let (covered, name) = (self.covers.records, &cut.name);
            return Some(format!(
                "covers {covered} records, and is published of cut {name} of {}",
                cut.records
            ));
        }
        let day = cut.cutoff_date.to_string();
        (self.cutoff.date != day).then(|| {
            format!("counts up to {}, and is published of cut {} up to {day}", self.cutoff.date, cut.name)
        })
    }
}

/// Publications and cuts, as they were recorded, and the files at hand.
pub(super) struct Recorded {
    files: Vec<File>,
    published: Vec<(Position, ReportPublished)>,
    cuts: BTreeMap<CutName, DataCut>,
}

impl Recorded {
    pub(super) fn new(files: Vec<File>) -> Self {
        Self { files, published: Vec::new(), cuts: BTreeMap::new() }
    }

    pub(super) fn record(&mut self, seq: Position, event: &Event) {
        match &event.data {
            Data::ReportPublished(published) => self.published.push((seq, (**published).clone())),
            Data::DataCut(cut) => {
                self.cuts.entry(cut.name.clone()).or_insert_with(|| (**cut).clone());
            }
            _ => {}
        }
    }

    /// Each record's file, and each file's record; the files that are as recorded.
    pub(super) fn hold(self, tally: &mut Tally, findings: &mut Findings) -> BTreeSet<String> {
        let Self { files, published, cuts } = self;
        let mut known = BTreeSet::new();
        for (seq, record) in &published {
            let mut of_it =
                files.iter().filter(|file| RecordHash(file.digest.sha256) == record.sha256).peekable();
            if of_it.peek().is_none() {
                // Who has open reports need not have closed ones.
                if record.access == ReportAccess::Closed {
                    continue;
                }
                let place =
                    Place { seq: Some(*seq), pointer: "/event/data/sha256".to_owned(), ..Place::default() };
                findings.add(Absence::ReportUnchecked.into(), seq.0, place, || {
                    format!(
                        "no file at hand is the {} report of cut {} that it publishes",
                        record.report, record.cut
                    )
                });
            }
            for file in of_it {
                let differs = file.against(record, cuts.get(&record.cut));
                tally.add(differs.is_none());
                match differs {
                    Some(differs) => {
                        let detail = format!("record {seq}: it {differs}");
                        at_file(findings, Evidence::ReportNotFollowing, &file.path, &detail);
                    }
                    None => {
                        known.insert(file.path.clone());
                    }
                }
            }
        }
        for file in files.iter().filter(|file| file.brought) {
            if !published.iter().any(|(_, record)| record.sha256 == RecordHash(file.digest.sha256)) {
                let detail = "no record of this log publishes these bytes";
                at_file(findings, Absence::ReportUnchecked, &file.path, detail);
            }
        }
        known
    }
}
