//! Reports of what was known earlier: the log folded anew up to there. It asks no read model, which knows only now.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use api::{Problem, ReportKind};
use chain::{Chain, LinkedRecord, Position, Record, RecordHash};
use clinical::report::{AskedSources, Covered, Parameters, Sources, SourcesError};
use clinical::rows::Sheet;
use clinical::{Date, Event};
use journal::Journal;

use super::reads::unreadable;
use super::threads;

/// Reports kept, since what was known earlier does not change: those of a safety board's package and of its readers.
const KEPT_MAX: usize = 16;

/// Most rows that are kept of the last fold, some 100 MiB: whoever pages through what is behind a cell asks for them again.
const ROWS_KEPT_MAX: usize = 200_000;

/// About how many bytes of records are read at a time.
const READ_BYTES: usize = 4 << 20;

/// A report of the first so many records.
pub(super) struct Made {
    /// Hash of the last of them.
    pub(super) head: RecordHash,
    /// The report's canonical JSON.
    pub(super) report: String,
}

/// Which report, of so many records, up to a day, counted against what a cut of so many records and that day counts.
pub(super) type Asked = (ReportKind, u64, Option<Date>, Option<Cut>);

/// So many records, up to a day.
pub(super) type Cut = (u64, Date);

/// Reports of what was last known that are kept: many ask for the same one before the next record comes.
const LATEST_KEPT_MAX: usize = 4;

type Kept = Mutex<VecDeque<(Asked, Arc<Made>)>>;

/// Makes reports of what was known earlier, one at a time, and keeps the last ones; and the last ones of what was known
/// at their time, which others make.
#[derive(Default)]
pub(super) struct Earlier {
    made: Kept,
    latest: Kept,
    /// Held while one is made: whoever asks for the same one meanwhile is better served by waiting.
    making: Mutex<()>,
    /// What the last cut that was counted against counts.
    counted: Mutex<Option<(Cut, Arc<safety::Earlier>)>>,
    /// The last rows that were folded, by report and number of records. Held while rows are folded: one fold at a time.
    folded: Mutex<Option<(ReportKind, u64, Arc<Folded>)>>,
}

/// The rows of a report of the log's first records, and the hash of the last of them.
type Folded = (Sheet, RecordHash);

impl Earlier {
    /// The report of the log's first `records` records, which are durable. Blocks while they are read and folded.
    pub(super) fn report(
        &self,
        journal: &dyn Journal,
        kind: ReportKind,
        records: u64,
        cutoff: Option<Date>,
        since: Option<Cut>,
    ) -> Result<Arc<Made>, Problem> {
        let asked = (kind, records, cutoff, since);
        if let Some(made) = self.latest(asked) {
            return Ok(made);
        }
        // Held while a report is made: whoever asks for the same one meanwhile is better served by waiting.
        let mut kept = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = kept.iter().find(|(known, _)| *known == asked) {
            return Ok(Arc::clone(made));
        }
        // Only a safety report is counted against another.
        let since = since.map(|cut| self.counted(journal, cut)).transpose()?;
        let folded = self.rows(journal, kind, records)?;
        let (sheet, head) = &*folded;
        let covered = Covered { records, head: *head };
        let made = Arc::new(make(kind, sheet.rows(), covered, cutoff, since.as_deref())?);
        keep(&mut kept, KEPT_MAX, asked, &made);
        Ok(made)
    }

    /// The report, if it was made of what was known then and is kept. What it says depends on nothing else.
    pub(super) fn latest(&self, asked: Asked) -> Option<Arc<Made>> {
        let kept = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == asked).map(|(_, made)| Arc::clone(made))
    }

    /// Keeps a report of what is known now.
    pub(super) fn keep_latest(&self, asked: Asked, made: &Arc<Made>) {
        keep(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner), LATEST_KEPT_MAX, asked, made);
    }

    /// Waits until no other report of what is known now is being made; none is until the guard is dropped.
    pub(super) fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(kept: &mut VecDeque<(Asked, Arc<Made>)>, most: usize, asked: Asked, made: &Arc<Made>) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back((asked, Arc::clone(made)));
}

fn unmade(error: impl std::fmt::Display) -> Problem {
    Problem::unavailable(format!("no report can be made: {error}"))
}

/// Makes a report of rows of the log's first so many records.
pub(super) fn make(
    kind: ReportKind,
    rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    covered: Covered,
    cutoff: Option<Date>,
    since: Option<&safety::Earlier>,
) -> Result<Made, Problem> {
    let parameters = Parameters { cutoff };
    let bytes = match kind {
        ReportKind::Outcomes => {
            outcomes::report(rows, &parameters, covered).map_err(unmade)?.to_canonical_json()
        }
        ReportKind::Safety => {
            safety::report_since(rows, &parameters, covered, since).map_err(unmade)?.to_canonical_json()
        }
    };
    let report = String::from_utf8(bytes).map_err(|_| Problem::internal("the report is not text"))?;
    Ok(Made { head: covered.head, report })
}

