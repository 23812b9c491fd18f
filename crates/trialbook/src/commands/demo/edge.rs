//! The demonstration's second table: an edge cohort, submitted to a registry of its own and held against what is expected.
//!
//! It lies in a directory beside the first trial's data, so that a newcomer's commands still find one trial alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use api::{Registry as _, ReportAsked, ReportKind};
use chain::{Instant, Position, Record, RecordHash};
use clinical::data::{Data as Contents, DataCut, ReportAccess, ReportPublished};
use clinical::report::Engine;
use clinical::rows::Sheet;
use clinical::statement::PlainAmends;
use clinical::{
    Date, Effect, Event, EventKind, Follows, Receipt, Role, SiteId, Statement, SubjectId, TrialId,
};
use serde_json::json;
use verify::FileDigest;

use super::submitter::Submitter;
use super::{SETTLE, Table, open_with, print};
use crate::access::Access;
use crate::commands::keys::{grant_statement, statement};
use crate::data::Data;
use crate::demo::edge::found::{self, Reports};
use crate::demo::edge::{self, Edge, Expected, Link, SITES, Stated, ZONE};
use crate::deployment::{Deployment, Sealing};
use crate::keyfile::KeyFile;

/// The cut that comes before what is corrected after a cut.
const CUT: &str = "edge-1";

/// What begins the name of what is expected of the reports as of the cut.
const AT_THE_CUT: &str = "at the cut: ";

/// What is expected of the report that was signed for.
const SIGNED: &str = "the signed report of the cut";

/// Submits the edge cohort, unless it is there, and prints what is expected beside what is found; whether all of it is so
/// and its log intact.
pub(super) async fn run(beside: &Data) -> Result<bool> {
    let data = Data::new(&beside.root().join(edge::TRIAL));
    let edge = Edge::read()?;
    let rows = rows_of(&data, &edge).await?;
    show(&edge, &rows, data.root())?;
    Ok(rows.iter().flat_map(|row| &row.compared).all(Compared::holds))
}

/// What is found, in a registry of its own in `data`.
async fn rows_of<'a>(data: &Data, edge: &'a Edge) -> Result<Vec<Row<'a>>> {
    data.create()?;
    let Some(lock) = data.lock()? else { bail!("{} is in use by another process", data.root().display()) };
    let trial: TrialId = edge::TRIAL.parse()?;
    let deployment = Deployment::open(data.clone(), lock)?;
    deployment.seal(Sealing::default());
    let access = Access { registry: Arc::new(deployment.clone()), deployment: Some(deployment.clone()) };
    if !deployment.trial_ids().contains(&trial) {
        fill(&access, data, &trial, edge).await?;
    }
    let settled = deployment.settle(&trial, SETTLE);
    ensure!(settled, "the read models did not come to the end of the edge cohort's log");
    let intact = {
        let (deployment, trial) = (deployment.clone(), trial.clone());
        tokio::task::spawn_blocking(move || deployment.verify(&trial, None)).await??.status() == 0
    };
    ensure!(intact, "the edge cohort's log in {} is not intact", data.root().display());
    let log = Log::read(&deployment, &trial).await?;
    compare(&deployment, &trial, edge, &log).await
}

/// Who signs, by role and, for roles of a site, by site.
type People = BTreeMap<(Role, Option<SiteId>), KeyFile>;

fn people(dir: &Path) -> Result<People> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut people = People::new();
    let mut make = |holder: &str, organisation: &str, role: Role, site: Option<SiteId>| -> Result<()> {
        let key = KeyFile::new(holder.parse()?, organisation.to_owned(), role, ZONE.parse()?);
        key.write(&dir.join(format!("{holder}.key")))?;
        people.insert((role, site), key);
        Ok(())
    };
    for (site, principal, investigator) in SITES {
        let organisation = format!("Synthetic Hospital {site}");
        make(principal, &organisation, Role::PrincipalInvestigator, Some(site.parse()?))?;
        make(investigator, &organisation, Role::Investigator, Some(site.parse()?))?;
    }
    for (holder, role) in [
        ("edge.sponsor", Role::Sponsor),
        ("edge.statistician", Role::Statistician),
        ("edge.data-manager", Role::DataManager),
        ("edge.safety", Role::SponsorSafety),
        ("edge.committee", Role::Committee),
    ] {
        make(holder, "Synthetic Sponsor", role, None)?;
    }
    Ok(people)
}

fn of<'a>(people: &'a People, role: Role, site: Option<&SiteId>) -> Result<&'a KeyFile> {
    people.get(&(role, site.cloned())).with_context(|| format!("nobody is {}", role.as_str()))
}

