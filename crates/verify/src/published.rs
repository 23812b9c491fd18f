//! Reports that come with a bundle, or are brought from elsewhere: made anew from the records they cover, and compared byte for byte.
//!
//! Only reports of this program's own version are judged: another may count or round otherwise, and for good reason.
//! Their rows are kept in memory while records are folded, some hundred bytes for each; without reports there are none.

mod recorded;

use chain::{Instant, Position, RecordHash};
use clinical::report::{ByArm, Covered, Covers, Cutoff, CutoffBasis, Engine, Parameters};
use clinical::rows::{RowChange, Sheet};
use clinical::{Event, PartialDate};
use serde::Deserialize;
use serde_json::Value;

use crate::archive::at_file;
use crate::code::{Absence, Evidence};
use crate::files::{Files, Listed, read};
use crate::findings::Findings;
use crate::report::ReportSeen;
use crate::source::SourceError;
use crate::tally::Tally;
use recorded::Recorded;

/// Where reports stand in a bundle.
const REPORTS: &str = "reports/";

/// Longest report read, in bytes: the safety report lists about 300 bytes for each subject with a serious event.
const REPORT_BYTES_MAX: usize = 64 << 20;

/// Reports to be made anew.
pub(crate) struct Reports {
    published: Vec<Published>,
    /// Files that are no report.
    malformed: Vec<(String, String)>,
    outcomes: Option<Folded<outcomes::Folder>>,
    safety: Option<Folded<safety::Folder>>,
    /// Records folded without a gap before them, and the last one's hash.
    covered: Option<Covered>,
    seen: Vec<ReportSeen>,
    /// Closed reports, which take a list that no log holds.
    by_arm: Vec<String>,
    /// What the records say was published; `None` where nobody asked.
    recorded: Option<Recorded>,
    pub tally: Tally,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            published: Vec::new(),
            malformed: Vec::new(),
            outcomes: None,
            safety: None,
            covered: Some(Covered { records: 0, head: RecordHash::ZERO }),
            seen: Vec::new(),
            by_arm: Vec::new(),
            recorded: None,
            tally: Tally::default(),
        }
    }
}

/// A report as it was published.
struct Published {
    path: String,
    bytes: Vec<u8>,
    stated: Stated,
    /// What the earlier report counts that this one counts against, once its records have been folded.
    earlier: Option<safety::Earlier>,
}

/// What of a report says how it is made.
#[derive(Debug, Deserialize)]
struct Stated {
    report: String,
    engine: Engine,
    covers: Covers,
    cutoff: Cutoff,
    since: Option<StatedSince>,
}

/// The earlier report that one counts against.
#[derive(Debug, Deserialize)]
struct StatedSince {
    records: u64,
    cutoff: PartialDate,
}

/// A fold and the rows it made so far.
#[derive(Default)]
struct Folded<F> {
    folder: F,
    sheet: Sheet,
}

impl<F> Folded<F> {
    fn take(&mut self, fold: impl FnOnce(&mut F, &mut Vec<RowChange>)) {
        let mut changes = Vec::new();
        fold(&mut self.folder, &mut changes);
        self.sheet.apply(changes);
    }
}

impl Reports {
    /// Reads the reports of a bundle. They are judged once [`Reports::bring`] has added those from elsewhere.
    pub(crate) fn of(files: &dyn Files, listed: &[Listed]) -> Result<Self, SourceError> {
        let mut reports = Self::default();
        let is_report = |file: &&Listed| {
            file.path.starts_with(REPORTS)
                && file.path.strip_suffix(".json").is_some()
                && file.length.is_some()
        };
        for file in listed.iter().filter(is_report) {
            let Some(bytes) = read(files, &file.path, REPORT_BYTES_MAX)? else { continue };
            if bytes.len() > REPORT_BYTES_MAX {
                reports
                    .malformed
                    .push((file.path.clone(), format!("has more than {REPORT_BYTES_MAX} bytes")));
                continue;
            }
            reports.add(&file.path, bytes);
        }
        Ok(reports)
    }

    fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let path = path.to_owned();
        match serde_json::from_slice(&bytes) {
            Ok(stated) => self.published.push(Published { path, bytes, stated, earlier: None }),
            // What exactly is wrong may quote the report.
            Err(_) => self.malformed.push((path, "is no report".to_owned())),
        }
    }

    /// Adds reports that were brought from elsewhere, each under the name it is spoken of by, and begins what those need
    /// that are to be judged.
    pub(crate) fn bring(&mut self, reports: &[(String, Vec<u8>)], holds_records: bool) {
        for (name, bytes) in reports {
            self.add(name, bytes.clone());
        }
        if holds_records {
            let brought = |path: &str| reports.iter().any(|(name, _)| name == path);
            let files = self.published.iter().map(|file| recorded::File::of(file, brought(&file.path)));
            self.recorded = Some(Recorded::new(files.collect()));
        }
        let due = |name: &str| self.published.iter().any(|published| published.is_judged_as(name));
        let (outcomes, safety) = (due(OUTCOMES), due(SAFETY));
        self.outcomes = outcomes.then(Folded::default);
        self.safety = safety.then(Folded::default);
    }

    /// Records are missing: what covers them cannot be made anew.
    pub(crate) fn gap(&mut self) {
        self.covered = None;
    }

    /// Takes in the next record; `None` for its event if that cannot be read.
    pub(crate) fn record(
        &mut self,
        seq: Position,
        event: Option<(&Event, Instant)>,
        hash: RecordHash,
        findings: &mut Findings,
    ) {
        if let (Some(recorded), Some((event, _))) = (&mut self.recorded, event) {
            recorded.record(seq, event);
        }
        let Some(covered) = &mut self.covered else { return };
        covered.records += 1;
        covered.head = hash;
        if let Some((event, recorded_at)) = event {
            if let Some(outcomes) = &mut self.outcomes {
                outcomes.take(|folder, out| folder.fold(event, seq, recorded_at, out));
            }
            if let Some(safety) = &mut self.safety {
                safety.take(|folder, out| folder.fold(event, seq, recorded_at, out));
            }
        }
        let covered = *covered;
        if self.published.is_empty() {
            return;
        }
        if let Some(folded) = &self.safety {
            self.published.iter_mut().for_each(|published| published.count_earlier(folded, covered));
        }
        let (due, later) = std::mem::take(&mut self.published)
            .into_iter()
            .partition(|published| published.stated.covers.records == covered.records);
        self.published = later;
        for published in due {
            self.judge(published, covered, findings);
        }
    }

    fn judge(&mut self, published: Published, covered: Covered, findings: &mut Findings) {
        let parameters = published.parameters();
        let made = match (published.stated.report.as_str(), &self.outcomes, &self.safety) {
            _ if !published.is_of_this_engine() => None,
            (name, ..) if is_by_arm(name) => {
                self.by_arm.push(published.path.clone());
                None
            }
            (name, ..) if name != OUTCOMES && name != SAFETY => {
                Some(Err("it makes none of that name".to_owned()))
            }
            (OUTCOMES, Some(folded), _) => Some(
                outcomes::report(folded.sheet.rows(), &parameters, covered)
                    .map(|report| report.to_canonical_json())
                    .map_err(|error| error.to_string()),
            ),
            (SAFETY, _, Some(folded)) => Some(
                safety::report_since(folded.sheet.rows(), &parameters, covered, published.earlier.as_ref())
                    .map(|report| report.to_canonical_json())
                    .map_err(|error| error.to_string()),
            ),
            _ => None,
        };
        let follows = made.as_ref().map(|made| made.as_ref().is_ok_and(|made| *made == published.bytes));
        if let Some(follows) = follows {
            self.tally.add(follows);
        }
        if let (Some(false), Some(made)) = (follows, made) {
            let detail = match made {
                Ok(made) => difference(&published.bytes, &made),
                Err(error) => format!("from these records no such report can be made: {error}"),
            };
            at_file(findings, Evidence::ReportNotFollowing, &published.path, &detail);
        }
        self.seen.push(published.seen(follows));
    }

    /// What is said of each report, after the last record.
    pub(crate) fn finish(mut self, findings: &mut Findings) -> (Vec<ReportSeen>, Tally) {
        for (path, detail) in std::mem::take(&mut self.malformed) {
            self.tally.add(false);
            at_file(findings, Evidence::ReportNotFollowing, &path, &detail);
        }
        for published in std::mem::take(&mut self.published) {
            if published.is_of_this_engine() {
                let records = published.stated.covers.records;
                let detail = format!("it covers {records} records, and not all of these are here");
                at_file(findings, Absence::ReportUnchecked, &published.path, &detail);
            }
            self.seen.push(published.seen(None));
        }
        // A closed report that is the one published is what it should be; what it follows from is another's to check.
        let known = self.recorded.take().map(|recorded| recorded.hold(&mut self.tally, findings));
        for path in
            self.by_arm.iter().filter(|path| !known.as_ref().is_some_and(|known| known.contains(*path)))
        {
            let detail = "it is by arm: whoever holds the list of arms makes it anew";
            at_file(findings, Absence::ReportUnchecked, path, detail);
        }
        self.seen.sort_by(|a, b| a.path.cmp(&b.path));
        (self.seen, self.tally)
    }
}