impl Earlier {
    /// What the safety report of a cut counts, for reports that are counted against it.
    pub(super) fn counted(&self, journal: &dyn Journal, cut: Cut) -> Result<Arc<safety::Earlier>, Problem> {
        let mut kept = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, counted)) = &*kept
            && *known == cut
        {
            return Ok(Arc::clone(counted));
        }
        let (records, day) = cut;
        let folded = self.rows(journal, ReportKind::Safety, records)?;
        let (sheet, head) = &*folded;
        let covered = Covered { records, head: *head };
        let parameters = Parameters { cutoff: Some(day) };
        let counted = Arc::new(safety::earlier(sheet.rows(), &parameters, covered).map_err(unmade)?);
        *kept = Some((cut, Arc::clone(&counted)));
        Ok(counted)
    }

    /// The rows of the log's first `records` records.
    fn rows(&self, journal: &dyn Journal, kind: ReportKind, records: u64) -> Result<Arc<Folded>, Problem> {
        let mut kept = self.folded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, number, folded)) = &*kept
            && (*of, *number) == (kind, records)
        {
            return Ok(Arc::clone(folded));
        }
        *kept = None;
        let folded = Arc::new(match kind {
            ReportKind::Outcomes => outcome_rows(journal, records)?,
            ReportKind::Safety => safety_rows(journal, records)?,
        });
        if folded.0.count() <= ROWS_KEPT_MAX {
            *kept = Some((kind, records, Arc::clone(&folded)));
        }
        Ok(folded)
    }

    /// What is behind a cell of the report of the log's first records, and the hash of the last of them.
    pub(super) fn sources(
        &self,
        journal: &dyn Journal,
        kind: ReportKind,
        (records, cutoff): (u64, Option<Date>),
        asked: &AskedSources,
    ) -> Result<(RecordHash, Sources), Problem> {
        let folded = self.rows(journal, kind, records)?;
        let (sheet, head) = &*folded;
        macro_rules! sources {
            ($report:ident) => {{
                let covered = Covered { records, head: *head };
                $report::sources(sheet.rows(), &Parameters { cutoff }, covered, asked)
                    .map_err(|error| no_sources(&error))
            }};
        }
        let sources = match kind {
            ReportKind::Outcomes => sources!(outcomes),
            ReportKind::Safety => sources!(safety),
        };
        Ok((*head, sources?))
    }
}

macro_rules! rows_of {
    ($rows:ident, $report:ident) => {
        fn $rows(journal: &dyn Journal, records: u64) -> Result<Folded, Problem> {
            let (mut folder, mut sheet, mut changes) =
                ($report::Folder::default(), Sheet::default(), Vec::new());
            let head = fold(journal, records, |event, seq, record| {
                folder.fold(event, seq, record.recorded_at, &mut changes);
                sheet.apply(changes.drain(..));
            })?;
            Ok((sheet, head))
        }
    };
}

rows_of!(outcome_rows, outcomes);
rows_of!(safety_rows, safety);

/// Why there are none: the asker's mistake, or the report's.
pub(super) fn no_sources(error: &SourcesError<impl std::error::Error>) -> Problem {
    match error {
        SourcesError::NoCell(_) | SourcesError::NoSubject(_) => Problem::not_found(error.to_string()),
        SourcesError::Whole(_) => {
            Problem::new(404, "no-sources", "This cell is about no subject.", error.to_string())
        }
        SourcesError::Report(_) | SourcesError::Rows(_) => {
            Problem::unavailable(format!("no report can be made: {error}"))
        }
    }
}

/// Hands over the first `records` records, each link checked; the hash of the last. Of each read of the journal every
/// thread decodes a share.
fn fold(
    journal: &dyn Journal,
    records: u64,
    mut take: impl FnMut(&Event, Position, &Record<'_>),
) -> Result<RecordHash, Problem> {
    let mut chain = Chain::default();
    while chain.size.0 < records {
        let mut part =
            journal.read(Position(chain.size.0), READ_BYTES).map_err(|error| unreadable(&error))?;
        part.retain(|linked| linked.seq.0 < records);
        if part.is_empty() {
            return Err(Problem::internal("the journal ends before its durable end"));
        }
        thread::scope(|scope| {
            let shares = part.chunks(part.len().div_ceil(threads()));
            let shares: Vec<_> = shares.map(|share| scope.spawn(|| decode(share))).collect();
            for share in shares {
                let share = share.join().map_err(|_| Problem::internal("decoding records failed"))?;
                for (linked, record, event) in share? {
                    chain.follow(&record, linked.hash).map_err(|_| {
                        Problem::internal(format!("record {} does not continue the log", linked.seq))
                    })?;
                    take(&event, linked.seq, &record);
                }
            }
            Ok::<_, Problem>(())
        })?;
    }
    Ok(chain.head)
}

fn decode(share: &[LinkedRecord]) -> Result<Vec<(&LinkedRecord, Record<'_>, Event)>, Problem> {
    share
        .iter()
        .map(|linked| {
            let malformed = || Problem::internal(format!("record {} is malformed", linked.seq));
            let record = Record::parse(&linked.bytes).map_err(|_| malformed())?;
            let event = Event::decode(record.event).map_err(|_| malformed())?;
            Ok((linked, record, event))
        })
        .collect()
}
