//! Lists about how the trial is run: consent, criteria, deviations, endorsement, unblindings.

use api::{PlanAsked, Problem, TrailAsked};
use clinical::date::days_between;
use clinical::endorsement::{SignatureSeen, SignatureStanding};
use clinical::plan::{ConsentStanding, SubjectPlan};
use clinical::{EventKind, FindingCode, confirmed};
use serde_json::Value;

use super::Part;
use crate::asked::Asked;
use crate::findings::because;
use crate::links::Links;
use crate::list::{Cell, Column, Row};
use crate::trail::Read;
use crate::words::{heading, words};

pub(super) const CONSENT: &[Column] = &[
    ("subject", "Subject"),
    ("site", "Site"),
    ("first_version", "First version"),
    ("first_signed_on", "Signed on"),
    ("first_record", "Record"),
    ("last_version", "Last version"),
    ("last_signed_on", "Signed on"),
    ("first_procedure", "First procedure"),
    ("first_procedure_on", "On"),
    ("first_procedure_record", "Record"),
    ("days", "#Days between"),
    ("standing", "Consent was"),
];

pub(super) async fn consent(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let subject =
        |text: String| text.parse().map_err(|_| Problem::bad_request("after is a subject's pseudonym"));
    let plan =
        PlanAsked { after: after.map(subject).transpose()?, limit: Some(limit), ..PlanAsked::default() };
    let found = asked.registry.plan(&asked.links.trial, plan).await?;
    let rows = found.subjects.iter().map(|it| consent_of(it, &asked.links)).collect();
    Ok(Part { covers: found.covers, rows, next: found.next.map(|next| next.to_string()) })
}

fn consent_of(it: &SubjectPlan, links: &Links) -> Row {
    let (first, last, procedure) = (it.consents.first(), it.consents.last(), it.first_procedure.as_ref());
    let days =
        first.and_then(|consent| consent.on.day()).zip(procedure.and_then(|procedure| procedure.on.day()));
    let standing = match it.consent {
        ConsentStanding::Before if procedure.is_none() => Cell::of("signed; nothing done yet"),
        ConsentStanding::Before => Cell::of("before"),
        ConsentStanding::SameDay => Cell::of("on the same day"),
        ConsentStanding::After => Cell::loud("AFTER the first procedure"),
        ConsentStanding::Undetermined => Cell::loud("not to be told from the dates"),
        ConsentStanding::NotStated => Cell::loud("NOT STATED"),
    };
    vec![
        Cell::subject(Some(&it.subject), links),
        Cell::of(&it.site),
        Cell::maybe(first.map(|consent| &consent.document_version)),
        Cell::maybe(first.map(|consent| consent.on)),
        first.map_or_else(Cell::default, |consent| Cell::record(consent.seq, links)),
        Cell::maybe(last.map(|consent| &consent.document_version)),
        Cell::maybe(last.map(|consent| consent.on)),
        Cell::maybe(procedure.map(|procedure| words(procedure.kind.as_str()))),
        Cell::maybe(procedure.map(|procedure| procedure.on)),
        procedure.map_or_else(Cell::default, |procedure| Cell::record(procedure.seq, links)),
        Cell::maybe(days.map(|(consent, procedure)| days_between(consent, procedure))),
        standing,
    ]
}

/// How many pages of findings are looked through for those of a kind, before what was found is the answer.
const FINDINGS_LOOKS_MAX: usize = 10;

/// Findings looked at at once.
const FINDINGS_LOOKED_AT: usize = 1_000;