/// Opens the trial and submits the cohort: what was recorded before the cut, the cut, a report that is signed for, and
/// what was corrected after it.
async fn fill(access: &Access, data: &Data, trial: &TrialId, edge: &Edge) -> Result<()> {
    let people = people(&data.keys().join(trial.as_str()))?;
    let sponsor = of(&people, Role::Sponsor, None)?;
    let genesis = open_with(access, data, trial, std::slice::from_ref(sponsor), edge::opening()).await?;
    let mut submitter = Submitter::new(&*access.registry, trial, genesis);
    for (site, ..) in SITES {
        let data = json!({"country": "DE", "name": format!("Synthetic Site {site}"), "zone": ZONE});
        let activation =
            Statement { site: Some(site.parse()?), ..statement(EventKind::SiteActivated, &data) };
        submitter.state(sponsor, &activation).await?;
    }
    for ((role, site), key) in &people {
        let granter = match (role, site) {
            (Role::Sponsor, _) => continue,
            (Role::PrincipalInvestigator, _) | (_, None) => sponsor,
            (_, Some(_)) => of(&people, Role::PrincipalInvestigator, site.as_ref())?,
        };
        submitter.state(granter, &grant_statement(key, genesis, site.as_slice())).await?;
    }
    submitter.flush().await?;
    let mut labels = BTreeMap::new();
    let mut later = Vec::new();
    for subject in &edge.subjects {
        for stated in subject.stated()? {
            if stated.after_cut {
                later.push((&subject.id, stated));
            } else {
                state(&mut submitter, &people, &subject.id, stated, &mut labels).await?;
            }
        }
    }
    submitter.flush().await?;
    cut_and_publish(access, trial, edge, &mut submitter, of(&people, Role::Statistician, None)?).await?;
    for (subject, stated) in later {
        state(&mut submitter, &people, subject, stated, &mut labels).await?;
    }
    submitter.flush().await?;
    Ok(())
}

/// States a fact, with the record it names by its label.
async fn state<'a>(
    submitter: &mut Submitter<'a>,
    people: &'a People,
    subject: &SubjectId,
    stated: Stated,
    labels: &mut BTreeMap<(SubjectId, String), Receipt>,
) -> Result<()> {
    let Stated { role, at, mut statement, label, link, .. } = stated;
    if let Some(link) = link {
        let named = (subject.clone(), link.label().to_owned());
        let earlier = labels.get(&named).with_context(|| format!("{subject} has no fact {}", named.1))?;
        let (hash, seq) = (earlier.hash, earlier.seq);
        let amends = |effect, reason: &str| -> Result<_> {
            let reason = serde_json::from_value(json!(reason))?;
            Ok(Some(PlainAmends { comment: None, effect, hash, reason, seq }))
        };
        match link {
            Link::Voids(_, reason) => statement.amends = amends(Effect::Void, &reason)?,
            Link::Replaces(_, reason) => statement.amends = amends(Effect::Replace, &reason)?,
            Link::Follows(_) => statement.follows = Some(Follows { hash, seq }),
            Link::About(_) => {
                statement.data.insert("adverse_event".to_owned(), json!({"hash": hash, "seq": seq}));
            }
        }
    }
    let key = of(people, role, (role == Role::Investigator).then_some(&at))?;
    match label {
        Some(label) => {
            let receipt = submitter.record(key, &statement).await?;
            labels.insert((subject.clone(), label), receipt);
        }
        None => submitter.state(key, &statement).await?,
    }
    Ok(())
}

/// Cuts at what is recorded, and signs for the outcome report of the cut.
async fn cut_and_publish<'a>(
    access: &Access,
    trial: &TrialId,
    edge: &Edge,
    submitter: &mut Submitter<'a>,
    key: &'a KeyFile,
) -> Result<()> {
    let deployment = access.deployment.clone().context("the edge cohort's registry is in this process")?;
    let sealed = {
        let (deployment, trial) = (deployment.clone(), trial.clone());
        tokio::task::spawn_blocking(move || deployment.wait_sealed(&trial, SETTLE)).await??
    };
    let records = sealed.size.0;
    let last = records.checked_sub(1).context("there is no record to cut after")?;
    let cut = DataCut {
        cutoff_date: edge.last_day()?.into(),
        head: deployment.record(trial, Position(last)).await?.hash,
        name: CUT.parse()?,
        previous: None,
        records,
        root: sealed.root,
    };
    submitter.record(key, &statement(EventKind::DataCut, &cut)).await?;
    let asked = ReportAsked { as_of: Some(api::AsOf::Cut(cut.name.clone())), ..ReportAsked::default() };
    let report = deployment.report(trial, ReportKind::Outcomes, asked).await?;
    let digest = FileDigest::of(report.report.get().as_bytes());
    let published = ReportPublished {
        access: ReportAccess::Open,
        bytes: digest.length,
        cut: cut.name,
        engine: Engine::this().version,
        report: ReportKind::Outcomes.as_str().to_owned(),
        sha256: RecordHash(digest.sha256),
    };
    submitter.record(key, &statement(EventKind::ReportPublished, &published)).await?;
    Ok(())
}

