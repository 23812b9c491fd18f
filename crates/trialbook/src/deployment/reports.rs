//! Reports, and what is behind their cells: of now from the projectors' rows, of earlier by folding the log anew.

use std::sync::Arc;

use api::{AsOf, Problem, ReportAsked, ReportKind, ReportView, Since, SourcesView};
use clinical::Date;
use clinical::report::{AskedSources, Covered, Parameters, changes};
use projector::ProjectorHandle;
use readmodel::{Mark, Row};
use serde_json::value::RawValue;

use super::Inner;
use super::earlier::{Cut, make, no_sources};
use super::reads::{query, raw};
use super::running::Running;

fn value(report: &RawValue) -> Result<serde_json::Value, Problem> {
    serde_json::from_str(report.get()).map_err(|_| Problem::internal("the report is not JSON"))
}

impl Inner {
    /// A report as asked: of now by the projector's rows, of what was known earlier by folding the log up to there.
    pub(super) fn report_asked(
        &self,
        running: &Running,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem> {
        // Who makes the report of now makes the earlier ones too.
        running.reporter(kind)?;
        let since = asked.since.map(|name| {
            let then = known_then(running, &AsOf::Cut(name.clone()), None)?;
            Ok::<_, Problem>((name, then))
        });
        let since = since.transpose()?;
        if let Some((name, (records, day))) = &since {
            let (now, until) = match &asked.as_of {
                None => (running.journal.head().size.0, asked.cutoff),
                Some(as_of) => known_then(running, as_of, asked.cutoff)?,
            };
            if *records > now || day.zip(until).is_some_and(|(day, until)| day > until) {
                let detail = format!(
                    "since is an earlier cut, and {name} is not: it covers more, or counts up to a later day"
                );
                return Err(Problem::bad_request(detail));
            }
        }
        let against = since.as_ref().and_then(|(_, (records, day))| Some((*records, (*day)?)));
        let against = against.filter(|_| kind == ReportKind::Safety);
        let mut view = match &asked.as_of {
            None => self.make_report(running, kind, asked.cutoff, against)?,
            Some(as_of) => {
                let (records, cutoff) = known_then(running, as_of, asked.cutoff)?;
                self.earlier(running, kind, (records, cutoff), against)?
            }
        };
        if let Some((name, (records, cutoff))) = since {
            let before = self.earlier(running, kind, (records, cutoff), None)?;
            let changes = changes(&value(&before.report)?, &value(&view.report)?);
            view.since = Some(Since { changes, cut: name, records });
        }
        Ok(view)
    }

    fn earlier(
        &self,
        running: &Running,
        kind: ReportKind,
        (records, cutoff): (u64, Option<Date>),
        since: Option<Cut>,
    ) -> Result<ReportView, Problem> {
        let made = running.earlier.report(&*running.journal, kind, records, cutoff, since)?;
        let covers = self.covers_first(running, records, made.head);
        Ok(ReportView { covers, report: raw(made.report.clone())?, since: None })
    }

    /// What is behind a cell of the report as asked.
    pub(super) fn sources_asked(
        &self,
        running: &Running,
        kind: ReportKind,
        asked: &ReportAsked,
        cell: &AskedSources,
    ) -> Result<SourcesView, Problem> {
        let projector = running.reporter(kind)?;
        if let Some(as_of) = &asked.as_of {
            let (records, cutoff) = known_then(running, as_of, asked.cutoff)?;
            let (head, sources) =
                running.earlier.sources(&*running.journal, kind, (records, cutoff), cell)?;
            return Ok(SourcesView { covers: self.covers_first(running, records, head), sources });
        }
        let (rows, mark) = all_rows(projector)?;
        macro_rules! sources {
            ($report:ident) => {{
                let covered = Covered { records: mark.size, head: chain::RecordHash(mark.hash) };
                let parameters = Parameters { cutoff: asked.cutoff };
                $report::sources(rows.into_iter(), &parameters, covered, cell)
                    .map_err(|error| no_sources(&error))?
            }};
        }
        let sources = match kind {
            ReportKind::Outcomes => sources!(outcomes),
            ReportKind::Safety => sources!(safety),
        };
        Ok(SourcesView { covers: self.covers(running, projector, mark), sources })
    }

    fn make_report(
        &self,
        running: &Running,
        kind: ReportKind,
        cutoff: Option<Date>,
        against: Option<Cut>,
    ) -> Result<ReportView, Problem> {
        let projector = running.reporter(kind)?;
        let known = || {
            let mark = query(projector, |_, mark| Ok(mark))?;
            let made = running.earlier.latest((kind, mark.size, cutoff, against));
            Ok::<_, Problem>(made.map(|made| (made, mark)))
        };
        let (made, mark) = if let Some(known) = known()? {
            known
        } else {
            let since = against.map(|cut| running.earlier.counted(&*running.journal, cut)).transpose()?;
            let _making = running.earlier.making();
            // Whoever made one meanwhile may have made this one.
            if let Some(known) = known()? {
                known
            } else {
                let (rows, mark) = all_rows(projector)?;
                let covered = Covered { records: mark.size, head: chain::RecordHash(mark.hash) };
                let made = Arc::new(make(kind, rows.into_iter(), covered, cutoff, since.as_deref())?);
                running.earlier.keep_latest((kind, mark.size, cutoff, against), &made);
                (made, mark)
            }
        };
        let covers = self.covers(running, projector, mark);
        Ok(ReportView { covers, report: raw(made.report.clone())?, since: None })
    }
}

/// All rows of a projector. A report is made after they are let go of: no commit waits for it.
fn all_rows(projector: &ProjectorHandle) -> Result<(Vec<Row>, Mark), Problem> {
    query(projector, |view, mark| Ok((view.scan(b"", None, usize::MAX)?, mark)))
}

/// How many records were known, and the last day that counts: a cut's own, unless another is asked for.
fn known_then(running: &Running, as_of: &AsOf, cutoff: Option<Date>) -> Result<(u64, Option<Date>), Problem> {
    let (records, cutoff) = match as_of {
        AsOf::Records(records) => (*records, cutoff),
        AsOf::Cut(name) => {
            let public = running.public();
            let cut = public.cuts.iter().find(|cut| cut.name == *name);
            let cut = cut.ok_or_else(|| Problem::not_found(format!("there is no data cut {name}")))?;
            (cut.records, cutoff.or(Some(cut.cutoff_date)))
        }
    };
    let durable = running.journal.head().size.0;
    if records == 0 || records > durable {
        return Err(Problem::bad_request(format!("as_of is from 1 to the {durable} records there are")));
    }
    Ok((records, cutoff))
}