/// Whether a report of that name is a closed one, which takes a list that no log holds.
fn is_by_arm(name: &str) -> bool {
    [OUTCOMES, SAFETY].into_iter().any(|kind| name == ByArm::<()>::name_of(kind))
}

/// The reports that this program can make.
const OUTCOMES: &str = "outcomes";
const SAFETY: &str = "safety";

impl Published {
    fn is_of_this_engine(&self) -> bool {
        self.stated.engine == Engine::this()
    }

    fn is_judged_as(&self, name: &str) -> bool {
        self.stated.report == name && self.is_of_this_engine()
    }

    /// Where these are the records of the earlier report that it counts against: what that one counts. Without it none
    /// is made that counts against one, and so none like it.
    fn count_earlier(&mut self, folded: &Folded<safety::Folder>, covered: Covered) {
        let Some(since) = self.stated.since.as_ref().filter(|since| since.records == covered.records) else {
            return;
        };
        if let (true, PartialDate::Day(day)) = (self.is_judged_as(SAFETY), since.cutoff) {
            let parameters = Parameters { cutoff: Some(day) };
            self.earlier = safety::earlier(folded.sheet.rows(), &parameters, covered).ok();
        }
    }

    fn parameters(&self) -> Parameters {
        let given = match self.stated.cutoff.basis {
            CutoffBasis::Given => self.stated.cutoff.date.parse().ok(),
            CutoffBasis::LastRecord => None,
        };
        let cutoff = given.and_then(|date| match date {
            PartialDate::Day(day) => Some(day),
            _ => None,
        });
        Parameters { cutoff }
    }

    fn seen(self, follows: Option<bool>) -> ReportSeen {
        let Engine { name, version } = self.stated.engine;
        ReportSeen {
            path: self.path,
            report: self.stated.report,
            engine: format!("{name} {version}"),
            records: self.stated.covers.records,
            follows,
        }
    }
}

/// Where two reports differ first; never what stands there, which may name a subject.
fn difference(published: &[u8], made: &[u8]) -> String {
    let values = (serde_json::from_slice::<Value>(published), serde_json::from_slice::<Value>(made));
    let pointer = match values {
        (Ok(published), Ok(made)) => first_difference(&published, &made),
        _ => None,
    };
    match pointer {
        Some(pointer) => format!("made anew from the records it differs, first at {pointer}"),
        None => "made anew from the records it is written otherwise".to_owned(),
    }
}

/// JSON pointer of the first value that differs, in the order of keys.
fn first_difference(a: &Value, b: &Value) -> Option<String> {
    let within = |key: &str, a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(a), Some(b)) => first_difference(a, b).map(|rest| format!("/{key}{rest}")),
        _ => Some(format!("/{key}")),
    };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| within(key, a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) => {
            (0..a.len().max(b.len())).find_map(|at| within(&at.to_string(), a.get(at), b.get(at)))
        }
        _ => (a != b).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_pointer() {
        let a = json!({"a": [1, {"b": "x"}], "c": 0});
        for (b, pointer) in [
            (json!({"a": [1, {"b": "y"}], "c": 1}), Some("/a/1/b")),
            (json!({"a": [1], "c": 0}), Some("/a/1")),
            (json!({"a": [1, {"b": "x"}], "c": 0, "d": 0}), Some("/d")),
            (json!([]), Some("")),
            (a.clone(), None),
        ] {
            assert_eq!(first_difference(&a, &b).as_deref(), pointer);
        }
    }
}