/// A log's records, decoded, with its cut and the report that was signed for.
struct Log {
    events: Vec<(Position, Instant, Event)>,
    head: RecordHash,
    cut: DataCut,
    published: ReportPublished,
}

macro_rules! report_of {
    ($name:ident, $report:ident) => {
        /// The report of these events, folded from the first.
        fn $name<'a>(
            events: impl Iterator<Item = &'a (Position, Instant, Event)>,
            cutoff: Date,
            covered: (u64, RecordHash),
        ) -> Result<$report::Report> {
            let (mut folder, mut sheet, mut changes) = ($report::Folder::new(), Sheet::default(), Vec::new());
            for (seq, recorded_at, event) in events {
                folder.fold(event, *seq, *recorded_at, &mut changes);
                sheet.apply(changes.drain(..));
            }
            let covered = $report::Covered { records: covered.0, head: covered.1 };
            let parameters = $report::Parameters { cutoff: Some(cutoff) };
            Ok($report::report(sheet.rows(), &parameters, covered)?)
        }
    };
}

report_of!(outcomes_of, outcomes);
report_of!(safety_of, safety);

impl Log {
    async fn read(deployment: &Deployment, trial: &TrialId) -> Result<Self> {
        let detail = deployment.trial(trial).await?;
        let covers = detail.trial.covers;
        let mut events = Vec::new();
        let (mut cut, mut published) = (None, None);
        let mut from = Position(0);
        while from.0 < covers.records {
            let part = deployment.follow(trial, from).await?;
            ensure!(part.next > from, "the log ends before its end");
            from = part.next;
            for item in part.items {
                let record = Record::parse(item.record.as_bytes())
                    .map_err(|error| anyhow::anyhow!("record {}: {error}", item.seq))?;
                let event = Event::decode(record.event)?;
                match &event.data {
                    Contents::DataCut(data) => cut = Some(data.clone()),
                    Contents::ReportPublished(data) => published = Some(data.clone()),
                    _ => {}
                }
                events.push((item.seq, record.recorded_at, event));
            }
        }
        let cut = cut.context("the edge cohort was not cut: delete its directory to begin anew")?;
        let published = published
            .context("no report of the edge cohort was signed for: delete its directory to begin anew")?;
        Ok(Self { events, head: covers.head, cut: *cut, published: *published })
    }

    /// The reports of what is known at a number of records, of all of them or of some subjects.
    fn reports(&self, records: u64, cutoff: Date, of: Option<&[&SubjectId]>) -> Result<Reports> {
        let within = |(seq, _, event): &&(Position, Instant, Event)| {
            let about = match (&of, &event.subject) {
                (Some(subjects), Some(subject)) => subjects.contains(&subject),
                _ => true,
            };
            seq.0 < records && about
        };
        let head = if records == self.cut.records { self.cut.head } else { self.head };
        let events = || self.events.iter().filter(within);
        Ok(Reports {
            outcomes: outcomes_of(events(), cutoff, (records, head))?,
            safety: safety_of(events(), cutoff, (records, head))?,
        })
    }
}

/// What is expected of a subject or of the whole, beside what was found.
struct Row<'a> {
    /// The subject; `all` for the whole.
    of: String,
    case: &'a str,
    compared: Vec<Compared<'a>>,
}

struct Compared<'a> {
    expected: &'a Expected,
    found: Option<String>,
}

impl Compared<'_> {
    fn holds(&self) -> bool {
        self.found.as_ref() == Some(&self.expected.1)
    }

    fn words(&self) -> &str {
        self.found.as_deref().unwrap_or("not in the reports")
    }
}