/// Findings of these codes, each made a row with the record it stands on.
async fn findings(
    asked: &Asked,
    after: Option<String>,
    limit: usize,
    codes: &[FindingCode],
    row: impl Fn(&Read<'_>, &clinical::Finding, &Links) -> Row,
) -> Result<Part, Problem> {
    let (mut rows, mut after, mut covers) = (Vec::new(), after, None);
    for _ in 0..FINDINGS_LOOKS_MAX {
        let look = api::Page { after, limit: Some(FINDINGS_LOOKED_AT) };
        let found = asked.registry.findings(&asked.links.trial, look).await?;
        covers.get_or_insert(found.covers);
        after = found.next.map(|next| next.to_string());
        for at in &found.records {
            let wanted: Vec<_> = at.findings.iter().filter(|finding| codes.contains(&finding.code)).collect();
            if wanted.is_empty() {
                continue;
            }
            let view = asked.registry.record(&asked.links.trial, at.seq).await?;
            let read = Read::new(&view);
            rows.extend(wanted.into_iter().map(|finding| row(&read, finding, &asked.links)));
            if rows.len() >= limit {
                let is_last = after.is_none() && found.records.last().is_some_and(|last| last.seq == at.seq);
                let next = (!is_last).then(|| at.seq.to_string());
                return covered(covers, rows, next);
            }
        }
        if after.is_none() {
            break;
        }
    }
    covered(covers, rows, after)
}

fn covered(covers: Option<api::Covers>, rows: Vec<Row>, next: Option<String>) -> Result<Part, Problem> {
    let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
    Ok(Part { covers, rows, next })
}

pub(super) const CRITERIA: &[Column] = &[
    ("record", "Record"),
    ("subject", "Subject"),
    ("site", "Site"),
    ("stated_in", "Stated in"),
    ("on", "Date"),
    ("criterion", "Criterion"),
    ("result", "Result"),
    ("by", "By"),
    ("confirmed", "Confirmed"),
];

pub(super) async fn criteria(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let codes = [FindingCode::CriterionNotMet, FindingCode::CriterionNotDone];
    findings(asked, after, limit, &codes, |read, finding, links| {
        let id = read.event().pointer(&format!("{}/id", finding.pointer)).and_then(Value::as_str);
        let result = match finding.code {
            FindingCode::CriterionNotMet => Cell::loud("not met"),
            _ => Cell::of("not examined"),
        };
        let mut row = about(read, links);
        let reason = confirmed::reason(&read.confirmed(), finding).map(because);
        row.extend([Cell::maybe(id), result, Cell::maybe(read.text("/actor/id")), Cell::maybe(reason)]);
        row
    })
    .await
}

/// Record, subject, site, kind and date of the fact.
fn about(read: &Read<'_>, links: &Links) -> Row {
    let subject = read.text("/subject").and_then(|text| text.parse().ok());
    vec![
        Cell::record(read.view.seq, links),
        Cell::subject(subject.as_ref(), links),
        Cell::maybe(read.text("/site")),
        Cell::of(read.kind()),
        Cell::maybe(read.text("/occurred_on")),
    ]
}

pub(super) const ENDORSEMENT: &[Column] = &[
    ("record", "Record"),
    ("subject", "Subject"),
    ("site", "Site"),
    ("kind", "Kind"),
    ("on", "Date of the fact"),
    ("entered_by", "Entered by"),
    ("recorded_at", "Recorded"),
    ("state", "State"),
    ("signature", "Signature"),
    ("meaning", "Meaning"),
    ("signed_by", "Signed by"),
    ("signed_at", "Signed"),
];

/// What waits, and signatures that no longer say anything about what is in force.
pub(super) async fn endorsement(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    let subject =
        |text: String| text.parse().map_err(|_| Problem::bad_request("after is a subject's pseudonym"));
    let plan =
        PlanAsked { after: after.map(subject).transpose()?, limit: Some(limit), ..PlanAsked::default() };
    let found = asked.registry.plan(&asked.links.trial, plan).await?;
    let mut rows = Vec::new();
    for it in &found.subjects {
        let waiting = it.not_endorsed.iter().map(|seq| (*seq, "not endorsed", None));
        let in_doubt = it.in_doubt.iter().map(|seq| (*seq, "key in doubt", None));
        let signed = it.signatures.iter().filter_map(|seen| match seen.standing {
            SignatureStanding::Holds => None,
            SignatureStanding::Stale => Some((seen.statement, "signature stale: amended since", Some(seen))),
            SignatureStanding::InDoubt => Some((seen.statement, "signature in doubt", Some(seen))),
        });
        for (seq, state, seen) in waiting.chain(in_doubt).chain(signed) {
            let view = asked.registry.record(&asked.links.trial, seq).await?;
            rows.push(endorsement_of(&Read::new(&view), state, seen, &asked.links));
        }
    }
    Ok(Part { covers: found.covers, rows, next: found.next.map(|next| next.to_string()) })
}

fn endorsement_of(read: &Read<'_>, state: &str, seen: Option<&SignatureSeen>, links: &Links) -> Row {
    let mut row = about(read, links);
    row.extend([
        Cell::maybe(read.text("/actor/id")),
        Cell::of(read.member("recorded_at")),
        Cell::loud(state),
        seen.map_or_else(Cell::default, |seen| Cell::record(seen.seq, links)),
        Cell::maybe(seen.map(|seen| seen.meaning.as_str())),
        Cell::maybe(seen.map(|seen| &seen.by.id)),
        Cell::maybe(seen.map(|seen| seen.signed_at)),
    ]);
    row
}

/// Records of one kind that are the latest version and not void, each made a row.
async fn of_kind(
    asked: &Asked,
    after: Option<String>,
    limit: usize,
    kind: EventKind,
    row: impl Fn(&Read<'_>, Row) -> Row,
) -> Result<Part, Problem> {
    let look = TrailAsked { kinds: vec![kind], limit: Some(limit), ..after_of(after.as_deref())? };
    let found = asked.registry.trail(&asked.links.trial, look).await?;
    let mut rows = Vec::new();
    for entry in &found.entries {
        let view = asked.registry.record(&asked.links.trial, entry.seq).await?;
        let read = Read::new(&view);
        if view.amended_by.is_none() && !read.is_void() {
            let about = about(&read, &asked.links);
            rows.push(row(&read, about));
        }
    }
    Ok(Part { covers: found.covers, rows, next: found.next.map(|next| next.to_string()) })
}

/// A trail from after a position on.
pub(super) fn after_of(after: Option<&str>) -> Result<TrailAsked, Problem> {
    TrailAsked::read(&|name| after.filter(|_| name == "after").map(str::to_owned))
}

pub(super) const DEVIATIONS: &[Column] = &[
    ("record", "Record"),
    ("subject", "Subject"),
    ("site", "Site"),
    ("kind", "Kind"),
    ("on", "On"),
    ("category", "Category"),
    ("severity", "Severity"),
    ("by", "By"),
];

pub(super) async fn deviations(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    of_kind(asked, after, limit, EventKind::ProtocolDeviation, |read, mut row| {
        let text = |pointer| read.text(pointer).unwrap_or_default();
        let severity = text("/data/severity");
        row.extend([
            Cell::of(heading(text("/data/category"))),
            if severity == "important" { Cell::loud(severity) } else { Cell::of(severity) },
            Cell::of(text("/actor/id")),
        ]);
        row
    })
    .await
}

pub(super) const UNBLINDINGS: &[Column] = &[
    ("record", "Record"),
    ("subject", "Subject"),
    ("site", "Site"),
    ("kind", "Kind"),
    ("on", "On"),
    ("reason", "Why"),
    ("informed", "Who came to know"),
    ("by", "By"),
    ("role", "Role"),
];

pub(super) async fn unblindings(asked: &Asked, after: Option<String>, limit: usize) -> Result<Part, Problem> {
    of_kind(asked, after, limit, EventKind::Unblinding, |read, mut row| {
        let text = |pointer| read.text(pointer).unwrap_or_default();
        let informed = read.event().pointer("/data/informed").and_then(Value::as_array);
        let informed: Vec<String> =
            informed.into_iter().flatten().filter_map(Value::as_str).map(words).collect();
        row.extend([
            Cell::of(words(text("/data/reason"))),
            Cell::of(informed.join(", ")),
            Cell::of(text("/actor/id")),
            Cell::of(words(text("/actor/role"))),
        ]);
        row
    })
    .await
}