/// Holds every expectation against the reports: of a subject against those of its records alone, folded here; of the
/// whole against those that the registry gives.
async fn compare<'a>(
    deployment: &Deployment,
    trial: &TrialId,
    edge: &'a Edge,
    log: &Log,
) -> Result<Vec<Row<'a>>> {
    let (cutoff, all) = (edge.last_day()?, log.events.len() as u64);
    let mut rows = Vec::new();
    for subject in edge.subjects.iter().filter(|subject| subject.counts_as.is_none()) {
        let given_up = edge.subjects.iter().filter(|other| other.counts_as.as_ref() == Some(&subject.id));
        let of: Vec<&SubjectId> = given_up.map(|other| &other.id).chain([&subject.id]).collect();
        let now = log.reports(all, cutoff, Some(&of))?;
        let mut then = None;
        let mut compared = Vec::new();
        for expected in &subject.expected {
            let found = match expected.0.strip_prefix(AT_THE_CUT) {
                None => found::of_subject(&expected.0, &now),
                Some(what) => {
                    if then.is_none() {
                        then = Some(log.reports(log.cut.records, cutoff, Some(&of))?);
                    }
                    then.as_ref().and_then(|then| found::of_subject(what, then))
                }
            };
            compared.push(Compared { expected, found });
        }
        rows.push(Row { of: subject.id.to_string(), case: &subject.case, compared });
    }
    let asked = ReportAsked { cutoff: Some(cutoff), ..ReportAsked::default() };
    let outcomes = deployment.report(trial, ReportKind::Outcomes, asked.clone()).await?;
    let safety = deployment.report(trial, ReportKind::Safety, asked).await?;
    let now = Reports {
        outcomes: serde_json::from_str(outcomes.report.get())?,
        safety: serde_json::from_str(safety.report.get())?,
    };
    let then = log.reports(log.cut.records, cutoff, None)?;
    let compared = edge.whole.iter().map(|expected| {
        let found = match (expected.0.as_str(), expected.0.strip_prefix(AT_THE_CUT)) {
            (SIGNED, _) => Some(signed_for(&then, &log.published)),
            (_, Some(what)) => found::of_whole(what, &then),
            (what, None) => found::of_whole(what, &now),
        };
        Compared { expected, found }
    });
    rows.push(Row { of: "all".to_owned(), case: "the whole cohort", compared: compared.collect() });
    Ok(rows)
}

/// Whether the report of the cut is, after all that was recorded since, the one that was signed for.
fn signed_for(then: &Reports, published: &ReportPublished) -> String {
    let digest = FileDigest::of(&then.outcomes.to_canonical_json());
    let same = RecordHash(digest.sha256) == published.sha256 && digest.length == published.bytes;
    if same { "the same bytes" } else { "OTHER BYTES" }.to_owned()
}

/// Widest cell of the table; what differs is printed whole below it.
const SHOWN_MAX: usize = 56;

/// Prints a line for each subject and one for the whole, with the first thing that is expected of it or the first that is
/// not so; then everything that is not as expected, with the reason why it should be.
fn show(edge: &Edge, rows: &[Row<'_>], dir: &Path) -> Result<()> {
    let mut table = Table::new(["edge case", "", "expected", "found", "as expected", ""]);
    let mut differing = String::new();
    for row in rows {
        let differs: Vec<_> = row.compared.iter().filter(|one| !one.holds()).collect();
        let Some(first) = differs.first().copied().or(row.compared.first()) else { continue };
        let Expected(what, due, _) = first.expected;
        table.row([
            row.of.clone(),
            row.case.to_owned(),
            shortened(&format!("{what}: {due}")),
            shortened(first.words()),
            format!("{}/{}", row.compared.len() - differs.len(), row.compared.len()),
            if differs.is_empty() { "✓" } else { "✕" }.to_owned(),
        ]);
        for one in differs {
            let Expected(what, due, because) = one.expected;
            let found = one.words();
            differing.push_str(&format!("  ✕ {} {what}: expected {due}; found {found}; {because}\n", row.of));
        }
    }
    let expected: usize = rows.iter().map(|row| row.compared.len()).sum();
    print(&format!(
        "\n{}\n{expected} expectations, counted up to {}; its registry is {}\n{table}{differing}",
        edge.synthetic,
        edge.cutoff,
        dir.display()
    ))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_as_expected_is_told_of_a_subject_and_of_the_whole_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut edge = Edge::read().unwrap();
        let bend = |expected: &mut Vec<Expected>, what: &str| {
            let expected = expected.iter_mut().find(|expected| expected.0 == what).unwrap();
            expected.1 = "364 or so".to_owned();
        };
        bend(&mut edge.subjects[0].expected, "follow_up_days");
        bend(&mut edge.whole, "survival.crude");
        edge.whole.push(Expected("no such figure".to_owned(), "0/0".to_owned(), "none".to_owned()));
        let rows = rows_of(&Data::new(dir.path()), &edge).await.unwrap();
        let differing: Vec<_> = rows
            .iter()
            .flat_map(|row| {
                row.compared.iter().filter(|one| !one.holds()).map(|one| (&*row.of, &*one.expected.0))
            })
            .collect();
        assert_eq!(
            differing,
            [("E01", "follow_up_days"), ("all", "survival.crude"), ("all", "no such figure")]
        );
    }
}
